/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A UDP load generator and its sink, for offering a limiter more than it may
 * pass. It sends at a steady rate in steps of a millisecond, counts what the
 * kernel took and what it refused, and prints one line of JSON. It knows
 * nothing of bwctl.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"
#include "units.h"

#define STEP_NS	     1000000ULL
#define CATCH_UP_NS  (20 * STEP_NS) /* what is missed beyond this is not offered later */
#define BATCH	     64
#define FLOWS_MAX    1024
#define DATAGRAM_MAX 65507

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

struct load {
	const char *address;
	const char *port;
	uint64_t rate_bits_s; /* of UDP payload */
	uint64_t size_bytes;  /* UDP payload of a datagram */
	uint64_t segments;    /* datagrams handed over as one, by UDP GSO */
	uint64_t flows;
	uint64_t duration_ns;
};

struct tally {
	uint64_t packets;
	uint64_t bytes;
	uint64_t errors;
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void usage(FILE *stream)
{
	fputs("usage: blast send ADDRESS PORT --rate RATE --size BYTES --seconds SECONDS\n"
	      "                  [--gso SEGMENTS] [--flows N] [--cpu N]\n"
	      "       blast sink PORT [--seconds SECONDS] [--cpu N]\n"
	      "RATE counts the payload: 100mbit, 2gbit. A flow is a source port.\n",
	      stream);
}

static void pin_to(uint64_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "cannot run on CPU %" PRIu64, cpu);
}

/* A socket connected to the load's destination; one per flow, as each gets a port of its own. */
static int open_flow(const struct load *load)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo *destination;
	int error, fd, buffer_bytes = 4 << 20;

	error = getaddrinfo(load->address, load->port, &hints, &destination);
	if (error)
		errx(2, "'%s' port '%s': %s", load->address, load->port, gai_strerror(error));
	fd = socket(destination->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, destination->ai_addr, destination->ai_addrlen))
		err(1, "cannot send to '%s'", load->address);
	freeaddrinfo(destination);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
	if (load->segments > 1) {
		int segment_bytes = load->size_bytes;

		if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment_bytes, sizeof(segment_bytes)))
			err(1, "cannot send several datagrams as one");
	}
	return fd;
}

/*
 * Hands count messages of load->segments datagrams each to the kernel. A
 * message that it refuses, for want of room or because it was told to drop,
 * counts as an error and is not offered again.
 */
static void send_batch(int fd, const struct load *load, struct mmsghdr *messages,
		       unsigned int count, struct tally *tally)
{
	unsigned int done = 0;
	int n;

	while (done < count) {
		n = sendmmsg(fd, messages + done, count - done, 0);
		if (n > 0) {
			tally->packets += n * load->segments;
			tally->bytes += n * load->segments * load->size_bytes;
			done += n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EMSGSIZE || errno == EINVAL)
			err(1, "cannot send %" PRIu64 " x %" PRIu64 " bytes", load->segments,
			    load->size_bytes);
		tally->errors += load->segments;
		done++;
	}
}

static int blast_send(const struct load *load)
{
	static struct mmsghdr messages[BATCH];
	static int fds[FLOWS_MAX];
	static char payload[DATAGRAM_MAX];
	struct iovec iov = {.iov_base = payload, .iov_len = load->size_bytes * load->segments};
	uint64_t message_bits = iov.iov_len * 8, offered = 0, flow = 0, start_ns, elapsed_ns = 0;
	struct tally tally = {0};
	double seconds;

	for (int i = 0; i < BATCH; i++)
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
	for (uint64_t i = 0; i < load->flows; i++)
		fds[i] = open_flow(load);

	start_ns = now_ns();
	while (!stopped && elapsed_ns < load->duration_ns) {
		uint64_t due, late, next_ns;
		struct timespec next;

		due = (__uint128_t)load->rate_bits_s * elapsed_ns / NS_PER_S / message_bits + 1;
		late = (__uint128_t)load->rate_bits_s * CATCH_UP_NS / NS_PER_S / message_bits + 1;
		if (due > offered + late)
			offered = due - late;
		while (offered < due && !stopped) {
			unsigned int count = due - offered < BATCH ? due - offered : BATCH;

			/* Short turns, so that a step's worth is spread over the flows. */
			if (load->flows > 1 && count > 8)
				count = 8;
			send_batch(fds[flow++ % load->flows], load, messages, count, &tally);
			offered += count;
			if (now_ns() - start_ns >= load->duration_ns)
				break;
		}
		next_ns = start_ns + (elapsed_ns / STEP_NS + 1) * STEP_NS;
		next = (struct timespec){next_ns / NS_PER_S, next_ns % NS_PER_S};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		elapsed_ns = now_ns() - start_ns;
	}
	seconds = (double)(now_ns() - start_ns) / NS_PER_S;
	printf("{\"sent_packets\":%" PRIu64 ",\"sent_bytes\":%" PRIu64 ",\"errors\":%" PRIu64
	       ",\"seconds\":%.3f}\n",
	       tally.packets, tally.bytes, tally.errors, seconds);
	return 0;
}

