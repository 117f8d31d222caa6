// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The runs of a policy.
 */
#include "runs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "policy.h"
#include "units.h"
#include "why.h"
#include "words.h"

#define TAKES "run takes RATE, ingress RATE and egress RATE, also after class NAME"

/* ---- words ---- */

static struct runs_limits *limits_of_class(struct runs_words *words, const char *name)
{
	for (size_t i = 1; i < words->count; i++)
		if (!strcmp(words->limits[i].class, name))
			return &words->limits[i];
	if (words->count == sizeof(words->limits) / sizeof(words->limits[0]))
		return NULL;
	snprintf(words->limits[words->count].class, BWCTL_NAME, "%s", name);
	return &words->limits[words->count++];
}

static bool gives_limit(const struct runs_limits *limits)
{
	return limits->bits_s[BWCTL_INGRESS] || limits->bits_s[BWCTL_EGRESS];
}

/* directions: a bit each. */
static int parse_rate(const char *text, unsigned int directions, struct runs_limits *limits,
		      char why[LOG_TEXT])
{
	char problem[UNITS_TEXT];
	uint64_t rate_bits_s;

	if (!strcasecmp(text, "unlimited"))
		return why_refuse(why, -EINVAL, "'%s' cannot be asked for: a run only tightens",
				  text);
	if (units_parse_rate(text, &rate_bits_s, problem)) {
		/* Not a number at all: rather a word of "set", or one misspelt, than a rate. */
		if (!strpbrk(text, "0123456789"))
			return why_refuse(why, -EINVAL, "'%.60s': " TAKES, text);
		return why_refuse(why, -EINVAL, "%s", problem);
	}
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		if (!(directions & 1U << direction))
			continue;
		if (limits->bits_s[direction])
			return why_refuse(why, -EINVAL,
					  "'%.60s': a limit for %s%s%s is given already", text,
					  policy_direction_name(direction),
					  *limits->class ? " of class " : "", limits->class);
		limits->bits_s[direction] = rate_bits_s;
	}
	return 0;
}

static bool needs_value(const char *word)
{
	return !strcmp(word, "ingress") || !strcmp(word, "egress") || !strcmp(word, "class");
}

static int parse(int count, char *const words[], struct runs_words *ret_words, char why[LOG_TEXT])
{
	struct runs_limits *limits = ret_words->limits;
	int err = 0;

	*ret_words = (struct runs_words){.count = 1};
	for (int i = 0; i < count && !err; i++) {
		const char *word = words[i];
		bool is_class = !strcmp(word, "class");

		if (!needs_value(word)) {
			err = parse_rate(word, 1U << BWCTL_INGRESS | 1U << BWCTL_EGRESS, limits,
					 why);
			continue;
		}
		if (i + 1 == count || (!is_class && needs_value(words[i + 1])))
			return why_refuse(why, -EINVAL, "'%s' needs a value", word);
		i++;
		if (!is_class) {
			err = parse_rate(words[i],
					 1U << (strcmp(word, "egress") ? BWCTL_INGRESS :
									 BWCTL_EGRESS),
					 limits, why);
			continue;
		}
		if (limits != ret_words->limits && !gives_limit(limits))
			return why_refuse(why, -EINVAL, "class %s: a rate is missing",
					  limits->class);
		if (!*words[i] || strlen(words[i]) >= BWCTL_NAME)
			return why_refuse(why, -EINVAL,
					  "class '%.60s': a name has 1 to %d characters", words[i],
					  BWCTL_NAME - 1);
		limits = limits_of_class(ret_words, words[i]);
		if (!limits)
			return why_refuse(why, -EINVAL,
					  "class '%s': there are no more than %d classes", words[i],
					  BWCTL_CLASSES);
	}
	if (!err && limits != ret_words->limits && !gives_limit(limits))
		return why_refuse(why, -EINVAL, "class %s: a rate is missing", limits->class);
	return err;
}

int runs_parse(int count, char *const words[], struct runs_words *ret_words, char why[LOG_TEXT])
{
	int err = parse(count, words, ret_words, why);

	/* A part of it is what was typed: nothing of that may move a cursor. */
	if (err)
		words_clean(why);
	return err;
}

