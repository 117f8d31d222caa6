/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A command that is run and waited for, and what becomes of signals meanwhile. Knows
 * nothing of limits, and prints nothing.
 */
#ifndef SPAWN_H
#define SPAWN_H

#include <signal.h>

#include "log.h"

#define SPAWN_CANNOT  126 /* it is there and cannot be run */
#define SPAWN_MISSING 127
#define SPAWN_SIGNAL  128 /* and the number of the signal that ended it */

/* How signals were before spawn_guard(). */
struct spawn {
	sigset_t mask;
	struct sigaction child;
};

/*
 * From here on no signal ends this process but SIGKILL; they wait for spawn_command().
 * Those that stop it and let it go on do so still.
 */
void spawn_guard(struct spawn *ret_spawn);

/*
 * Runs a command, found through PATH, with signals as they were and with the files of
 * this process that are not closed on exec, and waits for its end. Signals that would
 * end this process are passed on to it, except those that a terminal sends to both (INT,
 * QUIT). One that came before is answered instead, and nothing is run. The exit code, or
 * 128 + the signal that ended it; SPAWN_MISSING or SPAWN_CANNOT and why when it could not be
 * run, else why is empty.
 */
int spawn_command(const struct spawn *spawn, char *const words[], char why[LOG_TEXT]);

#endif
