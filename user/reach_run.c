// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Tries many hosts at once.
 *
 * A host goes through two queues: of those whose address has to be looked up, which is the
 * order in which they were given, and of those that are ready. From there on it has a struct
 * visit, as long as anything of it is under way.
 */
#include "reach_run.h"

#include <errno.h>
#include <ev.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "reach_name.h"
#include "reach_pace.h"
#include "reach_ping.h"
#include "reach_route.h"
#include "why.h"

#define SECOND_NS	 1000000000ULL
#define READY		 1024  /* hosts that wait for their turn with their address known */
#define SPARE		 64    /* descriptors for all that is no connection */
#define LINGER_S	 1.    /* for the other side to close as well */
#define LINGER_BYTES	 65536 /* that it may say before */
#define RETRY_S		 .05   /* when there is no port */
#define PAUSE_S		 .02   /* when there is no room */
#define TURN_NS		 (SECOND_NS / 100) /* that hosts are begun for before answers are looked at */
#define PROGRESS_FIRST_S 1.
#define PROGRESS_S	 .2
#define ECHO_TRIES	 8 /* the first again after a second, then after two, four ... */

struct loop;

enum stage {
	STAGE_NONE,
	STAGE_RETRY, /* it had no port */
	STAGE_CONNECT,
	STAGE_LINGER, /* it is known, and closes */
};

struct connection {
	ev_io io;
	ev_timer timer;
	struct visit *visit;
	struct reach_probe *probe;
	uint64_t start_ns, until_ns;
	size_t heard_bytes;
	enum stage stage;
};

struct visit {
	struct loop *loop;
	struct reach_host *host;
	struct connection connections[REACH_PROBES - 1];
	size_t open_count; /* descriptors */
	size_t pending;	   /* probes */
	ev_timer echo_timer;
	struct reach_probe *echo;
	uint64_t echo_ns[ECHO_TRIES], echo_until_ns;
	uint8_t echo_tries;
};

/* A name, what it is known to mean, and what of that is left to try. */
struct lookup {
	struct loop *loop;
	struct reach_host *host;
	union reach_address addresses[REACH_NAME_ADDRESSES];
	size_t count, tried;
	struct lookup *after; /* of those that are tried again */
};

