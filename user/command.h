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
#include "config.h"
#include "limiter.h"
#include "policy_file.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_MISUSE = 2,
};

struct options {
	int verbosity;	   /* how often -v was there */
	const char *netns; /* NULL: the one we are in */
	const char *pin_dir;
	enum bwctl_hook hook; /* of load; BWCTL_HOOK_NONE chooses */
	const char *config;   /* the policy file; empty: none */
	const char *output;   /* of metrics: a file, or NULL */
	bool json;
	bool all;	   /* of load: the interfaces that the policy file names, */
	bool present;	   /* those of them that are there, */
	bool again;	   /* those that are loaded */
	bool check;	   /* of apply: nothing but that */
	bool save;	   /* of set */
	bool clear;	   /* of run */
	char **command;	   /* of run: the words behind "--", or NULL */
	bool print_config; /* of show */
	bool reach;	   /* of check: the words are hosts, */
	const char *inventory; /* or a file has them, or NULL, */
	const char *jumphost; /* or it is about this one, or NULL */
	const char *timeout;  /* of check, as it was typed, or NULL */
	bool csv;
	const char *interval; /* of watch and flows, as it was typed, or NULL */
	const char *class;    /* of watch, the same */
};

int cmd_load(const struct options *options, int count, char *words[]);
int cmd_unload(const struct options *options, int count, char *words[]);
int cmd_set(const struct options *options, int count, char *words[]);
int cmd_apply(const struct options *options, int count, char *words[]);
int cmd_save(const struct options *options, int count, char *words[]);
int cmd_run(const struct options *options, int count, char *words[]);
int cmd_show(const struct options *options, int count, char *words[]);
int cmd_watch(const struct options *options, int count, char *words[]);
int cmd_check(const struct options *options, int count, char *words[]);
int cmd_metrics(const struct options *options, int count, char *words[]);
int cmd_flows(const struct options *options, int count, char *words[]);
int cmd_help(const struct options *options, int count, char *words[]);

/*
 * Becomes a program of ours that stands beside this one, as bwctl-watch does: what needs more
 * than bwctl itself. words begins with its name and ends with NULL. Returns only if that fails:
 * the exit code, and it has been said.
 */
int command_become(char *const words[]);

/* Says an error of a room below, with a hint where it is certain. The exit code. */
int command_failed(int err, const char *why);

/*
 * What set and apply have in common: puts a change in force, says what is in force
 * then, and if save is not NULL writes it to that policy file; of is the one that the
 * change comes from, or NULL. The exit code.
 */
int command_change(const struct options *options, const struct config_change *change,
		   const struct policy_file *of, const char *save);

/* A policy file that has been read, and what is to be written in its place. */
struct command_file {
	const char *path;
	char *text;
	struct policy_file *file; /* NULL: there is none yet */
	char *next;
	size_t next_length;
	bool differs; /* next from text */
};

enum command_need {
	COMMAND_WHOLE,	/* a policy */
	COMMAND_OLD,	/* what is to be changed: it may be missing, or empty */
	COMMAND_IF_ANY, /* a policy, or no file */
};

/*
 * Reads the policy file at path, "-" for standard input. The exit code; what is
 * wrong with it has been said. Release it with command_close_file(), whatever came
 * of it.
 */
int command_open_file(const char *path, enum command_need need, struct command_file *ret_file);
void command_close_file(struct command_file *file);

/*
 * Makes up what is to be written so that the file says what the policy was asked
 * for, and touches nothing; then writes it, if it differs. A new file gets the names
 * of these interfaces too. The exit code; errors are said.
 */
int command_prepare_file(struct command_file *file, const struct bwctl_policy *policy,
			 const struct limiter_interface *interfaces, size_t count);
int command_write_file(const struct command_file *file);

/* What came of it, on standard output. */
void command_print_saved(const struct command_file *file);

/* What "show --config" prints: what was asked for, in the form of a policy file. The exit code. */
int command_print_config(const struct bwctl_policy *policy,
			 const struct limiter_interface *interfaces, size_t count);

/*
 * A line on standard output with what somebody gave in it, such as the name of a file: nothing of
 * that gets onto a terminal which a terminal may obey.
 */
void command_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints and releases an object; NULL stands for one that could not be made. The exit code. */
int command_print_json(json_t *object);

/*
 * The lines of "set" and of "show" for one direction: what is in force, in bits
 * and in bytes, whether it paces or polices now, and if it polices, why (or empty).
 */
void command_print_limit(const struct bwctl_policy *policy, enum bwctl_direction direction,
			 enum bwctl_mode mode, const char *why);

/*
 * The lines of "set" and of "show" for classes of one direction that are not what one may
 * believe: exempt, which no limit covers, or with a reserve of no limit.
 */
void command_print_exceptions(const struct bwctl_policy *policy, enum bwctl_direction direction);

/*
 * The hint of "set", "apply" and "load" that flows are of an interface that is not among
 * these, those that are loaded.
 */
void command_hint_interfaces(const struct bwctl_asked *asked,
			     const struct limiter_interface *interfaces, size_t count);

/*
 * The hint of "set", "apply" and "load" that on one of these interfaces somebody's program
 * runs before ours.
 */
void command_hint_first(const struct limiter *limiter, const struct limiter_interface *interfaces,
			size_t count);

/*
 * The lines of "show" for runs that are in force, if there are any; the hint of "set" and
 * "apply" that there are; and that of "unload", which takes them along.
 */
void command_print_runs(const struct bwctl_policy *policy, const bool is_alive[BWCTL_RUNS]);
void command_hint_runs(struct limiter *limiter, const struct bwctl_policy *policy);
void command_hint_lost_runs(struct limiter *limiter);

#endif
