/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * user/config.c and config_apply.c as tables: what the words after "set" change,
 * or what is said about them, and what stays as it was when a change is laid over
 * it; which numbers classes and flows get. What a single quantity may look like is
 * unit_units.c's question.
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
#include "policy.h"
#include "policy_file.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_WORDS    64
#define S	     1000000000ULL
#define MS	     1000000ULL
#define MBIT	     1000000ULL

#define BOTH_GIVEN   .given[CONFIG_INGRESS] = true, .given[CONFIG_EGRESS] = true
#define BOTH(rate)   BOTH_GIVEN, .limit_bits_s = {(rate), (rate)}
#define IN(rate)     .given[CONFIG_INGRESS] = true, .limit_bits_s = {(rate), 0}
#define OUT(rate)    .given[CONFIG_EGRESS] = true, .limit_bits_s = {0, (rate)}
#define IN_OUT(i, o) BOTH_GIVEN, .limit_bits_s = {(i), (o)}
#define BURST_NS(ns) .given[CONFIG_BURST] = true, .burst_ns = (ns)
#define BURST(bytes) .given[CONFIG_BURST] = true, .burst_bytes = (bytes)
#define WINDOW(ns)   .given[CONFIG_WINDOW] = true, .window_ns = (ns)
#define OVERHEAD(n)  .given[CONFIG_OVERHEAD] = true, .overhead_bytes = (n)
#define MODE(word)   .given[CONFIG_MODE] = true, .mode = BWCTL_MODE_##word
#define HORIZON(ns)  .given[CONFIG_HORIZON] = true, .horizon_ns = (ns)

#define WANTED                                                                                     \
	"expected a rate such as 50mbit, unlimited, or ingress, egress, burst, window, overhead, " \
	"mode, horizon, class or flow"
#define CLASS_WANTED                                                                         \
	"expected a rate such as 50mbit, unlimited, or ingress, egress, priority, reserve, " \
	"exempt, remove, class or flow"
#define FLOW_WANTED                                                                            \
	"expected class, protocol, local, remote, prefix, interface, remove, before, default " \
	"or flow"
#define PORTS_WANTED \
	"expected any, or ports such as 443, 1024-65535, >1024 or <1024, with commas between"
#define MODES "expected auto, pace, police or observe"

/* What a change says of the limit. */
struct limit {
	bool given[CONFIG_SETTINGS];
	uint64_t limit_bits_s[BWCTL_DIRECTIONS];
	uint64_t burst_ns, burst_bytes, window_ns, overhead_bytes, horizon_ns;
	enum bwctl_mode mode;
};

static const struct {
	const char *words; /* between single spaces */
	struct limit change;
} good[] = {
	{"50mbit", {BOTH(50 * MBIT)}},
	{"50Mbit/s", {BOTH(50 * MBIT)}},
	{"8kbit", {BOTH(8000)}},
	{"400gbit", {BOTH(400000 * MBIT)}},
	{"unlimited", {BOTH(0)}},
	{"Unlimited", {BOTH(0)}},
	{"ingress 50mbit", {IN(50 * MBIT)}},
	{"egress 20mbit", {OUT(20 * MBIT)}},
	{"ingress 50mbit egress 20mbit", {IN_OUT(50 * MBIT, 20 * MBIT)}},
	{"egress 20mbit ingress 50mbit", {IN_OUT(50 * MBIT, 20 * MBIT)}},
	{"ingress unlimited", {IN(0)}},
	{"egress unlimited", {OUT(0)}},
	{"ingress unlimited egress 1gbit", {IN_OUT(0, 1000 * MBIT)}},
	{"ingress UNLIMITED egress unlimited", {BOTH(0)}},
	{"burst 200ms", {BURST_NS(200 * MS)}},
	{"burst 1s", {BURST_NS(S)}},
	{"burst 1min", {BURST_NS(60 * S)}},
	{"burst 0.001us", {BURST_NS(1)}},
	{"burst 64kb", {BURST(64000)}},
	{"burst 64KiB", {BURST(65536)}},
	{"burst 1b", {BURST(1)}},
	{"burst 1tb", {BURST(1000000000000)}},
	{"burst default", {BURST(0)}},
	{"burst DEFAULT", {BURST(0)}},
	{"window 2s", {WINDOW(2 * S)}},
	{"window 100ms", {WINDOW(100 * MS)}},
	{"window 3600s", {WINDOW(3600 * S)}},
	{"window 60min", {WINDOW(3600 * S)}},
	{"window default", {WINDOW(0)}},
	{"window Default", {WINDOW(0)}},
	{"overhead 24", {OVERHEAD(24)}},
	{"overhead 0", {OVERHEAD(0)}},
	{"overhead 256", {OVERHEAD(256)}},
	{"50mbit burst 100ms window 5s overhead 24",
	 {BOTH(50 * MBIT), BURST_NS(100 * MS), WINDOW(5 * S), OVERHEAD(24)}},
	{"overhead 24 window 5s burst 100ms 50mbit",
	 {BOTH(50 * MBIT), BURST_NS(100 * MS), WINDOW(5 * S), OVERHEAD(24)}},
	{"mode auto", {MODE(AUTO)}},
	{"mode pace", {MODE(PACE)}},
	{"mode police", {MODE(POLICE)}},
	{"mode observe", {MODE(OBSERVE)}},
	{"mode PACE", {MODE(PACE)}},
	{"horizon 5ms", {HORIZON(5 * MS)}},
	{"horizon 5000us", {HORIZON(5 * MS)}},
	{"horizon 100ms", {HORIZON(100 * MS)}},
	{"horizon 2s", {HORIZON(2 * S)}},
	{"horizon 2000ms", {HORIZON(2 * S)}},
	{"horizon default", {HORIZON(0)}},
	{"horizon Default", {HORIZON(0)}},
	{"50mbit mode pace horizon 50ms", {BOTH(50 * MBIT), MODE(PACE), HORIZON(50 * MS)}},
	{"horizon 50ms mode police egress 1mbit burst 1ms window 1s overhead 4",
	 {OUT(MBIT), MODE(POLICE), HORIZON(50 * MS), BURST_NS(MS), WINDOW(S), OVERHEAD(4)}},
	{"burst 1mb 50mbit", {BOTH(50 * MBIT), BURST(1000000)}},
	{"unlimited burst default", {BOTH(0), BURST(0)}},
	{"window 1s ingress 1mbit overhead 4 egress 2mbit burst 1kb",
	 {IN_OUT(MBIT, 2 * MBIT), BURST(1000), WINDOW(S), OVERHEAD(4)}},
};

