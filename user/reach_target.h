/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The hosts that are to be reached, as somebody writes them. Pure: nothing is looked up
 * and nothing is sent.
 */
#ifndef REACH_TARGET_H
#define REACH_TARGET_H

#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "log.h"

#define REACH_TARGET_ERRORS	20	   /* that are kept of a file; all are counted */
#define REACH_TARGET_FILE_BYTES (32 << 20) /* a million hosts and a comment for each */

union reach_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct reach_target {
	char *text; /* in its usual form, with the port if one was given: no two have the same */
	char *name; /* to be looked up, or NULL: it is an address */
	union reach_address address; /* without port and scope */
	char zone[IF_NAMESIZE];	     /* of a link-local address: the interface, else empty */
	uint16_t port;		     /* 0: all that are listed */
};

struct reach_targets {
	struct reach_target *list;
	size_t count, room;
	size_t *buckets; /* 1 + number in list, by the hash of its text; 0: empty */
	size_t bucket_count;
};

struct reach_target_errors {
	char text[REACH_TARGET_ERRORS][LOG_TEXT];
	size_t count;
};

/*
 * Reads HOST or HOST:PORT: an IPv4 address, an IPv6 address (in brackets if a port follows; of a
 * link-local one with %IFACE), or a name. 0; or -EINVAL and why, or -ENOMEM. Free with
 * reach_target_free().
 */
int reach_target_parse(const char *word, struct reach_target *ret_target, char why[LOG_TEXT]);
void reach_target_free(struct reach_target *target);

/* Adds one, unless it is there already. Errors as above. All zero is an empty list. */
int reach_targets_add(struct reach_targets *targets, const char *word, char why[LOG_TEXT]);

/*
 * Adds those of a file, one a line; what follows a # is a comment. name is what errors call the file
 * ("hosts:3: ..."). 0; -EINVAL when lines are wrong, with errors, and then the others have been
 * added; -EFBIG for more than REACH_TARGET_FILE_BYTES, or another -errno, with one error.
 */
int reach_targets_read(struct reach_targets *targets, FILE *in, const char *name,
		       struct reach_target_errors *errors);
void reach_targets_free(struct reach_targets *targets);

#endif
