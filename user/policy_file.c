// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The policy as text. Key, value and comment of a line are told apart by inih.
 * It gets no line that it would misread: it cuts off a long one, stops at a NUL,
 * takes any indented line for a part of the value before, and is silent about
 * what follows a section's name. Such lines are looked at here, before it reads.
 */
#include "policy_file.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy.h"
#include "units.h"
#include "why.h"

#define NO_KEY SIZE_MAX

/* What is put before a line that goes on with a list: "interfaces=". */
#define KEY_ROOM 16

_Static_assert(INI_MAX_LINE >= POLICY_FILE_LINE + KEY_ROOM + 2,
	       "inih cuts off lines that are allowed");

/* What is quoted of a word of the text. */
#define QUOTE 40

struct policy_file_line {
	size_t start, length; /* in the text, with its end of line */
	size_t key;	      /* of [limit], or NO_KEY */
	size_t value, value_length;
};

/* ---- sections and keys ---- */

/* What is known of a section: its keys by number, and who takes their values. */
struct section {
	const char *name;
	const char *(*key)(size_t n); /* NULL after the last */
	int (*take)(struct policy_file *file, size_t key, const char *value, char why[LOG_TEXT]);
	bool (*is_list)(size_t key); /* goes on in the lines below that are indented */
};

/* The parser between two lines. */
struct reading {
	struct policy_file *file;
	const struct section *section; /* NULL: before the first one, or in one that is not known */
	bool in_unknown;
	size_t at;			 /* what of the text is still to be read */
	size_t list;			 /* the key that an indented line goes on with, or NO_KEY */
	bool continues;			 /* the line does so */
	bool pending;			 /* inih has the line and has not said what it is */
	char line[POLICY_FILE_LINE + 1]; /* as it was given to inih */
};

#define KEY_INTERFACES CONFIG_KEYS

static const char *limit_key(size_t n)
{
	return n < CONFIG_KEYS ? config_keys[n].name : n == KEY_INTERFACES ? "interfaces" : NULL;
}

static bool limit_is_list(size_t key)
{
	return key == KEY_INTERFACES;
}

static int take_setting(struct policy_file *file, size_t number, const char *value,
			char why[LOG_TEXT])
{
	const struct config_key *key = &config_keys[number];

	for (int setting = 0; setting < CONFIG_SETTINGS; setting++) {
		size_t line = file->setting_line[setting];

		if (!(key->settings & 1U << setting) || !line)
			continue;
		return why_refuse(why, -EINVAL, "is given already, in line %zu", line);
	}
	for (int setting = 0; setting < CONFIG_SETTINGS; setting++)
		if (key->settings & 1U << setting)
			file->setting_line[setting] = file->line_count;
	return config_parse_value(key, value, &file->change, why);
}

/*
 * What the kernel takes for a name, without what means something here. Others are
 * rare, and can still be loaded by a command.
 */
static bool is_interface_name(const char *name, size_t length)
{
	if (!length || length > 15 || (*name == '.' && (length == 1 || !strcmp(name, ".."))))
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 0x7f || strchr("/:=;#[]", name[i]))
			return false;
	return true;
}

static int take_interface(struct policy_file *file, const char *name, size_t length,
			  char why[LOG_TEXT])
{
	char word[16] = "", (*more)[16];

	if (length < sizeof(word))
		memcpy(word, name, length);
	if (*name == '#')
		return why_refuse(why, -EINVAL, "'#': a comment after a value begins with ';'");
	if (!is_interface_name(word, length))
		return why_refuse(why, -EINVAL,
				  "'%.*s': expected names of interfaces, with blanks between",
				  (int)(length < QUOTE ? length : QUOTE), name);
	for (size_t i = 0; i < file->interface_count; i++)
		if (!strcmp(file->interfaces[i], word))
			return why_refuse(why, -EINVAL, "'%s' is there twice", word);
	if (file->interface_count == POLICY_FILE_NAMES)
		return why_refuse(why, -EINVAL, "'%s' is one too many: expected at most %d", word,
				  POLICY_FILE_NAMES);
	more = realloc(file->interfaces, (file->interface_count + 1) * sizeof(*more));
	if (!more)
		return why_fail(why, -ENOMEM, "cannot keep '%s'", word);
	file->interfaces = more;
	strcpy(file->interfaces[file->interface_count++], word);
	return 0;
}

