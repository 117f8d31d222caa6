// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl-exporter: metrics, the state and a page that shows it, by HTTP. A program of its own, which only reads
 * pins that are shared and can change nothing; HTTP is libmicrohttpd's. No
 * client can keep others waiting: who has to wait for a text is put aside, and
 * who does not come to an end with a request is closed.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "accept.h"
#include "limiter.h"
#include "log.h"
#include "netns.h"
#include "page.h"
#include "policy_file.h"
#include "scrape.h"
#include "streams.h"

#define LISTEN		  "127.0.0.1:9977"
#define LISTEN_BACKLOG	  128
#define THREADS		  2
#define CONNECTIONS	  256
#define CROWDED		  192 /* above that the oldest are closed */
#define CONNECTION_MEMORY 16384
#define SECOND_NS	  1000000000ULL
#define LIFE_S		  30 /* of a connection without a request that came to its end */
#define LIFE_NS		  (LIFE_S * SECOND_NS)
#define WAIT_NS		  (2 * SECOND_NS) /* for a text */
#define TICK_NS		  (SECOND_NS / 4)

/* The page needs its own files and its own JSON, and nothing of anybody's else. */
#define SECURITY_POLICY                                                                 \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " \
	"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
#define TEXT	   "text/plain; charset=utf-8"
#define JSON	   "application/json"
#define NEVER	   "no-store" /* to be kept */
#define REVALIDATE "no-cache" /* before it is used again */

enum {
	EXIT_FAILED = 1,
	EXIT_MISUSE = 2,
};

struct options {
	const char *listen, *pin_dir, *config, *netns;
};

/* A connection, since its last request came to an end, or it was made. */
struct client {
	TAILQ_ENTRY(client) entry; /* the oldest first */
	int fd;
	uint64_t since_ns;
	bool is_closed;
};

/* A request that is being answered. */
struct request {
	TAILQ_ENTRY(request) entry;
	struct MHD_Connection *connection;
	uint64_t since_ns;
};

TAILQ_HEAD(clients, client);
TAILQ_HEAD(requests, request);

/* The lock is held for none of libmicrohttpd's functions, which have locks of their own. */
struct server {
	struct scrape *scrape;
	pthread_mutex_t lock;
	struct clients clients;
	unsigned int client_count;
	bool is_local;		 /* it listens for this machine alone */
	struct requests waiting; /* put aside until there is a text */
	bool ends;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* ---- connections ---- */

/* With the lock. */
static void forget_client(struct server *server, struct client *client)
{
	if (client->is_closed)
		return;
	TAILQ_REMOVE(&server->clients, client, entry);
	server->client_count--;
	client->is_closed = true;
}

static void note_connection(void *argument, struct MHD_Connection *connection, void **context,
			    enum MHD_ConnectionNotificationCode code)
{
	struct server *server = argument;
	struct client *client = *context;

	pthread_mutex_lock(&server->lock);
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

		client = info ? calloc(1, sizeof(*client)) : NULL;
		if (client) {
			client->fd = info->connect_fd;
			client->since_ns = now_ns();
			TAILQ_INSERT_TAIL(&server->clients, client, entry);
			server->client_count++;
		}
		*context = client;
	} else if (client) {
		/* It is told of before the descriptor is closed, and may be another's. */
		forget_client(server, client);
		free(client);
		*context = NULL;
	}
	pthread_mutex_unlock(&server->lock);
}

static void note_end(void *argument, struct MHD_Connection *connection, void **state,
		     enum MHD_RequestTerminationCode code)
{
	struct server *server = argument;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct client *client = info ? info->socket_context : NULL;

	free(*state);
	*state = NULL;
	pthread_mutex_lock(&server->lock);
	if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK && client && !client->is_closed) {
		TAILQ_REMOVE(&server->clients, client, entry);
		client->since_ns = now_ns();
		TAILQ_INSERT_TAIL(&server->clients, client, entry);
	}
	pthread_mutex_unlock(&server->lock);
}

static void close_the_oldest(struct server *server)
{
	uint64_t oldest_ns = now_ns() - LIFE_NS;
	struct client *client;

	pthread_mutex_lock(&server->lock);
	while ((client = TAILQ_FIRST(&server->clients)) &&
	       (client->since_ns < oldest_ns || server->client_count > CROWDED)) {
		shutdown(client->fd, SHUT_RDWR);
		forget_client(server, client);
	}
	pthread_mutex_unlock(&server->lock);
}

