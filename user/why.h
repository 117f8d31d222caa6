/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The text that a failing function leaves for the command to print: the whole
 * sentence, the subject quoted, no full stop. It goes upwards with the error
 * and is written where the error is understood, once.
 */
#ifndef WHY_H
#define WHY_H

#include "log.h"

/* The text, a colon and what errno stands for. Returns err, which is negative. */
int why_fail(char why[LOG_TEXT], int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The text alone says it all. Returns err. */
int why_refuse(char why[LOG_TEXT], int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
