// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl load and unload: puts the limiter on interfaces, and takes it off.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "enforce.h"
#include "limiter.h"
#include "meant.h"
#include "policy.h"
#include "report.h"

/* Whoever waits for longer than this is told what for. */
#define SILENT_NS 1000000000ULL

static bool is_unlimited(const struct bwctl_policy *policy)
{
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		if (policy_limit(policy, direction))
			return false;
		for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
			if (policy_class_limit(policy, class, direction))
				return false;
	}
	return true;
}

/* The policy to go on from. A limiter without one is new: count only. */
static int find_policy(struct limiter *limiter, struct bwctl_policy *policy, bool *ret_found,
		       char why[LOG_TEXT])
{
	int err = limiter_policy(limiter, policy, why);

	/* In doubt the limit stays: what was in force when the map was lost comes back. */
	if (err == -ENOENT)
		err = limiter_former_policy(limiter, policy, why);
	*ret_found = !err;
	if (err != -ENOENT)
		return err;
	memset(policy, 0, sizeof(*policy));
	policy->abi = BWCTL_ABI;
	policy->possible_cpus = (__u32)limiter_possible_cpus();
	policy_default(&policy->asked);
	return 0;
}

/* Whatever the kernel refuses of the programs, it does before anything is changed. */
static int load_programs(struct limiter *limiter, char *const names[], int count,
			 char why[LOG_TEXT])
{
	uint64_t begun_ns = limiter_now_ns();
	bool said = false;
	int err = 0;

	for (int i = 0; i < count && !err; i++) {
		if (limiter_now_ns() - begun_ns > SILENT_NS) {
			log_progress("loading the programs of '%s', %d of %d interfaces", names[i],
				     i + 1, count);
			said = true;
		}
		err = limiter_prepare(limiter, names[i], why);
	}
	if (said)
		log_progress(NULL);
	return err;
}

/*
 * The interfaces named are made ready, and the policy in force is one that suits them
 * too. A limiter that has none gets that of the policy file, if there is a file; another
 * keeps its own, which the file may not loosen. The exit code; errors are said.
 */
static int prepare(const struct options *options, struct limiter *limiter,
		   struct command_file *file, struct bwctl_policy *policy, char *const names[],
		   int count)
{
	struct bwctl_policy *previous = malloc(sizeof(*previous));
	char why[LOG_TEXT] = "out of memory";
	int err = -ENOMEM, code = EXIT_DONE;
	bool found = false;

	if (previous)
		err = load_programs(limiter, names, count, why);
	if (!err)
		err = find_policy(limiter, previous, &found, why);
	if (!err && !found && !file->file && *options->config)
		code = command_open_file(options->config, COMMAND_IF_ANY, file);
	if (!err && code == EXIT_DONE) {
		*policy = *previous;
		if (!found && file->file)
			err = config_apply(&file->file->change, &policy->asked, why);
		if (!err)
			err = enforce(limiter, found ? previous : NULL, policy, names, count, why);
	}
	free(previous);
	return err ? command_failed(err, why) : code;
}

/* How an interface is attached now; BWCTL_HOOK_NONE if it is not. */
static enum bwctl_hook hook_of(struct limiter *limiter, const char *name)
{
	struct limiter_interface *interfaces = NULL;
	enum bwctl_hook hook = BWCTL_HOOK_NONE;
	char ignored[LOG_TEXT];
	size_t count = 0;

	if (limiter_interfaces(limiter, &interfaces, &count, ignored))
		return hook;
	for (size_t i = 0; i < count; i++)
		if (interfaces[i].exists && !strcmp(interfaces[i].name, name))
			hook = interfaces[i].hook[BWCTL_INGRESS];
	free(interfaces);
	return hook;
}

