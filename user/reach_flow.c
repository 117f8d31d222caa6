// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What the limiter makes of the packets to a host.
 */
#include "reach_flow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow_table.h"
#include "lookup.h"
#include "policy.h"
#include "reach_route.h"
#include "report.h"

#define LOCAL_PORT \
	32768 /* the first that Linux gives to who connects, if it is not told otherwise */

struct reach_flows {
	const char *pin_dir;
	struct report *report; /* NULL: nothing is loaded, or it could not be read */
	int err;	       /* the latter, and */
	char why[LOG_TEXT];
	struct bwctl_asked *asked;
	struct bwctl_flow_table *table;
	struct reach_routes *routes; /* only if a flow is of one interface */
};

static int take_listed(struct reach_flows *flows)
{
	flows->asked = calloc(1, sizeof(*flows->asked));
	flows->table = calloc(1, sizeof(*flows->table));
	if (!flows->asked || !flows->table)
		return -ENOMEM;
	policy_default(flows->asked);
	return flow_table_build(flows->asked, NULL, 0, flows->table);
}

int reach_flows_open(const char *pin_dir, struct reach_flows **ret_flows)
{
	struct reach_flows *flows = calloc(1, sizeof(*flows));
	int err = 0;

	if (!flows)
		return -ENOMEM;
	flows->pin_dir = pin_dir;
	flows->err = report_read(pin_dir, LIMITER_LOOK, &flows->report, flows->why);
	if (flows->err) {
		flows->report = NULL;
	} else if (!report_is_loaded(flows->report)) {
		report_free(flows->report);
		flows->report = NULL;
	}
	if (flows->report) {
		flows->asked = &flows->report->policy.asked;
		flows->table = &flows->report->policy.table;
	} else {
		err = take_listed(flows);
	}
	if (!err && flows->table->by_interface)
		flows->routes = reach_routes_open();
	if (err) {
		reach_flows_close(flows);
		return err;
	}
	*ret_flows = flows;
	return 0;
}

void reach_flows_close(struct reach_flows *flows)
{
	if (!flows)
		return;
	reach_routes_close(flows->routes);
	if (!flows->report) {
		free(flows->asked);
		free(flows->table);
	}
	report_free(flows->report);
	free(flows);
}

int reach_flows_error(const struct reach_flows *flows, const char **ret_why)
{
	*ret_why = flows->why;
	return flows->err;
}

static uint32_t slot_of(const struct reach_flows *flows, uint32_t ifindex)
{
	for (size_t i = 0; ifindex && flows->report && i < flows->report->interface_count; i++) {
		const struct limiter_interface *interface = &flows->report->interfaces[i];

		if (interface->own && interface->key.ifindex == ifindex)
			return interface->record.slot;
	}
	return BWCTL_SLOTS;
}

static uint32_t find_row(const struct bwctl_flow_table *table, const struct lookup *packet,
			 uint32_t slot)
{
	struct bwctl_row_set rows;
	uint32_t bytes;

	if (!lookup_ports(&rows, table, packet))
		return BWCTL_FLOW_OTHER;
	bytes = lookup_prefix_bytes(table, packet->version);
	if (bytes)
		lookup_address(&rows, table, packet, bytes);
	if (table->by_interface)
		lookup_slot(&rows, table, slot);
	return lookup_first(&rows);
}

void reach_flows_find(const struct reach_flows *flows, struct reach_host *host)
{
	bool is_v6 = host->address.any.sa_family == AF_INET6;
	struct lookup packet = {.version = is_v6 ? 6 : 4, .local = LOCAL_PORT};
	uint32_t slot = BWCTL_SLOTS;

	if (is_v6)
		packet.address = host->address.v6.sin6_addr.s6_addr;
	else if (host->address.any.sa_family == AF_INET)
		packet.address = (const uint8_t *)&host->address.v4.sin_addr;
	if (flows->routes && packet.address)
		slot = slot_of(flows, reach_route_interface(flows->routes, &host->address));
	for (size_t i = 0; i < host->probe_count; i++) {
		struct reach_probe *probe = &host->probes[i];

		if (reach_probe_is_echo(probe))
			probe->protocol = is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		packet.protocol = probe->protocol;
		packet.has_ports = probe->protocol == IPPROTO_TCP;
		packet.remote = probe->port;
		probe->row = (uint16_t)find_row(flows->table, &packet, slot);
		probe->class = flows->table->class[probe->row];
	}
}

const char *reach_flows_name(const struct reach_flows *flows, uint32_t row)
{
	return row < flows->asked->flow_count ? flows->asked->flows[row].name : NULL;
}

const char *reach_flows_class(const struct reach_flows *flows, uint32_t class)
{
	return policy_class_name(flows->asked, class);
}

static uint64_t tighter(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

void reach_flows_limits(const struct reach_flows *flows, struct reach_pace *ret_pace)
{
	*ret_pace = (struct reach_pace){.hosts_s = flows->err ? REACH_PACE_CAUTIOUS_S : 0};
	if (flows->report && report_observes(flows->report))
		return;
	for (int direction = 0; flows->report && direction < BWCTL_DIRECTIONS; direction++) {
		const struct bwctl_policy *policy = &flows->report->policy;

		ret_pace->all_bits_s =
			tighter(ret_pace->all_bits_s, policy_limit(policy, direction));
		for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
			ret_pace->class_bits_s[class] =
				tighter(ret_pace->class_bits_s[class],
					policy_class_limit(policy, class, direction));
	}
}

static uint64_t dropped(const struct report *report, uint32_t class)
{
	return report->counters[BWCTL_INGRESS].now.classes[class].dropped.packets +
	       report->counters[BWCTL_EGRESS].now.classes[class].dropped.packets;
}

bool reach_flows_dropped(const struct reach_flows *flows, const bool classes[BWCTL_CLASSES],
			 uint64_t *ret_packets, char ret_classes[LOG_TEXT])
{
	struct report *now = NULL;
	size_t length = 0;
	char why[LOG_TEXT];

	*ret_packets = 0;
	*ret_classes = '\0';
	if (!flows->report || report_read(flows->pin_dir, LIMITER_LOOK, &now, why))
		return false;
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		uint64_t before = dropped(flows->report, class), after = dropped(now, class);

		if (!classes[class] || after <= before)
			continue;
		*ret_packets += after - before;
		if (length < LOG_TEXT)
			length += (size_t)snprintf(ret_classes + length, LOG_TEXT - length, "%s%s",
						   length ? ", " : "",
						   reach_flows_class(flows, class));
	}
	report_free(now);
	return true;
}
