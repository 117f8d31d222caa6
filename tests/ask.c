/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Somebody at a user interface: requests over one TCP connection that is kept
 * open, at fixed moments whether or not those before were answered, and how long
 * each answer took. And the other side, which answers a whole request by as many
 * bytes. Knows nothing of bwctl.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
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

#define NS_PER_MS	1000000ULL
#define NS_PER_US	1000ULL
#define CONNECTIONS_MAX 1024
#define MESSAGE_MIN	sizeof(uint64_t) /* its number */
#define MESSAGE_MAX	65536
#define REQUESTS_MAX	10000000

struct question {
	const char *address;
	const char *port;
	uint64_t size_bytes; /* of a request, and of an answer */
	uint64_t interval_ns, duration_ns, deadline_ns;
};

/* One side of a conversation, counted in bytes: message n begins at n * size. */
struct talk {
	int fd;
	uint64_t sent_bytes, received_bytes;
	char message[MESSAGE_MAX];
};

struct request {
	uint64_t asked_ns;
	uint64_t took_ns; /* 0: not answered yet */
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void usage(FILE *stream)
{
	fputs("usage: ask ADDRESS PORT --seconds SECONDS [--interval MS] [--deadline MS] [--size BYTES]\n"
	      "       ask answer PORT [--size BYTES]\n"
	      "Every 100 ms a request of 1024 bytes. Lost is what has no answer within the deadline,\n"
	      "1000 ms; an answer that comes later counts with the time it took, one that never comes\n"
	      "with the time it was waited for.\n",
	      stream);
}

/* Waits until one of them is ready, or the moment has come, or a signal has. */
static void wait_until(struct pollfd *fds, nfds_t count, uint64_t moment_ns)
{
	uint64_t before_ns = now_ns();
	uint64_t left_ns = moment_ns > before_ns ? moment_ns - before_ns : 0;
	struct timespec left = {left_ns / NS_PER_S, left_ns % NS_PER_S};

	for (nfds_t i = 0; i < count; i++)
		fds[i].revents = 0;
	if (ppoll(fds, count, &left, NULL) < 0 && errno != EINTR)
		err(1, "cannot wait");
}

static void send_at_once(int fd)
{
	int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		err(1, "cannot set TCP_NODELAY");
}

/* -------- asking -------- */

static int open_talk(const struct question *question)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo *destination;
	int error, fd;

	error = getaddrinfo(question->address, question->port, &hints, &destination);
	if (error)
		errx(2, "'%s' port '%s': %s", question->address, question->port,
		     gai_strerror(error));
	fd = socket(destination->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, destination->ai_addr, destination->ai_addrlen))
		err(1, "cannot connect to '%s' port %s", question->address, question->port);
	freeaddrinfo(destination);
	send_at_once(fd);
	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		err(1, "cannot set O_NONBLOCK");
	return fd;
}

