// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Global options, the command table, dispatch and the exit code.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "limiter.h"
#include "log.h"
#include "meant.h"
#include "netns.h"
#include "policy_file.h"
#include "room.h"
#include "streams.h"
#include "words.h"

/* Options that are not for every command. */
enum {
	TAKES_JSON = 1,
	TAKES_HOOK = 2,
	TAKES_ALL = 4,
	TAKES_CHECK = 8,
	TAKES_SAVE = 16,
	TAKES_CLEAR = 32,
	TAKES_OUTPUT = 64,
	TAKES_PRESENT = 128,
	TAKES_AGAIN = 256,
	TAKES_WATCH = 512,
	TAKES_PROBES = 1024,
	TAKES_INTERVAL = 2048,
};

struct command {
	const char *name;
	const char *arguments;
	const char *summary;
	int (*run)(const struct options *options, int count, char *words[]);
	int least, most; /* words after the name; most -1: any number */
	unsigned int takes;
	const char *help;
};

static const struct command commands[] = {
	{"load", "[--hook tcx|clsact|auto] IFACE... | --all | --present [IFACE...] | --again",
	 "attach to ingress and egress of interfaces", cmd_load, 0, -1,
	 TAKES_HOOK | TAKES_ALL | TAKES_PRESENT | TAKES_AGAIN,
	 "Attaches to both directions of each interface, beside whatever else is attached there.\n"
	 "All interfaces that are loaded share one limiter. If a limit is already in force it\n"
	 "stays, and holds from the first packet on. Else it is that of the policy file, or, if\n"
	 "there is no file, packets are only counted. An interface that is loaded already gets\n"
	 "the programs of this bwctl in place of those it has.\n"
	 "\n"
	 "So that packets can wait, a qdisc that the kernel put there by itself gives way to fq, and\n"
	 "an IFB device is made for what comes in; unload gives back what was there. A root qdisc of\n"
	 "your own stays: that direction is policed.\n"
	 "\n"
	 "--hook chooses how to attach; auto, the default, is tcx where the kernel has it (6.6),\n"
	 "else clsact. --all loads the interfaces that the policy file names; --present only those of\n"
	 "them that are there, and of the ones given if any are, which may be none: for what runs at\n"
	 "boot, or when a device appears. --again loads what is loaded already, for a new bwctl.\n"
	 "\n"
	 "  bwctl load eth0                  on one interface\n"
	 "  bwctl -n blue load eth0 eth1     on two of network namespace blue\n"
	 "  bwctl load --again               the programs of this bwctl, in place\n"},
	{"unload", "[IFACE...]", "detach from them, or from all", cmd_unload, 0, -1, 0,
	 "Detaches from the interfaces named, or from all in this network namespace. What others\n"
	 "attached stays. With the last one, the limit and the counters go too.\n"
	 "\n"
	 "  bwctl unload eth1                from one, the limit stays on the others\n"
	 "  bwctl unload                     from all\n"},
	{"set",
	 "[--save] [--json] [RATE] [ingress RATE] [egress RATE] [burst TIME|SIZE] [window TIME]\n"
	 "                 [overhead BYTES] [mode auto|pace|police|observe] [horizon TIME]\n"
	 "                 [class NAME [RATE] [ingress RATE] [egress RATE] [priority high|normal|low]\n"
	 "                             [reserve RATE|none] [exempt yes|no] | class NAME remove]...\n"
	 "                 [flow NAME [class NAME] [protocol PROTOCOL] [local PORTS] [remote PORTS]\n"
	 "                            [prefix PREFIX] [interface IFACE] [before NAME] |\n"
	 "                  flow NAME remove | flow NAME default]...",
	 "change the limit, classes and flows", cmd_set, 0, -1, TAKES_JSON | TAKES_SAVE,
	 "Takes effect at once, on all interfaces that are loaded; connections and counters stay,\n"
	 "and what is not named stays as it is. Prints what is in force afterwards.\n"
	 "\n"
	 "  RATE      a number and bit, kbit, mbit, gbit or tbit (powers of 1000) or kibit, mibit\n"
	 "            gibit or tibit (of 1024) per second, 8kbit to 400gbit; or unlimited: count\n"
	 "            only. RATE alone is for both directions\n"
	 "  mode      what becomes of packets over the limit. pace: they wait for their time;\n"
	 "            police: they are dropped; auto, the default: pace where that can be had;\n"
	 "            observe: nothing is delayed or dropped, what would have been is counted\n"
	 "  horizon   the longest that packets wait, pacing, before they are dropped; default 95ms\n"
	 "  window    the shortest time over which the limit is promised; default 1s, policing 2s\n"
	 "  burst     how much may pass at once after a pause, as time at the rate r or as size;\n"
	 "            default 2ms, policing 200ms\n"
	 "  overhead  bytes to add to every frame: 24 for preamble, FCS and gap of Ethernet\n"
	 "\n"
	 "burst, window and horizon also take the word default. Classes come behind these, flows\n"
	 "behind classes; what follows the name of one is of that one, as far as the next. Behind a\n"
	 "flow, class is what it leads into: to take both away, class lab remove flow x remove.\n"
	 "\n"
	 "  class     ui, admin, api, ssh, telnet, icmp, other, control, or a name of your own: then\n"
	 "            the class is made, up to 32 of them. remove: take it away again\n"
	 "    RATE      a limit of its own, beside that of all; unlimited, the default: none\n"
	 "    priority  who stops first when there is not enough, and where packets wait, who leaves\n"
	 "              before the others; default high for ui, admin, icmp and control, else normal\n"
	 "    reserve   what it has before the others, in each direction, and leaves to them if it\n"
	 "              does not use it; default none\n"
	 "    exempt    yes: it passes unmetered, and the promise is not about it\n"
	 "  flow      which packets belong to a class: the first that matches counts. A new one comes\n"
	 "            behind those that were written before, and before the listed ones (ui, admin,\n"
	 "            api, ssh, telnet, icmp, icmpv6) that nobody has written. Up to 256. A listed\n"
	 "            one that is changed is written where it is, and so are those in front of it.\n"
	 "            default: as it is listed, at its place; remove: take it away\n"
	 "    class     that it leads into; a new one needs it\n"
	 "    protocol  tcp, udp, icmp, icmpv6, sctp, dccp, esp, ah, gre, a number up to 255, or any\n"
	 "    local     ports of this machine: any, or up to 8 of 443, 1024-65535, '>1024', '<1024',\n"
	 "              with commas between; only for protocols that have ports, which any means then\n"
	 "    remote    ports of the other side\n"
	 "    prefix    addresses of the other side, 10.1.0.0/16 or 2001:db8::/32, or any\n"
	 "    interface that they come or go by, or any\n"
	 "    before    the flow that it is to come right before\n"
	 "\n"
	 "--save writes it to the policy file as well, as save does. With --json what is in force is\n"
	 "printed as show --json does.\n"
	 "\n"
	 "  bwctl set 50mbit                          both directions\n"
	 "  bwctl set egress 20mbit                   one, the other stays\n"
	 "  bwctl set ingress 1.5gbit egress unlimited\n"
	 "  bwctl set burst 64kb window 5s\n"
	 "  bwctl set mode police                     never delay a packet\n"
	 "  bwctl set unlimited                       count only\n"
	 "  bwctl set class ssh 20mbit                at most that for ssh\n"
	 "  bwctl set 50mbit class ui priority high reserve 2mbit\n"
	 "  bwctl set class lab 5mbit priority low flow jump class lab protocol tcp remote 2222\n"
	 "  bwctl set flow ssh remote 22,2222         a listed one, changed\n"
	 "  bwctl set flow telnet remove\n"},
	{"apply", "[--check | --json] [FILE]", "put the policy of a file in force", cmd_apply, 0, 1,
	 TAKES_JSON | TAKES_CHECK,
	 "Puts in force what the file says, " POLICY_FILE " if not told, - for standard input;\n"
	 "all of it, or nothing if anything is wrong with it. What the file does not mention\n"
	 "becomes default, unlike with set. The file has a section [limit] with the keys rate,\n"
	 "ingress, egress, burst, window, overhead, mode and horizon, whose values are those that\n"
	 "set takes, and interfaces, which load --all loads; a section [class NAME] for each class\n"
	 "of which something is said, with rate, ingress, egress, priority, reserve and exempt; and\n"
	 "one [flow NAME] for each flow, in their order, with class, protocol, local, remote, prefix\n"
	 "and interface, or, of a listed flow, remove = yes. Listed flows that are not written are\n"
	 "as they are listed.\n"
	 "\n"
	 "--check says what is wrong with a file, and if it fits. Nothing needs to be loaded. With\n"
	 "--json what is in force is printed as show --json does.\n"
	 "\n"
	 "  bwctl show --config | bwctl apply -       changes nothing\n"
	 "  bwctl show --config | bwctl apply --check -\n"},
	{"save", "[FILE]", "write what is in force to a policy file", cmd_save, 0, 1, 0,
	 "Makes the file, " POLICY_FILE " if not told, say what is in force. Of a file that is\n"
	 "there only the lines change that say something else; comments stay, and go with their\n"
	 "flow if flows change places. It is replaced whole or not at all.\n"
	 "\n"
	 "  bwctl save\n"},
	{"run", "[RATE] [ingress RATE] [egress RATE] [class NAME RATE]... -- COMMAND... | --clear",
	 "a tighter limit for as long as a command runs", cmd_run, 0, -1, TAKES_CLEAR,
	 "Runs the command, and while it runs a limit of its own is in force too; with its end,\n"
	 "however it ends, what was in force before is again. Of the limits of all runs and what\n"
	 "was set, the tightest is in force: a run never loosens one. Without any, those that are\n"
	 "in force when it begins are kept. Meanwhile set and apply refuse mode observe, a longer\n"
	 "window, to exempt a class, and to remove one that the run limits.\n"
	 "\n"
	 "RATE, ingress and egress are as for set, of the aggregate or, after class NAME, of a\n"
	 "class. The limit is that of the interfaces, whoever sends; the command only says for\n"
	 "how long. The exit status is its own, 128 + n when signal n ended it, 126 when it\n"
	 "cannot be run and 127 when there is none; 1 or 2, and nothing is run, when bwctl cannot.\n"
	 "\n"
	 "If bwctl itself is killed the tighter limit stays. --clear takes away what such runs\n"
	 "left.\n"
	 "\n"
	 "  bwctl run 10mbit -- tar -cf /dev/null /etc/passwd\n"
	 "  bwctl run egress 5mbit class ssh 1mbit -- sleep 0.1\n"
	 "  bwctl run -- sleep 0.1                    nobody loosens the limit meanwhile\n"
	 "  bwctl run --clear\n"},
	{"show", "[--config | --json]", "limits, hooks, and counters by class and direction",
	 cmd_show, 0, 0, TAKES_JSON,
	 "Shows each interface and how it is attached; per direction the limit, the rate r the\n"
	 "clock runs at, the burst, the bound B and the window W (passed(T) <= r * T + B, hence no\n"
	 "more than the limit in any window of W or longer), whether it paces or polices and why,\n"
	 "and what each class passed, lost, and had to wait.\n"
	 "With --json for programs; the names are stable. With --config what was asked for, in\n"
	 "the form that apply reads.\n"
	 "\n"
	 "  bwctl show\n"
	 "  bwctl show --config\n"
	 "  bwctl show --json\n"},
	{"flows", "[--interval TIME] [--json]", "the flow table, and what has been seen of each flow",
	 cmd_flows, 0, 0, TAKES_INTERVAL | TAKES_JSON,
	 "Shows each listed flow as it looks in each direction, source -> destination, and what\n"
	 "has been seen of it; then those of which packets went one way only, because somebody or\n"
	 "something on the way keeps the answers, those of which bwctl dropped all there were, and\n"
	 "those that were never seen.\n"
	 "\n"
	 "It is about all that came by since it was loaded: one answer then hides that there have been\n"
	 "none since. --interval TIME, 100ms to 60min, looks twice, and is about what came in between.\n"
	 "\n"
	 "  bwctl flows\n"
	 "  bwctl flows --interval 200ms\n"
	 "  bwctl flows --json\n"},
	{"watch", "[--interval TIME] [--class NAME] [--json]", "limits, rates and drops, live",
	 cmd_watch, 0, 0, TAKES_WATCH | TAKES_INTERVAL | TAKES_JSON,
	 "Shows both directions on the screen: the rate against the limit, now and as it was, the mode\n"
	 "and the promise, how much of the time the limit was reached, and of each class the rate, what\n"
	 "was dropped per second, how long what waited had to, and when it was seen last. Keys: q quits,\n"
	 "p pauses, + and - change the limit by a step after they have asked, ? lists them. Where there\n"
	 "is no terminal to draw on it prints a line per interval, until it is ended; with --json always,\n"
	 "and each is an object.\n"
	 "\n"
	 "--interval is how often it looks, 100ms to 60min, 1s if not told. With --class bar and plot\n"
	 "are of one class, against its own limit if it has one. To look on keeps nobody waiting.\n"
	 "\n"
	 "  bwctl watch | head -n 1\n"
	 "  bwctl watch --interval 200ms --class ssh | head -n 1\n"
	 "  bwctl watch --json | head -n 1\n"},
	{"check",
	 "[--reach HOST[:PORT]...] [--inventory FILE] [--timeout TIME] [--json | --csv] |\n"
	 "                   --jumphost [USER@]HOST [--timeout TIME] [--json]",
	 "what is not as it should be, and what to do", cmd_check, 0, -1, TAKES_JSON | TAKES_PROBES,
	 "Looks at this machine: whether the kernel has what it takes, whether what is loaded is\n"
	 "attached, first and whole, and what passes beside it, twice, or in another way than the\n"
	 "policy says. A line each, ok, warn or fail, and below it what to do. Nothing is changed.\n"
	 "troubleshooting.md in /usr/share/doc/bwctl has a section for each name.\n"
	 "\n"
	 "--reach tries whether hosts can be reached from here: TCP to ports 22, 23 and 443, or only\n"
	 "to PORT, and an echo by ICMP; and says which flow that is, and by which one can log in.\n"
	 "HOST is an address or a name ([2001:db8::1]:22 with a port). --inventory takes them from\n"
	 "a file, one a line, - is standard input; ranges are not taken. What that needs stays below\n"
	 "half of the limit, which root can read. A terminal gets 50 hosts of one kind, and how\n"
	 "many more there are; a pipe gets all.\n"
	 "\n"
	 "A host is ok when at least one of the TCP ports is open and it answers the echo.\n"
	 "\n"
	 "  open      the host answers\n"
	 "  refused   the service is off, or an access list rejects the appliance\n"
	 "  filtered  no answer, or one that says that it is forbidden: a firewall on the way\n"
	 "  no route  routing, or nobody answers ARP; unresolved: the name is not known\n"
	 "\n"
	 "--jumphost logs in by ssh, which must need neither a password nor an answer, and says\n"
	 "which Python there is.\n"
	 "\n"
	 "--timeout is for each try (4s) and for the jump host (15s). --csv is for --reach and\n"
	 "--inventory, --json for all. The exit status is 1 if anything failed.\n"
	 "\n"
	 "  bwctl check\n"
	 "  bwctl check --json\n"
	 "  bwctl check --reach 192.0.2.1 192.0.2.1:443\n"
	 "  bwctl check --inventory /etc/bwctl.hosts --csv\n"},
	{"metrics", "[--output FILE]", "what show says, for Prometheus", cmd_metrics, 0, 0,
	 TAKES_OUTPUT,
	 "Prints counters, limits and what is attached as metrics, in the text format of\n"
	 "Prometheus. --output writes them to a file, in the place of what it held, in one step:\n"
	 "for the textfile collector of node_exporter, whose files end in .prom. bwctl-exporter\n"
	 "serves the same by HTTP.\n"
	 "\n"
	 "  bwctl metrics\n"
	 "  bwctl metrics --output /var/lib/prometheus/node-exporter/bwctl.prom\n"},
	{"help", "[COMMAND]", "this, or more on one command", cmd_help, 0, 1, 0,
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
		     "  --config FILE      the policy file (default " POLICY_FILE ")\n"
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
	const char *names[COMMANDS];
	size_t length = 0;

	for (size_t i = 0; i < COMMANDS; i++)
		names[i] = commands[i].name;
	for (size_t i = 0; i < COMMANDS && length < sizeof(expected); i++)
		length += (size_t)snprintf(expected + length, sizeof(expected) - length, "%s%s",
					   !i		     ? "" :
					   i == COMMANDS - 1 ? " or " :
							       ", ",
					   commands[i].name);
	log_error("unknown command '%.60s': expected %s", name, expected);
	meant_command(name, names, COMMANDS);
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

/* Where it was built it stands beside this program, and installed in ../lib/bwctl. */
int command_become(char *const words[])
{
	static const char *const places[] = {"", "../lib/bwctl/"};
	char own[PATH_MAX], path[PATH_MAX + LOG_TEXT];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;

	own[length > 0 ? length : 0] = '\0';
	slash = strrchr(own, '/');
	if (slash)
		slash[1] = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s%s%s", own, places[i], words[0]);
		execv(path, words);
	}
	log_error("cannot run '%s': %s", path, strerror(errno));
	log_hint("it is installed with bwctl");
	return EXIT_FAILED;
}

void command_say(const char *format, ...)
{
	char text[PATH_MAX + LOG_TEXT];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	words_tame(text);
	puts(text);
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
	OPTION_CONFIG,
	OPTION_ALL,
	OPTION_PRESENT,
	OPTION_AGAIN,
	OPTION_CHECK,
	OPTION_SAVE,
	OPTION_CLEAR,
	OPTION_OUTPUT,
	OPTION_REACH,
	OPTION_INVENTORY,
	OPTION_JUMPHOST,
	OPTION_TIMEOUT,
	OPTION_CSV,
	OPTION_INTERVAL,
	OPTION_CLASS,
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

/* What has another form with another command. */
static void hint_misplaced(const struct command *command, const char *option)
{
	if (command->run == cmd_unload && !strcmp(option, "all"))
		log_hint("bwctl unload alone detaches from all");
	else if (command->run == cmd_set && !strcmp(option, "class"))
		log_hint("without the dashes: bwctl set class NAME RATE");
}

/* "--json is for set, apply, show and flows alone" */
static int misplaced(const struct command *command, const char *option, unsigned int taken)
{
	char names[LOG_TEXT] = "";
	size_t length = 0, left = 0, count;

	for (size_t i = 0; i < COMMANDS; i++)
		left += (commands[i].takes & taken) != 0;
	count = left;
	for (size_t i = 0; i < COMMANDS && length < sizeof(names); i++) {
		if (!(commands[i].takes & taken))
			continue;
		length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%s",
					   left == count ? "" :
					   left == 1	 ? " and " :
							   ", ",
					   commands[i].name);
		left--;
	}
	log_error("--%s is for %s alone", option, names);
	hint_misplaced(command, option);
	return EXIT_MISUSE;
}

/* Options that were given and that the command does not have. */
static int check_options(const struct command *command, const struct options *options)
{
	const struct {
		const char *name;
		unsigned int taken;
		bool given;
	} rows[] = {
		{"hook", TAKES_HOOK, options->hook != BWCTL_HOOK_NONE},
		{"json", TAKES_JSON, options->json},
		{"all", TAKES_ALL, options->all},
		{"present", TAKES_PRESENT, options->present},
		{"again", TAKES_AGAIN, options->again},
		{"check", TAKES_CHECK, options->check},
		{"save", TAKES_SAVE, options->save},
		{"clear", TAKES_CLEAR, options->clear},
		{"output", TAKES_OUTPUT, options->output != NULL},
		{"reach", TAKES_PROBES, options->reach},
		{"inventory", TAKES_PROBES, options->inventory != NULL},
		{"jumphost", TAKES_PROBES, options->jumphost != NULL},
		{"timeout", TAKES_PROBES, options->timeout != NULL},
		{"csv", TAKES_PROBES, options->csv},
		{"interval", TAKES_INTERVAL, options->interval != NULL},
		{"class", TAKES_WATCH, options->class != NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].given && !(command->takes & rows[i].taken))
			return misplaced(command, rows[i].name, rows[i].taken);
	if (options->json && (options->check || options->print_config)) {
		log_error("--json does not go with --%s", options->check ? "check" : "config");
		return EXIT_MISUSE;
	}
	return EXIT_DONE;
}

/* Only here is it known: a list of names, or a way to come to them. */
static int check_load(const struct options *options, bool has_names)
{
	int ways = options->all + options->present + options->again;

	if (ways > 1)
		log_error("load: --all, --present or --again, one of them");
	else if (has_names && (options->all || options->again))
		log_error("load: either --%s or interfaces", options->all ? "all" : "again");
	else if (!has_names && !ways)
		log_error("load: an interface is missing");
	else
		return EXIT_DONE;
	return EXIT_MISUSE;
}

/* An option without its dashes, another command, or how it is used. */
static void hint_superfluous(const struct command *command, const char *word)
{
	if ((!strcmp(word, "json") && command->takes & TAKES_JSON) ||
	    (!strcmp(word, "config") && command->run == cmd_show))
		log_hint("bwctl %s --%s", command->name, word);
	else if (find_command(word))
		log_hint("bwctl %s", word);
	else
		log_hint("usage: bwctl %s%s%s", command->name, *command->arguments ? " " : "",
			 command->arguments);
}

static int run(const struct options *options, int count, char *words[])
{
	const struct command *command = find_command(words[0]);

	if (!command)
		return unknown_command(words[0]);
	if (command->most >= 0 && count - 1 > command->most) {
		log_error("%s: '%s' is one word too many", command->name, words[command->most + 1]);
		hint_superfluous(command, words[command->most + 1]);
		return EXIT_MISUSE;
	}
	if (check_options(command, options))
		return EXIT_MISUSE;
	if (command->run == cmd_load && check_load(options, count > 1)) {
		log_hint("usage: bwctl load %s", command->arguments);
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
	static struct option long_options[] = {
		{"config", required_argument, NULL, OPTION_CONFIG},
		{"netns", required_argument, NULL, 'n'},
		{"pin-dir", required_argument, NULL, OPTION_PIN_DIR},
		{"json", no_argument, NULL, OPTION_JSON},
		{"hook", required_argument, NULL, OPTION_HOOK},
		{"all", no_argument, NULL, OPTION_ALL},
		{"present", no_argument, NULL, OPTION_PRESENT},
		{"again", no_argument, NULL, OPTION_AGAIN},
		{"check", no_argument, NULL, OPTION_CHECK},
		{"save", no_argument, NULL, OPTION_SAVE},
		{"clear", no_argument, NULL, OPTION_CLEAR},
		{"output", required_argument, NULL, OPTION_OUTPUT},
		{"reach", no_argument, NULL, OPTION_REACH},
		{"inventory", required_argument, NULL, OPTION_INVENTORY},
		{"jumphost", required_argument, NULL, OPTION_JUMPHOST},
		{"timeout", required_argument, NULL, OPTION_TIMEOUT},
		{"csv", no_argument, NULL, OPTION_CSV},
		{"interval", required_argument, NULL, OPTION_INTERVAL},
		{"class", required_argument, NULL, OPTION_CLASS},
		{"verbose", no_argument, NULL, 'v'},
		{"version", no_argument, NULL, OPTION_VERSION},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct options options = {.pin_dir = LIMITER_PIN_DIR, .config = POLICY_FILE};
	int answer, code, count = 0;
	bool help = false, version = false;
	char **words = argv + 1; /* they move up to where an option was */
	const char *last = NULL; /* word that was taken as one, or as the value of an option */

	streams_hold();
	/* In order: of the words it depends what an option behind them is. */
	while ((answer = getopt_long(argc, argv, "-:n:vh", long_options, NULL)) != -1) {
		last = optarg;
		switch (answer) {
		case 1:
			/* "show --config" says what to show; else it has the name of a file. */
			if (!count && !strcmp(optarg, "show"))
				long_options[0].has_arg = no_argument;
			words[count++] = optarg;
			break;
		case 'n':
			options.netns = optarg;
			break;
		case 'v':
			log_verbosity(++options.verbosity);
			break;
		case 'h':
			help = true;
			break;
		case OPTION_PIN_DIR:
			options.pin_dir = optarg;
			break;
		case OPTION_CONFIG:
			if (optarg)
				options.config = optarg;
			else
				options.print_config = true;
			break;
		case OPTION_JSON:
			options.json = true;
			break;
		case OPTION_ALL:
			options.all = true;
			break;
		case OPTION_PRESENT:
			options.present = true;
			break;
		case OPTION_AGAIN:
			options.again = true;
			break;
		case OPTION_CHECK:
			options.check = true;
			break;
		case OPTION_SAVE:
			options.save = true;
			break;
		case OPTION_CLEAR:
			options.clear = true;
			break;
		case OPTION_OUTPUT:
			options.output = optarg;
			break;
		case OPTION_REACH:
			options.reach = true;
			break;
		case OPTION_INVENTORY:
			options.inventory = optarg;
			break;
		case OPTION_JUMPHOST:
			options.jumphost = optarg;
			break;
		case OPTION_TIMEOUT:
			options.timeout = optarg;
			break;
		case OPTION_CSV:
			options.csv = true;
			break;
		case OPTION_INTERVAL:
			options.interval = optarg;
			break;
		case OPTION_CLASS:
			options.class = optarg;
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
	/* What is behind "--" is for "run" a command. */
	if (optind > 1 && argv[optind - 1] != last && !strcmp(argv[optind - 1], "--"))
		options.command = words + count;
	while (optind < argc)
		words[count++] = argv[optind++];
	words[count] = NULL;
	if (version)
		code = printf("bwctl " BWCTL_VERSION "\n") < 0 ? EXIT_FAILED : EXIT_DONE;
	else if (help)
		code = cmd_help(&options, count > 0, words);
	else if (!count) {
		print_usage(stderr);
		return EXIT_MISUSE;
	} else {
		room_make();
		code = run(&options, count, words);
	}
	/* A full disk or a closed pipe: what we said did not arrive. */
	if (fflush(stdout) || ferror(stdout)) {
		log_error("cannot write the output: %s", strerror(errno));
		if (code == EXIT_DONE)
			code = EXIT_FAILED;
	}
	return code;
}
