// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A change, laid over what was asked for: all of it or nothing. Which class has
 * which number and which flow which counter, in what order flows match, and what
 * does not go together in a policy, however it came about.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config.h"
#include "flow_table.h"
#include "policy.h"
#include "units.h"
#include "why.h"
#include "words.h"

#define NONE SIZE_MAX

/* A flow whose class may not have its number yet. */
struct row {
	struct bwctl_flow flow;
	char class[BWCTL_NAME];
};

struct laying {
	const struct config_change *change;
	const struct bwctl_asked *before;
	struct bwctl_asked next; /* without its flows */
	struct row rows[BWCTL_FLOW_ROWS + 1];
	size_t count, written; /* those that are listed and that nobody wrote come behind */
	void (*say)(void *context, const struct config_place *place, const char *why);
	void *context;
	size_t problems;
};

/* ---- what is wrong ---- */

static void complain(struct laying *laying, enum config_section section, const char *name,
		     const char *key, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static void complain(struct laying *laying, enum config_section section, const char *name,
		     const char *key, const char *format, ...)
{
	struct config_place place = {.section = section, .name = name};
	char why[LOG_TEXT];
	va_list arguments;

	for (size_t n = 0; key && n < config_keys[section].count; n++)
		if (!strcmp(config_keys[section].keys[n].name, key))
			place.key = &config_keys[section].keys[n];
	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	laying->problems++;
	laying->say(laying->context, &place, why);
}

/* ": did you mean 'lab'?", or nothing. */
static const char *meant(const char *const names[], size_t count, const char *word,
			 char text[LOG_TEXT])
{
	char nearest[LOG_TEXT];

	*text = '\0';
	if (words_nearest(names, count, "''", word, nearest))
		snprintf(text, LOG_TEXT, ": %.400s", nearest);
	return text;
}

static const char *meant_class(const struct laying *laying, const char *word, char text[LOG_TEXT])
{
	const char *names[BWCTL_CLASSES];
	size_t count = 0;

	for (size_t n = 0; n < BWCTL_CLASSES; n++)
		if (*laying->next.classes[n].name)
			names[count++] = laying->next.classes[n].name;
	return meant(names, count, word, text);
}

static const char *meant_flow(const struct laying *laying, const char *word, char text[LOG_TEXT])
{
	const char *names[BWCTL_FLOW_ROWS + 1];

	for (size_t n = 0; n < laying->count; n++)
		names[n] = laying->rows[n].flow.name;
	return meant(names, laying->count, word, text);
}

/* ---- the limit ---- */

static void lay_limit(const struct config_change *change,
		      struct bwctl_request requests[BWCTL_DIRECTIONS])
{
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		struct bwctl_request *request = &requests[direction];

		if (change->given[direction])
			request->limit_bits_s = change->limit_bits_s[direction];
		if (change->given[CONFIG_BURST]) {
			request->burst_ns = change->burst_ns;
			request->burst_bytes = change->burst_bytes;
		}
		if (change->given[CONFIG_WINDOW])
			request->window_ns = change->window_ns;
		if (change->given[CONFIG_OVERHEAD])
			request->overhead_bytes = change->overhead_bytes;
		if (change->given[CONFIG_MODE])
			request->mode = change->mode;
		if (change->given[CONFIG_HORIZON])
			request->horizon_ns = change->horizon_ns;
	}
}

/* ---- classes ---- */

static size_t find_class(const struct bwctl_asked *asked, const char *name)
{
	for (size_t n = 0; n < BWCTL_CLASSES; n++)
		if (*name && !strcmp(asked->classes[n].name, name))
			return n;
	return NONE;
}

/* Another one, which would be taken for it. */
static const char *find_lookalike(const struct bwctl_asked *asked, const char *name)
{
	for (size_t n = 0; n < BWCTL_CLASSES; n++)
		if (!strcasecmp(asked->classes[n].name, name) &&
		    strcmp(asked->classes[n].name, name))
			return asked->classes[n].name;
	return NULL;
}

