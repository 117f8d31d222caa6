// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The hosts that are to be reached, as somebody writes them.
 */
#include "reach_target.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"
#include "why.h"
#include "words.h"

#define NAME_MAX_BYTES	253 /* RFC 1035, without the last dot */
#define LABEL_MAX_BYTES 63
#define WORD_MAX_BYTES	(NAME_MAX_BYTES + IF_NAMESIZE + 16)

#define LINE_MAX_BYTES 4096

#define DIGITS "0123456789"
#define FORM   "expected HOST or HOST:PORT"
#define RANGE  "a range is not taken: name its hosts, or list them in an inventory, one a line"

static int refuse(const char *word, const char *reason, char why[LOG_TEXT])
{
	char quoted[WORDS_QUOTE + 4];

	return why_refuse(why, -EINVAL, "'%s': %s", words_quote(word, quoted), reason);
}

/* "192.0.2.0/24", "192.0.2.1-20", "192.0.2.*", "2001:db8::/64" */
static bool is_range(const char *word)
{
	size_t length = strspn(word, DIGITS ".-*");
	const char *slash = strchr(word, '/');
	struct in6_addr address;
	char host[INET6_ADDRSTRLEN];

	if (!slash)
		return (!word[length] || word[length] == ':') && isdigit((unsigned char)*word) &&
		       memchr(word, '.', length) &&
		       (memchr(word, '-', length) || memchr(word, '*', length));
	if (!slash[1] || slash[1 + strspn(slash + 1, DIGITS ".")] ||
	    (size_t)(slash - word) >= sizeof(host))
		return false;
	memcpy(host, word, (size_t)(slash - word));
	host[slash - word] = '\0';
	return !host[strspn(host, DIGITS ".")] || inet_pton(AF_INET6, host, &address) == 1;
}

/* What others take and is more than a host. */
static int refuse_more(const char *word, char why[LOG_TEXT])
{
	const char *colon = strstr(word, "://");
	char quoted[WORDS_QUOTE + 4];
	size_t length = colon ? (size_t)(colon - word) : 0;

	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)word[i]))
			colon = NULL;
	if (colon && length && length < 16)
		return why_refuse(why, -EINVAL, "'%s': " FORM ", without %.*s://",
				  words_quote(word, quoted), (int)length, word);
	if (is_range(word))
		return refuse(word, RANGE, why);
	if (strchr(word, '/') && !strchr(word, '%'))
		return refuse(word, FORM ", without a path", why);
	if (strchr(word, ','))
		return refuse(word, FORM ", without a comma", why);
	return 0;
}

/* Host and port apart, in place: host is the first part then. */
static int split(const char *word, char *copy, char **ret_host, char **ret_port, char why[LOG_TEXT])
{
	char *colon = strchr(copy, ':'), *end;

	*ret_host = copy;
	*ret_port = NULL;
	if (*copy == '[') {
		end = strchr(copy, ']');
		if (!end)
			return refuse(word, "a ] is missing", why);
		if (end[1] && end[1] != ':')
			return refuse(word, FORM, why);
		*ret_host = copy + 1;
		*ret_port = end[1] ? end + 2 : NULL;
		*end = '\0';
		if (!strchr(*ret_host, ':'))
			return refuse(word, "only an IPv6 address is written in brackets", why);
	} else if (colon && !strchr(colon + 1, ':')) {
		*ret_port = colon + 1;
		*colon = '\0';
	}
	return 0;
}

static int parse_port(const char *word, const char *text, uint16_t *ret_port, char why[LOG_TEXT])
{
	char number_why[UNITS_TEXT];
	uint64_t port;

	if (units_parse_integer(text, 1, 65535, &port, number_why))
		return refuse(word, "expected a port, 1 to 65535, behind the colon", why);
	*ret_port = (uint16_t)port;
	return 0;
}

static int check_v4(const char *word, uint32_t address, char why[LOG_TEXT])
{
	/* RFC 1122 3.2.1.3, RFC 1112: this host, groups, what is reserved, and broadcast. */
	if (!(address >> 24) || address >> 28 >= 14)
		return refuse(word, "this is not the address of a host", why);
	return 0;
}

/* As much as an interface may be called, and what can be shown of that. */
static bool is_zone(const char *zone)
{
	for (const char *at = zone; *at; at++)
		if (*at <= ' ' || *at > '~' || *at == '/')
			return false;
	return *zone && strlen(zone) < IF_NAMESIZE;
}