static const struct {
	const char *words;
	const char *why; /* the whole of it */
} bad[] = {
	{"", "set what? " WANTED},
	{"50M", "ambiguous '50M': write 50mbit, or 400mbit for 50 megabytes per second"},
	{"50", "no unit in '50': write 50kbit, 50mbit or 50gbit"},
	{"0mbit", "'0mbit' is zero: the smallest limit is 8 kbit/s"},
	{"-5mbit", "'-5mbit' is negative: expected a number and bit, kbit, mbit or gbit"},
	{"7999bit", "'7999bit' is below the smallest limit, 8 kbit/s"},
	{"401gbit", "'401gbit' is above the largest limit, 400 Gbit/s"},
	{"50mbit 20mbit", "'20mbit': a limit for ingress is given already"},
	{"50mbit unlimited", "'unlimited': a limit for ingress is given already"},
	{"50mbit 50", "no unit in '50': write 50kbit, 50mbit or 50gbit"},
	{"50mbit ingress 20mbit", "a limit for ingress is given twice"},
	{"50mbit egress 20mbit", "a limit for egress is given twice"},
	{"ingress 20mbit 50mbit", "'50mbit': a limit for ingress is given already"},
	{"egress 20mbit 50mbit", "'50mbit': a limit for egress is given already"},
	{"ingress 1mbit ingress 1mbit", "a limit for ingress is given twice"},
	{"egress 1mbit egress unlimited", "a limit for egress is given twice"},
	{"ingress", "'ingress' needs a value"},
	{"egress", "'egress' needs a value"},
	{"burst", "'burst' needs a value"},
	{"window", "'window' needs a value"},
	{"overhead", "'overhead' needs a value"},
	{"50mbit burst", "'burst' needs a value"},
	{"ingress egress 50mbit", "'ingress' needs a value"},
	{"burst window 1s", "'burst' needs a value"},
	{"ingress 50M", "ambiguous '50M': write 50mbit, or 400mbit for 50 megabytes per second"},
	{"egress fast", "'fast' is not a number: expected a number and bit, kbit, mbit or gbit"},
	{"ingress default", "'default' is not a number: expected a number and bit, "
			    "kbit, mbit or gbit"},
	{"fast", "'fast': " WANTED},
	{"eth9 50mbit", "'eth9': " WANTED},
	{"none", "'none': did you mean 'unlimited'?"},
	{"ssh 5mbit", "'ssh': did you mean 'class ssh'?"},
	{"mode=police", "'mode=police': write a space, not =, between a word and its value"},
	{"rate=50M",
	 "'rate=50M': a rate stands alone, such as 50mbit: ambiguous '50M': write 50mbit, or 400mbit for "
	 "50 megabytes per second"},
	{"ingres 50mbit", "'ingres': did you mean 'ingress'?"},
	{"Ingress 50mbit", "'Ingress': did you mean 'ingress'?"},
	{"50mbit both", "'both': " WANTED},
	{"default", "'default' is of a flow: expected flow NAME before it"},
	{"10mbut", "unknown unit 'mbut' in '10mbut': expected a number and bit, "
		   "kbit, mbit or gbit"},
	{"burst 200", "burst: '200': expected a time (200ms) or a size (64kb)"},
	{"burst 64k", "burst: '64k': expected a time (200ms) or a size (64kb)"},
	{"burst 64mbit", "burst: '64mbit': expected a time (200ms) or a size (64kb)"},
	{"burst big", "burst: 'big': expected a time (200ms) or a size (64kb)"},
	{"burst 0s", "burst: '0s' is zero: the smallest time is 0.001 us"},
	{"burst 0MS", "burst: '0MS' is zero: the smallest time is 0.001 us"},
	{"burst 3601s", "burst: '3601s' is above the largest time, 3600 s"},
	{"burst 1s burst 1s", "'burst' is given twice"},
	{"burst default burst 1s", "'burst' is given twice"},
	{"burst unlimited", "burst: 'unlimited': expected a time (200ms) or a size (64kb)"},
	{"window 99ms", "window: '99ms' is out of range: expected 100ms to 3600s"},
	{"window 99.999999ms", "window: '99.999999ms' is out of range: expected 100ms to 3600s"},
	{"window 3601s", "window: '3601s' is above the largest time, 3600 s"},
	{"window 64kb", "window: unknown unit 'kb' in '64kb': expected a number "
			"and us, ms, s or min"},
	{"window 2", "window: no unit in '2': write 2us, 2ms or 2s"},
	{"window unlimited", "window: 'unlimited' is not a number: expected a "
			     "number and us, ms, s or min"},
	{"window 1s window 1s", "'window' is given twice"},
	{"window default window default", "'window' is given twice"},
	{"overhead 257", "overhead: '257' is above the largest value, 256"},
	{"overhead -1", "overhead: '-1' is negative: expected digits only"},
	{"overhead 24b", "overhead: '24b' is not a plain number: expected digits only"},
	{"overhead 2.5", "overhead: '2.5' is not a whole number"},
	{"overhead default", "overhead: 'default' is not a number: expected digits only"},
	{"overhead 4 overhead 4", "'overhead' is given twice"},
	{"overhead 4 50mbit overhead 4", "'overhead' is given twice"},
	{"mode", "'mode' needs a value"},
	{"horizon", "'horizon' needs a value"},
	{"50mbit mode", "'mode' needs a value"},
	{"mode horizon 1s", "'mode' needs a value"},
	{"horizon mode pace", "'horizon' needs a value"},
	{"mode shape", "mode: 'shape': " MODES},
	{"mode default", "mode: 'default': " MODES},
	{"mode pac", "mode: 'pac': " MODES},
	{"mode paces", "mode: 'paces': " MODES},
	{"mode 1", "mode: '1': " MODES},
	{"mode pace mode pace", "'mode' is given twice"},
	{"mode auto 50mbit mode auto", "'mode' is given twice"},
	{"pace", "'pace': expected 'mode' before it"},
	{"50mbit police", "'police': expected 'mode' before it"},
	{"Mode pace", "'Mode': did you mean 'mode'?"},
	{"brust 1ms", "'brust': did you mean 'burst'?"},
	{"clas ssh", "'clas': did you mean 'class'?"},
	{"horizon 4ms", "horizon: '4ms' is out of range: expected 5ms to 2s"},
	{"horizon 4.999999ms", "horizon: '4.999999ms' is out of range: expected 5ms to 2s"},
	{"horizon 2001ms", "horizon: '2001ms' is out of range: expected 5ms to 2s"},
	{"horizon 2000.000001ms", "horizon: '2000.000001ms' is out of range: expected 5ms to 2s"},
	{"horizon 3601s", "horizon: '3601s' is above the largest time, 3600 s"},
	{"horizon 0s", "horizon: '0s' is zero: the smallest time is 0.001 us"},
	{"horizon 100", "horizon: no unit in '100': write 100us, 100ms or 100s"},
	{"horizon 64kb", "horizon: unknown unit 'kb' in '64kb': expected a number "
			 "and us, ms, s or min"},
	{"horizon unlimited", "horizon: 'unlimited' is not a number: expected a "
			      "number and us, ms, s or min"},
	{"horizon 1s horizon 1s", "'horizon' is given twice"},
	{"horizon default horizon 1s", "'horizon' is given twice"},
	{"window 1s 50mbit burst 1s egress 1mbit", "a limit for egress is given twice"},
	/* Classes. */
	{"class", "'class' needs a name"},
	{"class flow x", "'class' needs a name"},
	{"class priority high", "'priority' has a meaning of its own: expected a name"},
	{"class 20mbit", "'20mbit' has a meaning of its own: expected a name"},
	{"class Any 20mbit", "'Any' has a meaning of its own: expected a name"},
	{"class a.b 20mbit", "'a.b' can be no name: expected letters, digits, - and _, at most 15"},
	{"class sixteen-letters- 1mbit",
	 "'sixteen-letters-' can be no name: expected letters, digits, - and _, at most 15"},
	{"class -a 1mbit", "'-a' can be no name: expected letters, digits, - and _, at most 15"},
	{"class ssh fast", "class ssh: 'fast': " CLASS_WANTED},
	{"class ssh ingres 1mbit", "class ssh: 'ingres': did you mean 'ingress'?"},
	{"class ssh 20", "class ssh: no unit in '20': write 20kbit, 20mbit or 20gbit"},
	{"class ssh 20mbit 20mbit", "class ssh: '20mbit': a limit for ingress is given already"},
	{"class ssh 20mbit egress 20mbit", "class ssh: a limit for egress is given twice"},
	{"class ssh egress 20mbit 20mbit",
	 "class ssh: '20mbit': a limit for egress is given already"},
	{"class ssh priority", "class ssh: 'priority' needs a value"},
	{"class ssh priority class ui", "class ssh: 'priority' needs a value"},
	{"class ssh priority best", "class ssh: priority: 'best': expected high, normal or low"},
	{"class ssh priority low priority low", "class ssh: 'priority' is given twice"},
	{"class ssh reserve 2", "class ssh: reserve: no unit in '2': write 2mbit or 2gbit"},
	{"class ssh reserve unlimited",
	 "class ssh: reserve: 'unlimited': expected a rate, or none"},
	{"class ssh reserve 0", "class ssh: reserve: '0': expected a rate, or none"},
	{"class ssh reserve 0mbit", "class ssh: reserve: '0mbit': expected a rate, or none"},
	{"class ssh reserve no", "class ssh: reserve: 'no': expected a rate, or none"},
	{"class lab remove yes 1mbit", "class lab: 'remove' goes with nothing else"},
	{"class lab remove remove no", "class lab: 'remove' is given twice"},
	{"class lab exempt remove yes", "class lab: 'exempt' needs a value"},
	{"flow x remove YES class ui", "flow x: 'remove' goes with nothing else"},
	{"flow x default yes", "flow x: 'yes': " FLOW_WANTED},
	{"class ssh exempt", "class ssh: 'exempt' needs a value"},
	{"class ssh exempt true", "class ssh: exempt: 'true': expected yes or no"},
	{"class ssh burst 1ms", "class ssh: 'burst' is not of a class: what is of the limit comes "
				"first, before classes and flows"},
	{"class ssh protocol tcp",
	 "class ssh: 'protocol' is of a flow: expected flow NAME before it"},
	{"class ssh remove 1mbit", "class ssh: 'remove' goes with nothing else"},
	{"class ssh 1mbit remove class ui 1mbit", "class ssh: 'remove' goes with nothing else"},
	{"class ssh 1mbit class ssh 2mbit", "class ssh is there twice"},
	{"priority high", "'priority' is of a class: expected class NAME before it"},
	{"protocol tcp", "'protocol' is of a flow: expected flow NAME before it"},
	/* Flows. */
	{"flow", "'flow' needs a name"},
	{"flow before x", "'before' has a meaning of its own: expected a name"},
	{"flow other class ssh", "'other' is what no flow matches: expected another name"},
	{"flow x", "flow x: " FLOW_WANTED},
	{"flow x flow y remove", "flow x: " FLOW_WANTED},
	{"flow x class", "flow x: 'class' needs a value"},
	{"flow x class ssh class ssh 5mbit",
	 "flow x: 'class' is given twice: classes come before flows"},
	{"flow x remove class lab remove",
	 "flow x: 'remove' is given twice: classes come before flows, as in class lab remove flow x "
	 "remove"},
	{"flow x remove remove", "flow x: 'remove' is given twice"},
	{"flow x remote 22 class lab 5mbit",
	 "flow x: '5mbit' is not of a flow: classes come before flows"},
	{"flow x classs lab", "flow x: 'classs': did you mean 'class'?"},
	{"flow x into lab", "flow x: 'into': " FLOW_WANTED},
	{"flow x class lab priority low",
	 "flow x: 'priority' is not of a flow: classes come before flows"},
	{"flow x mode pace", "flow x: 'mode' is not of a flow: what is of the limit comes first, "
			     "before classes and flows"},
	{"flow x class protocol", "flow x: 'class' needs a value"},
	{"flow x protocol tpc", "flow x: protocol: 'tpc': did you mean 'tcp'?"},
	{"flow x protocol quic", "flow x: protocol: 'quic': expected tcp, udp, icmp, icmpv6, sctp, "
				 "dccp, esp, ah, gre, any or a number up to 255"},
	{"flow x protocol 256", "flow x: protocol: '256' is above the largest value, 255"},
	{"flow x local 65536", "flow x: local: '65536' is above the largest value, 65535"},
	{"flow x local >65535", "flow x: local: '>65535' is no port at all"},
	{"flow x remote <0", "flow x: remote: '<0' is no port at all"},
	{"flow x remote 200-100", "flow x: remote: '200-100' goes backwards: expected 100-200"},
	{"flow x remote 22,", "flow x: remote: '': " PORTS_WANTED},
	{"flow x remote ssh", "flow x: remote: 'ssh': " PORTS_WANTED},
	{"flow x remote -22", "flow x: remote: '-22': " PORTS_WANTED},
	{"flow x remote 1,3,5,7,9,11,13,15,17",
	 "flow x: remote: these are 9 ranges: expected at most 8"},
	{"flow x remote any,22", "flow x: remote: 'any': " PORTS_WANTED},
	{"flow x prefix 10.1.2.3/16",
	 "flow x: prefix: '10.1.2.3/16' has bits behind its prefix: expected 10.1.0.0/16"},
	{"flow x prefix 2001:db8::1/32",
	 "flow x: prefix: '2001:db8::1/32' has bits behind its prefix: expected 2001:db8::/32"},
	{"flow x prefix 128.0.0.0/0",
	 "flow x: prefix: '128.0.0.0/0' has bits behind its prefix: expected 0.0.0.0/0"},
	{"flow x prefix 10.0.0.0/33",
	 "flow x: prefix: '10.0.0.0/33': expected a length of 0 to 32 behind the /"},
	{"flow x prefix ::/129",
	 "flow x: prefix: '::/129': expected a length of 0 to 128 behind the /"},
	{"flow x prefix 10.0.0.0/", "flow x: prefix: '10.0.0.0/': expected a length of 0 to 32 "
				    "behind the /"},
	{"flow x prefix 10.0.0.0/255.0.0.0",
	 "flow x: prefix: '10.0.0.0/255.0.0.0': expected a length "
	 "of 0 to 32 behind the /"},
	{"flow x prefix 10.1/16",
	 "flow x: prefix: '10.1/16': expected an address, a prefix such as "
	 "10.1.0.0/16 or 2001:db8::/32, or any"},
	{"flow x prefix ::ffff:10.0.0.0/104", "flow x: prefix: '::ffff:10.0.0.0/104' is no address "
					      "that IPv6 packets have: expected it as IPv4"},
	{"flow x interface a/b",
	 "flow x: interface: 'a/b': expected the name of an interface, or any"},
	{"flow x interface sixteen-letters-",
	 "flow x: interface: 'sixteen-letters-': expected the name of an interface, or any"},
	{"flow x remove protocol tcp", "flow x: 'remove' goes with nothing else"},
	{"flow x class ssh default", "flow x: 'default' goes with nothing else"},
	{"flow x class ssh flow x class ui", "flow x is there twice"},
	{"flow x class ssh flow x.y class ui",
	 "'x.y' can be no name: expected letters, digits, - and _, at most 15"},
};