/* Whether it is this setting that is given and no other: of remove, that it is not. */
static bool says_only(const bool given[], int setting, int count)
{
	for (int i = 0; i < count; i++)
		if (given[i] != (i == setting))
			return false;
	return true;
}

static bool removes(const struct config_class_edit *edit)
{
	return edit->given[CONFIG_CLASS_REMOVE] && edit->remove;
}

/* Whether the change is about a class of this name, to remove it or not to. */
static bool has_class(const struct config_change *change, const char *name, bool removed)
{
	for (size_t n = 0; n < change->class_count; n++)
		if (!strcmp(change->classes[n].values.name, name))
			return removes(&change->classes[n]) == removed;
	return false;
}

static void remove_class(struct laying *laying, const char *name)
{
	size_t number = find_class(&laying->next, name);
	char text[LOG_TEXT];

	if (number == NONE)
		complain(laying, CONFIG_CLASS, name, "remove", "there is no such class%s",
			 meant_class(laying, name, text));
	else if (number < BWCTL_BUILTIN_CLASSES)
		complain(laying, CONFIG_CLASS, name, "remove",
			 "it is built in, and stays: expected one of your own");
	else
		laying->next.classes[number] = (struct bwctl_class_request){0};
}

/* Its own if it had one, else one that no class had before, as long as there is such a number. */
static size_t number_of_new(const struct laying *laying, const char *name)
{
	const struct bwctl_class_request *next = laying->next.classes;
	const struct bwctl_class_request *before = laying->before->classes;
	size_t number = find_class(laying->before, name);

	if (number != NONE)
		return number;
	for (number = BWCTL_BUILTIN_CLASSES; number < BWCTL_CLASSES; number++)
		if (!*next[number].name && !*before[number].name)
			return number;
	for (number = BWCTL_BUILTIN_CLASSES; number < BWCTL_CLASSES; number++)
		if (!*next[number].name && !has_class(laying->change, before[number].name, false))
			return number;
	return NONE;
}

static size_t add_class(struct laying *laying, const char *name)
{
	const char *lookalike = find_lookalike(&laying->next, name);
	size_t number = number_of_new(laying, name);
	struct bwctl_class_request *class;

	if (lookalike)
		complain(laying, CONFIG_CLASS, name, NULL,
			 "there is a class %s: expected a name that differs in more than case",
			 lookalike);
	else if (number == NONE)
		complain(laying, CONFIG_CLASS, name, NULL,
			 "is one too many: expected at most %d beside those that are built in",
			 BWCTL_OWN_CLASSES);
	if (lookalike || number == NONE)
		return NONE;
	class = &laying->next.classes[number];
	*class = (struct bwctl_class_request){.priority = BWCTL_PRIORITY_NORMAL};
	strcpy(class->name, name);
	return number;
}

static void edit_class(struct laying *laying, const struct config_class_edit *edit)
{
	size_t number = find_class(&laying->next, edit->values.name);
	struct bwctl_class_request *class;
	char text[LOG_TEXT];

	if (number == NONE && says_only(edit->given, CONFIG_CLASS_REMOVE, CONFIG_CLASS_SETTINGS)) {
		complain(laying, CONFIG_CLASS, edit->values.name, "remove",
			 "there is no such class%s", meant_class(laying, edit->values.name, text));
		return;
	}
	if (number == NONE)
		number = add_class(laying, edit->values.name);
	if (number == NONE)
		return;
	class = &laying->next.classes[number];
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		if (edit->given[direction])
			class->limit_bits_s[direction] = edit->values.limit_bits_s[direction];
	if (edit->given[CONFIG_CLASS_PRIORITY])
		class->priority = edit->values.priority;
	if (edit->given[CONFIG_CLASS_RESERVE])
		class->reserve_bits_s = edit->values.reserve_bits_s;
	if (edit->given[CONFIG_CLASS_EXEMPT])
		class->exempt = edit->values.exempt;
}

