/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * user/units.c as tables: what each text means, or what is said about it, and
 * how each value is written. Then what must hold for every text: what is
 * printed parses again, every suggestion is itself accepted, and no bytes
 * whatever crash the parsers or leave an error unexplained.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define DIGITS_40 "1234567890123456789012345678901234567890"
#define ZEROS_40  "0000000000000000000000000000000000000000"

typedef int parser(const char *text, uint64_t *ret_value, char ret_why[UNITS_TEXT]);
typedef const char *formatter(uint64_t value, char text[UNITS_TEXT]);

struct parse_row {
	const char *text;
	uint64_t value;	 /* when why is NULL */
	const char *why; /* part of the error */
};

struct format_row {
	uint64_t value;
	const char *text;
};

static const struct parse_row rates[] = {
	{"50mbit", 50000000, NULL},
	{"50Mbit", 50000000, NULL},
	{"50MBIT", 50000000, NULL},
	{"50mBiT/S", 50000000, NULL},
	{"50mbit/s", 50000000, NULL},
	{"50000kbit", 50000000, NULL},
	{"50000000bit", 50000000, NULL},
	{"0.05gbit", 50000000, NULL},
	{"0.00005tbit", 50000000, NULL},
	{"050mbit", 50000000, NULL},
	{ZEROS_40 "50mbit", 50000000, NULL},
	{"50." ZEROS_40 "mbit", 50000000, NULL},
	{".5mbit", 500000, NULL},
	{"1.5mbit", 1500000, NULL},
	{"0.1mbit", 100000, NULL},
	{"1.000001mbit", 1000001, NULL},
	{"1.0000019mbit", 1000001, NULL},
	{"8kbit", 8000, NULL},
	{"8000bit", 8000, NULL},
	{"8000.9bit", 8000, NULL},
	{"400gbit", 400000000000, NULL},
	{"0.4tbit", 400000000000, NULL},
	{"400000000000bit/s", 400000000000, NULL},
	{"8kibit", 8192, NULL},
	{"50mibit", 52428800, NULL},
	{"50MiBit/s", 52428800, NULL},
	{"1gibit", 1073741824, NULL},
	{"0.25tibit", 274877906944, NULL},
	{"0.123456789tibit", 135742175033, NULL},
	/* 8193 / 2^20 in full: the fraction is exact to its last digit, and just below it is not */
	{"0.00781345367431640625mibit", 8193, NULL},
	{"0.00781345367431640624999999999999999999999999999mibit", 8192, NULL},
	{"0.99999999999999999999999999999999999999999gbit", 999999999, NULL},

	{"50M", 0, "ambiguous '50M': write 50mbit, or 400mbit for 50 megabytes per second"},
	{"50m", 0, "ambiguous '50m': write 50mbit, or 400mbit for 50 megabytes per second"},
	{"50mbps", 0, "ambiguous '50mbps': write 50mbit, or 400mbit for 50 megabytes per second"},
	{"50Mbps", 0, "ambiguous '50Mbps': write 50mbit, or 400mbit"},
	{"50MB", 0, "ambiguous '50MB': write 50mbit, or 400mbit for 50 megabytes per second"},
	{"50MB/s", 0, "ambiguous '50MB/s': write 50mbit, or 400mbit for 50 megabytes"},
	{"50Mb", 0, "ambiguous '50Mb': write 50mbit, or 400mbit"},
	{"50Mb/s", 0, "ambiguous '50Mb/s': write 50mbit, or 400mbit"},
	{"50M/s", 0, "ambiguous '50M/s': write 50mbit, or 400mbit"},
	{"50Mi", 0, "write 50mibit, or 400mibit for 50 mebibytes per second"},
	{"50MiB/s", 0, "write 50mibit, or 400mibit for 50 mebibytes per second"},
	{"100k", 0, "ambiguous '100k': write 100kbit, or 800kbit for 100 kilobytes per second"},
	{"1.25G", 0, "write 1.25gbit, or 10gbit for 1.25 gigabytes per second"},
	{"0.1T", 0, "ambiguous '0.1T': write 0.1tbit"},
	{"100G", 0, "ambiguous '100G': write 100gbit"},
	{"5k", 0, "ambiguous '5k': write 40kbit if it is kilobytes"},
	{"999T", 0, "ambiguous '999T': expected a number and bit, kbit, mbit or gbit"},
	{"50000B", 0, "write 50000bit, or 400000bit for 50000 bytes per second"},
	{"50Mbyte", 0, "'50Mbyte' is in bytes: write 400mbit"},
	{"6.25megabytes", 0, "unknown unit 'megabytes'"},
	{"50mbits", 0, "unknown unit in '50mbits': write 50mbit"},
	{"50mbitps", 0, "unknown unit in '50mbitps': write 50mbit"},
	{"50mbit/sec", 0, "unknown unit in '50mbit/sec': write 50mbit"},
	{"50", 0, "no unit in '50': write 50kbit, 50mbit or 50gbit"},
	{"50000000", 0, "no unit in '50000000': write 50000000bit or 50000000kbit"},
	{"5", 0, "no unit in '5': write 5mbit or 5gbit"},
	{DIGITS_40, 0, "expected a number and bit, kbit, mbit or gbit"},
	{"10mbut", 0, "unknown unit 'mbut' in '10mbut': expected a number and bit, kbit"},
	{"50mbitx", 0, "unknown unit 'mbitx'"},
	{"50mbit/", 0, "unknown unit 'mbit/'"},
	{"50mbit/ss", 0, "unknown unit 'mbit/ss'"},
	{"50mbit/m", 0, "unknown unit 'mbit/m'"},
	{"50mbit.", 0, "unknown unit 'mbit.'"},
	{"50%", 0, "unknown unit '%'"},
	{"50_000kbit", 0, "unknown unit '_000kbit'"},
	{"50ms", 0, "unknown unit 'ms'"},
	{"", 0, "the rate is empty"},
	{" ", 0, "space in ' '"},
	{" 50mbit", 0, "space in ' 50mbit'"},
	{"50mbit ", 0, "space in '50mbit '"},
	{"50 mbit", 0, "space in '50 mbit': write the rate as one word"},
	{"5 0mbit", 0, "space in '5 0mbit'"},
	{"50mbit\n", 0, "space in '50mbit?'"},
	{"\t50mbit", 0, "space in '?50mbit'"},
	{"-5mbit", 0, "'-5mbit' is negative"},
	{"-0mbit", 0, "'-0mbit' is negative"},
	{"+5mbit", 0, "sign in '+5mbit'"},
	{"0mbit", 0, "'0mbit' is zero: the smallest limit is 8 kbit/s"},
	{"0.000mbit", 0, "'0.000mbit' is zero"},
	{"0", 0, "no unit in '0'"},
	{".mbit", 0, "no digit after the point in '.mbit'"},
	{"5.mbit", 0, "no digit after the point in '5.mbit'"},
	{".", 0, "no digit after the point in '.'"},
	{"1..5mbit", 0, "more than one decimal point in '1..5mbit'"},
	{"1.2.3mbit", 0, "more than one decimal point in '1.2.3mbit'"},
	{"1,5mbit", 0, "comma in '1,5mbit': write a decimal point"},
	{"1,000mbit", 0, "comma in '1,000mbit'"},
	{",5mbit", 0, "comma in ',5mbit'"},
	{"nan", 0, "'nan' is not a number: expected a number and bit"},
	{"NaN", 0, "'NaN' is not a number"},
	{"inf", 0, "'inf' is not a number"},
	{"infinity", 0, "'infinity' is not a number"},
	{"mbit", 0, "'mbit' is not a number"},
	{"x50mbit", 0, "'x50mbit' is not a number"},
	{"$50mbit", 0, "'$50mbit' is not a number"},
	{"0x50mbit", 0, "'0x50mbit' is hexadecimal"},
	{"0X1F", 0, "'0X1F' is hexadecimal"},
	{"1e6bit", 0, "exponent in '1e6bit': write the number in full"},
	{"1E+6bit", 0, "exponent in '1E+6bit'"},
	{"5e-3gbit", 0, "exponent in '5e-3gbit'"},
	{"4kbit", 0, "'4kbit' is below the smallest limit, 8 kbit/s"},
	{"7999bit", 0, "'7999bit' is below the smallest limit"},
	{"7.99999999999999kbit", 0, "'7.99999999999999kbit' is below the smallest limit"},
	{"0.0001bit", 0, "'0.0001bit' is below the smallest limit"},
	{"401gbit", 0, "'401gbit' is above the largest limit, 400 Gbit/s"},
	{"400000000001bit", 0, "'400000000001bit' is above the largest limit"},
	{"0.41tibit", 0, "'0.41tibit' is above the largest limit"},
	{"18446744073709551616bit", 0, "above the largest limit"},
	{"18446744073709559616bit", 0, "above the largest limit"},  /* 8000 more than 2^64 */
	{"340282366920938463463374607431768219456bit", 0, "above"}, /* 8000 more than 2^128 */
	{DIGITS_40 DIGITS_40 DIGITS_40 "mbit", 0,
	 "'12345678901234567890123456789...' is above the largest limit"},
	{"\xff\xfe\x01", 0, "'?\?\?' is not a number"},
	{"50\xc2\xb5"
	 "bit",
	 0, "unknown unit '?\?bit' in '50?\?bit'"},
};