/* Splits a copy at each space; an empty text is no words. */
static int split(const char *text, char copy[1024], char *words[MAX_WORDS])
{
	int count = 0;
	char *word, *save;

	assert_true(strlen(text) < 1024);
	strcpy(copy, text);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(count < MAX_WORDS);
		words[count++] = word;
	}
	return count;
}

static int parse(const char *text, struct config_change *change, char why[LOG_TEXT])
{
	char copy[1024], *words[MAX_WORDS];
	int count = split(text, copy, words);

	memset(change, 0xa5, sizeof(*change));
	memset(why, 0, LOG_TEXT);
	return config_parse_set(count, words, change, why);
}

static bool same_change(const struct config_change *a, const struct limit *b)
{
	return !memcmp(a->given, b->given, sizeof(a->given)) &&
	       !memcmp(a->limit_bits_s, b->limit_bits_s, sizeof(a->limit_bits_s)) &&
	       a->burst_ns == b->burst_ns && a->burst_bytes == b->burst_bytes &&
	       a->window_ns == b->window_ns && a->overhead_bytes == b->overhead_bytes &&
	       a->mode == b->mode && a->horizon_ns == b->horizon_ns && !a->whole &&
	       !a->class_count && !a->flow_count;
}

static void test_good(void **state)
{
	struct config_change change;
	char why[LOG_TEXT];
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(good); n++) {
		if (parse(good[n].words, &change, why))
			fail_msg("'%s': refused: %s", good[n].words, why);
		if (!same_change(&change, &good[n].change))
			fail_msg("'%s': not what was expected", good[n].words);
	}
}

