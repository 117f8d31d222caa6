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
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow_table.h"
#include "policy.h"
#include "units.h"
#include "why.h"
#include "words.h"

#define NONE SIZE_MAX

/* What is put before a line that goes on with a list: "interfaces=". */
#define KEY_ROOM 16

_Static_assert(INI_MAX_LINE >= POLICY_FILE_LINE + KEY_ROOM + 2,
	       "inih cuts off lines that are allowed");

enum line_kind {
	LINE_BLANK,
	LINE_COMMENT,
	LINE_SECTION,
	LINE_PAIR, /* or what goes on with one */
};

struct policy_file_line {
	size_t start, length; /* in the text, with its end of line */
	enum line_kind kind;
	size_t section; /* that it stands in, or NONE */
	size_t key;	/* of its section, or NONE */
	size_t value, value_length;
};

/* A key of [limit] alone, behind those that "set" has too. */
#define KEY_INTERFACES CONFIG_KEYS
#define KEYS	       (CONFIG_KEYS_MAX + 1)

struct policy_file_section {
	enum config_section kind;
	size_t number;	       /* of the edit in the change */
	char name[BWCTL_NAME]; /* of the class or flow */
	size_t line;	       /* from 1 */
	size_t key_line[KEYS]; /* from 1; 0: it is not there */
	bool has_errors;
};

/* The parser between two lines. */
struct reading {
	struct policy_file *file;
	size_t section; /* NONE: before the first one, or in one that is not known */
	bool in_unknown;
	size_t at;			 /* what of the text is still to be read */
	size_t list;			 /* the key that an indented line goes on with, or NONE */
	bool continues;			 /* the line does so */
	bool pending;			 /* inih has the line and has not said what it is */
	char line[POLICY_FILE_LINE + 1]; /* as it was given to inih */
};

/* ---- sections and keys ---- */

static const char *key_name(enum config_section kind, size_t key)
{
	if (key < config_keys[kind].file_count)
		return config_keys[kind].keys[key].name;
	return kind == CONFIG_LIMIT && key == KEY_INTERFACES ? "interfaces" : NULL;
}

static const struct config_key *key_of(enum config_section kind, size_t key)
{
	return &config_keys[kind].keys[key];
}

/* The number of a key, or NONE. */
static size_t find_key(enum config_section kind, const char *name)
{
	for (size_t key = 0; key_name(kind, key); key++)
		if (!strcmp(key_name(kind, key), name))
			return key;
	return NONE;
}

static size_t find_section(const struct policy_file *file, enum config_section kind,
			   const char *name)
{
	for (size_t n = 0; n < file->section_count; n++)
		if (file->sections[n].kind == kind && !strcmp(file->sections[n].name, name))
			return n;
	return NONE;
}

/* The line that gives a setting, from 1, or 0. */
static size_t setting_line(const struct policy_file_section *section, unsigned int settings)
{
	for (size_t key = 0; key < config_keys[section->kind].file_count; key++)
		if (section->key_line[key] && (key_of(section->kind, key)->settings & settings))
			return section->key_line[key];
	return 0;
}

/* "limit", or "class ssh", as it is between its brackets. */
static const char *section_title(const struct policy_file_section *section, char title[LOG_TEXT])
{
	snprintf(title, LOG_TEXT, "%s%s%s", config_keys[section->kind].section,
		 *section->name ? " " : "", section->name);
	return title;
}

/* ---- errors ---- */

