// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Global options, the command table, dispatch and the exit code.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "limiter.h"
#include "log.h"
#include "netns.h"

struct command {
	const char *name;
	const char *arguments;
	const char *summary;
	int (*run)(const struct options *options, int count, char *words[]);
	int least, most; /* words after the name; most -1: any number */
	bool has_json;
	const char *help;
};

static const struct command commands[] = {
	{"load", "[--hook tcx|clsact|auto] IFACE...", "attach to ingress and egress of interfaces",
	 cmd_load, 1, -1, false,
	 "Attaches to both directions of each interface, beside whatever else is attached there.\n"
	 "All interfaces that are loaded share one limiter. If a limit is already set it holds\n"
	 "from the first packet on; else packets are only counted. An interface that is loaded\n"
	 "already gets the programs of this bwctl in place of those it has.\n"
	 "\n"
	 "So that packets can wait, a qdisc that the kernel put there by itself gives way to fq, and\n"
	 "an IFB device is made for what comes in; unload gives back what was there. A root qdisc of\n"
	 "your own stays: that direction is policed.\n"
	 "\n"
	 "--hook chooses how to attach; auto, the default, is tcx where the kernel has it (6.6),\n"
	 "else clsact.\n"
	 "\n"
	 "  bwctl load eth0                  on one interface\n"
	 "  bwctl -n blue load eth0 eth1     on two of network namespace blue\n"},
	{"unload", "[IFACE...]", "detach from them, or from all", cmd_unload, 0, -1, false,
	 "Detaches from the interfaces named, or from all in this network namespace. What others\n"
	 "attached stays. With the last one, the limit and the counters go too.\n"
	 "\n"
	 "  bwctl unload eth1                from one, the limit stays on the others\n"
	 "  bwctl unload                     from all\n"},
	{"set",
	 "[RATE] [ingress RATE] [egress RATE] [burst TIME|SIZE] [window TIME] [overhead BYTES]\n"
	 "                 [mode auto|pace|police] [horizon TIME]",
	 "change the limit", cmd_set, 0, -1, true,
	 "Takes effect at once, on all interfaces that are loaded; connections and counters stay,\n"
	 "and what is not named stays as it is. Prints what is in force afterwards.\n"
	 "\n"
	 "  RATE      a number and bit, kbit, mbit, gbit or tbit (powers of 1000) or kibit, mibit\n"
	 "            gibit or tibit (of 1024) per second, 8kbit to 400gbit; or unlimited: count\n"
	 "            only. RATE alone is for both directions\n"
	 "  mode      what becomes of packets over the limit. pace: they wait for their time;\n"
	 "            police: they are dropped; auto, the default: pace where that can be had\n"
	 "  horizon   the longest that packets wait, pacing, before they are dropped; default 95ms\n"
	 "  window    the shortest time over which the limit is promised; default 1s, policing 2s\n"
	 "  burst     how much may pass at once after a pause, as time at the rate r or as size;\n"
	 "            default 2ms, policing 200ms\n"
	 "  overhead  bytes to add to every frame: 24 for preamble, FCS and gap of Ethernet\n"
	 "\n"
	 "burst, window and horizon also take the word default.\n"
	 "\n"
	 "  bwctl set 50mbit                          both directions\n"
	 "  bwctl set egress 20mbit                   one, the other stays\n"
	 "  bwctl set ingress 1.5gbit egress unlimited\n"
	 "  bwctl set burst 64kb window 5s\n"
	 "  bwctl set mode police                     never delay a packet\n"
	 "  bwctl set unlimited                       count only\n"},
	{"show", "", "limits, hooks, and counters by class and direction", cmd_show, 0, 0, true,
	 "Shows each interface and how it is attached; per direction the limit, the rate r the\n"
	 "clock runs at, the burst, the bound B and the window W (passed(T) <= r * T + B, hence no\n"
	 "more than the limit in any window of W or longer), whether it paces or polices and why,\n"
	 "and what each class passed, lost, and had to wait.\n"
	 "With --json for programs; the names are stable.\n"
	 "\n"
	 "  bwctl show\n"
	 "  bwctl show --json\n"},
	{"flows", "", "the flow table, and what has been seen of each flow", cmd_flows, 0, 0, true,
	 "Shows each listed flow as it looks in each direction, source -> destination, and what\n"
	 "has been seen of it.\n"
	 "\n"
	 "  bwctl flows\n"
	 "  bwctl flows --json\n"},
	{"help", "[COMMAND]", "this, or more on one command", cmd_help, 0, 1, false,
	 "  bwctl help set\n"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *out)
{
	fprintf(out, "usage: bwctl [OPTIONS] COMMAND ...\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fprintf(out, "\n"
		     "  -n, --netns NAME   act in the network namespace NAME\n"
		     "  --pin-dir DIR      keep the limiter there (default " LIMITER_PIN_DIR ")\n"
		     "  --json             for programs\n"
		     "  -v, -vv            say what is being done; libbpf's messages too\n"
		     "  --version, --help\n"
		     "\n"
		     "  bwctl load eth0 && bwctl set 50mbit && bwctl show\n");
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int unknown_command(const char *name)
{
	char expected[LOG_TEXT] = "";
	size_t length = 0;

	for (size_t i = 0; i < COMMANDS && length < sizeof(expected); i++)
		length += (size_t)snprintf(expected + length, sizeof(expected) - length, "%s%s",
					   !i		     ? "" :
					   i == COMMANDS - 1 ? " or " :
							       ", ",
					   commands[i].name);
	log_error("unknown command '%.60s': expected %s", name, expected);
	return EXIT_MISUSE;
}

int cmd_help(const struct options *options, int count, char *words[])
{
	const struct command *command;

	(void)options;
	if (!count) {
		print_usage(stdout);
		return EXIT_DONE;
	}
	command = find_command(words[0]);
	if (!command)
		return unknown_command(words[0]);
	printf("usage: bwctl %s%s%s\n\n%s", command->name, *command->arguments ? " " : "",
	       command->arguments, command->help);
	return EXIT_DONE;
}

int command_failed(int err, const char *why)
{
	log_error("%s", why);
	if (err == -EPERM || err == -EACCES)
		log_hint("run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
	else if (err == -ENOENT && !strcmp(why, "nothing is loaded"))
		log_hint("first: bwctl load IFACE");
	else if (err == -ENODATA)
		log_hint("bwctl load IFACE repairs it, bwctl unload removes it");
	return EXIT_FAILED;
}

int command_print_json(json_t *object)
{
	int err;

	if (!object)
		return command_failed(-ENOMEM, "out of memory");
	err = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
	json_decref(object);
	putchar('\n');
	return err ? EXIT_FAILED : EXIT_DONE;
}

enum {
	OPTION_PIN_DIR = 256,
	OPTION_JSON,
	OPTION_HOOK,
	OPTION_VERSION,
};

static int parse_hook(const char *text, enum bwctl_hook *ret_hook)
{
	if (!strcmp(text, "tcx"))
		*ret_hook = BWCTL_HOOK_TCX;
	else if (!strcmp(text, "clsact"))
		*ret_hook = BWCTL_HOOK_CLSACT;
	else if (!strcmp(text, "auto"))
		*ret_hook = BWCTL_HOOK_NONE;
	else
		return -EINVAL;
	return 0;
}

/* getopt's complaint in our words. "set -5mbit" is a mistaken rate, not an option. */
static int bad_option(int answer, char *words[])
{
	const char *word = words[optind - 1];

	if (answer == ':')
		log_error("'%s' needs a value", word);
	else if (optopt && optopt < 256 && (isdigit(optopt) || optopt == '.'))
		log_error("'-%c...': a rate, time or size is a positive number", optopt);
	else if (optopt && optopt < 256)
		log_error("unknown option '-%c' (bwctl --help)", optopt);
	else
		log_error("unknown option '%s' (bwctl --help)", word);
	return EXIT_MISUSE;
}

static int run(const struct options *options, int count, char *words[])
{
	const struct command *command = find_command(words[0]);

	if (!command)
		return unknown_command(words[0]);
	if (count - 1 < command->least || (command->most >= 0 && count - 1 > command->most)) {
		if (count - 1 < command->least)
			log_error("%s: an interface is missing", command->name);
		else
			log_error("%s: '%s' is one word too many", command->name,
				  words[command->most + 1]);
		log_hint("usage: bwctl %s%s%s", command->name, *command->arguments ? " " : "",
			 command->arguments);
		return EXIT_MISUSE;
	}
	if (options->hook != BWCTL_HOOK_NONE && command->run != cmd_load) {
		log_error("--hook is for load alone");
		return EXIT_MISUSE;
	}
	if (options->json && !command->has_json) {
		log_error("%s has no --json: expected show, flows or set", command->name);
		return EXIT_MISUSE;
	}
	if (options->netns && command->run != cmd_help) {
		char why[LOG_TEXT];
		int err = netns_enter(options->netns, why);

		if (err)
			return command_failed(err, why);
	}
	return command->run(options, count - 1, words + 1);
}

int main(int argc, char *argv[])
{
	static const struct option long_options[] = {
		{"netns", required_argument, NULL, 'n'},
		{"pin-dir", required_argument, NULL, OPTION_PIN_DIR},
		{"json", no_argument, NULL, OPTION_JSON},
		{"hook", required_argument, NULL, OPTION_HOOK},
		{"verbose", no_argument, NULL, 'v'},
		{"version", no_argument, NULL, OPTION_VERSION},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.pin_dir = LIMITER_PIN_DIR};
	int answer, verbosity = 0, code;
	bool help = false, version = false;

	while ((answer = getopt_long(argc, argv, ":n:vh", long_options, NULL)) != -1) {
		switch (answer) {
		case 'n':
			options.netns = optarg;
			break;
		case 'v':
			log_verbosity(++verbosity);
			break;
		case 'h':
			help = true;
			break;
		case OPTION_PIN_DIR:
			options.pin_dir = optarg;
			break;
		case OPTION_JSON:
			options.json = true;
			break;
		case OPTION_HOOK:
			if (parse_hook(optarg, &options.hook)) {
				log_error("unknown hook '%s': expected tcx, clsact or auto",
					  optarg);
				return EXIT_MISUSE;
			}
			break;
		case OPTION_VERSION:
			version = true;
			break;
		default:
			return bad_option(answer, argv);
		}
	}
	if (version)
		code = printf("bwctl " BWCTL_VERSION "\n") < 0 ? EXIT_FAILED : EXIT_DONE;
	else if (help)
		code = cmd_help(&options, optind < argc, argv + optind);
	else if (optind == argc) {
		print_usage(stderr);
		return EXIT_MISUSE;
	} else {
		code = run(&options, argc - optind, argv + optind);
	}
	/* A full disk or a closed pipe: what we said did not arrive. */
	if (fflush(stdout) || ferror(stdout)) {
		log_error("cannot write the output: %s", strerror(errno));
		if (code == EXIT_DONE)
			code = EXIT_FAILED;
	}
	return code;
}
