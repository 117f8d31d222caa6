/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * user/policy_file.c: what a text asks for or what is said about it, all of it at
 * once; that what is printed parses to the same; and that saving changes the lines
 * that it must, no others. What a value may look like is unit_config.c's question.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "flow_table.h"
#include "policies.h"
#include "policy.h"
#include "policy_file.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define S	     1000000000ULL
#define MS	     1000000ULL
#define MBIT	     1000000ULL

#define BOTH(rate) .ingress = (rate), .egress = (rate)

#define X10(text)  text text text text text text text text text text
#define X100(text) X10(X10(text))

struct limit {
	uint64_t ingress, egress, burst_ns, burst_bytes, window_ns, overhead, horizon_ns;
	enum bwctl_mode mode;
	const char *interfaces; /* between single spaces */
};

static const struct {
	const char *text;
	struct limit asked;
} good[] = {
	{"[limit]\n", {0}},
	{"[limit]", {0}},
	{"\n\n  [limit]  \n", {0}},
	{"[limit] ; a comment\n", {0}},
	{"[limit] # a comment\n", {0}},
	{"# 1\n; 2\n\t# 3 = 4\n[limit]\n #rate = 1mbit\n", {0}},
	{"[limit]\nrate = 50mbit\n", {BOTH(50 * MBIT)}},
	{"[limit]\nrate=50mbit", {BOTH(50 * MBIT)}},
	{"[limit]\nrate: 50mbit\n", {BOTH(50 * MBIT)}},
	{"[limit]\n\trate\t=\t50mbit\t\n", {BOTH(50 * MBIT)}},
	{"[limit]\nrate = 50mbit ; the uplink\n", {BOTH(50 * MBIT)}},
	{"[limit]\nrate = unlimited\n", {0}},
	{"[limit]\ningress = 50mbit\n", {.ingress = 50 * MBIT}},
	{"[limit]\negress = 20mbit\n", {.egress = 20 * MBIT}},
	{"[limit]\negress = 20mbit\ningress = 50mbit\n",
	 {.ingress = 50 * MBIT, .egress = 20 * MBIT}},
	{"[limit]\nburst = 200ms\n", {.burst_ns = 200 * MS}},
	{"[limit]\nburst = 64kb\n", {.burst_bytes = 64000}},
	{"[limit]\nburst = default\nwindow = default\nhorizon = default\nmode = auto\n"
	 "overhead = 0\n",
	 {0}},
	{"[limit]\nwindow = 5s\noverhead = 24\nmode = police\nhorizon = 50ms\n",
	 {.window_ns = 5 * S, .overhead = 24, .horizon_ns = 50 * MS, .mode = BWCTL_MODE_POLICE}},
	/* Indentation means nothing: no line is taken for a part of the one before. */
	{"[limit]\n  rate = 50mbit\n  burst = 1ms\n\twindow = 1s\n",
	 {BOTH(50 * MBIT), .burst_ns = MS, .window_ns = S}},
	{"[limit]\ninterfaces = eth0 eth1\n", {.interfaces = "eth0 eth1"}},
	{"[limit]\ninterfaces =\n", {0}},
	{"[limit]\ninterfaces = ; none\nrate = 1mbit\n", {BOTH(MBIT)}},
	{"[limit]\ninterfaces = eth0\teth0.12  br-lan wlan@1 ; two\n",
	 {.interfaces = "eth0 eth0.12 br-lan wlan@1"}},
	{"[limit]\ninterfaces = eth0\n\teth1 eth2 ; more\n  # and\n\n  eth3\nrate = 1mbit\n",
	 {BOTH(MBIT), .interfaces = "eth0 eth1 eth2 eth3"}},
	{"[limit]\ninterfaces =\n eth0\n burst = 1ms\n", {.burst_ns = MS, .interfaces = "eth0"}},
	/* As other systems write. */
	{"[limit]\r\nrate = 50mbit\r\nburst = 1ms ; x\r\n\r\n", {BOTH(50 * MBIT), .burst_ns = MS}},
	{"\xef\xbb\xbf[limit]\nrate = 50mbit\n", {BOTH(50 * MBIT)}},
	{"\xef\xbb\xbf# \xc3\xa4\n[limit]\n", {0}},
	/* A comment may be of any length. */
	{"# " X100("long ") "\n[limit]\n;" X100("longer ") "\nrate = 1mbit\n", {BOTH(MBIT)}},
	{"[limit]\nrate = 1mbit ; " X10("three words ") "\n", {BOTH(MBIT)}},
};

/* Classes and flows, and how it is printed; NULL: as it stands here. */
static const struct {
	const char *text, *printed;
} policies[] = {
	{"[limit]\n\n[class lab]\n", NULL},
	{"[limit]\n[class ui]\n", "[limit]\n"},
	{"[limit]\n[class ssh]\npriority = normal\nreserve = none\nexempt = no\nrate = unlimited\n",
	 "[limit]\n"},
	{"[limit]\n\n[class lab]\nrate = 5mbit\npriority = low\nreserve = 1mbit\n", NULL},
	{"[limit]\n\n[class lab]\ningress = 5mbit\negress = 2mbit\npriority = high\n", NULL},
	{"[limit]\n\n[class lab]\negress = 2mbit\n", NULL},
	{"[limit]\n\n[class other]\nexempt = yes\n", NULL},
	/* In any order: what leads into what does not matter. */
	{"[flow x]\nclass = lab\n[class lab]\nrate = 1mbit\n[limit]\nrate = 2mbit\n",
	 "[limit]\nrate = 2mbit\n\n[class lab]\nrate = 1mbit\n\n[flow x]\nclass = lab\n"},
	{"[limit]\n\n[flow jump]\nclass = ssh\nprotocol = tcp\nlocal = 443,>1024\nremote = <1024\n"
	 "prefix = 10.1.0.0/16\ninterface = eth0\n",
	 NULL},
	{"[limit]\n[flow x]\nclass = ui\nprotocol = ANY\nlocal = any\nremote = any\nprefix = any\n"
	 "interface = any\nremove = no\n",
	 "[limit]\n\n[flow x]\nclass = ui\n"},
	{"[limit]\n[flow x]\nclass = ui\nremote = 24, 22 ,23,100-200\t; some\n",
	 "[limit]\n\n[flow x]\nclass = ui\nremote = 22-24,100-200\n"},
	{"[limit]\n\n[flow b]\nclass = ui\n\n[flow a]\nclass = ui\n", NULL},
	/* Classes have no order: they are printed in the same one, however they came about. */
	{"[limit]\n[class c]\n[class b]\n[class api]\nrate = 1mbit\n[class ui]\nrate = 1mbit\n[class a]\n",
	 "[limit]\n\n[class ui]\nrate = 1mbit\n\n[class api]\nrate = 1mbit\n\n[class a]\n\n"
	 "[class b]\n\n[class c]\n"},
	/* Listed ones. */
	{"[limit]\n\n[flow telnet]\nremove = yes\n", NULL},
	{"[limit]\n[flow telnet]\nremove = Yes\n[flow x]\nclass = ui\n[flow ui]\nremove = yes\n",
	 "[limit]\n\n[flow x]\nclass = ui\n\n[flow ui]\nremove = yes\n\n[flow telnet]\nremove = yes\n"},
	{"[limit]\n[flow telnet]\n", "[limit]\n\n[flow telnet]\nclass = telnet\n"},
	{"[limit]\n[flow ssh]\nremote = 22,2222\n[flow x]\nclass = ui\n",
	 "[limit]\n\n[flow ssh]\nclass = ssh\nremote = 22,2222\n\n[flow x]\nclass = ui\n"},
	{"[limit]\n\n[flow icmp]\nclass = icmp\nprotocol = any\n", NULL},
	{"[limit ] # 1\n[class  lab\t] ; 2\n[ flow x]\nclass : lab\n",
	 "[limit]\n\n[class lab]\n\n[flow x]\nclass = lab\n"},
};

