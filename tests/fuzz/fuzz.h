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
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert() without NDEBUG, and with a word on what it is that does not hold. */
#define HOLDS(condition, what)                                                                    \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, what, #condition); \
			abort();                                                                  \
		}                                                                                 \
	} while (0)

/*
 * Words, each ended by a NUL, at most so many. Each by itself, so that a byte too many is
 * noticed. free() them; returns how many there are, and NULL is behind them.
 */
static inline int fuzz_words(const uint8_t *data, size_t size, int most, char *ret_words[])
{
	int count = 0;

	while (size && count < most) {
		const uint8_t *end = memchr(data, '\0', size);
		size_t length = end ? (size_t)(end - data) : size;

		ret_words[count] = malloc(length + 1);
		HOLDS(ret_words[count], "memory");
		memcpy(ret_words[count], data, length);
		ret_words[count++][length] = '\0';
		data += length + (end ? 1 : 0);
		size -= length + (end ? 1 : 0);
	}
	ret_words[count] = NULL;
	return count;
}

#endif
