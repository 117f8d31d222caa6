/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Quantities as people write and read them. One reader of decimal numbers and
 * one table of units per kind of quantity; what a refused text was likely
 * meant to be is worked out here too, because only the parser still knows.
 * No floating point: 0.1 is not a binary fraction, and a limit is a promise.
 */
#include "units.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define KILO 1000ULL
#define MEGA 1000000ULL
#define GIGA 1000000000ULL
#define TERA 1000000000000ULL
#define KIBI (1ULL << 10)
#define MEBI (1ULL << 20)
#define GIBI (1ULL << 30)
#define TEBI (1ULL << 40)

/* What is quoted of the user's text, so that every error fits UNITS_TEXT. */
#define QUOTE 32

/* A number longer than this is not repeated in a suggestion. 15 digits times 8000 fit 64 bits. */
#define SUGGESTED_DIGITS 15
#define SUGGESTION	 32

struct unit {
	const char *name; /* NULL ends a table */
	uint64_t scale;	  /* of the base unit: bits per second, nanoseconds, bytes */
};

/* A decimal number at the start of a text, and what follows it. */
struct number {
	const char *whole;    /* the digits before the point */
	const char *fraction; /* those after it, not terminated either */
	size_t whole_digits;
	size_t fraction_digits;
	const char *unit; /* the rest of the text */
};

