/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The runs of a policy: the words after "bwctl run", runs that come and go, and what
 * each asks for, as text and as JSON. Pure: knows no process, no kernel, no output.
 */
#ifndef RUNS_H
#define RUNS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bwctl.h"
#include "log.h"

/* Limits of the aggregate or of a class, by direction; 0: none is asked for. */
struct runs_limits {
	char class[BWCTL_NAME]; /* empty: of the aggregate */
	uint64_t bits_s[BWCTL_DIRECTIONS];
};

/* What the words after "run" ask for. No limit at all: those in force, kept. */
struct runs_words {
	struct runs_limits limits[1 + BWCTL_CLASSES]; /* of the aggregate first */
	size_t count;
};

/*
 * The words of "run": [RATE] [ingress RATE] [egress RATE] [class NAME and the same
 * again]..., as those of "set" that give limits; what follows class NAME is of that
 * class. 0, or -EINVAL and why: which word, what was expected.
 */
int runs_parse(int count, char *const words[], struct runs_words *ret_words, char why[LOG_TEXT]);

/*
 * Makes a run of these words, for a command, under a policy: its classes are known by
 * name there, and where no limit is asked for those in force are taken. The id is the
 * caller's to give. 0; -ENOENT and why when there is no such class, -EINVAL when it is exempt
 * or the policy only observes.
 */
int runs_make(const struct runs_words *words, char *const command[],
	      const struct bwctl_policy *policy, struct bwctl_run *ret_run, char why[LOG_TEXT]);

/* The run with this id, or NULL. */
const struct bwctl_run *runs_find(const struct bwctl_policy *policy, uint64_t id);

/* How many there are. */
size_t runs_count(const struct bwctl_policy *policy);

/* Puts a run into a policy. 0, or -ENOSPC when there are BWCTL_RUNS. */
int runs_add(struct bwctl_policy *policy, const struct bwctl_run *run);

/* Takes out the one with this id, if there is one. */
void runs_remove(struct bwctl_policy *policy, uint64_t id);

/*
 * Whether next, which is not derived yet, would take from a run in force what it asked for, other
 * than by a limit, which never does: a class made exempt, a class that the run limits removed, a
 * longer window, mode observe. 0, or -EBUSY and why: what, and of which run.
 */
int runs_refuse_loosening(const struct bwctl_policy *previous, const struct bwctl_policy *next,
			  char why[LOG_TEXT]);

/*
 * A class that is not there any more takes what runs asked of it along: another may
 * get its number.
 */
void runs_follow(const struct bwctl_policy *previous, struct bwctl_policy *policy);

/* "10 Mbit/s both ways, class ssh ingress 5 Mbit/s": what a run asks for. */
const char *runs_format(const struct bwctl_policy *policy, const struct bwctl_run *run,
			char text[LOG_TEXT]);

/* The member "runs" of "show --json"; is_alive by place in policy->runs, NULL when nobody knows. */
json_t *runs_json(const struct bwctl_policy *policy, const bool is_alive[BWCTL_RUNS]);

#endif
