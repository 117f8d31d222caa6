/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * --interval: how long it is from one look to the next.
 */
#ifndef INTERVAL_H
#define INTERVAL_H

#include <stdint.h>

/* 100ms to 60min. 0, or -EINVAL, and what is wrong was said. */
int interval_parse(const char *text, uint64_t *ret_interval_ns);

/* Sleeps for so long; on a terminal it says how long it takes still, if that is more than a second. */
void interval_sleep(uint64_t interval_ns);

#endif
