// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Names to addresses.
 */
#include "reach_name.h"

#include <ares.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "why.h"

#define TRIES	      2		/* the second waits twice as long */
#define RECEIVE_BYTES (1 << 20) /* of answers that come while nobody looks */

/* A socket of c-ares, for as long as it wants to know of it. */
struct watch {
	ev_io io;
	struct reach_names *names;
	struct watch *next;
};

struct reach_names {
	struct ev_loop *loop;
	ares_channel channel;
	ev_timer timer;
	struct watch *watches;
	bool is_closing;
};

struct question {
	struct reach_names *names;
	reach_name_answer *answer;
	void *argument;
};

/* When c-ares wants to be woken to send once more, or to give up. */
static void arm(struct reach_names *names)
{
	struct timeval room, *wait = ares_timeout(names->channel, NULL, &room);

	ev_timer_stop(names->loop, &names->timer);
	if (!wait)
		return;
	ev_timer_set(&names->timer, (double)wait->tv_sec + (double)wait->tv_usec / 1e6 + 1e-3, 0.);
	ev_timer_start(names->loop, &names->timer);
}

static void on_socket(struct ev_loop *loop, ev_io *io, int events)
{
	struct watch *watch = (struct watch *)io;
	struct reach_names *names = watch->names;
	int fd = io->fd;

	(void)loop;
	/* It may be gone after this. */
	ares_process_fd(names->channel, events & EV_READ ? fd : ARES_SOCKET_BAD,
			events & EV_WRITE ? fd : ARES_SOCKET_BAD);
	arm(names);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct reach_names *names = timer->data;

	(void)loop;
	(void)events;
	ares_process_fd(names->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm(names);
}

static void on_change(void *argument, ares_socket_t fd, int reads, int writes)
{
	struct reach_names *names = argument;
	struct watch **at = &names->watches, *watch;
	int events = (reads ? EV_READ : 0) | (writes ? EV_WRITE : 0);

	while (*at && (*at)->io.fd != fd)
		at = &(*at)->next;
	watch = *at;
	if (!watch && events) {
		watch = calloc(1, sizeof(*watch));
		/* Without it that question ends by its timeout. */
		if (!watch)
			return;
		watch->names = names;
		watch->next = names->watches;
		names->watches = watch;
		ev_init(&watch->io, on_socket);
	} else if (watch && !events) {
		ev_io_stop(names->loop, &watch->io);
		*at = watch->next;
		free(watch);
	}
	if (events) {
		ev_io_stop(names->loop, &watch->io);
		ev_io_set(&watch->io, fd, events);
		ev_io_start(names->loop, &watch->io);
	}
}

int reach_names_open(struct ev_loop *loop, uint64_t timeout_ns, struct reach_names **ret_names,
		     char why[LOG_TEXT])
{
	struct ares_options options = {.tries = TRIES, .sock_state_cb = on_change, .lookups = "fb"};
	struct reach_names *names = calloc(1, sizeof(*names));
	int status;

	if (!names)
		return why_refuse(why, -ENOMEM, "out of memory");
	names->loop = loop;
	options.timeout = (int)(timeout_ns / 1000000 / 3);
	options.sock_state_cb_data = names;
	options.socket_receive_buffer_size = RECEIVE_BYTES;
	status = ares_library_init(ARES_LIB_INIT_ALL);
	if (status == ARES_SUCCESS)
		status = ares_init_options(&names->channel, &options,
					   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
						   ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS |
						   ARES_OPT_SOCK_RCVBUF);
	if (status != ARES_SUCCESS) {
		free(names);
		return why_refuse(why, -EIO, "cannot look up names: %s", ares_strerror(status));
	}
	ev_init(&names->timer, on_timer);
	names->timer.data = names;
	*ret_names = names;
	return 0;
}

void reach_names_close(struct reach_names *names)
{
	if (!names)
		return;
	names->is_closing = true;
	ares_destroy(names->channel);
	ev_timer_stop(names->loop, &names->timer);
	ares_library_cleanup();
	free(names);
}

/* Asks the routing table, by a socket that sends nothing. */
static bool has_route(const struct sockaddr *address, socklen_t length)
{
	int fd = socket(address->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool has;

	/* Out of descriptors: the first is as good as any. */
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE;
	has = !connect(fd, address, length);
	close(fd);
	return has;
}

static bool take(const struct ares_addrinfo_node *node, union reach_address *ret_address)
{
	if (node->ai_family == AF_INET)
		memcpy(&ret_address->v4, node->ai_addr, sizeof(ret_address->v4));
	else if (node->ai_family == AF_INET6)
		memcpy(&ret_address->v6, node->ai_addr, sizeof(ret_address->v6));
	else
		return false;
	/* At the same place in both. */
	ret_address->v4.sin_port = 0;
	return true;
}

static void on_answer(void *argument, int status, int timeouts, struct ares_addrinfo *info)
{
	struct question question = *(struct question *)argument;
	union reach_address addresses[REACH_NAME_ADDRESSES], first = {0}, address;
	size_t count = 0;

	(void)timeouts;
	free(argument);
	for (const struct ares_addrinfo_node *node = info ? info->nodes : NULL;
	     node && count < REACH_NAME_ADDRESSES; node = node->ai_next) {
		if (!take(node, &address))
			continue;
		if (has_route(node->ai_addr, node->ai_addrlen))
			addresses[count++] = address;
		else if (first.any.sa_family == AF_UNSPEC)
			first = address;
	}
	if (!count && first.any.sa_family != AF_UNSPEC)
		addresses[count++] = first;
	if (info)
		ares_freeaddrinfo(info);
	if (question.names->is_closing)
		return;
	if (count)
		question.answer(question.argument, addresses, count, NULL);
	else
		question.answer(question.argument, NULL, 0,
				ares_strerror(status == ARES_SUCCESS ? ARES_ENODATA : status));
}

void reach_names_ask(struct reach_names *names, const char *name, reach_name_answer *answer,
		     void *argument)
{
	struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct question *question = malloc(sizeof(*question));

	if (!question) {
		answer(argument, NULL, 0, "out of memory");
		return;
	}
	*question = (struct question){names, answer, argument};
	/* With a port, it can be told whether there is a route. */
	ares_getaddrinfo(names->channel, name, "53", &hints, on_answer, question);
	arm(names);
}
