/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * user/runs.c: the words of "run" as tables; and runs that come and go by the
 * thousand, after each of which the limits in force are what a count by hand says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "runs.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_WORDS    16
#define KBIT	     1000ULL
#define MBIT	     1000000ULL
#define TAKES	     "run takes RATE, ingress RATE and egress RATE, also after class NAME"

static int split(const char *text, char copy[256], char *words[MAX_WORDS])
{
	int count = 0;
	char *rest;

	snprintf(copy, 256, "%s", text);
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		assert_true(count < MAX_WORDS);
		words[count++] = word;
	}
	return count;
}

/* ---- words ---- */

static const struct {
	const char *words;
	size_t count;
	struct runs_limits limits[3];
} good[] = {
	{"", 1, {{"", {0, 0}}}},
	{"10mbit", 1, {{"", {10 * MBIT, 10 * MBIT}}}},
	{"10Mbit/s", 1, {{"", {10 * MBIT, 10 * MBIT}}}},
	{"ingress 10mbit", 1, {{"", {10 * MBIT, 0}}}},
	{"egress 8kbit", 1, {{"", {0, 8 * KBIT}}}},
	{"egress 8kbit ingress 1gbit", 1, {{"", {1000 * MBIT, 8 * KBIT}}}},
	{"class ssh 1mbit", 2, {{"", {0, 0}}, {"ssh", {MBIT, MBIT}}}},
	{"5mbit class ssh egress 1mbit", 2, {{"", {5 * MBIT, 5 * MBIT}}, {"ssh", {0, MBIT}}}},
	{"ingress 5mbit class ssh 1mbit class ui ingress 2mbit egress 3mbit",
	 3,
	 {{"", {5 * MBIT, 0}}, {"ssh", {MBIT, MBIT}}, {"ui", {2 * MBIT, 3 * MBIT}}}},
	/* One class in two places is one. */
	{"class ssh ingress 1mbit class ui 2mbit class ssh egress 3mbit",
	 3,
	 {{"", {0, 0}}, {"ssh", {MBIT, 3 * MBIT}}, {"ui", {2 * MBIT, 2 * MBIT}}}},
	/* A class may have any name. */
	{"class class 1mbit", 2, {{"", {0, 0}}, {"class", {MBIT, MBIT}}}},
	{"class egress egress 1mbit", 2, {{"", {0, 0}}, {"egress", {0, MBIT}}}},
};

static void test_words(void **state)
{
	(void)state;
	for (size_t n = 0; n < COUNT(good); n++) {
		char copy[256], *words[MAX_WORDS], why[LOG_TEXT] = "";
		struct runs_words parsed;
		int count = split(good[n].words, copy, words);

		if (runs_parse(count, words, &parsed, why))
			fail_msg("'%s': %s", good[n].words, why);
		assert_int_equal(parsed.count, good[n].count);
		for (size_t i = 0; i < parsed.count; i++) {
			assert_string_equal(parsed.limits[i].class, good[n].limits[i].class);
			assert_memory_equal(parsed.limits[i].bits_s, good[n].limits[i].bits_s,
					    sizeof(parsed.limits[i].bits_s));
		}
	}
}

static const struct {
	const char *words, *why;
} bad[] = {
	{"fast", "'fast': " TAKES},
	{"\x1b[m", "'?[m': " TAKES},
	{"burst 5ms", "'burst': " TAKES},
	{"10mbit window 1s", "'window': " TAKES},
	{"mode police", "'mode': " TAKES},
	{"flow jump class ssh", "'flow': " TAKES},
	{"class ssh priority high", "'priority': " TAKES},
	{"class ssh 1mbit reserve 1kbit", "'reserve': " TAKES},
	{"class ssh exempt yes", "'exempt': " TAKES},
	{"class ssh remove", "'remove': " TAKES},
	{"unlimited", "'unlimited' cannot be asked for: a run only tightens"},
	{"ingress Unlimited", "'Unlimited' cannot be asked for: a run only tightens"},
	{"class ssh unlimited", "'unlimited' cannot be asked for: a run only tightens"},
	{"5", "no unit in '5': write 5mbit or 5gbit"},
	{"1kbit", "'1kbit' is below the smallest limit, 8 kbit/s"},
	{"ingress", "'ingress' needs a value"},
	{"egress ingress 5mbit", "'egress' needs a value"},
	{"5mbit class", "'class' needs a value"},
	{"class ssh", "class ssh: a rate is missing"},
	{"class ssh class ui 5mbit", "class ssh: a rate is missing"},
	{"class abcdefghijklmnop 5mbit", "class 'abcdefghijklmnop': a name has 1 to 15 characters"},
	{"5mbit 6mbit", "'6mbit': a limit for ingress is given already"},
	{"egress 5mbit 6mbit", "'6mbit': a limit for egress is given already"},
	{"egress 5mbit egress 6mbit", "'6mbit': a limit for egress is given already"},
	{"5mbit class ssh 1mbit class ssh 1mbit",
	 "'1mbit': a limit for ingress of class ssh is given already"},
};