/* Its words with blanks between, cut off, and nothing in it that a terminal or JSON would mind. */
static void name_command(char *const command[], struct bwctl_run *run)
{
	const size_t size = sizeof(run->command);
	size_t length = 0;

	for (int i = 0; command[i] && length < size; i++)
		length += (size_t)snprintf(run->command + length, size - length, "%s%s",
					   i ? " " : "", command[i]);
	if (length >= size)
		memcpy(&run->command[size - 4], "...", 3);
	for (char *c = run->command; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static int class_number(const struct bwctl_policy *policy, const char *name)
{
	for (int class = 0; class < BWCTL_CLASSES; class ++)
		if (!strcmp(policy->asked.classes[class].name, name))
			return class;
	return -ENOENT;
}

static const char *class_list(const struct bwctl_policy *policy, char text[LOG_TEXT])
{
	size_t length = 0;

	*text = '\0';
	for (int class = 0; class < BWCTL_CLASSES && length < LOG_TEXT; class ++)
		if (*policy->asked.classes[class].name)
			length += (size_t)snprintf(text + length, LOG_TEXT - length, "%s%s",
						   length ? ", " : "",
						   policy->asked.classes[class].name);
	return text;
}

static void keep_what_is_in_force(const struct bwctl_policy *policy, struct bwctl_run *run)
{
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		run->limit_bits_s[direction] = policy_limit(policy, direction);
		for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
			if (*policy->asked.classes[class].name)
				run->class_limit_bits_s[class][direction] =
					policy_class_limit(policy, class, direction);
	}
}

static bool observes(const struct bwctl_policy *policy, enum bwctl_direction direction)
{
	return policy->asked.request[direction].mode == BWCTL_MODE_OBSERVE;
}

int runs_make(const struct runs_words *words, char *const command[],
	      const struct bwctl_policy *policy, struct bwctl_run *ret_run, char why[LOG_TEXT])
{
	char list[LOG_TEXT];

	*ret_run = (struct bwctl_run){0};
	if (observes(policy, BWCTL_INGRESS) || observes(policy, BWCTL_EGRESS))
		return why_refuse(why, -EINVAL,
				  "nothing is limited in mode observe: first bwctl set mode auto");
	name_command(command, ret_run);
	if (words->count == 1 && !gives_limit(words->limits)) {
		keep_what_is_in_force(policy, ret_run);
		return 0;
	}
	for (size_t i = 0; i < words->count; i++) {
		const struct runs_limits *limits = &words->limits[i];
		int class = i ? class_number(policy, limits->class) : 0;

		if (class < 0) {
			why_refuse(why, class, "no class '%s': there are %.400s", limits->class,
				   class_list(policy, list));
			words_clean(why);
			return class;
		}
		if (i && policy->asked.classes[class].exempt)
			return why_refuse(why, -EINVAL,
					  "class '%s' is exempt: no limit holds for it",
					  limits->class);
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			if (i)
				ret_run->class_limit_bits_s[class][direction] =
					limits->bits_s[direction];
			else
				ret_run->limit_bits_s[direction] = limits->bits_s[direction];
	}
	return 0;
}

/* ---- coming and going ---- */

const struct bwctl_run *runs_find(const struct bwctl_policy *policy, uint64_t id)
{
	for (int i = 0; i < BWCTL_RUNS; i++)
		if (policy->runs[i].id == id)
			return &policy->runs[i];
	return NULL;
}

size_t runs_count(const struct bwctl_policy *policy)
{
	size_t count = 0;

	for (int i = 0; i < BWCTL_RUNS; i++)
		count += policy->runs[i].id != 0;
	return count;
}

int runs_add(struct bwctl_policy *policy, const struct bwctl_run *run)
{
	for (int i = 0; i < BWCTL_RUNS; i++)
		if (!policy->runs[i].id) {
			policy->runs[i] = *run;
			return 0;
		}
	return -ENOSPC;
}

void runs_remove(struct bwctl_policy *policy, uint64_t id)
{
	for (int i = 0; i < BWCTL_RUNS; i++)
		if (policy->runs[i].id == id)
			policy->runs[i] = (struct bwctl_run){0};
}

static bool limits_class(const struct bwctl_run *run, int class)
{
	return run->class_limit_bits_s[class][BWCTL_INGRESS] ||
	       run->class_limit_bits_s[class][BWCTL_EGRESS];
}

/* Of the aggregate or of any class: all of them go by what is asked of the direction. */
static bool limits_direction(const struct bwctl_run *run, enum bwctl_direction direction)
{
	bool limits = run->limit_bits_s[direction] != 0;

	for (int class = 0; class < BWCTL_CLASSES; class ++)
		limits |= run->class_limit_bits_s[class][direction] != 0;
	return limits;
}

/*
 * The window of a policy that comes after another. As it is to be known before the way that
 * auto comes to, it is taken to stay; so is the limit, because a default window that is longer
 * for a lower limit lets no more pass than the shorter one did.
 */
static uint64_t window_after(const struct bwctl_policy *previous, const struct bwctl_policy *policy,
			     enum bwctl_direction direction)
{
	const struct bwctl_request *request = &policy->asked.request[direction];
	uint64_t mode = request->mode;

	if (mode != BWCTL_MODE_PACE && mode != BWCTL_MODE_POLICE)
		mode = previous->enforcement[direction].mode;
	return policy_window(request, mode != BWCTL_MODE_POLICE, policy_limit(previous, direction));
}

static int refuse_of_run(const struct bwctl_run *run, const char *what, char why[LOG_TEXT])
{
	return why_refuse(
		why, -EBUSY,
		"%s would loosen run %llu (\"%s\"): it has to end first, or bwctl run --clear",
		what, (unsigned long long)run->id, run->command);
}

static int refuse_of_class(const struct bwctl_policy *previous, const struct bwctl_policy *next,
			   const struct bwctl_run *run, int class, char why[LOG_TEXT])
{
	const struct bwctl_class_request *before = &previous->asked.classes[class];
	const struct bwctl_class_request *after = &next->asked.classes[class];
	bool same = !strcmp(before->name, after->name);
	char what[UNITS_TEXT];

	if (!same && limits_class(run, class)) {
		snprintf(what, sizeof(what), "removing class %s", before->name);
		return refuse_of_run(run, what, why);
	}
	/* Also one that the run does not limit: flows of others may be led there. */
	if (*after->name && after->exempt && !(same && before->exempt)) {
		snprintf(what, sizeof(what), "'exempt yes' of class %s", after->name);
		return refuse_of_run(run, what, why);
	}
	return 0;
}

static int refuse_of_direction(const struct bwctl_policy *previous, const struct bwctl_policy *next,
			       const struct bwctl_run *run, enum bwctl_direction direction,
			       char why[LOG_TEXT])
{
	uint64_t before_ns = window_after(previous, previous, direction);
	uint64_t after_ns = window_after(previous, next, direction);
	char what[3 * UNITS_TEXT], before[UNITS_TEXT], after[UNITS_TEXT];

	if (observes(next, direction) && !observes(previous, direction))
		return refuse_of_run(run, "'mode observe'", why);
	if (after_ns <= before_ns)
		return 0;
	snprintf(what, sizeof(what), "a window of %s instead of %s",
		 units_format_time(after_ns, after), units_format_time(before_ns, before));
	return refuse_of_run(run, what, why);
}

int runs_refuse_loosening(const struct bwctl_policy *previous, const struct bwctl_policy *next,
			  char why[LOG_TEXT])
{
	int err = 0;

	for (int i = 0; i < BWCTL_RUNS && !err; i++) {
		const struct bwctl_run *run = &previous->runs[i];
		bool limits = false;

		if (!run->id)
			continue;
		for (int direction = 0; direction < BWCTL_DIRECTIONS && !err; direction++) {
			if (!limits_direction(run, direction))
				continue;
			limits = true;
			err = refuse_of_direction(previous, next, run, direction, why);
		}
		/* One that asks for nothing has nothing to lose. */
		for (int class = 0; class < BWCTL_CLASSES && limits && !err; class ++)
			err = refuse_of_class(previous, next, run, class, why);
	}
	return err;
}

void runs_follow(const struct bwctl_policy *previous, struct bwctl_policy *policy)
{
	for (int class = 0; class < BWCTL_CLASSES; class ++) {
		if (!strcmp(previous->asked.classes[class].name, policy->asked.classes[class].name))
			continue;
		for (int i = 0; i < BWCTL_RUNS; i++)
			memset(policy->runs[i].class_limit_bits_s[class], 0,
			       sizeof(policy->runs[i].class_limit_bits_s[class]));
	}
}

/* ---- as text, as JSON ---- */

static size_t format_limits(const char *class, const __u64 bits_s[BWCTL_DIRECTIONS], char *text,
			    size_t length)
{
	char in[UNITS_TEXT], out[UNITS_TEXT];
	const char *before = length ? ", " : "", *what = *class ? "class " : "";
	size_t room = length < LOG_TEXT ? LOG_TEXT - length : 0;

	if (!bits_s[BWCTL_INGRESS] && !bits_s[BWCTL_EGRESS])
		return length;
	units_format_rate(bits_s[BWCTL_INGRESS], in);
	units_format_rate(bits_s[BWCTL_EGRESS], out);
	if (bits_s[BWCTL_INGRESS] == bits_s[BWCTL_EGRESS])
		return length + (size_t)snprintf(text + length, room, "%s%s%s%s%s both ways",
						 before, what, class, *class ? " " : "", in);
	return length + (size_t)snprintf(text + length, room, "%s%s%s%s%s%s%s%s%s", before, what,
					 class, *class ? " " : "",
					 bits_s[BWCTL_INGRESS] ? "ingress " : "",
					 bits_s[BWCTL_INGRESS] ? in : "",
					 bits_s[BWCTL_INGRESS] && bits_s[BWCTL_EGRESS] ? ", " : "",
					 bits_s[BWCTL_EGRESS] ? "egress " : "",
					 bits_s[BWCTL_EGRESS] ? out : "");
}

const char *runs_format(const struct bwctl_policy *policy, const struct bwctl_run *run,
			char text[LOG_TEXT])
{
	size_t length = format_limits("", run->limit_bits_s, text, 0);

	for (int class = 0; class < BWCTL_CLASSES && length < LOG_TEXT; class ++)
		length = format_limits(policy->asked.classes[class].name,
				       run->class_limit_bits_s[class], text, length);
	if (!length)
		snprintf(text, LOG_TEXT, "no limit");
	return text;
}

static json_t *limits_json(const struct bwctl_policy *policy, const struct bwctl_run *run,
			   enum bwctl_direction direction)
{
	json_t *classes = json_object();
	uint64_t limit_bits_s = run->limit_bits_s[direction];

	for (int class = 0; class < BWCTL_CLASSES; class ++) {
		uint64_t bits_s = run->class_limit_bits_s[class][direction];

		if (bits_s)
			json_object_set_new(classes, policy->asked.classes[class].name,
					    json_pack("{s:I}", "limit_bits_per_second",
						      (json_int_t)bits_s));
	}
	return json_pack("{s:o, s:o}", "limit_bits_per_second",
			 limit_bits_s ? json_integer((json_int_t)limit_bits_s) : json_null(),
			 "classes", classes);
}

json_t *runs_json(const struct bwctl_policy *policy, const bool is_alive[BWCTL_RUNS])
{
	json_t *runs = json_array();

	for (int i = 0; i < BWCTL_RUNS; i++) {
		const struct bwctl_run *run = &policy->runs[i];

		if (run->id)
			json_array_append_new(
				runs,
				json_pack("{s:I, s:s, s:o, s:o, s:o}", "id", (json_int_t)run->id,
					  "command", run->command, "alive",
					  is_alive ? json_boolean(is_alive[i]) : json_null(),
					  "ingress", limits_json(policy, run, BWCTL_INGRESS),
					  "egress", limits_json(policy, run, BWCTL_EGRESS)));
	}
	return runs;
}