#define CLASS_KEYS "expected rate, ingress, egress, priority, reserve or exempt"
#define FLOW_KEYS  "expected class, protocol, local, remote, prefix, interface or remove"
#define KEYS	   "expected rate, ingress, egress, burst, window, overhead, mode, horizon or interfaces"

static const struct {
	const char *text;
	const char *errors; /* all of them, a line each */
} bad[] = {
	{"[limit]\nrate = 10mbut\n",
	 "f:2: rate: unknown unit 'mbut' in '10mbut': expected a number "
	 "and bit, kbit, mbit or gbit\n"},
	{"[limit]\nrate =\n",
	 "f:2: rate: the rate is empty: expected a number and bit, kbit, mbit or gbit\n"},
	{"[limit]\nrate = 50\nburst = 64k\nwindow = 1ms\noverhead = 300\nmode = slow\nhorizon = 3s\n",
	 "f:2: rate: no unit in '50': write 50kbit, 50mbit or 50gbit\n"
	 "f:3: burst: '64k': expected a time (200ms) or a size (64kb)\n"
	 "f:4: window: '1ms' is out of range: expected 100ms to 3600s\n"
	 "f:5: overhead: '300' is above the largest value, 256\n"
	 "f:6: mode: 'slow': expected auto, pace, police or observe\n"
	 "f:7: horizon: '3s' is out of range: expected 5ms to 2s\n"},
	{"[limit]\nrate = 50mbit # fast\n",
	 "f:2: rate: space in '50mbit # fast': write the rate as one word\n"},
	{"[limit]\nrate = 50mbit;fast\n",
	 "f:2: rate: unknown unit 'mbit;fast' in '50mbit;fast': expected a number and bit, kbit, "
	 "mbit or gbit\n"},
	{"[limit]\nbrust = 1ms\n", "f:2: unknown key 'brust': did you mean 'burst'?\n"},
	{"[limit]\nRate = 1mbit\n", "f:2: unknown key 'Rate': did you mean 'rate'?\n"},
	{"[limit]\ningres = 1mbit\n", "f:2: unknown key 'ingres': did you mean 'ingress'?\n"},
	{"[limit]\ninterface = eth0\n",
	 "f:2: unknown key 'interface': did you mean 'interfaces'?\n"},
	{"[limit]\nceiling = 1mbit\n", "f:2: unknown key 'ceiling': " KEYS "\n"},
	{"[limit]\n= 1mbit\n", "f:2: unknown key '': " KEYS "\n"},
	{"[limit]\n\x80x\xff = 1\n", "f:2: unknown key '?x?': " KEYS "\n"},
	{"[limits]\nrate = x\nfoo\n", "f:1: unknown section [limits]: did you mean [limit]?\n"},
	{"[LIMIT]\n", "f:1: unknown section [LIMIT]: did you mean [limit]?\n"},
	{"[flows]\n[limit]\nrate = 1\n", "f:1: unknown section [flows]: did you mean [flow NAME]?\n"
					 "f:3: rate: no unit in '1': write 1mbit or 1gbit\n"},
	{"rate = 1mbit\n[limit]\n",
	 "f:1: 'rate' stands before any section: expected [limit] above it\n"},
	{"[limit\nrate = 1mbit\n", "f:1: '[limit': expected a ']' behind the name of a section\n"},
	{"[limit] rate = 1mbit\n",
	 "f:1: [limit]: expected nothing else in the line of a section\n"},
	{"[limit]\n[limit]\n", "f:2: [limit] is there already, in line 1\n"},
	{"[limit]\nrate = 1mbit\nrate = 1mbit\n", "f:3: rate: is given already, in line 2\n"},
	{"[limit]\nrate = 1mbit\negress = 1mbit\n", "f:3: egress: is given already, in line 2\n"},
	{"[limit]\ningress = 1mbit\n\nrate = 1mbit\n", "f:4: rate: is given already, in line 2\n"},
	{"[limit]\nburst = x\nburst = 1ms\n",
	 "f:2: burst: 'x': expected a time (200ms) or a size (64kb)\n"
	 "f:3: burst: is given already, in line 2\n"},
	{"[limit]\ninterfaces = a\ninterfaces = b\n",
	 "f:3: interfaces: is given already, in line 2\n"},
	{"[limit]\ninterfaces = a b a\n", "f:2: interfaces: 'a' is there twice\n"},
	{"[limit]\ninterfaces = a\n b\n a\n", "f:4: interfaces: 'a' is there twice\n"},
	{"[limit]\ninterfaces = eth0 # uplink\n",
	 "f:2: interfaces: '#': a comment after a value begins with ';'\n"},
	{"[limit]\ninterfaces = eth0,eth1\n\teth0/1\n",
	 "f:3: interfaces: 'eth0/1': expected names of interfaces, with blanks between\n"},
	{"[limit]\ninterfaces = sixteen-letters-\n",
	 "f:2: interfaces: 'sixteen-letters-': expected names of interfaces, with blanks between\n"},
	{"[limit]\ninterfaces = ..\n",
	 "f:2: interfaces: '..': expected names of interfaces, with blanks between\n"},
	{"[limit]\nrate\n", "f:2: 'rate': expected KEY = VALUE\n"},
	{"[limit]\nrate 50mbit", "f:2: 'rate 50mbit': expected KEY = VALUE\n"},
	{"[limit]\nrate = 1mbit\n  2mbit\n", "f:3: '2mbit': expected KEY = VALUE\n"},
	{"[limit]\ninterfaces = a\nburst = 1ms\n b\n", "f:4: 'b': expected KEY = VALUE\n"},
	{"[limit]\ninterfaces = a\n bogus = b\n c\n",
	 "f:3: unknown key 'bogus': " KEYS "\nf:4: 'c': expected KEY = VALUE\n"},
	{"[limit]\nrate ; = 1mbit\n", "f:2: 'rate ; = 1mbit': expected KEY = VALUE\n"},
	/* inih by itself would take what is behind its buffer for another line, or drop it. */
	{"[limit]\nburst = 1ms ;" X10(X10("x")) X10(X10("y")) "rate = 1mbit\nwindow = x\n",
	 "f:2: the line has 225 bytes: expected at most 180\n"
	 "f:3: window: 'x' is not a number: expected a number and us, ms, s or min\n"},
	{"[limit]\n" X10(X10("[")) X10(X10("[")) "\n",
	 "f:2: '[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[...': expected a ']' behind the name of a "
	 "section\n"},
	{"[limit]\nrate = 1mbit\v\n",
	 "f:2: the line has a control character: expected plain text\n"},
	{"[limit]\rrate = 1mbit\r", "f:1: the line has a control character: expected plain text\n"},
	{"# \033[2J\n[limit]\n", "f:1: the line has a control character: expected plain text\n"},
	/* Classes and flows. */
	{"[limit]\n[class]\n", "f:2: [class]: expected a name, [class NAME]\n"},
	{"[limit]\n[flow ]\n", "f:2: [flow]: expected a name, [flow NAME]\n"},
	{"[limit]\n[ssh]\nrate = 1mbit\n",
	 "f:2: unknown section [ssh]: expected limit, class NAME or flow NAME\n"},
	{"[limit x]\n",
	 "f:1: unknown section [limit x]: expected limit, class NAME or flow NAME\n"},
	{"[limit]\n[clas lab]\n", "f:2: unknown section [clas lab]: did you mean [class lab]?\n"},
	{"[limit]\n[Flow x]\n", "f:2: unknown section [Flow x]: did you mean [flow x]?\n"},
	{"[limit]\n[class a b]\n",
	 "f:2: [class a b]: 'a b' can be no name: expected letters, digits, "
	 "- and _, at most 15\n"},
	{"[limit]\n[class priority]\nx\n",
	 "f:2: [class priority]: 'priority' has a meaning of its own: expected a name\n"},
	{"[limit]\n[flow other]\nclass = ui\n",
	 "f:2: [flow other]: 'other' is what no flow matches: expected another name\n"},
	{"[limit]\n[class lab]\n[class ui]\n[class lab]\nrate = 1mbit\n",
	 "f:4: [class lab] is there already, in line 2\n"},
	{"[limit]\n[class lab]\nprioritty = low\nburst = 1ms\nremove = yes\n",
	 "f:3: unknown key 'prioritty': did you mean 'priority'?\n"
	 "f:4: unknown key 'burst': " CLASS_KEYS "\n"
	 "f:5: unknown key 'remove': " CLASS_KEYS "\n"},
	{"[limit]\n[flow x]\nclass = ui\nrmote = 22\nbefore = ui\nrate = 1mbit\n",
	 "f:4: unknown key 'rmote': did you mean 'remote'?\n"
	 "f:5: unknown key 'before': " FLOW_KEYS "\n"
	 "f:6: unknown key 'rate': " FLOW_KEYS "\n"},
	{"[limit]\n[class lab]\nrate = 1\npriority = best\nreserve = x\nexempt = 1\n",
	 "f:3: rate: no unit in '1': write 1mbit or 1gbit\n"
	 "f:4: priority: 'best': expected high, normal or low\n"
	 "f:5: reserve: 'x': expected a rate, or none\n"
	 "f:6: exempt: '1': expected yes or no\n"},
	{"[limit]\n[flow x]\nclass = any\nprotocol = tpc\nlocal = 65536\nremote = 2-1\nprefix = "
	 "10.1.2.3/16\ninterface = a/b\nremove = 1\n",
	 "f:3: class: 'any' has a meaning of its own: expected a name\n"
	 "f:4: protocol: 'tpc': did you mean 'tcp'?\n"
	 "f:5: local: '65536' is above the largest value, 65535\n"
	 "f:6: remote: '2-1' goes backwards: expected 1-2\n"
	 "f:7: prefix: '10.1.2.3/16' has bits behind its prefix: expected 10.1.0.0/16\n"
	 "f:8: interface: 'a/b': expected the name of an interface, or any\n"
	 "f:9: remove: '1': expected yes or no\n"},
	{"[limit]\n[class lab]\nrate = 1mbit\negress = 1mbit\npriority = low\npriority = low\n",
	 "f:4: egress: is given already, in line 3\nf:6: priority: is given already, in line 5\n"},
	/* What does not go together, in the order of the lines. */
	{"[limit]\nrate = 1mbit\nbrust = 1\n[class ui]\nreserve = 2mbit\n[flow x]\nclass = lab\n",
	 "f:3: unknown key 'brust': did you mean 'burst'?\n"
	 "f:5: reserve: all that is reserved is 2mbit together (ui 2mbit), more than the ingress limit, "
	 "1mbit: expected at most that, or less reserved (class ui reserve none)\n"
	 "f:7: class: there is no class 'lab'\n"},
	{"[limit]\n[flow x]\nclass = lib\n\n[class lab]\nrate = 1mbit\nreserve = 2mbit\n",
	 "f:3: class: there is no class 'lib': did you mean 'lab'?\n"
	 "f:7: reserve: 2mbit is more than the ingress limit of its own, 1mbit: expected at most "
	 "that\n"},
	{"[limit]\n[class lab]\nexempt = yes\nreserve = 2mbit\nrate = 3mbit\n",
	 "f:3: exempt: its limit of 3mbit is not kept where it passes unmetered: expected no, or "
	 "unlimited as its limit\n"
	 "f:4: reserve: an exempt class passes unmetered: expected none, or exempt no\n"},
	{"[limit]\n[flow x]\nprotocol = tcp\n",
	 "f:2: [flow x]: the class is missing: expected class and its name\n"},
	{"[limit]\n[flow x]\nclass = ui\nlocal = 22\nprotocol = gre\n",
	 "f:4: local: protocol gre has no ports: expected any, or tcp, udp, sctp, dccp or any as "
	 "protocol\n"},
	{"[limit]\n[flow ssh]\nprotocol = icmp\n",
	 "f:2: local: protocol icmp has no ports: expected any, or tcp, udp, sctp, dccp or any as "
	 "protocol\n"},
	{"[limit]\n[flow x]\nclass = ui\nprefix = 10.0.0.0/8\nprotocol = icmpv6\n",
	 "f:4: prefix: '10.0.0.0/8' has no icmpv6: expected an IPv6 prefix, or icmp as protocol\n"},
	/* One error, and not those that follow from it. */
	{"[limit]\n[flow x]\nclass = ui\nprefix = 10.0.0.0/88\nlocal = 22\nprotocol = icmpv6\n",
	 "f:4: prefix: '10.0.0.0/88': expected a length of 0 to 32 behind the /\n"},
	/* But what does not follow is said. */
	{"[limit]\n[flow x]\nclass = lab\nlocal = 22\nprotocol = icmp\nremove = maybe\n",
	 "f:3: class: there is no class 'lab'\n"
	 "f:4: local: protocol icmp has no ports: expected any, or tcp, udp, sctp, dccp or any as "
	 "protocol\n"
	 "f:6: remove: 'maybe': expected yes or no\n"},
	{"[limit]\n[flow x]\nremove = maybe\n",
	 "f:2: [flow x]: the class is missing: expected class and its name\n"
	 "f:3: remove: 'maybe': expected yes or no\n"},
	{"[limit]\n[flow x]\nclass = lab\nremote = ssh\n",
	 "f:3: class: there is no class 'lab'\n"
	 "f:4: remote: 'ssh': expected any, or ports such as 443, 1024-65535, >1024 or <1024, with "
	 "commas between\n"},
	{"[limit]\n[flow telnet]\nremove = yes\nremote = 22\n",
	 "f:3: remove: goes with nothing else: expected no other key of this flow\n"},
	{"[limit]\n[flow x]\nremove = yes\n",
	 "f:3: remove: only a listed flow has to be removed: expected none of its lines\n"},
	{"[limit]\n[class SSH]\n[flow Telnet]\nclass = ui\n",
	 "f:2: [class SSH]: there is a class ssh: expected a name that differs in more than case\n"
	 "f:3: [flow Telnet]: there is a flow telnet: expected a name that differs in more than "
	 "case\n"},
};