static void test_bad_words(void **state)
{
	(void)state;
	for (size_t n = 0; n < COUNT(bad); n++) {
		char copy[256], *words[MAX_WORDS], why[LOG_TEXT] = "";
		struct runs_words parsed;
		int count = split(bad[n].words, copy, words);

		assert_int_equal(runs_parse(count, words, &parsed, why), -EINVAL);
		assert_string_equal(why, bad[n].why);
	}
}

/* ---- a run of them ---- */

static struct bwctl_policy *make_policy(void)
{
	struct bwctl_policy *policy = calloc(1, sizeof(*policy));

	assert_non_null(policy);
	policy_default(&policy->asked);
	return policy;
}

static void make(const struct bwctl_policy *policy, const char *text, struct bwctl_run *ret_run)
{
	char copy[256], *words[MAX_WORDS], why[LOG_TEXT], *command[] = {"true", NULL};
	struct runs_words parsed;
	int count = split(text, copy, words);

	assert_int_equal(runs_parse(count, words, &parsed, why), 0);
	assert_int_equal(runs_make(&parsed, command, policy, ret_run, why), 0);
}

static void test_make(void **state)
{
	struct bwctl_policy *policy = make_policy();
	char why[LOG_TEXT], *command[] = {"true", NULL};
	struct runs_words none = {.count = 2, .limits[1] = {"lab", {MBIT, MBIT}}};
	struct bwctl_run run;

	(void)state;
	make(policy, "egress 5mbit class ssh ingress 1mbit class control 2mbit", &run);
	assert_int_equal(run.limit_bits_s[BWCTL_INGRESS], 0);
	assert_int_equal(run.limit_bits_s[BWCTL_EGRESS], 5 * MBIT);
	assert_int_equal(run.class_limit_bits_s[BWCTL_SSH][BWCTL_INGRESS], MBIT);
	assert_int_equal(run.class_limit_bits_s[BWCTL_SSH][BWCTL_EGRESS], 0);
	assert_int_equal(run.class_limit_bits_s[BWCTL_CONTROL][BWCTL_EGRESS], 2 * MBIT);

	assert_int_equal(runs_make(&none, command, policy, &run, why), -ENOENT);
	assert_string_equal(
		why, "no class 'lab': there are ui, admin, api, ssh, telnet, icmp, other, control");
	strcpy(policy->asked.classes[BWCTL_CLASSES - 1].name, "lab");
	assert_int_equal(runs_make(&none, command, policy, &run, why), 0);
	assert_int_equal(run.class_limit_bits_s[BWCTL_CLASSES - 1][BWCTL_EGRESS], MBIT);
	policy->asked.classes[BWCTL_CLASSES - 1].exempt = 1;
	assert_int_equal(runs_make(&none, command, policy, &run, why), -EINVAL);
	assert_string_equal(why, "class 'lab' is exempt: no limit holds for it");
	none.count = 1;
	assert_int_equal(runs_make(&none, command, policy, &run, why), 0);
	policy->asked.request[BWCTL_EGRESS].mode = BWCTL_MODE_OBSERVE;
	assert_int_equal(runs_make(&none, command, policy, &run, why), -EINVAL);
	assert_string_equal(why, "nothing is limited in mode observe: first bwctl set mode auto");
	free(policy);
}

