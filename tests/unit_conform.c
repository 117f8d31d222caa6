/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The referee refereed: windows.h against the same questions answered by trying
 * everything, on invented frames. What it must never do is call a violation
 * conforming, so the edges are where it is tested most: frames on both ends of
 * a window, equal time stamps, limits that change on a frame.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "windows.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define S	     WINDOWS_SECOND_NS
#define MAX_FRAMES   40
#define MAX_LIMITS   5
#define ROUNDS	     20000

static uint64_t random_state = 0x2545f4914f6cdd1d;

/* xorshift64 (Marsaglia 2003): the same on every machine. */
static uint64_t random_below(uint64_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % bound;
}

/*
 * Few distinct times, so that frames, ends of windows and changes of limit meet
 * often. Times are tenths of a second, negative at times.
 */
static size_t invent_frames(struct windows_frame frames[MAX_FRAMES])
{
	size_t count = 1 + random_below(MAX_FRAMES), n;
	uint64_t span = 1 + random_below(100);

	for (n = 0; n < count; n++) {
		frames[n].at_ns = ((int64_t)random_below(span) - 10) * (S / 10);
		frames[n].length_bytes = random_below(4) ? 60 + random_below(1455) : 1;
	}
	qsort(frames, count, sizeof(*frames), windows_compare_frames);
	return count;
}

static size_t invent_limits(struct windows_limit limits[MAX_LIMITS])
{
	size_t count = 1 + random_below(MAX_LIMITS), n;
	int64_t at_ns = ((int64_t)random_below(40) - 20) * (S / 10);

	for (n = 0; n < count; n++) {
		limits[n].from_ns = at_ns;
		limits[n].rate_bits_s = random_below(6) ? 8000 * (1 + random_below(5)) :
							  WINDOWS_UNLIMITED;
		at_ns += (int64_t)random_below(40) * (S / 10);
	}
	return count;
}

static uint64_t bytes_between(const struct windows_frame *frames, size_t count, int64_t from_ns,
			      int64_t to_ns, uint64_t *ret_frames)
{
	uint64_t bytes = 0, found = 0;
	size_t n;

	for (n = 0; n < count; n++)
		if (frames[n].at_ns >= from_ns && frames[n].at_ns <= to_ns) {
			bytes += frames[n].length_bytes;
			found++;
		}
	if (ret_frames)
		*ret_frames = found;
	return bytes;
}

static void check_is_window(const struct windows_frame *frames, size_t count,
			    const struct windows_window *window)
{
	uint64_t found;

	assert_int_equal(bytes_between(frames, count, window->from_ns,
				       window->from_ns + window->length_ns, &found),
			 window->bytes);
	assert_int_equal(found, window->frames);
}

static void test_worst_is_worst(void **state)
{
	struct windows_frame frames[MAX_FRAMES];
	struct windows_window worst;
	uint64_t bytes, most;
	int64_t window_ns, from_ns;
	size_t count;
	int n;

	(void)state;
	for (n = 0; n < ROUNDS; n++) {
		count = invent_frames(frames);
		window_ns = (int64_t)(1 + random_below(30)) * (S / 10);
		windows_worst(frames, count, window_ns, 8000, &worst);
		most = 0;
		/* half steps too: no window between the frames is worse */
		for (from_ns = -6 * S; from_ns < 12 * S; from_ns += S / 20) {
			bytes = bytes_between(frames, count, from_ns, from_ns + window_ns, NULL);
			most = bytes > most ? bytes : most;
		}
		assert_int_equal(worst.bytes, most);
		assert_int_equal(worst.length_ns, window_ns);
		check_is_window(frames, count, &worst);
	}
}

static void test_longer_is_worst(void **state)
{
	struct windows_frame frames[MAX_FRAMES];
	struct windows_window worst;
	uint64_t limit_bits_s;
	int64_t window_ns, span_ns;
	__int128 excess, highest;
	size_t count, i, j;
	bool found, over;
	int n;

	(void)state;
	for (n = 0; n < ROUNDS; n++) {
		count = invent_frames(frames);
		window_ns = (int64_t)(1 + random_below(30)) * (S / 10);
		limit_bits_s = 8000 * (1 + random_below(20));
		windows_worst_longer(frames, count, window_ns, limit_bits_s, &worst);
		found = false;
		over = false;
		highest = 0;
		for (i = 0; i < count; i++)
			for (j = i; j < count; j++) {
				span_ns = frames[j].at_ns - frames[i].at_ns;
				if (span_ns < window_ns)
					continue;
				excess = (__int128)bytes_between(frames, count, frames[i].at_ns,
								 frames[j].at_ns, NULL) *
						 8 * S -
					 (__int128)limit_bits_s * span_ns;
				if (!found || excess > highest)
					highest = excess;
				found = true;
				over = over || excess > 0;
			}
		assert_int_equal(worst.frames > 0, found);
		assert_int_equal(windows_over(&worst), over);
		if (!found)
			continue;
		check_is_window(frames, count, &worst);
		assert_true(worst.length_ns >= window_ns);
		assert_true((__int128)worst.bytes * 8 * S -
				    (__int128)limit_bits_s * worst.length_ns ==
			    highest);
	}
}

