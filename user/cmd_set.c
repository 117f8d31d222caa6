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

int cmd_set(const struct options *options, int count, char *words[])
{
	struct bwctl_policy *previous = malloc(sizeof(*previous));
	struct bwctl_policy *policy = malloc(sizeof(*policy));
	struct limiter *limiter = NULL;
	struct limiter_interface *interfaces = NULL;
	struct config_change change;
	char why[LOG_TEXT] = "out of memory";
	size_t loaded = 0;
	int err, code = EXIT_DONE;

	if (config_parse_set(count, words, &change, why)) {
		command_failed(-EINVAL, why);
		code = EXIT_MISUSE;
		goto out;
	}
	err = previous && policy ? 0 : -ENOMEM;
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
		config_apply(&change, policy->request);
		err = enforce(limiter, previous, policy, NULL, 0, why);
	}
	if (err) {
		code = command_failed(err, why);
		goto out;
	}
	warn_of_detached(interfaces, loaded);
	if (options->json) {
		/* What programs get from "set" is what they get from "show". */
		limiter_close(limiter);
		limiter = NULL;
		code = cmd_show(options, 0, NULL);
		goto out;
	}
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		command_print_limit(policy, direction, policy->enforcement[direction].mode,
				    policy->enforcement[direction].why);
out:
	limiter_close(limiter);
	free(interfaces);
	free(policy);
	free(previous);
	return code;
}
