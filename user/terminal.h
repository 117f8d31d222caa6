/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What standard output is: whether a person looks at it, in how many columns, and
 * whether in colours. Does not know what is written there.
 */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

#define TERMINAL_BOLD	"\033[1m"
#define TERMINAL_RED	"\033[31m"
#define TERMINAL_NORMAL "\033[0m"

/* Not where NO_COLOR is set and is not empty (no-color.org). The rest is for who draws on their own. */
bool terminal_may_have_colours(void);

/* The same, and there is a terminal. */
bool terminal_has_colours(void);

/* An escape sequence where there are colours, else nothing. */
const char *terminal_look(const char *sequence);

/* How wide the terminal is; INT_MAX where there is none, or that is not known. */
int terminal_columns(void);

/*
 * As printf(), of whole lines or of parts: what does not fit the terminal goes on in another line,
 * a little further in than the first. Other ways to standard output are for after a newline.
 */
void terminal_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line, which goes on in that column. */
void terminal_say_hanging(int column, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A line without its newline, in so many columns, wherever it goes to; it goes on in column "further". */
void terminal_fold(const char *text, int room, int further, FILE *out);

#endif
