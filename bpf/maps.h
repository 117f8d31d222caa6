/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The maps that the programs of both objects share, by their pins: bwctl.bpf.c,
 * which meters, and watch.bpf.c, which watches over the queues.
 */
#ifndef MAPS_H
#define MAPS_H

#include "bwctl.h"

#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>

/* The policy in force; replaced whole, with the pointer. */
struct bwctl_policy_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__uint(key_size,
	       sizeof(__u32)); /* by size: clang leaves out the BTF of a nested map's value */
	__uint(value_size, sizeof(struct bwctl_policy));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct bwctl_policy_map);
} policies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BWCTL_DIRECTIONS);
	__type(key, __u32);
	__type(value, struct bwctl_clock);
} clocks SEC(".maps");

/* Devices whose fq holds packets, for the program that watches them; user space writes it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct bwctl_interface_key);
	__type(value, struct bwctl_holder);
} holders SEC(".maps");

static __always_inline const struct bwctl_policy *policy_in_force(void)
{
	__u32 zero = 0;
	void *policy = bpf_map_lookup_elem(&policies, &zero);

	return policy ? bpf_map_lookup_elem(policy, &zero) : NULL;
}

#endif
