// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The flow table: the rows as data, and the sets of rows that the programs look
 * packets up by.
 */
#include "flow_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROTOCOLS 256
#define HIGH                \
	{                   \
		1025, 65535 \
	} /* "port > 1024", literally */

static const struct bwctl_flow listed_flows[] = {
	{.name = "ui",
	 .protocol = IPPROTO_TCP,
	 .class = BWCTL_UI,
	 .local_ranges = 1,
	 .local = {{443, 443}},
	 .remote_ranges = 1,
	 .remote = {HIGH}},
	{.name = "admin",
	 .protocol = IPPROTO_TCP,
	 .class = BWCTL_ADMIN,
	 .local_ranges = 1,
	 .local = {{8443, 8443}},
	 .remote_ranges = 1,
	 .remote = {HIGH}},
	{.name = "api",
	 .protocol = IPPROTO_TCP,
	 .class = BWCTL_API,
	 .local_ranges = 1,
	 .local = {HIGH},
	 .remote_ranges = 1,
	 .remote = {{443, 443}}},
	{.name = "ssh",
	 .protocol = IPPROTO_TCP,
	 .class = BWCTL_SSH,
	 .local_ranges = 1,
	 .local = {HIGH},
	 .remote_ranges = 1,
	 .remote = {{22, 22}}},
	{.name = "telnet",
	 .protocol = IPPROTO_TCP,
	 .class = BWCTL_TELNET,
	 .local_ranges = 1,
	 .local = {HIGH},
	 .remote_ranges = 1,
	 .remote = {{23, 23}}},
	{.name = "icmp", .protocol = IPPROTO_ICMP, .class = BWCTL_ICMP},
	{.name = "icmpv6", .protocol = IPPROTO_ICMPV6, .class = BWCTL_ICMP},
};

#define LISTED (sizeof(listed_flows) / sizeof(listed_flows[0]))

_Static_assert(LISTED <= BWCTL_LISTED_MAX, "one bit each");

/* Where a range of ports begins or ends: what that adds to the number of a row's ranges there. */
struct edge {
	uint32_t port;
	uint16_t row;
	int16_t step;
};

#define EDGES	   (2 * BWCTL_PORT_RANGES * BWCTL_FLOW_ROWS)
#define HASH_SLOTS 16384 /* a power of two, well above BWCTL_PORT_SETS */

/* The sets of rows that were met so far, each once. */
struct sets {
	struct bwctl_port_table *table;
	uint32_t count;
	uint16_t by_hash[HASH_SLOTS]; /* number of the set, plus one */
};

const struct bwctl_flow *flow_table_listed(uint32_t n)
{
	return n < LISTED ? &listed_flows[n] : NULL;
}

void flow_table_default(struct bwctl_asked *asked)
{
	memset(asked->flows, 0, sizeof(asked->flows));
	memcpy(asked->flows, listed_flows, sizeof(listed_flows));
	asked->flow_count = LISTED;
	asked->listed_removed = 0;
	for (uint32_t row = 0; row < LISTED; row++) {
		asked->flows[row].is_listed = 1;
		asked->flows[row].counter = row;
	}
}

static bool ports_are_legal(const struct bwctl_ports *ranges, uint32_t count)
{
	if (count > BWCTL_PORT_RANGES)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (ranges[i].first > ranges[i].last)
			return false;
	return true;
}

static bool is_legal(const struct bwctl_flow *flow)
{
	uint32_t bits = flow->prefix_version == 6 ? 128 : flow->prefix_version == 4 ? 32 : 0;

	return flow->class < BWCTL_CLASSES && flow->counter < BWCTL_FLOW_ROWS &&
	       ports_are_legal(flow->local, flow->local_ranges) &&
	       ports_are_legal(flow->remote, flow->remote_ranges) &&
	       (bits || !flow->prefix_version) && flow->prefix_bits <= bits;
}

static void add(struct bwctl_row_set *set, uint32_t row)
{
	set->word[row / 64] |= 1ULL << row % 64;
}

static void drop(struct bwctl_row_set *set, uint32_t row)
{
	set->word[row / 64] &= ~(1ULL << row % 64);
}

static void add_to_all(struct bwctl_row_set *sets, uint32_t count, uint32_t row)
{
	for (uint32_t i = 0; i < count; i++)
		add(&sets[i], row);
}

static void build_slots(struct bwctl_flow_table *table, const struct bwctl_flow *flow, uint32_t row,
			const char (*slots)[BWCTL_NAME], uint32_t count)
{
	if (!flow->interface[0]) {
		add_to_all(table->slot, BWCTL_SLOTS + 1, row);
		return;
	}
	table->by_interface = table->beyond_ports = 1;
	for (uint32_t slot = 0; slot < count && slot < BWCTL_SLOTS; slot++)
		if (!strncmp(flow->interface, slots[slot], BWCTL_NAME))
			add(&table->slot[slot], row);
}

