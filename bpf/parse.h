/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Bytes to struct packet: the headers of a frame, wherever they lie. Knows
 * protocols, not classes, limits or directions. Whatever cannot be read is
 * left at what is known so far: a packet is never turned away here, and never
 * goes unmetered because it is malformed.
 */
#ifndef PARSE_H
#define PARSE_H

#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

/* After the types of linux/bpf.h, which they need. */
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define PARSE_VLAN_TAGS	 3 /* in the frame; one more may be in the metadata */
#define PARSE_EXTENSIONS 8 /* IPv6 extension headers that are walked */

#define PARSE_IPV4_PLAIN 0x45 /* version 4, five words: no options */
#define PARSE_HIP	 139  /* RFC 7401 */
#define PARSE_SHIM6	 140  /* RFC 5533 */

#define PARSE_FRAGMENT_OFFSET  0x1fff
#define PARSE_FRAGMENT_MORE    0x2000
#define PARSE_FRAGMENT6_OFFSET 0xfff8
#define PARSE_FRAGMENT6_MORE   0x0001

/* ICMPv6 types of multicast listener and neighbour discovery, RFC 2710, 3810, 4861. */
#define PARSE_MLD_FIRST	  130
#define PARSE_MLD_LAST	  132
#define PARSE_ND_FIRST	  133
#define PARSE_ND_LAST	  137
#define PARSE_MLD2_REPORT 143

enum packet_kind {
	PACKET_CONTROL, /* not IP, or IPv6 neighbour or listener discovery */
	PACKET_IP,
};

enum packet_fragment {
	PACKET_WHOLE,
	PACKET_FIRST_FRAGMENT,
	PACKET_LATER_FRAGMENT,
};

struct packet {
	__u32 network_offset;	/* of the IP header */
	__u32 transport_offset; /* of the transport header, or of what could not be read */
	__be32 fragment_id;
	__u16 source_port; /* host order, 0 when the protocol has none or it cannot be read */
	__u16 destination_port;
	__u8 kind;
	__u8 fragment;
	__u8 version;	  /* 4 or 6 */
	__u8 protocol;	  /* of the transport header; 0 when it cannot be told */
	__u8 has_address; /* the IP header is whole */
	__u8 has_ports;	  /* the protocol has ports, and they could be read */
};

struct parse_vlan {
	__be16 tci;
	__be16 protocol;
};

struct parse_extension {
	__u8 next;
	__u8 length;
};

struct parse_fragment6 {
	__u8 next;
	__u8 reserved;
	__be16 offset;
	__be32 id;
};

static __always_inline void parse_transport(struct __sk_buff *skb, struct packet *packet)
{
	__be16 ports[2];
	__u8 type;

	switch (packet->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		if (bpf_skb_load_bytes(skb, packet->transport_offset, ports, sizeof(ports)))
			return;
		packet->source_port = bpf_ntohs(ports[0]);
		packet->destination_port = bpf_ntohs(ports[1]);
		packet->has_ports = 1;
		return;
	case IPPROTO_ICMPV6:
		if (packet->version != 6 ||
		    bpf_skb_load_bytes(skb, packet->transport_offset, &type, sizeof(type)))
			return;
		if ((type >= PARSE_MLD_FIRST && type <= PARSE_ND_LAST) || type == PARSE_MLD2_REPORT)
			packet->kind = PACKET_CONTROL;
		return;
	}
}

static __always_inline void parse_ipv4(struct __sk_buff *skb, struct packet *packet)
{
	struct iphdr ip;
	__u16 fragment;

	if (bpf_skb_load_bytes(skb, packet->network_offset, &ip, sizeof(ip)) || ip.version != 4 ||
	    ip.ihl < 5)
		return;
	packet->has_address = 1;
	packet->protocol = ip.protocol;
	packet->transport_offset = packet->network_offset + ip.ihl * 4;
	fragment = bpf_ntohs(ip.frag_off);
	if (fragment & (PARSE_FRAGMENT_OFFSET | PARSE_FRAGMENT_MORE)) {
		packet->fragment_id = ip.id;
		packet->fragment = fragment & PARSE_FRAGMENT_OFFSET ? PACKET_LATER_FRAGMENT :
								      PACKET_FIRST_FRAGMENT;
		if (packet->fragment == PACKET_LATER_FRAGMENT)
			return;
	}
	parse_transport(skb, packet);
}

static __always_inline void parse_ipv6(struct __sk_buff *skb, struct packet *packet)
{
	struct parse_fragment6 fragment;
	struct parse_extension extension;
	struct ipv6hdr ip;
	__u32 offset;
	__u8 next;

	if (bpf_skb_load_bytes(skb, packet->network_offset, &ip, sizeof(ip)) || ip.version != 6)
		return;
	packet->has_address = 1;
	next = ip.nexthdr;
	offset = packet->network_offset + sizeof(ip);

	for (int i = 0; i <= PARSE_EXTENSIONS; i++) {
		switch (next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_MH:
		case PARSE_HIP:
		case PARSE_SHIM6:
		case IPPROTO_AH:
			if (bpf_skb_load_bytes(skb, offset, &extension, sizeof(extension)))
				return;
			offset += next == IPPROTO_AH ? (extension.length + 2) * 4 :
						       (extension.length + 1) * 8;
			next = extension.next;
			continue;
		case IPPROTO_FRAGMENT:
			if (bpf_skb_load_bytes(skb, offset, &fragment, sizeof(fragment)))
				return;
			offset += sizeof(fragment);
			next = fragment.next;
			if (!(fragment.offset &
			      bpf_htons(PARSE_FRAGMENT6_OFFSET | PARSE_FRAGMENT6_MORE)))
				continue; /* an atomic fragment, RFC 6946 */
			packet->fragment_id = fragment.id;
			packet->fragment = PACKET_FIRST_FRAGMENT;
			if (fragment.offset & bpf_htons(PARSE_FRAGMENT6_OFFSET)) {
				packet->fragment = PACKET_LATER_FRAGMENT;
				return;
			}
			continue;
		}
		packet->protocol = next;
		packet->transport_offset = offset;
		parse_transport(skb, packet);
		return;
	}
}

