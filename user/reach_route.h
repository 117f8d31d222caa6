/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the kernel knows of the way to an address: routes and neighbours, by rtnetlink. Changes
 * nothing.
 */
#ifndef REACH_ROUTE_H
#define REACH_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "reach_target.h"

struct reach_routes;

/* NULL if that cannot be had: then nothing is known. */
struct reach_routes *reach_routes_open(void);
void reach_routes_close(struct reach_routes *routes);

/* The interface that packets to there leave by, 0 if none. */
uint32_t reach_route_interface(struct reach_routes *routes, const union reach_address *address);

/*
 * Whether the next hop on the way there, or the host itself on the same link, does not answer
 * ARP or neighbour discovery. The kernel says so by ICMP, but to a few at a time.
 */
bool reach_route_has_failed(struct reach_routes *routes, const union reach_address *address);

#endif
