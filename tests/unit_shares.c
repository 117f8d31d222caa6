// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Who gets what under the ceiling, on invented clocks: whole policies with limits
 * and reserves of classes and all priorities, and the way of a packet through
 * all of their clocks as bpf/bwctl.bpf.c has it. No window of any class nor of all
 * together is over its limit, whoever floods when; and what is reserved is had.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meter.h"
#include "policy.h"
#include "windows.h"

#define S	  1000000000ULL
#define MS	  1000000ULL
#define MBIT	  1000000ULL
#define CPUS	  4
#define FRAMES	  400000
#define GUARD_NS  (10 * MS) /* PACE_GUARD_NS of bpf/pace.h */
#define OWN_FIRST BWCTL_BUILTIN_CLASSES

/* A packet that has passed. */
struct passed {
	struct windows_frame frame;
	uint32_t class;
};

struct run {
	struct bwctl_policy *policy;
	enum bwctl_direction direction;
	struct bwctl_clock clock, own_clocks[BWCTL_CLASSES];
	struct bwctl_lease leases[CPUS];
	uint64_t now_ns;
	uint64_t waited_ns; /* of the last that passed */
	bool is_late;	    /* the queue lets packets go late */
	uint64_t super_bytes;
	size_t count;
};

static struct passed passed[FRAMES];
static struct windows_frame frames[FRAMES];

static uint64_t random_state = 0x2545f4914f6cdd1d;

/* xorshift64 (Marsaglia 2003): the same on every machine. */
static uint64_t random_below(uint64_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % bound;
}

/* ---- the way of a packet, as bpf/bwctl.bpf.c and bpf/pace.h have it ---- */

static uint64_t keep_order(const struct run *run, struct bwctl_hold *hold, uint64_t slot_ns,
			   uint64_t leave_ns)
{
	uint64_t held_ns = hold->generation == run->policy->generation ? hold->until_ns : 0;

	if (!slot_ns && !held_ns)
		return 0;
	if (slot_ns > run->now_ns) {
		if (leave_ns < held_ns)
			leave_ns = held_ns < slot_ns ? held_ns : slot_ns;
		if (leave_ns > held_ns)
			*hold = (struct bwctl_hold){leave_ns, run->policy->generation};
		return leave_ns > run->now_ns ? leave_ns : 0;
	}
	if (held_ns && held_ns + GUARD_NS > run->now_ns)
		return held_ns > run->now_ns ? held_ns : run->now_ns;
	if (held_ns)
		hold->until_ns = 0;
	return 0;
}

static bool pass_all(struct run *run, uint32_t cpu, uint32_t class, uint64_t bytes,
		     uint64_t *ret_depart_ns)
{
	const struct bwctl_meter *meter = &run->policy->meter[run->direction];
	const struct bwctl_reserve *reserve = &run->policy->reserve[run->direction][class];
	uint64_t *reserved_ns = (uint64_t *)&run->own_clocks[class].reserved_until_ns;
	uint32_t level = run->policy->rules[class].level;
	bool high = level >= BWCTL_LEVEL_HIGH, waits = meter->horizon_ns[0];
	bool is_reserved = meter_is_reserved(reserve, *reserved_ns, run->now_ns);
	uint64_t leave_ns = 0;
	__u64 slot_ns = 0;
	struct meter_work work;

	if (!meter->rate_bits_s)
		return true;
	if (is_reserved)
		level = BWCTL_LEVEL_RESERVED;
	if (!meter_spend_lease(&run->leases[cpu], run->policy->generation, bytes)) {
		if (meter_admit(meter, run->policy->generation, level, bytes,
				run->clock.spent_until_ns, run->now_ns, &run->clock.spent_until_ns,
				&run->leases[cpu], waits ? &slot_ns : NULL) != METER_PASS)
			return false;
		leave_ns = slot_ns;
		if (waits && run->clock.jumped_generation != run->policy->generation) {
			meter_renew_jumps(meter, run->now_ns, &run->clock.jumped_until_ns);
			run->clock.jumped_generation = run->policy->generation;
		}
		if (waits && high && slot_ns > run->now_ns)
			leave_ns = meter_jump(&work, meter, bytes, slot_ns, run->now_ns,
					      &run->clock.jumped_until_ns);
	}
	if (is_reserved)
		meter_spend_reserve(reserve, bytes, run->now_ns, (__u64 *)reserved_ns);
	if (waits)
		*ret_depart_ns = keep_order(run, high ? &run->clock.high_held : &run->clock.held,
					    slot_ns, leave_ns);
	return true;
}

