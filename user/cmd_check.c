// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl check: what is not as it should be on this machine, which hosts can be reached and
 * by what, or what a jump host has.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "command.h"
#include "finding.h"
#include "jumphost.h"
#include "survey.h"
#include "units.h"
#include "words.h"

#define USAGE \
	"usage: bwctl check [--reach HOST[:PORT]...] [--inventory FILE] [--timeout TIME] [--json | --csv] | --jumphost [USER@]HOST [--timeout TIME] [--json]"

#define TIMEOUT_MIN_NS	 100000000ULL
#define TIMEOUT_MAX_NS	 300000000000ULL
#define REACH_TIMEOUT_NS 4000000000ULL /* SYNs go out at 0, 1 and 3 s, and ARP gives up after 3 */
#define JUMP_TIMEOUT_NS	 15000000000ULL

static int print(const struct options *options, const struct findings *findings)
{
	int code = EXIT_DONE;

	if (options->json)
		code = command_print_json(findings_json(findings));
	else
		findings_print(findings);
	return code || findings_worst(findings) == FINDING_FAIL ? EXIT_FAILED : EXIT_DONE;
}

/* This machine: kernel, limiter, interfaces. */
static int check_machine(const struct options *options)
{
	struct findings *findings = findings_new();
	struct survey *survey = NULL;
	int code = EXIT_FAILED;

	if (!findings || survey_take(options->pin_dir, options->config, &survey)) {
		command_failed(-ENOMEM, "out of memory");
	} else {
		check_survey(survey, findings);
		code = print(options, findings);
	}
	survey_free(survey);
	findings_free(findings);
	return code;
}

static int check_jumphost(const struct options *options, uint64_t timeout_ns)
{
	struct findings *findings = findings_new();
	int code;

	if (!findings)
		return command_failed(-ENOMEM, "out of memory");
	jumphost_check(options->jumphost, timeout_ns, findings);
	code = print(options, findings);
	findings_free(findings);
	return code;
}

/* bwctl-reach does it, which has an event loop and a resolver. */
static int check_hosts(const struct options *options, uint64_t timeout_ns, int count, char *words[])
{
	char **program = calloc((size_t)count + 14, sizeof(*program)), timeout[32];
	int length = 0, code;

	if (!program)
		return command_failed(-ENOMEM, "out of memory");
	snprintf(timeout, sizeof(timeout), "%llu", (unsigned long long)timeout_ns);
	program[length++] = (char *)"bwctl-reach";
	program[length++] = (char *)"--pin-dir";
	program[length++] = (char *)options->pin_dir;
	program[length++] = (char *)"--timeout";
	program[length++] = timeout;
	if (options->json || options->csv)
		program[length++] = (char *)(options->json ? "--json" : "--csv");
	for (int i = 0; i < options->verbosity && i < 2; i++)
		program[length++] = (char *)"--verbose";
	if (options->inventory) {
		program[length++] = (char *)"--inventory";
		program[length++] = (char *)options->inventory;
	}
	program[length++] = (char *)"--";
	for (int i = 0; i < count; i++)
		program[length++] = words[i];
	code = command_become(program);
	free(program);
	return code;
}

static int misuse(const char *why)
{
	log_error("check: %s", why);
	log_hint(USAGE);
	return EXIT_MISUSE;
}

static int parse_timeout(const char *text, uint64_t *timeout_ns)
{
	char why[UNITS_TEXT], quoted[WORDS_QUOTE + 4];

	if (units_parse_time(text, timeout_ns, why)) {
		log_error("timeout: %s", why);
		return EXIT_MISUSE;
	}
	if (*timeout_ns < TIMEOUT_MIN_NS || *timeout_ns > TIMEOUT_MAX_NS) {
		log_error("timeout: '%s' is out of range: expected 100ms to 5min",
			  words_quote(text, quoted));
		return EXIT_MISUSE;
	}
	return EXIT_DONE;
}

int cmd_check(const struct options *options, int count, char *words[])
{
	bool has_hosts = options->reach || options->inventory;
	uint64_t timeout_ns = options->jumphost ? JUMP_TIMEOUT_NS : REACH_TIMEOUT_NS;
	char why[LOG_TEXT], quoted[WORDS_QUOTE + 4];

	if (options->jumphost && has_hosts)
		return misuse("--jumphost does not go with --reach or --inventory");
	if (options->csv && options->json)
		return misuse("--json or --csv, one of them");
	if (options->csv && !has_hosts)
		return misuse("--csv is for --reach and --inventory alone");
	if (options->timeout && !has_hosts && !options->jumphost)
		return misuse("--timeout is for --reach, --inventory and --jumphost alone");
	if (options->reach && !count)
		return misuse("a host is missing");
	if (!options->reach && count) {
		snprintf(why, sizeof(why), "'%s' is one word too many",
			 words_quote(words[0], quoted));
		if (has_hosts || options->jumphost || strcmp(words[0], "json"))
			return misuse(why);
		log_error("check: %s", why);
		log_hint("bwctl check --json");
		return EXIT_MISUSE;
	}
	if (options->inventory && !*options->inventory)
		return misuse("a file is missing");
	if (options->timeout && parse_timeout(options->timeout, &timeout_ns))
		return EXIT_MISUSE;
	if (options->jumphost && jumphost_refuse(options->jumphost, why))
		return misuse(why);
	if (options->jumphost)
		return check_jumphost(options, timeout_ns);
	if (has_hosts)
		return check_hosts(options, timeout_ns, count, words);
	return check_machine(options);
}
