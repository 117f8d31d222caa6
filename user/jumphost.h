/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Whether a jump host can be logged in to as a program does, and which Python it has. By the
 * ssh of this system; prints nothing.
 */
#ifndef JUMPHOST_H
#define JUMPHOST_H

#include <stdint.h>

#include "finding.h"

/* 0; or -EINVAL and why if this cannot be [USER@]HOST, or ssh would take it for something else. */
int jumphost_refuse(const char *host, char why[LOG_TEXT]);

/*
 * Logs in, which must need neither a password nor an answer, asks and adds what it found. Takes
 * not much longer than the timeout.
 */
void jumphost_check(const char *host, uint64_t timeout_ns, struct findings *findings);

/* What ssh said when it failed, as findings. err is its standard error. */
void jumphost_explain(const char *host, const char *err, struct findings *findings);

/* What the script printed, as findings. False if it did not come to its end. */
bool jumphost_read(const char *host, const char *output, struct findings *findings);

#endif
