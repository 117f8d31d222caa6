// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Counters in real maps, written as the programs would on every CPU: what is
 * summed, what a newcomer does not see of who had its number, and that no total
 * goes back meanwhile. Then who is a newcomer, as a table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "counters.h"
#include "flow_table.h"
#include "policy.h"

#define MS 1000000ULL

#define LAB   BWCTL_BUILTIN_CLASSES /* a class of one's own */
#define OTHER (LAB + 1)		    /* and another */

/* Both kinds of map, and what each holds for one CPU. */
struct maps {
	int all, one, cpus;
	struct bwctl_counters *all_cpus;
	struct bwctl_interface_counters *one_cpus;
};

static int make_map(size_t size)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "counters", sizeof(__u32), (__u32)size,
				BWCTL_COUNTED, NULL);

	assert_true(fd >= 0);
	return fd;
}

static int setup(void **state)
{
	struct maps *maps = calloc(1, sizeof(*maps));

	assert_non_null(maps);
	maps->cpus = libbpf_num_possible_cpus();
	assert_true(maps->cpus > 0);
	maps->all = make_map(sizeof(struct bwctl_counters));
	maps->one = make_map(sizeof(struct bwctl_interface_counters));
	maps->all_cpus = calloc((size_t)maps->cpus, sizeof(*maps->all_cpus));
	maps->one_cpus = calloc((size_t)maps->cpus, sizeof(*maps->one_cpus));
	assert_true(maps->all_cpus && maps->one_cpus);
	*state = maps;
	return 0;
}

static int teardown(void **state)
{
	struct maps *maps = *state;

	close(maps->all);
	close(maps->one);
	free(maps->all_cpus);
	free(maps->one_cpus);
	free(maps);
	return 0;
}

static void count_row(struct bwctl_flow_counters *row, uint64_t packets, uint64_t delay_ns)
{
	struct bwctl_tally tally = {packets, packets * 100};

	row->passed.packets += tally.packets;
	row->passed.bytes += tally.bytes;
	row->dropped.packets += 2 * tally.packets;
	row->dropped.bytes += 2 * tally.bytes;
	row->would_drop.packets += 3 * tally.packets;
	row->would_drop.bytes += 3 * tally.bytes;
	row->marked.packets += 4 * tally.packets;
	row->marked.bytes += 4 * tally.bytes;
	if (!delay_ns)
		return;
	row->paced.packets += tally.packets;
	row->paced.bytes += tally.bytes;
	row->delay_ns += delay_ns * packets;
	if (row->delay_max_ns < delay_ns)
		row->delay_max_ns = delay_ns;
}

/* On each CPU, in each direction: so many packets of a class and a flow. */
static void count(struct maps *maps, uint32_t class, uint32_t flow, uint64_t packets,
		  uint64_t delay_ns)
{
	for (int cpu = 0; cpu < maps->cpus; cpu++) {
		count_row(&maps->all_cpus[cpu].flows[flow], packets, delay_ns);
		count_row(&maps->all_cpus[cpu].classes[class], packets, delay_ns);
		count_row(&maps->one_cpus[cpu].classes[class], packets, delay_ns);
		for (int reason = 0; reason < BWCTL_REASONS; reason++)
			maps->one_cpus[cpu].reasons[class][reason].bytes +=
				packets * (uint64_t)(reason + 1);
		maps->all_cpus[cpu].contended.packets += packets;
		maps->all_cpus[cpu].delays[BWCTL_DELAY_BUCKETS - 1] += packets;
	}
	for (__u32 direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		assert_int_equal(
			bpf_map_update_elem(maps->all, &direction, maps->all_cpus, BPF_ANY), 0);
		assert_int_equal(
			bpf_map_update_elem(maps->one, &direction, maps->one_cpus, BPF_ANY), 0);
	}
}

