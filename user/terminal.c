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

#include "log.h"

#define COLUMNS_MIN 40 /* with fewer there is no use in breaking lines */
#define HANGING	    2

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

static void say_line(const char *text, int columns)
{
	size_t indent = strspn(text, " "), length = fitting(text, indent, columns);
	int further = (int)indent + HANGING;

	printf("%.*s\n", (int)length, text);
	for (text += length; *text; text += length) {
		text += strspn(text, " ");
		length = fitting(text, 0, columns - further);
		printf("%*s%.*s\n", further, "", (int)length, text);
	}
}

void terminal_say(const char *format, ...)
{
	static char line[4 * LOG_TEXT];
	static size_t length;
	va_list arguments;
	char *rest = line, *end;

	va_start(arguments, format);
	vsnprintf(line + length, sizeof(line) - length, format, arguments);
	va_end(arguments);
	while ((end = strchr(rest, '\n'))) {
		*end = '\0';
		say_line(rest, terminal_columns());
		rest = end + 1;
	}
	length = strlen(rest);
	memmove(line, rest, length + 1);
}
