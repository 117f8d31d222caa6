/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Clients of an exporter: those that scrape it, many at once, with how long each
 * answer took and whether it was whole; and those that do not behave. One
 * process, one thread. Knows nothing of bwctl.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "tool.h"
#include "units.h"

#define NS_PER_MS   1000000ULL
#define CLIENTS_MAX 1000
#define HEADER_MAX  4096
#define BODY_MAX    (16 << 20)
#define ANSWER_MS   30000
#define CHECK_EACH  64 /* of so many answers one is read to its end */

/* What Prometheus sends. */
#define REQUEST                                                                             \
	"GET %s HTTP/1.1\r\nHost: %s:%s\r\nUser-Agent: Prometheus/2.42.0\r\n"               \
	"Accept: application/openmetrics-text;version=1.0.0,"                               \
	"application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5," \
	"*/*;q=0.1\r\nAccept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"

#define DRIP_NS	   (2 * NS_PER_S)
#define DRIP_FIRST "GET /metrics HTTP/1.1\r\nHost: a\r\n"
#define DRIP_LINE  "X-More: to come\r\n"

enum manner {
	MANNER_SCRAPE,
	MANNER_IDLE,
	MANNER_SLOW,
	MANNER_DRIP,
	MANNER_DEAF,
	MANNER_RESET,
	MANNER_GARBAGE,
	MANNERS
};

static const char *const manner_names[MANNERS] = {
	[MANNER_SCRAPE] = "scrape",   [MANNER_IDLE] = "idle", [MANNER_SLOW] = "slow",
	[MANNER_DRIP] = "drip",	      [MANNER_DEAF] = "deaf", [MANNER_RESET] = "reset",
	[MANNER_GARBAGE] = "garbage",
};

/* Requests that are none, or not of this exporter; what is random comes in between. */
static const char *const garbage[] = {
	"\r\n\r\n",
	"GET\r\n\r\n",
	"GET /metrics\r\n\r\n",
	"GET /metrics HTTP/9.9\r\n\r\n",
	"GET /metrics HTTP/1.1\r\n\r\n",
	"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /metrics%00 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nx",
	"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx",
	"PUT /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
	"DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
	"HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
	"GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: ;;;,,,=\r\nAccept-Encoding: ,;q=,\r\n\r\n",
	"GET /metrics HTTP/1.0\nHost a\n\n",
	"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", /* somebody who thinks that it is TLS */
};

struct run {
	const char *address, *port, *path;
	struct addrinfo *there;
	enum manner manner;
	bool keeps; /* the connection, for the next request */
	uint64_t requests, at_once, duration_ns;
	char request[1024];
	size_t request_bytes;
};

struct client {
	int fd; /* -1: none */
	uint64_t began_ns, due_ns;
	size_t sent_bytes, header_bytes, body_bytes, body_due_bytes;
	bool has_header;
	char header[HEADER_MAX + 1];
	char *body;
	size_t body_room;
};

/* An answer that is read to its end, later. */
struct page {
	char *body;
	size_t bytes;
	bool is_gzip;
};

struct outcome {
	uint64_t answered, unanswered, failed, broken, bytes;
	uint64_t *took_ns;
	struct page *pages;
	size_t page_count;
	char why[128]; /* the first that failed */
};

static void usage(FILE *stream)
{
	fputs("usage: clients ADDRESS PORT [--requests N] [--at-once N] [--keep] [--path PATH]\n"
	      "       clients ADDRESS PORT --manner idle|slow|drip|deaf|reset|garbage [--at-once N]\n"
	      "       [--seconds N]\n"
	      "idle says nothing, slow sends a byte of its request each 100 ms, drip a line of a header that does\n"
	      "not end each 2 s, deaf asks and does not read, reset asks and breaks the connection off, garbage\n"
	      "asks for what is no request.\n",
	      stream);
}

static void failed(struct outcome *outcome, const char *why)
{
	if (!outcome->failed++)
		snprintf(outcome->why, sizeof(outcome->why), "%s", why);
}

