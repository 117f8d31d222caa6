/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * user/flow_table.c: that looking a packet up by its groups finds the row that
 * walking the rows would have found, for the table as delivered and for any
 * other; that rows that tell too much apart are refused; and how rows read.
 * The walk here is written from bwctl.h alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "flow_table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct bwctl_flow_table table;

static uint64_t random_state = 0x2545f4914f6cdd1d;

/* xorshift64 (Marsaglia 2003): the same on every machine. */
static uint32_t random_below(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state % bound);
}

/* As the programs look it up. */
static uint32_t look_up(uint32_t protocol, uint32_t local, uint32_t remote)
{
	return table.flow[table.protocol_group[protocol]][table.local_group[local]]
			 [table.remote_group[remote]];
}

static uint32_t walk(uint32_t protocol, uint32_t local, uint32_t remote)
{
	const struct bwctl_flow *flow;
	uint32_t row;

	for (row = 0; row < BWCTL_FLOW_OTHER; row++) {
		flow = &table.flows[row];
		if (!flow->in_use || flow->protocol != protocol)
			continue;
		if (local < flow->local_first || local > flow->local_last)
			continue;
		if (remote < flow->remote_first || remote > flow->remote_last)
			continue;
		return row;
	}
	return BWCTL_FLOW_OTHER;
}

static void check_packet(uint32_t protocol, uint32_t local, uint32_t remote)
{
	uint32_t found = look_up(protocol, local, remote), right = walk(protocol, local, remote);

	if (found != right)
		fail_msg("protocol %u local %u remote %u: row %u, expected %u", protocol, local,
			 remote, found, right);
}

/* The classes as the documentation lists them; the ports are the appliance's and the remote's. */
static uint32_t documented_class(uint32_t protocol, uint32_t local, uint32_t remote)
{
	if (protocol == 1 || protocol == 58)
		return BWCTL_ICMP;
	if (protocol != 6)
		return BWCTL_OTHER;
	if (local == 443 && remote > 1024)
		return BWCTL_UI;
	if (local == 8443 && remote > 1024)
		return BWCTL_ADMIN;
	if (local > 1024 && remote == 443)
		return BWCTL_API;
	if (local > 1024 && remote == 22)
		return BWCTL_SSH;
	if (local > 1024 && remote == 23)
		return BWCTL_TELNET;
	return BWCTL_OTHER;
}

static void test_default_rows(void **state)
{
	static const uint32_t ports[] = {0,    1,    21,   22,	 23,   24,   442,   443,  444,
					 1023, 1024, 1025, 8442, 8443, 8444, 65534, 65535};
	uint32_t protocol, right;
	size_t local, remote;

	(void)state;
	flow_table_default(&table);
	assert_int_equal(flow_table_build(&table), 0);
	for (protocol = 0; protocol < 256; protocol++)
		for (local = 0; local < COUNT(ports); local++)
			for (remote = 0; remote < COUNT(ports); remote++) {
				check_packet(protocol, ports[local], ports[remote]);
				right = documented_class(protocol, ports[local], ports[remote]);
				if (table.class[look_up(protocol, ports[local], ports[remote])] !=
				    right)
					fail_msg("protocol %u local %u remote %u: not class %u",
						 protocol, ports[local], ports[remote], right);
			}
	/* Every port there is, against each that matters. */
	for (right = 0; right < 65536; right++)
		for (local = 0; local < COUNT(ports); local++) {
			check_packet(IPPROTO_TCP, right, ports[local]);
			check_packet(IPPROTO_TCP, ports[local], right);
		}
	assert_int_equal(table.class[BWCTL_FLOW_OTHER], BWCTL_OTHER);
	assert_int_equal(table.class[BWCTL_FLOW_CONTROL], BWCTL_CONTROL);
}