/* Those that go first, so that there is room for others. */
static void lay_classes(struct laying *laying)
{
	const struct config_change *change = laying->change;

	for (size_t n = 0; n < change->class_count; n++)
		if (removes(&change->classes[n]))
			remove_class(laying, change->classes[n].values.name);
	for (size_t n = 0; n < change->class_count; n++)
		if (!removes(&change->classes[n]))
			edit_class(laying, &change->classes[n]);
}

/* ---- flows ---- */

static size_t find_row(const struct laying *laying, const char *name)
{
	for (size_t n = 0; n < laying->count; n++)
		if (!strcmp(laying->rows[n].flow.name, name))
			return n;
	return NONE;
}

/* The number of a listed flow, or NONE. */
static size_t find_listed(const char *name)
{
	const struct bwctl_flow *listed;

	for (uint32_t n = 0; (listed = flow_table_listed(n)); n++)
		if (!strcmp(listed->name, name))
			return n;
	return NONE;
}

static void take_out(struct laying *laying, size_t at)
{
	laying->written -= at < laying->written;
	laying->count--;
	memmove(&laying->rows[at], &laying->rows[at + 1],
		(laying->count - at) * sizeof(*laying->rows));
}

static void put_in(struct laying *laying, size_t at, const struct row *row)
{
	memmove(&laying->rows[at + 1], &laying->rows[at],
		(laying->count - at) * sizeof(*laying->rows));
	laying->rows[at] = *row;
	laying->count++;
	laying->written += !row->flow.is_listed;
}

/* The listed flows in front of a row that nobody wrote become written ones, where they are. */
static void write_up_to(struct laying *laying, size_t at)
{
	for (; laying->written < at; laying->written++)
		laying->rows[laying->written].flow.is_listed = 0;
}

static struct row listed_row(size_t number)
{
	struct row row = {.flow = *flow_table_listed((uint32_t)number)};

	row.flow.is_listed = 1;
	strcpy(row.class, policy_class_name(NULL, row.flow.class));
	return row;
}

static void begin_rows(struct laying *laying)
{
	const struct bwctl_asked *before = laying->before;

	if (laying->change->whole) {
		laying->next.listed_removed = 0;
		for (size_t n = 0; flow_table_listed((uint32_t)n); n++) {
			struct row row = listed_row(n);

			put_in(laying, laying->count, &row);
		}
		return;
	}
	for (uint32_t n = 0; n < before->flow_count; n++) {
		struct row row = {.flow = before->flows[n]};

		snprintf(row.class, sizeof(row.class), "%s",
			 policy_class_name(before, row.flow.class));
		put_in(laying, laying->count, &row);
	}
}

static void remove_flow(struct laying *laying, const char *name)
{
	size_t at = find_row(laying, name), listed = find_listed(name);
	char text[LOG_TEXT];

	if (laying->change->whole && listed == NONE)
		complain(laying, CONFIG_FLOW, name, "remove",
			 "only a listed flow has to be removed: expected none of its lines");
	else if (at == NONE && listed == NONE)
		complain(laying, CONFIG_FLOW, name, "remove", "there is no such flow%s",
			 meant_flow(laying, name, text));
	if (at != NONE)
		take_out(laying, at);
	if (listed != NONE)
		laying->next.listed_removed |= 1U << listed;
}

/* Whether nothing but its place makes it another one than the listed one of its name. */
static bool is_as_listed(const struct row *row)
{
	size_t number = find_listed(row->flow.name);
	struct row listed, same = *row;

	if (number == NONE)
		return false;
	listed = listed_row(number);
	same.flow.is_listed = 1;
	same.flow.class = listed.flow.class;
	same.flow.counter = listed.flow.counter;
	return !memcmp(&same.flow, &listed.flow, sizeof(same.flow)) &&
	       !strcmp(same.class, listed.class);
}

