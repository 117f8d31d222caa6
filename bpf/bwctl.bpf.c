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

/* A clock of its own for each class, by direction: its limit, and what is reserved for it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BWCTL_DIRECTIONS *BWCTL_CLASSES);
	__type(key, __u32);
	__type(value, struct bwctl_clock);
} class_clocks SEC(".maps");

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

/* One packet, where it stands in the policy, and what becomes of it. */
struct turn {
	const struct bwctl_policy *policy;
	const struct bwctl_meter *all, *own; /* own: of its class */
	const struct bwctl_reserve *reserve;
	struct bwctl_clock *clock, *own_clock; /* own_clock: if the class needs one */
	struct bwctl_lease *lease;
	__u32 class, counter, level;
	struct charge wire;
	_Bool is_exempt;
	_Bool waits;	/* may have to */
	_Bool may_jump; /* may leave ahead of its slot */
	__u64 slot_ns, leave_ns;
	struct pace pace;
};

/* Whether the limit of all is reached, as far as this packet knows. */
static __always_inline void tell_over(struct turn *turn, enum meter_answer answer, __u64 slot_ns)
{
	struct bwctl_clock *clock = turn->clock;
	__u64 now_ns = turn->pace.now_ns;

	if (answer == METER_OVER)
		meter_over(&clock->over_until_ns, &clock->over_sum_ns,
			   meter_before(now_ns, METER_SPELL_NS), now_ns);
	else if (turn->waits && slot_ns > now_ns)
		meter_over(&clock->over_until_ns, &clock->over_sum_ns, now_ns, slot_ns);
}

/*
 * The aggregate's clock: an enum meter_answer, and when the packet may leave. This and
 * those that follow have frames of their own on the stack, of which there is little.
 */
static __noinline int meter_all(struct turn *turn)
{
	__u64 generation = turn->policy->generation;
	struct meter_work work = {.step = {0}};
	enum meter_answer answer;
	__u32 level = turn->level;
	__u64 seen_ns;

	barrier_var(level);
	if (level >= BWCTL_LEVELS)
		return METER_OVER;
	seen_ns = *(volatile __u64 *)&turn->clock->spent_until_ns;
	/* Looked at anew: the clock was read before. */
	turn->pace.now_ns = bpf_ktime_get_ns();
	answer = meter_admit_in(&work, turn->all, generation, level, turn->wire.bytes, seen_ns,
				turn->pace.now_ns, &turn->clock->spent_until_ns, turn->lease,
				turn->waits);
	if (!turn->policy->observe)
		tell_over(turn, answer, work.step.slot_ns);
	if (answer != METER_PASS || !turn->waits)
		return answer;
	turn->slot_ns = turn->leave_ns = work.step.slot_ns;
	if (turn->clock->jumped_generation != generation) {
		meter_renew_jumps(turn->all, turn->pace.now_ns, &turn->clock->jumped_until_ns);
		turn->clock->jumped_generation = generation;
	}
	if (turn->slot_ns > turn->pace.now_ns && turn->may_jump)
		turn->leave_ns = meter_jump(&work, turn->all, turn->wire.bytes, turn->slot_ns,
					    turn->pace.now_ns, &turn->clock->jumped_until_ns);
	return METER_PASS;
}

/* All of it: by a lease or by the clock, and by a reserve where the level is not enough. */
static __noinline int meter_aggregate(struct turn *turn)
{
	const struct bwctl_reserve *reserve = turn->reserve;
	struct pace *pace = &turn->pace;
	_Bool is_reserved = 0;
	int answer = METER_PASS;

	if (reserve->cost_multiplier && turn->own_clock) {
		pace_look(pace);
		is_reserved = meter_is_reserved(reserve, turn->own_clock->reserved_until_ns,
						pace->now_ns);
	}
	if (is_reserved)
		turn->level = BWCTL_LEVEL_RESERVED;
	if (!meter_spend_lease(turn->lease, turn->policy->generation, turn->wire.bytes))
		answer = meter_all(turn);
	if (answer != METER_PASS)
		return answer;
	if (is_reserved && turn->own_clock)
		meter_spend_reserve(reserve, turn->wire.bytes, pace->now_ns,
				    &turn->own_clock->reserved_until_ns);
	if (turn->waits)
		pace->depart_ns = pace_keep_order(
			pace, turn->may_jump ? &turn->clock->high_held : &turn->clock->held,
			turn->policy->generation, turn->slot_ns, turn->leave_ns);
	return METER_PASS;
}

