// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The counters as the maps have them: sums over CPUs, less what belonged to
 * others. Both kinds of map hold rows of struct bwctl_flow_counters, and the one
 * of all interfaces a few words behind them.
 */
#include "counters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What a map's value consists of: rows, and words behind them. */
struct shape {
	size_t size;
	size_t rows;
	size_t first_class; /* the row of class 0; flows are before it */
	size_t class_words; /* of each class, in their order, the first behind the rows */
};

static const struct shape shape_of_all = {
	.size = sizeof(struct bwctl_counters),
	.rows = BWCTL_FLOWS + BWCTL_CLASSES,
	.first_class = BWCTL_FLOWS,
};

static const struct shape shape_of_one = {
	.size = sizeof(struct bwctl_interface_counters),
	.rows = BWCTL_CLASSES,
	.first_class = 0,
	.class_words = sizeof(struct bwctl_tally[BWCTL_REASONS]) / 8,
};

_Static_assert(offsetof(struct bwctl_counters, flows) == 0 &&
		       offsetof(struct bwctl_counters, classes) ==
			       sizeof(struct bwctl_flow_counters) * BWCTL_FLOWS,
	       "rows, one after the other");
_Static_assert(sizeof(struct bwctl_counters) % 8 == 0 &&
		       sizeof(struct bwctl_interface_counters) % 8 == 0,
	       "one CPU's value directly behind another's");

static void add_tally(struct bwctl_tally *sum, const struct bwctl_tally *tally)
{
	sum->packets += tally->packets;
	sum->bytes += tally->bytes;
}

void counters_add(struct bwctl_flow_counters *sum, const struct bwctl_flow_counters *counters)
{
	add_tally(&sum->passed, &counters->passed);
	add_tally(&sum->dropped, &counters->dropped);
	add_tally(&sum->paced, &counters->paced);
	add_tally(&sum->marked, &counters->marked);
	add_tally(&sum->would_drop, &counters->would_drop);
	sum->delay_ns += counters->delay_ns;
	if (sum->delay_max_ns < counters->delay_max_ns)
		sum->delay_max_ns = counters->delay_max_ns;
}

static void subtract_tally(struct bwctl_tally *tally, const struct bwctl_tally *base)
{
	tally->packets -= base->packets;
	tally->bytes -= base->bytes;
}

/*
 * Of a maximum nothing can be subtracted: until one has waited for longer, the
 * former's stands for the bound that it is.
 */
static void subtract(struct bwctl_flow_counters *row, const struct bwctl_flow_counters *base)
{
	subtract_tally(&row->passed, &base->passed);
	subtract_tally(&row->dropped, &base->dropped);
	subtract_tally(&row->paced, &base->paced);
	subtract_tally(&row->marked, &base->marked);
	subtract_tally(&row->would_drop, &base->would_drop);
	row->delay_ns -= base->delay_ns;
	if (!row->paced.packets)
		row->delay_max_ns = 0;
}

static bool is_less(const struct bwctl_tally *tally, const struct bwctl_tally *than)
{
	return tally->packets < than->packets || tally->bytes < than->bytes;
}

void counters_subtract(struct bwctl_flow_counters *counters,
		       const struct bwctl_flow_counters *earlier)
{
	uint64_t longest_ns = counters->delay_max_ns;

	if (is_less(&counters->passed, &earlier->passed) ||
	    is_less(&counters->dropped, &earlier->dropped) ||
	    is_less(&counters->would_drop, &earlier->would_drop) ||
	    is_less(&counters->paced, &earlier->paced) ||
	    is_less(&counters->marked, &earlier->marked) || counters->delay_ns < earlier->delay_ns)
		return;
	subtract(counters, earlier);
	counters->delay_max_ns = longest_ns;
}

static size_t words_of(const struct shape *shape)
{
	return (shape->size - shape->rows * sizeof(struct bwctl_flow_counters)) / 8;
}

/* Room for one entry of all CPUs; NULL when there is none. */
static void *make_room(const struct shape *shape, int *ret_cpus)
{
	*ret_cpus = libbpf_num_possible_cpus();
	return *ret_cpus > 0 ? calloc((size_t)*ret_cpus, shape->size) : NULL;
}

/* An entry, summed over CPUs. room is that of make_room(). */
static int read_entry(int fd, const struct shape *shape, __u32 entry, char *room, int cpus,
		      void *ret_sum)
{
	size_t words = words_of(shape);
	struct bwctl_flow_counters *sum = ret_sum;
	uint64_t *rest = (uint64_t *)(void *)(sum + shape->rows);

	if (bpf_map_lookup_elem(fd, &entry, room))
		return -errno;
	memset(ret_sum, 0, shape->size);
	for (int cpu = 0; cpu < cpus; cpu++) {
		const struct bwctl_flow_counters *each =
			(const void *)(room + (size_t)cpu * shape->size);
		const uint64_t *each_rest = (const void *)(each + shape->rows);

		for (size_t row = 0; row < shape->rows; row++)
			counters_add(&sum[row], &each[row]);
		for (size_t word = 0; word < words; word++)
			rest[word] += each_rest[word];
	}
	return 0;
}