struct loop {
	struct ev_loop *events;
	struct reach_run *run;
	struct reach_names *names;
	struct reach_ping *ping;
	struct reach_routes *routes;
	struct reach_pace pace;
	struct visit **visits;	 /* by number of host, */
	struct lookup **lookups; /* likewise */
	struct lookup *again;	 /* they go before those that are ready */
	size_t asked;		 /* hosts whose address has been asked for */
	size_t asking;
	uint32_t ready[READY]; /* a ring */
	size_t ready_from, ready_count;
	uint64_t ready_since_ns; /* since when the first of them could not be begun, 0 */
	size_t sockets, sockets_most;
	ev_timer pump_timer;
	ev_timer progress_timer;
	ev_signal signals[3];
	uint64_t start_ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static void pump(struct loop *loop);

static void pump_later(struct loop *loop, double after_s)
{
	if (ev_is_active(&loop->pump_timer)) {
		if (ev_timer_remaining(loop->events, &loop->pump_timer) <= after_s)
			return;
		ev_timer_stop(loop->events, &loop->pump_timer);
	}
	ev_timer_set(&loop->pump_timer, after_s, 0.);
	ev_timer_start(loop->events, &loop->pump_timer);
}

static void on_pump(struct ev_loop *events, ev_timer *timer, int what)
{
	(void)events;
	(void)what;
	pump(timer->data);
}

/* ---- the end of a probe, of a host, of all ---- */

static bool is_over(const struct loop *loop)
{
	return loop->run->signal || (loop->run->done == loop->run->count && !loop->sockets);
}

static void finish_host(struct loop *loop, struct reach_host *host)
{
	host->is_known = true;
	loop->run->done++;
	if (is_over(loop))
		ev_break(loop->events, EVBREAK_ALL);
}

static bool any_is(const struct reach_host *host, enum reach_result result)
{
	for (size_t i = 0; i < host->probe_count; i++)
		if (host->probes[i].result == result)
			return true;
	return false;
}

/*
 * Where one SYN is told that there is no way, the others may just not have been: errors are
 * few in a second, here and on routers. What an echo is told is no word about TCP.
 */
static void judge_silence(struct loop *loop, struct reach_host *host)
{
	bool has_no_route = false;

	for (size_t i = 0; i < host->probe_count; i++)
		if (!reach_probe_is_echo(&host->probes[i]) &&
		    host->probes[i].result == REACH_NO_ROUTE)
			has_no_route = true;
	if (!any_is(host, REACH_FILTERED) || any_is(host, REACH_OPEN) ||
	    any_is(host, REACH_REFUSED))
		return;
	if (!has_no_route && loop->routes)
		has_no_route = reach_route_has_failed(loop->routes, &host->address);
	for (size_t i = 0; has_no_route && i < host->probe_count; i++)
		if (host->probes[i].result == REACH_FILTERED)
			host->probes[i].result = REACH_NO_ROUTE;
}

/* Nothing came back from there, and the name has another address. */
static bool may_try_next(const struct loop *loop, const struct reach_host *host)
{
	const struct lookup *lookup = loop->lookups[host - loop->run->hosts];

	if (!lookup || lookup->tried >= lookup->count)
		return false;
	for (size_t i = 0; i < host->probe_count; i++) {
		const struct reach_probe *probe = &host->probes[i];

		if (probe->result != REACH_FILTERED && probe->result != REACH_NO_ROUTE &&
		    !(reach_probe_is_echo(probe) && probe->result == REACH_UNKNOWN))
			return false;
	}
	return true;
}

static void try_next(struct loop *loop, struct reach_host *host)
{
	struct lookup *lookup = loop->lookups[host - loop->run->hosts];

	host->address = lookup->addresses[lookup->tried++];
	for (size_t i = 0; i < host->probe_count; i++)
		host->probes[i].result = REACH_PENDING;
	reach_flows_find(loop->run->flows, host);
	lookup->after = loop->again;
	loop->again = lookup;
	pump_later(loop, 0.);
}

static void leave(struct visit *visit)
{
	struct loop *loop = visit->loop;
	struct reach_host *host = visit->host;

	if (!visit->pending && !visit->open_count && !host->is_known && may_try_next(loop, host)) {
		loop->visits[host - loop->run->hosts] = NULL;
		free(visit);
		try_next(loop, host);
		return;
	}
	if (!visit->pending && !host->is_known) {
		judge_silence(loop, host);
		finish_host(loop, host);
	}
	if (visit->pending || visit->open_count)
		return;
	loop->visits[host - loop->run->hosts] = NULL;
	free(visit);
}

static void settle(struct visit *visit, struct reach_probe *probe, enum reach_result result,
		   uint64_t taken_ns)
{
	probe->result = (uint8_t)result;
	/* 0 is for those that are not. */
	probe->taken_ns = result != REACH_OPEN ? 0 : taken_ns ? taken_ns : 1;
	visit->pending--;
}

/* ---- connections ---- */

static void shut(struct connection *connection)
{
	struct loop *loop = connection->visit->loop;

	ev_io_stop(loop->events, &connection->io);
	ev_timer_stop(loop->events, &connection->timer);
	close(connection->io.fd);
	connection->stage = STAGE_NONE;
	connection->visit->open_count--;
	loop->sockets--;
	if (is_over(loop))
		ev_break(loop->events, EVBREAK_ALL);
	else
		pump_later(loop, 0.);
}

static void arm(struct connection *connection, double after_s)
{
	struct ev_loop *events = connection->visit->loop->events;

	ev_timer_stop(events, &connection->timer);
	ev_timer_set(&connection->timer, after_s, 0.);
	ev_timer_start(events, &connection->timer);
}

static void watch(struct connection *connection, int what)
{
	struct ev_loop *events = connection->visit->loop->events;

	ev_io_stop(events, &connection->io);
	ev_io_set(&connection->io, connection->io.fd, what);
	ev_io_start(events, &connection->io);
}

static void conclude(struct connection *connection, enum reach_result result)
{
	settle(connection->visit, connection->probe, result, now_ns() - connection->start_ns);
	if (result == REACH_OPEN && !shutdown(connection->io.fd, SHUT_WR)) {
		/* Closed with something unread, it would end with a reset. */
		connection->stage = STAGE_LINGER;
		watch(connection, EV_READ);
		arm(connection, LINGER_S);
	} else {
		shut(connection);
	}
}

/* The ICMP message behind an error, if the kernel kept one. */
static enum reach_result judge(int fd, int err)
{
	union {
		struct cmsghdr align;
		char bytes[512];
	} control;
	struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof(control)};

