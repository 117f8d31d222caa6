/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * user/policy.c: that r and B keep the promise for every limit, window, burst
 * and number of CPUs, in whole numbers; that r is worth having; what is refused
 * and how it is said; and what one policy leaves to the next. How the clock
 * keeps to these numbers is unit_meter.c's question.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "meter.h"
#include "policy.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define S	     1000000000ULL
#define MS	     1000000ULL
#define KBIT	     1000ULL
#define MBIT	     1000000ULL
#define GBIT	     1000000000ULL
#define MB	     1000000ULL

typedef unsigned __int128 wide;

static const uint64_t limits[] = {
	UNITS_RATE_MIN_BITS_S,
	8001,
	9600,
	56 * KBIT,
	64 * KBIT,
	100 * KBIT,
	605599,
	605600,
	605601,
	1 * MBIT,
	1211199,
	1211201,
	2 * MBIT,
	4844799,
	10 * MBIT,
	20 * MBIT,
	50 * MBIT,
	100 * MBIT,
	999999937,
	GBIT,
	2500 * MBIT,
	10 * GBIT,
	25 * GBIT,
	40 * GBIT,
	100 * GBIT,
	200 * GBIT,
	399999999989,
	UNITS_RATE_MAX_BITS_S,
};
static const uint64_t windows[] = {0,	   POLICY_WINDOW_MIN_NS, 123456789, S / 2, S, 2 * S, 5 * S,
				   60 * S, POLICY_WINDOW_MAX_NS};
static const uint32_t cpu_counts[] = {1, 2, 3, 64, 1024};
static const uint64_t bursts_ns[] = {1, 1000, MS, 10 * MS, 50 * MS, 200 * MS, S, 60 * S, 3600 * S};
static const uint64_t bursts_bytes[] = {1, 1514, 65536, MB, 100 * MB, 1000000 * MB};

struct derived {
	struct bwctl_request request;
	uint32_t cpus;
	bool paces, leases;
	struct bwctl_meter meter;
	struct bwctl_promise promise;
};

static bool derive(struct derived *derived)
{
	char why[UNITS_TEXT] = "";
	int err = policy_derive(&derived->request, derived->paces, derived->cpus, derived->leases,
				&derived->meter, &derived->promise, why);

	if (err) {
		assert_int_equal(err, -EINVAL);
		assert_true(strlen(why) > 20);
		assert_null(strpbrk(why, "\n%"));
	} else {
		assert_string_equal(why, "");
	}
	return !err;
}

static void fail_at(const struct derived *derived, const char *what)
{
	fail_msg("%s: %s, limit %llu window %llu burst %llu ns %llu bytes cpus %u leases %d: "
		 "r %llu B %llu",
		 what, derived->paces ? "pace" : "police",
		 (unsigned long long)derived->request.limit_bits_s,
		 (unsigned long long)derived->promise.window_ns,
		 (unsigned long long)derived->request.burst_ns,
		 (unsigned long long)derived->request.burst_bytes, derived->cpus, derived->leases,
		 (unsigned long long)derived->meter.rate_bits_s,
		 (unsigned long long)derived->promise.bound_bytes);
}

/* All there is to be passed within a time, from the numbers that the clock has: bits times 1e9. */
static wide passed_at_most(const struct derived *derived, uint64_t time_ns)
{
	const struct bwctl_meter *meter = &derived->meter;
	uint64_t lease_bytes = meter_max(meter->lease_bytes, meter->lot_bytes);
	uint64_t headroom_ns = 0, late_ns = derived->paces ? POLICY_LATE_NS + POLICY_DRIFT_NS : 0;
	int level;

	for (level = 0; level < BWCTL_LEVELS; level++)
		headroom_ns = meter_max(headroom_ns, meter->headroom_ns[level]);
	if (headroom_ns > meter->room_ns)
		headroom_ns = meter->room_ns;
	if (derived->paces)
		late_ns += meter->jump_ns +
			   (meter->horizon_ns[BWCTL_LEVEL_RESERVED] >> METER_JUMP_SHIFT);
	return (wide)meter->rate_bits_s *
		       (time_ns + meter->burst_ns + headroom_ns + late_ns + meter->overshoot_ns) +
	       (wide)derived->cpus * lease_bytes * 8 * S;
}

static void check_promise(const struct derived *derived)
{
	const struct bwctl_meter *meter = &derived->meter;
	const struct bwctl_promise *promise = &derived->promise;
	wide bound = (wide)promise->bound_bytes * 8 * S;
	wide window = (wide)derived->request.limit_bits_s * promise->window_ns;

	if ((wide)meter->rate_bits_s * promise->window_ns + bound > window)
		fail_at(derived, "r * W + B is over limit * W");
	if (passed_at_most(derived, promise->window_ns) > window)
		fail_at(derived, "the clock passes more than limit * W");
	if (passed_at_most(derived, 0) > bound)
		fail_at(derived, "the clock passes more than B at once");
	if (promise->burst_bytes > promise->bound_bytes)
		fail_at(derived, "the burst is not in B");
	if (meter->rate_bits_s < derived->request.limit_bits_s / 2)
		fail_at(derived, "less than half of the limit");
}

