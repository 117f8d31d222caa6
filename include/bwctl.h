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

#define BWCTL_ABI 5

enum bwctl_direction {
	BWCTL_INGRESS,
	BWCTL_EGRESS,
	BWCTL_DIRECTIONS
};

/* Names of classes, flows and interfaces, with their NUL. */
#define BWCTL_NAME 16

/* Built-in classes come first; those of one's own have the numbers behind them. */
enum bwctl_class {
	BWCTL_UI,
	BWCTL_ADMIN,
	BWCTL_API,
	BWCTL_SSH,
	BWCTL_TELNET,
	BWCTL_ICMP,
	BWCTL_OTHER,
	BWCTL_CONTROL,
	BWCTL_BUILTIN_CLASSES
};

#define BWCTL_OWN_CLASSES 32
#define BWCTL_CLASSES	  (BWCTL_BUILTIN_CLASSES + BWCTL_OWN_CLASSES)

/* Who stops first when there is not enough for all. */
enum bwctl_priority {
	BWCTL_PRIORITY_LOW,
	BWCTL_PRIORITY_NORMAL,
	BWCTL_PRIORITY_HIGH
};

/*
 * The thresholds on the clock, in their order: one for each priority, one for
 * control where its priority is high, and one for what is within a reserve.
 */
enum bwctl_level {
	BWCTL_LEVEL_LOW,
	BWCTL_LEVEL_NORMAL,
	BWCTL_LEVEL_HIGH,
	BWCTL_LEVEL_CONTROL,
	BWCTL_LEVEL_RESERVED,
	BWCTL_LEVELS
};

/*
 * The flow table. A flow is a row: a protocol, local ports, remote ports, a
 * remote prefix, an interface, and the class its packets belong to. The first
 * row that matches wins.
 */
#define BWCTL_FLOW_ROWS	   256
#define BWCTL_FLOW_OTHER   BWCTL_FLOW_ROWS	 /* IP that no row matches */
#define BWCTL_FLOW_CONTROL (BWCTL_FLOW_ROWS + 1) /* not IP, or IPv6 ND and MLD */
#define BWCTL_FLOWS	   (BWCTL_FLOW_ROWS + 2)

#define BWCTL_PORT_RANGES 8

struct bwctl_ports {
	__u16 first, last; /* inclusive, host order */
};

struct bwctl_flow {
	char name[BWCTL_NAME];
	char interface[BWCTL_NAME]; /* empty: any */
	__u8 class;		    /* enum bwctl_class, or one of one's own */
	__u8 is_listed;	   /* a default one, at its default place: as if nobody had written it */
	__u8 any_protocol; /* IP of any kind */
	__u8 protocol;	   /* else IPPROTO_* */
	__u8 local_ranges, remote_ranges; /* how many of those below; 0: any port, or none */
	__u8 prefix_version;		  /* of the remote prefix: 4, 6, or 0 for any address */
	__u8 prefix_bits;
	__u8 prefix[16]; /* network order; IPv4 in the first four */
	struct bwctl_ports local[BWCTL_PORT_RANGES], remote[BWCTL_PORT_RANGES];
	__u16 counter; /* where it is counted, which stays while rows come and go */
	__u16 pad;
};

/*
 * The programs do not walk the rows. Each dimension of a packet says by itself
 * which rows it fits, as a set of one bit each, row 0 the lowest; what the sets
 * have in common are the rows that match, and the first of them wins (bit
 * vectors: Lakshman and Stiliadis, SIGCOMM 1998). bpf/lookup.h does it, at a
 * cost that does not depend on how many rows there are.
 */
struct bwctl_row_set {
	__u64 word[BWCTL_FLOW_ROWS / 64];
};

#define BWCTL_PORTS 65536

/*
 * Sets of rows that ports can tell apart: a range begins and ends once, between
 * two such places all ports fit the same rows, and no port is one more, the first.
 */
#define BWCTL_PORT_SETS (2 * BWCTL_PORT_RANGES * BWCTL_FLOW_ROWS + 2)

struct bwctl_port_table {
	struct bwctl_row_set rows[BWCTL_PORT_SETS]; /* number 0: no port */
	__u16 set[BWCTL_PORTS];			    /* which one, by port */
};

/* Interfaces that may be loaded at the same time, each with a number, its slot. */
#define BWCTL_SLOTS 1024

/* Versions of IP, as the first four bits of a packet say. */
#define BWCTL_VERSIONS 16

/*
 * A prefix is a condition on each byte of the address by itself. prefix_bytes says by
 * version how many leading ones need to be looked at; 0: no row has a prefix.
 */
