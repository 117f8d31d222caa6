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
#include "units.h"
#include "words.h"

/* How wide the columns of names are. */
struct layout {
	int name, class;
};

static void widen(int *width, const char *text)
{
	if (*width < (int)strlen(text))
		*width = (int)strlen(text);
}

static struct layout lay_out(const struct report *report)
{
	const struct bwctl_asked *asked = &report->policy.asked;
	struct layout layout = {.name = 8, .class = 8};

	for (uint32_t row = 0; row < asked->flow_count; row++)
		widen(&layout.name, asked->flows[row].name);
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		widen(&layout.class, policy_class_name(asked, class));
	return layout;
}

static void print_row(const struct report *report, const struct layout *layout, uint32_t row,
		      enum bwctl_direction direction)
{
	const struct bwctl_asked *asked = &report->policy.asked;
	const struct bwctl_flow_table *table = &report->policy.table;
	const struct bwctl_flow_counters *seen =
		&report->counters[direction].now.flows[table->counter[row]];
	const struct bwctl_tally *lost = report_observes(report) ? &seen->would_drop :
								   &seen->dropped;
	char packets[UNITS_TEXT], bytes[UNITS_TEXT], lost_packets[UNITS_TEXT];
	char flow[FLOW_TABLE_TEXT];
	const char *name = report_flow_name(report, row);

	flow_table_format(asked, row, direction, flow);
	words_tame(flow);
	printf("%-*s %-*s %-8s %13s %16s %13s  %s\n", layout->name, name ? name : "-",
	       layout->class, policy_class_name(asked, table->class[row]),
	       policy_direction_name(direction), units_format_count(seen->passed.packets, packets),
	       units_format_count(seen->passed.bytes, bytes),
	       units_format_count(lost->packets, lost_packets), flow);
}

static void print_table(const struct report *report)
{
	struct layout layout = lay_out(report);
	uint32_t row = report_next_row(report, 0);

	printf("%-*s %-*s %-8s %13s %16s %13s  %s\n", layout.name, "flow", layout.class, "class",
	       "", "passed", "bytes", report_observes(report) ? "would drop" : "dropped",
	       "packets");
	for (; row < BWCTL_FLOWS; row = report_next_row(report, row + 1))
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			print_row(report, &layout, row, direction);
}

/* Packets one way and none the other: somebody does not answer, or answers do not arrive. */
static void print_one_way(const struct report *report)
{
	for (uint32_t row = 0; row < report->policy.asked.flow_count; row++) {
		enum report_seen seen = report_flow_seen(report, row);
		const char *name = report_flow_name(report, row);

		if (seen == REPORT_EGRESS)
			printf("%s: packets go out and none come in: answers are missing, look at the firewall on the way\n",
			       name);
		else if (seen == REPORT_INGRESS)
			printf("%s: packets come in and none go out: nothing answers here, or a firewall on this machine keeps it in\n",
			       name);
	}
}

static void print_never(const struct report *report)
{
	const char *comma = "never seen: ";

	for (uint32_t row = 0; row < report->policy.asked.flow_count; row++) {
		if (report_flow_seen(report, row) != REPORT_NEVER)
			continue;
		printf("%s%s", comma, report_flow_name(report, row));
		comma = ", ";
	}
	if (*comma == ',')
		printf("\n");
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
