// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl apply: puts the policy of a file in force, or says what is wrong with it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "limiter.h"
#include "meant.h"
#include "policy_file.h"
#include "store.h"

static int say_errors(const struct policy_file *file)
{
	size_t kept = file->error_count;

	if (kept > POLICY_FILE_ERRORS)
		kept = POLICY_FILE_ERRORS;
	for (size_t i = 0; i < kept; i++)
		log_error("%s", file->errors[i]);
	if (kept < file->error_count)
		log_error("and %zu more error%s", file->error_count - kept,
			  file->error_count - kept == 1 ? "" : "s");
	return EXIT_FAILED;
}

int command_open_file(const char *path, enum command_need need, struct command_file *ret_file)
{
	const char *name = strcmp(path, "-") ? path : "standard input";
	char why[LOG_TEXT];
	size_t length;
	int err;

	*ret_file = (struct command_file){.path = path};
	err = need == COMMAND_OLD ? store_refuse_other(path, why) : 0;
	if (!err)
		err = store_read(path, &ret_file->text, &length, why);
	if (err == -ENOENT && need != COMMAND_WHOLE)
		return EXIT_DONE;
	if (err) {
		/* What a hint could be is not known: it is not the limiter that refuses. */
		log_error("%s", why);
		if (err == -ENOENT || (err == -EINVAL && need == COMMAND_IF_ANY))
			meant_apply(path);
		return EXIT_FAILED;
	}
	err = policy_file_parse(name, ret_file->text, length, &ret_file->file);
	if (err == -ENOMEM)
		return command_failed(err, "out of memory");
	if (need != COMMAND_OLD)
		err = policy_file_require(ret_file->file);
	return err ? say_errors(ret_file->file) : EXIT_DONE;
}

void command_close_file(struct command_file *file)
{
	policy_file_free(file->file);
	free(file->text);
	free(file->next);
	*file = (struct command_file){0};
}

static int check(const struct command_file *file)
{
	int cpus = limiter_possible_cpus();

	/* Where that cannot be told, by as many as make no difference. */
	if (policy_file_derive(file->file, cpus > 0 ? (unsigned int)cpus : 1,
			       limiter_leases_are_safe()))
		return say_errors(file->file);
	command_say("%s is good", file->file->name);
	return EXIT_DONE;
}

int cmd_apply(const struct options *options, int count, char *words[])
{
	const char *path = count ? words[0] : options->config;
	struct command_file file;
	int code;

	if (!*path) {
		log_error("apply: a file is missing");
		return EXIT_MISUSE;
	}
	code = command_open_file(path, COMMAND_WHOLE, &file);
	if (code == EXIT_DONE)
		code = options->check ?
			       check(&file) :
			       command_change(options, &file.file->change, file.file, NULL);
	command_close_file(&file);
	return code;
}
