/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * bpf/meter.h, compiled natively, on invented clocks: what the clock promises
 * for every limit, burst, window, packet and order of arrival, judged by the
 * referee's arithmetic (windows.h) on the packets that passed, at the moment at
 * which they left: where packets wait, that is their slot, or a little later. Then the same
 * on one real clock, with real threads. Knows no kernel and no packet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <assert.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bwctl.h"

/* Between a look at the clock and the swap another CPU may come first: here the tests let it. */
static __u64 swap(__u64 *clock_ns, __u64 seen_ns, __u64 next_ns);

#define __sync_val_compare_and_swap(clock_ns, seen_ns, next_ns) swap(clock_ns, seen_ns, next_ns)
#include "meter.h"
#undef __sync_val_compare_and_swap

#include "policy.h"
#include "windows.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define S	     1000000000ULL
#define MS	     1000000ULL
#define CENTURY_NS   (36500 * 86400ULL * S)
#define RUN_CPUS     64
#define RUN_FRAMES   400000
#define MAX_CHANGES  12
#define GUARD_NS     (10 * MS) /* PACE_GUARD_NS of bpf/pace.h */
#define LATE_NS	     POLICY_LATE_NS
#define SETTLE_NS    (100 * MS) /* what pacing has scheduled at an old limit may take this long */

typedef unsigned __int128 wide;

/* One direction of one limiter, and all that passed it. */
struct run {
	struct bwctl_meter meter;
	struct bwctl_promise promise;
	struct bwctl_request request;
	uint64_t generation;
	struct bwctl_clock clock;
	struct bwctl_lease leases[RUN_CPUS];
	uint32_t cpus;
	uint64_t begin_ns, now_ns;
	uint64_t typical_bytes; /* so that the window fills with a number of packets that is fun */
	uint64_t largest_bytes;
	uint64_t offered;
	size_t count;
	bool sorted;
	bool is_late;	    /* the queue lets packets go late, and senders want them later */
	bool is_lost;	    /* the queue is gone, and what was in it */
	uint64_t latest_ns; /* departure of any */
	uint64_t slot_ns, waited_ns; /* of the last packet that passed */
};

static struct windows_frame frames[RUN_FRAMES];

static uint64_t random_state = 0x9e3779b97f4a7c15;

/* xorshift64 (Marsaglia 2003): the same on every machine. */
static uint64_t random_below(uint64_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % bound;
}

/* As likely between 1 and 2 as between 1000 and 2000. */
static uint64_t random_scale(uint64_t min, uint64_t max)
{
	unsigned int doublings = 0;
	uint64_t value;

	while (min << doublings < max)
		doublings++;
	value = min << random_below(doublings + 1);
	value += random_below(value);
	return value > max ? max : value;
}

static uint64_t clip(uint64_t value, uint64_t min, uint64_t max)
{
	return value < min ? min : value > max ? max : value;
}

static struct run *raced; /* NULL: nobody comes between */
static uint32_t raced_cpu;
static uint64_t races;

static uint64_t restless; /* how many swaps more are lost to another CPU, for certain */

static void come_first(void);

static __u64 swap(__u64 *clock_ns, __u64 seen_ns, __u64 next_ns)
{
	if (raced)
		come_first();
	if (restless) {
		restless--;
		++*clock_ns;
	}
	return __sync_val_compare_and_swap(clock_ns, seen_ns, next_ns);
}

static bool paces(const struct run *run)
{
	return run->meter.horizon_ns[0];
}

static bool may_wait(const struct run *run)
{
	return paces(run) && !run->is_lost;
}

static const char *level_name(uint32_t level)
{
	static const char *const names[BWCTL_LEVELS] = {"low", "normal", "high", "control",
							"reserved"};

	return names[level];
}

/* When a packet leaves, as bpf/pace.h has it: at its slot, and behind the last that waits. */
static uint64_t depart_ns(const struct run *run, struct bwctl_hold *hold, uint64_t slot_ns,
			  uint64_t leave_ns, uint64_t now_ns)
{
	uint64_t held_ns = 0;

	if (hold->generation == run->generation)
		held_ns = hold->until_ns;
	if (slot_ns > now_ns) {
		leave_ns = clip(held_ns, leave_ns, slot_ns);
		if (leave_ns > held_ns) {
			hold->until_ns = leave_ns;
			hold->generation = run->generation;
		}
		return leave_ns;
	}
	if (held_ns && held_ns + GUARD_NS <= now_ns)
		hold->until_ns = 0;
	return held_ns > now_ns ? held_ns : now_ns;
}

/* What may jump the queue does, and keeps its order among its own. */
static uint64_t leave_at(struct run *run, uint32_t level, uint64_t bytes, uint64_t slot_ns,
			 uint64_t now_ns)
{
	bool is_high = level >= BWCTL_LEVEL_HIGH;
	uint64_t leave_ns = slot_ns;
	struct meter_work work;

	if (is_high && slot_ns > now_ns)
		leave_ns = meter_jump(&work, &run->meter, bytes, slot_ns, now_ns,
				      &run->clock.jumped_until_ns);
	return depart_ns(run, is_high ? &run->clock.high_held : &run->clock.held, slot_ns, leave_ns,
			 now_ns);
}

/* A packet's way through the meter, as the programs have it. */
static bool offer_at(struct run *run, uint32_t cpu, uint32_t level, uint64_t bytes, uint64_t now_ns)
{
	struct bwctl_lease *lease = &run->leases[cpu];
	uint32_t outer_cpu = raced_cpu;
	bool passed = true;

	uint64_t at_ns = now_ns;
	__u64 slot_ns = 0;

	run->offered++;
	raced_cpu = cpu;
	if (run->meter.rate_bits_s && !meter_spend_lease(lease, run->generation, bytes))
		passed = meter_admit(&run->meter, run->generation, level, bytes,
				     run->clock.spent_until_ns, now_ns, &run->clock.spent_until_ns,
				     lease, may_wait(run) ? &slot_ns : NULL) == METER_PASS;
	raced_cpu = outer_cpu;
	if (!passed)
		return false;
	if (run->meter.rate_bits_s && may_wait(run))
		at_ns = leave_at(run, level, bytes, slot_ns, now_ns);
	run->slot_ns = slot_ns;
	run->waited_ns = at_ns - now_ns;
	/* At each extreme more often than between: that is where windows begin and end. */
	if (run->is_late && may_wait(run) && at_ns > now_ns && random_below(4))
		at_ns += random_below(3) ? LATE_NS + run->meter.drift_ns :
					   random_below(LATE_NS + run->meter.drift_ns + 1);
	run->latest_ns = meter_max(run->latest_ns, at_ns);
	assert_true(run->count < RUN_FRAMES);
	frames[run->count].at_ns = (int64_t)(at_ns - run->begin_ns);
	frames[run->count].length_bytes = bytes;
	if (run->count && frames[run->count - 1].at_ns > frames[run->count].at_ns)
		run->sorted = false;
	run->count++;
	return true;
}

static bool offer(struct run *run, uint32_t cpu, uint32_t level, uint64_t bytes)
{
	return offer_at(run, cpu, level, bytes, run->now_ns);
}

static uint64_t random_bytes(const struct run *run)
{
	static const uint64_t sizes[] = {
		1, 60, 64, 576, 1514, 1538, 1770, 65536, METER_MAX_BYTES - 1, METER_MAX_BYTES};
	uint64_t bytes = run->typical_bytes;

	switch (random_below(8)) {
	case 0:
		bytes = sizes[random_below(COUNT(sizes))];
		break;
	case 1:
		bytes = random_scale(1, METER_MAX_BYTES);
		break;
	case 2:
		bytes = run->largest_bytes;
		break;
	case 3:
		bytes = 1 + random_below(2 * run->typical_bytes);
		break;
	}
	return clip(bytes, 1, run->largest_bytes);
}

/* One in four swaps is lost, some to several others in a row. Their clocks may be a little off. */
static void come_first(void)
{
	struct run *run = raced;
	uint32_t cpu = (uint32_t)random_below(run->cpus);

	if (run->cpus == 1 || cpu == raced_cpu || random_below(4))
		return;
	if (random_below(4))
		raced = NULL; /* else the other one is come before in its turn */
	races++;
	offer_at(run, cpu, (uint32_t)random_below(BWCTL_LEVELS), random_bytes(run),
		 run->now_ns + random_below(200));
	raced = run;
}

static uint64_t window_bytes(const struct run *run)
{
	return (uint64_t)((wide)run->request.limit_bits_s * run->promise.window_ns / 8 / S);
}

static struct bwctl_request random_request(void)
{
	static const uint64_t edges[] = {UNITS_RATE_MIN_BITS_S, 64000, UNITS_RATE_MAX_BITS_S};
	struct bwctl_request request = {0};

	request.limit_bits_s = random_below(8) ? random_scale(64000, UNITS_RATE_MAX_BITS_S) :
						 edges[random_below(COUNT(edges))];
	if (random_below(2))
		request.window_ns = random_scale(POLICY_WINDOW_MIN_NS, 20 * S);
	if (random_below(3) == 0)
		request.burst_ns = random_scale(1, S);
	else if (random_below(2) == 0)
		request.burst_bytes = random_scale(1, request.limit_bits_s / 8);
	if (random_below(2))
		request.horizon_ns = random_scale(POLICY_HORIZON_MIN_NS, POLICY_HORIZON_MAX_NS);
	return request;
}

