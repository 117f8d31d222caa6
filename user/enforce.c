// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * From a policy as it was asked for to one that is in force.
 */
#include "enforce.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flow_table.h"
#include "policy.h"
#include "runs.h"
#include "why.h"

/* An interface whose packets may have to wait. */
struct candidate {
	struct bwctl_interface_key key;
	const char *name;
};

struct candidates {
	struct limiter_interface *loaded; /* owns the names */
	struct candidate *list;
	size_t count;
};

static bool is_listed(const struct candidates *candidates, const struct bwctl_interface_key *key)
{
	for (size_t i = 0; i < candidates->count; i++)
		if (!memcmp(&candidates->list[i].key, key, sizeof(*key)))
			return true;
	return false;
}

/*
 * One that is gone has nothing that could wait. One of which the programs are attached all
 * the same was taken to another network namespace.
 */
static bool is_gone(const struct limiter_interface *interface)
{
	return interface->here && !interface->exists &&
	       interface->hook[BWCTL_INGRESS] == BWCTL_HOOK_NONE &&
	       interface->hook[BWCTL_EGRESS] == BWCTL_HOOK_NONE;
}

/* A name that is none is left out: what is wrong with it is said when it is attached. */
static int find_candidates(struct limiter *limiter, char *const names[], int count,
			   struct candidates *candidates, char why[LOG_TEXT])
{
	size_t loaded;
	int err = limiter_interfaces(limiter, &candidates->loaded, &loaded, why);

	if (err)
		return err;
	candidates->list = calloc(loaded + (size_t)count + 1, sizeof(*candidates->list));
	if (!candidates->list)
		return why_fail(why, -ENOMEM, "cannot list the interfaces");
	for (size_t i = 0; i < loaded; i++) {
		const struct limiter_interface *interface = &candidates->loaded[i];

		if (is_gone(interface))
			continue;
		candidates->list[candidates->count++] =
			(struct candidate){.key = interface->key, .name = interface->name};
	}
	for (int i = 0; i < count; i++) {
		struct candidate named = {.name = names[i]};
		char ignored[LOG_TEXT];

		if (!limiter_find(limiter, names[i], &named.key, ignored) &&
		    !is_listed(candidates, &named.key))
			candidates->list[candidates->count++] = named;
	}
	return 0;
}

static void free_candidates(struct candidates *candidates)
{
	free(candidates->list);
	free(candidates->loaded);
}

static void police(struct bwctl_enforcement *enforcement, const char *hindrance)
{
	enforcement->mode = BWCTL_MODE_POLICE;
	/* There is less room in a policy than in an error. */
	snprintf(enforcement->why, sizeof(enforcement->why), "%.*s",
		 (int)sizeof(enforcement->why) - 1, hindrance);
}

static int choose_mode(struct limiter *limiter, const struct candidates *candidates,
		       struct bwctl_policy *policy, enum bwctl_direction direction,
		       enum holder_task task, char why[LOG_TEXT])
{
	struct bwctl_enforcement *enforcement = &policy->enforcement[direction];
	char hindrance[LOG_TEXT];
	int err;

	for (size_t i = 0; i < candidates->count && enforcement->mode == BWCTL_MODE_PACE; i++) {
		const struct candidate *each = &candidates->list[i];

		err = limiter_hold(limiter, &each->key, each->name, direction, task, hindrance);
		/* One that went a moment ago has nothing that could wait either. */
		if (err == -ENODEV)
			continue;
		if (err > 0)
			enforcement->senders_pace = 1;
		if (err < 0 && policy->asked.request[direction].mode == BWCTL_MODE_PACE)
			return why_refuse(why, err, "cannot pace %s: %s",
					  policy_direction_name(direction), hindrance);
		if (err < 0)
			police(enforcement, hindrance);
	}
	return 0;
}

/* Nothing is put anywhere as long as it shows beforehand that it would be in vain. */
static int choose_modes(struct limiter *limiter, const struct candidates *candidates,
			struct bwctl_policy *policy, char why[LOG_TEXT])
{
	static const enum holder_task tasks[] = {HOLDER_CAN, HOLDER_MAKE};
	int err = 0;

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		policy->enforcement[direction] = (struct bwctl_enforcement){
			.mode = policy->asked.request[direction].mode == BWCTL_MODE_POLICE ?
					BWCTL_MODE_POLICE :
					BWCTL_MODE_PACE,
			.hold_ifindex = limiter_redirect_ifindex(limiter),
		};
	/* Egress first: it costs nothing to find out there that a kernel has no fq. */
	for (size_t i = 0; i < sizeof(tasks) / sizeof(*tasks); i++)
		for (int direction = BWCTL_DIRECTIONS - 1; direction >= 0 && !err; direction--)
			err = choose_mode(limiter, candidates, policy, direction, tasks[i], why);
	return err;
}