struct kind {
	const char *noun;
	const char *expected;	 /* the units to name when a text has none that is known */
	const char *bounds_noun; /* "the smallest ..." */
	const struct unit *units;
	uint64_t min, max;
	const char *(*format)(uint64_t value, char text[UNITS_TEXT]);
	/* Explains a unit that is not in the table when it is likely known what was meant. */
	bool (*explain)(const char *quoted, const struct number *number, char why[UNITS_TEXT]);
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Not tolower(): "KIBIT" must mean the same under a Turkish locale. */
static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_word(const char *left, const char *right)
{
	for (; *left && fold(*left) == fold(*right); left++, right++)
		;
	return fold(*left) == fold(*right);
}

static bool starts_with(const char *text, const char *start)
{
	for (; *start; text++, start++)
		if (fold(*text) != *start)
			return false;
	return true;
}

static bool one_of(const char *text, const char *const words[])
{
	for (; *words; words++)
		if (same_word(text, *words))
			return true;
	return false;
}

__attribute__((format(printf, 2, 3))) static int refuse(char why[UNITS_TEXT], const char *format,
							...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, UNITS_TEXT, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static const char *quote(const char *text, char quoted[QUOTE + 1])
{
	size_t n;

	for (n = 0; text[n] && n < QUOTE; n++)
		quoted[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	quoted[n] = '\0';
	if (text[n])
		memcpy(quoted + QUOTE - 3, "...", 3);
	return quoted;
}

static int read_number(const char *text, const char *quoted, const char *noun, const char *expected,
		       struct number *ret_number, char why[UNITS_TEXT])
{
	struct number number = {.whole = text};
	const char *c;

	if (!*text)
		return refuse(why, "the %s is empty: expected %s", noun, expected);
	for (c = text; *c; c++)
		if (is_space(*c))
			return refuse(why, "space in '%s': write the %s as one word", quoted, noun);
	if (*text == '-')
		return refuse(why, "'%s' is negative: expected %s", quoted, expected);
	if (*text == '+')
		return refuse(why, "sign in '%s': write the %s without it", quoted, noun);

	for (c = text; is_digit(*c); c++)
		number.whole_digits++;
	number.fraction = c;
	if (*c == '.') {
		number.fraction = ++c;
		for (; is_digit(*c); c++)
			number.fraction_digits++;
		if (!number.fraction_digits && *c != '.')
			return refuse(why, "no digit after the point in '%s': expected %s", quoted,
				      expected);
		if (*c == '.')
			return refuse(why, "more than one decimal point in '%s': expected %s",
				      quoted, expected);
	}
	if (*c == ',')
		return refuse(why, "comma in '%s': write a decimal point, no separators", quoted);
	if (!number.whole_digits && !number.fraction_digits)
		return refuse(why, "'%s' is not a number: expected %s", quoted, expected);
	if (fold(*c) == 'x')
		return refuse(why, "'%s' is hexadecimal: write the number in decimal", quoted);
	if (fold(*c) == 'e' && (is_digit(c[1]) || c[1] == '+' || c[1] == '-'))
		return refuse(why, "exponent in '%s': write the number in full", quoted);
	number.unit = c;
	*ret_number = number;
	return 0;
}

/*
 * number * scale, the fraction dropped. Above UINT64_MAX it may be less than
 * the true value, but never UINT64_MAX or less.
 *
 * The fraction is worked out from its last digit to its first: as
 * floor((n + x) / 10) = floor((n + floor(x)) / 10) for a whole n, dropping
 * what is below the point at every step is exact, for any number of digits.
 */
static unsigned __int128 number_times(const struct number *number, uint64_t scale)
{
	unsigned __int128 whole = 0;
	uint64_t fraction = 0;
	size_t n;

	for (n = 0; n < number->whole_digits && whole <= UINT64_MAX; n++)
		whole = whole * 10 + (unsigned int)(number->whole[n] - '0');
	for (n = number->fraction_digits; n-- > 0;)
		fraction = ((uint64_t)(number->fraction[n] - '0') * scale + fraction) / 10;
	return whole * scale + fraction;
}

static bool number_is_zero(const struct number *number)
{
	size_t n;

	for (n = 0; n < number->whole_digits; n++)
		if (number->whole[n] != '0')
			return false;
	for (n = 0; n < number->fraction_digits; n++)
		if (number->fraction[n] != '0')
			return false;
	return true;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
	for (; units->name; units++)
		if (same_word(name, units->name))
			return units;
	return NULL;
}

/*
 * Writes number * eighths / 8 in the given unit ("400mbit"), so that 64 turns
 * bytes into bits and 1 turns bits into bytes. Returns NULL when that would be
 * refused in its turn, or is too long to be of help.
 */
static const char *suggest(const struct kind *kind, const struct number *number,
			   unsigned int eighths, const char *unit_name, char text[SUGGESTION])
{
	const struct unit *unit = find_unit(kind->units, unit_name);
	size_t whole_digits = number->whole_digits, places = number->fraction_digits, n;
	const char *whole = number->whole;
	struct number suggested;
	char why[UNITS_TEXT];
	uint64_t mantissa = 0, power = 1;
	unsigned __int128 value;

	for (; whole_digits && *whole == '0'; whole_digits--)
		whole++;
	while (places && number->fraction[places - 1] == '0')
		places--;
	if (!unit || whole_digits + places > SUGGESTED_DIGITS)
		return NULL;

	for (n = 0; n < whole_digits; n++)
		mantissa = mantissa * 10 + (uint64_t)(whole[n] - '0');
	for (n = 0; n < places; n++)
		mantissa = mantissa * 10 + (uint64_t)(number->fraction[n] - '0');
	mantissa *= eighths * 125; /* eighths / 8 with three more places */
	places += 3;
	for (; places && mantissa % 10 == 0; places--)
		mantissa /= 10;
	for (n = 0; n < places; n++)
		power *= 10;

	n = (size_t)snprintf(text, SUGGESTION, "%llu", (unsigned long long)(mantissa / power));
	if (places)
		n += (size_t)snprintf(text + n, SUGGESTION - n, ".%0*llu", (int)places,
				      (unsigned long long)(mantissa % power));
	if (n + strlen(unit_name) >= SUGGESTION)
		return NULL;
	strcpy(text + n, unit_name);

	if (read_number(text, text, kind->noun, kind->expected, &suggested, why))
		return NULL;
	value = number_times(&suggested, unit->scale);
	return value >= kind->min && value <= kind->max ? text : NULL;
}

/* "no unit in '50': write 50kbit, 50mbit or 50gbit", of the units that would be in range. */
static bool explain_no_unit(const struct kind *kind, const char *const candidates[],
			    const char *quoted, const struct number *number, char why[UNITS_TEXT])
{
	char texts[4][SUGGESTION];
	unsigned int found = 0, n;
	size_t length;

	for (; *candidates && found < 3; candidates++)
		if (suggest(kind, number, 8, *candidates, texts[found]))
			found++;
	if (!found)
		return false;
	refuse(why, "no unit in '%s': write %s", quoted, texts[0]);
	for (n = 1; n < found; n++) {
		length = strlen(why);
		snprintf(why + length, UNITS_TEXT - length, "%s%s", n + 1 < found ? ", " : " or ",
			 texts[n]);
	}
	return true;
}

static int parse_quantity(const struct kind *kind, const char *text, uint64_t *ret_value,
			  char why[UNITS_TEXT])
{
	char quoted[QUOTE + 1], unit_quoted[QUOTE + 1], bound[UNITS_TEXT];
	const struct unit *unit;
	struct number number;
	unsigned __int128 value;
	int err;

	quote(text, quoted);
	err = read_number(text, quoted, kind->noun, kind->expected, &number, why);
	if (err)
		return err;
	unit = find_unit(kind->units, number.unit);
	if (!unit) {
		if (kind->explain(quoted, &number, why))
			return -EINVAL;
		if (!*number.unit)
			return refuse(why, "no unit in '%s': expected %s", quoted, kind->expected);
		return refuse(why, "unknown unit '%s' in '%s': expected %s",
			      quote(number.unit, unit_quoted), quoted, kind->expected);
	}
	if (number_is_zero(&number))
		return refuse(why, "'%s' is zero: the smallest %s is %s", quoted, kind->bounds_noun,
			      kind->format(kind->min, bound));
	value = number_times(&number, unit->scale);
	if (value < kind->min)
		return refuse(why, "'%s' is below the smallest %s, %s", quoted, kind->bounds_noun,
			      kind->format(kind->min, bound));
	if (value > kind->max)
		return refuse(why, "'%s' is above the largest %s, %s", quoted, kind->bounds_noun,
			      kind->format(kind->max, bound));
	*ret_value = (uint64_t)value;
	return 0;
}

/*
 * The multiples people write, and what follows them. In rates "M", "Mb", "MB"
 * and "mbps" are each used for megabits by some and megabytes by others (tc's
 * own mbps are megabytes), so none of them is guessed at.
 */
static const struct multiple {
	const char *prefix; /* the longer ones first */
	const char *bits, *bytes, *bytes_name;
} multiples[] = {
	{"ki", "kibit", "kib", "kibibytes"}, {"mi", "mibit", "mib", "mebibytes"},
	{"gi", "gibit", "gib", "gibibytes"}, {"ti", "tibit", "tib", "tebibytes"},
	{"k", "kbit", "kb", "kilobytes"},    {"m", "mbit", "mb", "megabytes"},
	{"g", "gbit", "gb", "gigabytes"},    {"t", "tbit", "tb", "terabytes"},
	{"", "bit", "b", "bytes"},
};

static const char *const words_bits[] = {"bit",	     "bits",  "bit/s",	"bits/s", "bit/sec",
					 "bits/sec", "bitps", "bitsps", NULL};
static const char *const words_bytes[] = {"byte",     "bytes",	   "byte/s", "bytes/s",
					  "byte/sec", "bytes/sec", NULL};
static const char *const words_ambiguous[] = {"",    "/s",    "/sec", "ps", "b",
					      "b/s", "b/sec", "bps",  NULL};

static const struct multiple *find_multiple(const char *unit)
{
	const struct multiple *multiple = multiples;

	while (!starts_with(unit, multiple->prefix))
		multiple++;
	return multiple;
}

static const struct unit rate_units[] = {
	{"bit", 1},	   {"kbit", KILO},    {"mbit", MEGA},	 {"gbit", GIGA},
	{"tbit", TERA},	   {"kibit", KIBI},   {"mibit", MEBI},	 {"gibit", GIBI},
	{"tibit", TEBI},   {"bit/s", 1},      {"kbit/s", KILO},	 {"mbit/s", MEGA},
	{"gbit/s", GIGA},  {"tbit/s", TERA},  {"kibit/s", KIBI}, {"mibit/s", MEBI},
	{"gibit/s", GIBI}, {"tibit/s", TEBI}, {NULL, 0},
};

static const struct kind rate_kind;

static bool explain_rate(const char *quoted, const struct number *number, char why[UNITS_TEXT])
{
	static const char *const candidates[] = {"bit", "kbit", "mbit", "gbit", NULL};
	const struct multiple *multiple = find_multiple(number->unit);
	const char *rest = number->unit + strlen(multiple->prefix);
	char bits_text[SUGGESTION], bytes_text[SUGGESTION], plain[SUGGESTION];
	const char *bits = suggest(&rate_kind, number, 8, multiple->bits, bits_text);
	const char *bytes = suggest(&rate_kind, number, 64, multiple->bits, bytes_text);

	if (!*number->unit)
		return explain_no_unit(&rate_kind, candidates, quoted, number, why);
	if (one_of(rest, words_bits) && bits) {
		refuse(why, "unknown unit in '%s': write %s", quoted, bits);
		return true;
	}
	if (one_of(rest, words_bytes) && bytes) {
		refuse(why, "'%s' is in bytes: write %s", quoted, bytes);
		return true;
	}
	if (!one_of(rest, words_ambiguous))
		return false;
	if (bits && bytes) {
		snprintf(plain, sizeof(plain), "%.*s", (int)(strlen(bits) - strlen(multiple->bits)),
			 bits);
		refuse(why, "ambiguous '%s': write %s, or %s for %s %s per second", quoted, bits,
		       bytes, plain, multiple->bytes_name);
	} else if (bits || bytes) {
		refuse(why, "ambiguous '%s': write %s%s%s", quoted, bits ? bits : bytes,
		       bits ? "" : " if it is ", bits ? "" : multiple->bytes_name);
	} else {
		refuse(why, "ambiguous '%s': expected %s", quoted, rate_kind.expected);
	}
	return true;
}

static const struct kind rate_kind = {
	.noun = "rate",
	.expected = "a number and bit, kbit, mbit or gbit",
	.bounds_noun = "limit",
	.units = rate_units,
	.min = UNITS_RATE_MIN_BITS_S,
	.max = UNITS_RATE_MAX_BITS_S,
	.format = units_format_rate,
	.explain = explain_rate,
};

int units_parse_rate(const char *text, uint64_t *ret_rate_bits_s, char ret_why[UNITS_TEXT])
{
	return parse_quantity(&rate_kind, text, ret_rate_bits_s, ret_why);
}

static const struct unit time_units[] = {
	{"us", KILO},	{"ms", MEGA},  {"s", GIGA},	   {"usec", KILO},
	{"msec", MEGA}, {"sec", GIGA}, {"min", 60 * GIGA}, {NULL, 0},
};

static const struct kind time_kind;

static bool explain_time(const char *quoted, const struct number *number, char why[UNITS_TEXT])
{
	static const char *const candidates[] = {"us", "ms", "s", NULL};
	char minutes[SUGGESTION], milliseconds[SUGGESTION];

	if (!*number->unit)
		return explain_no_unit(&time_kind, candidates, quoted, number, why);
	if (!same_word(number->unit, "m") || !suggest(&time_kind, number, 8, "ms", milliseconds))
		return false;
	if (suggest(&time_kind, number, 8, "min", minutes))
		refuse(why, "ambiguous '%s': write %s, or %s for minutes", quoted, milliseconds,
		       minutes);
	else
		refuse(why, "ambiguous '%s': write %s", quoted, milliseconds);
	return true;
}

static const struct kind time_kind = {
	.noun = "time",
	.expected = "a number and us, ms, s or min",
	.bounds_noun = "time",
	.units = time_units,
	.min = 1,
	.max = 3600 * GIGA,
	.format = units_format_time,
	.explain = explain_time,
};

int units_parse_time(const char *text, uint64_t *ret_time_ns, char ret_why[UNITS_TEXT])
{
	return parse_quantity(&time_kind, text, ret_time_ns, ret_why);
}

static const struct unit size_units[] = {
	{"b", 1},      {"kb", KILO},  {"mb", MEGA},  {"gb", GIGA}, {"tb", TERA},
	{"kib", KIBI}, {"mib", MEBI}, {"gib", GIBI}, {NULL, 0},
};

static const struct kind size_kind;

static bool explain_size(const char *quoted, const struct number *number, char why[UNITS_TEXT])
{
	static const char *const candidates[] = {"b", "kb", "mb", NULL};
	static const char *const words_rate[] = {"/s", "/sec", "ps", "b/s", "b/sec", "bps", NULL};
	const struct multiple *multiple = find_multiple(number->unit);
	const char *rest = number->unit + strlen(multiple->prefix);
	char text[SUGGESTION], binary_text[SUGGESTION], binary[8];

	if (!*number->unit)
		return explain_no_unit(&size_kind, candidates, quoted, number, why);
	if (one_of(rest, words_bits)) {
		if (!suggest(&size_kind, number, 1, multiple->bytes, text))
			return false;
		refuse(why, "'%s' is in bits: write %s", quoted, text);
		return true;
	}
	if (!suggest(&size_kind, number, 8, multiple->bytes, text))
		return false;
	if (one_of(rest, words_rate)) {
		refuse(why, "'%s' is a rate, not a size: write %s", quoted, text);
		return true;
	}
	if (one_of(rest, words_bytes)) {
		refuse(why, "unknown unit in '%s': write %s", quoted, text);
		return true;
	}
	if (*rest)
		return false;
	/* Only a bare prefix is left: "64k", which is 64000 to some and 65536 to others. */
	snprintf(binary, sizeof(binary), "%sib", multiple->prefix);
	if (suggest(&size_kind, number, 8, binary, binary_text))
		refuse(why, "ambiguous '%s': write %s, or %s for powers of 1024", quoted, text,
		       binary_text);
	else
		refuse(why, "incomplete unit in '%s': write %s", quoted, text);
	return true;
}

static const struct kind size_kind = {
	.noun = "size",
	.expected = "a number and b, kb, mb, gb, kib, mib or gib",
	.bounds_noun = "size",
	.units = size_units,
	.min = 1,
	.max = TERA,
	.format = units_format_size,
	.explain = explain_size,
};

int units_parse_size(const char *text, uint64_t *ret_size_bytes, char ret_why[UNITS_TEXT])
{
	return parse_quantity(&size_kind, text, ret_size_bytes, ret_why);
}

int units_parse_integer(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value,
			char ret_why[UNITS_TEXT])
{
	char quoted[QUOTE + 1];
	struct number number;
	unsigned __int128 value;
	int err;

	quote(text, quoted);
	err = read_number(text, quoted, "number", "digits only", &number, ret_why);
	if (err)
		return err;
	if (number.fraction_digits)
		return refuse(ret_why, "'%s' is not a whole number", quoted);
	if (*number.unit)
		return refuse(ret_why, "'%s' is not a plain number: expected digits only", quoted);
	value = number_times(&number, 1);
	if (value < min)
		return refuse(ret_why, "'%s' is below the smallest value, %llu", quoted,
			      (unsigned long long)min);
	if (value > max)
		return refuse(ret_why, "'%s' is above the largest value, %llu", quoted,
			      (unsigned long long)max);
	*ret_value = (uint64_t)value;
	return 0;
}

static uint64_t power_of_ten(unsigned int exponent)
{
	uint64_t power = 1;

	while (exponent--)
		power *= 10;
	return power;
}

/*
 * Writes value in the largest of the units (smallest first) that it reaches.
 * Exact with 6 significant digits or else rounded half up to 3; rounding that
 * reaches the next unit takes it: 999999999 is "1 Gbit/s", not "1000 Mbit/s".
 */
static const char *format_quantity(const struct unit *units, uint64_t value, char text[UNITS_TEXT])
{
	unsigned int digits = 0, places;
	unsigned __int128 scaled;
	uint64_t whole, number, power;

	while (units[1].name && value >= units[1].scale)
		units++;
	for (whole = value / units->scale; whole; whole /= 10)
		digits++;

	places = digits < 6 ? 6 - digits : 0;
	scaled = (unsigned __int128)value * power_of_ten(places);
	if (digits <= 6 && scaled % units->scale == 0) {
		number = (uint64_t)(scaled / units->scale);
	} else if (digits <= 3) {
		places = 3 - digits;
		scaled = (unsigned __int128)value * power_of_ten(places);
		number = (uint64_t)((scaled + units->scale / 2) / units->scale);
		if (digits == 3 && number == 1000 && units[1].name) {
			units++;
			number = 1;
		}
	} else {
		places = 0;
		power = power_of_ten(digits - 3);
		scaled = (unsigned __int128)units->scale * power;
		number = (uint64_t)((value + scaled / 2) / scaled) * power;
	}
	for (; places && number % 10 == 0; places--)
		number /= 10;
	power = power_of_ten(places);
	if (places)
		snprintf(text, UNITS_TEXT, "%llu.%0*llu %s", (unsigned long long)(number / power),
			 (int)places, (unsigned long long)(number % power), units->name);
	else
		snprintf(text, UNITS_TEXT, "%llu %s", (unsigned long long)number, units->name);
	return text;
}

const char *units_format_rate(uint64_t rate_bits_s, char text[UNITS_TEXT])
{
	static const struct unit units[] = {
		{"bit/s", 1},	  {"kbit/s", KILO}, {"Mbit/s", MEGA},
		{"Gbit/s", GIGA}, {"Tbit/s", TERA}, {NULL, 0},
	};

	return format_quantity(units, rate_bits_s, text);
}

const char *units_format_rate_bytes(uint64_t rate_bits_s, char text[UNITS_TEXT])
{
	static const struct unit units[] = {
		{"B/s", 8},	    {"kB/s", 8 * KILO}, {"MB/s", 8 * MEGA},
		{"GB/s", 8 * GIGA}, {"TB/s", 8 * TERA}, {NULL, 0},
	};

	return format_quantity(units, rate_bits_s, text);
}

const char *units_format_size(uint64_t size_bytes, char text[UNITS_TEXT])
{
	static const struct unit units[] = {
		{"B", 1}, {"kB", KILO}, {"MB", MEGA}, {"GB", GIGA}, {"TB", TERA}, {NULL, 0},
	};

	return format_quantity(units, size_bytes, text);
}

const char *units_format_time(uint64_t time_ns, char text[UNITS_TEXT])
{
	static const struct unit units[] = {{"us", KILO}, {"ms", MEGA}, {"s", GIGA}, {NULL, 0}};

	return time_ns ? format_quantity(units, time_ns, text) : strcpy(text, "0 s");
}

/*
 * A whole number of the largest of the units (smallest first) that it is one of.
 * Of the smallest it may need three places: a nanosecond is a thousandth of it.
 */
static const char *exact_quantity(const struct unit *units, uint64_t value, char text[UNITS_TEXT])
{
	const struct unit *unit = units;
	uint64_t places;

	while (unit[1].name)
		unit++;
	while (unit > units && value % unit->scale)
		unit--;
	places = value % unit->scale;
	if (places)
		snprintf(text, UNITS_TEXT, "%llu.%03llu%s",
			 (unsigned long long)(value / unit->scale), (unsigned long long)places,
			 unit->name);
	else
		snprintf(text, UNITS_TEXT, "%llu%s", (unsigned long long)(value / unit->scale),
			 unit->name);
	return text;
}

const char *units_exact_rate(uint64_t rate_bits_s, char text[UNITS_TEXT])
{
	static const struct unit units[] = {
		{"bit", 1}, {"kbit", KILO}, {"mbit", MEGA}, {"gbit", GIGA}, {NULL, 0},
	};

	return exact_quantity(units, rate_bits_s, text);
}

const char *units_exact_time(uint64_t time_ns, char text[UNITS_TEXT])
{
	static const struct unit units[] = {{"us", KILO}, {"ms", MEGA}, {"s", GIGA}, {NULL, 0}};

	return exact_quantity(units, time_ns, text);
}

const char *units_exact_size(uint64_t size_bytes, char text[UNITS_TEXT])
{
	static const struct unit units[] = {
		{"b", 1}, {"kb", KILO}, {"mb", MEGA}, {"gb", GIGA}, {NULL, 0},
	};

	return exact_quantity(units, size_bytes, text);
}

const char *units_format_count(uint64_t count, char text[UNITS_TEXT])
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
	char *to = text;
	int n;

	for (n = 0; n < length; n++) {
		if (n && (length - n) % 3 == 0)
			*to++ = ' ';
		*to++ = digits[n];
	}
	*to = '\0';
	return text;
}
