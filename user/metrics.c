// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A report as metrics. A metric is a row of a table with its name, its unit and
 * what it means, and a function that prints its samples; what is common to all
 * is in print_family().
 */
#include "metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "words.h"

#define NAME 96 /* size of a metric's name */

static const char *const prefixes[BWCTL_DIRECTIONS] = {"receive", "transmit"};

/* An interface, as its labels have it. */
struct place {
	const char *name;
	uint64_t netns_inode; /* of another network namespace; 0: this one */
	const struct limiter_interface *interface;
	const struct counters_interface *counters; /* [direction] */
	const struct first *first;		   /* the same */
};

struct metrics {
	FILE *out;
	const struct report *report;
	enum saved_answer saved;
	enum metrics_format format;
	struct place *places;
	size_t place_count;
};

const char *metrics_content_type(enum metrics_format format)
{
	return format == METRICS_OPENMETRICS ?
		       "application/openmetrics-text; version=1.0.0; charset=utf-8" :
		       "text/plain; version=0.0.4; charset=utf-8";
}

/* ---- interfaces ---- */

/*
 * Of interfaces of one name in one network namespace there is one at most; others are what is
 * written down of one that went away. That gives way to the one that is there: their sum would
 * jump, and take away from what came later.
 */
static bool is_superseded(const struct report *report, size_t number)
{
	const struct limiter_interface *interface = &report->interfaces[number];

	for (size_t i = 0; i < report->interface_count; i++) {
		const struct limiter_interface *other = &report->interfaces[i];

		if (i == number || other->key.netns_inode != interface->key.netns_inode ||
		    strcmp(other->name, interface->name))
			continue;
		/* None of them is there: the last one that was. */
		if (other->exists || (!interface->exists && i > number))
			return true;
	}
	return false;
}

static void make_places(struct metrics *metrics)
{
	const struct report *report = metrics->report;

	metrics->places = calloc(report->interface_count + 1, sizeof(*metrics->places));
	for (size_t i = 0; i < report->interface_count && metrics->places; i++) {
		const struct limiter_interface *interface = &report->interfaces[i];

		if (!is_superseded(report, i))
			metrics->places[metrics->place_count++] = (struct place){
				.name = interface->name,
				.netns_inode = interface->own ? 0 : interface->key.netns_inode,
				.interface = interface,
				.counters = report->interface_counters[i],
				.first = report->first[i]};
	}
}

/* ---- samples ---- */

/*
 * A label's value, as both formats have it: \\, \" and \n, and UTF-8, which the name of an
 * interface need not be.
 */
