/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What came of it: as a table for people, as JSON and as CSV. And the bar that is seen
 * meanwhile.
 */
#ifndef REACH_PRINT_H
#define REACH_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "reach_flow.h"
#include "reach_host.h"

#define REACH_PRINT_ALL	  40 /* hosts; of more, only those that are not ok */
#define REACH_PRINT_ALIKE 50 /* hosts that are not ok, with the same results, on a terminal */

/* What a file says of fields, RFC 4180. */
#define REACH_PRINT_COLUMNS "host,address,level,reason,flow,class,protocol,port,result,seconds"

struct reach_print {
	const struct reach_host *hosts;
	size_t count;
	const struct reach_flows *flows;
	bool is_whole;	 /* all of them are known */
	bool has_losses; /* it is known how many packets the limiter dropped */
	uint64_t losses;
	uint64_t elapsed_ns;
};

/* How a table is looked at. */
struct reach_print_view {
	bool has_colours;
	int columns;	/* INT_MAX: as many as need be */
	uint32_t alike; /* hosts of the same results that are shown; of more, their number; 0: all */
};

/* For people. 0, or -ENOMEM, and nothing is printed. */
int reach_print_table(const struct reach_print *print, const struct reach_print_view *view,
		      FILE *out);

/* docs/bwctl.8 describes it. NULL when out of memory. */
json_t *reach_print_json(const struct reach_print *print);

void reach_print_csv(const struct reach_print *print, FILE *out);

/* One field of CSV, in quotes where it needs them. */
void reach_print_field(const char *text, FILE *out);

/* "[####      ] 400 of 1 000 hosts, 12 s left"; as much of it as fits into so many columns, 0: all. */
void reach_print_bar(size_t done, size_t count, uint64_t elapsed_ns, size_t width,
		     char ret_text[LOG_TEXT]);

/* How many hosts are of a level. */
size_t reach_print_count(const struct reach_print *print, enum reach_level level);

#endif