static struct policy_file *parse(const char *text, int *ret_err)
{
	struct policy_file *file;

	*ret_err = policy_file_parse("f", text, strlen(text), &file);
	assert_int_not_equal(*ret_err, -ENOMEM);
	return file;
}

static void test_good(void **state)
{
	(void)state;
	for (size_t n = 0; n < COUNT(good); n++) {
		const struct limit *asked = &good[n].asked;
		const struct bwctl_request *requests;
		char names[256] = "";
		int err;
		struct policy_file *file = parse(good[n].text, &err);

		if (err)
			fail_msg("'%s': refused: %s", good[n].text, file->errors[0]);
		if (policy_file_require(file))
			fail_msg("'%s': is no policy: %s", good[n].text, file->errors[0]);
		requests = file->asked.request;
		for (size_t i = 0; i < file->interface_count; i++)
			sprintf(names + strlen(names), "%s%s", i ? " " : "", file->interfaces[i]);
		assert_string_equal(names, asked->interfaces ? asked->interfaces : "");
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
			const struct bwctl_request expected = {
				.limit_bits_s = direction == BWCTL_INGRESS ? asked->ingress :
									     asked->egress,
				.window_ns = asked->window_ns,
				.burst_ns = asked->burst_ns,
				.burst_bytes = asked->burst_bytes,
				.overhead_bytes = asked->overhead,
				.horizon_ns = asked->horizon_ns,
				.mode = asked->mode,
			};
			if (memcmp(&requests[direction], &expected, sizeof(expected)))
				fail_msg("'%s': not what was expected", good[n].text);
		}
		policy_file_free(file);
	}
}