/* Each stands for itself: one that cannot be loaded does not unload the others. */
static int attach(const struct options *options, struct limiter *limiter, char *const names[],
		  int count, int *ret_attached)
{
	struct limiter_interface loaded;
	char why[LOG_TEXT];
	int code = EXIT_DONE;

	for (int i = 0; i < count; i++) {
		enum bwctl_hook hook = options->hook;
		int err;

		/* Other programs, but at the same place. */
		if (options->again && hook == BWCTL_HOOK_NONE)
			hook = hook_of(limiter, names[i]);
		err = limiter_attach(limiter, names[i], hook, &loaded, why);
		if (err) {
			code = command_failed(err, why);
			if (err == -ENODEV)
				meant_interface(names[i], true);
			continue;
		}
		(*ret_attached)++;
		command_say("loaded on %s (%s, ingress and egress)", names[i],
			    report_hook_name(loaded.hook[BWCTL_INGRESS]));
	}
	return code;
}

/* Whether a word is among those that were given; without any, all are meant. */
static bool is_meant(const char *name, int count, char *const words[])
{
	for (int i = 0; i < count; i++)
		if (!strcmp(words[i], name))
			return true;
	return !count;
}

/*
 * The interfaces that the policy file names, as words. With --present those of the words
 * alone, if there are any, and only what is there now. free() them. The exit code.
 */
static int find_names(const struct options *options, struct command_file *file, int *count,
		      char *const words[], char ***ret_names)
{
	int code, meant = 0, found = 0;
	char **names;

	if (!*options->config) {
		log_error("load: --%s without a policy file", options->all ? "all" : "present");
		return EXIT_MISUSE;
	}
	code = command_open_file(options->config, COMMAND_WHOLE, file);
	if (code != EXIT_DONE)
		return code;
	if (options->all && !file->file->interface_count) {
		log_error("%s: there are no interfaces in it", options->config);
		log_hint("in section [limit]: interfaces = NAME...");
		return EXIT_FAILED;
	}
	*ret_names = names = calloc(file->file->interface_count + 1, sizeof(*names));
	if (!names)
		return command_failed(-ENOMEM, "out of memory");
	for (size_t i = 0; i < file->file->interface_count; i++) {
		char *name = file->file->interfaces[i];

		if (!is_meant(name, *count, words))
			continue;
		meant++;
		if (options->all || if_nametoindex(name))
			names[found++] = name;
		else
			log_hint("'%s' is not there now", name);
	}
	if (options->present && !file->file->interface_count)
		command_say("nothing to load: %s names no interfaces", options->config);
	else if (options->present && !meant)
		command_say("nothing to load: %s does not name %s", options->config,
			    *count == 1 ? words[0] : "any of these interfaces");
	else if (!found)
		command_say("nothing to load: no interface that %s names is there",
			    options->config);
	*count = found;
	return EXIT_DONE;
}

/* The interfaces of this network namespace that are loaded, as words. free() both. The exit code. */
static int find_loaded(struct limiter *limiter, struct limiter_interface **ret_interfaces,
		       int *ret_count, char ***ret_names)
{
	char why[LOG_TEXT] = "out of memory";
	size_t loaded = 0;
	int err = limiter_interfaces(limiter, ret_interfaces, &loaded, why);

	if (!err) {
		*ret_names = calloc(loaded + 1, sizeof(**ret_names));
		err = *ret_names ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < loaded && !err; i++)
		if ((*ret_interfaces)[i].exists)
			(*ret_names)[(*ret_count)++] = (*ret_interfaces)[i].name;
	if (!err && !*ret_count)
		printf("nothing is loaded\n");
	return err ? command_failed(err, why) : EXIT_DONE;
}

/*
 * What hindered pacing on the others may be gone with an interface: a policy anew, as
 * by set. It is in force already, so that a failure changes nothing.
 */
static void enforce_on_others(struct limiter *limiter)
{
	struct bwctl_policy *previous = malloc(sizeof(*previous));
	struct bwctl_policy *policy = malloc(sizeof(*policy));
	char why[LOG_TEXT] = "out of memory";
	int err = previous && policy ? limiter_policy(limiter, previous, why) : -ENOMEM;

	if (!err) {
		*policy = *previous;
		err = enforce(limiter, previous, policy, NULL, 0, why);
	}
	if (err)
		log_note("what is still loaded stays as it is: %s", why);
	for (int direction = 0; direction < BWCTL_DIRECTIONS && !err; direction++)
		if (policy->enforcement[direction].mode != previous->enforcement[direction].mode)
			command_print_limit(policy, direction, policy->enforcement[direction].mode,
					    policy->enforcement[direction].why);
	free(policy);
	free(previous);
}

