/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The flow table: the rows as data, and the sets of rows that the programs look
 * packets up by. Pure.
 */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H

#include <stdint.h>

#include "bwctl.h"

/*
 * The listed flows, as the appliance has them, in their order: flow number n, or
 * NULL after the last. There are at most BWCTL_LISTED_MAX.
 */
const struct bwctl_flow *flow_table_listed(uint32_t n);

/* Asks for the listed flows and no others. */
void flow_table_default(struct bwctl_asked *asked);

/* Room for the longest row: eight ranges on either side, an IPv6 prefix and an interface. */
#define FLOW_TABLE_TEXT 320

/*
 * Works out what the programs look packets up by: the first row of
 * asked->flows, in their order, that fits in all of its dimensions.
 *
 * - Protocol: that of the transport header, 0 where it cannot be told. A row of any
 *   protocol fits all IP, but not what is BWCTL_FLOW_CONTROL.
 * - Ports, local and remote: a row without ranges fits any port, and no port. A row
 *   with ranges, be it 0-65535, fits only a packet that has ports, and whose ports
 *   could be read: TCP, UDP, UDP-Lite, SCTP and DCCP have them, at the
 *   beginning of their header; ICMP, GRE, a truncated header do not. Port 0 is a
 *   port like any other.
 * - Prefix: of the remote address in the IP header. Bits behind prefix_bits do
 *   not matter. A row with a prefix, be it 0.0.0.0/0, fits only packets of its
 *   version, and none whose address cannot be read.
 * - Interface: by the name it has in slots, those of the interfaces that are loaded,
 *   each at its number (bwctl_interface.slot), empty where there is none. slots may be
 *   NULL if count is 0. A row whose interface is not there fits nothing.
 *
 * Later fragments have no ports. They are not looked up, they take the row of
 * their datagram's first, or BWCTL_FLOW_OTHER where that was not seen.
 *
 * Every legal policy fits. Takes a millisecond or two for 256 rows. Returns 0, or -EINVAL
 * when a row is not legal: a class, a counter, a prefix or ranges out of their bounds.
 */
int flow_table_build(const struct bwctl_asked *asked, const char (*slots)[BWCTL_NAME],
		     uint32_t count, struct bwctl_flow_table *ret_table);

/*
 * What a row looks like on the wire, source before destination, in one direction:
 * "TCP 10.1.0.0/16 >1024 -> 443 on eth0", or "ICMP from 10.1.0.0/16". Rows are
 * those of asked, BWCTL_FLOW_OTHER and BWCTL_FLOW_CONTROL. Writes into text and
 * returns it.
 */
const char *flow_table_format(const struct bwctl_asked *asked, uint32_t row,
			      enum bwctl_direction direction, char text[FLOW_TABLE_TEXT]);

#endif
