/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The pin directory: the BPF file system it is in, its lock, the paths below
 * it. Knows no map, no program and no link: what is pinned there is for
 * others to know.
 */
#ifndef PINS_H
#define PINS_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"

#define PINS_DIRECTORY 512		     /* size of a pin directory's name */
#define PINS_PATH      (PINS_DIRECTORY + 64) /* size of a pin's path */

struct pins {
	char directory[PINS_DIRECTORY]; /* without a slash at its end */
	int lock_fd;			/* -1: not locked */
	uint32_t hold_ifindex; /* of the IFB, for who may see the directory by another name; else 0 */
	char *links;	    /* what the file of links said, for who may not open them; else NULL */
	uint32_t links_map; /* the id of a map that all of ours use which meter */
};

enum pins_access {
	PINS_SHARED,	/* with others who share it */
	PINS_EXCLUSIVE, /* one at a time */
	PINS_MAKE,	/* the same, and made when it is not there, its file system too */
};

/*
 * Takes the name of a pin directory, if it can be one: a directory of its own
 * in a BPF file system. The file system may be missing yet at its usual place. Who only
 * looks on may see the directory mounted elsewhere. Touches nothing. 0, or -EINVAL and why.
 */
int pins_take(struct pins *pins, const char *directory, bool looks, char why[LOG_TEXT]);

/*
 * Whether there is a BPF file system for the directory that was taken: 1; 0, and pins_lock() mounts
 * it when it is to be made; or -EINVAL and why that cannot be.
 */
int pins_look(const struct pins *pins, char why[LOG_TEXT]);

/*
 * Locks the directory that was taken, and waits while another process has it
 * (-EBUSY after 30 seconds). -ENOENT when it is not there, unless it is to be made.
 * Whatever comes of it, pins_unlock() has to follow. 0, or -errno and why.
 */
int pins_lock(struct pins *pins, enum pins_access access, char why[LOG_TEXT]);
void pins_unlock(struct pins *pins);

/* The path of a pin. The name holds no dot, which a BPF file system refuses. */
void pins_path(const struct pins *pins, const char *name, char ret_path[PINS_PATH]);

/* Whether nothing is pinned there; tokens do not count. False, too, when it cannot be read. */
bool pins_is_empty(const struct pins *pins);

/*
 * A directory that is setgid and that its group may enter was made for bwctl by somebody else, so
 * that others can look on without being able to change anything: it stays when all is unloaded, and
 * pins that only tell something may be read by its group, which they inherit.
 */
bool pins_are_shared(const struct pins *pins);

/* Lets the group read a pin, or every pin whose name is among those meant. 0 or -errno. */
int pins_share(const struct pins *pins, const char *name);
int pins_share_named(const struct pins *pins, bool (*is_meant)(const char *name));

/* Removes a pin, which may be gone already. 0, or -errno and why. */
int pins_remove(const struct pins *pins, const char *name, char why[LOG_TEXT]);

/* Removes every pin whose name is among those meant. 0 or -errno. */
int pins_remove_named(const struct pins *pins, bool (*is_meant)(const char *name));
/*
 * A token is a directory below, locked by the process that took it, until that ends, by
 * whatever: who holds one lives. All of these are for one who has locked the pin directory, to
 * take or remove one exclusively.
 *
 * pins_take_token() makes it or takes one that nobody holds; it is held until *ret_fd is
 * closed, which exec does. 0, -EBUSY when another process holds it, or -errno; then why.
 */
int pins_take_token(const struct pins *pins, const char *name, int *ret_fd, char why[LOG_TEXT]);
bool pins_is_token_held(const struct pins *pins, const char *name);

/* Whether it is the one that fd holds, or missing: not another of the same name. */
bool pins_is_token(const struct pins *pins, const char *name, int fd);

/* Removes a token, held or not, which may be gone already; and all there are. 0, or -errno and why. */
int pins_remove_token(const struct pins *pins, const char *name, char why[LOG_TEXT]);
int pins_remove_tokens(const struct pins *pins, char why[LOG_TEXT]);

/* Removes the directory, which has to be empty, unless it is shared. 0, or -errno and why. */
int pins_remove_directory(const struct pins *pins, char why[LOG_TEXT]);

#endif