static int take_interfaces(struct policy_file *file, const char *value, char why[LOG_TEXT])
{
	int err = 0;

	while (!err && *(value += strspn(value, " \t"))) {
		size_t length = strcspn(value, " \t");

		err = take_interface(file, value, length, why);
		value += length;
	}
	return err;
}

static int limit_take(struct policy_file *file, size_t key, const char *value, char why[LOG_TEXT])
{
	return key == KEY_INTERFACES ? take_interfaces(file, value, why) :
				       take_setting(file, key, value, why);
}

static const struct section sections[] = {
	{"limit", limit_key, limit_take, limit_is_list},
};

#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

static const char *section_name(size_t n)
{
	return n < SECTIONS ? sections[n].name : NULL;
}

/* ---- errors ---- */

static void complain(struct policy_file *file, size_t line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void complain(struct policy_file *file, size_t line, const char *format, ...)
{
	size_t length = strlen(file->name), tail = length > 200 ? length - 200 : 0;
	char place[24] = "";
	va_list arguments;
	char *text;
	int used;

	if (file->error_count++ >= POLICY_FILE_ERRORS)
		return;
	text = file->errors[file->error_count - 1];
	if (line)
		snprintf(place, sizeof(place), ":%zu", line);
	used = snprintf(text, LOG_TEXT, "%s%s%s: ", tail ? "..." : "", file->name + tail, place);
	va_start(arguments, format);
	vsnprintf(text + used, LOG_TEXT - (size_t)used, format, arguments);
	va_end(arguments);
	/* A part of it is from the file: nothing of that may move a cursor. */
	for (char *at = text + used; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
}

/* The number of a name, or NO_KEY. */
static size_t find_name(const char *(*name)(size_t n), const char *wanted)
{
	for (size_t n = 0; name(n); n++)
		if (!strcmp(name(n), wanted))
			return n;
	return NO_KEY;
}

#define DISTANCE_MAX 24 /* longer words are like none */

/*
 * How many letters have to be added, left out, changed, or exchanged with their
 * neighbour (optimal string alignment). Upper and lower case are one slip each.
 */
static size_t distance(const char *a, const char *b)
{
	size_t a_length = strlen(a), b_length = strlen(b);
	size_t table[DISTANCE_MAX + 1][DISTANCE_MAX + 1];

	if (a_length > DISTANCE_MAX || b_length > DISTANCE_MAX)
		return SIZE_MAX;
	for (size_t i = 0; i <= a_length; i++)
		for (size_t j = 0; j <= b_length; j++) {
			size_t best = i ? i : j;

			if (i && j) {
				best = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
				if (table[i - 1][j] + 1 < best)
					best = table[i - 1][j] + 1;
				if (table[i][j - 1] + 1 < best)
					best = table[i][j - 1] + 1;
			}
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    table[i - 2][j - 2] + 1 < best)
				best = table[i - 2][j - 2] + 1;
			table[i][j] = best;
		}
	return table[a_length][b_length];
}

/* ": did you mean 'burst'?", or which names there are. */
static const char *suggest(const char *(*name)(size_t n), const char *quotes, const char *word,
			   char text[LOG_TEXT])
{
	size_t nearest = 0, least = SIZE_MAX, length = 0;

	for (size_t n = 0; name(n); n++) {
		size_t far = strcasecmp(name(n), word) ? distance(name(n), word) : 0;

		if (far < least) {
			least = far;
			nearest = n;
		}
	}
	if (least <= 1 + strlen(name(nearest)) / 4) {
		snprintf(text, LOG_TEXT, "did you mean %c%s%c?", quotes[0], name(nearest),
			 quotes[1]);
		return text;
	}
	for (size_t n = 0; name(n) && length < LOG_TEXT; n++)
		length += (size_t)snprintf(text + length, LOG_TEXT - length, "%s%s",
					   !n	       ? "expected " :
					   name(n + 1) ? ", " :
							 " or ",
					   name(n));
	return text;
}

/* Printable, and not too long; nothing else gets onto a terminal. */
static const char *quote(const char *word, char quoted[QUOTE + 4])
{
	size_t n;

	for (n = 0; word[n] && n < QUOTE; n++)
		quoted[n] = word[n] >= ' ' && word[n] <= '~' ? word[n] : '?';
	strcpy(quoted + n, word[n] ? "..." : "");
	return quoted;
}

/* ---- lines ---- */

/* A key, and not a line that goes on with one: notes where it is. False: it is not to be taken. */
static bool begin_key(struct reading *reading, size_t key, const char *value)
{
	struct policy_file *file = reading->file;
	struct policy_file_line *line = &file->lines[file->line_count - 1];
	size_t at = strcspn(reading->line, "=:") + 1;

	/* inih has cut the value out of its copy of the line: the same bytes are in ours. */
	line->value += at + strspn(reading->line + at, " \t");
	line->value_length = strlen(value);
	reading->list = NO_KEY;
	if (!reading->section->is_list(key))
		return true;
	reading->list = key;
	if (file->interfaces_line)
		complain(file, file->line_count, "%s: is given already, in line %zu",
			 reading->section->key(key), file->interfaces_line);
	else
		file->interfaces_line = file->line_count;
	return file->interfaces_line == file->line_count;
}

/* inih has told key and value apart. Nonzero: go on. */
static int take_pair(void *user, const char *ignored, const char *name, const char *value)
{
	struct reading *reading = user;
	struct policy_file *file = reading->file;
	char quoted[QUOTE + 4], text[LOG_TEXT];
	size_t key;

	(void)ignored;
	reading->pending = false;
	if (reading->in_unknown)
		return 1;
	quote(name, quoted);
	if (!reading->section) {
		complain(file, file->line_count,
			 "'%s' stands before any section: expected [%s] above it", quoted,
			 sections[0].name);
		return 1;
	}
	key = find_name(reading->section->key, name);
	if (key == NO_KEY) {
		reading->list = NO_KEY;
		complain(file, file->line_count, "unknown key '%s': %s", quoted,
			 suggest(reading->section->key, "''", name, text));
		return 1;
	}
	file->lines[file->line_count - 1].key = key;
	if (!reading->continues && !begin_key(reading, key, value))
		return 1;
	if (reading->section->take(file, key, value, text))
		complain(file, file->line_count, "%s: %s", name, text);
	return 1;
}

/* What inih made of the line before. */
static void settle(struct reading *reading)
{
	char quoted[QUOTE + 4];

	if (reading->pending && !reading->in_unknown)
		complain(reading->file, reading->file->line_count, "'%s': expected KEY = VALUE",
			 quote(reading->line, quoted));
	reading->pending = false;
}

static void take_section(struct reading *reading, const char *text, size_t length)
{
	struct policy_file *file = reading->file;
	const char *end = memchr(text, ']', length);
	char name[POLICY_FILE_LINE + 1], quoted[QUOTE + 4], why[LOG_TEXT];
	size_t name_length, n, rest;

	reading->section = NULL;
	reading->in_unknown = true;
	reading->list = NO_KEY;
	name_length = end ? (size_t)(end - text) - 1 : length - 1;
	if (name_length > POLICY_FILE_LINE)
		name_length = POLICY_FILE_LINE;
	memcpy(name, text + 1, name_length);
	name[name_length] = '\0';
	quote(name, quoted);
	if (!end) {
		complain(file, file->line_count,
			 "'[%s': expected a ']' behind the name of a section", quoted);
		return;
	}
	for (rest = (size_t)(end - text) + 1; rest < length && strchr(" \t", text[rest]); rest++)
		;
	if (rest < length && text[rest] != ';' && text[rest] != '#')
		complain(file, file->line_count,
			 "[%s]: expected nothing else in the line of a section", quoted);
	n = find_name(section_name, name);
	if (n == NO_KEY) {
		complain(file, file->line_count, "unknown section [%s]: %s", quoted,
			 suggest(section_name, "[]", name, why));
		return;
	}
	if (file->section_line)
		complain(file, file->line_count, "[%s] is there already, in line %zu", name,
			 file->section_line);
	else
		file->section_line = file->line_count;
	reading->section = &sections[n];
	reading->in_unknown = false;
}

/* Bytes that nobody typed: a tab is none, nor is what is beyond ASCII. */
static bool has_control(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
			return true;
	return false;
}

/*
 * Looks at a line, without its blanks at either end. Whether it is one for inih:
 * then it is in reading->line, and what stood before it decides what it goes on with.
 */
static bool look_at(struct reading *reading, const char *text, size_t length, bool indented)
{
	struct policy_file *file = reading->file;

	if (has_control(text, length)) {
		complain(file, file->line_count,
			 "the line has a control character: expected plain text");
		return false;
	}
	if (!length || *text == '#' || *text == ';')
		return false;
	if (*text == '[') {
		take_section(reading, text, length);
		return false;
	}
	if (length > POLICY_FILE_LINE) {
		complain(file, file->line_count, "the line has %zu bytes: expected at most %d",
			 length, POLICY_FILE_LINE);
		return false;
	}
	memcpy(reading->line, text, length);
	reading->line[length] = '\0';
	reading->continues = indented && reading->list != NO_KEY && !strchr(reading->line, '=');
	reading->pending = true;
	return true;
}

/* inih's reader: the next line that is for it, or NULL. */
static char *next_line(char *buffer, int size, void *stream)
{
	struct reading *reading = stream;
	struct policy_file *file = reading->file;

	settle(reading);
	while (reading->at < file->length) {
		const char *text = file->text + reading->at;
		const char *end = memchr(text, '\n', file->length - reading->at);
		size_t length = end ? (size_t)(end - text) : file->length - reading->at, blanks;
		struct policy_file_line *line = &file->lines[file->line_count++];

		*line = (struct policy_file_line){.start = reading->at, .key = NO_KEY};
		line->length = length + (end ? 1 : 0);
		reading->at += line->length;
		for (blanks = 0; blanks < length && strchr(" \t", text[blanks]) && text[blanks];)
			blanks++;
		/* Of its end of line the CR of other systems is a part. */
		if (length > blanks && text[length - 1] == '\r')
			length--;
		while (length > blanks && (text[length - 1] == ' ' || text[length - 1] == '\t'))
			length--;
		line->value = line->start + blanks;
		if (!look_at(reading, text + blanks, length - blanks, blanks))
			continue;
		/* Not as a line that goes on: then inih would see no comment in it. */
		snprintf(buffer, (size_t)size, "%s%s%s\n",
			 reading->continues ? reading->section->key(reading->list) : "",
			 reading->continues ? "=" : "", reading->line);
		return buffer;
	}
	return NULL;
}

/* A mark of the encoding, which some editors put at the beginning. */
static size_t bom_length(const char *text, size_t length)
{
	return length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
}

int policy_file_parse(const char *name, const char *text, size_t length,
		      struct policy_file **ret_file)
{
	struct policy_file *file = calloc(1, sizeof(*file));
	struct reading reading = {.file = file, .list = NO_KEY};
	size_t lines = 1;

	if (!file)
		return -ENOMEM;
	for (size_t i = 0; i < length; i++)
		lines += text[i] == '\n';
	file->name = name;
	file->text = text;
	file->length = length;
	file->lines = calloc(lines, sizeof(*file->lines));
	config_default(&file->change);
	if (!file->lines) {
		policy_file_free(file);
		return -ENOMEM;
	}
	if (memchr(text, '\0', length)) {
		complain(file, 0, "there is a NUL byte in it: expected plain text, no UTF-16");
	} else {
		reading.at = bom_length(text, length);
		ini_parse_stream(next_line, &reading, take_pair, &reading);
		settle(&reading);
		/* Out of memory, or an inih that stops at an error: half a policy is none. */
		if (reading.at < length)
			complain(file, file->line_count, "cannot be read beyond this line");
	}
	*ret_file = file;
	return file->error_count ? -EINVAL : 0;
}

void policy_file_free(struct policy_file *file)
{
	if (!file)
		return;
	free(file->interfaces);
	free(file->lines);
	free(file);
}

int policy_file_require(struct policy_file *file)
{
	if (file->section_line || file->error_count)
		return file->error_count ? -EINVAL : 0;
	complain(file, 0, "there is no section [%s]: an empty file is no policy", sections[0].name);
	return -EINVAL;
}

/* ---- whether it can be enforced ---- */

static void derive(struct policy_file *file, const struct bwctl_request *request, int direction,
		   enum policy_way way, unsigned int cpus, bool leases)
{
	struct bwctl_promise promise;
	struct bwctl_meter meter;
	char why[UNITS_TEXT];
	size_t line = file->setting_line[CONFIG_BURST];

	if (!line)
		line = file->setting_line[CONFIG_WINDOW];
	if (!line)
		line = file->setting_line[direction];
	if (policy_derive(request, way, cpus, leases, &meter, &promise, why))
		complain(file, line, "%s, when it %s: %s", policy_direction_name(direction),
			 way == POLICY_DROPS ? "polices" : "paces", why);
}

int policy_file_derive(struct policy_file *file, unsigned int cpus, bool leases)
{
	struct bwctl_request requests[BWCTL_DIRECTIONS] = {0};
	size_t before;

	config_apply(&file->change, requests);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		const struct bwctl_request *request = &requests[direction];

		before = file->error_count;
		if (request->mode != BWCTL_MODE_POLICE)
			derive(file, request, direction, POLICY_WAITS, cpus, leases);
		/* In an fq of somebody else's; rarely it is that which makes the difference. */
		if (request->mode != BWCTL_MODE_POLICE && before == file->error_count)
			derive(file, request, direction, POLICY_DRIFTS, cpus, leases);
		if (request->mode != BWCTL_MODE_PACE)
			derive(file, request, direction, POLICY_DROPS, cpus, leases);
	}
	return file->error_count ? -EINVAL : 0;
}

