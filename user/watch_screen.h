/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The only user of ncurses: what is watched, on a terminal of any size. Draws what it is given;
 * keys and signals are somebody else's.
 */
#ifndef WATCH_SCREEN_H
#define WATCH_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "watch_rates.h"

struct watch_screen_view {
	const struct watch_rates *rates;
	const struct watch_rates_history *history;
	uint64_t count;	      /* of the history, as far as it is to be shown */
	uint64_t interval_ns; /* as it was asked for */
	uint64_t since_ns;    /* when the first look was */
	const char *class;    /* that was chosen, or NULL */
	const char *status;   /* the last line; NULL: the keys */
	bool is_question;     /* it wants an answer */
	bool is_paused;
	bool has_help;
};

/* Whether standard output is a terminal on which one can draw, and standard input has its keys. */
bool watch_screen_can(void);

/*
 * Takes the terminal; false when that fails. watch_screen_close() leaves it as it was, and may be
 * called at any time; watch_screen_again() takes it once more, whatever was done to it meanwhile.
 */
bool watch_screen_open(void);
void watch_screen_close(void);
void watch_screen_again(void);

/* Looks how large the terminal is now. */
void watch_screen_resize(void);

/* Whether there is room for all of a text that is to be the status. */
bool watch_screen_fits(const char *text);

void watch_screen_draw(const struct watch_screen_view *view);

#endif
