/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The referee's arithmetic: given frames in order of time and the limits that
 * were in force, the worst window among all positions, the smallest burst that
 * explains the frames, and the mean. Whole numbers only, so that "at the limit"
 * and "over it" are told apart. Knows no files and nothing of how bwctl works.
 *
 * A window of length W is closed at both ends: frames at t and t + W are both
 * in it. This is the strict reading. A sender of one frame every W / k exactly
 * at the limit has k + 1 of them in some window, and is found to be over it.
 */
#ifndef WINDOWS_H
#define WINDOWS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

#define WINDOWS_SECOND_NS	1000000000LL
#define WINDOWS_FRACTION_DIGITS 9

/* Times are below this (the year 2223), so that adding windows to one cannot overflow. */
#define WINDOWS_MAX_SECONDS	   8000000000LL
#define WINDOWS_MAX_WINDOW_SECONDS 100000000LL

/* As a rate: no limit. */
#define WINDOWS_UNLIMITED UINT64_MAX

struct windows_frame {
	int64_t at_ns;
	uint64_t length_bytes;
};

/* A limit is in force from its moment until that of the next; none is before the first. */
struct windows_limit {
	int64_t from_ns;
	uint64_t rate_bits_s; /* or WINDOWS_UNLIMITED */
};

/* A window and what was in it. limit_bits_s is what it was held against. */
struct windows_window {
	int64_t from_ns;
	int64_t length_ns;
	uint64_t frames;
	uint64_t bytes;
	uint64_t limit_bits_s;
};

static inline int windows_compare_frames(const void *left, const void *right)
{
	const struct windows_frame *a = left, *b = right;

	return (a->at_ns > b->at_ns) - (a->at_ns < b->at_ns);
}