/* An empty limiter under a policy that can be derived. */
static void begin_as(struct run *run, const struct bwctl_request *request, bool pacing)
{
	static const uint32_t cpus[] = {1, 2, 3, 8, RUN_CPUS};
	bool leases = random_below(4);
	char why[UNITS_TEXT];

	memset(run, 0, sizeof(*run));
	run->cpus = cpus[random_below(COUNT(cpus))];
	do
		run->request = request ? *request : random_request();
	while (policy_derive(&run->request, pacing, run->cpus, leases, &run->meter, &run->promise,
			     why));
	run->sorted = true;
	run->generation = 1;
	run->begin_ns = random_below(8) ? random_scale(1, CENTURY_NS) : random_below(2);
	run->now_ns = run->begin_ns;
	run->meter.start_ns = run->begin_ns;
	run->clock.spent_until_ns = random_below(2) ? 0 : random_below(run->begin_ns + 1);
	run->largest_bytes = METER_MAX_BYTES;
	run->typical_bytes = clip(window_bytes(run) / random_scale(20, 8000), 60, METER_MAX_BYTES);
}

static void begin(struct run *run, const struct bwctl_request *request)
{
	begin_as(run, request, false);
}

/* How long until such a packet passes, if nobody else comes. UINT64_MAX: it never does. */
static uint64_t wait_ns(const struct run *run, uint32_t cpu, uint32_t level, uint64_t bytes)
{
	const struct bwctl_lease *lease = &run->leases[cpu];
	uint64_t have = lease->generation == run->generation ? lease->bytes : 0;
	uint64_t cost_ns, excess_ns, need_ns, latest_ns, ahead_ns, back_ns;

	if (bytes <= have || !run->meter.rate_bits_s)
		return 0;
	cost_ns = meter_cost_ns(&run->meter, bytes - have);
	excess_ns = cost_ns > run->meter.overshoot_ns ? cost_ns - run->meter.overshoot_ns : 0;
	ahead_ns = may_wait(run) ? 0 : run->meter.room_ns;
	back_ns = run->meter.headroom_ns[BWCTL_LEVEL_RESERVED] - run->meter.headroom_ns[level];
	if (run->meter.room_ns < run->meter.headroom_ns[BWCTL_LEVEL_RESERVED])
		back_ns = clip(back_ns, 0, run->meter.burst_ns);
	if (may_wait(run))
		back_ns = 0;
	if (excess_ns + back_ns > run->meter.credit_ns + ahead_ns)
		return UINT64_MAX;
	need_ns = meter_max(run->clock.spent_until_ns, run->meter.start_ns) + excess_ns;
	if (may_wait(run)) {
		need_ns -= excess_ns;
		ahead_ns = run->meter.horizon_ns[level];
	}
	latest_ns = run->now_ns + ahead_ns - back_ns;
	return need_ns > latest_ns ? need_ns - latest_ns : 0;
}

/* Packets that each come at the very moment they may pass: nobody can be greedier. */
static void play_greedy(struct run *run, uint64_t packets, uint32_t level, uint64_t until_ns)
{
	while (packets--) {
		uint32_t cpu = (uint32_t)random_below(run->cpus);
		uint64_t bytes = random_bytes(run);
		uint64_t wait = wait_ns(run, cpu, level, bytes);

		if (wait == UINT64_MAX || run->now_ns + wait > until_ns)
			continue;
		run->now_ns += wait;
		offer(run, cpu, level, bytes);
	}
}

/* Packets at their own pace, as a multiple of the rate. */
static void play_blind(struct run *run, uint64_t packets, uint64_t times, uint32_t together)
{
	while (packets--) {
		uint64_t bytes = random_bytes(run), all = 0;
		uint32_t n;

		for (n = 0; n < together; n++) {
			all += bytes;
			offer(run, (uint32_t)random_below(run->cpus),
			      (uint32_t)random_below(BWCTL_LEVELS), bytes);
		}
		run->now_ns += (uint64_t)((wide)all * 8 * S / (run->meter.rate_bits_s + 1) / times);
	}
}

static void play(struct run *run, uint64_t offers)
{
	uint64_t end = run->offered + offers;

	while (run->offered < end) {
		switch (random_below(6)) {
		case 0:
			run->now_ns += random_scale(1, 3 * run->promise.window_ns);
			break;
		case 1:
			play_blind(run, 1 + random_below(20), 1, 1 + (uint32_t)random_below(40));
			break;
		case 2:
			play_blind(run, 1 + random_below(2000), random_scale(1, 100), 1);
			break;
		case 3:
			play_greedy(run, 1 + random_below(2000), BWCTL_LEVEL_NORMAL, UINT64_MAX);
			break;
		case 4:
			play_greedy(run, 1 + random_below(2000), BWCTL_LEVEL_CONTROL, UINT64_MAX);
			break;
		case 5: /* every class in turn, for the edges between them */
			play_greedy(run, 1 + random_below(200),
				    (uint32_t)random_below(BWCTL_LEVELS), UINT64_MAX);
			break;
		}
		run->offered++;
	}
}

static void describe(const struct run *run)
{
	print_message(
		"# %s%s%s, limit %llu window %llu burst %llu ns %llu bytes, %u cpus, lease %u: "
		"r %llu burst_ns %llu overshoot_ns %llu headroom_ns %llu, %zu frames\n",
		paces(run) ? "pace" : "police", run->is_late ? ", late" : "",
		run->is_lost ? ", lost" : "", (unsigned long long)run->request.limit_bits_s,
		(unsigned long long)run->promise.window_ns,
		(unsigned long long)run->request.burst_ns,
		(unsigned long long)run->request.burst_bytes, run->cpus, run->meter.lease_bytes,
		(unsigned long long)run->meter.rate_bits_s, (unsigned long long)run->meter.burst_ns,
		(unsigned long long)run->meter.overshoot_ns,
		(unsigned long long)run->meter.headroom_ns[BWCTL_LEVEL_RESERVED], run->count);
}

static void check_window(const struct run *run, const struct windows_window *worst)
{
	if (!windows_over(worst))
		return;
	describe(run);
	fail_msg("window of %lld ns from %lld: %llu bytes, %.0f allowed (%.6f)",
		 (long long)worst->length_ns, (long long)worst->from_ns,
		 (unsigned long long)worst->bytes,
		 (double)worst->limit_bits_s * (double)worst->length_ns / 8e9,
		 windows_ratio(worst));
}

static void sort_frames(struct run *run)
{
	if (!run->sorted)
		qsort(frames, run->count, sizeof(*frames), windows_compare_frames);
	run->sorted = true;
}

/* An empty bucket at the start: no more than r * T + B less the burst, at any size of packet. */
static void check_start(const struct run *run)
{
	wide most = (wide)(run->promise.bound_bytes - run->promise.burst_bytes) * 8 * S;
	wide passed = 0;
	size_t n;

	for (n = 0; n < run->count; n++) {
		passed += (wide)frames[n].length_bytes * 8 * S;
		if (passed > most + (wide)run->meter.rate_bits_s * (uint64_t)frames[n].at_ns) {
			describe(run);
			fail_msg("%llu bytes in the first %lld ns",
				 (unsigned long long)(passed / 8 / S), (long long)frames[n].at_ns);
		}
	}
}

static double check_bound(struct run *run)
{
	struct windows_window worst, longer;
	uint64_t bound, promised = run->promise.bound_bytes;

	/* What is in the bound for being late is not used by what is on time. */
	if (paces(run) && !run->is_late)
		promised -= (uint64_t)((wide)run->meter.rate_bits_s *
				       (LATE_NS + run->meter.drift_ns) / 8 / S);
	sort_frames(run);
	check_start(run);
	windows_worst(frames, run->count, (int64_t)run->promise.window_ns,
		      run->request.limit_bits_s, &worst);
	check_window(run, &worst);
	windows_worst_longer(frames, run->count, (int64_t)run->promise.window_ns,
			     run->request.limit_bits_s, &longer);
	check_window(run, &longer);
	if (meter_cost_ns(&run->meter, run->largest_bytes) <= run->meter.overshoot_ns) {
		bound = windows_smallest_bound(frames, run->count, run->meter.rate_bits_s);
		if (bound > promised) {
			describe(run);
			fail_msg("bound %llu, promised %llu", (unsigned long long)bound,
				 (unsigned long long)promised);
		}
	}
	return windows_ratio(&worst);
}

static void check_cost(const struct bwctl_meter *meter, uint64_t bytes)
{
	wide exact = (wide)bytes * 8 * S; /* in nanoseconds times the rate */
	wide cost = (wide)meter_cost_ns(meter, bytes) * meter->rate_bits_s;

	if (cost < exact || cost > exact + meter->rate_bits_s + (exact >> 40))
		fail_msg("%llu bytes at %llu bit/s cost %llu ns", (unsigned long long)bytes,
			 (unsigned long long)meter->rate_bits_s,
			 (unsigned long long)meter_cost_ns(meter, bytes));
}

static void test_cost(void **state)
{
	static const uint64_t sizes[] = {0,
					 1,
					 2,
					 60,
					 64,
					 1514,
					 65536,
					 METER_MAX_BYTES - 1,
					 METER_MAX_BYTES,
					 METER_MAX_BYTES + 65536};
	struct run run;
	size_t m;
	int n;

	(void)state;
	for (n = 0; n < 20000; n++) {
		begin_as(&run, NULL, n % 2);
		for (m = 0; m < COUNT(sizes); m++)
			check_cost(&run.meter, sizes[m]);
		for (m = 0; m < 20; m++)
			check_cost(&run.meter, random_scale(1, METER_MAX_BYTES));
	}
}

