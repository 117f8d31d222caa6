// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Any bytes as the words after "bwctl set", each ended by a NUL. What is taken can
 * be derived or is refused for its numbers, and means the same in a policy file.
 */
#include <errno.h>
#include <string.h>

#include "config.h"
#include "fuzz.h"
#include "policy.h"
#include "policy_file.h"

#define WORDS 32

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

static void check_file(const struct bwctl_request requests[BWCTL_DIRECTIONS])
{
	struct bwctl_request again[BWCTL_DIRECTIONS] = {0};
	struct policy_file *file;
	char *text;

	policy_file_print(requests, NULL, 0, &text);
	HOLDS(text, "memory");
	HOLDS(!policy_file_parse("printed", text, strlen(text), &file), text);
	config_apply(&file->change, again);
	HOLDS(!memcmp(requests, again, sizeof(again)), text);
	policy_file_free(file);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bwctl_request requests[BWCTL_DIRECTIONS] = {0};
	struct config_change change;
	char *words[WORDS], why[LOG_TEXT] = "";
	int count = 0, err;

	/* Each by itself, so that a byte too many is noticed. */
	while (size && count < WORDS) {
		const uint8_t *end = memchr(data, '\0', size);
		size_t length = end ? (size_t)(end - data) : size;

		words[count] = malloc(length + 1);
		HOLDS(words[count], "memory");
		memcpy(words[count], data, length);
		words[count++][length] = '\0';
		data += length + (end ? 1 : 0);
		size -= length + (end ? 1 : 0);
	}
	err = config_parse_set(count, words, &change, why);
	HOLDS(err == 0 || (err == -EINVAL && *why), "parsed");
	if (!err) {
		config_apply(&change, requests);
		for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
			check_derive(&requests[direction]);
		check_file(requests);
	}
	while (count)
		free(words[--count]);
	return 0;
}
