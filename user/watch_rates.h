/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * From two reports and their times to what went on in between, and what there was before:
 * rates, drops and waits, and a history of them. Pure: no kernel, no clock, no output.
 */
#ifndef WATCH_RATES_H
#define WATCH_RATES_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "bwctl.h"
#include "log.h"
#include "report.h"

/* For this part of an interval and more, it is one that was at the limit. */
#define WATCH_IS_AT_LIMIT 0.5

/* Of a class or of all of them, in one direction and one interval. */
struct watch_rates_figures {
	uint64_t rate_bits_s;
	double lost_s;	  /* packets dropped per second; observing, those that would have been */
	uint64_t wait_ns; /* the mean of those that waited, or would have; 0: none did */
};

struct watch_rates_class {
	char name[BWCTL_NAME]; /* empty: there is no such class */
	bool is_exempt;
	bool was_counted; /* packets of it came by at some time */
	uint64_t seen_ns; /* the last time while we looked; 0: not yet */
	struct watch_rates_figures figures;
};

/* A limit, of all or of a class. 0: none. */
struct watch_rates_limit {
	uint64_t bits_s;       /* in force */
	uint64_t asked_bits_s; /* what was set */
	uint64_t run_id;       /* of the run that holds it lower than that, or 0 */
};

struct watch_rates_direction {
	enum bwctl_mode mode; /* report_mode(), and why */
	char why[LOG_TEXT];
	/* What the bar is about: the class that was chosen if it has a limit of its own, else all. */
	bool is_own;
	bool counts_only; /* there is no limit at all, not even of a class */
	struct watch_rates_limit limit;
	struct watch_rates_limit step; /* what a step would change, see watch_rates_steps() */
	uint64_t window_ns, bound_bytes;
	struct watch_rates_figures
		figures;   /* of the class that was chosen, or of all that is metered */
	double at_limit;   /* the part of the interval in which all were at the limit */
	uint64_t queue_ns; /* how long the limit is spoken for */
	struct watch_rates_class classes[BWCTL_CLASSES];
};

struct watch_rates {
	bool is_loaded;
	bool is_measured; /* there is an interval: without, only what is in force */
	bool has_class;	  /* the class that was chosen is there; true when none was */
	bool observes;
	bool steps_class; /* a step is one of the chosen class's own limit, not that of all */
	uint64_t now_ns;  /* CLOCK_MONOTONIC */
	uint64_t interval_ns;
	struct timespec at; /* the same moment as people say it */
	char interfaces[LOG_TEXT];
	struct watch_rates_direction direction[BWCTL_DIRECTIONS];
};

/*
 * Updates rates by a report of the moment now_ns, and the one of interval_ns before (NULL: there
 * is none yet). class is the one that was chosen, or NULL. Counters that are smaller than they were
 * began again in between: they are then what was counted since.
 *
 * Where packets wait they are counted when they are let in. What waits by the limit of all is not
 * part of the rate until it leaves: else a queue that builds up would look like a breach.
 */
void watch_rates_update(struct watch_rates *rates, const struct report *before,
			uint64_t interval_ns, const struct report *now, uint64_t now_ns,
			const char *class);

/*
 * The limits of each direction that a step changes: those that were set for the class if there are
 * any, else those of all. Returns whether they are the class's. class may be NULL.
 */
bool watch_rates_steps(const struct report *report, const char *class,
		       struct watch_rates_limit ret_limits[BWCTL_DIRECTIONS]);

/* The next limit up or down, by steps of 1, 2 and 5; the same when there is none within what bwctl takes. */
uint64_t watch_rates_step(uint64_t limit_bits_s, bool up);

/* One interval of the past. */
struct watch_rates_sample {
	bool is_there; /* something was loaded and measured */
	bool at_limit; /* for WATCH_IS_AT_LIMIT of the time at least */
	uint64_t rate_bits_s, limit_bits_s;
};

#define WATCH_RATES_SAMPLES 2048

struct watch_rates_history {
	uint64_t count; /* of all that were ever added */
	struct watch_rates_sample samples[BWCTL_DIRECTIONS][WATCH_RATES_SAMPLES];
};

void watch_rates_remember(struct watch_rates_history *history, const struct watch_rates *rates);

/* The sample that is back intervals before the last one when there were count of them. Never NULL. */
const struct watch_rates_sample *watch_rates_recall(const struct watch_rates_history *history,
						    enum bwctl_direction direction, uint64_t count,
						    uint64_t back);

/*
 * What the top of a plot stands for, that is rows high and width intervals wide: so much that
 * the highest limit in it is one row below the top, or a round number above the highest rate.
 */
uint64_t watch_rates_top(const struct watch_rates_history *history, enum bwctl_direction direction,
			 uint64_t count, uint64_t width, unsigned int rows);

#endif