static void test_bound(void **state)
{
	struct run run;
	double highest = 0;
	int n;

	(void)state;
	for (n = 0; n < 240; n++) {
		begin(&run, NULL);
		if (random_below(2)) /* none is larger than what may overshoot */
			run.largest_bytes = clip((uint64_t)((wide)run.meter.overshoot_ns *
							    run.meter.rate_bits_s / 8 / S),
						 1, METER_MAX_BYTES);
		raced = random_below(2) ? &run : NULL;
		play(&run, 12000);
		raced = NULL;
		highest = highest > check_bound(&run) ? highest : check_bound(&run);
	}
	assert_true(races > 10000);
	assert_true(highest > 0.99); /* or none of this has tried hard */
}

/*
 * All of the bound at once: every CPU has a lease, the bucket is full, and the
 * window ends with the most favoured class and the largest packet. It must fit,
 * and it must come near: what is reserved is reserved for something.
 */
static void test_bound_is_used(void **state)
{
	static const uint64_t limits[] = {8000,	      64000,	   1000000,	20000000,
					  1000000000, 40000000000, 400000000000};
	struct bwctl_request request = {0};
	struct run run;
	uint64_t end_ns, last_bytes;
	uint32_t cpu;
	size_t n;

	(void)state;
	for (n = 0; n < 20 * COUNT(limits); n++) {
		request.limit_bits_s = limits[n % COUNT(limits)];
		request.window_ns = request.limit_bits_s > S ? POLICY_WINDOW_MIN_NS : 0;
		request.burst_ns = request.limit_bits_s > S ? 10 * MS : 0;
		begin(&run, &request);
		last_bytes = clip(
			(uint64_t)((wide)run.meter.overshoot_ns * run.meter.rate_bits_s / 8 / S), 1,
			METER_MAX_BYTES);
		run.largest_bytes = last_bytes;
		run.typical_bytes = clip(window_bytes(&run) / 20000, 1, last_bytes);
		for (cpu = 0; cpu < run.cpus; cpu++) {
			run.now_ns += 4 * run.promise.window_ns;
			offer(&run, cpu, BWCTL_LEVEL_NORMAL, 1);
		}
		run.now_ns += 4 * run.promise.window_ns;
		end_ns = run.now_ns + run.promise.window_ns;
		for (cpu = 0; cpu < run.cpus; cpu++)
			if (run.leases[cpu].bytes)
				offer(&run, cpu, BWCTL_LEVEL_NORMAL, run.leases[cpu].bytes);
		while (wait_ns(&run, 0, BWCTL_LEVEL_CONTROL, run.typical_bytes) + run.now_ns <
		       end_ns) {
			run.now_ns += wait_ns(&run, 0, BWCTL_LEVEL_CONTROL, run.typical_bytes);
			assert_true(offer(&run, 0, BWCTL_LEVEL_CONTROL, run.typical_bytes));
		}
		run.now_ns = end_ns;
		offer(&run, 0, BWCTL_LEVEL_CONTROL, last_bytes);
		/* Six frames of a hundred are set aside for a lowering: see user/policy.h. */
		if (check_bound(&run) < (request.limit_bits_s < 10000000 ? 0.91 : 0.99)) {
			describe(&run);
			fail_msg("worst window %.6f of the limit", check_bound(&run));
		}
	}
}

/*
 * A flood at several times the rate, some packets at a time, until enough have
 * passed. What is bought must be 0.999 of the rate, whoever has it yet to spend.
 */
static void check_flood(struct run *run, uint64_t bytes, uint64_t times, uint32_t together)
{
	wide apart = (wide)together * bytes * 8 * S / times; /* in nanoseconds times the rate */
	uint64_t apart_ns = (uint64_t)(apart / run->meter.rate_bits_s) + 1;
	uint64_t bought = 0, rounds = 0, until_ns;
	uint32_t n;

	/* A bucket that overflows between two batches is no waste of the meter's. */
	if (run->meter.burst_ns + run->meter.horizon_ns[0] / 2 <
	    2 * apart_ns + meter_cost_ns(&run->meter, bytes))
		return;
	/* Where a CPU may hold nothing, each packet's cost is rounded up by itself. */
	if (!run->meter.lot_bytes && meter_cost_ns(&run->meter, bytes) < 1000)
		return;
	while (run->count < 40000) {
		run->now_ns = run->begin_ns + (uint64_t)(apart * rounds++ / run->meter.rate_bits_s);
		for (n = 0; n < together; n++)
			if (offer(run, (uint32_t)random_below(run->cpus), BWCTL_LEVEL_NORMAL,
				  bytes))
				bought += bytes;
		assert_true(rounds < 10000000);
	}
	for (n = 0; n < run->cpus; n++)
		bought += run->leases[n].bytes;
	/* What waits has been bought for the time until the clock. */
	until_ns = paces(run) ? meter_max(run->now_ns, run->clock.spent_until_ns) : run->now_ns;
	if ((wide)(bought + bytes) * 8 * S * 1000 <
	    (wide)999 * run->meter.rate_bits_s * (until_ns - run->begin_ns)) {
		describe(run);
		fail_msg("packets of %llu bytes, %u together, get %.6f of r",
			 (unsigned long long)bytes, together,
			 (double)bought * 8e9 / (double)run->meter.rate_bits_s /
				 (double)(until_ns - run->begin_ns));
	}
	check_bound(run);
}

static void test_flood_gets_the_rate(void **state)
{
	struct run run;
	int n;

	(void)state;
	for (n = 0; n < 200; n++) {
		begin_as(&run, NULL, n >= 100);
		check_flood(&run, n % 2 ? 1514 : 60 + random_below(1455), 2 + random_below(8), 1);
	}
}

/* As from a NIC: the clock falls behind now between one batch and the next. */
static void test_batches_get_the_rate(void **state)
{
	struct run run;
	int n;

	(void)state;
	for (n = 0; n < 200; n++) {
		begin_as(&run, NULL, n >= 100);
		check_flood(&run, n % 2 ? 1514 : 60 + random_below(1455), 2 + random_below(2), 64);
	}
}

/* Whatever went before, after enough idle time whatever fits the window passes. */
static void test_no_size_starves(void **state)
{
	uint64_t bytes, most;
	struct run run;
	int n, m;

	(void)state;
	for (n = 0; n < 400; n++) {
		begin(&run, NULL);
		most = (uint64_t)((wide)run.meter.rate_bits_s * run.promise.window_ns / 8 / S);
		most = clip(most, 1, METER_MAX_BYTES);
		play(&run, 200);
		for (m = 0; m < 8; m++) {
			bytes = m ? random_scale(1, most) : most;
			run.now_ns = meter_max(run.now_ns, run.clock.spent_until_ns) +
				     run.promise.window_ns + run.meter.burst_ns;
			assert_false(offer(&run, 0, BWCTL_LEVEL_CONTROL, METER_MAX_BYTES + 1 + m));
			if (!offer(&run, (uint32_t)random_below(run.cpus), BWCTL_LEVEL_NORMAL,
				   bytes)) {
				describe(&run);
				fail_msg("%llu bytes never pass", (unsigned long long)bytes);
			}
		}
		check_bound(&run);
	}
}

/* The refused share of a sparse class under floods of others, in percent. */
static unsigned int refused_percent(struct run *run, uint32_t level, const uint32_t *floods,
				    size_t flood_count, uint64_t flood_bytes)
{
	uint64_t frame_ns = meter_cost_ns(&run->meter, 1514), refused = 0, sent = 0, last_ns;
	size_t n;

	/* Until the burst is spent; the flood then has the whole rate. */
	run->now_ns += run->promise.window_ns;
	while (offer(run, 0, floods[0], flood_bytes))
		;
	last_ns = run->now_ns;
	while (sent < 300) {
		run->now_ns += 1 + random_below(frame_ns);
		for (n = 0; n < flood_count; n++)
			while (offer(run, (uint32_t)random_below(run->cpus), floods[n],
				     flood_bytes))
				;
		if (run->now_ns - last_ns < 20 * frame_ns)
			continue;
		last_ns = run->now_ns;
		sent++;
		refused += !offer(run, (uint32_t)random_below(run->cpus), level,
				  60 + random_below(1455));
	}
	return (unsigned int)(refused * 100 / sent);
}

static void test_priority(void **state)
{
	static const uint32_t favoured[] = {BWCTL_LEVEL_HIGH, BWCTL_LEVEL_HIGH, BWCTL_LEVEL_HIGH,
					    BWCTL_LEVEL_CONTROL};
	static const uint32_t plain[] = {BWCTL_LEVEL_NORMAL, BWCTL_LEVEL_NORMAL, BWCTL_LEVEL_NORMAL,
					 BWCTL_LEVEL_NORMAL};
	static const uint32_t all[] = {BWCTL_LEVEL_NORMAL, BWCTL_LEVEL_HIGH, BWCTL_LEVEL_HIGH,
				       BWCTL_LEVEL_HIGH};
	struct bwctl_request request = {0};
	struct run run;
	size_t n;

	(void)state;
	for (n = 0; n < 40; n++) {
		request.limit_bits_s = random_scale(8000, 40000000000);
		request.burst_ns = 10 * MS;
		begin(&run, &request);
		run.cpus = 1; /* the CPU whose lease the flood has spent */
		assert_int_equal(refused_percent(&run, favoured[n % COUNT(favoured)], plain,
						 COUNT(plain), 1514),
				 0);
		check_bound(&run);

		begin(&run, &request);
		run.cpus = 1;
		assert_int_equal(refused_percent(&run, BWCTL_LEVEL_CONTROL, all, COUNT(all), 1514),
				 0);
		check_bound(&run);

		/* The plain classes have nothing before each other. */
		begin(&run, &request);
		run.cpus = 1;
		assert_true(refused_percent(&run, BWCTL_LEVEL_NORMAL, plain, COUNT(plain), 600) >
			    50);

		/* Nor does a flood of super-packets, as large as pass without waiting, keep them out. */
		begin(&run, &request);
		run.cpus = 1;
		run.largest_bytes = clip(window_bytes(&run) / 200, 1514, 65536);
		assert_int_equal(refused_percent(&run, BWCTL_LEVEL_HIGH, plain, COUNT(plain),
						 run.largest_bytes),
				 0);
	}
}

