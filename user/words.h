/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Words that somebody has mistyped: quoted so that nothing of them moves a
 * cursor, and the one that was probably meant. Pure.
 */
#ifndef WORDS_H
#define WORDS_H

#include <stddef.h>

#include "log.h"

/* What is quoted of a word. */
#define WORDS_QUOTE 40

/* Printable, and not too long; nothing else gets onto a terminal. Returns quoted. */
const char *words_quote(const char *word, char quoted[WORDS_QUOTE + 4]);

/* The same for a whole text, as long as it is. */
void words_clean(char *text);

/* Bytes of the character of UTF-8 that text begins with (RFC 3629); 0: of none. */
size_t words_character(const char *text);

/* The same text with U+FFFD for what is not UTF-8: three times as long at most. */
void words_whole(const char *text, char *ret_text);

/* Question marks for what a terminal may obey, and for what is not UTF-8; other text stays. */
void words_tame(char *text);

/*
 * A name as a shell takes it: the name itself where it is plain, else in quotes; what cannot be typed, or
 * would be taken for an option, is otherwise, for the reader to fill in.
 */
struct words_shell {
	char text[4 * 128];
};
struct words_shell words_shell(const char *name, const char *otherwise);

/*
 * "did you mean 'burst'?", with the nearest of the names between quotes, or NULL if
 * none is near. Exchanged, missing and superfluous letters count, and so does the case.
 */
const char *words_nearest(const char *const names[], size_t count, const char quotes[2],
			  const char *word, char text[LOG_TEXT]);

/* The same, or "expected rate, ingress or egress". */
const char *words_suggest(const char *const names[], size_t count, const char quotes[2],
			  const char *word, char text[LOG_TEXT]);

#endif