/* No packet waits longer in all than the aggregate or its class lets it. */
static __always_inline __u64 wait_until(const struct turn *turn)
{
	return turn->pace.now_ns + meter_max(turn->all->horizon_ns[BWCTL_LEVEL_RESERVED],
					     turn->own->horizon_ns[BWCTL_LEVEL_NORMAL]);
}

/* The class's own limit, at the moment at which the packet would leave otherwise. */
static __noinline int meter_own(struct turn *turn)
{
	struct bwctl_clock *clock = turn->own_clock;
	struct meter_work work = {.step = {0}};
	struct pace *pace = &turn->pace;
	enum meter_answer answer;
	__u64 slot_ns;

	if (!clock)
		return METER_OVER;
	pace_look(pace);
	answer = meter_buy_own(&work, turn->own, turn->wire.bytes,
			       meter_max(pace->now_ns, pace->depart_ns), wait_until(turn),
			       &clock->spent_until_ns, turn->waits);
	if (answer == METER_OVER)
		return METER_OVER_CLASS;
	if (answer != METER_PASS || !turn->waits)
		return answer;
	slot_ns = work.step.slot_ns;
	if (pace->depart_ns && slot_ns < pace->depart_ns)
		slot_ns = pace->depart_ns;
	pace->depart_ns =
		pace_keep_order(pace, &clock->held, turn->policy->generation, slot_ns, slot_ns);
	return METER_PASS;
}

/*
 * Before the aggregate is charged: whether the class's own limit has room when the packet
 * could leave. The clock is read before the time.
 */
static __noinline int own_has_room(struct turn *turn)
{
	__u64 seen_ns, leave_ns;

	if (!turn->own_clock)
		return 0;
	seen_ns = *(volatile __u64 *)&turn->own_clock->spent_until_ns;
	turn->pace.now_ns = bpf_ktime_get_ns();
	leave_ns = turn->pace.now_ns;
	if (turn->waits && turn->all->rate_bits_s && !turn->may_jump)
		leave_ns = meter_max(leave_ns, *(volatile __u64 *)&turn->clock->spent_until_ns);
	return meter_has_room(turn->own, turn->wire.bytes, seen_ns, leave_ns, wait_until(turn),
			      &turn->own_clock->spent_until_ns, turn->waits);
}

