// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A host, what was tried there, and what came of it.
 */
#include "reach_host.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#define CODE_SOURCE_POLICY 5 /* RFC 4443: source address failed ingress/egress policy */
#define CODE_REJECT_ROUTE  6

void reach_host_init(struct reach_host *host, const struct reach_target *target)
{
	static const uint16_t listed[] = {22, 23, 443};

	*host = (struct reach_host){.target = target};
	if (target->port)
		host->probes[host->probe_count++] =
			(struct reach_probe){.protocol = IPPROTO_TCP, .port = target->port};
	for (size_t i = 0; !target->port && i < sizeof(listed) / sizeof(listed[0]); i++)
		host->probes[host->probe_count++] =
			(struct reach_probe){.protocol = IPPROTO_TCP, .port = listed[i]};
	host->probes[host->probe_count++] = (struct reach_probe){.protocol = IPPROTO_ICMP};
}

bool reach_probe_is_echo(const struct reach_probe *probe)
{
	return probe->protocol != IPPROTO_TCP;
}

enum reach_level reach_host_level(const struct reach_host *host)
{
	bool is_open = false, is_untried = false;
	enum reach_result echo = REACH_PENDING;

	for (size_t i = 0; i < host->probe_count; i++) {
		const struct reach_probe *probe = &host->probes[i];

		if (reach_probe_is_echo(probe)) {
			echo = probe->result;
			continue;
		}
		is_open = is_open || probe->result == REACH_OPEN;
		is_untried = is_untried || probe->result == REACH_PENDING ||
			     probe->result == REACH_UNKNOWN;
	}
	if (!is_open)
		return is_untried ? REACH_UNTRIED : REACH_FAIL;
	if (echo == REACH_PENDING)
		return REACH_UNTRIED;
	return echo == REACH_OPEN || echo == REACH_UNKNOWN ? REACH_OK : REACH_WARN;
}

const char *reach_host_reason(const struct reach_host *host)
{
	enum reach_level level = reach_host_level(host);

	if (level == REACH_OK)
		return NULL;
	if (host->reason)
		return host->reason;
	if (level == REACH_WARN)
		return "the echo is not answered";
	if (level == REACH_UNTRIED)
		return "not all was tried";
	return host->target->port ? "the port is not open" : "no TCP port is open";
}

const char *reach_level_name(enum reach_level level)
{
	static const char *const names[REACH_LEVELS] = {"ok", "warn", "fail", "unknown"};

	return names[level];
}

const char *reach_result_name(enum reach_result result)
{
	static const char *const names[REACH_RESULTS] = {
		"unknown", "open", "refused", "filtered", "no_route", "unresolved", "unknown"};

	return names[result];
}

const char *reach_result_text(enum reach_result result)
{
	return result == REACH_NO_ROUTE ? "no route" : reach_result_name(result);
}

static bool is_prohibited(int version, int type, int code)
{
	if (version == 4)
		return type == ICMP_DEST_UNREACH &&
		       (code == ICMP_NET_ANO || code == ICMP_HOST_ANO || code == ICMP_PKT_FILTERED);
	return version == 6 && type == ICMP6_DST_UNREACH &&
	       (code == ICMP6_DST_UNREACH_ADMIN || code == CODE_SOURCE_POLICY ||
		code == CODE_REJECT_ROUTE);
}

enum reach_result reach_classify(int err, int version, int type, int code)
{
	if (err && is_prohibited(version, type, code))
		return REACH_FILTERED;
	switch (err) {
	case 0:
		return REACH_OPEN;
	case ECONNREFUSED:
	case ECONNRESET:
	case ENOPROTOOPT: /* there is a host, and it does not speak that protocol */
		return REACH_REFUSED;
	case ETIMEDOUT:
	case EACCES: /* a route that prohibits, or ICMPv6 that says so */
	case EPERM:  /* a firewall on this machine */
		return REACH_FILTERED;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
	case ENONET:
	case ENODEV:
	case ENXIO:
	case EINVAL: /* a route that is a black hole */
		return REACH_NO_ROUTE;
	default:
		return REACH_UNKNOWN;
	}
}
