// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Tables on screens of every width: no line is longer than the screen, no figure is left out, and
 * where there is room they are as they are meant to be. And lines of words on an 80-column one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <pty.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "table.h"
#include "terminal.h"

#define TEXT 65536

/* Figures of a limiter that has run for long: 999.9 GB each way, and more. */
static const char *const figures[][8] = {
	{"ui", "61 284", "11 302 911", "0", "0", "52 270", "68.3 ms", "90 ms"},
	{"a-very-long-one", "999 999 999", "999 900 000 000", "999 999 998", "999 800 000 000",
	 "999 999 997", "68.4 ms", "95.1 ms"},
	{"total", "1 000 061 283", "1 999 911 302 911", "999 999 997", "999 700 000 000",
	 "1 000 052 267", "999 us", "123 ms"},
};

static void fill_figures(const void *argument, size_t number, struct table_row *ret_row)
{
	(void)argument;
	for (size_t i = 0; i < 8; i++)
		strcpy(ret_row->cells[i], figures[number][i]);
}

static const struct table classes = {
	.columns = {{"class", 15, true, 0},
		    {"passed", 13, false, 1},
		    {"bytes", 16, false, 1},
		    {"dropped", 13, false, 2},
		    {"bytes", 16, false, 2},
		    {"paced", 13, false, 3},
		    {"mean wait", 9, false, 3},
		    {"longest", 9, false, 3}},
	.column_count = 8,
	.row_count = 3,
	.indent = 2,
	.fill = fill_figures,
};

/* What a function prints on standard output, which is a file meanwhile, or a terminal. */
static int former = -1;

static void begin(int fd)
{
	fflush(stdout);
	former = dup(STDOUT_FILENO);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
}

static void end(void)
{
	fflush(stdout);
	dup2(former, STDOUT_FILENO);
	close(former);
}

static void printed(const struct table *table, int columns, char text[TEXT])
{
	FILE *file = tmpfile();
	size_t length;

	assert_non_null(file);
	begin(fileno(file));
	table_print(table, columns);
	end();
	rewind(file);
	length = fread(text, 1, TEXT - 1, file);
	text[length] = '\0';
	fclose(file);
}

static size_t longest_line(const char *text)
{
	size_t longest = 0;

	while (*text) {
		size_t length = strcspn(text, "\n");

		if (longest < length)
			longest = length;
		text += length + 1;
	}
	return longest;
}

/* How often a word is there, between spaces or the ends of lines. */
static unsigned int times(const char *text, const char *word)
{
	unsigned int found = 0;

	for (const char *at = text; (at = strstr(at, word)); at++)
		found += (at == text || at[-1] == ' ' || at[-1] == '\n') &&
			 strchr(" \n", at[strlen(word)]) != NULL;
	return found;
}

static void test_room(void **state)
{
	static char text[TEXT];

	(void)state;
	printed(&classes, INT_MAX, text);
	assert_string_equal(
		text,
		"  class                  passed            bytes       dropped            bytes         paced mean wait   longest\n"
		"  ui                     61 284       11 302 911             0                0        52 270   68.3 ms     90 ms\n"
		"  a-very-long-one   999 999 999  999 900 000 000   999 999 998  999 800 000 000   999 999 997   68.4 ms   95.1 ms\n"
		"  total           1 000 061 283 1 999 911 302 911  999 999 997  999 700 000 000 1 000 052 267    999 us    123 ms\n");
}

static void test_every_width(void **state)
{
	static char text[TEXT];

	(void)state;
	for (int columns = 50; columns < 140; columns++) {
		printed(&classes, columns, text);
		if (longest_line(text) > (size_t)columns)
			fail_msg("%d columns:\n%s", columns, text);
		for (size_t row = 0; row < 3; row++)
			for (size_t i = 1; i < 8; i++)
				if (!times(text, figures[row][i]))
					fail_msg("%d columns, no '%s':\n%s", columns,
						 figures[row][i], text);
		for (size_t i = 0; i < 8; i++)
			if (!times(text, classes.columns[i].title))
				fail_msg("%d columns, no '%s':\n%s", columns,
					 classes.columns[i].title, text);
	}
}

static void test_parts(void **state)
{
	static char text[TEXT];

	(void)state;
	printed(&classes, 80, text);
	assert_string_equal(
		text,
		"  class                  passed             bytes     dropped           bytes\n"
		"  ui                     61 284        11 302 911           0               0\n"
		"  a-very-long-one   999 999 999   999 900 000 000 999 999 998 999 800 000 000\n"
		"  total           1 000 061 283 1 999 911 302 911 999 999 997 999 700 000 000\n"
		"  class                   paced mean wait longest\n"
		"  ui                     52 270   68.3 ms   90 ms\n"
		"  a-very-long-one   999 999 997   68.4 ms 95.1 ms\n"
		"  total           1 000 052 267    999 us  123 ms\n");
}

