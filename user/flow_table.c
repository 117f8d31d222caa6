// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The flow table: the rows as data, and the groups that the programs look
 * packets up by.
 */
#include "flow_table.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PORTS	  65536
#define PROTOCOLS 256

#define PORT(n)	  .n##_ranges = 1, .n
#define HIGH	  {1025, 65535} /* "port > 1024", literally */

static const struct bwctl_flow listed_flows[] = {
	{.name = "ui", .protocol = IPPROTO_TCP, .class = BWCTL_UI, .local_ranges = 1,
	 .local = {{443, 443}}, .remote_ranges = 1, .remote = {HIGH}},
	{.name = "admin", .protocol = IPPROTO_TCP, .class = BWCTL_ADMIN, .local_ranges = 1,
	 .local = {{8443, 8443}}, .remote_ranges = 1, .remote = {HIGH}},
	{.name = "api", .protocol = IPPROTO_TCP, .class = BWCTL_API, .local_ranges = 1,
	 .local = {HIGH}, .remote_ranges = 1, .remote = {{443, 443}}},
	{.name = "ssh", .protocol = IPPROTO_TCP, .class = BWCTL_SSH, .local_ranges = 1,
	 .local = {HIGH}, .remote_ranges = 1, .remote = {{22, 22}}},
	{.name = "telnet", .protocol = IPPROTO_TCP, .class = BWCTL_TELNET, .local_ranges = 1,
	 .local = {HIGH}, .remote_ranges = 1, .remote = {{23, 23}}},
	{.name = "icmp", .protocol = IPPROTO_ICMP, .class = BWCTL_ICMP},
	{.name = "icmpv6", .protocol = IPPROTO_ICMPV6, .class = BWCTL_ICMP},
};

#define LISTED (sizeof(listed_flows) / sizeof(listed_flows[0]))

_Static_assert(LISTED <= BWCTL_LISTED_MAX, "one bit each");

/* Which rows a port or protocol fits: one bit each. */
typedef uint64_t row_set;

struct groups {
	row_set rows[BWCTL_PORT_GROUPS];
	uint32_t count;
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

/* The group whose members fit exactly these rows; a new one if there is room. */
static int group_of(struct groups *groups, uint32_t room, row_set rows)
{
	for (uint32_t group = 0; group < groups->count; group++)
		if (groups->rows[group] == rows)
			return (int)group;
	if (groups->count == room)
		return -E2BIG;
	groups->rows[groups->count] = rows;
	return (int)groups->count++;
}

static bool has_port(const struct bwctl_ports *ranges, uint32_t count, uint32_t port)
{
	for (uint32_t i = 0; i < count; i++)
		if (port >= ranges[i].first && port <= ranges[i].last)
			return true;
	return !count;
}

static row_set rows_with_port(const struct bwctl_asked *asked, uint32_t port, bool local)
{
	row_set rows = 0;

	for (uint32_t row = 0; row < asked->flow_count; row++) {
		const struct bwctl_flow *flow = &asked->flows[row];

		if (local ? has_port(flow->local, flow->local_ranges, port) :
			    has_port(flow->remote, flow->remote_ranges, port))
			rows |= (row_set)1 << row;
	}
	return rows;
}

static row_set rows_with_protocol(const struct bwctl_asked *asked, uint32_t protocol)
{
	row_set rows = 0;

	for (uint32_t row = 0; row < asked->flow_count; row++)
		if (asked->flows[row].any_protocol || asked->flows[row].protocol == protocol)
			rows |= (row_set)1 << row;
	return rows;
}

int flow_table_build(const struct bwctl_asked *asked, const char (*slots)[BWCTL_NAME], uint32_t count,
		     struct bwctl_flow_table *table)
{
	struct groups protocols = {.count = 0}, locals = {.count = 0}, remotes = {.count = 0};