/* Super-packets larger than what may leave at once would wait for idle time. */
static void fit_devices(struct limiter *limiter, const struct candidates *candidates,
			const struct bwctl_policy *policy)
{
	uint32_t segments[BWCTL_DIRECTIONS];

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		segments[direction] = policy_segments(policy, direction);
	for (size_t i = 0; i < candidates->count; i++)
		if (limiter_fit(limiter, &candidates->list[i].key, segments))
			log_hint(
				"cannot keep the super-packets of '%s' small: large ones wait longer",
				candidates->list[i].name);
}

static bool has_lost(struct limiter *limiter, const struct candidates *candidates,
		     const struct bwctl_policy *policy)
{
	char ignored[LOG_TEXT];

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		if (policy->enforcement[direction].mode != BWCTL_MODE_PACE)
			continue;
		for (size_t i = 0; i < candidates->count; i++) {
			const struct candidate *each = &candidates->list[i];
			int err = limiter_hold(limiter, &each->key, each->name, direction,
					       HOLDER_IS, ignored);

			if (err < 0 && err != -ENODEV)
				return true;
		}
	}
	return false;
}

/*
 * A policy that paces is in force, something it needs went away, and it cannot be had again:
 * what can be is one that polices. That the change failed is said by the caller.
 */
static void fall_back(struct limiter *limiter, const struct bwctl_policy *previous,
		      struct bwctl_policy *policy)
{
	char ignored[LOG_TEXT];

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		if (policy->enforcement[direction].mode == BWCTL_MODE_PACE)
			police(&policy->enforcement[direction],
			       "what holds packets was taken away");
	if (policy_build(policy, limiter_leases_are_safe(), ignored))
		return;
	policy_succeed(previous, policy, limiter_now_ns());
	policy->since_s = (uint64_t)time(NULL);
	limiter_publish(limiter, policy, ignored);
}

/* What packets are looked up by, for the interfaces that are loaded and those that are about to be. */
static int build_table(struct limiter *limiter, struct bwctl_policy *policy, char why[LOG_TEXT])
{
	static char slots[BWCTL_SLOTS][BWCTL_NAME];
	int err;

	limiter_note_names(limiter);
	limiter_slots(limiter, slots);
	err = flow_table_build(&policy->asked, slots, BWCTL_SLOTS, &policy->table);
	return err ? why_fail(why, err, "cannot build the flow table") : 0;
}

/* Since when it has been the same, which it may go on to be. */
static uint64_t since_s(const struct bwctl_policy *previous, const struct bwctl_policy *policy)
{
	if (previous && !memcmp(&previous->asked, &policy->asked, sizeof(policy->asked)) &&
	    !memcmp(previous->runs, policy->runs, sizeof(policy->runs)) &&
	    !memcmp(previous->enforcement, policy->enforcement, sizeof(policy->enforcement)))
		return previous->since_s;
	return (uint64_t)time(NULL);
}

int enforce(struct limiter *limiter, const struct bwctl_policy *previous,
	    struct bwctl_policy *policy, char *const names[], int count, char why[LOG_TEXT])
{
	struct candidates candidates = {0};
	static struct bwctl_policy published; /* too large for the stack */
	int err = find_candidates(limiter, names, count, &candidates, why);

	if (previous)
		runs_follow(previous, policy);
	if (!err)
		err = build_table(limiter, policy, why);
	/*
	 * A queue that goes before the policy is in force was watched under the former
	 * one, so it is looked at once more after that. What goes later is noticed.
	 */
	for (int tries = 0; tries < 3 && !err; tries++) {
		err = choose_modes(limiter, &candidates, policy, why);
		/* Somebody takes away what is put there, again and again: rather no waiting at all. */
		for (int direction = 0; direction < BWCTL_DIRECTIONS && tries == 2; direction++)
			if (policy->enforcement[direction].mode == BWCTL_MODE_PACE)
				police(&policy->enforcement[direction],
				       "what holds packets is taken away as soon as it is there");
		if (!err)
			err = policy_build(policy, limiter_leases_are_safe(), why);
		if (err && tries)
			fall_back(limiter, previous, policy);
		if (err)
			break;
		policy_succeed(previous, policy, limiter_now_ns());
		policy->since_s = since_s(previous, policy);
		err = limiter_publish(limiter, policy, why);
		if (err || !has_lost(limiter, &candidates, policy))
			break;
		/* What this one let wait counts for the next. */
		published = *policy;
		previous = &published;
	}
	if (!err)
		fit_devices(limiter, &candidates, policy);
	free_candidates(&candidates);
	return err;
}