/*
 * Any frame: with an Ethernet header, or a bare IP packet (tun, WireGuard).
 * The latter is told by its version nibble: the metadata's protocol may be
 * anything that a process wrote into the device. A function that the verifier
 * looks at once, for itself: inlined, its loops would be multiplied by every
 * path that leads to them.
 */
__noinline int parse_any(struct __sk_buff *skb, struct packet *packet, __u32 ethernet)
{
	struct parse_vlan vlan;
	__be16 protocol = 0;
	__u32 offset = 0;
	__u8 version;

	if (!packet)
		return 0;
	if (ethernet) {
		if (bpf_skb_load_bytes(skb, offsetof(struct ethhdr, h_proto), &protocol,
				       sizeof(protocol)))
			return 0;
		offset = sizeof(struct ethhdr);
		for (int i = 0; i < PARSE_VLAN_TAGS; i++) {
			if (protocol != bpf_htons(ETH_P_8021Q) &&
			    protocol != bpf_htons(ETH_P_8021AD))
				break;
			if (bpf_skb_load_bytes(skb, offset, &vlan, sizeof(vlan)))
				return 0;
			protocol = vlan.protocol;
			offset += sizeof(vlan);
		}
	} else if (!bpf_skb_load_bytes(skb, 0, &version, sizeof(version))) {
		if (version >> 4 == 4)
			protocol = bpf_htons(ETH_P_IP);
		else if (version >> 4 == 6)
			protocol = bpf_htons(ETH_P_IPV6);
	}

	packet->network_offset = offset;
	packet->transport_offset = offset;
	if (protocol == bpf_htons(ETH_P_IP)) {
		packet->kind = PACKET_IP;
		packet->version = 4;
		parse_ipv4(skb, packet);
	} else if (protocol == bpf_htons(ETH_P_IPV6)) {
		packet->kind = PACKET_IP;
		packet->version = 6;
		parse_ipv6(skb, packet);
	}
	return 0;
}

/*
 * The common frames, TCP or UDP over IPv4 without options or over IPv6 without
 * extensions, whole, with one VLAN tag or none, read where they lie. False
 * when a frame is another, or its headers are not in the linear area.
 */
static __always_inline _Bool parse_in_place(struct __sk_buff *skb, _Bool ethernet,
					    struct packet *packet)
{
	const void *start = (const void *)(long)skb->data;
	const void *end = (const void *)(long)skb->data_end;
	const __be16 *type = start + offsetof(struct ethhdr, h_proto), *ports;
	const struct ipv6hdr *ip6;
	const struct iphdr *ip;

	ip = start;
	if (ethernet) {
		if ((const void *)(type + 3) > end)
			return 0;
		if (type[0] == bpf_htons(ETH_P_8021Q) || type[0] == bpf_htons(ETH_P_8021AD))
			type += 2;
		ip = (const void *)(type + 1);
	}
	if ((const void *)(ip + 1) > end)
		return 0;
	packet->network_offset = (__u32)((const void *)ip - start);
	if (*(const __u8 *)ip == PARSE_IPV4_PLAIN) {
		if ((ethernet && *type != bpf_htons(ETH_P_IP)) ||
		    ip->frag_off & bpf_htons(PARSE_FRAGMENT_OFFSET | PARSE_FRAGMENT_MORE))
			return 0;
		packet->version = 4;
		packet->protocol = ip->protocol;
		ports = (const void *)(ip + 1);
	} else {
		ip6 = (const void *)ip;
		if ((const void *)(ip6 + 1) > end || ip6->version != 6 ||
		    (ethernet && *type != bpf_htons(ETH_P_IPV6)))
			return 0;
		packet->version = 6;
		packet->protocol = ip6->nexthdr;
		ports = (const void *)(ip6 + 1);
	}
	if ((const void *)(ports + 2) > end ||
	    (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP))
		return 0;
	packet->kind = PACKET_IP;
	packet->has_address = 1;
	packet->has_ports = 1;
	packet->transport_offset = (__u32)((const void *)ports - start);
	packet->source_port = bpf_ntohs(ports[0]);
	packet->destination_port = bpf_ntohs(ports[1]);
	return 1;
}

static __always_inline void parse(struct __sk_buff *skb, _Bool ethernet, struct packet *packet)
{
	__builtin_memset(packet, 0, sizeof(*packet));
	if (parse_in_place(skb, ethernet, packet))
		return;
	__builtin_memset(packet, 0, sizeof(*packet));
	parse_any(skb, packet, ethernet);
}

#endif