static const struct parse_row times[] = {
	{"200ms", 200000000, NULL},
	{"200MS", 200000000, NULL},
	{"200msec", 200000000, NULL},
	{"0.2s", 200000000, NULL},
	{"2s", 2000000000, NULL},
	{"2sec", 2000000000, NULL},
	{"1.5us", 1500, NULL},
	{"1usec", 1000, NULL},
	{"0.001us", 1, NULL},
	{"1min", 60000000000, NULL},
	{"60min", 3600000000000, NULL},
	{"3600s", 3600000000000, NULL},
	{"0s", 0, "'0s' is zero: the smallest time is 0.001 us"},
	{"0.0001us", 0, "below the smallest time, 0.001 us"},
	{"61min", 0, "'61min' is above the largest time, 3600 s"},
	{"1h", 0, "unknown unit 'h' in '1h': expected a number and us, ms, s or min"},
	{"5m", 0, "ambiguous '5m': write 5ms, or 5min for minutes"},
	{"500m", 0, "ambiguous '500m': write 500ms"},
	{"200", 0, "no unit in '200': write 200us, 200ms or 200s"},
	{"-1s", 0, "'-1s' is negative"},
	{"1e3ms", 0, "exponent"},
	{"", 0, "the time is empty"},
	{"2 s", 0, "space in '2 s': write the time as one word"},
	{"50mbit", 0, "unknown unit 'mbit'"},
	{"64kb", 0, "unknown unit 'kb'"},
	{"2s2", 0, "unknown unit 's2'"},
	{DIGITS_40 "s", 0, "above the largest time"},
};

