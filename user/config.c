// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Words to policy: one table of keys for each section, for "bwctl set" and for the
 * policy file.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "flow_table.h"
#include "policy.h"
#include "units.h"
#include "why.h"
#include "words.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- a value of the limit: read, and written ---- */

/* A rate, or the word for none, which is 0. */
static int parse_rate(const char *text, const char *none, uint64_t *ret_rate_bits_s,
		      char why[LOG_TEXT])
{
	char problem[UNITS_TEXT];

	*ret_rate_bits_s = 0;
	if (strcasecmp(text, none) && units_parse_rate(text, ret_rate_bits_s, problem))
		return why_refuse(why, -EINVAL, "%s", problem);
	return 0;
}

static void print_rate(uint64_t rate_bits_s, const char *none, char text[UNITS_TEXT])
{
	if (rate_bits_s)
		units_exact_rate(rate_bits_s, text);
	else
		strcpy(text, none);
}

/* The direction that a key is printed of: what is of neither is the same in both. */
static enum bwctl_direction direction_of(const struct config_key *key)
{
	return key->settings == 1U << CONFIG_EGRESS ? BWCTL_EGRESS : BWCTL_INGRESS;
}

static int parse_limit(const struct config_key *key, const char *text, struct config_change *change,
		       size_t number, char why[LOG_TEXT])
{
	uint64_t limit_bits_s;
	int err = parse_rate(text, "unlimited", &limit_bits_s, why);

	(void)number;
	for (int direction = 0; direction < BWCTL_DIRECTIONS && !err; direction++)
		if (key->settings & 1U << direction)
			change->limit_bits_s[direction] = limit_bits_s;
	return err;
}

static void print_limit(const struct config_key *key, const struct bwctl_asked *asked,
			size_t number, char text[UNITS_TEXT])
{
	(void)number;
	print_rate(asked->request[direction_of(key)].limit_bits_s, "unlimited", text);
}

static int parse_window(const struct config_key *key, const char *text,
			struct config_change *change, size_t number, char why[LOG_TEXT])
{
	char problem[UNITS_TEXT];

	(void)key;
	(void)number;
	change->window_ns = 0;
	if (!strcasecmp(text, "default"))
		return 0;
	if (units_parse_time(text, &change->window_ns, problem))
		return why_refuse(why, -EINVAL, "%s", problem);
	if (change->window_ns < POLICY_WINDOW_MIN_NS || change->window_ns > POLICY_WINDOW_MAX_NS)
		return why_refuse(why, -EINVAL, "'%.60s' is out of range: expected 100ms to 3600s",
				  text);
	return 0;
}

static void print_time(uint64_t time_ns, char text[UNITS_TEXT])
{
	if (time_ns)
		units_exact_time(time_ns, text);
	else
		strcpy(text, "default");
}

static void print_window(const struct config_key *key, const struct bwctl_asked *asked,
			 size_t number, char text[UNITS_TEXT])
{
	(void)key;
	(void)number;
	print_time(asked->request[0].window_ns, text);
}

/* A burst is a time (200ms) or a size (64kb): whichever the text can be read as. */
static int parse_burst(const struct config_key *key, const char *text, struct config_change *change,
		       size_t number, char why[LOG_TEXT])
{
	char not_a_time[UNITS_TEXT], not_a_size[UNITS_TEXT];

	(void)key;
	(void)number;
	change->burst_ns = change->burst_bytes = 0;
	if (!strcasecmp(text, "default") ||
	    !units_parse_time(text, &change->burst_ns, not_a_time) ||
	    !units_parse_size(text, &change->burst_bytes, not_a_size))
		return 0;
	if (strchr(text, 's') || strchr(text, 'S'))
		return why_refuse(why, -EINVAL, "%s", not_a_time);
	return why_refuse(why, -EINVAL, "'%.60s': expected a time (200ms) or a size (64kb)", text);
}

static void print_burst(const struct config_key *key, const struct bwctl_asked *asked,
			size_t number, char text[UNITS_TEXT])
{
	(void)key;
	(void)number;
	if (asked->request[0].burst_bytes)
		units_exact_size(asked->request[0].burst_bytes, text);
	else
		print_time(asked->request[0].burst_ns, text);
}

static int parse_overhead(const struct config_key *key, const char *text,
			  struct config_change *change, size_t number, char why[LOG_TEXT])
{
	char problem[UNITS_TEXT];

	(void)key;
	(void)number;
	if (units_parse_integer(text, 0, POLICY_OVERHEAD_MAX, &change->overhead_bytes, problem))
		return why_refuse(why, -EINVAL, "%s", problem);
	return 0;
}

static void print_overhead(const struct config_key *key, const struct bwctl_asked *asked,
			   size_t number, char text[UNITS_TEXT])
{
	(void)key;
	(void)number;
	snprintf(text, UNITS_TEXT, "%llu", (unsigned long long)asked->request[0].overhead_bytes);
}

static int parse_mode(const struct config_key *key, const char *text, struct config_change *change,
		      size_t number, char why[LOG_TEXT])
{
	static const enum bwctl_mode modes[] = {BWCTL_MODE_AUTO, BWCTL_MODE_PACE, BWCTL_MODE_POLICE,
						BWCTL_MODE_OBSERVE};

	(void)key;
	(void)number;
	for (size_t i = 0; i < COUNT(modes); i++)
		if (!strcasecmp(text, policy_mode_name(modes[i]))) {
			change->mode = modes[i];
			return 0;
		}
	return why_refuse(why, -EINVAL, "'%.60s': expected auto, pace, police or observe", text);
}

static void print_mode(const struct config_key *key, const struct bwctl_asked *asked, size_t number,
		       char text[UNITS_TEXT])
{
	(void)key;
	(void)number;
	strcpy(text, policy_mode_name((enum bwctl_mode)asked->request[0].mode));
}

static int parse_horizon(const struct config_key *key, const char *text,
			 struct config_change *change, size_t number, char why[LOG_TEXT])
{
	char problem[UNITS_TEXT];

