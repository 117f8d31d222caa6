// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The only writer to stderr.
 */
#include "log.h"

#include <stdio.h>
#include <unistd.h>

#include "words.h"

static const char *name = "bwctl";
static int verbosity;

void log_as(const char *program)
{
	name = program;
}

void log_verbosity(int level)
{
	verbosity = level;
}

static void log_line(const char *prefix, const char *format, va_list arguments)
{
	char text[LOG_TEXT];

	/* In one piece, so that the lines of several commands do not mix. */
	vsnprintf(text, sizeof(text), format, arguments);
	/* Names of files and interfaces, and what was typed, are in it. */
	words_tame(text);
	fprintf(stderr, "%s: %s\n", prefix, text);
}

void log_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_line(name, format, arguments);
	va_end(arguments);
}

void log_hint(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_line("hint", format, arguments);
	va_end(arguments);
}

void log_progress(const char *format, ...)
{
	char text[LOG_TEXT] = "";
	va_list arguments;

	if (!isatty(STDERR_FILENO))
		return;
	va_start(arguments, format);
	if (format)
		vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	/* Over what is there, and the rest of that line away (ECMA-48, EL). */
	fprintf(stderr, "\r%s\033[K", text);
	fflush(stderr);
}

void log_note(const char *format, ...)
{
	va_list arguments;

	if (verbosity < 1)
		return;
	va_start(arguments, format);
	log_line(name, format, arguments);
	va_end(arguments);
}

void log_debug(const char *format, va_list arguments)
{
	if (verbosity >= 2)
		vfprintf(stderr, format, arguments);
}

void log_verbatim(const char *text)
{
	fputs(text, stderr);
}