/* ---- policy to text ---- */

/* A text that grows. What does not fit any more is counted, not written. */
struct output {
	char *text;
	size_t length;
};

static void put(struct output *output, const char *text, size_t length)
{
	if (output->length + length < POLICY_FILE_TEXT)
		memcpy(output->text + output->length, text, length);
	output->length += length;
}

static void put_text(struct output *output, const char *text)
{
	put(output, text, strlen(text));
}

static void put_key(struct output *output, size_t key, const char *value, const char *end_of_line)
{
	put_text(output, limit_key(key));
	put_text(output, " = ");
	put_text(output, value);
	put_text(output, end_of_line);
}

static bool finish(struct output *output)
{
	if (output->length >= POLICY_FILE_TEXT)
		return false;
	output->text[output->length] = '\0';
	return true;
}

/* The value that a key has in these requests; NULL when it is the default. */
static const char *wanted_value(size_t key, const struct bwctl_request requests[BWCTL_DIRECTIONS],
				char text[UNITS_TEXT])
{
	static const struct bwctl_request defaults[BWCTL_DIRECTIONS];
	char standard[UNITS_TEXT];

	config_print_value(&config_keys[key], requests, text);
	config_print_value(&config_keys[key], defaults, standard);
	return strcmp(text, standard) ? text : NULL;
}