static __always_inline enum meter_answer meter(struct __sk_buff *skb, struct turn *turn,
					       __u32 direction)
{
	const struct bwctl_policy *policy = turn->policy;
	__u32 key = direction * BWCTL_CLASSES + turn->class;
	_Bool is_own = turn->own->rate_bits_s;
	enum meter_answer answer = METER_PASS;

	if (!turn->all->rate_bits_s && !is_own)
		return METER_PASS;
	turn->lease = bpf_map_lookup_elem(&leases, &direction);
	turn->clock = bpf_map_lookup_elem(&clocks, &direction);
	if (!turn->lease || !turn->clock)
		return METER_OVER;
	turn->waits = may_wait(policy, turn->all, turn->clock, turn->lease);
	turn->own_clock = NULL;
	if (is_own || turn->reserve->cost_multiplier) {
		turn->own_clock = bpf_map_lookup_elem(&class_clocks, &key);
		if (!turn->own_clock)
			return METER_OVER;
	}
	if (is_own && !own_has_room(turn))
		return METER_OVER_CLASS;
	if (turn->all->rate_bits_s)
		answer = meter_aggregate(turn);
	if (answer == METER_PASS && is_own)
		answer = meter_own(turn);
	if (answer != METER_PASS || !turn->waits)
		return answer;
	pace_delay(&turn->pace);
	if (policy->observe)
		return METER_PASS;
	if (is_own && turn->own_clock)
		pace_mark(skb, &turn->pace, turn->own, turn->own_clock, 0);
	else
		pace_mark(skb, &turn->pace, turn->all, turn->clock, turn->may_jump);
	if (direction == BWCTL_INGRESS && turn->pace.depart_ns)
		turn->lease->leading = policy->generation;
	return METER_PASS;
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

/* What the packet is: its class, where it is counted, what it is on the wire. */
static __always_inline int look_as(struct __sk_buff *skb, struct turn *turn,
				   enum bwctl_direction direction, _Bool ethernet)
{
	const struct bwctl_policy *policy = turn->policy;
	__u32 flow, class, counter;
	struct packet packet;

	parse(skb, ethernet, &packet);
	flow = classify(skb, &policy->table, &packet, direction, policy->generation);
	class = policy->table.class[flow];
	counter = policy->table.counter[flow];
	barrier_var(class);
	if (class >= BWCTL_CLASSES)
		return -1;
	turn->class = class;
	turn->counter = counter;
	turn->level = policy->rules[class].level;
	turn->may_jump = turn->level >= BWCTL_LEVEL_HIGH;
	turn->is_exempt = policy->rules[class].exempt;
	turn->all = &policy->meter[direction];
	turn->own = &policy->class_meter[direction][class];
	turn->reserve = &policy->reserve[direction][class];
	turn->wire = charge(skb, &packet, direction, turn->all->overhead_bytes);
	return 0;
}

/*
 * One for each program, with a frame of its own: that direction and header are
 * constants in it saves a packet 2 ns.
 */
static __noinline int look_eth_in(struct __sk_buff *skb, struct turn *turn)
{
	return look_as(skb, turn, BWCTL_INGRESS, 1);
}

static __noinline int look_eth_out(struct __sk_buff *skb, struct turn *turn)
{
	return look_as(skb, turn, BWCTL_EGRESS, 1);
}

static __noinline int look_ip_in(struct __sk_buff *skb, struct turn *turn)
{
	return look_as(skb, turn, BWCTL_INGRESS, 0);
}

static __noinline int look_ip_out(struct __sk_buff *skb, struct turn *turn)
{
	return look_as(skb, turn, BWCTL_EGRESS, 0);
}

static __always_inline int look(struct __sk_buff *skb, struct turn *turn,
				enum bwctl_direction direction, _Bool ethernet)
{
	if (ethernet)
		return direction == BWCTL_INGRESS ? look_eth_in(skb, turn) :
						    look_eth_out(skb, turn);
	return direction == BWCTL_INGRESS ? look_ip_in(skb, turn) : look_ip_out(skb, turn);
}

static __always_inline int limit(struct __sk_buff *skb, enum bwctl_direction direction,
				 _Bool ethernet)
{
	struct turn turn = {.policy = policy_in_force()};
	enum meter_answer answer = METER_PASS;
	_Bool observe;
	int led;

	if (!turn.policy || look(skb, &turn, direction, ethernet))
		return drop(direction);
	observe = turn.policy->observe;
	if (!turn.is_exempt)
		answer = meter(skb, &turn, direction);
	count(direction, turn.counter, turn.class, answer, observe, turn.wire, &turn.pace);

	if (observe || turn.is_exempt)
		return TC_ACT_UNSPEC;
	if (answer != METER_PASS)
		return drop(direction);
	/* "Next" under tcx and under clsact: others' programs and filters still run. */
	if (!turn.all->horizon_ns[0]) {
		if (direction == BWCTL_EGRESS)
			pace_within_drift(skb, &turn.pace, turn.all);
		return TC_ACT_UNSPEC;
	}
	if (direction == BWCTL_EGRESS)
		return pace_out(skb, &turn.pace, turn.all);
	led = pace_in(skb, &turn.pace, turn.all, ethernet);
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