/* What the clock needs of its numbers, whatever they are. */
static void check_meter(const struct derived *derived)
{
	const struct bwctl_meter *meter = &derived->meter;
	uint64_t full = (uint64_t)METER_MAX_BYTES + meter->lease_bytes;
	wide multiplier = ((wide)8 * S << meter->cost_shift) / meter->rate_bits_s;
	uint64_t ahead_ns =
		meter_max(meter->headroom_ns[BWCTL_LEVEL_RESERVED], meter->horizon_ns[BWCTL_LEVEL_RESERVED]);
	uint64_t debt_ns = ahead_ns + meter->overshoot_ns;
	uint64_t largest_ns = meter_cost_ns(meter, METER_MAX_BYTES);

	if (meter->cost_shift > 63 || meter->cost_multiplier - (uint64_t)multiplier > 1)
		fail_at(derived, "wrong cost");
	if ((wide)meter->cost_multiplier * meter->rate_bits_s < (wide)8 * S << meter->cost_shift)
		fail_at(derived, "a cost rounded down");
	if ((wide)full * meter->cost_multiplier + (1ULL << meter->cost_shift) > UINT64_MAX)
		fail_at(derived, "a cost overflows");
	if (meter->cost_multiplier < 1ULL << 40)
		fail_at(derived, "a coarse cost");
	/* A frame passes without waiting for idle time; a nanosecond is for rounding. */
	if (!derived->paces && meter_cost_ns(meter, POLICY_FRAME_BYTES) > meter->overshoot_ns + 1)
		fail_at(derived, "a frame overshoots");
	if (derived->leases && meter_cost_ns(meter, meter->lot_bytes) < 1000)
		fail_at(derived, "a lot is too cheap to be rounded");
	if (!derived->leases && meter->lot_bytes)
		fail_at(derived, "a lot where a CPU must hold nothing");
	/* Where this rate can leave the clock, and the largest packet that another let in. */
	debt_ns += largest_ns;
	if (meter->debt_ns < debt_ns)
		fail_at(derived, "a rightful debt is forgiven");
	/* One that waits for its excess moves the clock by that and by its cost. */
	if (meter->debt_ns > debt_ns + S + (derived->paces ? largest_ns : 0))
		fail_at(derived, "a debt that none can have is kept");
	if (meter->credit_ns < derived->promise.window_ns)
		fail_at(derived, "what fits the window starves");
	if (!derived->leases && meter->lease_bytes)
		fail_at(derived, "a lease where there must be none");
	if (meter->start_ns)
		fail_at(derived, "a start");
	if (meter->overhead_bytes != derived->request.overhead_bytes)
		fail_at(derived, "wrong overhead");
}

/* Each class's place in the order. */
static const uint64_t level_steps[BWCTL_LEVELS] = {[BWCTL_LEVEL_HIGH] = 1,
						   [BWCTL_LEVEL_CONTROL] = 2,
						   [BWCTL_LEVEL_RESERVED] = 2};

static void check_headroom(const struct derived *derived)
{
	uint64_t step_ns = derived->meter.headroom_ns[BWCTL_LEVEL_HIGH];
	int level;

	/* Where packets wait there is headroom only while the queue is missing. */
	if (derived->paces ? step_ns != MS :
			     step_ns < 2 * ((wide)POLICY_FRAME_BYTES * 8 * S /
					    derived->request.limit_bits_s))
		fail_at(derived, "no room for two frames, or for being late");
	for (level = 0; level < BWCTL_LEVELS; level++)
		if (derived->meter.headroom_ns[level] != level_steps[level] * step_ns)
			fail_at(derived, "wrong headroom of a level");
	/* The lowest stops earlier, and passes all the same after a pause. */
	if (derived->meter.low_ns > derived->meter.burst_ns / 2 ||
	    (!derived->meter.low_ns && derived->meter.burst_ns > 1))
		fail_at(derived, "the lowest level does not stop earlier, or always");
}

static uint64_t meter_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* How long packets may wait, by class, and when they are marked. */
static void check_horizon(const struct derived *derived)
{
	const struct bwctl_meter *meter = &derived->meter;
	uint64_t frames_ns =
		(uint64_t)(((wide)8 * POLICY_FRAME_BYTES * 8 * S) / meter->rate_bits_s);
	uint64_t horizon_ns = meter->horizon_ns[BWCTL_LEVEL_RESERVED],
		 asked_ns = derived->request.horizon_ns;
	uint64_t step_ns = horizon_ns - meter->horizon_ns[BWCTL_LEVEL_HIGH];

	if (!derived->paces) {
		for (int level = 0; level < BWCTL_LEVELS; level++)
			if (meter->horizon_ns[level])
				fail_at(derived, "a horizon");
		if (meter->drift_ns != POLICY_DRIFT_MAX_NS || meter->mark_ns ||
		    meter->mark_after_ns)
			fail_at(derived, "wrong drift or marks");
		return;
	}
	if (asked_ns ? horizon_ns != asked_ns : horizon_ns < POLICY_HORIZON_NS)
		fail_at(derived, "wrong horizon");
	if (!asked_ns && frames_ns < POLICY_HORIZON_MAX_NS &&
	    horizon_ns + 1 < meter_max(frames_ns, POLICY_HORIZON_NS))
		fail_at(derived, "a horizon of less than eight frames");
	/* A step is enough for what one of a lower class may run over by, if that is not half of it all. */
	if (step_ns < meter_min(meter_max(POLICY_HEADROOM_NS, meter->overshoot_ns), horizon_ns / 4))
		fail_at(derived, "a small step of the horizon");
	for (int level = BWCTL_LEVEL_NORMAL; level < BWCTL_LEVELS; level++)
		if (meter->horizon_ns[level] != horizon_ns - (2 - level_steps[level]) * step_ns)
			fail_at(derived, "wrong horizon of a level");
	if (!meter->horizon_ns[BWCTL_LEVEL_LOW] ||
	    meter->horizon_ns[BWCTL_LEVEL_LOW] >= meter->horizon_ns[BWCTL_LEVEL_NORMAL])
		fail_at(derived, "the lowest level waits as long as others, or never");
	if (!meter->jump_ns || meter->jump_ns != meter->overshoot_ns)
		fail_at(derived, "what may jump the queue");
	if (meter->drift_ns != POLICY_DRIFT_NS || !meter->mark_ns ||
	    meter->mark_ns > horizon_ns / 4 * 3 || meter->mark_after_ns != 20 * MS)
		fail_at(derived, "wrong drift or marks");
}

