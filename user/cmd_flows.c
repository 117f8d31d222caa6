// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl flows: the flow table, both directions, what has been seen of each, and
 * what of that does not look right.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "flow_table.h"
#include "policy.h"
#include "report.h"
#include "table.h"
#include "terminal.h"
#include "units.h"
#include "words.h"

/* A row for each direction of each. */
struct shown_flows {
	const struct report *report;
	uint32_t rows[BWCTL_FLOWS];
	size_t count;
};

static void widen(int *width, const char *text)
{
	if (*width < (int)strlen(text))
		*width = (int)strlen(text);
}

static void fill_flow(const void *argument, size_t number, struct table_row *ret_row)
{
	const struct shown_flows *shown = argument;
	const struct report *report = shown->report;
	const struct bwctl_asked *asked = &report->policy.asked;
	const struct bwctl_flow_table *table = &report->policy.table;
	uint32_t row = shown->rows[number / BWCTL_DIRECTIONS];
	enum bwctl_direction direction = number % BWCTL_DIRECTIONS;
	const struct bwctl_flow_counters *seen =
		&report->counters[direction].now.flows[table->counter[row]];
	const struct bwctl_tally *lost = report_observes(report) ? &seen->would_drop :
								   &seen->dropped;
	char flow[FLOW_TABLE_TEXT];
	const char *name = report_flow_name(report, row);

	flow_table_format(asked, row, direction, flow);
	words_tame(flow);
	snprintf(ret_row->cells[0], TABLE_TEXT, "%s", name ? name : "-");
	snprintf(ret_row->cells[1], TABLE_TEXT, "%s", policy_class_name(asked, table->class[row]));
	snprintf(ret_row->cells[2], TABLE_TEXT, "%s", policy_direction_name(direction));
	units_format_count(seen->passed.packets, ret_row->cells[3]);
	units_format_count(seen->passed.bytes, ret_row->cells[4]);
	units_format_count(lost->packets, ret_row->cells[5]);
	snprintf(ret_row->cells[6], TABLE_TEXT, " %s", flow);
}

static void print_table(const struct report *report)
{
	const struct bwctl_asked *asked = &report->policy.asked;
	struct shown_flows shown = {.report = report};
	struct table table = {
		.columns = {{"flow", 8, true, 0},
			    {"class", 8, true, 0},
			    {"", 8, true, 0},
			    {"passed", 13, false, 1},
			    {"bytes", 16, false, 1},
			    {report_observes(report) ? "would drop" : "dropped", 13, false, 1},
			    {" packets", 0, true, 2}},
		.column_count = 7,
		.fill = fill_flow,
		.argument = &shown,
	};

	for (uint32_t row = 0; row < asked->flow_count; row++)
		widen(&table.columns[0].width, asked->flows[row].name);
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		widen(&table.columns[1].width, policy_class_name(asked, class));
	for (uint32_t row = report_next_row(report, 0); row < BWCTL_FLOWS;
	     row = report_next_row(report, row + 1))
		shown.rows[shown.count++] = row;
	table.row_count = shown.count * BWCTL_DIRECTIONS;
	table_print(&table, terminal_columns());
}

/* Packets one way and none the other: somebody does not answer, or answers do not arrive. */
static void print_one_way(const struct report *report)
{
	for (uint32_t row = 0; row < report->policy.asked.flow_count; row++) {
		enum report_seen seen = report_flow_seen(report, row);
		const char *name = report_flow_name(report, row);

		if (seen == REPORT_EGRESS)
			terminal_say(
				"%s: packets go out and none come in: answers are missing, look at the firewall on the way\n",
				name);
		else if (seen == REPORT_INGRESS)
			terminal_say(
				"%s: packets come in and none go out: nothing answers here, or a firewall on this machine keeps it in\n",
				name);
	}
}

static void print_never(const struct report *report)
{
	const char *comma = "never seen: ";

	for (uint32_t row = 0; row < report->policy.asked.flow_count; row++) {
		if (report_flow_seen(report, row) != REPORT_NEVER)
			continue;
		terminal_say("%s%s", comma, report_flow_name(report, row));
		comma = ", ";
	}
	if (*comma == ',')
		terminal_say("\n");
}

int cmd_flows(const struct options *options, int count, char *words[])
{
	struct report *report = NULL;
	char why[LOG_TEXT];
	int err, code = EXIT_DONE;

	(void)count;
	(void)words;
	err = report_read(options->pin_dir, LIMITER_READ, &report, why);
	if (err)
		return command_failed(err, why);
	if (options->json) {
		code = command_print_json(report_flows_json(report));
	} else if (!report_is_loaded(report)) {
		printf("nothing is loaded\n");
	} else {
		print_table(report);
		print_one_way(report);
		print_never(report);
	}
	report_free(report);
	return code;
}
