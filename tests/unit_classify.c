/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * That the programs find the row that walking the rows finds: a million invented
 * packets through bpf/lookup.h, compiled natively, then frames through the
 * programs themselves, where the counter that moved says which row it was. The
 * walk, and what packets are tried, is tests/rows.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lookup.h"
#include "programs.h"
#include "rows.h"

#define PACKETS 1000000
#define FRAMES	24000

/* How full the tables are, and of what. */
static const struct {
	uint32_t rows, loose;
} tables[] = {
	{256, 1}, {256, 2}, {256, 4}, {64, 1}, {65, 2}, {12, 2}, {1, 1}, {0, 1},
};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

static struct bwctl_asked asked;
static struct bwctl_flow_table table;

static uint32_t slot_of(const char *interface)
{
	for (uint32_t slot = 0; slot < ROWS_SLOTS; slot++)
		if (!strcmp(rows_slots[slot], interface))
			return slot;
	return BWCTL_SLOTS;
}

/* As bpf/classify.h does it. */
static uint32_t look_up(const struct rows_packet *packet)
{
	struct lookup what = {
		.address = packet->has_address ? packet->address : NULL,
		.local = packet->local,
		.remote = packet->remote,
		.has_ports = packet->has_ports,
		.protocol = packet->protocol,
		.version = packet->version,
	};
	struct bwctl_row_set rows = {{0}};
	uint32_t bytes = lookup_prefix_bytes(&table, packet->version);

	if (!lookup_ports(&rows, &table, &what))
		return BWCTL_FLOWS;
	if (table.beyond_ports && bytes)
		lookup_address(&rows, &table, &what, bytes);
	if (table.beyond_ports && table.by_interface)
		lookup_slot(&rows, &table, slot_of(packet->interface));
	return lookup_first(&rows);
}

static void complain(const struct rows_packet *packet, const char *what, uint32_t row,
		     uint32_t found)
{
	char address[64] = "";

	for (int i = 0; i < 16; i++)
		sprintf(address + 2 * i, "%02x", packet->address[i]);
	fail_msg("%s: IPv%u protocol %u, local %u remote %u (%d), address %s (%d), on '%s': "
		 "row %u, expected %u",
		 what, packet->version, packet->protocol, packet->local, packet->remote,
		 packet->has_ports, address, packet->has_address, packet->interface, found, row);
}

static void test_random_packets(void **state)
{
	struct rows_packet packet;
	uint32_t row, found;

	(void)state;
	for (size_t n = 0; n < TABLES; n++) {
		uint32_t hits[BWCTL_FLOWS] = {0}, rows_hit = 0;

		rows_invent_all(&asked, tables[n].rows, tables[n].loose);
		memset(&table, 0xff, sizeof(table)); /* what is not written shows */
		assert_int_equal(flow_table_build(&asked, rows_slots, ROWS_SLOTS, &table), 0);
		for (uint32_t i = 0; i < PACKETS; i++) {
			rows_invent_packet(&asked, &packet);
			if (rows_one_in(50))
				packet.has_ports = false;
			if (rows_one_in(50))
				packet.has_address = false;
			row = rows_walk(&asked, &packet);
			found = look_up(&packet);
			if (found != row)
				complain(&packet, "lookup", row, found);
			hits[row]++;
		}
		for (row = 0; row < BWCTL_FLOW_ROWS; row++)
			rows_hit += hits[row] > 0;
		print_message("%u rows: %u of them hit, no row %.0f %%\n", tables[n].rows, rows_hit,
			      100.0 * hits[BWCTL_FLOW_OTHER] / PACKETS);
		assert_true(rows_hit >= tables[n].rows / (tables[n].loose < 4 ? 2 : 4));
		if (tables[n].loose == 1)
			assert_true(hits[BWCTL_FLOW_OTHER] > PACKETS / 100);
	}
}

