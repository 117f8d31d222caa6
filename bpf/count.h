/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Owns the counters: per CPU and direction, by flow and by class, and once more
 * by class for each interface, whose programs have a map of their own. Only the
 * programs write them, user space sums them, and no change of policy touches
 * them. The entries behind those of the directions are user space's: what it
 * takes away when a number gets to be somebody else's.
 */
#ifndef COUNT_H
#define COUNT_H

#include "bwctl.h"
#include "charge.h"
#include "meter.h"
#include "pace.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BWCTL_COUNTED);
	__type(key, __u32);
	__type(value, struct bwctl_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BWCTL_COUNTED);
	__type(key, __u32);
	__type(value, struct bwctl_interface_counters);
} interface_counters SEC(".maps");

static __always_inline void count_tally(struct bwctl_tally *tally, struct charge charge)
{
	tally->packets += charge.frames;
	tally->bytes += charge.bytes;
}

static __always_inline void count_delay(struct bwctl_flow_counters *row, struct charge charge,
					__u64 delay_ns)
{
	count_tally(&row->paced, charge);
	row->delay_ns += delay_ns * charge.frames;
	if (row->delay_max_ns < delay_ns)
		row->delay_max_ns = delay_ns;
}

static __always_inline void count_bucket(struct bwctl_counters *mine, struct charge charge,
					 __u64 delay_ns)
{
	__u32 bucket = 0;

	/* By the borrow: a comparison would be a branch each, and the verifier walks them all. */
	for (__u32 i = 0; i < BWCTL_DELAY_BUCKETS - 1; i++)
		bucket += ((1000000ULL << i) - delay_ns) >> 63;
	if (bucket < BWCTL_DELAY_BUCKETS)
		mine->delays[bucket] += charge.frames;
}

/*
 * What is only observed has passed, whatever the answer. Delays are then those that
 * there would have been.
 */
static __always_inline void count_row(struct bwctl_flow_counters *row, enum meter_answer answer,
				      _Bool observe, struct charge charge, const struct pace *pace)
{
	if (answer != METER_PASS && !observe) {
		count_tally(&row->dropped, charge);
		return;
	}
	if (answer != METER_PASS)
		count_tally(&row->would_drop, charge);
	count_tally(&row->passed, charge);
	if (answer == METER_PASS && pace->delay_ns)
		count_delay(row, charge, pace->delay_ns);
	if (pace->is_marked)
		count_tally(&row->marked, charge);
}

/* counter and class are within their arrays. */
static __always_inline void count(__u32 direction, __u32 counter, __u32 class,
				  enum meter_answer answer, _Bool observe, struct charge charge,
				  const struct pace *pace)
{
	struct bwctl_counters *all = bpf_map_lookup_elem(&counters, &direction);
	struct bwctl_interface_counters *here =
		bpf_map_lookup_elem(&interface_counters, &direction);

	/* Always so: for the verifier, in the registers that are used here. */
	barrier_var(counter);
	barrier_var(class);
	if (!all || !here || counter >= BWCTL_FLOWS || class >= BWCTL_CLASSES)
		return;
	count_row(&all->flows[counter], answer, observe, charge, pace);
	count_row(&all->classes[class], answer, observe, charge, pace);
	count_row(&here->classes[class], answer, observe, charge, pace);
	if (answer == METER_CONTENDED && !observe) {
		count_tally(&all->contended, charge);
		count_tally(&here->reasons[class][BWCTL_REASON_CONTENDED], charge);
	}
	if (answer == METER_OVER_CLASS && !observe)
		count_tally(&here->reasons[class][BWCTL_REASON_CLASS], charge);
	if (answer == METER_PASS && pace->delay_ns)
		count_bucket(all, charge, pace->delay_ns);
}

#endif