static void choose(struct derived *derived, size_t limit, size_t window, size_t cpus, size_t burst)
{
	static const uint64_t horizons[] = {0, 0, POLICY_HORIZON_MIN_NS, 100 * MS,
					    POLICY_HORIZON_MAX_NS};

	memset(derived, 0, sizeof(*derived));
	derived->request.limit_bits_s = limits[limit];
	derived->request.window_ns = windows[window];
	derived->request.overhead_bytes = burst;
	derived->request.horizon_ns = horizons[burst % COUNT(horizons)];
	derived->cpus = cpu_counts[cpus];
	if (burst && burst <= COUNT(bursts_ns))
		derived->request.burst_ns = bursts_ns[burst - 1];
	else if (burst)
		derived->request.burst_bytes = bursts_bytes[burst - 1 - COUNT(bursts_ns)];
}

static void test_promise(void **state)
{
	struct derived derived;
	size_t limit, window, cpus, burst, good = 0, bad = 0;
	int leases, paces;

	(void)state;
	for (limit = 0; limit < COUNT(limits); limit++)
		for (window = 0; window < COUNT(windows); window++)
			for (cpus = 0; cpus < COUNT(cpu_counts); cpus++)
				for (burst = 0; burst <= COUNT(bursts_ns) + COUNT(bursts_bytes);
				     burst++)
					for (leases = 0; leases < 2; leases++)
						for (paces = 0; paces < 2; paces++) {
							choose(&derived, limit, window, cpus,
							       burst);
							derived.leases = leases;
							derived.paces = paces;
							if (!derive(&derived)) {
								bad++;
								continue;
							}
							good++;
							check_promise(&derived);
							check_meter(&derived);
							check_headroom(&derived);
							check_horizon(&derived);
						}
	assert_in_range(good, 20000, 80000);
	assert_in_range(bad, 2000, 80000);
}

/* With nothing but a limit given: there is always a policy, and r is worth having. */
static void test_defaults(void **state)
{
	struct derived derived = {.leases = true};
	uint64_t least, window_ns, limit;
	size_t cpus;
	int n;

	(void)state;
	for (cpus = 0; cpus < COUNT(cpu_counts); cpus++)
		for (n = 0; n < 2000; n++) {
			limit = (uint64_t)UNITS_RATE_MIN_BITS_S << n % 26;
			limit += limit * (uint64_t)(n / 26) / 77;
			if (limit > UNITS_RATE_MAX_BITS_S)
				continue;
			derived.request.limit_bits_s = limit;
			derived.cpus = cpu_counts[cpus];
			derived.leases = n % 3;
			if (!derive(&derived))
				fail_at(&derived, "refused");
			check_promise(&derived);
			least = limit < MBIT ? 50 : limit < 10 * MBIT ? 80 : 88;
			if (derived.meter.rate_bits_s < limit / 100 * least)
				fail_at(&derived, "little of the limit is left");
			/* 2 s, or the time of a hundred full-size frames, rounded up */
			window_ns = (uint64_t)(((wide)100 * 1514 * 8 * S + limit - 1) / limit);
			if (window_ns < 2 * S)
				window_ns = 2 * S;
			assert_true(derived.promise.window_ns == window_ns);
		}
}

/* The same where packets wait: much more of the limit is left. */
static void test_defaults_of_pacing(void **state)
{
	struct derived derived = {.leases = true, .paces = true};
	uint64_t least, window_ns, horizon_ns, limit;
	size_t cpus;
	int n;

	(void)state;
	for (cpus = 0; cpus < COUNT(cpu_counts); cpus++)
		for (n = 0; n < 2000; n++) {
			limit = (uint64_t)UNITS_RATE_MIN_BITS_S << n % 26;
			limit += limit * (uint64_t)(n / 26) / 77;
			if (limit > UNITS_RATE_MAX_BITS_S)
				continue;
			derived.request.limit_bits_s = limit;
			derived.cpus = cpu_counts[cpus];
			derived.leases = n % 3;
			if (!derive(&derived))
				fail_at(&derived, "refused");
			check_promise(&derived);
			check_horizon(&derived);
			least = limit < MBIT ? 940 : limit < 10 * MBIT ? 950 : 980;
			if (derived.meter.rate_bits_s < limit / 1000 * least)
				fail_at(&derived, "little of the limit is left");
			/* 1 s, or the time of eighty full-size frames, rounded up */
			window_ns = (uint64_t)(((wide)80 * 1514 * 8 * S + limit - 1) / limit);
			if (window_ns < S)
				window_ns = S;
			assert_true(derived.promise.window_ns == window_ns);
			assert_int_equal(derived.meter.burst_ns, 2 * MS);
			/* POLICY_HORIZON_NS, or the time of eight at r, at most 2 s */
			horizon_ns = (uint64_t)(((wide)8 * 1514 * 8 * S +
						 derived.meter.rate_bits_s - 1) /
						derived.meter.rate_bits_s);
			if (horizon_ns < POLICY_HORIZON_NS)
				horizon_ns = POLICY_HORIZON_NS;
			if (horizon_ns > 2 * S)
				horizon_ns = 2 * S;
			if (derived.meter.horizon_ns[BWCTL_LEVEL_RESERVED] != horizon_ns)
				fail_at(&derived, "wrong horizon by default");
		}
}

/* A full-size frame does not cost more than what may leave at once, or every one would wait. */
static void test_frame_may_leave_at_once(void **state)
{
	struct derived derived = {.cpus = 2, .leases = true, .paces = true};
	const struct bwctl_meter *meter = &derived.meter;

	(void)state;
	for (size_t n = 0; n < COUNT(limits); n++) {
		derived.request.limit_bits_s = limits[n];
		assert_true(derive(&derived));
		if (meter_cost_ns(meter, POLICY_FRAME_BYTES) > meter->overshoot_ns + 1) {
			print_message("# a frame costs %llu ns, %llu may overshoot\n",
				      (unsigned long long)meter_cost_ns(meter, POLICY_FRAME_BYTES),
				      (unsigned long long)meter->overshoot_ns);
			fail_at(&derived, "a frame overshoots");
		}
	}
}

/*
 * A lower limit is obeyed after 100 ms, by what waits as well: all that any class
 * may have to wait, and be late, is within that by default.
 */
