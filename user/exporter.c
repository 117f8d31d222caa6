// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl-exporter: metrics by HTTP. A program of its own, which only reads
 * pins that are shared and can change nothing; HTTP is libmicrohttpd's.
 */
#include <errno.h>
#include <getopt.h>
#include <microhttpd.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "accept.h"
#include "limiter.h"
#include "log.h"
#include "netns.h"
#include "policy_file.h"
#include "scrape.h"

#define LISTEN		  "127.0.0.1:9977"
#define LISTEN_BACKLOG	  128
#define THREADS		  2
#define CONNECTIONS	  256
#define IDLE_S		  5 /* a connection on which nothing moves for longer is closed */
#define CONNECTION_MEMORY 16384

enum {
	EXIT_FAILED = 1,
	EXIT_MISUSE = 2,
};

struct options {
	const char *listen, *pin_dir, *config, *netns;
};

/* ---- answers ---- */

static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned int status,
				     struct MHD_Response *response)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Cache-Control", "no-store");
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
	return send_response(connection, status, response);
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static void give_back(void *text)
{
	scrape_give_back(text);
}

static enum MHD_Result send_metrics(struct MHD_Connection *connection, struct scrape *scrape)
{
	enum metrics_format format = accept_open_metrics(header(connection, "Accept")) ?
					     METRICS_OPENMETRICS :
					     METRICS_PROMETHEUS;
	bool gzip = accept_gzip(header(connection, "Accept-Encoding"));
	struct scrape_text *text = scrape_take(scrape, format, gzip);
	struct MHD_Response *response;

	if (!text)
		return send_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain",
				 "the counters cannot be read in time\n");
	response = MHD_create_response_from_buffer_with_free_callback_cls(text->length, text->data,
									  give_back, text);
	if (!response) {
		scrape_give_back(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type",
				text->is_error ? "text/plain; charset=utf-8" :
						 metrics_content_type(format));
	MHD_add_response_header(response, "Vary", "Accept, Accept-Encoding");
	if (gzip && !text->is_error)
		MHD_add_response_header(response, "Content-Encoding", "gzip");
	return send_response(connection,
			     text->is_error ? MHD_HTTP_INTERNAL_SERVER_ERROR : MHD_HTTP_OK,
			     response);
}

/* Whether what there is can be read. That nothing is loaded is for /metrics to say. */
static enum MHD_Result send_health(struct MHD_Connection *connection, struct scrape *scrape)
{
	struct scrape_text *text = scrape_take(scrape, METRICS_PROMETHEUS, false);
	enum MHD_Result result;

	if (!text)
		return send_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain",
				 "the counters cannot be read in time\n");
	result = text->is_error ? send_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
					    "text/plain; charset=utf-8", text->data) :
				  send_text(connection, MHD_HTTP_OK, "text/plain", "ok\n");
	scrape_give_back(text);
	return result;
}

static enum MHD_Result send_index(struct MHD_Connection *connection)
{
	return send_text(connection, MHD_HTTP_OK, "text/html; charset=utf-8",
			 "<!doctype html>\n<html lang=\"en\">\n<title>bwctl-exporter</title>\n"
			 "<h1>bwctl-exporter " BWCTL_VERSION "</h1>\n"
			 "<ul>\n<li><a href=\"/metrics\">metrics</a></li>\n"
			 "<li><a href=\"/healthz\">health</a></li>\n</ul>\n</html>\n");
}

static enum MHD_Result answer(void *argument, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **state)
{
	struct scrape *scrape = argument;

	(void)version;
	(void)upload;
	(void)upload_size;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return send_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain",
				 "only GET and HEAD: nothing can be changed here\n");
	/* To answer before the request is read to its end would close the connection. */
	if (!*state) {
		*state = scrape;
		return MHD_YES;
	}
	if (!strcmp(url, "/metrics"))
		return send_metrics(connection, scrape);
	if (!strcmp(url, "/healthz"))
		return send_health(connection, scrape);
	if (!strcmp(url, "/"))
		return send_index(connection);
	return send_text(connection, MHD_HTTP_NOT_FOUND, "text/plain",
			 "there are /metrics and /healthz\n");
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
	char *colon = strrchr(text, ':');

	if (!colon || !colon[1])
		return -EINVAL;
	*colon = '\0';
	*ret_port = colon + 1;
	*ret_host = text;
	if (*text == '[') {
		char *end = strchr(text, ']');

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
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
	int err;

	if (fd < 0)
		return -errno;
	if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    !bind(fd, address->ai_addr, address->ai_addrlen) && !listen(fd, LISTEN_BACKLOG))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* A socket, or -errno and why; -EINVAL for a mistaken address. */
static int listen_on(const char *address, char why[LOG_TEXT])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found = NULL;
	char *text = strdup(address), *host, *port;
	int err = text ? split(text, &host, &port) : -ENOMEM;

	if (!err && getaddrinfo(*host ? host : NULL, port, &hints, &found))
		err = -EINVAL;
	if (!err)
		err = bind_to(found);
	if (found)
		freeaddrinfo(found);
	free(text);
	if (err == -EINVAL)
		snprintf(why, LOG_TEXT,
			 "'%.100s': expected an address and a port, as " LISTEN " or [::1]:9977",
			 address);
	else if (err < 0)
		snprintf(why, LOG_TEXT, "cannot listen on '%.100s': %s", address, strerror(-err));
	return err;
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

/* ---- the program ---- */

static int serve(int fd, struct scrape *scrape, const sigset_t *ends)
{
	struct MHD_Daemon *daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, answer, scrape,
		MHD_OPTION_EXTERNAL_LOGGER, ignore, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_THREAD_POOL_SIZE, (unsigned int)THREADS, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
	int signal;

	if (!daemon) {
		log_error("cannot start the HTTP server");
		return EXIT_FAILED;
	}
	sd_notify(0, "READY=1");
	sigwait(ends, &signal);
	sd_notify(0, "STOPPING=1");
	MHD_stop_daemon(daemon);
	return EXIT_SUCCESS;
}

static int run(const struct options *options)
{
	struct scrape *scrape = NULL;
	char why[LOG_TEXT] = "";
	sigset_t ends;
	int fd, code, err;

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
	fd = find_socket(options, why);
	err = fd < 0 ? fd : scrape_start(&scrape, options->pin_dir, options->config, why);
	if (err) {
		log_error("%s", why);
		return err == -EINVAL ? EXIT_MISUSE : EXIT_FAILED;
	}
	code = serve(fd, scrape, &ends);
	scrape_stop(scrape);
	return code;
}

static void print_usage(FILE *out)
{
	fprintf(out,
		"usage: bwctl-exporter [OPTIONS]\n\n"
		"Serves what bwctl counts by HTTP: /metrics for Prometheus, as text or OpenMetrics, and\n"
		"/healthz. It changes nothing. A socket that systemd hands over takes the place of --listen.\n"
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