static void complain(struct policy_file *file, size_t line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* In the order of their lines; what is of no line comes last. */
static void complain(struct policy_file *file, size_t line, const char *format, ...)
{
	size_t length = strlen(file->name), tail = length > 200 ? length - 200 : 0;
	size_t kept = file->error_count++, at, order = line ? line : NONE;
	char place[24] = "";
	va_list arguments;
	char *text;
	int used;

	if (kept > POLICY_FILE_ERRORS)
		kept = POLICY_FILE_ERRORS;
	for (at = kept; at && file->error_lines[at - 1] > order; at--)
		;
	if (at == POLICY_FILE_ERRORS)
		return;
	if (kept == POLICY_FILE_ERRORS)
		kept--;
	memmove(file->errors[at + 1], file->errors[at], (kept - at) * sizeof(*file->errors));
	memmove(&file->error_lines[at + 1], &file->error_lines[at],
		(kept - at) * sizeof(*file->error_lines));
	file->error_lines[at] = order;
	text = file->errors[at];
	if (line)
		snprintf(place, sizeof(place), ":%zu", line);
	used = snprintf(text, LOG_TEXT, "%s%s%s: ", tail ? "..." : "", file->name + tail, place);
	va_start(arguments, format);
	vsnprintf(text + used, LOG_TEXT - (size_t)used, format, arguments);
	va_end(arguments);
	/* A part of it is from the file: nothing of that may move a cursor. */
	words_clean(text + used);
}

/* About the line that is being read. What does not fit with others is not looked for then. */
#define COMPLAIN(reading, ...)                                                           \
	do {                                                                             \
		complain((reading)->file, (reading)->file->line_count, __VA_ARGS__);     \
		if ((reading)->section != NONE)                                          \
			(reading)->file->sections[(reading)->section].has_errors = true; \
	} while (0)

/* ---- what a key says ---- */

static int take_setting(struct policy_file *file, size_t section_number, size_t number,
			const char *value, char why[LOG_TEXT])
{
	struct policy_file_section *section = &file->sections[section_number];
	const struct config_key *key = key_of(section->kind, number);
	size_t line = setting_line(section, key->settings);

	if (line)
		return why_refuse(why, -EINVAL, "is given already, in line %zu", line);
	section->key_line[number] = file->line_count;
	return config_parse_value(section->kind, key, value, &file->change, section->number, why);
}

static int take_interface(struct policy_file *file, const char *name, size_t length,
			  char why[LOG_TEXT])
{
	char word[BWCTL_NAME] = "", (*more)[BWCTL_NAME];

	if (length < sizeof(word))
		memcpy(word, name, length);
	if (*name == '#')
		return why_refuse(why, -EINVAL, "'#': a comment after a value begins with ';'");
	if (!config_is_interface_name(word, length))
		return why_refuse(why, -EINVAL,
				  "'%.*s': expected names of interfaces, with blanks between",
				  (int)(length < WORDS_QUOTE ? length : WORDS_QUOTE), name);
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

/* ---- lines ---- */

static bool is_list(const struct policy_file_section *section, size_t key)
{
	return section->kind == CONFIG_LIMIT && key == KEY_INTERFACES;
}

/* A key, and not a line that goes on with one: notes where it is. False: it is not to be taken. */
static bool begin_key(struct reading *reading, size_t key, const char *value)
{
	struct policy_file *file = reading->file;
	struct policy_file_line *line = &file->lines[file->line_count - 1];
	size_t at = strcspn(reading->line, "=:") + 1;

	/* inih has cut the value out of its copy of the line: the same bytes are in ours. */
	line->value += at + strspn(reading->line + at, " \t");
	line->value_length = strlen(value);
	reading->list = NONE;
	if (!is_list(&file->sections[reading->section], key))
		return true;
	reading->list = key;
	if (file->interfaces_line)
		COMPLAIN(reading, "interfaces: is given already, in line %zu",
			 file->interfaces_line);
	else
		file->interfaces_line = file->line_count;
	return file->interfaces_line == file->line_count;
}

static const char *suggest_key(enum config_section kind, const char *name, char text[LOG_TEXT])
{
	const char *names[KEYS];
	size_t count = 0;

	while (key_name(kind, count)) {
		names[count] = key_name(kind, count);
		count++;
	}
	return words_suggest(names, count, "''", name, text);
}

/* inih has told key and value apart. Nonzero: go on. */
static int take_pair(void *user, const char *ignored, const char *name, const char *value)
{
	struct reading *reading = user;
	struct policy_file *file = reading->file;
	char quoted[WORDS_QUOTE + 4], text[LOG_TEXT];
	enum config_section kind;
	size_t key;
	int err;

	(void)ignored;
	reading->pending = false;
	if (reading->in_unknown)
		return 1;
	words_quote(name, quoted);
	if (reading->section == NONE) {
		COMPLAIN(reading, "'%s' stands before any section: expected [limit] above it",
			 quoted);
		return 1;
	}
	kind = file->sections[reading->section].kind;
	key = find_key(kind, name);
	if (key == NONE) {
		reading->list = NONE;
		COMPLAIN(reading, "unknown key '%s': %s", quoted, suggest_key(kind, name, text));
		return 1;
	}
	file->lines[file->line_count - 1].key = key;
	if (!reading->continues && !begin_key(reading, key, value))
		return 1;
	err = is_list(&file->sections[reading->section], key) ?
		      take_interfaces(file, value, text) :
		      take_setting(file, reading->section, key, value, text);
	if (err && kind == CONFIG_FLOW && key == CONFIG_FLOW_REMOVE)
		/* Nothing else that may be wrong with the flow follows from it. */
		complain(file, file->line_count, "%s: %s", name, text);
	else if (err)
		COMPLAIN(reading, "%s: %s", name, text);
	return 1;
}

/* What inih made of the line before. */
static void settle(struct reading *reading)
{
	char quoted[WORDS_QUOTE + 4];

	if (reading->pending && !reading->in_unknown)
		COMPLAIN(reading, "'%s': expected KEY = VALUE", words_quote(reading->line, quoted));
	reading->pending = false;
}

/* "did you mean [class ssh]?", or which sections there are. */
static const char *suggest_section(const char *kind, const char *name, char text[LOG_TEXT])
{
	char quoted[WORDS_QUOTE + 4];

	for (int n = 0; n < CONFIG_SECTIONS; n++) {
		const char *section = config_keys[n].section;

		if (!words_nearest(&section, 1, "[]", kind, text) || (n == CONFIG_LIMIT && *name))
			continue;
		if (n != CONFIG_LIMIT)
			snprintf(text, LOG_TEXT, "did you mean [%s %s]?", section,
				 *name ? words_quote(name, quoted) : "NAME");
		return text;
	}
	return "expected limit, class NAME or flow NAME";
}

/* What stands between the brackets, its kind and its name, which may be empty. */
static void take_title(struct reading *reading, char *title)
{
	struct policy_file *file = reading->file;
	char quoted[WORDS_QUOTE + 4], why[LOG_TEXT];
	struct policy_file_section section = {.line = file->line_count};
	size_t length, kind = 0;
	char *name;

	title += strspn(title, " \t");
	for (length = strlen(title); length && strchr(" \t", title[length - 1]); length--)
		title[length - 1] = '\0';
	words_quote(title, quoted);
	length = strcspn(title, " \t");
	name = title + length + strspn(title + length, " \t");
	title[length] = '\0';
	while (kind < CONFIG_SECTIONS && strcmp(config_keys[kind].section, title))
		kind++;
	if (kind == CONFIG_SECTIONS || (kind == CONFIG_LIMIT && *name)) {
		COMPLAIN(reading, "unknown section [%s]: %s", quoted,
			 suggest_section(title, name, why));
		return;
	}
	section.kind = (enum config_section)kind;
	if (kind != CONFIG_LIMIT && !*name) {
		COMPLAIN(reading, "[%s]: expected a name, [%s NAME]", quoted, title);
		return;
	}
	reading->section = strlen(name) < BWCTL_NAME ? find_section(file, section.kind, name) :
						       NONE;
	if (reading->section != NONE) {
		/* Nothing is wrong with what the first of them says. */
		complain(file, file->line_count, "[%s] is there already, in line %zu", quoted,
			 file->sections[reading->section].line);
	} else if (kind != CONFIG_LIMIT &&
		   config_add(&file->change, section.kind, name, &section.number, why)) {
		COMPLAIN(reading, "[%s]: %s", quoted, why);
		return;
	} else {
		strcpy(section.name, name);
		file->sections[file->section_count] = section;
		reading->section = file->section_count++;
	}
	reading->in_unknown = false;
}

static void take_section(struct reading *reading, const char *text, size_t length)
{
	struct policy_file *file = reading->file;
	const char *end = memchr(text, ']', length);
	char title[POLICY_FILE_LINE + 1], quoted[WORDS_QUOTE + 4];
	size_t title_length, rest;

	reading->section = NONE;
	reading->in_unknown = true;
	reading->list = NONE;
	title_length = end ? (size_t)(end - text) - 1 : length - 1;
	if (title_length > POLICY_FILE_LINE)
		title_length = POLICY_FILE_LINE;
	memcpy(title, text + 1, title_length);
	title[title_length] = '\0';
	words_quote(title, quoted);
	if (!end) {
		COMPLAIN(reading, "'[%s': expected a ']' behind the name of a section", quoted);
		return;
	}
	for (rest = (size_t)(end - text) + 1; rest < length && strchr(" \t", text[rest]); rest++)
		;
	if (rest < length && text[rest] != ';' && text[rest] != '#')
		COMPLAIN(reading, "[%s]: expected nothing else in the line of a section", quoted);
	take_title(reading, title);
	file->lines[file->line_count - 1].section = reading->section;
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
	struct policy_file_line *line = &file->lines[file->line_count - 1];

	if (has_control(text, length)) {
		COMPLAIN(reading, "the line has a control character: expected plain text");
		return false;
	}
	line->kind = !length			  ? LINE_BLANK :
		     *text == '#' || *text == ';' ? LINE_COMMENT :
		     *text == '['		  ? LINE_SECTION :
						    LINE_PAIR;
	if (line->kind == LINE_SECTION)
		take_section(reading, text, length);
	if (line->kind != LINE_PAIR)
		return false;
	if (length > POLICY_FILE_LINE) {
		COMPLAIN(reading, "the line has %zu bytes: expected at most %d", length,
			 POLICY_FILE_LINE);
		return false;
	}
	memcpy(reading->line, text, length);
	reading->line[length] = '\0';
	reading->continues = indented && reading->list != NONE && !strchr(reading->line, '=');
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

		*line = (struct policy_file_line){
			.start = reading->at, .section = reading->section, .key = NONE};
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
			 reading->continues ? key_name(CONFIG_LIMIT, reading->list) : "",
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

/* ---- what does not go together ---- */

/* A listed flow that is removed has nothing else to say. */
static void check_removed(struct policy_file *file, struct policy_file_section *section)
{
	size_t line = setting_line(section, 1U << CONFIG_FLOW_REMOVE);
	int given = 0;

	for (size_t key = 0; key < config_keys[CONFIG_FLOW].file_count; key++)
		given += section->key_line[key] != 0;
	if (section->has_errors || !line || given < 2 ||
	    !file->change.flows[section->number].remove)
		return;
	complain(file, line, "remove: goes with nothing else: expected no other key of this flow");
	section->has_errors = true;
}

static void take_problem(void *context, const struct config_place *place, const char *why)
{
	struct policy_file *file = context;
	size_t n = find_section(file, place->section, place->name ? place->name : "");
	const struct policy_file_section *section = n == NONE ? NULL : &file->sections[n];
	char title[LOG_TEXT];
	size_t line;

	/* What is wrong with it has been said: this may follow from it, but for a class of that name. */
	if (section && section->has_errors &&
	    (section->kind != CONFIG_FLOW || place->key != key_of(CONFIG_FLOW, CONFIG_FLOW_CLASS)))
		return;
	line = section && place->key ? setting_line(section, place->key->settings) : 0;
	if (!line && section)
		line = section->line;
	if (place->key)
		complain(file, line, "%s: %s", place->key->name, why);
	else
		complain(file, line, "[%s]: %s", section ? section_title(section, title) : "limit",
			 why);
}

static void check_together(struct policy_file *file)
{
	for (size_t n = 0; n < file->section_count; n++)
		if (file->sections[n].kind == CONFIG_FLOW)
			check_removed(file, &file->sections[n]);
	config_lay(&file->change, &file->asked, take_problem, file);
}

int policy_file_parse(const char *name, const char *text, size_t length,
		      struct policy_file **ret_file)
{
	struct policy_file *file = calloc(1, sizeof(*file));
	struct reading reading = {.file = file, .section = NONE, .list = NONE};
	size_t lines = 1, sections = 0;

	if (!file)
		return -ENOMEM;
	for (size_t i = 0; i < length; i++) {
		lines += text[i] == '\n';
		sections += text[i] == '[';
	}
	file->name = name;
	file->text = text;
	file->length = length;
	file->lines = calloc(lines, sizeof(*file->lines));
	file->sections = calloc(sections + 1, sizeof(*file->sections));
	config_default(&file->change);
	policy_default(&file->asked);
	if (!file->lines || !file->sections) {
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
		check_together(file);
	}
	*ret_file = file;
	return file->error_count ? -EINVAL : 0;
}

void policy_file_free(struct policy_file *file)
{
	if (!file)
		return;
	free(file->interfaces);
	free(file->sections);
	free(file->lines);
	free(file);
}

int policy_file_require(struct policy_file *file)
{
	if (find_section(file, CONFIG_LIMIT, "") != NONE || file->error_count)
		return file->error_count ? -EINVAL : 0;
	complain(file, 0, "there is no section [limit]: an empty file is no policy");
	return -EINVAL;
}

/* ---- whether it can be enforced ---- */

/* The line with a setting, of a class, that asks for most; 0: there is none. */
static size_t largest_line(const struct policy_file *file,
			   const uint64_t rates_bits_s[BWCTL_CLASSES], unsigned int settings)
{
	uint64_t most_bits_s = 0;
	size_t line = 0;

	for (size_t class = 0; class < BWCTL_CLASSES; class ++) {
		size_t n =
			rates_bits_s[class] > most_bits_s ?
				find_section(file, CONFIG_CLASS, file->asked.classes[class].name) :
				NONE;

		if (n == NONE || !setting_line(&file->sections[n], settings))
			continue;
		most_bits_s = rates_bits_s[class];
		line = setting_line(&file->sections[n], settings);
	}
	return line;
}

/*
 * The line that is to blame for a limit that does not fit: of a class its own; of that of all what it
 * would fit without, reserves or what classes let wait, else the burst or the window. policy is changed.
 */
static size_t blamed_line(const struct policy_file *file, struct bwctl_policy *policy,
			  const char *class, int direction, bool leases)
{
	size_t n = find_section(file, *class ? CONFIG_CLASS : CONFIG_LIMIT, class), burst, window,
	       line;
	uint64_t rates_bits_s[BWCTL_CLASSES];
	char ignored[LOG_TEXT];

	if (n == NONE || *class)
		return n == NONE ? 0 : setting_line(&file->sections[n], 1U << direction);
	burst = setting_line(&file->sections[n], 1U << CONFIG_BURST);
	window = setting_line(&file->sections[n], 1U << CONFIG_WINDOW);
	for (size_t i = 0; i < BWCTL_CLASSES; i++) {
		rates_bits_s[i] = policy->asked.classes[i].reserve_bits_s;
		policy->asked.classes[i].reserve_bits_s = 0;
	}
	line = largest_line(file, rates_bits_s, 1U << CONFIG_CLASS_RESERVE);
	if (line && !policy_build(policy, leases, ignored))
		return line;
	for (size_t i = 0; i < BWCTL_CLASSES; i++) {
		rates_bits_s[i] = policy->asked.classes[i].limit_bits_s[direction];
		policy->asked.classes[i].limit_bits_s[direction] = 0;
	}
	/* What is advised then is a longer window. */
	line = window ? window : largest_line(file, rates_bits_s, 1U << direction);
	if (line && !policy_build(policy, leases, ignored))
		return line;
	line = burst ? burst : window;
	return line ? line : setting_line(&file->sections[n], 1U << direction);
}

/* A policy in which only this direction has limits, so that it is this one that does not fit. */
static void derive(struct policy_file *file, struct bwctl_policy *policy, int direction,
		   enum policy_way way, bool leases)
{
	char why[LOG_TEXT], class[BWCTL_NAME] = "";
	size_t subject;

	policy->asked = file->asked;
	policy->asked.request[!direction].limit_bits_s = 0;
	for (size_t n = 0; n < BWCTL_CLASSES; n++)
		policy->asked.classes[n].limit_bits_s[!direction] = 0;
	for (int i = 0; i < BWCTL_DIRECTIONS; i++)
		policy->enforcement[i] = (struct bwctl_enforcement){
			.mode = way == POLICY_DROPS ? BWCTL_MODE_POLICE : BWCTL_MODE_PACE,
			.senders_pace = way == POLICY_DRIFTS,
		};
	if (!policy_build(policy, leases, why))
		return;
	/* "ingress: ..." or "class ssh ingress: ..." */
	subject = strcspn(why, ":");
	sscanf(why, "class %15s", class);
	complain(file, blamed_line(file, policy, class, direction, leases),
		 "%.*s, when it %s%.400s", (int)subject, why,
		 way == POLICY_DROPS ? "polices" : "paces", why + subject);
}

int policy_file_derive(struct policy_file *file, unsigned int cpus, bool leases)
{
	struct bwctl_policy *policy = calloc(1, sizeof(*policy));
	size_t before;

	if (!policy || flow_table_build(&file->asked, NULL, 0, &policy->table))
		complain(file, 0, policy ? "the flows cannot be looked up" : "out of memory");
	for (int direction = 0; direction < BWCTL_DIRECTIONS && policy; direction++) {
		enum bwctl_mode mode = (enum bwctl_mode)file->asked.request[direction].mode;

		policy->possible_cpus = cpus;
		before = file->error_count;
		if (mode != BWCTL_MODE_POLICE)
			derive(file, policy, direction, POLICY_WAITS, leases);
		/* In an fq of somebody else's; rarely it is that which makes the difference. */
		if (mode != BWCTL_MODE_POLICE && before == file->error_count)
			derive(file, policy, direction, POLICY_DRIFTS, leases);
		if (mode != BWCTL_MODE_PACE)
			derive(file, policy, direction, POLICY_DROPS, leases);
	}
	free(policy);
	return file->error_count ? -EINVAL : 0;
}

/* ---- policy to text ---- */

/* A text that grows. What does not fit any more is counted, not written. */
struct output {
	char *text;
	size_t begin; /* of the first line */
	size_t length;
	const char *end_of_line;
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

static bool ends_with(const struct output *output, const char *text)
{
	size_t length = strlen(text);

	return output->length >= output->begin + length && output->length < POLICY_FILE_TEXT &&
	       !memcmp(output->text + output->length - length, text, length);
}

/* The last line of a text may have no end. */
static void end_line(struct output *output)
{
	if (output->length > output->begin && !ends_with(output, "\n"))
		put_text(output, output->end_of_line);
}

/* An empty line between two sections. */
static void put_gap(struct output *output)
{
	end_line(output);
	if (output->length > output->begin && !ends_with(output, "\n\n") &&
	    !ends_with(output, "\n\r\n"))
		put_text(output, output->end_of_line);
}

static void put_pair(struct output *output, const char *key, const char *value)
{
	put_text(output, key);
	put_text(output, " = ");
	put_text(output, value);
	put_text(output, output->end_of_line);
}

static bool finish(struct output *output)
{
	if (output->length >= POLICY_FILE_TEXT)
		return false;
	output->text[output->length] = '\0';
	return true;
}

/* What a section is to say: of the limit, a class or a flow that there is. */
struct subject {
	const struct bwctl_asked *asked;
	enum config_section kind;
	size_t number; /* of the class, or the row of the flow */
	bool together; /* one limit for both directions */
};

static const char *subject_name(const struct subject *subject)
{
	switch (subject->kind) {
	case CONFIG_CLASS:
		return subject->asked->classes[subject->number].name;
	case CONFIG_FLOW:
		return subject->asked->flows[subject->number].name;
	default:
		return "";
	}
}

static struct subject subject_of(const struct bwctl_asked *asked, enum config_section kind,
				 size_t number)
{
	struct subject subject = {.asked = asked, .kind = kind, .number = number};

	if (kind == CONFIG_LIMIT)
		subject.together = asked->request[0].limit_bits_s == asked->request[1].limit_bits_s;
	if (kind == CONFIG_CLASS)
		subject.together = asked->classes[number].limit_bits_s[0] ==
				   asked->classes[number].limit_bits_s[1];
	return subject;
}

/* The value that a key has; NULL when it is the default. */
static const char *wanted_value(const struct subject *subject, size_t key, char text[UNITS_TEXT])
{
	const struct config_key *config_key = key_of(subject->kind, key);
	char standard[UNITS_TEXT];

	config_print_value(config_key, subject->asked, subject->number, text);
	config_print_default(subject->kind, config_key, subject_name(subject), standard);
	return strcmp(text, standard) ? text : NULL;
}

/* Either one limit for both, or one for each. */
static bool is_limit_of(enum config_section kind, size_t key, bool together)
{
	const struct config_key *config_key = key_of(kind, key);

	return !config_is_limit(kind, config_key) || (config_key->style == CONFIG_BARE) == together;
}

static bool is_default(const struct subject *subject)
{
	char text[UNITS_TEXT];

	for (size_t key = 0; key < config_keys[subject->kind].file_count; key++)
		if (wanted_value(subject, key, text))
			return false;
	return true;
}

static void put_title(struct output *output, enum config_section kind, const char *name)
{
	put_text(output, "[");
	put_text(output, config_keys[kind].section);
	put_text(output, *name ? " " : "");
	put_text(output, name);
	put_text(output, "]");
	put_text(output, output->end_of_line);
}

/* Of a flow the class is always said: it is what it is there for. */
static void put_section(struct output *output, const struct subject *subject)
{
	char value[UNITS_TEXT];

	put_title(output, subject->kind, subject_name(subject));
	for (size_t key = 0; key < config_keys[subject->kind].file_count; key++)
		if (is_limit_of(subject->kind, key, subject->together) &&
		    (wanted_value(subject, key, value) ||
		     (subject->kind == CONFIG_FLOW && key == CONFIG_FLOW_CLASS)))
			put_pair(output, key_of(subject->kind, key)->name, value);
}

/* A listed flow that is not to be there. */
static void put_removed(struct output *output, const char *name)
{
	put_title(output, CONFIG_FLOW, name);
	put_pair(output, key_of(CONFIG_FLOW, CONFIG_FLOW_REMOVE)->name, "yes");
}

/* Whether a class has to be named for the policy to be what it is. */
static bool is_class_said(const struct bwctl_asked *asked, size_t number)
{
	struct subject subject = subject_of(asked, CONFIG_CLASS, number);

	return *subject_name(&subject) &&
	       (number >= BWCTL_BUILTIN_CLASSES || !is_default(&subject));
}

/*
 * The classes that have to be named, in the order in which they are: the numbers of one's
 * own say only which of them was first, so these go by name. Returns how many.
 */
static size_t said_classes(const struct bwctl_asked *asked, size_t classes[BWCTL_CLASSES])
{
	size_t count = 0, at;

	for (size_t class = 0; class < BWCTL_CLASSES; class ++) {
		if (!is_class_said(asked, class))
			continue;
		for (at = count++;
		     at && classes[at - 1] >= BWCTL_BUILTIN_CLASSES &&
		     strcmp(asked->classes[classes[at - 1]].name, asked->classes[class].name) > 0;
		     at--)
			classes[at] = classes[at - 1];
		classes[at] = class;
	}
	return count;
}

static size_t put_interfaces(struct output *output, const char *const interfaces[], size_t count)
{
	size_t column = 0, left_out = 0;

	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(interfaces[i]);

		if (!config_is_interface_name(interfaces[i], length) || i >= POLICY_FILE_NAMES) {
			left_out++;
			continue;
		}
		/* A long list goes on in lines that are indented. */
		if (!column)
			put_text(output, "interfaces =");
		else if (column + length > 80)
			put_text(output, "\n\t");
		if (!column || column + length > 80)
			column = 12;
		if (!ends_with(output, "\t"))
			put_text(output, " ");
		put_text(output, interfaces[i]);
		column += length + 1;
	}
	if (column)
		put_text(output, "\n");
	return left_out;
}

size_t policy_file_print(const struct bwctl_asked *asked, const char *const interfaces[],
			 size_t count, char **ret_text)
{
	struct output output = {.text = malloc(POLICY_FILE_TEXT), .end_of_line = "\n"};
	struct subject subject = subject_of(asked, CONFIG_LIMIT, 0);
	size_t classes[BWCTL_CLASSES], class_count, left_out;

	*ret_text = output.text;
	if (!output.text)
		return 0;
	put_section(&output, &subject);
	left_out = put_interfaces(&output, interfaces, count);
	class_count = said_classes(asked, classes);
	for (size_t n = 0; n < class_count; n++) {
		subject = subject_of(asked, CONFIG_CLASS, classes[n]);
		put_gap(&output);
		put_section(&output, &subject);
	}
	for (uint32_t row = 0; row < asked->flow_count; row++) {
		if (asked->flows[row].is_listed)
			continue;
		subject = subject_of(asked, CONFIG_FLOW, row);
		put_gap(&output);
		put_section(&output, &subject);
	}
	for (uint32_t n = 0; flow_table_listed(n); n++) {
		if (!(asked->listed_removed & 1U << n))
			continue;
		put_gap(&output);
		put_removed(&output, flow_table_listed(n)->name);
	}
	/* There is room for the largest policy, and more. */
	finish(&output);
	return left_out;
}

/* ---- policy into a text that there is ---- */

/* What becomes of a section of the text. */
enum fate {
	FATE_STAYS,
	FATE_REMOVES, /* a listed flow: it says that it is not to be there */
	FATE_GOES
};

struct merging {
	const struct policy_file *file;
	const struct bwctl_asked *asked;
	struct output output;
	bool gap; /* an empty line is due before the next section */
	/* The section that is being written. */
	const struct policy_file_section *section;
	enum fate fate;
	struct subject wanted, before; /* where it stays */
	bool was_removed;
	bool put[CONFIG_KEYS_MAX]; /* new, and written already */
};

static size_t find_row(const struct bwctl_asked *asked, const char *name)
{
	for (uint32_t row = 0; row < asked->flow_count; row++)
		if (!strcmp(asked->flows[row].name, name))
			return row;
	return NONE;
}

static size_t find_class(const struct bwctl_asked *asked, const char *name)
{
	for (size_t class = 0; class < BWCTL_CLASSES; class ++)
		if (!strcmp(asked->classes[class].name, name))
			return class;
	return NONE;
}

static bool is_removed(const struct bwctl_asked *asked, const char *name)
{
	for (uint32_t n = 0; flow_table_listed(n); n++)
		if (!strcmp(flow_table_listed(n)->name, name))
			return asked->listed_removed & 1U << n;
	return false;
}

/* The row of a flow that the text has to have, or NONE. */
static size_t find_written(const struct bwctl_asked *asked, const char *name)
{
	size_t row = find_row(asked, name);

	return row == NONE || asked->flows[row].is_listed ? NONE : row;
}

static size_t number_in(const struct bwctl_asked *asked, const struct policy_file_section *section)
{
	switch (section->kind) {
	case CONFIG_CLASS:
		return find_class(asked, section->name);
	case CONFIG_FLOW:
		return find_written(asked, section->name);
	default:
		return 0;
	}
}

static void begin_section(struct merging *merging, const struct policy_file_section *section)
{
	size_t now = number_in(merging->asked, section);
	size_t before = number_in(&merging->file->asked, section);

	merging->section = section;
	memset(merging->put, 0, sizeof(merging->put));
	merging->was_removed = before == NONE;
	merging->fate = now != NONE ? FATE_STAYS : FATE_GOES;
	if (section->kind == CONFIG_FLOW && is_removed(merging->asked, section->name))
		merging->fate = FATE_REMOVES;
	if (merging->fate != FATE_STAYS)
		return;
	merging->wanted = subject_of(merging->asked, section->kind, now);
	if (before != NONE)
		merging->before = subject_of(&merging->file->asked, section->kind, before);
	/* Who has written a line for each direction wants them apart. */
	if (section->kind != CONFIG_FLOW &&
	    setting_line(section, 1U << BWCTL_INGRESS) != setting_line(section, 1U << BWCTL_EGRESS))
		merging->wanted.together = false;
}

/* A key that the section does not have, and whose value is not the default. */
static void put_missing(struct merging *merging, size_t key)
{
	enum config_section kind = merging->section->kind;
	char value[UNITS_TEXT];

	if (merging->put[key] || merging->section->key_line[key] ||
	    !is_limit_of(kind, key, merging->wanted.together) ||
	    !wanted_value(&merging->wanted, key, value))
		return;
	merging->put[key] = true;
	end_line(&merging->output);
	put_pair(&merging->output, key_of(kind, key)->name, value);
}

static void put_all_missing(struct merging *merging)
{
	size_t remove = CONFIG_FLOW_REMOVE;

	if (merging->fate == FATE_STAYS)
		for (size_t key = 0; key < config_keys[merging->section->kind].file_count; key++)
			put_missing(merging, key);
	if (merging->fate != FATE_REMOVES || merging->section->key_line[remove])
		return;
	end_line(&merging->output);
	put_pair(&merging->output, key_of(CONFIG_FLOW, remove)->name, "yes");
}

/* Of a line that goes: the comment behind what it says, in a line of its own. */
static void put_comment(struct merging *merging, const struct policy_file_line *line, size_t at)
{
	const char *text = merging->file->text;
	size_t end = line->start + line->length;

	while (at < end && strchr(" \t", text[at]))
		at++;
	if (at < end && (text[at] == ';' || text[at] == '#'))
		put(&merging->output, text + at, end - at);
}

/* Puts a value in the place of that of a line, or, if it is NULL, takes the line out. */
static void put_value(struct merging *merging, const struct policy_file_line *line,
		      const char *value)
{
	const char *text = merging->file->text;
	size_t end = line->start + line->length, rest = line->value + line->value_length;

	if (!value) {
		put_comment(merging, line, rest);
		return;
	}
	put(&merging->output, text + line->start, line->value - line->start);
	put_text(&merging->output, value);
	put(&merging->output, text + rest, end - rest);
}

static void put_as_it_is(struct merging *merging, const struct policy_file_line *line)
{
	put(&merging->output, merging->file->text + line->start, line->length);
}

/* Whether a listed flow is removed: "yes", "no", or no line at all, which is no. */
static void put_remove_line(struct merging *merging, const struct policy_file_line *line)
{
	bool removes = merging->fate == FATE_REMOVES;

	if (removes == merging->was_removed)
		put_as_it_is(merging, line);
	else
		put_value(merging, line, removes ? "yes" : NULL);
}

static void put_pair_line(struct merging *merging, const struct policy_file_line *line)
{
	enum config_section kind = merging->section->kind;
	char value[UNITS_TEXT], before[UNITS_TEXT];
	const char *wanted;
	bool stays;

	if (merging->fate == FATE_GOES) {
		put_value(merging, line, NULL);
		return;
	}
	if (kind == CONFIG_FLOW && line->key == CONFIG_FLOW_REMOVE) {
		put_remove_line(merging, line);
		return;
	}
	if (merging->fate == FATE_REMOVES) {
		put_value(merging, line, NULL);
		return;
	}
	stays = is_limit_of(kind, line->key, merging->wanted.together);
	wanted = wanted_value(&merging->wanted, line->key, value);
	config_print_value(key_of(kind, line->key), merging->before.asked, merging->before.number,
			   before);
	if (stays && !strcmp(value, before))
		put_as_it_is(merging, line);
	else
		put_value(merging, line, stays ? wanted : NULL);
	/* One limit for both that becomes two: these are where it was. */
	if (!stays && key_of(kind, line->key)->style == CONFIG_BARE)
		for (size_t key = 0; key < config_keys[kind].file_count; key++)
			if (config_is_limit(kind, key_of(kind, key)))
				put_missing(merging, key);
}

static void put_line(struct merging *merging, const struct policy_file_line *line)
{
	const char *text = merging->file->text, *end;
	size_t length = strlen(merging->output.end_of_line);

	switch (line->kind) {
	case LINE_BLANK:
		/* One is enough where a section was, and none if nothing is left of it. */
		if (merging->section && merging->fate == FATE_GOES &&
		    (merging->output.length <= merging->output.begin + length ||
		     ends_with(&merging->output, "\n\n") || ends_with(&merging->output, "\n\r\n")))
			return;
		break;
	case LINE_SECTION:
		if (merging->fate != FATE_GOES)
			break;
		end = memchr(text + line->start, ']', line->length);
		put_comment(merging, line, (size_t)(end - text) + 1);
		return;
	case LINE_PAIR:
		/* One that goes on with a list is not touched, nor is the list. */
		if (line->key >= config_keys[merging->section->kind].file_count)
			break;
		put_pair_line(merging, line);
		return;
	default:
		break;
	}
	put_as_it_is(merging, line);
}

/* ---- sections, one after the other ---- */

/*
 * The lines of a section, from the comments right above its name, as far as those
 * of the next one. Before the first there are those that are of no section.
 */
struct block {
	size_t first, end; /* lines */
	size_t section;	   /* or NONE */
};

/* Where the lines of a section begin: its own is the one at. */
static size_t first_of_block(const struct policy_file *file, size_t at)
{
	while (at && file->lines[at - 1].kind == LINE_COMMENT)
		at--;
	return at;
}

/* As many as there are sections, and one. */
static void find_blocks(const struct policy_file *file, struct block *blocks)
{
	blocks[0] = (struct block){.section = NONE, .end = file->line_count};
	for (size_t n = 0; n < file->section_count; n++) {
		struct block *block = &blocks[n + 1];

		block->section = n;
		block->first = first_of_block(file, file->sections[n].line - 1);
		block->end = file->line_count;
		block[-1].end = block->first;
	}
}

/* The line after which new keys come: the last one of the section that says something. */
static size_t last_to_say(const struct policy_file *file, const struct block *block)
{
	size_t last = block->first;

	for (size_t i = block->first; i < block->end; i++)
		if (file->lines[i].kind == LINE_SECTION || file->lines[i].kind == LINE_PAIR)
			last = i;
	return last;
}

static void put_block(struct merging *merging, const struct block *block)
{
	const struct policy_file *file = merging->file;
	size_t last = last_to_say(file, block);

	if (block->section == NONE)
		merging->section = NULL;
	else
		begin_section(merging, &file->sections[block->section]);
	if (merging->gap && block->first < block->end)
		put_gap(&merging->output);
	merging->gap = false;
	for (size_t i = block->first; i < block->end; i++) {
		put_line(merging, &file->lines[i]);
		if (i == last && block->section != NONE)
			put_all_missing(merging);
	}
}

static void put_new_section(struct merging *merging, enum config_section kind, size_t number)
{
	struct subject subject = subject_of(merging->asked, kind, number);

	put_gap(&merging->output);
	put_section(&merging->output, &subject);
	merging->gap = true;
}

static void put_new_classes(struct merging *merging)
{
	size_t classes[BWCTL_CLASSES], count = said_classes(merging->asked, classes);

	for (size_t n = 0; n < count; n++)
		if (find_section(merging->file, CONFIG_CLASS,
				 merging->asked->classes[classes[n]].name) == NONE)
			put_new_section(merging, CONFIG_CLASS, classes[n]);
}

/* From this row on, as many as the text does not have. Returns the row that it has. */
static uint32_t put_new_flows(struct merging *merging, uint32_t row)
{
	const struct bwctl_asked *asked = merging->asked;

	for (; row < asked->flow_count && !asked->flows[row].is_listed; row++) {
		if (find_section(merging->file, CONFIG_FLOW, asked->flows[row].name) != NONE)
			break;
		put_new_section(merging, CONFIG_FLOW, row);
	}
	return row;
}

static void put_new_removed(struct merging *merging)
{
	for (uint32_t n = 0; flow_table_listed(n); n++) {
		const char *name = flow_table_listed(n)->name;

		if (!is_removed(merging->asked, name) ||
		    find_section(merging->file, CONFIG_FLOW, name) != NONE)
			continue;
		put_gap(&merging->output);
		put_removed(&merging->output, name);
		merging->gap = true;
	}
}

/* The section behind which new classes come: the last class, or else the limit. Or NONE. */
static size_t last_class(const struct policy_file *file)
{
	size_t last = find_section(file, CONFIG_LIMIT, "");

	for (size_t n = 0; n < file->section_count; n++)
		if (file->sections[n].kind == CONFIG_CLASS)
			last = n;
	return last;
}

/* Whether a section is that of a flow that has its place among others. */
static bool is_in_order(const struct merging *merging, size_t section)
{
	const struct policy_file_section *file_section = &merging->file->sections[section];

	return file_section->kind == CONFIG_FLOW &&
	       find_written(merging->asked, file_section->name) != NONE;
}

/*
 * In the place of a flow's section: that of the flow whose turn it is, and new ones
 * before and behind.
 */
static uint32_t put_next_flow(struct merging *merging, const struct block *blocks, size_t place,
			      uint32_t row)
{
	const struct policy_file *file = merging->file;
	struct block block;
	bool moves;

	if (!row)
		row = put_new_flows(merging, row);
	block = blocks[find_section(file, CONFIG_FLOW, merging->asked->flows[row].name) + 1];
	moves = block.section != place;
	/* One that comes from elsewhere brings no empty lines with it. */
	while (moves && file->lines[block.end - 1].kind == LINE_BLANK)
		block.end--;
	merging->gap |= moves;
	put_block(merging, &block);
	merging->gap |= moves;
	return put_new_flows(merging, row + 1);
}

static void merge(struct merging *merging, const struct block *blocks)
{
	const struct policy_file *file = merging->file;
	bool has_limit = find_section(file, CONFIG_LIMIT, "") != NONE;
	size_t last = last_class(file);
	uint32_t row = 0;

	put(&merging->output, file->text, merging->output.begin);
	for (size_t n = 0; n <= file->section_count; n++) {
		size_t section = blocks[n].section;

		if (section != NONE && is_in_order(merging, section))
			row = put_next_flow(merging, blocks, section, row);
		else
			put_block(merging, &blocks[n]);
		if (section == last && last != NONE)
			put_new_classes(merging);
	}
	if (!has_limit) {
		struct subject subject = subject_of(merging->asked, CONFIG_LIMIT, 0);

		if (file->section_count)
			put_gap(&merging->output);
		end_line(&merging->output);
		put_section(&merging->output, &subject);
	}
	if (last == NONE)
		put_new_classes(merging);
	put_new_flows(merging, row);
	put_new_removed(merging);
}

/*
 * What was written is read once more before anybody else does: a comment behind a
 * longer value may have made the line too long.
 */
static int verify(const struct merging *merging, char why[LOG_TEXT])
{
	struct bwctl_asked again = *merging->asked;
	struct policy_file *file;
	int err = policy_file_parse(merging->file->name, merging->output.text,
				    merging->output.length, &file);

	if (err == -ENOMEM)
		return why_fail(why, err, "cannot read '%.300s' again", merging->file->name);
	if (err)
		why_refuse(why, err, "with the new values %s", file->errors[0]);
	else if (config_apply(&file->change, &again, why) ||
		 memcmp(&again, merging->asked, sizeof(again)) ||
		 file->interface_count != merging->file->interface_count)
		err = why_refuse(why, -EINVAL, "'%.300s' cannot say what is in force",
				 merging->file->name);
	policy_file_free(file);
	return err;
}

/* That of the first line; a file from elsewhere keeps its own. */
static const char *end_of_line(const struct policy_file *file)
{
	const char *end = memchr(file->text, '\n', file->length);

	return end && end > file->text && end[-1] == '\r' ? "\r\n" : "\n";
}

int policy_file_merge(const struct policy_file *file, const struct bwctl_asked *asked,
		      char **ret_text, size_t *ret_length, char why[LOG_TEXT])
{
	struct merging merging = {
		.file = file,
		.asked = asked,
		.output = {.text = malloc(POLICY_FILE_TEXT),
			   .begin = bom_length(file->text, file->length),
			   .end_of_line = end_of_line(file)},
	};
	struct block *blocks = calloc(file->section_count + 1, sizeof(*blocks));
	int err = -ENOMEM;

	if (merging.output.text && blocks) {
		find_blocks(file, blocks);
		merge(&merging, blocks);
		err = finish(&merging.output) ? verify(&merging, why) : -EFBIG;
	}
	free(blocks);
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