static uint64_t wait_until(const struct run *run, uint32_t class)
{
	const struct bwctl_policy *policy = run->policy;

	return run->now_ns +
	       meter_max(policy->meter[run->direction].horizon_ns[BWCTL_LEVEL_RESERVED],
			 policy->class_meter[run->direction][class].horizon_ns[BWCTL_LEVEL_NORMAL]);
}

static bool pass_own(struct run *run, uint32_t class, uint64_t bytes, uint64_t *depart_ns)
{
	const struct bwctl_meter *own = &run->policy->class_meter[run->direction][class];
	bool waits = run->policy->meter[run->direction].horizon_ns[0];
	uint64_t at_ns = meter_max(run->now_ns, *depart_ns);
	struct bwctl_clock *clock = &run->own_clocks[class];
	struct meter_work work;
	uint64_t slot_ns;

	if (meter_buy_own(&work, own, bytes, at_ns, wait_until(run, class), &clock->spent_until_ns,
			  waits) != METER_PASS)
		return false;
	slot_ns = work.step.slot_ns;
	if (!waits)
		return true;
	if (*depart_ns && slot_ns < *depart_ns)
		slot_ns = *depart_ns;
	*depart_ns = keep_order(run, &clock->held, slot_ns, slot_ns);
	return true;
}

static bool offer(struct run *run, uint32_t class, uint64_t bytes)
{
	const struct bwctl_policy *policy = run->policy;
	const struct bwctl_meter *meter = &policy->meter[run->direction];
	const struct bwctl_meter *own = &policy->class_meter[run->direction][class];
	uint32_t cpu = (uint32_t)random_below(CPUS);
	bool waits = meter->horizon_ns[0];
	uint64_t at_ns = run->now_ns, depart_ns = 0;

	if (own->rate_bits_s) {
		if (waits && meter->rate_bits_s && policy->rules[class].level < BWCTL_LEVEL_HIGH)
			at_ns = meter_max(at_ns, run->clock.spent_until_ns);
		if (!meter_has_room(own, bytes, run->own_clocks[class].spent_until_ns, at_ns,
				    wait_until(run, class), &run->own_clocks[class].spent_until_ns,
				    waits))
			return false;
	}
	if (!pass_all(run, cpu, class, bytes, &depart_ns))
		return false;
	if (own->rate_bits_s && !pass_own(run, class, bytes, &depart_ns))
		return false;
	at_ns = meter_max(run->now_ns, depart_ns);
	run->waited_ns = at_ns - run->now_ns;
	/* At each extreme more often than between: that is where windows begin and end. */
	if (run->is_late && at_ns > run->now_ns && random_below(4))
		at_ns += random_below(3) ? POLICY_LATE_NS : random_below(POLICY_LATE_NS + 1);
	assert_true(run->count < FRAMES);
	passed[run->count++] =
		(struct passed){{.at_ns = (int64_t)at_ns, .length_bytes = bytes}, class};
	return true;
}

/* ---- policies ---- */

/* Nobody minds the names; limits are those of direction 0. */
static struct bwctl_class_request *add_class(struct bwctl_policy *policy, uint32_t n,
					     uint64_t limit_bits_s, enum bwctl_priority priority)
{
	struct bwctl_class_request *class = &policy->asked.classes[OWN_FIRST + n];

	snprintf(class->name, sizeof(class->name), "class-%u", n);
	class->limit_bits_s[0] = class->limit_bits_s[1] = limit_bits_s;
	class->priority = priority;
	return class;
}

