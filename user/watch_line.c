// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What is watched as words.
 */
#include "watch_line.h"

#include <jansson.h>
#include <string.h>

#include "policy.h"

#define SECOND_NS 1000000000ULL

/* Three digits are enough of what is measured. */
static uint64_t rounded(uint64_t value)
{
	uint64_t unit = 1;

	while (value / unit >= 1000)
		unit *= 10;
	return (value + unit / 2) / unit * unit;
}

const char *watch_line_rate(uint64_t rate_bits_s, char text[UNITS_TEXT])
{
	return units_format_rate(rounded(rate_bits_s), text);
}

const char *watch_line_lost(double lost_s, char text[UNITS_TEXT])
{
	if (lost_s > 0 && lost_s < 9.95) {
		snprintf(text, UNITS_TEXT, "%.2g", lost_s < 0.1 ? 0.1 : lost_s);
		return text;
	}
	return units_format_count(rounded((uint64_t)(lost_s + 0.5)), text);
}

const char *watch_line_wait(uint64_t wait_ns, char text[UNITS_TEXT])
{
	return wait_ns ? units_format_time(rounded(wait_ns), text) : strcpy(text, "-");
}

const char *watch_line_seen(const struct watch_rates_class *class, uint64_t now_ns,
			    uint64_t since_ns, char text[UNITS_TEXT])
{
	bool was_before = !class->seen_ns;
	uint64_t ago_s = (now_ns - (was_before ? since_ns : class->seen_ns)) / SECOND_NS;
	const char *unit = ago_s < 60 ? "s" : ago_s < 3600 ? "min" : "h";

	if (!class->was_counted && was_before)
		return strcpy(text, "-");
	if (class->seen_ns == now_ns)
		return strcpy(text, "now");
	if (!ago_s && !was_before)
		return strcpy(text, "<1 s ago");
	snprintf(text, UNITS_TEXT, "%s%llu %s ago", was_before ? ">" : "",
		 (unsigned long long)(ago_s / (ago_s < 60   ? 1 :
					       ago_s < 3600 ? 60 :
							      3600)),
		 unit);
	return text;
}

const char *watch_line_mode(const struct watch_rates *rates, enum bwctl_direction direction)
{
	return policy_mode_name(rates->observes ? BWCTL_MODE_OBSERVE :
						  rates->direction[direction].mode);
}

/* Why it does not pace, or will not. */
static void add_why(const struct watch_rates *rates, const struct watch_rates_direction *ours,
		    char *text, size_t size)
{
	const char *colon = *ours->why ? ": " : "";

	if (rates->observes)
		snprintf(text, size, "; it would %s%s%s", policy_mode_name(ours->mode), colon,
			 ours->why);
	else if (*ours->why && ours->mode == BWCTL_MODE_PACE)
		snprintf(text, size, "; the next set polices: %s", ours->why);
	else
		snprintf(text, size, "%s%s", colon, ours->why);
}

const char *watch_line_promise(const struct watch_rates *rates, enum bwctl_direction direction,
			       char text[2 * LOG_TEXT])
{
	const struct watch_rates_direction *ours = &rates->direction[direction];
	char window[UNITS_TEXT], bound[UNITS_TEXT], held[3 * UNITS_TEXT];
	int length;

	watch_line_held(&ours->limit, held);
	if (!ours->limit.bits_s)
		length = snprintf(text, 2 * LOG_TEXT, "%s",
				  ours->counts_only ? "no limit is set: counting only" :
						      "no limit but those of classes");
	else
		length = snprintf(text, 2 * LOG_TEXT, "%s%s%swindow W %s, bound B %s",
				  ours->is_own ? "own limit, " : "", held, *held ? ", " : "",
				  units_format_time(ours->window_ns, window),
				  units_format_size(rounded(ours->bound_bytes), bound));
	if (rates->observes || !ours->counts_only)
		add_why(rates, ours, text + length, 2 * LOG_TEXT - (size_t)length);
	return text;
}

const char *watch_line_step(uint64_t from_bits_s, uint64_t to_bits_s, char text[3 * UNITS_TEXT])
{
	char from[UNITS_TEXT], to[UNITS_TEXT], *from_unit, *to_unit;

	from_unit = strrchr(units_format_rate(from_bits_s, from), ' ');
	to_unit = strrchr(units_format_rate(to_bits_s, to), ' ');
	/* The unit is said once. */
	if (from_unit && to_unit && !strcmp(from_unit, to_unit))
		*from_unit = '\0';
	snprintf(text, 3 * UNITS_TEXT, "%s -> %s", from, to);
	return text;
}