/* The place of a listed flow, which is not there, among those that nobody wrote. */
static size_t listed_place(const struct laying *laying, size_t listed)
{
	size_t at = laying->written;

	while (at < laying->count && find_listed(laying->rows[at].flow.name) < listed)
		at++;
	return at;
}

/*
 * The last of those that are written, as long as they are as listed and stand where nobody
 * would have to write them, so that one that is listed again finds its place among them.
 */
static void unwrite(struct laying *laying)
{
	while (laying->written) {
		struct row *row = &laying->rows[laying->written - 1];

		if (!is_as_listed(row) ||
		    (laying->written < laying->count &&
		     find_listed(row[1].flow.name) < find_listed(row->flow.name)))
			return;
		row->flow.is_listed = 1;
		laying->written--;
	}
}

/* Back to where it is when nobody writes it. */
static void list_flow(struct laying *laying, const char *name)
{
	size_t at = find_row(laying, name), listed = find_listed(name);
	struct row row;

	if (listed == NONE) {
		complain(
			laying, CONFIG_FLOW, name, "default",
			"it is none of the listed ones: expected ui, admin, api, ssh, telnet, icmp "
			"or icmpv6");
		return;
	}
	if (at != NONE)
		take_out(laying, at);
	laying->next.listed_removed &= ~(1U << listed);
	if (laying->count == BWCTL_FLOW_ROWS) {
		complain(laying, CONFIG_FLOW, name, NULL, "is one too many: expected at most %d",
			 BWCTL_FLOW_ROWS);
		return;
	}
	unwrite(laying);
	row = listed_row(listed);
	put_in(laying, listed_place(laying, listed), &row);
}

static void change_flow(const struct config_flow_edit *edit, struct row *row)
{
	const struct bwctl_flow *values = &edit->values;
	struct bwctl_flow *flow = &row->flow;

	if (edit->given[CONFIG_FLOW_CLASS])
		strcpy(row->class, edit->class);
	if (edit->given[CONFIG_FLOW_PROTOCOL]) {
		flow->any_protocol = values->any_protocol;
		flow->protocol = values->protocol;
	}
	if (edit->given[CONFIG_FLOW_LOCAL]) {
		flow->local_ranges = values->local_ranges;
		memcpy(flow->local, values->local, sizeof(flow->local));
	}
	if (edit->given[CONFIG_FLOW_REMOTE]) {
		flow->remote_ranges = values->remote_ranges;
		memcpy(flow->remote, values->remote, sizeof(flow->remote));
	}
	if (edit->given[CONFIG_FLOW_PREFIX]) {
		flow->prefix_version = values->prefix_version;
		flow->prefix_bits = values->prefix_bits;
		memcpy(flow->prefix, values->prefix, sizeof(flow->prefix));
	}
	if (edit->given[CONFIG_FLOW_INTERFACE])
		memcpy(flow->interface, values->interface, sizeof(flow->interface));
}

/* Another one, which would be taken for it; a listed one may come back. */
static const char *find_lookalike_flow(const struct laying *laying, const char *name)
{
	const struct bwctl_flow *listed;

	for (size_t n = 0; n < laying->count; n++)
		if (!strcasecmp(laying->rows[n].flow.name, name))
			return laying->rows[n].flow.name;
	for (uint32_t n = 0; (listed = flow_table_listed(n)); n++)
		if (!strcasecmp(listed->name, name) && strcmp(listed->name, name))
			return listed->name;
	return NULL;
}

