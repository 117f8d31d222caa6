/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Words to policy: what "bwctl set" was told, and the keys of the policy file,
 * which are the same. No libbpf, no kernel, no output.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "bwctl.h"
#include "log.h"
#include "units.h"

/* What can be given or not, each by itself. The limits come first, by direction. */
enum config_setting {
	CONFIG_INGRESS = BWCTL_INGRESS,
	CONFIG_EGRESS = BWCTL_EGRESS,
	CONFIG_BURST,
	CONFIG_WINDOW,
	CONFIG_OVERHEAD,
	CONFIG_MODE,
	CONFIG_HORIZON,
	CONFIG_SETTINGS
};

/* What is to change; the rest stays. */
struct config_change {
	bool given[CONFIG_SETTINGS];
	uint64_t limit_bits_s[BWCTL_DIRECTIONS]; /* 0 = unlimited */
	uint64_t burst_ns, burst_bytes;		 /* both 0 = default */
	uint64_t window_ns;			 /* 0 = default */
	uint64_t overhead_bytes;
	uint64_t horizon_ns; /* 0 = default */
	enum bwctl_mode mode;
};

/* A word of "set", or a key of the section [limit]: one row for both. */
struct config_key {
	const char *name;
	unsigned int settings; /* that it gives, a bit each */
	bool bare;	       /* after "set" its value stands alone, without the name */
	int (*parse)(const struct config_key *key, const char *text, struct config_change *change,
		     char why[LOG_TEXT]);
	void (*print)(const struct config_key *key, const struct bwctl_request *request,
		      char text[UNITS_TEXT]);
};

#define CONFIG_KEYS 8
extern const struct config_key config_keys[CONFIG_KEYS];

/* Whether a key gives a limit, of one direction or of both. */
bool config_is_limit(const struct config_key *key);

/*
 * Reads the value of a key into what it gives, which becomes given. 0, or -EINVAL
 * and why: what was found, what was expected; the key is not named.
 */
int config_parse_value(const struct config_key *key, const char *text, struct config_change *change,
		       char why[LOG_TEXT]);

/*
 * The value of a key in these requests, exactly, as config_parse_value() reads
 * it; what is default in the word for it. A key for both directions has the
 * value of the first.
 */
const char *config_print_value(const struct config_key *key,
			       const struct bwctl_request requests[BWCTL_DIRECTIONS],
			       char text[UNITS_TEXT]);

/*
 * The words after "set": RATE | [ingress RATE] [egress RATE] [burst TIME|SIZE]
 * [window TIME] [overhead BYTES] [mode auto|pace|police] [horizon TIME], in any
 * order, each at most once; RATE may be "unlimited", burst, window and horizon
 * may be "default". Returns 0, or -EINVAL and why: which word, what was expected.
 */
int config_parse_set(int count, char *const words[], struct config_change *ret_change,
		     char why[LOG_TEXT]);

/* A change of everything, to what is default: counting only. */
void config_default(struct config_change *ret_change);

/* Lays a change over what was asked for before. */
void config_apply(const struct config_change *change,
		  struct bwctl_request requests[BWCTL_DIRECTIONS]);

#endif
