// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The text that a failing function leaves.
 */
#include "why.h"

#include <stdio.h>
#include <string.h>

int why_fail(char why[LOG_TEXT], int err, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(why, LOG_TEXT, format, arguments);
	va_end(arguments);
	if (length >= 0 && length < LOG_TEXT)
		snprintf(why + length, (size_t)(LOG_TEXT - length), ": %s", strerror(-err));
	return err;
}

int why_refuse(char why[LOG_TEXT], int err, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, LOG_TEXT, format, arguments);
	va_end(arguments);
	return err;
}
