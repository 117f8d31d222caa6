// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl-reach: what "bwctl check --reach" and "--inventory" become, in the network namespace
 * that they are about. Takes the words of that command, which has looked at its options.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "limiter.h"
#include "log.h"
#include "reach_flow.h"
#include "reach_host.h"
#include "reach_print.h"
#include "reach_run.h"
#include "reach_target.h"
#include "store.h"
#include "streams.h"
#include "terminal.h"

#define TIMEOUT_NS 4000000000ULL /* SYNs go out at 0, 1 and 3 s, and ARP gives up after 3 */

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_MISUSE = 2,
};

struct options {
	const char *pin_dir, *inventory;
	uint64_t timeout_ns;
	bool json, csv;
};

static int failed(const char *why)
{
	log_error("%s", why);
	return EXIT_FAILED;
}

/* By the rules of policy files: nothing that may never come to an end. NULL: it is said why. */
static FILE *open_inventory(const char *path)
{
	char why[LOG_TEXT];
	int fd = store_open(path, why);
	FILE *in;

	if (fd < 0) {
		log_error("%s", why);
		return NULL;
	}
	if (fd == STDIN_FILENO)
		return stdin;
	in = fdopen(fd, "r");
	if (in)
		return in;
	close(fd);
	failed("out of memory");
	return NULL;
}

static int read_inventory(const char *path, struct reach_targets *targets)
{
	const char *name = strcmp(path, "-") != 0 ? path : "standard input";
	struct reach_target_errors *errors;
	size_t before = targets->count, kept;
	FILE *in = open_inventory(path);
	int err;

	if (!in)
		return EXIT_FAILED;
	errors = malloc(sizeof(*errors));
	if (!errors) {
		if (in != stdin)
			fclose(in);
		return failed("out of memory");
	}
	err = reach_targets_read(targets, in, name, errors);
	kept = errors->count < REACH_TARGET_ERRORS ? errors->count : REACH_TARGET_ERRORS;
	for (size_t i = 0; i < kept; i++)
		log_error("%s", errors->text[i]);
	if (kept < errors->count)
		log_error("and %zu more error%s", errors->count - kept,
			  errors->count - kept == 1 ? "" : "s");
	free(errors);
	if (in != stdin)
		fclose(in);
	if (!err && targets->count == before && !before) {
		log_error("%.200s: there is no host in it", name);
		return EXIT_FAILED;
	}
	return err ? EXIT_FAILED : EXIT_DONE;
}

static int take_targets(const struct options *options, int count, char *words[],
			struct reach_targets *targets)
{
	char why[LOG_TEXT];

	for (int i = 0; i < count; i++) {
		int err = reach_targets_add(targets, words[i], why);

		if (err == -ENOMEM)
			return failed(why);
		if (err) {
			log_error("check: %s", why);
			return EXIT_MISUSE;
		}
	}
	return options->inventory ? read_inventory(options->inventory, targets) : EXIT_DONE;
}

static void show_progress(size_t done, size_t count, uint64_t elapsed_ns)
{
	char text[LOG_TEXT];

	struct winsize size;
	size_t columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) ? 0 : size.ws_col;

	reach_print_bar(done, count, elapsed_ns, columns, text);
	log_progress("%s", text);
}

