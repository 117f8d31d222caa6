/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Names to addresses: /etc/hosts and DNS, many at once, beside all else that the loop waits for.
 * The only user of c-ares.
 */
#ifndef REACH_NAME_H
#define REACH_NAME_H

#include <ev.h>
#include <stdint.h>

#include "log.h"
#include "reach_target.h"

/* As a server that is silent holds up each of them for the timeout, it is many. */
#define REACH_NAME_AT_ONCE 512

#define REACH_NAME_ADDRESSES 4 /* of a name, that are told */

struct reach_names;

/*
 * Called once for each reach_names_ask(), maybe before that returns: the addresses to try, in this order,
 * those to which there is a route, or if there is none the first; or 0 of them, and why.
 */
typedef void reach_name_answer(void *argument, const union reach_address addresses[], size_t count,
			       const char *why);

/* No answer takes much longer than the timeout. 0, or -errno and why. */
int reach_names_open(struct ev_loop *loop, uint64_t timeout_ns, struct reach_names **ret_names,
		     char why[LOG_TEXT]);

/* Those that are not answered yet get no answer any more. */
void reach_names_close(struct reach_names *names);

void reach_names_ask(struct reach_names *names, const char *name, reach_name_answer *answer,
		     void *argument);

#endif