/* Without words: what is in force, of everything, also what another run asks for. */
static void test_keep(void **state)
{
	struct bwctl_policy *policy = make_policy();
	struct bwctl_run run;

	(void)state;
	policy->asked.request[BWCTL_INGRESS].limit_bits_s = 20 * MBIT;
	policy->asked.classes[BWCTL_SSH].limit_bits_s[BWCTL_EGRESS] = 4 * MBIT;
	make(policy, "10mbit class ssh 5mbit", &run);
	run.id = 1;
	assert_int_equal(runs_add(policy, &run), 0);
	make(policy, "", &run);
	assert_int_equal(run.limit_bits_s[BWCTL_INGRESS], 10 * MBIT);
	assert_int_equal(run.limit_bits_s[BWCTL_EGRESS], 10 * MBIT);
	assert_int_equal(run.class_limit_bits_s[BWCTL_SSH][BWCTL_INGRESS], 5 * MBIT);
	assert_int_equal(run.class_limit_bits_s[BWCTL_SSH][BWCTL_EGRESS], 4 * MBIT);
	assert_int_equal(run.class_limit_bits_s[BWCTL_UI][BWCTL_EGRESS], 0);

	/* Then it outlasts the other, and holds against a higher limit. */
	run.id = 2;
	assert_int_equal(runs_add(policy, &run), 0);
	runs_remove(policy, 1);
	policy->asked.request[BWCTL_INGRESS].limit_bits_s = 0;
	policy->asked.classes[BWCTL_SSH].limit_bits_s[BWCTL_EGRESS] = 40 * MBIT;
	assert_int_equal(policy_limit(policy, BWCTL_INGRESS), 10 * MBIT);
	assert_int_equal(policy_class_limit(policy, BWCTL_SSH, BWCTL_EGRESS), 4 * MBIT);
	free(policy);
}

static void test_command(void **state)
{
	static const struct {
		char *command[5];
		const char *name;
	} rows[] = {
		{{"true"}, "true"},
		{{"tar", "-c", "a b", ""}, "tar -c a b "},
		{{""}, ""},
		{{"1234567890123456789012345678901"}, "1234567890123456789012345678901"},
		{{"12345678901234567890123456789012"}, "1234567890123456789012345678..."},
		{{"1234567890", "1234567890", "12345678", "0"}, "1234567890 1234567890 123456..."},
		{{"1234567890", "1234567890", "123456789", ""}, "1234567890 1234567890 123456..."},
		{{"a\033[1m\n\303\244\177"}, "a?[1m????"},
	};
	struct bwctl_policy *policy = make_policy();
	struct runs_words words = {.count = 1};
	struct bwctl_run run;
	char why[LOG_TEXT];

	(void)state;
	for (size_t n = 0; n < COUNT(rows); n++) {
		assert_int_equal(runs_make(&words, rows[n].command, policy, &run, why), 0);
		assert_string_equal(run.command, rows[n].name);
	}
	free(policy);
}

/* ---- coming and going ---- */

/* What is asked for beside the policy, as a list without order. */
struct model {
	struct bwctl_run runs[BWCTL_RUNS];
	size_t count;
};

static uint64_t smallest(uint64_t limit, uint64_t other)
{
	if (!limit || !other)
		return limit + other;
	return limit < other ? limit : other;
}

static void compare(const struct model *model, const struct bwctl_policy *policy)
{
	assert_int_equal(runs_count(policy), model->count);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		uint64_t limit = policy->asked.request[direction].limit_bits_s;

		for (size_t n = 0; n < model->count; n++)
			limit = smallest(limit, model->runs[n].limit_bits_s[direction]);
		assert_int_equal(policy_limit(policy, direction), limit);
		for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
			/* Nobody asks about what is no class. */
			if (!*policy->asked.classes[class].name)
				continue;
			limit = policy->asked.classes[class].limit_bits_s[direction];
			for (size_t n = 0; n < model->count; n++)
				limit = smallest(
					limit, model->runs[n].class_limit_bits_s[class][direction]);
			assert_int_equal(policy_class_limit(policy, class, direction), limit);
		}
	}
	for (size_t n = 0; n < model->count; n++)
		assert_memory_equal(runs_find(policy, model->runs[n].id), &model->runs[n],
				    sizeof(struct bwctl_run));
}

/* Now and then none; few values, so that some are the same. */
static uint64_t any_limit(void)
{
	return (uint64_t)(rand() % 3 ? rand() % 20 : 0) * MBIT;
}

