/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Words to policy: what "bwctl set" was told. No libbpf, no kernel, no output.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "bwctl.h"
#include "log.h"

/* What is to change; the rest stays. */
struct config_change {
	bool limit_given[BWCTL_DIRECTIONS];
	bool burst_given, window_given, overhead_given, mode_given, horizon_given;
	uint64_t limit_bits_s[BWCTL_DIRECTIONS]; /* 0 = unlimited */
	uint64_t burst_ns, burst_bytes;		 /* both 0 = default */
	uint64_t window_ns;			 /* 0 = default */
	uint64_t overhead_bytes;
	uint64_t horizon_ns; /* 0 = default */
	enum bwctl_mode mode;
};

/*
 * The words after "set": RATE | [ingress RATE] [egress RATE] [burst TIME|SIZE]
 * [window TIME] [overhead BYTES] [mode auto|pace|police] [horizon TIME], in any
 * order, each at most once; RATE may be "unlimited", burst, window and horizon
 * may be "default". Returns 0, or -EINVAL and why: which word, what was expected.
 */
int config_parse_set(int count, char *const words[], struct config_change *ret_change,
		     char why[LOG_TEXT]);

/* Lays a change over what was asked for before. */
void config_apply(const struct config_change *change,
		  struct bwctl_request requests[BWCTL_DIRECTIONS]);

#endif