/* The largest packet that leaves at its slot without more ado. */
static uint64_t overshoot_bytes(const struct run *run)
{
	return clip((uint64_t)((wide)run->meter.overshoot_ns * run->meter.rate_bits_s / 8 / S), 1,
		    METER_MAX_BYTES);
}

static void pace_bound(int runs, bool is_late, bool any_size)
{
	double highest = 0;
	struct run run;
	int n;

	for (n = 0; n < runs; n++) {
		begin_as(&run, NULL, true);
		run.is_late = is_late;
		if (!any_size)
			run.largest_bytes = overshoot_bytes(&run);
		raced = random_below(2) ? &run : NULL;
		play(&run, 12000);
		raced = NULL;
		highest = highest > check_bound(&run) ? highest : check_bound(&run);
	}
	assert_true(highest > 0.97);
}

/* What leaves in any window, at its slot: r * (T + burst + overshoot) and the leases. */
static void test_pace_bound(void **state)
{
	(void)state;
	pace_bound(100, false, false);
}

/* As late as the queue may be and as its sender may want it: that is in B. */
static void test_pace_bound_late(void **state)
{
	(void)state;
	pace_bound(100, true, false);
}

/* Packets of any size, up to those that do not fit the window. */
static void test_pace_bound_any_size(void **state)
{
	(void)state;
	pace_bound(100, false, true);
	pace_bound(50, true, true);
}

/*
 * One super-packet that costs half the window, then a flood of frames behind it:
 * what the large one waited before it left is not in the window that begins there.
 */
static void test_pace_large_then_small(void **state)
{
	struct bwctl_request request = {.limit_bits_s = 1000000};
	struct run run;

	(void)state;
	begin_as(&run, &request, true);
	run.now_ns += 4 * run.promise.window_ns;
	assert_true(offer(&run, 0, BWCTL_LEVEL_NORMAL, 65536));
	run.largest_bytes = run.typical_bytes = 1000;
	play_greedy(&run, 1000, BWCTL_LEVEL_NORMAL, run.now_ns + 4 * run.promise.window_ns);
	run.largest_bytes = 65536;
	check_bound(&run);
}

/* What does not fit the window never leaves, however long it would wait. */
static void test_pace_too_large(void **state)
{
	struct bwctl_request request = {.limit_bits_s = 1000000};
	struct run run;

	(void)state;
	begin_as(&run, &request, true);
	run.now_ns += 4 * run.promise.window_ns;
	run.largest_bytes = 2 * window_bytes(&run);
	offer(&run, 0, BWCTL_LEVEL_NORMAL, run.largest_bytes);
	check_bound(&run);
}

/* Full-size frames in no hurry are all there is, and they get r; nearly all of the limit. */
static void test_pace_bound_is_used(void **state)
{
	static const uint64_t limits[] = {1000000, 20000000, 1000000000, 40000000000};
	struct bwctl_request request = {0};
	struct run run;
	uint64_t end_ns;
	size_t n;

	(void)state;
	for (n = 0; n < 10 * COUNT(limits); n++) {
		request.limit_bits_s = limits[n % COUNT(limits)];
		begin_as(&run, &request, true);
		run.is_late = n % 2;
		run.largest_bytes = overshoot_bytes(&run);
		run.typical_bytes = clip(window_bytes(&run) / 10000, 60, run.largest_bytes);
		run.now_ns += 4 * run.promise.window_ns;
		end_ns = run.now_ns + 2 * run.promise.window_ns;
		play_greedy(&run, 40000, BWCTL_LEVEL_NORMAL, end_ns);
		if (check_bound(&run) < (request.limit_bits_s < 10000000 ? 0.96 : 0.985)) {
			describe(&run);
			fail_msg("worst window %.6f of the limit", check_bound(&run));
		}
	}
}

/* Slots are in the order of the clock, and nothing leaves before what came before it. */
static void test_pace_order(void **state)
{
	uint64_t slot_ns[2], left_ns[2], moves = 0;
	struct run run;
	int n, m;

	(void)state;
	for (n = 0; n < 200; n++) {
		begin_as(&run, NULL, true);
		memset(slot_ns, 0, sizeof(slot_ns));
		memset(left_ns, 0, sizeof(left_ns));
		for (m = 0; m < 2000; m++) {
			uint32_t level = (uint32_t)random_below(BWCTL_LEVELS);
			bool high = level >= BWCTL_LEVEL_HIGH;

			if (!random_below(4))
				run.now_ns += random_scale(1, meter_cost_ns(&run.meter,
									    2 * run.typical_bytes));
			if (!random_below(500))
				run.now_ns += random_scale(1, run.promise.window_ns);
			if (!offer(&run, (uint32_t)random_below(run.cpus), level,
				   random_bytes(&run)))
				continue;
			if (run.slot_ns && run.slot_ns < slot_ns[high])
				fail_msg("a slot %llu ns before the last",
					 (unsigned long long)(slot_ns[high] - run.slot_ns));
			if (run.now_ns + run.waited_ns < left_ns[high])
				fail_msg("one overtakes by %llu ns",
					 (unsigned long long)(left_ns[high] - run.now_ns -
							      run.waited_ns));
			moves += run.waited_ns > 0;
			slot_ns[high] = meter_max(slot_ns[high], run.slot_ns);
			left_ns[high] = run.now_ns + run.waited_ns;
		}
	}
	assert_true(moves > 10000);
}

/* Until one is refused; the longest wait of those that passed, if none had jumped the queue. */
static uint64_t fill(struct run *run, uint32_t level, uint64_t bytes, uint64_t *ret_count)
{
	uint64_t longest_ns = 0;

	*ret_count = 0;
	while (offer(run, 0, level, bytes)) {
		longest_ns = meter_max(longest_ns, meter_before(run->slot_ns, run->now_ns));
		++*ret_count;
	}
	return longest_ns;
}

/* None waits longer than the horizon of its class and its own excess; all of it can be used. */
static void test_pace_horizon(void **state)
{
	static const uint32_t order[] = {BWCTL_LEVEL_NORMAL, BWCTL_LEVEL_HIGH, BWCTL_LEVEL_CONTROL};
	uint64_t bytes, excess_ns, cost_ns, waited_ns, count, horizon_ns;
	struct run run;
	size_t m;
	int n;

	(void)state;
	for (n = 0; n < 400; n++) {
		begin_as(&run, NULL, true);
		if (random_below(2))
			run.now_ns += run.promise.window_ns;
		bytes = clip(window_bytes(&run) / random_scale(200, 8000), 1,
			     overshoot_bytes(&run));
		cost_ns = meter_cost_ns(&run.meter, meter_max(bytes, run.meter.lot_bytes));
		excess_ns = cost_ns > run.meter.overshoot_ns ? cost_ns - run.meter.overshoot_ns : 0;
		for (m = 0; m < COUNT(order); m++) {
			horizon_ns = run.meter.horizon_ns[order[m]];
			if (horizon_ns / cost_ns > RUN_FRAMES / 4)
				break;
			waited_ns = fill(&run, order[m], bytes, &count);
			if (waited_ns > horizon_ns + excess_ns) {
				describe(&run);
				fail_msg("%s waits %llu ns, the horizon is %llu",
					 level_name(order[m]), (unsigned long long)waited_ns,
					 (unsigned long long)horizon_ns);
			}
			/* Leases and lots are bought before the wait. */
			if (count && waited_ns + 2 * cost_ns + 2048 < horizon_ns) {
				describe(&run);
				fail_msg("%s waits %llu ns at most, the horizon is %llu",
					 level_name(order[m]), (unsigned long long)waited_ns,
					 (unsigned long long)horizon_ns);
			}
			if (m == 0 || horizon_ns > run.meter.horizon_ns[order[m - 1]] + 4 * cost_ns)
				assert_true(count > 0);
		}
		check_bound(&run);
	}
}

/* Whatever fits the window is let in when there is no backlog, and behind a flood with the others. */
static void test_pace_no_size_starves(void **state)
{
	struct bwctl_request request = {.limit_bits_s = 1000000};
	uint64_t bytes, most, large, small, passed;
	struct run run;
	int n, m;

	(void)state;
	for (n = 0; n < 200; n++) {
		begin_as(&run, NULL, true);
		most = (uint64_t)((wide)run.meter.rate_bits_s * run.promise.window_ns / 8 / S);
		most = clip(most, 1, METER_MAX_BYTES);
		play(&run, 200);
		for (m = 0; m < 8; m++) {
			bytes = m ? random_scale(1, most) : most;
			run.now_ns = meter_max(run.now_ns, run.clock.spent_until_ns);
			assert_false(offer(&run, 0, BWCTL_LEVEL_CONTROL, METER_MAX_BYTES + 1 + m));
			if (!offer(&run, (uint32_t)random_below(run.cpus), BWCTL_LEVEL_NORMAL,
				   bytes)) {
				describe(&run);
				fail_msg("%llu bytes never pass", (unsigned long long)bytes);
			}
		}
	}
	begin_as(&run, &request, true);
	run.cpus = 1;
	for (large = small = passed = 0; passed < 200;) {
		run.now_ns += MS;
		large = offer(&run, 0, BWCTL_LEVEL_NORMAL, 65536);
		small += offer(&run, 0, BWCTL_LEVEL_NORMAL, 1514);
		passed += large;
		if (run.now_ns > run.begin_ns + 2000 * S)
			fail_msg("64 KiB at 1 mbit passed %llu times, small ones %llu",
				 (unsigned long long)passed, (unsigned long long)small);
	}
}

