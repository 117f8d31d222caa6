// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl flows: the flow table, both directions, and what has been seen of each.
 */
#include <stdio.h>

#include "command.h"
#include "flow_table.h"
#include "policy.h"
#include "report.h"
#include "units.h"

static void print_row(const struct report *report, int row, enum bwctl_direction direction)
{
	const struct bwctl_flow_table *table = &report->policy.table;
	const struct bwctl_flow_counters *seen = &report->counters[direction].flows[report->policy.table.counter[row]];
	char flow[FLOW_TABLE_TEXT], packets[UNITS_TEXT], bytes[UNITS_TEXT], lost[UNITS_TEXT];

	printf("%-8s %-8s %-25s %15s %19s %15s\n", policy_class_name(&report->policy.asked, table->class[row]),
	       policy_direction_name(direction), flow_table_format(&report->policy.asked, row, direction, flow),
	       units_format_count(seen->passed.packets, packets),
	       units_format_count(seen->passed.bytes, bytes),
	       units_format_count(seen->dropped.packets, lost));
}

int cmd_flows(const struct options *options, int count, char *words[])
{
	struct report *report = NULL;
	char why[LOG_TEXT];
	int err, code = EXIT_DONE;

	(void)count;
	(void)words;
	err = report_read(options->pin_dir, &report, why);
	if (err)
		return command_failed(err, why);
	if (options->json) {
		code = command_print_json(report_flows_json(report));
	} else if (!report_is_loaded(report)) {
		printf("nothing is loaded\n");
	} else {
		printf("%-8s %-8s %-25s %15s %19s %15s\n", "class", "", "flow", "packets passed",
		       "bytes", "packets dropped");
		for (int row = 0; row < BWCTL_FLOWS; row++)
			for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
				if (row < (int)report->policy.asked.flow_count ||
				    row >= BWCTL_FLOW_OTHER)
					print_row(report, row, direction);
	}
	report_free(report);
	return code;
}
