// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl watch: becomes bwctl-watch, which has ncurses.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

int cmd_watch(const struct options *options, int count, char *words[])
{
	char own[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	/* In two words each, so that a value may begin with a hyphen. */
	const char *program[13] = {"bwctl-watch",  "--bwctl",	     own,
				   "--pin-dir",	   options->pin_dir, "--config",
				   options->config};
	size_t used = 7;

	(void)count;
	(void)words;
	if (length < 0)
		return command_failed(-errno, strerror(errno));
	own[length] = '\0';
	if (options->interval) {
		program[used++] = "--interval";
		program[used++] = options->interval;
	}
	if (options->class) {
		program[used++] = "--class";
		program[used++] = options->class;
	}
	if (options->json)
		program[used++] = "--json";
	return command_become((char *const *)program);
}
