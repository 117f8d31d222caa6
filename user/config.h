/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Words to policy: what "bwctl set" was told, and the keys of the policy file,
 * which are the same; and what becomes of a policy by them. No libbpf, no
 * kernel, no output.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bwctl.h"
#include "log.h"
#include "units.h"

/* The limit itself, a class, a flow: what a key is of. */
enum config_section {
	CONFIG_LIMIT,
	CONFIG_CLASS,
	CONFIG_FLOW,
	CONFIG_SECTIONS
};

/* What can be given or not, each by itself. The limits come first, by direction. */
enum config_setting {
	CONFIG_INGRESS = BWCTL_INGRESS,
	CONFIG_EGRESS = BWCTL_EGRESS,
	CONFIG_BURST,
	CONFIG_WINDOW,
	CONFIG_OVERHEAD,
	CONFIG_MODE,
	CONFIG_HORIZON,
	CONFIG_SETTINGS
};

/* The same of a class. */
enum config_class_setting {
	CONFIG_CLASS_INGRESS = BWCTL_INGRESS,
	CONFIG_CLASS_EGRESS = BWCTL_EGRESS,
	CONFIG_CLASS_PRIORITY,
	CONFIG_CLASS_RESERVE,
	CONFIG_CLASS_EXEMPT,
	CONFIG_CLASS_REMOVE,
	CONFIG_CLASS_SETTINGS
};

/* And of a flow. */
enum config_flow_setting {
	CONFIG_FLOW_CLASS,
	CONFIG_FLOW_PROTOCOL,
	CONFIG_FLOW_LOCAL,
	CONFIG_FLOW_REMOTE,
	CONFIG_FLOW_PREFIX,
	CONFIG_FLOW_INTERFACE,
	CONFIG_FLOW_REMOVE,
	CONFIG_FLOW_BEFORE,
	CONFIG_FLOW_DEFAULT,
	CONFIG_FLOW_SETTINGS
};

struct config_class_edit {
	bool given[CONFIG_CLASS_SETTINGS];
	bool remove;
	struct bwctl_class_request values; /* its name is that of the class */
};

struct config_flow_edit {
	bool given[CONFIG_FLOW_SETTINGS];
	bool remove;
	char class[BWCTL_NAME];	  /* that it leads into */
	char before[BWCTL_NAME];  /* the flow that is to come right behind it */
	struct bwctl_flow values; /* its name is that of the flow */
};

/* As many as make one whole policy of any other. */
#define CONFIG_CLASS_EDITS (BWCTL_CLASSES + BWCTL_OWN_CLASSES)
#define CONFIG_FLOW_EDITS  (BWCTL_FLOW_ROWS + BWCTL_LISTED_MAX)

/* What is to change; the rest stays. */
struct config_change {
	bool whole; /* a policy by itself: nothing stays, what is not given becomes default */
	bool given[CONFIG_SETTINGS];
	uint64_t limit_bits_s[BWCTL_DIRECTIONS]; /* 0 = unlimited */
	uint64_t burst_ns, burst_bytes;		 /* both 0 = default */
	uint64_t window_ns;			 /* 0 = default */
	uint64_t overhead_bytes;
	uint64_t horizon_ns; /* 0 = default */
	enum bwctl_mode mode;
	size_t class_count, flow_count;
	struct config_class_edit classes[CONFIG_CLASS_EDITS]; /* each class at most once */
	struct config_flow_edit flows[CONFIG_FLOW_EDITS];     /* the same; in their order */
};

/* How a key is written after "set". */
enum config_style {
	CONFIG_PAIR, /* its name, its value */
	CONFIG_BARE, /* its value without the name */
	CONFIG_ALONE /* its name, which says it all */
};

/* A word of "set", or a key of a section of the policy file: one row for both. */
struct config_key {
	const char *name;
	unsigned int settings; /* that it gives, a bit each, of its section */
	enum config_style style;
	/* number is that of the edit in the change; none of the limit. */
	int (*parse)(const struct config_key *key, const char *text, struct config_change *change,
		     size_t number, char why[LOG_TEXT]);
	/* number is that of the class, or the row of the flow; NULL: the file has no such key. */
	void (*print)(const struct config_key *key, const struct bwctl_asked *asked, size_t number,
		      char text[UNITS_TEXT]);
};

