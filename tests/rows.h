/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The flow table read as it is written: row by row, condition by condition, from
 * the description in user/flow_table.h. Slow and plain on purpose; it shares
 * nothing with the code that it judges. And rows and packets to try it on, drawn so
 * that they meet at each other's edges.
 */
#ifndef ROWS_H
#define ROWS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bwctl.h"

/* What there is to know of a packet that is IP, and not BWCTL_FLOW_CONTROL. */
struct rows_packet {
	const char *interface;
	uint8_t version, protocol;
	bool has_ports, has_address;
	uint16_t local, remote;
	uint8_t address[16]; /* the remote one */
};

static bool rows_bit(const uint8_t *bytes, int bit)
{
	return bytes[bit / 8] >> (7 - bit % 8) & 1;
}

static bool rows_has_port(const struct bwctl_ports *ranges, int count, uint16_t port)
{
	for (int i = 0; i < count; i++)
		if (ranges[i].first <= port && port <= ranges[i].last)
			return true;
	return false;
}

static bool rows_match(const struct bwctl_flow *flow, const struct rows_packet *packet)
{
	if (!flow->any_protocol && flow->protocol != packet->protocol)
		return false;
	if (flow->local_ranges || flow->remote_ranges) {
		if (!packet->has_ports)
			return false;
		if (flow->local_ranges &&
		    !rows_has_port(flow->local, flow->local_ranges, packet->local))
			return false;
		if (flow->remote_ranges &&
		    !rows_has_port(flow->remote, flow->remote_ranges, packet->remote))
			return false;
	}
	if (flow->interface[0] && strcmp(flow->interface, packet->interface))
		return false;
	if (!flow->prefix_version)
		return true;
	if (flow->prefix_version != packet->version || !packet->has_address)
		return false;
	for (int bit = 0; bit < flow->prefix_bits; bit++)
		if (rows_bit(flow->prefix, bit) != rows_bit(packet->address, bit))
			return false;
	return true;
}

/* The row, by number, or BWCTL_FLOW_OTHER. */
static uint32_t rows_walk(const struct bwctl_asked *asked, const struct rows_packet *packet)
{
	for (uint32_t row = 0; row < asked->flow_count; row++)
		if (rows_match(&asked->flows[row], packet))
			return row;
	return BWCTL_FLOW_OTHER;
}

static uint64_t rows_state = 0x2545f4914f6cdd1d;

/* xorshift64 (Marsaglia 2003): the same on every machine. */
static uint32_t rows_below(uint32_t bound)
{
	rows_state ^= rows_state << 13;
	rows_state ^= rows_state >> 7;
	rows_state ^= rows_state << 17;
	return (uint32_t)((rows_state >> 16) % bound);
}

static bool rows_one_in(uint32_t n)
{
	return !rows_below(n);
}

/* Interfaces that are loaded, by slot; flows may name one more, and one begins like another. */
#define ROWS_SLOTS 5
static const char rows_slots[ROWS_SLOTS][BWCTL_NAME] = {"eth0", "", "eth0.100", "wg0",
							"fifteen-letters"};
#define ROWS_NOT_LOADED "eth1"

static const uint8_t rows_protocols[] = {IPPROTO_TCP,  IPPROTO_UDP,  IPPROTO_TCP,   IPPROTO_UDP,
					 IPPROTO_SCTP, IPPROTO_DCCP, IPPROTO_ICMP,  IPPROTO_UDPLITE,
					 IPPROTO_GRE,  IPPROTO_ESP,  IPPROTO_ICMPV6};

static uint8_t rows_invent_protocol(void)
{
	if (rows_one_in(30))
		return (uint8_t)rows_below(256);
	return rows_protocols[rows_below(sizeof(rows_protocols))];
}

static bool rows_has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
	       protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP;
}

/* Half of them few, so that rows meet. */
static uint16_t rows_invent_port(void)
{
	static const uint16_t edges[] = {0,   1,   22,	 23,   24,   255,   256,
					 443, 511, 1023, 1024, 1025, 65534, 65535};

	return rows_one_in(2) ? edges[rows_below(sizeof(edges) / sizeof(edges[0]))] :
				(uint16_t)rows_below(65536);
}

/* Ranges may overlap, touch, be in each other, or be the same. */
static uint8_t rows_invent_ranges(struct bwctl_ports *ranges, uint32_t one_in)
{
	uint8_t count = rows_one_in(one_in) ? (uint8_t)(1 + rows_below(BWCTL_PORT_RANGES)) : 0;

	for (int i = 0; i < count; i++) {
		uint16_t a = rows_invent_port(), b = rows_one_in(2) ? a : rows_invent_port();

		ranges[i] = (struct bwctl_ports){a < b ? a : b, a < b ? b : a};
		if (rows_one_in(4) && ranges[i].first < 65000)
			ranges[i].last = (uint16_t)(ranges[i].first + rows_below(300));
	}
	return count;
}

