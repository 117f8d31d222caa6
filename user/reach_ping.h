/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * ICMP and ICMPv6 echoes to many hosts by one socket each. Knows hosts by a number and an
 * address.
 */
#ifndef REACH_PING_H
#define REACH_PING_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "reach_host.h"

struct reach_ping;

/*
 * There is an answer of this address to what was sent to host number, or maybe to another
 * whose number has the same lower 16 bits: the address tells. error is REACH_OPEN for an echo,
 * and try says of which one; else what an ICMP error means.
 */
typedef void reach_ping_answer(void *argument, uint32_t number, const union reach_address *address,
			       enum reach_result result, uint8_t try);

/*
 * Opens what may be opened: raw sockets, or those for echoes alone that net.ipv4.ping_group_range
 * allows. 0, or -ENOMEM.
 */
int reach_ping_open(struct ev_loop *loop, reach_ping_answer *answer, void *argument,
		    struct reach_ping **ret_ping);
void reach_ping_close(struct reach_ping *ping);

/* Whether echoes can be sent to addresses of this family. */
bool reach_ping_can(const struct reach_ping *ping, int family);

/*
 * Sends one. 0; -ENOBUFS when there is no room for it now, or the limiter refused it; or what else the
 * kernel says at once.
 */
int reach_ping_send(struct reach_ping *ping, uint32_t number, uint8_t try,
		    const union reach_address *address);

/* Looks for answers now, before the loop comes to it: those that are there are told. */
void reach_ping_read(struct reach_ping *ping, int family);

/* Of Internet headers, RFC 1071. */
uint16_t reach_ping_checksum(const void *data, size_t length);

#endif
