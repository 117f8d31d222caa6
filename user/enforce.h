/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * From a policy as it was asked for to one that is in force: whether each
 * direction paces or polices, the queues that this takes, the numbers that
 * follow, and the moment of change. What load and set have in common.
 */
#ifndef ENFORCE_H
#define ENFORCE_H

#include <stddef.h>

#include "bwctl.h"
#include "limiter.h"
#include "log.h"

/*
 * Puts policy in the place of previous (NULL: there is none), for the
 * interfaces that are loaded and those named, which are about to be. What it
 * was asked for is the caller's; all else is set here. A direction
 * paces if packets can wait on every interface. 0; or -errno and why, with the
 * former policy still in force: -EBUSY, -ENOENT or -EOPNOTSUPP when pacing was
 * demanded and cannot be had, -EINVAL for numbers that do not fit. Only when a queue is
 * taken away in the meantime, and cannot be had again, is it the new one, which polices.
 */
int enforce(struct limiter *limiter, const struct bwctl_policy *previous,
	    struct bwctl_policy *policy, char *const names[], int count, char why[LOG_TEXT]);

#endif