/* Hands over what was asked and the kernel takes. Returns 0, or -errno of a connection that broke. */
static int send_requests(struct talk *talk, uint64_t size_bytes, uint64_t asked)
{
	while (talk->sent_bytes < asked * size_bytes) {
		uint64_t number = talk->sent_bytes / size_bytes;
		uint64_t offset_bytes = talk->sent_bytes % size_bytes;
		static char request[MESSAGE_MAX];
		ssize_t n;

		memcpy(request, &number, sizeof(number));
		n = send(talk->fd, request + offset_bytes, size_bytes - offset_bytes, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		talk->sent_bytes += n;
	}
	return 0;
}

/* Takes what has arrived, and notes the answers that are whole. Returns 0 or -errno. */
static int receive_answers(struct talk *talk, uint64_t size_bytes, uint64_t asked,
			   struct request *requests)
{
	for (;;) {
		uint64_t number = talk->received_bytes / size_bytes;
		uint64_t offset_bytes = talk->received_bytes % size_bytes;
		ssize_t n =
			recv(talk->fd, talk->message + offset_bytes, size_bytes - offset_bytes, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (!n)
			return -ECONNRESET;
		talk->received_bytes += n;
		if (talk->received_bytes % size_bytes)
			continue;
		if (number >= asked || memcmp(talk->message, &number, sizeof(number)))
			return -EPROTO;
		requests[number].took_ns = now_ns() - requests[number].asked_ns;
	}
}

static int compare_times(const void *left, const void *right)
{
	uint64_t a = ((const struct request *)left)->took_ns;
	uint64_t b = ((const struct request *)right)->took_ns;

	return (a > b) - (a < b);
}

/* The time within which that part of the sorted requests was answered (nearest rank), or 0. */
static uint64_t within_us(const struct request *requests, uint64_t count, unsigned int percent)
{
	return count ? requests[(count * percent + 99) / 100 - 1].took_ns / NS_PER_US : 0;
}

static void print_answers(const struct question *question, struct request *requests, uint64_t asked,
			  uint64_t answered)
{
	uint64_t end_ns = now_ns(), lost = 0;

	for (uint64_t n = 0; n < asked; n++) {
		if (n >= answered)
			requests[n].took_ns = end_ns - requests[n].asked_ns;
		lost += n >= answered || requests[n].took_ns > question->deadline_ns;
	}
	qsort(requests, asked, sizeof(*requests), compare_times);
	printf("{\"sent\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"lost\":%" PRIu64
	       ",\"p50_us\":%" PRIu64 ",\"p99_us\":%" PRIu64 ",\"max_us\":%" PRIu64 "}\n",
	       asked, answered, lost, within_us(requests, asked, 50),
	       within_us(requests, asked, 99), within_us(requests, asked, 100));
}

static int ask(const struct question *question)
{
	static struct talk talk;
	uint64_t most = question->duration_ns / question->interval_ns + 1, asked = 0;
	struct pollfd fd = {.events = POLLIN};
	struct request *requests;
	uint64_t start_ns, end_ns;
	int error = 0;

	if (most > REQUESTS_MAX)
		errx(2, "--interval: more than %d requests", REQUESTS_MAX);
	requests = calloc(most, sizeof(*requests));
	if (!requests)
		err(1, "%" PRIu64 " requests", most);
	fd.fd = talk.fd = open_talk(question);
	start_ns = now_ns();
	end_ns = start_ns + question->duration_ns;
	/* Never behind the schedule because an answer is: else the slow ones would count too little. */
	while (!error && !stopped) {
		uint64_t moment_ns = now_ns(), due_ns = start_ns + asked * question->interval_ns;

		if (due_ns < end_ns && moment_ns >= due_ns) {
			requests[asked++].asked_ns = moment_ns;
			continue;
		}
		if (due_ns >= end_ns)
			due_ns = requests[asked - 1].asked_ns + question->deadline_ns;
		error = send_requests(&talk, question->size_bytes, asked);
		if (!error)
			error = receive_answers(&talk, question->size_bytes, asked, requests);
		if (start_ns + asked * question->interval_ns >= end_ns &&
		    (talk.received_bytes == asked * question->size_bytes || moment_ns > due_ns))
			break;
		fd.events = POLLIN;
		if (talk.sent_bytes < asked * question->size_bytes)
			fd.events |= POLLOUT;
		if (!error)
			wait_until(&fd, 1, due_ns);
	}
	print_answers(question, requests, asked, talk.received_bytes / question->size_bytes);
	free(requests);
	close(talk.fd);
	if (error)
		errx(1, "the connection broke: %s", strerror(-error));
	return 0;
}

/* -------- answering -------- */

static int open_listener(uint64_t port)
{
	struct sockaddr_in6 here = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd, off = 0, on = 1;

	fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&here, sizeof(here)) || listen(fd, CONNECTIONS_MAX))
		err(1, "cannot listen on port %" PRIu64, port);
	return fd;
}

/*
 * Takes a request, and answers when it is whole; the next is taken once that is
 * sent. False: the connection has ended.
 */
