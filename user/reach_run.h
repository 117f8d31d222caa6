/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Tries many hosts at once: names, connections and echoes in one event loop. What is sent
 * when is here; it does not know what is printed.
 */
#ifndef REACH_RUN_H
#define REACH_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "reach_flow.h"
#include "reach_host.h"

#define REACH_RUN_SOCKETS 4096 /* at once, if there may be so many */

struct reach_run {
	/* what is given */
	struct reach_host *hosts;
	size_t count;
	const struct reach_flows *flows;
	uint64_t timeout_ns; /* of each try */
	/* Called a few times in a second, if it is not NULL. */
	void (*progress)(size_t done, size_t count, uint64_t elapsed_ns);

	/* what came of it */
	size_t done;		     /* hosts of which all is known */
	int signal;		     /* that ended it before, or 0 */
	bool has_no_echo;	     /* it may not send one to some of them */
	bool has_no_room;	     /* descriptors or ports were short: it took longer */
	bool classes[BWCTL_CLASSES]; /* to which packets were sent */
	uint64_t elapsed_ns;
};

/* Returns when all hosts are known, or at SIGINT, SIGTERM or SIGHUP. 0, or -errno and why. */
int reach_run(struct reach_run *run, char why[LOG_TEXT]);

#endif