static void test_horizon_ends_in_time(void **state)
{
	struct derived derived = {.cpus = 2, .leases = true, .paces = true};
	const struct bwctl_meter *meter = &derived.meter;
	uint64_t limit;

	(void)state;
	for (limit = 4 * MBIT; limit <= UNITS_RATE_MAX_BITS_S; limit *= 2) {
		derived.request.limit_bits_s = limit;
		assert_true(derive(&derived));
		if (meter->horizon_ns[BWCTL_LEVEL_RESERVED] + meter->drift_ns + POLICY_LATE_NS > 100 * MS)
			fail_at(&derived, "what waits may leave more than 100 ms later");
	}
}

/* What can be marked is, before it is dropped: at every horizon and for every class. */
static void test_mark_before_drop(void **state)
{
	static const uint64_t horizons[] = {0, POLICY_HORIZON_MIN_NS, 20 * MS, S,
					    POLICY_HORIZON_MAX_NS};
	struct derived derived = {.cpus = 2, .leases = true, .paces = true};
	const struct bwctl_meter *meter = &derived.meter;

	(void)state;
	for (size_t n = 0; n < COUNT(limits) * COUNT(horizons); n++) {
		derived.request.limit_bits_s = limits[n / COUNT(horizons)];
		derived.request.horizon_ns = horizons[n % COUNT(horizons)];
		assert_true(derive(&derived));
		if (meter->mark_ns >= meter->horizon_ns[BWCTL_LEVEL_NORMAL] / 8 * 7) {
			print_message("# marked after %llu ns, other waits %llu at most\n",
				      (unsigned long long)meter->mark_ns,
				      (unsigned long long)meter->horizon_ns[BWCTL_LEVEL_NORMAL]);
			fail_at(&derived, "marked too late");
		}
	}
}

/* As many full-size frames as may leave at once, one at least; none where 64 KiB may. */
static uint32_t segments_of(const struct bwctl_meter *meter)
{
	static struct bwctl_policy policy;

	policy.meter[BWCTL_EGRESS] = *meter;
	return policy_segments(&policy, BWCTL_EGRESS);
}

static void test_segments(void **state)
{
	static const struct {
		uint64_t limit_bits_s;
		uint32_t segments;
	} rows[] = {
		{0, 0},		  {8 * KBIT, 1},    {64 * KBIT, 1},   {MBIT, 1},
		{6 * MBIT, 1},	  {12 * MBIT, 1},   {13 * MBIT, 2},   {50 * MBIT, 8},
		{100 * MBIT, 16}, {200 * MBIT, 32}, {250 * MBIT, 40}, {300 * MBIT, 0},
		{GBIT, 0},	  {400 * GBIT, 0},
	};
	struct derived derived = {.cpus = 2, .leases = true, .paces = true};
	uint64_t bytes;
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(rows); n++) {
		derived.request.limit_bits_s = rows[n].limit_bits_s;
		assert_true(derive(&derived));
		assert_int_equal(segments_of(&derived.meter), rows[n].segments);
	}
	for (n = 0; n < COUNT(limits); n++)
		for (int paces = 0; paces < 2; paces++) {
			derived.request.limit_bits_s = limits[n];
			derived.paces = paces;
			assert_true(derive(&derived));
			bytes = segments_of(&derived.meter);
			bytes = (bytes ? bytes : 43) * POLICY_FRAME_BYTES;
			if (meter_cost_ns(&derived.meter, bytes) > derived.meter.overshoot_ns + 1 &&
			    segments_of(&derived.meter) > 1)
				fail_at(&derived, "segments that overshoot");
			if (!segments_of(&derived.meter) &&
			    meter_cost_ns(&derived.meter, 43 * POLICY_FRAME_BYTES) >
				    derived.meter.overshoot_ns + 1)
				fail_at(&derived, "64 KiB overshoot");
		}
}

static void test_known_policies(void **state)
{
	static const struct {
		struct bwctl_request request;
		uint32_t cpus;
		bool paces;
		uint64_t window_ns, least_permille, most_permille;
		uint64_t burst_bytes_least, burst_bytes_most;
	} rows[] = {
		/* the default burst is 200 ms: r / limit is 2 / 2.21, less headroom, overshoot and leases */
		{{.limit_bits_s = 50 * MBIT}, 2, false, 2 * S, 890, 905, 1110000, 1130000},
		{{.limit_bits_s = 50 * MBIT, .burst_ns = 100 * MS},
		 2,
		 false,
		 2 * S,
		 930,
		 948,
		 570000,
		 600000},
		{{.limit_bits_s = 50 * MBIT, .window_ns = 5 * S},
		 2,
		 false,
		 5 * S,
		 940,
		 955,
		 1170000,
		 1200000},
		{{.limit_bits_s = 50 * MBIT, .burst_bytes = 65536},
		 2,
		 false,
		 2 * S,
		 970,
		 985,
		 65530,
		 65536},
		{{.limit_bits_s = 50 * MBIT, .burst_bytes = MB},
		 2,
		 false,
		 2 * S,
		 900,
		 915,
		 999990,
		 MB},
		{{.limit_bits_s = GBIT}, 64, false, 2 * S, 890, 905, 22200000, 22700000},
		{{.limit_bits_s = 400 * GBIT}, 1024, false, 2 * S, 890, 905, 8900000000, 9100000000},
		{{.limit_bits_s = 8000}, 1, false, 151400 * MS, 935, 945, 180, 195},
		{{.limit_bits_s = 64000}, 2, false, 18925 * MS, 927, 936, 1480, 1500},
		{{.limit_bits_s = MBIT}, 2, false, 2 * S, 873, 883, 21800, 22100},
		{{.limit_bits_s = 605600}, 1, false, 2 * S, 855, 865, 12900, 13100},
		{{.limit_bits_s = 605599}, 1, false, 2000003303, 855, 865, 12900, 13100},
		/* 1 / 1.0095, less leases and one frame; two frames below 6 Mbit/s */
		{{.limit_bits_s = 50 * MBIT}, 2, true, S, 988, 990, 12340, 12400},
		{{.limit_bits_s = 50 * MBIT, .burst_ns = 10 * MS},
		 2,
		 true,
		 S,
		 980,
		 983,
		 61200,
		 61500},
		{{.limit_bits_s = 50 * MBIT, .window_ns = 100 * MS},
		 2,
		 true,
		 100 * MS,
		 910,
		 915,
		 11350,
		 11450},
		/* What jumps the queue is 1/64 of a long one. */
		{{.limit_bits_s = 50 * MBIT, .horizon_ns = 2 * S},
		 2,
		 true,
		 S,
		 959,
		 963,
		 11950,
		 12100},
		{{.limit_bits_s = GBIT}, 64, true, S, 988, 991, 246000, 248800},
		{{.limit_bits_s = 400 * GBIT}, 1024, true, S, 988, 991, 98700000, 99500000},
		{{.limit_bits_s = 10 * MBIT}, 2, true, S, 988, 991, 2465, 2485},
		{{.limit_bits_s = MBIT}, 2, true, S, 965, 970, 240, 247},
		{{.limit_bits_s = 8000}, 1, true, 121120 * MS, 970, 976, 1, 2},
	};
	struct derived derived;
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(rows); n++) {
		derived = (struct derived){.request = rows[n].request,
					   .cpus = rows[n].cpus,
					   .paces = rows[n].paces,
					   .leases = true};
		assert_true(derive(&derived));
		assert_int_equal(derived.promise.window_ns, rows[n].window_ns);
		assert_in_range(derived.meter.rate_bits_s,
				rows[n].request.limit_bits_s / 1000 * rows[n].least_permille,
				rows[n].request.limit_bits_s / 1000 * rows[n].most_permille);
		assert_in_range(derived.promise.burst_bytes, rows[n].burst_bytes_least,
				rows[n].burst_bytes_most);
	}
}

