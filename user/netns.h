/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Named network namespaces, as ip(8) keeps them.
 */
#ifndef NETNS_H
#define NETNS_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"

/*
 * Moves this process into the network namespace name (below /run/netns, or a
 * path). Mounts stay as they are, and so do the pins. 0, or -errno and why.
 */
int netns_enter(const char *name, char why[LOG_TEXT]);

/*
 * Whether the namespace with this inode number is still there: some process
 * is in it, or it has a name. What cannot be looked at counts as there.
 */
bool netns_exists(uint64_t inode);

#endif