	if (err && recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0) {
		for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
		     header = CMSG_NXTHDR(&message, header)) {
			struct sock_extended_err error;

			if (header->cmsg_type != IP_RECVERR && header->cmsg_type != IPV6_RECVERR)
				continue;
			memcpy(&error, CMSG_DATA(header), sizeof(error));
			if (error.ee_origin == SO_EE_ORIGIN_ICMP)
				return reach_classify(err, 4, error.ee_type, error.ee_code);
			if (error.ee_origin == SO_EE_ORIGIN_ICMP6)
				return reach_classify(err, 6, error.ee_type, error.ee_code);
		}
	}
	return reach_classify(err, 0, 0, 0);
}

static void linger(struct connection *connection)
{
	char heard[4096];
	ssize_t length = recv(connection->io.fd, heard, sizeof(heard), MSG_DONTWAIT);

	if (length > 0)
		connection->heard_bytes += (size_t)length;
	if (length > 0 && connection->heard_bytes < LINGER_BYTES)
		return;
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	shut(connection);
}

static void conclude_answer(struct connection *connection)
{
	socklen_t length = sizeof(int);
	int err = 0;

	getsockopt(connection->io.fd, SOL_SOCKET, SO_ERROR, &err, &length);
	conclude(connection, judge(connection->io.fd, err));
}

static void on_connection(struct ev_loop *events, ev_io *io, int what)
{
	struct connection *connection = io->data;
	struct visit *visit = connection->visit;

	(void)events;
	(void)what;
	if (connection->stage == STAGE_LINGER)
		linger(connection);
	else
		conclude_answer(connection);
	leave(visit);
}

/*
 * Whether there is an answer that the loop has not come to. It calls timers first, and where this process
 * was kept from running, both wait.
 */
static bool is_answered(const struct connection *connection)
{
	struct pollfd poll_fd = {.fd = connection->io.fd, .events = POLLOUT};

	return poll(&poll_fd, 1, 0) > 0;
}

/* Whether ports are what is missing, or an address of this machine for that way. */
static bool has_ports(int family)
{
	union reach_address any = {.any.sa_family = (sa_family_t)family};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has;

	if (fd < 0)
		return false;
	has = !bind(fd, &any.any, family == AF_INET6 ? sizeof(any.v6) : sizeof(any.v4));
	close(fd);
	return has;
}

/* Is called again for a while if there is no port. */
static void connect_now(struct connection *connection)
{
	struct visit *visit = connection->visit;
	union reach_address to = visit->host->address;
	bool is_v6 = to.any.sa_family == AF_INET6;
	int err;

	/* At the same place in both. */
	to.v4.sin_port = htons(connection->probe->port);
	connection->start_ns = now_ns();
	err = connect(connection->io.fd, &to.any, is_v6 ? sizeof(to.v6) : sizeof(to.v4)) ? errno :
											   0;
	if (err == EINPROGRESS) {
		connection->stage = STAGE_CONNECT;
		watch(connection, EV_WRITE);
		arm(connection, (double)visit->loop->run->timeout_ns / SECOND_NS);
		return;
	}
	if (err != EADDRNOTAVAIL && err != EAGAIN && err != ENOBUFS && err != ENOMEM) {
		conclude(connection, judge(connection->io.fd, err));
		return;
	}
	if (err == EADDRNOTAVAIL && has_ports(to.any.sa_family)) {
		conclude(connection, REACH_NO_ROUTE);
	} else if (connection->start_ns >= connection->until_ns) {
		visit->loop->run->has_no_room = true;
		if (!visit->host->reason)
			visit->host->reason = strdup("no port of this machine was free");
		conclude(connection, REACH_UNKNOWN);
	} else {
		visit->loop->run->has_no_room = true;
		connection->stage = STAGE_RETRY;
		arm(connection, RETRY_S);
	}
}

