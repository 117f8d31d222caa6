/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The page for a browser, which is in the program: its files (user/page/), as they are
 * and compressed. What it shows it asks for by itself; nothing here changes.
 */
#ifndef PAGE_H
#define PAGE_H

#include <stddef.h>

#define PAGE_TAG 40

struct page_text {
	const void *data;
	size_t length;
	char etag[PAGE_TAG]; /* in its quotes */
};

struct page_file {
	const char *url, *type;
	struct page_text plain, packed; /* packed by gzip; empty if that could not be */
};

/* Once, before any other. */
void page_prepare(void);

/* NULL: there is no such file. */
const struct page_file *page_find(const char *url);

#endif
