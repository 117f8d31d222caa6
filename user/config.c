// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Words to policy: what "bwctl set" was told.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "policy.h"
#include "units.h"
#include "why.h"

#define SET_WORDS "ingress, egress, burst, window, overhead, mode or horizon"

static int once(bool *given, const char *word, char why[LOG_TEXT])
{
	if (*given)
		return why_refuse(why, -EINVAL, "'%s' is given twice", word);
	*given = true;
	return 0;
}

static int parse_limit(const char *text, uint64_t *ret_limit_bits_s, char why[LOG_TEXT])
{
	char problem[UNITS_TEXT];

	if (!strcasecmp(text, "unlimited")) {
		*ret_limit_bits_s = 0;
		return 0;
	}
	return units_parse_rate(text, ret_limit_bits_s, problem) ?
		       why_refuse(why, -EINVAL, "%s", problem) :
		       0;
}

static int parse_window(const char *text, struct config_change *change, char why[LOG_TEXT])
{
	char problem[UNITS_TEXT];

	if (!strcasecmp(text, "default"))
		return 0;
	if (units_parse_time(text, &change->window_ns, problem))
		return why_refuse(why, -EINVAL, "window: %s", problem);
	if (change->window_ns < POLICY_WINDOW_MIN_NS || change->window_ns > POLICY_WINDOW_MAX_NS)
		return why_refuse(why, -EINVAL,
				  "window: '%s' is out of range: expected 100ms to 3600s", text);
	return 0;
}

/* A burst is a time (200ms) or a size (64kb): whichever the text can be read as. */
static int parse_burst(const char *text, struct config_change *change, char why[LOG_TEXT])
{
	char not_a_time[UNITS_TEXT], not_a_size[UNITS_TEXT];

	if (!strcasecmp(text, "default") ||
	    !units_parse_time(text, &change->burst_ns, not_a_time) ||
	    !units_parse_size(text, &change->burst_bytes, not_a_size))
		return 0;
	if (strchr(text, 's') || strchr(text, 'S'))
		return why_refuse(why, -EINVAL, "burst: %s", not_a_time);
	return why_refuse(why, -EINVAL, "burst: '%.60s': expected a time (200ms) or a size (64kb)",
			  text);
}

static int parse_horizon(const char *text, struct config_change *change, char why[LOG_TEXT])
{
	char problem[UNITS_TEXT];

	if (!strcasecmp(text, "default"))
		return 0;
	if (units_parse_time(text, &change->horizon_ns, problem))
		return why_refuse(why, -EINVAL, "horizon: %s", problem);
	if (change->horizon_ns < POLICY_HORIZON_MIN_NS ||
	    change->horizon_ns > POLICY_HORIZON_MAX_NS)
		return why_refuse(why, -EINVAL,
				  "horizon: '%.60s' is out of range: expected 5ms to 2s", text);
	return 0;
}

static int parse_mode(const char *text, struct config_change *change, char why[LOG_TEXT])
{
	static const enum bwctl_mode modes[] = {BWCTL_MODE_AUTO, BWCTL_MODE_PACE,
						BWCTL_MODE_POLICE};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcasecmp(text, policy_mode_name(modes[i]))) {
			change->mode = modes[i];
			return 0;
		}
	return why_refuse(why, -EINVAL, "mode: '%.60s': expected auto, pace or police", text);
}

static int parse_keyword(const char *word, const char *value, struct config_change *change,
			 char why[LOG_TEXT])
{
	char problem[UNITS_TEXT];
	int err;

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		if (strcmp(word, policy_direction_name(direction)))
			continue;
		if (change->limit_given[direction])
			return why_refuse(why, -EINVAL, "a limit for %s is given twice", word);
		change->limit_given[direction] = true;
		return parse_limit(value, &change->limit_bits_s[direction], why);
	}
	if (!strcmp(word, "burst")) {
		err = once(&change->burst_given, word, why);
		return err ? err : parse_burst(value, change, why);
	}
	if (!strcmp(word, "window")) {
		err = once(&change->window_given, word, why);
		return err ? err : parse_window(value, change, why);
	}
	if (!strcmp(word, "mode")) {
		err = once(&change->mode_given, word, why);
		return err ? err : parse_mode(value, change, why);
	}
	if (!strcmp(word, "horizon")) {
		err = once(&change->horizon_given, word, why);
		return err ? err : parse_horizon(value, change, why);
	}
	err = once(&change->overhead_given, word, why);
	if (!err &&
	    units_parse_integer(value, 0, POLICY_OVERHEAD_MAX, &change->overhead_bytes, problem))
		err = why_refuse(why, -EINVAL, "overhead: %s", problem);
	return err;
}

static bool is_keyword(const char *word)
{
	static const char *const keywords[] = {"ingress",  "egress", "burst",  "window",
					       "overhead", "mode",   "horizon"};

	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (!strcmp(word, keywords[i]))
			return true;
	return false;
}

int config_parse_set(int count, char *const words[], struct config_change *ret_change,
		     char why[LOG_TEXT])
{
	*ret_change = (struct config_change){0};
	if (!count)
		return why_refuse(
			why, -EINVAL,
			"set what? expected a rate such as 50mbit, unlimited, or " SET_WORDS);

	for (int i = 0; i < count; i++) {
		uint64_t limit;
		int err;

		if (is_keyword(words[i])) {
			if (i + 1 == count || is_keyword(words[i + 1]))
				return why_refuse(why, -EINVAL, "'%s' needs a value", words[i]);
			err = parse_keyword(words[i], words[i + 1], ret_change, why);
			if (err)
				return err;
			i++;
			continue;
		}
		err = parse_limit(words[i], &limit, why);
		if (err) {
			/* Not a number at all: rather a word misspelt than a rate. */
			if (!strpbrk(words[i], "0123456789"))
				return why_refuse(
					why, -EINVAL,
					"'%.60s': expected a rate such as 50mbit, unlimited, or " SET_WORDS,
					words[i]);
			return err;
		}
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
			if (ret_change->limit_given[direction])
				return why_refuse(why, -EINVAL,
						  "'%.60s': a limit for %s is given already",
						  words[i], policy_direction_name(direction));
			ret_change->limit_given[direction] = true;
			ret_change->limit_bits_s[direction] = limit;
		}
	}
	return 0;
}

void config_apply(const struct config_change *change,
		  struct bwctl_request requests[BWCTL_DIRECTIONS])
{
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		struct bwctl_request *request = &requests[direction];

		if (change->limit_given[direction])
			request->limit_bits_s = change->limit_bits_s[direction];
		if (change->burst_given) {
			request->burst_ns = change->burst_ns;
			request->burst_bytes = change->burst_bytes;
		}
		if (change->window_given)
			request->window_ns = change->window_ns;
		if (change->overhead_given)
			request->overhead_bytes = change->overhead_bytes;
		if (change->mode_given)
			request->mode = change->mode;
		if (change->horizon_given)
			request->horizon_ns = change->horizon_ns;
	}
}