static const struct parse_row sizes[] = {
	{"1b", 1, NULL},
	{"1B", 1, NULL},
	{"1.9b", 1, NULL},
	{"64kb", 64000, NULL},
	{"64kB", 64000, NULL},
	{"64kib", 65536, NULL},
	{"64KiB", 65536, NULL},
	{"1.5mb", 1500000, NULL},
	{"1mib", 1048576, NULL},
	{"2gb", 2000000000, NULL},
	{"1gib", 1073741824, NULL},
	{"1000gb", 1000000000000, NULL},
	{"1tb", 1000000000000, NULL},
	{"64k", 0, "ambiguous '64k': write 64kb, or 64kib for powers of 1024"},
	{"2M", 0, "ambiguous '2M': write 2mb, or 2mib for powers of 1024"},
	{"64ki", 0, "incomplete unit in '64ki': write 64kib"},
	{"64mbit", 0, "'64mbit' is in bits: write 8mb"},
	{"1kbit", 0, "'1kbit' is in bits: write 0.125kb"},
	{"64kb/s", 0, "'64kb/s' is a rate, not a size: write 64kb"},
	{"64kbps", 0, "'64kbps' is a rate, not a size: write 64kb"},
	{"64kbytes", 0, "unknown unit in '64kbytes': write 64kb"},
	{"64", 0, "no unit in '64': write 64b, 64kb or 64mb"},
	{"0kb", 0, "'0kb' is zero: the smallest size is 1 B"},
	{"0.5b", 0, "'0.5b' is below the smallest size, 1 B"},
	{"1001gb", 0, "'1001gb' is above the largest size, 1 TB"},
	{"-1kb", 0, "is negative"},
	{"200ms", 0, "unknown unit 'ms'"},
	{"", 0, "the size is empty"},
	{DIGITS_40 "k", 0, "unknown unit 'k'"},
};

