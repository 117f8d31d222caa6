// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What check found, as lines for people and as JSON.
 */
#include "finding.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "terminal.h"

#define TEXT_COLUMN 19 /* behind the level and the name */

/* Kept as JSON all along: it has names for all there is, and grows. */
struct findings {
	json_t *list;
	enum finding_level worst;
	unsigned int count[FINDING_LEVELS];
};

static const char *const level_names[FINDING_LEVELS] = {"ok", "warn", "fail"};
static const char *const level_looks[FINDING_LEVELS] = {"\033[32m", "\033[33m", "\033[31m"};

struct findings *findings_new(void)
{
	struct findings *findings = calloc(1, sizeof(*findings));

	if (findings)
		findings->list = json_array();
	if (findings && !findings->list) {
		free(findings);
		return NULL;
	}
	return findings;
}

void findings_free(struct findings *findings)
{
	if (!findings)
		return;
	json_decref(findings->list);
	free(findings);
}

void findings_add(struct findings *findings, enum finding_level level, const char *check,
		  const char *about, const char *advice, const char *format, ...)
{
	char text[LOG_TEXT];
	va_list arguments;
	json_t *finding;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	/* What is not UTF-8 cannot be a string of JSON: it is somebody's name for something. */
	finding = json_pack("{s:s, s:s, s:s*, s:s, s:s?}", "check", check, "level",
			    level_names[level], "about", about, "text", text, "advice", advice);
	if (!finding) {
		for (char *at = text; *at; at++)
			if (*at & 0x80)
				*at = '?';
		finding = json_pack("{s:s, s:s, s:n, s:s, s:s?}", "check", check, "level",
				    level_names[level], "about", "text", text, "advice", advice);
	} else if (!about) {
		json_object_set_new(finding, "about", json_null());
	}
	if (json_array_append_new(findings->list, finding))
		level = FINDING_FAIL;
	findings->count[level]++;
	if (findings->worst < level)
		findings->worst = level;
}

enum finding_level findings_worst(const struct findings *findings)
{
	return findings->worst;
}

static enum finding_level level_of(const json_t *finding)
{
	const char *name = json_string_value(json_object_get(finding, "level"));

	for (int level = 0; level < FINDING_LEVELS; level++)
		if (!strcmp(name, level_names[level]))
			return level;
	return FINDING_FAIL;
}

void findings_print(const struct findings *findings)
{
	bool colours = terminal_has_colours();
	size_t i;
	json_t *finding;

	json_array_foreach(findings->list, i, finding) {
		enum finding_level level = level_of(finding);
		const char *about = json_string_value(json_object_get(finding, "about"));
		const char *advice = json_string_value(json_object_get(finding, "advice"));

		terminal_say_hanging(TEXT_COLUMN, "%s%-4s%s  %-12s %s%s%s\n",
				     colours ? level_looks[level] : "", level_names[level],
				     colours ? "\033[0m" : "",
				     json_string_value(json_object_get(finding, "check")),
				     about ? about : "", about ? ": " : "",
				     json_string_value(json_object_get(finding, "text")));
		if (advice)
			terminal_say_hanging(TEXT_COLUMN + 3, "%*s-> %s\n", TEXT_COLUMN, "",
					     advice);
	}
	printf("%u ok, %u to look at, %u wrong\n", findings->count[FINDING_OK],
	       findings->count[FINDING_WARN], findings->count[FINDING_FAIL]);
}

json_t *findings_json(const struct findings *findings)
{
	return json_pack("{s:s, s:s, s:O}", "version", BWCTL_VERSION, "worst",
			 level_names[findings->worst], "findings", findings->list);
}
