// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Any bytes as a policy file. What is refused is said in plain text. What is
 * taken is printed and merged without a change of what it means, and merged with
 * what it says already without a change of a byte.
 */
#include <errno.h>
#include <string.h>

#include "config.h"
#include "fuzz.h"
#include "policy_file.h"

/* What may be in force while the file says something else: the last bytes choose. */
static const struct bwctl_request others[][BWCTL_DIRECTIONS] = {
	{{0}, {0}},
	{{.limit_bits_s = 50000000}, {.limit_bits_s = 50000000}},
	{{.limit_bits_s = 49999999}, {0}},
	{{.limit_bits_s = 8000, .burst_ns = 1, .mode = BWCTL_MODE_PACE},
	 {.limit_bits_s = 400000000000, .burst_ns = 1, .mode = BWCTL_MODE_PACE}},
	{{.burst_bytes = 999999999999, .window_ns = 3600000000000, .overhead_bytes = 256},
	 {.burst_bytes = 999999999999, .window_ns = 3600000000000, .overhead_bytes = 256}},
	{{.window_ns = 100000001, .horizon_ns = 5000001, .mode = BWCTL_MODE_POLICE},
	 {.limit_bits_s = 1000000000,
	  .window_ns = 100000001,
	  .horizon_ns = 5000001,
	  .mode = BWCTL_MODE_POLICE}},
};

#define OTHERS (sizeof(others) / sizeof(others[0]))

/* The file without errors that this text has to be, and what it asks for. */
static struct policy_file *parse(const char *text, size_t length,
				 struct bwctl_request requests[BWCTL_DIRECTIONS], const char *what)
{
	struct policy_file *file;
	int err = policy_file_parse("again", text, length, &file);

	HOLDS(err != -ENOMEM, what);
	if (err)
		fprintf(stderr, "%s\n%.*s\n", file->errors[0], (int)length, text);
	HOLDS(!err, what);
	memset(requests, 0, sizeof(*requests) * BWCTL_DIRECTIONS);
	config_apply(&file->change, requests);
	return file;
}

static void check_interfaces(const struct policy_file *a, const struct policy_file *b)
{
	HOLDS(a->interface_count == b->interface_count, "interfaces");
	for (size_t i = 0; i < a->interface_count; i++)
		HOLDS(!strcmp(a->interfaces[i], b->interfaces[i]), "interfaces");
}

static void check_print(const struct policy_file *file, const struct bwctl_request *requests)
{
	const char **names = calloc(file->interface_count + 1, sizeof(*names));
	struct bwctl_request again[BWCTL_DIRECTIONS];
	struct policy_file *printed;
	char *text;

	HOLDS(names, "memory");
	for (size_t i = 0; i < file->interface_count; i++)
		names[i] = file->interfaces[i];
	HOLDS(!policy_file_print(requests, names, file->interface_count, &text), "names");
	HOLDS(text, "memory");
	printed = parse(text, strlen(text), again, "printed");
	HOLDS(!memcmp(requests, again, sizeof(again)), "printed");
	check_interfaces(file, printed);
	policy_file_free(printed);
	free(text);
	free(names);
}

static void check_merge(const struct policy_file *file, const struct bwctl_request *asked,
			const struct bwctl_request *wanted)
{
	struct bwctl_request again[BWCTL_DIRECTIONS];
	bool same = !memcmp(asked, wanted, sizeof(again));
	struct policy_file *merged;
	char *text, why[LOG_TEXT];
	size_t length;
	int err = policy_file_merge(file, wanted, &text, &length, why);

	HOLDS(!err || !same || !file->section_line, why);
	if (err)
		return;
	if (same && file->section_line)
		HOLDS(length == file->length && !memcmp(text, file->text, length), "merged");
	merged = parse(text, length, again, "merged");
	HOLDS(!memcmp(wanted, again, sizeof(again)), "merged");
	check_interfaces(file, merged);
	policy_file_free(merged);
	free(text);
}

static void check_errors(const struct policy_file *file)
{
	HOLDS(file->error_count, "an error is said");
	for (size_t i = 0; i < file->error_count && i < POLICY_FILE_ERRORS; i++) {
		HOLDS(!strncmp(file->errors[i], "file:", 5), file->errors[i]);
		for (const char *at = file->errors[i]; *at; at++)
			HOLDS((unsigned char)*at >= ' ' && *at != 0x7f, file->errors[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bwctl_request requests[BWCTL_DIRECTIONS] = {0};
	/* Exactly as long as it is, so that a byte too many is noticed. */
	char *text = malloc(size ? size : 1);
	struct policy_file *file;
	unsigned int sum = 0;
	int err;

	HOLDS(text, "memory");
	if (size)
		memcpy(text, data, size);
	for (size_t i = 0; i < size; i++)
		sum += data[i];
	err = policy_file_parse("file", text, size, &file);
	HOLDS(err == 0 || err == -EINVAL, "parsed");
	if (err) {
		check_errors(file);
	} else {
		config_apply(&file->change, requests);
		check_print(file, requests);
		check_merge(file, requests, requests);
		check_merge(file, requests, others[sum % OTHERS]);
		if (policy_file_derive(file, 4, sum % 2))
			check_errors(file);
	}
	policy_file_free(file);
	free(text);
	return 0;
}