/* ---- waiting ---- */

static void put_aside(struct server *server, struct request *request)
{
	MHD_suspend_connection(request->connection);
	pthread_mutex_lock(&server->lock);
	TAILQ_INSERT_TAIL(&server->waiting, request, entry);
	pthread_mutex_unlock(&server->lock);
}

/* Those that have waited since then, or longer, come to answer() once more. */
static void take_up(struct server *server, uint64_t since_ns)
{
	struct requests taken = TAILQ_HEAD_INITIALIZER(taken);
	struct request *request, *next;

	pthread_mutex_lock(&server->lock);
	for (request = TAILQ_FIRST(&server->waiting); request; request = next) {
		next = TAILQ_NEXT(request, entry);
		if (request->since_ns > since_ns)
			continue;
		TAILQ_REMOVE(&server->waiting, request, entry);
		TAILQ_INSERT_TAIL(&taken, request, entry);
	}
	pthread_mutex_unlock(&server->lock);
	/* Once it is resumed, the request may be gone. */
	for (request = TAILQ_FIRST(&taken); request; request = next) {
		next = TAILQ_NEXT(request, entry);
		MHD_resume_connection(request->connection);
	}
}

static void take_up_all(void *argument)
{
	take_up(argument, UINT64_MAX);
}

static bool has_to_end(struct server *server, const struct request *request)
{
	bool ends;

	pthread_mutex_lock(&server->lock);
	ends = server->ends;
	pthread_mutex_unlock(&server->lock);
	return ends || request->since_ns + WAIT_NS < now_ns();
}

/* ---- answers ---- */

static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned int status,
				     struct MHD_Response *response, const char *caching)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Security-Policy", SECURITY_POLICY);
	MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Cache-Control", caching);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned int status,
				 const char *type, const char *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);

	if (response)
		MHD_add_response_header(response, "Content-Type", type);
	if (response && status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	return send_response(connection, status, response, NEVER);
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static void give_back(void *text)
{
	scrape_give_back(text);
}

static enum MHD_Result send_scraped(struct MHD_Connection *connection, enum scrape_kind kind,
				    bool gzip, struct scrape_text *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
		text->length, text->data, give_back, text);
	char read_at[32];
	unsigned int error = kind == SCRAPE_HEALTH ? MHD_HTTP_SERVICE_UNAVAILABLE :
						     MHD_HTTP_INTERNAL_SERVER_ERROR;

	if (!response) {
		scrape_give_back(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type",
				kind == SCRAPE_SHOW ?
					JSON :
				text->is_error || kind == SCRAPE_HEALTH ?
					TEXT :
					metrics_content_type((enum metrics_format)kind));
	if (kind != SCRAPE_HEALTH)
		MHD_add_response_header(response, "Vary",
					kind == SCRAPE_SHOW ? "Accept-Encoding" :
							      "Accept, Accept-Encoding");
	/* What came in between two answers is known to the byte; so let the time be. */
	if (kind == SCRAPE_SHOW) {
		snprintf(read_at, sizeof(read_at), "%.6f", (double)text->read_ns / 1e9);
		MHD_add_response_header(response, "Bwctl-Read-At", read_at);
	}
	if (gzip && !text->is_error)
		MHD_add_response_header(response, "Content-Encoding", "gzip");
	return send_response(connection, text->is_error ? error : MHD_HTTP_OK, response, NEVER);
}

/* Now, or once more when there is something to send. */
static enum MHD_Result serve(struct server *server, struct request *request, enum scrape_kind kind)
{
	struct MHD_Connection *connection = request->connection;
	bool gzip = kind != SCRAPE_HEALTH && accept_gzip(header(connection, "Accept-Encoding"));
	struct scrape_text *text = scrape_take(server->scrape, kind, gzip);

	if (text)
		return send_scraped(connection, kind, gzip, text);
	if (has_to_end(server, request))
		return kind == SCRAPE_SHOW ?
			       send_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, JSON,
					 "{\"error\":\"the counters cannot be read in time\"}") :
			       send_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, TEXT,
					 "the counters cannot be read in time\n");
	put_aside(server, request);
	/* It may have been made in between, when nobody waited for it yet; or all ends. */
	text = scrape_take(server->scrape, kind, gzip);
	if (text)
		scrape_give_back(text);
	if (text || has_to_end(server, request))
		take_up_all(server);
	return MHD_YES;
}

