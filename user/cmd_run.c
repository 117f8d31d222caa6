// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl run: a tighter limit for as long as a command runs.
 *
 * A run is a part of the policy in force. It is put in before the command starts and
 * taken out after its end; in between nothing is locked but the token that says that
 * this bwctl lives. If it does not, the run stays until "run --clear".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "child.h"
#include "command.h"
#include "enforce.h"
#include "limiter.h"
#include "policy.h"
#include "room.h"
#include "runs.h"
#include "terminal.h"
#include "why.h"

/* ---- what other commands say of runs ---- */

void command_print_runs(const struct bwctl_policy *policy, const bool is_alive[BWCTL_RUNS])
{
	char text[LOG_TEXT];

	for (int i = 0; i < BWCTL_RUNS; i++) {
		const struct bwctl_run *run = &policy->runs[i];

		if (run->id)
			terminal_say("run %llu: %s, for \"%s\"%s\n", (unsigned long long)run->id,
				     runs_format(policy, run, text), run->command,
				     is_alive[i] ? "" : " (its bwctl is gone: bwctl run --clear)");
	}
}

void command_hint_runs(struct limiter *limiter, const struct bwctl_policy *policy)
{
	size_t count = runs_count(policy), gone = count;
	bool is_alive[BWCTL_RUNS];

	if (!count)
		return;
	limiter_runs(limiter, policy, is_alive);
	for (int i = 0; i < BWCTL_RUNS; i++)
		gone -= is_alive[i];
	log_hint("%zu run%s in force too, and of all limits the tightest holds: bwctl show%s",
		 count, count == 1 ? " is" : "s are",
		 gone ? "; bwctl run --clear ends those whose bwctl is gone" : "");
}

void command_hint_lost_runs(struct limiter *limiter)
{
	struct bwctl_policy *policy = malloc(sizeof(*policy));
	char ignored[LOG_TEXT];
	bool is_alive[BWCTL_RUNS];

	if (policy && !limiter_policy(limiter, policy, ignored)) {
		limiter_runs(limiter, policy, is_alive);
		for (int i = 0; i < BWCTL_RUNS; i++)
			if (is_alive[i])
				log_hint("run %llu goes too, and \"%s\" goes on without a limit",
					 (unsigned long long)policy->runs[i].id,
					 policy->runs[i].command);
	}
	free(policy);
}

/* ---- begin and end ---- */

struct run {
	uint64_t id;
	int token_fd;		     /* -1: none */
	struct child_signals before; /* as they are to be for the command */
};

/* Room for a policy and the one after it, which are too large for the stack. */
struct change {
	struct bwctl_policy *previous, *next;
};

static int change_open(struct change *change, char why[LOG_TEXT])
{
	change->previous = malloc(sizeof(*change->previous));
	change->next = malloc(sizeof(*change->next));
	return change->previous && change->next ? 0 : why_refuse(why, -ENOMEM, "out of memory");
}

static void change_close(struct change *change)
{
	free(change->previous);
	free(change->next);
}

static int require_interfaces(struct limiter *limiter, char why[LOG_TEXT])
{
	struct limiter_interface *interfaces = NULL;
	size_t loaded = 0;
	int err = limiter_interfaces(limiter, &interfaces, &loaded, why);

	if (!err)
		command_hint_first(limiter, interfaces, loaded);
	free(interfaces);
	return err || loaded ? err : why_refuse(why, -ENOENT, "nothing is loaded");
}

static int refuse_another(struct limiter *limiter, const struct bwctl_policy *policy,
			  char why[LOG_TEXT])
{
	bool is_alive[BWCTL_RUNS];

	limiter_runs(limiter, policy, is_alive);
	for (int i = 0; i < BWCTL_RUNS; i++)
		if (!is_alive[i])
			return why_refuse(
				why, -ENOSPC,
				"%d runs are in force already; bwctl run --clear ends those whose bwctl is gone",
				BWCTL_RUNS);
	return why_refuse(why, -ENOSPC, "%d runs are in force already, there can be no more",
			  BWCTL_RUNS);
}

/* Takes a run out of the policy in force. -ENOENT when it is not in there. */
static int take_out(struct limiter *limiter, struct change *change, uint64_t id, char why[LOG_TEXT])
{
	int err = limiter_policy(limiter, change->previous, why);

	if (!err && !runs_find(change->previous, id))
		err = why_refuse(why, -ENOENT, "there is no run %llu", (unsigned long long)id);
	if (err)
		return err;
	*change->next = *change->previous;
	runs_remove(change->next, id);
	return enforce(limiter, change->previous, change->next, NULL, 0, why);
}

