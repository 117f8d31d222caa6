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

#include "bwctl.h"
#include "limiter.h"

struct report {
	struct bwctl_policy policy; /* all zero when nothing is loaded */
	struct bwctl_counters counters[BWCTL_DIRECTIONS];
	struct limiter_interface *interfaces;
	size_t interface_count;
	bool run_is_alive[BWCTL_RUNS]; /* by place in policy.runs: its bwctl lives */
	bool lost_queue[BWCTL_DIRECTIONS]; /* what held packets is gone: policed until it is back */
};

/*
 * Reads the limiter in pin_dir; one that does not exist is an empty report.
 * Free with report_free(). 0, or -errno and why.
 */
int report_read(const char *pin_dir, struct report **ret_report, char why[LOG_TEXT]);
void report_free(struct report *report);

/* Whether there is a limiter at all. */
bool report_is_loaded(const struct report *report);

/* Sums over the rows of a class, in one direction. */
struct bwctl_flow_counters report_class(const struct report *report, enum bwctl_direction direction,
					enum bwctl_class class);
struct bwctl_flow_counters report_total(const struct report *report,
					enum bwctl_direction direction);

/*
 * What one direction does with packets over the limit, now: BWCTL_MODE_PACE, or
 * BWCTL_MODE_POLICE and why it does not pace, empty if that was asked for. Where it
 * paces and the next policy will not, ret_why is why, otherwise empty.
 */
enum bwctl_mode report_mode(const struct report *report, enum bwctl_direction direction,
			    char ret_why[LOG_TEXT]);

/* The interface that other programs use; docs/bwctl.8 describes it. NULL when out of memory. */
json_t *report_json(const struct report *report);
json_t *report_flows_json(const struct report *report);

const char *report_hook_name(enum bwctl_hook hook);

#endif
