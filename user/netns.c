// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Named network namespaces, as ip(8) keeps them.
 */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int netns_enter(const char *name, char why[LOG_TEXT])
{
	char path[512];
	int err = 0, fd;

	snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : "/run/netns/", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
		if (err == -ENOENT)
			snprintf(why, LOG_TEXT, "no network namespace '%s' (ip netns lists them)",
				 name);
		else
			snprintf(why, LOG_TEXT, "cannot open network namespace '%s': %s", name,
				 strerror(-err));
		return err;
	}
	if (setns(fd, CLONE_NEWNET)) {
		err = -errno;
		snprintf(why, LOG_TEXT, "cannot enter network namespace '%s': %s", name,
			 strerror(-err));
	}
	close(fd);
	return err;
}