	(void)slots;
	(void)count;
	if (asked->flow_count > 64)
		return -E2BIG;
	memset(table, 0, sizeof(*table));
	for (uint32_t protocol = 0; protocol < PROTOCOLS; protocol++) {
		int group = group_of(&protocols, BWCTL_PROTO_GROUPS,
				     rows_with_protocol(asked, protocol));

		if (group < 0)
			return group;
		table->protocol_group[protocol] = group;
	}
	for (uint32_t port = 0; port < PORTS; port++) {
		int local = group_of(&locals, BWCTL_PORT_GROUPS, rows_with_port(asked, port, true));
		int remote =
			group_of(&remotes, BWCTL_PORT_GROUPS, rows_with_port(asked, port, false));

		if (local < 0 || remote < 0)
			return -E2BIG;
		table->local_group[port] = local;
		table->remote_group[port] = remote;
	}

	for (uint32_t protocol = 0; protocol < protocols.count; protocol++)
		for (uint32_t local = 0; local < locals.count; local++)
			for (uint32_t remote = 0; remote < remotes.count; remote++) {
				row_set rows = protocols.rows[protocol] & locals.rows[local] &
					       remotes.rows[remote];

				table->flow[protocol][local][remote] =
					rows ? __builtin_ctzll(rows) : BWCTL_FLOW_OTHER;
			}

	for (uint32_t row = 0; row < asked->flow_count; row++) {
		table->class[row] = asked->flows[row].class;
		table->counter[row] = asked->flows[row].counter;
	}
	table->counter[BWCTL_FLOW_OTHER] = BWCTL_FLOW_OTHER;
	table->counter[BWCTL_FLOW_CONTROL] = BWCTL_FLOW_CONTROL;
	table->class[BWCTL_FLOW_OTHER] = BWCTL_OTHER;
	table->class[BWCTL_FLOW_CONTROL] = BWCTL_CONTROL;
	return 0;
}

static void format_ports(const struct bwctl_ports *ranges, uint32_t count, char text[48])
{
	size_t length = 0;

	strcpy(text, "any");
	for (uint32_t i = 0; i < count && length < 40; i++) {
		uint32_t first = ranges[i].first, last = ranges[i].last;
		const char *comma = i ? "," : "";

		if (first == last)
			length += (size_t)snprintf(text + length, 48 - length, "%s%u", comma, first);
		else if (last == PORTS - 1)
			length += (size_t)snprintf(text + length, 48 - length, "%s>%u", comma,
						   first - 1);
		else
			length += (size_t)snprintf(text + length, 48 - length, "%s%u-%u", comma,
						   first, last);
	}
}

static const char *protocol_name(uint32_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_ICMP:
		return "ICMP";
	case IPPROTO_ICMPV6:
		return "ICMPv6";
	}
	return "IP";
}

const char *flow_table_format(const struct bwctl_asked *asked, uint32_t row,
			      enum bwctl_direction direction, char text[UNITS_TEXT])
{
	const struct bwctl_flow *flow = &asked->flows[row];
	char local[48], remote[48];

	if (row == BWCTL_FLOW_OTHER) {
		snprintf(text, UNITS_TEXT, "any other IP");
	} else if (row == BWCTL_FLOW_CONTROL) {
		snprintf(text, UNITS_TEXT, "not IP, IPv6 ND and MLD");
	} else if (flow->protocol == IPPROTO_ICMP) {
		snprintf(text, UNITS_TEXT, "ICMP");
	} else if (flow->protocol == IPPROTO_ICMPV6) {
		snprintf(text, UNITS_TEXT, "ICMPv6 except ND and MLD");
	} else {
		format_ports(flow->local, flow->local_ranges, local);
		format_ports(flow->remote, flow->remote_ranges, remote);
		snprintf(text, UNITS_TEXT, "%s %s -> %s", protocol_name(flow->protocol),
			 direction == BWCTL_INGRESS ? remote : local,
			 direction == BWCTL_INGRESS ? local : remote);
	}
	return text;
}
