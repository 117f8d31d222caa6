/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Quantities as people write and read them: "50mbit" and 50000000, "200ms"
 * and 200000000. Parsing stands beside formatting so that what is printed can
 * be typed again. Nothing here prints, allocates, asks the locale, or knows
 * what a limit is for.
 */
#ifndef UNITS_H
#define UNITS_H

#include <stddef.h>
#include <stdint.h>

#define UNITS_RATE_MIN_BITS_S 8000ULL
#define UNITS_RATE_MAX_BITS_S 400000000000ULL

/* Large enough for every text this file writes, errors included. */
#define UNITS_TEXT 160

/*
 * A rate: a decimal number ("50", "1.5", ".5") directly followed by bit, kbit,
 * mbit, gbit or tbit (powers of 1000), or kibit, mibit, gibit or tibit (of
 * 1024), in any case, optionally followed by "/s". 8 kbit to 400 gbit; a
 * fraction of a bit is dropped. The arithmetic is exact however many digits
 * there are.
 *
 * Returns 0, or -EINVAL with ret_why set to what is wrong with the text and
 * what would be right ("ambiguous '50M': write 50mbit, or 400mbit for 50
 * megabytes per second"), without a trailing newline. The text may be any
 * bytes: what is quoted of it in ret_why is clipped and printable. ret_why is
 * written on error only, the value on success only.
 */
int units_parse_rate(const char *text, uint64_t *ret_rate_bits_s, char ret_why[UNITS_TEXT]);

/*
 * A time: a decimal number directly followed by us, ms, s or min (also usec,
 * msec, sec), in any case. More than 0, at most one hour; a fraction of a
 * nanosecond is dropped. Errors as above.
 */
int units_parse_time(const char *text, uint64_t *ret_time_ns, char ret_why[UNITS_TEXT]);

/*
 * A size: a decimal number directly followed by b, kb, mb, gb or tb (powers of
 * 1000, bytes), or kib, mib or gib (of 1024), in any case. At least 1 byte, at
 * most 1 tb; a fraction of a byte is dropped. Errors as above: "64k", "64mbit"
 * etc. are refused with what would be right.
 */
int units_parse_size(const char *text, uint64_t *ret_size_bytes, char ret_why[UNITS_TEXT]);

/*
 * A plain decimal integer between min and max, nothing else (no sign, no
 * unit). Errors as above.
 */
int units_parse_integer(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value,
			char ret_why[UNITS_TEXT]);

/*
 * These write into text and return it. Rates are in bits per second ("50
 * Mbit/s", "1.25 Gbit/s", "8 kbit/s"); units_format_rate_bytes is the same rate
 * in bytes per second ("6.25 MB/s"); sizes are in bytes ("1.13 MB", "512 B");
 * times are "2 s", "200 ms", "1.5 us".
 *
 * What takes up to 6 significant digits is printed in full, anything longer is
 * rounded to 3 ("1.234 Mbit/s" is exact, "44.9 Mbit/s" is near), never with an
 * exponent, never with trailing zeros after the point. Without its space, what
 * is printed parses again, within the parser's range.
 */
const char *units_format_rate(uint64_t rate_bits_s, char text[UNITS_TEXT]);
const char *units_format_rate_bytes(uint64_t rate_bits_s, char text[UNITS_TEXT]);
const char *units_format_size(uint64_t size_bytes, char text[UNITS_TEXT]);
const char *units_format_time(uint64_t time_ns, char text[UNITS_TEXT]);

/*
 * The same quantities for a file: one word that parses to the same value, however
 * many digits it takes ("50mbit", "49999999bit", "1500ms", "0.001us"). Values are
 * those that parse, never 0.
 */
const char *units_exact_rate(uint64_t rate_bits_s, char text[UNITS_TEXT]);
const char *units_exact_time(uint64_t time_ns, char text[UNITS_TEXT]);
const char *units_exact_size(uint64_t size_bytes, char text[UNITS_TEXT]);

/* "12 345 678": a counter, grouped by threes with a plain space. */
const char *units_format_count(uint64_t count, char text[UNITS_TEXT]);

#endif
