/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Another limit, by "bwctl set" as a child: what watch itself may do is look. Nobody is kept
 * waiting; the end of the child is a SIGCHLD.
 */
#ifndef WATCH_CHANGE_H
#define WATCH_CHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bwctl.h"
#include "log.h"

struct watch_change {
	const char *bwctl, *pin_dir, *config;
	char class[BWCTL_NAME];			 /* whose limit it is; empty: that of all */
	uint64_t limit_bits_s[BWCTL_DIRECTIONS]; /* to be set; 0: stays as it is */
	pid_t pid;				 /* of the child; 0: there is none */
	int errors_fd;
};

/* Starts it. 0, or -errno and why. */
int watch_change_start(struct watch_change *change, char why[LOG_TEXT]);

/*
 * Whether it has ended. Then text is what it said on standard error, as one line and without
 * its name, or empty, and *ret_done whether it succeeded.
 */
bool watch_change_ended(struct watch_change *change, bool *ret_done, char text[LOG_TEXT]);

#endif
