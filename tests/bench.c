// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Nanoseconds per packet of the production programs, against an empty one.
 * The two take turns within one run, many times over, so that what the machine
 * does meanwhile falls on both; the median and the minimum are printed.
 */
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdio.h>
#include <unistd.h>

#include "programs.h"

#include "empty.skel.h"

#define ROUNDS 61
#define REPEAT 200000

struct sample {
	const char *name;
	const __u8 *packet;
	__u32 length;
	__u64 limit_bits_s;
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
	const __u32 *one = a, *other = b;

	return *one < *other ? -1 : *one > *other;
}

static int measure(struct bwctl_bpf *programs, struct empty_bpf *empty, const struct sample *sample,
		   enum bwctl_direction direction)
{
	int ours = bpf_program__fd(direction == BWCTL_INGRESS ? programs->progs.bwctl_eth_in :
								programs->progs.bwctl_eth_out);
	int theirs = bpf_program__fd(empty->progs.empty);
	struct bwctl_request requests[BWCTL_DIRECTIONS] = {0};
	__u32 ns[ROUNDS], floor_ns[ROUNDS];
	struct bwctl_policy *policy;
	int err;

	requests[direction].limit_bits_s = sample->limit_bits_s;
	policy = programs_policy(requests);
	err = policy ? programs_publish(programs, policy) : -EINVAL;
	free(policy);
	for (int round = 0; !err && round < ROUNDS; round++) {
		err = programs_run(theirs, sample->packet, sample->length, NULL, REPEAT, NULL,
				   &floor_ns[round]);
		if (!err)
			err = programs_run(ours, sample->packet, sample->length, NULL, REPEAT, NULL,
					   &ns[round]);
	}
	if (err) {
		fprintf(stderr, "bench: %s: %s\n", sample->name, strerror(-err));
		return err;
	}
	qsort(ns, ROUNDS, sizeof(ns[0]), by_value);
	qsort(floor_ns, ROUNDS, sizeof(floor_ns[0]), by_value);
	printf("%-8s %-44s %6u %6u %8d %8d\n", policy_direction_name(direction), sample->name,
	       floor_ns[ROUNDS / 2], ns[ROUNDS / 2],
	       (int)ns[ROUNDS / 2] - (int)floor_ns[ROUNDS / 2], (int)ns[0] - (int)floor_ns[0]);
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
	bwctl_bpf__destroy(programs);
	empty_bpf__destroy(empty);
	return err ? 1 : 0;
}
