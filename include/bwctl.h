/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The map ABI: what the BPF programs and the command share. Keys, values,
 * enums and their sizes, nothing else. A change here raises BWCTL_ABI.
 *
 * Three kinds of state live in three kinds of map, by who may write them:
 * policy (user space only), clock and lease (BPF only), counters (BPF only).
 */
#ifndef BWCTL_H
#define BWCTL_H

#include <linux/types.h>

#define BWCTL_ABI 3

enum bwctl_direction {
	BWCTL_INGRESS,
	BWCTL_EGRESS,
	BWCTL_DIRECTIONS
};

enum bwctl_class {
	BWCTL_UI,
	BWCTL_ADMIN,
	BWCTL_API,
	BWCTL_SSH,
	BWCTL_TELNET,
	BWCTL_ICMP,
	BWCTL_OTHER,
	BWCTL_CONTROL,
	BWCTL_CLASSES
};

/*
 * The flow table. A flow is a row: protocol, a range of local ports, a range
 * of remote ports, and the class its packets belong to. The first row that
 * matches wins. The programs do not walk the rows: ports and protocols are
 * first mapped to groups that no row tells apart, and the row of each
 * combination of groups is worked out beforehand (recursive flow
 * classification, Gupta and McKeown, SIGCOMM 1999). Three loads and one more,
 * however many rows there are.
 */
#define BWCTL_FLOWS	   64 /* rows; the last two are fixed, see below */
#define BWCTL_PORT_GROUPS  64
#define BWCTL_PROTO_GROUPS 8

#define BWCTL_FLOW_OTHER   (BWCTL_FLOWS - 2) /* IP that no row matches */
#define BWCTL_FLOW_CONTROL (BWCTL_FLOWS - 1) /* not IP, or IPv6 ND and MLD */

struct bwctl_flow {
	__u8 in_use;
	__u8 protocol; /* IPPROTO_* */
	__u8 class;    /* enum bwctl_class */
	__u8 pad;
	__u16 local_first, local_last;	 /* ports, inclusive, host order */
	__u16 remote_first, remote_last; /* the same */
};

struct bwctl_flow_table {
	struct bwctl_flow flows[BWCTL_FLOWS];
	__u8 class[BWCTL_FLOWS]; /* of each row */
	__u8 protocol_group[256];
	__u8 local_group[65536];
	__u8 remote_group[65536];
	/* By group of protocol, of local port and of remote port. */
	__u8 flow[BWCTL_PROTO_GROUPS][BWCTL_PORT_GROUPS][BWCTL_PORT_GROUPS];
};

/* What becomes of a packet over the limit: it is delayed, or dropped. */
enum bwctl_mode {
	BWCTL_MODE_AUTO, /* asked for only: pace where that can be had */
	BWCTL_MODE_PACE,
	BWCTL_MODE_POLICE
};

/*
 * What one direction's clock runs on. All derived by user/policy.c, where the
 * derivation is; bpf/meter.h says how each is used.
 */
struct bwctl_meter {
	__u64 rate_bits_s;     /* r, 0 when there is no limit */
	__u64 cost_multiplier; /* nanoseconds = bytes * multiplier >> shift, rounded up */
	__u64 burst_ns;	       /* how far the clock may lag behind now */
	__u64 overshoot_ns;    /* part of a packet's cost that may run over the threshold */
	__u64 credit_ns;       /* longest idle time a larger packet may count on */
	__u64 debt_ns;	       /* farthest the clock can rightly be ahead of now */
	__u64 start_ns;	       /* CLOCK_MONOTONIC, no credit from before this moment */
	__u64 slow_multiplier; /* of cost, as long as what a former policy let pass counts */
	__u64 slow_until_ns;   /* CLOCK_MONOTONIC */
	__u64 slow_overshoot_ns, slow_headroom_ns; /* at most, as long as that */
	__u64 inherited_ns;	     /* how far ahead packets of a former policy may still wait */
	__u64 inherited_rate_bits_s; /* and at what they were charged, the most of it */
	__u64 headroom_ns[BWCTL_CLASSES]; /* how far the clock may be ahead of now for a class */
	__u64 room_ns; /* for that in the bound; if it is less than the largest, all have less */
	__u64 horizon_ns[BWCTL_CLASSES]; /* the same, where packets wait for their time; 0: police */
	__u64 drift_ns;	     /* how much later than that a sender may want a packet to leave */
	__u64 mark_ns;	     /* a wait above which the backlog counts as high */
	__u64 mark_after_ns; /* once it has been high for so long, ECN is marked */
	__u32 cost_shift;
	__u32 lease_bytes;    /* what a CPU takes in advance while there is no backlog */
	__u32 lot_bytes;      /* the least that is ever taken, about 1 microsecond's worth */
	__u32 overhead_bytes; /* added to every frame; kept here so that a policy is one whole */
	__u32 hold_ifindex; /* of the IFB where incoming packets wait, the same in every namespace; 0: a
			       filter of ours leads there */
	__u32 pad;
};

/* What the operator asked for, so that a later change keeps the rest. 0 = default. */
struct bwctl_request {
	__u64 limit_bits_s; /* 0 = unlimited */
	__u64 window_ns;
	__u64 burst_ns; /* at most one of burst_ns and burst_bytes is set */
	__u64 burst_bytes;
	__u64 overhead_bytes;
	__u64 horizon_ns;
	__u64 mode; /* enum bwctl_mode */
};