static struct bwctl_run any_run(uint64_t id)
{
	struct bwctl_run run = {.id = id};

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		run.limit_bits_s[direction] = any_limit();
		for (int class = 0; class < BWCTL_CLASSES; class ++)
			run.class_limit_bits_s[class][direction] = any_limit();
	}
	return run;
}

static void test_coming_and_going(void **state)
{
	struct bwctl_policy *policy = make_policy();
	struct model model = {.count = 0};
	size_t full = 0, empty = 0;

	(void)state;
	for (int class = BWCTL_BUILTIN_CLASSES; class < BWCTL_CLASSES; class += 2)
		snprintf(policy->asked.classes[class].name, BWCTL_NAME, "own-%d", class);
	srand(5);
	for (uint64_t step = 1; step <= 20000; step++) {
		/* For a while more come than go, and then the other way round. */
		int often = step / 500 % 2 ? 3 : 6;

		if (rand() % 10 < often) {
			struct bwctl_run run = any_run(step);
			int err = runs_add(policy, &run);

			assert_int_equal(err, model.count == BWCTL_RUNS ? -ENOSPC : 0);
			full += model.count == BWCTL_RUNS;
			if (!err)
				model.runs[model.count++] = run;
		} else if (model.count) {
			size_t n = (size_t)rand() % model.count;

			runs_remove(policy, model.runs[n].id);
			assert_null(runs_find(policy, model.runs[n].id));
			model.runs[n] = model.runs[--model.count];
		} else {
			/* One that is not there. */
			runs_remove(policy, step);
			empty++;
		}
		if (rand() % 8 == 0)
			policy->asked.request[rand() % 2].limit_bits_s = any_limit();
		if (rand() % 8 == 0)
			policy->asked.classes[rand() % BWCTL_CLASSES].limit_bits_s[rand() % 2] =
				any_limit();
		compare(&model, policy);
	}
	/* It was tried. */
	assert_true(full > 100 && empty > 100);
	free(policy);
}

/* Numbers of classes that go may be those of others: no limit stays with a number. */
static void test_follow(void **state)
{
	const int lab = BWCTL_BUILTIN_CLASSES, test = lab + 1;
	struct bwctl_policy *previous = make_policy(), *policy = make_policy();
	struct bwctl_run run;

	(void)state;
	strcpy(previous->asked.classes[lab].name, "lab");
	strcpy(previous->asked.classes[test].name, "test");
	make(previous, "class lab 1mbit class test 2mbit class ssh 3mbit", &run);
	run.id = 1;
	assert_int_equal(runs_add(previous, &run), 0);
	*policy = *previous;
	runs_follow(previous, policy);
	assert_memory_equal(policy, previous, sizeof(*policy));
	strcpy(policy->asked.classes[lab].name, "other-lab");
	runs_follow(previous, policy);
	assert_int_equal(policy_class_limit(policy, (uint32_t)lab, BWCTL_EGRESS), 0);
	assert_int_equal(policy_class_limit(policy, (uint32_t)test, BWCTL_EGRESS), 2 * MBIT);
	assert_int_equal(policy_class_limit(policy, BWCTL_SSH, BWCTL_EGRESS), 3 * MBIT);
	free(policy);
	free(previous);
}

/* ---- what would loosen them ---- */

#define LAB   BWCTL_BUILTIN_CLASSES
#define OWN   (BWCTL_BUILTIN_CLASSES + 1) /* exempt from the beginning */
#define RULES " would loosen run 7 (\"true\"): it has to end first, or bwctl run --clear"

static void exempt_ssh(struct bwctl_policy *next)
{
	next->asked.classes[BWCTL_SSH].exempt = 1;
}

static void new_exempt(struct bwctl_policy *next)
{
	strcpy(next->asked.classes[OWN + 1].name, "new");
	next->asked.classes[OWN + 1].exempt = 1;
}

static void exempt_in_its_place(struct bwctl_policy *next)
{
	strcpy(next->asked.classes[OWN].name, "new");
}

static void no_exempt(struct bwctl_policy *next)
{
	next->asked.classes[OWN].exempt = 0;
}

static void remove_lab(struct bwctl_policy *next)
{
	next->asked.classes[LAB] = (struct bwctl_class_request){0};
}

static void replace_lab(struct bwctl_policy *next)
{
	strcpy(next->asked.classes[LAB].name, "lab2");
}

static void remove_own(struct bwctl_policy *next)
{
	next->asked.classes[OWN] = (struct bwctl_class_request){0};
}