static bool has_one_limit(const struct bwctl_request requests[BWCTL_DIRECTIONS])
{
	return requests[BWCTL_INGRESS].limit_bits_s == requests[BWCTL_EGRESS].limit_bits_s;
}

/* Either one limit for both, or one for each. */
static bool is_limit_of(size_t key, bool together)
{
	return !config_is_limit(&config_keys[key]) || config_keys[key].bare == together;
}

size_t policy_file_print(const struct bwctl_request requests[BWCTL_DIRECTIONS],
			 const char *const interfaces[], size_t count, char **ret_text)
{
	struct output output = {.text = malloc(POLICY_FILE_TEXT)};
	char value[UNITS_TEXT];
	size_t column = 0, left_out = 0;

	*ret_text = output.text;
	if (!output.text)
		return 0;
	put_text(&output, "[limit]\n");
	for (size_t key = 0; key < CONFIG_KEYS; key++)
		if (is_limit_of(key, has_one_limit(requests)) && wanted_value(key, requests, value))
			put_key(&output, key, value, "\n");
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(interfaces[i]);

		if (!is_interface_name(interfaces[i], length) || i >= POLICY_FILE_NAMES) {
			left_out++;
			continue;
		}
		/* A long list goes on in lines that are indented. */
		if (!column)
			put_text(&output, "interfaces =");
		else if (column + length > 80)
			put_text(&output, "\n\t");
		if (!column || column + length > 80)
			column = 12;
		if (output.text[output.length - 1] != '\t')
			put_text(&output, " ");
		put_text(&output, interfaces[i]);
		column += length + 1;
	}
	if (column)
		put_text(&output, "\n");
	/* 1024 names of 15 bytes are far less than there is room for. */
	finish(&output);
	return left_out;
}