/* Ranges that begin and end at as many places as can be. */
static void test_most_sets(void **state)
{
	struct rows_packet packet = {.version = 4,
				     .protocol = IPPROTO_TCP,
				     .has_ports = true,
				     .has_address = true,
				     .interface = "eth0"};
	uint32_t last = 0;

	(void)state;
	memset(&asked, 0, sizeof(asked));
	asked.flow_count = BWCTL_FLOW_ROWS;
	for (uint32_t row = 0; row < BWCTL_FLOW_ROWS; row++) {
		struct bwctl_flow *flow = &asked.flows[BWCTL_FLOW_ROWS - 1 - row];

		flow->protocol = IPPROTO_TCP;
		flow->local_ranges = flow->remote_ranges = BWCTL_PORT_RANGES;
		for (uint32_t i = 0; i < BWCTL_PORT_RANGES; i++) {
			/* In another order each time, and they overlap: no two places are alike. */
			uint32_t place = i * BWCTL_FLOW_ROWS +
					 ((2 * i + 1) * row + 31 * i) % BWCTL_FLOW_ROWS;
			uint16_t first = (uint16_t)(1 + 7 * place);

			flow->local[i] = (struct bwctl_ports){first, (uint16_t)(first + 1199)};
			flow->remote[i] = (struct bwctl_ports){first, (uint16_t)(first + 1199)};
		}
	}
	assert_int_equal(flow_table_build(&asked, NULL, 0, &table), 0);
	for (uint32_t port = 0; port < BWCTL_PORTS; port++) {
		for (int near = -1; near <= 1; near++) {
			packet.local = (uint16_t)port;
			packet.remote = (uint16_t)(near ? port + 400 * near : port);
			if (look_up(&packet) != rows_walk(&asked, &packet))
				complain(&packet, "most sets", rows_walk(&asked, &packet),
					 look_up(&packet));
		}
		if (table.local.set[port] > last)
			last = table.local.set[port];
	}
	/* Nearly as many sets as there is room for, and none beyond it. */
	print_message("%u sets of %u\n", last + 1, BWCTL_PORT_SETS);
	assert_true(last > BWCTL_PORT_SETS * 3 / 4);
	assert_true(last < BWCTL_PORT_SETS);
}

/*
 * Frames. Written here from the formats, not by anything that the programs
 * share: an Ethernet header, tags, an IP header with options or extensions, a
 * transport header, perhaps cut off.
 */
struct frame {
	uint8_t bytes[400];
	uint32_t length;
};

static void put(struct frame *frame, const void *bytes, uint32_t count)
{
	memcpy(frame->bytes + frame->length, bytes, count);
	frame->length += count;
}

static void put8(struct frame *frame, uint32_t value)
{
	frame->bytes[frame->length++] = (uint8_t)value;
}

static void put16(struct frame *frame, uint32_t value)
{
	put8(frame, value >> 8);
	put8(frame, value);
}

static void put_zeros(struct frame *frame, uint32_t count)
{
	memset(frame->bytes + frame->length, 0, count);
	frame->length += count;
}

static void put_transport(struct frame *frame, const struct rows_packet *packet, bool out,
			  uint32_t icmp_type)
{
	if (rows_has_ports(packet->protocol)) {
		put16(frame, out ? packet->local : packet->remote);
		put16(frame, out ? packet->remote : packet->local);
	} else {
		/* What would be ports, if this had any: those of the row it nearly is. */
		put8(frame, icmp_type);
		put8(frame, 0);
		put16(frame, rows_below(65536));
	}
	put16(frame, 8);
	put16(frame, 0);
	if (packet->protocol == IPPROTO_TCP) {
		put_zeros(frame, 4);
		put16(frame, 0x5010);
		put_zeros(frame, 6);
	} else {
		put_zeros(frame, rows_below(3) * 10);
	}
}

