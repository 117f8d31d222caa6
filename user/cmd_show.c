// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl show: what is in force, where, and what it has let through.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "limiter.h"
#include "policy.h"
#include "report.h"
#include "table.h"
#include "terminal.h"
#include "units.h"
#include "words.h"

_Static_assert(TABLE_TEXT >= UNITS_TEXT && TABLE_TEXT >= REPORT_NAME,
	       "cells hold figures and names");

/* Three digits are enough of a number that nobody typed. */
static uint64_t rounded(uint64_t value)
{
	uint64_t unit = 1;

	while (value / unit >= 1000)
		unit *= 10;
	return (value + unit / 2) / unit * unit;
}

static bool has_class_limit(const struct bwctl_policy *policy, enum bwctl_direction direction)
{
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		if (policy_class_limit(policy, class, direction))
			return true;
	return false;
}

/* The longest that a packet may wait, by the limit of all or by that of its class. */
static uint64_t longest_wait_ns(const struct bwctl_policy *policy, enum bwctl_direction direction)
{
	uint64_t longest_ns = policy->meter[direction].horizon_ns[BWCTL_LEVEL_RESERVED];

	for (uint32_t class = 0; class < BWCTL_CLASSES && !longest_ns; class ++)
		longest_ns = policy->class_meter[direction][class].horizon_ns[BWCTL_LEVEL_NORMAL];
	return longest_ns;
}

static void print_mode(const struct bwctl_policy *policy, enum bwctl_direction direction,
		       enum bwctl_mode mode, const char *why)
{
	bool paces = mode == BWCTL_MODE_PACE;
	char horizon[UNITS_TEXT];

	units_format_time(rounded(longest_wait_ns(policy, direction)), horizon);
	if (policy->observe)
		terminal_say("         observe: nothing is dropped or delayed; it would ");
	else
		terminal_say("         ");
	if (policy->observe && paces)
		terminal_say("pace: what is over would wait up to %s, then be dropped\n", horizon);
	else if (policy->observe)
		terminal_say("police: what is over would be dropped\n");
	else if (paces)
		terminal_say("pace: what is over waits up to %s, then is dropped\n", horizon);
	else if (*why)
		terminal_say("police: what is over is dropped; it is not paced: %s\n", why);
	else
		terminal_say("police: what is over is dropped\n");
	if (policy->observe && !paces && *why)
		terminal_say("         it would not pace: %s\n", why);
}

void command_print_limit(const struct bwctl_policy *policy, enum bwctl_direction direction,
			 enum bwctl_mode mode, const char *why)
{
	const struct bwctl_meter *meter = &policy->meter[direction];
	const struct bwctl_promise *promise = &policy->promise[direction];
	char limit[UNITS_TEXT], limit_bytes[UNITS_TEXT], window[UNITS_TEXT], rate[UNITS_TEXT];
	char burst[UNITS_TEXT], bound[UNITS_TEXT], burst_time[UNITS_TEXT];
	uint64_t held_rate, held_until_ns;

	if (!meter->rate_bits_s) {
		if (!has_class_limit(policy, direction)) {
			terminal_say("%-8s unlimited (counting only)\n",
				     policy_direction_name(direction));
			return;
		}
		terminal_say("%-8s unlimited, but for classes that have limits of their own\n",
			     policy_direction_name(direction));
		print_mode(policy, direction, mode, why);
		return;
	}
	terminal_say("%-8s %s%s (%s)%s in any %s\n", policy_direction_name(direction),
		     terminal_look(TERMINAL_BOLD),
		     units_format_rate(policy_limit(policy, direction), limit),
		     units_format_rate_bytes(policy_limit(policy, direction), limit_bytes),
		     terminal_look(TERMINAL_NORMAL), units_format_time(promise->window_ns, window));
	terminal_say("         rate r %s, burst %s (%s), bound B %s",
		     units_format_rate(rounded(meter->rate_bits_s), rate),
		     units_format_size(rounded(promise->burst_bytes), burst),
		     units_format_time(rounded(meter->burst_ns), burst_time),
		     units_format_size(rounded(promise->bound_bytes), bound));
	if (meter->overhead_bytes)
		terminal_say(", overhead %u B per frame", meter->overhead_bytes);
	terminal_say("\n");
	print_mode(policy, direction, mode, why);
	held_rate = policy_held_rate(meter, limiter_now_ns(), &held_until_ns);
	/* A few percent for a few seconds are not worth a line. */
	if (held_until_ns && held_rate < meter->rate_bits_s / 10 * 9)
		terminal_say(
			"         r is held back to %s for %s by the longer burst that was in force\n",
			units_format_rate(rounded(held_rate), rate),
			units_format_time(rounded(held_until_ns - limiter_now_ns()), window));
}

