// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl watch: becomes bwctl-watch, which has ncurses.
 */
#include "command.h"

int cmd_watch(const struct options *options, int count, char *words[])
{
	char *const program[] = {"bwctl-watch", NULL};

	(void)options;
	(void)count;
	(void)words;
	return command_become(program);
}
