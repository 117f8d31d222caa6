/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * When the next host may be tried, so that this needs half of a limit at most: a clock for all
 * and one for each class. Pure; times are in nanoseconds of one clock.
 */
#ifndef REACH_PACE_H
#define REACH_PACE_H

#include <stdint.h>

#include "bwctl.h"
#include "reach_host.h"

/*
 * What a connection needs on the wire at most, in one direction: SYN, ACK, FIN and the last ACK, and of
 * the other side a banner; and an echo.
 */
#define REACH_PACE_TCP_BYTES  450
#define REACH_PACE_ECHO_BYTES 62

/* And a name by DNS: two questions, and their answers if they are long. */
#define REACH_PACE_NAME_BYTES 800

/* Without a limit, hosts in a second: a device on the way, and a firewall, should notice little of it. */
#define REACH_PACE_HOSTS_S 1000

/* Where there may be a limit that is not known. */
#define REACH_PACE_CAUTIOUS_S 50

struct reach_pace {
	uint64_t hosts_s;    /* in a second, and as many names; 0: REACH_PACE_HOSTS_S */
	uint64_t all_bits_s; /* the limit of all, 0: none */
	uint64_t class_bits_s[BWCTL_CLASSES]; /* of each class, 0: none */
	uint64_t hosts_ns;		      /* until when each is spoken for */
	uint64_t names_ns;
	uint64_t all_ns;
	uint64_t class_ns[BWCTL_CLASSES];
};

/* When it may be tried: not before now. */
uint64_t reach_pace_due(const struct reach_pace *pace, const struct reach_host *host,
			uint64_t now_ns);

/* It is tried now. */
void reach_pace_take(struct reach_pace *pace, const struct reach_host *host, uint64_t now_ns);

/* The same for a name that is asked for: its packets are of the class other. */
uint64_t reach_pace_name_due(const struct reach_pace *pace, uint64_t now_ns);
void reach_pace_name_take(struct reach_pace *pace, uint64_t now_ns);

#endif
