// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Tables that fit where they are shown.
 */
#include "table.h"

#include <stdio.h>
#include <string.h>

#include "terminal.h"

static void fill(const struct table *table, size_t number, struct table_row *ret_row)
{
	memset(ret_row, 0, sizeof(*ret_row));
	table->fill(table->argument, number, ret_row);
}

/* With the space in front of all but the first. */
static int width_of(const struct table *table, const int widths[TABLE_COLUMNS], int part)
{
	int width = 0;

	for (size_t i = 0; i < table->column_count; i++)
		if (table->columns[i].part == part)
			width += widths[i] + (i > 0);
	return width;
}

static int last_part(const struct table *table)
{
	return table->columns[table->column_count - 1].part;
}

static int width_of_all(const struct table *table, const int widths[TABLE_COLUMNS])
{
	int width = table->indent;

	for (int part = 0; part <= last_part(table); part++)
		width += width_of(table, widths, part);
	return width;
}

/* As wide as the longest that is in each, or its title. */
static void measure(const struct table *table, int ret_widths[TABLE_COLUMNS])
{
	struct table_row row;

	for (size_t i = 0; i < table->column_count; i++)
		ret_widths[i] = (int)strlen(table->columns[i].title);
	for (size_t n = 0; n < table->row_count; n++) {
		fill(table, n, &row);
		/* From the right: a neighbour that is reached into is as wide as it will be. */
		for (size_t i = table->column_count; i-- > 0;) {
			int length = (int)strlen(row.cells[i]);

			if (i + 1 < table->column_count && !*row.cells[i + 1])
				length -= 1 + ret_widths[i + 1];
			if (ret_widths[i] < length)
				ret_widths[i] = length;
		}
	}
}

static bool is_narrow(const struct table *table, const int widths[TABLE_COLUMNS], size_t i)
{
	return !table->columns[i].is_left && widths[i] < table->columns[i].width;
}

/* What is left of the room goes between the figures, a space for each at a time. */
static void loosen(const struct table *table, int columns, int widths[TABLE_COLUMNS])
{
	int narrow;

	do {
		narrow = 0;
		for (size_t i = 0; i < table->column_count; i++)
			narrow += is_narrow(table, widths, i);
		if (width_of_all(table, widths) + narrow > columns)
			return;
		for (size_t i = 0; i < table->column_count; i++)
			widths[i] += is_narrow(table, widths, i);
	} while (narrow);
}

/* The columns of part 0 and those of first to last, after an escape sequence or nothing. */
static void print_row(const struct table *table, const int widths[TABLE_COLUMNS], int first,
		      int last, const char *look, const struct table_row *row)
{
	int over = 0; /* how far the cell before reached into this one */

	printf("%*s%s", table->indent, "", look);
	for (size_t i = 0; i < table->column_count; i++) {
		const struct table_column *column = &table->columns[i];
		const char *red = row->is_red[i] ? terminal_look(TERMINAL_RED) : "";
		int width = widths[i] - over, length = (int)strlen(row->cells[i]);

		if (column->part && (column->part < first || column->part > last))
			continue;
		if (over <= widths[i] && i)
			putchar(' ');
		if (width < 0)
			width = 0;
		printf("%s%*s%s", red, column->is_left ? -width : width, row->cells[i],
		       *red ? terminal_look(TERMINAL_NORMAL) : "");
		over = length > width ? length - width : 0;
	}
	printf("%s\n", *look ? terminal_look(TERMINAL_NORMAL) : "");
}

static void print_part(const struct table *table, const int widths[TABLE_COLUMNS], int first,
		       int last)
{
	struct table_row row = {0};

	for (size_t i = 0; i < table->column_count; i++)
		snprintf(row.cells[i], TABLE_TEXT, "%s", table->columns[i].title);
	print_row(table, widths, first, last, terminal_look(TERMINAL_BOLD), &row);
	for (size_t n = 0; n < table->row_count; n++) {
		fill(table, n, &row);
		print_row(table, widths, first, last, "", &row);
	}
}

void table_print(const struct table *table, int columns)
{
	int widths[TABLE_COLUMNS], lead, first = 1;

	for (size_t i = 0; i < table->column_count; i++)
		widths[i] = table->columns[i].width;
	if (width_of_all(table, widths) > columns) {
		measure(table, widths);
		loosen(table, columns, widths);
	}
	lead = table->indent + width_of(table, widths, 0);
	while (first <= last_part(table)) {
		int last = first, width = lead + width_of(table, widths, first);

		while (last < last_part(table) &&
		       width + width_of(table, widths, last + 1) <= columns)
			width += width_of(table, widths, ++last);
		print_part(table, widths, first, last);
		first = last + 1;
	}
}
