/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Whether the policy file says what is in force, for who asks again and again: it is
 * read anew when it or the policy has changed. Never prints, never writes.
 */
#ifndef SAVED_H
#define SAVED_H

#include <stdbool.h>
#include <sys/stat.h>

#include "bwctl.h"
#include "policy_file.h"

enum saved_answer {
	SAVED_NO, /* it says something else, or is not in order; a missing one says that all is default */
	SAVED_YES,
	SAVED_UNKNOWN, /* it cannot be read */
};

/* What the last answer was about. All zero: nothing yet. */
struct saved {
	bool is_known;
	struct bwctl_asked asked;
	struct stat file;
	enum saved_answer answer;
};

/* Whether saving this would leave the file as it is. */
bool saved_says(const struct policy_file *file, const struct bwctl_asked *asked);

/* path empty: no file, which nobody can know anything of. saved may be NULL. */
enum saved_answer saved_ask(struct saved *saved, const char *path,
			    const struct bwctl_policy *policy);

#endif
