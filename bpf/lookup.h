/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A packet's dimensions to the row of the flow table that it belongs to. Pure:
 * no helper, no map, no frame, so that the tests run it natively. What it costs
 * depends on which dimensions the table uses, and for prefixes on how long the
 * longest is, but not on how many rows there are, nor on which of them matches.
 */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "bwctl.h"

/* A number that all six bits of a position can be told from: de Bruijn's of 64 bits. */
#define LOOKUP_DE_BRUIJN 0x03f79d71b4cb0a89ULL

static const __u8 lookup_positions[64] = {
	0,  1,	48, 2,	57, 49, 28, 3,	61, 58, 50, 42, 38, 29, 17, 4,	62, 55, 59, 36, 53, 51,
	43, 22, 45, 39, 33, 30, 24, 18, 12, 5,	63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21,
	44, 32, 23, 11, 46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,	13, 8,	7,  6,
};

/*
 * The compiler would rather add each word's distance from the beginning of the
 * table anew: they are farther than an instruction can say.
 */
#ifdef __bpf__
#define LOOKUP_HERE(pointer) asm volatile("" : "+r"(pointer))
#else
#define LOOKUP_HERE(pointer) (void)(pointer)
#endif

struct lookup {
	const __u8 *address; /* the remote one, as it is in the packet; NULL if it cannot be read */
	__u16 local, remote; /* ports */
	__u8 has_ports;
	__u8 protocol;
	__u8 version; /* 4 or 6 */
};

static inline void lookup_keep(struct bwctl_row_set *rows, const struct bwctl_row_set *those)
{
	LOOKUP_HERE(those);
	rows->word[0] &= those->word[0];
	rows->word[1] &= those->word[1];
	rows->word[2] &= those->word[2];
	rows->word[3] &= those->word[3];
}

/* Of a word that is not 0. BPF has no instruction for it. */
static inline __u32 lookup_lowest_bit(__u64 word)
{
	return lookup_positions[((word & -word) * LOOKUP_DE_BRUIJN) >> 58];
}

static inline void lookup_ipv4(struct bwctl_row_set *rows, const struct bwctl_flow_table *table,
			       const __u8 *address)
{
	lookup_keep(rows, &table->ipv4[0][address[0]]);
	lookup_keep(rows, &table->ipv4[1][address[1]]);
	lookup_keep(rows, &table->ipv4[2][address[2]]);
	lookup_keep(rows, &table->ipv4[3][address[3]]);
}

/* Four bytes of it, from the first one on. */
static inline void lookup_ipv6(struct bwctl_row_set *rows, const struct bwctl_flow_table *table,
			       const __u8 *address, __u32 first)
{
	lookup_keep(rows, &table->ipv6[first][address[first]]);
	lookup_keep(rows, &table->ipv6[first + 1][address[first + 1]]);
	lookup_keep(rows, &table->ipv6[first + 2][address[first + 2]]);
	lookup_keep(rows, &table->ipv6[first + 3][address[first + 3]]);
}

/*
 * The rows that fit by protocol and ports, which is where every lookup begins.
 * False if the table is none of ours, which it never is, but the verifier does not know.
 */
static inline _Bool lookup_ports(struct bwctl_row_set *rows, const struct bwctl_flow_table *table,
				 const struct lookup *packet)
{
	__u32 local = 0, remote = 0;

	if (packet->has_ports) {
		local = table->local.set[packet->local];
		remote = table->remote.set[packet->remote];
	}
	if (local >= BWCTL_PORT_SETS || remote >= BWCTL_PORT_SETS)
		return 0;
	*rows = table->protocol[packet->protocol];
	lookup_keep(rows, &table->local.rows[local]);
	lookup_keep(rows, &table->remote.rows[remote]);
	return 1;
}

/* How many bytes of the remote address make a difference; if none, it is not looked at. */
static inline __u32 lookup_prefix_bytes(const struct bwctl_flow_table *table, __u32 version)
{
	return table->prefix_bytes[version & (BWCTL_VERSIONS - 1)];
}

/* Keeps those that fit by address; only for a table in which that makes a difference. */
static inline void lookup_address(struct bwctl_row_set *rows, const struct bwctl_flow_table *table,
				  const struct lookup *packet, __u32 bytes)
{
	if (!packet->address) {
		lookup_keep(rows, &table->no_address);
	} else if (packet->version == 6) {
		lookup_ipv6(rows, table, packet->address, 0);
		if (bytes > 4)
			lookup_ipv6(rows, table, packet->address, 4);
		if (bytes > 8) {
			lookup_ipv6(rows, table, packet->address, 8);
			lookup_ipv6(rows, table, packet->address, 12);
		}
	} else {
		lookup_ipv4(rows, table, packet->address);
	}
}

/* Keeps those that fit by interface. */
static inline void lookup_slot(struct bwctl_row_set *rows, const struct bwctl_flow_table *table,
			       __u32 slot)
{
	lookup_keep(rows, &table->slot[slot < BWCTL_SLOTS ? slot : BWCTL_SLOTS]);
}

/* The one of them that wins, or BWCTL_FLOW_OTHER. */
static inline __u32 lookup_first(const struct bwctl_row_set *rows)
{
	if (rows->word[0])
		return lookup_lowest_bit(rows->word[0]);
	if (rows->word[1])
		return 64 + lookup_lowest_bit(rows->word[1]);
	if (rows->word[2])
		return 128 + lookup_lowest_bit(rows->word[2]);
	if (rows->word[3])
		return 192 + lookup_lowest_bit(rows->word[3]);
	return BWCTL_FLOW_OTHER;
}

#endif
