// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Words to policy: one table of keys, for "bwctl set" and for the policy file.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "policy.h"
#include "units.h"
#include "why.h"

#define LIMITS (1U << CONFIG_INGRESS | 1U << CONFIG_EGRESS)

/* ---- a value of each key: read, and written ---- */

static int parse_limit(const struct config_key *key, const char *text, struct config_change *change,
		       char why[LOG_TEXT])
{
	char problem[UNITS_TEXT];
	uint64_t limit_bits_s = 0;

	if (strcasecmp(text, "unlimited") && units_parse_rate(text, &limit_bits_s, problem))
		return why_refuse(why, -EINVAL, "%s", problem);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		if (key->settings & 1U << direction)
			change->limit_bits_s[direction] = limit_bits_s;
	return 0;
}

static void print_limit(const struct config_key *key, const struct bwctl_request *request,
			char text[UNITS_TEXT])
{
	(void)key;
	if (request->limit_bits_s)
		units_exact_rate(request->limit_bits_s, text);
	else
		strcpy(text, "unlimited");
}

static int parse_window(const struct config_key *key, const char *text,
			struct config_change *change, char why[LOG_TEXT])
{
	char problem[UNITS_TEXT];

	(void)key;
	change->window_ns = 0;
	if (!strcasecmp(text, "default"))
		return 0;
	if (units_parse_time(text, &change->window_ns, problem))
		return why_refuse(why, -EINVAL, "%s", problem);
	if (change->window_ns < POLICY_WINDOW_MIN_NS || change->window_ns > POLICY_WINDOW_MAX_NS)
		return why_refuse(why, -EINVAL, "'%.60s' is out of range: expected 100ms to 3600s",
				  text);
	return 0;
}

static void print_time(uint64_t time_ns, char text[UNITS_TEXT])
{
	if (time_ns)
		units_exact_time(time_ns, text);
	else
		strcpy(text, "default");
}

static void print_window(const struct config_key *key, const struct bwctl_request *request,
			 char text[UNITS_TEXT])
{
	(void)key;
	print_time(request->window_ns, text);
}

/* A burst is a time (200ms) or a size (64kb): whichever the text can be read as. */
static int parse_burst(const struct config_key *key, const char *text, struct config_change *change,
		       char why[LOG_TEXT])
{
	char not_a_time[UNITS_TEXT], not_a_size[UNITS_TEXT];

	(void)key;
	change->burst_ns = change->burst_bytes = 0;
	if (!strcasecmp(text, "default") ||
	    !units_parse_time(text, &change->burst_ns, not_a_time) ||
	    !units_parse_size(text, &change->burst_bytes, not_a_size))
		return 0;
	if (strchr(text, 's') || strchr(text, 'S'))
		return why_refuse(why, -EINVAL, "%s", not_a_time);
	return why_refuse(why, -EINVAL, "'%.60s': expected a time (200ms) or a size (64kb)", text);
}

static void print_burst(const struct config_key *key, const struct bwctl_request *request,
			char text[UNITS_TEXT])
{
	(void)key;
	if (request->burst_bytes)
		units_exact_size(request->burst_bytes, text);
	else
		print_time(request->burst_ns, text);
}

static int parse_overhead(const struct config_key *key, const char *text,
			  struct config_change *change, char why[LOG_TEXT])
{
	char problem[UNITS_TEXT];

	(void)key;
	if (units_parse_integer(text, 0, POLICY_OVERHEAD_MAX, &change->overhead_bytes, problem))
		return why_refuse(why, -EINVAL, "%s", problem);
	return 0;
}

static void print_overhead(const struct config_key *key, const struct bwctl_request *request,
			   char text[UNITS_TEXT])
{
	(void)key;
	snprintf(text, UNITS_TEXT, "%llu", (unsigned long long)request->overhead_bytes);
}

