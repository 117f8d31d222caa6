/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * From what the operator asked for to the numbers the clock runs on. Pure:
 * no kernel, no clock, no output. The derivation of r and B is here, and the
 * proof that goes with it in docs/DESIGN.md.
 */
#ifndef POLICY_H
#define POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "bwctl.h"
#include "log.h"
#include "units.h"

#define POLICY_WINDOW_MIN_NS 100000000ULL     /* 100 ms */
#define POLICY_WINDOW_MAX_NS 3600000000000ULL /* an hour */
#define POLICY_OVERHEAD_MAX  256

#define POLICY_HORIZON_MIN_NS 5000000ULL    /* 5 ms */
#define POLICY_HORIZON_MAX_NS 2000000000ULL /* fq itself lets nothing wait longer than 10 s */

#define POLICY_WINDOW_NS   2000000000ULL /* default W when policing */
#define POLICY_BURST_NS	   200000000ULL	 /* default burst when policing: TCP's smallest timeout */
#define POLICY_HEADROOM_NS 5000000ULL
#define POLICY_FRAME_BYTES 1514 /* a full-size Ethernet frame */

#define POLICY_PACE_WINDOW_NS 1000000000ULL /* default W when pacing */
#define POLICY_PACE_BURST_NS  2000000ULL    /* default burst when pacing */
#define POLICY_HORIZON_NS     95000000ULL   /* default horizon; 8 frames where that is longer */
#define POLICY_LATE_NS	      2000000ULL    /* how late fq may let a packet go */
#define POLICY_DRIFT_NS	      0ULL	    /* how much later than its slot a sender may want it */
#define POLICY_DRIFT_MAX_NS   25000000ULL   /* the same, where TCP paces itself by the queue */

/* What one direction is given, as derived; for display and for tests. */
const char *policy_class_name(const struct bwctl_asked *asked, uint32_t class);
const char *policy_priority_name(enum bwctl_priority priority);
const char *policy_direction_name(enum bwctl_direction direction);
const char *policy_mode_name(enum bwctl_mode mode);

/* Asks for nothing: the built-in classes as they are, the listed flows, no limit. */
void policy_default(struct bwctl_asked *ret_asked);

enum policy_way {
	POLICY_DROPS, /* police */
	POLICY_WAITS, /* pace, in a queue of ours */
	POLICY_DRIFTS /* pace, in an fq by which TCP spaces its own packets as well */
};

/* What else the numbers of a limit depend on. */
struct policy_terms {
	enum policy_way way;
	uint32_t cpus;		  /* possible ones */
	bool leases;		  /* each may hold bytes that it has paid for and not spent */
	uint64_t reserved_bits_s; /* by all classes together */
	uint64_t banked_bytes; /* that classes may let wait after the aggregate has paid for them */
	bool is_class;	       /* a class's own limit: no levels, no leases, no jumps */
};

/* The window that is asked for, or the default of a limit (0: none) that paces, or polices. */
uint64_t policy_window(const struct bwctl_request *request, bool paces, uint64_t limit_bits_s);

/*
 * Derives meter and promise of one limit from its request, and the way in
 * which it is kept.
 *
 * The overshoot o is half a percent of the
 * window, at most 100 ms, but two frames at least; so is each of the two steps of the headroom
 * h (or 5 ms); the leases of all CPUs together are a quarter percent of what the
 * window may carry. Then
 *
 *   B = r * (burst + h + o) + leases
 *   r = limit - B / W
 *     = (limit * W - leases) / (W + burst + h + o)
 *
 * A burst given in bytes is subtracted above instead of added below. Reserves make h
 * longer by their part of 200 ms, and one step.
 *
 * Where packets wait, o is 2 ms or one frame, in the place of h is how late
 * packets may leave and what may jump the queue, o + horizon / 64; the leases are an eighth
 * percent, and what classes with limits of their own may let wait is subtracted like them.
 *
 * start_ns in meter is left 0: when the limit began is the caller's to say.
 * Returns 0, or -EINVAL with ret_why set when burst and window leave less than
 * half of the limit for r, or the window is too short for a single frame.
 */
int policy_derive_by(const struct bwctl_request *request, const struct policy_terms *terms,
		     struct bwctl_meter *ret_meter, struct bwctl_promise *ret_promise,
		     char ret_why[UNITS_TEXT]);

/* The same for all traffic, without reserves and limits of classes. */
int policy_derive(const struct bwctl_request *request, enum policy_way way, uint32_t cpus,
		  bool leases, struct bwctl_meter *ret_meter, struct bwctl_promise *ret_promise,
		  char ret_why[UNITS_TEXT]);

/*
 * The limit in force, of a direction and of a class in it: what was asked for, or what a run
 * of a command has made of it. 0: none.
 */
uint64_t policy_limit(const struct bwctl_policy *policy, enum bwctl_direction direction);
uint64_t policy_class_limit(const struct bwctl_policy *policy, uint32_t class,
			    enum bwctl_direction direction);

/* What the programs need to know of the classes, from what was asked of them. */
void policy_rules(struct bwctl_policy *policy);

/*
 * Derives both directions of a policy, and its classes, from what is asked and the mode
 * that each direction is enforced in. Errors as above, with the direction in front.
 */
int policy_build(struct bwctl_policy *policy, bool leases, char why[LOG_TEXT]);

/*
 * The largest super-packet that devices should make under a policy, in segments
 * of a full-size frame: as many as may leave at once, by any limit. 0: as they like.
 */
uint32_t policy_segments(const struct bwctl_policy *policy, enum bwctl_direction direction);

/*
 * Moves from one policy to the next at the moment now_ns (CLOCK_MONOTONIC):
 * sets generation and start_ns of next, whose meters are already derived. A
 * direction that gets its first limit starts with an empty bucket; one that
 * had a limit keeps what it has on its clock. A shorter burst comes with a
 * higher r, which must not meet what the longer one let through a moment ago:
 * it is kept back for as long as the former window. docs/DESIGN.md has the proof.
 */
void policy_succeed(const struct bwctl_policy *previous, struct bwctl_policy *next,
		    uint64_t now_ns);

/*
 * The rate that a meter runs at, at the moment now_ns: r, or less while its
 * predecessors hold it back, until *ret_until_ns (0 when they do not).
 */
uint64_t policy_held_rate(const struct bwctl_meter *meter, uint64_t now_ns, uint64_t *ret_until_ns);

#endif