static void test_unlimited(void **state)
{
	const struct bwctl_meter nothing = {.overhead_bytes = 24};
	struct derived derived = {.request = {.overhead_bytes = 24}, .cpus = 2, .leases = true};

	(void)state;
	memset(&derived.meter, 0xff, sizeof(derived.meter));
	memset(&derived.promise, 0xff, sizeof(derived.promise));
	assert_true(derive(&derived));
	assert_memory_equal(&derived.meter, &nothing, sizeof(nothing));
	assert_int_equal(derived.promise.window_ns, POLICY_WINDOW_NS);
	assert_int_equal(derived.promise.bound_bytes, 0);
	assert_int_equal(derived.promise.burst_bytes, 0);

	/* What would not fit a limit is kept for one that comes later. */
	derived.request = (struct bwctl_request){.window_ns = 100 * MS, .burst_ns = 3600 * S};
	assert_true(derive(&derived));
	assert_int_equal(derived.promise.window_ns, 100 * MS);
	assert_int_equal(derived.meter.rate_bits_s, 0);

	/* Nothing waits where there is no limit, whatever the mode. */
	derived.request = (struct bwctl_request){.overhead_bytes = 24, .horizon_ns = S};
	derived.paces = true;
	assert_true(derive(&derived));
	assert_memory_equal(&derived.meter, &nothing, sizeof(nothing));
	assert_int_equal(derived.promise.window_ns, POLICY_PACE_WINDOW_NS);
	assert_int_equal(derived.promise.bound_bytes, 0);
}

static void test_refusals(void **state)
{
	static const struct {
		bool paces;
		struct bwctl_request request;
		const char *why; /* NULL: accepted */
	} rows[] = {
		{false,
		 {.limit_bits_s = 50 * MBIT, .burst_ns = 2 * S},
		 "a burst of 2 s does not fit a window of 2 s: "
		 "shorten it or lengthen the window"},
		{false, {.limit_bits_s = 50 * MBIT, .burst_ns = 1900 * MS}, NULL},
		{false,
		 {.limit_bits_s = 50 * MBIT, .burst_ns = 3600 * S},
		 "a burst of 3600 s does not fit a window of 2 s: "
		 "shorten it or lengthen the window"},
		{false,
		 {.limit_bits_s = 50 * MBIT, .burst_bytes = 12500000},
		 "a burst of 12.5 MB does not fit a window of 2 s: "
		 "shorten it or lengthen the window"},
		{false,
		 {.limit_bits_s = 50 * MBIT, .burst_bytes = 6300000},
		 "a burst of 6.3 MB does not fit a window of 2 s: "
		 "shorten it or lengthen the window"},
		{false, {.limit_bits_s = 50 * MBIT, .burst_bytes = 6100000}, NULL},
		{false,
		 {.limit_bits_s = 50 * MBIT, .burst_bytes = 1000000 * MB},
		 "a burst of 1 TB does not fit a window of 2 s: "
		 "shorten it or lengthen the window"},
		{false,
		 {.limit_bits_s = 50 * MBIT, .window_ns = 100 * MS},
		 "a window of 100 ms is too short for this limit: "
		 "lengthen it, or shorten the burst"},
		{false,
		 {.limit_bits_s = 50 * MBIT, .window_ns = 100 * MS, .burst_ns = 10 * MS},
		 NULL},
		{false,
		 {.limit_bits_s = 8000, .window_ns = S},
		 "a window of 1 s is too short for this limit: "
		 "lengthen it, or shorten the burst"},
		{false,
		 {.limit_bits_s = 8000, .window_ns = 2 * S, .burst_ns = 1000},
		 "a burst of 1 us does not fit a window of 2 s: "
		 "shorten it or lengthen the window"},
		{false,
		 {.limit_bits_s = 400 * GBIT, .window_ns = 3600 * S, .burst_bytes = 1000000 * MB},
		 NULL},
		{true,
		 {.limit_bits_s = 50 * MBIT, .burst_ns = S},
		 "a burst of 1 s does not fit a window of 1 s: "
		 "shorten it or lengthen the window"},
		{true, {.limit_bits_s = 50 * MBIT, .burst_ns = 950 * MS}, NULL},
		{true, {.limit_bits_s = 50 * MBIT, .window_ns = 100 * MS}, NULL},
		{true,
		 {.limit_bits_s = 8000, .window_ns = S},
		 "a window of 1 s is too short for this limit: "
		 "lengthen it, or shorten the burst"},
		{true, {.limit_bits_s = 64000, .window_ns = S}, NULL},
	};
	struct bwctl_promise promise;
	struct bwctl_meter meter;
	char why[UNITS_TEXT];
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(rows); n++) {
		why[0] = '\0';
		assert_int_equal(policy_derive(&rows[n].request, rows[n].paces, 2, true, &meter,
					       &promise, why),
				 rows[n].why ? -EINVAL : 0);
		assert_string_equal(why, rows[n].why ? rows[n].why : "");
	}
}

