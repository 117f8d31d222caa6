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
 * it is admitted up to a horizon, and no headroom is in the bound.
 */
#ifndef METER_H
#define METER_H

#include "bwctl.h"

/* Losing the clock to another CPU this often in a row refuses the packet. */
#define METER_TRIES 16

/* A larger packet is refused: BIG TCP ends at 512 KiB, and its segments' headers fit as well. */
#define METER_MAX_BYTES (1U << 20)

enum meter_answer {
	METER_PASS,
	METER_OVER,	 /* over the limit */
	METER_CONTENDED, /* within it perhaps, but the clock was never ours: refused all the same */
};

struct meter_step {
	__u64 clock_ns;	  /* where the clock goes */
	__u64 take_bytes; /* what is bought by going there, 0 when the packet is refused */
	__u64 slot_ns;	  /* when the packet may leave, which may be in the past */
};

static inline __u64 meter_max(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

/* A moment before another, not before the beginning of time. */
static inline __u64 meter_before(__u64 moment_ns, __u64 by_ns)
{
	return moment_ns > by_ns ? moment_ns - by_ns : 0;
}

static inline __u64 meter_scale(const struct bwctl_meter *meter, __u64 bytes, __u64 multiplier)
{
	__u64 round_up = (1ULL << (meter->cost_shift & 63)) - 1;

	return (bytes * multiplier + round_up) >> (meter->cost_shift & 63);
}

/* What bytes (at most METER_MAX_BYTES) cost at the rate r, rounded up. */
static inline __u64 meter_cost_ns(const struct bwctl_meter *meter, __u64 bytes)
{
	return meter_scale(meter, bytes, meter->cost_multiplier);
}

/*
 * One step of the clock at the moment now_ns for a packet that still needs
 * need_bytes, and that can wait for its slot if may_wait. Three things are more
 * than plain GCRA:
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
 *
 * A clock farther ahead than this rate can have put it was left by a lower one:
 * is_fresh, that is, clock_ns having been read before now_ns, it is brought
 * back to the largest rightful debt. Not otherwise: it may then just be that
 * others have moved it on while this CPU was held up.
 */
static inline struct meter_step meter_step(const struct bwctl_meter *meter, __u32 class,
					   __u64 clock_ns, __u64 now_ns, _Bool is_fresh,
					   __u64 need_bytes, _Bool may_wait)
{
	_Bool is_slow = now_ns < meter->slow_until_ns;
	__u64 multiplier = is_slow ? meter->slow_multiplier : meter->cost_multiplier;
	__u64 overshoot_ns = is_slow ? meter->slow_overshoot_ns : meter->overshoot_ns;
	__u64 headroom_ns = meter->headroom_ns[class];
	__u64 cost_ns = meter_scale(meter, need_bytes, multiplier);
	__u64 excess_ns = cost_ns > overshoot_ns ? cost_ns - overshoot_ns : 0;
	__u64 spent_ns = meter_max(clock_ns, meter->start_ns);
	__u64 from_ns = meter_max(spent_ns, meter_before(now_ns, meter->burst_ns));
	struct meter_step step = {.clock_ns = clock_ns, .slot_ns = from_ns + excess_ns};
	__u64 lease_bytes, lease_ns;
	_Bool admitted;

	if (is_slow && headroom_ns > meter->slow_headroom_ns)
		headroom_ns = meter->slow_headroom_ns;
	if (may_wait) {
		admitted = spent_ns <= now_ns + meter->horizon_ns[class] &&
			   excess_ns <= meter->credit_ns;
		from_ns = meter_max(from_ns, meter_before(step.slot_ns, meter->burst_ns));
	} else {
		admitted =
			meter_max(spent_ns, meter_before(now_ns, meter->credit_ns)) + excess_ns <=
			now_ns + headroom_ns;
	}
	if (!admitted) {
		if (is_fresh && clock_ns > now_ns + meter->debt_ns)
			step.clock_ns = now_ns + meter->debt_ns;
		return step;
	}
	lease_bytes = meter_max(meter->lease_bytes, meter->lot_bytes);
	lease_ns = meter_scale(meter, need_bytes + lease_bytes, multiplier);
	if (from_ns + lease_ns <= now_ns) {
		step.take_bytes = need_bytes + lease_bytes;
		step.clock_ns = from_ns + lease_ns;
	} else {
		step.take_bytes = meter_max(need_bytes, meter->lot_bytes);
		step.clock_ns = from_ns + meter_scale(meter, step.take_bytes, multiplier);
	}
	return step;
}

/* Spends a packet from the lease alone. False: the clock has to be asked. */
static inline _Bool meter_spend_lease(struct bwctl_lease *lease, __u64 generation, __u64 bytes)
{
	if (lease->generation != generation || lease->bytes < bytes)
		return 0;
	lease->bytes -= bytes;
	return 1;
}

/*
 * Asks the clock, which other CPUs move at the same time. seen_ns is what it
 * said before the caller looked at the time, now_ns. A lost race tries again
 * with what was found, a fixed number of times, and then refuses: contention
 * can refuse a packet, never pass one too many. The caller's CPU owns the lease.
 *
 * ret_slot_ns, NULL for a packet that cannot wait, is when it may leave if it passes.
 */
static inline enum meter_answer meter_admit(const struct bwctl_meter *meter, __u64 generation,
					    __u32 class, __u64 bytes, __u64 seen_ns, __u64 now_ns,
					    __u64 *clock_ns, struct bwctl_lease *lease,
					    __u64 *ret_slot_ns)
{
	__u64 have_bytes = lease->generation == generation ? lease->bytes : 0;
	__u64 need_bytes = bytes > have_bytes ? bytes - have_bytes : 0;

	if (bytes > METER_MAX_BYTES)
		return METER_OVER;
	for (int i = 0; i < METER_TRIES; i++) {
		struct meter_step step = meter_step(meter, class, seen_ns, now_ns, i == 0,
						    need_bytes, ret_slot_ns != NULL);
		__u64 found_ns;

		if (step.clock_ns == seen_ns)
			return METER_OVER;
		found_ns = __sync_val_compare_and_swap(clock_ns, seen_ns, step.clock_ns);
		if (found_ns == seen_ns) {
			if (!step.take_bytes)
				return METER_OVER;
			lease->generation = generation;
			lease->bytes = have_bytes + step.take_bytes - bytes;
			if (ret_slot_ns)
				*ret_slot_ns = step.slot_ns;
			return METER_PASS;
		}
		seen_ns = found_ns;
	}
	return METER_CONTENDED;
}

#endif
