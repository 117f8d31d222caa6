// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The page for a browser: what the build put into page_text.h.
 */
#include "page.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "gzip.h"
#include "page_text.h"

#define FILE_OF(url, type, text)                               \
	{                                                      \
		(url), (type), {(text), sizeof(text) - 1, ""}, \
		{                                              \
			NULL, 0, ""                            \
		}                                              \
	}

static struct page_file files[] = {
	FILE_OF("/", "text/html; charset=utf-8", page_html),
	FILE_OF("/page.css", "text/css; charset=utf-8", page_css),
	FILE_OF("/page.js", "text/javascript; charset=utf-8", page_js),
};

#define FILE_COUNT (sizeof(files) / sizeof(*files))

void page_prepare(void)
{
	for (size_t i = 0; i < FILE_COUNT; i++) {
		struct page_file *file = &files[i];
		unsigned long sum = crc32(0, file->plain.data, (uInt)file->plain.length) &
				    0xffffffffUL;

		file->packed.data = gzip_pack(file->plain.data, file->plain.length,
					      Z_BEST_COMPRESSION, &file->packed.length);
		/* Other bytes, another name: packed they are not the same. */
		snprintf(file->plain.etag, PAGE_TAG, "\"%zx-%08lx\"", file->plain.length, sum);
		snprintf(file->packed.etag, PAGE_TAG, "\"%zx-%08lx-gz\"", file->plain.length, sum);
	}
}

const struct page_file *page_find(const char *url)
{
	for (size_t i = 0; i < FILE_COUNT; i++)
		if (!strcmp(files[i].url, url))
			return &files[i];
	return NULL;
}