/* Few places to differ at, so that prefixes lie in each other. */
static void rows_invent_address(uint8_t address[16])
{
	static const uint8_t stem[16] = {0x20, 0x01, 0x0d, 0xb8};

	memcpy(address, stem, 16);
	for (uint32_t i = rows_below(4); i; i--)
		address[rows_below(rows_one_in(2) ? 4 : 16)] ^= (uint8_t)(1 << rows_below(8));
}

/*
 * A row. The higher loose is, the fewer conditions it has, 1 for nearly all of
 * them. What is behind the prefix's bits is not cleared.
 */
static void rows_invent(struct bwctl_flow *flow, uint32_t loose)
{
	memset(flow, 0, sizeof(*flow));
	flow->any_protocol = rows_one_in(10);
	flow->protocol = rows_invent_protocol();
	flow->class = (uint8_t)rows_below(BWCTL_CLASSES);
	if (flow->any_protocol || rows_has_ports(flow->protocol) || rows_one_in(20)) {
		flow->local_ranges = rows_invent_ranges(flow->local, loose);
		flow->remote_ranges = rows_invent_ranges(flow->remote, loose);
	}
	if (rows_one_in(loose)) {
		flow->prefix_version = rows_one_in(2) ? 4 : 6;
		flow->prefix_bits = (uint8_t)rows_below(flow->prefix_version == 4 ? 33 : 129);
		rows_invent_address(flow->prefix);
	}
	if (rows_one_in(3 * loose))
		strcpy(flow->interface,
		       rows_one_in(6) ? ROWS_NOT_LOADED : rows_slots[rows_below(ROWS_SLOTS)]);
}

/* The later a row, the looser it may be. Counters that are not the rows' own numbers, and no two the same. */
static void rows_invent_all(struct bwctl_asked *asked, uint32_t count, uint32_t loose)
{
	memset(asked, 0, sizeof(*asked));
	asked->flow_count = count;
	for (uint32_t row = 0; row < count; row++) {
		rows_invent(&asked->flows[row], rows_below(2 * count) < row ? loose : 1);
		snprintf(asked->flows[row].name, BWCTL_NAME, "flow%u", row);
		asked->flows[row].counter = (uint16_t)((row * 37 + 11) % BWCTL_FLOW_ROWS);
	}
}

static uint16_t rows_port_near(const struct bwctl_ports *ranges, uint32_t count)
{
	const struct bwctl_ports *range;

	if (!count || rows_one_in(20))
		return rows_invent_port();
	range = &ranges[rows_below(count)];
	switch (rows_below(8)) {
	case 0:
		return (uint16_t)(range->first - 1);
	case 1:
		return (uint16_t)(range->last + 1);
	case 2:
	case 3:
		return range->last;
	default:
		return range->first;
	}
}

/* Inside of the prefix, or one bit beside it, where that is closest. */
static void rows_address_near(uint8_t address[16], const struct bwctl_flow *flow)
{
	uint32_t bits = flow->prefix_version == 4 ? 32 : 128;

	rows_invent_address(address);
	if (!flow->prefix_version)
		return;
	for (uint32_t bit = 0; bit < flow->prefix_bits; bit++) {
		address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
		address[bit / 8] |= flow->prefix[bit / 8] & (0x80 >> bit % 8);
	}
	if (flow->prefix_bits && rows_one_in(6))
		address[(flow->prefix_bits - 1) / 8] ^= 0x80 >> (flow->prefix_bits - 1) % 8;
	else if (flow->prefix_bits < bits && rows_one_in(6))
		address[flow->prefix_bits / 8] ^= 0x80 >> flow->prefix_bits % 8;
}

/* A packet that a row would take, or nearly; the rows before it may take it as well. */
static void rows_invent_packet(const struct bwctl_asked *asked, struct rows_packet *packet)
{
	static const struct bwctl_flow none = {.any_protocol = 1};
	const struct bwctl_flow *flow =
		asked->flow_count ? &asked->flows[rows_below(asked->flow_count)] : &none;

	memset(packet, 0, sizeof(*packet));
	packet->protocol = flow->any_protocol || rows_one_in(12) ? rows_invent_protocol() :
								   flow->protocol;
	packet->version = flow->prefix_version && !rows_one_in(20) ? flow->prefix_version :
			  rows_one_in(2)			   ? 4 :
								     6;
	packet->has_address = true;
	rows_address_near(packet->address, flow);
	if (packet->version == 4)
		memset(packet->address + 4, 0, 12);
	packet->has_ports = rows_has_ports(packet->protocol);
	if (packet->has_ports) {
		packet->local = rows_port_near(flow->local, flow->local_ranges);
		packet->remote = rows_port_near(flow->remote, flow->remote_ranges);
	}
	/* Only what is loaded sees packets. */
	packet->interface = rows_slots[rows_below(ROWS_SLOTS)];
	for (int slot = 0; slot < ROWS_SLOTS && !rows_one_in(6); slot++)
		if (flow->interface[0] && !strcmp(rows_slots[slot], flow->interface))
			packet->interface = rows_slots[slot];
}

#endif