/* ---- policy into a text that there is ---- */

struct merging {
	const struct policy_file *file;
	const struct bwctl_request *requests;
	struct bwctl_request before[BWCTL_DIRECTIONS]; /* what the text says */
	bool together;				       /* one limit for both directions */
	bool put[CONFIG_KEYS];			       /* new, and written already */
	const char *end_of_line;
	size_t begin; /* of the first line */
	struct output output;
};

static bool has_line(const struct policy_file *file, size_t key)
{
	for (size_t i = 0; i < file->line_count; i++)
		if (file->lines[i].key == key)
			return true;
	return false;
}

/* The last line of a text may have no end. */
static void end_line(struct merging *merging)
{
	struct output *output = &merging->output;

	if (output->length > merging->begin && output->length < POLICY_FILE_TEXT &&
	    output->text[output->length - 1] != '\n')
		put_text(output, merging->end_of_line);
}

/* A key that the text does not have, and whose value is not the default. */
static void put_missing(struct merging *merging, size_t key)
{
	char value[UNITS_TEXT];

	if (merging->put[key] || has_line(merging->file, key) ||
	    !is_limit_of(key, merging->together) || !wanted_value(key, merging->requests, value))
		return;
	merging->put[key] = true;
	end_line(merging);
	put_key(&merging->output, key, value, merging->end_of_line);
}

