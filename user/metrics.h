/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A report as metrics: Prometheus' text format, version 0.0.4, or OpenMetrics 1.0. Names
 * follow the conventions for exporters (base units, _total, nothing worked out that a query
 * can); docs/monitoring.md describes each. Pure.
 */
#ifndef METRICS_H
#define METRICS_H

#include <stdio.h>

#include "report.h"
#include "saved.h"

enum metrics_format {
	METRICS_PROMETHEUS,
	METRICS_OPENMETRICS,
	METRICS_FORMATS
};

/* What a server calls it. */
const char *metrics_content_type(enum metrics_format format);

/*
 * Prints all there are. Interfaces of the same name, as one that went away and came back, are
 * counted together; those of another network namespace are told by its inode. Whether all was
 * written out has to be asked of out.
 */
void metrics_print(FILE *out, const struct report *report, enum saved_answer saved,
		   enum metrics_format format);

#endif