static void test_bad(void **state)
{
	struct config_change change;
	char why[LOG_TEXT];
	size_t n;
	int err;

	(void)state;
	for (n = 0; n < COUNT(bad); n++) {
		err = parse(bad[n].words, &change, why);
		if (err != -EINVAL || strcmp(why, bad[n].why))
			fail_msg("'%s': expected \"%s\", got %d, \"%s\"", bad[n].words, bad[n].why,
				 err, why);
	}
}

/* A word of any bytes and length is refused with a text that fits. */
static void test_hostile_words(void **state)
{
	static char word[2000];
	char *const alone[] = {word}, *const value[] = {"burst", word}, *empty[] = {""};
	char *const window[] = {"window", word}, *const overhead[] = {"overhead", word};
	char *const mode[] = {"mode", word}, *const horizon[] = {"horizon", word};
	struct config_change change;
	char why[LOG_TEXT];
	size_t length, n;

	(void)state;
	srand(1);
	for (length = 1; length < sizeof(word); length += 1 + length / 8) {
		for (n = 0; n < length; n++)
			word[n] = (char)(1 + rand() % 255);
		word[0] = '?';
		word[length] = '\0';
		assert_int_equal(config_parse_set(1, alone, &change, why), -EINVAL);
		assert_in_range(strnlen(why, LOG_TEXT), 10, LOG_TEXT - 1);
		assert_int_equal(config_parse_set(2, value, &change, why), -EINVAL);
		assert_in_range(strnlen(why, LOG_TEXT), 10, LOG_TEXT - 1);
		assert_int_equal(config_parse_set(2, window, &change, why), -EINVAL);
		assert_in_range(strnlen(why, LOG_TEXT), 10, LOG_TEXT - 1);
		assert_int_equal(config_parse_set(2, overhead, &change, why), -EINVAL);
		assert_in_range(strnlen(why, LOG_TEXT), 10, LOG_TEXT - 1);
		assert_int_equal(config_parse_set(2, mode, &change, why), -EINVAL);
		assert_in_range(strnlen(why, LOG_TEXT), 10, LOG_TEXT - 1);
		assert_int_equal(config_parse_set(2, horizon, &change, why), -EINVAL);
		assert_in_range(strnlen(why, LOG_TEXT), 10, LOG_TEXT - 1);
	}
	assert_int_equal(config_parse_set(1, empty, &change, why), -EINVAL);
}

/* limit, window, burst, bytes, overhead, horizon, mode */
#define ASKED(l, w, b, s, o, h, m)                                                          \
	{                                                                                   \
		.limit_bits_s = (l), .window_ns = (w), .burst_ns = (b), .burst_bytes = (s), \
		.overhead_bytes = (o), .horizon_ns = (h), .mode = BWCTL_MODE_##m            \
	}
#define IN_BEFORE  ASKED(11, 12, 13, 0, 15, 16, PACE)
#define OUT_BEFORE ASKED(21, 22, 0, 24, 25, 0, AUTO)

static void test_apply(void **state)
{
	static const struct bwctl_request before[BWCTL_DIRECTIONS] = {IN_BEFORE, OUT_BEFORE};
	static const struct {
		const char *words;
		struct bwctl_request after[BWCTL_DIRECTIONS];
	} rows[] = {
		{"50mbit",
		 {ASKED(50 * MBIT, 12, 13, 0, 15, 16, PACE),
		  ASKED(50 * MBIT, 22, 0, 24, 25, 0, AUTO)}},
		{"unlimited",
		 {ASKED(0, 12, 13, 0, 15, 16, PACE), ASKED(0, 22, 0, 24, 25, 0, AUTO)}},
		{"ingress 50mbit", {ASKED(50 * MBIT, 12, 13, 0, 15, 16, PACE), OUT_BEFORE}},
		{"egress 50mbit", {IN_BEFORE, ASKED(50 * MBIT, 22, 0, 24, 25, 0, AUTO)}},
		{"egress unlimited", {IN_BEFORE, ASKED(0, 22, 0, 24, 25, 0, AUTO)}},
		{"burst 1s", {ASKED(11, 12, S, 0, 15, 16, PACE), ASKED(21, 22, S, 0, 25, 0, AUTO)}},
		{"burst 1kb",
		 {ASKED(11, 12, 0, 1000, 15, 16, PACE), ASKED(21, 22, 0, 1000, 25, 0, AUTO)}},
		{"burst default",
		 {ASKED(11, 12, 0, 0, 15, 16, PACE), ASKED(21, 22, 0, 0, 25, 0, AUTO)}},
		{"window 1s",
		 {ASKED(11, S, 13, 0, 15, 16, PACE), ASKED(21, S, 0, 24, 25, 0, AUTO)}},
		{"window default",
		 {ASKED(11, 0, 13, 0, 15, 16, PACE), ASKED(21, 0, 0, 24, 25, 0, AUTO)}},
		{"overhead 24",
		 {ASKED(11, 12, 13, 0, 24, 16, PACE), ASKED(21, 22, 0, 24, 24, 0, AUTO)}},
		{"overhead 0",
		 {ASKED(11, 12, 13, 0, 0, 16, PACE), ASKED(21, 22, 0, 24, 0, 0, AUTO)}},
		{"mode police",
		 {ASKED(11, 12, 13, 0, 15, 16, POLICE), ASKED(21, 22, 0, 24, 25, 0, POLICE)}},
		{"mode auto",
		 {ASKED(11, 12, 13, 0, 15, 16, AUTO), ASKED(21, 22, 0, 24, 25, 0, AUTO)}},
		{"horizon 50ms",
		 {ASKED(11, 12, 13, 0, 15, 50 * MS, PACE),
		  ASKED(21, 22, 0, 24, 25, 50 * MS, AUTO)}},
		{"horizon default",
		 {ASKED(11, 12, 13, 0, 15, 0, PACE), ASKED(21, 22, 0, 24, 25, 0, AUTO)}},
		{"ingress 1mbit egress unlimited burst 1ms window 1s overhead 1 horizon "
		 "5ms mode pace",
		 {ASKED(MBIT, S, MS, 0, 1, 5 * MS, PACE), ASKED(0, S, MS, 0, 1, 5 * MS, PACE)}},
	};
	static const struct config_change nothing;
	struct bwctl_asked asked;
	struct config_change change;
	char why[LOG_TEXT];
	size_t n;

	(void)state;
	policy_default(&asked);
	for (n = 0; n < COUNT(rows); n++) {
		memcpy(asked.request, before, sizeof(before));
		assert_int_equal(parse(rows[n].words, &change, why), 0);
		assert_int_equal(config_apply(&change, &asked, why), 0);
		if (memcmp(asked.request, rows[n].after, sizeof(asked.request)))
			fail_msg("'%s': not what was expected", rows[n].words);
	}
	memcpy(asked.request, before, sizeof(before));
	assert_int_equal(config_apply(&nothing, &asked, why), 0);
	assert_memory_equal(asked.request, before, sizeof(before));
}