/* Of a line that goes: the comment behind its value, in a line of its own. */
static void put_comment(struct merging *merging, const struct policy_file_line *line)
{
	const char *text = merging->file->text;
	size_t end = line->start + line->length, at = line->value + line->value_length;

	while (at < end && strchr(" \t", text[at]))
		at++;
	if (at < end && text[at] == ';')
		put(&merging->output, text + at, end - at);
}

static void put_line(struct merging *merging, const struct policy_file_line *line)
{
	const char *text = merging->file->text;
	size_t end = line->start + line->length, rest = line->value + line->value_length;
	char value[UNITS_TEXT], before[UNITS_TEXT];
	const char *wanted;
	bool stays;

	if (line->key >= CONFIG_KEYS) {
		put(&merging->output, text + line->start, line->length);
		return;
	}
	stays = is_limit_of(line->key, merging->together);
	wanted = wanted_value(line->key, merging->requests, value);
	config_print_value(&config_keys[line->key], merging->before, before);
	if (stays && !strcmp(value, before)) {
		put(&merging->output, text + line->start, line->length);
	} else if (stays && wanted) {
		put(&merging->output, text + line->start, line->value - line->start);
		put_text(&merging->output, value);
		put(&merging->output, text + rest, end - rest);
	} else {
		put_comment(merging, line);
	}
	/* One limit for both that becomes two: these are where it was. */
	if (!stays && config_keys[line->key].bare)
		for (size_t key = 0; key < CONFIG_KEYS; key++)
			if (config_is_limit(&config_keys[key]))
				put_missing(merging, key);
}

