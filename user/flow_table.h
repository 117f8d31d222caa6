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

/* The listed flows, as the appliance has them, in their order. Rows only: build them next. */
void flow_table_default(struct bwctl_flow_table *table);

/*
 * Works out groups and combinations from the rows; the rows themselves stay.
 * Returns 0, or -E2BIG when the rows tell more groups of ports or protocols
 * apart than the programs have room for.
 */
int flow_table_build(struct bwctl_flow_table *table);

/*
 * What a row looks like on the wire, "TCP >1024 -> 443", source before
 * destination, in one direction. Writes into text and returns it.
 */
const char *flow_table_format(const struct bwctl_flow_table *table, uint32_t row,
			      enum bwctl_direction direction, char text[UNITS_TEXT]);

#endif
