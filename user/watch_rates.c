// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * From two reports and their times to what went on in between.
 */
#include "watch_rates.h"

#include <stdio.h>
#include <string.h>

#include "policy.h"
#include "units.h"

/* What a rate is at least drawn against. */
#define LEAST_TOP_BITS_S 1000

/* A counter that is smaller than it was began again. */
static uint64_t grown(uint64_t before, uint64_t now)
{
	return now >= before ? now - before : now;
}

static uint64_t less(uint64_t value, uint64_t part)
{
	return value > part ? value - part : 0;
}

static void tally_growth(const struct bwctl_tally *before, const struct bwctl_tally *now,
			 struct bwctl_tally *ret_growth)
{
	ret_growth->packets = grown(before->packets, now->packets);
	ret_growth->bytes = grown(before->bytes, now->bytes);
}

static void growth(const struct bwctl_flow_counters *before, const struct bwctl_flow_counters *now,
		   struct bwctl_flow_counters *ret_growth)
{
	memset(ret_growth, 0, sizeof(*ret_growth));
	tally_growth(&before->passed, &now->passed, &ret_growth->passed);
	tally_growth(&before->dropped, &now->dropped, &ret_growth->dropped);
	tally_growth(&before->would_drop, &now->would_drop, &ret_growth->would_drop);
	tally_growth(&before->paced, &now->paced, &ret_growth->paced);
	ret_growth->delay_ns = grown(before->delay_ns, now->delay_ns);
}

static uint64_t per_second(uint64_t count, uint64_t interval_ns)
{
	return (uint64_t)((unsigned __int128)count * 1000000000 / interval_ns);
}

static void make_figures(const struct bwctl_flow_counters *growth, uint64_t passed_bytes,
			 bool observes, uint64_t interval_ns,
			 struct watch_rates_figures *ret_figures)
{
	uint64_t lost = observes ? growth->would_drop.packets : growth->dropped.packets;

	ret_figures->rate_bits_s = per_second(passed_bytes * 8, interval_ns);
	ret_figures->lost_s = (double)lost * 1e9 / (double)interval_ns;
	ret_figures->wait_ns = growth->paced.packets ? growth->delay_ns / growth->paced.packets : 0;
}

/* How much of what is counted has not left yet. */
static uint64_t waiting_bytes(const struct report *report, enum bwctl_direction direction)
{
	if (report->policy.observe || report->policy.enforcement[direction].mode != BWCTL_MODE_PACE)
		return 0;
	return (uint64_t)((unsigned __int128)report->backlog_ns[direction] *
			  report->policy.meter[direction].rate_bits_s / 8000000000);
}

/* The two reports, and the time between them. */
struct pair {
	const struct report *before, *now;
	uint64_t interval_ns;
};

static bool is_same_class(const struct pair *pair, uint32_t class)
{
	return !strcmp(pair->before->policy.asked.classes[class].name,
		       pair->now->policy.asked.classes[class].name);
}

static void class_growth(const struct pair *pair, enum bwctl_direction direction, uint32_t class,
			 struct bwctl_flow_counters *ret_growth)
{
	static const struct bwctl_flow_counters none;

	growth(is_same_class(pair, class) ? &pair->before->counters[direction].now.classes[class] :
					    &none,
	       &pair->now->counters[direction].now.classes[class], ret_growth);
}

static void take_away(struct bwctl_tally *tally, const struct bwctl_tally *part)
{
	tally->packets = less(tally->packets, part->packets);
	tally->bytes = less(tally->bytes, part->bytes);
}

/* All that the limit is about: exempt classes are not. */
static void metered_figures(const struct pair *pair, enum bwctl_direction direction,
			    struct watch_rates_figures *ret_figures)
{
	struct bwctl_flow_counters all, part;
	uint64_t waited = waiting_bytes(pair->before, direction);
	uint64_t waits = waiting_bytes(pair->now, direction);

	growth(&pair->before->counters[direction].total, &pair->now->counters[direction].total,
	       &all);
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		if (!pair->now->policy.asked.classes[class].exempt)
			continue;
		class_growth(pair, direction, class, &part);
		take_away(&all.passed, &part.passed);
	}
	make_figures(&all, less(all.passed.bytes + waited, waits), report_observes(pair->now),
		     pair->interval_ns, ret_figures);
}

static void set_class(struct watch_rates_class *class, const struct report *now,
		      enum bwctl_direction direction, uint32_t number)
{
	const struct bwctl_asked *asked = &now->policy.asked;
	const struct bwctl_flow_counters *counters = &now->counters[direction].now.classes[number];
	const char *name = report_has_class(now, number) ? policy_class_name(asked, number) : "";

	if (strcmp(class->name, name))
		class->seen_ns = 0;
	snprintf(class->name, sizeof(class->name), "%s", name);
	class->is_exempt = asked->classes[number].exempt;
	class->was_counted = counters->passed.packets || counters->dropped.packets;
	memset(&class->figures, 0, sizeof(class->figures));
}

