/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The production programs without an interface: loaded from the skeleton that
 * bwctl embeds, with maps of their own that are pinned nowhere, and run on
 * invented packets by BPF_PROG_TEST_RUN.
 */
#ifndef PROGRAMS_H
#define PROGRAMS_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bwctl.h"
#include "bwctl.skel.h"
#include "flow_table.h"
#include "policy.h"

/* What a program answers: TC_ACT_UNSPEC lets pass, anything else is a drop. */
#define PROGRAMS_PASS (-1)

static int programs_quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

static inline struct bwctl_bpf *programs_load(void)
{
	libbpf_set_print(programs_quiet);
	return bwctl_bpf__open_and_load();
}

/* As they are for the interface of a slot. */
static inline struct bwctl_bpf *programs_load_for(__u32 slot)
{
	struct bwctl_bpf *programs;

	libbpf_set_print(programs_quiet);
	programs = bwctl_bpf__open();
	if (!programs)
		return NULL;
	programs->rodata->slot = slot;
	if (bwctl_bpf__load(programs)) {
		bwctl_bpf__destroy(programs);
		return NULL;
	}
	return programs;
}

/*
 * A policy with the default flow table and the requests given, or no limit at
 * all when requests is NULL. free() it. NULL when they cannot be derived.
 */
static inline struct bwctl_policy *programs_policy(const struct bwctl_request *requests)
{
	struct bwctl_policy *policy = calloc(1, sizeof(*policy));
	char why[UNITS_TEXT];

	policy->abi = BWCTL_ABI;
	policy->possible_cpus = (__u32)libbpf_num_possible_cpus();
	policy->generation = 1;
	policy_default(&policy->asked);
	flow_table_build(&policy->asked, NULL, 0, &policy->table);
	policy_rules(policy);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		if (requests)
			policy->asked.request[direction] = requests[direction];
		if (policy_derive(&policy->asked.request[direction], false, policy->possible_cpus,
				  true, &policy->meter[direction], &policy->promise[direction],
				  why)) {
			free(policy);
			return NULL;
		}
	}
	return policy;
}

static inline int programs_publish(struct bwctl_bpf *programs, const struct bwctl_policy *policy)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_RDONLY_PROG);
	__u32 zero = 0;
	int err, fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "policy", sizeof(zero), sizeof(*policy), 1,
				     &options);

	if (fd < 0)
		return -errno;
	err = bpf_map_update_elem(fd, &zero, policy, BPF_ANY);
	if (!err)
		err = bpf_map_update_elem(bpf_map__fd(programs->maps.policies), &zero, &fd,
					  BPF_ANY);
	close(fd);
	return err;
}

/* A value of 64-bit words in a per-CPU map, summed over CPUs. */
static inline void programs_sum(const struct bpf_map *map, __u32 key, void *ret_sum, size_t size)
{
	int cpus = libbpf_num_possible_cpus();
	__u64 *sum = ret_sum, *each = calloc((size_t)cpus, size);

	memset(ret_sum, 0, size);
	if (!bpf_map_lookup_elem(bpf_map__fd(map), &key, each))
		for (size_t word = 0; word < size / sizeof(__u64) * (size_t)cpus; word++)
			sum[word % (size / sizeof(__u64))] += each[word];
	free(each);
}

/* Counters of one direction: of all interfaces, and of the one that the programs are for. */
static inline struct bwctl_counters programs_counters(struct bwctl_bpf *programs,
						      enum bwctl_direction direction)
{
	struct bwctl_counters sum;

	programs_sum(programs->maps.counters, direction, &sum, sizeof(sum));
	return sum;
}

static inline struct bwctl_interface_counters
programs_interface_counters(struct bwctl_bpf *programs, enum bwctl_direction direction)
{
	struct bwctl_interface_counters sum;

	programs_sum(programs->maps.interface_counters, direction, &sum, sizeof(sum));
	return sum;
}

/*
 * Runs a program repeat times over one packet. context may be NULL; ret_ns the mean
 * time per run. What the program returned goes to ret_answer. 0 or -errno.
 */
static inline int programs_run(int program_fd, const void *packet, __u32 length,
			       struct __sk_buff *context, int repeat, int *ret_answer,
			       __u32 *ret_ns)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = length,
		    .ctx_in = context, .ctx_size_in = context ? sizeof(*context) : 0,
		    .repeat = repeat);
	int err = bpf_prog_test_run_opts(program_fd, &run);

	if (ret_answer)
		*ret_answer = (int)run.retval;
	if (ret_ns)
		*ret_ns = run.duration;
	return err;
}

#endif
