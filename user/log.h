/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The only writer to stderr. Errors are said once, by a command; everything
 * else is for -v, or for who waits at a terminal.
 */
#ifndef LOG_H
#define LOG_H

#include <stdarg.h>
#include <stdbool.h>

#define LOG_TEXT 512 /* size of an error's text, wherever one is carried upwards */

/* What errors begin with: "bwctl", unless it is another program. Not copied. */
void log_as(const char *program);

/* 0: errors and hints; 1 (-v): what is being done; 2 (-vv): libbpf's own messages too. */
void log_verbosity(int level);

/* "bwctl: " and the text, one line; of other programs their name. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A second line below an error: what to do. Said only where it is certain. */
void log_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * What is being done, for people only: on a terminal, each in the place of the one
 * before; NULL takes it away again. Nothing else may be said in between.
 */
void log_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

void log_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, va_list arguments);

/* As it is: the verifier's log. */
void log_verbatim(const char *text);

#endif
