/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Policies as somebody may ask for them, by chance: any limit, classes, flows in
 * any order, listed ones that are removed, changed or left alone. Nothing in them
 * contradicts itself.
 */
#ifndef POLICIES_H
#define POLICIES_H

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "bwctl.h"
#include "flow_table.h"
#include "policy.h"
#include "units.h"

static uint64_t policies_seed = 88172645463325252ULL;

/* xorshift: the same on every machine. */
static uint64_t pick(uint64_t below)
{
	policies_seed ^= policies_seed << 13;
	policies_seed ^= policies_seed >> 7;
	policies_seed ^= policies_seed << 17;
	return policies_seed % below;
}

/* Any number of digits is as likely as any other, and so is a round number as another. */
static uint64_t pick_between(uint64_t min, uint64_t max)
{
	uint64_t value = min + pick(max - min + 1), power;

	for (power = 1; power < max / 10 && pick(2); power *= 10)
		;
	if (pick(2) && value / power * power >= min)
		value = value / power * power;
	else if (pick(2) && value / power >= min)
		value /= power;
	return value;
}

static uint64_t pick_rate(void)
{
	return pick_between(UNITS_RATE_MIN_BITS_S, UNITS_RATE_MAX_BITS_S);
}

/* What both directions have in common comes from "set" the same. */
static void pick_requests(struct bwctl_request requests[BWCTL_DIRECTIONS])
{
	memset(requests, 0, sizeof(*requests) * BWCTL_DIRECTIONS);
	if (pick(2))
		requests[0].window_ns = pick_between(POLICY_WINDOW_MIN_NS, POLICY_WINDOW_MAX_NS);
	if (pick(2))
		requests[0].burst_ns = pick_between(1, 3600000000000);
	else if (pick(2))
		requests[0].burst_bytes = pick_between(1, 1000000000000);
	if (pick(2))
		requests[0].horizon_ns = pick_between(POLICY_HORIZON_MIN_NS, POLICY_HORIZON_MAX_NS);
	requests[0].overhead_bytes = pick(2) ? pick(POLICY_OVERHEAD_MAX + 1) : 0;
	requests[0].mode = pick(4);
	requests[1] = requests[0];
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		if (pick(4))
			requests[direction].limit_bits_s = pick_rate();
	if (!pick(3))
		requests[1].limit_bits_s = requests[0].limit_bits_s;
}

/* A prefix says what it is the name of, so that none is one of the words that are reserved. */
static void pick_name(const char *prefix, size_t number, char name[BWCTL_NAME])
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	size_t length = (size_t)snprintf(name, BWCTL_NAME, "%s%zu", prefix, number), most;

	name[length++] = '-';
	most = length + pick(BWCTL_NAME - length);
	while (length < most)
		name[length++] = letters[pick(sizeof(letters) - 1)];
	memset(name + length, 0, BWCTL_NAME - length);
}

static uint64_t lesser_limit(const __u64 limit_bits_s[BWCTL_DIRECTIONS])
{
	uint64_t least = 0;

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		if (limit_bits_s[direction] && (!least || limit_bits_s[direction] < least))
			least = limit_bits_s[direction];
	return least;
}

/* left is what may still be reserved. */
static void pick_class(struct bwctl_class_request *class, uint64_t *left_bits_s)
{
	uint64_t most = *left_bits_s;

	class->priority = (__u8)pick(3);
	class->exempt = !pick(8);
	if (class->exempt)
		return;
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		if (pick(2))
			class->limit_bits_s[direction] = pick_rate();
	if (!pick(3))
		class->limit_bits_s[1] = class->limit_bits_s[0];
	if (lesser_limit(class->limit_bits_s) && lesser_limit(class->limit_bits_s) < most)
		most = lesser_limit(class->limit_bits_s);
	if (most < UNITS_RATE_MIN_BITS_S || pick(2))
		return;
	class->reserve_bits_s = pick_between(UNITS_RATE_MIN_BITS_S, most);
	*left_bits_s -= class->reserve_bits_s;
}

static void pick_classes(struct bwctl_asked *asked, size_t own)
{
	const __u64 limits[] = {asked->request[0].limit_bits_s, asked->request[1].limit_bits_s};
	uint64_t left_bits_s = lesser_limit(limits);

	if (!left_bits_s)
		left_bits_s = UNITS_RATE_MAX_BITS_S;
	for (size_t n = 0; n < BWCTL_BUILTIN_CLASSES; n++)
		if (pick(2))
			pick_class(&asked->classes[n], &left_bits_s);
	for (size_t left = own; left;) {
		size_t n = BWCTL_BUILTIN_CLASSES + pick(BWCTL_OWN_CLASSES);

		if (*asked->classes[n].name)
			continue;
		pick_name("c", n, asked->classes[n].name);
		asked->classes[n].priority = BWCTL_PRIORITY_NORMAL;
		if (pick(4))
			pick_class(&asked->classes[n], &left_bits_s);
		left--;
	}
}

