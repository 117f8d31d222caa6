// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * --interval: how long it is from one look to the next.
 */
#include "interval.h"

#include <errno.h>
#include <time.h>

#include "limiter.h"
#include "log.h"
#include "units.h"

#define INTERVAL_MIN_NS 100000000ULL
#define SECOND_NS	1000000000ULL

int interval_parse(const char *text, uint64_t *ret_interval_ns)
{
	char why[UNITS_TEXT];
	int err = units_parse_time(text, ret_interval_ns, why);

	if (err) {
		log_error("--interval: %s", why);
	} else if (*ret_interval_ns < INTERVAL_MIN_NS) {
		log_error("--interval: '%.60s' is too short: expected 100ms to 60min", text);
		err = -EINVAL;
	}
	return err;
}

void interval_sleep(uint64_t interval_ns)
{
	uint64_t end_ns = limiter_now_ns() + interval_ns, now_ns;

	while ((now_ns = limiter_now_ns()) < end_ns) {
		uint64_t left_ns = end_ns - now_ns;
		/* Whole seconds are left at the end of a step. */
		uint64_t step_ns = left_ns % SECOND_NS ? left_ns % SECOND_NS : SECOND_NS;
		struct timespec step = {.tv_sec = (time_t)(step_ns / SECOND_NS),
					.tv_nsec = (long)(step_ns % SECOND_NS)};

		if (interval_ns > SECOND_NS)
			log_progress("what comes by is counted, %llu s to go",
				     (unsigned long long)((left_ns + SECOND_NS - 1) / SECOND_NS));
		nanosleep(&step, NULL);
	}
	if (interval_ns > SECOND_NS)
		log_progress(NULL);
}
