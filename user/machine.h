/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the kernel has and this process may do, whatever is loaded. Changes nothing:
 * what has to be tried is tried in a network namespace that goes away again.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"

enum machine_right {
	MACHINE_NET_ADMIN,
	MACHINE_BPF,	 /* or what it was a part of, CAP_SYS_ADMIN */
	MACHINE_PERFMON, /* the same */
	MACHINE_SYS_ADMIN,
	MACHINE_RIGHTS
};

/* A part of what lets packets wait. */
enum machine_part {
	MACHINE_FQ,
	MACHINE_IFB,
	MACHINE_MIRRED, /* of older kernels only */
	MACHINE_PARTS
};

struct machine {
	char release[65]; /* of the kernel */
	unsigned int major, minor;
	bool has_btf;
	bool is_interpreted; /* the compiler of BPF is switched off, as far as that can be read */
	bool is_realtime;    /* PREEMPT_RT */
	bool is_root;
	bool may[MACHINE_RIGHTS];
	int tried;		 /* 0: the parts were; or -errno, why not */
	int part[MACHINE_PARTS]; /* 0, or -errno */
	bool needs_mirred;
};

/* Everything but the parts. */
void machine_look(struct machine *ret_machine);

/*
 * Tries the parts, as load makes them, and loads kernel modules as that does. lead_fd is the program of
 * the filter that leads to the IFB, or -1 where none is needed. Takes a few seconds at most.
 */
void machine_try(struct machine *machine, int lead_fd);

const char *machine_right_name(enum machine_right right);

#endif
