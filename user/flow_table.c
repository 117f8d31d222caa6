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

#define ANY_PORT  0, 65535
#define HIGH_PORT 1025, 65535 /* "port > 1024", literally */
#define PORT(n)	  n, n

/* { in use, protocol, class, pad, local ports, remote ports } */
static const struct bwctl_flow default_flows[] = {
	{1, IPPROTO_TCP, BWCTL_UI, 0, PORT(443), HIGH_PORT},
	{1, IPPROTO_TCP, BWCTL_ADMIN, 0, PORT(8443), HIGH_PORT},
	{1, IPPROTO_TCP, BWCTL_API, 0, HIGH_PORT, PORT(443)},
	{1, IPPROTO_TCP, BWCTL_SSH, 0, HIGH_PORT, PORT(22)},
	{1, IPPROTO_TCP, BWCTL_TELNET, 0, HIGH_PORT, PORT(23)},
	{1, IPPROTO_ICMP, BWCTL_ICMP, 0, ANY_PORT, ANY_PORT},
	{1, IPPROTO_ICMPV6, BWCTL_ICMP, 0, ANY_PORT, ANY_PORT},
};

/* Which rows a port or protocol fits: one bit each. */
typedef uint64_t row_set;

_Static_assert(BWCTL_FLOWS <= 64, "a set of rows is one word");

struct groups {
	row_set rows[BWCTL_PORT_GROUPS];
	uint32_t count;
};

void flow_table_default(struct bwctl_flow_table *table)
{
	memset(table, 0, sizeof(*table));
	memcpy(table->flows, default_flows, sizeof(default_flows));
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

static bool row_is_matched(const struct bwctl_flow_table *table, uint32_t row)
{
	return table->flows[row].in_use && row < BWCTL_FLOW_OTHER;
}

static row_set rows_with_port(const struct bwctl_flow_table *table, uint32_t port, bool local)
{
	row_set rows = 0;

	for (uint32_t row = 0; row < BWCTL_FLOWS; row++) {
		const struct bwctl_flow *flow = &table->flows[row];
		uint32_t first = local ? flow->local_first : flow->remote_first;
		uint32_t last = local ? flow->local_last : flow->remote_last;

		if (row_is_matched(table, row) && port >= first && port <= last)
			rows |= (row_set)1 << row;
	}
	return rows;
}

static row_set rows_with_protocol(const struct bwctl_flow_table *table, uint32_t protocol)
{
	row_set rows = 0;

	for (uint32_t row = 0; row < BWCTL_FLOWS; row++)
		if (row_is_matched(table, row) && table->flows[row].protocol == protocol)
			rows |= (row_set)1 << row;
	return rows;
}

int flow_table_build(struct bwctl_flow_table *table)
{
	struct groups protocols = {.count = 0}, locals = {.count = 0}, remotes = {.count = 0};

	for (uint32_t protocol = 0; protocol < PROTOCOLS; protocol++) {
		int group = group_of(&protocols, BWCTL_PROTO_GROUPS,
				     rows_with_protocol(table, protocol));

		if (group < 0)
			return group;
		table->protocol_group[protocol] = group;
	}
	for (uint32_t port = 0; port < PORTS; port++) {
		int local = group_of(&locals, BWCTL_PORT_GROUPS, rows_with_port(table, port, true));
		int remote =
			group_of(&remotes, BWCTL_PORT_GROUPS, rows_with_port(table, port, false));

		if (local < 0 || remote < 0)
			return -E2BIG;
		table->local_group[port] = local;
		table->remote_group[port] = remote;
	}

	memset(table->flow, BWCTL_FLOW_OTHER, sizeof(table->flow));
	for (uint32_t protocol = 0; protocol < protocols.count; protocol++)
		for (uint32_t local = 0; local < locals.count; local++)
			for (uint32_t remote = 0; remote < remotes.count; remote++) {
				row_set rows = protocols.rows[protocol] & locals.rows[local] &
					       remotes.rows[remote];

				if (rows)
					table->flow[protocol][local][remote] =
						__builtin_ctzll(rows);
			}

	for (uint32_t row = 0; row < BWCTL_FLOWS; row++)
		table->class[row] = table->flows[row].class;
	table->class[BWCTL_FLOW_OTHER] = BWCTL_OTHER;
	table->class[BWCTL_FLOW_CONTROL] = BWCTL_CONTROL;
	return 0;
}

static void format_ports(uint32_t first, uint32_t last, char text[16])
{
	if (first == 0 && last == PORTS - 1)
		snprintf(text, 16, "any");
	else if (first == last)
		snprintf(text, 16, "%u", first);
	else if (last == PORTS - 1)
		snprintf(text, 16, ">%u", first - 1);
	else
		snprintf(text, 16, "%u-%u", first, last);
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

const char *flow_table_format(const struct bwctl_flow_table *table, uint32_t row,
			      enum bwctl_direction direction, char text[UNITS_TEXT])
{
	const struct bwctl_flow *flow = &table->flows[row];
	char local[16], remote[16];

	if (row == BWCTL_FLOW_OTHER) {
		snprintf(text, UNITS_TEXT, "any other IP");
	} else if (row == BWCTL_FLOW_CONTROL) {
		snprintf(text, UNITS_TEXT, "not IP, IPv6 ND and MLD");
	} else if (flow->protocol == IPPROTO_ICMP) {
		snprintf(text, UNITS_TEXT, "ICMP");
	} else if (flow->protocol == IPPROTO_ICMPV6) {
		snprintf(text, UNITS_TEXT, "ICMPv6 except ND and MLD");
	} else {
		format_ports(flow->local_first, flow->local_last, local);
		format_ports(flow->remote_first, flow->remote_last, remote);
		snprintf(text, UNITS_TEXT, "%s %s -> %s", protocol_name(flow->protocol),
			 direction == BWCTL_INGRESS ? remote : local,
			 direction == BWCTL_INGRESS ? local : remote);
	}
	return text;
}