static bool converse(struct talk *talk, uint64_t size_bytes)
{
	for (;;) {
		uint64_t have_bytes = talk->received_bytes % size_bytes;
		uint64_t said_bytes = talk->sent_bytes % size_bytes;
		bool is_due = talk->received_bytes / size_bytes > talk->sent_bytes / size_bytes;
		ssize_t n;

		if (is_due)
			n = send(talk->fd, talk->message + said_bytes, size_bytes - said_bytes,
				 MSG_NOSIGNAL);
		else
			n = recv(talk->fd, talk->message + have_bytes, size_bytes - have_bytes, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		if (!n)
			return false;
		if (is_due)
			talk->sent_bytes += n;
		else
			talk->received_bytes += n;
	}
}

static struct talk *new_talk(int fd)
{
	struct talk *talk = calloc(1, sizeof(*talk));

	if (!talk)
		err(1, "another connection");
	send_at_once(fd);
	talk->fd = fd;
	return talk;
}

static int answer(uint64_t port, uint64_t size_bytes)
{
	static struct pollfd fds[1 + CONNECTIONS_MAX];
	static struct talk *talks[1 + CONNECTIONS_MAX];
	uint64_t connections = 0, answered = 0;
	nfds_t count = 1;

	fds[0].fd = open_listener(port);
	fds[0].events = POLLIN;
	while (!stopped) {
		/* A signal that comes just before would be slept over, but not for long. */
		wait_until(fds, count, now_ns() + 100 * NS_PER_MS);
		for (nfds_t i = 1; i < count; i++) {
			if (!fds[i].revents)
				continue;
			if (converse(talks[i], size_bytes)) {
				bool is_due = talks[i]->received_bytes / size_bytes >
					      talks[i]->sent_bytes / size_bytes;

				fds[i].events = is_due ? POLLOUT : POLLIN;
				continue;
			}
			answered += talks[i]->sent_bytes / size_bytes;
			close(talks[i]->fd);
			free(talks[i]);
			count--;
			talks[i] = talks[count];
			fds[i] = fds[count];
			i--;
		}
		while (count <= CONNECTIONS_MAX) {
			int fd = accept4(fds[0].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

			if (fd < 0)
				break;
			connections++;
			talks[count] = new_talk(fd);
			fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
		}
	}
	for (nfds_t i = 1; i < count; i++) {
		answered += talks[i]->sent_bytes / size_bytes;
		close(talks[i]->fd);
		free(talks[i]);
	}
	close(fds[0].fd);
	printf("{\"connections\":%" PRIu64 ",\"answered\":%" PRIu64 "}\n", connections, answered);
	return 0;
}

int main(int argc, char **argv)
{
	enum {
		SECONDS = 1,
		INTERVAL,
		DEADLINE,
		SIZE,
		HELP
	};
	static const struct option options[] = {
		{"seconds", required_argument, NULL, SECONDS},
		{"interval", required_argument, NULL, INTERVAL},
		{"deadline", required_argument, NULL, DEADLINE},
		{"size", required_argument, NULL, SIZE},
		{"help", no_argument, NULL, HELP},
		{0},
	};
	struct question question = {
		.size_bytes = 1024, .interval_ns = 100 * NS_PER_MS, .deadline_ns = NS_PER_S};
	struct sigaction on_signal = {.sa_handler = stop};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case SECONDS:
			question.duration_ns = parse_seconds(optarg);
			break;
		case INTERVAL:
			question.interval_ns =
				parse_integer("--interval", optarg, 1, 3600000) * NS_PER_MS;
			break;
		case DEADLINE:
			question.deadline_ns =
				parse_integer("--deadline", optarg, 1, 3600000) * NS_PER_MS;
			break;
		case SIZE:
			question.size_bytes =
				parse_integer("--size", optarg, MESSAGE_MIN, MESSAGE_MAX);
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
	if (argc == 2 && !strcmp(argv[0], "answer"))
		return answer(parse_integer("port", argv[1], 1, 65535), question.size_bytes);
	if (argc != 2 || !question.duration_ns) {
		usage(stderr);
		return 2;
	}
	question.address = argv[0];
	question.port = argv[1];
	return ask(&question);
}