/* A file of the page, or that the client has it. */
static enum MHD_Result send_file(struct MHD_Connection *connection, const struct page_file *file)
{
	bool gzip = file->packed.length && accept_gzip(header(connection, "Accept-Encoding"));
	const struct page_text *text = gzip ? &file->packed : &file->plain;
	bool has_it = accept_has(header(connection, "If-None-Match"), text->etag);
	struct MHD_Response *response = MHD_create_response_from_buffer(
		has_it ? 0 : text->length, (void *)text->data, MHD_RESPMEM_PERSISTENT);

	if (response) {
		MHD_add_response_header(response, "ETag", text->etag);
		MHD_add_response_header(response, "Vary", "Accept-Encoding");
	}
	if (response && !has_it) {
		MHD_add_response_header(response, "Content-Type", file->type);
		if (gzip)
			MHD_add_response_header(response, "Content-Encoding", "gzip");
	}
	return send_response(connection, has_it ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response,
			     REVALIDATE);
}

static struct request *begin(struct MHD_Connection *connection)
{
	struct request *request = malloc(sizeof(*request));

	if (request)
		*request = (struct request){.connection = connection, .since_ns = now_ns()};
	return request;
}

static enum MHD_Result answer(void *argument, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **state)
{
	struct server *server = argument;
	const struct page_file *file;

	(void)version;
	(void)upload;
	(void)upload_size;
	/* A page from elsewhere whose name was made to lead here is not to read what is here. */
	if (server->is_local && !accept_is_local(header(connection, "Host")))
		return send_text(
			connection, MHD_HTTP_FORBIDDEN, TEXT,
			"this listens on a loopback address, and answers only to localhost, "
			"127.0.0.1 and [::1]: any other name in Host may have been made to "
			"lead here\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, TEXT,
				 "only GET and HEAD: nothing can be changed here\n");
	/* To answer before the request is read to its end would close the connection. */
	if (!*state) {
		*state = begin(connection);
		return *state ? MHD_YES : MHD_NO;
	}
	if (!strcmp(url, "/metrics"))
		return serve(server, *state,
			     accept_open_metrics(header(connection, "Accept")) ?
				     SCRAPE_OPENMETRICS :
				     SCRAPE_PROMETHEUS);
	if (!strcmp(url, "/healthz"))
		return serve(server, *state, SCRAPE_HEALTH);
	if (!strcmp(url, "/api/v1/show"))
		return serve(server, *state, SCRAPE_SHOW);
	file = page_find(url);
	if (file)
		return send_file(connection, file);
	return send_text(connection, MHD_HTTP_NOT_FOUND, TEXT,
			 "there are /, /metrics, /healthz and /api/v1/show\n");
}

/* What clients do wrong is theirs. */
static void ignore(void *argument, const char *format, va_list arguments)
{
	(void)argument;
	log_debug(format, arguments);
}

/* ---- where it listens ---- */

/* ADDRESS:PORT, [ADDRESS]:PORT or :PORT, in two. 0 or -EINVAL. */
static int split(char *text, char **ret_host, char **ret_port)
{
	char *colon = strrchr(text, ':'), *end;
	unsigned long number;

	if (!colon || !colon[1])
		return -EINVAL;
	/* What getaddrinfo() takes for a number is any; a service may be named. */
	number = strtoul(colon + 1, &end, 10);
	if (!isalpha((unsigned char)colon[1]) &&
	    (!isdigit((unsigned char)colon[1]) || *end || !number || number > 65535))
		return -EINVAL;
	*colon = '\0';
	*ret_port = colon + 1;
	*ret_host = text;
	if (*text == '[') {
		end = strchr(text, ']');
		if (!end || end[1])
			return -EINVAL;
		*end = '\0';
		*ret_host = text + 1;
	} else if (strchr(text, ':')) {
		return -EINVAL;
	}
	return 0;
}