/* As it is before anything is said of it; a listed one, also one that was removed, as listed. */
static bool new_row(struct laying *laying, const struct config_flow_edit *edit, struct row *ret_row)
{
	const char *name = edit->values.name, *lookalike = find_lookalike_flow(laying, name);
	size_t listed = find_listed(name);
	char text[LOG_TEXT];

	if (lookalike) {
		complain(laying, CONFIG_FLOW, name, NULL,
			 "there is a flow %s: expected a name that differs in more than case",
			 lookalike);
		return false;
	}
	if (laying->count == BWCTL_FLOW_ROWS) {
		complain(laying, CONFIG_FLOW, name, NULL, "is one too many: expected at most %d",
			 BWCTL_FLOW_ROWS);
		return false;
	}
	if (listed != NONE) {
		*ret_row = listed_row(listed);
		laying->next.listed_removed &= ~(1U << listed);
		return true;
	}
	if (!edit->given[CONFIG_FLOW_CLASS] && laying->change->whole) {
		complain(laying, CONFIG_FLOW, name, NULL,
			 "the class is missing: expected class and its name");
	} else if (!edit->given[CONFIG_FLOW_CLASS]) {
		if (!*meant_flow(laying, name, text))
			snprintf(text, sizeof(text), ": a new one needs class and its name");
		complain(laying, CONFIG_FLOW, name, NULL, "there is no such flow%s", text);
		return false;
	}
	*ret_row = (struct row){.flow.any_protocol = 1};
	strcpy(ret_row->flow.name, name);
	return true;
}

/*
 * Where it goes, itself taken out, if it does not stay: before another, a listed one to
 * where it is listed, any other behind the written ones. A text has the written ones
 * alone, in their order, so that there a listed one is where it is written.
 */
static size_t place_of(struct laying *laying, const struct config_flow_edit *edit)
{
	size_t at = laying->written, listed = find_listed(edit->values.name);
	char text[LOG_TEXT];

	if (!edit->given[CONFIG_FLOW_BEFORE])
		return listed == NONE || laying->change->whole ? at : listed_place(laying, listed);
	if (!strcmp(edit->before, edit->values.name)) {
		complain(laying, CONFIG_FLOW, edit->values.name, "before",
			 "'%s' cannot come before itself", edit->before);
		return at;
	}
	at = find_row(laying, edit->before);
	if (at != NONE)
		return at;
	complain(laying, CONFIG_FLOW, edit->values.name, "before", "there is no flow '%s'%s",
		 edit->before, meant_flow(laying, edit->before, text));
	return laying->written;
}

static void edit_flow(struct laying *laying, const struct config_flow_edit *edit)
{
	size_t at = find_row(laying, edit->values.name);
	bool stays = at < laying->written && !edit->given[CONFIG_FLOW_BEFORE];
	struct row row;

	if (at == NONE && !new_row(laying, edit, &row))
		return;
	if (at != NONE) {
		row = laying->rows[at];
		take_out(laying, at);
	}
	row.flow.is_listed = 0;
	change_flow(edit, &row);
	if (!stays)
		at = place_of(laying, edit);
	write_up_to(laying, at);
	put_in(laying, at, &row);
}

/* That it is not removed, which changes nothing; but what is not listed has to be there. */
static void keep_flow(struct laying *laying, const char *name)
{
	char text[LOG_TEXT];

	if (find_row(laying, name) == NONE && find_listed(name) == NONE)
		complain(laying, CONFIG_FLOW, name, "remove", "there is no such flow%s",
			 meant_flow(laying, name, text));
}

static void lay_flows(struct laying *laying)
{
	const struct config_change *change = laying->change;

	begin_rows(laying);
	/* Those that go first, so that there is room for others. */
	for (size_t n = 0; n < change->flow_count; n++)
		if (change->flows[n].given[CONFIG_FLOW_REMOVE] && change->flows[n].remove)
			remove_flow(laying, change->flows[n].values.name);
	for (size_t n = 0; n < change->flow_count; n++) {
		const struct config_flow_edit *edit = &change->flows[n];

		if (edit->given[CONFIG_FLOW_REMOVE] && edit->remove)
			continue;
		if (edit->given[CONFIG_FLOW_DEFAULT])
			list_flow(laying, edit->values.name);
		else if (!change->whole &&
			 says_only(edit->given, CONFIG_FLOW_REMOVE, CONFIG_FLOW_SETTINGS))
			keep_flow(laying, edit->values.name);
		else
			edit_flow(laying, edit);
	}
}

