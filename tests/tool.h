/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What tools of the tests that make traffic have in common: the time, and numbers behind
 * options.
 */
#ifndef TOOL_H
#define TOOL_H

#include <err.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "units.h"

#define NS_PER_S 1000000000ULL

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static inline uint64_t parse_integer(const char *what, const char *text, uint64_t min, uint64_t max)
{
	char why[UNITS_TEXT];
	uint64_t value;

	if (units_parse_integer(text, min, max, &value, why))
		errx(2, "%s: %s", what, why);
	return value;
}

static inline uint64_t parse_seconds(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds > 0 && seconds <= 86400))
		errx(2, "--seconds '%s': expected a number up to 86400", text);
	return seconds * NS_PER_S;
}

#endif
