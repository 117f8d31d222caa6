/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a fuzz target is: libFuzzer calls it, and tests/fuzz/replay.c with the
 * files of its corpus.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert() without NDEBUG, and with a word on what it is that does not hold. */
#define HOLDS(condition, what)                                                                    \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, what, #condition); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

#endif