/* ---- numbers ---- */

/* "jump, telnet and 3 more" */
static const char *flows_into(const struct laying *laying, const char *class, char text[LOG_TEXT])
{
	size_t length = 0, count = 0;

	*text = '\0';
	for (size_t n = 0; n < laying->count; n++)
		if (!strcmp(laying->rows[n].class, class) && ++count <= 8)
			length += (size_t)snprintf(text + length, LOG_TEXT - length, "%s%s",
						   count > 1 ? ", " : "",
						   laying->rows[n].flow.name);
	if (count > 8)
		snprintf(text + length, LOG_TEXT - length, " and %zu more", count - 8);
	return text;
}

static void number_classes(struct laying *laying)
{
	char text[LOG_TEXT];

	for (size_t n = 0; n < laying->change->class_count; n++) {
		const struct config_class_edit *edit = &laying->change->classes[n];
		const char *name = edit->values.name;

		if (removes(edit) && find_class(laying->before, name) != NONE &&
		    find_class(&laying->next, name) == NONE && *flows_into(laying, name, text))
			complain(
				laying, CONFIG_CLASS, name, "remove",
				"flows lead into it: %.300s: expected them to be removed, or to lead "
				"elsewhere",
				text);
	}
	for (size_t n = 0; n < laying->count; n++) {
		struct row *row = &laying->rows[n];
		size_t number = find_class(&laying->next, row->class);

		if (number != NONE)
			row->flow.class = (__u8)number;
		/* One that goes has been said; that there is none in a new flow, too. */
		else if (*row->class && !has_class(laying->change, row->class, true))
			complain(laying, CONFIG_FLOW, row->flow.name, "class",
				 "there is no class '%s'%s", row->class,
				 meant_class(laying, row->class, text));
	}
}

static size_t find_counter(const struct bwctl_asked *asked, const char *name)
{
	for (uint32_t n = 0; n < asked->flow_count; n++)
		if (!strcmp(asked->flows[n].name, name))
			return asked->flows[n].counter;
	return NONE;
}

static void number_flows(struct laying *laying)
{
	bool had[BWCTL_FLOW_ROWS] = {false}, has[BWCTL_FLOW_ROWS] = {false};
	size_t counter;

	for (uint32_t n = 0; n < laying->before->flow_count; n++)
		had[laying->before->flows[n].counter] = true;
	for (size_t n = 0; n < laying->count; n++) {
		counter = find_counter(laying->before, laying->rows[n].flow.name);
		if (counter != NONE)
			has[counter] = true;
	}
	for (size_t n = 0; n < laying->count; n++) {
		struct bwctl_flow *flow = &laying->rows[n].flow;

		counter = find_counter(laying->before, flow->name);
		for (size_t i = 0; i < BWCTL_FLOW_ROWS && counter == NONE; i++)
			if (!had[i] && !has[i])
				counter = i;
		for (size_t i = 0; i < BWCTL_FLOW_ROWS && counter == NONE; i++)
			if (!has[i])
				counter = i;
		/* There are no more rows than counters. */
		has[counter] = true;
		flow->counter = (__u16)counter;
	}
}

/* ---- what does not go together ---- */

static bool has_ports(const struct bwctl_flow *flow)
{
	switch (flow->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		return true;
	default:
		/* Then only those that have ports are meant. */
		return flow->any_protocol;
	}
}

/* What IPv6 takes for a part of its own header: what is behind decides. */
static bool is_extension(const struct bwctl_flow *flow)
{
	switch (flow->protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_AH:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
		return !flow->any_protocol;
	default:
		return false;
	}
}

