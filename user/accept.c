// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What a client of HTTP says it takes, what it has, and whom it means.
 */
#include "accept.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NOT_NAMED (-1.0)

/* One element of a list, a name and parameters, in its parts. */
struct element {
	char name[64];
	char version[16]; /* empty: none is said */
	double quality;
};

static size_t trimmed(const char *text, size_t length)
{
	while (length && strchr(" \t", text[length - 1]))
		length--;
	return length;
}

static void copy(char *to, size_t size, const char *from, size_t length)
{
	/* What does not fit is none of the names that are looked for. */
	if (length >= size)
		length = 0;
	memcpy(to, from, length);
	to[length] = '\0';
}

static void take_parameter(struct element *element, const char *text, size_t length)
{
	if (length > 2 && !strncasecmp(text, "q=", 2))
		element->quality = strtod(text + 2, NULL);
	else if (length > 8 && !strncasecmp(text, "version=", 8))
		copy(element->version, sizeof(element->version), text + 8, length - 8);
}

/* Returns where the next one begins, or NULL. */
static const char *take_element(const char *text, struct element *ret_element)
{
	bool is_name = true;

	*ret_element = (struct element){.quality = 1};
	for (;;) {
		size_t length;

		text += strspn(text, " \t");
		length = strcspn(text, ",;");
		if (is_name)
			copy(ret_element->name, sizeof(ret_element->name), text,
			     trimmed(text, length));
		else
			take_parameter(ret_element, text, trimmed(text, length));
		is_name = false;
		text += length;
		if (!*text)
			return NULL;
		if (*text++ == ',')
			return text;
	}
}

/* The better of two that are both named so. */
static void prefer(double *best, double quality)
{
	if (*best < quality)
		*best = quality;
}

bool accept_open_metrics(const char *accept)
{
	double open = NOT_NAMED, plain = NOT_NAMED, any = NOT_NAMED;
	struct element element;

	while (accept) {
		accept = take_element(accept, &element);
		if (!strcasecmp(element.name, "application/openmetrics-text") &&
		    (!*element.version || !strncmp(element.version, "1.", 2)))
			prefer(&open, element.quality);
		else if (!strcasecmp(element.name, "text/plain"))
			prefer(&plain, element.quality);
		else if (!strcmp(element.name, "*/*") || !strcasecmp(element.name, "text/*"))
			prefer(&any, element.quality);
	}
	if (plain == NOT_NAMED)
		plain = any;
	return open > 0 && open >= plain;
}

bool accept_gzip(const char *accept_encoding)
{
	double gzip = NOT_NAMED, any = NOT_NAMED;
	struct element element;

	while (accept_encoding) {
		accept_encoding = take_element(accept_encoding, &element);
		if (!strcasecmp(element.name, "gzip") || !strcasecmp(element.name, "x-gzip"))
			prefer(&gzip, element.quality);
		else if (!strcmp(element.name, "*"))
			prefer(&any, element.quality);
	}
	return gzip == NOT_NAMED ? any > 0 : gzip > 0;
}

bool accept_is_local(const char *host)
{
	char name[64];
	struct in_addr address;
	size_t length;

	if (!host || !*host)
		return true;
	length = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
	if (length >= sizeof(name) || length > strlen(host))
		return false;
	memcpy(name, host, length);
	name[length] = '\0';
	host += length;
	if (*host && (*host != ':' || host[1 + strspn(host + 1, "0123456789")]))
		return false;
	if (!strcasecmp(name, "localhost") || !strcmp(name, "[::1]"))
		return true;
	return inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

bool accept_has(const char *if_none_match, const char *etag)
{
	const char *at = if_none_match;

	while (at) {
		size_t length;

		at += strspn(at, " \t,");
		if (*at == '*')
			return true;
		/* A weak one will do: it is asked for what to show. */
		if (!strncmp(at, "W/", 2))
			at += 2;
		length = *at == '"' ? strcspn(at + 1, "\"") + 2 : 0;
		if (length == strlen(etag) && !strncmp(at, etag, length))
			return true;
		at = strchr(length && at[length - 1] ? at + length : at, ',');
	}
	return false;
}