/* The queue is taken away: what has not left is lost, and until it is back all is policed. */
static void test_pace_queue_missing(void **state)
{
	struct run run;
	size_t n, kept;
	int i, m;

	(void)state;
	for (i = 0; i < 200; i++) {
		begin_as(&run, NULL, true);
		run.largest_bytes = overshoot_bytes(&run);
		run.is_late = random_below(4);
		for (m = 0; m < 6; m++) {
			play_greedy(&run, 1 + random_below(3000), BWCTL_LEVEL_CONTROL, UINT64_MAX);
			if (random_below(2))
				run.now_ns += random_below(run.meter.horizon_ns[0]);
			run.is_lost = true;
			for (n = kept = 0; n < run.count; n++)
				if (frames[n].at_ns <= (int64_t)(run.now_ns - run.begin_ns))
					frames[kept++] = frames[n];
			run.count = kept;
			raced = random_below(2) ? &run : NULL;
			if (random_below(2))
				play_greedy(&run, 1 + random_below(3000), BWCTL_LEVEL_CONTROL,
					    UINT64_MAX);
			else
				play(&run, 1 + random_below(2000));
			raced = NULL;
			run.now_ns += random_below(2) ? 1 : random_scale(1, S);
			run.is_lost = false;
			run.generation++;
		}
		run.is_lost = true; /* for the bound */
		sort_frames(&run);
		check_bound(&run);
	}
}

/*
 * The worst there is: no backlog, all that is due in the last moments leaves late
 * and at once, then the queue goes, and the most favoured class is policed.
 */
static void test_pace_queue_missing_at_worst(void **state)
{
	struct bwctl_request request = {.limit_bits_s = 50000000};
	struct run run;
	uint64_t lost_ns;
	size_t n;

	(void)state;
	begin_as(&run, &request, true);
	run.cpus = 1;
	run.largest_bytes = run.typical_bytes = 1000;
	run.now_ns += run.promise.window_ns;
	for (n = 0; n < 2000; n++) {
		run.now_ns = meter_max(run.now_ns + 1000, run.clock.spent_until_ns - 1000);
		offer(&run, 0, BWCTL_LEVEL_NORMAL, 1000);
	}
	lost_ns = run.now_ns - run.begin_ns;
	for (n = 0; n < run.count; n++)
		if (frames[n].at_ns + (int64_t)LATE_NS >= (int64_t)lost_ns)
			frames[n].at_ns = (int64_t)lost_ns;
	run.is_late = run.is_lost = true;
	run.largest_bytes = run.typical_bytes = overshoot_bytes(&run);
	play_greedy(&run, 1000, BWCTL_LEVEL_CONTROL, run.now_ns + 20 * MS);
	check_bound(&run);
}

struct change {
	uint64_t from_ns; /* since the beginning */
	struct bwctl_request request;
	uint64_t window_ns;
	uint64_t waits_ns; /* how long what was let in before may still wait */
};

struct life {
	struct bwctl_policy policies[2];
	struct change changes[MAX_CHANGES];
	size_t count;
	bool leases;
	uint64_t drifts; /* in one of so many policies senders pace themselves; 0: in none */
	bool is_strict;	 /* SETTLE_NS is all there is, where the horizon is no longer */
};

static bool request_paces(const struct bwctl_request *request)
{
	return request->mode == BWCTL_MODE_PACE;
}

static void put_in_force(struct run *run, struct life *life, const struct bwctl_request *request)
{
	struct bwctl_policy *previous = life->count ? &life->policies[life->count % 2] : NULL;
	struct bwctl_policy *next = &life->policies[(life->count + 1) % 2];
	/* In a queue of ours, or in one by which senders pace themselves. */
	enum policy_way way = !request_paces(request)			  ? POLICY_DROPS :
			      life->drifts && !random_below(life->drifts) ? POLICY_DRIFTS :
									    POLICY_WAITS;
	uint64_t waits_ns = SETTLE_NS;
	char why[UNITS_TEXT];
	int direction;

	for (direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		next->asked.request[direction] = *request;
		next->enforcement[direction].mode = request_paces(request) ? BWCTL_MODE_PACE :
									     BWCTL_MODE_POLICE;
		assert_int_equal(policy_derive(request, way, run->cpus, life->leases,
					       &next->meter[direction], &next->promise[direction],
					       why),
				 0);
	}
	policy_succeed(previous, next, run->now_ns);
	if (run->latest_ns >= run->now_ns + waits_ns)
		waits_ns = run->latest_ns - run->now_ns + 1;
	if (life->is_strict && run->meter.horizon_ns[BWCTL_LEVEL_NORMAL] <= SETTLE_NS)
		waits_ns = SETTLE_NS;
	run->request = *request;
	run->meter = next->meter[BWCTL_EGRESS];
	run->promise = next->promise[BWCTL_EGRESS];
	run->generation = next->generation;
	life->changes[life->count++] = (struct change){run->now_ns - run->begin_ns, *request,
						       run->promise.window_ns, waits_ns};
}

/* A flood that waits passes something soon after a change, but for the debt it may have. */
static void check_no_gap(struct run *run)
{
	uint64_t frame_ns = meter_cost_ns(&run->meter, 1514), debt_ns = 0, deadline_ns;

	if (run->clock.spent_until_ns > run->now_ns)
		debt_ns = run->clock.spent_until_ns - run->now_ns;
	if (debt_ns > run->meter.debt_ns)
		debt_ns = run->meter.debt_ns;
	if (run->meter.start_ns > run->now_ns + debt_ns) /* a beginning, or a change of mode */
		debt_ns = run->meter.start_ns - run->now_ns;
	/* Where the former policy had less room, a lower class stops earlier than a higher one. */
	if (!may_wait(run) && run->now_ns < run->meter.slow_until_ns)
		debt_ns +=
			clip(run->meter.headroom_ns[BWCTL_LEVEL_RESERVED], 0, run->meter.burst_ns);
	deadline_ns = run->now_ns + debt_ns + 4 * frame_ns + 10 * MS;
	while (!offer(run, (uint32_t)random_below(run->cpus), BWCTL_LEVEL_NORMAL, 1514)) {
		run->now_ns += frame_ns / 4 + 1;
		if (run->now_ns > deadline_ns) {
			describe(run);
			fail_msg("nothing passes for %llu ns, debt %llu ns",
				 (unsigned long long)(4 * frame_ns + 10 * MS + debt_ns),
				 (unsigned long long)debt_ns);
		}
	}
}

static void check_life_window(const struct run *run, const struct life *life,
			      const struct windows_window *worst)
{
	size_t n;

	if (windows_over(worst))
		for (n = 0; n < life->count; n++)
			print_message(
				"# from %llu: %s, limit %llu window %llu burst %llu ns %llu bytes\n",
				(unsigned long long)life->changes[n].from_ns,
				policy_mode_name(life->changes[n].request.mode),
				(unsigned long long)life->changes[n].request.limit_bits_s,
				(unsigned long long)life->changes[n].window_ns,
				(unsigned long long)life->changes[n].request.burst_ns,
				(unsigned long long)life->changes[n].request.burst_bytes);
	check_window(run, worst);
}

/* Each limit on its own, from the packets of its own time; then all of them together. */
static void check_life(struct run *run, const struct life *life)
{
	struct windows_limit limits[MAX_CHANGES];
	struct windows_window worst;
	uint64_t longest_ns = 0, settle_ns = SETTLE_NS, end_ns;
	size_t n, first, end;

	sort_frames(run);
	for (n = 0; n < life->count; n++) {
		const struct change *change = &life->changes[n];

		limits[n].from_ns = (int64_t)change->from_ns;
		limits[n].rate_bits_s = change->request.limit_bits_s ?
						change->request.limit_bits_s :
						WINDOWS_UNLIMITED;
		if (change->window_ns > longest_ns)
			longest_ns = change->window_ns;
		if (change->waits_ns > settle_ns)
			settle_ns = change->waits_ns;
		end_ns = n + 1 < life->count ? life->changes[n + 1].from_ns : INT64_MAX;
		first = windows_find(frames, run->count,
				     (int64_t)(change->from_ns + change->waits_ns));
		end = windows_find(frames, run->count, (int64_t)end_ns);
		if (limits[n].rate_bits_s == WINDOWS_UNLIMITED || first >= end)
			continue;
		windows_worst(frames + first, end - first, (int64_t)change->window_ns,
			      limits[n].rate_bits_s, &worst);
		check_life_window(run, life, &worst);
		windows_worst_longer(frames + first, end - first, (int64_t)change->window_ns,
				     limits[n].rate_bits_s, &worst);
		check_life_window(run, life, &worst);
	}
	assert_int_equal(windows_worst_scheduled(frames, run->count, (int64_t)longest_ns,
						 (int64_t)settle_ns, limits, life->count, &worst),
			 0);
	check_life_window(run, life, &worst);
}