/* Few distinct ports, so that rows overlap and their edges meet. */
static uint32_t random_port(void)
{
	static const uint32_t edges[] = {0, 1, 1023, 1024, 1025, 65534, 65535};

	return random_below(3) ? 20 + random_below(12) : edges[random_below(COUNT(edges))];
}

static void random_ports(uint16_t *ret_first, uint16_t *ret_last)
{
	uint32_t first = random_port(), last = random_below(3) ? random_port() : first;

	*ret_first = (uint16_t)(first < last ? first : last);
	*ret_last = (uint16_t)(first < last ? last : first);
	if (!random_below(6)) {
		*ret_first = 0;
		*ret_last = 65535;
	}
}

static void invent_rows(uint32_t rows)
{
	static const uint8_t protocols[] = {0, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, 255};
	struct bwctl_flow *flow;
	uint32_t row;

	memset(&table, 0xff, sizeof(table)); /* what is not written shows */
	memset(table.flows, 0, sizeof(table.flows));
	for (row = 0; row < rows; row++) {
		flow = &table.flows[row];
		flow->in_use = random_below(8) != 0;
		flow->protocol = protocols[random_below(COUNT(protocols))];
		flow->class = (uint8_t)random_below(BWCTL_CLASSES);
		random_ports(&flow->local_first, &flow->local_last);
		random_ports(&flow->remote_first, &flow->remote_last);
	}
}

static void test_random_rows(void **state)
{
	struct bwctl_flow flows[BWCTL_FLOWS];
	uint32_t n, m, row, hits = 0, built = 0;

	(void)state;
	for (n = 0; n < 60; n++) {
		invent_rows(n % 3 ? random_below(BWCTL_FLOW_OTHER + 1) : BWCTL_FLOW_OTHER);
		memcpy(flows, table.flows, sizeof(flows));
		if (flow_table_build(&table))
			continue;
		built++;
		assert_memory_equal(flows, table.flows, sizeof(flows));
		for (row = 0; row < BWCTL_FLOW_OTHER; row++)
			if (table.flows[row].in_use)
				assert_int_equal(table.class[row], table.flows[row].class);
		assert_int_equal(table.class[BWCTL_FLOW_OTHER], BWCTL_OTHER);
		assert_int_equal(table.class[BWCTL_FLOW_CONTROL], BWCTL_CONTROL);
		for (m = 0; m < 20000; m++) {
			uint32_t protocol = random_below(2) ? IPPROTO_TCP : random_below(256);
			uint32_t local = random_below(8) ? random_port() : random_below(65536);
			uint32_t remote = random_below(8) ? random_port() : random_below(65536);

			check_packet(protocol, local, remote);
			hits += look_up(protocol, local, remote) != BWCTL_FLOW_OTHER;
		}
	}
	assert_true(built > 40);
	assert_true(hits > 100000);
}

/* The last two rows are fixed: a row written there takes no packet. */
static void test_fixed_rows(void **state)
{
	uint32_t row;

	(void)state;
	memset(&table, 0, sizeof(table));
	for (row = BWCTL_FLOW_OTHER; row < BWCTL_FLOWS; row++)
		table.flows[row] =
			(struct bwctl_flow){1, IPPROTO_TCP, BWCTL_UI, 0, 0, 65535, 0, 65535};
	assert_int_equal(flow_table_build(&table), 0);
	assert_int_equal(look_up(IPPROTO_TCP, 443, 50000), BWCTL_FLOW_OTHER);
	assert_int_equal(table.class[BWCTL_FLOW_OTHER], BWCTL_OTHER);
	assert_int_equal(table.class[BWCTL_FLOW_CONTROL], BWCTL_CONTROL);

	table.flows[BWCTL_FLOW_OTHER].in_use = 0;
	assert_int_equal(flow_table_build(&table), 0);
	assert_int_equal(look_up(IPPROTO_TCP, 443, 50000), BWCTL_FLOW_OTHER);

	memset(&table, 0, sizeof(table));
	table.flows[BWCTL_FLOW_OTHER - 1] =
		(struct bwctl_flow){1, IPPROTO_TCP, BWCTL_UI, 0, 443, 443, 0, 65535};
	assert_int_equal(flow_table_build(&table), 0);
	assert_int_equal(look_up(IPPROTO_TCP, 443, 50000), BWCTL_FLOW_OTHER - 1);
	assert_int_equal(table.class[BWCTL_FLOW_OTHER - 1], BWCTL_UI);
}

