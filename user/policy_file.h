/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The policy as text: the lines of /etc/bwctl.conf to what they ask for, and
 * back. Text in memory alone: no file, no kernel, no output. Which keys there
 * are in a section, and what their values look like, is config.h's.
 */
#ifndef POLICY_FILE_H
#define POLICY_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "bwctl.h"
#include "config.h"
#include "log.h"
#include "store.h"

#define POLICY_FILE	   "/etc/bwctl.conf"
#define POLICY_FILE_ERRORS 20 /* as many are kept, the others are counted */
#define POLICY_FILE_LINE   180 /* bytes of KEY = VALUE: inih, as Debian builds it, has room for 197 */
#define POLICY_FILE_NAMES  1024			 /* interfaces */
#define POLICY_FILE_TEXT   (STORE_MAX_BYTES + 1) /* room for any text that can be read again */

struct policy_file_line;
struct policy_file_section;

struct policy_file {
	struct config_change change; /* everything: what the text does not say is default */
	struct bwctl_asked asked;    /* what it comes to, with numbers of its own */
	char (*interfaces)[16];
	size_t interface_count;

	char errors[POLICY_FILE_ERRORS][LOG_TEXT]; /* "NAME:LINE: KEY: what is wrong", by line */
	size_t error_lines[POLICY_FILE_ERRORS];
	size_t error_count; /* all there are, also those not kept */

	/* What the text looked like, for policy_file_merge(). */
	const char *name, *text;
	size_t length;
	struct policy_file_line *lines;
	size_t line_count;
	struct policy_file_section *sections; /* in their order */
	size_t section_count;
	size_t interfaces_line;
};

/*
 * Reads a text of INI form. Its NUL is not counted in length; text and name, which
 * is for errors, are not copied and have to last. 0; -EINVAL when something is
 * wrong, all of which is then in errors; -ENOMEM. ret_file is set unless it is
 * -ENOMEM; free it with policy_file_free().
 */
int policy_file_parse(const char *name, const char *text, size_t length,
		      struct policy_file **ret_file);
void policy_file_free(struct policy_file *file);

/*
 * For those who take all that is not said as default: an empty text, which may be
 * all that is left of another, is no policy. 0, or -EINVAL and one more of errors.
 */
int policy_file_require(struct policy_file *file);

/*
 * Whether the numbers fit in every way in which the policy may come to be
 * enforced, for that many possible CPUs, with leases or without; see
 * policy_build() and flow_table_build(). 0, or -EINVAL and more of errors.
 */
int policy_file_derive(struct policy_file *file, unsigned int cpus, bool leases);

/*
 * Writes what was asked for and these interfaces, as a text that parses to the
 * same: what is not default, classes of one's own by name, flows in their order.
 * Names that no file can hold are left out; how many is returned. Free ret_text,
 * which is NULL when out of memory.
 */
size_t policy_file_print(const struct bwctl_asked *asked, const char *const interfaces[],
			 size_t count, char **ret_text);

/*
 * The text of a file, which had no errors, with what differs changed so that it
 * says what was asked for. A key that is not needed any more goes, its comment
 * stays; so does that of a class or a flow that is gone. A new key comes after the
 * others of its section, a new class after the other classes, a new flow behind the
 * one that it follows. Flows whose order is another change places, each with the
 * comments in it and right above. All else is as it was, to the byte. 0, and free
 * ret_text; -EINVAL and why when a line would become too long, -EFBIG when the text
 * would; -ENOMEM.
 */
int policy_file_merge(const struct policy_file *file, const struct bwctl_asked *asked,
		      char **ret_text, size_t *ret_length, char why[LOG_TEXT]);

#endif