/* A request in the neighbourhood of another, so that what one leaves matters to the next. */
enum vary {
	VARY_LIMIT = 1,
	VARY_BURST = 2,
	VARY_MODE = 4,
};

static struct bwctl_request vary(const struct run *run, const struct bwctl_request *base,
				 bool leases, unsigned int what)
{
	struct bwctl_request request;
	struct bwctl_promise promise;
	struct bwctl_meter meter;
	char why[UNITS_TEXT];

	do {
		request = what & VARY_BURST && random_below(2) ? random_request() : *base;
		request.window_ns = base->window_ns;
		request.mode = base->mode;
		if (what & VARY_MODE)
			request.mode = random_below(2) ? BWCTL_MODE_PACE : BWCTL_MODE_POLICE;
		request.limit_bits_s =
			clip(random_scale(1 + base->limit_bits_s / 8, base->limit_bits_s * 4),
			     UNITS_RATE_MIN_BITS_S, UNITS_RATE_MAX_BITS_S);
		switch (random_below(12)) {
		case 0:
			request.limit_bits_s = 0;
			break;
		case 1:
			request.limit_bits_s =
				random_scale(UNITS_RATE_MIN_BITS_S, UNITS_RATE_MAX_BITS_S);
			break;
		case 2:
			request.limit_bits_s = base->limit_bits_s;
			break;
		}
	} while (policy_derive(&request, request_paces(&request), run->cpus, leases, &meter,
			       &promise, why));
	return request;
}

/*
 * The worst there can be around a change: under the first policy every CPU has
 * a lease and the bucket is full, and all of it is spent for a part of the
 * window; under the second the rest of it, to its end and its largest packet.
 */
static void play_change(struct run *run, struct life *life, const struct bwctl_request *next)
{
	uint64_t window_ns = run->promise.window_ns, end_ns, part_ns, bytes;
	uint32_t cpu;

	run->largest_bytes = 1514;
	for (cpu = 0; cpu < run->cpus; cpu++) {
		run->now_ns += 2 * window_ns;
		offer(run, cpu, BWCTL_LEVEL_NORMAL, 1);
	}
	run->now_ns += 2 * window_ns;
	end_ns = run->now_ns + window_ns;
	part_ns = random_below(2) ? 0 : window_ns - random_scale(1, window_ns);
	for (cpu = 0; cpu < run->cpus; cpu++)
		if (run->leases[cpu].bytes)
			offer(run, cpu, BWCTL_LEVEL_NORMAL, run->leases[cpu].bytes);
	bytes = clip(window_bytes(run) / 4000, 1, METER_MAX_BYTES);
	run->typical_bytes = bytes;
	run->largest_bytes = clip(bytes, 1514, METER_MAX_BYTES);
	play_greedy(run, 8000, BWCTL_LEVEL_CONTROL, run->now_ns + part_ns);
	put_in_force(run, life, next);
	run->now_ns++;
	if (!run->meter.rate_bits_s)
		return;
	/* One that is refused is what finds a clock too far ahead. */
	offer(run, 0, BWCTL_LEVEL_NORMAL, 1514);
	play_greedy(run, 8000, BWCTL_LEVEL_CONTROL, end_ns);
	run->now_ns = meter_max(run->now_ns, end_ns);
	offer(run, 0, BWCTL_LEVEL_CONTROL, run->largest_bytes);
}

static void live(int runs, enum bwctl_mode mode, unsigned int what)
{
	static struct life life;
	struct bwctl_request request, base;
	struct run run;
	int n, m;

	for (n = 0; n < runs; n++) {
		do /* low ones more often: there a frame and a step of headroom weigh most */
			begin_as(&run, NULL, mode == BWCTL_MODE_PACE);
		while (n % 2 && run.request.limit_bits_s > 10000000);
		if (!(what & VARY_BURST))
			run.request = (struct bwctl_request){
				.limit_bits_s = run.request.limit_bits_s,
				.window_ns = what & VARY_MODE ? 2 * S : 0,
			};
		if (what & VARY_MODE && run.request.limit_bits_s < 1000000)
			run.request.window_ns = 20 * S;
		run.request.mode = mode;
		base = run.request;
		begin_as(&run, &base, mode == BWCTL_MODE_PACE);
		if (mode == BWCTL_MODE_PACE)
			run.largest_bytes = clip(overshoot_bytes(&run), 1, 1514);
		run.is_late = random_below(2);
		memset(&life, 0, sizeof(life));
		life.leases = random_below(4);
		life.drifts = random_below(4);
		for (m = 0; m < MAX_CHANGES; m++) {
			request = vary(&run, &base, life.leases, what);
			run.now_ns++; /* none passes at the very moment of a change */
			if (m && run.meter.rate_bits_s && random_below(2)) {
				play_change(&run, &life, &request);
				continue;
			}
			put_in_force(&run, &life, &request);
			run.now_ns++;
			if (random_below(2) && run.meter.rate_bits_s)
				check_no_gap(&run);
			raced = random_below(2) ? &run : NULL;
			if (!run.meter.rate_bits_s)
				run.now_ns += random_scale(1, run.promise.window_ns);
			else if (random_below(3))
				play(&run, 1 + random_below(3000));
			else
				play_greedy(&run, 2000,
					    random_below(2) ? BWCTL_LEVEL_CONTROL :
							      BWCTL_LEVEL_NORMAL,
					    run.now_ns + random_scale(1, run.promise.window_ns));
			raced = NULL;
		}
		check_life(&run, &life);
	}
}

/* From one policy to another, at every few milliseconds of the window. */
static void change_once(const struct bwctl_request *from, const struct bwctl_request *to,
			bool is_late, bool is_strict)
{
	static struct life life;
	struct run run;
	int n;

	for (n = 0; n < 200; n++) {
		begin_as(&run, from, request_paces(from));
		run.is_late = is_late;
		memset(&life, 0, sizeof(life));
		life.is_strict = is_strict;
		life.leases = true;
		put_in_force(&run, &life, from);
		run.now_ns++;
		play_change(&run, &life, to);
		check_life(&run, &life);
	}
}

/* Below 5 mbit a step of headroom is two frames: at a lower limit the clock runs farther ahead. */
static void test_lowered_while_small(void **state)
{
	struct bwctl_request from = {0}, to = {0};

	(void)state;
	for (from.limit_bits_s = 1300000; from.limit_bits_s < 8000000; from.limit_bits_s *= 2) {
		to.limit_bits_s = from.limit_bits_s / 2;
		change_once(&from, &to, false, true);
	}
}

/* What a long burst has let through counts in the window after a shorter one is set. */
static void test_burst_shortened(void **state)
{
	struct bwctl_request from = {.limit_bits_s = 50000000, .burst_ns = S};
	struct bwctl_request to = {.limit_bits_s = 50000000, .burst_ns = 10 * MS};

	(void)state;
	change_once(&from, &to, false, true);
}

/* Only the limit changes: "bwctl set RATE". */
static void test_live_limits(void **state)
{
	(void)state;
	live(150, BWCTL_MODE_POLICE, VARY_LIMIT);
}

/* Burst and window change as well. */
static void test_live_policies(void **state)
{
	(void)state;
	live(150, BWCTL_MODE_POLICE, VARY_LIMIT | VARY_BURST);
}

/*
 * Pacing has no room for headroom, and for a while policing after it has none either:
 * a flood keeps the favoured classes out all the same no more than before.
 */
static void test_favoured_after_pace(void **state)
{
	static const uint64_t limits[] = {1000000, 10000000, 50000000, 1000000000};
	struct bwctl_request from = {.mode = BWCTL_MODE_PACE}, to = {.mode = BWCTL_MODE_POLICE};
	static struct life life;
	struct run run;

	(void)state;
	for (size_t n = 0; n < COUNT(limits); n++) {
		uint64_t frame_ns, next_ns, sent = 0, refused = 0;

		from.limit_bits_s = to.limit_bits_s = limits[n];
		begin_as(&run, &from, true);
		run.cpus = 1;
		memset(&life, 0, sizeof(life));
		put_in_force(&run, &life, &from);
		frame_ns = meter_cost_ns(&run.meter, 1514);
		play_greedy(&run, 500, BWCTL_LEVEL_NORMAL, UINT64_MAX);
		put_in_force(&run, &life, &to);
		/* What waits is paid off first, and the steps are taken. */
		run.now_ns = meter_max(run.now_ns, run.clock.spent_until_ns);
		next_ns = run.now_ns + run.meter.headroom_ns[BWCTL_LEVEL_RESERVED];
		while (run.now_ns < run.meter.slow_until_ns && sent < 500) {
			run.now_ns += frame_ns / 4;
			while (offer(&run, 0, BWCTL_LEVEL_NORMAL, 1514))
				;
			if (run.now_ns < next_ns)
				continue;
			next_ns = run.now_ns + 20 * frame_ns;
			sent++;
			refused += !offer(&run, 0, BWCTL_LEVEL_HIGH, 200);
		}
		assert_in_range(sent, 3, 500);
		assert_int_equal(refused, 0);
	}
}

/* A limit that is lowered holds for all that leaves 100 ms after that or later. */
static void test_pace_lowered_settles(void **state)
{
	static const uint64_t limits[][2] = {{50000000, 20000000},
					     {50000000, 5000000},
					     {1000000000, 10000000},
					     {10000000000, 1000000}};
	struct bwctl_request from = {.mode = BWCTL_MODE_PACE}, to = {.mode = BWCTL_MODE_PACE};

	(void)state;
	for (size_t n = 0; n < COUNT(limits); n++) {
		from.limit_bits_s = limits[n][0];
		to.limit_bits_s = limits[n][1];
		change_once(&from, &to, false, true);
	}
}