/* The line after which new keys come: the last one of the section that says something. */
static size_t last_line_of_section(const struct policy_file *file)
{
	size_t last = file->section_line;

	for (size_t i = file->section_line; i < file->line_count; i++)
		if (file->lines[i].key != NO_KEY)
			last = i + 1;
	return last;
}

/*
 * What was written is read once more before anybody else does: a comment behind a
 * longer value may have made the line too long.
 */
static int verify(const struct merging *merging, char why[LOG_TEXT])
{
	struct bwctl_request requests[BWCTL_DIRECTIONS] = {0};
	struct policy_file *file;
	int err = policy_file_parse(merging->file->name, merging->output.text,
				    merging->output.length, &file);

	if (err == -ENOMEM)
		return why_fail(why, err, "cannot read '%.300s' again", merging->file->name);
	config_apply(&file->change, requests);
	if (err)
		why_refuse(why, err, "with the new values %s", file->errors[0]);
	else if (memcmp(requests, merging->requests, sizeof(requests)) ||
		 file->interface_count != merging->file->interface_count)
		err = why_refuse(why, -EINVAL, "'%.300s' cannot say what is in force",
				 merging->file->name);
	policy_file_free(file);
	return err;
}

static void merge(struct merging *merging)
{
	const struct policy_file *file = merging->file;
	size_t last = last_line_of_section(file);

	merging->begin = bom_length(file->text, file->length);
	put(&merging->output, file->text, merging->begin);
	for (size_t i = 0; i < file->line_count; i++) {
		put_line(merging, &file->lines[i]);
		if (i + 1 != last)
			continue;
		for (size_t key = 0; key < CONFIG_KEYS; key++)
			put_missing(merging, key);
	}
	if (file->section_line)
		return;
	end_line(merging);
	put_text(&merging->output, "[limit]");
	put_text(&merging->output, merging->end_of_line);
	for (size_t key = 0; key < CONFIG_KEYS; key++)
		put_missing(merging, key);
}

/* That of the first line; a file from elsewhere keeps its own. */
static const char *end_of_line(const struct policy_file *file)
{
	const char *end = memchr(file->text, '\n', file->length);

	return end && end > file->text && end[-1] == '\r' ? "\r\n" : "\n";
}

int policy_file_merge(const struct policy_file *file,
		      const struct bwctl_request requests[BWCTL_DIRECTIONS], char **ret_text,
		      size_t *ret_length, char why[LOG_TEXT])
{
	struct merging merging = {
		.file = file,
		.requests = requests,
		.together = has_one_limit(requests),
		.end_of_line = end_of_line(file),
		.output.text = malloc(POLICY_FILE_TEXT),
	};
	int err = -ENOMEM;

	/* Who has written a line for each direction wants them apart. */
	if (file->setting_line[CONFIG_INGRESS] != file->setting_line[CONFIG_EGRESS])
		merging.together = false;
	config_apply(&file->change, merging.before);
	if (merging.output.text) {
		merge(&merging);
		err = finish(&merging.output) ? verify(&merging, why) : -EFBIG;
	}
	if (err == -EFBIG || err == -ENOMEM)
		why_fail(why, err, "cannot write '%.300s'", file->name);
	if (err) {
		free(merging.output.text);
		return err;
	}
	*ret_text = merging.output.text;
	*ret_length = merging.output.length;
	return 0;
}
