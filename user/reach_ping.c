// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * ICMP and ICMPv6 echoes.
 */
#include "reach_ping.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVE_BYTES (4 << 20) /* of answers that come while nobody looks */
#define SEND_TRIES    4
#define READ_AT_ONCE  512
#define READ_TURNS \
	32 /* of READ_AT_ONCE: all that RECEIVE_BYTES have room for, and no end of a flood */

/* The header is the same in both versions, RFC 792 and RFC 4443 4.1. */
struct echo {
	uint8_t type, code;
	uint16_t checksum;
	uint16_t id, sequence;
	uint64_t nonce; /* nobody else's answer is taken for ours */
	uint32_t number;
	uint8_t try, pad[3];
};

struct port {
	ev_io io;
	struct reach_ping *ping;
	int family;
	bool is_raw;
};

struct reach_ping {
	struct ev_loop *loop;
	reach_ping_answer *answer;
	void *argument;
	uint64_t nonce;
	struct port ports[2];
};

uint16_t reach_ping_checksum(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += (uint32_t)bytes[i] << (i & 1 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static struct port *port_of(const struct reach_ping *ping, int family)
{
	return (struct port *)&ping->ports[family == AF_INET6];
}

static void read_echo(struct port *port, const uint8_t *data, size_t length,
		      const union reach_address *from)
{
	uint8_t type = port->family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
	struct echo echo;
	size_t header = 0;

	/* Raw, IPv4 comes with its header, IPv6 without. */
	if (port->is_raw && port->family == AF_INET)
		header = length ? (data[0] & 15U) * 4U : 0;
	if (length < header + sizeof(echo))
		return;
	memcpy(&echo, data + header, sizeof(echo));
	if (echo.type == type && echo.nonce == port->ping->nonce)
		port->ping->answer(port->ping->argument, echo.number, from, REACH_OPEN, echo.try);
}

static bool read_one(struct port *port)
{
	union reach_address from = {0};
	socklen_t from_length = sizeof(from);
	uint8_t data[256];
	ssize_t length =
		recvfrom(port->io.fd, data, sizeof(data), MSG_DONTWAIT, &from.any, &from_length);

	if (length >= 0)
		read_echo(port, data, (size_t)length, &from);
	/* An error that waited has its message in the other queue. */
	return length >= 0 || (errno != EAGAIN && errno != EBADF);
}

/* What somebody on the way said of a packet of ours, of which the kernel kept the beginning. */
static bool read_error(struct port *port)
{
	union reach_address to = {0};
	struct echo echo = {0};
	union {
		struct cmsghdr align;
		char bytes[512];
	} control;
	struct iovec part = {&echo, sizeof(echo)};
	struct msghdr message = {.msg_name = &to,
				 .msg_namelen = sizeof(to),
				 .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	uint8_t request = port->family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	ssize_t length = recvmsg(port->io.fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);

	if (length < 0)
		return false;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
	     header = CMSG_NXTHDR(&message, header)) {
		struct sock_extended_err error;
		int version = 0;

		if (!(header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR) &&
		    !(header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&error, CMSG_DATA(header), sizeof(error));
		if (error.ee_origin == SO_EE_ORIGIN_ICMP)
			version = 4;
		else if (error.ee_origin == SO_EE_ORIGIN_ICMP6)
			version = 6;
		/* That a packet is too big, or was redirected, is no answer. */
		if (!version || error.ee_errno == EMSGSIZE || !error.ee_errno ||
		    length < (ssize_t)sizeof(struct icmphdr) || echo.type != request)
			continue;
		port->ping->answer(port->ping->argument, ntohs(echo.sequence), &to,
				   reach_classify((int)error.ee_errno, version, error.ee_type,
						  error.ee_code),
				   0);
	}
	return true;
}

/* False if there may be more. */
static bool read_some(struct port *port)
{
	int left = READ_AT_ONCE;

	while (left > 0 && read_error(port))
		left--;
	while (left > 0 && read_one(port))
		left--;
	return left > 0;
}

static void on_event(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop;
	(void)events;
	read_some((struct port *)io);
}

static void open_port(struct reach_ping *ping, struct port *port, int family)
{
	int protocol = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	int bytes = RECEIVE_BYTES, on = 1, fd;

	port->ping = ping;
	port->family = family;
	port->is_raw = true;
	fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	if (fd < 0) {
		port->is_raw = false;
		fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	}
	ev_io_init(&port->io, on_event, fd, EV_READ);
	if (fd < 0)
		return;
	if (port->is_raw && family == AF_INET) {
		struct icmp_filter filter = {.data = ~(1U << ICMP_ECHOREPLY)};

		setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter));
	} else if (port->is_raw) {
		struct icmp6_filter filter;

		ICMP6_FILTER_SETBLOCKALL(&filter);
		ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
		setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
	}
	setsockopt(fd, level, family == AF_INET ? IP_RECVERR : IPV6_RECVERR, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	ev_io_start(ping->loop, &port->io);
}

int reach_ping_open(struct ev_loop *loop, reach_ping_answer *answer, void *argument,
		    struct reach_ping **ret_ping)
{
	struct reach_ping *ping = calloc(1, sizeof(*ping));

	if (!ping)
		return -ENOMEM;
	ping->loop = loop;
	ping->answer = answer;
	ping->argument = argument;
	if (getrandom(&ping->nonce, sizeof(ping->nonce), GRND_NONBLOCK) != sizeof(ping->nonce))
		ping->nonce = (uint64_t)getpid() << 32 ^ (uint64_t)(ev_time() * 1e6);
	open_port(ping, &ping->ports[0], AF_INET);
	open_port(ping, &ping->ports[1], AF_INET6);
	*ret_ping = ping;
	return 0;
}

void reach_ping_close(struct reach_ping *ping)
{
	if (!ping)
		return;
	for (int i = 0; i < 2; i++) {
		ev_io_stop(ping->loop, &ping->ports[i].io);
		if (ping->ports[i].io.fd >= 0)
			close(ping->ports[i].io.fd);
	}
	free(ping);
}

bool reach_ping_can(const struct reach_ping *ping, int family)
{
	return port_of(ping, family)->io.fd >= 0;
}

void reach_ping_read(struct reach_ping *ping, int family)
{
	struct port *port = port_of(ping, family);

	for (int i = 0; i < READ_TURNS && !read_some(port); i++)
		;
}

int reach_ping_send(struct reach_ping *ping, uint32_t number, uint8_t try,
		    const union reach_address *address)
{
	struct port *port = port_of(ping, address->any.sa_family);
	bool is_v4 = port->family == AF_INET;
	socklen_t length = is_v4 ? sizeof(address->v4) : sizeof(address->v6);
	struct echo echo = {
		.type = is_v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST,
		.id = (uint16_t)ping->nonce,
		.sequence = htons((uint16_t)number),
		.nonce = ping->nonce,
		.number = number,
		.try = try,
	};
	int err = 0;

	if (is_v4)
		echo.checksum = reach_ping_checksum(&echo, sizeof(echo));
	/* What comes back may be about a packet that was sent before, to somebody else. */
	for (int i = 0; i < SEND_TRIES; i++) {
		socklen_t size = sizeof(err);

		getsockopt(port->io.fd, SOL_SOCKET, SO_ERROR, &err, &size);
		if (sendto(port->io.fd, &echo, sizeof(echo), MSG_DONTWAIT, &address->any, length) >=
		    0)
			return 0;
		err = errno;
		if (err == EAGAIN || err == ENOBUFS || err == ENOMEM)
			return -ENOBUFS;
	}
	return -err;
}