static void on_connection_time(struct ev_loop *events, ev_timer *timer, int what)
{
	struct connection *connection = timer->data;
	struct visit *visit = connection->visit;

	(void)events;
	(void)what;
	if (connection->stage == STAGE_RETRY)
		connect_now(connection);
	else if (connection->stage == STAGE_CONNECT && is_answered(connection))
		conclude_answer(connection);
	else if (connection->stage == STAGE_CONNECT)
		conclude(connection, REACH_FILTERED);
	else
		shut(connection);
	leave(visit);
}

static int make_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	if (fd < 0)
		return -errno;
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	return fd;
}

/* ---- echoes ---- */

static void end_echo(struct visit *visit, enum reach_result result, uint64_t taken_ns)
{
	ev_timer_stop(visit->loop->events, &visit->echo_timer);
	settle(visit, visit->echo, result, taken_ns);
}

/* 0; or -ENOBUFS, and it is tried again. Any other error ends it. */
static int send_echo(struct visit *visit)
{
	struct loop *loop = visit->loop;
	uint64_t now = now_ns(), left_ns, wait_ns;
	uint32_t number = (uint32_t)(visit->host - loop->run->hosts);
	int err = 0;

	if (now >= visit->echo_until_ns) {
		end_echo(visit, REACH_FILTERED, 0);
		return 0;
	}
	left_ns = visit->echo_until_ns - now;
	wait_ns = left_ns;
	if (visit->echo_tries < ECHO_TRIES) {
		err = reach_ping_send(loop->ping, number, visit->echo_tries, &visit->host->address);
		if (err && err != -ENOBUFS) {
			end_echo(visit, reach_classify(-err, 0, 0, 0), 0);
			return err;
		}
		wait_ns = SECOND_NS << visit->echo_tries;
		if (err)
			wait_ns = (uint64_t)(RETRY_S * SECOND_NS);
		else
			visit->echo_ns[visit->echo_tries++] = now;
	}
	ev_timer_stop(loop->events, &visit->echo_timer);
	ev_timer_set(&visit->echo_timer,
		     (double)(wait_ns < left_ns ? wait_ns : left_ns) / SECOND_NS, 0.);
	ev_timer_start(loop->events, &visit->echo_timer);
	return err;
}

static void on_echo_time(struct ev_loop *events, ev_timer *timer, int what)
{
	struct visit *visit = timer->data;
	struct loop *loop = visit->loop;
	struct visit **at = &loop->visits[visit->host - loop->run->hosts];

	(void)events;
	(void)what;
	/* The answer may wait, as that of a connection may; then this host may be over. */
	reach_ping_read(loop->ping, visit->host->address.any.sa_family);
	if (!*at || visit->echo->result != REACH_PENDING)
		return;
	send_echo(visit);
	leave(visit);
}

static bool is_same_address(const union reach_address *a, const union reach_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr);
	return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
}

static void on_echo(void *argument, uint32_t number, const union reach_address *address,
		    enum reach_result result, uint8_t try)
{
	struct loop *loop = argument;

	/* An error has only half of the number. */
	if (result != REACH_OPEN)
		number &= 0xffff;
	for (; number < loop->run->count; number += 0x10000) {
		struct visit *visit = loop->visits[number];

		if (visit && visit->echo && visit->echo->result == REACH_PENDING &&
		    is_same_address(&visit->host->address, address)) {
			if (try >= visit->echo_tries)
				try = 0;
			end_echo(visit, result, now_ns() - visit->echo_ns[try]);
			leave(visit);
			return;
		}
		if (result == REACH_OPEN)
			return;
	}
}

/* ---- the beginning of a host ---- */

static void init_visit(struct loop *loop, struct visit *visit, struct reach_host *host)
{
	visit->loop = loop;
	visit->host = host;
	visit->pending = host->probe_count;
	ev_init(&visit->echo_timer, on_echo_time);
	visit->echo_timer.data = visit;
	for (size_t i = 0; i < REACH_PROBES - 1; i++) {
		struct connection *connection = &visit->connections[i];

		ev_init(&connection->io, on_connection);
		connection->io.data = connection;
		connection->io.fd = -1;
		ev_init(&connection->timer, on_connection_time);
		connection->timer.data = connection;
		connection->visit = visit;
	}
}