static void test_policies(void **state)
{
	(void)state;
	for (size_t n = 0; n < COUNT(policies); n++) {
		const char *expected = policies[n].printed ? policies[n].printed : policies[n].text;
		int err;
		struct policy_file *file = parse(policies[n].text, &err);
		char *text;

		if (err)
			fail_msg("'%s': refused: %s", policies[n].text, file->errors[0]);
		policy_file_print(&file->asked, NULL, 0, &text);
		if (strcmp(text, expected))
			fail_msg("'%s': expected\n%s\ngot\n%s", policies[n].text, expected, text);
		free(text);
		policy_file_free(file);
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t n = 0; n < COUNT(bad); n++) {
		char errors[POLICY_FILE_ERRORS * LOG_TEXT] = "";
		int err;
		struct policy_file *file = parse(bad[n].text, &err);

		for (size_t i = 0; i < file->error_count; i++)
			strcat(strcat(errors, file->errors[i]), "\n");
		if (err != -EINVAL || strcmp(errors, bad[n].errors))
			fail_msg("'%s': expected\n%sgot %d\n%s", bad[n].text, bad[n].errors, err,
				 errors);
		policy_file_free(file);
	}
}

static void test_nul_and_empty(void **state)
{
	static const char nul[] = "[limit]\nrate = 1mbit\0\n", utf16[] = "[\0l\0i\0m\0i\0t\0]\0";
	static const struct {
		const char *text;
		size_t length;
	} rows[] = {{nul, sizeof(nul) - 1}, {utf16, sizeof(utf16) - 1}, {"", 1}};
	struct policy_file *file;
	int err;

	(void)state;
	for (size_t n = 0; n < COUNT(rows); n++) {
		assert_int_equal(policy_file_parse("f", rows[n].text, rows[n].length, &file),
				 -EINVAL);
		assert_int_equal(file->error_count, 1);
		assert_string_equal(file->errors[0],
				    "f: there is a NUL byte in it: expected plain text, no UTF-16");
		policy_file_free(file);
	}
	/* What is left of a file when the disk was full does not take a limit away. */
	file = parse("# only this\n", &err);
	assert_int_equal(err, 0);
	assert_int_equal(policy_file_require(file), -EINVAL);
	assert_int_equal(policy_file_require(file), -EINVAL);
	assert_int_equal(file->error_count, 1);
	assert_string_equal(file->errors[0],
			    "f: there is no section [limit]: an empty file is no policy");
	policy_file_free(file);
}

/* More errors than are kept are counted; a long name leaves room for what is wrong. */
static void test_many_errors(void **state)
{
	char text[1000] = "[limit]\n", name[600];
	struct policy_file *file;
	size_t n;

	(void)state;
	for (n = 0; n < POLICY_FILE_ERRORS + 5; n++)
		strcat(text, "rate x\n");
	/* What does not go together is counted with them. */
	strcat(text, "[flow a]\nclass = none-such\n[flow b]\nprotocol = tcp\n");
	memset(name, 'n', sizeof(name));
	strcpy(name + sizeof(name) - 10, "the-file");
	assert_int_equal(policy_file_parse(name, text, strlen(text), &file), -EINVAL);
	assert_int_equal(file->error_count, POLICY_FILE_ERRORS + 7);
	for (n = 0; n < POLICY_FILE_ERRORS; n++) {
		char end[100];

		snprintf(end, sizeof(end), "the-file:%zu: 'rate x': expected KEY = VALUE", n + 2);
		assert_non_null(strstr(file->errors[n], end));
	}
	policy_file_free(file);
}

