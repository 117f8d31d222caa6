// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * When the next host may be tried.
 */
#include "reach_pace.h"

#define SECOND_NS 1000000000ULL
/* How far a clock may lag behind: who wakes up late makes up for that. */
#define BURST_NS (SECOND_NS / 50)

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t bytes_of(const struct reach_probe *probe)
{
	return reach_probe_is_echo(probe) ? REACH_PACE_ECHO_BYTES : REACH_PACE_TCP_BYTES;
}

uint64_t reach_pace_due(const struct reach_pace *pace, const struct reach_host *host,
			uint64_t now_ns)
{
	uint64_t due_ns = later(pace->hosts_ns, pace->all_ns);

	for (size_t i = 0; i < host->probe_count; i++)
		due_ns = later(due_ns, pace->class_ns[host->probes[i].class]);
	return later(due_ns, now_ns);
}

static void spend(uint64_t *clock_ns, uint64_t now_ns, uint64_t cost_ns)
{
	*clock_ns = later(*clock_ns, now_ns - (now_ns < BURST_NS ? now_ns : BURST_NS)) + cost_ns;
}

/* At half of the limit. */
static uint64_t cost(uint64_t bytes, uint64_t bits_s)
{
	return bytes * 16 * SECOND_NS / bits_s;
}

/* Of hosts, or of names. */
static uint64_t interval(const struct reach_pace *pace)
{
	return SECOND_NS / (pace->hosts_s ? pace->hosts_s : REACH_PACE_HOSTS_S);
}

void reach_pace_take(struct reach_pace *pace, const struct reach_host *host, uint64_t now_ns)
{
	uint64_t sum_bytes = 0;

	for (size_t i = 0; i < host->probe_count; i++) {
		const struct reach_probe *probe = &host->probes[i];
		uint64_t bits_s = pace->class_bits_s[probe->class];

		sum_bytes += bytes_of(probe);
		if (bits_s)
			spend(&pace->class_ns[probe->class], now_ns, cost(bytes_of(probe), bits_s));
	}
	if (pace->all_bits_s)
		spend(&pace->all_ns, now_ns, cost(sum_bytes, pace->all_bits_s));
	spend(&pace->hosts_ns, now_ns, interval(pace));
}

uint64_t reach_pace_name_due(const struct reach_pace *pace, uint64_t now_ns)
{
	uint64_t due_ns = later(pace->names_ns, pace->all_ns);

	return later(later(due_ns, pace->class_ns[BWCTL_OTHER]), now_ns);
}

void reach_pace_name_take(struct reach_pace *pace, uint64_t now_ns)
{
	uint64_t bits_s = pace->class_bits_s[BWCTL_OTHER];

	if (bits_s)
		spend(&pace->class_ns[BWCTL_OTHER], now_ns, cost(REACH_PACE_NAME_BYTES, bits_s));
	if (pace->all_bits_s)
		spend(&pace->all_ns, now_ns, cost(REACH_PACE_NAME_BYTES, pace->all_bits_s));
	spend(&pace->names_ns, now_ns, interval(pace));
}