static void close_client(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

/* 0, or -errno. */
static int open_client(const struct run *run, struct client *client)
{
	int on = 1, little = 2048;

	client->fd = socket(run->there->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return -errno;
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (run->manner == MANNER_DEAF)
		setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
	if (connect(client->fd, run->there->ai_addr, run->there->ai_addrlen) &&
	    errno != EINPROGRESS) {
		int err = -errno;

		close_client(client);
		return err;
	}
	return 0;
}

static void begin_request(struct client *client)
{
	client->sent_bytes = client->header_bytes = client->body_bytes = 0;
	client->body_due_bytes = 0;
	client->has_header = false;
	client->began_ns = now_ns();
}

/* -------- scraping -------- */

/* The text of a metrics page ends with a line that is whole. NULL, or what is wrong. */
static const char *check_page(const struct page *page)
{
	static unsigned char text[BODY_MAX];
	z_stream stream = {.next_in = (unsigned char *)page->body,
			   .avail_in = page->bytes,
			   .next_out = text,
			   .avail_out = sizeof(text)};
	const unsigned char *end = (unsigned char *)page->body + page->bytes;
	bool is_whole;

	if (page->is_gzip) {
		if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK)
			return "no memory for zlib";
		is_whole = inflate(&stream, Z_FINISH) == Z_STREAM_END;
		end = text + stream.total_out;
		inflateEnd(&stream);
		if (!is_whole || !stream.total_out)
			return "the answer is not what gzip wrote";
	}
	return page->bytes && end[-1] == '\n' ? NULL : "the answer ends within a line";
}

/* Reads the header when it is whole; NULL, or what is wrong with it. */
static const char *read_header(struct client *client)
{
	const char *length;
	char *end;

	client->header[client->header_bytes] = '\0';
	end = strstr(client->header, "\r\n\r\n");
	if (!end)
		return client->header_bytes == HEADER_MAX ? "the header is too long" : NULL;
	client->has_header = true;
	client->body_bytes = client->header + client->header_bytes - (end + 4);
	if (strncmp(client->header, "HTTP/1.1 200 ", 13))
		return "the status is not 200";
	length = strcasestr(client->header, "\r\nContent-Length: ");
	if (!length)
		return "the answer does not say how long it is";
	client->body_due_bytes = strtoull(length + 18, NULL, 10);
	if (client->body_due_bytes > BODY_MAX || client->body_bytes > client->body_due_bytes)
		return "the length is wrong";
	if (client->body_due_bytes > client->body_room) {
		client->body_room = client->body_due_bytes;
		client->body = realloc(client->body, client->body_room);
		if (!client->body)
			err(1, "an answer of %zu bytes", client->body_due_bytes);
	}
	memcpy(client->body, end + 4, client->body_bytes);
	end[4] = '\0';
	return NULL;
}

/* Takes a scrape as far as it goes. 1 when it has its answer, 0 when it waits, -1 and why. */
static int scrape(const struct run *run, struct client *client, const char **ret_why)
{
	ssize_t n;

	while (client->sent_bytes < run->request_bytes) {
		n = send(client->fd, run->request + client->sent_bytes,
			 run->request_bytes - client->sent_bytes, MSG_NOSIGNAL);
		if (n < 0) {
			*ret_why = strerror(errno);
			return errno == EAGAIN || errno == EINPROGRESS ? 0 : -1;
		}
		client->sent_bytes += n;
	}
	while (!client->has_header || client->body_bytes < client->body_due_bytes) {
		if (client->has_header)
			n = recv(client->fd, client->body + client->body_bytes,
				 client->body_due_bytes - client->body_bytes, 0);
		else
			n = recv(client->fd, client->header + client->header_bytes,
				 HEADER_MAX - client->header_bytes, 0);
		if (n < 0) {
			*ret_why = strerror(errno);
			return errno == EAGAIN ? 0 : -1;
		}
		if (!n) {
			*ret_why = "the connection ended before the answer did";
			return -1;
		}
		if (client->has_header) {
			client->body_bytes += n;
			continue;
		}
		client->header_bytes += n;
		*ret_why = read_header(client);
		if (*ret_why)
			return -1;
	}
	return 1;
}

static void finish_scrape(struct client *client, struct outcome *outcome)
{
	outcome->took_ns[outcome->answered] = now_ns() - client->began_ns;
	outcome->bytes += client->body_bytes;
	/* Kept for later: to look at it now would take time that others are measured by. */
	if (outcome->answered++ % CHECK_EACH == 0) {
		struct page *page = &outcome->pages[outcome->page_count++];

		page->body = client->body;
		page->bytes = client->body_bytes;
		page->is_gzip = strcasestr(client->header, "\r\nContent-Encoding: gzip\r\n");
		client->body = NULL;
		client->body_room = 0;
	}
}

/* One scrape after the other until there is something to wait for, or none is left. */
static void advance(const struct run *run, struct client *client, uint64_t *left,
		    struct outcome *outcome)
{
	for (;;) {
		const char *why = NULL;
		int done = 0;

		if (!client->began_ns) {
			if (!*left)
				return;
			--*left;
			begin_request(client);
			if (client->fd < 0)
				done = open_client(run, client);
			if (done)
				why = strerror(-done);
		}
		if (!done)
			done = scrape(run, client, &why);
		if (!done)
			return;
		if (done > 0) {
			finish_scrape(client, outcome);
		} else {
			outcome->unanswered++;
			failed(outcome, why);
		}
		if (done < 0 || !run->keeps)
			close_client(client);
		client->began_ns = 0;
	}
}

static void scrape_all(const struct run *run, struct client *clients, struct outcome *outcome)
{
	struct pollfd fds[CLIENTS_MAX] = {0};
	uint64_t left = run->requests;

	while (outcome->answered + outcome->unanswered < run->requests) {
		for (uint64_t i = 0; i < run->at_once; i++) {
			struct client *client = &clients[i];

			if (!client->began_ns || fds[i].revents)
				advance(run, client, &left, outcome);
			fds[i].fd = client->began_ns ? client->fd : -1;
			fds[i].events = client->sent_bytes < run->request_bytes ? POLLOUT : POLLIN;
			fds[i].revents = 0;
		}
		if (outcome->answered + outcome->unanswered == run->requests)
			return;
		if (!poll(fds, run->at_once, ANSWER_MS))
			errx(1, "no answer within %d s", ANSWER_MS / 1000);
	}
}

/* -------- not behaving -------- */

static void send_garbage(struct client *client)
{
	char bytes[512];
	uint32_t dice = 0;

	if (getrandom(&dice, sizeof(dice), 0) < 0)
		err(1, "no random bytes");
	if (dice % 4) {
		const char *text = garbage[dice / 4 % (sizeof(garbage) / sizeof(*garbage))];

		(void)!send(client->fd, text, strlen(text), MSG_NOSIGNAL);
		return;
	}
	if (getrandom(bytes, sizeof(bytes), 0) < 0)
		err(1, "no random bytes");
	(void)!send(client->fd, bytes, dice / 4 % sizeof(bytes), MSG_NOSIGNAL);
}

/* What one of them does at its next moment; 0, or when that is over and another one comes. */
static bool misbehave(const struct run *run, struct client *client)
{
	struct linger at_once = {.l_onoff = 1};
	char sink[HEADER_MAX];
	ssize_t n;

	client->due_ns = now_ns() + 100 * NS_PER_MS;
	switch (run->manner) {
	case MANNER_SLOW:
		n = send(client->fd, run->request + client->sent_bytes, 1, MSG_NOSIGNAL);
		client->sent_bytes += n > 0;
		return (n < 0 && errno != EAGAIN) || client->sent_bytes == run->request_bytes;
	case MANNER_DRIP:
		client->due_ns = now_ns() + DRIP_NS;
		if (!recv(client->fd, sink, sizeof(sink), 0))
			return true;
		n = client->sent_bytes ?
			    send(client->fd, DRIP_LINE, strlen(DRIP_LINE), MSG_NOSIGNAL) :
			    send(client->fd, DRIP_FIRST, strlen(DRIP_FIRST), MSG_NOSIGNAL);
		client->sent_bytes += n > 0;
		return n < 0 && errno != EAGAIN;
	case MANNER_DEAF:
		/* Several, so that what is not read has no place in the kernel. */
		n = send(client->fd, run->request, run->request_bytes, MSG_NOSIGNAL);
		return n < 0 && errno != EAGAIN;
	case MANNER_RESET:
		/* At any moment of the request, or of the answer. */
		n = send(client->fd, run->request, client->began_ns % run->request_bytes + 1,
			 MSG_NOSIGNAL);
		setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		return true;
	case MANNER_GARBAGE:
		if (client->sent_bytes++) {
			while ((n = recv(client->fd, sink, sizeof(sink), 0)) > 0)
				;
			return true;
		}
		send_garbage(client);
		client->due_ns = now_ns() + 5 * NS_PER_MS;
		return false;
	default:
		n = recv(client->fd, sink, sizeof(sink), 0);
		return !n || (n < 0 && errno != EAGAIN);
	}
}

static void misbehave_all(const struct run *run, struct client *clients, struct outcome *outcome)
{
	uint64_t end_ns = now_ns() + run->duration_ns;

	while (now_ns() < end_ns) {
		struct timespec pause = {.tv_nsec = NS_PER_MS};

		for (uint64_t i = 0; i < run->at_once; i++) {
			struct client *client = &clients[i];

			if (client->fd < 0) {
				begin_request(client);
				if (open_client(run, client)) {
					outcome->failed++;
					continue;
				}
				/* Until it is connected. */
				client->due_ns = now_ns() + NS_PER_MS;
				continue;
			}
			if (client->due_ns > now_ns() || !misbehave(run, client))
				continue;
			outcome->broken++;
			close_client(client);
		}
		nanosleep(&pause, NULL);
	}
}

/* -------- together -------- */

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static double at_part(const struct outcome *outcome, double part)
{
	if (!outcome->answered)
		return 0;
	return outcome->took_ns[(size_t)((outcome->answered - 1) * part)] / 1e6;
}

static int begin(struct run *run)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct client *clients = calloc(run->at_once, sizeof(*clients));
	struct outcome outcome = {.took_ns = calloc(run->requests, sizeof(uint64_t)),
				  .pages = calloc(run->requests / CHECK_EACH + 1,
						  sizeof(struct page))};
	uint64_t began_ns = now_ns();
	double took_s;
	int error;

	if (!clients || !outcome.took_ns || !outcome.pages)
		err(1, "%" PRIu64 " clients", run->at_once);
	for (uint64_t i = 0; i < run->at_once; i++)
		clients[i].fd = -1;
	error = getaddrinfo(run->address, run->port, &hints, &run->there);
	if (error)
		errx(2, "'%s' port '%s': %s", run->address, run->port, gai_strerror(error));
	run->request_bytes = snprintf(run->request, sizeof(run->request), REQUEST, run->path,
				      run->address, run->port);
	if (run->manner == MANNER_SCRAPE)
		scrape_all(run, clients, &outcome);
	else
		misbehave_all(run, clients, &outcome);
	took_s = (now_ns() - began_ns) / 1e9;
	for (size_t i = 0; i < outcome.page_count; i++) {
		const char *why = check_page(&outcome.pages[i]);

		if (why)
			failed(&outcome, why);
		free(outcome.pages[i].body);
	}
	qsort(outcome.took_ns, outcome.answered, sizeof(uint64_t), compare);
	printf("{\"answered\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"ended\":%" PRIu64
	       ",\"checked\":%zu,\"bytes\":%" PRIu64 ",\"seconds\":%.3f"
	       ",\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
	       outcome.answered, outcome.failed, outcome.broken, outcome.page_count, outcome.bytes,
	       took_s, at_part(&outcome, 0.5), at_part(&outcome, 0.99), at_part(&outcome, 1));
	if (*outcome.why)
		warnx("%s", outcome.why);
	for (uint64_t i = 0; i < run->at_once; i++) {
		close_client(&clients[i]);
		free(clients[i].body);
	}
	free(clients);
	free(outcome.took_ns);
	free(outcome.pages);
	freeaddrinfo(run->there);
	return run->manner == MANNER_SCRAPE && outcome.failed;
}