static void every_limit(struct bwctl_policy *next)
{
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		next->asked.request[direction].limit_bits_s = 0;
		for (int class = 0; class < BWCTL_CLASSES; class ++)
			next->asked.classes[class].limit_bits_s[direction] = 0;
	}
}

/* As "set" has it: of both directions. */
static void request(struct bwctl_policy *next, enum bwctl_mode mode, uint64_t window_ms)
{
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		next->asked.request[direction].mode = mode;
		next->asked.request[direction].window_ns = window_ms * 1000000;
	}
}

static const struct {
	const char *run;
	void (*change)(struct bwctl_policy *next); /* and then, unless all is 0, mode and window */
	enum bwctl_mode before, after, in_force;
	uint64_t before_ms, after_ms;
	const char *what; /* NULL: it is all right */
} loosenings[] = {
	{.run = "5mbit"},
	{.run = "5mbit", .change = every_limit},
	{.run = "5mbit", .change = exempt_ssh, .what = "'exempt yes' of class ssh"},
	{.run = "class ssh 5mbit", .change = exempt_ssh, .what = "'exempt yes' of class ssh"},
	{.run = "class ui ingress 5mbit", .change = new_exempt, .what = "'exempt yes' of class new"},
	{.run = "5mbit", .change = exempt_in_its_place, .what = "'exempt yes' of class new"},
	{.run = "5mbit", .change = no_exempt},
	{.run = "", .change = exempt_ssh}, /* where no limit is in force it asks for none */
	{.run = "5mbit class lab 1mbit", .change = remove_lab, .what = "removing class lab"},
	{.run = "class lab egress 1mbit", .change = replace_lab, .what = "removing class lab"},
	{.run = "5mbit class ssh 1mbit", .change = remove_lab},
	{.run = "class lab egress 1mbit", .change = remove_own},
	{.run = "5mbit", .after = BWCTL_MODE_OBSERVE, .what = "'mode observe'"},
	{.run = "class ssh egress 1mbit", .after = BWCTL_MODE_OBSERVE, .what = "'mode observe'"},
	{.run = "", .after = BWCTL_MODE_OBSERVE},
	{.run = "5mbit", .after_ms = 1000},
	{.run = "5mbit", .after_ms = 100},
	{.run = "5mbit", .after_ms = 1001, .what = "a window of 1.001 s instead of 1 s"},
	{.run = "egress 5mbit", .after_ms = 5000, .what = "a window of 5 s instead of 1 s"},
	{.run = "class lab 1mbit", .after_ms = 5000, .what = "a window of 5 s instead of 1 s"},
	{.run = "", .after_ms = 5000},
	{.run = "5mbit", .before_ms = 500, .what = "a window of 1 s instead of 500 ms"},
	{.run = "5mbit", .before_ms = 2000},
	/* The default is one thing when pacing, another when policing, and longer for low limits. */
	{.run = "5mbit", .in_force = BWCTL_MODE_POLICE, .after_ms = 2000},
	{.run = "5mbit",
	 .in_force = BWCTL_MODE_POLICE,
	 .after_ms = 3000,
	 .what = "a window of 3 s instead of 2 s"},
	{.run = "5mbit",
	 .in_force = BWCTL_MODE_PACE,
	 .after = BWCTL_MODE_POLICE,
	 .what = "a window of 2 s instead of 1 s"},
	{.run = "5mbit",
	 .in_force = BWCTL_MODE_POLICE,
	 .before = BWCTL_MODE_POLICE,
	 .after = BWCTL_MODE_PACE},
	{.run = "5mbit", .in_force = BWCTL_MODE_PACE, .after = BWCTL_MODE_POLICE, .after_ms = 1000},
	{.run = "100kbit", .after_ms = 9000},
	{.run = "100kbit", .after_ms = 10000, .what = "a window of 10 s instead of 9.6896 s"},
};