static void check_flow(struct laying *laying, const struct bwctl_flow *flow)
{
	const struct config_keys *keys = &config_keys[CONFIG_FLOW];
	const struct bwctl_asked *asked = &laying->next;
	size_t row = (size_t)(flow - asked->flows);
	char protocol[UNITS_TEXT], prefix[UNITS_TEXT];

	config_print_value(&keys->keys[CONFIG_FLOW_PROTOCOL], asked, row, protocol);
	config_print_value(&keys->keys[CONFIG_FLOW_PREFIX], asked, row, prefix);
	if ((flow->local_ranges || flow->remote_ranges) && !has_ports(flow))
		complain(
			laying, CONFIG_FLOW, flow->name, flow->local_ranges ? "local" : "remote",
			"protocol %s has no ports: expected any, or tcp, udp, sctp, dccp or any as "
			"protocol",
			protocol);
	if (flow->prefix_version == 6 && !flow->any_protocol && flow->protocol == IPPROTO_ICMP)
		complain(laying, CONFIG_FLOW, flow->name, "prefix",
			 "'%s' has no icmp: expected an IPv4 prefix, or icmpv6 as protocol",
			 prefix);
	else if (flow->prefix_version == 4 && flow->protocol == IPPROTO_ICMPV6)
		complain(laying, CONFIG_FLOW, flow->name, "prefix",
			 "'%s' has no icmpv6: expected an IPv6 prefix, or icmp as protocol",
			 prefix);
	else if (flow->prefix_version == 6 && is_extension(flow))
		complain(laying, CONFIG_FLOW, flow->name, "prefix",
			 "'%s': protocol %s is a part of the header in IPv6, and no packet's: "
			 "expected an IPv4 prefix",
			 prefix, protocol);
}

static void check_class(struct laying *laying, const struct bwctl_class_request *class)
{
	char limit[UNITS_TEXT], reserve[UNITS_TEXT];
	uint64_t least = 0;
	int direction = 0;

	for (int i = 0; i < BWCTL_DIRECTIONS; i++)
		if (class->limit_bits_s[i] && (!least || class->limit_bits_s[i] < least)) {
			least = class->limit_bits_s[i];
			direction = i;
		}
	if (class->exempt && class->reserve_bits_s)
		complain(laying, CONFIG_CLASS, class->name, "reserve",
			 "an exempt class passes unmetered: expected none, or exempt no");
	else if (least && class->reserve_bits_s > least)
		complain(laying, CONFIG_CLASS, class->name, "reserve",
			 "%s is more than the %s limit of its own, %s: expected at most that",
			 units_exact_rate(class->reserve_bits_s, reserve),
			 policy_direction_name((enum bwctl_direction)direction),
			 units_exact_rate(least, limit));
	if (class->exempt && least)
		complain(laying, CONFIG_CLASS, class->name, "exempt",
			 "its limit of %s is not kept where it passes unmetered: expected no, or "
			 "unlimited as its limit",
			 units_exact_rate(least, limit));
}

#define NAMED_MAX 8 /* of a list in an error */

/* "ui 2mbit, ssh 5mbit and 3 more". Returns the first of them, or NULL. */
static const char *reserves_of(const struct bwctl_asked *asked, char text[LOG_TEXT])
{
	const char *first = NULL;
	size_t length = 0, count = 0;
	char reserve[UNITS_TEXT];

	*text = '\0';
	for (size_t n = 0; n < BWCTL_CLASSES; n++) {
		const struct bwctl_class_request *class = &asked->classes[n];

		if (!class->reserve_bits_s || ++count > NAMED_MAX)
			continue;
		length += (size_t)snprintf(text + length, LOG_TEXT - length, "%s%s %s",
					   first ? ", " : "", class->name,
					   units_exact_rate(class->reserve_bits_s, reserve));
		first = first ? first : class->name;
	}
	if (count > NAMED_MAX)
		snprintf(text + length, LOG_TEXT - length, " and %zu more", count - NAMED_MAX);
	return first;
}