/* What the prefix says of each byte of an address: exactly this, from this to that, or nothing. */
static void build_bytes(struct bwctl_row_set (*bytes)[256], uint32_t count,
			const struct bwctl_flow *flow, uint32_t row)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t bits = flow->prefix_bits > 8 * i ? flow->prefix_bits - 8 * i : 0;
		uint32_t free = bits < 8 ? 0xff >> bits : 0;

		add_to_all(&bytes[i][flow->prefix[i] & ~free], free + 1, row);
	}
}

/* A prefix of one version fits no address of the other: to know that takes one byte. */
static void need_bytes(struct bwctl_flow_table *table, uint32_t version, uint32_t bits)
{
	uint8_t bytes = bits > 8 ? (uint8_t)((bits + 7) / 8) : 1;

	if (table->prefix_bytes[version] < bytes)
		table->prefix_bytes[version] = bytes;
}

static void build_prefix(struct bwctl_flow_table *table, const struct bwctl_flow *flow,
			 uint32_t row)
{
	if (flow->prefix_version != 6)
		build_bytes(table->ipv4, 4, flow, row);
	if (flow->prefix_version != 4)
		build_bytes(table->ipv6, 16, flow, row);
	if (!flow->prefix_version) {
		add(&table->no_address, row);
		return;
	}
	table->beyond_ports = 1;
	for (uint32_t version = 4; version <= 6; version += 2)
		need_bytes(table, version, flow->prefix_version == version ? flow->prefix_bits : 0);
}

static uint16_t number_of(struct sets *sets, const struct bwctl_row_set *rows)
{
	uint64_t hash = 0;
	uint32_t at;

	for (uint32_t i = 0; i < sizeof(rows->word) / sizeof(rows->word[0]); i++)
		hash = (hash ^ rows->word[i]) * 0x9e3779b97f4a7c15; /* 2^64 over the golden ratio */
	for (at = hash >> 32 & (HASH_SLOTS - 1); sets->by_hash[at];
	     at = (at + 1) & (HASH_SLOTS - 1))
		if (!memcmp(&sets->table->rows[sets->by_hash[at] - 1], rows, sizeof(*rows)))
			return (uint16_t)(sets->by_hash[at] - 1);
	sets->table->rows[sets->count] = *rows;
	sets->by_hash[at] = (uint16_t)(sets->count + 1);
	return (uint16_t)sets->count++;
}

static int by_port(const void *a, const void *b)
{
	const struct edge *one = a, *other = b;

	return one->port < other->port ? -1 : one->port > other->port;
}

/* Sweeps over the edges of the ranges; between two of them every port fits the same rows. */
static void build_ports(const struct bwctl_asked *asked, bool local, struct bwctl_port_table *table)
{
	struct edge edges[EDGES];
	uint8_t open[BWCTL_FLOW_ROWS] = {0}; /* ranges of each row that have begun, and not ended */
	struct bwctl_row_set rows = {{0}};
	struct sets sets = {.table = table};
	uint32_t count = 0, next = 0, port = 0, until;

	for (uint32_t row = 0; row < asked->flow_count; row++) {
		const struct bwctl_flow *flow = &asked->flows[row];
		const struct bwctl_ports *ranges = local ? flow->local : flow->remote;
		uint32_t ranges_count = local ? flow->local_ranges : flow->remote_ranges;

		if (!ranges_count)
			add(&rows, row);
		for (uint32_t i = 0; i < ranges_count; i++) {
			edges[count++] = (struct edge){ranges[i].first, (uint16_t)row, 1};
			edges[count++] = (struct edge){ranges[i].last + 1U, (uint16_t)row, -1};
		}
	}
	number_of(&sets, &rows);
	qsort(edges, count, sizeof(edges[0]), by_port);
	while (port < BWCTL_PORTS) {
		for (; next < count && edges[next].port == port; next++) {
			uint32_t row = edges[next].row;

			open[row] = (uint8_t)(open[row] + edges[next].step);
			if (open[row])
				add(&rows, row);
			else
				drop(&rows, row);
		}
		until = next < count ? edges[next].port : BWCTL_PORTS;
		for (uint16_t set = number_of(&sets, &rows); port < until; port++)
			table->set[port] = set;
	}
}