static int bind_to(const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, off = 0, err;

	if (fd < 0)
		return -errno;
	/* Any address of IPv6 is any of IPv4 as well. */
	if (address->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    !bind(fd, address->ai_addr, address->ai_addrlen) && !listen(fd, LISTEN_BACKLOG))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* The first that is to be had; of no host in particular IPv6's, which includes the others. */
static int bind_first(const struct addrinfo *found, bool is_any)
{
	int err = -EADDRNOTAVAIL;

	for (int only_ipv6 = is_any; only_ipv6 >= 0; only_ipv6--)
		for (const struct addrinfo *each = found; each; each = each->ai_next) {
			if (only_ipv6 && each->ai_family != AF_INET6)
				continue;
			err = bind_to(each);
			if (err >= 0)
				return err;
		}
	return err;
}

static int refuse_address(const char *address, char why[LOG_TEXT])
{
	snprintf(why, LOG_TEXT,
		 "'%.100s': expected an address and a port, as " LISTEN " or [::1]:9977", address);
	return -EINVAL;
}

/* A socket, or -errno and why; -EINVAL for a mistaken address. */
static int listen_on(const char *address, char why[LOG_TEXT])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found = NULL;
	char *text = strdup(address), *host, *port;
	int err = text ? split(text, &host, &port) : -ENOMEM, failure = 0;

	if (!err)
		failure = getaddrinfo(*host ? host : NULL, port, &hints, &found);
	if (failure == EAI_NONAME || failure == EAI_SERVICE)
		err = -EINVAL;
	else if (!err && !failure)
		err = bind_first(found, !*host);
	if (found)
		freeaddrinfo(found);
	free(text);
	if (err == -EINVAL)
		return refuse_address(address, why);
	if (failure || err < 0)
		snprintf(why, LOG_TEXT, "cannot listen on '%.100s': %s", address,
			 failure && failure != EAI_SYSTEM ? gai_strerror(failure) :
			 failure			  ? strerror(errno) :
							    strerror(-err));
	return failure ? -EADDRNOTAVAIL : err;
}

/* The socket that systemd made, or one of our own. */
static int find_socket(const struct options *options, char why[LOG_TEXT])
{
	int count = sd_listen_fds(1);

	if (count <= 0)
		return listen_on(options->listen, why);
	if (count == 1 && sd_is_socket(SD_LISTEN_FDS_START, AF_UNSPEC, SOCK_STREAM, 1) > 0)
		return SD_LISTEN_FDS_START;
	snprintf(why, LOG_TEXT, "expected one listening stream socket from systemd, not %d sockets",
		 count);
	return -ENOTSOCK;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)address;
	const struct in6_addr *ipv6 = &((const struct sockaddr_in6 *)address)->sin6_addr;

	if (address->ss_family == AF_INET)
		return ntohl(ipv4->sin_addr.s_addr) >> 24 == 127;
	return address->ss_family == AF_INET6 &&
	       (IN6_IS_ADDR_LOOPBACK(ipv6) ||
		(IN6_IS_ADDR_V4MAPPED(ipv6) && ipv6->s6_addr[12] == 127));
}

/* For somebody who started it by hand, and has a browser. */
static void say_where(const struct sockaddr_storage *address, socklen_t length)
{
	char host[64], port[16];
	bool is_ipv6 = address->ss_family == AF_INET6;

	if (isatty(STDERR_FILENO) && (is_ipv6 || address->ss_family == AF_INET) &&
	    !getnameinfo((const struct sockaddr *)address, length, host, sizeof(host), port,
			 sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		fprintf(stderr, "listening on http://%s%s%s:%s/\n", is_ipv6 ? "[" : "", host,
			is_ipv6 ? "]" : "", port);
}

/* ---- the program ---- */

static struct MHD_Daemon *start(struct server *server, int fd)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
		NULL, NULL, answer, server, MHD_OPTION_EXTERNAL_LOGGER, ignore, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, (unsigned int)THREADS,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)LIFE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_NOTIFY_CONNECTION, note_connection, server, MHD_OPTION_NOTIFY_COMPLETED,
		note_end, server, MHD_OPTION_END);
}

/* Until a signal says that it is to end. */
static void keep_house(struct server *server, const sigset_t *ends)
{
	static const struct timespec tick = {.tv_nsec = TICK_NS};

	while (sigtimedwait(ends, NULL, &tick) < 0) {
		close_the_oldest(server);
		take_up(server, now_ns() - WAIT_NS);
	}
	pthread_mutex_lock(&server->lock);
	server->ends = true;
	pthread_mutex_unlock(&server->lock);
	take_up_all(server);
}