static int parse_mode(const struct config_key *key, const char *text, struct config_change *change,
		      char why[LOG_TEXT])
{
	static const enum bwctl_mode modes[] = {BWCTL_MODE_AUTO, BWCTL_MODE_PACE,
						BWCTL_MODE_POLICE};

	(void)key;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcasecmp(text, policy_mode_name(modes[i]))) {
			change->mode = modes[i];
			return 0;
		}
	return why_refuse(why, -EINVAL, "'%.60s': expected auto, pace or police", text);
}

static void print_mode(const struct config_key *key, const struct bwctl_request *request,
		       char text[UNITS_TEXT])
{
	(void)key;
	strcpy(text, policy_mode_name((enum bwctl_mode)request->mode));
}

static int parse_horizon(const struct config_key *key, const char *text,
			 struct config_change *change, char why[LOG_TEXT])
{
	char problem[UNITS_TEXT];

	(void)key;
	change->horizon_ns = 0;
	if (!strcasecmp(text, "default"))
		return 0;
	if (units_parse_time(text, &change->horizon_ns, problem))
		return why_refuse(why, -EINVAL, "%s", problem);
	if (change->horizon_ns < POLICY_HORIZON_MIN_NS ||
	    change->horizon_ns > POLICY_HORIZON_MAX_NS)
		return why_refuse(why, -EINVAL, "'%.60s' is out of range: expected 5ms to 2s",
				  text);
	return 0;
}

static void print_horizon(const struct config_key *key, const struct bwctl_request *request,
			  char text[UNITS_TEXT])
{
	(void)key;
	print_time(request->horizon_ns, text);
}

const struct config_key config_keys[CONFIG_KEYS] = {
	{"rate", LIMITS, true, parse_limit, print_limit},
	{"ingress", 1U << CONFIG_INGRESS, false, parse_limit, print_limit},
	{"egress", 1U << CONFIG_EGRESS, false, parse_limit, print_limit},
	{"burst", 1U << CONFIG_BURST, false, parse_burst, print_burst},
	{"window", 1U << CONFIG_WINDOW, false, parse_window, print_window},
	{"overhead", 1U << CONFIG_OVERHEAD, false, parse_overhead, print_overhead},
	{"mode", 1U << CONFIG_MODE, false, parse_mode, print_mode},
	{"horizon", 1U << CONFIG_HORIZON, false, parse_horizon, print_horizon},
};

bool config_is_limit(const struct config_key *key)
{
	return (key->settings & LIMITS) != 0;
}

int config_parse_value(const struct config_key *key, const char *text, struct config_change *change,
		       char why[LOG_TEXT])
{
	int err = key->parse(key, text, change, why);

	for (int setting = 0; setting < CONFIG_SETTINGS && !err; setting++)
		if (key->settings & 1U << setting)
			change->given[setting] = true;
	return err;
}

const char *config_print_value(const struct config_key *key,
			       const struct bwctl_request requests[BWCTL_DIRECTIONS],
			       char text[UNITS_TEXT])
{
	/* What is of neither direction is the same in both. */
	bool is_egress = key->settings == 1U << CONFIG_EGRESS;

	key->print(key, &requests[is_egress ? BWCTL_EGRESS : BWCTL_INGRESS], text);
	return text;
}

/* ---- the words after "set" ---- */

/* The row of a word that a value follows, or NULL. */
static const struct config_key *find_word(const char *word)
{
	for (size_t i = 0; i < CONFIG_KEYS; i++)
		if (!config_keys[i].bare && !strcmp(word, config_keys[i].name))
			return &config_keys[i];
	return NULL;
}

/* The row of a value that stands alone. */
static const struct config_key *bare_key(void)
{
	const struct config_key *key = config_keys;

	while (!key->bare)
		key++;
	return key;
}

/* "expected a rate such as 50mbit, unlimited, or ingress, egress, ... or horizon" */
static const char *expected_words(char text[LOG_TEXT])
{
	size_t length =
		(size_t)snprintf(text, LOG_TEXT, "expected a rate such as 50mbit, unlimited, or");
	const char *before = " ";

	for (size_t i = 0; i < CONFIG_KEYS && length < LOG_TEXT; i++) {
		if (config_keys[i].bare)
			continue;
		length += (size_t)snprintf(text + length, LOG_TEXT - length, "%s%s", before,
					   config_keys[i].name);
		before = i + 2 < CONFIG_KEYS ? ", " : " or ";
	}
	return text;
}