static bool has_idle_reserve(const struct bwctl_policy *policy, enum bwctl_direction direction,
			     uint32_t class)
{
	return policy->asked.classes[class].reserve_bits_s && !policy_limit(policy, direction);
}

/* "reserve 2 Mbit/s", and whether there is anything that it could be a part of. */
static void print_reserve(const struct bwctl_policy *policy, enum bwctl_direction direction,
			  uint32_t class)
{
	char rate[UNITS_TEXT];

	terminal_say("reserve %s%s",
		     units_format_rate(policy->asked.classes[class].reserve_bits_s, rate),
		     has_idle_reserve(policy, direction, class) ?
			     ", which has no effect without a limit for all" :
			     "");
}

static bool all_are_exempt(const struct bwctl_policy *policy)
{
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		if (*policy->asked.classes[class].name && !policy->asked.classes[class].exempt)
			return false;
	return true;
}

static void print_exempt(const struct bwctl_policy *policy, uint32_t class)
{
	terminal_say(
		"         class %s is exempt: its packets pass unmetered and the limit does not cover them\n",
		policy_class_name(&policy->asked, class));
}

static void print_all_exempt(void)
{
	terminal_say(
		"         all classes are exempt: every packet passes unmetered and no limit covers it\n");
}

void command_print_exceptions(const struct bwctl_policy *policy, enum bwctl_direction direction)
{
	if (all_are_exempt(policy)) {
		print_all_exempt();
		return;
	}
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		if (policy->asked.classes[class].exempt) {
			print_exempt(policy, class);
		} else if (has_idle_reserve(policy, direction, class)) {
			terminal_say("         class %s: ",
				     policy_class_name(&policy->asked, class));
			print_reserve(policy, direction, class);
			terminal_say("\n");
		}
	}
}

/* What was asked for a class beyond what it has anyway: its limit, its priority, its reserve. */
static void print_class(const struct bwctl_policy *policy, enum bwctl_direction direction,
			uint32_t class, bool is_default)
{
	const struct bwctl_class_request *request = &policy->asked.classes[class];
	const struct bwctl_promise *promise = &policy->class_promise[direction][class];
	uint64_t limit = policy_class_limit(policy, class, direction);
	const char *name = policy_class_name(&policy->asked, class), *comma = "";
	char rate[UNITS_TEXT], window[UNITS_TEXT];

	if (request->exempt) {
		print_exempt(policy, class);
		return;
	}
	if (is_default && !limit && !request->reserve_bits_s)
		return;
	terminal_say("         class %s: ", name);
	if (limit) {
		terminal_say("limit %s in any %s", units_format_rate(limit, rate),
			     units_format_time(promise->window_ns, window));
		comma = ", ";
	}
	if (!is_default) {
		terminal_say("%spriority %s", comma, policy_priority_name(request->priority));
		comma = ", ";
	}
	/* The last, as something may be said of it. */
	if (request->reserve_bits_s) {
		terminal_say("%s", comma);
		print_reserve(policy, direction, class);
	}
	terminal_say("\n");
}

static void print_classes(const struct bwctl_policy *policy, enum bwctl_direction direction)
{
	static struct bwctl_asked defaults; /* too large for the stack */

	if (all_are_exempt(policy)) {
		print_all_exempt();
		return;
	}
	policy_default(&defaults);
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		uint8_t usual = class < BWCTL_BUILTIN_CLASSES ? defaults.classes[class].priority :
								BWCTL_PRIORITY_NORMAL;

		if (*policy->asked.classes[class].name)
			print_class(policy, direction, class,
				    policy->asked.classes[class].priority == usual);
	}
}