static struct bwctl_policy *new_policy(uint64_t limit_bits_s, bool paces)
{
	struct bwctl_policy *policy = calloc(1, sizeof(*policy));

	assert_non_null(policy);
	policy->possible_cpus = CPUS;
	policy_default(&policy->asked);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		policy->asked.request[direction].limit_bits_s = limit_bits_s;
		policy->enforcement[direction].mode = paces ? BWCTL_MODE_PACE : BWCTL_MODE_POLICE;
	}
	return policy;
}

static void begin(struct run *run, struct bwctl_policy *policy)
{
	char why[LOG_TEXT];

	if (policy_build(policy, true, why))
		fail_msg("%s", why);
	*run = (struct run){.policy = policy, .now_ns = 1000 * S};
	policy_succeed(NULL, policy, run->now_ns);
	/* Not the first window: a burst and idle time are there as well. */
	run->now_ns += 10 * S;
}

static void describe(const struct run *run)
{
	const struct bwctl_policy *policy = run->policy;

	print_message("# %s, limit %llu r %llu\n",
		      policy->meter[run->direction].horizon_ns[0] ? "pace" : "police",
		      (unsigned long long)policy_limit(policy, run->direction),
		      (unsigned long long)policy->meter[run->direction].rate_bits_s);
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		if (policy_class_limit(policy, class, run->direction) ||
		    policy->asked.classes[class].reserve_bits_s)
			print_message(
				"#   class %u: limit %llu r %llu window %llu horizon %llu reserve %llu level %u\n",
				class,
				(unsigned long long)policy_class_limit(policy, class,
								       run->direction),
				(unsigned long long)policy->class_meter[run->direction][class]
					.rate_bits_s,
				(unsigned long long)policy->class_promise[run->direction][class]
					.window_ns,
				(unsigned long long)policy->class_meter[run->direction][class]
					.horizon_ns[0],
				(unsigned long long)policy->asked.classes[class].reserve_bits_s,
				policy->rules[class].level);
}

/* ---- what is checked ---- */

/* The worst window of a class, or of all (BWCTL_CLASSES), as a part of its limit. */
static double check_windows(const struct run *run, uint32_t class)
{
	const struct bwctl_promise *promise =
		class == BWCTL_CLASSES ? &run->policy->promise[run->direction] :
					 &run->policy->class_promise[run->direction][class];
	struct windows_window worst, longer;
	size_t count = 0;

	if (!promise->limit_bits_s)
		return 0;
	for (size_t n = 0; n < run->count; n++)
		if (class == BWCTL_CLASSES || passed[n].class == class)
			frames[count++] = passed[n].frame;
	qsort(frames, count, sizeof(*frames), windows_compare_frames);
	windows_worst(frames, count, (int64_t)promise->window_ns, promise->limit_bits_s, &worst);
	windows_worst_longer(frames, count, (int64_t)promise->window_ns, promise->limit_bits_s,
			     &longer);
	if (windows_over(&worst) || windows_over(&longer)) {
		describe(run);
		fail_msg("class %u: %.6f of the limit in %.3f s, %.6f in longer", class,
			 windows_ratio(&worst), (double)promise->window_ns / 1e9,
			 windows_ratio(&longer));
	}
	return windows_ratio(&worst);
}

static double check_all_windows(const struct run *run)
{
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		check_windows(run, class);
	return check_windows(run, BWCTL_CLASSES);
}

/* Bits per second that a class got since from_ns. */
static uint64_t rate_of(const struct run *run, uint32_t class, uint64_t from_ns)
{
	uint64_t bytes = 0;

	for (size_t n = 0; n < run->count; n++)
		if (passed[n].class == class && passed[n].frame.at_ns >= (int64_t)from_ns)
			bytes += passed[n].frame.length_bytes;
	return bytes * 8 * S / (run->now_ns - from_ns);
}

/* ---- traffic ---- */

/* Frames, smaller ones, and if there are any super-packets, up to what a device makes. */
static uint64_t any_size(const struct run *run)
{
	switch (random_below(8)) {
	case 0:
	case 1:
		return 1 + random_below(POLICY_FRAME_BYTES);
	case 2:
		if (run->super_bytes)
			return random_below(2) ? run->super_bytes :
						 1 + random_below(run->super_bytes);
		/* fall through */
	default:
		return POLICY_FRAME_BYTES;
	}
}

