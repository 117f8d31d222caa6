// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Any bytes as a policy file. What is refused is said in plain text. What is
 * taken is printed and merged without a change of what it means, and merged with
 * what it says already without a change of a byte.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "../policies.h"
#include "config.h"
#include "fuzz.h"
#include "policy_file.h"

/* The file without errors that this text has to be, and what it makes of what was in force. */
static struct policy_file *parse(const char *text, size_t length, struct bwctl_asked *asked,
				 const char *what)
{
	struct policy_file *file;
	int err = policy_file_parse("again", text, length, &file);
	char why[LOG_TEXT];

	HOLDS(err != -ENOMEM, what);
	if (err)
		fprintf(stderr, "%s\n%.*s\n", file->errors[0], (int)length, text);
	HOLDS(!err, what);
	HOLDS(!config_apply(&file->change, asked, why), why);
	return file;
}

static void check_interfaces(const struct policy_file *a, const struct policy_file *b)
{
	HOLDS(a->interface_count == b->interface_count, "interfaces");
	for (size_t i = 0; i < a->interface_count; i++)
		HOLDS(!strcmp(a->interfaces[i], b->interfaces[i]), "interfaces");
}

static void check_print(const struct policy_file *file)
{
	const char **names = calloc(file->interface_count + 1, sizeof(*names));
	struct bwctl_asked again = file->asked;
	struct policy_file *printed;
	char *text, *same;

	HOLDS(names, "memory");
	for (size_t i = 0; i < file->interface_count; i++)
		names[i] = file->interfaces[i];
	HOLDS(!policy_file_print(&file->asked, names, file->interface_count, &text), "names");
	HOLDS(text, "memory");
	printed = parse(text, strlen(text), &again, "printed");
	HOLDS(!memcmp(&file->asked, &again, sizeof(again)), "printed");
	check_interfaces(file, printed);
	policy_file_print(&printed->asked, names, file->interface_count, &same);
	HOLDS(same && !strcmp(text, same), "printed twice");
	policy_file_free(printed);
	free(text);
	free(same);
	free(names);
}

static void check_merge(const struct policy_file *file, const struct bwctl_asked *wanted,
			bool has_limit)
{
	bool same = !memcmp(&file->asked, wanted, sizeof(*wanted)) && has_limit;
	struct bwctl_asked again = *wanted;
	struct policy_file *merged;
	char *text, *twice, why[LOG_TEXT];
	size_t length, twice_length;
	int err = policy_file_merge(file, wanted, &text, &length, why);

	HOLDS(!err || !same, why);
	if (err)
		return;
	if (same)
		HOLDS(length == file->length && !memcmp(text, file->text, length), "merged");
	merged = parse(text, length, &again, "merged");
	HOLDS(!memcmp(wanted, &again, sizeof(again)), "merged");
	check_interfaces(file, merged);
	HOLDS(!policy_file_merge(merged, wanted, &twice, &twice_length, why), why);
	HOLDS(length == twice_length && !memcmp(text, twice, length), "merged twice");
	policy_file_free(merged);
	free(text);
	free(twice);
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

/* What may be in force while the file says something else: the bytes choose. */
static void pick_other(const struct bwctl_asked *asked, unsigned int sum, struct bwctl_asked *other)
{
	policies_seed = 88172645463325252ULL + sum;
	if (sum % 2) {
		pick_policy(other, 4, 6);
		return;
	}
	/* The same, but for some of its flows. */
	*other = *asked;
	for (uint32_t row = 0; row < other->flow_count; row++)
		if (!other->flows[row].is_listed && pick(2))
			pick_flow(other, &other->flows[row]);
	for (uint32_t row = 1; row < other->flow_count && !other->flows[row].is_listed; row++)
		if (pick(2)) {
			struct bwctl_flow flow = other->flows[row];

			other->flows[row] = other->flows[row - 1];
			other->flows[row - 1] = flow;
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly as long as it is, so that a byte too many is noticed. */
	char *text = malloc(size ? size : 1);
	struct policy_file *file;
	struct bwctl_asked other;
	unsigned int sum = 0;
	bool has_limit;
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
		pick_other(&file->asked, sum, &other);
		/* Which takes a hundred times as long as the rest. */
		if (sum % 64 < 2 && policy_file_derive(file, 4, sum % 2))
			check_errors(file);
		file->error_count = 0;
		has_limit = !policy_file_require(file);
		check_print(file);
		check_merge(file, &file->asked, has_limit);
		check_merge(file, &other, has_limit);
	}
	policy_file_free(file);
	free(text);
	return 0;
}