/* The columns that the tables of interfaces and of classes have in common. */
static const char *lost_title(const struct report *report)
{
	return report_observes(report) ? "would drop" : "dropped";
}

static void fill_tallies(const struct report *report, const struct bwctl_flow_counters *seen,
			 size_t column, struct table_row *ret_row)
{
	const struct bwctl_tally *lost = report_observes(report) ? &seen->would_drop :
								   &seen->dropped;

	units_format_count(seen->passed.packets, ret_row->cells[column]);
	units_format_count(seen->passed.bytes, ret_row->cells[column + 1]);
	units_format_count(lost->packets, ret_row->cells[column + 2]);
	units_format_count(lost->bytes, ret_row->cells[column + 3]);
	ret_row->is_red[column + 2] = ret_row->is_red[column + 3] = lost->packets;
}

/* One direction of an interface: how it is attached, and what came by there. */
static void fill_interface(const void *argument, size_t number, struct table_row *ret_row)
{
	const struct report *report = argument;
	const struct limiter_interface *interface = &report->interfaces[number / BWCTL_DIRECTIONS];
	enum bwctl_direction direction = number % BWCTL_DIRECTIONS;
	const char *hook = report_hook_name(interface->hook[direction]);
	char why[LOG_TEXT];
	enum bwctl_mode mode = report_mode(report, direction, why);

	if (direction == BWCTL_INGRESS) {
		report_name(interface->name, ret_row->cells[0]);
		snprintf(ret_row->cells[1], TABLE_TEXT, "%u", interface->key.ifindex);
	} else if (!interface->here) {
		snprintf(ret_row->cells[0], TABLE_TEXT, "(another network namespace)");
	}
	snprintf(ret_row->cells[2], TABLE_TEXT, "%s", policy_direction_name(direction));
	if (hook)
		snprintf(ret_row->cells[3], TABLE_TEXT, "%-6s %s", hook,
			 policy_mode_name(report_observes(report) ? BWCTL_MODE_OBSERVE : mode));
	else
		snprintf(ret_row->cells[3], TABLE_TEXT, "not attached");
	ret_row->is_red[3] = !hook;
	fill_tallies(report,
		     &report->interface_counters[number / BWCTL_DIRECTIONS][direction].total, 4,
		     ret_row);
}

static void print_interfaces(const struct report *report)
{
	const struct table table = {
		.columns = {{"interface", 21, true, 0},
			    {"index", 5, false, 0},
			    {"", 8, true, 0},
			    {"", 14, true, 0},
			    {"passed", 13, false, 1},
			    {"bytes", 16, false, 1},
			    {lost_title(report), 13, false, 2},
			    {"bytes", 16, false, 2}},
		.column_count = 8,
		.row_count = report->interface_count * BWCTL_DIRECTIONS,
		.fill = fill_interface,
		.argument = report,
	};

	table_print(&table, terminal_columns());
}

/* A limit that somebody passes by holds for nothing. */
static void print_first(const struct report *report)
{
	char name[REPORT_NAME], text[LOG_TEXT];

	for (size_t i = 0; i < report->interface_count; i++)
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
			const struct first *first = &report->first[i][direction];

			if (!first_is_other(first))
				continue;
			first_say(first, direction, text);
			words_tame(text);
			terminal_say("%s%s: %s%s\n", terminal_look(TERMINAL_RED),
				     report_name(report->interfaces[i].name, name), text,
				     terminal_look(TERMINAL_NORMAL));
		}
}

/* What a table of classes is of: those that there are, and all of them together. */
struct shown_classes {
	const struct report *report;
	enum bwctl_direction direction;
	uint32_t classes[BWCTL_CLASSES];
	size_t count;
};

