/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The virtual clock: decides over one packet. Pure arithmetic on a clock, a
 * lease and a moment that are all arguments: no helper, no map, so that the
 * tests run it natively with invented clocks and real threads.
 *
 * It is the generic cell rate algorithm (ITU-T I.371, virtual scheduling) on
 * one shared word per direction. The word is the moment until which the limit
 * is spoken for; it may lag behind now by at most the burst. A packet passes
 * while the word is no further ahead of now than its class's headroom, and
 * moves it on by what its bytes cost at the rate r. From that:
 *
 *   passed(T) <= r * (T + burst + headroom + overshoot) + cpus * lease
 *
 * Where packets can wait, the same word says when each may leave, its slot:
 * it is admitted up to a horizon, and no headroom is in the bound. Those of a
 * high level may leave ahead of their slot, as far as a small bucket has room.
 *
 * A class may have a clock of its own, of the same kind, beside the aggregate's,
 * and a reserve, by which it is admitted when its level would not be.
 */
#ifndef METER_H
#define METER_H

#include "bwctl.h"

/* Losing the clock to another CPU this often in a row refuses the packet. */
#define METER_TRIES 8

/* The same, where losing costs nothing but a better place. */
#define METER_SIDE_TRIES 3

/* What is ahead of its slot is this part of the rate, and a bucket: a shift. */
#define METER_JUMP_SHIFT 6

/*
 * The verifier forgets less where it has been than it should in a loop as short
 * as that of the tries, and walks it ten times as long; written out it does not.
 */
#ifdef __bpf__
#define METER_UNROLL _Pragma("unroll")
#else
#define METER_UNROLL
#endif

/*
 * What is tried again and again is a function that the verifier looks at once, for
 * itself, by whatever path it is called. Such a function may write to all that
 * it is given, so that a meter, which is part of a policy, cannot be given to it.
 */
#ifdef __bpf__
#define METER_APART __attribute__((noinline))
#else
#define METER_APART static inline
#endif

/* A larger packet is refused: BIG TCP ends at 512 KiB, and its segments' headers fit as well. */
#define METER_MAX_BYTES (1U << 20)

/* A time farther than any, yet far from running over. */
#define METER_NEVER (1ULL << 62)

enum meter_answer {
	METER_PASS,
	METER_OVER,	  /* over the limit */
	METER_OVER_CLASS, /* over that of the class */
	METER_CONTENDED, /* within it perhaps, but the clock was never ours: refused all the same */
};

/*
 * What a packet asks of the clock: all that does not depend on what the clock
 * says, worked out once, so that a lost race repeats next to nothing (and the
 * verifier, which walks every try, has next to nothing to walk).
 */
struct meter_ask {
	__u64 now_ns;
	__u64 counts_from_ns;	     /* idle time before this is not counted */
	__u64 admits_from_ns;	     /* but can admit, from here on */
	__u64 excess_ns;	     /* of the cost, over the overshoot */
	__u64 until_ns;		     /* the clock may be found this far */
	__u64 kept_ns;		     /* of the time waited for the excess, no more than this */
	__u64 least_bytes, least_ns; /* what is bought at least, and its cost */
	__u64 lease_bytes, lease_ns; /* and while there is no backlog */
	__u64 rightful_ns;	     /* the clock cannot rightly be farther */
};

struct meter_step {
	__u64 clock_ns;	  /* where the clock goes */
	__u64 take_bytes; /* what is bought by going there, 0 when the packet is refused */
	__u64 slot_ns;	  /* when the packet may leave, which may be in the past */
};