/*
 * At the slower rate of a policy that is held back a large packet puts the clock
 * farther ahead than at its own: that is no debt of a former one.
 */
static void test_held_back_debt_is_rightful(void **state)
{
	const struct bwctl_request from = {
		.mode = BWCTL_MODE_POLICE, .limit_bits_s = 311133, .window_ns = 2 * S};
	const struct bwctl_request to = {
		.mode = BWCTL_MODE_PACE, .limit_bits_s = 5930182, .window_ns = 2 * S};
	static struct life life;
	struct run run;

	(void)state;
	begin_as(&run, &from, false);
	memset(&life, 0, sizeof(life));
	life.leases = true;
	put_in_force(&run, &life, &from);
	run.now_ns += 10 * S;
	put_in_force(&run, &life, &to);
	run.now_ns++;
	run.largest_bytes = run.typical_bytes = METER_MAX_BYTES;
	assert_true(offer(&run, 0, BWCTL_LEVEL_NORMAL, METER_MAX_BYTES));
	offer(&run, 0, BWCTL_LEVEL_NORMAL, METER_MAX_BYTES);
	for (int n = 0; n < 1000; n++) {
		run.now_ns += 10 * MS;
		offer(&run, 0, BWCTL_LEVEL_NORMAL, METER_MAX_BYTES);
	}
	check_life(&run, &life);
}

/* Where the limit is so low that a frame is more time than at the former one. */
static void test_pace_lowered_while_small(void **state)
{
	struct bwctl_request from = {.mode = BWCTL_MODE_PACE}, to = {.mode = BWCTL_MODE_PACE};

	(void)state;
	for (from.limit_bits_s = 300000; from.limit_bits_s < 20000000; from.limit_bits_s *= 2) {
		to.limit_bits_s = from.limit_bits_s / 2;
		change_once(&from, &to, from.limit_bits_s % 3, false);
	}
}

/* What waits at a low limit leaves beside what is let in at a high one. */
static void test_pace_raised(void **state)
{
	static const uint64_t limits[][2] = {{8000, 10000000},	    {32000, 5000000},
					     {32000, 10000000},	    {64000, 12000000},
					     {64000, 50000000},	    {200000, 1000000000},
					     {1000000, 10000000000}};
	struct bwctl_request from = {.mode = BWCTL_MODE_PACE}, to = {.mode = BWCTL_MODE_PACE};

	(void)state;
	for (size_t n = 0; n < COUNT(limits); n++) {
		from.limit_bits_s = limits[n][0];
		to.limit_bits_s = limits[n][1];
		from.window_ns = to.window_ns = from.limit_bits_s < 500000 ? 120 * S : S;
		change_once(&from, &to, true, false);
	}
}

/* From one mode to the other, with a window of its own or the same. */
static void test_police_to_pace(void **state)
{
	struct bwctl_request from = {.mode = BWCTL_MODE_POLICE}, to = {.mode = BWCTL_MODE_PACE};

	(void)state;
	for (from.limit_bits_s = 1000000; from.limit_bits_s < 10000000000; from.limit_bits_s *= 50)
		for (int n = 0; n < 2; n++) {
			from.window_ns = to.window_ns = n ? 2 * S : 0;
			to.limit_bits_s = from.limit_bits_s;
			change_once(&from, &to, true, false);
		}
}

static void test_pace_to_police(void **state)
{
	struct bwctl_request from = {.mode = BWCTL_MODE_PACE}, to = {.mode = BWCTL_MODE_POLICE};

	(void)state;
	for (from.limit_bits_s = 1000000; from.limit_bits_s < 10000000000; from.limit_bits_s *= 50)
		for (int n = 0; n < 2; n++) {
			from.window_ns = to.window_ns = n ? 2 * S : 0;
			to.limit_bits_s = from.limit_bits_s;
			change_once(&from, &to, false, false);
		}
}

static void test_pace_live_limits(void **state)
{
	(void)state;
	live(100, BWCTL_MODE_PACE, VARY_LIMIT);
}

static void test_live_modes(void **state)
{
	(void)state;
	live(100, BWCTL_MODE_PACE, VARY_LIMIT | VARY_MODE);
}

static void test_generation_voids_leases(void **state)
{
	struct bwctl_request request = {.limit_bits_s = 100000000};
	struct bwctl_lease lease = {.generation = 7, .bytes = 5000};
	uint64_t before_ns;
	struct run run;

	(void)state;
	do
		begin(&run, &request);
	while (!run.meter.lease_bytes);
	run.now_ns += run.promise.window_ns;
	assert_false(meter_spend_lease(&lease, 8, 1));
	assert_false(meter_spend_lease(&lease, 7, 5001));
	assert_int_equal(lease.bytes, 5000);
	assert_true(meter_spend_lease(&lease, 7, 1000));
	assert_int_equal(lease.bytes, 4000);

	/* The next packet pays in full, and what is kept is of the new generation. */
	before_ns = run.now_ns - run.meter.burst_ns;
	assert_int_equal(meter_admit(&run.meter, 8, BWCTL_LEVEL_NORMAL, 3000,
				     run.clock.spent_until_ns, run.now_ns,
				     &run.clock.spent_until_ns, &lease, NULL),
			 METER_PASS);
	assert_int_equal(lease.generation, 8);
	assert_int_equal(lease.bytes, run.meter.lease_bytes);
	assert_int_equal(run.clock.spent_until_ns,
			 before_ns + meter_cost_ns(&run.meter, 3000 + run.meter.lease_bytes));

	/* Refused, it leaves even a void lease alone. */
	lease = (struct bwctl_lease){.generation = 7, .bytes = 5000};
	run.clock.spent_until_ns = run.now_ns + 5 * MS;
	assert_int_equal(meter_admit(&run.meter, 8, BWCTL_LEVEL_NORMAL, 3000,
				     run.clock.spent_until_ns, run.now_ns,
				     &run.clock.spent_until_ns, &lease, NULL),
			 METER_OVER);
	assert_int_equal(lease.generation, 7);
	assert_int_equal(run.clock.spent_until_ns, run.now_ns + 5 * MS);
}

/*
 * A clock left years ahead is brought back to the most that can be owed or a
 * little more, for those who look at the time and are late; not any farther.
 */
static void test_debt_is_limited(void **state)
{
	struct run run;
	uint64_t debt_ns;
	int n;

	(void)state;
	for (n = 0; n < 2000; n++) {
		begin_as(&run, NULL, n % 2);
		run.clock.spent_until_ns = run.now_ns + run.meter.horizon_ns[BWCTL_LEVEL_NORMAL] +
					   random_scale(1, CENTURY_NS);
		debt_ns = clip(run.clock.spent_until_ns - run.now_ns, 0, run.meter.debt_ns);
		if (offer(&run, 0, BWCTL_LEVEL_NORMAL, 1514))
			fail_msg("passed in debt");
		assert_true(run.clock.spent_until_ns >= run.now_ns + debt_ns);
		assert_true(run.clock.spent_until_ns <= run.now_ns + debt_ns + S);
		run.now_ns += debt_ns + S + run.promise.window_ns;
		assert_true(offer(&run, 0, BWCTL_LEVEL_NORMAL, 1514));
	}
}

/*
 * A CPU that looked at the clock and at the time and was then held up (a
 * hypervisor may do that for long) brings both to a clock that has gone on, at
 * every distance. That refunds nobody.
 */
static void test_late_now_refunds_nothing(void **state)
{
	uint64_t seen_ns, late_ns, before_ns;
	__u64 slot_ns;
	struct bwctl_lease lease;
	struct run run;
	int n;

	(void)state;
	for (n = 0; n < 2000; n++) {
		begin_as(&run, NULL, n % 2);
		run.now_ns += 2 * run.promise.window_ns;
		play_greedy(&run, 1 + (uint32_t)random_below(100), BWCTL_LEVEL_NORMAL, UINT64_MAX);
		seen_ns = run.clock.spent_until_ns;
		late_ns = run.now_ns;
		play_greedy(&run, 1 + (uint32_t)random_below(100), BWCTL_LEVEL_NORMAL, UINT64_MAX);
		before_ns = run.clock.spent_until_ns;
		lease = (struct bwctl_lease){0};
		meter_admit(&run.meter, run.generation, (uint32_t)random_below(BWCTL_LEVELS), 1514,
			    seen_ns, late_ns, &run.clock.spent_until_ns, &lease,
			    paces(&run) ? &slot_ns : NULL);
		if (run.clock.spent_until_ns < before_ns) {
			describe(&run);
			fail_msg("the clock goes back by %llu ns",
				 (unsigned long long)(before_ns - run.clock.spent_until_ns));
		}
	}
}

/* As many lost races as there are tries: refused, and nothing bought. */
static void test_contention_refuses(void **state)
{
	struct bwctl_request request = {.limit_bits_s = 100000000};
	struct bwctl_lease lease = {.generation = 1, .bytes = 100};
	struct run run;
	uint64_t tries;

	(void)state;
	begin(&run, &request);
	run.now_ns += run.promise.window_ns;
	for (tries = 0; tries < 2 * METER_TRIES; tries++) {
		run.clock.spent_until_ns = run.begin_ns;
		lease.bytes = 100;
		restless = tries;
		assert_int_equal(meter_admit(&run.meter, 1, BWCTL_LEVEL_NORMAL, 1514, run.begin_ns,
					     run.now_ns, &run.clock.spent_until_ns, &lease, NULL),
				 tries < METER_TRIES ? METER_PASS : METER_CONTENDED);
		if (tries < METER_TRIES)
			continue;
		assert_int_equal(lease.bytes, 100);
		assert_int_equal(run.clock.spent_until_ns, run.begin_ns + METER_TRIES);
	}
	restless = 0;
}