/* In a queue by which TCP paces itself: all that it may be late is in the bound, and the ceiling stays. */
static void test_drifts(void **state)
{
	struct bwctl_promise promise, usual_promise;
	struct bwctl_meter meter, usual;
	static struct bwctl_policy policy;
	char why[LOG_TEXT];
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(limits); n++) {
		struct bwctl_request request = {.limit_bits_s = limits[n]};
		uint64_t apart_ns;

		assert_int_equal(
			policy_derive(&request, POLICY_DRIFTS, 2, true, &meter, &promise, why), 0);
		assert_int_equal(policy_derive(&request, POLICY_WAITS, 2, true, &usual,
					       &usual_promise, why),
				 0);
		apart_ns =
			meter.burst_ns + meter.overshoot_ns + POLICY_DRIFT_MAX_NS + POLICY_LATE_NS;
		assert_int_equal(meter.drift_ns, POLICY_DRIFT_MAX_NS);
		assert_true(meter.rate_bits_s <= usual.rate_bits_s);
		assert_true(meter.rate_bits_s >= usual.rate_bits_s / 100 * 96);
		assert_true((wide)promise.bound_bytes * 8 * S >=
			    (wide)meter.rate_bits_s * apart_ns);
		assert_true((wide)meter.rate_bits_s * promise.window_ns +
				    (wide)promise.bound_bytes * 8 * S <=
			    (wide)limits[n] * promise.window_ns);

		policy.possible_cpus = 2;
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
			policy.asked.request[direction] = request;
			policy.enforcement[direction].mode = BWCTL_MODE_PACE;
		}
		policy.enforcement[BWCTL_EGRESS].senders_pace = 1;
		assert_int_equal(policy_build(&policy, true, why), 0);
		assert_int_equal(policy.meter[BWCTL_EGRESS].rate_bits_s, meter.rate_bits_s);
		assert_int_equal(policy.meter[BWCTL_INGRESS].rate_bits_s, usual.rate_bits_s);
	}
}

/* Numbers of the same request with one thing changed. */
static struct derived changed(const struct derived *base, uint64_t limit, uint64_t window_ns,
			      uint64_t burst_ns)
{
	struct derived derived = *base;

	derived.request.limit_bits_s = limit;
	derived.request.window_ns = window_ns;
	derived.request.burst_ns = burst_ns;
	if (!derive(&derived))
		fail_at(&derived, "refused");
	return derived;
}

static void test_monotonic(void **state)
{
	struct derived base = {.leases = true}, less, more;
	uint64_t limit;
	size_t cpus;
	int n;

	(void)state;
	for (cpus = 0; cpus < COUNT(cpu_counts); cpus++)
		for (n = 0; n < 2000; n++) {
			base.paces = n >= 1000;
			base.cpus = cpu_counts[cpus];
			limit = (uint64_t)(64 * KBIT) << n % 22;
			limit += limit * (uint64_t)(n % 1000 / 22) / 46;

			/* One percent more limit is more rate. */
			less = changed(&base, limit, 0, 0);
			more = changed(&base, limit + limit / 100 + 1, 0, 0);
			if (more.meter.rate_bits_s <= less.meter.rate_bits_s)
				fail_at(&more, "a higher limit has a lower rate");

			/* A longer burst leaves less of the rate, and is longer. */
			less = changed(&base, limit, 5 * S, 100 * MS);
			more = changed(&base, limit, 5 * S, 200 * MS);
			if (more.meter.rate_bits_s >= less.meter.rate_bits_s ||
			    more.promise.burst_bytes <= less.promise.burst_bytes ||
			    more.promise.bound_bytes <= less.promise.bound_bytes)
				fail_at(&more, "a longer burst");

			/* A longer window leaves more of it. */
			less = changed(&base, limit, 4 * S, 200 * MS);
			more = changed(&base, limit, 8 * S, 200 * MS);
			if (more.meter.rate_bits_s <= less.meter.rate_bits_s)
				fail_at(&more, "a longer window has a lower rate");

			/* More CPUs are more leases, never more rate. */
			less = base;
			less.cpus *= 2;
			less = changed(&less, limit, 0, 0);
			more = changed(&base, limit, 0, 0);
			if (less.meter.rate_bits_s > more.meter.rate_bits_s + limit / 300)
				fail_at(&less, "more CPUs have a higher rate");
		}
}

static void derive_policy(struct bwctl_policy *policy, uint64_t ingress, uint64_t egress)
{
	const uint64_t both[BWCTL_DIRECTIONS] = {
		[BWCTL_INGRESS] = ingress, [BWCTL_EGRESS] = egress};
	struct derived derived = {.cpus = 2, .leases = true};
	int direction;

	memset(policy, 0, sizeof(*policy));
	for (direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		derived.request.limit_bits_s = both[direction];
		assert_true(derive(&derived));
		policy->meter[direction] = derived.meter;
		policy->asked.request[direction] = derived.request;
		policy->promise[direction] = derived.promise;
	}
}