/* Each class floods at a multiple of the limit, or does not; for a time. */
static void flood(struct run *run, const bool is_flooding[BWCTL_CLASSES], uint64_t for_ns)
{
	uint64_t limit = policy_limit(run->policy, run->direction), until_ns = run->now_ns + for_ns;
	uint32_t classes[BWCTL_CLASSES], count = 0;
	uint64_t each_ns;

	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		if (is_flooding[class])
			classes[count++] = class;
	each_ns = (uint64_t)POLICY_FRAME_BYTES * 8 * S / (limit ? limit : 100 * MBIT) /
		  (2 * count + 2);
	while (run->now_ns < until_ns) {
		if (count)
			offer(run, classes[random_below(count)], any_size(run));
		run->now_ns += 1 + random_below(2 * each_ns);
	}
}

static void random_floods(struct run *run, unsigned int phases)
{
	bool is_flooding[BWCTL_CLASSES];
	uint64_t window_ns = run->policy->promise[run->direction].window_ns;

	while (phases--) {
		for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
			is_flooding[class] = *run->policy->asked.classes[class].name &&
					     !random_below(3);
		flood(run, is_flooding, 1 + random_below(window_ns / 2));
	}
}

static uint64_t any_of(const uint64_t *values, size_t count)
{
	return values[random_below(count)];
}

static struct bwctl_policy *random_policy(bool paces)
{
	static const uint64_t limits[] = {1 * MBIT, 3 * MBIT, 10 * MBIT, 50 * MBIT, 200 * MBIT};
	uint64_t limit = any_of(limits, sizeof(limits) / sizeof(*limits)), left = limit;
	struct bwctl_policy *policy = new_policy(limit, paces);
	uint32_t count = 1 + (uint32_t)random_below(5);

	for (uint32_t n = 0; n < count; n++) {
		struct bwctl_class_request *class = add_class(
			policy, n, random_below(3) ? limit / 100 * (2 + random_below(120)) : 0,
			(enum bwctl_priority)random_below(3));

		if (random_below(2))
			continue;
		class->reserve_bits_s = random_below(left / 2);
		if (class->limit_bits_s[0] && class->reserve_bits_s > class->limit_bits_s[0])
			class->reserve_bits_s = class->limit_bits_s[0];
		left -= class->reserve_bits_s;
	}
	return policy;
}

/* ---- tests ---- */

static void bound(bool paces, bool is_late, unsigned int policies)
{
	double highest = 0, worst;
	struct run run;

	while (policies--) {
		struct bwctl_policy *policy = random_policy(paces);

		begin(&run, policy);
		run.is_late = is_late;
		run.super_bytes = random_below(3) ? 0 : random_below(2) ? 12112 : 65536;
		random_floods(&run, 12);
		worst = check_all_windows(&run);
		highest = worst > highest ? worst : highest;
		free(policy);
	}
	assert_true(highest > 0.9);
}

/* Whoever floods when, at any priority, with any limits beside the aggregate. */
static void test_bound_police(void **state)
{
	(void)state;
	bound(false, false, 60);
}

static void test_bound_pace(void **state)
{
	(void)state;
	bound(true, false, 60);
}

static void test_bound_pace_late(void **state)
{
	(void)state;
	bound(true, true, 60);
}

/*
 * The worst for the aggregate: classes let wait all that they may while nobody else
 * sends, which has been charged to it; then others flood, and a high one jumps the queue.
 */