static void hint_interfaces(struct limiter *limiter, const struct bwctl_policy *policy)
{
	struct limiter_interface *interfaces = NULL;
	char ignored[LOG_TEXT];
	size_t count = 0;

	if (!limiter_interfaces(limiter, &interfaces, &count, ignored)) {
		command_hint_first(limiter, interfaces, count);
		command_hint_interfaces(&policy->asked, interfaces, count);
	}
	free(interfaces);
}

/* A first load that failed leaves nothing behind. */
static void undo(struct limiter *limiter)
{
	struct limiter_interface *interfaces = NULL;
	char ignored[LOG_TEXT];
	size_t left = 0;

	if (limiter_is_fresh(limiter) &&
	    !limiter_interfaces(limiter, &interfaces, &left, ignored) && !left)
		limiter_remove(limiter, ignored);
	free(interfaces);
}

/* What is in force now that these are loaded, on standard output. */
static void print_loaded(struct limiter *limiter, const struct bwctl_policy *policy)
{
	if (is_unlimited(policy)) {
		printf("no limit is set: counting only, until \"bwctl set RATE\"\n");
	} else {
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			command_print_limit(policy, direction, policy->enforcement[direction].mode,
					    policy->enforcement[direction].why);
	}
	hint_interfaces(limiter, policy);
}

/* On a limiter that is ours alone until it is closed. The exit code; errors are said. */
static int load_on(const struct options *options, struct limiter *limiter,
		   struct command_file *file, int count, char *const names[])
{
	struct bwctl_policy *policy = malloc(sizeof(*policy));
	int code, attached = 0;

	if (!policy)
		return command_failed(-ENOMEM, "out of memory");
	code = prepare(options, limiter, file, policy, names, count);
	if (code == EXIT_DONE) {
		code = attach(options, limiter, names, count, &attached);
		/* What could not be loaded keeps the others from nothing. */
		if (code != EXIT_DONE && !limiter_is_fresh(limiter))
			enforce_on_others(limiter);
	}
	if (code == EXIT_DONE || attached)
		print_loaded(limiter, policy);
	free(policy);
	return code;
}

static int load(const struct options *options, struct command_file *file, int count,
		char *const names[])
{
	struct limiter *limiter = NULL;
	char why[LOG_TEXT];
	int err = limiter_open(&limiter, options->pin_dir, LIMITER_CREATE, why), code;

	if (err)
		return command_failed(err, why);
	code = load_on(options, limiter, file, count, names);
	if (code != EXIT_DONE)
		undo(limiter);
	limiter_close(limiter);
	return code;
}

/* Whether there is a limiter, which a look does not make. The exit code. */
static int find_limiter(const struct options *options, bool *ret_found)
{
	struct limiter *limiter = NULL;
	char why[LOG_TEXT];
	int err = limiter_open(&limiter, options->pin_dir, LIMITER_READ, why);

	limiter_close(limiter);
	*ret_found = !err;
	return err && err != -ENOENT ? command_failed(err, why) : EXIT_DONE;
}

/* The interfaces that are loaded, anew, and those alone: nobody can unload them in between. */
static int load_again(const struct options *options, struct command_file *file)
{
	struct limiter_interface *interfaces = NULL;
	struct limiter *limiter = NULL;
	char **names = NULL, why[LOG_TEXT];
	int count = 0, err, code;
	bool found;

	code = find_limiter(options, &found);
	if (code != EXIT_DONE)
		return code;
	if (!found) {
		printf("nothing is loaded\n");
		return EXIT_DONE;
	}
	err = limiter_open(&limiter, options->pin_dir, LIMITER_CREATE, why);
	if (err)
		return command_failed(err, why);
	code = find_loaded(limiter, &interfaces, &count, &names);
	if (code == EXIT_DONE && count)
		code = load_on(options, limiter, file, count, names);
	if (code != EXIT_DONE || !count)
		undo(limiter);
	limiter_close(limiter);
	free(names);
	free(interfaces);
	return code;
}