	(void)key;
	(void)number;
	change->horizon_ns = 0;
	if (!strcasecmp(text, "default"))
		return 0;
	if (units_parse_time(text, &change->horizon_ns, problem))
		return why_refuse(why, -EINVAL, "%s", problem);
	if (change->horizon_ns < POLICY_HORIZON_MIN_NS ||
	    change->horizon_ns > POLICY_HORIZON_MAX_NS)
		return why_refuse(why, -EINVAL, "'%.60s' is out of range: expected 5ms to 2s",
				  text);
	return 0;
}

static void print_horizon(const struct config_key *key, const struct bwctl_asked *asked,
			  size_t number, char text[UNITS_TEXT])
{
	(void)key;
	(void)number;
	print_time(asked->request[0].horizon_ns, text);
}

/* ---- of a class ---- */

static int parse_class_limit(const struct config_key *key, const char *text,
			     struct config_change *change, size_t number, char why[LOG_TEXT])
{
	uint64_t limit_bits_s;
	int err = parse_rate(text, "unlimited", &limit_bits_s, why);

	for (int direction = 0; direction < BWCTL_DIRECTIONS && !err; direction++)
		if (key->settings & 1U << direction)
			change->classes[number].values.limit_bits_s[direction] = limit_bits_s;
	return err;
}

static void print_class_limit(const struct config_key *key, const struct bwctl_asked *asked,
			      size_t number, char text[UNITS_TEXT])
{
	print_rate(asked->classes[number].limit_bits_s[direction_of(key)], "unlimited", text);
}

static int parse_priority(const struct config_key *key, const char *text,
			  struct config_change *change, size_t number, char why[LOG_TEXT])
{
	(void)key;
	for (int priority = BWCTL_PRIORITY_LOW; priority <= BWCTL_PRIORITY_HIGH; priority++)
		if (!strcasecmp(text, policy_priority_name(priority))) {
			change->classes[number].values.priority = (__u8)priority;
			return 0;
		}
	return why_refuse(why, -EINVAL, "'%.60s': expected high, normal or low", text);
}

static void print_priority(const struct config_key *key, const struct bwctl_asked *asked,
			   size_t number, char text[UNITS_TEXT])
{
	(void)key;
	strcpy(text, policy_priority_name(asked->classes[number].priority));
}

static int parse_reserve(const struct config_key *key, const char *text,
			 struct config_change *change, size_t number, char why[LOG_TEXT])
{
	uint64_t reserve_bits_s;
	int err;

	(void)key;
	/* No reserve, said in another way, or no rate at all. */
	if (strcasecmp(text, "none") && !strpbrk(text, "123456789"))
		return why_refuse(why, -EINVAL, "'%.60s': expected a rate, or none", text);
	err = parse_rate(text, "none", &reserve_bits_s, why);
	if (!err)
		change->classes[number].values.reserve_bits_s = reserve_bits_s;
	return err;
}

static void print_reserve(const struct config_key *key, const struct bwctl_asked *asked,
			  size_t number, char text[UNITS_TEXT])
{
	(void)key;
	print_rate(asked->classes[number].reserve_bits_s, "none", text);
}

static int parse_yes(const char *text, bool *ret_yes, char why[LOG_TEXT])
{
	*ret_yes = !strcasecmp(text, "yes");
	if (*ret_yes || !strcasecmp(text, "no"))
		return 0;
	return why_refuse(why, -EINVAL, "'%.60s': expected yes or no", text);
}

static int parse_exempt(const struct config_key *key, const char *text,
			struct config_change *change, size_t number, char why[LOG_TEXT])
{
	bool yes;
	int err = parse_yes(text, &yes, why);

	(void)key;
	if (!err)
		change->classes[number].values.exempt = yes;
	return err;
}

static void print_exempt(const struct config_key *key, const struct bwctl_asked *asked,
			 size_t number, char text[UNITS_TEXT])
{
	(void)key;
	strcpy(text, asked->classes[number].exempt ? "yes" : "no");
}

static int parse_class_remove(const struct config_key *key, const char *text,
			      struct config_change *change, size_t number, char why[LOG_TEXT])
{
	(void)key;
	return parse_yes(text, &change->classes[number].remove, why);
}

/* Of what is there. */
static void print_remove(const struct config_key *key, const struct bwctl_asked *asked,
			 size_t number, char text[UNITS_TEXT])
{
	(void)key;
	(void)asked;
	(void)number;
	strcpy(text, "no");
}

/* ---- of a flow ---- */

/* A word that means something by itself, in a place where a name may stand. */
static bool is_reserved(const char *word)
{
	static const char *const words[] = {"class",	  "flow", "any", "none", "unlimited",
					    "interfaces", "all",  "yes", "no"};

	for (size_t i = 0; i < COUNT(words); i++)
		if (!strcasecmp(words[i], word))
			return true;
	for (int section = 0; section < CONFIG_SECTIONS; section++)
		for (size_t n = 0; n < config_keys[section].count; n++)
			if (!strcasecmp(config_keys[section].keys[n].name, word))
				return true;
	return false;
}

static int check_name(enum config_section section, const char *name, char why[LOG_TEXT])
{
	char quoted[WORDS_QUOTE + 4], ignored[UNITS_TEXT];
	uint64_t rate_bits_s;
	size_t length = 0;

	while (name[length] && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_",
				      name[length]))
		length++;
	words_quote(name, quoted);
	if (!length || name[length] || length >= BWCTL_NAME || *name == '-')
		return why_refuse(
			why, -EINVAL,
			"'%s' can be no name: expected letters, digits, - and _, at most %d",
			quoted, BWCTL_NAME - 1);
	if (is_reserved(name) || !units_parse_rate(name, &rate_bits_s, ignored))
		return why_refuse(why, -EINVAL, "'%s' has a meaning of its own: expected a name",
				  quoted);
	/* "flows" has rows of these names for what no flow matches. */
	if (section == CONFIG_FLOW && (!strcasecmp(name, "other") || !strcasecmp(name, "control")))
		return why_refuse(why, -EINVAL,
				  "'%s' is what no flow matches: expected another name", quoted);
	return 0;
}

static int parse_flow_class(const struct config_key *key, const char *text,
			    struct config_change *change, size_t number, char why[LOG_TEXT])
{
	int err = check_name(CONFIG_CLASS, text, why);

	(void)key;
	if (!err)
		strcpy(change->flows[number].class, text);
	return err;
}