/* fragment is the IPv4 field, or the IPv6 one that says the same; 0: no fragment. */
static void put_ipv4(struct frame *frame, const struct rows_packet *packet, bool out,
		     uint32_t fragment, uint16_t id)
{
	static const uint8_t here[4] = {192, 168, 1, 1};
	uint32_t options = rows_one_in(3) ? rows_below(11) : 0;

	put8(frame, 0x45 + options);
	put8(frame, 0);
	put16(frame, 20 + 4 * options + 40);
	put16(frame, id);
	put16(frame, fragment);
	put8(frame, 64);
	put8(frame, packet->protocol);
	put16(frame, 0);
	put(frame, out ? here : packet->address, 4);
	put(frame, out ? packet->address : here, 4);
	for (uint32_t i = 0; i < options; i++)
		put16(frame, 0x0101), put16(frame, 0x0101);
}

static void put_ipv6(struct frame *frame, const struct rows_packet *packet, bool out,
		     uint32_t fragment, uint16_t id)
{
	static const uint8_t here[16] = {0xfd, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	static const uint8_t kinds[] = {0, 43, 60, 51};
	uint32_t extensions = rows_one_in(3) ? rows_below(5) : 0;
	uint32_t at = frame->length + 6;

	put16(frame, 0x6000);
	put16(frame, 0);
	put16(frame, 40);
	put8(frame, 0);
	put8(frame, 64);
	put(frame, out ? here : packet->address, 16);
	put(frame, out ? packet->address : here, 16);
	for (uint32_t i = 0; i < extensions; i++) {
		uint32_t kind = kinds[i ? 1 + rows_below(3) : rows_below(4)];
		uint32_t more = rows_below(3);

		frame->bytes[at] = (uint8_t)kind;
		at = frame->length;
		put8(frame, 0);
		/* In words of 8 without the first; an authentication header's in 4, without two. */
		put8(frame, kind == 51 ? 2 + 2 * more : more);
		put_zeros(frame, kind == 51 ? 14 + 8 * more : 6 + 8 * more);
	}
	if (fragment) {
		frame->bytes[at] = 44;
		at = frame->length;
		put16(frame, 0);
		put16(frame, (fragment & 0x1fff) << 3 | (fragment & 0x2000 ? 1 : 0));
		put16(frame, 0);
		put16(frame, id);
	}
	frame->bytes[at] = packet->protocol;
}

static void put_ip(struct frame *frame, const struct rows_packet *packet, bool out,
		   uint32_t fragment, uint16_t id)
{
	uint32_t tags = rows_one_in(3) ? rows_below(4) : 0;

	frame->length = 0;
	put_zeros(frame, 12);
	for (uint32_t i = 0; i < tags; i++) {
		put16(frame, i + 1 < tags ? ETH_P_8021AD : ETH_P_8021Q);
		put16(frame, 100 + i);
	}
	if (packet->version == 4) {
		put16(frame, ETH_P_IP);
		put_ipv4(frame, packet, out, fragment, id);
	} else {
		put16(frame, ETH_P_IPV6);
		put_ipv6(frame, packet, out, fragment, id);
	}
}

/* The same programs, each as if for another interface. The last is for one without a slot. */
#define LOADS (ROWS_SLOTS + 1)
static struct bwctl_bpf *loads[LOADS];
static struct bwctl_counters before[LOADS][BWCTL_DIRECTIONS];

/* Which counter has moved, by one packet; there must be one. */
static uint32_t counter_moved(uint32_t load, enum bwctl_direction direction)
{
	struct bwctl_counters after = programs_counters(loads[load], direction);
	uint32_t moved = BWCTL_FLOWS;

	for (uint32_t counter = 0; counter < BWCTL_FLOWS; counter++) {
		uint64_t packets = after.flows[counter].passed.packets -
				   before[load][direction].flows[counter].passed.packets;

		if (!packets)
			continue;
		assert_int_equal(packets, 1);
		assert_int_equal(moved, BWCTL_FLOWS);
		moved = counter;
	}
	before[load][direction] = after;
	return moved;
}

static void run_frame(const struct frame *frame, const struct rows_packet *packet, bool out,
		      uint32_t row)
{
	enum bwctl_direction direction = out ? BWCTL_EGRESS : BWCTL_INGRESS;
	uint32_t load = slot_of(packet->interface), counter, right;
	int err;

	if (load == BWCTL_SLOTS)
		load = LOADS - 1;
	err = programs_run(bpf_program__fd(out ? loads[load]->progs.bwctl_eth_out :
						 loads[load]->progs.bwctl_eth_in),
			   frame->bytes, frame->length, NULL, 1, NULL, NULL);
	if (err)
		fail_msg("a frame of %u bytes: %s", frame->length, strerror(-err));
	counter = counter_moved(load, direction);
	right = row < BWCTL_FLOW_ROWS ? asked.flows[row].counter : row;
	if (counter != right)
		complain(packet, out ? "frame out, by counter" : "frame in, by counter", right,
			 counter);
}

static bool is_discovery(uint32_t icmp_type)
{
	return (icmp_type >= 130 && icmp_type <= 137) || icmp_type == 143;
}

/* One whole, in which all that there is can be read, or cut off within the transport header. */
static void try_whole(struct rows_packet *packet, bool out, uint32_t *ret_cut)
{
	uint32_t icmp_type = rows_one_in(3) ? 128 + rows_below(18) : rows_below(256);
	bool is_control = packet->version == 6 && packet->protocol == IPPROTO_ICMPV6 &&
			  is_discovery(icmp_type);
	struct frame frame;
	uint32_t transport;

	put_ip(&frame, packet, out, rows_one_in(4) && packet->version == 4 ? 0x4000 : 0, 1);
	transport = frame.length;
	put_transport(&frame, packet, out, icmp_type);
	if (rows_has_ports(packet->protocol) && rows_one_in(10)) {
		frame.length = transport + rows_below(4);
		packet->has_ports = false;
		++*ret_cut;
	}
	run_frame(&frame, packet, out, is_control ? BWCTL_FLOW_CONTROL : rows_walk(&asked, packet));
}

/* A datagram in three pieces; the later ones have no ports. And a piece whose first was not seen. */
static void try_fragments(const struct rows_packet *packet, bool out, uint16_t id)
{
	uint32_t row = rows_walk(&asked, packet);
	struct frame frame;

	put_ip(&frame, packet, out, 0x2000, id);
	put_transport(&frame, packet, out, 0);
	run_frame(&frame, packet, out, row);
	for (uint32_t offset = 1; offset < 3; offset++) {
		put_ip(&frame, packet, out, offset == 1 ? 0x2000 | 5 : 10, id);
		put_zeros(&frame, 40);
		run_frame(&frame, packet, out, row);
	}
	put_ip(&frame, packet, out, 5, (uint16_t)~id);
	put_zeros(&frame, 40);
	run_frame(&frame, packet, out, BWCTL_FLOW_OTHER);
}

static int load_programs(void **state)
{
	(void)state;
	if (geteuid())
		return 0;
	for (uint32_t i = 0; i < LOADS; i++) {
		loads[i] = i < ROWS_SLOTS ? programs_load_for(i) : programs_load();
		if (!loads[i])
			return -1;
		memset(before[i], 0, sizeof(before[i]));
	}
	return 0;
}

static int destroy_programs(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < LOADS; i++)
		bwctl_bpf__destroy(loads[i]);
	return 0;
}

