/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Who comes before ours on an interface: what somebody else's program or filter
 * passes there is not metered, and no limit covers it. One way to tell it, and one
 * to say it, for every command that does.
 */
#ifndef FIRST_H
#define FIRST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bwctl.h"
#include "device.h"
#include "hooks.h"
#include "log.h"

struct first {
	bool is_known; /* else it may not be looked at, or nothing of ours is there */
	enum bwctl_hook
		hook; /* what the first of them is attached by; BWCTL_HOOK_NONE: ours is first */
	char name[BWCTL_NAME]; /* of a program, or empty; of a filter its kind */
	uint32_t number;       /* of a program its id, of a filter its preference */
};

/* From what there is. hook and priority are those of ours; filters are only of interest for clsact. Pure. */
struct first first_judge(const struct hooks_seen *seen, const struct device_filter *filters,
			 size_t filter_count, enum bwctl_hook hook, uint32_t priority);

/* Looks at an interface of this network namespace that has ours there by hook. */
void first_look(const struct pins *pins, const struct bwctl_interface_key *key,
		const struct bwctl_interface *record, enum bwctl_direction direction,
		enum bwctl_hook hook, struct first *ret_first);

/* Whether somebody comes before ours, for all that is known. */
bool first_is_other(const struct first *first);

/* "on egress a program of somebody else, ...": of one where somebody does. Returns text. */
const char *first_say(const struct first *first, enum bwctl_direction direction,
		      char text[LOG_TEXT]);

/* What to do about it: name is that of the interface, hook and priority those of ours. Returns text. */
const char *first_advise(const struct first *first, const char *name,
			 enum bwctl_direction direction, enum bwctl_hook hook, uint32_t priority,
			 char text[LOG_TEXT]);

#endif