static void print_flow_class(const struct config_key *key, const struct bwctl_asked *asked,
			     size_t number, char text[UNITS_TEXT])
{
	(void)key;
	strcpy(text, policy_class_name(asked, asked->flows[number].class));
}

static const struct protocol {
	const char *name;
	int number;
} protocols[] = {
	{"tcp", IPPROTO_TCP},	{"udp", IPPROTO_UDP},
	{"icmp", IPPROTO_ICMP}, {"icmpv6", IPPROTO_ICMPV6},
	{"sctp", IPPROTO_SCTP}, {"dccp", IPPROTO_DCCP},
	{"esp", IPPROTO_ESP},	{"ah", IPPROTO_AH},
	{"gre", IPPROTO_GRE},	{"any", -1},
};

static int parse_protocol(const struct config_key *key, const char *text,
			  struct config_change *change, size_t number, char why[LOG_TEXT])
{
	struct bwctl_flow *flow = &change->flows[number].values;
	const char *names[COUNT(protocols)];
	char quoted[WORDS_QUOTE + 4], meant[LOG_TEXT], problem[UNITS_TEXT];
	uint64_t protocol;

	(void)key;
	for (size_t i = 0; i < COUNT(protocols); i++) {
		names[i] = protocols[i].name;
		if (strcasecmp(text, names[i]))
			continue;
		flow->any_protocol = protocols[i].number < 0;
		flow->protocol = flow->any_protocol ? 0 : (__u8)protocols[i].number;
		return 0;
	}
	if (strspn(text, "0123456789") && !text[strspn(text, "0123456789")]) {
		if (units_parse_integer(text, 0, 255, &protocol, problem))
			return why_refuse(why, -EINVAL, "%s", problem);
		flow->any_protocol = 0;
		flow->protocol = (__u8)protocol;
		return 0;
	}
	if (words_nearest(names, COUNT(names), "''", text, meant))
		return why_refuse(why, -EINVAL, "'%s': %.100s", words_quote(text, quoted), meant);
	return why_refuse(why, -EINVAL,
			  "'%s': expected tcp, udp, icmp, icmpv6, sctp, dccp, esp, ah, gre, any or "
			  "a number up to 255",
			  words_quote(text, quoted));
}

static void print_protocol(const struct config_key *key, const struct bwctl_asked *asked,
			   size_t number, char text[UNITS_TEXT])
{
	const struct bwctl_flow *flow = &asked->flows[number];
	int protocol = flow->any_protocol ? -1 : flow->protocol;

	(void)key;
	snprintf(text, UNITS_TEXT, "%d", protocol);
	for (size_t i = 0; i < COUNT(protocols); i++)
		if (protocols[i].number == protocol)
			strcpy(text, protocols[i].name);
}

#define PORT_MIN 0
#define PORT_MAX 65535

static int parse_port(const char *text, uint64_t *ret_port, char why[LOG_TEXT])
{
	char problem[UNITS_TEXT];

	if (!units_parse_integer(text, PORT_MIN, PORT_MAX, ret_port, problem))
		return 0;
	return why_refuse(why, -EINVAL, "%s", problem);
}

/* One of a list: 443, 1024-65535, >1024 or <1024. */
static int parse_range(char *text, struct bwctl_ports *ret_range, char why[LOG_TEXT])
{
	char *dash = strchr(text, '-');
	uint64_t first = PORT_MIN, last = PORT_MAX;
	int err;

	if (*text == '>') {
		err = parse_port(text + 1, &first, why);
		if (!err && first++ == PORT_MAX)
			err = why_refuse(why, -EINVAL, "'%s' is no port at all", text);
	} else if (*text == '<') {
		err = parse_port(text + 1, &last, why);
		if (!err && last-- == PORT_MIN)
			err = why_refuse(why, -EINVAL, "'%s' is no port at all", text);
	} else if (dash && dash > text) {
		*dash = '\0';
		err = parse_port(text, &first, why);
		if (!err)
			err = parse_port(dash + 1, &last, why);
		if (!err && first > last)
			err = why_refuse(why, -EINVAL, "'%s-%s' goes backwards: expected %s-%s",
					 text, dash + 1, dash + 1, text);
	} else {
		err = parse_port(text, &first, why);
		last = first;
	}
	if (!err)
		*ret_range = (struct bwctl_ports){.first = (__u16)first, .last = (__u16)last};
	return err;
}

/* Keeps them in order, apart from each other: as few as say the same. */
static size_t add_range(struct bwctl_ports *ranges, size_t count, struct bwctl_ports added)
{
	size_t kept = 0, at = 0;

	for (size_t i = 0; i < count; i++) {
		if (ranges[i].last + 1 < added.first || added.last + 1 < ranges[i].first) {
			ranges[kept++] = ranges[i];
			continue;
		}
		if (ranges[i].first < added.first)
			added.first = ranges[i].first;
		if (ranges[i].last > added.last)
			added.last = ranges[i].last;
	}
	while (at < kept && ranges[at].first < added.first)
		at++;
	memmove(&ranges[at + 1], &ranges[at], (kept - at) * sizeof(*ranges));
	ranges[at] = added;
	return kept + 1;
}

#define RANGES_READ 64 /* before those that touch each other are made one */

static int parse_ranges(const char *text, struct bwctl_ports ranges[RANGES_READ], size_t *ret_count,
			char why[LOG_TEXT])
{
	char quoted[WORDS_QUOTE + 4], word[32];

	*ret_count = 0;
	while (true) {
		struct bwctl_ports range;
		size_t length;
		int err;

		text += strspn(text, " \t");
		length = strcspn(text, ",");
		while (length && strchr(" \t", text[length - 1]))
			length--;
		snprintf(word, sizeof(word), "%.*s", (int)(length < 31 ? length : 31), text);
		if (!length || length >= sizeof(word) || !strchr("0123456789<>", *word))
			return why_refuse(why, -EINVAL,
					  "'%s': expected any, or ports such as 443, 1024-65535, "
					  ">1024 or <1024, with commas between",
					  words_quote(word, quoted));
		err = parse_range(word, &range, why);
		if (err)
			return err;
		if (*ret_count + 1 == RANGES_READ)
			return why_refuse(why, -EINVAL,
					  "too many ports: expected at most %d ranges",
					  BWCTL_PORT_RANGES);
		*ret_count = add_range(ranges, *ret_count, range);
		text += strcspn(text, ",");
		if (!*text++)
			return 0;
	}
}