static int open_sink(uint64_t port)
{
	struct sockaddr_in6 here = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd, off = 0, buffer_bytes = 16 << 20;

	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    bind(fd, (struct sockaddr *)&here, sizeof(here)))
		err(1, "cannot listen on port %" PRIu64, port);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));
	return fd;
}

static int blast_sink(uint64_t port, uint64_t duration_ns)
{
	static struct mmsghdr messages[BATCH];
	static char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	uint64_t start_ns = now_ns(), first_ns = 0, last_ns = 0;
	struct pollfd readable = {.fd = open_sink(port), .events = POLLIN};
	struct tally tally = {0};
	int n;

	for (int i = 0; i < BATCH; i++)
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};

	while (!stopped && (!duration_ns || now_ns() - start_ns < duration_ns)) {
		/* MSG_TRUNC: tell the whole length, copy the one byte there is room for. */
		n = recvmmsg(readable.fd, messages, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
		if (n < 0) {
			if (errno == EAGAIN)
				poll(&readable, 1, 100);
			else if (errno != EINTR)
				err(1, "cannot receive");
			continue;
		}
		last_ns = now_ns();
		if (!first_ns)
			first_ns = last_ns;
		tally.packets += n;
		for (int i = 0; i < n; i++)
			tally.bytes += messages[i].msg_len;
	}
	printf("{\"received_packets\":%" PRIu64 ",\"received_bytes\":%" PRIu64
	       ",\"seconds\":%.3f}\n",
	       tally.packets, tally.bytes, (double)(last_ns - first_ns) / NS_PER_S);
	return 0;
}

int main(int argc, char **argv)
{
	enum {
		RATE = 1,
		SIZE,
		SECONDS,
		GSO,
		CPU,
		FLOWS,
		HELP
	};
	static const struct option options[] = {
		{"rate", required_argument, NULL, RATE},
		{"size", required_argument, NULL, SIZE},
		{"seconds", required_argument, NULL, SECONDS},
		{"gso", required_argument, NULL, GSO},
		{"cpu", required_argument, NULL, CPU},
		{"flows", required_argument, NULL, FLOWS},
		{"help", no_argument, NULL, HELP},
		{0},
	};
	struct load load = {.segments = 1, .flows = 1};
	struct sigaction on_signal = {.sa_handler = stop};
	char why[UNITS_TEXT];
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case RATE:
			if (units_parse_rate(optarg, &load.rate_bits_s, why))
				errx(2, "--rate: %s", why);
			break;
		case SIZE:
			load.size_bytes = parse_integer("--size", optarg, 1, DATAGRAM_MAX);
			break;
		case SECONDS:
			load.duration_ns = parse_seconds(optarg);
			break;
		case GSO:
			load.segments = parse_integer("--gso", optarg, 1, 64);
			break;
		case CPU:
			pin_to(parse_integer("--cpu", optarg, 0, CPU_SETSIZE - 1));
			break;
		case FLOWS:
			load.flows = parse_integer("--flows", optarg, 1, FLOWS_MAX);
			break;
		case HELP:
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	sigaction(SIGTERM, &on_signal, NULL);
	sigaction(SIGINT, &on_signal, NULL);

	argc -= optind;
	argv += optind;
	if (argc == 2 && !strcmp(argv[0], "sink"))
		return blast_sink(parse_integer("port", argv[1], 1, 65535), load.duration_ns);
	if (argc != 3 || strcmp(argv[0], "send") || !load.rate_bits_s || !load.size_bytes ||
	    !load.duration_ns) {
		usage(stderr);
		return 2;
	}
	if (load.size_bytes * load.segments > DATAGRAM_MAX)
		errx(2, "--gso: %" PRIu64 " x %" PRIu64 " bytes do not fit into %d", load.segments,
		     load.size_bytes, DATAGRAM_MAX);
	load.address = argv[1];
	load.port = argv[2];
	return blast_send(&load);
}
