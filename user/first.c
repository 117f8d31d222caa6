// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Who comes before ours on an interface.
 */
#include "first.h"

#include <stdio.h>
#include <string.h>

#include "policy.h"
#include "words.h"

struct first first_judge(const struct hooks_seen *seen, const struct device_filter *filters,
			 size_t filter_count, enum bwctl_hook hook, uint32_t priority)
{
	struct first first = {.is_known = seen->knows_before};

	/* All of tcx comes before the first filter. */
	if (seen->before) {
		first.is_known = true;
		first.hook = BWCTL_HOOK_TCX;
		first.number = seen->first.id;
		memcpy(first.name, seen->first.name, sizeof(first.name));
		return first;
	}
	if (hook != BWCTL_HOOK_CLSACT || !first.is_known)
		return first;
	for (size_t i = 0; i < filter_count; i++) {
		if (filters[i].priority >= priority)
			continue;
		first.hook = BWCTL_HOOK_CLSACT;
		first.number = filters[i].priority;
		snprintf(first.name, sizeof(first.name), "%s", filters[i].kind);
		break;
	}
	return first;
}

void first_look(const struct pins *pins, const struct bwctl_interface_key *key,
		const struct bwctl_interface *record, enum bwctl_direction direction,
		enum bwctl_hook hook, struct first *ret_first)
{
	struct device_filter filters[DEVICE_FILTERS];
	struct hooks_seen seen;
	size_t count = 0;
	int err = 0;

	*ret_first = (struct first){0};
	if (hook == BWCTL_HOOK_NONE)
		return;
	hooks_look(pins, key, record, direction, hook, &seen);
	/* Before the first preference there is no other. */
	if (hook == BWCTL_HOOK_CLSACT && record->priority[direction] > 1)
		err = device_read_filters(key->ifindex, direction, filters, &count);
	if (err)
		seen.knows_before = false;
	*ret_first = first_judge(&seen, filters, count, hook, record->priority[direction]);
}

bool first_is_other(const struct first *first)
{
	return first->is_known && first->hook != BWCTL_HOOK_NONE;
}

const char *first_say(const struct first *first, enum bwctl_direction direction,
		      char text[LOG_TEXT])
{
	const char *side = policy_direction_name(direction);

	if (first->hook == BWCTL_HOOK_TCX)
		snprintf(
			text, LOG_TEXT,
			"on %s a program of somebody else, %s (id %u), runs before: what it does not hand on is not metered",
			side, *first->name ? first->name : "without a name", first->number);
	else
		snprintf(
			text, LOG_TEXT,
			"on %s a filter of somebody else, %s with pref %u, runs before: what it does not hand on is not metered",
			side, first->name, first->number);
	return text;
}

/*
 * Whatever is attached anew goes before all others, and load attaches by the one kind of hook before it
 * detaches from the other: so there is no moment without a limit.
 */
const char *first_advise(const struct first *first, const char *name,
			 enum bwctl_direction direction, enum bwctl_hook hook, uint32_t priority,
			 char text[LOG_TEXT])
{
	const struct words_shell word = words_shell(name, "IFACE");

	if (first->hook == BWCTL_HOOK_CLSACT)
		snprintf(text, LOG_TEXT,
			 "take it away (tc filter show dev %.80s %s), or give it a pref above %u",
			 word.text, policy_direction_name(direction), priority);
	else if (hook == BWCTL_HOOK_TCX)
		snprintf(
			text, LOG_TEXT,
			"take it away, or go before it: bwctl load --hook clsact %.80s && bwctl load --hook tcx %.80s",
			word.text, word.text);
	else
		snprintf(text, LOG_TEXT,
			 "take it away, or go before it: bwctl load --hook tcx %.80s", word.text);
	return text;
}