static void test_bound_is_smallest(void **state)
{
	struct windows_frame frames[MAX_FRAMES];
	__int128 excess, highest;
	uint64_t rate_bits_s, bound;
	size_t count, i, j;
	int n;

	(void)state;
	for (n = 0; n < ROUNDS; n++) {
		count = invent_frames(frames);
		rate_bits_s = 8000 + random_below(40000);
		highest = 0;
		for (i = 0; i < count; i++)
			for (j = i; j < count; j++) {
				excess =
					(__int128)bytes_between(frames, count, frames[i].at_ns,
								frames[j].at_ns, NULL) *
						8 * S -
					(__int128)rate_bits_s * (frames[j].at_ns - frames[i].at_ns);
				highest = excess > highest ? excess : highest;
			}
		bound = windows_smallest_bound(frames, count, rate_bits_s);
		assert_true((__int128)bound * 8 * S >= highest);
		assert_true(((__int128)bound - 1) * 8 * S < highest);
	}
}

/* The highest limit in force inside the window, by the definition. */
static uint64_t highest_limit(const struct windows_limit *limits, size_t count, int64_t settle_ns,
			      int64_t from_ns, int64_t to_ns)
{
	uint64_t highest = 0;
	int64_t end_ns;
	size_t n;

	if (from_ns < limits[0].from_ns + settle_ns)
		return WINDOWS_UNLIMITED;
	for (n = 0; n < count; n++) {
		end_ns = n + 1 < count ? limits[n + 1].from_ns : 1000 * S;
		if (limits[n].from_ns < end_ns && limits[n].from_ns < to_ns &&
		    end_ns + settle_ns > from_ns && limits[n].rate_bits_s > highest)
			highest = limits[n].rate_bits_s;
	}
	return highest;
}

static void test_scheduled_is_worst(void **state)
{
	struct windows_frame frames[MAX_FRAMES];
	struct windows_limit limits[MAX_LIMITS];
	struct windows_window worst, window;
	size_t count, limit_count;
	int64_t settle_ns;
	double highest;
	bool over;
	int n, violations = 0;

	(void)state;
	for (n = 0; n < ROUNDS; n++) {
		count = invent_frames(frames);
		limit_count = invent_limits(limits);
		window.length_ns = (int64_t)(1 + random_below(30)) * (S / 10);
		settle_ns = (int64_t)random_below(5) * (S / 10);
		assert_int_equal(windows_worst_scheduled(frames, count, window.length_ns, settle_ns,
							 limits, limit_count, &worst),
				 0);
		over = false;
		highest = 0;
		for (window.from_ns = -6 * S; window.from_ns < 12 * S; window.from_ns += S / 20) {
			window.bytes = bytes_between(frames, count, window.from_ns,
						     window.from_ns + window.length_ns,
						     &window.frames);
			window.limit_bits_s = highest_limit(limits, limit_count, settle_ns,
							    window.from_ns,
							    window.from_ns + window.length_ns);
			if (window.limit_bits_s == WINDOWS_UNLIMITED)
				continue;
			over = over || windows_over(&window);
			if (windows_ratio(&window) > highest)
				highest = windows_ratio(&window);
		}
		assert_int_equal(windows_over(&worst), over);
		assert_true(windows_ratio(&worst) == highest);
		violations += over;
		if (worst.frames)
			check_is_window(frames, count, &worst);
	}
	assert_in_range(violations, ROUNDS / 100, ROUNDS - ROUNDS / 100);
}

