/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Programs on an interface: attached to its ingress or its egress, by tcx or
 * by clsact, and detached from there. A tcx link lives by its pin, a clsact
 * filter by its device; both outlive every process. Knows no map and not what
 * the programs do: each is a file descriptor, and a note of where it hangs is
 * written by whoever calls.
 *
 * Clsact is seen only from the network namespace the interface is in, links
 * from everywhere. Functions return 0 or -errno, unless they say otherwise.
 */
#ifndef HOOKS_H
#define HOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "bwctl.h"
#include "log.h"
#include "pins.h"

/* Ours at whatever priority, so that a crash leaves no filter unknown. */
#define HOOKS_CLSACT_HANDLE 0x6277

/* Of the filter that leads to the IFB (queue_lead_write()): behind that which meters. */
#define HOOKS_LEAD_PRIORITY 0x6277

/* An interface, and what is written down of it. */
struct hooks_place {
	const struct pins *pins; /* where links are pinned */
	const struct bwctl_interface_key *key;
	struct bwctl_interface *record; /* where clsact filters are; kept up to date */
	/* Writes the record down, so that what a crash leaves is found. 0 or -errno. */
	int (*note)(const struct hooks_place *place);
	const void *owner; /* for note() */
};

/* ---- what there is ---- */

/* Whether frames of a device begin with an Ethernet header. 1, 0, or -errno and why. */
int hooks_has_ethernet_header(const char *name, char why[LOG_TEXT]);

enum hooks_link {
	HOOKS_LINK_NONE,
	HOOKS_LINK_ATTACHED,
	HOOKS_LINK_MOVED, /* the same, but its device got another index in another network namespace */
	HOOKS_LINK_DEAD, /* pinned, and its device is gone, or it cannot be opened */
};
/* For who may not open links (pins.links) it is attached or not, by what the programs are called. */
enum hooks_link hooks_link_state(const struct pins *pins, const struct bwctl_interface_key *key,
				 enum bwctl_direction direction);

/* How many programs hang on one direction by tcx, ours included; 0 where there is no tcx. */
unsigned int hooks_count_tcx(uint32_t ifindex, enum bwctl_direction direction);

/* Whether our filter is where the record says. */
bool hooks_clsact_is_attached(const struct bwctl_interface_key *key,
			      const struct bwctl_interface *record, enum bwctl_direction direction);

/* A program, as the kernel has it. */
struct hooks_program {
	uint32_t id;
	char name[BWCTL_NAME];
	uint8_t tag[8];
};

/* What of ours hangs on one direction, and who comes before it. */
struct hooks_seen {
	bool is_known; /* else it may not be looked at */
	struct hooks_program ours;
	struct hooks_program first; /* of those that run before, by tcx */
	unsigned int before;	    /* how many that are, */
	bool knows_before;	    /* if that may be looked at */
};

/* Looks at an interface of this network namespace that has ours there by hook. */
void hooks_look(const struct pins *pins, const struct bwctl_interface_key *key,
		const struct bwctl_interface *record, enum bwctl_direction direction,
		enum bwctl_hook hook, struct hooks_seen *ret_seen);

/* ---- attaching ---- */

/*
 * Makes a place ready for hook, and writes it down: to be called before
 * hooks_attach(), once for both directions. For clsact it makes the qdisc
 * where there is none; -EBUSY when an ingress qdisc has its place.
 */
int hooks_prepare(struct hooks_place *place, enum bwctl_hook hook);

/*
 * Attaches a program to one direction, in front of the others that are there,
 * or replaces ours in place. Where a clsact filter goes is written down before
 * it goes there. -EINVAL: a kernel before 6.6 does not know tcx.
 */
int hooks_attach(struct hooks_place *place, enum bwctl_direction direction, enum bwctl_hook hook,
		 int program_fd);

/* ---- detaching ---- */

/* Detaches ours from one direction, if it is there. The record is changed and not written down. */
int hooks_detach(struct hooks_place *place, enum bwctl_direction direction, enum bwctl_hook hook);

/*
 * Removes the clsact qdisc if it is ours and nobody else has come to use it;
 * if somebody has, it is theirs from now on. To be called when no direction
 * is attached by clsact any more: any filter is taken for somebody else's.
 * The record is changed and not written down.
 */
int hooks_remove_clsact(struct hooks_place *place);

/* ---- when the notes are lost ---- */

/* Removes every link's pin: without it a link goes, and its program with it. */
int hooks_remove_lost_links(const struct pins *pins);

/*
 * Detaches from one interface what is ours without a record: links by their
 * pins, clsact filters by a map that their programs use (-1: unknown). 1 if
 * there was something, 0, or -errno.
 */
int hooks_detach_unknown(const struct pins *pins, const struct bwctl_interface_key *key,
			 int map_fd);

#endif
