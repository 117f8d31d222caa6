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

/* Of the columns from first to before end, with the space in front of all but the first of all. */
static int width_of(const int widths[TABLE_COLUMNS], size_t first, size_t end)
{
	int width = 0;

	for (size_t i = first; i < end; i++)
		width += widths[i] + (i > 0);
	return width;
}

static int width_of_all(const struct table *table, const int widths[TABLE_COLUMNS])
{
	return table->indent + width_of(widths, 0, table->column_count);
}

/* Behind the last column that is of the same part. */
static size_t end_of_part(const struct table *table, size_t first)
{
	size_t end = first;

	while (end < table->column_count && table->columns[end].part == table->columns[first].part)
		end++;
	return end;
}

/* As wide as the longest that is in each, or its title. */
static void measure(const struct table *table, int ret_widths[TABLE_COLUMNS])
{
	struct table_row row;

	/* From the right: a neighbour that is reached into is as wide as it will be. */
	for (size_t i = table->column_count; i-- > 0;) {
		ret_widths[i] = (int)strlen(table->columns[i].title);
		for (size_t n = 0; n < table->row_count; n++) {
			int length;

			fill(table, n, &row);
			length = (int)strlen(row.cells[i]);
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

/* As wide as they are meant to be, if there is room for that and for what is in them. */
static void choose(const struct table *table, int columns, int ret_widths[TABLE_COLUMNS])
{
	int measured[TABLE_COLUMNS], wider[TABLE_COLUMNS];

	measure(table, measured);
	for (size_t i = 0; i < table->column_count; i++) {
		ret_widths[i] = table->columns[i].width;
		wider[i] = measured[i] > ret_widths[i] ? measured[i] : ret_widths[i];
	}
	if (width_of_all(table, wider) <= columns)
		return;
	memcpy(ret_widths, measured, sizeof(measured));
	loosen(table, columns, ret_widths);
}

/* The columns of part 0 and those from first to before end, after an escape sequence or nothing. */
static void print_row(const struct table *table, const int widths[TABLE_COLUMNS], size_t first,
		      size_t end, const char *look, const struct table_row *row)
{
	int over = 0; /* how far the cell before reached into this one */

	printf("%*s%s", table->indent, "", look);
	for (size_t i = 0; i < table->column_count; i++) {
		const struct table_column *column = &table->columns[i];
		const char *red = row->is_red[i] ? terminal_look(TERMINAL_RED) : "";
		int width = widths[i] - over, length = (int)strlen(row->cells[i]);

		if (column->part && (i < first || i >= end))
			continue;
		/* Nothing is filled up behind what is at the end of a line. */
		if (column->is_left && i + 1 == end) {
			if (!*row->cells[i])
				break;
			width = 0;
		}
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

static void print_part(const struct table *table, const int widths[TABLE_COLUMNS], size_t first,
		       size_t end)
{
	struct table_row row = {0};

	for (size_t i = 0; i < table->column_count; i++)
		snprintf(row.cells[i], TABLE_TEXT, "%s", table->columns[i].title);
	print_row(table, widths, first, end, terminal_look(TERMINAL_BOLD), &row);
	for (size_t n = 0; n < table->row_count; n++) {
		fill(table, n, &row);
		print_row(table, widths, first, end, "", &row);
	}
}

/* As many parts as fit; of one that does not fit by itself as many columns, one at least. */
static size_t fitting(const struct table *table, const int widths[TABLE_COLUMNS], size_t first,
		      int room)
{
	size_t end = end_of_part(table, first), further;

	if (width_of(widths, first, end) > room) {
		while (end > first + 1 && width_of(widths, first, end) > room)
			end--;
		return end;
	}
	while (end < table->column_count) {
		further = end_of_part(table, end);
		if (width_of(widths, first, further) > room)
			break;
		end = further;
	}
	return end;
}

void table_print(const struct table *table, int columns)
{
	int widths[TABLE_COLUMNS], lead;
	size_t first = 0, end;

	choose(table, columns, widths);
	while (first < table->column_count && !table->columns[first].part)
		first++;
	lead = table->indent + width_of(widths, 0, first);
	for (; first < table->column_count; first = end) {
		end = fitting(table, widths, first, columns - lead);
		print_part(table, widths, first, end);
	}
}
