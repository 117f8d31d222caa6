// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Standard input, output and error.
 */
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void streams_hold(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		/* The lowest number that is free. The wrong way round: an attempt still fails (EBADF). */
		if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			return;
	}
}