struct bwctl_flow_table {
	__u8 prefix_bytes[BWCTL_VERSIONS];
	__u32 by_interface; /* a row names one */
	__u32 beyond_ports; /* a row has a prefix or names an interface */
	struct bwctl_row_set protocol[256];
	struct bwctl_row_set no_address;	    /* where it cannot be read */
	struct bwctl_row_set slot[BWCTL_SLOTS + 1]; /* the last: not a slot */
	struct bwctl_row_set ipv4[4][256];	    /* by byte of the remote address */
	struct bwctl_row_set ipv6[16][256];
	struct bwctl_port_table local, remote;
	__u16 counter[BWCTL_FLOWS]; /* of each row; those not in use are as BWCTL_FLOW_OTHER */
	__u8 class[BWCTL_FLOWS];    /* likewise */
	__u8 pad[2];
};

/* What becomes of a packet over the limit: it is delayed, or dropped. */
enum bwctl_mode {
	BWCTL_MODE_AUTO, /* asked for only: pace where that can be had */
	BWCTL_MODE_PACE,
	BWCTL_MODE_POLICE,
	BWCTL_MODE_OBSERVE /* asked for only: as auto, but nothing is delayed or dropped */
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
	__u64 headroom_ns[BWCTL_LEVELS]; /* how far the clock may be ahead of now for a level */
	__u64 low_ns;			 /* how much earlier than that the lowest level stops */
	__u64 room_ns; /* for that in the bound; if it is less than the largest, all have less */
	__u64 horizon_ns[BWCTL_LEVELS]; /* the same, where packets wait for their time; 0: police */
	__u64 jump_ns; /* what of a high level may leave ahead of its slot, at once; see meter_jump() */
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

/* What a class may have of the aggregate before the others, by a clock of its own. */
struct bwctl_reserve {
	__u64 cost_multiplier; /* as in bwctl_meter; 0: nothing is reserved */
	__u32 cost_shift;
	__u32 pad;
	__u64 burst_ns;	  /* how far its clock may lag behind now */
	__u64 horizon_ns; /* and how far ahead it may be for a packet within the reserve */
	__u64 most_ns; /* it is never farther ahead than this: one that is, a former policy left */
};

/* What the programs need to know of a class. */
struct bwctl_rule {
	__u8 level; /* enum bwctl_level */
	__u8 exempt;
	__u8 pad[2];
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

/* What was asked of a class. All zero but the name and the priority: nothing of its own. */
struct bwctl_class_request {
	char name[BWCTL_NAME];		      /* empty: there is no such class */
	__u64 limit_bits_s[BWCTL_DIRECTIONS]; /* 0: none of its own */
	__u64 reserve_bits_s;		      /* of each direction, 0: none */
	__u8 priority;			      /* enum bwctl_priority */
	__u8 exempt;			      /* passes unmetered */
	__u8 pad[6];
};

/* Listed flows that were removed are a bit each, in the order of flow_table_listed(). */
#define BWCTL_LISTED_MAX 32

/* All that the operator asked for: what a policy file says. */
struct bwctl_asked {
	struct bwctl_request request[BWCTL_DIRECTIONS];
	struct bwctl_class_request classes[BWCTL_CLASSES];
	struct bwctl_flow flows[BWCTL_FLOW_ROWS]; /* in the order in which they match */
	__u32 flow_count;
	__u32 listed_removed;
};

/*
 * What "bwctl run" asked for, for as long as its command runs: tighter limits.
 * The smallest of these and of what was asked for is in force.
 */
#define BWCTL_RUNS 32

struct bwctl_run {
	__u64 id;						   /* 0: not in use */
	__u64 limit_bits_s[BWCTL_DIRECTIONS];			   /* 0: none */
	__u64 class_limit_bits_s[BWCTL_CLASSES][BWCTL_DIRECTIONS]; /* 0: none */
	char command[32];					   /* for display, cut off */
};

/* What is promised, for display: passed(T) <= r * T + bound. */
struct bwctl_promise {
	__u64 limit_bits_s; /* the one in force; 0: none */
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
	__u64 since_s;	  /* CLOCK_REALTIME: since when what is in force has been the same */
	struct bwctl_meter meter[BWCTL_DIRECTIONS];
	struct bwctl_meter class_meter[BWCTL_DIRECTIONS][BWCTL_CLASSES];
	struct bwctl_reserve reserve[BWCTL_DIRECTIONS][BWCTL_CLASSES];
	struct bwctl_rule rules[BWCTL_CLASSES];
	__u32 observe; /* the verdict is counted, and not carried out */
	__u32 pad;
	struct bwctl_asked asked;
	struct bwctl_run runs[BWCTL_RUNS];
	struct bwctl_promise promise[BWCTL_DIRECTIONS];
	struct bwctl_promise class_promise[BWCTL_DIRECTIONS][BWCTL_CLASSES];
	struct bwctl_enforcement enforcement[BWCTL_DIRECTIONS];
	struct bwctl_flow_table table;
};

/* Packets that wait, in their order. */
struct bwctl_hold {
	__u64 until_ns;	  /* when the last of them will leave, 0 when none does */
	__u64 generation; /* under which policy */
};

/*
 * The virtual clock: the moment (CLOCK_MONOTONIC, nanoseconds) up to which the
 * limit is already spoken for. A cache line to itself; in the next is what
 * pacing needs to know of packets that wait, which changes only while some do.
 */
struct bwctl_clock {
	__u64 spent_until_ns;
	__u64 reserved_until_ns; /* of a class: the same, of what is reserved for it */
	__u64 over_until_ns; /* until when packets were refused, or have to wait, by this limit */
	__u64 over_sum_ns;   /* for how long in all that went on; see meter_over() */
	__u64 pad[4];
	struct bwctl_hold held;
	__u64 high_since_ns;   /* since when the backlog has been high, 0 when it is not */
	__u64 lost_generation; /* the policy under which a queue that holds packets was taken away */
	/* Packets of a high level, which may leave before others that wait. */
	struct bwctl_hold high_held;
	__u64 jumped_until_ns;	 /* until when what may jump the queue is spoken for */
	__u64 jumped_generation; /* under which policy */
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
	struct bwctl_tally would_drop; /* part of passed: only observed */
};

/*
 * Entries of the maps of counters: one for each direction, which only the programs
 * write, and behind them one for each that only user space does: what was counted
 * when a class or a flow got a number that another had, to be subtracted.
 */
#define BWCTL_COUNTED (2 * BWCTL_DIRECTIONS)

/* Why packets were dropped. */
enum bwctl_reason {
	BWCTL_REASON_LIMIT,	/* the limit of all */
	BWCTL_REASON_CLASS,	/* that of the class */
	BWCTL_REASON_CONTENDED, /* too many CPUs asked at once */
	BWCTL_REASONS
};

/* Of one interface alone, in one direction. */
struct bwctl_interface_counters {
	struct bwctl_flow_counters classes[BWCTL_CLASSES];
	struct bwctl_tally reasons[BWCTL_CLASSES][BWCTL_REASONS]; /* dropped */
};

/* Packets paced, by delay: bucket i is up to 1 ms << i, the last is anything above. */
#define BWCTL_DELAY_BUCKETS 12

struct bwctl_counters {
	struct bwctl_flow_counters flows[BWCTL_FLOWS]; /* by bwctl_flow_table.counter */
	struct bwctl_flow_counters classes[BWCTL_CLASSES];
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
	__u16 generation; /* of the policy whose row it is: rows move */
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
	char name[BWCTL_NAME]; /* at the last load or set */
	__u32 slot; /* its number among those that are loaded, for flows of one interface */
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

_Static_assert(sizeof(struct bwctl_flow) == 124, "map ABI");
_Static_assert(sizeof(struct bwctl_port_table) == 262208, "map ABI");
_Static_assert(sizeof(struct bwctl_flow_table) % 8 == 0, "map ABI");
_Static_assert(sizeof(struct bwctl_meter) == 8 * 29 + 24, "map ABI");
_Static_assert(sizeof(struct bwctl_clock) == 128, "map ABI");
_Static_assert(sizeof(struct bwctl_fragment_key) == 40, "map ABI");
_Static_assert(sizeof(struct bwctl_flow_counters) == 96, "map ABI");
/* A value per CPU has to be smaller than 32 KiB. */
_Static_assert(sizeof(struct bwctl_counters) ==
		       96 * (BWCTL_FLOWS + BWCTL_CLASSES) + 16 + 8 * BWCTL_DELAY_BUCKETS,
	       "map ABI");
_Static_assert(sizeof(struct bwctl_counters) <= 32768, "percpu");
/* User space copies it whole, and kernels before 5.15 do so in pages that lie side by side. */
_Static_assert(sizeof(struct bwctl_policy) < 900000, "policy");
_Static_assert(sizeof(struct bwctl_interface) == 84, "map ABI");

#endif