/* ---- classes and flows ---- */

/* Commands after each other, with a bar between. The last one may be refused: 0, or -EINVAL and why. */
static int set(const char *commands, struct bwctl_asked *asked, char why[LOG_TEXT])
{
	static struct config_change change;
	char copy[2048], *command, *save;
	int err = 0;

	assert_true(strlen(commands) < sizeof(copy));
	strcpy(copy, commands);
	for (command = strtok_r(copy, "|", &save); command; command = strtok_r(NULL, "|", &save)) {
		if (err)
			fail_msg("'%s': before '%s': %s", commands, command, why);
		if (parse(command, &change, why))
			fail_msg("'%s': %s", command, why);
		err = config_apply(&change, asked, why);
	}
	return err;
}

static char *printed(const struct bwctl_asked *asked)
{
	char *text;

	policy_file_print(asked, NULL, 0, &text);
	assert_non_null(text);
	return text;
}

/* What is in force after the commands, as "show --config" has it, without "[limit]\n". */
static const struct {
	const char *commands, *text;
} sets[] = {
	{"class ssh 20mbit", "\n[class ssh]\nrate = 20mbit\n"},
	{"class telnet ingress 5mbit", "\n[class telnet]\ningress = 5mbit\n"},
	{"class ssh ingress 5mbit egress 5mbit", "\n[class ssh]\nrate = 5mbit\n"},
	{"class ui priority high reserve 2mbit", "\n[class ui]\nreserve = 2mbit\n"},
	{"class ui priority Low reserve NONE", "\n[class ui]\npriority = low\n"},
	{"class ui exempt yes", "\n[class ui]\nexempt = yes\n"},
	{"class ui exempt yes|class ui exempt no priority normal",
	 "\n[class ui]\npriority = normal\n"},
	{"class ssh 20mbit reserve 1mbit|class ssh ingress unlimited",
	 "\n[class ssh]\negress = 20mbit\nreserve = 1mbit\n"},
	{"class ssh 20mbit|class ssh unlimited", ""},
	{"class ssh", ""},
	{"class lab", "\n[class lab]\n"},
	{"class lab 5mbit priority low exempt no", "\n[class lab]\nrate = 5mbit\npriority = low\n"},
	{"class lab 5mbit|class lab remove", ""},
	{"class lab 5mbit|class lab remove yes", ""},
	{"class lab 5mbit|class lab remove No", "\n[class lab]\nrate = 5mbit\n"},
	{"class ssh remove no", ""},
	{"class lab 5mbit|class lab remove no 6mbit", "\n[class lab]\nrate = 6mbit\n"},
	{"50mbit class ssh 20mbit class ui priority normal flow jump class ssh remote 2222",
	 "rate = 50mbit\n\n[class ui]\npriority = normal\n\n[class ssh]\nrate = 20mbit\n\n"
	 "[flow jump]\nclass = ssh\nremote = 2222\n"},
	{"class lab 5mbit flow jump class lab protocol tcp local 1024-65535,443 remote >1024 prefix "
	 "10.1.0.0/16 interface eth0",
	 "\n[class lab]\nrate = 5mbit\n\n[flow jump]\nclass = lab\nprotocol = tcp\n"
	 "local = 443,>1023\nremote = >1024\nprefix = 10.1.0.0/16\ninterface = eth0\n"},
	{"flow jump class ssh protocol tcp remote 22|flow jump remote 2222",
	 "\n[flow jump]\nclass = ssh\nprotocol = tcp\nremote = 2222\n"},
	{"flow jump class ssh protocol tcp remote 22|flow jump remote any class api protocol any",
	 "\n[flow jump]\nclass = api\n"},
	{"flow jump class ssh|flow jump remove", ""},
	/* A listed one keeps what is not named, and has a place of its own. */
	{"flow ui local 443,444", "\n[flow ui]\nclass = ui\nlocal = 443-444\n"},
	{"flow ui protocol any local any remote any class api", "\n[flow ui]\nclass = api\n"
								"protocol = any\nlocal = any\n"
								"remote = any\n"},
	{"flow ui class ui", "\n[flow ui]\nclass = ui\n"},
	{"flow ssh before ui remote 22,2222", "\n[flow ssh]\nclass = ssh\nremote = 22,2222\n"},
	/* Those in front of it are written too, so that it stays behind them. */
	{"flow api remote 80",
	 "\n[flow ui]\nclass = ui\n\n[flow admin]\nclass = admin\n\n[flow api]\nclass = api\n"
	 "remote = 80\n"},
	{"flow api remote 80|flow api default", ""},
	{"flow ssh class ui|flow ssh default", ""},
	{"flow telnet remove", "\n[flow telnet]\nremove = yes\n"},
	{"flow telnet remove|flow telnet remove", "\n[flow telnet]\nremove = yes\n"},
	{"flow telnet remove|flow telnet default", ""},
	{"flow telnet default", ""},
	{"flow telnet remove yes", "\n[flow telnet]\nremove = yes\n"},
	{"flow telnet remove no", ""},
	{"flow telnet remove|flow telnet remove no", "\n[flow telnet]\nremove = yes\n"},
	{"flow jump class ssh|flow jump remove yes", ""},
	{"flow jump class ssh|flow jump remove no remote 22",
	 "\n[flow jump]\nclass = ssh\nremote = 22\n"},
	{"flow ui remove|flow ui class ssh", "\n[flow ui]\nclass = ssh\n"},
	{"flow ui class ssh|flow ui remove", "\n[flow ui]\nremove = yes\n"},
	{"flow telnet remove flow ui remove flow x class api",
	 "\n[flow x]\nclass = api\n\n[flow ui]\nremove = yes\n\n[flow telnet]\nremove = yes\n"},
	/* A class goes with its flows, in one command too. */
	{"class lab flow a class lab|class lab remove flow a class ui", "\n[flow a]\nclass = ui\n"},
	{"class lab flow a class lab|class lab remove flow a remove", ""},
	{"class lab flow a class lab|class lab remove class new flow a class new",
	 "\n[class new]\n\n[flow a]\nclass = new\n"},
	/* What a new flow may begin with. */
	{"flow a class ui before ui protocol 17 prefix 2001:DB8::/32 interface any",
	 "\n[flow a]\nclass = ui\nprotocol = udp\nprefix = 2001:db8::/32\n"},
};

static void test_classes_and_flows(void **state)
{
	(void)state;
	for (size_t n = 0; n < COUNT(sets); n++) {
		struct bwctl_asked asked;
		char why[LOG_TEXT], *text;

		policy_default(&asked);
		if (set(sets[n].commands, &asked, why))
			fail_msg("'%s': %s", sets[n].commands, why);
		text = printed(&asked);
		if (strncmp(text, "[limit]\n", 8) || strcmp(text + 8, sets[n].text))
			fail_msg("'%s': expected\n[limit]\n%sgot\n%s", sets[n].commands,
				 sets[n].text, text);
		free(text);
	}
}

