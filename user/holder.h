/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Where packets wait: an fq qdisc on the way out, and on the way in an IFB
 * device, of our own, with an fq on it. Puts them in place, says why that
 * cannot be, takes them away. Also keeps super-packets small while a limit is
 * low. Decides over one interface; which mode follows is not known here.
 *
 * What is changed on an interface is written into its record first, so that a
 * crash leaves nothing that unload does not find.
 */
#ifndef HOLDER_H
#define HOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "bwctl.h"
#include "hooks.h"
#include "log.h"
#include "pins.h"

/* What the limiter lends. Interfaces are those of the current network namespace. */
struct holder_means {
	const struct pins *pins;
	uint64_t netns_inode;
	int holders_fd; /* map of devices whose fq is watched */
	bool can_hold;	/* the kernel has loaded the program of the IFB, and what leads there */
	int hold_fd;	/* that program, or -1: for who only looks on */
	bool is_led;	/* packets get there by a filter of ours, not by the program that meters */
	int lead_fd;	/* the program of that filter, or -1 */
	bool is_watched;
};

/* The index of the IFB, by the pin directory: the same in every network namespace. */
uint32_t holder_hold_ifindex(const struct pins *pins);

enum holder_task {
	HOLDER_IS, /* whether packets can wait now, as things are */
	HOLDER_CAN, /* whether that could be brought about; for want of fq it shows only when it is tried */
	HOLDER_MAKE /* bring it about: fq in the place of a kernel's default qdisc, the IFB; mend what was taken away */
};

/*
 * For the packets of one direction of an interface. 0, or 1 where TCP paces its
 * packets by the same queue, an administrator's; or -errno and why not; a
 * negative errno other than -ENOENT, -EBUSY and -EOPNOTSUPP means that it
 * could not be found out.
 */
int holder_hold(const struct holder_means *means, struct hooks_place *place, const char *name,
		enum bwctl_direction direction, enum holder_task task, char why[LOG_TEXT]);

/*
 * Keeps what an interface sends and what GRO makes of what it receives to so
 * many segments in one packet; 0 gives back what there was. 0 or -errno.
 */
int holder_fit(struct hooks_place *place, const uint32_t segments[BWCTL_DIRECTIONS]);

/*
 * Gives back what one interface had: sizes, and the root qdisc, with which go
 * the packets that still wait in it; and removes the way to the IFB, once no
 * program of ours is there that sends packets along it. Of an interface elsewhere only our notes
 * go. 0 or -errno.
 */
int holder_release(const struct holder_means *means, struct hooks_place *place, bool is_here);

/*
 * The same where the record is lost: the root, which is told by its handle. Sizes stay
 * as they are: 1 if they may be lower than they were, 0, or -errno.
 */
int holder_release_unknown(unsigned int ifindex);

/* Removes the IFB of this network namespace, if there is one. 0 or -errno. */
int holder_release_hold(const struct holder_means *means);

#endif
