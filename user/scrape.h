/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a server of metrics serves: texts, made anew by one thread when somebody
 * asks, at most ten times a second however many do. Nobody waits here. Knows
 * nothing of HTTP.
 */
#ifndef SCRAPE_H
#define SCRAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log.h"
#include "metrics.h"

struct scrape;

/* What is served: the formats of metrics, one line that all is well, and the JSON of show. */
enum scrape_kind {
	SCRAPE_PROMETHEUS = METRICS_PROMETHEUS,
	SCRAPE_OPENMETRICS = METRICS_OPENMETRICS,
	SCRAPE_HEALTH = METRICS_FORMATS,
	SCRAPE_SHOW,
	SCRAPE_KINDS
};

/*
 * Starts the thread; signals that are blocked in the caller stay so in it. The strings have to
 * last. config is the policy file, or empty. is_made is called by that thread when there is
 * something new. 0, or -errno and why.
 */
int scrape_start(struct scrape **ret_scrape, const char *pin_dir, const char *config,
		 void (*is_made)(void *argument), void *argument, char why[LOG_TEXT]);

/*
 * Ends the thread, if that is done within a second or two: it may be held up by what it reads.
 * Else -EBUSY, and nothing of it may be touched any more.
 */
int scrape_stop(struct scrape *scrape);

/* A text, or why there is none. It stays as it is until whoever took it gives it back. */
struct scrape_text {
	char *data;
	size_t length;
	bool is_error;	  /* data is one line that says why, of SCRAPE_SHOW {"error": why} */
	uint64_t read_ns; /* when what it says was read, by CLOCK_MONOTONIC */
	unsigned int holders;
	struct scrape *scrape;
};

/*
 * A text as of now, or of less than a quarter of a second ago, compressed by gzip or not. An error
 * is never compressed. NULL when there is none: it is being made, and is_made() will tell.
 */
struct scrape_text *scrape_take(struct scrape *scrape, enum scrape_kind kind, bool gzip);
void scrape_give_back(struct scrape_text *text);

#endif