/* What cannot be: it is said, and nothing of it is done. */
static const struct {
	const char *commands, *why;
} refusals[] = {
	{"class lab remove", "class lab: remove: there is no such class"},
	{"class lab 1mbit|class lib remove",
	 "class lib: remove: there is no such class: did you mean 'lab'?"},
	{"class ssh remove",
	 "class ssh: remove: it is built in, and stays: expected one of your own"},
	{"class SSH 1mbit",
	 "class SSH: there is a class ssh: expected a name that differs in more than case"},
	{"class lab flow a class lab flow b class lab|class lab remove",
	 "class lab: remove: flows lead into it: a, b: expected them to be removed, or to lead "
	 "elsewhere"},
	{"class lab flow a class lab flow b class lab|class lab remove flow a remove",
	 "class lab: remove: flows lead into it: b: expected them to be removed, or to lead "
	 "elsewhere"},
	{"flow a class lab", "flow a: class: there is no class 'lab'"},
	{"class lab|flow a class lib",
	 "flow a: class: there is no class 'lib': did you mean 'lab'?"},
	{"class lab|class lab remove flow a class lab",
	 "class lab: remove: flows lead into it: a: expected them to be removed, or to lead "
	 "elsewhere"},
	{"flow a remote 22", "flow a: there is no such flow: a new one needs class and its name"},
	{"flow jump class ssh|flow jmp remote 22",
	 "flow jmp: there is no such flow: did you mean 'jump'?"},
	{"flow jump class ssh|flow Jump class ssh",
	 "flow Jump: there is a flow jump: expected a name that differs in more than case"},
	{"flow telnet remove|flow Telnet class ssh",
	 "flow Telnet: there is a flow telnet: expected a name that differs in more than case"},
	{"flow a remove", "flow a: remove: there is no such flow"},
	{"flow a remove no", "flow a: remove: there is no such flow"},
	{"class lab remove no", "class lab: remove: there is no such class"},
	{"flow tellnet remove",
	 "flow tellnet: remove: there is no such flow: did you mean 'telnet'?"},
	{"flow a class ssh|flow a default",
	 "flow a: default: it is none of the listed ones: expected ui, admin, api, ssh, telnet, "
	 "icmp or icmpv6"},
	{"flow a class ssh before b", "flow a: before: there is no flow 'b'"},
	{"flow a class ssh before a", "flow a: before: 'a' cannot come before itself"},
	{"flow a class ssh|flow b class ssh before a flow a remove",
	 "flow b: before: there is no flow 'a'"},
	{"flow a class ssh protocol icmp remote 22",
	 "flow a: remote: protocol icmp has no ports: expected any, or tcp, udp, sctp, dccp or any as "
	 "protocol"},
	{"flow ssh protocol esp",
	 "flow ssh: local: protocol esp has no ports: expected any, or tcp, udp, sctp, dccp or any as "
	 "protocol"},
	{"flow a class ui protocol icmp prefix 2001:db8::/32",
	 "flow a: prefix: '2001:db8::/32' has no icmp: expected an IPv4 prefix, or icmpv6 as "
	 "protocol"},
	{"flow icmpv6 prefix 10.0.0.0/8",
	 "flow icmpv6: prefix: '10.0.0.0/8' has no icmpv6: expected an IPv6 prefix, or icmp as "
	 "protocol"},
	{"flow a class ui protocol ah prefix ::/0",
	 "flow a: prefix: '::/0': protocol ah is a part of the header in IPv6, and no packet's: "
	 "expected an IPv4 prefix"},
	{"class ui reserve 2mbit exempt yes",
	 "class ui: reserve: an exempt class passes unmetered: expected none, or exempt no"},
	{"class ui 2mbit|class ui exempt yes",
	 "class ui: exempt: its limit of 2mbit is not kept where it passes unmetered: expected no, or "
	 "unlimited as its limit"},
	{"class ui reserve 2mbit|class ui egress 1999999bit",
	 "class ui: reserve: 2mbit is more than the egress limit of its own, 1999999bit: expected at "
	 "most that"},
	{"5mbit class ui reserve 2mbit class ssh reserve 3001kbit",
	 "class ssh: reserve: all that is reserved is 5001kbit together (ui 2mbit, ssh 3001kbit), more "
	 "than the ingress limit, 5mbit: expected at most that, or less reserved (class ui reserve "
	 "none)"},
	{"class ui reserve 2mbit class ssh reserve 3mbit|egress 4mbit",
	 "all that is reserved is 5mbit together (ui 2mbit, ssh 3mbit), more than the egress limit, "
	 "4mbit: expected at most that, or less reserved (class ui reserve none)"},
	{"class ssh reserve 5mbit|1mbit",
	 "all that is reserved is 5mbit together (ssh 5mbit), more than the ingress limit, 1mbit: "
	 "expected at most that, or less reserved (class ssh reserve none)"},
	{"class a reserve 1mbit class b reserve 1mbit class c reserve 1mbit class d reserve 1mbit "
	 "class e reserve 1mbit class f reserve 1mbit class g reserve 1mbit class h reserve 1mbit "
	 "class i reserve 1mbit class j reserve 1mbit|1mbit",
	 "all that is reserved is 10mbit together (a 1mbit, b 1mbit, c 1mbit, d 1mbit, e 1mbit, f "
	 "1mbit, g 1mbit, h 1mbit and 2 more), more than the ingress limit, 1mbit: expected at most "
	 "that, or less reserved (class a reserve none)"},
};

static void test_refusals(void **state)
{
	(void)state;
	for (size_t n = 0; n < COUNT(refusals); n++) {
		const char *last = strrchr(refusals[n].commands, '|');
		struct bwctl_asked asked, before;
		char why[LOG_TEXT], first[1024] = "";
		int err;

		policy_default(&asked);
		if (last)
			snprintf(first, sizeof(first), "%.*s", (int)(last - refusals[n].commands),
				 refusals[n].commands);
		assert_int_equal(set(first, &asked, why), 0);
		before = asked;
		err = set(last ? last + 1 : refusals[n].commands, &asked, why);
		if (err != -EINVAL || strcmp(why, refusals[n].why))
			fail_msg("'%s': expected \"%s\", got %d, \"%s\"", refusals[n].commands,
				 refusals[n].why, err, why);
		assert_memory_equal(&asked, &before, sizeof(asked));
	}
}

/* What touches the bounds is no refusal. */
static void test_reserves_that_fit(void **state)
{
	static const char *const commands[] = {
		"5mbit class ui reserve 2mbit class ssh reserve 3mbit",
		"ingress 5mbit class ui reserve 5mbit",
		"class ui reserve 300gbit class ssh reserve 300gbit",
		"class ui 2mbit reserve 2mbit",
		"class ui reserve 2mbit|1mbit class ui reserve none",
	};
	char why[LOG_TEXT];

	(void)state;
	for (size_t n = 0; n < COUNT(commands); n++) {
		struct bwctl_asked asked;

		policy_default(&asked);
		if (set(commands[n], &asked, why))
			fail_msg("'%s': %s", commands[n], why);
	}
}

