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

#define BWCTL_ABI 1

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
	__u64 headroom_ns[BWCTL_CLASSES]; /* how far the clock may be ahead of now for a class */
	__u32 cost_shift;
	__u32 lease_bytes;    /* what a CPU takes in advance while there is no backlog */
	__u32 lot_bytes;      /* the least that is ever taken, about 1 microsecond's worth */
	__u32 overhead_bytes; /* added to every frame; kept here so that a policy is one whole */
};

/* What the operator asked for, so that a later change keeps the rest. 0 = default. */
struct bwctl_request {
	__u64 limit_bits_s; /* 0 = unlimited */
	__u64 window_ns;
	__u64 burst_ns; /* at most one of burst_ns and burst_bytes is set */
	__u64 burst_bytes;
	__u64 overhead_bytes;
};

/* What is promised, for display: passed(T) <= r * T + bound. */
struct bwctl_promise {
	__u64 window_ns;
	__u64 burst_bytes;
	__u64 bound_bytes;
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
	struct bwctl_flow_table table;
};

/*
 * The virtual clock: the moment (CLOCK_MONOTONIC, nanoseconds) up to which the
 * limit is already spoken for. A cache line pair to itself.
 */
struct bwctl_clock {
	__u64 spent_until_ns;
	__u64 pad[15];
};

struct bwctl_lease {
	__u64 generation;
	__u64 bytes;
};

struct bwctl_tally {
	__u64 packets; /* frames on the wire: a super-packet counts as its segments */
	__u64 bytes;
};

struct bwctl_flow_counters {
	struct bwctl_tally passed;
	struct bwctl_tally dropped;
};

struct bwctl_counters {
	struct bwctl_flow_counters flows[BWCTL_FLOWS];
	struct bwctl_tally contended; /* part of dropped: refused because the clock was contended */
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

struct bwctl_interface {
	char name[16];			  /* when it was loaded */
	__u32 clsact_created;		  /* the clsact qdisc is ours to remove */
	__u32 priority[BWCTL_DIRECTIONS]; /* of our clsact filter, 0 if there is none */
};

_Static_assert(sizeof(struct bwctl_flow) == 12, "map ABI");
_Static_assert(sizeof(struct bwctl_meter) == 8 * 17 + 16, "map ABI");
_Static_assert(sizeof(struct bwctl_clock) == 128, "map ABI");
_Static_assert(sizeof(struct bwctl_fragment_key) == 40, "map ABI");
_Static_assert(sizeof(struct bwctl_counters) == 32 * BWCTL_FLOWS + 16, "map ABI");
_Static_assert(sizeof(struct bwctl_interface) == 28, "map ABI");

#endif
