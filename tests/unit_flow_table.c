/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * user/flow_table.c: the listed flows lead where the documentation says, what a
 * row says of ports, prefixes and interfaces holds at its edges, rows that are
 * not legal are refused, and how rows read. Invented rows are unit_classify's.
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
#include <time.h>

#include "flow_table.h"
#include "lookup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct bwctl_asked asked;
static struct bwctl_flow_table table;

/* IPv4 with ports, and the remote address and the slot given. */
static uint32_t look_up_from(uint32_t protocol, uint32_t local, uint32_t remote,
			     const uint8_t *address, uint32_t version, uint32_t slot)
{
	struct lookup what = {
		.address = address,
		.local = (uint16_t)local,
		.remote = (uint16_t)remote,
		.has_ports = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP,
		.protocol = (uint8_t)protocol,
		.version = (uint8_t)version,
	};
	struct bwctl_row_set rows = {{0}};
	uint32_t bytes = lookup_prefix_bytes(&table, version);

	assert_true(lookup_ports(&rows, &table, &what));
	if (bytes)
		lookup_address(&rows, &table, &what, bytes);
	if (table.by_interface)
		lookup_slot(&rows, &table, slot);
	assert_int_equal(table.beyond_ports, bytes || table.by_interface);
	return lookup_first(&rows);
}

static uint32_t look_up(uint32_t protocol, uint32_t local, uint32_t remote)
{
	static const uint8_t somewhere[16] = {192, 0, 2, 1};

	return look_up_from(protocol, local, remote, somewhere, 4, BWCTL_SLOTS);
}