/* In which order flows match: those that are written, a bar, and those that nobody wrote. */
static const struct {
	const char *commands, *order;
} orders[] = {
	{"unlimited", "| ui admin api ssh telnet icmp icmpv6"},
	{"flow a class ui flow b class ui", "a b | ui admin api ssh telnet icmp icmpv6"},
	{"flow a class ui flow b class ui before a", "b a | ui admin api ssh telnet icmp icmpv6"},
	{"flow a class ui flow b class ui flow c class ui|flow c before b",
	 "a c b | ui admin api ssh telnet icmp icmpv6"},
	{"flow a class ui flow b class ui flow c class ui|flow a before c",
	 "b a c | ui admin api ssh telnet icmp icmpv6"},
	{"flow a class ui flow b class ui flow c class ui|flow b class ssh",
	 "a b c | ui admin api ssh telnet icmp icmpv6"},
	{"flow a class ui flow b class ui|flow a before b",
	 "a b | ui admin api ssh telnet icmp icmpv6"},
	/* A listed one that is changed is a written one from then on, and so are those in front. */
	{"flow a class ui|flow ssh remote 22,2222", "a ui admin api ssh | telnet icmp icmpv6"},
	{"flow icmp class other", "ui admin api ssh telnet icmp | icmpv6"},
	{"flow icmpv6 class other|flow ui class ssh", "ui admin api ssh telnet icmp icmpv6"},
	{"flow admin remove flow api class ui", "ui api | ssh telnet icmp icmpv6"},
	{"flow api remove|flow api class ui", "ui admin api | ssh telnet icmp icmpv6"},
	{"flow a class ui|flow ssh before a", "ssh a | ui admin api telnet icmp icmpv6"},
	{"flow telnet class ssh flow ui class api", "ui admin api ssh telnet | icmp icmpv6"},
	{"flow telnet class ssh flow ui class api|flow telnet default",
	 "ui | admin api ssh telnet icmp icmpv6"},
	{"flow telnet class ssh flow api class ui|flow ui default",
	 "admin api ssh telnet | ui icmp icmpv6"},
	{"flow telnet before ui|flow ssh class ui|flow ssh default",
	 "telnet | ui admin api ssh icmp icmpv6"},
	{"flow ui class ui|flow ui default", "| ui admin api ssh telnet icmp icmpv6"},
	{"flow icmpv6 class ui|flow icmpv6 default", "| ui admin api ssh telnet icmp icmpv6"},
	{"flow telnet remove flow api remove|flow telnet default",
	 "| ui admin ssh telnet icmp icmpv6"},
	/* All that are written come before those that are not: those in front are written then. */
	{"flow a class ui before ssh", "ui admin api a | ssh telnet icmp icmpv6"},
	{"flow a class ui before ui", "a | ui admin api ssh telnet icmp icmpv6"},
	{"flow a class ui flow b class ui|flow a before telnet",
	 "b ui admin api ssh a | telnet icmp icmpv6"},
	{"flow admin remove flow a class ui before ssh", "ui api a | ssh telnet icmp icmpv6"},
	{"flow ssh before telnet", "ui admin api ssh | telnet icmp icmpv6"},
	{"flow icmpv6 before api", "ui admin icmpv6 | api ssh telnet icmp"},
	{"flow a class ui flow b class ui flow a2 class ui before b|flow a remove",
	 "a2 b | ui admin api ssh telnet icmp icmpv6"},
};

/* What "show --config" prints of it, applied, changes nothing. */
static void check_fixed_point(const struct bwctl_asked *asked, const char *commands)
{
	struct bwctl_asked again = *asked;
	char *text = printed(asked), why[LOG_TEXT];
	struct policy_file *file;

	if (policy_file_parse("f", text, strlen(text), &file))
		fail_msg("'%s': %s\n%s", commands, file->errors[0], text);
	if (config_apply(&file->change, &again, why) || memcmp(asked, &again, sizeof(again)))
		fail_msg("'%s': applied again it is something else:\n%s", commands, text);
	policy_file_free(file);
	free(text);
}

static void test_order(void **state)
{
	(void)state;
	for (size_t n = 0; n < COUNT(orders); n++) {
		struct bwctl_asked asked;
		char why[LOG_TEXT], order[512] = "";
		bool bar = false;

		policy_default(&asked);
		if (set(orders[n].commands, &asked, why))
			fail_msg("'%s': %s", orders[n].commands, why);
		for (uint32_t row = 0; row < asked.flow_count; row++) {
			if (asked.flows[row].is_listed && !bar) {
				strcat(order, *order ? " |" : "|");
				bar = true;
			}
			sprintf(order + strlen(order), "%s%s", *order ? " " : "",
				asked.flows[row].name);
		}
		if (strcmp(order, orders[n].order))
			fail_msg("'%s': expected '%s', got '%s'", orders[n].commands,
				 orders[n].order, order);
		check_fixed_point(&asked, orders[n].commands);
	}
}

/* Numbers of one's own classes and counters of the flows, by name. */
static const struct {
	const char *commands, *numbers;
} numbers[] = {
	{"unlimited", "ui=0 admin=1 api=2 ssh=3 telnet=4 icmp=5 icmpv6=6"},
	{"class a class b", "a:8 b:9 ui=0 admin=1 api=2 ssh=3 telnet=4 icmp=5 icmpv6=6"},
	{"class a class b|class a remove", "b:9 ui=0 admin=1 api=2 ssh=3 telnet=4 icmp=5 icmpv6=6"},
	/* Not that of one that goes with the same command. */
	{"class a class b|class a remove class c",
	 "b:9 c:10 ui=0 admin=1 api=2 ssh=3 telnet=4 icmp=5 icmpv6=6"},
	{"class a class b|class a remove|class c",
	 "c:8 b:9 ui=0 admin=1 api=2 ssh=3 telnet=4 icmp=5 icmpv6=6"},
	{"flow a class ui flow b class ui",
	 "a=7 b=8 ui=0 admin=1 api=2 ssh=3 telnet=4 icmp=5 icmpv6=6"},
	{"flow a class ui flow b class ui|flow b before a|flow a class ssh remote 22",
	 "b=8 a=7 ui=0 admin=1 api=2 ssh=3 telnet=4 icmp=5 icmpv6=6"},
	{"flow a class ui flow b class ui|flow a remove flow c class ui",
	 "b=8 c=9 ui=0 admin=1 api=2 ssh=3 telnet=4 icmp=5 icmpv6=6"},
	{"flow a class ui flow b class ui|flow a remove|flow c class ui",
	 "b=8 c=7 ui=0 admin=1 api=2 ssh=3 telnet=4 icmp=5 icmpv6=6"},
	{"flow ssh class ui", "ui=0 admin=1 api=2 ssh=3 telnet=4 icmp=5 icmpv6=6"},
	{"flow ssh before ui", "ssh=3 ui=0 admin=1 api=2 telnet=4 icmp=5 icmpv6=6"},
	{"flow ssh remove|flow a class ui|flow ssh default",
	 "a=3 ui=0 admin=1 api=2 ssh=7 telnet=4 icmp=5 icmpv6=6"},
};

static void numbers_of(const struct bwctl_asked *asked, char text[1024])
{
	*text = '\0';
	for (size_t n = BWCTL_BUILTIN_CLASSES; n < BWCTL_CLASSES; n++)
		if (*asked->classes[n].name)
			sprintf(text + strlen(text), "%s%s:%zu", *text ? " " : "",
				asked->classes[n].name, n);
	for (uint32_t row = 0; row < asked->flow_count; row++)
		sprintf(text + strlen(text), "%s%s=%u", *text ? " " : "", asked->flows[row].name,
			asked->flows[row].counter);
}

static void test_numbers(void **state)
{
	(void)state;
	for (size_t n = 0; n < COUNT(numbers); n++) {
		struct bwctl_asked asked;
		char why[LOG_TEXT], text[1024];

		policy_default(&asked);
		if (set(numbers[n].commands, &asked, why))
			fail_msg("'%s': %s", numbers[n].commands, why);
		numbers_of(&asked, text);
		if (strcmp(text, numbers[n].numbers))
			fail_msg("'%s': expected '%s', got '%s'", numbers[n].commands,
				 numbers[n].numbers, text);
	}
}

