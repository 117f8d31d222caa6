// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl set: changes the limit, and says what is in force now.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "config.h"
#include "enforce.h"
#include "limiter.h"

/* A limit that holds nowhere is worse than none: the operator believes in it. */
static void warn_of_detached(const struct limiter_interface *interfaces, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct limiter_interface *interface = &interfaces[i];

		if (interface->hook[BWCTL_INGRESS] != BWCTL_HOOK_NONE &&
		    interface->hook[BWCTL_EGRESS] != BWCTL_HOOK_NONE)
			continue;
		if (interface->exists)
			log_hint("'%s' is not limited, something is not attached: bwctl load %s",
				 interface->name, interface->name);
		else
			log_hint("'%s' is gone, and not limited if it comes back: load it then",
				 interface->name);
	}
}

/* What is in force now. What programs get from "set" is what they get from "show". */
static int say_policy(const struct options *options, const struct bwctl_policy *policy)
{
	if (options->json)
		return cmd_show(options, 0, NULL);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		command_print_limit(policy, direction, policy->enforcement[direction].mode,
				    policy->enforcement[direction].why);
	return EXIT_DONE;
}

int command_change(const struct options *options, const struct config_change *change,
		   const char *save)
{
	struct bwctl_policy *previous = malloc(sizeof(*previous));
	struct bwctl_policy *policy = malloc(sizeof(*policy));
	struct limiter *limiter = NULL;
	struct limiter_interface *interfaces = NULL;
	struct command_file file = {0};
	char why[LOG_TEXT] = "out of memory";
	int err = previous && policy ? 0 : -ENOMEM, code = EXIT_DONE, saved = EXIT_DONE;
	size_t loaded = 0;

	if (!err)
		err = limiter_open(&limiter, options->pin_dir, LIMITER_CHANGE, why);
	if (!err)
		err = limiter_interfaces(limiter, &interfaces, &loaded, why);
	if (!err && !loaded) {
		err = -ENOENT;
		snprintf(why, sizeof(why), "nothing is loaded");
	}
	if (!err)
		err = limiter_policy(limiter, previous, why);
	if (!err) {
		*policy = *previous;
		config_apply(change, policy->asked.request);
	}
	/* What cannot be saved for what is in the file already is not put in force either. */
	if (!err && save)
		code = command_open_file(save, COMMAND_OLD, &file);
	if (!err && save && code == EXIT_DONE)
		code = command_prepare_file(&file, policy, interfaces, loaded);
	if (code != EXIT_DONE)
		goto out;
	if (!err)
		err = enforce(limiter, previous, policy, NULL, 0, why);
	if (err) {
		code = command_failed(err, why);
		goto out;
	}
	warn_of_detached(interfaces, loaded);
	command_hint_runs(limiter, policy);
	/* Under the lock, so that what is saved last is what is in force. */
	if (save)
		saved = command_write_file(&file);
	limiter_close(limiter);
	limiter = NULL;
	code = say_policy(options, policy);
	if (saved != EXIT_DONE) {
		log_hint("the new limit is in force, but not saved");
		code = saved;
	} else if (save && !options->json) {
		command_print_saved(&file);
	}
out:
	command_close_file(&file);
	limiter_close(limiter);
	free(interfaces);
	free(policy);
	free(previous);
	return code;
}

int cmd_set(const struct options *options, int count, char *words[])
{
	struct config_change change;
	char why[LOG_TEXT];

	if (config_parse_set(count, words, &change, why)) {
		command_failed(-EINVAL, why);
		return EXIT_MISUSE;
	}
	if (options->save && !*options->config) {
		log_error("set: --save without a policy file");
		return EXIT_MISUSE;
	}
	return command_change(options, &change, options->save ? options->config : NULL);
}