static void print_text(FILE *out, const char *text)
{
	for (size_t length; *text; text += length ? length : 1) {
		length = words_character(text);
		if (length != 1) {
			fwrite(length ? text : "\xef\xbf\xbd", 1, length ? length : 3, out);
			continue;
		}
		if (*text == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void print_label(FILE *out, const char *name, const char *value, const char *before)
{
	fprintf(out, "%s%s=\"", before, name);
	print_text(out, value);
	fputc('"', out);
}

static void print_place(FILE *out, const struct place *place, const char *before)
{
	print_label(out, "interface", place->name, before);
	if (place->netns_inode)
		fprintf(out, ",netns=\"%" PRIu64 "\"", place->netns_inode);
}

static void print_head(const struct metrics *metrics, const char *name, const char *type,
		       const char *unit, const char *help)
{
	bool is_open = metrics->format == METRICS_OPENMETRICS;
	size_t length = strlen(name);
	int shown = (int)length;

	/* OpenMetrics names a counter without what its samples end with. */
	if (is_open && !strcmp(type, "counter"))
		shown -= (int)strlen("_total");
	fprintf(metrics->out, "# HELP %.*s %s\n# TYPE %.*s %s\n", shown, name, help, shown, name,
		type);
	if (is_open && *unit)
		fprintf(metrics->out, "# UNIT %.*s %s\n", shown, name, unit);
}

/* ---- by class and interface ---- */

/* A tally of each class; by reason, if there are several. */
struct tally_metric {
	const char *name;
	const char *help;
	size_t offset; /* in struct bwctl_flow_counters */
	bool by_reason;
	bool observed; /* only while it observes */
};

static const struct tally_metric tally_metrics[] = {
	{"", "passed", offsetof(struct bwctl_flow_counters, passed), false, false},
	{"dropped_",
	 "dropped, by reason: limit is the limit of all, class_limit that of the class, "
	 "contended that too many CPUs asked at once",
	 offsetof(struct bwctl_flow_counters, dropped), true, false},
	{"paced_", "passed after they had to wait", offsetof(struct bwctl_flow_counters, paced),
	 false, false},
	{"marked_", "passed with the mark of ECN that the wait was long",
	 offsetof(struct bwctl_flow_counters, marked), false, false},
	{"would_drop_", "passed in mode observe, and dropped otherwise",
	 offsetof(struct bwctl_flow_counters, would_drop), false, true},
};

static uint64_t amount(const struct bwctl_tally *tally, bool bytes)
{
	return bytes ? tally->bytes : tally->packets;
}

static void print_tally(const struct metrics *metrics, const char *name, const struct place *place,
			const char *class, const char *reason, uint64_t value)
{
	fputs(name, metrics->out);
	print_label(metrics->out, "class", class, "{");
	print_place(metrics->out, place, ",");
	if (reason)
		print_label(metrics->out, "reason", reason, ",");
	fprintf(metrics->out, "} %" PRIu64 "\n", value);
}

static void print_reasons(const struct metrics *metrics, const char *name,
			  const struct place *place, const char *class,
			  const struct bwctl_tally reasons[BWCTL_REASONS], bool bytes)
{
	static const char *const names[BWCTL_REASONS] = {
		[BWCTL_REASON_LIMIT] = "limit",
		[BWCTL_REASON_CLASS] = "class_limit",
		[BWCTL_REASON_CONTENDED] = "contended",
	};

	for (int reason = 0; reason < BWCTL_REASONS; reason++)
		print_tally(metrics, name, place, class, names[reason],
			    amount(&reasons[reason], bytes));
}

static void print_tallies(const struct metrics *metrics, const struct tally_metric *metric,
			  enum bwctl_direction direction, bool bytes)
{
	const char *unit = bytes ? "bytes" : "packets";
	char name[NAME], help[256];

	snprintf(name, sizeof(name), "bwctl_%s_%s%s_total", prefixes[direction], metric->name,
		 unit);
	snprintf(help, sizeof(help), "%s %s.", bytes ? "Bytes (layer 2)" : "Packets", metric->help);
	print_head(metrics, name, "counter", unit, help);
	for (size_t i = 0; i < metrics->place_count; i++) {
		const struct place *place = &metrics->places[i];

		for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
			const struct bwctl_interface_counters *now =
				&place->counters[direction].now;
			const char *row = (const char *)&now->classes[class];

			if (!report_has_class(metrics->report, class))
				continue;
			if (metric->by_reason)
				print_reasons(metrics, name, place,
					      policy_class_name(&metrics->report->policy.asked,
								class),
					      now->reasons[class], bytes);
			else
				print_tally(
					metrics, name, place,
					policy_class_name(&metrics->report->policy.asked, class),
					NULL, amount((const void *)(row + metric->offset), bytes));
		}
	}
}

/* ---- by direction ---- */

static void print_delays(const struct metrics *metrics, enum bwctl_direction direction)
{
	const struct counters *counters = &metrics->report->counters[direction];
	uint64_t sum = 0;
	char name[NAME];

	snprintf(name, sizeof(name), "bwctl_%s_delay_seconds", prefixes[direction]);
	print_head(metrics, name, "histogram", "seconds",
		   "How long packets had to wait, those that had to.");
	for (int i = 0; i < BWCTL_DELAY_BUCKETS; i++) {
		sum += counters->now.delays[i];
		if (i < BWCTL_DELAY_BUCKETS - 1)
			fprintf(metrics->out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
				(1 << i) / 1e3, sum);
	}
	fprintf(metrics->out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, sum);
	fprintf(metrics->out, "%s_sum %.15g\n%s_count %" PRIu64 "\n", name,
		(double)counters->total.delay_ns / 1e9, name, sum);
}

static void print_value(const struct metrics *metrics, enum bwctl_direction direction,
			const char *what, const char *type, const char *unit, const char *help,
			double value)
{
	char name[NAME];

	snprintf(name, sizeof(name), "bwctl_%s_%s", prefixes[direction], what);
	print_head(metrics, name, type, unit, help);
	fprintf(metrics->out, "%s %.15g\n", name, value);
}

static void print_direction(const struct metrics *metrics, enum bwctl_direction direction)
{
	const struct bwctl_policy *policy = &metrics->report->policy;
	const struct bwctl_promise *promise = &policy->promise[direction];

	print_value(
		metrics, direction, "at_limit_seconds_total", "counter", "seconds",
		"Time during which packets were refused by the limit of all, or had to wait for it.",
		(double)metrics->report->at_limit_ns[direction] / 1e9);
	print_value(metrics, direction, "backlog_seconds", "gauge", "seconds",
		    "How far ahead of now the limit is spoken for.",
		    (double)metrics->report->backlog_ns[direction] / 1e9);
	/* Without a limit there is none of these: no value would be a true one. */
	if (!policy->meter[direction].rate_bits_s)
		return;
	print_value(metrics, direction, "limit_bytes_per_second", "gauge", "bytes_per_second",
		    "The limit of all, in any window.",
		    (double)policy_limit(policy, direction) / 8);
	print_value(metrics, direction, "rate_bytes_per_second", "gauge", "bytes_per_second",
		    "r, the rate that a lasting load gets.",
		    (double)policy->meter[direction].rate_bits_s / 8);
	print_value(metrics, direction, "bound_bytes", "gauge", "bytes",
		    "B: what passes in T seconds is at most r * T + B.",
		    (double)promise->bound_bytes);
	print_value(metrics, direction, "window_seconds", "gauge", "seconds",
		    "W, the shortest window in which the limit holds.",
		    (double)promise->window_ns / 1e9);
}

static uint64_t class_limit(const struct bwctl_policy *policy, uint32_t class,
			    enum bwctl_direction direction)
{
	return policy_class_limit(policy, class, direction);
}

static uint64_t class_reserve(const struct bwctl_policy *policy, uint32_t class,
			      enum bwctl_direction direction)
{
	(void)direction;
	return policy->asked.classes[class].reserve_bits_s;
}

/* Of classes that have one; if none has, there is no such metric. */
static void print_class_rates(const struct metrics *metrics, enum bwctl_direction direction,
			      const char *what, const char *help,
			      uint64_t (*rate_bits_s)(const struct bwctl_policy *policy,
						      uint32_t class,
						      enum bwctl_direction direction))
{
	const struct bwctl_policy *policy = &metrics->report->policy;
	bool is_first = true;
	char name[NAME];

	snprintf(name, sizeof(name), "bwctl_%s_class_%s_bytes_per_second", prefixes[direction],
		 what);
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		uint64_t rate = report_has_class(metrics->report, class) ?
					rate_bits_s(policy, class, direction) :
					0;

		if (!rate)
			continue;
		if (is_first)
			print_head(metrics, name, "gauge", "bytes_per_second", help);
		is_first = false;
		fputs(name, metrics->out);
		print_label(metrics->out, "class", policy_class_name(&policy->asked, class), "{");
		fprintf(metrics->out, "} %.15g\n", (double)rate / 8);
	}
}

/* ---- all in all ---- */

static void print_attached(const struct metrics *metrics)
{
	print_head(metrics, "bwctl_attached", "gauge", "",
		   "Whether bwctl is attached there: 0 says that nothing is limited.");
	for (size_t i = 0; i < metrics->place_count; i++) {
		const struct place *place = &metrics->places[i];

		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
			const char *hook = report_hook_name(place->interface->hook[direction]);
			char why[LOG_TEXT];
			enum bwctl_mode mode = report_mode(metrics->report, direction, why);

			if (report_observes(metrics->report))
				mode = BWCTL_MODE_OBSERVE;
			fputs("bwctl_attached", metrics->out);
			print_place(metrics->out, place, "{");
			fprintf(metrics->out, ",direction=\"%s\",hook=\"%s\",mode=\"%s\"} %d\n",
				prefixes[direction], hook ? hook : "none", policy_mode_name(mode),
				hook != NULL);
		}
	}
}