/* All of them or none. */
static int make_sockets(struct visit *visit)
{
	struct reach_host *host = visit->host;

	for (size_t i = 0; i < host->probe_count; i++) {
		struct connection *connection;
		int fd;

		if (reach_probe_is_echo(&host->probes[i])) {
			visit->echo = &host->probes[i];
			continue;
		}
		fd = make_socket(host->address.any.sa_family);
		connection = &visit->connections[visit->open_count];
		if (fd < 0) {
			while (visit->open_count)
				close(visit->connections[--visit->open_count].io.fd);
			return fd;
		}
		connection->io.fd = fd;
		connection->probe = &host->probes[i];
		visit->open_count++;
	}
	return 0;
}

/* The kernel or the family cannot do it at all. */
static void give_up(struct loop *loop, struct reach_host *host, int err)
{
	bool has_no_family = err == -EAFNOSUPPORT;

	for (size_t i = 0; i < host->probe_count; i++)
		host->probes[i].result = has_no_family ? REACH_NO_ROUTE : REACH_UNKNOWN;
	host->reason = strdup(strerror(-err));
	finish_host(loop, host);
}

/* Whether what is missing may still be there in a while. */
static bool may_wait(const struct loop *loop, int err)
{
	if (err != -EMFILE && err != -ENFILE && err != -ENOMEM && err != -ENOBUFS)
		return false;
	return loop->sockets || now_ns() - loop->ready_since_ns < loop->run->timeout_ns;
}

/* False if there is no room for it now. */
static bool begin(struct loop *loop, struct reach_host *host)
{
	struct visit *visit = calloc(1, sizeof(*visit));
	uint64_t now = now_ns();
	size_t count;
	int err = -ENOMEM;

	/* Timers count from when the loop last looked. */
	ev_now_update(loop->events);

	if (visit) {
		init_visit(loop, visit, host);
		err = make_sockets(visit);
	}
	if (err) {
		free(visit);
		if (!may_wait(loop, err)) {
			give_up(loop, host, err);
			return true;
		}
		loop->run->has_no_room = true;
		if (loop->sockets >= REACH_PROBES)
			loop->sockets_most = loop->sockets;
		return false;
	}
	count = visit->open_count;
	loop->visits[host - loop->run->hosts] = visit;
	visit->echo_until_ns = now + loop->run->timeout_ns;
	if (!reach_ping_can(loop->ping, host->address.any.sa_family)) {
		loop->run->has_no_echo = true;
		settle(visit, visit->echo, REACH_UNKNOWN, 0);
	} else if (send_echo(visit) == -ENOBUFS &&
		   now - loop->ready_since_ns < loop->run->timeout_ns) {
		/* The table of neighbours is full, or the limiter is: SYNs would be lost as well. */
		ev_timer_stop(loop->events, &visit->echo_timer);
		while (visit->open_count)
			close(visit->connections[--visit->open_count].io.fd);
		loop->visits[host - loop->run->hosts] = NULL;
		free(visit);
		return false;
	}
	loop->sockets += count;
	for (size_t i = 0; i < host->probe_count; i++)
		loop->run->classes[host->probes[i].class] = true;
	for (size_t i = 0; i < count; i++) {
		visit->connections[i].until_ns = now + loop->run->timeout_ns;
		connect_now(&visit->connections[i]);
	}
	leave(visit);
	return true;
}

static void make_ready(struct loop *loop, struct reach_host *host)
{
	reach_flows_find(loop->run->flows, host);
	loop->ready[(loop->ready_from + loop->ready_count++) % READY] =
		(uint32_t)(host - loop->run->hosts);
}

/* Nothing can be tried there. */
static void dismiss(struct loop *loop, struct reach_host *host, enum reach_result result,
		    const char *reason)
{
	for (size_t i = 0; i < host->probe_count; i++)
		host->probes[i].result = (uint8_t)result;
	reach_flows_find(loop->run->flows, host);
	host->reason = strdup(reason);
	finish_host(loop, host);
}

static void on_name(void *argument, const union reach_address addresses[], size_t count,
		    const char *why)
{
	struct lookup *lookup = argument;
	struct loop *loop = lookup->loop;
	struct reach_host *host = lookup->host;

	loop->asking--;
	if (count) {
		memcpy(lookup->addresses, addresses, count * sizeof(*addresses));
		lookup->count = count;
		lookup->tried = 1;
		host->address = *addresses;
		make_ready(loop, host);
	} else {
		char reason[LOG_TEXT];

		snprintf(reason, sizeof(reason), "the name does not resolve: %s", why);
		dismiss(loop, host, REACH_UNRESOLVED, reason);
	}
	pump_later(loop, 0.);
}