static __always_inline __u64 meter_max(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

/* A moment before another, not before the beginning of time. */
static __always_inline __u64 meter_before(__u64 moment_ns, __u64 by_ns)
{
	return moment_ns > by_ns ? moment_ns - by_ns : 0;
}

static __always_inline __u64 meter_scale(const struct bwctl_meter *meter, __u64 bytes,
					 __u64 multiplier)
{
	__u64 round_up = (1ULL << (meter->cost_shift & 63)) - 1;

	return (bytes * multiplier + round_up) >> (meter->cost_shift & 63);
}

/* What bytes (at most METER_MAX_BYTES) cost at the rate r, rounded up. */
static __always_inline __u64 meter_cost_ns(const struct bwctl_meter *meter, __u64 bytes)
{
	return meter_scale(meter, bytes, meter->cost_multiplier);
}

/*
 * What a packet asks that still needs need_bytes at now_ns, and that can wait
 * for its slot if may_wait. Three things are more than plain GCRA:
 *
 * - A packet that costs more than overshoot_ns must find the clock that much
 *   earlier, even earlier than the burst allows the clock to be *counted*:
 *   idle time admits it, but is not spent, so no window is exceeded.
 *   Nothing that fits the window starves, and the bound holds at every size.
 *   If it can wait, it is admitted like any other and leaves that much later;
 *   of that time, too, no more than the burst is kept.
 * - Behind now there is no backlog, and lease_bytes are taken in advance; the
 *   CPU then spends them without coming here.
 * - Nothing less than lot_bytes is ever bought, so that rounding up to whole
 *   nanoseconds costs no more than 0.1 % of the rate; the change is kept.
 */
static __always_inline struct meter_ask meter_ask(const struct bwctl_meter *meter, __u32 level,
						  __u64 now_ns, __u64 need_bytes, _Bool may_wait)
{
	_Bool is_slow = now_ns < meter->slow_until_ns;
	__u64 multiplier = is_slow ? meter->slow_multiplier : meter->cost_multiplier;
	__u64 overshoot_ns = is_slow ? meter->slow_overshoot_ns : meter->overshoot_ns;
	__u64 highest_ns = meter->headroom_ns[BWCTL_LEVEL_RESERVED], room_ns = meter->room_ns;
	__u64 below_ns = highest_ns - meter->headroom_ns[level];
	__u64 cost_ns = meter_scale(meter, need_bytes, multiplier);
	struct meter_ask ask = {
		.now_ns = now_ns,
		.counts_from_ns = meter_max(meter->start_ns, meter_before(now_ns, meter->burst_ns)),
		.admits_from_ns = meter->start_ns,
		.excess_ns = meter_before(cost_ns, overshoot_ns),
		.least_bytes = meter_max(need_bytes, meter->lot_bytes),
		.lease_bytes = need_bytes + meter_max(meter->lease_bytes, meter->lot_bytes),
		.rightful_ns = now_ns + meter->debt_ns,
	};

	ask.least_ns = meter_scale(meter, ask.least_bytes, multiplier);
	ask.lease_ns = meter_scale(meter, ask.lease_bytes, multiplier);
	if (is_slow && room_ns > meter->slow_headroom_ns)
		room_ns = meter->slow_headroom_ns;
	if (level == BWCTL_LEVEL_LOW)
		below_ns += meter->low_ns;
	/* Where there is less room the steps stay: lower classes stop earlier, by no more than the burst. */
	if (room_ns < highest_ns && below_ns > meter->burst_ns)
		below_ns = meter->burst_ns;
	if (may_wait) {
		ask.until_ns = now_ns + meter->horizon_ns[level];
		if (ask.excess_ns > meter->credit_ns)
			ask.admits_from_ns = METER_NEVER;
		ask.kept_ns = meter->burst_ns;
	} else {
		ask.admits_from_ns =
			meter_max(meter->start_ns, meter_before(now_ns, meter->credit_ns));
		ask.until_ns = meter_before(now_ns + room_ns, below_ns + ask.excess_ns);
		if (!ask.until_ns)
			ask.admits_from_ns = METER_NEVER;
		ask.kept_ns = METER_NEVER;
	}
	return ask;
}

/*
 * One step of the clock, which says clock_ns.
 *
 * A clock farther ahead than this rate can have put it was left by a lower one:
 * is_fresh, that is, clock_ns having been read before the packet asked, it is
 * brought back to the largest rightful debt. Not otherwise: it may then just be
 * that others have moved it on while this CPU was held up.
 */
static __always_inline struct meter_step meter_step(const struct meter_ask *ask, __u64 clock_ns,
						    _Bool is_fresh)
{
	__u64 from_ns = meter_max(clock_ns, ask->counts_from_ns);
	struct meter_step step = {.clock_ns = clock_ns, .slot_ns = from_ns + ask->excess_ns};

	if (meter_max(clock_ns, ask->admits_from_ns) > ask->until_ns) {
		if (is_fresh && clock_ns > ask->rightful_ns)
			step.clock_ns = ask->rightful_ns;
		return step;
	}
	from_ns = meter_max(from_ns, meter_before(step.slot_ns, ask->kept_ns));
	if (from_ns + ask->lease_ns <= ask->now_ns) {
		step.take_bytes = ask->lease_bytes;
		step.clock_ns = from_ns + ask->lease_ns;
	} else {
		step.take_bytes = ask->least_bytes;
		step.clock_ns = from_ns + ask->least_ns;
	}
	return step;
}

/* Spends a packet from the lease alone. False: the clock has to be asked. */
static __always_inline _Bool meter_spend_lease(struct bwctl_lease *lease, __u64 generation,
					       __u64 bytes)
{
	if (lease->generation != generation || lease->bytes < bytes)
		return 0;
	lease->bytes -= bytes;
	return 1;
}

/*
 * Moves the clock, which other CPUs move at the same time, by one step. A lost race
 * tries again with what was found, a fixed number of times, and then refuses:
 * contention can refuse a packet, never pass one too many. An answer; ret_step is
 * the step that was made if it is METER_PASS.
 */
METER_APART int meter_take(const struct meter_ask *ask, __u64 seen_ns, __u64 *clock_ns,
			   struct meter_step *ret_step)
{
	if (!ask || !clock_ns || !ret_step)
		return METER_CONTENDED;
	METER_UNROLL
	for (int i = 0; i < METER_TRIES; i++) {
		struct meter_step step = meter_step(ask, seen_ns, i == 0);
		__u64 found_ns;

		if (step.clock_ns == seen_ns)
			return METER_OVER;
		found_ns = __sync_val_compare_and_swap(clock_ns, seen_ns, step.clock_ns);
		if (found_ns == seen_ns) {
			*ret_step = step;
			return step.take_bytes ? METER_PASS : METER_OVER;
		}
		seen_ns = found_ns;
	}
	return METER_CONTENDED;
}

/* A packet that is refused says that the limit has been reached since the one before, or for so long. */
#define METER_SPELL_NS 250000000ULL

/* Time is added up in pieces no smaller than this, so that CPUs seldom write at once. */
#define METER_PIECE_NS 100000

/*
 * Adds up for how long the limit has been reached: *over_until_ns is until when that has been added to
 * *sum_ns. One packet knows it of the time from from_ns until until_ns: if it has to wait from now until
 * its slot, since so long others do too; if it is refused for METER_SPELL_NS before now.
 */
static __always_inline void meter_over(__u64 *over_until_ns, __u64 *sum_ns, __u64 from_ns,
				       __u64 until_ns)
{
	__u64 seen_ns = *(volatile __u64 *)over_until_ns;

	if (until_ns < seen_ns + METER_PIECE_NS ||
	    __sync_val_compare_and_swap(over_until_ns, seen_ns, until_ns) != seen_ns)
		return;
	__sync_fetch_and_add(sum_ns, until_ns - meter_max(seen_ns, from_ns));
}

struct meter_jump {
	__u64 now_ns, slot_ns;
	__u64 cost_ns, room_ns; /* at the rate of the bucket */
};

/* What is needed of memory, by one after another: a program has little of it. */
struct meter_work {
	struct meter_ask ask;
	union {
		struct meter_step step;
		struct meter_jump jump;
	};
};

/*
 * Asks the clock for need_bytes. seen_ns is what it said before the caller looked at the
 * time, now_ns. What was bought is in work->step: take_bytes, and when a packet that can
 * wait may leave.
 */
static __always_inline enum meter_answer meter_buy(struct meter_work *work,
						   const struct bwctl_meter *meter, __u32 level,
						   __u64 need_bytes, __u64 seen_ns, __u64 now_ns,
						   __u64 *clock_ns, _Bool may_wait)
{
	work->ask = meter_ask(meter, level, now_ns, need_bytes, may_wait);
	return meter_take(&work->ask, seen_ns, clock_ns, &work->step);
}

/*
 * Asks the clock for a packet that a lease does not cover; the caller's CPU owns the lease.
 * A packet that can wait may leave at work->step.slot_ns.
 */
static __always_inline enum meter_answer
meter_admit_in(struct meter_work *work, const struct bwctl_meter *meter, __u64 generation,
	       __u32 level, __u64 bytes, __u64 seen_ns, __u64 now_ns, __u64 *clock_ns,
	       struct bwctl_lease *lease, _Bool may_wait)
{
	__u64 have_bytes = lease->generation == generation ? lease->bytes : 0;
	enum meter_answer answer;

	if (bytes > METER_MAX_BYTES)
		return METER_OVER;
	answer = meter_buy(work, meter, level, meter_before(bytes, have_bytes), seen_ns, now_ns,
			   clock_ns, may_wait);
	if (answer != METER_PASS)
		return answer;
	lease->generation = generation;
	lease->bytes = have_bytes + work->step.take_bytes - bytes;
	return METER_PASS;
}

/* The same, for who has memory: ret_slot_ns is NULL for a packet that cannot wait. */
static __always_inline enum meter_answer meter_admit(const struct bwctl_meter *meter,
						     __u64 generation, __u32 level, __u64 bytes,
						     __u64 seen_ns, __u64 now_ns, __u64 *clock_ns,
						     struct bwctl_lease *lease, __u64 *ret_slot_ns)
{
	struct meter_work work = {.step = {0}};
	enum meter_answer answer = meter_admit_in(&work, meter, generation, level, bytes, seen_ns,
						  now_ns, clock_ns, lease, ret_slot_ns != NULL);

	if (answer == METER_PASS && ret_slot_ns)
		*ret_slot_ns = work.step.slot_ns;
	return answer;
}

/*
 * A packet of a high level whose slot is in the future: when it may leave all the
 * same, its slot at the latest. What leaves ahead of its slot has been charged like
 * all else; it is only not in its turn. It comes out of a bucket of jump_ns that fills
 * with 1 / 2^METER_JUMP_SHIFT of the rate, so that at any moment no more than
 *
 *   jump = jump_ns + horizon / 2^METER_JUMP_SHIFT
 *
 * has left whose slot is still to come, which is in the bound. jumped_ns is the
 * bucket's own clock, which other CPUs move at the same time.
 */
METER_APART __u64 meter_leap(const struct meter_jump *jump, __u64 *jumped_ns)
{
	__u64 seen_ns;

	if (!jump || !jumped_ns)
		return METER_NEVER;
	seen_ns = *(volatile __u64 *)jumped_ns;
	METER_UNROLL
	for (int i = 0; i < METER_SIDE_TRIES; i++) {
		__u64 leave_ns = meter_max(jump->now_ns,
					   meter_before(seen_ns + jump->cost_ns, jump->room_ns));
		__u64 found_ns;

		if (leave_ns >= jump->slot_ns)
			return jump->slot_ns;
		found_ns = __sync_val_compare_and_swap(
			jumped_ns, seen_ns, meter_max(seen_ns, leave_ns) + jump->cost_ns);
		if (found_ns == seen_ns)
			return leave_ns;
		seen_ns = found_ns;
	}
	return jump->slot_ns;
}

static __always_inline __u64 meter_jump(struct meter_work *work, const struct bwctl_meter *meter,
					__u64 bytes, __u64 slot_ns, __u64 now_ns, __u64 *jumped_ns)
{
	_Bool is_slow = now_ns < meter->slow_until_ns;
	__u64 multiplier = is_slow ? meter->slow_multiplier : meter->cost_multiplier;
	__u64 cost_ns = meter_scale(meter, bytes, multiplier);

	if (cost_ns > meter->jump_ns || (is_slow && cost_ns > meter->slow_overshoot_ns))
		return slot_ns;
	work->jump = (struct meter_jump){
		.now_ns = now_ns,
		.slot_ns = slot_ns,
		.cost_ns = cost_ns << METER_JUMP_SHIFT,
		.room_ns = meter->jump_ns << METER_JUMP_SHIFT,
	};
	return meter_leap(&work->jump, jumped_ns);
}

/*
 * The bucket under another policy than before: as it was, but no emptier than empty. What left
 * early under the former one is in its own bound still.
 */
static __always_inline void meter_renew_jumps(const struct bwctl_meter *meter, __u64 now_ns,
					      __u64 *jumped_ns)
{
	__u64 seen_ns = *(volatile __u64 *)jumped_ns;
	__u64 empty_ns = now_ns + (meter->jump_ns << METER_JUMP_SHIFT);

	if (seen_ns > empty_ns)
		__sync_val_compare_and_swap(jumped_ns, seen_ns, empty_ns);
}

/* Whether a packet would be within the reserve, whose clock says until_ns. */
static inline _Bool meter_is_reserved(const struct bwctl_reserve *reserve, __u64 until_ns,
				      __u64 now_ns)
{
	return reserve->cost_multiplier &&
	       (until_ns <= now_ns + reserve->horizon_ns || until_ns > now_ns + reserve->most_ns);
}

/*
 * Charges a packet that has passed to the reserve of its class, if it was within: what
 * the reserve's clock says then. A lost race charges too little, which decides only who
 * passes: no bound depends on it.
 */
static __always_inline void meter_spend_reserve(const struct bwctl_reserve *reserve, __u64 bytes,
						__u64 now_ns, __u64 *until_ns)
{
	__u64 round_up = (1ULL << (reserve->cost_shift & 63)) - 1;
	__u64 cost_ns = (bytes * reserve->cost_multiplier + round_up) >> (reserve->cost_shift & 63);
	__u64 seen_ns = *(volatile __u64 *)until_ns;
	__u64 next_ns = meter_before(now_ns, reserve->burst_ns);

	if (seen_ns <= now_ns + reserve->most_ns)
		next_ns = meter_max(seen_ns, next_ns);
	next_ns += cost_ns;
	if (next_ns > now_ns + reserve->most_ns)
		next_ns = now_ns + reserve->most_ns;
	__sync_val_compare_and_swap(until_ns, seen_ns, next_ns);
}

/*
 * Whether a class's own clock, which said seen_ns before the caller looked at the time,
 * would let a packet pass that leaves at leave_ns or later, and until most_ns;
 * looked at before the aggregate is charged, so that what the class refuses
 * costs the others nothing. As meter_buy_own() would have it: the answer of
 * a class that loses a race in between is that one's all the same. A clock that a
 * former limit left far ahead is brought back here.
 */
static __always_inline _Bool meter_has_room(const struct bwctl_meter *meter, __u64 bytes,
					    __u64 seen_ns, __u64 leave_ns, __u64 most_ns,
					    __u64 *clock_ns, _Bool may_wait)
{
	_Bool is_slow = leave_ns < meter->slow_until_ns;
	__u64 multiplier = is_slow ? meter->slow_multiplier : meter->cost_multiplier;
	__u64 overshoot_ns = is_slow ? meter->slow_overshoot_ns : meter->overshoot_ns;
	__u64 spent_ns = meter_max(seen_ns, meter->start_ns);
	__u64 rightful_ns = leave_ns + meter->debt_ns;
	__u64 excess_ns;

	if (bytes > METER_MAX_BYTES)
		return 0;
	excess_ns = meter_before(meter_scale(meter, bytes, multiplier), overshoot_ns);
	if (excess_ns > meter->credit_ns)
		return 0;
	if (may_wait) {
		spent_ns = meter_max(spent_ns, meter_before(leave_ns, meter->burst_ns)) + excess_ns;
		leave_ns += meter->horizon_ns[BWCTL_LEVEL_NORMAL];
		if (leave_ns > most_ns)
			leave_ns = most_ns;
	} else {
		spent_ns =
			meter_max(spent_ns, meter_before(leave_ns, meter->credit_ns)) + excess_ns;
	}
	if (spent_ns <= leave_ns)
		return 1;
	if (seen_ns > rightful_ns)
		__sync_val_compare_and_swap(clock_ns, seen_ns, rightful_ns);
	return 0;
}

/*
 * Asks the clock of a class about a packet that leaves at leave_ns by the aggregate. It may
 * wait until it leaves, with its excess, no longer than the class's horizon and not beyond
 * most_ns: all that waits has been charged to the aggregate, and is set aside there.
 * An enum meter_answer; work->step.slot_ns as ever.
 */
static __always_inline enum meter_answer meter_buy_own(struct meter_work *work,
						       const struct bwctl_meter *meter, __u64 bytes,
						       __u64 leave_ns, __u64 most_ns,
						       __u64 *clock_ns, _Bool may_wait)
{
	__u64 seen_ns = *(volatile __u64 *)clock_ns;

	if (bytes > METER_MAX_BYTES)
		return METER_OVER;
	work->ask = meter_ask(meter, BWCTL_LEVEL_NORMAL, leave_ns, bytes, may_wait);
	if (may_wait) {
		if (work->ask.until_ns > most_ns)
			work->ask.until_ns = most_ns;
		/* From where the clock counts; with the excess it must be there in time. */
		work->ask.admits_from_ns =
			meter_max(work->ask.admits_from_ns, work->ask.counts_from_ns);
		work->ask.until_ns = meter_before(work->ask.until_ns, work->ask.excess_ns);
	}
	/* The moment was looked at before the clock: it does not tell what is rightful. */
	work->ask.rightful_ns = METER_NEVER;
	return meter_take(&work->ask, seen_ns, clock_ns, &work->step);
}

#endif