static inline int windows_compare_times(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

/* Whether more passed in the window than its limit allows. Exact. */
static inline bool windows_over(const struct windows_window *window)
{
	if (!window->frames || window->limit_bits_s == WINDOWS_UNLIMITED)
		return false;
	return (unsigned __int128)window->bytes * 8 * WINDOWS_SECOND_NS >
	       (unsigned __int128)window->limit_bits_s * (uint64_t)window->length_ns;
}

/* What the window carried of what it was allowed; for display, the verdict is windows_over(). */
static inline double windows_ratio(const struct windows_window *window)
{
	double allowed = (double)window->limit_bits_s * (double)window->length_ns;

	return window->frames ? (double)window->bytes * 8e9 / allowed : 0;
}

/* Whether a is the worse. A window that is over its limit is worse than any that is not. */
static inline bool windows_worse(const struct windows_window *a, const struct windows_window *b)
{
	if (windows_over(a) != windows_over(b))
		return windows_over(a);
	return windows_ratio(a) > windows_ratio(b);
}

/*
 * The worst of all windows of exactly window_ns against one limit, which need
 * not be a limit at all: the same window has the most bytes. A window can be
 * slid right until its first frame is at its start without losing any, so only
 * the windows that start at a frame are tried. ret_worst->frames is 0 when
 * there are no frames.
 */
static inline void windows_worst(const struct windows_frame *frames, size_t count,
				 int64_t window_ns, uint64_t limit_bits_s,
				 struct windows_window *ret_worst)
{
	struct windows_window worst = {.length_ns = window_ns, .limit_bits_s = limit_bits_s};
	size_t first, end = 0;
	uint64_t bytes = 0;

	for (first = 0; first < count; first++) {
		for (; end < count && frames[end].at_ns <= frames[first].at_ns + window_ns; end++)
			bytes += frames[end].length_bytes;
		if (!worst.frames || bytes > worst.bytes) {
			worst.from_ns = frames[first].at_ns;
			worst.frames = end - first;
			worst.bytes = bytes;
		}
		bytes -= frames[first].length_bytes;
	}
	*ret_worst = worst;
}

/*
 * The window of window_ns or longer that exceeds limit_bits_s by the most
 * bytes, or comes closest to it: from any frame to any other that is at least
 * window_ns later. Windows of window_ns that all hold do not make longer ones
 * hold: two bursts a little more than window_ns apart are in one window of
 * hardly more than that. ret_worst->frames is 0 when the frames span less.
 *
 * With P the bytes before a frame, the excess of the window from i to j is
 * (P[j + 1] - limit * t[j]) - (P[i] - limit * t[i]): for each j the best i is a
 * running minimum.
 */
static inline void windows_worst_longer(const struct windows_frame *frames, size_t count,
					int64_t window_ns, uint64_t limit_bits_s,
					struct windows_window *ret_worst)
{
	struct windows_window worst = {.limit_bits_s = limit_bits_s};
	__int128 excess, worst_excess = 0, start, least = 0;
	uint64_t before = 0, before_i = 0, before_best = 0;
	size_t i = 0, j, best = 0;

	for (j = 0; j < count; j++) {
		before += frames[j].length_bytes;
		for (; frames[i].at_ns + window_ns <= frames[j].at_ns && i < j; i++) {
			start = (__int128)before_i * 8 * WINDOWS_SECOND_NS -
				(__int128)limit_bits_s * (frames[i].at_ns - frames[0].at_ns);
			if (i == 0 || start < least) {
				least = start;
				best = i;
				before_best = before_i;
			}
			before_i += frames[i].length_bytes;
		}
		if (i == 0)
			continue;
		excess = (__int128)before * 8 * WINDOWS_SECOND_NS -
			 (__int128)limit_bits_s * (frames[j].at_ns - frames[0].at_ns) - least;
		if (worst.frames && excess <= worst_excess)
			continue;
		worst_excess = excess;
		worst.from_ns = frames[best].at_ns;
		worst.length_ns = frames[j].at_ns - frames[best].at_ns;
		worst.frames = j + 1 - best;
		worst.bytes = before - before_best;
	}
	*ret_worst = worst;
}

/*
 * The smallest B such that bytes(T) <= rate * T + B for the frames of every
 * window of any length T, rounded up to a byte: the highest level of a bucket
 * that frames fill and the rate drains.
 */
static inline uint64_t windows_smallest_bound(const struct windows_frame *frames, size_t count,
					      uint64_t rate_bits_s)
{
	const unsigned __int128 byte = 8 * (unsigned __int128)WINDOWS_SECOND_NS;
	unsigned __int128 level = 0, highest = 0, drained;
	size_t n;

	for (n = 0; n < count; n++) {
		drained = 0;
		if (n)
			drained = (unsigned __int128)rate_bits_s *
				  (uint64_t)(frames[n].at_ns - frames[n - 1].at_ns);
		level = level > drained ? level - drained : 0;
		level += frames[n].length_bytes * byte;
		if (level > highest)
			highest = level;
	}
	return (uint64_t)((highest + byte - 1) / byte);
}

/* The first frame at at_ns or later; count if there is none. */
static inline size_t windows_find(const struct windows_frame *frames, size_t count, int64_t at_ns)
{
	size_t low = 0, high = count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (frames[middle].at_ns < at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * The worst window when limits change: each window against the highest limit in
 * force at any moment inside it, where a limit counts as in force for another
 * settle_ns after it was replaced (which matters when it is lowered). Touching
 * that time with one end alone does not count, which is again the strict
 * reading. Windows with an unlimited moment in them are not judged;
 * ret_worst->frames is 0 when none is.
 *
 * A window can be slid right until its first frame is at its start, or until a
 * new limit is at its end, without losing a frame or gaining a limit. So only
 * the windows that stand so are tried. Returns 0 or -ENOMEM.
 */
static inline int windows_worst_scheduled(const struct windows_frame *frames, size_t count,
					  int64_t window_ns, int64_t settle_ns,
					  const struct windows_limit *limits, size_t limit_count,
					  struct windows_window *ret_worst)
{
	struct windows_window worst = {.length_ns = window_ns}, window = worst;
	size_t places = 0, place, first = 0, end = 0, oldest = 0, n;
	int64_t *starts;

	*ret_worst = worst;
	if (!limit_count)
		return 0;
	starts = calloc(count + limit_count, sizeof(*starts));
	if (!starts)
		return -ENOMEM;
	for (n = 0; n < count; n++)
		starts[places++] = frames[n].at_ns;
	for (n = 0; n < limit_count; n++)
		starts[places++] = limits[n].from_ns - window_ns;
	qsort(starts, places, sizeof(*starts), windows_compare_times);

	for (place = 0; place < places; place++) {
		window.from_ns = starts[place];
		for (; end < count && frames[end].at_ns <= window.from_ns + window_ns; end++)
			window.bytes += frames[end].length_bytes;
		for (; first < end && frames[first].at_ns < window.from_ns; first++)
			window.bytes -= frames[first].length_bytes;
		window.frames = end - first;

		if (window.from_ns < limits[0].from_ns + settle_ns)
			continue; /* unlimited until then */
		while (oldest + 1 < limit_count &&
		       limits[oldest + 1].from_ns + settle_ns <= window.from_ns)
			oldest++;
		window.limit_bits_s = limits[oldest].rate_bits_s;
		for (n = oldest + 1;
		     n < limit_count && limits[n].from_ns < window.from_ns + window_ns; n++) {
			if (n + 1 < limit_count && limits[n + 1].from_ns == limits[n].from_ns)
				continue; /* replaced at once: never in force */
			if (limits[n].rate_bits_s > window.limit_bits_s)
				window.limit_bits_s = limits[n].rate_bits_s;
		}
		if (window.limit_bits_s != WINDOWS_UNLIMITED && windows_worse(&window, &worst))
			worst = window;
	}
	free(starts);
	*ret_worst = worst;
	return 0;
}

/*
 * The worst window of each limit on its own: of those that lie wholly in its
 * period, from settle_ns after it came into force. ret_worst is the worst of
 * window_ns, ret_longer of that length or more; frames is 0 when there is none.
 * The former are among those of windows_worst_scheduled(), the latter are not.
 */
static inline void windows_worst_settled(const struct windows_frame *frames, size_t count,
					 int64_t window_ns, int64_t settle_ns,
					 const struct windows_limit *limits, size_t limit_count,
					 struct windows_window *ret_worst,
					 struct windows_window *ret_longer)
{
	struct windows_window window;
	size_t n, first, end;

	memset(ret_worst, 0, sizeof(*ret_worst));
	memset(ret_longer, 0, sizeof(*ret_longer));
	for (n = 0; n < limit_count; n++) {
		int64_t from_ns = limits[n].from_ns + settle_ns;

		if (limits[n].rate_bits_s == WINDOWS_UNLIMITED)
			continue;
		end = count;
		if (n + 1 < limit_count) {
			if (limits[n + 1].from_ns - from_ns < window_ns)
				continue;
			end = windows_find(frames, count, limits[n + 1].from_ns);
		}
		first = windows_find(frames, count, from_ns);
		windows_worst(frames + first, end - first, window_ns, limits[n].rate_bits_s,
			      &window);
		if (windows_worse(&window, ret_worst))
			*ret_worst = window;
		windows_worst_longer(frames + first, end - first, window_ns, limits[n].rate_bits_s,
				     &window);
		if (windows_worse(&window, ret_longer))
			*ret_longer = window;
	}
}

/*
 * What the limits allow from from_ns to to_ns, in bits times nanoseconds per
 * second. False when there is a moment without a limit.
 */
static inline bool windows_allowed(const struct windows_limit *limits, size_t limit_count,
				   int64_t from_ns, int64_t to_ns, unsigned __int128 *ret_allowed)
{
	unsigned __int128 allowed = 0;
	int64_t begin, end;
	size_t n;

	if (!limit_count || limits[0].from_ns > from_ns)
		return false;
	for (n = 0; n < limit_count; n++) {
		begin = limits[n].from_ns > from_ns ? limits[n].from_ns : from_ns;
		end = n + 1 < limit_count && limits[n + 1].from_ns < to_ns ? limits[n + 1].from_ns :
									     to_ns;
		if (begin >= end)
			continue;
		if (limits[n].rate_bits_s == WINDOWS_UNLIMITED)
			return false;
		allowed += (unsigned __int128)limits[n].rate_bits_s * (uint64_t)(end - begin);
	}
	*ret_allowed = allowed;
	return true;
}

/*
 * "1732301234.123456789" or "2": decimal seconds, at most max_seconds; digits
 * after the ninth must not be there. Returns 0 or -EINVAL.
 */
static inline int windows_parse_seconds(const char *text, int64_t max_seconds, int64_t *ret_ns)
{
	int64_t seconds = 0, fraction = 0;
	int places = 0;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	for (; *text >= '0' && *text <= '9'; text++) {
		seconds = seconds * 10 + (*text - '0');
		if (seconds > max_seconds)
			return -EINVAL;
	}
	if (*text == '.') {
		for (text++; *text >= '0' && *text <= '9'; text++, places++) {
			if (places == WINDOWS_FRACTION_DIGITS)
				return -EINVAL;
			fraction = fraction * 10 + (*text - '0');
		}
		if (!places)
			return -EINVAL;
	}
	if (*text)
		return -EINVAL;
	for (; places < WINDOWS_FRACTION_DIGITS; places++)
		fraction *= 10;
	*ret_ns = seconds * WINDOWS_SECOND_NS + fraction;
	return *ret_ns > max_seconds * WINDOWS_SECOND_NS ? -EINVAL : 0;
}

/*
 * Reads a limits file: lines of "SECONDS RATE", RATE as bwctl takes it or
 * "unlimited", in order of time; empty lines and lines starting with '#' are
 * skipped. A limit equal to the one before it changes nothing and is left out.
 * Returns 0 with an array to be freed by the caller, or -errno with ret_why set
 * ("3: ..." with the line's number).
 */
static inline int windows_read_limits(FILE *file, struct windows_limit **ret_limits,
				      size_t *ret_count, char ret_why[2 * UNITS_TEXT])
{
	struct windows_limit *limits = NULL, *grown, limit;
	char *line = NULL, *seconds, *rate, *save, why[UNITS_TEXT];
	size_t count = 0, capacity = 0;
	unsigned int number = 0;
	int64_t last_ns = -1;
	int err = -EINVAL;

	while (getline(&line, &capacity, file) >= 0) {
		number++;
		seconds = strtok_r(line, " \t\r\n", &save);
		if (!seconds || *seconds == '#')
			continue;
		rate = strtok_r(NULL, " \t\r\n", &save);
		if (!rate || strtok_r(NULL, " \t\r\n", &save)) {
			snprintf(ret_why, 2 * UNITS_TEXT, "%u: expected SECONDS RATE", number);
			goto out;
		}
		if (windows_parse_seconds(seconds, WINDOWS_MAX_SECONDS, &limit.from_ns)) {
			snprintf(ret_why, 2 * UNITS_TEXT,
				 "%u: '%.40s' is not a time in decimal seconds", number, seconds);
			goto out;
		}
		if (limit.from_ns < last_ns) {
			snprintf(ret_why, 2 * UNITS_TEXT, "%u: '%.40s' is before the line above it",
				 number, seconds);
			goto out;
		}
		last_ns = limit.from_ns;
		limit.rate_bits_s = WINDOWS_UNLIMITED;
		if (strcmp(rate, "unlimited") && units_parse_rate(rate, &limit.rate_bits_s, why)) {
			snprintf(ret_why, 2 * UNITS_TEXT, "%u: %s", number, why);
			goto out;
		}
		if (count && limits[count - 1].rate_bits_s == limit.rate_bits_s)
			continue;
		grown = reallocarray(limits, count + 1, sizeof(*limits));
		if (!grown) {
			snprintf(ret_why, 2 * UNITS_TEXT, "%u: %s", number, strerror(ENOMEM));
			err = -ENOMEM;
			goto out;
		}
		limits = grown;
		limits[count++] = limit;
	}
	if (ferror(file)) {
		snprintf(ret_why, 2 * UNITS_TEXT, "%u: cannot read on", number + 1);
		err = -EIO;
		goto out;
	}
	if (!count) {
		snprintf(ret_why, 2 * UNITS_TEXT, "%u: there is no limit in it", number);
		goto out;
	}
	*ret_limits = limits;
	*ret_count = count;
	limits = NULL;
	err = 0;
out:
	free(limits);
	free(line);
	return err;
}

#endif