static void ask(struct loop *loop, struct reach_host *host)
{
	const struct reach_target *target = host->target;
	struct lookup *lookup;
	char why[LOG_TEXT];

	if (target->name) {
		lookup = calloc(1, sizeof(*lookup));
		if (!lookup) {
			dismiss(loop, host, REACH_UNKNOWN, "out of memory");
			return;
		}
		lookup->loop = loop;
		lookup->host = host;
		loop->lookups[host - loop->run->hosts] = lookup;
		loop->asking++;
		loop->run->classes[BWCTL_OTHER] = true;
		reach_pace_name_take(&loop->pace, now_ns());
		reach_names_ask(loop->names, target->name, on_name, lookup);
		return;
	}
	host->address = target->address;
	if (*target->zone) {
		host->address.v6.sin6_scope_id = if_nametoindex(target->zone);
		if (!host->address.v6.sin6_scope_id) {
			snprintf(why, sizeof(why), "there is no interface '%s'", target->zone);
			dismiss(loop, host, REACH_NO_ROUTE, why);
			return;
		}
	}
	make_ready(loop, host);
}

/* Looks up what may be looked up now. */
static void pump_names(struct loop *loop)
{
	struct reach_run *run = loop->run;

	while (loop->asked < run->count && loop->asking < REACH_NAME_AT_ONCE &&
	       loop->ready_count + loop->asking < READY) {
		struct reach_host *host = &run->hosts[loop->asked];
		uint64_t now = now_ns(), due_ns = reach_pace_name_due(&loop->pace, now);

		if (host->target->name && due_ns > now) {
			pump_later(loop, (double)(due_ns - now) / SECOND_NS + 1e-3);
			return;
		}
		loop->asked++;
		ask(loop, host);
	}
}

/* The next one, which is taken from where it waits. NULL: there is none. */
static struct reach_host *take_ready(struct loop *loop, bool *ret_again)
{
	struct reach_host *host;

	*ret_again = loop->again;
	if (loop->again) {
		host = loop->again->host;
		loop->again = loop->again->after;
		return host;
	}
	if (!loop->ready_count)
		return NULL;
	host = &loop->run->hosts[loop->ready[loop->ready_from]];
	loop->ready_from = (loop->ready_from + 1) % READY;
	loop->ready_count--;
	return host;
}

static void put_back(struct loop *loop, const struct reach_host *host, bool again)
{
	struct lookup *lookup = loop->lookups[host - loop->run->hosts];

	if (again) {
		lookup->after = loop->again;
		loop->again = lookup;
		return;
	}
	loop->ready_from = (loop->ready_from + READY - 1) % READY;
	loop->ready_count++;
}

/* False if it has to wait, and pump() is called when it may not have to any more. */
static bool begin_when_due(struct loop *loop, struct reach_host *host)
{
	uint64_t now = now_ns(), due_ns = reach_pace_due(&loop->pace, host, now);

	if (due_ns > now) {
		/* A millisecond at least: several at once cost less. */
		pump_later(loop, (double)(due_ns - now) / SECOND_NS + 1e-3);
		return false;
	}
	/* Closing a connection calls. */
	if (loop->sockets && loop->sockets + host->probe_count - 1U > loop->sockets_most)
		return false;
	if (!loop->ready_since_ns)
		loop->ready_since_ns = now;
	if (!begin(loop, host)) {
		pump_later(loop, PAUSE_S);
		return false;
	}
	loop->ready_since_ns = 0;
	reach_pace_take(&loop->pace, host, now);
	return true;
}

/*
 * Begins what may be begun now, and sees to it that it is called when more may be. On a machine that is
 * slower than the pace that is always so: after a while the answers have their turn.
 */
static void pump(struct loop *loop)
{
	uint64_t until_ns = now_ns() + TURN_NS;
	struct reach_host *host;
	bool again;

	pump_names(loop);
	while ((host = take_ready(loop, &again))) {
		if (!begin_when_due(loop, host)) {
			put_back(loop, host, again);
			return;
		}
		pump_names(loop);
		if (now_ns() >= until_ns) {
			pump_later(loop, 0.);
			return;
		}
	}
}

