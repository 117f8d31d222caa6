/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a server of metrics serves: texts, made anew by one thread when somebody
 * asks, at most ten times a second however many do. Knows nothing of HTTP.
 */
#ifndef SCRAPE_H
#define SCRAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "log.h"
#include "metrics.h"

struct scrape;

/*
 * Starts the thread; signals that are blocked in the caller stay so in it. The strings have to
 * last. config is the policy file, or empty. 0, or -errno and why.
 */
int scrape_start(struct scrape **ret_scrape, const char *pin_dir, const char *config,
		 char why[LOG_TEXT]);
void scrape_stop(struct scrape *scrape);

/* A text, or why there is none. It stays as it is until whoever took it gives it back. */
struct scrape_text {
	char *data;
	size_t length;
	bool is_error; /* data is one line that says why */
	unsigned int holders;
	struct scrape *scrape;
};

/*
 * The metrics as they are now, or were less than a quarter of a second ago, compressed by gzip
 * or not. An error is never compressed. NULL when it takes more than a few seconds.
 */
struct scrape_text *scrape_take(struct scrape *scrape, enum metrics_format format, bool gzip);
void scrape_give_back(struct scrape_text *text);

#endif