static void assert_row(const struct bwctl_flow_counters *row, uint64_t packets)
{
	assert_int_equal(row->passed.packets, packets);
	assert_int_equal(row->passed.bytes, 100 * packets);
	assert_int_equal(row->dropped.packets, 2 * packets);
	assert_int_equal(row->dropped.bytes, 200 * packets);
	assert_int_equal(row->would_drop.packets, 3 * packets);
	assert_int_equal(row->would_drop.bytes, 300 * packets);
	assert_int_equal(row->marked.packets, 4 * packets);
	assert_int_equal(row->marked.bytes, 400 * packets);
}

static void assert_reasons(const struct counters_interface *one, uint32_t class, uint64_t packets)
{
	for (int reason = 0; reason < BWCTL_REASONS; reason++)
		assert_int_equal(one->now.reasons[class][reason].bytes,
				 packets * (uint64_t)(reason + 1));
}

struct seen {
	struct counters all[BWCTL_DIRECTIONS];
	struct counters_interface one[BWCTL_DIRECTIONS];
};

static struct seen *look(struct maps *maps)
{
	static struct seen seen;

	memset(&seen, 0xff, sizeof(seen));
	assert_int_equal(counters_read(maps->all, seen.all), 0);
	assert_int_equal(counters_read_interface(maps->one, seen.one), 0);
	return &seen;
}

static void test_sums(void **state)
{
	struct maps *maps = *state;
	uint64_t cpus = (uint64_t)maps->cpus;
	struct seen *seen = look(maps);

	assert_row(&seen->all[BWCTL_INGRESS].total, 0);
	count(maps, LAB, 200, 5, 7 * MS);
	count(maps, BWCTL_SSH, BWCTL_FLOW_OTHER, 11, 0);
	seen = look(maps);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		const struct counters *all = &seen->all[direction];
		const struct counters_interface *one = &seen->one[direction];

		assert_row(&all->now.classes[LAB], 5 * cpus);
		assert_row(&all->now.flows[200], 5 * cpus);
		assert_row(&all->now.classes[BWCTL_SSH], 11 * cpus);
		assert_row(&all->now.flows[BWCTL_FLOW_OTHER], 11 * cpus);
		assert_row(&all->now.classes[BWCTL_UI], 0);
		assert_row(&all->total, 16 * cpus);
		assert_int_equal(all->now.classes[LAB].delay_ns, 35 * MS * cpus);
		assert_int_equal(all->now.classes[LAB].delay_max_ns, 7 * MS);
		assert_int_equal(all->total.delay_max_ns, 7 * MS);
		assert_int_equal(all->now.contended.packets, 16 * cpus);
		assert_int_equal(all->now.delays[BWCTL_DELAY_BUCKETS - 1], 16 * cpus);
		assert_row(&one->now.classes[LAB], 5 * cpus);
		assert_reasons(one, LAB, 5 * cpus);
		assert_reasons(one, BWCTL_SSH, 11 * cpus);
		assert_reasons(one, OTHER, 0);
		assert_row(&one->total, 16 * cpus);
	}
}

