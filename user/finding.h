/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What check found, one line each: whether it is as it should be, and if not, what to do.
 * Collects and prints; does not know how anything is found out.
 */
#ifndef FINDING_H
#define FINDING_H

#include <jansson.h>
#include <stddef.h>

#include "log.h"

enum finding_level {
	FINDING_OK,
	FINDING_WARN, /* it works, and may not be what was meant */
	FINDING_FAIL, /* it does not */
	FINDING_LEVELS
};

struct findings;

/* NULL when out of memory. Free with findings_free(). */
struct findings *findings_new(void);
void findings_free(struct findings *findings);

/*
 * Adds one. check is its name, one lower-case word or two with a hyphen, by which the manual
 * explains it; about is the interface, the direction or the host, or NULL for all of it; advice is
 * one sentence that says what to do, or NULL, which only FINDING_OK may have. All are copied. What there is
 * no memory for makes findings_worst() FINDING_FAIL.
 */
void findings_add(struct findings *findings, enum finding_level level, const char *check,
		  const char *about, const char *advice, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* FINDING_OK when there is none. */
enum finding_level findings_worst(const struct findings *findings);

/* For people, on standard output: a line each, a second one with the advice, and a summary. */
void findings_print(const struct findings *findings);

/* {"version", "worst", "findings": [{"check", "level", "about", "text", "advice"}]}; NULL when out of memory. */
json_t *findings_json(const struct findings *findings);

#endif