/* Said where the last reserve was given, which may be what is too much. */
static void check_sum(struct laying *laying)
{
	const struct bwctl_asked *asked = &laying->next;
	const char *last = NULL, *first;
	uint64_t sum_bits_s = 0, least = 0;
	char limit[UNITS_TEXT], sum[UNITS_TEXT], reserves[LOG_TEXT];
	int direction = 0;

	for (size_t n = 0; n < BWCTL_CLASSES; n++)
		sum_bits_s += asked->classes[n].reserve_bits_s;
	for (size_t n = 0; n < laying->change->class_count; n++)
		if (laying->change->classes[n].given[CONFIG_CLASS_RESERVE] &&
		    laying->change->classes[n].values.reserve_bits_s)
			last = laying->change->classes[n].values.name;
	for (int i = 0; i < BWCTL_DIRECTIONS; i++) {
		uint64_t limit_bits_s = asked->request[i].limit_bits_s;

		if (limit_bits_s && (!least || limit_bits_s < least)) {
			least = limit_bits_s;
			direction = i;
		}
	}
	if (!least || sum_bits_s <= least)
		return;
	first = reserves_of(asked, reserves);
	complain(laying, last ? CONFIG_CLASS : CONFIG_LIMIT, last,
		 last ? "reserve" : policy_direction_name((enum bwctl_direction)direction),
		 "all that is reserved is %s together (%.240s), more than the %s limit, %s: "
		 "expected at most that, or less reserved (class %s reserve none)",
		 units_exact_rate(sum_bits_s, sum), reserves,
		 policy_direction_name((enum bwctl_direction)direction),
		 units_exact_rate(least, limit), first);
}

/* All there are: what was right before the change may not go together with it. */
static void check(struct laying *laying)
{
	const struct bwctl_asked *asked = &laying->next;

	for (size_t n = 0; n < BWCTL_CLASSES; n++)
		if (*asked->classes[n].name)
			check_class(laying, &asked->classes[n]);
	check_sum(laying);
	for (uint32_t n = 0; n < asked->flow_count; n++)
		check_flow(laying, &asked->flows[n]);
}

/* ---- all of it ---- */

size_t config_lay(const struct config_change *change, struct bwctl_asked *asked,
		  void (*say)(void *context, const struct config_place *place, const char *why),
		  void *context)
{
	struct laying laying = {.change = change, .before = asked, .say = say, .context = context};

	if (change->whole)
		policy_default(&laying.next);
	else
		laying.next = *asked;
	memset(laying.next.flows, 0, sizeof(laying.next.flows));
	lay_limit(change, laying.next.request);
	lay_classes(&laying);
	lay_flows(&laying);
	number_classes(&laying);
	number_flows(&laying);
	laying.next.flow_count = (__u32)laying.count;
	for (size_t n = 0; n < laying.count; n++)
		laying.next.flows[n] = laying.rows[n].flow;
	check(&laying);
	if (!laying.problems)
		*asked = laying.next;
	return laying.problems;
}

static void keep_first(void *context, const struct config_place *place, const char *why)
{
	char *text = context;

	if (*text)
		return;
	if (!place->name)
		why_refuse(text, -EINVAL, "%s", why);
	else if (!place->key)
		why_refuse(text, -EINVAL, "%s %s: %.400s", config_keys[place->section].section,
			   place->name, why);
	else
		why_refuse(text, -EINVAL, "%s %s: %s: %.400s", config_keys[place->section].section,
			   place->name, place->key->name, why);
}

int config_apply(const struct config_change *change, struct bwctl_asked *asked, char why[LOG_TEXT])
{
	*why = '\0';
	return config_lay(change, asked, keep_first, why) ? -EINVAL : 0;
}