static int parse_ports(const struct config_key *key, const char *text, struct config_change *change,
		       size_t number, char why[LOG_TEXT])
{
	struct bwctl_flow *flow = &change->flows[number].values;
	bool is_local = key->settings == 1U << CONFIG_FLOW_LOCAL;
	struct bwctl_ports ranges[RANGES_READ];
	struct bwctl_ports *kept = is_local ? flow->local : flow->remote;
	size_t count = 0;
	int err = 0;

	if (strcasecmp(text, "any"))
		err = parse_ranges(text, ranges, &count, why);
	if (!err && count > BWCTL_PORT_RANGES)
		err = why_refuse(why, -EINVAL, "these are %zu ranges: expected at most %d", count,
				 BWCTL_PORT_RANGES);
	if (err)
		return err;
	memset(kept, 0, sizeof(flow->local));
	memcpy(kept, ranges, count * sizeof(*kept));
	*(is_local ? &flow->local_ranges : &flow->remote_ranges) = (__u8)count;
	return 0;
}

static void print_ports(const struct config_key *key, const struct bwctl_asked *asked,
			size_t number, char text[UNITS_TEXT])
{
	const struct bwctl_flow *flow = &asked->flows[number];
	bool is_local = key->settings == 1U << CONFIG_FLOW_LOCAL;
	const struct bwctl_ports *ranges = is_local ? flow->local : flow->remote;
	uint32_t count = is_local ? flow->local_ranges : flow->remote_ranges;
	size_t length = 0;

	strcpy(text, "any");
	for (uint32_t i = 0; i < count && i < BWCTL_PORT_RANGES; i++) {
		unsigned int first = ranges[i].first, last = ranges[i].last;
		char *end = text + length;
		size_t room = UNITS_TEXT - length;
		const char *comma = i ? "," : "";

		if (first == last)
			length += (size_t)snprintf(end, room, "%s%u", comma, first);
		else if (last == PORT_MAX && first > PORT_MIN)
			length += (size_t)snprintf(end, room, "%s>%u", comma, first - 1);
		else if (first == PORT_MIN && last < PORT_MAX)
			length += (size_t)snprintf(end, room, "%s<%u", comma, last + 1);
		else
			length += (size_t)snprintf(end, room, "%s%u-%u", comma, first, last);
	}
}

_Static_assert(BWCTL_PORT_RANGES * sizeof("65535-65535,") < UNITS_TEXT, "room for all ranges");

/* Takes off what is beyond the first bits. Whether that was nothing. */
static bool mask_prefix(__u8 prefix[16], uint32_t bits)
{
	bool was_nothing = true;

	for (uint32_t i = 0; i < 16; i++) {
		uint32_t left = bits > i * 8 ? bits - i * 8 : 0;
		__u8 mask = left >= 8 ? 0xff : (__u8)(0xff00 >> left);

		was_nothing &= !(prefix[i] & ~mask);
		prefix[i] &= mask;
	}
	return was_nothing;
}

static void format_prefix(const struct bwctl_flow *flow, char text[UNITS_TEXT])
{
	uint32_t all = flow->prefix_version == 4 ? 32 : 128;
	size_t length;

	if (!flow->prefix_version) {
		strcpy(text, "any");
		return;
	}
	inet_ntop(flow->prefix_version == 4 ? AF_INET : AF_INET6, flow->prefix, text, UNITS_TEXT);
	length = strlen(text);
	if (flow->prefix_bits < all)
		snprintf(text + length, UNITS_TEXT - length, "/%u", flow->prefix_bits);
}

static int parse_prefix(const struct config_key *key, const char *text,
			struct config_change *change, size_t number, char why[LOG_TEXT])
{
	static const __u8 mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct bwctl_flow *flow = &change->flows[number].values, read = {0};
	char address[INET6_ADDRSTRLEN] = "", quoted[WORDS_QUOTE + 4];
	char problem[UNITS_TEXT], masked[UNITS_TEXT];
	size_t length = strcspn(text, "/");
	uint64_t bits;

	(void)key;
	words_quote(text, quoted);
	if (length < sizeof(address))
		memcpy(address, text, length);
	if (inet_pton(AF_INET, address, read.prefix) == 1)
		read.prefix_version = 4;
	else if (inet_pton(AF_INET6, address, read.prefix) == 1)
		read.prefix_version = 6;
	else if (strcasecmp(text, "any"))
		return why_refuse(why, -EINVAL,
				  "'%s': expected an address, a prefix such as 10.1.0.0/16 or "
				  "2001:db8::/32, or any",
				  quoted);
	bits = read.prefix_version == 4 ? 32 : read.prefix_version ? 128 : 0;
	if (read.prefix_version && text[length] &&
	    units_parse_integer(text + length + 1, 0, bits, &bits, problem))
		return why_refuse(why, -EINVAL, "'%s': expected a length of 0 to %d behind the /",
				  quoted, (int)bits);
	read.prefix_bits = (__u8)bits;
	if (read.prefix_version == 6 && bits >= 96 && !memcmp(read.prefix, mapped, sizeof(mapped)))
		return why_refuse(why, -EINVAL,
				  "'%s' is no address that IPv6 packets have: expected it as IPv4",
				  quoted);
	if (!mask_prefix(read.prefix, read.prefix_bits)) {
		format_prefix(&read, masked);
		return why_refuse(why, -EINVAL, "'%s' has bits behind its prefix: expected %s",
				  quoted, masked);
	}
	flow->prefix_version = read.prefix_version;
	flow->prefix_bits = read.prefix_bits;
	memcpy(flow->prefix, read.prefix, sizeof(flow->prefix));
	return 0;
}

static void print_prefix(const struct config_key *key, const struct bwctl_asked *asked,
			 size_t number, char text[UNITS_TEXT])
{
	(void)key;
	format_prefix(&asked->flows[number], text);
}

bool config_is_interface_name(const char *name, size_t length)
{
	if (!length || length >= BWCTL_NAME ||
	    (*name == '.' && (length == 1 || (length == 2 && name[1] == '.'))))
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f || strchr("/:=;#[]", name[i]))
			return false;
	return true;
}