static int parse_v6(const char *word, char *host, struct reach_target *target, char why[LOG_TEXT])
{
	char *zone = strchr(host, '%');
	struct in6_addr *address = &target->address.v6.sin6_addr;

	if (zone)
		*zone++ = '\0';
	if (inet_pton(AF_INET6, host, address) != 1)
		return refuse(word, "this is not an IPv6 address", why);
	if (zone && !is_zone(zone))
		return refuse(word, "expected the name of an interface behind the %", why);
	if (IN6_IS_ADDR_V4MAPPED(address)) {
		struct in_addr v4;

		memcpy(&v4, address->s6_addr + 12, sizeof(v4));
		target->address.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = v4};
		return zone ? refuse(word, FORM, why) : check_v4(word, ntohl(v4.s_addr), why);
	}
	if (IN6_IS_ADDR_UNSPECIFIED(address) || IN6_IS_ADDR_MULTICAST(address))
		return refuse(word, "this is not the address of a host", why);
	if (IN6_IS_ADDR_LINKLOCAL(address) && !zone)
		return refuse(word, "a link-local address needs an interface (fe80::1%eth0)", why);
	if (!IN6_IS_ADDR_LINKLOCAL(address) && zone)
		return refuse(word, "only a link-local address has an interface", why);
	target->address.v6.sin6_family = AF_INET6;
	if (zone)
		strcpy(target->zone, zone);
	return 0;
}

/* Letters, digits, - and _, as in DNS; not one whose last label is a number, which is no name. */
static int check_name(const char *word, char *host, char why[LOG_TEXT])
{
	size_t length = strlen(host), label = 0;
	bool is_number = true;

	if (length && host[length - 1] == '.')
		host[--length] = '\0';
	if (!length)
		return refuse(word, FORM, why);
	if (length > NAME_MAX_BYTES)
		return refuse(word, "a name has at most 253 characters", why);
	for (char *at = host; *at; at++) {
		if (*at == '.') {
			if (!label)
				return refuse(word, FORM, why);
			label = 0;
			is_number = true;
			continue;
		}
		if (*at & 0x80 || (!isalnum((unsigned char)*at) && *at != '-' && *at != '_'))
			return refuse(word, FORM ", an address or a name", why);
		if (!label && *at == '-')
			return refuse(word, FORM ": no part of a name begins with -", why);
		if (++label > LABEL_MAX_BYTES)
			return refuse(word, "a part of a name has at most 63 characters", why);
		is_number = is_number && isdigit((unsigned char)*at);
		*at = (char)tolower((unsigned char)*at);
	}
	return is_number ? refuse(word, "this is not an IPv4 address, nor a name", why) : 0;
}

static int make_text(struct reach_target *target, const char *name)
{
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
	bool is_v6 = target->address.any.sa_family == AF_INET6;
	int length;

	if (is_v6) {
		inet_ntop(AF_INET6, &target->address.v6.sin6_addr, host, INET6_ADDRSTRLEN);
		if (*target->zone)
			sprintf(host + strlen(host), "%%%s", target->zone);
	} else if (!name) {
		inet_ntop(AF_INET, &target->address.v4.sin_addr, host, INET6_ADDRSTRLEN);
	}
	if (target->port)
		length = asprintf(&target->text, is_v6 ? "[%s]:%u" : "%s:%u", name ? name : host,
				  target->port);
	else
		length = asprintf(&target->text, "%s", name ? name : host);
	if (length < 0)
		target->text = NULL;
	target->name = name && target->text ? strdup(name) : NULL;
	if (target->text && (target->name || !name))
		return 0;
	reach_target_free(target);
	return -ENOMEM;
}

int reach_target_parse(const char *word, struct reach_target *ret_target, char why[LOG_TEXT])
{
	char copy[WORD_MAX_BYTES], *host, *port;
	bool is_name = false;
	int err;

	*ret_target = (struct reach_target){0};
	if (strlen(word) >= sizeof(copy))
		return refuse(word, "this is longer than any name", why);
	strcpy(copy, word);
	err = refuse_more(word, why);
	if (!err)
		err = split(word, copy, &host, &port, why);
	if (!err && port)
		err = parse_port(word, port, &ret_target->port, why);
	if (err)
		return err;
	if (strchr(host, ':')) {
		err = parse_v6(word, host, ret_target, why);
	} else if (inet_pton(AF_INET, host, &ret_target->address.v4.sin_addr) == 1) {
		ret_target->address.v4.sin_family = AF_INET;
		err = check_v4(word, ntohl(ret_target->address.v4.sin_addr.s_addr), why);
	} else {
		is_name = true;
		err = check_name(word, host, why);
	}
	if (!err)
		err = make_text(ret_target, is_name ? host : NULL);
	if (err == -ENOMEM)
		why_refuse(why, err, "out of memory");
	return err;
}

void reach_target_free(struct reach_target *target)
{
	free(target->text);
	free(target->name);
	*target = (struct reach_target){0};
}

/* FNV-1a */
static size_t hash(const char *text)
{
	uint64_t sum = 0xcbf29ce484222325ULL;

	for (; *text; text++)
		sum = (sum ^ (unsigned char)*text) * 0x100000001b3ULL;
	return (size_t)(sum ^ sum >> 32);
}

/* Where it is, or where it would be. */
static size_t *find(const struct reach_targets *targets, const char *text)
{
	size_t at = hash(text);

	for (;; at++) {
		size_t *bucket = &targets->buckets[at % targets->bucket_count];

		if (!*bucket || !strcmp(targets->list[*bucket - 1].text, text))
			return bucket;
	}
}

