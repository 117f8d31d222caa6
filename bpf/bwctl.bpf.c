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
#include "maps.h"
#include "meter.h"
#include "pace.h"
#include "parse.h"

#include <linux/pkt_cls.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BWCTL_DIRECTIONS);
	__type(key, __u32);
	__type(value, struct bwctl_lease);
} leases SEC(".maps");

/* What is loaded where: user space's own notes, no program reads them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BWCTL_SLOTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct bwctl_interface_key);
	__type(value, struct bwctl_interface);
} interfaces SEC(".maps");

/*
 * Whether packets may wait: not when the queue that would hold them has been
 * taken away, nor when something on the way to it is missing or down, which shows when
 * the last packet that was sent there on this CPU did not come to the program of the
 * IFB. Until user space has looked at it they are policed.
 */
static __always_inline _Bool may_wait(const struct bwctl_policy *policy,
				      const struct bwctl_meter *meter, struct bwctl_clock *clock,
				      const struct bwctl_lease *lease)
{
	if (!meter->horizon_ns[0])
		return 0;
	/* Where programs interrupt each other on a CPU it may be under way all the same. */
	if (lease->leading == policy->generation && meter->lot_bytes)
		clock->lost_generation = policy->generation;
	return clock->lost_generation != policy->generation;
}

/* The note that a packet is on its way to the IFB: it has come there, or does not go. */
static __always_inline void strike_out(void)
{
	__u32 ingress = BWCTL_INGRESS;
	struct bwctl_lease *lease = bpf_map_lookup_elem(&leases, &ingress);

	if (lease)
		lease->leading = 0;
}

static __always_inline enum meter_answer meter(struct __sk_buff *skb,
					       const struct bwctl_policy *policy, __u32 direction,
					       __u32 level, __u32 bytes, struct pace *pace)
{
	const struct bwctl_meter *meter = &policy->meter[direction];
	enum meter_answer answer = METER_PASS;
	struct bwctl_lease *lease;
	struct bwctl_clock *clock;
	__u64 seen_ns, slot_ns = 0;
	_Bool waits;

	if (!meter->rate_bits_s)
		return METER_PASS;
	lease = bpf_map_lookup_elem(&leases, &direction);
	clock = bpf_map_lookup_elem(&clocks, &direction);
	if (!lease || !clock)
		return METER_OVER;
	waits = may_wait(policy, meter, clock, lease);
	if (!meter_spend_lease(lease, policy->generation, bytes)) {
		seen_ns = *(volatile __u64 *)&clock->spent_until_ns;
		pace->now_ns = bpf_ktime_get_ns();
		answer = meter_admit(meter, policy->generation, level, bytes, seen_ns, pace->now_ns,
				     &clock->spent_until_ns, lease, waits ? &slot_ns : NULL);
	}
	if (waits && answer == METER_PASS) {
		pace_keep_order(pace, clock, policy->generation, slot_ns);
		pace_mark(skb, pace, meter, clock);
		if (direction == BWCTL_INGRESS && pace->depart_ns)
			lease->leading = policy->generation;
	}
	return answer;
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

static __always_inline int limit(struct __sk_buff *skb, enum bwctl_direction direction,
				 _Bool ethernet)
{
	const struct bwctl_policy *policy = policy_in_force();
	const struct bwctl_meter *mine;
	enum meter_answer answer;
	struct pace pace = {0};
	struct packet packet;
	struct charge wire;
	__u32 flow, class, counter, level;
	int led;

	if (!policy)
		return drop(direction);
	parse(skb, ethernet, &packet);
	flow = classify(skb, &policy->table, &packet, direction);
	class = policy->table.class[flow];
	counter = policy->table.counter[flow];
	if (class >= BWCTL_CLASSES || counter >= BWCTL_FLOWS)
		return drop(direction);
	level = policy->rules[class].level;
	if (level >= BWCTL_LEVELS)
		return drop(direction);
	mine = &policy->meter[direction];
	wire = charge(skb, &packet, direction, mine->overhead_bytes);
	answer = meter(skb, policy, direction, level, wire.bytes, &pace);
	count(direction, counter, class, answer, policy->observe, wire, &pace);

	if (answer != METER_PASS)
		return drop(direction);
	/* "Next" under tcx and under clsact: others' programs and filters still run. */
	if (!mine->horizon_ns[0]) {
		if (direction == BWCTL_EGRESS)
			pace_within_drift(skb, &pace, mine);
		return TC_ACT_UNSPEC;
	}
	if (direction == BWCTL_EGRESS)
		return pace_out(skb, &pace, mine);
	led = pace_in(skb, &pace, mine, ethernet);
	if (led == TC_ACT_SHOT)
		strike_out();
	return led;
}

SEC("tc")
int bwctl_eth_in(struct __sk_buff *skb)
{
	return limit(skb, BWCTL_INGRESS, 1);
}

SEC("tc")
int bwctl_eth_out(struct __sk_buff *skb)
{
	return limit(skb, BWCTL_EGRESS, 1);
}

SEC("tc")
int bwctl_ip_in(struct __sk_buff *skb)
{
	return limit(skb, BWCTL_INGRESS, 0);
}

SEC("tc")
int bwctl_ip_out(struct __sk_buff *skb)
{
	return limit(skb, BWCTL_EGRESS, 0);
}

SEC("tc")
int bwctl_hold(struct __sk_buff *skb)
{
	strike_out();
	return pace_hold(skb);
}

/* A classifier, not an action: -1 matches. */
SEC("tc")
int bwctl_lead(struct __sk_buff *skb)
{
	return pace_is_noted(skb) ? -1 : 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