static void test_derive(void **state)
{
	static const struct {
		const char *text;
		const char *error; /* NULL: it fits */
	} rows[] = {
		{"[limit]\nrate = 50mbit\n", NULL},
		{"[limit]\n", NULL},
		{"[limit]\nburst = 3s\nwindow = 2s\n", NULL}, /* of no limit */
		{"[limit]\nrate = 50mbit\nmode = police\nburst = 3s\n",
		 "f:4: ingress, when it polices: a burst of 3 s does not fit a window of 2 s: "
		 "shorten it or lengthen the window"},
		{"[limit]\nrate = 50mbit\nmode = pace\nburst = 3s\n",
		 "f:4: ingress, when it paces: a burst of 3 s does not fit a window of 1 s: "
		 "shorten it or lengthen the window"},
		/* It fits one way only: which it will be is not known yet. */
		{"[limit]\nrate = 50mbit\nburst = 1.2s\n",
		 "f:3: ingress, when it paces: a burst of 1.2 s does not fit a window of 1 s: "
		 "shorten it or lengthen the window"},
		{"[limit]\nrate = 50mbit\nmode = police\nburst = 1.2s\n", NULL},
		{"[limit]\nrate = 50mbit\nburst = 3s\nwindow = 10s\n", NULL},
		/* What a class has of its own is held by the same burst and window. */
		{"[limit]\nburst = 3s\nmode = police\n\n[class lab]\nreserve = 1mbit\nrate = 5mbit\n",
		 "f:7: class lab ingress, when it polices: a burst of 3 s does not fit a window of 2 s: "
		 "shorten it or lengthen the window"},
		{"[limit]\nburst = 3s\nmode = police\n\n[class lab]\n\negress = 5mbit\n",
		 "f:7: class lab egress, when it polices: a burst of 3 s does not fit a window of 2 s: "
		 "shorten it or lengthen the window"},
		{"[limit]\nmode = police\n\n[class lab]\nrate = 8kbit\n[flow x]\nclass = lab\n",
		 NULL},
		/* What is to blame is named: nothing fits without it, all fits with less of it. */
		{"[limit]\nrate = 10mbit\nmode = police\nwindow = 200ms\nburst = 1ms\n\n[class ui]\nreserve = 10mbit\n",
		 "f:8: ingress, when it polices: reserves of 10 Mbit/s together do not fit a window of "
		 "200 ms: lower them or lengthen the window"},
		{"[limit]\nrate = 10mbit\nmode = police\nwindow = 200ms\nburst = 1ms\n", NULL},
		/* Of several reserves it is the line of the largest, with a limit of classes beside. */
		{"[class ui]\nrate = 9mbit\nreserve = 1mbit\n[limit]\nrate = 10mbit\nmode = police\nwindow = 200ms\nburst = 1ms\n[class api]\npriority = low\nreserve = 6mbit\n[class ssh]\nreserve = 3mbit\n",
		 "f:11: ingress, when it polices: reserves of 10 Mbit/s together do not fit a window of "
		 "200 ms: lower them or lengthen the window"},
		/* A burst that does not fit without any reserve either is what it was. */
		{"[limit]\nrate = 10mbit\nmode = police\nburst = 3s\n[class ui]\nreserve = 1mbit\nrate = 5mbit\n",
		 "f:4: ingress, when it polices: a burst of 3 s does not fit a window of 2 s: "
		 "shorten it or lengthen the window"},
		{"[limit]\nrate = 1mbit\nmode = pace\nwindow = 110ms\nburst = 1ms\n[class ui]\nrate = 1mbit\n",
		 "f:4: ingress, when it paces: what classes with limits of their own let wait does not "
		 "fit a window of 110 ms: lengthen the window"},
		{"[limit]\nrate = 1mbit\nmode = pace\nwindow = 110ms\nburst = 1ms\n", NULL},
	};

	(void)state;
	for (size_t n = 0; n < COUNT(rows); n++) {
		int err;
		struct policy_file *file = parse(rows[n].text, &err);

		assert_int_equal(err, 0);
		err = policy_file_derive(file, 4, true);
		if (err != (rows[n].error ? -EINVAL : 0))
			fail_msg("'%s': %d, %s", rows[n].text, err, file->errors[0]);
		if (rows[n].error)
			assert_string_equal(file->errors[0], rows[n].error);
		policy_file_free(file);
	}
}

/* Over what was in force it is the same, to the number; over nothing, its text is. */
static void check_same(const struct bwctl_asked *asked, const char *text)
{
	struct bwctl_asked again = *asked;
	char why[LOG_TEXT], *same;
	struct policy_file *file;
	int err;

	file = parse(text, &err);
	if (err)
		fail_msg("%s%s", text, file->errors[0]);
	assert_int_equal(config_apply(&file->change, &again, why), 0);
	if (memcmp(asked, &again, sizeof(again)))
		fail_msg("other than it was printed:\n%s", text);
	policy_file_print(&again, NULL, 0, &same);
	assert_string_equal(text, same);
	free(same);
	policy_file_free(file);
}

static void test_printed_parses_to_the_same(void **state)
{
	struct bwctl_asked asked;

	(void)state;
	for (int n = 0; n < 1000; n++) {
		struct policy_file *file;
		char *text, *same;
		int err;

		pick_policy(&asked, n % 10 ? 5 : BWCTL_OWN_CLASSES, n % 10 ? 10 : 249);
		assert_int_equal(policy_file_print(&asked, NULL, 0, &text), 0);
		check_same(&asked, text);
		/* Its numbers are others if it begins with nothing, but that is not to be seen. */
		file = parse(text, &err);
		assert_int_equal(err, 0);
		policy_file_print(&file->asked, NULL, 0, &same);
		assert_string_equal(text, same);
		policy_file_free(file);
		free(text);
		free(same);
	}
}

/* A long list goes on in further lines; names that would be misread are left out. */
static void test_printed_interfaces(void **state)
{
	static const char *const strange[] = {"eth0", ";x", "#1", "a=b", "", "eth1", "a\tb"};
	static char longs[200][16];
	const char *names[COUNT(longs)];
	struct policy_file *file;
	struct bwctl_asked none;
	char *text;
	int err;

	(void)state;
	policy_default(&none);
	assert_int_equal(policy_file_print(&none, strange, COUNT(strange), &text), 5);
	assert_string_equal(text, "[limit]\ninterfaces = eth0 eth1\n");
	free(text);
	for (size_t n = 0; n < COUNT(longs); n++) {
		sprintf(longs[n], "interface-%05zu", n);
		names[n] = longs[n];
	}
	assert_int_equal(policy_file_print(&none, names, COUNT(longs), &text), 0);
	file = parse(text, &err);
	assert_int_equal(err, 0);
	assert_int_equal(file->interface_count, COUNT(longs));
	for (size_t n = 0; n < COUNT(longs); n++)
		assert_string_equal(file->interfaces[n], longs[n]);
	policy_file_free(file);
	free(text);
}

