// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Texts packed for clients of HTTP that take gzip.
 */
#include "gzip.h"

#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, and gzip's header */
#define GZIP_MEMORY 9

char *gzip_pack(const char *plain, size_t length, int level, size_t *ret_length)
{
	z_stream stream = {0};
	uLong room;
	char *data;

	if (deflateInit2(&stream, level, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	room = deflateBound(&stream, length);
	data = malloc(room);
	if (data) {
		stream.next_in = (Bytef *)plain;
		stream.avail_in = (uInt)length;
		stream.next_out = (Bytef *)data;
		stream.avail_out = (uInt)room;
		if (deflate(&stream, Z_FINISH) == Z_STREAM_END) {
			*ret_length = stream.total_out;
		} else {
			free(data);
			data = NULL;
		}
	}
	deflateEnd(&stream);
	return data;
}
