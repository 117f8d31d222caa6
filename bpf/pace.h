/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Waiting: from the slot that the meter gave a packet to the moment at which it
 * leaves. Here is the order of packets, what a sender itself asked for, and the
 * mark that says the backlog is high. What holds the packets is an fq qdisc:
 * that of the device on the way out, that of an IFB on the way in.
 */
#ifndef PACE_H
#define PACE_H

#include "bwctl.h"
#include "charge.h"

#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

/* After the last that waited was due, others go on behind it for so long: it may be a little late. */
#define PACE_GUARD_NS 10000000

/* Farther than CLOCK_MONOTONIC comes, nearer than CLOCK_TAI is: 2^58 ns, nine years. */
#define PACE_OTHER_CLOCK_NS (1ULL << 58)

/* In __sk_buff->cb, from the ingress of a device to the egress of the IFB. */
#define PACE_CB_MAGIC 0x62776374

static __always_inline void pace_note(struct __sk_buff *skb, __u64 depart_ns)
{
	skb->cb[0] = PACE_CB_MAGIC;
	skb->cb[1] = (__u32)depart_ns;
	skb->cb[2] = depart_ns >> 32;
	/* The kernel does not clear this place before: told from what else may lie there. */
	skb->cb[3] = ~skb->cb[1];
	skb->cb[4] = ~skb->cb[2];
}

static __always_inline _Bool pace_is_noted(struct __sk_buff *skb)
{
	return skb->cb[0] == PACE_CB_MAGIC && skb->cb[3] == ~skb->cb[1] &&
	       skb->cb[4] == ~skb->cb[2];
}

struct pace {
	__u64 now_ns;	 /* 0: not looked at, and then there is nothing to wait for */
	__u64 depart_ns; /* 0: at once, overtaking nothing */
	__u64 delay_ns;
	_Bool is_marked;
};

static __always_inline void pace_look(struct pace *pace)
{
	if (!pace->now_ns)
		pace->now_ns = bpf_ktime_get_ns();
}

/*
 * When a packet leaves: at its slot; 0: at once, overtaking nothing. One that jumps the
 * queue leaves at leave_ns, not before others that did, and not after its slot. Who has
 * a lease (no slot) must not overtake what is still held. Slots never
 * go back under one policy; those of another say nothing. CPUs may write the same word
 * at once: then a packet may overtake one of another CPU.
 */
static __always_inline __u64 pace_keep_order(struct pace *pace, struct bwctl_hold *hold,
					     __u64 generation, __u64 slot_ns, __u64 leave_ns)
{
	__u64 held_ns = 0;

	if (*(volatile __u64 *)&hold->generation == generation)
		held_ns = *(volatile __u64 *)&hold->until_ns;

	if (!slot_ns && !held_ns)
		return 0;
	pace_look(pace);
	if (slot_ns > pace->now_ns) {
		if (leave_ns < held_ns)
			leave_ns = held_ns < slot_ns ? held_ns : slot_ns;
		if (leave_ns > held_ns) {
			*(volatile __u64 *)&hold->until_ns = leave_ns;
			*(volatile __u64 *)&hold->generation = generation;
		}
		return leave_ns > pace->now_ns ? leave_ns : 0;
	}
	if (held_ns && held_ns + PACE_GUARD_NS > pace->now_ns)
		return held_ns > pace->now_ns ? held_ns : pace->now_ns;
	if (held_ns)
		*(volatile __u64 *)&hold->until_ns = 0;
	return 0;
}

static __always_inline void pace_delay(struct pace *pace)
{
	if (pace->depart_ns > pace->now_ns)
		pace->delay_ns = pace->depart_ns - pace->now_ns;
}

/*
 * ECN (RFC 3168): once the wait has been long for a while, packets that can say
 * so to the sender do, well before others are dropped at the horizon. One that has left
 * ahead of its turn says nothing of how long the others wait.
 */
static __always_inline void pace_mark(struct __sk_buff *skb, struct pace *pace,
				      const struct bwctl_meter *meter, struct bwctl_clock *clock,
				      _Bool may_jump)
{
	__u64 since_ns;

	if (!pace->now_ns)
		return;
	since_ns = *(volatile __u64 *)&clock->high_since_ns;
	if (pace->delay_ns <= meter->mark_ns) {
		if (since_ns && !may_jump)
			*(volatile __u64 *)&clock->high_since_ns = 0;
		return;
	}
	if (!since_ns)
		*(volatile __u64 *)&clock->high_since_ns = pace->now_ns;
	else if (pace->now_ns >= since_ns + meter->mark_after_ns)
		pace->is_marked = bpf_skb_ecn_set_ce(skb) == 1;
}

