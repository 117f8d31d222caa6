/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * struct packet to a row of the flow table, and through it to a class. Owns
 * the memory of fragmented datagrams; the table itself is part of the policy.
 * Refuses to know what a class is worth.
 */
#ifndef CLASSIFY_H
#define CLASSIFY_H

#include "bwctl.h"
#include "parse.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct bwctl_fragment_key);
	__type(value, __u16); /* the row */
} fragments SEC(".maps");

/* The interface that this program is attached to: set before it is loaded. */
const volatile __u32 slot = BWCTL_SLOTS;

/* Masks that the verifier can follow; the table's own values are always within. */
#define CLASSIFY_WITHIN(value, size) ((value) & ((size)-1))

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

/* Notes the row of a first fragment; for a later one, returns what was noted. */
__noinline int classify_fragment(struct __sk_buff *skb, struct packet *packet, __u32 direction,
				 __u32 flow)
{
	struct bwctl_fragment_key key;
	__u16 row = flow, *first;

	if (!packet || !classify_fragment_key(skb, packet, direction, &key))
		return flow;
	if (packet->fragment == PACKET_FIRST_FRAGMENT) {
		bpf_map_update_elem(&fragments, &key, &row, BPF_ANY);
		return flow;
	}
	first = bpf_map_lookup_elem(&fragments, &key);
	return first ? *first : BWCTL_FLOW_OTHER;
}

static __always_inline __u32 classify_ports(const struct bwctl_flow_table *table,
					    const struct packet *packet,
					    enum bwctl_direction direction)
{
	__u16 local = direction == BWCTL_EGRESS ? packet->source_port : packet->destination_port;
	__u16 remote = direction == BWCTL_EGRESS ? packet->destination_port : packet->source_port;
	__u32 protocol_group = table->protocol_group[packet->protocol];
	__u32 local_group = table->local_group[local];
	__u32 remote_group = table->remote_group[remote];

	return table->flow[CLASSIFY_WITHIN(protocol_group, BWCTL_PROTO_GROUPS)][CLASSIFY_WITHIN(
		local_group, BWCTL_PORT_GROUPS)][CLASSIFY_WITHIN(remote_group, BWCTL_PORT_GROUPS)];
}

/* The row that a packet belongs to, below BWCTL_FLOWS. */
static __always_inline __u32 classify(struct __sk_buff *skb, const struct bwctl_flow_table *table,
				      struct packet *packet, enum bwctl_direction direction)
{
	__u32 flow = packet->kind == PACKET_CONTROL ? BWCTL_FLOW_CONTROL :
						      classify_ports(table, packet, direction);

	if (packet->fragment != PACKET_WHOLE)
		flow = classify_fragment(skb, packet, direction, flow);
	return flow < BWCTL_FLOWS ? flow : BWCTL_FLOW_OTHER;
}

#endif