static void test_newcomers_begin_at_zero(void **state)
{
	static const struct counters_set lab = {.class[LAB] = true, .flow[200] = true};
	struct maps *maps = *state;
	uint64_t cpus = (uint64_t)maps->cpus;
	struct seen *seen;

	count(maps, LAB, 200, 5, 7 * MS);
	count(maps, OTHER, 201, 3, 2 * MS);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(counters_begin(maps->all, &lab), 0);
		assert_int_equal(counters_begin_interface(maps->one, &lab), 0);
		seen = look(maps);
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
			const struct counters *all = &seen->all[direction];

			assert_row(&all->now.classes[LAB], 0);
			assert_row(&all->now.flows[200], 0);
			assert_int_equal(all->now.classes[LAB].delay_ns, 0);
			assert_int_equal(all->now.classes[LAB].delay_max_ns, 0);
			assert_row(&all->now.classes[OTHER], 3 * cpus);
			assert_row(&all->now.flows[201], 3 * cpus);
			assert_row(&seen->one[direction].now.classes[LAB], 0);
			assert_row(&seen->one[direction].now.classes[OTHER], 3 * cpus);
			assert_reasons(&seen->one[direction], LAB, 0);
			assert_reasons(&seen->one[direction], OTHER, 3 * cpus);
			/* What was counted stays counted. */
			assert_row(&all->total, (8 + 4 * (uint64_t)round) * cpus);
			assert_row(&seen->one[direction].total, (8 + 4 * (uint64_t)round) * cpus);
			assert_int_equal(all->total.delay_max_ns, round < 2 ? 7 * MS : 9 * MS);
			assert_int_equal(all->now.contended.packets,
					 (8 + 4 * (uint64_t)round) * cpus);
		}
		count(maps, LAB, 200, 4, round ? 9 * MS : 0);
		seen = look(maps);
		assert_row(&seen->all[BWCTL_EGRESS].now.classes[LAB], 4 * cpus);
		assert_row(&seen->all[BWCTL_EGRESS].now.flows[200], 4 * cpus);
		assert_row(&seen->one[BWCTL_EGRESS].now.classes[LAB], 4 * cpus);
		assert_int_equal(seen->all[BWCTL_EGRESS].now.classes[LAB].delay_max_ns,
				 round ? 9 * MS : 0);
	}
}

/* Who is new at which number. */

static void put_flow(struct bwctl_asked *asked, uint32_t row, const char *name, uint16_t counter)
{
	asked->flows[row] = (struct bwctl_flow){.counter = counter};
	snprintf(asked->flows[row].name, BWCTL_NAME, "%s", name);
	if (asked->flow_count <= row)
		asked->flow_count = row + 1;
}

static void put_class(struct bwctl_asked *asked, uint32_t class, const char *name)
{
	snprintf(asked->classes[class].name, BWCTL_NAME, "%s", name);
}

static void assert_newcomers(const struct bwctl_asked *previous, const struct bwctl_asked *next,
			     bool vacant, int class, int flow)
{
	struct counters_set set, expected = {0};

	if (class >= 0)
		expected.class[class] = true;
	if (flow >= 0)
		expected.flow[flow] = true;
	assert_int_equal(counters_newcomers(previous, next, vacant, &set), class >= 0 || flow >= 0);
	assert_memory_equal(&set, &expected, sizeof(set));
}

static void test_newcomers(void **state)
{
	static struct bwctl_asked previous, next;

	(void)state;
	policy_default(&previous);
	policy_default(&next);
	assert_newcomers(&previous, &next, true, -1, -1);
	assert_newcomers(&previous, &next, false, -1, -1);

	/* Where nobody was. */
	put_class(&next, LAB, "lab");
	put_flow(&next, next.flow_count, "jump", 255);
	assert_newcomers(&previous, &next, true, LAB, 255);
	assert_newcomers(&previous, &next, false, -1, -1);

	/* The same, in another row: not new. */
	previous = next;
	put_flow(&next, 0, "jump", 255);
	put_flow(&next, next.flow_count - 1, "ui", 0);
	assert_newcomers(&previous, &next, true, -1, -1);
	assert_newcomers(&previous, &next, false, -1, -1);

	/* Where somebody else was. */
	put_class(&next, LAB, "backup");
	put_flow(&next, 0, "leap", 255);
	assert_newcomers(&previous, &next, true, -1, -1);
	assert_newcomers(&previous, &next, false, LAB, 255);

	/* One that goes leaves nobody new, and comes back as one. */
	previous = next;
	put_class(&next, LAB, "");
	next.flow_count--;
	assert_newcomers(&previous, &next, true, -1, -1);
	assert_newcomers(&previous, &next, false, -1, -1);
	assert_newcomers(&next, &previous, true, LAB, 0);
	assert_newcomers(&next, &previous, false, -1, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sums, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newcomers_begin_at_zero, setup, teardown),
		cmocka_unit_test(test_newcomers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
