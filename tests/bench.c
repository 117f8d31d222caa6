// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Nanoseconds per packet of the production programs, against an empty one, and
 * with 256 flows in the table against 12 of the same kinds. What is compared
 * takes turns within one run, many times over, so that what the machine does
 * meanwhile falls on all of it; the minimum is what it takes undisturbed.
 */
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "programs.h"

#include "empty.skel.h"

#define ROUNDS 201
#define REPEAT 20000

/* How many rows the two tables have that are compared. */
#define FEW  12
#define MANY BWCTL_FLOW_ROWS

struct sample {
	const char *name;
	const __u8 *packet;
	__u32 length;
	__u64 limit_bits_s;
};

/* What one program takes: by round, then sorted. */
struct times {
	int program_fd;
	const __u8 *packet; /* NULL: the one that all get */
	double ns[ROUNDS];
};

static __u8 tcp4[1514], tcp6[1514], vlan4[1518], small4[60];

static void put16(__u8 *at, __u16 value)
{
	at[0] = (__u8)(value >> 8);
	at[1] = (__u8)value;
}

static void make_ipv4(__u8 *at, __u16 length)
{
	at[0] = 0x45;
	put16(at + 2, length);
	at[8] = 64;
	at[9] = IPPROTO_TCP;
	at[12] = at[16] = 10;
	put16(at + 20, 40000);
	put16(at + 22, 22);
	at[32] = 0x80;
}

static void make_packets(void)
{
	put16(tcp4 + 12, ETH_P_IP);
	make_ipv4(tcp4 + 14, 1500);
	put16(small4 + 12, ETH_P_IP);
	make_ipv4(small4 + 14, 46);
	put16(vlan4 + 12, ETH_P_8021Q);
	put16(vlan4 + 16, ETH_P_IP);
	make_ipv4(vlan4 + 18, 1500);
	put16(tcp6 + 12, ETH_P_IPV6);
	tcp6[14] = 0x60;
	put16(tcp6 + 18, 1460);
	tcp6[20] = IPPROTO_TCP;
	put16(tcp6 + 54, 40000);
	put16(tcp6 + 56, 22);
}

static int by_value(const void *a, const void *b)
{
	const double *one = a, *other = b;

	return *one < *other ? -1 : *one > *other;
}

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* By the clock around it: the kernel's own figure is in whole nanoseconds. */
static int take_turns(struct times *each, int count, const __u8 *packet, __u32 length)
{
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < count; i++) {
			double start_ns = now_ns();
			int err = programs_run(each[i].program_fd,
					       each[i].packet ? each[i].packet : packet, length,
					       NULL, REPEAT, NULL, NULL);

			if (err)
				return err;
			each[i].ns[round] = (now_ns() - start_ns) / REPEAT;
		}
	for (int i = 0; i < count; i++)
		qsort(each[i].ns, ROUNDS, sizeof(each[i].ns[0]), by_value);
	return 0;
}

static int publish(struct bwctl_bpf *programs, struct bwctl_policy *policy)
{
	int err = policy ? programs_publish(programs, policy) : -EINVAL;

	free(policy);
	return err;
}

static int program_of(struct bwctl_bpf *programs, enum bwctl_direction direction)
{
	return bpf_program__fd(direction == BWCTL_INGRESS ? programs->progs.bwctl_eth_in :
							    programs->progs.bwctl_eth_out);
}

static int measure(struct bwctl_bpf *programs, struct empty_bpf *empty, const struct sample *sample,
		   enum bwctl_direction direction)
{
	struct times each[] = {{.program_fd = bpf_program__fd(empty->progs.empty)},
			       {.program_fd = program_of(programs, direction)}};
	struct bwctl_request requests[BWCTL_DIRECTIONS] = {0};
	int err;

	requests[direction].limit_bits_s = sample->limit_bits_s;
	err = publish(programs, programs_policy(requests));
	if (!err)
		err = take_turns(each, 2, sample->packet, sample->length);
	if (err) {
		fprintf(stderr, "bench: %s: %s\n", sample->name, strerror(-err));
		return err;
	}
	printf("%-8s %-44s %6.1f %6.1f %8.1f %8.1f\n", policy_direction_name(direction),
	       sample->name, each[0].ns[0], each[1].ns[0],
	       each[1].ns[ROUNDS / 2] - each[0].ns[ROUNDS / 2], each[1].ns[0] - each[0].ns[0]);
	return 0;
}

/*
 * Row n of a table: TCP and UDP with ports on either side, and with all there is
 * also prefixes of both versions and of two lengths each, and interfaces.
 */
static struct bwctl_flow make_flow(__u32 n, bool has_all)
{
	struct bwctl_flow flow = {.protocol = n % 4 < 2 ? IPPROTO_TCP : IPPROTO_UDP,
				  .class = BWCTL_SSH,
				  .counter = (__u16)n,
				  .local_ranges = 2,
				  .local = {{(__u16)(2000 + n), (__u16)(2000 + n)},
					    {(__u16)(40000 + 2 * n), (__u16)(40001 + 2 * n)}},
				  .remote_ranges = 2,
				  .remote = {{443, 443}, {(__u16)(3000 + 10 * n), 65535}}};

	snprintf(flow.name, sizeof(flow.name), "flow%u", n);
	if (!has_all)
		return flow;
	if (n % 6 == 5)
		strcpy(flow.interface, "eth0");
	flow.prefix_version = n % 2 ? 6 : 4;
	if (n % 2) {
		flow.prefix_bits = n % 8 < 4 ? 48 : 64;
		memcpy(flow.prefix, "\x20\x01\x0d\xb8\x00", 5);
		flow.prefix[5] = (__u8)n;
	} else {
		flow.prefix_bits = n % 8 < 4 ? 16 : 24;
		flow.prefix[0] = 10;
		flow.prefix[1] = (__u8)n;
	}
	return flow;
}