/* ---- all of it ---- */

static void on_progress(struct ev_loop *events, ev_timer *timer, int what)
{
	struct loop *loop = timer->data;

	(void)events;
	(void)what;
	loop->run->progress(loop->run->done, loop->run->count, now_ns() - loop->start_ns);
}

static void on_signal(struct ev_loop *events, ev_signal *signal, int what)
{
	struct loop *loop = signal->data;

	(void)what;
	loop->run->signal = signal->signum;
	ev_break(events, EVBREAK_ALL);
}

/* As many descriptors as may be had, for this process and for nobody after it. */
static size_t count_sockets(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 256;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= REACH_RUN_SOCKETS + SPARE)
		return REACH_RUN_SOCKETS;
	return limit.rlim_cur > 2 * SPARE ? limit.rlim_cur - SPARE : limit.rlim_cur / 2;
}

static void end_visits(struct loop *loop)
{
	for (size_t i = 0; loop->visits && i < loop->run->count; i++) {
		struct visit *visit = loop->visits[i];

		for (size_t n = 0; visit && n < REACH_PROBES - 1; n++)
			if (visit->connections[n].io.fd >= 0 &&
			    visit->connections[n].stage != STAGE_NONE) {
				ev_io_stop(loop->events, &visit->connections[n].io);
				ev_timer_stop(loop->events, &visit->connections[n].timer);
				close(visit->connections[n].io.fd);
			}
		if (visit)
			ev_timer_stop(loop->events, &visit->echo_timer);
		free(visit);
	}
	free(loop->visits);
	for (size_t i = 0; loop->lookups && i < loop->run->count; i++)
		free(loop->lookups[i]);
	free(loop->lookups);
}

static int open_loop(struct loop *loop, char why[LOG_TEXT])
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	int err;

	loop->events = ev_default_loop(EVFLAG_AUTO);
	if (!loop->events)
		return why_refuse(why, -ENOMEM, "cannot make an event loop");
	loop->visits = calloc(loop->run->count, sizeof(*loop->visits));
	loop->lookups = calloc(loop->run->count, sizeof(*loop->lookups));
	if (!loop->visits || !loop->lookups ||
	    reach_ping_open(loop->events, on_echo, loop, &loop->ping))
		return why_refuse(why, -ENOMEM, "out of memory");
	for (size_t i = 0; i < loop->run->count && !loop->names; i++) {
		if (!loop->run->hosts[i].target->name)
			continue;
		err = reach_names_open(loop->events, loop->run->timeout_ns, &loop->names, why);
		if (err)
			return err;
	}
	loop->routes = reach_routes_open();
	ev_init(&loop->pump_timer, on_pump);
	loop->pump_timer.data = loop;
	for (size_t i = 0; i < 3; i++) {
		ev_signal_init(&loop->signals[i], on_signal, signals[i]);
		loop->signals[i].data = loop;
		ev_signal_start(loop->events, &loop->signals[i]);
	}
	ev_timer_init(&loop->progress_timer, on_progress, PROGRESS_FIRST_S, PROGRESS_S);
	loop->progress_timer.data = loop;
	if (loop->run->progress)
		ev_timer_start(loop->events, &loop->progress_timer);
	return 0;
}

static void close_loop(struct loop *loop)
{
	if (!loop->events)
		return;
	end_visits(loop);
	ev_timer_stop(loop->events, &loop->pump_timer);
	ev_timer_stop(loop->events, &loop->progress_timer);
	for (size_t i = 0; i < 3; i++)
		ev_signal_stop(loop->events, &loop->signals[i]);
	reach_names_close(loop->names);
	reach_ping_close(loop->ping);
	reach_routes_close(loop->routes);
	ev_loop_destroy(loop->events);
}

int reach_run(struct reach_run *run, char why[LOG_TEXT])
{
	struct loop loop = {.run = run, .sockets_most = count_sockets(), .start_ns = now_ns()};
	int err = open_loop(&loop, why);

	if (!err && run->count) {
		reach_flows_limits(run->flows, &loop.pace);
		pump(&loop);
		if (!is_over(&loop))
			ev_run(loop.events, 0);
	}
	run->elapsed_ns = now_ns() - loop.start_ns;
	close_loop(&loop);
	return err;
}
