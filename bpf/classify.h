/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * struct packet to a row of the flow table, and through it to a class: what
 * lookup.h wants to know of it. Owns the memory of fragmented datagrams; the
 * table itself is part of the policy. Refuses to know what a class is worth.
 */
#ifndef CLASSIFY_H
#define CLASSIFY_H

#include "bwctl.h"
#include "lookup.h"
#include "parse.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct bwctl_fragment_key);
	__type(value, __u16); /* the row */
} fragments SEC(".maps");

/* The interface that this program is attached to: set before it is loaded. */
const volatile __u32 slot = BWCTL_SLOTS;

/* An offset that the verifier can follow; headers end long before it. */
#define CLASSIFY_OFFSET_MAX 1024

static __always_inline _Bool classify_fragment_key(struct __sk_buff *skb,
						   const struct packet *packet, __u32 direction,
						   struct bwctl_fragment_key *key)
{
	__u32 addresses = packet->network_offset;

	__builtin_memset(key, 0, sizeof(*key));
	key->id = packet->fragment_id;
	key->direction = direction;
	if (packet->version == 6)
		return !bpf_skb_load_bytes(skb, addresses + offsetof(struct ipv6hdr, saddr),
					   key->source, sizeof(key->source) * 2);
	key->protocol = packet->protocol;
	key->source[2] = key->destination[2] = bpf_htonl(0xffff);
	addresses += offsetof(struct iphdr, saddr);
	return !bpf_skb_load_bytes(skb, addresses, &key->source[3], 4) &&
	       !bpf_skb_load_bytes(skb, addresses + 4, &key->destination[3], 4);
}

/*
 * Notes the row of a first fragment; for a later one, returns what was noted, under
 * this policy: that of another may have moved the rows.
 */
__noinline int classify_fragment(struct __sk_buff *skb, struct packet *packet, __u32 direction,
				 __u32 flow, __u32 generation)
{
	struct bwctl_fragment_key key;
	__u16 row = flow, *first;

	if (!packet || !classify_fragment_key(skb, packet, direction, &key))
		return flow;
	key.generation = generation;
	if (packet->fragment == PACKET_FIRST_FRAGMENT) {
		bpf_map_update_elem(&fragments, &key, &row, BPF_ANY);
		return flow;
	}
	first = bpf_map_lookup_elem(&fragments, &key);
	return first ? *first : BWCTL_FLOW_OTHER;
}

/*
 * The remote address, where it lies or copied into room; NULL when it cannot be
 * read. Of IPv4 too 16 bytes can be read: the verifier loses track of which version
 * it was. Only called for a table that has prefixes.
 */
static __always_inline const __u8 *classify_address(struct __sk_buff *skb,
						    const struct packet *packet,
						    enum bwctl_direction direction, __u8 room[16])
{
	const __u8 *start = (const void *)(long)skb->data;
	const __u8 *end = (const void *)(long)skb->data_end;
	_Bool is_source = direction == BWCTL_INGRESS;
	__u32 offset = packet->network_offset, bytes;

	if (!packet->has_address)
		return NULL;
	if (packet->version == 6) {
		offset += is_source ? offsetof(struct ipv6hdr, saddr) :
				      offsetof(struct ipv6hdr, daddr);
		bytes = sizeof(struct in6_addr);
	} else {
		offset += is_source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr);
		bytes = sizeof(__be32);
	}
	if (offset < CLASSIFY_OFFSET_MAX && start + offset + 16 <= end)
		return start + offset;
	__builtin_memset(room, 0, 16);
	return bpf_skb_load_bytes(skb, offset, room, bytes) ? NULL : room;
}

static __always_inline __u32 classify_rows(struct __sk_buff *skb,
					   const struct bwctl_flow_table *table,
					   const struct packet *packet,
					   enum bwctl_direction direction)
{
	_Bool is_out = direction == BWCTL_EGRESS;
	struct lookup what = {
		.local = is_out ? packet->source_port : packet->destination_port,
		.remote = is_out ? packet->destination_port : packet->source_port,
		.has_ports = packet->has_ports,
		.protocol = packet->protocol,
		.version = packet->version,
	};
	struct bwctl_row_set rows;
	__u8 room[16];
	__u32 bytes;

	if (!lookup_ports(&rows, table, &what))
		return BWCTL_FLOW_OTHER;
	if (table->beyond_ports) {
		bytes = lookup_prefix_bytes(table, packet->version);
		if (bytes) {
			what.address = classify_address(skb, packet, direction, room);
			lookup_address(&rows, table, &what, bytes);
		}
		if (table->by_interface)
			lookup_slot(&rows, table, slot);
	}
	return lookup_first(&rows);
}

/* The row that a packet belongs to, below BWCTL_FLOWS. */
static __always_inline __u32 classify(struct __sk_buff *skb, const struct bwctl_flow_table *table,
				      struct packet *packet, enum bwctl_direction direction,
				      __u32 generation)
{
	__u32 flow = packet->kind == PACKET_CONTROL ? BWCTL_FLOW_CONTROL :
						      classify_rows(skb, table, packet, direction);

	if (packet->fragment != PACKET_WHOLE)
		flow = classify_fragment(skb, packet, direction, flow, generation);
	return flow < BWCTL_FLOWS ? flow : BWCTL_FLOW_OTHER;
}

#endif
