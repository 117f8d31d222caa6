// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Any bytes as the words after "bwctl set", each ended by a NUL. What is taken can
 * be derived or is refused for its numbers, and means the same in a policy file.
 * The word "|" ends a command: the next is laid over what the others made.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "config.h"
#include "fuzz.h"
#include "policy.h"
#include "policy_file.h"

#define WORDS 64

/* A request alone; "as it was" is what it is laid over. */
static void check_derive(const struct bwctl_request *request)
{
	static const enum policy_way ways[] = {POLICY_DROPS, POLICY_WAITS, POLICY_DRIFTS};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct bwctl_meter meter;
		struct bwctl_promise promise;
		char why[UNITS_TEXT] = "";
		int err = policy_derive(request, ways[i], 4, true, &meter, &promise, why);

		HOLDS(err == 0 || (err == -EINVAL && *why), "derived");
		if (!err)
			HOLDS(meter.rate_bits_s <= request->limit_bits_s, "r is within the limit");
		if (!err && request->limit_bits_s)
			HOLDS(meter.rate_bits_s >= request->limit_bits_s / 2, "r is half of it");
	}
}

static void check_file(const struct bwctl_asked *asked)
{
	struct bwctl_asked again = *asked;
	struct policy_file *file;
	char *text, *same, why[LOG_TEXT];

	policy_file_print(asked, NULL, 0, &text);
	HOLDS(text, "memory");
	if (policy_file_parse("printed", text, strlen(text), &file))
		HOLDS(false, file->errors[0]);
	HOLDS(!config_apply(&file->change, &again, why), why);
	HOLDS(!memcmp(asked, &again, sizeof(again)), text);
	policy_file_print(&file->asked, NULL, 0, &same);
	HOLDS(same && !strcmp(text, same), text);
	policy_file_free(file);
	free(text);
	free(same);
}

/* One command. What is refused changes nothing. */
static void check_set(int count, char *const words[], struct bwctl_asked *asked)
{
	struct bwctl_asked before = *asked;
	static struct config_change change;
	char why[LOG_TEXT] = "";
	int err = config_parse_set(count, words, &change, why);

	HOLDS(err == 0 || (err == -EINVAL && *why), "parsed");
	if (!err) {
		err = config_apply(&change, asked, why);
		HOLDS(err == 0 || (err == -EINVAL && *why), "applied");
	}
	for (const char *at = why; err && *at; at++)
		HOLDS((unsigned char)*at >= ' ' && *at != 0x7f, why);
	if (err) {
		HOLDS(!memcmp(asked, &before, sizeof(before)), "refused");
		return;
	}
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		check_derive(&asked->request[direction]);
	check_file(asked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bwctl_asked asked;
	char *words[WORDS + 1];
	int count = fuzz_words(data, size, WORDS, words), first = 0;

	policy_default(&asked);
	for (int i = 0; i <= count; i++) {
		if (i < count && strcmp(words[i], "|"))
			continue;
		check_set(i - first, words + first, &asked);
		first = i + 1;
	}
	while (count)
		free(words[--count]);
	return 0;
}