static void test_succeed(void **state)
{
	static struct bwctl_policy policies[2];
	static const struct {
		uint64_t ingress, egress, now_ns;
		uint64_t ingress_start_ns, egress_start_ns;
	} rows[] = {
		{0, 0, 5, 0, 0},
		{MBIT, 0, 10, 10, 0},	      /* a first limit starts now */
		{2 * MBIT, MBIT, 20, 10, 20}, /* a later one when the first did */
		{2 * MBIT, 50 * GBIT, 30, 10, 20},
		{0, MBIT, 40, 0, 20},
		{MBIT, MBIT, 50, 50, 20}, /* after none it is a first one again */
		{MBIT, MBIT, 60, 50, 20},
		{0, 0, 70, 0, 0},
		{MBIT, MBIT, UINT64_MAX / 2, UINT64_MAX / 2, UINT64_MAX / 2},
	};
	struct bwctl_policy *previous = NULL, *next;
	struct bwctl_meter before;
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(rows); n++) {
		next = &policies[n % 2];
		derive_policy(next, rows[n].ingress, rows[n].egress);
		next->generation = 12345; /* whatever was copied there */
		before = next->meter[BWCTL_EGRESS];
		policy_succeed(previous, next, rows[n].now_ns);
		assert_int_equal(next->generation, n + 1);
		assert_int_equal(next->meter[BWCTL_INGRESS].start_ns, rows[n].ingress_start_ns);
		assert_int_equal(next->meter[BWCTL_EGRESS].start_ns, rows[n].egress_start_ns);
		before.start_ns = rows[n].egress_start_ns;
		before.slow_multiplier = next->meter[BWCTL_EGRESS].slow_multiplier;
		before.slow_until_ns = next->meter[BWCTL_EGRESS].slow_until_ns;
		before.slow_overshoot_ns = next->meter[BWCTL_EGRESS].slow_overshoot_ns;
		before.slow_headroom_ns = next->meter[BWCTL_EGRESS].slow_headroom_ns;
		before.inherited_ns = next->meter[BWCTL_EGRESS].inherited_ns;
		before.inherited_rate_bits_s = next->meter[BWCTL_EGRESS].inherited_rate_bits_s;
		before.debt_ns = next->meter[BWCTL_EGRESS].debt_ns;
		assert_memory_equal(&next->meter[BWCTL_EGRESS], &before, sizeof(before));
		previous = next;
	}
}

/* A larger part of the limit waits for the former window, and only that. */
static void test_held_back(void **state)
{
	static struct bwctl_policy before, after, last;
	struct derived derived = {.cpus = 2, .leases = true};
	struct bwctl_meter *meter = &after.meter[BWCTL_EGRESS];
	uint64_t until_ns;
	double part;

	(void)state;
	derive_policy(&before, 0, 50 * MBIT);
	before.asked.request[BWCTL_EGRESS].burst_ns = derived.request.burst_ns = S;
	derived.request.limit_bits_s = 50 * MBIT;
	assert_true(derive(&derived));
	before.meter[BWCTL_EGRESS] = derived.meter;
	part = (double)derived.meter.rate_bits_s / 50e6;
	derive_policy(&after, 0, 20 * MBIT);
	policy_succeed(&before, &after, 7 * S);
	assert_int_equal(meter->slow_until_ns, 9 * S);
	assert_in_range((double)meter->rate_bits_s * (double)meter->cost_multiplier /
				(double)meter->slow_multiplier,
			part * 20e6 - 20, part * 20e6 + 1);

	/* The next one inherits it, though its own predecessor would ask for nothing. */
	derive_policy(&last, 0, 50 * MBIT);
	policy_succeed(&after, &last, 8 * S);
	meter = &last.meter[BWCTL_EGRESS];
	assert_int_equal(meter->slow_until_ns, 10 * S);
	assert_in_range((double)meter->rate_bits_s * (double)meter->cost_multiplier /
				(double)meter->slow_multiplier,
			part * 50e6 - 100, part * 50e6 + 1);

	/* Over when it is over; and a longer burst holds back nothing. */
	derive_policy(&last, 0, 20 * MBIT);
	policy_succeed(&after, &last, 9 * S);
	assert_int_equal(policy_held_rate(&last.meter[BWCTL_EGRESS], 9 * S, &until_ns),
			 last.meter[BWCTL_EGRESS].rate_bits_s);
	derive_policy(&after, 0, 50 * MBIT);
	policy_succeed(&after, &before, 20 * S);
	assert_int_equal(policy_held_rate(&before.meter[BWCTL_EGRESS], 20 * S, &until_ns),
			 before.meter[BWCTL_EGRESS].rate_bits_s);

	/* A long window counts on behind a policy that is slower still and has a short one. */
	derive_policy(&before, 0, 50 * MBIT);
	before.promise[BWCTL_EGRESS].window_ns = 60 * S;
	derived.request.burst_ns = 1500 * MS;
	assert_true(derive(&derived));
	derive_policy(&after, 0, 50 * MBIT);
	after.meter[BWCTL_EGRESS] = derived.meter;
	policy_succeed(&before, &after, 100 * S);
	derive_policy(&last, 0, 50 * MBIT);
	policy_succeed(&after, &last, 101 * S);
	assert_int_equal(last.meter[BWCTL_EGRESS].slow_until_ns, 160 * S);
	assert_true(policy_held_rate(&last.meter[BWCTL_EGRESS], 110 * S, &until_ns) <=
		    derived.meter.rate_bits_s + 1);
}

/* One direction as it is enforced, in the policy of a limiter. */
static void enforce(struct bwctl_policy *policy, uint64_t limit, bool paces)
{
	char why[LOG_TEXT];

	memset(policy, 0, sizeof(*policy));
	policy->possible_cpus = 2;
	policy->asked.request[BWCTL_EGRESS].limit_bits_s = limit;
	policy->enforcement[BWCTL_INGRESS].mode = BWCTL_MODE_POLICE;
	policy->enforcement[BWCTL_EGRESS].mode = paces ? BWCTL_MODE_PACE : BWCTL_MODE_POLICE;
	policy->enforcement[BWCTL_EGRESS].hold_ifindex = 77;
	assert_int_equal(policy_build(policy, true, why), 0);
}

