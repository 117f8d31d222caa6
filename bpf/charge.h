/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a packet is on the wire: how many frames, and how many bytes in all,
 * as a sniffer there would count them (no FCS). A super-packet (GSO, GRO) is
 * charged as the segments that it becomes or was, each with its own headers.
 */
#ifndef CHARGE_H
#define CHARGE_H

#include "bwctl.h"
#include "parse.h"

#define CHARGE_VLAN_TAG	 4
#define CHARGE_TCP_WORDS 12 /* where the TCP header has its length */

/* More than any stack of headers before the payload of an encapsulated segment. */
#define CHARGE_TUNNEL_HEADERS 256

/* UDP ports that carry segments with headers of their own: VXLAN, the older one of Linux, Geneve. */
#define CHARGE_PORT_VXLAN     4789
#define CHARGE_PORT_VXLAN_OLD 8472
#define CHARGE_PORT_GENEVE    6081

struct charge {
	__u32 frames;
	__u32 bytes;
};

static __always_inline _Bool charge_tunnel_port(__u16 port)
{
	return port == CHARGE_PORT_VXLAN || port == CHARGE_PORT_VXLAN_OLD ||
	       port == CHARGE_PORT_GENEVE;
}

/* Length of the headers that every segment of a super-packet carries. */
struct charge_headers {
	__u32 least; /* for the number of segments: what is not headers is payload */
	__u32 most;  /* for their bytes */
};

/*
 * Exact for TCP and UDP. The inner headers of a tunnel are not parsed: of
 * those it is the least and the most that they can be, so that too much is
 * charged rather than too little. All segments but the last carry gso_size.
 */
static __always_inline struct charge_headers charge_headers(struct __sk_buff *skb,
							    const struct packet *packet)
{
	struct charge_headers headers = {packet->transport_offset, packet->transport_offset};
	__u32 full_bytes;
	__u8 words;

	if (packet->protocol == IPPROTO_TCP &&
	    !bpf_skb_load_bytes(skb, packet->transport_offset + CHARGE_TCP_WORDS, &words,
				sizeof(words))) {
		headers.least = headers.most = packet->transport_offset + (words >> 4) * 4;
		return headers;
	}
	if (packet->protocol == IPPROTO_UDP && !charge_tunnel_port(packet->source_port) &&
	    !charge_tunnel_port(packet->destination_port)) {
		headers.least = headers.most = packet->transport_offset + sizeof(struct udphdr);
		return headers;
	}
	headers.most += CHARGE_TUNNEL_HEADERS;
	if (skb->gso_segs) {
		full_bytes = (skb->gso_segs - 1) * skb->gso_size;
		if (skb->len > full_bytes && skb->len - full_bytes < headers.most)
			headers.most = skb->len - full_bytes;
	}
	return headers;
}

/*
 * On egress the kernel has worked out wire_len before TC runs
 * (qdisc_pkt_len_init in net/core/dev.c); on ingress it is just the length, so
 * the headers are counted here. A tag that the kernel keeps beside the packet
 * is in neither.
 */
static __always_inline struct charge charge(struct __sk_buff *skb, const struct packet *packet,
					    enum bwctl_direction direction, __u32 overhead_bytes)
{
	__u32 each = overhead_bytes + (skb->vlan_present ? CHARGE_VLAN_TAG : 0);
	struct charge charge = {.frames = 1, .bytes = skb->len};
	__u32 size = skb->gso_size;
	struct charge_headers headers;
	__u32 payload;

	if (size) {
		headers = charge_headers(skb, packet);
		payload = skb->len > headers.least ? skb->len - headers.least : 1;
		charge.frames = skb->gso_segs ? skb->gso_segs : (payload + size - 1) / size;
		charge.bytes += (charge.frames - 1) * headers.most;
		/* Of a tunnel older kernels count the outer headers alone: whichever is more. */
		if (direction == BWCTL_EGRESS && skb->wire_len > skb->len &&
		    (headers.least == headers.most || skb->wire_len > charge.bytes))
			charge.bytes = skb->wire_len;
	}
	charge.bytes += charge.frames * each;
	return charge;
}

#endif