/* Between 1 and 65535. */
static const struct parse_row integers[] = {
	{"1", 1, NULL},
	{"24", 24, NULL},
	{"00024", 24, NULL},
	{"65535", 65535, NULL},
	{"0", 0, "'0' is below the smallest value, 1"},
	{"65536", 0, "'65536' is above the largest value, 65535"},
	{"18446744073709551617", 0, "is above the largest value"},
	{DIGITS_40, 0, "is above the largest value"},
	{"-1", 0, "'-1' is negative"},
	{"+1", 0, "sign in '+1'"},
	{"1.0", 0, "'1.0' is not a whole number"},
	{"1k", 0, "'1k' is not a plain number"},
	{"0x10", 0, "'0x10' is hexadecimal"},
	{"1e3", 0, "exponent in '1e3'"},
	{"1 ", 0, "space in '1 '"},
	{"", 0, "the number is empty"},
	{"one", 0, "'one' is not a number: expected digits only"},
};

static const struct format_row rate_texts[] = {
	{0, "0 bit/s"},
	{1, "1 bit/s"},
	{999, "999 bit/s"},
	{1000, "1 kbit/s"},
	{8000, "8 kbit/s"},
	{8192, "8.192 kbit/s"},
	{999999, "999.999 kbit/s"},
	{1000001, "1 Mbit/s"},
	{1234000, "1.234 Mbit/s"},
	{1234560, "1.23456 Mbit/s"},
	{1234567, "1.23 Mbit/s"},
	{9999999, "10 Mbit/s"},
	{50000000, "50 Mbit/s"},
	{44912345, "44.9 Mbit/s"},
	{44950001, "45 Mbit/s"},
	{99999999, "100 Mbit/s"},
	{999499999, "999 Mbit/s"},
	{999500000, "999.5 Mbit/s"},
	{999500001, "1 Gbit/s"},
	{999999999, "1 Gbit/s"},
	{1250000000, "1.25 Gbit/s"},
	{400000000000, "400 Gbit/s"},
	{1000000000000, "1 Tbit/s"},
	{UINT64_MAX, "18400000 Tbit/s"},
};

static const struct format_row byte_rate_texts[] = {
	{0, "0 B/s"},	     {1, "0.125 B/s"},		{8, "1 B/s"},
	{8000, "1 kB/s"},    {8001, "1 kB/s"},		{50000000, "6.25 MB/s"},
	{7999999, "1 MB/s"}, {400000000000, "50 GB/s"}, {44912345, "5.61 MB/s"},
};

static const struct format_row size_texts[] = {
	{0, "0 B"},	      {512, "512 B"},	       {1514, "1.514 kB"},
	{1130000, "1.13 MB"}, {1134567, "1.13 MB"},    {65536, "65.536 kB"},
	{1048576, "1.05 MB"}, {1000000000000, "1 TB"}, {12345678000000, "12.3 TB"},
	{999999999, "1 GB"},
};

