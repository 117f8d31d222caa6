/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What is watched as words: each figure as text, for the screen too, and all of them as one
 * plain line for where there is no screen.
 */
#ifndef WATCH_LINE_H
#define WATCH_LINE_H

#include <stdbool.h>
#include <stdio.h>

#include "units.h"
#include "watch_rates.h"

/* These write into text and return it: "49.5 Mbit/s", "12" or "0.3" per second, "84.6 ms" or "-". */
const char *watch_line_rate(uint64_t rate_bits_s, char text[UNITS_TEXT]);
const char *watch_line_lost(double lost_s, char text[UNITS_TEXT]);
const char *watch_line_wait(uint64_t wait_ns, char text[UNITS_TEXT]);

/*
 * When packets of a class last came: "now" in the last interval, "12 s ago", ">12 s ago" when that was before we looked,
 * which was since_ns, and "-" for never.
 */
const char *watch_line_seen(const struct watch_rates_class *class, uint64_t now_ns,
			    uint64_t since_ns, char text[UNITS_TEXT]);

/* "pace", "police" or "observe". */
const char *watch_line_mode(const struct watch_rates *rates, enum bwctl_direction direction);

/*
 * What is promised, and if packets cannot wait, why: "window W 2 s, bound B 1.32 MB: this kernel has no
 * fq qdisc"; and if a run holds the limit, that it does.
 */
const char *watch_line_promise(const struct watch_rates *rates, enum bwctl_direction direction,
			       char text[2 * LOG_TEXT]);

/* "100 -> 200 Mbit/s" */
const char *watch_line_step(uint64_t from_bits_s, uint64_t to_bits_s, char text[3 * UNITS_TEXT]);

/* "held to 10 Mbit/s by run 1 (50 asked)"; empty when no run holds it. */
const char *watch_line_held(const struct watch_rates_limit *limit, char text[3 * UNITS_TEXT]);

/* The plain line, of a class if one was chosen, and sends it off. Whether it could be written. */
bool watch_line_print(FILE *out, const struct watch_rates *rates, const char *class,
		      bool has_tenths);

/* The same as JSON on one line, which docs/bwctl.8 describes. */
bool watch_line_print_json(FILE *out, const struct watch_rates *rates, const char *class);

#endif
