/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The counters as the maps have them: sums over CPUs, and what is subtracted
 * of a number that belonged to somebody else before. Knows the maps by file
 * descriptor alone. User space never writes what the programs count: they
 * would lose what they count meanwhile.
 */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdbool.h>

#include "bwctl.h"

/* One direction, as it is shown. */
struct counters {
	struct bwctl_counters now;	  /* each class and flow since its name got its number */
	struct bwctl_flow_counters total; /* of all classes, also those that are no more */
};

struct counters_interface {
	struct bwctl_interface_counters now; /* each class since its name got its number */
	struct bwctl_flow_counters total;
};

/* Adds up counters of rows, or of CPUs. */
void counters_add(struct bwctl_flow_counters *sum, const struct bwctl_flow_counters *counters);

/*
 * Takes away what an earlier look had. A flow that was made anew in between began at zero: of it all
 * there is counts, where that is less than before. The longest wait stays.
 */
void counters_subtract(struct bwctl_flow_counters *counters,
		       const struct bwctl_flow_counters *earlier);

/* What there is of each direction in a map of all interfaces, or of one. 0 or -errno. */
int counters_read(int fd, struct counters ret_counters[BWCTL_DIRECTIONS]);
int counters_read_interface(int fd, struct counters_interface ret_counters[BWCTL_DIRECTIONS]);

/* Classes by number, and flows by bwctl_flow.counter. */
struct counters_set {
	bool class[BWCTL_CLASSES];
	bool flow[BWCTL_FLOWS];
};

/*
 * Whose number is new to them: names that next has and previous had not there. If
 * vacant, of the numbers that nobody had in previous, else of those that somebody
 * else had. Returns whether there are any.
 */
bool counters_newcomers(const struct bwctl_asked *previous, const struct bwctl_asked *next,
			bool vacant, struct counters_set *ret_set);

/*
 * What these have counted so far is not theirs: they begin at zero. The map is
 * one of all interfaces, or of one, whose flows are not told apart. 0 or -errno.
 */
int counters_begin(int fd, const struct counters_set *set);
int counters_begin_interface(int fd, const struct counters_set *set);

#endif
