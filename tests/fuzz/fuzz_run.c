// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Any bytes as the words after "bwctl run", each ended by a NUL; the word "--" begins the
 * command. What is taken becomes a run of a policy that nothing loosens, and comes and goes
 * without a trace; what is refused says why in what a terminal can show.
 */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "policy.h"
#include "runs.h"
#include "units.h"

#define WORDS 64

static void check_why(int err, const char *why)
{
	HOLDS(*why, "it says why");
	HOLDS(err == -EINVAL || err == -ENOENT, why);
	HOLDS(strlen(why) < LOG_TEXT, "it has an end");
	for (const char *at = why; *at; at++)
		HOLDS(*at >= ' ' && *at <= '~', why);
}

static void check_words(const struct runs_words *words)
{
	HOLDS(words->count >= 1 && words->count <= 1 + BWCTL_CLASSES, "as many as there are");
	HOLDS(!*words->limits[0].class, "the first is of all");
	for (size_t n = 0; n < words->count; n++) {
		const struct runs_limits *limits = &words->limits[n];

		HOLDS(memchr(limits->class, '\0', BWCTL_NAME), "a name has an end");
		HOLDS(!n || *limits->class, "and a beginning");
		HOLDS(!n || limits->bits_s[0] || limits->bits_s[1], "a class has a limit");
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			HOLDS(!limits->bits_s[direction] ||
				      (limits->bits_s[direction] >= UNITS_RATE_MIN_BITS_S &&
				       limits->bits_s[direction] <= UNITS_RATE_MAX_BITS_S),
			      "a limit is in range");
		for (size_t other = 0; other < n; other++)
			HOLDS(strcmp(words->limits[other].class, limits->class),
			      "a class is there once");
	}
}

/* In force it only tightens, and when it has gone all is as it was. */
static void check_run(const struct bwctl_run *run, struct bwctl_policy *policy)
{
	static struct bwctl_policy before;
	uint64_t limits[BWCTL_DIRECTIONS];
	char text[LOG_TEXT], why[LOG_TEXT];
	json_t *json;

	HOLDS(memchr(run->command, '\0', sizeof(run->command)), "the command has an end");
	for (const char *at = run->command; *at; at++)
		HOLDS(*at >= ' ' && *at <= '~', "and can be shown");
	before = *policy;
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		limits[direction] = policy_limit(policy, (enum bwctl_direction)direction);
	HOLDS(!runs_add(policy, run), "there is room");
	HOLDS(runs_count(policy) == 1 && runs_find(policy, run->id), "it is there");
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		uint64_t limit = policy_limit(policy, (enum bwctl_direction)direction);

		HOLDS(!limits[direction] || (limit && limit <= limits[direction]), "it tightens");
	}
	HOLDS(!runs_refuse_loosening(&before, policy, why), "a run loosens nothing");
	HOLDS(*runs_format(policy, run, text), "it can be told");
	json = runs_json(policy, NULL);
	HOLDS(json && json_array_size(json) == 1, "as JSON too");
	json_decref(json);
	runs_remove(policy, run->id);
	HOLDS(!runs_count(policy) && !memcmp(policy, &before, sizeof(before)), "it leaves nothing");
}

static void make_policy(struct bwctl_policy *policy)
{
	memset(policy, 0, sizeof(*policy));
	policy_default(&policy->asked);
	policy->possible_cpus = 4;
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		policy->asked.request[direction].limit_bits_s = 50000000;
	policy->asked.classes[BWCTL_SSH].limit_bits_s[BWCTL_EGRESS] = 5000000;
	policy->asked.classes[BWCTL_TELNET].exempt = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bwctl_policy policy;
	static struct runs_words parsed;
	struct bwctl_run run = {0};
	char *words[WORDS + 1], why[LOG_TEXT] = "";
	int count = fuzz_words(data, size, WORDS, words), own = 0, err;

	while (own < count && strcmp(words[own], "--"))
		own++;
	err = runs_parse(own, words, &parsed, why);
	if (err) {
		check_why(err, why);
	} else {
		check_words(&parsed);
		make_policy(&policy);
		err = runs_make(&parsed, words + own + (own < count), &policy, &run, why);
		run.id = 7;
		if (err)
			check_why(err, why);
		else
			check_run(&run, &policy);
	}
	while (count)
		free(words[--count]);
	return 0;
}
