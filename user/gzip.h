/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Texts packed for clients of HTTP that take gzip.
 */
#ifndef GZIP_H
#define GZIP_H

#include <stddef.h>

/* Packs length bytes, at a level of zlib. free() what is returned; NULL when out of memory. */
char *gzip_pack(const char *plain, size_t length, int level, size_t *ret_length);

#endif