static void test_what_waits_is_set_aside(void **state)
{
	bool is_flooding[BWCTL_CLASSES] = {false};
	struct bwctl_policy *policy = new_policy(50 * MBIT, true);
	double worst;
	struct run run;

	(void)state;
	add_class(policy, 0, 20 * MBIT, BWCTL_PRIORITY_NORMAL);
	add_class(policy, 1, 10 * MBIT, BWCTL_PRIORITY_NORMAL);
	begin(&run, policy);
	for (int n = 0; n < 10; n++) {
		memset(is_flooding, 0, sizeof(is_flooding));
		is_flooding[OWN_FIRST] = is_flooding[OWN_FIRST + 1] = true;
		flood(&run, is_flooding, 300 * MS);
		is_flooding[BWCTL_OTHER] = is_flooding[BWCTL_UI] = true;
		flood(&run, is_flooding, 1500 * MS);
	}
	worst = check_all_windows(&run);
	print_message("# worst window %.4f of the limit\n", worst);
	assert_true(worst > 0.98);
	free(policy);
}

/* The same with packets that are larger than a class may pass at once, and many slow classes. */
static void test_large_packets_wait_no_longer(void **state)
{
	static const struct {
		uint64_t limit_bits_s, class_bits_s;
		uint32_t classes;
		uint64_t bytes;
	} rows[] = {
		{5 * MBIT, MBIT / 2, 1, 65536},	   {10 * MBIT, MBIT / 2, 3, 65536},
		{50 * MBIT, MBIT, 10, 65536},	   {50 * MBIT, MBIT, 32, 65536},
		{50 * MBIT, MBIT, 32, 12112},	   {10 * MBIT, MBIT, 4, 12112},
		{2 * MBIT, MBIT / 2, 1, 9000},	   {50 * MBIT, 20 * MBIT, 2, 65536},
		{200 * MBIT, 50 * MBIT, 3, 65536},
	};

	(void)state;
	for (size_t n = 0; n < sizeof(rows) / sizeof(*rows); n++) {
		bool is_flooding[BWCTL_CLASSES] = {false};
		struct bwctl_policy *policy = new_policy(rows[n].limit_bits_s, true);
		struct run run;

		for (uint32_t class = 0; class < rows[n].classes; class ++) {
			add_class(policy, class, rows[n].class_bits_s, BWCTL_PRIORITY_NORMAL);
			is_flooding[OWN_FIRST + class] = true;
		}
		begin(&run, policy);
		run.super_bytes = rows[n].bytes;
		for (int times = 0; times < 4; times++) {
			is_flooding[BWCTL_OTHER] = false;
			flood(&run, is_flooding, 600 * MS);
			is_flooding[BWCTL_OTHER] = true;
			flood(&run, is_flooding, 1200 * MS);
		}
		check_all_windows(&run);
		free(policy);
	}
}

/*
 * A lowered limit holds 100 ms later, whatever waited for both clocks; so does one that is
 * lowered while its classes lose their limits.
 */
static void test_lowered_settles(void **state)
{
	static const struct {
		uint64_t class_bits_s;
		uint32_t classes;
		uint64_t lower_bits_s;
		bool stay;
	} rows[] = {
		{20 * MBIT, 1, 5 * MBIT, true},
		{20 * MBIT, 1, 5 * MBIT, false},
		{5 * MBIT, 4, MBIT, false},
		{5 * MBIT, 4, MBIT, true},
	};

	(void)state;
	for (size_t n = 0; n < sizeof(rows) / sizeof(*rows); n++) {
		bool is_flooding[BWCTL_CLASSES] = {[BWCTL_OTHER] = true, [BWCTL_UI] = true};
		struct bwctl_policy *policy = new_policy(50 * MBIT, true);
		struct bwctl_policy *next = new_policy(rows[n].lower_bits_s, true);
		struct windows_window worst;
		size_t count = 0;
		uint64_t from_ns;
		char why[LOG_TEXT];
		struct run run;

		for (uint32_t class = 0; class < rows[n].classes; class ++) {
			add_class(policy, class, rows[n].class_bits_s, BWCTL_PRIORITY_NORMAL);
			add_class(next, class, rows[n].stay ? rows[n].class_bits_s : 0,
				  BWCTL_PRIORITY_NORMAL);
			is_flooding[OWN_FIRST + class] = true;
		}
		begin(&run, policy);
		flood(&run, is_flooding, 1500 * MS);
		is_flooding[BWCTL_OTHER] = false;
		flood(&run, is_flooding, 500 * MS);
		is_flooding[BWCTL_OTHER] = true;
		flood(&run, is_flooding, 60 * MS);
		assert_int_equal(policy_build(next, true, why), 0);
		policy_succeed(policy, next, run.now_ns);
		run.policy = next;
		from_ns = run.now_ns + 100 * MS;
		flood(&run, is_flooding, 4 * S);
		for (size_t m = 0; m < run.count; m++)
			if (passed[m].frame.at_ns >= (int64_t)from_ns)
				frames[count++] = passed[m].frame;
		qsort(frames, count, sizeof(*frames), windows_compare_frames);
		windows_worst(frames, count, (int64_t)next->promise[0].window_ns,
			      rows[n].lower_bits_s, &worst);
		if (windows_over(&worst)) {
			describe(&run);
			fail_msg("row %zu: %.4f of the lowered limit", n, windows_ratio(&worst));
		}
		free(policy);
		free(next);
	}
}

