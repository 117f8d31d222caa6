/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the limiter makes of the packets to a host: their flow, their class, and what limits
 * there are. Only looks on.
 */
#ifndef REACH_FLOW_H
#define REACH_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"
#include "reach_host.h"
#include "reach_pace.h"

struct reach_flows;

/*
 * Takes the flow table that is in force in pin_dir; or where nothing is loaded, or it could not be
 * read, that of the listed flows. 0, or -ENOMEM. Close with reach_flows_close().
 */
int reach_flows_open(const char *pin_dir, struct reach_flows **ret_flows);
void reach_flows_close(struct reach_flows *flows);

/* Sets row and class of all that is tried at a host, and which echo it is, by its address. */
void reach_flows_find(const struct reach_flows *flows, struct reach_host *host);

/* 0; or -errno and why it could not be read: something may be loaded, and there may be a limit. */
int reach_flows_error(const struct reach_flows *flows, const char **ret_why);

/* NULL for what no flow matches. */
const char *reach_flows_name(const struct reach_flows *flows, uint32_t row);
const char *reach_flows_class(const struct reach_flows *flows, uint32_t class);

/*
 * The tighter limit of both directions, of all and of each class: none where it only observes; and a
 * cautious pace where it is not known.
 */
void reach_flows_limits(const struct reach_flows *flows, struct reach_pace *ret_pace);

/*
 * How many packets of these classes the limiter has dropped since reach_flows_open(); names of the classes
 * that lost some go to ret_classes ("ssh, api"). False if that is not known.
 */
bool reach_flows_dropped(const struct reach_flows *flows, const bool classes[BWCTL_CLASSES],
			 uint64_t *ret_packets, char ret_classes[LOG_TEXT]);

#endif
