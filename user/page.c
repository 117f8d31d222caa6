// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The page for a browser: what the build put into page_text.h.
 */
#include "page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "page_text.h"

#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, and gzip's header */
#define GZIP_MEMORY 9
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

static void pack(const struct page_text *plain, struct page_text *packed)
{
	z_stream stream = {0};
	uLong room;
	char *data;

	if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return;
	room = deflateBound(&stream, plain->length);
	data = malloc(room);
	if (data) {
		stream.next_in = (Bytef *)plain->data;
		stream.avail_in = (uInt)plain->length;
		stream.next_out = (Bytef *)data;
		stream.avail_out = (uInt)room;
		if (deflate(&stream, Z_FINISH) == Z_STREAM_END) {
			packed->data = data;
			packed->length = stream.total_out;
		} else {
			free(data);
		}
	}
	deflateEnd(&stream);
}

void page_prepare(void)
{
	for (size_t i = 0; i < FILE_COUNT; i++) {
		struct page_file *file = &files[i];
		unsigned long sum = crc32(0, file->plain.data, (uInt)file->plain.length) &
				    0xffffffffUL;

		pack(&file->plain, &file->packed);
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