static const struct format_row time_texts[] = {
	{0, "0 s"},
	{1, "0.001 us"},
	{999, "0.999 us"},
	{1500, "1.5 us"},
	{200000000, "200 ms"},
	{2000000000, "2 s"},
	{123456789, "123 ms"},
	{999999999, "1 s"},
	{3600000000000, "3600 s"},
	{3600000000001, "3600 s"},
};

static const struct format_row count_texts[] = {
	{0, "0"},
	{999, "999"},
	{1000, "1 000"},
	{12345678, "12 345 678"},
	{100000, "100 000"},
	{UINT64_MAX, "18 446 744 073 709 551 615"},
};

static int parse_port(const char *text, uint64_t *ret_value, char ret_why[UNITS_TEXT])
{
	return units_parse_integer(text, 1, 65535, ret_value, ret_why);
}

static void check_parse(parser *parse, const struct parse_row *row, size_t rows)
{
	char why[UNITS_TEXT];
	uint64_t value;
	int err;

	for (; rows--; row++) {
		memset(why, 0, sizeof(why));
		value = 42;
		err = parse(row->text, &value, why);
		if (row->why) {
			if (err != -EINVAL || !strstr(why, row->why))
				fail_msg("'%s': expected the error \"%s\", got %d, \"%s\"",
					 row->text, row->why, err, why);
			assert_int_equal(value, 42);
		} else if (err || value != row->value) {
			fail_msg("'%s': expected %llu, got %d, %llu, \"%s\"", row->text,
				 (unsigned long long)row->value, err, (unsigned long long)value,
				 why);
		} else {
			assert_string_equal(why, "");
		}
	}
}

static void check_format(formatter *format, const struct format_row *row, size_t rows)
{
	char text[UNITS_TEXT];

	for (; rows--; row++) {
		assert_ptr_equal(format(row->value, text), text);
		assert_string_equal(text, row->text);
	}
}

static void test_rates(void **state)
{
	(void)state;
	check_parse(units_parse_rate, rates, COUNT(rates));
}

static void test_times(void **state)
{
	(void)state;
	check_parse(units_parse_time, times, COUNT(times));
}

static void test_sizes(void **state)
{
	(void)state;
	check_parse(units_parse_size, sizes, COUNT(sizes));
}

