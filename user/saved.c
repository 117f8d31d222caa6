// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Whether the policy file says what is in force: it does if saving would not
 * change it.
 */
#include "saved.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

bool saved_says(const struct policy_file *file, const struct bwctl_asked *asked)
{
	char why[LOG_TEXT], *next = NULL;
	size_t length = 0;
	bool same;

	if (policy_file_merge(file, asked, &next, &length, why))
		return false;
	same = length == file->length && !memcmp(next, file->text, length);
	free(next);
	return same;
}

static enum saved_answer look(const char *path, const struct bwctl_policy *policy)
{
	struct policy_file *file = NULL;
	char *text = NULL, why[LOG_TEXT];
	enum saved_answer answer = SAVED_NO;
	size_t length;
	int err = store_read(path, &text, &length, why);

	if (err == -ENOENT) {
		text = strdup("[limit]\n");
		err = text ? 0 : -ENOMEM;
		length = text ? strlen(text) : 0;
	}
	if (err && err != -EFBIG)
		return SAVED_UNKNOWN;
	if (!err)
		err = policy_file_parse(path, text, length, &file);
	if (err == -ENOMEM)
		answer = SAVED_UNKNOWN;
	else if (!err && !policy_file_require(file) && saved_says(file, &policy->asked))
		answer = SAVED_YES;
	policy_file_free(file);
	free(text);
	return answer;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

enum saved_answer saved_ask(struct saved *saved, const char *path,
			    const struct bwctl_policy *policy)
{
	struct stat file = {0};
	enum saved_answer answer;

	if (!*path)
		return SAVED_UNKNOWN;
	/* Looked at before it is read: a change in between shows the next time. */
	if (stat(path, &file) && errno != ENOENT)
		return SAVED_UNKNOWN;
	if (saved && saved->is_known && is_same_file(&saved->file, &file) &&
	    !memcmp(&saved->asked, &policy->asked, sizeof(saved->asked)))
		return saved->answer;
	answer = look(path, policy);
	if (saved) {
		saved->is_known = true;
		saved->asked = policy->asked;
		saved->file = file;
		saved->answer = answer;
	}
	return answer;
}
