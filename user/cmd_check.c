// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl check: what is not as it should be on this machine, which hosts can be reached and
 * by what, or what a jump host has.
 */
#include <errno.h>
#include <stdio.h>

#include "check.h"
#include "command.h"
#include "finding.h"
#include "survey.h"

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

static int check_jumphost(const struct options *options)
{
	struct findings *findings = findings_new();
	int code;

	if (!findings)
		return command_failed(-ENOMEM, "out of memory");
	code = print(options, findings);
	findings_free(findings);
	return code;
}

/* bwctl-reach does it, which has an event loop and a resolver. */
static int check_hosts(const struct options *options, int count, char *words[])
{
	char *const program[] = {"bwctl-reach", NULL};

	(void)options;
	(void)count;
	(void)words;
	return command_become(program);
}

int cmd_check(const struct options *options, int count, char *words[])
{
	if (options->jumphost)
		return check_jumphost(options);
	if (options->reach || options->inventory)
		return check_hosts(options, count, words);
	return check_machine(options);
}
