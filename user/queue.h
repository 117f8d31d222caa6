/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The only user of rtnetlink, besides what libbpf does for itself: qdiscs and
 * filters of a device in the current network namespace.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include <stdbool.h>

/*
 * What an interface has in the place of the clsact qdisc. Only one of the two
 * can be there, and ingress has no hook for what goes out. Positive, or -errno.
 */
enum queue_clsact {
	QUEUE_NOTHING,
	QUEUE_CLSACT,
	QUEUE_INGRESS,
};
int queue_clsact_kind(unsigned int ifindex);

/*
 * Whether any filter hangs on the clsact qdisc of an interface, on either
 * side. Returns 1, 0, or -errno.
 */
int queue_clsact_in_use(unsigned int ifindex);

#endif