static void measure_class(struct watch_rates_class *class, const struct pair *pair,
			  enum bwctl_direction direction, uint32_t number, uint64_t now_ns)
{
	struct bwctl_flow_counters growth_of_it;

	class_growth(pair, direction, number, &growth_of_it);
	make_figures(&growth_of_it, growth_of_it.passed.bytes, report_observes(pair->now),
		     pair->interval_ns, &class->figures);
	if (growth_of_it.passed.packets || growth_of_it.dropped.packets)
		class->seen_ns = now_ns;
}

static uint32_t find_class(const struct watch_rates_direction *direction, const char *class)
{
	uint32_t number = 0;

	while (number < BWCTL_CLASSES && strcmp(direction->classes[number].name, class))
		number++;
	return number;
}

static void set_limit(struct watch_rates_limit *limit, const struct bwctl_policy *policy,
		      enum bwctl_direction direction, uint32_t class)
{
	bool is_own = class < BWCTL_CLASSES;
	uint64_t asked = is_own ? policy->asked.classes[class].limit_bits_s[direction] :
				  policy->asked.request[direction].limit_bits_s;
	uint64_t least = asked;

	memset(limit, 0, sizeof(*limit));
	for (int i = 0; i < BWCTL_RUNS; i++) {
		const struct bwctl_run *run = &policy->runs[i];
		uint64_t held = is_own ? run->class_limit_bits_s[class][direction] :
					 run->limit_bits_s[direction];

		if (!run->id || !held || (least && held >= least))
			continue;
		least = held;
		limit->run_id = run->id;
	}
	limit->asked_bits_s = asked;
	limit->bits_s = least;
}

static uint32_t class_number(const struct report *report, const char *class)
{
	uint32_t number = 0;

	while (number < BWCTL_CLASSES &&
	       !(report_has_class(report, number) &&
		 !strcmp(policy_class_name(&report->policy.asked, number), class)))
		number++;
	return number;
}

bool watch_rates_steps(const struct report *report, const char *class,
		       struct watch_rates_limit ret_limits[BWCTL_DIRECTIONS])
{
	const struct bwctl_policy *policy = &report->policy;
	uint32_t number = class ? class_number(report, class) : BWCTL_CLASSES;

	if (number < BWCTL_CLASSES && !policy->asked.classes[number].limit_bits_s[BWCTL_INGRESS] &&
	    !policy->asked.classes[number].limit_bits_s[BWCTL_EGRESS])
		number = BWCTL_CLASSES;
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		set_limit(&ret_limits[direction], policy, direction, number);
	return number < BWCTL_CLASSES;
}

/* What the bar is measured against. */
static void set_promise(struct watch_rates_direction *ours, const struct bwctl_policy *policy,
			enum bwctl_direction direction, uint32_t chosen)
{
	const struct bwctl_promise *promise = &policy->promise[direction];

	ours->is_own = chosen < BWCTL_CLASSES && policy_class_limit(policy, chosen, direction);
	set_limit(&ours->limit, policy, direction, ours->is_own ? chosen : BWCTL_CLASSES);
	if (ours->is_own)
		promise = &policy->class_promise[direction][chosen];
	ours->counts_only = !policy_limit(policy, direction);
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		if (policy_class_limit(policy, class, direction))
			ours->counts_only = false;
	ours->window_ns = promise->window_ns;
	ours->bound_bytes = promise->bound_bytes;
}

static void update_direction(struct watch_rates_direction *ours, const struct pair *pair,
			     enum bwctl_direction direction, uint64_t now_ns, const char *chosen)
{
	const struct report *now = pair->now;
	uint32_t number = BWCTL_CLASSES;

	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		set_class(&ours->classes[class], now, direction, class);
		if (pair->before)
			measure_class(&ours->classes[class], pair, direction, class, now_ns);
	}
	if (chosen)
		number = find_class(ours, chosen);
	ours->mode = report_mode(now, direction, ours->why);
	ours->queue_ns = now->backlog_ns[direction];
	set_promise(ours, &now->policy, direction, number);
	memset(&ours->figures, 0, sizeof(ours->figures));
	ours->at_limit = 0;
	if (!pair->before)
		return;
	ours->at_limit =
		(double)grown(pair->before->at_limit_ns[direction], now->at_limit_ns[direction]) /
		(double)pair->interval_ns;
	if (ours->at_limit > 1)
		ours->at_limit = 1;
	if (number < BWCTL_CLASSES)
		ours->figures = ours->classes[number].figures;
	else if (!chosen)
		metered_figures(pair, direction, &ours->figures);
}

/* What is to be known of an interface beside its name: that the limit does not hold there. */
static const char *trouble_of(const struct report *report, size_t number)
{
	const struct limiter_interface *interface = &report->interfaces[number];
	const struct first *first = report->first[number];

	if (!interface->hook[BWCTL_INGRESS] || !interface->hook[BWCTL_EGRESS])
		return " (not attached)";
	if (first_is_other(&first[BWCTL_INGRESS]) || first_is_other(&first[BWCTL_EGRESS]))
		return " (not first)";
	return "";
}