static void test_integers(void **state)
{
	char why[UNITS_TEXT];
	uint64_t value;

	(void)state;
	check_parse(parse_port, integers, COUNT(integers));
	assert_int_equal(units_parse_integer("18446744073709551615", 0, UINT64_MAX, &value, why),
			 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(units_parse_integer("18446744073709551616", 0, UINT64_MAX, &value, why),
			 -EINVAL);
	assert_int_equal(units_parse_integer("0018446744073709551615", 0, UINT64_MAX, &value, why),
			 0);
}

static void test_formats(void **state)
{
	(void)state;
	check_format(units_format_rate, rate_texts, COUNT(rate_texts));
	check_format(units_format_rate_bytes, byte_rate_texts, COUNT(byte_rate_texts));
	check_format(units_format_size, size_texts, COUNT(size_texts));
	check_format(units_format_time, time_texts, COUNT(time_texts));
	check_format(units_format_count, count_texts, COUNT(count_texts));
}

static uint64_t random_state = 0x9e3779b97f4a7c15;

/* xorshift64 (Marsaglia 2003): the same on every machine. */
static uint64_t random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* As likely to be small as large. */
static uint64_t random_value(uint64_t min, uint64_t max)
{
	uint64_t span = max - min + 1, value = random_number() >> (random_number() % 64);

	return min + value % span;
}

/*
 * Whatever is printed parses again to a value within half a unit of the third
 * digit, which prints the same; a value that takes 6 digits comes back whole.
 */
static void check_round_trip(parser *parse, formatter *format, uint64_t min, uint64_t max)
{
	char text[UNITS_TEXT], again[UNITS_TEXT], why[UNITS_TEXT] = "";
	uint64_t value, parsed, power, error;
	char *space;
	int n;

	for (n = 0; n < 200000; n++) {
		value = random_value(min, max);
		if (n % 2) {
			for (power = 1; value / power >= 1000000;)
				power *= 10;
			value -= value % power;
		}
		format(value, text);
		assert_true(strlen(text) < 16);
		assert_null(strchr(text, 'e'));
		space = strchr(text, ' ');
		assert_non_null(space);
		memmove(space, space + 1, strlen(space));
		if (parse(text, &parsed, why))
			fail_msg("%llu is printed as '%s': %s", (unsigned long long)value, text,
				 why);
		error = parsed > value ? parsed - value : value - parsed;
		if (n % 2 ? error != 0 : error > value / 200 + 1)
			fail_msg("%llu is printed as '%s', read as %llu", (unsigned long long)value,
				 text, (unsigned long long)parsed);
		format(parsed, again);
		space = strchr(again, ' ');
		memmove(space, space + 1, strlen(space));
		assert_string_equal(again, text);
	}
}

static void test_round_trips(void **state)
{
	(void)state;
	check_round_trip(units_parse_rate, units_format_rate, UNITS_RATE_MIN_BITS_S,
			 UNITS_RATE_MAX_BITS_S);
	check_round_trip(units_parse_size, units_format_size, 1, 1000000000000);
	check_round_trip(units_parse_time, units_format_time, 1, 3600000000000);
}

/* The words after "write", " or " and ", or " that are units of this parser must be accepted. */
static void check_suggestions(parser *parse, const char *text, const char *why)
{
	const char *write = strstr(why, "': write ");
	char suggestion[UNITS_TEXT], ignored[UNITS_TEXT];
	size_t length;
	uint64_t value;

	if (!write)
		return;
	for (write += strlen("': write "); write[0] >= '0' && write[0] <= '9';) {
		length = strcspn(write, ", ");
		memcpy(suggestion, write, length);
		suggestion[length] = '\0';
		if (parse(suggestion, &value, ignored))
			fail_msg("'%s' suggests '%s': %s", text, suggestion, ignored);
		write += length;
		write += strspn(write, ", ");
		if (!strncmp(write, "or ", 3))
			write += 3;
	}
}

/* An explanation is there, printable, terminated, lower case, and is no sentence. */
static void check_why(const char *text, const char why[UNITS_TEXT])
{
	size_t length = strnlen(why, UNITS_TEXT), n;

	if (!length || length >= UNITS_TEXT - 1)
		fail_msg("'%s': the error is empty or was cut: \"%.*s\"", text, UNITS_TEXT, why);
	for (n = 0; n < length; n++)
		assert_in_range(why[n], ' ', '~');
	if (why[length - 1] == '.' || (why[0] >= 'A' && why[0] <= 'Z'))
		fail_msg("'%s': \"%s\" is not in the house's form", text, why);
}

/* What is written for a file parses to the same value, and is a word. */
static void test_exact(void **state)
{
	static const struct {
		formatter *format;
		parser *parse;
		uint64_t min, max;
	} kinds[] = {
		{units_exact_rate, units_parse_rate, UNITS_RATE_MIN_BITS_S, UNITS_RATE_MAX_BITS_S},
		{units_exact_time, units_parse_time, 1, 3600000000000},
		{units_exact_size, units_parse_size, 1, 1000000000000},
	};
	static const struct {
		formatter *format;
		uint64_t value;
		const char *text;
	} rows[] = {
		{units_exact_rate, 8000, "8kbit"},
		{units_exact_rate, 50000000, "50mbit"},
		{units_exact_rate, 49999999, "49999999bit"},
		{units_exact_rate, 1500000000, "1500mbit"},
		{units_exact_rate, 400000000000, "400gbit"},
		{units_exact_time, 1, "0.001us"},
		{units_exact_time, 1001, "1.001us"},
		{units_exact_time, 1010, "1.010us"},
		{units_exact_time, 2000000, "2ms"},
		{units_exact_time, 1500000000, "1500ms"},
		{units_exact_time, 3600000000000, "3600s"},
		{units_exact_size, 1, "1b"},
		{units_exact_size, 65536, "65536b"},
		{units_exact_size, 64000, "64kb"},
		{units_exact_size, 1000000000000, "1000gb"},
	};
	char text[UNITS_TEXT], why[UNITS_TEXT];
	uint64_t value, parsed;
	size_t k, n;

	(void)state;
	for (n = 0; n < COUNT(rows); n++)
		assert_string_equal(rows[n].format(rows[n].value, text), rows[n].text);
	for (n = 0; n < 100000; n++)
		for (k = 0; k < COUNT(kinds); k++) {
			value = random_value(kinds[k].min, kinds[k].max);
			kinds[k].format(value, text);
			if (kinds[k].parse(text, &parsed, why) || parsed != value)
				fail_msg("%llu became '%s'", (unsigned long long)value, text);
		}
}

static void test_any_bytes(void **state)
{
	static const char *const pieces[] = {
		"0",  "1",   "9",     "50",  "999",	 "8",  ".",  ".",  "k",	      "M",
		"g",  "t",   "i",     "b",   "B",	 "it", "ps", "/s", "bit",     "bits",
		"e5", "0x",  "nan",   "inf", " ",	 ",",  "-",  "+",  "s",	      "ms",
		"us", "min", "bytes", "h",   "\xff\xff", "%s", "%n", "\n", DIGITS_40, "000000",
		"5",  "sec", "mbit",  "kb",  "\x7f",	 "'",
	};
	static parser *const parsers[] = {units_parse_rate, units_parse_time, units_parse_size,
					  parse_port};
	uint64_t value;
	unsigned int n, accepted = 0;
	size_t length, i, p;
	char *text;
	char why[UNITS_TEXT];

	(void)state;
	for (n = 0; n < 300000; n++) {
		char bytes[256] = "";

		if (n % 3 == 0) {
			length = random_number() % 200;
			for (i = 0; i < length; i++)
				bytes[i] = (char)(random_number() & 0xff);
			bytes[length] = '\0';
		} else {
			for (i = random_number() % 6 + 1; i--;)
				strcat(bytes, pieces[random_number() % COUNT(pieces)]);
		}
		text = strdup(bytes); /* so that a read past its end is seen */
		assert_non_null(text);
		for (p = 0; p < COUNT(parsers); p++) {
			memset(why, 0, sizeof(why));
			value = UINT64_MAX;
			if (parsers[p](text, &value, why)) {
				check_why(text, why);
				check_suggestions(parsers[p], text, why);
				assert_true(value == UINT64_MAX);
			} else {
				assert_true(value && value <= 3600000000000);
				accepted++;
			}
		}
		free(text);
	}
	assert_true(accepted > 1000);
}

static void test_any_value(void **state)
{
	static formatter *const formatters[] = {units_format_rate, units_format_rate_bytes,
						units_format_size, units_format_time,
						units_format_count};
	char text[UNITS_TEXT];
	size_t f;
	int n;

	(void)state;
	for (n = 0; n < 300000; n++)
		for (f = 0; f < COUNT(formatters); f++) {
			formatters[f](random_value(0, UINT64_MAX - 1), text);
			assert_in_range(strlen(text), 1, 31);
			assert_in_range(text[0], '0', '9');
			/* seconds and T have nothing above them to turn into */
			if (!strncmp(text, "1000 ", 5))
				assert_true(text[5] == 'T' || text[5] == 's');
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),	  cmocka_unit_test(test_times),
		cmocka_unit_test(test_sizes),	  cmocka_unit_test(test_integers),
		cmocka_unit_test(test_formats),	  cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_exact),	  cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_any_value),
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