static int publish_flows(struct bwctl_bpf *programs, __u32 count, bool has_all)
{
	static const char slots[][BWCTL_NAME] = {"eth0"};
	struct bwctl_policy *policy = programs_policy(NULL);
	int err;

	if (!policy)
		return -EINVAL;
	policy->asked.flow_count = count;
	for (__u32 n = 0; n < count; n++)
		policy->asked.flows[n] = make_flow(n, has_all);
	err = flow_table_build(&policy->asked, slots, 1, &policy->table);
	if (err) {
		free(policy);
		return err;
	}
	return publish(programs, policy);
}

/* A packet that comes in and that this row takes, and no other. */
static void make_for_row(__u8 *packet, bool is_ipv6, __u32 row)
{
	struct bwctl_flow flow = make_flow(row, true);
	__u8 *ip = packet + ETH_HLEN, *ports = ip + (is_ipv6 ? 40 : 20);

	ip[is_ipv6 ? 6 : 9] = flow.protocol;
	memcpy(ip + (is_ipv6 ? 8 : 12), flow.prefix, is_ipv6 ? 16 : 4);
	put16(ports, flow.remote[0].first);
	put16(ports + 2, flow.local[0].first);
}

/*
 * The row of each table that is the packet's: the first, the last of the packet's
 * version, or none. What counts is that there are more.
 */
static int compare(struct bwctl_bpf *few, struct bwctl_bpf *many, struct empty_bpf *empty,
		   bool is_ipv6, bool has_all)
{
	static const char *const names[] = {"first row", "last row", "no row"};
	__u8 packet[2][1514];
	struct times each[] = {{.program_fd = bpf_program__fd(empty->progs.empty)},
			       {.program_fd = program_of(few, BWCTL_INGRESS)},
			       {.program_fd = program_of(many, BWCTL_INGRESS)}};
	int err = publish_flows(few, FEW, has_all);

	if (!err)
		err = publish_flows(many, MANY, has_all);
	for (int i = 0; !err && i < 3; i++) {
		__u32 first = is_ipv6 ? 1 : 0, rows[] = {FEW, MANY};

		for (int n = 0; n < 2; n++) {
			memcpy(packet[n], is_ipv6 ? tcp6 : tcp4, sizeof(packet[n]));
			make_for_row(packet[n], is_ipv6, i == 1 ? rows[n] - 2 + first : first);
			if (i == 2)
				put16(packet[n] + ETH_HLEN + (is_ipv6 ? 42 : 22), 1);
			each[1 + n].packet = packet[n];
		}
		err = take_turns(each, 3, packet[0], sizeof(packet[0]));
		if (!err)
			printf("IPv%d %-24s %-10s %8.1f %8.1f %8.1f %8.2f %8.2f\n", is_ipv6 ? 6 : 4,
			       has_all ? "ports, prefix, interface" : "ports", names[i],
			       each[0].ns[0], each[1].ns[0], each[2].ns[0],
			       each[2].ns[0] / each[1].ns[0],
			       (each[2].ns[0] - each[0].ns[0]) / (each[1].ns[0] - each[0].ns[0]));
	}
	if (err)
		fprintf(stderr, "bench: %s\n", strerror(-err));
	return err;
}

int main(void)
{
	static const struct sample samples[] = {
		{"1514 B IPv4 TCP, no limit", tcp4, sizeof(tcp4), 0},
		{"1514 B IPv4 TCP, limit not reached", tcp4, sizeof(tcp4), UNITS_RATE_MAX_BITS_S},
		{"60 B IPv4 TCP, limit not reached", small4, sizeof(small4), UNITS_RATE_MAX_BITS_S},
		{"1514 B IPv6 TCP, limit not reached", tcp6, sizeof(tcp6), UNITS_RATE_MAX_BITS_S},
		{"1518 B VLAN IPv4 TCP, limit not reached", vlan4, sizeof(vlan4),
		 UNITS_RATE_MAX_BITS_S},
		{"1514 B IPv4 TCP, 50 Mbit/s, far over it", tcp4, sizeof(tcp4), 50000000},
	};
	struct empty_bpf *empty = empty_bpf__open_and_load();
	struct bwctl_bpf *programs = programs_load_for(0), *others = programs_load_for(0);
	int err = 0;

	if (!programs || !others || !empty) {
		fprintf(stderr, "bench: cannot load the programs: %s\n", strerror(errno));
		return 1;
	}
	make_packets();
	printf("nanoseconds per packet, %d rounds of %d runs\n\n", ROUNDS, REPEAT);
	printf("%-8s %-44s %6s %6s %8s %8s\n", "", "", "empty", "bwctl", "median +", "min +");
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		for (size_t i = 0; !err && i < sizeof(samples) / sizeof(samples[0]); i++)
			err = measure(programs, empty, &samples[i], direction);
	printf("\n%-40s %8s %8s %8s %8s %8s\n", "a table of 12 rows and of 256", "empty", "12",
	       "256", "ratio", "of what is over empty");
	for (int i = 0; !err && i < 4; i++)
		err = compare(programs, others, empty, i % 2, i / 2);
	bwctl_bpf__destroy(others);
	bwctl_bpf__destroy(programs);
	empty_bpf__destroy(empty);
	return err ? 1 : 0;
}
