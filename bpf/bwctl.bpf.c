// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Entry points: TC ingress and egress, for devices with an Ethernet header
 * and for those without. Each packet takes the same visible steps, and no
 * step that fails lets a packet by: without a policy nothing passes.
 */
#include "bwctl.h"
#include "charge.h"
#include "classify.h"
#include "count.h"
#include "meter.h"
#include "parse.h"

#include <linux/pkt_cls.h>

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

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BWCTL_DIRECTIONS);
	__type(key, __u32);
	__type(value, struct bwctl_lease);
} leases SEC(".maps");

/* What is loaded where: user space's own notes, no program reads them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct bwctl_interface_key);
	__type(value, struct bwctl_interface);
} interfaces SEC(".maps");

static __always_inline const struct bwctl_policy *policy_in_force(void)
{
	__u32 zero = 0;
	void *policy = bpf_map_lookup_elem(&policies, &zero);

	return policy ? bpf_map_lookup_elem(policy, &zero) : NULL;
}

static __always_inline enum meter_answer meter(const struct bwctl_policy *policy, __u32 direction,
					       __u32 class, __u32 bytes)
{
	const struct bwctl_meter *meter = &policy->meter[direction];
	struct bwctl_lease *lease;
	struct bwctl_clock *clock;
	__u64 seen_ns;

	if (!meter->rate_bits_s)
		return METER_PASS;
	lease = bpf_map_lookup_elem(&leases, &direction);
	if (!lease)
		return METER_OVER;
	if (meter_spend_lease(lease, policy->generation, bytes))
		return METER_PASS;
	clock = bpf_map_lookup_elem(&clocks, &direction);
	if (!clock)
		return METER_OVER;
	seen_ns = *(volatile __u64 *)&clock->spent_until_ns;
	return meter_admit(meter, policy->generation, class, bytes, seen_ns, bpf_ktime_get_ns(),
			   &clock->spent_until_ns, lease);
}

/*
 * Off ingress a packet is shot. On egress TC_ACT_SHOT would tell the sender,
 * and TCP then has nothing in flight and waits for its timer (docs/DESIGN.md
 * has the figures); TC_ACT_STOLEN is silent, but passes the packet under tcx. A
 * redirect to no device drops it silently under both: sch_handle_egress()
 * reports success whatever skb_do_redirect() finds.
 */
static __always_inline int drop(enum bwctl_direction direction)
{
	if (direction == BWCTL_EGRESS)
		return bpf_redirect(0, 0);
	return TC_ACT_SHOT;
}

static __always_inline int police(struct __sk_buff *skb, enum bwctl_direction direction,
				  _Bool ethernet)
{
	const struct bwctl_policy *policy = policy_in_force();
	enum meter_answer answer;
	struct packet packet;
	struct charge wire;
	__u32 flow, class;

	if (!policy)
		return drop(direction);
	parse(skb, ethernet, &packet);
	flow = classify(skb, &policy->table, &packet, direction);
	class = CLASSIFY_WITHIN(policy->table.class[flow], BWCTL_CLASSES);
	wire = charge(skb, &packet, direction, policy->meter[direction].overhead_bytes);
	answer = meter(policy, direction, class, wire.bytes);
	count(direction, flow, answer, wire);

	/* "Next" under tcx and under clsact: others' programs and filters still run. */
	return answer == METER_PASS ? TC_ACT_UNSPEC : drop(direction);
}

SEC("tc")
int bwctl_eth_in(struct __sk_buff *skb)
{
	return police(skb, BWCTL_INGRESS, 1);
}

SEC("tc")
int bwctl_eth_out(struct __sk_buff *skb)
{
	return police(skb, BWCTL_EGRESS, 1);
}

SEC("tc")
int bwctl_ip_in(struct __sk_buff *skb)
{
	return police(skb, BWCTL_INGRESS, 0);
}

SEC("tc")
int bwctl_ip_out(struct __sk_buff *skb)
{
	return police(skb, BWCTL_EGRESS, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
