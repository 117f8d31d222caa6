/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a client of HTTP says it takes: the header fields Accept and
 * Accept-Encoding (RFC 9110, section 12.5); and what it has: If-None-Match
 * (section 13.1.2); and whom it means to talk to: Host. Pure.
 */
#ifndef ACCEPT_H
#define ACCEPT_H

#include <stdbool.h>

/*
 * Whether it prefers OpenMetrics 1.0 to plain text. NULL: there is no such header, and
 * then it does not.
 */
bool accept_open_metrics(const char *accept);

/* Whether it takes gzip. NULL: it does not. */
bool accept_gzip(const char *accept_encoding);

/* Whether it has what etag, in its quotes, names. NULL: it says nothing of the kind. */
bool accept_has(const char *if_none_match, const char *etag);

/*
 * Whether a Host (section 7.2) is this machine's own: localhost or a loopback address, with or
 * without a port. NULL or empty: nobody was named, so that nobody was led astray.
 */
bool accept_is_local(const char *host);

#endif