/*
 * Older fq (6.1) lets packets of priority 7 (TC_PRIO_CONTROL) go at once,
 * whatever their time. They wait as those of 6 do, which are in the same band later on.
 */
static __always_inline void pace_no_shortcut(struct __sk_buff *skb)
{
	if ((skb->priority & TC_PRIO_MAX) == TC_PRIO_CONTROL)
		skb->priority = (skb->priority & ~TC_PRIO_MAX) | TC_PRIO_INTERACTIVE;
}

/*
 * Where nothing waits, but the fq may still be there: a sender must not hold
 * packets by it to let all of them go in the same moment (SO_TXTIME). A time that
 * is years away is one of another clock, for another qdisc (etf).
 */
static __always_inline void pace_within_drift(struct __sk_buff *skb, struct pace *pace,
					      const struct bwctl_meter *meter)
{
	if (!skb->tstamp || !meter->drift_ns)
		return;
	pace_look(pace);
	if (skb->tstamp > pace->now_ns + meter->drift_ns &&
	    skb->tstamp < pace->now_ns + PACE_OTHER_CLOCK_NS)
		skb->tstamp = pace->now_ns + meter->drift_ns;
}

/*
 * On the way out the time is written on the packet. A sender that wants it to
 * leave later than that (TCP's own pacing, SO_TXTIME) gets its way up to a
 * drift, which is part of the bound: if all of them waited longer, they could leave at once.
 */
static __always_inline int pace_out(struct __sk_buff *skb, struct pace *pace,
				    const struct bwctl_meter *meter)
{
	__u64 wanted_ns = skb->tstamp;
	__u64 depart_ns = pace->depart_ns;

	if (wanted_ns || depart_ns) {
		pace_look(pace);
		if (depart_ns < pace->now_ns)
			depart_ns = pace->now_ns;
		if (wanted_ns > depart_ns)
			depart_ns = wanted_ns < depart_ns + meter->drift_ns ?
					    wanted_ns :
					    depart_ns + meter->drift_ns;
		skb->tstamp = depart_ns;
		pace_no_shortcut(skb);
	}
	return TC_ACT_UNSPEC;
}

/*
 * On the way in a packet that has nothing to wait for goes on as if bwctl were
 * not there. Others go to the IFB, which gives them back to this device when
 * it is time. A redirect wants a link-layer header: a device that has none gets
 * one that the IFB takes off again. Older kernels do not mark what a program
 * redirects, and ifb_xmit() drops what is not marked: there hold_ifindex is 0, and a
 * filter behind this one, bwctl_lead with the action mirred, leads to the IFB, header or not.
 */
static __always_inline int pace_in(struct __sk_buff *skb, const struct pace *pace,
				   const struct bwctl_meter *meter, _Bool ethernet)
{
	if (!pace->depart_ns)
		return TC_ACT_UNSPEC;
	if (!ethernet && meter->hold_ifindex && bpf_skb_change_head(skb, ETH_HLEN, 0))
		return TC_ACT_SHOT;
	pace_note(skb, pace->depart_ns);
	return meter->hold_ifindex ? bpf_redirect(meter->hold_ifindex, 0) : TC_ACT_UNSPEC;
}

/*
 * On the IFB: the time, as a time of departure, so that the stack above does
 * not take it for one of arrival. That takes an IP packet; of others nobody asks.
 * What did not come from us is not metered, and goes no further.
 */
static __always_inline int pace_hold(struct __sk_buff *skb)
{
	__u64 depart_ns = skb->cb[1] | (__u64)skb->cb[2] << 32;

	if (!pace_is_noted(skb))
		return TC_ACT_SHOT;
	if (bpf_skb_set_tstamp(skb, depart_ns, BPF_SKB_TSTAMP_DELIVERY_MONO))
		skb->tstamp = depart_ns;
	pace_no_shortcut(skb);
	return TC_ACT_UNSPEC;
}

#endif