static const struct {
	const char *before, *set; /* the words after set, of the whole policy */
	const char *after;
} merges[] = {
	/* It says so already, in whatever words. */
	{"[limit]\n rate =  50000kbit ; c\n\n# d\n", "50mbit",
	 "[limit]\n rate =  50000kbit ; c\n\n# d\n"},
	{"[limit]\nburst = DEFAULT\noverhead=000\nmode = auto\nrate = Unlimited", "unlimited",
	 "[limit]\nburst = DEFAULT\noverhead=000\nmode = auto\nrate = Unlimited"},
	{"[limit]\ningress = 1mbit\negress = 1mbit\n", "1mbit",
	 "[limit]\ningress = 1mbit\negress = 1mbit\n"},
	/* Another value: the rest of the line stays. */
	{"# top\n\n[limit]\n  rate\t:  50mbit  ; uplink\nburst=1ms\n", "20mbit burst 1ms",
	 "# top\n\n[limit]\n  rate\t:  20mbit  ; uplink\nburst=1ms\n"},
	{"[limit]\nrate = 50mbit", "20mbit", "[limit]\nrate = 20mbit"},
	{"[limit]\nburst = 64kb\n", "burst 49999999us", "[limit]\nburst = 49999999us\n"},
	/* Default now: the key goes, its comment stays. */
	{"[limit]\n# why\nburst = 64kb\nrate = 1mbit\n", "1mbit", "[limit]\n# why\nrate = 1mbit\n"},
	{"[limit]\n  burst = 64kb  ; small\nrate = 1mbit\n", "1mbit",
	 "[limit]\n; small\nrate = 1mbit\n"},
	{"[limit]\nrate = 1mbit", "unlimited", "[limit]\n"},
	{"[limit]\nrate = 1mbit ; x", "unlimited", "[limit]\n; x"},
	/* New keys come after those there are. */
	{"[limit]\nrate = 1mbit\n\n# end\n", "1mbit burst 1ms overhead 24",
	 "[limit]\nrate = 1mbit\nburst = 1ms\noverhead = 24\n\n# end\n"},
	{"[limit]\nrate = 1mbit", "1mbit mode pace", "[limit]\nrate = 1mbit\nmode = pace\n"},
	{"[limit]", "1mbit", "[limit]\nrate = 1mbit\n"},
	{"# c\n[limit] ; d\n# e\n", "1mbit", "# c\n[limit] ; d\nrate = 1mbit\n# e\n"},
	{"[limit]\ninterfaces = a\n\tb ; c\n  # d\n\te\n# f\n", "1mbit",
	 "[limit]\ninterfaces = a\n\tb ; c\n  # d\n\te\nrate = 1mbit\n# f\n"},
	{"[limit]\nburst = 1ms", "1mbit", "[limit]\nrate = 1mbit\n"},
	{"[limit]\nburst = 1ms ; x", "1mbit", "[limit]\n; x\nrate = 1mbit\n"},
	/* No section yet. */
	{"", "1mbit", "[limit]\nrate = 1mbit\n"},
	{"# c", "unlimited", "# c\n[limit]\n"},
	/* One limit, or one for each direction. */
	{"[limit]\n# a\nrate = 1mbit ; b\nmode = pace\n", "ingress 1mbit egress 2mbit mode pace",
	 "[limit]\n# a\n; b\ningress = 1mbit\negress = 2mbit\nmode = pace\n"},
	{"[limit]\nrate = 1mbit\nmode = pace\n", "ingress 1mbit mode pace",
	 "[limit]\ningress = 1mbit\nmode = pace\n"},
	{"[limit]\ningress = 1mbit\n", "2mbit", "[limit]\ningress = 2mbit\negress = 2mbit\n"},
	{"[limit]\ningress = 1mbit\n", "egress 2mbit", "[limit]\negress = 2mbit\n"},
	{"[limit]\negress = unlimited\n", "1mbit", "[limit]\negress = 1mbit\ningress = 1mbit\n"},
	{"[limit]\n", "egress 2mbit", "[limit]\negress = 2mbit\n"},
	/* Ends of lines, and the mark at the beginning. */
	{"[limit]\r\nrate = 1mbit\r\n", "2mbit burst 1ms",
	 "[limit]\r\nrate = 2mbit\r\nburst = 1ms\r\n"},
	{"[limit]\r\nrate = 1mbit ; x\r\n", "unlimited", "[limit]\r\n; x\r\n"},
	{"\xef\xbb\xbf[limit]\nrate = 1mbit\n", "2mbit", "\xef\xbb\xbf[limit]\nrate = 2mbit\n"},
	{"\xef\xbb\xbf", "2mbit", "\xef\xbb\xbf[limit]\nrate = 2mbit\n"},
	/* Of a class or a flow it is the same as of the limit. */
	{"[limit]\n\n# mine\n[class ssh] ; a\nrate = 1mbit ; b\n", "class ssh 2mbit",
	 "[limit]\n\n# mine\n[class ssh] ; a\nrate = 2mbit ; b\n"},
	{"[limit]\n\n[class ssh]\nrate = 1mbit ; b\npriority = low\n", "class ssh ingress 1mbit",
	 "[limit]\n\n[class ssh]\n; b\ningress = 1mbit\n"},
	{"[limit]\n\n[class ssh]\nrate = 1mbit ; b\n", "unlimited",
	 "[limit]\n\n[class ssh]\n; b\n"},
	{"[limit]\n[class ssh]\n\n[flow a]\nclass = ui\n", "class ssh priority low flow a class ui",
	 "[limit]\n[class ssh]\npriority = low\n\n[flow a]\nclass = ui\n"},
	/* One that is gone: what was said of it stays. */
	{"[limit]\n\n# gone soon\n[class lab]\nrate = 1mbit\n\n[class ui]\npriority = low\n",
	 "class ui priority low", "[limit]\n\n# gone soon\n\n[class ui]\npriority = low\n"},
	{"[limit]\n\n[class lab]\nrate = 1mbit\n\n[class ui]\npriority = low\n",
	 "class ui priority low", "[limit]\n\n[class ui]\npriority = low\n"},
	{"[limit]\n\n# gone soon\n[class lab] # c\nrate = 1mbit ; d\n", "unlimited",
	 "[limit]\n\n# gone soon\n# c\n; d\n"},
	/* New classes come behind the others or the limit, new flows behind the one they follow. */
	{"[limit]\n\n[class ui]\npriority = low\n\n[flow a]\nclass = ui\n",
	 "class ui priority low class lab 5mbit class new flow a class ui",
	 "[limit]\n\n[class ui]\npriority = low\n\n[class lab]\nrate = 5mbit\n\n[class new]\n\n[flow a]\nclass = ui\n"},
	{"[limit]\n\n[flow a]\nclass = ui\n", "class lab 5mbit flow a class lab",
	 "[limit]\n\n[class lab]\nrate = 5mbit\n\n[flow a]\nclass = lab\n"},
	{"[limit]\nrate = 1mbit", "1mbit class lab 5mbit flow a class lab flow telnet remove",
	 "[limit]\nrate = 1mbit\n\n[class lab]\nrate = 5mbit\n\n[flow a]\nclass = lab\n\n[flow telnet]\nremove = yes\n"},
	{"# c\n", "1mbit class lab 5mbit flow a class lab flow telnet remove",
	 "# c\n[limit]\nrate = 1mbit\n\n[class lab]\nrate = 5mbit\n\n[flow a]\nclass = lab\n\n[flow telnet]\nremove = yes\n"},
	/* Another order: each in the place of another, with what is said of it. */
	{"[limit]\n\n# 1\n[flow a]\nclass = ui ; a\n# 2\n\n# 3\n\n# 4\n[flow b]\nclass = ui\n\n[flow c]\nclass = ui",
	 "flow b class ui flow c class ui flow a class ui",
	 "[limit]\n\n# 4\n[flow b]\nclass = ui\n\n[flow c]\nclass = ui\n\n# 1\n[flow a]\nclass = ui ; a\n# 2\n\n# 3\n"},
	{"[limit]\n[flow a]\nclass = ui\n[class lab]\n[flow b]\nclass = lab\n",
	 "class lab flow b class lab flow new class lab flow a class ui",
	 "[limit]\n\n[flow b]\nclass = lab\n\n[flow new]\nclass = lab\n\n[class lab]\n\n[flow a]\nclass = ui\n"},
	{"[limit]\n\n[flow a]\nclass = ui\n\n[flow b]\nclass = ui\n",
	 "flow new class ui flow a class ui flow mid class ui flow b class ui flow last class ui",
	 "[limit]\n\n[flow new]\nclass = ui\n\n[flow a]\nclass = ui\n\n[flow mid]\nclass = ui\n\n[flow b]\nclass = ui\n\n[flow last]\nclass = ui\n"},
	{"[limit]\n\n[flow a]\nclass = ui\n\n[flow b]\nclass = ui\n\n# end\n",
	 "flow a class ui flow b class ui flow last class ui",
	 "[limit]\n\n[flow a]\nclass = ui\n\n[flow b]\nclass = ui\n\n# end\n\n[flow last]\nclass = ui\n"},
	/* A listed flow that is removed, and that comes back. */
	{"[limit]\n\n# t\n[flow telnet]\nclass = ui ; u\nremote = 2323\n\n[flow b]\nclass = ui\n",
	 "flow b class ui flow telnet remove",
	 "[limit]\n\n# t\n[flow telnet]\n; u\nremove = yes\n\n[flow b]\nclass = ui\n"},
	{"[limit]\n\n# t\n[flow telnet]\nremove = yes ; u\n\n[flow b]\nclass = ui\n",
	 "flow b class ui flow telnet remote 2323 before ui",
	 "[limit]\n\n[flow b]\nclass = ui\n\n# t\n[flow telnet]\n; u\nremote = 2323\n"},
	{"[limit]\n\n# t\n[flow telnet]\nremove = yes ; u\n\n[flow b]\nclass = ui\n",
	 "flow b class ui", "[limit]\n\n# t\n; u\n\n[flow b]\nclass = ui\n"},
	/* One between those that are listed: those in front of it are written. */
	{"[limit]\n\n[flow b]\nclass = ui\n# end\n", "flow b class ui flow a class ssh before api",
	 "[limit]\n\n[flow b]\nclass = ui\n# end\n\n[flow ui]\nclass = ui\n\n[flow admin]\nclass = admin\n\n[flow a]\nclass = ssh\n"},
	/* Lists are compared by what they say. */
	{"[limit]\n\n[flow ssh]\nremote = 22,2222\n", "flow ssh remote 22,2223 before ui",
	 "[limit]\n\n[flow ssh]\nremote = 22,2223\n"},
	{"[limit]\n\n[flow ssh]\nremote = 22 , 2222\n", "flow ssh remote 22,2222 before ui",
	 "[limit]\n\n[flow ssh]\nremote = 22 , 2222\n"},
	{"[limit]\n\n[flow a]\nclass=ui\n\n[flow b]\nclass=ui\n[flow c]\nclass = ui\n",
	 "flow a class ui flow c class ui",
	 "[limit]\n\n[flow a]\nclass=ui\n\n[flow c]\nclass = ui\n"},
	{"[class lab]\n", "1mbit class lab 1mbit",
	 "[class lab]\nrate = 1mbit\n\n[limit]\nrate = 1mbit\n"},
	{"[limit]\r\n[flow a]\r\nclass = ui\r\n",
	 "flow b class ui flow a class ssh flow telnet remove",
	 "[limit]\r\n\r\n[flow b]\r\nclass = ui\r\n\r\n[flow a]\r\nclass = ssh\r\n\r\n[flow telnet]\r\nremove = yes\r\n"},
};