/* After a very low limit the operator's packets jump the queue again, and reserves are had. */
static void test_raised_is_felt(void **state)
{
	static const uint64_t low[] = {64000, 8000, MBIT};

	(void)state;
	for (size_t n = 0; n < sizeof(low) / sizeof(*low); n++) {
		bool is_flooding[BWCTL_CLASSES] = {
			[BWCTL_OTHER] = true, [BWCTL_UI] = true, [OWN_FIRST] = true};
		struct bwctl_policy *policy = new_policy(low[n], true);
		struct bwctl_policy *next = new_policy(50 * MBIT, true);
		uint64_t from_ns;
		char why[LOG_TEXT];
		struct run run;

		add_class(policy, 0, 0, BWCTL_PRIORITY_LOW)->reserve_bits_s = low[n] / 2;
		add_class(next, 0, 0, BWCTL_PRIORITY_LOW)->reserve_bits_s = 10 * MBIT;
		begin(&run, policy);
		flood(&run, is_flooding, 20 * S);
		assert_int_equal(policy_build(next, true, why), 0);
		policy_succeed(policy, next, run.now_ns);
		run.policy = next;
		is_flooding[BWCTL_UI] = false;
		/* A debt of the low limit is worked off first, and the clock held back for a window. */
		flood(&run, is_flooding, 1500 * MS);
		from_ns = run.now_ns;
		flood(&run, is_flooding, 500 * MS);
		assert_true(offer(&run, BWCTL_UI, 1090));
		if (run.waited_ns > MS)
			fail_msg("from %llu: ui waits %llu ns", (unsigned long long)low[n],
				 (unsigned long long)run.waited_ns);
		if (low[n] >= MBIT)
			assert_true(rate_of(&run, OWN_FIRST, from_ns) > 9 * MBIT);
		free(policy);
		free(next);
	}
}

/*
 * The worst that those can do who jump the queue: after a pause others have filled it, and
 * just before the window that began then ends they take all that the bucket has.
 */
static void test_what_jumps_is_set_aside(void **state)
{
	bool is_flooding[BWCTL_CLASSES] = {[BWCTL_OTHER] = true};
	struct bwctl_policy *policy = new_policy(50 * MBIT, true);
	double worst;
	struct run run;

	(void)state;
	begin(&run, policy);
	for (int n = 0; n < 20; n++) {
		run.now_ns += 300 * MS;
		flood(&run, is_flooding, 910 * MS);
		for (int m = 0; m < 600; m++) {
			offer(&run, BWCTL_UI, 200 + random_below(1000));
			flood(&run, is_flooding, 100000 + random_below(100000));
		}
	}
	worst = check_all_windows(&run);
	print_message("# worst window %.4f of the limit\n", worst);
	assert_true(worst > 0.991);
	free(policy);
}