int flow_table_build(const struct bwctl_asked *asked, const char (*slots)[BWCTL_NAME],
		     uint32_t count, struct bwctl_flow_table *table)
{
	if (asked->flow_count > BWCTL_FLOW_ROWS)
		return -EINVAL;
	for (uint32_t row = 0; row < asked->flow_count; row++)
		if (!is_legal(&asked->flows[row]))
			return -EINVAL;
	memset(table, 0, sizeof(*table));
	for (uint32_t row = 0; row < BWCTL_FLOWS; row++) {
		table->class[row] = BWCTL_OTHER;
		table->counter[row] = BWCTL_FLOW_OTHER;
	}
	table->class[BWCTL_FLOW_CONTROL] = BWCTL_CONTROL;
	table->counter[BWCTL_FLOW_CONTROL] = BWCTL_FLOW_CONTROL;
	for (uint32_t row = 0; row < asked->flow_count; row++) {
		const struct bwctl_flow *flow = &asked->flows[row];

		table->class[row] = flow->class;
		table->counter[row] = flow->counter;
		if (flow->any_protocol)
			add_to_all(table->protocol, PROTOCOLS, row);
		else
			add(&table->protocol[flow->protocol], row);
		build_slots(table, flow, row, slots, count);
		build_prefix(table, flow, row);
	}
	build_ports(asked, true, &table->local);
	build_ports(asked, false, &table->remote);
	return 0;
}

struct text {
	char *at;
	size_t room;
};

__attribute__((format(printf, 2, 3))) static void append(struct text *text, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text->at, text->room, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= text->room)
		length = (int)text->room - 1;
	text->at += length;
	text->room -= (size_t)length;
}

static void append_protocol(struct text *text, const struct bwctl_flow *flow)
{
	static const struct {
		uint32_t number;
		const char *name;
	} names[] = {
		{IPPROTO_TCP, "TCP"},
		{IPPROTO_UDP, "UDP"},
		{IPPROTO_ICMP, "ICMP"},
		{IPPROTO_SCTP, "SCTP"},
		{IPPROTO_UDPLITE, "UDP-Lite"},
		{IPPROTO_DCCP, "DCCP"},
		{IPPROTO_GRE, "GRE"},
		{IPPROTO_ESP, "ESP"},
		{IPPROTO_AH, "AH"},
		{IPPROTO_IGMP, "IGMP"},
		{IPPROTO_ICMPV6, "ICMPv6 except ND and MLD"},
	};

	if (flow->any_protocol) {
		append(text, "IP");
		return;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].number == flow->protocol) {
			append(text, "%s", names[i].name);
			return;
		}
	append(text, "IP protocol %u", flow->protocol);
}

static void append_prefix(struct text *text, const struct bwctl_flow *flow)
{
	char prefix[INET6_ADDRSTRLEN];

	inet_ntop(flow->prefix_version == 6 ? AF_INET6 : AF_INET, flow->prefix, prefix,
		  sizeof(prefix));
	append(text, " %s/%u", prefix, flow->prefix_bits);
}

static void append_ports(struct text *text, const struct bwctl_ports *ranges, uint32_t count)
{
	if (!count)
		append(text, " any");
	for (uint32_t i = 0; i < count; i++) {
		uint32_t first = ranges[i].first, last = ranges[i].last;

		append(text, i ? "," : " ");
		if (first == last)
			append(text, "%u", first);
		else if (last == BWCTL_PORTS - 1 && first)
			append(text, ">%u", first - 1);
		else
			append(text, "%u-%u", first, last);
	}
}

static void append_row(struct text *text, const struct bwctl_flow *flow, bool inbound)
{
	append_protocol(text, flow);
	if (!flow->local_ranges && !flow->remote_ranges) {
		if (flow->prefix_version) {
			append(text, inbound ? " from" : " to");
			append_prefix(text, flow);
		}
	} else if (inbound) {
		if (flow->prefix_version)
			append_prefix(text, flow);
		append_ports(text, flow->remote, flow->remote_ranges);
		append(text, " ->");
		append_ports(text, flow->local, flow->local_ranges);
	} else {
		append_ports(text, flow->local, flow->local_ranges);
		append(text, " ->");
		if (flow->prefix_version)
			append_prefix(text, flow);
		append_ports(text, flow->remote, flow->remote_ranges);
	}
	if (flow->interface[0])
		append(text, " on %s", flow->interface);
}

const char *flow_table_format(const struct bwctl_asked *asked, uint32_t row,
			      enum bwctl_direction direction, char ret_text[FLOW_TABLE_TEXT])
{
	struct text text = {ret_text, FLOW_TABLE_TEXT};

	if (row == BWCTL_FLOW_OTHER)
		append(&text, "any other IP");
	else if (row == BWCTL_FLOW_CONTROL)
		append(&text, "not IP, IPv6 ND and MLD");
	else
		append_row(&text, &asked->flows[row], direction == BWCTL_INGRESS);
	return ret_text;
}