static int parse_interface(const struct config_key *key, const char *text,
			   struct config_change *change, size_t number, char why[LOG_TEXT])
{
	struct bwctl_flow *flow = &change->flows[number].values;
	char quoted[WORDS_QUOTE + 4];

	(void)key;
	if (!config_is_interface_name(text, strlen(text)))
		return why_refuse(why, -EINVAL, "'%s': expected the name of an interface, or any",
				  words_quote(text, quoted));
	memset(flow->interface, 0, sizeof(flow->interface));
	if (strcasecmp(text, "any"))
		strcpy(flow->interface, text);
	return 0;
}

static void print_interface(const struct config_key *key, const struct bwctl_asked *asked,
			    size_t number, char text[UNITS_TEXT])
{
	(void)key;
	strcpy(text, *asked->flows[number].interface ? asked->flows[number].interface : "any");
}

static int parse_flow_remove(const struct config_key *key, const char *text,
			     struct config_change *change, size_t number, char why[LOG_TEXT])
{
	(void)key;
	return parse_yes(text, &change->flows[number].remove, why);
}

static int parse_before(const struct config_key *key, const char *text,
			struct config_change *change, size_t number, char why[LOG_TEXT])
{
	int err = check_name(CONFIG_FLOW, text, why);

	(void)key;
	if (!err)
		strcpy(change->flows[number].before, text);
	return err;
}

/* It says it all by itself. */
static int parse_nothing(const struct config_key *key, const char *text,
			 struct config_change *change, size_t number, char why[LOG_TEXT])
{
	(void)key;
	(void)text;
	(void)change;
	(void)number;
	(void)why;
	return 0;
}

/* ---- keys ---- */

#define BOTH(ingress, egress) (1U << (ingress) | 1U << (egress))

static const struct config_key limit_keys[CONFIG_KEYS] = {
	{"rate", BOTH(CONFIG_INGRESS, CONFIG_EGRESS), CONFIG_BARE, parse_limit, print_limit},
	{"ingress", 1U << CONFIG_INGRESS, CONFIG_PAIR, parse_limit, print_limit},
	{"egress", 1U << CONFIG_EGRESS, CONFIG_PAIR, parse_limit, print_limit},
	{"burst", 1U << CONFIG_BURST, CONFIG_PAIR, parse_burst, print_burst},
	{"window", 1U << CONFIG_WINDOW, CONFIG_PAIR, parse_window, print_window},
	{"overhead", 1U << CONFIG_OVERHEAD, CONFIG_PAIR, parse_overhead, print_overhead},
	{"mode", 1U << CONFIG_MODE, CONFIG_PAIR, parse_mode, print_mode},
	{"horizon", 1U << CONFIG_HORIZON, CONFIG_PAIR, parse_horizon, print_horizon},
};

static const struct config_key class_keys[CONFIG_CLASS_KEYS] = {
	{"rate", BOTH(CONFIG_CLASS_INGRESS, CONFIG_CLASS_EGRESS), CONFIG_BARE, parse_class_limit,
	 print_class_limit},
	{"ingress", 1U << CONFIG_CLASS_INGRESS, CONFIG_PAIR, parse_class_limit, print_class_limit},
	{"egress", 1U << CONFIG_CLASS_EGRESS, CONFIG_PAIR, parse_class_limit, print_class_limit},
	{"priority", 1U << CONFIG_CLASS_PRIORITY, CONFIG_PAIR, parse_priority, print_priority},
	{"reserve", 1U << CONFIG_CLASS_RESERVE, CONFIG_PAIR, parse_reserve, print_reserve},
	{"exempt", 1U << CONFIG_CLASS_EXEMPT, CONFIG_PAIR, parse_exempt, print_exempt},
	{"remove", 1U << CONFIG_CLASS_REMOVE, CONFIG_ALONE, parse_class_remove, NULL},
};

static const struct config_key flow_keys[CONFIG_FLOW_KEYS] = {
	{"class", 1U << CONFIG_FLOW_CLASS, CONFIG_PAIR, parse_flow_class, print_flow_class},
	{"protocol", 1U << CONFIG_FLOW_PROTOCOL, CONFIG_PAIR, parse_protocol, print_protocol},
	{"local", 1U << CONFIG_FLOW_LOCAL, CONFIG_PAIR, parse_ports, print_ports},
	{"remote", 1U << CONFIG_FLOW_REMOTE, CONFIG_PAIR, parse_ports, print_ports},
	{"prefix", 1U << CONFIG_FLOW_PREFIX, CONFIG_PAIR, parse_prefix, print_prefix},
	{"interface", 1U << CONFIG_FLOW_INTERFACE, CONFIG_PAIR, parse_interface, print_interface},
	{"remove", 1U << CONFIG_FLOW_REMOVE, CONFIG_ALONE, parse_flow_remove, print_remove},
	{"before", 1U << CONFIG_FLOW_BEFORE, CONFIG_PAIR, parse_before, NULL},
	{"default", 1U << CONFIG_FLOW_DEFAULT, CONFIG_ALONE, parse_nothing, NULL},
};

const struct config_keys config_keys[CONFIG_SECTIONS] = {
	[CONFIG_LIMIT] = {"limit", limit_keys, CONFIG_KEYS, CONFIG_KEYS},
	[CONFIG_CLASS] = {"class", class_keys, CONFIG_CLASS_KEYS, CONFIG_CLASS_KEYS - 1},
	[CONFIG_FLOW] = {"flow", flow_keys, CONFIG_FLOW_KEYS, CONFIG_FLOW_KEYS - 2},
};

/* As many settings as a section has. */
static const int setting_count[CONFIG_SECTIONS] = {
	[CONFIG_LIMIT] = CONFIG_SETTINGS,
	[CONFIG_CLASS] = CONFIG_CLASS_SETTINGS,
	[CONFIG_FLOW] = CONFIG_FLOW_SETTINGS,
};

bool config_is_limit(enum config_section section, const struct config_key *key)
{
	return section != CONFIG_FLOW && (key->settings & BOTH(CONFIG_INGRESS, CONFIG_EGRESS));
}

bool *config_given(struct config_change *change, enum config_section section, size_t number)
{
	switch (section) {
	case CONFIG_CLASS:
		return change->classes[number].given;
	case CONFIG_FLOW:
		return change->flows[number].given;
	default:
		return change->given;
	}
}