static void only_as_root(void)
{
	if (geteuid()) {
		print_message("skipped: only root may load BPF programs\n");
		skip();
	}
}

static void put_in_place(uint32_t rows, uint32_t loose)
{
	struct bwctl_policy *policy = programs_policy(NULL);

	assert_non_null(policy);
	rows_invent_all(&asked, rows, loose);
	policy->asked.flow_count = rows;
	memcpy(policy->asked.flows, asked.flows, sizeof(asked.flows));
	assert_int_equal(flow_table_build(&asked, rows_slots, ROWS_SLOTS, &policy->table), 0);
	for (uint32_t i = 0; i < LOADS; i++)
		assert_int_equal(programs_publish(loads[i], policy), 0);
	free(policy);
}

static void test_frames(void **state)
{
	struct rows_packet packet;
	uint32_t frames = 0, cut = 0;

	(void)state;
	only_as_root();
	for (size_t n = 0; n < TABLES; n++) {
		put_in_place(tables[n].rows, tables[n].loose);
		for (uint32_t i = 0; i < FRAMES / TABLES; i++) {
			bool out = rows_one_in(2);

			rows_invent_packet(&asked, &packet);
			/* What is another header in IPv6 cannot be the transport's. */
			if (packet.version == 6 &&
			    memchr("\0\x2b\x2c\x33\x3c\x87\x8b\x8c", packet.protocol, 8))
				continue;
			if (rows_one_in(12) && rows_has_ports(packet.protocol)) {
				try_fragments(&packet, out, (uint16_t)(1 + i));
				frames += 4;
			} else {
				try_whole(&packet, out, &cut);
				frames++;
			}
		}
	}
	print_message("%u frames, %u of them cut off\n", frames, cut);
	assert_true(frames > 20000);
	assert_true(cut > 500);
}

