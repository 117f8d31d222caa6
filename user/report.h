/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The state of a limiter at one moment, and its JSON: what show, flows and set
 * say, for people and for programs, is taken from here.
 */
#ifndef REPORT_H
#define REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bwctl.h"
#include "limiter.h"

struct report {
	struct bwctl_policy policy; /* all zero when nothing is loaded */
	struct counters counters[BWCTL_DIRECTIONS];
	struct limiter_interface *interfaces;
	struct counters_interface (*interface_counters)[BWCTL_DIRECTIONS]; /* of each of them, */
	struct first (*first)[BWCTL_DIRECTIONS]; /* and who comes before ours there */
	size_t interface_count;
	bool run_is_alive[BWCTL_RUNS];	   /* by place in policy.runs: its bwctl lives */
	bool knows_who_lives;		   /* or nobody could ask: LIMITER_LOOK */
	bool lost_queue[BWCTL_DIRECTIONS]; /* what held packets is gone: policed until it is back */
	uint64_t at_limit_ns[BWCTL_DIRECTIONS]; /* for how long packets were refused or had to wait */
	uint64_t backlog_ns[BWCTL_DIRECTIONS]; /* how far ahead of now the clock is */
	uint64_t counted_ns; /* CLOCK_MONOTONIC when the counters were read; 0: there are none */
	uint32_t begin_id;   /* limiter_begin() */
	uint64_t over_ns;    /* over which time flows were counted; 0: that is not known */
	bool is_growth;	     /* between two looks, see report_since(); else since it was loaded */
};

/*
 * Reads the limiter in pin_dir; one that does not exist is an empty report. access is
 * LIMITER_READ, or LIMITER_LOOK: then nobody is said to be alive. Free with report_free().
 * 0, or -errno and why.
 */
int report_read(const char *pin_dir, enum limiter_access access, struct report **ret_report,
		char why[LOG_TEXT]);
void report_free(struct report *report);

/* Whether there is a limiter at all. */
bool report_is_loaded(const struct report *report);

/* Whether there is such a class. */
bool report_has_class(const struct report *report, uint32_t class);

/*
 * What one direction does with packets over the limit, now: BWCTL_MODE_PACE, or
 * BWCTL_MODE_POLICE and why it does not pace, empty if that was asked for. Where it
 * paces and the next policy will not, ret_why is why, otherwise empty. Where nothing
 * is done about them (report_observes()), it is what would be.
 */
enum bwctl_mode report_mode(const struct report *report, enum bwctl_direction direction,
			    char ret_why[LOG_TEXT]);

/* Whether packets over the limit are only counted. */
bool report_observes(const struct report *report);

/* The interface that other programs use; docs/bwctl.8 describes it. NULL when out of memory. */
json_t *report_json(const struct report *report);
json_t *report_flows_json(const struct report *report);

/* The rows of the flow table that there are: the first from row on, BWCTL_FLOWS behind the last. */
uint32_t report_next_row(const struct report *report, uint32_t row);

/* In which directions packets of a row passed. */
enum report_seen {
	REPORT_NEVER,
	REPORT_INGRESS = 1 << BWCTL_INGRESS,
	REPORT_EGRESS = 1 << BWCTL_EGRESS,
	REPORT_BOTH = REPORT_INGRESS | REPORT_EGRESS,
	REPORT_DROPPED /* in a direction all that came by were dropped: of answers nothing is known */
};
enum report_seen report_flow_seen(const struct report *report, uint32_t row);

/* How many packets of a row were dropped in a direction, and how many passed. */
uint64_t report_flow_dropped(const struct report *report, uint32_t row,
			     enum bwctl_direction direction, uint64_t *ret_passed);

/* How many packets of a row there were in a direction that were dropped, all of them; else 0. */
uint64_t report_flow_lost(const struct report *report, uint32_t row,
			  enum bwctl_direction direction);

/*
 * Leaves of what was counted of flows only what was not in an earlier report. -ESTALE and why if that
 * is of counters that are no more.
 */
int report_since(struct report *report, const struct report *earlier, char why[LOG_TEXT]);

/* NULL for those that are always there. */
const char *report_flow_name(const struct report *report, uint32_t row);

/* The name of an interface, which may be any bytes, for a terminal. Returns text. */
#define REPORT_NAME 32
const char *report_name(const char *name, char text[REPORT_NAME]);

const char *report_hook_name(enum bwctl_hook hook);

#endif