static int grow(struct reach_targets *targets)
{
	size_t room = targets->room ? 2 * targets->room : 64;
	struct reach_target *list = realloc(targets->list, room * sizeof(*list));
	size_t *buckets = list ? calloc(2 * room, sizeof(*buckets)) : NULL;

	if (list)
		targets->list = list;
	if (!buckets)
		return -ENOMEM;
	free(targets->buckets);
	targets->buckets = buckets;
	targets->bucket_count = 2 * room;
	targets->room = room;
	for (size_t i = 0; i < targets->count; i++)
		*find(targets, list[i].text) = i + 1;
	return 0;
}

int reach_targets_add(struct reach_targets *targets, const char *word, char why[LOG_TEXT])
{
	struct reach_target target;
	size_t *bucket;
	int err;

	if (targets->count == targets->room && grow(targets))
		return why_refuse(why, -ENOMEM, "out of memory");
	err = reach_target_parse(word, &target, why);
	if (err)
		return err;
	bucket = find(targets, target.text);
	if (*bucket) {
		reach_target_free(&target);
		return 0;
	}
	targets->list[targets->count] = target;
	*bucket = ++targets->count;
	return 0;
}

static void add_error(struct reach_target_errors *errors, const char *name, size_t line,
		      const char *why)
{
	if (errors->count++ < REACH_TARGET_ERRORS)
		snprintf(errors->text[errors->count - 1], LOG_TEXT, "%.200s:%zu: %.200s", name,
			 line, why);
}

/* The host of a line, or NULL when there is none; -EINVAL when there is more. */
static int take_word(char *line, size_t length, char **ret_word, char why[LOG_TEXT])
{
	static const char blanks[] = " \t\r\n\v\f";
	char *word = line + strspn(line, blanks), *rest;

	*ret_word = NULL;
	if (strlen(line) != length)
		return why_refuse(why, -EINVAL, "there is a NUL: expected text");
	if (!*word || *word == '#')
		return 0;
	rest = word + strcspn(word, blanks);
	if (*rest) {
		*rest++ = '\0';
		rest += strspn(rest, blanks);
		if (*rest && *rest != '#') {
			rest[strcspn(rest, blanks)] = '\0';
			return refuse(rest, "expected one host a line", why);
		}
	}
	*ret_word = word;
	return 0;
}

/* A line with its newline and a NUL behind it, and its length: what does not fit is read and forgotten. */
static size_t read_line(FILE *in, char line[LINE_MAX_BYTES + 1])
{
	size_t length = 0;
	int byte = 0;

	while (byte != '\n' && length <= REACH_TARGET_FILE_BYTES && (byte = getc(in)) != EOF) {
		if (length < LINE_MAX_BYTES)
			line[length] = (char)byte;
		length++;
	}
	line[length < LINE_MAX_BYTES ? length : LINE_MAX_BYTES] = '\0';
	return length;
}

static int take_line(struct reach_targets *targets, char *line, size_t length, bool is_first,
		     char why[LOG_TEXT])
{
	/* Some editors begin a file with a byte order mark. */
	size_t skipped = is_first && !strncmp(line, "\xef\xbb\xbf", 3) ? 3 : 0;
	char *word;
	int err;

	if (length > LINE_MAX_BYTES)
		return why_refuse(why, -EINVAL, "the line is too long: expected at most %d bytes",
				  LINE_MAX_BYTES);
	err = take_word(line + skipped, length - skipped, &word, why);
	return !err && word ? reach_targets_add(targets, word, why) : err;
}

static int fail_whole(struct reach_target_errors *errors, int err, const char *text)
{
	snprintf(errors->text[0], LOG_TEXT, "%s", text);
	errors->count = 1;
	return err;
}

int reach_targets_read(struct reach_targets *targets, FILE *in, const char *name,
		       struct reach_target_errors *errors)
{
	char line[LINE_MAX_BYTES + 1], why[LOG_TEXT];
	size_t length, number = 0, total = 0;
	int err = 0;

	errors->count = 0;
	errno = 0;
	while (err != -ENOMEM && (length = read_line(in, line))) {
		total += length;
		if (total > REACH_TARGET_FILE_BYTES)
			break;
		number++;
		err = take_line(targets, line, length, number == 1, why);
		if (err)
			add_error(errors, name, number, why);
	}
	if (err == -ENOMEM)
		return err;
	if (ferror(in)) {
		err = errno ? -errno : -EIO;
		why_fail(why, err, "cannot read '%.200s'", name);
		return fail_whole(errors, err, why);
	}
	if (total > REACH_TARGET_FILE_BYTES) {
		why_refuse(why, -EFBIG, "'%.200s' is too large: expected at most %d MiB", name,
			   REACH_TARGET_FILE_BYTES >> 20);
		return fail_whole(errors, -EFBIG, why);
	}
	return errors->count ? -EINVAL : 0;
}

void reach_targets_free(struct reach_targets *targets)
{
	for (size_t i = 0; i < targets->count; i++)
		reach_target_free(&targets->list[i]);
	free(targets->list);
	free(targets->buckets);
	*targets = (struct reach_targets){0};
}