const char *watch_line_held(const struct watch_rates_limit *limit, char text[3 * UNITS_TEXT])
{
	char held[UNITS_TEXT], asked[UNITS_TEXT] = "none", *held_unit, *asked_unit = NULL;

	*text = '\0';
	if (!limit->run_id)
		return text;
	held_unit = strrchr(units_format_rate(limit->bits_s, held), ' ');
	if (limit->asked_bits_s)
		asked_unit = strrchr(units_format_rate(limit->asked_bits_s, asked), ' ');
	if (held_unit && asked_unit && !strcmp(held_unit, asked_unit))
		*asked_unit = '\0';
	snprintf(text, 3 * UNITS_TEXT, "held to %s by run %llu (%s asked)", held,
		 (unsigned long long)limit->run_id, asked);
	return text;
}

static void print_direction(FILE *out, const struct watch_rates *rates, const char *class,
			    enum bwctl_direction direction)
{
	const struct watch_rates_direction *ours = &rates->direction[direction];
	char rate[UNITS_TEXT], limit[UNITS_TEXT], lost[UNITS_TEXT], wait[UNITS_TEXT];

	fprintf(out, "%s %s of %s, %s, %s%s/s, wait %s, %s %.0f %%",
		policy_direction_name(direction), watch_line_rate(ours->figures.rate_bits_s, rate),
		ours->limit.bits_s ? units_format_rate(ours->limit.bits_s, limit) : "unlimited",
		watch_line_mode(rates, direction), rates->observes ? "would drop " : "dropped ",
		watch_line_lost(ours->figures.lost_s, lost),
		watch_line_wait(ours->figures.wait_ns, wait),
		class ? "all at the limit" : "at the limit", ours->at_limit * 100);
}

bool watch_line_print(FILE *out, const struct watch_rates *rates, const char *class,
		      bool has_tenths)
{
	struct tm when;
	char clock[32] = "";

	if (localtime_r(&rates->at.tv_sec, &when))
		strftime(clock, sizeof(clock), "%H:%M:%S", &when);
	fprintf(out, "%s", clock);
	/* So that no two lines look as if they were of one moment. */
	if (has_tenths)
		fprintf(out, ".%ld", rates->at.tv_nsec / 100000000);
	fprintf(out, " ");
	if (class)
		fprintf(out, "class %s ", class);
	print_direction(out, rates, class, BWCTL_INGRESS);
	fprintf(out, "; ");
	print_direction(out, rates, class, BWCTL_EGRESS);
	fprintf(out, "\n");
	return !fflush(out) && !ferror(out);
}

static json_t *figures_json(const struct watch_rates_figures *figures)
{
	return json_pack("{s:I, s:f, s:o}", "bits_per_second", (json_int_t)figures->rate_bits_s,
			 "dropped_per_second", figures->lost_s, "mean_delay_seconds",
			 figures->wait_ns ? json_real((double)figures->wait_ns / 1e9) :
					    json_null());
}

static json_t *direction_json(const struct watch_rates *rates, enum bwctl_direction direction)
{
	const struct watch_rates_direction *ours = &rates->direction[direction];
	json_t *object = figures_json(&ours->figures), *classes = json_object();

	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		if (*ours->classes[class].name)
			json_object_set_new(classes, ours->classes[class].name,
					    figures_json(&ours->classes[class].figures));
	json_object_set_new(object, "limit_bits_per_second",
			    ours->limit.bits_s ? json_integer((json_int_t)ours->limit.bits_s) :
						 json_null());
	json_object_set_new(object, "mode", json_string(watch_line_mode(rates, direction)));
	json_object_set_new(object, "at_limit_ratio", json_real(ours->at_limit));
	json_object_set_new(object, "backlog_seconds", json_real((double)ours->queue_ns / 1e9));
	json_object_set_new(object, "classes", classes);
	return object;
}

bool watch_line_print_json(FILE *out, const struct watch_rates *rates, const char *class)
{
	json_t *line =
		json_pack("{s:f, s:f, s:s?, s:o, s:o}", "time",
			  (double)rates->at.tv_sec + (double)(rates->at.tv_nsec / 1000000) / 1e3,
			  "interval_seconds", (double)rates->interval_ns / 1e9, "class", class,
			  "ingress", direction_json(rates, BWCTL_INGRESS), "egress",
			  direction_json(rates, BWCTL_EGRESS));
	bool is_done = line && !json_dumpf(line, out, JSON_COMPACT | JSON_REAL_PRECISION(15)) &&
		       fputc('\n', out) != EOF && !fflush(out) && !ferror(out);

	json_decref(line);
	return is_done;
}