/* Of what may be looked at; if nothing may, there is no such metric. */
static void print_first(const struct metrics *metrics)
{
	bool is_any = false;

	for (size_t i = 0; i < metrics->place_count; i++) {
		const struct place *place = &metrics->places[i];

		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
			if (!place->first[direction].is_known)
				continue;
			if (!is_any)
				print_head(
					metrics, "bwctl_first", "gauge", "",
					"Whether no other program runs before bwctl there: 0 says that what it does not hand on is not limited.");
			is_any = true;
			fputs("bwctl_first", metrics->out);
			print_place(metrics->out, place, "{");
			fprintf(metrics->out, ",direction=\"%s\"} %d\n", prefixes[direction],
				!first_is_other(&place->first[direction]));
		}
	}
}

static void print_exempt(const struct metrics *metrics)
{
	const struct bwctl_policy *policy = &metrics->report->policy;
	bool is_first = true;

	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		if (!report_has_class(metrics->report, class) ||
		    !policy->asked.classes[class].exempt)
			continue;
		if (is_first)
			print_head(metrics, "bwctl_class_exempt", "gauge", "",
				   "Classes that pass unmetered: no limit covers them.");
		is_first = false;
		fputs("bwctl_class_exempt", metrics->out);
		print_label(metrics->out, "class", policy_class_name(&policy->asked, class), "{");
		fputs("} 1\n", metrics->out);
	}
}

