/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The flow table: the rows as data, and the groups that the programs look
 * packets up by. Pure.
 */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H

#include <stdint.h>

#include "bwctl.h"
#include "units.h"

/*
 * The listed flows, as the appliance has them, in their order: flow number n, or
 * NULL after the last. There are at most BWCTL_LISTED_MAX.
 */
const struct bwctl_flow *flow_table_listed(uint32_t n);

/* Asks for the listed flows and no others. */
void flow_table_default(struct bwctl_asked *asked);

/*
 * Works out what the programs look packets up by. slots are the names of the
 * interfaces that are loaded, each at its number (bwctl_interface.slot), empty
 * where there is none. Returns 0, or -E2BIG when the rows tell more groups apart
 * than the programs have room for.
 */
int flow_table_build(const struct bwctl_asked *asked, const char (*slots)[BWCTL_NAME], uint32_t count,
		     struct bwctl_flow_table *ret_table);

/*
 * What a row looks like on the wire, "TCP >1024 -> 443", source before
 * destination, in one direction; rows are those of asked, BWCTL_FLOW_OTHER and
 * BWCTL_FLOW_CONTROL. Writes into text and returns it.
 */
const char *flow_table_format(const struct bwctl_asked *asked, uint32_t row,
			      enum bwctl_direction direction, char text[UNITS_TEXT]);

#endif