static void test_build(void **state)
{
	static struct bwctl_policy policy;
	struct derived derived = {.cpus = 2, .leases = true};
	char why[LOG_TEXT] = "";

	(void)state;
	for (int paces = 0; paces < 2; paces++) {
		enforce(&policy, 50 * MBIT, paces);
		derived.request.limit_bits_s = 50 * MBIT;
		derived.paces = paces;
		assert_true(derive(&derived));
		assert_int_equal(policy.meter[BWCTL_EGRESS].hold_ifindex, 77);
		derived.meter.hold_ifindex = 77;
		assert_memory_equal(&policy.meter[BWCTL_EGRESS], &derived.meter,
				    sizeof(derived.meter));
		assert_memory_equal(&policy.promise[BWCTL_EGRESS], &derived.promise,
				    sizeof(derived.promise));
		assert_int_equal(policy.meter[BWCTL_INGRESS].rate_bits_s, 0);
	}
	policy.asked.request[BWCTL_EGRESS].burst_ns = 3600 * S;
	assert_int_equal(policy_build(&policy, true, why), -EINVAL);
	assert_string_equal(why, "egress: a burst of 3600 s does not fit a window of 1 s: "
				 "shorten it or lengthen the window");
}

/* Pacing has a larger part of the limit than policing: that waits as well. */
static void test_held_back_across_modes(void **state)
{
	static struct bwctl_policy policies[3];
	struct bwctl_meter *meter;
	uint64_t until_ns, rate;

	(void)state;
	enforce(&policies[0], 50 * MBIT, false);
	policy_succeed(NULL, &policies[0], S);
	rate = policies[0].meter[BWCTL_EGRESS].rate_bits_s;
	assert_int_equal(policy_held_rate(&policies[0].meter[BWCTL_EGRESS], S, &until_ns), rate);

	/* From police to pace: at the former's part, for the former's window. */
	enforce(&policies[1], 50 * MBIT, true);
	policy_succeed(&policies[0], &policies[1], 10 * S);
	meter = &policies[1].meter[BWCTL_EGRESS];
	assert_true(meter->rate_bits_s > rate);
	assert_in_range(policy_held_rate(meter, 10 * S, &until_ns), rate - 1, rate);
	assert_int_equal(until_ns, 12 * S);
	assert_in_range(policy_held_rate(meter, 12 * S - 1, &until_ns), rate - 1, rate);
	assert_int_equal(policy_held_rate(meter, 12 * S, &until_ns), meter->rate_bits_s);
	assert_int_equal(until_ns, 0);

	/* A lower limit meanwhile: the same part of that. */
	enforce(&policies[2], 5 * MBIT, true);
	policy_succeed(&policies[1], &policies[2], 11 * S);
	meter = &policies[2].meter[BWCTL_EGRESS];
	assert_in_range(policy_held_rate(meter, 11 * S, &until_ns), rate / 10 - 2, rate / 10);
	/* For as long as what waits may go on leaving, and the former's window. */
	assert_int_equal(until_ns,
			 12 * S + policies[1].meter[BWCTL_EGRESS].horizon_ns[BWCTL_LEVEL_RESERVED] +
				 POLICY_DRIFT_NS + POLICY_LATE_NS);

	/* From pace to police: its own part is smaller anyway. */
	enforce(&policies[0], 5 * MBIT, false);
	policy_succeed(&policies[2], &policies[0], 20 * S);
	meter = &policies[0].meter[BWCTL_EGRESS];
	assert_int_equal(policy_held_rate(meter, 20 * S, &until_ns), meter->rate_bits_s);

	/* From pace to pace, the part grows with the limit: where frames are small. */
	enforce(&policies[1], 100 * MBIT, true);
	policy_succeed(&policies[2], &policies[1], 20 * S);
	meter = &policies[1].meter[BWCTL_EGRESS];
	rate = policies[2].meter[BWCTL_EGRESS].rate_bits_s * 20;
	assert_in_range(policy_held_rate(meter, 20 * S, &until_ns), rate - 20, rate + 20);
	assert_int_equal(until_ns,
			 21 * S + policies[2].meter[BWCTL_EGRESS].horizon_ns[BWCTL_LEVEL_RESERVED] +
				 POLICY_DRIFT_NS + POLICY_LATE_NS);
}

static void test_names(void **state)
{
	static const char *const classes[BWCTL_BUILTIN_CLASSES] = {"ui",     "admin", "api",   "ssh",
							   "telnet", "icmp",  "other", "control"};
	static struct bwctl_asked asked;
	int class;

	(void)state;
	policy_default(&asked);
	strcpy(asked.classes[BWCTL_BUILTIN_CLASSES].name, "lab");
	for (class = 0; class < BWCTL_BUILTIN_CLASSES; class ++)
		assert_string_equal(policy_class_name(&asked, class), classes[class]);
	assert_string_equal(policy_class_name(&asked, BWCTL_BUILTIN_CLASSES), "lab");
	assert_string_equal(policy_direction_name(BWCTL_INGRESS), "ingress");
	assert_string_equal(policy_direction_name(BWCTL_EGRESS), "egress");
	assert_string_equal(policy_mode_name(BWCTL_MODE_AUTO), "auto");
	assert_string_equal(policy_mode_name(BWCTL_MODE_PACE), "pace");
	assert_string_equal(policy_mode_name(BWCTL_MODE_POLICE), "police");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_defaults_of_pacing),
		cmocka_unit_test(test_frame_may_leave_at_once),
		cmocka_unit_test(test_horizon_ends_in_time),
		cmocka_unit_test(test_mark_before_drop),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_known_policies),
		cmocka_unit_test(test_unlimited),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_monotonic),
		cmocka_unit_test(test_succeed),
		cmocka_unit_test(test_held_back),
		cmocka_unit_test(test_build),
		cmocka_unit_test(test_drifts),
		cmocka_unit_test(test_held_back_across_modes),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