/* The whole policy that commands make, with a bar between. */
static void asked_of(const char *commands, struct bwctl_asked *asked)
{
	static struct config_change change;
	char copy[1024], *words[64], *next, *save, why[LOG_TEXT];

	policy_default(asked);
	strcpy(copy, commands);
	for (char *command = copy; command; command = next) {
		int count = 0;

		next = strchr(command, '|');
		if (next)
			*next++ = '\0';
		for (char *word = strtok_r(command, " ", &save); word;
		     word = strtok_r(NULL, " ", &save))
			words[count++] = word;
		if (config_parse_set(count, words, &change, why) ||
		    config_apply(&change, asked, why))
			fail_msg("'%s': %s", commands, why);
	}
}

static void test_merge(void **state)
{
	struct bwctl_asked asked;

	(void)state;
	for (size_t n = 0; n < COUNT(merges); n++) {
		char *text, why[LOG_TEXT];
		struct policy_file *file;
		size_t length;
		int err;

		asked_of(merges[n].set, &asked);
		file = parse(merges[n].before, &err);
		assert_int_equal(err, 0);
		err = policy_file_merge(file, &asked, &text, &length, why);
		if (err)
			fail_msg("'%s' with '%s': %s", merges[n].before, merges[n].set, why);
		assert_int_equal(strlen(text), length);
		if (strcmp(text, merges[n].after))
			fail_msg("'%s' with '%s': expected\n%s\ngot\n%s", merges[n].before,
				 merges[n].set, merges[n].after, text);
		free(text);
		policy_file_free(file);
	}
}

/* A longer value in a line that is as long as can be: refused, nothing is written. */
static void test_merge_too_long(void **state)
{
	struct bwctl_asked asked;
	char text[300] = "[limit]\nrate = 8kbit ;", *merged, why[LOG_TEXT];
	struct policy_file *file;
	size_t length;
	int err;

	(void)state;
	while (strlen(text) < 8 + POLICY_FILE_LINE)
		strcat(text, "x");
	asked_of("49999999bit", &asked);
	file = parse(text, &err);
	assert_int_equal(err, 0);
	assert_int_equal(policy_file_merge(file, &asked, &merged, &length, why), -EINVAL);
	assert_string_equal(why, "with the new values f:2: the line has 186 bytes: expected at "
				 "most 180");
	policy_file_free(file);
}

/* A file that nobody could read again is not written. */
static void test_merge_too_large(void **state)
{
	static char text[STORE_MAX_BYTES + 1] = "[limit]\n#";
	struct bwctl_asked asked;
	char *merged, why[LOG_TEXT];
	struct policy_file *file;
	size_t length;
	int err;

	(void)state;
	memset(text + strlen(text), '#', STORE_MAX_BYTES - 13 - strlen(text));
	asked_of("1mbit", &asked);
	file = parse(text, &err);
	assert_int_equal(err, 0);
	assert_int_equal(policy_file_merge(file, &asked, &merged, &length, why), 0);
	assert_int_equal(length, STORE_MAX_BYTES - 13 + strlen("rate = 1mbit\n"));
	free(merged);
	asked_of("10mbit", &asked);
	assert_int_equal(policy_file_merge(file, &asked, &merged, &length, why), -EFBIG);
	assert_string_equal(why, "cannot write 'f': File too large");
	policy_file_free(file);
}

/* Comments and blank lines strewn in: all of them are there afterwards. */
static char *strew(const char *text, int *ret_comments)
{
	char *strewn = malloc(4 * strlen(text) + 1000), *out = strewn;

	*ret_comments = 0;
	if (!pick(4))
		out += sprintf(out, "# comment %d.\n\n", (*ret_comments)++);
	while (*text) {
		const char *end = strchr(text, '\n') + 1;

		if (!pick(6))
			out += sprintf(out, "%s# comment %d.\n", pick(2) ? "" : "\n",
				       (*ret_comments)++);
		memcpy(out, text, (size_t)(end - text));
		out += end - text;
		if (end - text > 1 && !pick(6) && strcspn(text, "\n") < 140)
			out += sprintf(out - 1, " ; comment %d.\n", (*ret_comments)++) - 1;
		if (!pick(12))
			*out++ = '\n';
		text = end;
	}
	*out = '\0';
	if (!pick(4) && out > strewn)
		out[-1] = '\0';
	return strewn;
}