/* What is promised, for display: passed(T) <= r * T + bound. */
struct bwctl_promise {
	__u64 window_ns;
	__u64 burst_bytes;
	__u64 bound_bytes;
};

/* How it is kept, as decided when the policy was put in force. */
struct bwctl_enforcement {
	__u32 mode;	    /* BWCTL_MODE_PACE or BWCTL_MODE_POLICE */
	__u32 hold_ifindex; /* as in bwctl_meter */
	__u32 senders_pace; /* by the same queue, which is not ours: they hold packets longer */
	char why[116];	    /* it polices; empty when that was asked for */
};

/*
 * A policy is written once, into a map of its own, frozen, and then put in
 * place by one pointer swap: a program sees the old one or the new one, whole.
 */
struct bwctl_policy {
	__u32 abi;
	__u32 possible_cpus;
	__u64 generation; /* leases taken under another generation are void */
	struct bwctl_meter meter[BWCTL_DIRECTIONS];
	struct bwctl_request request[BWCTL_DIRECTIONS];
	struct bwctl_promise promise[BWCTL_DIRECTIONS];
	struct bwctl_enforcement enforcement[BWCTL_DIRECTIONS];
	struct bwctl_flow_table table;
};

/*
 * The virtual clock: the moment (CLOCK_MONOTONIC, nanoseconds) up to which the
 * limit is already spoken for. A cache line to itself; in the next is what
 * pacing needs to know of packets that wait, which changes only while some do.
 */
struct bwctl_clock {
	__u64 spent_until_ns;
	__u64 pad[7];
	__u64 held_until_ns;   /* when the last that waits will leave, 0 when none does */
	__u64 held_generation; /* under which policy */
	__u64 high_since_ns;   /* since when the backlog has been high, 0 when it is not */
	__u64 lost_generation; /* the policy under which a queue that holds packets was taken away */
	__u64 pad2[4];
};

struct bwctl_lease {
	__u64 generation;
	__u64 bytes;
	__u64 leading; /* the policy under which a packet is on its way to the IFB, 0 once it came there */
};

struct bwctl_tally {
	__u64 packets; /* frames on the wire: a super-packet counts as its segments */
	__u64 bytes;
};

struct bwctl_flow_counters {
	struct bwctl_tally passed;
	struct bwctl_tally dropped;
	struct bwctl_tally paced;  /* part of passed: had to wait */
	struct bwctl_tally marked; /* part of passed: ECN said so to the sender */
	__u64 delay_ns;		   /* sum over the packets paced */
	__u64 delay_max_ns;
};

/* Packets paced, by delay: bucket i is up to 1 ms << i, the last is anything above. */
#define BWCTL_DELAY_BUCKETS 12

struct bwctl_counters {
	struct bwctl_flow_counters flows[BWCTL_FLOWS];
	struct bwctl_tally contended; /* part of dropped: refused because the clock was contended */
	__u64 delays[BWCTL_DELAY_BUCKETS];
};

/* The class of a fragmented datagram, for its later fragments. IPv4 addresses are v4-mapped. */
struct bwctl_fragment_key {
	__be32 source[4];
	__be32 destination[4];
	__be32 id;
	__u8 protocol;
	__u8 direction;
	__u8 pad[2];
};

/*
 * An interface that is loaded; written and read by user space alone. What is
 * attached to it is asked of the kernel; this is where to look.
 */
struct bwctl_interface_key {
	__u64 netns_inode;
	__u32 ifindex;
	__u32 pad;
};

enum bwctl_hook {
	BWCTL_HOOK_NONE,
	BWCTL_HOOK_TCX,
	BWCTL_HOOK_CLSACT
};

/* Sizes of a device that are changed while the limit is low; 0: the kernel has none. */
struct bwctl_sizes {
	__u32 gso_max_size, gso_max_segs, gso_ipv4_max_size;
	__u32 gro_max_size, gro_ipv4_max_size;
};

struct bwctl_interface {
	char name[16];			  /* when it was loaded */
	__u32 clsact_created;		  /* the clsact qdisc is ours to remove */
	__u32 priority[BWCTL_DIRECTIONS]; /* of our clsact filter, 0 if there is none */
	__u32 root_replaced;		  /* the root qdisc is ours; the kernel's comes back */
	__u32 tx_queue_len;		  /* before that */
	__u32 sizes_lowered;
	struct bwctl_sizes sizes;   /* before that */
	struct bwctl_sizes lowered; /* as they were made: somebody who changed them since is right */
};

/* A device whose fq holds packets: what is watched, so that its loss is noticed. */
struct bwctl_holder {
	__u32 direction;
	__u32 is_lost; /* it was taken away, and nobody has put it back yet */
};

_Static_assert(sizeof(struct bwctl_flow) == 12, "map ABI");
_Static_assert(sizeof(struct bwctl_meter) == 8 * 33 + 24, "map ABI");
_Static_assert(sizeof(struct bwctl_clock) == 128, "map ABI");
_Static_assert(sizeof(struct bwctl_fragment_key) == 40, "map ABI");
_Static_assert(sizeof(struct bwctl_counters) == 80 * BWCTL_FLOWS + 16 + 8 * BWCTL_DELAY_BUCKETS,
	       "map ABI");
_Static_assert(sizeof(struct bwctl_interface) == 80, "map ABI");

#endif
