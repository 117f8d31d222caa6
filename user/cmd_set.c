// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl set: changes the limit, classes and flows, and says what is in force now.
 */
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config.h"
#include "enforce.h"
#include "limiter.h"
#include "policy.h"
#include "report.h"
#include "runs.h"
#include "units.h"
#include "words.h"

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

static bool is_loaded(const struct limiter_interface *interfaces, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(interfaces[i].name, name))
			return true;
	return false;
}

/* Of several that are of the same one, the first speaks for all. */
static void hint_interface(const struct bwctl_asked *asked, uint32_t row)
{
	const char *name = asked->flows[row].interface;
	size_t others = 0;

	for (uint32_t n = 0; n < asked->flow_count; n++) {
		if (n == row || strcmp(asked->flows[n].interface, name))
			continue;
		if (n < row)
			return;
		others++;
	}
	if (others)
		log_hint(
			"flow %s and %zu more: '%s' is not loaded: nothing matches them until it is",
			asked->flows[row].name, others, name);
	else
		log_hint("flow %s: '%s' is not loaded: nothing matches it until it is",
			 asked->flows[row].name, name);
}

void command_hint_interfaces(const struct bwctl_asked *asked,
			     const struct limiter_interface *interfaces, size_t count)
{
	for (uint32_t row = 0; row < asked->flow_count; row++)
		if (*asked->flows[row].interface &&
		    !is_loaded(interfaces, count, asked->flows[row].interface))
			hint_interface(asked, row);
}

void command_hint_first(const struct limiter *limiter, const struct limiter_interface *interfaces,
			size_t count)
{
	char text[LOG_TEXT], advice[LOG_TEXT];
	size_t more = 0;
	bool is_said = false;

	for (size_t i = 0; i < count; i++)
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
			const struct limiter_interface *interface = &interfaces[i];
			struct first first;

			limiter_first(limiter, interface, direction, &first);
			if (first_is_other(&first) && is_said)
				more++;
			else if (first_is_other(&first))
				log_hint("'%s': %s; %s", interface->name,
					 first_say(&first, direction, text),
					 first_advise(&first, interface->name, direction,
						      interface->hook[direction],
						      interface->record.priority[direction],
						      advice));
			is_said = is_said || first_is_other(&first);
		}
	if (more)
		log_hint("so it is in %zu more place%s: bwctl check", more, more == 1 ? "" : "s");
}

#define NAME_WIDTH 14 /* of "class ssh", and what is below it */
#define LINE_WIDTH 90

/* A list that goes on in a second line. */
struct list {
	int column;
	bool has_any;
};

static void say(struct list *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct list *list, const char *format, ...)
{
	char text[UNITS_TEXT + 32];
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (list->has_any && list->column + length + 2 > LINE_WIDTH)
		list->column = printf(",\n%*s ", NAME_WIDTH, "") - 2;
	else if (list->has_any)
		list->column += printf(", ");
	list->has_any = true;
	list->column += printf("%s", text);
}

static struct list begin_list(const char *kind, const char *name)
{
	char title[BWCTL_NAME + 8];

	snprintf(title, sizeof(title), "%s %s", kind, name);
	return (struct list){.column = printf("%-*s ", NAME_WIDTH, title)};
}

static bool has_flow(const struct bwctl_asked *asked, size_t class)
{
	for (uint32_t row = 0; row < asked->flow_count; row++)
		if (asked->flows[row].class == class)
			return true;
	return class == BWCTL_OTHER || class == BWCTL_CONTROL;
}

/* A class that was made by a slip of the pen: ": did you mean 'ssh'?", or nothing. */
static const char *meant(const struct bwctl_asked *asked, size_t n, char text[LOG_TEXT])
{
	const char *names[BWCTL_CLASSES];
	char found[LOG_TEXT];
	size_t count = 0;

	for (size_t i = 0; i < BWCTL_CLASSES; i++)
		if (*asked->classes[i].name && has_flow(asked, i))
			names[count++] = asked->classes[i].name;
	if (!words_nearest(names, count, "''", asked->classes[n].name, found))
		return "";
	snprintf(text, LOG_TEXT, ": %.100s", found);
	return text;
}

/* "class ssh      ingress 20 Mbit/s, egress 20 Mbit/s, priority normal" */
static void say_class(const struct bwctl_asked *asked, const char *name)
{
	struct list list = begin_list("class", name);
	const struct bwctl_class_request *class;
	char text[UNITS_TEXT], why[LOG_TEXT];
	size_t n = 0;

	while (n < BWCTL_CLASSES && strcmp(asked->classes[n].name, name))
		n++;
	if (n == BWCTL_CLASSES) {
		printf("removed\n");
		return;
	}
	class = &asked->classes[n];
	if (class->exempt)
		say(&list, "exempt: passes unmetered");
	else if (!class->limit_bits_s[BWCTL_INGRESS] && !class->limit_bits_s[BWCTL_EGRESS])
		say(&list, "no limit of its own");
	else
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			say(&list, "%s %s", policy_direction_name(direction),
			    class->limit_bits_s[direction] ?
				    units_format_rate(class->limit_bits_s[direction], text) :
				    "unlimited");
	if (class->reserve_bits_s)
		say(&list, "reserve %s", units_format_rate(class->reserve_bits_s, text));
	say(&list, "priority %s", policy_priority_name(class->priority));
	if (!has_flow(asked, n))
		say(&list, "no flow leads into it%s", meant(asked, n, why));
	printf("\n");
}