static void test_settled_is_worst(void **state)
{
	struct windows_frame frames[MAX_FRAMES];
	struct windows_limit limits[MAX_LIMITS];
	struct windows_window worst, longer, window;
	int64_t settle_ns, begin_ns, end_ns;
	size_t count, limit_count, m;
	double highest;
	bool over;
	int n, violations = 0;

	(void)state;
	for (n = 0; n < ROUNDS; n++) {
		count = invent_frames(frames);
		limit_count = invent_limits(limits);
		window.length_ns = (int64_t)(1 + random_below(30)) * (S / 10);
		settle_ns = (int64_t)random_below(5) * (S / 10);
		windows_worst_settled(frames, count, window.length_ns, settle_ns, limits,
				      limit_count, &worst, &longer);
		over = false;
		highest = 0;
		for (m = 0; m < limit_count; m++) {
			begin_ns = limits[m].from_ns + settle_ns;
			end_ns = m + 1 < limit_count ? limits[m + 1].from_ns : 40 * S;
			window.limit_bits_s = limits[m].rate_bits_s;
			if (window.limit_bits_s == WINDOWS_UNLIMITED)
				continue;
			for (window.from_ns = begin_ns; window.from_ns + window.length_ns <= end_ns;
			     window.from_ns += S / 20) {
				/* a frame at the very moment of a change is the next limit's */
				window.bytes =
					bytes_between(frames, count, window.from_ns,
						      window.from_ns + window.length_ns < end_ns ?
							      window.from_ns + window.length_ns :
							      end_ns - 1,
						      &window.frames);
				over = over || windows_over(&window);
				if (windows_ratio(&window) > highest)
					highest = windows_ratio(&window);
			}
		}
		assert_int_equal(windows_over(&worst), over);
		assert_true(windows_ratio(&worst) == highest);
		violations += over;
	}
	assert_in_range(violations, ROUNDS / 100, ROUNDS - ROUNDS / 100);
}

static void test_both_ends_count(void **state)
{
	const struct windows_frame frames[] = {{0, 500}, {S, 500}, {2 * S, 500}};
	struct windows_window worst;

	(void)state;
	windows_worst(frames, COUNT(frames), S, 8000, &worst);
	assert_int_equal(worst.bytes, 1000);
	assert_int_equal(worst.frames, 2);
	assert_false(windows_over(&worst)); /* exactly the limit */
	windows_worst(frames, COUNT(frames), S - 1, 8000, &worst);
	assert_int_equal(worst.bytes, 500);
	windows_worst(frames, COUNT(frames), S, 7999, &worst);
	assert_true(windows_over(&worst));
}

static void test_longer_window_alone_is_over(void **state)
{
	/* every window of 1 s carries 1000 bytes, the one of 1.5 s carries 2000 */
	const struct windows_frame frames[] = {{0, 1000}, {3 * S / 2, 1000}};
	struct windows_window worst;

	(void)state;
	windows_worst(frames, COUNT(frames), S, 8000, &worst);
	assert_false(windows_over(&worst));
	windows_worst_longer(frames, COUNT(frames), S, 8000, &worst);
	assert_true(windows_over(&worst));
	assert_int_equal(worst.length_ns, 3 * S / 2);
	windows_worst_longer(frames, COUNT(frames), 2 * S, 8000, &worst);
	assert_int_equal(worst.frames, 0);
}

static void test_no_and_one_frame(void **state)
{
	const struct windows_frame frame = {1732301234 * S, 1514};
	const struct windows_limit limit = {1732301000 * S, 8000};
	struct windows_window worst, longer;

	(void)state;
	windows_worst(&frame, 0, S, 8000, &worst);
	assert_int_equal(worst.frames, 0);
	assert_false(windows_over(&worst));
	windows_worst_longer(&frame, 0, S, 8000, &longer);
	assert_int_equal(longer.frames, 0);
	assert_int_equal(windows_smallest_bound(&frame, 0, 8000), 0);

	windows_worst(&frame, 1, S, 8000, &worst);
	assert_true(windows_over(&worst));
	windows_worst_longer(&frame, 1, S, 8000, &longer);
	assert_int_equal(longer.frames, 0);
	assert_int_equal(windows_smallest_bound(&frame, 1, 400000000000), 1514);

	assert_int_equal(windows_worst_scheduled(&frame, 1, S, 0, &limit, 0, &worst), 0);
	assert_int_equal(worst.frames, 0);
	assert_int_equal(windows_worst_scheduled(&frame, 1, S, 0, &limit, 1, &worst), 0);
	assert_true(windows_over(&worst));
}