static int run(const struct options *options)
{
	static struct server server = {.lock = PTHREAD_MUTEX_INITIALIZER,
				       .clients = TAILQ_HEAD_INITIALIZER(server.clients),
				       .waiting = TAILQ_HEAD_INITIALIZER(server.waiting)};
	struct MHD_Daemon *daemon;
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof(address);
	char why[LOG_TEXT] = "";
	sigset_t ends;
	int fd, err;

	if (options->netns && netns_enter(options->netns, why)) {
		log_error("%s", why);
		return EXIT_FAILED;
	}
	/* Blocked in all threads, and waited for in this one. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	page_prepare();
	fd = find_socket(options, why);
	err = fd < 0 ? fd :
		       scrape_start(&server.scrape, options->pin_dir, options->config, take_up_all,
				    &server, why);
	if (err) {
		log_error("%s", why);
		return err == -EINVAL ? EXIT_MISUSE : EXIT_FAILED;
	}
	if (!getsockname(fd, (struct sockaddr *)&address, &length))
		server.is_local = is_loopback(&address);
	daemon = start(&server, fd);
	if (!daemon) {
		log_error("cannot start the HTTP server");
		return EXIT_FAILED;
	}
	sd_notify(0, "READY=1");
	say_where(&address, length);
	keep_house(&server, &ends);
	sd_notify(0, "STOPPING=1");
	MHD_stop_daemon(daemon);
	/* Held up by what it reads: it goes with the process. */
	if (scrape_stop(server.scrape))
		_exit(EXIT_SUCCESS);
	return EXIT_SUCCESS;
}

static void print_usage(FILE *out)
{
	fprintf(out,
		"usage: bwctl-exporter [OPTIONS]\n\n"
		"Serves what bwctl counts by HTTP: / is a page for a browser, /metrics is for Prometheus,\n"
		"as text or OpenMetrics, /api/v1/show is the JSON of \"bwctl show\", and there is /healthz.\n"
		"It changes nothing. A socket that systemd hands over takes the place of --listen.\n"
		"\n"
		"  --listen ADDRESS:PORT  where to listen (default " LISTEN ")\n"
		"  --pin-dir DIR          where the limiter is (default " LIMITER_PIN_DIR ")\n"
		"  --config FILE          the policy file to compare with (default " POLICY_FILE
		")\n"
		"  -n, --netns NAME       look at the network namespace NAME, and listen there\n"
		"  -v, -vv                say what is being done; libraries' messages too\n"
		"  --version, --help\n"
		"\n"
		"  bwctl-exporter --listen 127.0.0.1:9977\n");
}

int main(int argc, char *argv[])
{
	enum {
		OPTION_LISTEN = 256,
		OPTION_PIN_DIR,
		OPTION_CONFIG,
		OPTION_VERSION
	};
	static const struct option long_options[] = {
		{"listen", required_argument, NULL, OPTION_LISTEN},
		{"pin-dir", required_argument, NULL, OPTION_PIN_DIR},
		{"config", required_argument, NULL, OPTION_CONFIG},
		{"netns", required_argument, NULL, 'n'},
		{"verbose", no_argument, NULL, 'v'},
		{"version", no_argument, NULL, OPTION_VERSION},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {
		.listen = LISTEN, .pin_dir = LIMITER_PIN_DIR, .config = POLICY_FILE};
	int answer, verbosity = 0;

	streams_hold();
	log_as("bwctl-exporter");
	while ((answer = getopt_long(argc, argv, ":n:vh", long_options, NULL)) != -1) {
		switch (answer) {
		case OPTION_LISTEN:
			options.listen = optarg;
			break;
		case OPTION_PIN_DIR:
			options.pin_dir = optarg;
			break;
		case OPTION_CONFIG:
			options.config = optarg;
			break;
		case 'n':
			options.netns = optarg;
			break;
		case 'v':
			log_verbosity(++verbosity);
			break;
		case OPTION_VERSION:
			printf("bwctl-exporter " BWCTL_VERSION "\n");
			return EXIT_SUCCESS;
		case 'h':
			print_usage(stdout);
			return EXIT_SUCCESS;
		case ':':
			log_error("'%s' needs a value", argv[optind - 1]);
			return EXIT_MISUSE;
		default:
			log_error("unknown option '%s' (bwctl-exporter --help)", argv[optind - 1]);
			return EXIT_MISUSE;
		}
	}
	if (optind < argc) {
		log_error("'%s' is one word too many (bwctl-exporter --help)", argv[optind]);
		return EXIT_MISUSE;
	}
	return run(&options);
}
