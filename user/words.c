// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Words that somebody has mistyped, and the one that was probably meant.
 */
#include "words.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DISTANCE_MAX 24 /* longer words are like none */

void words_clean(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

size_t words_character(const char *text)
{
	const unsigned char *byte = (const unsigned char *)text;
	size_t length = byte[0] < 0x80		 ? 1 :
			(byte[0] & 0xe0) == 0xc0 ? 2 :
			(byte[0] & 0xf0) == 0xe0 ? 3 :
			(byte[0] & 0xf8) == 0xf0 ? 4 :
						   0;

	for (size_t i = 1; i < length; i++)
		if ((byte[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, a surrogate, or beyond Unicode. */
	if ((length == 2 && byte[0] < 0xc2) || (length == 3 && byte[0] == 0xe0 && byte[1] < 0xa0) ||
	    (length == 3 && byte[0] == 0xed && byte[1] > 0x9f) ||
	    (length == 4 && byte[0] == 0xf0 && byte[1] < 0x90) ||
	    (length == 4 && (byte[0] > 0xf4 || (byte[0] == 0xf4 && byte[1] > 0x8f))))
		return 0;
	return length;
}

void words_tame(char *text)
{
	while (*text) {
		size_t length = words_character(text);
		const unsigned char *byte = (const unsigned char *)text;

		if (length == 1 ? (*byte < ' ' || *byte == 0x7f) :
		    length == 2 ? (byte[0] == 0xc2 && byte[1] < 0xa0) :
				  !length) {
			/* Of two bytes, both. */
			if (length == 2)
				text[1] = '?';
			*text = '?';
		}
		text += length ? length : 1;
	}
}

struct words_shell words_shell(const char *name, const char *otherwise)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_-+./:@%";
	struct words_shell word;
	char clean[LOG_TEXT];
	size_t length = 0;

	snprintf(clean, sizeof(clean), "%s", name);
	words_clean(clean);
	if (!*name || *name == '-' || strlen(name) > sizeof(word.text) / 4 - 1 ||
	    strcmp(clean, name)) {
		snprintf(word.text, sizeof(word.text), "%s", otherwise);
		return word;
	}
	if (!name[strspn(name, plain)]) {
		snprintf(word.text, sizeof(word.text), "%s", name);
		return word;
	}
	word.text[length++] = '\'';
	for (const char *at = name; *at; at++)
		if (*at == '\'')
			length += (size_t)snprintf(word.text + length, sizeof(word.text) - length,
						   "'\\''");
		else
			word.text[length++] = *at;
	word.text[length++] = '\'';
	word.text[length] = '\0';
	return word;
}

void words_whole(const char *text, char *ret_text)
{
	for (size_t length; *text; text += length ? length : 1) {
		length = words_character(text);
		memcpy(ret_text, length ? text : "\xef\xbf\xbd", length ? length : 3);
		ret_text += length ? length : 3;
	}
	*ret_text = '\0';
}

const char *words_quote(const char *word, char quoted[WORDS_QUOTE + 4])
{
	size_t n;

	for (n = 0; word[n] && n < WORDS_QUOTE; n++)
		quoted[n] = word[n] >= ' ' && word[n] <= '~' ? word[n] : '?';
	strcpy(quoted + n, word[n] ? "..." : "");
	return quoted;
}

/*
 * How many letters have to be added, left out, changed, or exchanged with their
 * neighbour (optimal string alignment). Upper and lower case are one slip each.
 */
static size_t distance(const char *a, const char *b)
{
	size_t a_length = strlen(a), b_length = strlen(b);
	size_t table[DISTANCE_MAX + 1][DISTANCE_MAX + 1];

	if (a_length > DISTANCE_MAX || b_length > DISTANCE_MAX)
		return SIZE_MAX;
	for (size_t i = 0; i <= a_length; i++)
		for (size_t j = 0; j <= b_length; j++) {
			size_t best = i ? i : j;

			if (i && j) {
				best = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
				if (table[i - 1][j] + 1 < best)
					best = table[i - 1][j] + 1;
				if (table[i][j - 1] + 1 < best)
					best = table[i][j - 1] + 1;
			}
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    table[i - 2][j - 2] + 1 < best)
				best = table[i - 2][j - 2] + 1;
			table[i][j] = best;
		}
	return table[a_length][b_length];
}

const char *words_nearest(const char *const names[], size_t count, const char quotes[2],
			  const char *word, char text[LOG_TEXT])
{
	size_t nearest = 0, least = SIZE_MAX;

	for (size_t n = 0; n < count; n++) {
		size_t far = strcasecmp(names[n], word) ? distance(names[n], word) : 0;

		if (far < least) {
			least = far;
			nearest = n;
		}
	}
	if (least == SIZE_MAX || least > 1 + strlen(names[nearest]) / 4)
		return NULL;
	snprintf(text, LOG_TEXT, "did you mean %c%s%c?", quotes[0], names[nearest], quotes[1]);
	return text;
}

const char *words_suggest(const char *const names[], size_t count, const char quotes[2],
			  const char *word, char text[LOG_TEXT])
{
	size_t length = 0;

	if (words_nearest(names, count, quotes, word, text))
		return text;
	for (size_t n = 0; n < count && length < LOG_TEXT; n++)
		length += (size_t)snprintf(text + length, LOG_TEXT - length, "%s%s",
					   !n		 ? "expected " :
					   n + 1 < count ? ", " :
							   " or ",
					   names[n]);
	return text;
}