struct hammer {
	struct run *run;
	uint64_t until_ns, bytes, passed_bytes, contended;
	uint32_t cpu;
};

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * S + (uint64_t)now.tv_nsec;
}

/* Where packets wait, each is kept: they do not leave when they pass. */
static void note(struct hammer *self, uint64_t at_ns)
{
	struct run *run = self->run;
	size_t n;

	self->passed_bytes += self->bytes;
	if (!paces(run))
		return;
	n = __atomic_fetch_add(&run->count, 1, __ATOMIC_RELAXED);
	assert(n < RUN_FRAMES); /* cmocka's are not for threads */
	frames[n] = (struct windows_frame){(int64_t)(at_ns - run->meter.start_ns), self->bytes};
}

static void *hammer(void *argument)
{
	struct hammer *self = argument;
	struct run *run = self->run;
	struct bwctl_lease lease = {0};
	uint64_t seen_ns, now_ns;
	__u64 slot_ns;

	for (;;) {
		enum meter_answer answer = METER_PASS;

		seen_ns = *(volatile __u64 *)&run->clock.spent_until_ns;
		slot_ns = 0;
		now_ns = monotonic_ns();
		if (now_ns > self->until_ns)
			return NULL;
		if (!meter_spend_lease(&lease, run->generation, self->bytes))
			answer = meter_admit(&run->meter, run->generation,
					     self->cpu % 2 ? BWCTL_LEVEL_HIGH : BWCTL_LEVEL_NORMAL,
					     self->bytes, seen_ns, now_ns,
					     &run->clock.spent_until_ns, &lease,
					     paces(run) ? &slot_ns : NULL);
		if (answer == METER_PASS)
			note(self, meter_max(now_ns, slot_ns));
		self->contended += answer == METER_CONTENDED;
	}
}

static void test_threads(void **state)
{
	static const struct {
		bool paces;
		uint64_t limit_bits_s, bytes;
	} rows[] = {
		{false, 10000000, 64},	      {false, 100000000, 1514},
		{false, 1000000000, 64},      {false, 10000000000, 1514},
		{false, 100000000000, 16000}, {false, 400000000000, 65536},
		{true, 10000000, 64},	      {true, 100000000, 1514},
		{true, 1000000000, 300},      {true, 10000000000, 1514},
		{true, 100000000000, 16000},  {true, 400000000000, 65536},
	};
	struct bwctl_request request = {0};
	struct hammer hammers[4];
	pthread_t threads[COUNT(hammers)];
	struct run run;
	uint64_t passed, most, time_ns;
	unsigned int tries = 0;
	char why[UNITS_TEXT];
	size_t n, m;

	(void)state;
	for (n = 0; n < COUNT(rows); n++) {
		memset(&run, 0, sizeof(run));
		run.largest_bytes = rows[n].bytes;
		/* There is room for RUN_FRAMES. */
		time_ns = rows[n].paces ? 100 * MS : 250 * MS;
		request.limit_bits_s = rows[n].limit_bits_s;
		run.request = request;
		run.cpus = COUNT(hammers);
		run.generation = 1;
		assert_int_equal(policy_derive(&request, rows[n].paces, run.cpus, true, &run.meter,
					       &run.promise, why),
				 0);
		run.meter.start_ns = monotonic_ns();
		for (m = 0; m < COUNT(hammers); m++) {
			hammers[m] = (struct hammer){.run = &run,
						     .until_ns = run.meter.start_ns + time_ns,
						     .bytes = rows[n].bytes,
						     .cpu = (uint32_t)m};
			assert_int_equal(pthread_create(&threads[m], NULL, hammer, &hammers[m]), 0);
		}
		passed = 0;
		for (m = 0; m < COUNT(hammers); m++) {
			pthread_join(threads[m], NULL);
			passed += hammers[m].passed_bytes;
		}
		if (paces(&run)) {
			run.begin_ns = run.meter.start_ns;
			check_bound(&run);
			run.count = 0;
		}
		/* Whole, as long as the bucket was empty at the start: less than B by the burst. */
		most = (uint64_t)((wide)run.meter.rate_bits_s * time_ns / 8 / S) +
		       run.promise.bound_bytes - run.promise.burst_bytes +
		       (uint64_t)((wide)run.meter.rate_bits_s *
				  run.meter.horizon_ns[BWCTL_LEVEL_HIGH] / 8 / S);
		if (passed > most) {
			describe(&run);
			fail_msg("%llu bytes, at most %llu", (unsigned long long)passed,
				 (unsigned long long)most);
		}
		if ((wide)passed * 8 * S * 10 < (wide)9 * run.meter.rate_bits_s * time_ns) {
			if (tries++ < 10) { /* the machine may have had something else to do */
				n--;
				continue;
			}
			describe(&run);
			fail_msg("%.4f of r", (double)passed * 8e9 / (double)run.meter.rate_bits_s /
						      (double)time_ns);
		}
	}
}

static void refuse(__u64 *over_until_ns, __u64 *sum_ns, __u64 now_ns)
{
	meter_over(over_until_ns, sum_ns, now_ns - METER_SPELL_NS, now_ns);
}

/* Packets that are refused one after the other are one time; of a pause only its end is. */
static void test_over(void **state)
{
	__u64 until_ns = 0, sum_ns = 0, now_ns = 100 * S, before_ns;

	(void)state;
	refuse(&until_ns, &sum_ns, now_ns);
	assert_int_equal(until_ns, now_ns);
	assert_int_equal(sum_ns, 250 * MS);
	/* However close together they are, nothing gets lost. */
	for (int i = 0; i < 1000; i++)
		refuse(&until_ns, &sum_ns, now_ns += 1700);
	assert_in_range(sum_ns - 250 * MS, 1600000, 1700000);
	refuse(&until_ns, &sum_ns, now_ns += 249 * MS);
	assert_int_equal(sum_ns, now_ns + 250 * MS - 100 * S);
	/* Bursts with pauses between are not all of the time. */
	before_ns = sum_ns;
	for (int burst = 0; burst < 10; burst++) {
		now_ns += 900 * MS;
		for (int i = 0; i < 100; i++)
			refuse(&until_ns, &sum_ns, now_ns += MS);
	}
	assert_in_range(sum_ns - before_ns, 10 * (99 + 250) * MS, 10 * (100 + 250) * MS);
	/* A CPU that looked at the time earlier. */
	before_ns = sum_ns;
	refuse(&until_ns, &sum_ns, now_ns - MS);
	assert_int_equal(until_ns, now_ns);
	assert_int_equal(sum_ns, before_ns);
}

/* What has to wait speaks until it leaves: a queue of 2 ms every 10 ms is a fifth of the time. */
static void test_over_while_waiting(void **state)
{
	__u64 until_ns = 0, sum_ns = 0, now_ns = 100 * S;

	(void)state;
	for (int burst = 0; burst < 1000; burst++, now_ns += 10 * MS)
		for (__u64 i = 1; i <= 20; i++)
			meter_over(&until_ns, &sum_ns, now_ns, now_ns + i * MS / 10);
	assert_int_equal(sum_ns, 2 * S);
	/* And one that never ends is all of it. */
	sum_ns = 0;
	until_ns = now_ns;
	for (int i = 0; i < 10000; i++, now_ns += MS)
		meter_over(&until_ns, &sum_ns, now_ns, now_ns + 80 * MS);
	assert_int_equal(sum_ns, 10 * S + 79 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_bound_is_used),
		cmocka_unit_test(test_flood_gets_the_rate),
		cmocka_unit_test(test_batches_get_the_rate),
		cmocka_unit_test(test_no_size_starves),
		cmocka_unit_test(test_priority),
		cmocka_unit_test(test_pace_bound),
		cmocka_unit_test(test_pace_bound_late),
		cmocka_unit_test(test_pace_bound_any_size),
		cmocka_unit_test(test_pace_large_then_small),
		cmocka_unit_test(test_pace_too_large),
		cmocka_unit_test(test_pace_bound_is_used),
		cmocka_unit_test(test_pace_order),
		cmocka_unit_test(test_pace_horizon),
		cmocka_unit_test(test_pace_no_size_starves),
		cmocka_unit_test(test_pace_queue_missing),
		cmocka_unit_test(test_pace_queue_missing_at_worst),
		cmocka_unit_test(test_lowered_while_small),
		cmocka_unit_test(test_burst_shortened),
		cmocka_unit_test(test_live_limits),
		cmocka_unit_test(test_live_policies),
		cmocka_unit_test(test_held_back_debt_is_rightful),
		cmocka_unit_test(test_pace_lowered_settles),
		cmocka_unit_test(test_favoured_after_pace),
		cmocka_unit_test(test_pace_lowered_while_small),
		cmocka_unit_test(test_pace_raised),
		cmocka_unit_test(test_police_to_pace),
		cmocka_unit_test(test_pace_to_police),
		cmocka_unit_test(test_pace_live_limits),
		cmocka_unit_test(test_live_modes),
		cmocka_unit_test(test_generation_voids_leases),
		cmocka_unit_test(test_debt_is_limited),
		cmocka_unit_test(test_late_now_refunds_nothing),
		cmocka_unit_test(test_over),
		cmocka_unit_test(test_over_while_waiting),
		cmocka_unit_test(test_contention_refuses),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
