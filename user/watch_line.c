// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What is watched as words.
 */
#include "watch_line.h"

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
	char window[UNITS_TEXT], bound[UNITS_TEXT];
	int length;

	if (!ours->limit_bits_s)
		length = snprintf(text, 2 * LOG_TEXT, "no limit");
	else
		length = snprintf(text, 2 * LOG_TEXT, "%swindow W %s, bound B %s",
				  ours->is_own ? "own limit, " : "",
				  units_format_time(ours->window_ns, window),
				  units_format_size(rounded(ours->bound_bytes), bound));
	add_why(rates, ours, text + length, 2 * LOG_TEXT - (size_t)length);
	return text;
}

static void print_direction(FILE *out, const struct watch_rates *rates,
			    enum bwctl_direction direction)
{
	const struct watch_rates_direction *ours = &rates->direction[direction];
	char rate[UNITS_TEXT], limit[UNITS_TEXT], lost[UNITS_TEXT], wait[UNITS_TEXT];

	fprintf(out, "%s %s of %s, %s, %s%s/s, wait %s, at the limit %.0f %%",
		policy_direction_name(direction), watch_line_rate(ours->figures.rate_bits_s, rate),
		ours->limit_bits_s ? units_format_rate(ours->limit_bits_s, limit) : "unlimited",
		watch_line_mode(rates, direction), rates->observes ? "would drop " : "dropped ",
		watch_line_lost(ours->figures.lost_s, lost),
		watch_line_wait(ours->figures.wait_ns, wait), ours->at_limit * 100);
}

bool watch_line_print(FILE *out, const struct watch_rates *rates)
{
	struct tm when;
	char clock[32] = "";

	if (localtime_r(&rates->at_s, &when))
		strftime(clock, sizeof(clock), "%H:%M:%S", &when);
	fprintf(out, "%s ", clock);
	print_direction(out, rates, BWCTL_INGRESS);
	fprintf(out, "; ");
	print_direction(out, rates, BWCTL_EGRESS);
	fprintf(out, "\n");
	return !fflush(out) && !ferror(out);
}