/* "eth0 eth1 (not attached)"; what may be done to a terminal by a name is not. */
static void name_interfaces(const struct report *report, char ret_names[LOG_TEXT])
{
	size_t length = 0;

	*ret_names = '\0';
	for (size_t i = 0; i < report->interface_count && length < LOG_TEXT; i++)
		length += (size_t)snprintf(ret_names + length, LOG_TEXT - length, "%s%s%s",
					   i ? " " : "", report->interfaces[i].name,
					   trouble_of(report, i));
	for (char *at = ret_names; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
}

void watch_rates_update(struct watch_rates *rates, const struct report *before,
			uint64_t interval_ns, const struct report *now, uint64_t now_ns,
			const char *class)
{
	struct pair pair = {interval_ns ? before : NULL, now, interval_ns};

	rates->is_loaded = report_is_loaded(now);
	rates->is_measured = rates->is_loaded && pair.before;
	rates->observes = report_observes(now);
	rates->now_ns = now_ns;
	rates->interval_ns = interval_ns;
	name_interfaces(now, rates->interfaces);
	if (rates->is_loaded) {
		struct watch_rates_limit steps[BWCTL_DIRECTIONS];

		rates->steps_class = watch_rates_steps(now, class, steps);
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			rates->direction[direction].step = steps[direction];
	}
	/* What was seen last is still true while nothing is loaded. */
	for (int direction = 0; direction < BWCTL_DIRECTIONS && rates->is_loaded; direction++)
		update_direction(&rates->direction[direction], &pair, direction, now_ns, class);
	rates->has_class = !class ||
			   find_class(&rates->direction[BWCTL_INGRESS], class) < BWCTL_CLASSES;
}

static uint64_t clamp(uint64_t limit_bits_s)
{
	return limit_bits_s < UNITS_RATE_MIN_BITS_S ? UNITS_RATE_MIN_BITS_S :
	       limit_bits_s > UNITS_RATE_MAX_BITS_S ? UNITS_RATE_MAX_BITS_S :
						      limit_bits_s;
}

uint64_t watch_rates_step(uint64_t limit_bits_s, bool up)
{
	static const unsigned int factors[] = {1, 2, 5};
	uint64_t lower = 0, step = 0;

	/* One decade beyond the largest limit. */
	for (uint64_t ten = 1; ten <= UNITS_RATE_MAX_BITS_S * 10; ten *= 10) {
		for (int i = 0; i < 3; i++) {
			step = factors[i] * ten;
			if (up ? step > limit_bits_s : step >= limit_bits_s)
				return clamp(up ? step : lower);
			lower = step;
		}
	}
	return clamp(step);
}

void watch_rates_remember(struct watch_rates_history *history, const struct watch_rates *rates)
{
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		const struct watch_rates_direction *ours = &rates->direction[direction];
		struct watch_rates_sample *sample =
			&history->samples[direction][history->count % WATCH_RATES_SAMPLES];

		sample->is_there = rates->is_measured;
		sample->rate_bits_s = rates->is_measured ? ours->figures.rate_bits_s : 0;
		sample->limit_bits_s = rates->is_measured ? ours->limit.bits_s : 0;
		sample->at_limit = rates->is_measured && ours->at_limit >= WATCH_IS_AT_LIMIT;
	}
	history->count++;
}

const struct watch_rates_sample *watch_rates_recall(const struct watch_rates_history *history,
						    enum bwctl_direction direction, uint64_t count,
						    uint64_t back)
{
	static const struct watch_rates_sample none;

	if (back >= count || history->count - count + back >= WATCH_RATES_SAMPLES)
		return &none;
	return &history->samples[direction][(count - 1 - back) % WATCH_RATES_SAMPLES];
}

/* Not less than value: 1, 1.5, 2, 3, 4, 5, 6, 8 and powers of ten. */
static uint64_t round_up(uint64_t value)
{
	static const unsigned int tenths[] = {10, 15, 20, 30, 40, 50, 60, 80};
	uint64_t ten = LEAST_TOP_BITS_S / 10;

	for (;; ten *= 10)
		for (unsigned int i = 0; i < sizeof(tenths) / sizeof(tenths[0]); i++)
			if (tenths[i] * ten >= value)
				return tenths[i] * ten;
}

uint64_t watch_rates_top(const struct watch_rates_history *history, enum bwctl_direction direction,
			 uint64_t count, uint64_t width, unsigned int rows)
{
	uint64_t limit = 0, rate = 0, top;

	for (uint64_t back = 0; back < width && back < count; back++) {
		const struct watch_rates_sample *sample =
			watch_rates_recall(history, direction, count, back);

		if (limit < sample->limit_bits_s)
			limit = sample->limit_bits_s;
		if (rate < sample->rate_bits_s)
			rate = sample->rate_bits_s;
	}
	top = rows > 1 ? limit * rows / (rows - 1) : limit;
	return top && rate <= top ? top : round_up(rate);
}