/* 400 gbit for 3 years in one window, and the latest times there can be. */
static void test_large_numbers(void **state)
{
	struct windows_frame frames[] = {{0, 0}, {100000000 * S, 0}};
	struct windows_window window;
	uint64_t bytes = 50000000000ULL * 100000000ULL;

	(void)state;
	frames[1].length_bytes = bytes;
	windows_worst(frames, 2, 100000000 * S, 400000000000, &window);
	assert_false(windows_over(&window));
	frames[1].length_bytes = bytes + 1;
	windows_worst(frames, 2, 100000000 * S, 400000000000, &window);
	assert_true(windows_over(&window));
	assert_int_equal(windows_smallest_bound(frames, 2, 400000000000), bytes + 1);
	windows_worst_longer(frames, 2, S, 400000000000, &window);
	assert_true(windows_over(&window));

	frames[0].at_ns = (WINDOWS_MAX_SECONDS - 1) * S;
	frames[1].at_ns = WINDOWS_MAX_SECONDS * S - 1;
	windows_worst(frames, 2, WINDOWS_MAX_WINDOW_SECONDS * S, 8000, &window);
	assert_int_equal(window.frames, 2);
}

/* A limit that is lowered: the old one covers the windows it reaches into, not those after it. */
static void test_lowering(void **state)
{
	const struct windows_limit limits[] = {{0, 80000}, {10 * S, 8000}};
	const struct windows_limit raise[] = {{0, 8000}, {S, 80000}};
	const struct windows_frame at_raise[] = {{0, 1}, {S, 1000}};
	struct windows_frame frames[200];
	struct windows_window worst, settled, longer;
	size_t n;

	(void)state;
	for (n = 0; n < 100; n++) { /* 8 kB/s until 10 s, then 800 B/s, but for one second 8 kB/s */
		frames[n].at_ns = (int64_t)n * (S / 10);
		frames[n].length_bytes = 800;
	}
	for (; n < 200; n++) {
		frames[n].at_ns = (int64_t)n * (S / 10);
		frames[n].length_bytes = 80;
	}
	assert_int_equal(windows_worst_scheduled(frames, 200, S, 0, limits, 2, &worst), 0);
	assert_false(windows_over(&worst));
	windows_worst_settled(frames, 200, S, S / 10, limits, 2, &settled, &longer);
	assert_false(windows_over(&settled));
	assert_false(windows_over(&longer));

	/* late by 0.3 s: no window of 1 s after the change may have that */
	for (n = 100; n < 103; n++)
		frames[n].length_bytes = 800;
	windows_worst_settled(frames, 200, S, S / 10, limits, 2, &settled, &longer);
	assert_true(windows_over(&settled));
	assert_int_equal(settled.limit_bits_s, 8000);
	assert_int_equal(windows_worst_scheduled(frames, 200, S, S / 10, limits, 2, &worst), 0);
	assert_true(windows_over(&worst));
	windows_worst_settled(frames, 200, S, 3 * S / 10, limits, 2, &settled, &longer);
	assert_false(windows_over(&settled));
	assert_int_equal(windows_worst_scheduled(frames, 200, S, 3 * S / 10, limits, 2, &worst), 0);
	assert_false(windows_over(&worst));

	/* a window that ends exactly at a raise is held against what was before it */
	assert_int_equal(windows_worst_scheduled(at_raise, 2, S, 0, raise, 2, &worst), 0);
	assert_true(windows_over(&worst));
	assert_int_equal(worst.limit_bits_s, 8000);
}

static void test_find(void **state)
{
	const struct windows_frame frames[] = {{-5, 1}, {0, 1}, {0, 1}, {7, 1}};

	(void)state;
	assert_int_equal(windows_find(frames, 4, -6), 0);
	assert_int_equal(windows_find(frames, 4, -5), 0);
	assert_int_equal(windows_find(frames, 4, 0), 1);
	assert_int_equal(windows_find(frames, 4, 1), 3);
	assert_int_equal(windows_find(frames, 4, 8), 4);
	assert_int_equal(windows_find(frames, 0, 0), 0);
}

static void test_allowed(void **state)
{
	const struct windows_limit limits[] = {
		{0, 8000}, {10 * S, 16000}, {20 * S, WINDOWS_UNLIMITED}};
	unsigned __int128 allowed;

	(void)state;
	assert_true(windows_allowed(limits, 3, 5 * S, 15 * S, &allowed));
	assert_true(allowed == (unsigned __int128)120000 * S);
	assert_true(windows_allowed(limits, 3, 0, 20 * S, &allowed));
	assert_true(windows_allowed(limits, 1, 0, 1000 * S, &allowed));
	assert_true(allowed == (unsigned __int128)8000000 * S);
	assert_false(windows_allowed(limits, 3, 5 * S, 20 * S + 1, &allowed));
	assert_false(windows_allowed(limits, 3, -1, 5 * S, &allowed));
	assert_false(windows_allowed(limits, 0, 0, S, &allowed));
}