static void test_empty_table(void **state)
{
	(void)state;
	memset(&table, 0, sizeof(table));
	assert_int_equal(flow_table_build(&table), 0);
	assert_int_equal(look_up(0, 0, 0), BWCTL_FLOW_OTHER);
	assert_int_equal(look_up(IPPROTO_TCP, 443, 50000), BWCTL_FLOW_OTHER);
	assert_int_equal(look_up(255, 65535, 65535), BWCTL_FLOW_OTHER);
}

/* One row for each of so many protocols, local ports or remote ports. */
static int build_apart(uint32_t protocols, uint32_t locals, uint32_t remotes)
{
	uint32_t row;

	memset(&table, 0, sizeof(table));
	for (row = 0; row < BWCTL_FLOW_OTHER; row++) {
		struct bwctl_flow flow = {1, IPPROTO_TCP, BWCTL_UI, 0, 0, 65535, 0, 65535};

		if (row < protocols)
			flow.protocol = (uint8_t)(100 + row);
		if (row < locals)
			flow.local_first = flow.local_last = (uint16_t)(1000 + row);
		if (row < remotes)
			flow.remote_first = flow.remote_last = (uint16_t)(2000 + row);
		table.flows[row] = flow;
	}
	return flow_table_build(&table);
}

/* Nested ranges that begin and end apart: each of n rows tells two more groups apart. */
static int build_nested(uint32_t rows, bool local)
{
	struct bwctl_flow flow = {1, IPPROTO_TCP, BWCTL_UI, 0, 0, 65535, 0, 65535};
	uint32_t row;

	memset(&table, 0, sizeof(table));
	for (row = 0; row < rows; row++) {
		uint16_t first = (uint16_t)(1000 + 10 * row), last = (uint16_t)(first + 5005);

		table.flows[row] = flow;
		*(local ? &table.flows[row].local_first : &table.flows[row].remote_first) = first;
		*(local ? &table.flows[row].local_last : &table.flows[row].remote_last) = last;
	}
	return flow_table_build(&table);
}

static void test_too_many_groups(void **state)
{
	uint32_t rows;

	(void)state;
	/* With TCP and "none of them" there is room for 6 more; every single port has room. */
	assert_int_equal(build_apart(6, 0, 0), 0);
	assert_int_equal(look_up(105, 1, 1), 5);
	assert_int_equal(look_up(106, 1, 1), BWCTL_FLOW_OTHER);
	assert_int_equal(build_apart(7, 0, 0), -E2BIG);
	assert_int_equal(build_apart(BWCTL_FLOW_OTHER, 0, 0), -E2BIG);
	assert_int_equal(build_apart(0, BWCTL_FLOW_OTHER, BWCTL_FLOW_OTHER), 0);
	for (rows = 0; rows < BWCTL_FLOW_OTHER; rows++)
		assert_int_equal(look_up(IPPROTO_TCP, 1000 + rows, 2000 + rows), rows);

	/* n overlapping ranges are 2n groups with the one outside: 32 rows are 64. */
	for (rows = 0; rows < 2; rows++) {
		assert_int_equal(build_nested(31, rows), 0);
		assert_int_equal(build_nested(32, rows), 0);
		check_packet(IPPROTO_TCP, 1310, 1310);
		check_packet(IPPROTO_TCP, 6315, 6315);
		assert_int_equal(build_nested(33, rows), -E2BIG);
		assert_int_equal(build_nested(BWCTL_FLOW_OTHER, rows), -E2BIG);
	}
}

