// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What standard output is, and lines that fit it.
 */
#include "terminal.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_MIN 40 /* with fewer there is no use in breaking lines */
#define HANGING	    2
#define LINE	    16384 /* the names of all flows there may be */

bool terminal_may_have_colours(void)
{
	const char *no_colour = getenv("NO_COLOR");

	return !no_colour || !*no_colour;
}

bool terminal_has_colours(void)
{
	return isatty(STDOUT_FILENO) && terminal_may_have_colours();
}

const char *terminal_look(const char *sequence)
{
	return terminal_has_colours() ? sequence : "";
}

int terminal_columns(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return INT_MAX;
	return size.ws_col < COLUMNS_MIN ? COLUMNS_MIN : size.ws_col;
}

/* Bytes up to where columns are used up, at a space behind the first word if there is any, else all. */
static size_t fitting(const char *text, size_t indent, int columns)
{
	size_t space = 0, n = 0;
	int column = 0;

	while (text[n]) {
		if (text[n] == '\033') {
			n += strcspn(text + n, "m");
			n += text[n] == 'm';
			continue;
		}
		/* Not between a number and its unit. */
		if (text[n] == ' ' && n > indent && !isdigit((unsigned char)text[n - 1]))
			space = n;
		/* Of a character of UTF-8 the first byte counts. */
		column += (text[n] & 0xc0) != 0x80;
		if (column > columns && space)
			return space;
		n++;
	}
	return n;
}

void terminal_fold(const char *text, int columns, int further, FILE *out)
{
	size_t indent = strspn(text, " "), length = fitting(text, indent, columns);

	fprintf(out, "%.*s\n", (int)length, text);
	for (text += length; *text; text += length) {
		text += strspn(text, " ");
		length = fitting(text, 0, columns - further);
		fprintf(out, "%*s%.*s\n", further, "", (int)length, text);
	}
}

/* A further column of 0: a little further in than the line. */
static void say(int further, const char *format, va_list arguments)
{
	static char line[LINE];
	static size_t length;
	char *rest = line, *end;

	vsnprintf(line + length, sizeof(line) - length, format, arguments);
	while ((end = strchr(rest, '\n'))) {
		*end = '\0';
		terminal_fold(rest, terminal_columns(),
			      further ? further : (int)strspn(rest, " ") + HANGING, stdout);
		rest = end + 1;
	}
	length = strlen(rest);
	memmove(line, rest, length + 1);
}

void terminal_say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(0, format, arguments);
	va_end(arguments);
}

void terminal_say_hanging(int column, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(column, format, arguments);
	va_end(arguments);
}