/* Puts the run in force. Signals wait from here on, unless it fails. */
static int begin(const struct options *options, const struct runs_words *words, struct run *run,
		 char why[LOG_TEXT])
{
	struct limiter *limiter = NULL;
	struct change change;
	struct bwctl_run entry;
	char ignored[LOG_TEXT];
	int err = change_open(&change, why), undone;

	if (!err)
		err = limiter_open(&limiter, options->pin_dir, LIMITER_CHANGE, why);
	if (!err)
		err = require_interfaces(limiter, why);
	if (!err)
		err = limiter_policy(limiter, change.previous, why);
	if (!err)
		err = runs_make(words, options->command, change.previous, &entry, why);
	if (!err && runs_count(change.previous) == BWCTL_RUNS)
		err = refuse_another(limiter, change.previous, why);
	if (err)
		goto out;
	/* Not while waiting for the lock: there it can be interrupted. */
	child_guard(&run->before);
	err = limiter_start_run(limiter, change.previous, &entry, &run->token_fd, why);
	if (err)
		goto out;
	run->id = entry.id;
	*change.next = *change.previous;
	err = runs_add(change.next, &entry);
	if (!err)
		err = enforce(limiter, change.previous, change.next, NULL, 0, why);
	if (err) {
		/* A change that fails may be in force all the same, see enforce(). */
		undone = take_out(limiter, &change, run->id, ignored);
		if (!undone || undone == -ENOENT)
			limiter_forget_run(limiter, run->id, ignored);
	}
out:
	limiter_close(limiter);
	change_close(&change);
	return err;
}

/* Takes it out again. What was unloaded since has taken it along. */
static int end(const struct options *options, const struct run *run, char why[LOG_TEXT])
{
	struct limiter *limiter = NULL;
	struct change change;
	int err = change_open(&change, why);

	if (!err)
		err = limiter_open(&limiter, options->pin_dir, LIMITER_CHANGE, why);
	if (!err && !limiter_owns_run(limiter, run->id, run->token_fd))
		err = -ENOENT;
	if (!err)
		err = take_out(limiter, &change, run->id, why);
	if (!err)
		err = limiter_forget_run(limiter, run->id, why);
	if (err == -ENOENT) {
		log_hint("what run %llu asked for is gone already: all was unloaded since",
			 (unsigned long long)run->id);
		err = 0;
	}
	limiter_close(limiter);
	change_close(&change);
	return err;
}

static int run_command(const struct options *options, const struct runs_words *words)
{
	struct run run = {.token_fd = -1};
	char why[LOG_TEXT];
	int err, code;

	err = begin(options, words, &run, why);
	if (err)
		return command_failed(err, why);
	room_give_back();
	code = child_command(&run.before, options->command, why);
	if (*why)
		log_error("%s", why);
	err = end(options, &run, why);
	if (!err)
		return code;
	log_error("cannot give back the limit: %s", why);
	log_hint("that of run %llu stays in force until: bwctl run --clear",
		 (unsigned long long)run.id);
	return code ? code : EXIT_FAILED;
}

/* ---- --clear ---- */

static void say_cleared(const struct change *change, size_t removed)
{
	for (int i = 0; i < BWCTL_RUNS; i++) {
		const struct bwctl_run *run = &change->previous->runs[i];

		if (!run->id)
			continue;
		if (runs_find(change->next, run->id))
			command_say("run %llu stays, for \"%s\": its bwctl lives",
				    (unsigned long long)run->id, run->command);
		else
			command_say("run %llu is cleared, of \"%s\"", (unsigned long long)run->id,
				    run->command);
	}
	for (int direction = 0; direction < BWCTL_DIRECTIONS && removed; direction++)
		command_print_limit(change->next, direction,
				    change->next->enforcement[direction].mode,
				    change->next->enforcement[direction].why);
}

static int clear(const struct options *options)
{
	struct limiter *limiter = NULL;
	struct change change;
	bool is_alive[BWCTL_RUNS];
	char why[LOG_TEXT];
	size_t removed = 0;
	int err = change_open(&change, why);

	if (!err)
		err = limiter_open(&limiter, options->pin_dir, LIMITER_CHANGE, why);
	if (!err)
		err = limiter_policy(limiter, change.previous, why);
	if (err == -ENOENT || (!err && !runs_count(change.previous))) {
		printf("no run is in force\n");
		err = 0;
		goto out;
	}
	if (err)
		goto out;
	limiter_runs(limiter, change.previous, is_alive);
	*change.next = *change.previous;
	for (int i = 0; i < BWCTL_RUNS; i++)
		if (change.previous->runs[i].id && !is_alive[i]) {
			runs_remove(change.next, change.previous->runs[i].id);
			removed++;
		}
	if (removed)
		err = enforce(limiter, change.previous, change.next, NULL, 0, why);
	if (!err)
		say_cleared(&change, removed);
	for (int i = 0; i < BWCTL_RUNS && !err; i++)
		if (change.previous->runs[i].id && !is_alive[i])
			err = limiter_forget_run(limiter, change.previous->runs[i].id, why);
out:
	limiter_close(limiter);
	change_close(&change);
	return err ? command_failed(err, why) : EXIT_DONE;
}

int cmd_run(const struct options *options, int count, char *words[])
{
	int own = options->command ? (int)(options->command - words) : count;
	struct runs_words parsed;
	char why[LOG_TEXT];

	if (options->clear) {
		if (!count && !options->command)
			return clear(options);
		log_error("run: --clear stands alone");
		return EXIT_MISUSE;
	}
	if (runs_parse(own, words, &parsed, why)) {
		log_error("%s", why);
		if (!options->command)
			log_hint("the command comes behind --: bwctl run RATE -- COMMAND");
		return EXIT_MISUSE;
	}
	if (!options->command || !*options->command) {
		log_error("run: the command is missing: expected it after --");
		log_hint(
			"usage: bwctl run [RATE] [ingress RATE] [egress RATE] [class NAME RATE]... -- COMMAND...");
		return EXIT_MISUSE;
	}
	return run_command(options, &parsed);
}