static void test_format(void **state)
{
	static const struct {
		const char *in, *out;
		uint32_t class;
	} rows[] = {
		{"TCP >1024 -> 443", "TCP 443 -> >1024", BWCTL_UI},
		{"TCP >1024 -> 8443", "TCP 8443 -> >1024", BWCTL_ADMIN},
		{"TCP 443 -> >1024", "TCP >1024 -> 443", BWCTL_API},
		{"TCP 22 -> >1024", "TCP >1024 -> 22", BWCTL_SSH},
		{"TCP 23 -> >1024", "TCP >1024 -> 23", BWCTL_TELNET},
		{"ICMP", "ICMP", BWCTL_ICMP},
		{"ICMPv6 except ND and MLD", "ICMPv6 except ND and MLD", BWCTL_ICMP},
	};
	char text[UNITS_TEXT];
	uint32_t row;

	(void)state;
	flow_table_default(&table);
	assert_int_equal(flow_table_build(&table), 0);
	for (row = 0; row < COUNT(rows); row++) {
		assert_ptr_equal(flow_table_format(&table, row, BWCTL_INGRESS, text), text);
		assert_string_equal(text, rows[row].in);
		assert_string_equal(flow_table_format(&table, row, BWCTL_EGRESS, text),
				    rows[row].out);
		assert_true(table.flows[row].in_use);
		assert_int_equal(table.class[row], rows[row].class);
	}
	for (; row < BWCTL_FLOWS; row++)
		assert_false(table.flows[row].in_use);
	assert_string_equal(flow_table_format(&table, BWCTL_FLOW_OTHER, BWCTL_INGRESS, text),
			    "any other IP");
	assert_string_equal(flow_table_format(&table, BWCTL_FLOW_CONTROL, BWCTL_EGRESS, text),
			    "not IP, IPv6 ND and MLD");
}

static void test_format_others(void **state)
{
	static const struct {
		struct bwctl_flow flow;
		const char *in, *out;
	} rows[] = {
		{{1, IPPROTO_UDP, BWCTL_API, 0, 0, 65535, 53, 53}, "UDP 53 -> any", "UDP any -> 53"},
		{{1, IPPROTO_TCP, BWCTL_API, 0, 6000, 6063, 0, 1023},
		 "TCP 0-1023 -> 6000-6063",
		 "TCP 6000-6063 -> 0-1023"},
		{{1, IPPROTO_TCP, BWCTL_API, 0, 1024, 65535, 65535, 65535},
		 "TCP 65535 -> >1023",
		 "TCP >1023 -> 65535"},
		{{1, IPPROTO_TCP, BWCTL_API, 0, 1, 65535, 0, 0}, "TCP 0 -> >0", "TCP >0 -> 0"},
		{{1, IPPROTO_TCP, BWCTL_API, 0, 10000, 10001, 64999, 65534},
		 "TCP 64999-65534 -> 10000-10001",
		 "TCP 10000-10001 -> 64999-65534"},
	};
	char text[UNITS_TEXT];
	size_t n;

	(void)state;
	memset(&table, 0, sizeof(table));
	for (n = 0; n < COUNT(rows); n++) {
		table.flows[n] = rows[n].flow;
		assert_string_equal(flow_table_format(&table, n, BWCTL_INGRESS, text), rows[n].in);
		assert_string_equal(flow_table_format(&table, n, BWCTL_EGRESS, text), rows[n].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_rows),	cmocka_unit_test(test_random_rows),
		cmocka_unit_test(test_fixed_rows),	cmocka_unit_test(test_empty_table),
		cmocka_unit_test(test_too_many_groups), cmocka_unit_test(test_format),
		cmocka_unit_test(test_format_others),
	};

	return cmocka_run_group_tests_name("flow_table", tests, NULL, NULL);
}