static void fill_class(const void *argument, size_t number, struct table_row *ret_row)
{
	const struct shown_classes *shown = argument;
	const struct counters *all = &shown->report->counters[shown->direction];
	bool is_total = number == shown->count;
	const struct bwctl_flow_counters *counters =
		is_total ? &all->total : &all->now.classes[shown->classes[number]];

	snprintf(ret_row->cells[0], TABLE_TEXT, "%s",
		 is_total ?
			 "total" :
			 policy_class_name(&shown->report->policy.asked, shown->classes[number]));
	fill_tallies(shown->report, counters, 1, ret_row);
	units_format_count(counters->paced.packets, ret_row->cells[5]);
	strcpy(ret_row->cells[6], "-");
	strcpy(ret_row->cells[7], "-");
	if (!counters->paced.packets)
		return;
	units_format_time(rounded(counters->delay_ns / counters->paced.packets), ret_row->cells[6]);
	units_format_time(rounded(counters->delay_max_ns), ret_row->cells[7]);
}

static void print_table(const struct report *report, enum bwctl_direction direction,
			enum bwctl_mode mode)
{
	/* Columns of what had to wait: when anything may, or did. */
	bool waits = mode == BWCTL_MODE_PACE || report->counters[direction].total.paced.packets;
	struct shown_classes shown = {.report = report, .direction = direction};
	struct table table = {
		.columns = {{"class", 8, true, 0},
			    {"passed", 13, false, 1},
			    {"bytes", 16, false, 1},
			    {lost_title(report), 13, false, 2},
			    {"bytes", 16, false, 2},
			    {report_observes(report) ? "would wait" : "paced", 13, false, 3},
			    {"mean wait", 9, false, 3},
			    {"longest", 9, false, 3}},
		.column_count = waits ? 8 : 5,
		.indent = 2,
		.fill = fill_class,
		.argument = &shown,
	};

	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		int length = (int)strlen(policy_class_name(&report->policy.asked, class));

		if (table.columns[0].width < length)
			table.columns[0].width = length;
		if (report_has_class(report, class))
			shown.classes[shown.count++] = class;
	}
	table.row_count = shown.count + 1;
	table_print(&table, terminal_columns());
}

static void print_direction(const struct report *report, enum bwctl_direction direction)
{
	const struct counters *counters = &report->counters[direction];
	const struct bwctl_flow_counters *total = &counters->total;
	char packets[UNITS_TEXT], why[LOG_TEXT];
	enum bwctl_mode mode = report_mode(report, direction, why);

	words_tame(why);
	terminal_say("\n");
	command_print_limit(&report->policy, direction, mode, why);
	if (mode != report->policy.enforcement[direction].mode)
		terminal_say(
			"         %sno packet can wait any more: \"bwctl load IFACE\" repairs it%s\n",
			terminal_look(TERMINAL_RED), terminal_look(TERMINAL_NORMAL));
	else if (mode == BWCTL_MODE_PACE && *why)
		terminal_say("         %sthe next \"bwctl set\" or \"bwctl load\" polices: %s%s\n",
			     terminal_look(TERMINAL_RED), why, terminal_look(TERMINAL_NORMAL));
	print_classes(&report->policy, direction);
	print_table(report, direction, mode);
	if (report_observes(report) && total->dropped.packets)
		terminal_say("  %s packets were dropped before, when it did not only observe\n",
			     units_format_count(total->dropped.packets, packets));
	if (total->marked.packets)
		terminal_say("  %s packets marked by ECN\n",
			     units_format_count(total->marked.packets, packets));
	if (counters->now.contended.packets)
		terminal_say("  %s packets of those dropped because CPUs contended for the clock\n",
			     units_format_count(counters->now.contended.packets, packets));
}

int cmd_show(const struct options *options, int count, char *words[])
{
	struct report *report = NULL;
	char why[LOG_TEXT];
	int err, code = EXIT_DONE;

	(void)count;
	(void)words;
	err = report_read(options->pin_dir, LIMITER_READ, &report, why);
	if (err)
		return command_failed(err, why);
	if (options->print_config && !report_is_loaded(report)) {
		code = command_failed(-ENOENT, "nothing is loaded");
	} else if (options->print_config) {
		code = command_print_config(&report->policy, report->interfaces,
					    report->interface_count);
	} else if (options->json) {
		code = command_print_json(report_json(report));
	} else if (!report_is_loaded(report)) {
		printf("nothing is loaded\n");
	} else {
		print_interfaces(report);
		print_first(report);
		command_print_runs(&report->policy, report->run_is_alive);
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			print_direction(report, direction);
	}
	report_free(report);
	return code;
}