static const char *edit_name(const struct config_change *change, enum config_section section,
			     size_t number)
{
	return section == CONFIG_CLASS ? change->classes[number].values.name :
					 change->flows[number].values.name;
}

int config_add(struct config_change *change, enum config_section section, const char *name,
	       size_t *ret_number, char why[LOG_TEXT])
{
	size_t *count = section == CONFIG_CLASS ? &change->class_count : &change->flow_count;
	size_t room = section == CONFIG_CLASS ? CONFIG_CLASS_EDITS : CONFIG_FLOW_EDITS;
	int err = check_name(section, name, why);

	if (err)
		return err;
	for (size_t n = 0; n < *count; n++)
		if (!strcmp(edit_name(change, section, n), name))
			return why_refuse(why, -EINVAL, "%s %s is there twice",
					  config_keys[section].section, name);
	if (*count == room)
		return why_refuse(why, -EINVAL,
				  "%s %s is one too many: expected at most %zu at once",
				  config_keys[section].section, name, room);
	*ret_number = (*count)++;
	if (section == CONFIG_CLASS) {
		change->classes[*ret_number] = (struct config_class_edit){0};
		strcpy(change->classes[*ret_number].values.name, name);
	} else {
		change->flows[*ret_number] = (struct config_flow_edit){0};
		strcpy(change->flows[*ret_number].values.name, name);
	}
	return 0;
}

int config_parse_value(enum config_section section, const struct config_key *key, const char *text,
		       struct config_change *change, size_t number, char why[LOG_TEXT])
{
	int err = key->parse(key, text, change, number, why);

	for (int setting = 0; setting < setting_count[section] && !err; setting++)
		if (key->settings & 1U << setting)
			config_given(change, section, number)[setting] = true;
	return err;
}

const char *config_print_value(const struct config_key *key, const struct bwctl_asked *asked,
			       size_t number, char text[UNITS_TEXT])
{
	key->print(key, asked, number, text);
	return text;
}

/* What there is before anything is given, with the listed flows, and a class and a flow that are new. */
static const struct bwctl_asked *defaults(void)
{
	static struct bwctl_asked asked;

	if (!asked.flow_count) {
		policy_default(&asked);
		asked.classes[BWCTL_BUILTIN_CLASSES].priority = BWCTL_PRIORITY_NORMAL;
		asked.flows[asked.flow_count].any_protocol = 1;
		/* There is none of this number, and so none that is default. */
		asked.flows[asked.flow_count].class = BWCTL_BUILTIN_CLASSES;
	}
	return &asked;
}

const char *config_print_default(enum config_section section, const struct config_key *key,
				 const char *name, char text[UNITS_TEXT])
{
	const struct bwctl_asked *asked = defaults();
	size_t number = 0;

	if (section == CONFIG_CLASS)
		while (number < BWCTL_BUILTIN_CLASSES && strcmp(asked->classes[number].name, name))
			number++;
	if (section == CONFIG_FLOW)
		while (number < asked->flow_count && strcmp(asked->flows[number].name, name))
			number++;
	return config_print_value(key, asked, number, text);
}

/* ---- the words after "set" ---- */

/* What of the words is being read. */
struct words {
	struct config_change *change;
	enum config_section section;
	size_t number;		      /* of the edit */
	char subject[BWCTL_NAME + 8]; /* "class ssh: ", or nothing */
};

/* The row of a word that may stand by itself or before its value, or NULL. */
static const struct config_key *find_word(enum config_section section, const char *word)
{
	const struct config_keys *keys = &config_keys[section];

	for (size_t i = 0; i < keys->count; i++)
		if (keys->keys[i].style != CONFIG_BARE && !strcmp(word, keys->keys[i].name))
			return &keys->keys[i];
	return NULL;
}

/* The row of a value that stands without a name, or NULL. */
static const struct config_key *find_bare(enum config_section section)
{
	const struct config_keys *keys = &config_keys[section];

	for (size_t i = 0; i < keys->count; i++)
		if (keys->keys[i].style == CONFIG_BARE)
			return &keys->keys[i];
	return NULL;
}

/* Whether a word begins a class or a flow. Inside of a flow its class is none that begins. */
static bool begins(enum config_section section, const char *word)
{
	return !strcmp(word, "flow") || (section != CONFIG_FLOW && !strcmp(word, "class"));
}

static bool is_word(enum config_section section, const char *word)
{
	return find_word(section, word) || begins(section, word);
}

/* Words of other tools, and what is written here for them. */
static const struct {
	unsigned int sections; /* bits: enum config_section */
	const char *words, *meant;
} meanings[] = {
#define IN_LIMIT (1U << CONFIG_LIMIT)
#define IN_CLASS (1U << CONFIG_CLASS)
#define IN_FLOW	 (1U << CONFIG_FLOW)
	{IN_LIMIT | IN_CLASS, " off none no nolimit infinite ", "did you mean 'unlimited'?"},
	{IN_LIMIT | IN_CLASS, " rate limit bandwidth bw speed max ", "a rate stands alone: 50mbit"},
	{IN_LIMIT | IN_CLASS, " in input rx recv receive down download ",
	 "did you mean 'ingress'?"},
	{IN_LIMIT | IN_CLASS, " out output tx send transmit up upload ", "did you mean 'egress'?"},
	{IN_LIMIT, " auto pace police observe ", "expected 'mode' before it"},
	{IN_LIMIT, " save ", "did you mean '--save'?"},
	{IN_LIMIT, " help ", "bwctl help set"},
	{IN_CLASS, " prio ", "did you mean 'priority'?"},
	{IN_CLASS, " high normal low ", "expected 'priority' before it"},
	{IN_CLASS, " min guarantee guaranteed guaranteed-rate ", "did you mean 'reserve'?"},
	{IN_CLASS | IN_FLOW, " del delete rm ", "did you mean 'remove'?"},
	{IN_FLOW, " port ports dport sport ",
	 "expected 'local', ports of this machine, or 'remote', of the other side"},
	{IN_FLOW, " ip addr address net subnet host ", "did you mean 'prefix'?"},
	{IN_FLOW, " dev iface if ", "did you mean 'interface'?"},
	{IN_FLOW, " tcp udp icmp icmpv6 sctp ", "expected 'protocol' before it"},
};

