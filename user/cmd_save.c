// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl save: makes the policy file say what is in force.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "limiter.h"
#include "policy_file.h"
#include "store.h"

static int make_text(const struct bwctl_policy *policy, const struct limiter_interface *interfaces,
		     size_t count, char **ret_text)
{
	const char **names = calloc(count + 1, sizeof(*names));
	size_t here = 0, left_out;

	*ret_text = NULL;
	for (size_t i = 0; names && i < count; i++)
		if (interfaces[i].here)
			names[here++] = interfaces[i].name;
	left_out = names ? policy_file_print(&policy->asked, names, here, ret_text) : 0;
	free(names);
	if (left_out == 1)
		log_hint("1 interface has a name that a policy file cannot hold");
	else if (left_out)
		log_hint("%zu interfaces have names that a policy file cannot hold", left_out);
	return *ret_text ? 0 : -ENOMEM;
}

int command_print_config(const struct bwctl_policy *policy,
			 const struct limiter_interface *interfaces, size_t count)
{
	char *text;
	int err = make_text(policy, interfaces, count, &text);

	if (err)
		return command_failed(err, "out of memory");
	fputs(text, stdout);
	free(text);
	return EXIT_DONE;
}

int command_prepare_file(struct command_file *file, const struct bwctl_policy *policy,
			 const struct limiter_interface *interfaces, size_t count)
{
	char why[LOG_TEXT] = "out of memory";
	int err;

	if (file->file) {
		err = policy_file_merge(file->file, &policy->asked, &file->next, &file->next_length,
					why);
	} else {
		err = make_text(policy, interfaces, count, &file->next);
		file->next_length = err ? 0 : strlen(file->next);
	}
	if (err) {
		log_error("%s", why);
		return EXIT_FAILED;
	}
	file->differs = !file->file || file->next_length != file->file->length ||
			memcmp(file->next, file->text, file->next_length);
	return EXIT_DONE;
}

int command_write_file(const struct command_file *file)
{
	char why[LOG_TEXT];

	if (!file->differs || !store_replace(file->path, file->next, file->next_length, why))
		return EXIT_DONE;
	log_error("%s", why);
	return EXIT_FAILED;
}

void command_print_saved(const struct command_file *file)
{
	command_say(file->differs ? "saved in %s" : "%s says so already", file->path);
}

int cmd_save(const struct options *options, int count, char *words[])
{
	const char *path = count ? words[0] : options->config;
	struct bwctl_policy *policy = malloc(sizeof(*policy));
	struct limiter_interface *interfaces = NULL;
	struct command_file file = {0};
	struct limiter *limiter = NULL;
	char why[LOG_TEXT] = "out of memory";
	int err = policy ? 0 : -ENOMEM, code;
	size_t loaded = 0;

	if (!*path || !strcmp(path, "-")) {
		log_error(*path ? "save: '-' is no file: bwctl show --config" :
				  "save: a file is missing");
		free(policy);
		return EXIT_MISUSE;
	}
	/* One at a time: what is written is what is in force. */
	if (!err)
		err = limiter_open(&limiter, options->pin_dir, LIMITER_CHANGE, why);
	if (!err)
		err = limiter_interfaces(limiter, &interfaces, &loaded, why);
	if (!err)
		err = limiter_policy(limiter, policy, why);
	if (err) {
		code = command_failed(err, why);
		goto out;
	}
	code = command_open_file(path, COMMAND_OLD, &file);
	if (code == EXIT_DONE)
		code = command_prepare_file(&file, policy, interfaces, loaded);
	if (code == EXIT_DONE)
		code = command_write_file(&file);
	if (code == EXIT_DONE)
		command_print_saved(&file);
out:
	command_close_file(&file);
	limiter_close(limiter);
	free(interfaces);
	free(policy);
	return code;
}