int main(int argc, char **argv)
{
	enum {
		REQUESTS = 1,
		AT_ONCE,
		KEEP,
		PATH,
		MANNER,
		SECONDS,
		HELP
	};
	static const struct option options[] = {
		{"requests", required_argument, NULL, REQUESTS},
		{"at-once", required_argument, NULL, AT_ONCE},
		{"keep", no_argument, NULL, KEEP},
		{"path", required_argument, NULL, PATH},
		{"manner", required_argument, NULL, MANNER},
		{"seconds", required_argument, NULL, SECONDS},
		{"help", no_argument, NULL, HELP},
		{0},
	};
	struct run run = {.path = "/metrics", .requests = 1, .at_once = 1, .duration_ns = NS_PER_S};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case REQUESTS:
			run.requests = parse_integer("--requests", optarg, 1, 10000000);
			break;
		case AT_ONCE:
			run.at_once = parse_integer("--at-once", optarg, 1, CLIENTS_MAX);
			break;
		case KEEP:
			run.keeps = true;
			break;
		case PATH:
			run.path = optarg;
			break;
		case MANNER:
			for (run.manner = 0; run.manner < MANNERS; run.manner++)
				if (!strcmp(optarg, manner_names[run.manner]))
					break;
			if (run.manner == MANNERS)
				errx(2, "--manner '%s'", optarg);
			break;
		case SECONDS:
			run.duration_ns = parse_integer("--seconds", optarg, 1, 3600) * NS_PER_S;
			break;
		case HELP:
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	argc -= optind;
	argv += optind;
	if (argc != 2) {
		usage(stderr);
		return 2;
	}
	run.address = argv[0];
	run.port = argv[1];
	return begin(&run);
}
