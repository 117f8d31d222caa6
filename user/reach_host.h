/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A host, what was tried there, and what came of it: what the parts of bwctl-reach have in
 * common. And from that its level. Pure.
 */
#ifndef REACH_HOST_H
#define REACH_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reach_target.h"

#define REACH_PROBES 4 /* ssh, telnet, api and the echo */

enum reach_result {
	REACH_PENDING, /* nothing is known yet; for who reads it that is REACH_UNKNOWN */
	REACH_OPEN,
	REACH_REFUSED,
	REACH_FILTERED,
	REACH_NO_ROUTE,
	REACH_UNRESOLVED,
	REACH_UNKNOWN, /* it could not be tried */
	REACH_RESULTS
};

struct reach_probe {
	uint8_t protocol;  /* IPPROTO_TCP; or of the echo IPPROTO_ICMP, IPPROTO_ICMPV6 */
	uint8_t result;	   /* enum reach_result */
	uint8_t class;	   /* that its packets belong to, */
	uint16_t row;	   /* and the row of the flow table; only once there is an address */
	uint16_t port;	   /* 0: none */
	uint64_t taken_ns; /* until it was open; 0 if it is not */
};

struct reach_host {
	const struct reach_target *target;
	union reach_address address; /* the one that was tried; AF_UNSPEC: there is none */
	char *reason;		     /* why there is none, or why it could not be tried, or NULL */
	struct reach_probe probes[REACH_PROBES];
	uint8_t probe_count;
	bool is_known; /* all of it */
};

enum reach_level {
	REACH_OK,      /* TCP is open, and the echo was answered, or could not be asked for */
	REACH_WARN,    /* TCP is open, and there was no echo */
	REACH_FAIL,    /* no TCP is open */
	REACH_UNTRIED, /* not all is known, and of what is, nothing is open */
	REACH_LEVELS
};

/* What is to be tried there; the echo comes last, and is IPPROTO_ICMP until the address is known. */
void reach_host_init(struct reach_host *host, const struct reach_target *target);

enum reach_level reach_host_level(const struct reach_host *host);

/* "no TCP port is open", or NULL when all is well. */
const char *reach_host_reason(const struct reach_host *host);

/* "ok", "warn", "fail", "unknown" */
const char *reach_level_name(enum reach_level level);

/* "open", "no_route", ... for programs, and "no route" for people. */
const char *reach_result_name(enum reach_result result);
const char *reach_result_text(enum reach_result result);

/* Whether it is the echo. */
bool reach_probe_is_echo(const struct reach_probe *probe);

/*
 * What an error of connect or of sending means; err is positive, 0 is success. type and code are those
 * of the ICMP message that was behind it (version 4 or 6), if version is not 0. RFC 1122 4.2.3.9,
 * RFC 1812 5.2.7.1, RFC 4443 3.1.
 */
enum reach_result reach_classify(int err, int version, int type, int code);

#endif
