/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A file that is read whole, and replaced whole or not at all. Does not know
 * what is in it.
 */
#ifndef STORE_H
#define STORE_H

#include <stddef.h>

#include "log.h"

#define STORE_MAX_BYTES 262144

/*
 * Opens the file path to be read: a descriptor, STDIN_FILENO when path is "-", which is not to be
 * closed then. -ENOENT when there is no such file, -EINVAL for a pipe that has a name, a socket or
 * a device, none of which is waited for; else -errno. Then why, in full.
 */
int store_open(const char *path, char why[LOG_TEXT]);

/*
 * Opens it likewise, and reads it. ret_text ends with a NUL that ret_length does not count, and may
 * hold others; free() it. -EISDIR for a directory, -EFBIG for more than STORE_MAX_BYTES; else as
 * above.
 */
int store_read(const char *path, char **ret_text, size_t *ret_length, char why[LOG_TEXT]);

/*
 * Refuses what store_replace() cannot put anything in the place of: -EINVAL for what is there
 * and is neither a file nor a directory, which store_read() refuses. Reads nothing.
 */
int store_refuse_other(const char *path, char why[LOG_TEXT]);

/*
 * Puts text in the place of what the file path holds, or makes the file. Whoever
 * opens it, at any moment, also after a crash, finds what was there or the new
 * text, whole. Owner, group and mode stay; a symbolic link is followed. 0, and it
 * is on the disk; or -errno and why, with the file as it was and no other left
 * behind, except when why says that only the disk is in doubt.
 */
int store_replace(const char *path, const char *text, size_t length, char why[LOG_TEXT]);

#endif
