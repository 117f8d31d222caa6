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

static __always_inline void count(__u32 direction, __u32 flow, enum meter_answer answer,
				  struct charge charge)
{
	struct bwctl_counters *mine = bpf_map_lookup_elem(&counters, &direction);

	if (!mine)
		return;
	if (answer == METER_PASS) {
		count_tally(&mine->flows[flow].passed, charge);
		return;
	}
	count_tally(&mine->flows[flow].dropped, charge);
	if (answer == METER_CONTENDED)
		count_tally(&mine->contended, charge);
}

#endif