/* What a word stands for that is none here, or NULL. */
static const char *meaning(enum config_section section, const char *word, char text[LOG_TEXT])
{
	char spaced[WORDS_QUOTE + 4];

	if (!*word || strchr(word, ' ') || strlen(word) > WORDS_QUOTE)
		return NULL;
	/* Of an assignment, the word before the =. */
	snprintf(spaced, sizeof(spaced), " %.*s ", (int)strcspn(word, "="), word);
	for (size_t i = 0; i < COUNT(meanings) && strcmp(spaced, "  "); i++)
		if (meanings[i].sections & 1U << section && strcasestr(meanings[i].words, spaced))
			return meanings[i].meant;
	for (uint32_t class = 0; class < BWCTL_BUILTIN_CLASSES && section == CONFIG_LIMIT; class ++)
		if (!strcmp(word, policy_class_name(NULL, class))) {
			snprintf(text, LOG_TEXT, "did you mean 'class %s'?", word);
			return text;
		}
	return NULL;
}

/*
 * "did you mean 'ingress'?", or "expected a rate such as 50mbit, unlimited, or ingress,
 * egress, ... or flow".
 */
static const char *expected_words(enum config_section section, const char *word,
				  char text[LOG_TEXT])
{
	const struct config_keys *keys = &config_keys[section];
	const char *names[CONFIG_KEYS_MAX + 2];
	size_t count = 0, length = 0;

	for (size_t i = 0; i < keys->count; i++)
		if (keys->keys[i].style != CONFIG_BARE)
			names[count++] = keys->keys[i].name;
	if (section != CONFIG_FLOW)
		names[count++] = "class";
	names[count++] = "flow";
	if (meaning(section, word, text))
		return meaning(section, word, text);
	if (*word && words_nearest(names, count, "''", word, text))
		return text;
	length =
		(size_t)snprintf(text, LOG_TEXT, "expected %s",
				 find_bare(section) ? "a rate such as 50mbit, unlimited, or " : "");
	for (size_t i = 0; i < count && length < LOG_TEXT; i++)
		length += (size_t)snprintf(text + length, LOG_TEXT - length, "%s%s",
					   !i		 ? "" :
					   i + 1 < count ? ", " :
							   " or ",
					   names[i]);
	return text;
}

/* "egress=5mbit", as in the file: whether it is a key and its value. */
static bool is_assignment(enum config_section section, const char *word)
{
	const char *sign = strchr(word, '=');
	char key[BWCTL_NAME + 1];

	if (!sign || (size_t)(sign - word) >= sizeof(key))
		return false;
	snprintf(key, sizeof(key), "%.*s", (int)(sign - word), word);
	return find_word(section, key) || begins(section, key);
}

/* It may be one in another place. */
static int refuse_word(const struct words *words, const char *word, char why[LOG_TEXT])
{
	char expected[LOG_TEXT], quoted[WORDS_QUOTE + 4], ignored[UNITS_TEXT];
	uint64_t rate_bits_s;

	words_quote(word, quoted);
	if (is_assignment(words->section, word))
		return why_refuse(why, -EINVAL,
				  "%s'%s': write a space, not =, between a word and its value",
				  words->subject, quoted);
	if (!strncasecmp(word, "rate=", 5) && words->section != CONFIG_FLOW &&
	    units_parse_rate(word + 5, &rate_bits_s, ignored))
		return why_refuse(why, -EINVAL, "%s'%s': a rate stands alone, such as 50mbit: %s",
				  words->subject, quoted, ignored);
	if (!strncasecmp(word, "rate=", 5) && words->section != CONFIG_FLOW)
		return why_refuse(why, -EINVAL, "%s'%s': a rate stands alone: write %s",
				  words->subject, quoted, words_quote(word + 5, expected));
	if (words->section != CONFIG_LIMIT && find_word(CONFIG_LIMIT, word))
		return why_refuse(why, -EINVAL,
				  "%s'%s' is not of a %s: what is of the limit comes first, before "
				  "classes and flows",
				  words->subject, quoted, config_keys[words->section].section);
	if (words->section == CONFIG_FLOW &&
	    (find_word(CONFIG_CLASS, word) || !units_parse_rate(word, &rate_bits_s, ignored)))
		return why_refuse(why, -EINVAL,
				  "%s'%s' is not of a flow: classes come before flows",
				  words->subject, quoted);
	if (words->section == CONFIG_LIMIT && find_word(CONFIG_CLASS, word))
		return why_refuse(why, -EINVAL, "'%s' is of a class: expected class NAME before it",
				  quoted);
	if (words->section != CONFIG_FLOW && find_word(CONFIG_FLOW, word))
		return why_refuse(why, -EINVAL, "%s'%s' is of a flow: expected flow NAME before it",
				  words->subject, quoted);
	return why_refuse(why, -EINVAL, "%s'%s': %.400s", words->subject, quoted,
			  expected_words(words->section, word, expected));
}

/* Each once, and no limit for both beside one for either. */
static int refuse_again(const struct words *words, const struct config_key *key, const char *word,
			char why[LOG_TEXT])
{
	const bool *given = config_given(words->change, words->section, words->number);

	for (int setting = 0; setting < setting_count[words->section]; setting++) {
		if (!(key->settings & 1U << setting) || !given[setting])
			continue;
		if (key->style == CONFIG_BARE)
			return why_refuse(why, -EINVAL,
					  "%s'%.60s': a limit for %s is given already",
					  words->subject, word,
					  policy_direction_name((enum bwctl_direction)setting));
		if (config_is_limit(words->section, key))
			return why_refuse(why, -EINVAL, "%sa limit for %s is given twice",
					  words->subject, word);
		if (words->section == CONFIG_FLOW && setting == CONFIG_FLOW_CLASS)
			return why_refuse(why, -EINVAL,
					  "%s'class' is given twice: classes come before flows",
					  words->subject);
		if (words->section == CONFIG_FLOW && setting == CONFIG_FLOW_REMOVE &&
		    given[CONFIG_FLOW_CLASS]) {
			const struct config_flow_edit *flow = &words->change->flows[words->number];

			return why_refuse(
				why, -EINVAL,
				"%s'remove' is given twice: classes come before flows, as in class %s remove flow %s remove",
				words->subject, flow->class, flow->values.name);
		}
		return why_refuse(why, -EINVAL, "%s'%s' is given twice", words->subject, word);
	}
	return 0;
}

