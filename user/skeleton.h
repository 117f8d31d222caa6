/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The only user of the skeletons: loads programs, for one interface or for all,
 * and makes the maps that they share, which live by their pins. Does not attach
 * what it loads to any interface.
 *
 * Functions return 0 or -errno, and then say why in full.
 */
#ifndef SKELETON_H
#define SKELETON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bwctl.h"
#include "log.h"
#include "pins.h"

/* Pins of what is loaded for all. */
#define SKELETON_HOLD_PIN	"hold" /* the program of the IFB */
#define SKELETON_LEAD_PIN	"lead" /* and that of the filter that leads there, on older kernels */
#define SKELETON_WATCH_PIN	"watch" /* the links of those that watch over queues */
#define SKELETON_WATCH_DOWN_PIN "watch-down"
#define SKELETON_LINKS_PIN	"links" /* a file to read; see bpf/links.bpf.c */

/* Catches libbpf's messages, of whoever uses it. */
void skeleton_hear(void);

/*
 * Maps that are pinned stay, others are made and pinned. Loads and pins what lets
 * packets wait, as far as the kernel has what that takes; leads: the program that leads
 * to the IFB as well. tcx: the file that tells of links.
 */
int skeleton_load_shared(const struct pins *pins, bool leads, bool tcx, char why[LOG_TEXT]);

/* The programs of one interface. */
struct skeleton_programs {
	int program_fd[BWCTL_DIRECTIONS];
	int counters_fd; /* the map that they count in, which is no other's */
};

/*
 * Loads them, after skeleton_load_shared(). counters_fd is a map that others counted
 * in before, or -1 for a new one; it stays the caller's. Release with skeleton_close().
 */
int skeleton_load(const struct pins *pins, uint32_t slot, bool ethernet, int counters_fd,
		  struct skeleton_programs *ret_programs, char why[LOG_TEXT]);
void skeleton_close(struct skeleton_programs *programs);

/* One program as this bwctl has it, and the kernel took it. */
struct skeleton_program {
	char name[BWCTL_NAME];
	uint8_t tag[8]; /* a hash of its instructions, by which the kernel tells one from another */
	bool is_compiled; /* to machine code */
};

#define SKELETON_PROGRAMS 8

/* What this kernel makes of all programs. */
struct skeleton_trial {
	struct skeleton_program programs[SKELETON_PROGRAMS];
	size_t count;
	bool can_hold; /* what comes in */
	int watch_err; /* why queues cannot be watched, or 0 */
	int lead_fd;   /* that of the filter that leads to the IFB, or -1 */
};

/*
 * Loads them with maps of their own, attaches and pins nothing, and lets all go again but lead_fd, which
 * is to be closed. 0, or -errno and why, and then there are none.
 */
int skeleton_try(bool leads, struct skeleton_trial *ret_trial, char why[LOG_TEXT]);

#endif
