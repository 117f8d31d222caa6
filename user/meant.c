// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What somebody probably meant: the words of other tools, and what has them here.
 */
#include "meant.h"

#include <ctype.h>
#include <net/if.h>
#include <string.h>
#include <strings.h>

#include "log.h"
#include "units.h"
#include "words.h"

#define DIGITS "0123456789"

/* Commands of other programs, and what does that here. */
static const struct {
	const char *words;
	const char *hint;
} meanings[] = {
	{"start on enable up attach add", "bwctl load IFACE attaches, bwctl set RATE limits"},
	{"stop off disable down detach del delete remove rm clear reset flush kill",
	 "bwctl set unlimited takes the limit off, bwctl unload detaches too"},
	{"status state stat stats list ls info get dump print config counters", "bwctl show"},
	{"reload restart refresh reapply", "bwctl apply puts the policy file in force"},
	{"version", "bwctl --version"},
	{"monitor top live", "bwctl watch"},
	{"test verify doctor diagnose ping probe", "bwctl check"},
	{"prometheus exporter", "bwctl metrics"},
	{"exec", "bwctl run RATE -- COMMAND"},
	{"write store", "bwctl save"},
	{"usage man", "bwctl help"},
	{"rate limit bandwidth ingress egress in out",
	 "bwctl set RATE, or ingress RATE egress RATE"},
	{"class priority reserve", "bwctl set class NAME RATE (bwctl help set)"},
	{"flow port", "bwctl set flow NAME ... (bwctl help set)"},
	{"mode burst window horizon overhead", "a word of bwctl set (bwctl help set)"},
	{"unlimited none", "bwctl set unlimited"},
};

static bool is_among(const char *words, const char *word)
{
	for (size_t length; *words; words += length) {
		words += strspn(words, " ");
		length = strcspn(words, " ");
		if (strlen(word) == length && !strncasecmp(words, word, length))
			return true;
	}
	return false;
}

static bool meant_rate(const char *word)
{
	const char *point = word + strspn(word, DIGITS);
	const char *unit = *point == '.' || *point == ',' ? point + 1 + strspn(point + 1, DIGITS) :
							    point;

	return isdigit((unsigned char)*word) && (!*unit || strchr("kKmMgGtTbB", *unit)) &&
	       !unit[strspn(unit, "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")];
}

/* What set would refuse is not put into anybody's mouth. */
static void hint_rate(const char *word)
{
	char why[UNITS_TEXT];
	uint64_t rate_bits_s;

	if (units_parse_rate(word, &rate_bits_s, why))
		log_hint("bwctl set RATE sets a limit, such as 50mbit: %s", why);
	else
		log_hint("bwctl set %s sets a limit", word);
}

void meant_apply(const char *word)
{
	char quoted[WORDS_QUOTE + 4];

	if (!strcmp(word, "/dev/null"))
		log_hint("--config '' is for no file");
	else if (meant_rate(word))
		hint_rate(words_quote(word, quoted));
}

void meant_command(const char *word, const char *const names[], size_t count)
{
	char text[LOG_TEXT], quoted[WORDS_QUOTE + 4];

	words_quote(word, quoted);
	if (if_nametoindex(word)) {
		log_hint("bwctl load %s attaches to it, bwctl set RATE limits", quoted);
		return;
	}
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (is_among(meanings[i].words, word)) {
			log_hint("%s", meanings[i].hint);
			return;
		}
	if (words_nearest(names, count, "''", word, text))
		log_hint("%s", text);
	else if (meant_rate(word))
		hint_rate(quoted);
}

void meant_interface(const char *word, bool loads)
{
	char quoted[WORDS_QUOTE + 4];

	if (!strcmp(word, "all") && loads)
		log_hint("bwctl load --all loads those that the policy file names");
	else if (!strcmp(word, "all"))
		log_hint("bwctl unload alone detaches from all");
	else if (meant_rate(word) && loads)
		hint_rate(words_quote(word, quoted));
}
