// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl flows: the flow table, both directions, what has been seen of each, and
 * what of that does not look right.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "flow_table.h"
#include "interval.h"
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

/* ", 12 min ago", or nothing if that is not known. */
static const char *format_age(uint64_t age_ns, char text[UNITS_TEXT])
{
	uint64_t minutes = age_ns / 60000000000ULL, hours = minutes / 60;

	*text = '\0';
	if (hours >= 48)
		snprintf(text, UNITS_TEXT, ", %llu days ago", (unsigned long long)hours / 24);
	else if (minutes >= 120)
		snprintf(text, UNITS_TEXT, ", %llu h ago", (unsigned long long)hours);
	else if (minutes)
		snprintf(text, UNITS_TEXT, ", %llu min ago", (unsigned long long)minutes);
	else if (age_ns)
		snprintf(text, UNITS_TEXT, ", less than a minute ago");
	return text;
}

/* What the table, and what is said below, is about. */
static void print_time(const struct report *report)
{
	char text[UNITS_TEXT];

	if (report->is_growth)
		terminal_say("counted over %s, of all hosts and interfaces together\n",
			     units_format_time((report->over_ns + 500000) / 1000000 * 1000000,
					       text));
	else
		terminal_say(
			"counted since it was loaded%s, of all hosts and interfaces together; what comes by now: bwctl flows --interval 10s\n",
			format_age(report->over_ns, text));
}

static void print_dropped(const struct report *report, uint32_t row)
{
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		uint64_t lost = report_flow_lost(report, row, direction);
		char count[UNITS_TEXT], all[UNITS_TEXT + 20];

		if (!lost)
			continue;
		snprintf(all, sizeof(all), "all %s packets", units_format_count(lost, count));
		terminal_say(
			"%s: bwctl dropped %s of it, %s: a higher limit, of all or of its class, or a reserve lets them through, see bwctl show\n",
			report_flow_name(report, row), lost == 1 ? "the only packet" : all,
			policy_direction_name(direction));
	}
}

/* Errors, and echoes that go unanswered, are no fault of a firewall. */
static bool is_icmp(const struct bwctl_flow *flow)
{
	return !flow->any_protocol &&
	       (flow->protocol == IPPROTO_ICMP || flow->protocol == IPPROTO_ICMPV6);
}

/* "; bwctl itself dropped 399 of 400", of a flow that goes one way only, or nothing. Returns text. */
static const char *own_part(const struct report *report, uint32_t row, char text[LOG_TEXT])
{
	*text = '\0';
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		uint64_t passed, dropped = report_flow_dropped(report, row, direction, &passed);
		char part[UNITS_TEXT], all[UNITS_TEXT];

		if (passed && dropped)
			snprintf(text, LOG_TEXT, "; bwctl itself dropped %s of %s",
				 units_format_count(dropped, part),
				 units_format_count(passed + dropped, all));
	}
	return text;
}

/* Packets one way and none the other: somebody does not answer, or answers do not arrive. */
static void print_one_way(const struct report *report)
{
	char own[LOG_TEXT];

	for (uint32_t row = 0; row < report->policy.asked.flow_count; row++) {
		const struct bwctl_flow *flow = &report->policy.asked.flows[row];
		const char *other = *flow->interface ? "another interface" :
						       "an interface that is not loaded";

		switch (report_flow_seen(report, row)) {
		case REPORT_EGRESS:
			if (is_icmp(flow))
				terminal_say(
					"%s: packets go out and none come in: errors, which want no answer, or echoes that nobody answers%s\n",
					flow->name, own_part(report, row, own));
			else
				terminal_say(
					"%s: packets go out and none come in: answers are missing, look at the firewall on the way, or they come by %s%s\n",
					flow->name, other, own_part(report, row, own));
			break;
		case REPORT_INGRESS:
			if (is_icmp(flow))
				terminal_say(
					"%s: packets come in and none go out: errors, which want no answer, or echoes that are not answered here%s\n",
					flow->name, own_part(report, row, own));
			else
				terminal_say(
					"%s: packets come in and none go out: nothing answers here, or a firewall on this machine keeps it in, or it leaves by %s%s\n",
					flow->name, other, own_part(report, row, own));
			break;
		case REPORT_DROPPED:
			print_dropped(report, row);
			break;
		default:
			break;
		}
	}
}

static void print_never(const struct report *report)
{
	const char *comma = report->is_growth ? "not seen meanwhile: " : "never seen: ";

	for (uint32_t row = 0; row < report->policy.asked.flow_count; row++) {
		if (report_flow_seen(report, row) != REPORT_NEVER)
			continue;
		terminal_say("%s%s", comma, report_flow_name(report, row));
		comma = ", ";
	}
	if (*comma == ',')
		terminal_say("\n");
}

/* What comes by from now on, in place of what was counted so far. */
static int look_again(const struct options *options, uint64_t interval_ns, struct report **report,
		      char why[LOG_TEXT])
{
	struct report *earlier = *report;
	int err;

	*report = NULL;
	interval_sleep(interval_ns);
	err = report_read(options->pin_dir, LIMITER_READ, report, why);
	if (!err)
		err = report_since(*report, earlier, why);
	report_free(earlier);
	return err;
}

int cmd_flows(const struct options *options, int count, char *words[])
{
	struct report *report = NULL;
	uint64_t interval_ns = 0;
	char why[LOG_TEXT];
	int err, code = EXIT_DONE;

	(void)count;
	(void)words;
	if (options->interval && interval_parse(options->interval, &interval_ns))
		return EXIT_MISUSE;
	err = report_read(options->pin_dir, LIMITER_READ, &report, why);
	if (!err && interval_ns && report_is_loaded(report))
		err = look_again(options, interval_ns, &report, why);
	if (err) {
		code = command_failed(err, why);
	} else if (options->json) {
		code = command_print_json(report_flows_json(report));
	} else if (!report_is_loaded(report)) {
		printf("nothing is loaded\n");
	} else {
		print_table(report);
		print_time(report);
		print_one_way(report);
		print_never(report);
	}
	report_free(report);
	return code;
}