#define CONFIG_KEYS	  8
#define CONFIG_CLASS_KEYS 7
#define CONFIG_FLOW_KEYS  9
#define CONFIG_KEYS_MAX	  9

/* Those that the file has come first. */
struct config_keys {
	const char *section; /* its name in the file */
	const struct config_key *keys;
	size_t count, file_count;
};

extern const struct config_keys config_keys[CONFIG_SECTIONS];

/* Whether a key gives a limit, of one direction or of both. */
bool config_is_limit(enum config_section section, const struct config_key *key);

/*
 * Adds an edit of the class or flow of this name, which gives nothing yet, and sets
 * its number. 0, or -EINVAL and why: the name can be none, or is there already, or
 * there are too many.
 */
int config_add(struct config_change *change, enum config_section section, const char *name,
	       size_t *ret_number, char why[LOG_TEXT]);

/*
 * Reads the value of a key into what it gives, which becomes given: of the limit, or
 * of the edit of that number. 0, or -EINVAL and why: what was found, what was
 * expected; the key is not named.
 */
int config_parse_value(enum config_section section, const struct config_key *key, const char *text,
		       struct config_change *change, size_t number, char why[LOG_TEXT]);

/* What an edit gives, by setting; the limit has the number 0. */
bool *config_given(struct config_change *change, enum config_section section, size_t number);

/*
 * The value of a key, exactly, as config_parse_value() reads it; what is default in
 * the word for it: of the limit, of a class by its number, or of a flow by its row.
 * A key for both directions has the value of the first.
 */
const char *config_print_value(const struct config_key *key, const struct bwctl_asked *asked,
			       size_t number, char text[UNITS_TEXT]);

/*
 * The same of what it is when nobody gives it: a listed flow is as it is listed. Empty
 * where it has to be given.
 */
const char *config_print_default(enum config_section section, const struct config_key *key,
				 const char *name, char text[UNITS_TEXT]);

/* What the kernel takes for the name of an interface, without what means something here. */
bool config_is_interface_name(const char *name, size_t length);

/*
 * The words after "set":
 *
 *   [RATE] [ingress RATE] [egress RATE] [burst TIME|SIZE] [window TIME]
 *   [overhead BYTES] [mode auto|pace|police|observe] [horizon TIME]
 *   [class NAME [RATE] [ingress RATE] [egress RATE] [priority high|normal|low]
 *               [reserve RATE|none] [exempt yes|no] | class NAME remove [yes|no]]...
 *   [flow NAME [class NAME] [protocol PROTOCOL] [local PORTS] [remote PORTS]
 *              [prefix PREFIX] [interface NAME] [before NAME] |
 *    flow NAME remove [yes|no] | flow NAME default]...
 *
 * in these three groups one after the other, so that "class" behind "flow NAME" is
 * always the class of that flow; each class and flow once, and of each, in any
 * order, each word once. RATE may be "unlimited"; burst, window and horizon may be
 * "default"; protocol, ports, prefix and interface may be "any"; "remove no" changes
 * nothing. Returns 0, or
 * -EINVAL and why: which word, what was expected.
 */
int config_parse_set(int count, char *const words[], struct config_change *ret_change,
		     char why[LOG_TEXT]);

/* A whole policy, in which everything is default: counting only. */
void config_default(struct config_change *ret_change);

/* Of which class or flow something is wrong. */
struct config_place {
	enum config_section section;
	const char *name;	      /* of the class or flow; NULL: of the limit */
	const struct config_key *key; /* NULL: of none */
};

/*
 * Lays a change over what was asked for before. A class keeps its number and a flow
 * its counter as long as its name is there; a new one takes those that no other had
 * before, as long as there are any. All that is wrong is said, one after the other:
 * what cannot be done, and what does not go together in the policy that there would
 * be. Returns how much; asked has changed only if it is nothing.
 */
size_t config_lay(const struct config_change *change, struct bwctl_asked *asked,
		  void (*say)(void *context, const struct config_place *place, const char *why),
		  void *context);

/* The same. 0, or -EINVAL and why: the first that is wrong, with its place. */
int config_apply(const struct config_change *change, struct bwctl_asked *asked, char why[LOG_TEXT]);

#endif