static void print_policy(const struct metrics *metrics)
{
	const struct bwctl_policy *policy = &metrics->report->policy;
	int runs = 0;

	print_head(metrics, "bwctl_policy_changed_timestamp_seconds", "gauge", "seconds",
		   "Since when what is in force has been the same, as Unix time.");
	fprintf(metrics->out, "bwctl_policy_changed_timestamp_seconds %" PRIu64 "\n",
		(uint64_t)policy->since_s);
	if (metrics->saved != SAVED_UNKNOWN) {
		print_head(metrics, "bwctl_policy_saved", "gauge", "",
			   "Whether the policy file says what is in force.");
		fprintf(metrics->out, "bwctl_policy_saved %d\n", metrics->saved == SAVED_YES);
	}
	for (int i = 0; i < BWCTL_RUNS; i++)
		runs += policy->runs[i].id != 0;
	print_head(metrics, "bwctl_runs", "gauge", "",
		   "How many times \"bwctl run\" holds the limit lower.");
	fprintf(metrics->out, "bwctl_runs %d\n", runs);
}

static void print_loaded(const struct metrics *metrics)
{
	bool observes = report_observes(metrics->report);

	print_attached(metrics);
	print_first(metrics);
	print_policy(metrics);
	print_exempt(metrics);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		for (size_t i = 0; i < sizeof(tally_metrics) / sizeof(tally_metrics[0]); i++) {
			if (tally_metrics[i].observed && !observes)
				continue;
			print_tallies(metrics, &tally_metrics[i], direction, true);
			print_tallies(metrics, &tally_metrics[i], direction, false);
		}
		print_delays(metrics, direction);
		print_direction(metrics, direction);
		print_class_rates(metrics, direction, "limit", "The limit of a class.",
				  class_limit);
		print_class_rates(metrics, direction, "reserve",
				  "What a class has before the others.", class_reserve);
	}
}

void metrics_print(FILE *out, const struct report *report, enum saved_answer saved,
		   enum metrics_format format)
{
	struct metrics metrics = {.out = out, .report = report, .saved = saved, .format = format};

	make_places(&metrics);
	print_head(&metrics, "bwctl_build_info", "gauge", "", "What bwctl this is.");
	fprintf(out, "bwctl_build_info{version=\"%s\"} 1\n", BWCTL_VERSION);
	print_head(&metrics, "bwctl_loaded", "gauge", "", "Whether bwctl is loaded at all.");
	fprintf(out, "bwctl_loaded %d\n", report_is_loaded(report));
	if (report_is_loaded(report))
		print_loaded(&metrics);
	if (format == METRICS_OPENMETRICS)
		fputs("# EOF\n", out);
	free(metrics.places);
}