/* Apart from each other, in order: as parsed ones are. */
static __u8 pick_ports(struct bwctl_ports ports[BWCTL_PORT_RANGES])
{
	static const uint32_t known[] = {22, 23, 53, 80, 443, 1024, 8443, 65535};
	uint32_t count = 0, next = 0, most = (uint32_t)(pick(2) ? 1 : pick(BWCTL_PORT_RANGES + 1));

	while (count < most && next <= 65535) {
		uint32_t first = (uint32_t)(pick(2) ? known[pick(8)] : pick_between(1, 65535));
		uint32_t last;

		if (first < next || !pick(8))
			first = next;
		last = pick(2) ? first : pick(3) ? first + (uint32_t)pick(65536 - first) : 65535;
		ports[count++] = (struct bwctl_ports){(__u16)first, (__u16)last};
		next = last + 2;
	}
	return (__u8)count;
}

static void pick_prefix(struct bwctl_flow *flow, int version)
{
	uint32_t all = version == 4 ? 32 : 128;

	memset(flow->prefix, 0, sizeof(flow->prefix));
	flow->prefix_version = (__u8)version;
	flow->prefix_bits = (__u8)(pick(3) ? pick(all + 1) : all);
	for (uint32_t bit = 0; bit < flow->prefix_bits; bit++)
		flow->prefix[bit / 8] |= (__u8)(pick(2) << (7 - bit % 8));
	/* No address that stands for one of IPv4. */
	if (version == 6 && flow->prefix_bits)
		flow->prefix[0] |= 0x80;
}

static void pick_flow(const struct bwctl_asked *asked, struct bwctl_flow *flow)
{
	static const __u8 with_ports[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_DCCP,
					  IPPROTO_UDPLITE};
	static const __u8 others[] = {IPPROTO_ESP, IPPROTO_GRE, 89, 2, 255};
	static const char *const interfaces[] = {"eth0", "eth0.4094", "br-lan", "wlan@1"};
	size_t class;

	do
		class = pick(BWCTL_CLASSES);
	while (!*asked->classes[class].name);
	flow->class = (__u8) class;
	flow->any_protocol = !pick(4);
	flow->protocol = flow->any_protocol ? 0 : pick(3) ? with_ports[pick(5)] : others[pick(5)];
	flow->local_ranges = flow->remote_ranges = 0;
	flow->prefix_version = flow->prefix_bits = 0;
	memset(flow->prefix, 0, sizeof(flow->prefix));
	memset(flow->interface, 0, sizeof(flow->interface));
	memset(flow->local, 0, sizeof(flow->local));
	memset(flow->remote, 0, sizeof(flow->remote));
	if (flow->any_protocol || memchr(with_ports, flow->protocol, sizeof(with_ports))) {
		flow->local_ranges = pick(2) ? pick_ports(flow->local) : 0;
		flow->remote_ranges = pick(2) ? pick_ports(flow->remote) : 0;
	} else if (!pick(3)) {
		flow->protocol = pick(2) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	}
	if (!pick(3))
		pick_prefix(flow, flow->protocol == IPPROTO_ICMP   ? 4 :
				  flow->protocol == IPPROTO_ICMPV6 ? 6 :
				  pick(2)			   ? 4 :
								     6);
	if (!pick(4))
		strcpy(flow->interface, interfaces[pick(4)]);
}

static void pick_flows(struct bwctl_asked *asked, size_t own)
{
	struct bwctl_flow rows[BWCTL_FLOW_ROWS] = {0};
	bool taken[BWCTL_FLOW_ROWS] = {false};
	const struct bwctl_flow *listed;
	uint32_t written = 0, unwritten = 0;

	for (size_t n = 0; n < own; n++) {
		pick_name("f", n, rows[written].name);
		pick_flow(asked, &rows[written++]);
	}
	for (uint32_t n = 0; (listed = flow_table_listed(n)); n++)
		switch (pick(6)) {
		case 0:
			asked->listed_removed |= 1U << n;
			break;
		case 1:
			rows[written] = *listed;
			pick_flow(asked, &rows[written++]);
			break;
		case 2:
			rows[written++] = *listed;
			break;
		default:
			unwritten |= 1U << n;
			break;
		}
	/* Shuffled: listed ones stand between the others. */
	for (uint32_t n = written; n > 1; n--) {
		uint32_t other = (uint32_t)pick(n);
		struct bwctl_flow row = rows[n - 1];

		rows[n - 1] = rows[other];
		rows[other] = row;
	}
	asked->flow_count = written;
	for (uint32_t n = 0; (listed = flow_table_listed(n)); n++)
		if (unwritten & 1U << n) {
			rows[asked->flow_count] = *listed;
			rows[asked->flow_count++].is_listed = 1;
		}
	for (uint32_t n = 0; n < asked->flow_count; n++) {
		do
			rows[n].counter = (__u16)pick(BWCTL_FLOW_ROWS);
		while (taken[rows[n].counter]);
		taken[rows[n].counter] = true;
	}
	memcpy(asked->flows, rows, sizeof(rows));
}

/* At most so many classes and flows of one's own. */
static void pick_policy(struct bwctl_asked *asked, size_t classes, size_t flows)
{
	policy_default(asked);
	pick_requests(asked->request);
	pick_classes(asked, pick(classes + 1));
	pick_flows(asked, pick(flows + 1));
}

#endif