/* A note that reaches into the column of numbers. */
static void fill_note(const void *argument, size_t number, struct table_row *ret_row)
{
	(void)argument;
	strcpy(ret_row->cells[0], number ? "(another network namespace)" : "eth0");
	strcpy(ret_row->cells[1], number ? "" : "12345678");
	strcpy(ret_row->cells[2], "egress");
}

static void test_reach(void **state)
{
	static const struct table table = {
		.columns = {{"interface", 21, true, 0}, {"index", 5, false, 0}, {"", 8, true, 1}},
		.column_count = 3,
		.row_count = 2,
		.fill = fill_note,
	};
	static char text[TEXT];

	(void)state;
	printed(&table, INT_MAX, text);
	assert_string_equal(text, "interface             index\n"
				  "eth0                  12345678 egress\n"
				  "(another network namespace) egress\n");
	printed(&table, 35, text);
	assert_string_equal(text, "interface             index\n"
				  "eth0               12345678 egress\n"
				  "(another network namespace) egress\n");
}

/* Of an interface, as long as its figures get. */
static const struct table interfaces = {
	.columns = {{"interface", 21, true, 0},
		    {"index", 5, false, 0},
		    {"", 8, true, 0},
		    {"", 14, true, 0},
		    {"passed", 13, false, 1},
		    {"bytes", 16, false, 1},
		    {"dropped", 13, false, 2},
		    {"bytes", 16, false, 2}},
	.column_count = 8,
	.row_count = 2,
};

static void fill_interface(const void *argument, size_t number, struct table_row *ret_row)
{
	const char *const *cells = argument;

	strcpy(ret_row->cells[0], number ? "(another network namespace)" : "eth0");
	strcpy(ret_row->cells[1], number ? "" : "2");
	strcpy(ret_row->cells[2], number ? "egress" : "ingress");
	strcpy(ret_row->cells[3], number ? "not attached" : "tcx    police");
	for (size_t i = 4; i < 8; i++)
		strcpy(ret_row->cells[i], cells[i - 4]);
}

static void print_interfaces(int columns, const char *const cells[4], char text[TEXT])
{
	struct table table = interfaces;

	table.fill = fill_interface;
	table.argument = cells;
	printed(&table, columns, text);
}

/* What is longer than it is meant to be at the end of the line, where no neighbour gives way. */
static void test_long_figures(void **state)
{
	static const char *const cells[][4] = {
		{"0", "0", "0", "0"},
		{"1", "2", "3", "1 000 000 000 000"},
		{"1 000 000 000", "10 000 000 000 000", "1", "2"},
		{"9 999 999 999", "1 000 000 000 000 000", "9 999 999 998",
		 "1 000 000 000 000 001"},
	};
	static char text[TEXT];

	(void)state;
	for (size_t k = 0; k < sizeof(cells) / sizeof(cells[0]); k++)
		/* 49 are in front of each part, 22 are those of the longest figure. */
		for (int columns = k < 3 ? 68 : 71; columns < 140; columns++) {
			print_interfaces(columns, cells[k], text);
			if (longest_line(text) > (size_t)columns)
				fail_msg("%d columns:\n%s", columns, text);
			for (size_t i = 0; i < 4; i++)
				if (times(text, cells[k][i]) < 2)
					fail_msg("%d columns, no '%s':\n%s", columns, cells[k][i],
						 text);
		}
	print_interfaces(113, cells[1], text);
	assert_int_equal(times(text, "index"), 1);
	print_interfaces(114, cells[1], text);
	assert_int_equal(longest_line(text), 114);
}

/* A part that is too wide by itself is broken up, and the next one is whole again if it fits. */
static void test_narrow(void **state)
{
	static const char *const cells[4] = {"0", "0", "0", "0"};
	static char text[TEXT];

	(void)state;
	print_interfaces(60, cells, text);
	assert_string_equal(text, "interface             index                       passed\n"
				  "eth0                      2 ingress tcx    police      0\n"
				  "(another network namespace) egress  not attached       0\n"
				  "interface             index                       bytes\n"
				  "eth0                      2 ingress tcx    police     0\n"
				  "(another network namespace) egress  not attached      0\n"
				  "interface             index                       dropped\n"
				  "eth0                      2 ingress tcx    police       0\n"
				  "(another network namespace) egress  not attached        0\n"
				  "interface             index                       bytes\n"
				  "eth0                      2 ingress tcx    police     0\n"
				  "(another network namespace) egress  not attached      0\n");
	for (int columns = 57; columns < 63; columns++) {
		print_interfaces(columns, cells, text);
		if (longest_line(text) > (size_t)columns)
			fail_msg("%d columns:\n%s", columns, text);
	}
	print_interfaces(62, cells, text);
	assert_int_equal(times(text, "index"), 3);
}

