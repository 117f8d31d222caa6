/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a command is: a row of the table in main.c, and a function in a cmd_
 * file that gets the words after its name and returns the exit code. Usage,
 * help, and the check that the manual names every command come from the table.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <jansson.h>
#include <stdbool.h>

#include "bwctl.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_MISUSE = 2,
};

struct options {
	const char *netns; /* NULL: the one we are in */
	const char *pin_dir;
	enum bwctl_hook hook; /* of load; BWCTL_HOOK_NONE chooses */
	bool json;
};

int cmd_load(const struct options *options, int count, char *words[]);
int cmd_unload(const struct options *options, int count, char *words[]);
int cmd_set(const struct options *options, int count, char *words[]);
int cmd_show(const struct options *options, int count, char *words[]);
int cmd_flows(const struct options *options, int count, char *words[]);
int cmd_help(const struct options *options, int count, char *words[]);

/* Says an error of a room below, with a hint where it is certain. The exit code. */
int command_failed(int err, const char *why);

/* Prints and releases an object; NULL stands for one that could not be made. The exit code. */
int command_print_json(json_t *object);

/*
 * The lines of "set" and of "show" for one direction: what is in force, in bits
 * and in bytes, whether it paces or polices now, and if it polices, why (or empty).
 */
void command_print_limit(const struct bwctl_policy *policy, enum bwctl_direction direction,
			 enum bwctl_mode mode, const char *why);

#endif