/* Each once, and no limit for both beside one for either. */
static int refuse_again(const struct config_key *key, const char *word,
			const struct config_change *change, char why[LOG_TEXT])
{
	for (int setting = 0; setting < CONFIG_SETTINGS; setting++) {
		if (!(key->settings & 1U << setting) || !change->given[setting])
			continue;
		if (key->bare)
			return why_refuse(why, -EINVAL, "'%.60s': a limit for %s is given already",
					  word,
					  policy_direction_name((enum bwctl_direction)setting));
		if (config_is_limit(key))
			return why_refuse(why, -EINVAL, "a limit for %s is given twice", word);
		return why_refuse(why, -EINVAL, "'%s' is given twice", word);
	}
	return 0;
}

static int parse_pair(const struct config_key *key, const char *value, struct config_change *change,
		      char why[LOG_TEXT])
{
	char problem[LOG_TEXT];
	int err = refuse_again(key, key->name, change, why);

	if (err || !config_parse_value(key, value, change, problem))
		return err;
	/* What is wrong with a rate says so itself. */
	return config_is_limit(key) ? why_refuse(why, -EINVAL, "%s", problem) :
				      why_refuse(why, -EINVAL, "%s: %.400s", key->name, problem);
}

static int parse_bare(const char *word, struct config_change *change, char why[LOG_TEXT])
{
	struct config_change alone = {0};
	char expected[LOG_TEXT];
	int err = config_parse_value(bare_key(), word, &alone, why);

	/* Not a number at all: rather a word misspelt than a rate. */
	if (err && !strpbrk(word, "0123456789"))
		return why_refuse(why, -EINVAL, "'%.60s': %.400s", word, expected_words(expected));
	if (!err)
		err = refuse_again(bare_key(), word, change, why);
	return err ? err : config_parse_value(bare_key(), word, change, why);
}

int config_parse_set(int count, char *const words[], struct config_change *ret_change,
		     char why[LOG_TEXT])
{
	char expected[LOG_TEXT];
	int err = 0;

	*ret_change = (struct config_change){0};
	if (!count)
		return why_refuse(why, -EINVAL, "set what? %.400s", expected_words(expected));
	for (int i = 0; i < count && !err; i++) {
		const struct config_key *key = find_word(words[i]);

		if (!key) {
			err = parse_bare(words[i], ret_change, why);
			continue;
		}
		if (i + 1 == count || find_word(words[i + 1]))
			return why_refuse(why, -EINVAL, "'%s' needs a value", words[i]);
		err = parse_pair(key, words[++i], ret_change, why);
	}
	return err;
}

/* ---- changes ---- */

void config_default(struct config_change *ret_change)
{
	*ret_change = (struct config_change){.mode = BWCTL_MODE_AUTO};
	for (int setting = 0; setting < CONFIG_SETTINGS; setting++)
		ret_change->given[setting] = true;
}

void config_apply(const struct config_change *change,
		  struct bwctl_request requests[BWCTL_DIRECTIONS])
{
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		struct bwctl_request *request = &requests[direction];

		if (change->given[direction])
			request->limit_bits_s = change->limit_bits_s[direction];
		if (change->given[CONFIG_BURST]) {
			request->burst_ns = change->burst_ns;
			request->burst_bytes = change->burst_bytes;
		}
		if (change->given[CONFIG_WINDOW])
			request->window_ns = change->window_ns;
		if (change->given[CONFIG_OVERHEAD])
			request->overhead_bytes = change->overhead_bytes;
		if (change->given[CONFIG_MODE])
			request->mode = change->mode;
		if (change->given[CONFIG_HORIZON])
			request->horizon_ns = change->horizon_ns;
	}
}