/* A class that floods alone gets its own limit, and all of it; together they get the aggregate. */
static void test_limits_are_had(void **state)
{
	(void)state;
	for (int paces = 0; paces < 2; paces++) {
		bool is_flooding[BWCTL_CLASSES] = {false};
		struct bwctl_policy *policy = new_policy(50 * MBIT, paces);
		uint64_t from_ns, all = 0;
		double least = paces ? 0.97 : 0.86;
		struct run run;

		add_class(policy, 0, 10 * MBIT, BWCTL_PRIORITY_NORMAL);
		add_class(policy, 1, 25 * MBIT, BWCTL_PRIORITY_NORMAL);
		begin(&run, policy);
		is_flooding[OWN_FIRST] = true;
		flood(&run, is_flooding, 3 * S);
		from_ns = run.now_ns;
		flood(&run, is_flooding, 4 * S);
		assert_true((double)rate_of(&run, OWN_FIRST, from_ns) > least * 10 * MBIT);

		is_flooding[OWN_FIRST + 1] = true;
		is_flooding[BWCTL_OTHER] = true;
		flood(&run, is_flooding, 3 * S);
		from_ns = run.now_ns;
		flood(&run, is_flooding, 4 * S);
		for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
			all += rate_of(&run, class, from_ns);
		assert_true((double)all > (paces ? 0.95 : 0.85) * 50 * MBIT);
		check_all_windows(&run);
		free(policy);
	}
}

/* What is reserved is had at any priority, in a flood of all others; and is everyone's otherwise. */
static void test_reserves_are_had(void **state)
{
	(void)state;
	for (int paces = 0; paces < 2; paces++)
		for (int priority = BWCTL_PRIORITY_LOW; priority <= BWCTL_PRIORITY_HIGH;
		     priority++) {
			bool is_flooding[BWCTL_CLASSES] = {false};
			struct bwctl_policy *policy = new_policy(50 * MBIT, paces);
			uint64_t from_ns;
			struct run run;

			add_class(policy, 0, 0, (enum bwctl_priority)priority)->reserve_bits_s =
				10 * MBIT;
			add_class(policy, 1, 0, BWCTL_PRIORITY_HIGH)->reserve_bits_s = 5 * MBIT;
			begin(&run, policy);
			is_flooding[BWCTL_OTHER] = is_flooding[BWCTL_UI] = true;
			flood(&run, is_flooding, 3 * S);
			from_ns = run.now_ns;
			flood(&run, is_flooding, 3 * S);
			assert_true((double)(rate_of(&run, BWCTL_OTHER, from_ns) +
					     rate_of(&run, BWCTL_UI, from_ns)) >
				    (paces ? 0.97 : 0.85) * 50 * MBIT);

			is_flooding[OWN_FIRST] = is_flooding[OWN_FIRST + 1] = true;
			flood(&run, is_flooding, 3 * S);
			from_ns = run.now_ns;
			flood(&run, is_flooding, 3 * S);
			for (uint32_t n = 0; n < 2; n++) {
				uint64_t got = rate_of(&run, OWN_FIRST + n, from_ns);
				uint64_t reserve =
					policy->asked.classes[OWN_FIRST + n].reserve_bits_s;
				double least = paces ? 0.97 : 0.86;

				if ((double)got < least * (double)reserve) {
					describe(&run);
					fail_msg("%llu of %llu reserved", (unsigned long long)got,
						 (unsigned long long)reserve);
				}
			}
			check_all_windows(&run);
			free(policy);
		}
}

/*
 * Somebody at a user interface: a small packet ten times a second beside a flood of others
 * leaves at once when pacing, is never refused, and waits in line without priority.
 */
static void test_high_jumps_the_queue(void **state)
{
	(void)state;
	for (int is_high = 0; is_high < 2; is_high++) {
		bool is_flooding[BWCTL_CLASSES] = {[BWCTL_OTHER] = true, [BWCTL_SSH] = true};
		struct bwctl_policy *policy = new_policy(50 * MBIT, true);
		uint64_t longest_ns = 0;
		unsigned int refused = 0;
		struct run run;

		if (!is_high)
			policy->asked.classes[BWCTL_UI].priority = BWCTL_PRIORITY_NORMAL;
		begin(&run, policy);
		flood(&run, is_flooding, 3 * S);
		for (int n = 0; n < 200; n++) {
			flood(&run, is_flooding, 20 * MS);
			if (!offer(&run, BWCTL_UI, 1090))
				refused++;
			else if (run.waited_ns > longest_ns)
				longest_ns = run.waited_ns;
		}
		print_message("# %s: %u refused, longest wait %.1f ms\n",
			      is_high ? "high" : "normal", refused, (double)longest_ns / 1e6);
		if (is_high) {
			assert_int_equal(refused, 0);
			assert_true(longest_ns < MS);
		} else {
			assert_true(refused > 20 || longest_ns > 50 * MS);
		}
		check_all_windows(&run);
		free(policy);
	}
}