/* What is named twice is meant once. Returns how many are left. */
static int name_once(int count, char *names[])
{
	int kept = 0;

	for (int i = 0; i < count; i++)
		if (!kept || !is_meant(names[i], kept, names))
			names[kept++] = names[i];
	return kept;
}

int cmd_load(const struct options *options, int count, char *words[])
{
	struct command_file file = {0};
	char **names = NULL;
	int code = EXIT_DONE;

	count = name_once(count, words);
	if (options->all || options->present)
		code = find_names(options, &file, &count, words, &names);
	if (code == EXIT_DONE && options->again)
		code = load_again(options, &file);
	else if (code == EXIT_DONE && count)
		code = load(options, &file, count, names ? names : words);
	free(names);
	command_close_file(&file);
	return code;
}

static bool is_named(const struct limiter_interface *interface, int count, char *words[],
		     bool *found)
{
	bool named = false;

	if (!interface->here)
		return false;
	if (!count)
		return true;
	for (int i = 0; i < count; i++)
		if (!strcmp(words[i], interface->name))
			found[i] = named = true;
	return named;
}

int cmd_unload(const struct options *options, int count, char *words[])
{
	struct limiter_interface *interfaces = NULL;
	struct limiter *limiter = NULL;
	bool *found = calloc((size_t)count + 1, sizeof(*found));
	size_t loaded = 0, left = 0;
	char why[LOG_TEXT] = "out of memory";
	int err = found ? 0 : -ENOMEM, code = EXIT_DONE;

	if (!err)
		err = limiter_open(&limiter, options->pin_dir, LIMITER_REMOVE, why);
	if (err == -ENOENT && !count) {
		printf("nothing was loaded\n");
		goto out;
	}
	if (err == -ENOENT) {
		/* Here there is nothing to be hinted at. */
		log_error("%s", why);
		code = EXIT_FAILED;
		goto out;
	}
	if (!err)
		err = limiter_interfaces(limiter, &interfaces, &loaded, why);
	if (err) {
		code = command_failed(err, why);
		goto out;
	}
	if (limiter_has_left_sizes(limiter))
		log_hint(
			"what is known of the interfaces was lost: gso_max_segs and gro_max_size that a low limit lowered stay (ip link set)");
	/* All names first: a slip of the pen changes nothing. */
	for (size_t i = 0; i < loaded; i++)
		is_named(&interfaces[i], count, words, found);
	for (int i = 0; i < count; i++)
		if (!found[i]) {
			snprintf(why, sizeof(why), "'%s' is not loaded", words[i]);
			code = command_failed(-ENODEV, why);
			meant_interface(words[i], false);
		}
	if (code != EXIT_DONE)
		goto out;

	for (size_t i = 0; i < loaded; i++) {
		if (!is_named(&interfaces[i], count, words, found)) {
			left++;
			continue;
		}
		err = limiter_detach(limiter, &interfaces[i], why);
		if (err) {
			code = command_failed(err, why);
			left++;
		} else {
			command_say("unloaded from %s", interfaces[i].name);
		}
	}
	if (left) {
		printf("still loaded on %zu other interface%s\n", left, left == 1 ? "" : "s");
		if (left < loaded)
			enforce_on_others(limiter);
		goto out;
	}
	command_hint_lost_runs(limiter);
	err = limiter_remove(limiter, why);
	if (err)
		code = command_failed(err, why);
	else if (!loaded && limiter_is_fresh(limiter))
		printf("nothing was loaded\n");
	else if (!loaded)
		command_say("removed what was left in '%s'", options->pin_dir);
out:
	limiter_close(limiter);
	free(interfaces);
	free(found);
	return code;
}