static int print(const struct options *options, const struct reach_print *results)
{
	json_t *json;
	int err;

	if (options->csv) {
		reach_print_csv(results, stdout);
	} else if (options->json) {
		json = reach_print_json(results);
		if (!json)
			return failed("out of memory");
		err = json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
		json_decref(json);
		putchar('\n');
		if (err && !ferror(stdout))
			return failed("out of memory");
	} else {
		const struct reach_print_view view = {
			.has_colours = terminal_has_colours(),
			.columns = terminal_columns(),
			.alike = isatty(STDOUT_FILENO) ? REACH_PRINT_ALIKE : 0,
		};

		if (reach_print_table(results, &view, stdout))
			return failed("out of memory");
	}
	/* A full disk or a closed pipe: what we said did not arrive. */
	if (fflush(stdout) || ferror(stdout)) {
		log_error("cannot write the output: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

/* Before it begins: it explains how long it will take. */
static void hint_assumed(const struct reach_flows *flows)
{
	const char *why;
	int err = reach_flows_error(flows, &why);
	bool is_forbidden = err == -EPERM || err == -EACCES;
	bool is_short = err == -EMFILE || err == -ENFILE;

	if (!err)
		return;
	log_error("the limiter cannot be read: %s", why);
	log_hint(
		"so the listed flows are assumed, and as there may be a limit only %d hosts are tried in a second (%s)",
		REACH_PACE_CAUTIOUS_S,
		is_forbidden ? geteuid() ? "run as root" : "CAP_BPF may be missing" :
		is_short     ? "raise ulimit -n" :
			       "bwctl check says more");
}

static void hint(const struct reach_run *run, const struct reach_print *results,
		 const char *classes)
{
	if (run->has_no_echo)
		log_hint("to send echoes, run as root, or with CAP_NET_RAW");
	if (run->has_no_room)
		log_hint(
			"descriptors or ports ran short, so it took longer (ulimit -n, net.ipv4.ip_local_port_range)");
	if (results->losses)
		log_hint(
			"bwctl dropped %llu packets of %s meanwhile: what is filtered may not be, try again when there is less traffic",
			(unsigned long long)results->losses, classes);
}

static int check(const struct options *options, const struct reach_targets *targets)
{
	struct reach_run run = {.count = targets->count, .timeout_ns = options->timeout_ns};
	struct reach_print results = {.count = targets->count};
	char why[LOG_TEXT], classes[LOG_TEXT] = "";
	struct reach_flows *flows = NULL;
	int code = EXIT_DONE;

	run.hosts = calloc(run.count, sizeof(*run.hosts));
	if (!run.hosts || reach_flows_open(options->pin_dir, &flows)) {
		free(run.hosts);
		return failed("out of memory");
	}
	for (size_t i = 0; i < run.count; i++)
		reach_host_init(&run.hosts[i], &targets->list[i]);
	run.flows = results.flows = flows;
	hint_assumed(flows);
	if (isatty(STDERR_FILENO))
		run.progress = show_progress;
	if (reach_run(&run, why))
		code = failed(why);
	if (run.progress)
		log_progress(NULL);
	if (code == EXIT_DONE) {
		results.hosts = run.hosts;
		results.is_whole = run.done == run.count;
		results.elapsed_ns = run.elapsed_ns;
		results.has_losses =
			reach_flows_dropped(flows, run.classes, &results.losses, classes);
		code = print(options, &results);
		if (!results.is_whole)
			log_error("interrupted: %zu of %zu hosts are known, this is not all",
				  run.done, run.count);
		hint(&run, &results, classes);
		if (!results.is_whole || reach_print_count(&results, REACH_FAIL) ||
		    reach_print_count(&results, REACH_UNTRIED))
			code = EXIT_FAILED;
	}
	for (size_t i = 0; i < run.count; i++)
		free(run.hosts[i].reason);
	free(run.hosts);
	reach_flows_close(flows);
	return code;
}

int main(int argc, char *argv[])
{
	static const struct option long_options[] = {
		{"pin-dir", required_argument, NULL, 'p'},
		{"inventory", required_argument, NULL, 'i'},
		{"timeout", required_argument, NULL, 't'},
		{"json", no_argument, NULL, 'j'},
		{"csv", no_argument, NULL, 'c'},
		{"verbose", no_argument, NULL, 'v'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.pin_dir = LIMITER_PIN_DIR, .timeout_ns = TIMEOUT_NS};
	struct reach_targets targets = {0};
	int answer, code, verbosity = 0;

	streams_hold();
	opterr = 0;
	while ((answer = getopt_long(argc, argv, "+v", long_options, NULL)) != -1) {
		switch (answer) {
		case 'p':
			options.pin_dir = optarg;
			break;
		case 'i':
			options.inventory = optarg;
			break;
		case 't':
			options.timeout_ns = strtoull(optarg, NULL, 10);
			break;
		case 'j':
			options.json = true;
			break;
		case 'c':
			options.csv = true;
			break;
		case 'v':
			log_verbosity(++verbosity);
			break;
		default:
			log_error("this is a part of bwctl (bwctl help check)");
			return EXIT_MISUSE;
		}
	}
	code = take_targets(&options, argc - optind, argv + optind, &targets);
	if (code == EXIT_DONE && !targets.count) {
		log_error("this is a part of bwctl (bwctl help check)");
		code = EXIT_MISUSE;
	}
	if (code == EXIT_DONE)
		code = check(&options, &targets);
	reach_targets_free(&targets);
	return code;
}