/* The lowest gets what others leave, and nothing while they take all. */
static void test_low_gives_way(void **state)
{
	(void)state;
	for (int paces = 0; paces < 2; paces++) {
		bool is_flooding[BWCTL_CLASSES] = {[BWCTL_OTHER] = true};
		struct bwctl_policy *policy = new_policy(50 * MBIT, paces);
		uint64_t from_ns;
		struct run run;

		add_class(policy, 0, 0, BWCTL_PRIORITY_LOW);
		begin(&run, policy);
		is_flooding[OWN_FIRST] = true;
		flood(&run, is_flooding, 3 * S);
		from_ns = run.now_ns;
		flood(&run, is_flooding, 3 * S);
		assert_true(rate_of(&run, OWN_FIRST, from_ns) < MBIT);
		is_flooding[BWCTL_OTHER] = false;
		flood(&run, is_flooding, 3 * S);
		from_ns = run.now_ns;
		flood(&run, is_flooding, 3 * S);
		assert_true((double)rate_of(&run, OWN_FIRST, from_ns) >
			    (paces ? 0.97 : 0.86) * 50 * MBIT);
		free(policy);
	}
}

/* A limit that a run makes lower than all reserves together leaves each its part. */
static void test_reserves_over_a_run(void **state)
{
	struct bwctl_policy *policy = new_policy(50 * MBIT, true);
	const struct bwctl_reserve *reserve = policy->reserve[0];
	char why[LOG_TEXT];

	(void)state;
	add_class(policy, 0, 0, BWCTL_PRIORITY_NORMAL)->reserve_bits_s = 30 * MBIT;
	add_class(policy, 1, 0, BWCTL_PRIORITY_NORMAL)->reserve_bits_s = 10 * MBIT;
	policy->runs[3].id = 1;
	policy->runs[3].limit_bits_s[0] = 20 * MBIT;
	assert_int_equal(policy_build(policy, true, why), 0);
	assert_int_equal(policy_limit(policy, 0), 20 * MBIT);
	assert_int_equal(policy_limit(policy, 1), 50 * MBIT);
	/* Cost per byte at three quarters and one quarter of r. */
	for (int n = 0; n < 2; n++) {
		double rate = 8e9 * (double)(1ULL << reserve[OWN_FIRST + n].cost_shift) /
			      (double)reserve[OWN_FIRST + n].cost_multiplier;

		assert_true(rate < (n ? 0.2501 : 0.7501) * (double)policy->meter[0].rate_bits_s);
		assert_true(rate > (n ? 0.2499 : 0.7499) * (double)policy->meter[0].rate_bits_s);
	}
	free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound_police),
		cmocka_unit_test(test_bound_pace),
		cmocka_unit_test(test_bound_pace_late),
		cmocka_unit_test(test_what_waits_is_set_aside),
		cmocka_unit_test(test_large_packets_wait_no_longer),
		cmocka_unit_test(test_lowered_settles),
		cmocka_unit_test(test_raised_is_felt),
		cmocka_unit_test(test_what_jumps_is_set_aside),
		cmocka_unit_test(test_limits_are_had),
		cmocka_unit_test(test_reserves_are_had),
		cmocka_unit_test(test_high_jumps_the_queue),
		cmocka_unit_test(test_low_gives_way),
		cmocka_unit_test(test_reserves_over_a_run),
	};

	return cmocka_run_group_tests_name("shares", tests, NULL, NULL);
}
