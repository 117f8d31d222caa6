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
#include "policy.h"
#include "policy_file.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define S	     1000000000ULL
#define MS	     1000000ULL
#define MBIT	     1000000ULL

#define BOTH(rate) .ingress = (rate), .egress = (rate)

#define X10(text)  text text text text text text text text text text
#define X100(text) X10(X10(text))

struct asked {
	uint64_t ingress, egress, burst_ns, burst_bytes, window_ns, overhead, horizon_ns;
	enum bwctl_mode mode;
	const char *interfaces; /* between single spaces */
};

static const struct {
	const char *text;
	struct asked asked;
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

#define KEYS "expected rate, ingress, egress, burst, window, overhead, mode, horizon or interfaces"

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
	 "f:6: mode: 'slow': expected auto, pace or police\n"
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
	{"[class ui]\n[limit]\nrate = 1\n", "f:1: unknown section [class ui]: expected limit\n"
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
		const struct asked *asked = &good[n].asked;
		struct bwctl_request requests[BWCTL_DIRECTIONS] = {0};
		char names[256] = "";
		int err;
		struct policy_file *file = parse(good[n].text, &err);

		if (err)
			fail_msg("'%s': refused: %s", good[n].text, file->errors[0]);
		if (policy_file_require(file))
			fail_msg("'%s': is no policy: %s", good[n].text, file->errors[0]);
		config_apply(&file->change, requests);
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
	for (n = 0; n < POLICY_FILE_ERRORS + 7; n++)
		strcat(text, "rate x\n");
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

static uint64_t seed = 88172645463325252ULL;

/* xorshift: the same on every machine. */
static uint64_t pick(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

/* Any number of digits is as likely as any other, and so is a round number as another. */
static uint64_t pick_between(uint64_t min, uint64_t max)
{
	uint64_t value = min + pick(max - min + 1), power;

	for (power = 1; power < max / 10 && pick(2); power *= 10)
		;
	if (pick(2) && value / power * power >= min)
		value = value / power * power;
	else if (pick(2) && value / power >= min)
		value /= power;
	return value;
}

/* What both directions have in common comes from "set" the same. */
static void pick_requests(struct bwctl_request requests[BWCTL_DIRECTIONS])
{
	memset(requests, 0, sizeof(*requests) * BWCTL_DIRECTIONS);
	if (pick(2))
		requests[0].window_ns = pick_between(POLICY_WINDOW_MIN_NS, POLICY_WINDOW_MAX_NS);
	if (pick(2))
		requests[0].burst_ns = pick_between(1, 3600 * S);
	else if (pick(2))
		requests[0].burst_bytes = pick_between(1, 1000000000000);
	if (pick(2))
		requests[0].horizon_ns = pick_between(POLICY_HORIZON_MIN_NS, POLICY_HORIZON_MAX_NS);
	requests[0].overhead_bytes = pick(2) ? pick(POLICY_OVERHEAD_MAX + 1) : 0;
	requests[0].mode = pick(3);
	requests[1] = requests[0];
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		if (pick(4))
			requests[direction].limit_bits_s =
				pick_between(UNITS_RATE_MIN_BITS_S, UNITS_RATE_MAX_BITS_S);
	if (!pick(3))
		requests[1].limit_bits_s = requests[0].limit_bits_s;
}

static void test_printed_parses_to_the_same(void **state)
{
	static const char *const names[] = {"eth0", "eth0.4094", "br-lan", "sixteen-letters"};
	struct bwctl_request requests[BWCTL_DIRECTIONS], again[BWCTL_DIRECTIONS];

	(void)state;
	for (int n = 0; n < 1000; n++) {
		size_t count = pick(COUNT(names) + 1);
		struct policy_file *file;
		char *text, *same;
		int err;

		pick_requests(requests);
		assert_int_equal(policy_file_print(requests, names, count, &text), 0);
		file = parse(text, &err);
		if (err)
			fail_msg("%s%s", text, file->errors[0]);
		memset(again, 0, sizeof(again));
		config_apply(&file->change, again);
		if (memcmp(requests, again, sizeof(again)))
			fail_msg("other than it was printed:\n%s", text);
		assert_int_equal(file->interface_count, count);
		for (size_t i = 0; i < count; i++)
			assert_string_equal(file->interfaces[i], names[i]);
		policy_file_print(again, names, count, &same);
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
	const struct bwctl_request none[BWCTL_DIRECTIONS] = {0};
	const char *names[COUNT(longs)];
	struct policy_file *file;
	char *text;
	int err;

	(void)state;
	assert_int_equal(policy_file_print(none, strange, COUNT(strange), &text), 5);
	assert_string_equal(text, "[limit]\ninterfaces = eth0 eth1\n");
	free(text);
	for (size_t n = 0; n < COUNT(longs); n++) {
		sprintf(longs[n], "interface-%05zu", n);
		names[n] = longs[n];
	}
	assert_int_equal(policy_file_print(none, names, COUNT(longs), &text), 0);
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
};

static void requests_of(const char *set, struct bwctl_request requests[BWCTL_DIRECTIONS])
{
	char copy[256], *words[20], *save, why[LOG_TEXT];
	struct config_change change;
	int count = 0;

	strcpy(copy, set);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		words[count++] = word;
	if (config_parse_set(count, words, &change, why))
		fail_msg("'%s': %s", set, why);
	memset(requests, 0, sizeof(*requests) * BWCTL_DIRECTIONS);
	config_apply(&change, requests);
}

static void test_merge(void **state)
{
	struct bwctl_request requests[BWCTL_DIRECTIONS];

	(void)state;
	for (size_t n = 0; n < COUNT(merges); n++) {
		char *text, why[LOG_TEXT];
		struct policy_file *file;
		size_t length;
		int err;

		requests_of(merges[n].set, requests);
		file = parse(merges[n].before, &err);
		assert_int_equal(err, 0);
		err = policy_file_merge(file, requests, &text, &length, why);
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
	struct bwctl_request requests[BWCTL_DIRECTIONS];
	char text[300] = "[limit]\nrate = 8kbit ;", *merged, why[LOG_TEXT];
	struct policy_file *file;
	size_t length;
	int err;

	(void)state;
	while (strlen(text) < 8 + POLICY_FILE_LINE)
		strcat(text, "x");
	requests_of("49999999bit", requests);
	file = parse(text, &err);
	assert_int_equal(err, 0);
	assert_int_equal(policy_file_merge(file, requests, &merged, &length, why), -EINVAL);
	assert_string_equal(why, "with the new values f:2: the line has 186 bytes: expected at "
				 "most 180");
	policy_file_free(file);
}

/* A file that nobody could read again is not written. */
static void test_merge_too_large(void **state)
{
	static char text[STORE_MAX_BYTES + 1] = "[limit]\n#";
	struct bwctl_request requests[BWCTL_DIRECTIONS];
	char *merged, why[LOG_TEXT];
	struct policy_file *file;
	size_t length;
	int err;

	(void)state;
	memset(text + strlen(text), '#', STORE_MAX_BYTES - 13 - strlen(text));
	requests_of("1mbit", requests);
	file = parse(text, &err);
	assert_int_equal(err, 0);
	assert_int_equal(policy_file_merge(file, requests, &merged, &length, why), 0);
	assert_int_equal(length, STORE_MAX_BYTES - 13 + strlen("rate = 1mbit\n"));
	free(merged);
	requests_of("10mbit", requests);
	assert_int_equal(policy_file_merge(file, requests, &merged, &length, why), -EFBIG);
	assert_string_equal(why, "cannot write 'f': File too large");
	policy_file_free(file);
}

/* Whatever is in force: what is merged parses to it, and merged again it is the same. */
static void test_merge_any(void **state)
{
	struct bwctl_request requests[BWCTL_DIRECTIONS], again[BWCTL_DIRECTIONS];

	(void)state;
	for (int n = 0; n < 1000; n++) {
		const char *before = good[pick(COUNT(good))].text;
		char *text, *same, why[LOG_TEXT];
		struct policy_file *file, *merged;
		size_t length, same_length;
		int err;

		pick_requests(requests);
		file = parse(before, &err);
		err = policy_file_merge(file, requests, &text, &length, why);
		if (err)
			fail_msg("'%s': %s", before, why);
		merged = parse(text, &err);
		if (err)
			fail_msg("'%s' became '%s': %s", before, text, merged->errors[0]);
		memset(again, 0, sizeof(again));
		config_apply(&merged->change, again);
		assert_memory_equal(requests, again, sizeof(again));
		assert_int_equal(merged->interface_count, file->interface_count);
		assert_int_equal(policy_file_merge(merged, requests, &same, &same_length, why), 0);
		assert_string_equal(text, same);
		policy_file_free(file);
		policy_file_free(merged);
		free(text);
		free(same);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
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
	};

	return cmocka_run_group_tests_name("policy_file", tests, NULL, NULL);
}
