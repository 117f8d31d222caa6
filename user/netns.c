// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Named network namespaces, as ip(8) keeps them.
 */
#include "netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NETNS_NAMES "/run/netns"

int netns_enter(const char *name, char why[LOG_TEXT])
{
	char path[512];
	int err = 0, fd;

	snprintf(path, sizeof(path), "%s%s", strchr(name, '/') ? "" : NETNS_NAMES "/", name);
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

/* Whether any entry of a directory, with suffix behind it, is the namespace. */
static bool is_below(const char *directory, const char *suffix, uint64_t inode)
{
	DIR *entries = opendir(directory);
	struct dirent *entry;
	struct stat found;
	bool seen = false;
	char path[512];

	if (!entries)
		return errno != ENOENT;
	while (!seen && (entry = readdir(entries))) {
		snprintf(path, sizeof(path), "%s/%s%s", directory, entry->d_name, suffix);
		if (!stat(path, &found))
			seen = found.st_ino == inode;
		else if (errno != ENOENT && errno != ENOTDIR && errno != ESRCH)
			seen = true;
	}
	closedir(entries);
	return seen;
}

bool netns_exists(uint64_t inode)
{
	return is_below("/proc", "/ns/net", inode) || is_below(NETNS_NAMES, "", inode);
}