static int read_direction(int fd, const struct shape *shape, __u32 direction, void *ret_now,
			  struct bwctl_flow_counters *ret_total)
{
	struct bwctl_flow_counters *rows = ret_now, *base = malloc(shape->size);
	uint64_t *rest = (uint64_t *)(void *)(rows + shape->rows);
	int cpus, err;
	char *room = make_room(shape, &cpus);

	/* First what is subtracted: it is never more than what is counted later. */
	err = room && base ? read_entry(fd, shape, BWCTL_DIRECTIONS + direction, room, cpus, base) :
			     -ENOMEM;
	if (!err)
		err = read_entry(fd, shape, direction, room, cpus, ret_now);
	memset(ret_total, 0, sizeof(*ret_total));
	for (size_t row = 0; row < shape->rows && !err; row++) {
		if (row >= shape->first_class)
			counters_add(ret_total, &rows[row]);
		subtract(&rows[row], &base[row]);
	}
	for (size_t word = 0; word < words_of(shape) && !err; word++)
		rest[word] -= ((const uint64_t *)(const void *)(base + shape->rows))[word];
	free(room);
	free(base);
	return err;
}

int counters_read(int fd, struct counters ret_counters[BWCTL_DIRECTIONS])
{
	int err = 0;

	for (int direction = 0; direction < BWCTL_DIRECTIONS && !err; direction++)
		err = read_direction(fd, &shape_of_all, direction, &ret_counters[direction].now,
				     &ret_counters[direction].total);
	return err;
}

int counters_read_interface(int fd, struct counters_interface ret_counters[BWCTL_DIRECTIONS])
{
	int err = 0;

	for (int direction = 0; direction < BWCTL_DIRECTIONS && !err; direction++)
		err = read_direction(fd, &shape_of_one, direction, &ret_counters[direction].now,
				     &ret_counters[direction].total);
	return err;
}

/* The name of the flow that is counted there; empty when there is none. */
static const char *flow_name(const struct bwctl_asked *asked, uint32_t counter)
{
	for (uint32_t row = 0; row < asked->flow_count && row < BWCTL_FLOW_ROWS; row++)
		if (asked->flows[row].counter == counter)
			return asked->flows[row].name;
	return "";
}

static bool is_new(const char *previous, const char *next, bool vacant)
{
	return *next && strncmp(previous, next, BWCTL_NAME) && vacant == !*previous;
}

bool counters_newcomers(const struct bwctl_asked *previous, const struct bwctl_asked *next,
			bool vacant, struct counters_set *ret_set)
{
	bool any = false;

	memset(ret_set, 0, sizeof(*ret_set));
	for (int class = BWCTL_BUILTIN_CLASSES; class < BWCTL_CLASSES; class ++) {
		ret_set->class[class] =
			is_new(previous->classes[class].name, next->classes[class].name, vacant);
		any = any || ret_set->class[class];
	}
	for (uint32_t row = 0; row < next->flow_count && row < BWCTL_FLOW_ROWS; row++) {
		const struct bwctl_flow *flow = &next->flows[row];

		if (flow->counter >= BWCTL_FLOW_ROWS)
			continue;
		ret_set->flow[flow->counter] =
			is_new(flow_name(previous, flow->counter), flow->name, vacant);
		any = any || ret_set->flow[flow->counter];
	}
	return any;
}

static void begin_words(const struct shape *shape, const struct counters_set *set,
			struct bwctl_flow_counters *base, const struct bwctl_flow_counters *now)
{
	uint64_t *to = (uint64_t *)(void *)(base + shape->rows);
	const uint64_t *from = (const uint64_t *)(const void *)(now + shape->rows);

	for (size_t word = 0; word < BWCTL_CLASSES * shape->class_words; word++)
		if (set->class[word / shape->class_words])
			to[word] = from[word];
}

static int begin(int fd, const struct shape *shape, const struct counters_set *set)
{
	struct bwctl_flow_counters *now = malloc(shape->size), *base;
	int cpus, err = 0;
	char *room = make_room(shape, &cpus);

	if (!now || !room)
		err = -ENOMEM;
	for (__u32 direction = 0; direction < BWCTL_DIRECTIONS && !err; direction++) {
		__u32 entry = BWCTL_DIRECTIONS + direction;

		err = read_entry(fd, shape, direction, room, cpus, now);
		/* Of what is to be subtracted all is with the first CPU. */
		if (!err && bpf_map_lookup_elem(fd, &entry, room))
			err = -errno;
		base = (void *)room;
		for (size_t row = 0; row < shape->rows && !err; row++)
			if (row < shape->first_class ? set->flow[row] :
						       set->class[row - shape->first_class])
				base[row] = now[row];
		if (!err)
			begin_words(shape, set, base, now);
		if (!err && bpf_map_update_elem(fd, &entry, room, BPF_ANY))
			err = -errno;
	}
	free(now);
	free(room);
	return err;
}

int counters_begin(int fd, const struct counters_set *set)
{
	return begin(fd, &shape_of_all, set);
}

int counters_begin_interface(int fd, const struct counters_set *set)
{
	return begin(fd, &shape_of_one, set);
}
