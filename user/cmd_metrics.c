// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl metrics: what show says, for Prometheus; once, to standard output or to a file.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "metrics.h"
#include "report.h"
#include "saved.h"
#include "store.h"

static int print(const struct options *options, const struct report *report)
{
	enum saved_answer saved = saved_ask(NULL, options->config, &report->policy);
	char why[LOG_TEXT] = "out of memory", *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	int err = out ? 0 : -ENOMEM;

	if (out)
		metrics_print(out, report, saved, METRICS_PROMETHEUS);
	if (out && fclose(out))
		err = -ENOMEM;
	if (err)
		return command_failed(err, why);
	if (!options->output) {
		fwrite(text, 1, length, stdout);
	} else {
		err = store_replace(options->output, text, length, why);
		if (err)
			log_error("%s", why);
	}
	free(text);
	return err ? EXIT_FAILED : EXIT_DONE;
}

int cmd_metrics(const struct options *options, int count, char *words[])
{
	struct report *report = NULL;
	char why[LOG_TEXT];
	int err, code;

	(void)count;
	(void)words;
	err = report_read(options->pin_dir, LIMITER_READ, &report, why);
	if (err)
		return command_failed(err, why);
	code = print(options, report);
	report_free(report);
	return code;
}