/* A header that is cut off or not what it should be: no address, no protocol, no ports. */
static void test_no_address(void **state)
{
	struct rows_packet packet = {.version = 4, .protocol = 0, .interface = "eth0"};
	static const uint8_t nonsense[] = {0x65, 0x44, 0x40, 0x00};
	struct frame frame;
	uint32_t row;

	(void)state;
	only_as_root();
	for (uint32_t loose = 1; loose < 5; loose++) {
		put_in_place(BWCTL_FLOW_ROWS, loose);
		/* Rows of any address, and of protocol 0, are what is left to match. */
		row = rows_walk(&asked, &packet);
		for (uint32_t i = 0; i < sizeof(nonsense); i++) {
			frame.length = 0;
			put_zeros(&frame, 12);
			put16(&frame, ETH_P_IP);
			put8(&frame, nonsense[i]);
			put_zeros(&frame, 45);
			run_frame(&frame, &packet, i % 2, row);
		}
		/* Behind a tag, where BPF_PROG_TEST_RUN does not see what it is. */
		frame.length = 0;
		put_zeros(&frame, 12);
		put16(&frame, ETH_P_8021Q);
		put16(&frame, 1);
		put16(&frame, ETH_P_IP);
		put8(&frame, 0x45);
		put_zeros(&frame, 18);
		run_frame(&frame, &packet, false, row);
	}
}

/* Rows that are not in use lead nowhere in particular, even if a fragment remembers them. */
static void test_fixed_rows(void **state)
{
	(void)state;
	rows_invent_all(&asked, 3, 1);
	assert_int_equal(flow_table_build(&asked, NULL, 0, &table), 0);
	for (uint32_t row = 0; row < 3; row++) {
		assert_int_equal(table.class[row], asked.flows[row].class);
		assert_int_equal(table.counter[row], asked.flows[row].counter);
	}
	for (uint32_t row = 3; row < BWCTL_FLOW_CONTROL; row++) {
		assert_int_equal(table.class[row], BWCTL_OTHER);
		assert_int_equal(table.counter[row], BWCTL_FLOW_OTHER);
	}
	assert_int_equal(table.class[BWCTL_FLOW_CONTROL], BWCTL_CONTROL);
	assert_int_equal(table.counter[BWCTL_FLOW_CONTROL], BWCTL_FLOW_CONTROL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_packets),
		cmocka_unit_test(test_most_sets),
		cmocka_unit_test(test_fixed_rows),
		cmocka_unit_test_setup_teardown(test_frames, load_programs, destroy_programs),
		cmocka_unit_test_setup_teardown(test_no_address, load_programs, destroy_programs),
	};

	return cmocka_run_group_tests_name("classify", tests, NULL, NULL);
}