static void test_loosening(void **state)
{
	(void)state;
	for (size_t n = 0; n < COUNT(loosenings); n++) {
		struct bwctl_policy *previous = make_policy(), *next = make_policy();
		char why[LOG_TEXT] = "", expected[LOG_TEXT] = "";
		struct bwctl_run run;
		int err;

		strcpy(previous->asked.classes[LAB].name, "lab");
		strcpy(previous->asked.classes[OWN].name, "own");
		previous->asked.classes[OWN].exempt = 1;
		request(previous, loosenings[n].before, loosenings[n].before_ms);
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			previous->enforcement[direction].mode = loosenings[n].in_force;
		make(previous, loosenings[n].run, &run);
		run.id = 7;
		*next = *previous;
		request(next, loosenings[n].after, loosenings[n].after_ms);
		if (loosenings[n].change)
			loosenings[n].change(next);
		/* Without a run all of it is all right. */
		assert_int_equal(runs_refuse_loosening(previous, next, why), 0);
		/* Not in the first place. */
		previous->runs[5] = next->runs[5] = run;
		err = runs_refuse_loosening(previous, next, why);
		if (loosenings[n].what)
			snprintf(expected, sizeof(expected), "%s" RULES, loosenings[n].what);
		if (strcmp(why, expected))
			fail_msg("number %zu: '%s', not '%s'", n, why, expected);
		assert_int_equal(err, loosenings[n].what ? -EBUSY : 0);
		free(next);
		free(previous);
	}
}

/* ---- as text, as JSON ---- */

static void test_format(void **state)
{
	static const char *const rows[][2] = {
		{"", "no limit"},
		{"10mbit", "10 Mbit/s both ways"},
		{"ingress 10mbit", "ingress 10 Mbit/s"},
		{"ingress 10mbit egress 5mbit", "ingress 10 Mbit/s, egress 5 Mbit/s"},
		{"class ssh 1mbit", "class ssh 1 Mbit/s both ways"},
		{"egress 5mbit class ui ingress 1mbit class ssh 2mbit",
		 "egress 5 Mbit/s, class ui ingress 1 Mbit/s, class ssh 2 Mbit/s both ways"},
	};
	struct bwctl_policy *policy = make_policy();
	struct bwctl_run run;
	char text[LOG_TEXT];

	(void)state;
	for (size_t n = 0; n < COUNT(rows); n++) {
		make(policy, rows[n][0], &run);
		assert_string_equal(runs_format(policy, &run, text), rows[n][1]);
	}
	/* More than there is room for is cut off. */
	for (int class = 0; class < BWCTL_CLASSES; class ++) {
		memset(policy->asked.classes[class].name, 'a' + class % 26, BWCTL_NAME - 1);
		run.class_limit_bits_s[class][BWCTL_INGRESS] = 123456789;
		run.class_limit_bits_s[class][BWCTL_EGRESS] = 1;
	}
	runs_format(policy, &run, text);
	assert_int_equal(strlen(text), LOG_TEXT - 1);
	free(policy);
}

static void test_json(void **state)
{
	struct bwctl_policy *policy = make_policy();
	bool is_alive[BWCTL_RUNS] = {[1] = true};
	struct bwctl_run run;
	json_t *json;
	char *text;

	(void)state;
	json = runs_json(policy, is_alive);
	assert_int_equal(json_array_size(json), 0);
	json_decref(json);
	make(policy, "egress 5mbit class ssh ingress 1mbit", &run);
	for (run.id = 7; run.id <= 8; run.id++)
		assert_int_equal(runs_add(policy, &run), 0);
	json = runs_json(policy, is_alive);
	text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(
		text, "[{\"alive\":false,\"command\":\"true\","
		      "\"egress\":{\"classes\":{},\"limit_bits_per_second\":5000000},\"id\":7,"
		      "\"ingress\":{\"classes\":{\"ssh\":{\"limit_bits_per_second\":1000000}},"
		      "\"limit_bits_per_second\":null}},"
		      "{\"alive\":true,\"command\":\"true\","
		      "\"egress\":{\"classes\":{},\"limit_bits_per_second\":5000000},\"id\":8,"
		      "\"ingress\":{\"classes\":{\"ssh\":{\"limit_bits_per_second\":1000000}},"
		      "\"limit_bits_per_second\":null}}]");
	free(text);
	json_decref(json);
	free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),	cmocka_unit_test(test_bad_words),
		cmocka_unit_test(test_make),	cmocka_unit_test(test_keep),
		cmocka_unit_test(test_command), cmocka_unit_test(test_coming_and_going),
		cmocka_unit_test(test_follow),	cmocka_unit_test(test_format),
		cmocka_unit_test(test_json),	cmocka_unit_test(test_loosening),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
