/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * user/config.c as tables: what the words after "set" change, or what is said
 * about them, and what stays as it was when a change is laid over it. What a
 * single quantity may look like is unit_units.c's question.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "policy.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_WORDS    16
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

#define WANTED                                                                   \
	"expected a rate such as 50mbit, unlimited, or ingress, egress, burst, " \
	"window, "                                                               \
	"overhead, mode or horizon"

static const struct {
	const char *words; /* between single spaces */
	struct config_change change;
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
	{"ingres 50mbit", "'ingres': " WANTED},
	{"Ingress 50mbit", "'Ingress': " WANTED},
	{"50mbit both", "'both': " WANTED},
	{"default", "'default': " WANTED},
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
	{"mode shape", "mode: 'shape': expected auto, pace or police"},
	{"mode default", "mode: 'default': expected auto, pace or police"},
	{"mode pac", "mode: 'pac': expected auto, pace or police"},
	{"mode paces", "mode: 'paces': expected auto, pace or police"},
	{"mode 1", "mode: '1': expected auto, pace or police"},
	{"mode pace mode pace", "'mode' is given twice"},
	{"mode auto 50mbit mode auto", "'mode' is given twice"},
	{"pace", "'pace': " WANTED},
	{"50mbit police", "'police': " WANTED},
	{"Mode pace", "'Mode': " WANTED},
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
};

/* Splits a copy at each space; an empty text is no words. */
static int split(const char *text, char copy[512], char *words[MAX_WORDS])
{
	int count = 0;
	char *word, *save;

	assert_true(strlen(text) < 512);
	strcpy(copy, text);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(count < MAX_WORDS);
		words[count++] = word;
	}
	return count;
}

static int parse(const char *text, struct config_change *change, char why[LOG_TEXT])
{
	char copy[512], *words[MAX_WORDS];
	int count = split(text, copy, words);

	memset(change, 0xa5, sizeof(*change));
	memset(why, 0, LOG_TEXT);
	return config_parse_set(count, words, change, why);
}

static bool same_change(const struct config_change *a, const struct config_change *b)
{
	return !memcmp(a->given, b->given, sizeof(a->given)) &&
	       !memcmp(a->limit_bits_s, b->limit_bits_s, sizeof(a->limit_bits_s)) &&
	       a->burst_ns == b->burst_ns && a->burst_bytes == b->burst_bytes &&
	       a->window_ns == b->window_ns && a->overhead_bytes == b->overhead_bytes &&
	       a->mode == b->mode && a->horizon_ns == b->horizon_ns;
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
	const struct config_change nothing = {0};
	struct bwctl_request requests[BWCTL_DIRECTIONS];
	struct config_change change;
	char why[LOG_TEXT];
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(rows); n++) {
		memcpy(requests, before, sizeof(requests));
		assert_int_equal(parse(rows[n].words, &change, why), 0);
		config_apply(&change, requests);
		if (memcmp(requests, rows[n].after, sizeof(requests)))
			fail_msg("'%s': not what was expected", rows[n].words);
	}
	memcpy(requests, before, sizeof(requests));
	config_apply(&nothing, requests);
	assert_memory_equal(requests, before, sizeof(requests));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_hostile_words),
		cmocka_unit_test(test_apply),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