/* An index that grows in a row behind the note gives it more to reach into. */
static void fill_late(const void *argument, size_t number, struct table_row *ret_row)
{
	fill_note(argument, !number, ret_row);
}

static void test_reach_late(void **state)
{
	static const struct table table = {
		.columns = {{"interface", 21, true, 0}, {"index", 5, false, 0}, {"", 8, true, 1}},
		.column_count = 3,
		.row_count = 2,
		.fill = fill_late,
	};
	static char text[TEXT];

	(void)state;
	printed(&table, 34, text);
	assert_string_equal(text, "interface             index\n"
				  "(another network namespace) egress\n"
				  "eth0               12345678 egress\n");
}

static void say(void)
{
	terminal_say("         police: what is over is %sdropped%s; it is not paced: ",
		     TERMINAL_RED, TERMINAL_NORMAL);
	terminal_say("packets cannot wait on 'eth0' in another network namespace\n");
	terminal_say(
		"\nunlimited\n         r is held back, as somebody may have said, to no more than some 100 Mbit/s\n");
}

/* What a function says on a terminal of 80 columns. */
static void said(void (*function)(void), char text[TEXT])
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	size_t length = 0;
	int master, slave;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
	begin(slave);
	assert_int_equal(terminal_columns(), 80);
	function();
	end();
	close(slave);
	for (ssize_t got; (got = read(master, text + length, TEXT - 1 - length)) > 0;)
		length += (size_t)got;
	text[length] = '\0';
	close(master);
}

static void say_hanging(void)
{
	terminal_say_hanging(
		19,
		"warn  neighbours   eth0: one of them has a lock on what it was told, and nobody else may have it\n");
	terminal_say_hanging(
		21,
		"                   -> bwctl set flow a-long-name interface lan0 flow b interface lan0\n");
	terminal_say("and %d\n", 1);
}

static void test_hanging(void **state)
{
	static char text[TEXT];

	(void)state;
	said(say_hanging, text);
	assert_string_equal(
		text,
		"warn  neighbours   eth0: one of them has a lock on what it was told, and nobody\r\n"
		"                   else may have it\r\n"
		"                   -> bwctl set flow a-long-name interface lan0 flow b interface\r\n"
		"                     lan0\r\n"
		"and 1\r\n");
}

/* All flows that there may be, with names as long as they may be. */
static void say_many(void)
{
	terminal_say("never seen:");
	for (int i = 0; i < 256; i++)
		terminal_say(" a-name-as-long-as-can-be-%06d,", i);
	terminal_say("\n");
}

static void test_long_line(void **state)
{
	static char text[TEXT];

	(void)state;
	said(say_many, text);
	assert_true(longest_line(text) <= 81); /* with a return */
	assert_int_equal(times(text, "never"), 1);
	assert_non_null(strstr(text, " a-name-as-long-as-can-be-000255,\r\n"));
}

static void test_words(void **state)
{
	static char text[TEXT];
	FILE *file = tmpfile();
	bool colours;
	int columns;

	(void)state;
	said(say, text);
	assert_string_equal(
		text,
		"         police: what is over is \033[31mdropped\033[0m; it is not paced: packets cannot wait\r\n"
		"           on 'eth0' in another network namespace\r\n"
		"\r\nunlimited\r\n"
		"         r is held back, as somebody may have said, to no more than some\r\n"
		"           100 Mbit/s\r\n");

	/* A file is as wide as need be. */
	begin(fileno(file));
	columns = terminal_columns();
	colours = terminal_has_colours();
	say();
	end();
	assert_int_equal(columns, INT_MAX);
	assert_false(colours);
	rewind(file);
	text[fread(text, 1, TEXT - 1, file)] = '\0';
	assert_int_equal(longest_line(text), 126);
	fclose(file);
}

/* no-color.org: "when present and not an empty string". */
static void test_no_color(void **state)
{
	static const char *const values[] = {NULL, "", "0"};
	const char *look[3];
	bool has[3];
	int master, slave;

	(void)state;
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	begin(slave);
	for (int i = 0; i < 3; i++) {
		if (values[i])
			setenv("NO_COLOR", values[i], 1);
		else
			unsetenv("NO_COLOR");
		has[i] = terminal_has_colours();
		look[i] = terminal_look(TERMINAL_RED);
	}
	unsetenv("NO_COLOR");
	/* What fails is said on what was standard output before. */
	end();
	assert_true(has[0]);
	assert_true(has[1]);
	assert_string_equal(look[1], TERMINAL_RED);
	assert_false(has[2]);
	assert_string_equal(look[2], "");
	close(slave);
	close(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room),	     cmocka_unit_test(test_every_width),
		cmocka_unit_test(test_parts),	     cmocka_unit_test(test_reach),
		cmocka_unit_test(test_long_figures), cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_reach_late),   cmocka_unit_test(test_words),
		cmocka_unit_test(test_hanging),	     cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_no_color),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