/* A whole policy, too: who is there again keeps what it had, in whatever order it comes. */
static void test_numbers_of_whole(void **state)
{
	static struct config_change change;
	struct bwctl_asked asked;
	char why[LOG_TEXT], text[1024];
	size_t number;

	(void)state;
	policy_default(&asked);
	assert_int_equal(set("class a class b class c flow x class a flow y class b", &asked, why),
			 0);
	config_default(&change);
	assert_int_equal(config_add(&change, CONFIG_CLASS, "d", &number, why), 0);
	assert_int_equal(config_add(&change, CONFIG_CLASS, "c", &number, why), 0);
	for (int n = 0; n < 2; n++) {
		assert_int_equal(config_add(&change, CONFIG_FLOW, n ? "y" : "z", &number, why), 0);
		assert_int_equal(config_parse_value(CONFIG_FLOW, config_keys[CONFIG_FLOW].keys, "d",
						    &change, number, why),
				 0);
	}
	assert_int_equal(config_apply(&change, &asked, why), 0);
	numbers_of(&asked, text);
	assert_string_equal(text,
			    "c:10 d:11 z=9 y=8 ui=0 admin=1 api=2 ssh=3 telnet=4 icmp=5 icmpv6=6");
	assert_int_equal(asked.flows[0].class, 11);
}

/* All the room there is: 32 classes, 256 flows, and all of them for others in one command. */
static void test_room(void **state)
{
	static struct config_change change;
	struct bwctl_asked asked;
	char why[LOG_TEXT], name[BWCTL_NAME];
	size_t number;

	(void)state;
	policy_default(&asked);
	memset(&change, 0, sizeof(change));
	for (int n = 0; n < BWCTL_OWN_CLASSES; n++) {
		snprintf(name, sizeof(name), "c%d", n);
		assert_int_equal(config_add(&change, CONFIG_CLASS, name, &number, why), 0);
	}
	for (int n = 0; n < BWCTL_FLOW_ROWS - 7; n++) {
		snprintf(name, sizeof(name), "f%d", n);
		assert_int_equal(config_add(&change, CONFIG_FLOW, name, &number, why), 0);
		assert_int_equal(config_parse_value(CONFIG_FLOW, config_keys[CONFIG_FLOW].keys,
						    "c0", &change, number, why),
				 0);
	}
	assert_int_equal(config_apply(&change, &asked, why), 0);
	assert_int_equal(asked.flow_count, BWCTL_FLOW_ROWS);
	assert_int_equal(set("class more", &asked, why), -EINVAL);
	assert_string_equal(why,
			    "class more: is one too many: expected at most 32 beside those that "
			    "are built in");
	assert_int_equal(set("flow more class ui", &asked, why), -EINVAL);
	assert_string_equal(why, "flow more: is one too many: expected at most 256");
	assert_int_equal(set("flow telnet remove flow more class ui|flow telnet default", &asked,
			     why),
			 -EINVAL);
	assert_string_equal(why, "flow telnet: is one too many: expected at most 256");
	assert_int_equal(set("flow telnet remove", &asked, why), 0);
	/* There is no number that nobody had: that of one that goes is taken. */
	assert_int_equal(set("class c7 remove class more", &asked, why), 0);
	assert_string_equal(asked.classes[BWCTL_BUILTIN_CLASSES + 7].name, "more");
	assert_int_equal(set("flow f100 remove flow last class more", &asked, why), 0);
	for (uint32_t row = 0; row < asked.flow_count; row++)
		for (uint32_t other = 0; other < row; other++)
			assert_int_not_equal(asked.flows[row].counter, asked.flows[other].counter);
	/* A whole policy of others. */
	config_default(&change);
	for (int n = 0; n < BWCTL_OWN_CLASSES; n++) {
		snprintf(name, sizeof(name), n % 2 ? "c%d" : "d%d", n);
		assert_int_equal(config_add(&change, CONFIG_CLASS, name, &number, why), 0);
	}
	assert_int_equal(config_apply(&change, &asked, why), 0);
	for (int n = 1; n < BWCTL_OWN_CLASSES; n += 2) {
		snprintf(name, sizeof(name), "c%d", n);
		if (n != 7)
			assert_string_equal(asked.classes[BWCTL_BUILTIN_CLASSES + n].name, name);
	}
}

/* A value of a flow, and how it is printed: that is the same value again. */
static const struct {
	const char *key, *value, *text;
} values[] = {
	{"local", "443", "443"},
	{"local", "443-443", "443"},
	{"local", "0-65535", "0-65535"},
	{"local", "1-65535", ">0"},
	{"local", ">1", ">1"},
	{"local", "0", "0"},
	{"local", "<1", "0"},
	{"local", "0-9", "<10"},
	{"local", "1", "1"},
	{"local", "65535", "65535"},
	{"local", "<2", "<2"},
	{"local", "<3", "<3"},
	{"local", "<65535", "<65535"},
	{"local", ">65534", "65535"},
	{"local", "<1024,>1024", "<1024,>1024"},
	{"local", "<1024,>1023", "0-65535"},
	{"local", "22,80,443", "22,80,443"},
	{"local", "443,22,80", "22,80,443"},
	{"local", "22,23", "22-23"},
	{"local", "24,22,23", "22-24"},
	{"local", "100-200,150-250,300", "100-250,300"},
	{"local", "100-200,120-130", "100-200"},
	{"local", "1,3,5,7,9,11,13,15,17,2-16", "1-17"},
	{"local",
	 "60001-60002,60004-60005,60007-60008,60010-60011,60013-60014,60016-60017,60019-60020,"
	 "60022-60023",
	 "60001-60002,60004-60005,60007-60008,60010-60011,60013-60014,60016-60017,60019-60020,"
	 "60022-60023"},
	{"remote", "Any", "any"},
	{"protocol", "TCP", "tcp"},
	{"protocol", "6", "tcp"},
	{"protocol", "0", "0"},
	{"protocol", "255", "255"},
	{"protocol", "136", "136"},
	{"protocol", "ah", "ah"},
	{"protocol", "gre", "gre"},
	{"prefix", "10.0.0.0/8", "10.0.0.0/8"},
	{"prefix", "10.1.2.3", "10.1.2.3"},
	{"prefix", "10.1.2.3/32", "10.1.2.3"},
	{"prefix", "0.0.0.0/0", "0.0.0.0/0"},
	{"prefix", "10.1.2.2/31", "10.1.2.2/31"},
	{"prefix", "::/0", "::/0"},
	{"prefix", "2001:DB8:0:0::1", "2001:db8::1"},
	{"prefix", "2001:db8::/33", "2001:db8::/33"},
	{"prefix", "fe80::/10", "fe80::/10"},
	{"prefix", "any", "any"},
	{"interface", "eth0.100", "eth0.100"},
	{"interface", "ANY", "any"},
	{"interface", "fifteen-letters", "fifteen-letters"},
};

static void test_values(void **state)
{
	(void)state;
	for (size_t n = 0; n < COUNT(values); n++) {
		char command[512], why[LOG_TEXT], text[UNITS_TEXT];
		const struct config_keys *keys = &config_keys[CONFIG_FLOW];
		struct bwctl_asked asked, again;
		const struct config_key *key = keys->keys;

		while (strcmp(key->name, values[n].key))
			key++;
		policy_default(&asked);
		snprintf(command, sizeof(command), "flow x class ui %s %s", key->name,
			 values[n].value);
		if (set(command, &asked, why))
			fail_msg("'%s': %s", command, why);
		assert_string_equal(config_print_value(key, &asked, 0, text), values[n].text);
		policy_default(&again);
		snprintf(command, sizeof(command), "flow x class ui %s %s", key->name, text);
		if (set(command, &again, why))
			fail_msg("'%s': %s", command, why);
		assert_memory_equal(&asked, &again, sizeof(asked));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_hostile_words),
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_classes_and_flows),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_reserves_that_fit),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_numbers_of_whole),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