static void test_seconds(void **state)
{
	static const struct {
		const char *text;
		int64_t ns; /* -1: refused */
	} rows[] = {
		{"0", 0},
		{"2", 2 * S},
		{"0.1", S / 10},
		{"0.000000001", 1},
		{"1732301234.123456789", 1732301234123456789},
		{"8000000000", 8000000000 * S},
		{"8000000000.000000001", -1},
		{"8000000001", -1},
		{"99999999999999999999999", -1},
		{"0.1234567891", -1},
		{"", -1},
		{".5", -1},
		{"5.", -1},
		{"-1", -1},
		{"+1", -1},
		{" 1", -1},
		{"1 ", -1},
		{"1s", -1},
		{"1e3", -1},
		{"0x1", -1},
		{"nan", -1},
		{"1.2.3", -1},
	};
	int64_t ns;
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(rows); n++) {
		ns = -1;
		if (windows_parse_seconds(rows[n].text, WINDOWS_MAX_SECONDS, &ns))
			ns = -1;
		if (ns != rows[n].ns)
			fail_msg("'%s': got %lld", rows[n].text, (long long)ns);
	}
}

static int read_text(const char *text, struct windows_limit **ret_limits, size_t *ret_count,
		     char ret_why[2 * UNITS_TEXT])
{
	FILE *file = tmpfile();
	int err;

	assert_non_null(file);
	fputs(text, file);
	rewind(file);
	err = windows_read_limits(file, ret_limits, ret_count, ret_why);
	fclose(file);
	return err;
}

static void test_limits_file(void **state)
{
	struct windows_limit *limits = NULL;
	char why[2 * UNITS_TEXT] = "";
	size_t count = 0;

	(void)state;
	assert_int_equal(read_text("# SECONDS RATE\n\n1732301234.5 50mbit\n"
				   "1732301235\t20mbit\n1732301236 20000kbit/s\n"
				   "  1732301236 unlimited\r\n1732301237.000000001 1gbit",
				   &limits, &count, why),
			 0);
	assert_int_equal(count, 4); /* 20mbit again changes nothing */
	assert_true(limits[0].from_ns == 1732301234500000000);
	assert_int_equal(limits[0].rate_bits_s, 50000000);
	assert_true(limits[1].from_ns == 1732301235 * S);
	assert_int_equal(limits[1].rate_bits_s, 20000000);
	assert_true(limits[2].rate_bits_s == WINDOWS_UNLIMITED);
	assert_true(limits[3].from_ns == 1732301237000000001);
	free(limits);
}

static void test_limits_file_errors(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"", "0: there is no limit in it"},
		{"# only this\n", "1: there is no limit in it"},
		{"5\n", "1: expected SECONDS RATE"},
		{"5 50mbit now\n", "1: expected SECONDS RATE"},
		{"\n5 50M\n", "2: ambiguous '50M': write 50mbit"},
		{"5 0mbit\n", "1: '0mbit' is zero"},
		{"5s 50mbit\n", "1: '5s' is not a time in decimal seconds"},
		{"-5 50mbit\n", "1: '-5' is not a time"},
		{"5 50mbit\n4 20mbit\n", "2: '4' is before the line above it"},
		{"5 50mbit\n6 50mbit\n5.5 20mbit\n", "3: '5.5' is before the line above it"},
		{"5 Unlimited\n", "1: 'Unlimited' is not a number"},
	};
	struct windows_limit *limits = NULL;
	char why[2 * UNITS_TEXT];
	size_t count = 0, n;

	(void)state;
	for (n = 0; n < COUNT(rows); n++) {
		memset(why, 0, sizeof(why));
		assert_int_equal(read_text(rows[n].text, &limits, &count, why), -EINVAL);
		if (!strstr(why, rows[n].why))
			fail_msg("\"%s\": expected \"%s\", got \"%s\"", rows[n].text, rows[n].why,
				 why);
		assert_null(limits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worst_is_worst),
		cmocka_unit_test(test_longer_is_worst),
		cmocka_unit_test(test_bound_is_smallest),
		cmocka_unit_test(test_scheduled_is_worst),
		cmocka_unit_test(test_settled_is_worst),
		cmocka_unit_test(test_both_ends_count),
		cmocka_unit_test(test_longer_window_alone_is_over),
		cmocka_unit_test(test_no_and_one_frame),
		cmocka_unit_test(test_large_numbers),
		cmocka_unit_test(test_lowering),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_limits_file),
		cmocka_unit_test(test_limits_file_errors),
	};

	return cmocka_run_group_tests_name("conform", tests, NULL, NULL);
}