static void build(uint32_t count, const struct bwctl_flow *flows)
{
	memset(&asked, 0, sizeof(asked));
	asked.flow_count = count;
	if (count)
		memcpy(asked.flows, flows, count * sizeof(*flows));
	memset(&table, 0xff, sizeof(table)); /* what is not written shows */
	assert_int_equal(flow_table_build(&asked, NULL, 0, &table), 0);
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

static void check_class(uint32_t protocol, uint32_t local, uint32_t remote)
{
	uint32_t right = documented_class(protocol, local, remote);
	uint32_t found = table.class[look_up(protocol, local, remote)];

	if (found != right)
		fail_msg("protocol %u local %u remote %u: class %u, expected %u", protocol, local,
			 remote, found, right);
}

static void test_listed_flows(void **state)
{
	static const uint32_t ports[] = {0,    1,    21,   22,	 23,   24,   442,   443,  444,
					 1023, 1024, 1025, 8442, 8443, 8444, 65534, 65535};
	uint32_t protocol, port, row;
	size_t local, remote;

	(void)state;
	memset(&asked, 0xff, sizeof(asked));
	flow_table_default(&asked);
	assert_int_equal(asked.flow_count, 7);
	assert_int_equal(asked.listed_removed, 0);
	assert_null(flow_table_listed(7));
	for (row = 0; row < asked.flow_count; row++) {
		assert_string_equal(flow_table_listed(row)->name, asked.flows[row].name);
		assert_true(asked.flows[row].is_listed);
		assert_int_equal(asked.flows[row].counter, row);
	}
	assert_int_equal(flow_table_build(&asked, NULL, 0, &table), 0);
	for (protocol = 0; protocol < 256; protocol++)
		for (local = 0; local < COUNT(ports); local++)
			for (remote = 0; remote < COUNT(ports); remote++)
				check_class(protocol, ports[local], ports[remote]);
	/* Every port there is, against each that matters. */
	for (port = 0; port < BWCTL_PORTS; port++)
		for (local = 0; local < COUNT(ports); local++) {
			check_class(IPPROTO_TCP, port, ports[local]);
			check_class(IPPROTO_TCP, ports[local], port);
		}
}

static void test_empty_table(void **state)
{
	(void)state;
	build(0, NULL);
	assert_int_equal(look_up(0, 0, 0), BWCTL_FLOW_OTHER);
	assert_int_equal(look_up(IPPROTO_TCP, 443, 50000), BWCTL_FLOW_OTHER);
	assert_int_equal(look_up(255, 65535, 65535), BWCTL_FLOW_OTHER);
}

/* Every range there can be, and no range, for packets that have ports and those that have none. */
static void test_ports(void **state)
{
	static const struct bwctl_flow flows[] = {
		{.any_protocol = 1, .local_ranges = 1, .local = {{0, 0}}},
		{.any_protocol = 1, .remote_ranges = 2, .remote = {{65535, 65535}, {7, 9}}},
		{.protocol = IPPROTO_TCP, .local_ranges = 1, .local = {{0, 65535}}},
		{.any_protocol = 1, .remote_ranges = 1, .remote = {{0, 65535}}},
		{.any_protocol = 1},
	};

	(void)state;
	build(COUNT(flows), flows);
	assert_int_equal(look_up(IPPROTO_UDP, 0, 5), 0);
	assert_int_equal(look_up(IPPROTO_UDP, 1, 65535), 1);
	assert_int_equal(look_up(IPPROTO_UDP, 1, 65534), 3);
	assert_int_equal(look_up(IPPROTO_UDP, 1, 6), 3);
	assert_int_equal(look_up(IPPROTO_UDP, 1, 7), 1);
	assert_int_equal(look_up(IPPROTO_UDP, 1, 9), 1);
	assert_int_equal(look_up(IPPROTO_UDP, 1, 10), 3);
	assert_int_equal(look_up(IPPROTO_TCP, 65535, 10), 2);
	assert_int_equal(look_up(IPPROTO_ICMP, 0, 65535), 4);
	assert_int_equal(look_up(IPPROTO_GRE, 0, 0), 4);
}

static void test_prefixes(void **state)
{
	static const struct bwctl_flow flows[] = {
		/* What is behind the bits does not matter. */
		{.any_protocol = 1,
		 .prefix_version = 4,
		 .prefix_bits = 9,
		 .prefix = {10, 0xff, 3, 4}},
		{.any_protocol = 1, .prefix_version = 4, .prefix_bits = 32, .prefix = {0, 0, 0, 0}},
		{.any_protocol = 1, .prefix_version = 6, .prefix_bits = 1, .prefix = {0x80}},
		{.any_protocol = 1, .prefix_version = 4, .prefix_bits = 0, .prefix = {1, 2, 3, 4}},
		{.any_protocol = 1,
		 .prefix_version = 6,
		 .prefix_bits = 127,
		 .prefix = {[15] = 0xfe}},
	};
	static const struct {
		uint8_t address[16];
		uint32_t version, row;
	} packets[] = {
		{{10, 127, 255, 255}, 4, 3},
		{{10, 128, 0, 0}, 4, 0},
		{{10, 255, 255, 255}, 4, 0},
		{{11, 128, 0, 0}, 4, 3},
		{{0, 0, 0, 0}, 4, 1},
		{{0, 0, 0, 1}, 4, 3},
		{{128, 0, 0, 0}, 4, 3},
		{{0x80}, 6, 2},
		{{0x7f}, 6, 256},
		{{[15] = 0xfe}, 6, 4},
		{{[15] = 0xff}, 6, 4},
		{{[15] = 0xfd}, 6, 256},
		{{[14] = 1, 0xff}, 6, 256},
		{{10, 255, 255, 255}, 6, 256},
	};

	(void)state;
	build(COUNT(flows), flows);
	for (size_t n = 0; n < COUNT(packets); n++)
		assert_int_equal(look_up_from(IPPROTO_TCP, 1, 2, packets[n].address,
					      packets[n].version, BWCTL_SLOTS),
				 packets[n].row);
	assert_int_equal(look_up_from(IPPROTO_TCP, 1, 2, NULL, 4, BWCTL_SLOTS), 256);

	/* One of IPv4 alone is known to IPv6 too: that it does not fit. */
	build(1, flows + 3);
	assert_int_equal(look_up_from(IPPROTO_TCP, 1, 2, packets[0].address, 4, 0), 0);
	assert_int_equal(look_up_from(IPPROTO_TCP, 1, 2, packets[0].address, 6, 0), 256);
}

static void test_interfaces(void **state)
{
	static const char slots[][BWCTL_NAME] = {"eth0", "", "eth0.1", "fifteen-letters"};
	static const struct bwctl_flow flows[] = {
		{.any_protocol = 1, .interface = "eth0.1"},
		{.any_protocol = 1, .interface = "gone0"},
		{.any_protocol = 1, .interface = "fifteen-letters"},
		{.any_protocol = 1, .interface = "eth0"},
		{.any_protocol = 1},
	};
	static const uint32_t rows[] = {3, 4, 0, 2, 4, 4};
	static const uint8_t somewhere[16] = {1};

	(void)state;
	build(COUNT(flows), flows);
	for (uint32_t slot = 0; slot <= BWCTL_SLOTS; slot++)
		assert_int_equal(look_up_from(IPPROTO_TCP, 1, 2, somewhere, 4, slot), 4);
	assert_int_equal(flow_table_build(&asked, slots, COUNT(slots), &table), 0);
	for (uint32_t slot = 0; slot < COUNT(rows); slot++)
		assert_int_equal(look_up_from(IPPROTO_TCP, 1, 2, somewhere, 4, slot), rows[slot]);
	/* Not a slot, whatever the number. */
	assert_int_equal(look_up_from(IPPROTO_TCP, 1, 2, somewhere, 4, BWCTL_SLOTS), 4);
	assert_int_equal(look_up_from(IPPROTO_TCP, 1, 2, somewhere, 4, ~0U), 4);
}

/* The same row twice: the first; and all that there is room for. */
static void test_order(void **state)
{
	static struct bwctl_flow flows[BWCTL_FLOW_ROWS];
	uint32_t row;

	(void)state;
	for (row = 0; row < BWCTL_FLOW_ROWS; row++)
		flows[row] = (struct bwctl_flow){
			.protocol = IPPROTO_TCP,
			.class = (uint8_t)(row % BWCTL_CLASSES),
			.counter = (uint16_t)(255 - row),
			.local_ranges = 1,
			.local = {{(uint16_t)(1000 + row / 2), (uint16_t)(1000 + row / 2)}}};
	build(BWCTL_FLOW_ROWS, flows);
	for (row = 0; row < BWCTL_FLOW_ROWS; row++) {
		assert_int_equal(look_up(IPPROTO_TCP, 1000 + row / 2, 5), row / 2 * 2);
		assert_int_equal(table.class[row], row % BWCTL_CLASSES);
		assert_int_equal(table.counter[row], 255 - row);
	}
	assert_int_equal(look_up(IPPROTO_TCP, 1000 + row / 2, 5), BWCTL_FLOW_OTHER);
}

static void test_refused(void **state)
{
	static const struct bwctl_flow flows[] = {
		{.class = BWCTL_CLASSES},
		{.counter = BWCTL_FLOW_ROWS},
		{.local_ranges = BWCTL_PORT_RANGES + 1},
		{.remote_ranges = BWCTL_PORT_RANGES + 1},
		{.local_ranges = 2, .local = {{1, 2}, {4, 3}}},
		{.remote_ranges = 1, .remote = {{4, 3}}},
		{.prefix_version = 4, .prefix_bits = 33},
		{.prefix_version = 6, .prefix_bits = 129},
		{.prefix_version = 5},
		{.prefix_bits = 1},
	};

	(void)state;
	for (size_t n = 0; n < COUNT(flows); n++) {
		memset(&asked, 0, sizeof(asked));
		asked.flow_count = 3;
		asked.flows[2] = flows[n];
		assert_int_equal(flow_table_build(&asked, NULL, 0, &table), -EINVAL);
		asked.flow_count = 2;
		assert_int_equal(flow_table_build(&asked, NULL, 0, &table), 0);
	}
	memset(&asked, 0, sizeof(asked));
	asked.flow_count = BWCTL_FLOW_ROWS + 1;
	assert_int_equal(flow_table_build(&asked, NULL, 0, &table), -EINVAL);
}

/* A change of policy takes no noticeable time: a tenth of a second would be. */
static void test_build_is_fast(void **state)
{
	struct timespec start, end;
	double ms;

	(void)state;
	memset(&asked, 0, sizeof(asked));
	asked.flow_count = BWCTL_FLOW_ROWS;
	for (uint32_t row = 0; row < BWCTL_FLOW_ROWS; row++) {
		struct bwctl_flow *flow = &asked.flows[row];

		flow->any_protocol = 1;
		flow->prefix_version = row % 2 ? 4 : 6;
		flow->local_ranges = flow->remote_ranges = BWCTL_PORT_RANGES;
		for (uint32_t i = 0; i < BWCTL_PORT_RANGES; i++) {
			uint16_t first =
				(uint16_t)((row * 2048 + i * 8191 + row * row * 13) % 50000);

			flow->local[i] = (struct bwctl_ports){first, (uint16_t)(first + 3000)};
			flow->remote[i] = (struct bwctl_ports){first, (uint16_t)(first + 9000)};
		}
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(flow_table_build(&asked, NULL, 0, &table), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	ms = (double)(end.tv_sec - start.tv_sec) * 1e3 +
	     (double)(end.tv_nsec - start.tv_nsec) / 1e6;
	print_message("256 rows, 4096 ranges: %.2f ms\n", ms / 10);
	assert_true(ms / 10 < 100);
}

static void test_format(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"TCP >1024 -> 443", "TCP 443 -> >1024"},
		{"TCP >1024 -> 8443", "TCP 8443 -> >1024"},
		{"TCP 443 -> >1024", "TCP >1024 -> 443"},
		{"TCP 22 -> >1024", "TCP >1024 -> 22"},
		{"TCP 23 -> >1024", "TCP >1024 -> 23"},
		{"ICMP", "ICMP"},
		{"ICMPv6 except ND and MLD", "ICMPv6 except ND and MLD"},
	};
	char text[FLOW_TABLE_TEXT];
	uint32_t row;

	(void)state;
	flow_table_default(&asked);
	for (row = 0; row < COUNT(rows); row++) {
		assert_ptr_equal(flow_table_format(&asked, row, BWCTL_INGRESS, text), text);
		assert_string_equal(text, rows[row].in);
		assert_string_equal(flow_table_format(&asked, row, BWCTL_EGRESS, text),
				    rows[row].out);
	}
	assert_string_equal(flow_table_format(&asked, BWCTL_FLOW_OTHER, BWCTL_INGRESS, text),
			    "any other IP");
	assert_string_equal(flow_table_format(&asked, BWCTL_FLOW_CONTROL, BWCTL_EGRESS, text),
			    "not IP, IPv6 ND and MLD");
}

/* clang-format off */
#define RANGES(side, count, ...) .side##_ranges = count, .side = {__VA_ARGS__}
#define PREFIX4(bits, ...) .prefix_version = 4, .prefix_bits = bits, .prefix = {__VA_ARGS__}
#define PREFIX6(bits, ...) .prefix_version = 6, .prefix_bits = bits, .prefix = {__VA_ARGS__}
/* clang-format on */

static void test_format_others(void **state)
{
	static const struct {
		struct bwctl_flow flow;
		const char *in, *out;
	} rows[] = {
		{{.protocol = IPPROTO_UDP, RANGES(remote, 1, {53, 53})},
		 "UDP 53 -> any",
		 "UDP any -> 53"},
		{{.protocol = IPPROTO_TCP,
		  RANGES(local, 1, {6000, 6063}),
		  RANGES(remote, 1, {0, 1023})},
		 "TCP 0-1023 -> 6000-6063",
		 "TCP 6000-6063 -> 0-1023"},
		{{.protocol = IPPROTO_TCP,
		  RANGES(local, 1, {1024, 65535}),
		  RANGES(remote, 1, {65535, 65535})},
		 "TCP 65535 -> >1023",
		 "TCP >1023 -> 65535"},
		{{.protocol = IPPROTO_TCP, RANGES(local, 1, {1, 65535}), RANGES(remote, 1, {0, 0})},
		 "TCP 0 -> >0",
		 "TCP >0 -> 0"},
		{{.protocol = IPPROTO_SCTP, RANGES(local, 1, {0, 65535})},
		 "SCTP any -> 0-65535",
		 "SCTP 0-65535 -> any"},
		{{.protocol = IPPROTO_TCP, RANGES(local, 3, {22, 22}, {80, 90}, {60000, 65535})},
		 "TCP any -> 22,80-90,>59999",
		 "TCP 22,80-90,>59999 -> any"},
		{{.protocol = IPPROTO_TCP,
		  RANGES(local, 1, {443, 443}),
		  RANGES(remote, 1, {1025, 65535}),
		  PREFIX4(16, 10, 1),
		  .interface = "eth0"},
		 "TCP 10.1.0.0/16 >1024 -> 443 on eth0",
		 "TCP 443 -> 10.1.0.0/16 >1024 on eth0"},
		{{.protocol = IPPROTO_TCP,
		  RANGES(local, 1, {443, 443}),
		  PREFIX6(32, 0x20, 0x01, 0x0d, 0xb8)},
		 "TCP 2001:db8::/32 any -> 443",
		 "TCP 443 -> 2001:db8::/32 any"},
		{{.protocol = IPPROTO_GRE, PREFIX4(0)}, "GRE from 0.0.0.0/0", "GRE to 0.0.0.0/0"},
		{{.protocol = IPPROTO_ICMP, .interface = "eth1"}, "ICMP on eth1", "ICMP on eth1"},
		{{.any_protocol = 1, PREFIX6(128, [15] = 1)}, "IP from ::1/128", "IP to ::1/128"},
		{{.any_protocol = 1}, "IP", "IP"},
		{{.any_protocol = 1, RANGES(remote, 1, {53, 53})}, "IP 53 -> any", "IP any -> 53"},
		{{.protocol = 89}, "IP protocol 89", "IP protocol 89"},
	};
	char text[FLOW_TABLE_TEXT];
	size_t n;

	(void)state;
	memset(&asked, 0, sizeof(asked));
	for (n = 0; n < COUNT(rows); n++) {
		asked.flows[n] = rows[n].flow;
		assert_string_equal(flow_table_format(&asked, n, BWCTL_INGRESS, text), rows[n].in);
		assert_string_equal(flow_table_format(&asked, n, BWCTL_EGRESS, text), rows[n].out);
	}
}

/* The longest there can be fits, with room to spare. */
static void test_format_longest(void **state)
{
	char text[FLOW_TABLE_TEXT];
	struct bwctl_flow *flow = &asked.flows[0];

	(void)state;
	memset(&asked, 0, sizeof(asked));
	flow->protocol = IPPROTO_UDPLITE;
	flow->local_ranges = flow->remote_ranges = BWCTL_PORT_RANGES;
	for (uint32_t i = 0; i < BWCTL_PORT_RANGES; i++)
		flow->local[i] = flow->remote[i] = (struct bwctl_ports){10000, 65534};
	flow->prefix_version = 6;
	flow->prefix_bits = 128;
	memset(flow->prefix, 0xff, sizeof(flow->prefix));
	strcpy(flow->interface, "fifteen-letters");
	flow_table_format(&asked, 0, BWCTL_EGRESS, text);
	assert_string_equal(text + strlen(text) - strlen(" on fifteen-letters"),
			    " on fifteen-letters");
	assert_true(strlen(text) < FLOW_TABLE_TEXT - 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listed_flows),   cmocka_unit_test(test_empty_table),
		cmocka_unit_test(test_ports),	       cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_interfaces),     cmocka_unit_test(test_order),
		cmocka_unit_test(test_refused),	       cmocka_unit_test(test_build_is_fast),
		cmocka_unit_test(test_format),	       cmocka_unit_test(test_format_others),
		cmocka_unit_test(test_format_longest),
	};

	return cmocka_run_group_tests_name("flow_table", tests, NULL, NULL);
}
