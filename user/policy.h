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
#include "units.h"

#define POLICY_WINDOW_MIN_NS   100000000ULL    /* 100 ms */
#define POLICY_WINDOW_MAX_NS   3600000000000ULL /* an hour */
#define POLICY_OVERHEAD_MAX    256

#define POLICY_WINDOW_NS       2000000000ULL /* default W when policing */
#define POLICY_BURST_NS	       200000000ULL  /* default burst when policing: TCP's smallest timeout */
#define POLICY_HEADROOM_NS     5000000ULL
#define POLICY_FRAME_BYTES     1514 /* a full-size Ethernet frame */

/* What one direction is given, as derived; for display and for tests. */
const char *policy_class_name(enum bwctl_class class);
const char *policy_direction_name(enum bwctl_direction direction);

/*
 * Derives meter and promise of one direction from its request.
 *
 * cpus is the number of possible CPUs (each may hold a lease), leases says
 * whether CPUs may hold any beyond the least purchase. The overshoot is half a percent of
 * what the window may carry, but one frame at least and the largest GSO packet at
 * most; the leases of all CPUs together a quarter percent. Then, with h the
 * headroom of the most favoured class and all in bits and seconds,
 *
 *   B = r * (burst + h) + overshoot + cpus * lease       and   r = limit - B / W
 *   so r = (limit * W - overshoot - cpus * lease) / (W + burst + h)
 *
 * (with burst given in bytes it moves from the denominator to the numerator).
 *
 * start_ns in meter is left 0: when the limit began is the caller's to say.
 * Returns 0, or -EINVAL with ret_why set when burst and window leave less than
 * half of the limit for r, or the window is too short for a single frame.
 */
int policy_derive(const struct bwctl_request *request, uint32_t cpus, bool leases,
		  struct bwctl_meter *ret_meter, struct bwctl_promise *ret_promise,
		  char ret_why[UNITS_TEXT]);

/*
 * Moves from one policy to the next at the moment now_ns: a direction that gets its
 * first limit starts with an empty bucket, one that had a limit keeps what it has
 * on its clock. next's meters are already derived; sets start_ns and generation.
 */
void policy_succeed(const struct bwctl_policy *previous, struct bwctl_policy *next,
		    uint64_t now_ns);

#endif