static int parse_pair(const struct words *words, const struct config_key *key, const char *value,
		      char why[LOG_TEXT])
{
	char problem[LOG_TEXT];
	int err = refuse_again(words, key, key->name, why);

	if (err ||
	    !config_parse_value(words->section, key, value, words->change, words->number, problem))
		return err;
	/* What is wrong with a rate says so itself. */
	return config_is_limit(words->section, key) ?
		       why_refuse(why, -EINVAL, "%s%.400s", words->subject, problem) :
		       why_refuse(why, -EINVAL, "%s%s: %.400s", words->subject, key->name, problem);
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static int parse_bare(const struct words *words, const char *word, char why[LOG_TEXT])
{
	const struct config_key *key = find_bare(words->section);
	char problem[LOG_TEXT], ignored[UNITS_TEXT];
	uint64_t rate_bits_s;
	int err;

	/* Not a number at all: rather a word misspelt than a rate. */
	if (!key || (strcasecmp(word, "unlimited") &&
		     (!strpbrk(word, "0123456789") || strspn(word, LETTERS) || strchr(word, '='))))
		return refuse_word(words, word, why);
	/* Said first: what is wrong with the second rate is of less interest. */
	if (!strcasecmp(word, "unlimited") || !units_parse_rate(word, &rate_bits_s, ignored))
		err = refuse_again(words, key, word, why);
	else
		err = 0;
	if (err ||
	    !config_parse_value(words->section, key, word, words->change, words->number, problem))
		return err;
	return why_refuse(why, -EINVAL, "%s%.400s", words->subject, problem);
}

/* The name behind "class" or "flow", with which its part begins. */
static int begin(struct words *words, enum config_section section, const char *name,
		 char why[LOG_TEXT])
{
	int err;

	words->section = section;
	*words->subject = '\0';
	err = config_add(words->change, section, name, &words->number, why);
	if (!err)
		snprintf(words->subject, sizeof(words->subject),
			 "%s %s: ", config_keys[section].section, name);
	return err;
}

/* Whether what would take it away is said to stay: "remove no". */
static bool is_kept(const struct words *words, const struct config_key *key)
{
	const struct config_change *change = words->change;

	if (words->section == CONFIG_CLASS)
		return key->settings == 1U << CONFIG_CLASS_REMOVE &&
		       !change->classes[words->number].remove;
	return key->settings == 1U << CONFIG_FLOW_REMOVE && !change->flows[words->number].remove;
}

/* Of a class nothing needs to be said for it to be there. What takes it away goes alone. */
static int finish(const struct words *words, char why[LOG_TEXT])
{
	const bool *given = config_given(words->change, words->section, words->number);
	const struct config_keys *keys = &config_keys[words->section];
	char expected[LOG_TEXT];
	int count = 0;

	if (words->section == CONFIG_LIMIT)
		return 0;
	for (int setting = 0; setting < setting_count[words->section]; setting++)
		count += given[setting];
	for (size_t i = 0; i < keys->count && count > 1; i++)
		if (keys->keys[i].style == CONFIG_ALONE &&
		    given[__builtin_ctz(keys->keys[i].settings)] && !is_kept(words, &keys->keys[i]))
			return why_refuse(why, -EINVAL, "%s'%s' goes with nothing else",
					  words->subject, keys->keys[i].name);
	if (!count && words->section == CONFIG_FLOW)
		return why_refuse(why, -EINVAL, "%s%.400s", words->subject,
				  expected_words(CONFIG_FLOW, "", expected));
	return 0;
}

/* Whether the value of a key that says it all is there as well, as in the file. */
static bool has_answer(const struct config_key *key, int count, char *const word[])
{
	return key->parse != parse_nothing && count > 1 &&
	       (!strcasecmp(word[1], "yes") || !strcasecmp(word[1], "no"));
}

/* One word, or two. Returns how many, or -EINVAL. */
static int parse_word(struct words *words, int count, char *const word[], char why[LOG_TEXT])
{
	const struct config_key *key = find_word(words->section, word[0]);
	bool is_begin = begins(words->section, word[0]);
	int err;

	if (!key && !is_begin)
		return parse_bare(words, word[0], why) ? -EINVAL : 1;
	if (key && key->style == CONFIG_ALONE && has_answer(key, count, word))
		return parse_pair(words, key, word[1], why) ? -EINVAL : 2;
	if (key && key->style == CONFIG_ALONE)
		return parse_pair(words, key, "yes", why) ? -EINVAL : 1;
	if (count < 2 || is_word(words->section, word[1]))
		return why_refuse(why, -EINVAL, "%s'%s' needs a %s", words->subject, word[0],
				  is_begin ? "name" : "value");
	if (!is_begin)
		return parse_pair(words, key, word[1], why) ? -EINVAL : 2;
	err = finish(words, why);
	if (!err)
		err = begin(words, strcmp(word[0], "flow") ? CONFIG_CLASS : CONFIG_FLOW, word[1],
			    why);
	return err ? err : 2;
}

int config_parse_set(int count, char *const words[], struct config_change *ret_change,
		     char why[LOG_TEXT])
{
	struct words reading = {.change = ret_change, .section = CONFIG_LIMIT};
	char expected[LOG_TEXT];
	int err = 0;

	memset(ret_change, 0, sizeof(*ret_change));
	if (!count)
		return why_refuse(why, -EINVAL, "set what? %.400s",
				  expected_words(CONFIG_LIMIT, "", expected));
	for (int i = 0, taken; i < count && !err; i += taken) {
		taken = parse_word(&reading, count - i, words + i, why);
		if (taken < 0)
			err = taken;
	}
	if (!err)
		err = finish(&reading, why);
	/* A part of it is what was typed: nothing of that may move a cursor. */
	if (err)
		words_clean(why);
	return err;
}

void config_default(struct config_change *ret_change)
{
	memset(ret_change, 0, sizeof(*ret_change));
	ret_change->whole = true;
	ret_change->mode = BWCTL_MODE_AUTO;
	for (int setting = 0; setting < CONFIG_SETTINGS; setting++)
		ret_change->given[setting] = true;
}
