/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Tables that fit where they are shown: as wide as they are meant to be if there is room,
 * else as wide as what is in them, else in parts, one below the other, and a part that is
 * too wide by itself in columns. Does not know what the figures are.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS 8
#define TABLE_TEXT    336

struct table_column {
	const char *title;
	int width; /* if there is room; what is in it may still be longer */
	bool is_left;
	int part; /* 0: in front of each part; columns of the others stay together, in this order */
};

/* A cell whose neighbour to the right is empty may reach into it. */
struct table_row {
	char cells[TABLE_COLUMNS][TABLE_TEXT];
	bool is_red[TABLE_COLUMNS];
};

struct table {
	struct table_column columns[TABLE_COLUMNS];
	size_t column_count, row_count;
	int indent;
	/* Fills a row, which is empty before. */
	void (*fill)(const void *argument, size_t number, struct table_row *ret_row);
	const void *argument;
};

/* On standard output, where columns is how wide that is; INT_MAX for as wide as need be. */
void table_print(const struct table *table, int columns);

#endif