static void check_comments(const char *text, int count)
{
	for (int n = 0; n < count; n++) {
		char comment[32];

		sprintf(comment, "comment %d.", n);
		if (!strstr(text, comment))
			fail_msg("'%s' is missing:\n%s", comment, text);
	}
}

/* From one policy to another: what is merged says it, and merged again it is the same. */
static void check_merge(const char *before, const struct bwctl_asked *asked, int comments)
{
	char *text, *same, why[LOG_TEXT];
	struct policy_file *file, *merged;
	struct bwctl_asked again = *asked;
	size_t length, same_length;
	int err;

	file = parse(before, &err);
	if (err)
		fail_msg("%s\n%s", file->errors[0], before);
	err = policy_file_merge(file, asked, &text, &length, why);
	if (err)
		fail_msg("%s\n%s", why, before);
	assert_int_equal(strlen(text), length);
	check_comments(text, comments);
	merged = parse(text, &err);
	if (err)
		fail_msg("%s\n%s\nbecame\n%s", merged->errors[0], before, text);
	assert_int_equal(config_apply(&merged->change, &again, why), 0);
	if (memcmp(asked, &again, sizeof(again)))
		fail_msg("'%s' became '%s', which is something else", before, text);
	assert_int_equal(merged->interface_count, file->interface_count);
	assert_int_equal(policy_file_merge(merged, asked, &same, &same_length, why), 0);
	assert_string_equal(text, same);
	free(text);
	free(same);
	policy_file_free(file);
	policy_file_free(merged);
}

static void test_merge_any(void **state)
{
	struct bwctl_asked asked;

	(void)state;
	for (int n = 0; n < 1000; n++) {
		pick_policy(&asked, 5, 8);
		check_merge(good[pick(COUNT(good))].text, &asked, 0);
	}
}

/* Into a file of some other policy, whose flows and classes are the same in part. */
static void test_merge_with_comments(void **state)
{
	struct bwctl_asked asked, other;

	(void)state;
	for (int n = 0; n < 1000; n++) {
		char *text, *strewn, *same, why[LOG_TEXT];
		struct policy_file *file;
		size_t length;
		int err, comments;

		pick_policy(&other, 4, 6);
		policy_file_print(&other, NULL, 0, &text);
		strewn = strew(text, &comments);
		/* With what it says already, not a byte of it changes. */
		file = parse(strewn, &err);
		if (err)
			fail_msg("'%s': %s", strewn, file->errors[0]);
		assert_int_equal(policy_file_merge(file, &other, &same, &length, why), 0);
		assert_string_equal(same, strewn);
		free(same);
		policy_file_free(file);
		asked = other;
		for (uint32_t row = 0; row < asked.flow_count; row++)
			if (pick(2) && !asked.flows[row].is_listed)
				pick_flow(&asked, &asked.flows[row]);
		if (pick(2))
			pick_policy(&asked, 4, 6);
		check_merge(strewn, &asked, comments);
		free(text);
		free(strewn);
	}
}

/* There is room in a file for the largest policy that can be, and for as many words about it. */
static void test_largest(void **state)
{
	static char longs[POLICY_FILE_NAMES][BWCTL_NAME];
	static const char *names[POLICY_FILE_NAMES];
	struct bwctl_asked asked;
	struct policy_file *file;
	char *text, name[32];
	int err;

	(void)state;
	policy_default(&asked);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		asked.request[direction] = (struct bwctl_request){
			.limit_bits_s = 399999999999 - (unsigned int)direction,
			.window_ns = 3599999999999,
			.burst_ns = 3599999999999,
			.overhead_bytes = 255,
			.horizon_ns = 1999999999,
			.mode = BWCTL_MODE_OBSERVE,
		};
	for (size_t n = 0; n < BWCTL_CLASSES; n++) {
		struct bwctl_class_request *class = &asked.classes[n];

		if (n >= BWCTL_BUILTIN_CLASSES)
			sprintf(class->name, "fifteen-let-%03zu", n);
		class->limit_bits_s[0] = 299999999999;
		class->limit_bits_s[1] = 299999999998;
		class->reserve_bits_s = 999999999;
		class->priority = class->priority == BWCTL_PRIORITY_NORMAL ? BWCTL_PRIORITY_HIGH :
									     BWCTL_PRIORITY_NORMAL;
		if (n >= BWCTL_BUILTIN_CLASSES)
			class->priority = BWCTL_PRIORITY_HIGH;
	}
	asked.listed_removed = 0x7f;
	asked.flow_count = BWCTL_FLOW_ROWS;
	for (uint32_t n = 0; n < BWCTL_FLOW_ROWS; n++) {
		struct bwctl_flow *flow = &asked.flows[n];

		*flow = (struct bwctl_flow){.class = BWCTL_CLASSES - 1,
					    .protocol = IPPROTO_DCCP,
					    .local_ranges = BWCTL_PORT_RANGES,
					    .remote_ranges = BWCTL_PORT_RANGES,
					    .prefix_version = 6,
					    .prefix_bits = 127,
					    .counter = (__u16)n};
		sprintf(flow->name, "fifteen-let-%03u", n);
		strcpy(flow->interface, "interface-12345");
		memset(flow->prefix, 0xee, sizeof(flow->prefix));
		for (int i = 0; i < BWCTL_PORT_RANGES; i++)
			flow->local[i] = flow->remote[i] = (struct bwctl_ports){
				(__u16)(10000 + 1000 * i), (__u16)(10500 + 1000 * i)};
	}
	for (size_t n = 0; n < COUNT(longs); n++) {
		sprintf(name, "interface-%05zu", n);
		strcpy(longs[n], name);
		names[n] = longs[n];
	}
	assert_int_equal(policy_file_print(&asked, names, COUNT(longs), &text), 0);
	assert_in_range(strlen(text), 80000, STORE_MAX_BYTES / 2);
	file = parse(text, &err);
	if (err)
		fail_msg("%s", file->errors[0]);
	assert_int_equal(file->interface_count, COUNT(longs));
	policy_file_free(file);
	free(text);
	policy_file_print(&asked, NULL, 0, &text);
	check_same(&asked, text);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_nul_and_empty),
		cmocka_unit_test(test_many_errors),
		cmocka_unit_test(test_derive),
		cmocka_unit_test(test_printed_parses_to_the_same),
		cmocka_unit_test(test_printed_interfaces),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_merge_too_long),
		cmocka_unit_test(test_merge_too_large),
		cmocka_unit_test(test_merge_any),
		cmocka_unit_test(test_merge_with_comments),
		cmocka_unit_test(test_largest),
	};

	return cmocka_run_group_tests_name("policy_file", tests, NULL, NULL);
}
