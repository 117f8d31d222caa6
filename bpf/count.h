/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Owns the counters: per CPU, per direction, per row of the flow table. Only
 * the programs write them, user space sums them, and no change of policy
 * touches them. Classes are sums over rows, made where they are shown.
 */
#ifndef COUNT_H
#define COUNT_H

#include "bwctl.h"
#include "charge.h"
#include "meter.h"
#include "pace.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BWCTL_DIRECTIONS);
	__type(key, __u32);
	__type(value, struct bwctl_counters);
} counters SEC(".maps");

static __always_inline void count_tally(struct bwctl_tally *tally, struct charge charge)
{
	tally->packets += charge.frames;
	tally->bytes += charge.bytes;
}

static __always_inline void count_delay(struct bwctl_counters *mine,
					struct bwctl_flow_counters *row, struct charge charge,
					__u64 delay_ns)
{
	__u32 bucket = 0;

	count_tally(&row->paced, charge);
	row->delay_ns += delay_ns * charge.frames;
	if (row->delay_max_ns < delay_ns)
		row->delay_max_ns = delay_ns;
	/* By the borrow: a comparison would be a branch each, and the verifier walks them all. */
	for (__u32 i = 0; i < BWCTL_DELAY_BUCKETS - 1; i++)
		bucket += ((1000000ULL << i) - delay_ns) >> 63;
	if (bucket < BWCTL_DELAY_BUCKETS)
		mine->delays[bucket] += charge.frames;
}

static __always_inline void count(__u32 direction, __u32 flow, enum meter_answer answer,
				  struct charge charge, const struct pace *pace)
{
	struct bwctl_counters *mine = bpf_map_lookup_elem(&counters, &direction);
	struct bwctl_flow_counters *row;

	if (!mine)
		return;
	row = &mine->flows[flow];
	if (answer == METER_PASS) {
		count_tally(&row->passed, charge);
		if (pace->delay_ns)
			count_delay(mine, row, charge, pace->delay_ns);
		if (pace->is_marked)
			count_tally(&row->marked, charge);
		return;
	}
	count_tally(&row->dropped, charge);
	if (answer == METER_CONTENDED)
		count_tally(&mine->contended, charge);
}

#endif
