/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A command that is run and waited for, and what becomes of signals meanwhile. Knows
 * nothing of limits, and prints nothing.
 */
#ifndef CHILD_H
#define CHILD_H

#include <signal.h>

#include "log.h"

#define CHILD_CANNOT  126 /* it is there and cannot be run */
#define CHILD_MISSING 127
#define CHILD_SIGNAL  128 /* and the number of the signal that ended it */

/* How signals were before child_guard(). */
struct child_signals {
	sigset_t mask;
	struct sigaction end_of_child;
};

/*
 * From here on no signal ends this process but SIGKILL; they wait for child_command().
 * Those that stop it and let it go on do so still.
 */
void child_guard(struct child_signals *ret_before);

/*
 * Runs a command, found through PATH, with signals as they were and with the files of
 * this process that are not closed on exec, and waits for its end. Signals that would
 * end this process are passed on to it, except those that a terminal sends to both (INT,
 * QUIT). One that came before is answered instead, and nothing is run. The exit code, or
 * 128 + the signal that ended it; CHILD_MISSING or CHILD_CANNOT and why when it could not be
 * run, else why is empty.
 */
int child_command(const struct child_signals *before, char *const words[], char why[LOG_TEXT]);

#endif