/* "flow jump      class ssh, protocol tcp, remote 2222, before ui" */
static void say_flow(const struct bwctl_asked *asked, const char *name)
{
	const struct config_keys *keys = &config_keys[CONFIG_FLOW];
	struct list list = begin_list("flow", name);
	char text[UNITS_TEXT];
	bool is_narrowed = false;
	uint32_t row = 0;

	while (row < asked->flow_count && strcmp(asked->flows[row].name, name))
		row++;
	if (row == asked->flow_count) {
		printf("removed\n");
		return;
	}
	for (size_t key = 0; key <= CONFIG_FLOW_INTERFACE; key++) {
		if (!strcmp(config_print_value(&keys->keys[key], asked, row, text), "any"))
			continue;
		say(&list, "%s %s", keys->keys[key].name, text);
		is_narrowed |= key != CONFIG_FLOW_CLASS;
	}
	if (!is_narrowed)
		say(&list, "every packet that comes to it");
	if (asked->flows[row].is_listed)
		say(&list, "as listed");
	else if (row + 1 < asked->flow_count)
		say(&list, "before %s", asked->flows[row + 1].name);
	else
		say(&list, "the last");
	printf("\n");
}

/*
 * What is in force now, and what became of the classes and flows that were named. What
 * programs get from "set" is what they get from "show".
 */
static int say_policy(const struct options *options, const struct bwctl_policy *policy,
		      const struct config_change *change)
{
	if (options->json)
		return cmd_show(options, 0, NULL);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		command_print_limit(policy, direction, policy->enforcement[direction].mode,
				    policy->enforcement[direction].why);
		command_print_exceptions(policy, direction);
	}
	for (size_t n = 0; n < change->class_count && !change->whole; n++)
		say_class(&policy->asked, change->classes[n].values.name);
	for (size_t n = 0; n < change->flow_count && !change->whole; n++)
		say_flow(&policy->asked, change->flows[n].values.name);
	return EXIT_DONE;
}

/* A file that has no limit takes off the one that was set: that may not be what was meant. */
static void warn_of_lost_limits(const struct bwctl_policy *previous,
				const struct bwctl_policy *policy)
{
	bool is_lost[BWCTL_DIRECTIONS];

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		is_lost[direction] = policy_limit(previous, direction) &&
				     !policy_limit(policy, direction);
	if (is_lost[BWCTL_INGRESS] && is_lost[BWCTL_EGRESS])
		log_hint("both directions had a limit, the file has none: it is taken off");
	else if (is_lost[BWCTL_INGRESS] || is_lost[BWCTL_EGRESS])
		log_hint("%s had a limit, the file has none: it is taken off",
			 policy_direction_name(is_lost[BWCTL_INGRESS] ? BWCTL_INGRESS :
									BWCTL_EGRESS));
}

/* A limit is of interfaces that are loaded, and a file loads none. */
static void warn_of_absent(const struct policy_file *file,
			   const struct limiter_interface *interfaces, size_t count)
{
	const char *first = NULL;
	size_t absent = 0;

	for (size_t i = 0; i < file->interface_count; i++)
		if (!is_loaded(interfaces, count, file->interfaces[i])) {
			first = first ? first : file->interfaces[i];
			absent++;
		}
	if (absent == 1)
		log_hint(
			"'%s' is named in the file and not loaded, so no limit holds there: bwctl load %s",
			first, first);
	else if (absent)
		log_hint(
			"'%s' and %zu more are named in the file and not loaded, so no limit holds there: bwctl load --all",
			first, absent - 1);
}

int command_change(const struct options *options, const struct config_change *change,
		   const struct policy_file *of, const char *save)
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
		err = config_apply(change, &policy->asked, why);
	}
	if (!err)
		err = runs_refuse_loosening(previous, policy, why);
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
	command_hint_first(limiter, interfaces, loaded);
	if (change->whole)
		warn_of_lost_limits(previous, policy);
	if (of)
		warn_of_absent(of, interfaces, loaded);
	command_hint_interfaces(&policy->asked, interfaces, loaded);
	command_hint_runs(limiter, policy);
	/* Under the lock, so that what is saved last is what is in force. */
	if (save)
		saved = command_write_file(&file);
	limiter_close(limiter);
	limiter = NULL;
	code = say_policy(options, policy, change);
	if (saved != EXIT_DONE) {
		log_hint("the new policy is in force, but not saved");
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

/* Says what is wrong, and of the name of an interface where none is taken that it is one. */
static int refuse_words(int count, char *const words[], const char *why)
{
	char name[REPORT_NAME], guess[REPORT_NAME + 32];

	for (int i = 0; i < count; i++)
		if (if_nametoindex(words[i]) &&
		    (!i || (strcmp(words[i - 1], "interface") && strcmp(words[i - 1], "class") &&
			    strcmp(words[i - 1], "flow")))) {
			report_name(words[i], name);
			/* What word it looks like is of no interest then. */
			snprintf(guess, sizeof(guess), "'%s': did you mean", name);
			if (!strncmp(why, guess, strlen(guess)))
				log_error("'%s' is an interface: expected none here", name);
			else
				command_failed(-EINVAL, why);
			log_hint(
				"the limit is one for all interfaces that are loaded: bwctl load %s, then bwctl set without it",
				name);
			return EXIT_MISUSE;
		}
	command_failed(-EINVAL, why);
	return EXIT_MISUSE;
}

int cmd_set(const struct options *options, int count, char *words[])
{
	struct config_change change;
	char why[LOG_TEXT];

	if (config_parse_set(count, words, &change, why))
		return refuse_words(count, words, why);
	if (options->save && !*options->config) {
		log_error("set: --save without a policy file");
		return EXIT_MISUSE;
	}
	return command_change(options, &change, NULL, options->save ? options->config : NULL);
}
