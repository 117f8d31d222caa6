// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What came of it: as a table for people, as JSON and as CSV.
 */
#include "reach_print.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "terminal.h"
#include "units.h"

#define BAR	   24
#define SECOND_NS  1000000000ULL
#define KINDS	   24 /* lines of a summary; of more, ports that no flow names are put together */
#define COLUMN_MAX 40 /* of names; a longer one moves the rest of its line */
#define LEVEL	   6  /* columns in front of the host */
#define FURTHER	   8  /* where a line of the table goes on */
#define WORKS	   128
#define SORTS	   32768 /* of hosts, 8 results in 5 columns */
#define ADVICE	   16
#define FILTERED   "filtered     -> a firewall on the way drops it: ask for"
#define NAME	   13 /* columns in front of what is said of a flow or a result */
#define ADDRESS	   (INET6_ADDRSTRLEN + IF_NAMESIZE + 1)

/* Probes of the same kind at different hosts: what a summary counts. */
struct kind {
	uint16_t row, port;
	uint8_t class, protocol;
	size_t hosts;
	size_t results[REACH_RESULTS];
};

struct kinds {
	struct kind *list;
	size_t count, room;
};

static enum reach_result result_of(const struct reach_probe *probe)
{
	return probe->result == REACH_PENDING ? REACH_UNKNOWN : (enum reach_result)probe->result;
}

static const char *protocol_name(const struct reach_probe *probe)
{
	return probe->protocol == IPPROTO_TCP	 ? "tcp" :
	       probe->protocol == IPPROTO_ICMPV6 ? "icmpv6" :
						   "icmp";
}

/* Empty: there is none. */
static const char *address_text(const struct reach_host *host, char text[ADDRESS])
{
	*text = '\0';
	if (host->address.any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &host->address.v4.sin_addr, text, INET6_ADDRSTRLEN);
	} else if (host->address.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &host->address.v6.sin6_addr, text, INET6_ADDRSTRLEN);
		if (*host->target->zone)
			sprintf(text + strlen(text), "%%%s", host->target->zone);
	}
	return text;
}

static struct kind *find_kind(struct kinds *kinds, const struct reach_probe *probe)
{
	for (size_t i = 0; i < kinds->count; i++) {
		struct kind *kind = &kinds->list[i];

		if (kind->row == probe->row && kind->port == probe->port &&
		    kind->class == probe->class && kind->protocol == probe->protocol)
			return kind;
	}
	if (kinds->count == kinds->room) {
		size_t room = kinds->room ? 2 * kinds->room : 16;
		struct kind *list = realloc(kinds->list, room * sizeof(*list));

		if (!list)
			return NULL;
		kinds->list = list;
		kinds->room = room;
	}
	kinds->list[kinds->count] = (struct kind){.row = probe->row,
						  .port = probe->port,
						  .class = probe->class,
						  .protocol = probe->protocol};
	return &kinds->list[kinds->count++];
}

/* By port, the echoes last. */
static int compare(const void *a, const void *b)
{
	const struct kind *one = a, *other = b;

	if ((one->protocol == IPPROTO_TCP) != (other->protocol == IPPROTO_TCP))
		return one->protocol == IPPROTO_TCP ? -1 : 1;
	if (one->port != other->port)
		return one->port < other->port ? -1 : 1;
	return one->row < other->row ? -1 : one->row > other->row;
}

/* False when out of memory. */
static bool count_kinds(const struct reach_print *print, struct kinds *kinds)
{
	for (size_t n = 0; n < print->count; n++)
		for (size_t i = 0; i < print->hosts[n].probe_count; i++) {
			const struct reach_probe *probe = &print->hosts[n].probes[i];
			struct kind *kind = find_kind(kinds, probe);

			if (!kind)
				return false;
			kind->hosts++;
			kind->results[result_of(probe)]++;
		}
	if (kinds->count)
		qsort(kinds->list, kinds->count, sizeof(*kinds->list), compare);
	return true;
}

size_t reach_print_count(const struct reach_print *print, enum reach_level level)
{
	size_t count = 0;

	for (size_t i = 0; i < print->count; i++)
		count += reach_host_level(&print->hosts[i]) == level;
	return count;
}

/* What no flow matches is named by its class, "other". */
static const char *flow_name(const struct reach_print *print, uint32_t row, uint32_t class)
{
	const char *name = reach_flows_name(print->flows, row);

	return name ? name : reach_flows_class(print->flows, class);
}

/* ---- the table ---- */

/* A column is a port, or the echo (0), or all ports that are not listed (1). */
enum {
	COLUMN_ECHO,
	COLUMN_OTHER,
	COLUMN_SSH = 22,
	COLUMN_TELNET = 23,
	COLUMN_API = 443
};

static const uint16_t columns[] = {COLUMN_SSH, COLUMN_TELNET, COLUMN_API, COLUMN_OTHER,
				   COLUMN_ECHO};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

struct layout {
	int host, address, cell[COLUMNS]; /* how wide; 0: there is none */
	const char *flow[COLUMNS];	  /* NULL: not the same everywhere */
	bool has_works, is_folded;
	int room; /* columns of a line */
	const char *looks[REACH_LEVELS], *plain;
};

/* A line of the table that is being written. */
struct line {
	FILE *out;
	int column; /* that is reached */
	int due;    /* that the next cell begins in */
	int room;
	bool is_begun;
};

static uint16_t column_of(const struct reach_probe *probe)
{
	if (reach_probe_is_echo(probe))
		return COLUMN_ECHO;
	return probe->port == COLUMN_SSH || probe->port == COLUMN_TELNET ||
			       probe->port == COLUMN_API ?
		       probe->port :
		       COLUMN_OTHER;
}

static const struct reach_probe *probe_in(const struct reach_host *host, uint16_t column)
{
	for (size_t i = 0; i < host->probe_count; i++)
		if (column_of(&host->probes[i]) == column)
			return &host->probes[i];
	return NULL;
}

static void widen(int *width, const char *text)
{
	int length = (int)strlen(text);

	if (length > COLUMN_MAX)
		length = COLUMN_MAX;
	if (*width < length)
		*width = length;
}

static bool is_shown(const struct reach_print *print, const struct reach_host *host)
{
	enum reach_level level = reach_host_level(host);

	/* Of those that were not come to there is nothing to say. */
	if (level == REACH_UNTRIED && !host->is_known)
		return false;
	return print->count <= REACH_PRINT_ALL || level != REACH_OK;
}

/* What hosts that are alike have in common: the result in each column, three bits, 0 for none. */
static uint32_t sort_of(const struct reach_host *host)
{
	uint32_t results = 0;

	for (size_t c = 0; c < COLUMNS; c++) {
		const struct reach_probe *probe = probe_in(host, columns[c]);

		results = results << 3 | (probe ? (uint32_t)result_of(probe) : 0);
	}
	return results;
}

static uint32_t result_in(uint32_t sort, size_t c)
{
	return sort >> 3 * (COLUMNS - 1 - c) & 7;
}

/* Three digits, about. */
static uint64_t rounded(uint64_t time_ns)
{
	uint64_t step = 1;

	while (time_ns / step >= 1000)
		step *= 10;
	return time_ns / step * step;
}

static void cell_text(const struct reach_probe *probe, char text[UNITS_TEXT])
{
	char time[UNITS_TEXT];
	size_t length = 0;

	*text = '\0';
	if (!probe)
		return;
	if (column_of(probe) == COLUMN_OTHER)
		length = (size_t)snprintf(text, UNITS_TEXT, "%u ", probe->port);
	if (probe->result == REACH_OPEN)
		snprintf(text + length, UNITS_TEXT - length, "open %s",
			 units_format_time(rounded(probe->taken_ns), time));
	else
		snprintf(text + length, UNITS_TEXT - length, "%s",
			 reach_result_text(result_of(probe)));
}

static void title_text(const struct layout *layout, size_t c, char text[UNITS_TEXT])
{
	if (columns[c] == COLUMN_ECHO)
		snprintf(text, UNITS_TEXT, "echo");
	else if (columns[c] == COLUMN_OTHER)
		snprintf(text, UNITS_TEXT, "port");
	else
		snprintf(text, UNITS_TEXT, "%u%s%.15s", columns[c], layout->flow[c] ? " " : "",
			 layout->flow[c] ? layout->flow[c] : "");
}

/* The flows by which it is open, or "-". */
static void works_text(const struct reach_print *print, const struct reach_host *host,
		       char text[WORKS])
{
	size_t length = 0;

	for (size_t i = 0; i < host->probe_count; i++) {
		const struct reach_probe *probe = &host->probes[i];

		if (probe->result == REACH_OPEN && length < WORKS)
			length += (size_t)snprintf(text + length, WORKS - length, "%s%s",
						   length ? ", " : "",
						   flow_name(print, probe->row, probe->class));
	}
	if (!length)
		snprintf(text, WORKS, "-");
}

/* The widest that is in each column, and the flow of each. */
static void measure(const struct reach_print *print, struct layout *layout, int *ret_works)
{
	bool is_seen[COLUMNS] = {false};

	*ret_works = (int)strlen("works");
	for (size_t n = 0; n < print->count; n++) {
		const struct reach_host *host = &print->hosts[n];
		char text[ADDRESS], cell[UNITS_TEXT], works[WORKS];

		if (!is_shown(print, host))
			continue;
		widen(&layout->host, host->target->text);
		if (host->target->name) {
			widen(&layout->address, "address");
			widen(&layout->address, address_text(host, text));
		}
		for (size_t c = 0; c < COLUMNS; c++) {
			const struct reach_probe *probe = probe_in(host, columns[c]);
			const char *name;

			if (!probe)
				continue;
			cell_text(probe, cell);
			widen(&layout->cell[c], cell);
			name = flow_name(print, probe->row, probe->class);
			if (!is_seen[c])
				layout->flow[c] = name;
			else if (layout->flow[c] && strcmp(layout->flow[c], name))
				layout->flow[c] = NULL;
			is_seen[c] = true;
		}
		works_text(print, host, works);
		if (*ret_works < (int)strlen(works))
			*ret_works = (int)strlen(works);
	}
	for (size_t c = 0; c < COLUMNS; c++) {
		char text[UNITS_TEXT];

		title_text(layout, c, text);
		if (layout->cell[c])
			widen(&layout->cell[c], text);
	}
}

/* How wide a column is where there is room. */
static int usual(const struct layout *layout, size_t c)
{
	int width = columns[c] == COLUMN_OTHER ? 18 : 13;

	return width > layout->cell[c] ? width : layout->cell[c];
}

/* As wide as ever where there is room; else as what is in it, then without what the columns say too. */
static void lay_out(const struct reach_print *print, const struct reach_print_view *view,
		    struct layout *ret_layout)
{
	static const char *const looks[REACH_LEVELS] = {"\033[32m", "\033[33m", "\033[31m",
							"\033[33m"};
	int works, width, wide;

	*ret_layout = (struct layout){
		.host = 4, .plain = view->has_colours ? "\033[0m" : "", .room = view->columns};
	for (size_t i = 0; i < REACH_LEVELS; i++)
		ret_layout->looks[i] = view->has_colours ? looks[i] : "";
	measure(print, ret_layout, &works);
	width = LEVEL + ret_layout->host + (ret_layout->address ? 2 + ret_layout->address : 0);
	wide = width + 2 + works;
	for (size_t c = 0; c < COLUMNS; c++)
		if (ret_layout->cell[c]) {
			width += 2 + ret_layout->cell[c];
			wide += 2 + usual(ret_layout, c);
		}
	ret_layout->has_works = width + 2 + works <= view->columns;
	ret_layout->is_folded = width > view->columns;
	for (size_t c = 0; c < COLUMNS && wide <= view->columns; c++)
		if (ret_layout->cell[c])
			ret_layout->cell[c] = usual(ret_layout, c);
}

/* Where nothing is in a line it is not there. */
static void end_line(struct line *line)
{
	if (line->column)
		fprintf(line->out, "\n");
	line->column = 0;
	line->due = FURTHER;
	line->is_begun = false;
}

/* In the next columns, or where there are too few of them in another line: for all lines the same. */
static void print_cell(struct line *line, int width, const char *text)
{
	if (line->is_begun && line->due + width > line->room)
		end_line(line);
	if (*text) {
		int gap = line->due - line->column;

		if (gap < 2 && line->column)
			gap = 2;
		fprintf(line->out, "%*s%s", gap, "", text);
		line->column += gap + (int)strlen(text);
	}
	line->due += width + 2;
	if (line->due < line->column + 2)
		line->due = line->column + 2;
	line->is_begun = true;
}

static void print_head(const struct layout *layout, FILE *out)
{
	struct line line = {.out = out, .due = LEVEL, .room = layout->room};

	print_cell(&line, layout->host, "host");
	if (layout->address)
		print_cell(&line, layout->address, "address");
	if (layout->is_folded)
		end_line(&line);
	for (size_t c = 0; c < COLUMNS; c++) {
		char text[UNITS_TEXT];

		title_text(layout, c, text);
		if (layout->cell[c])
			print_cell(&line, layout->cell[c], text);
	}
	if (layout->has_works)
		print_cell(&line, 0, "works");
	end_line(&line);
}

static void print_host(const struct reach_print *print, const struct layout *layout,
		       const struct reach_host *host, FILE *out)
{
	struct line line = {.out = out, .column = LEVEL - 2, .due = LEVEL, .room = layout->room};
	enum reach_level level = reach_host_level(host);
	char text[ADDRESS], cell[UNITS_TEXT], works[WORKS], reason[LOG_TEXT];

	fprintf(out, "%s%-4.4s%s", layout->looks[level],
		level == REACH_UNTRIED ? "?" : reach_level_name(level), layout->plain);
	print_cell(&line, layout->host, host->target->text);
	if (layout->address)
		print_cell(&line, layout->address,
			   host->target->name ? address_text(host, text) : "");
	if (layout->is_folded)
		end_line(&line);
	for (size_t c = 0; c < COLUMNS; c++) {
		cell_text(probe_in(host, columns[c]), cell);
		if (layout->cell[c])
			print_cell(&line, layout->cell[c], cell);
	}
	works_text(print, host, works);
	if (layout->has_works)
		print_cell(&line, 0, works);
	end_line(&line);
	/* What cannot be seen from the columns. */
	if (host->reason && level != REACH_OK) {
		snprintf(reason, sizeof(reason), "%*s-> %s", LEVEL, "", host->reason);
		terminal_fold(reason, layout->room, LEVEL + 3, out);
	}
}

/* "and 2 950 more: all no route", or "... 22 refused, 23 filtered, 443 filtered, echo open" */
static void print_rest(uint32_t sort, uint32_t left, const struct layout *layout, FILE *out)
{
	char text[LOG_TEXT], count[UNITS_TEXT];
	const char *comma = "";
	uint32_t first = 0;
	bool is_same = true;
	size_t length;

	for (size_t c = 0; c < COLUMNS; c++) {
		uint32_t result = result_in(sort, c);

		is_same = is_same && (!result || !first || result == first);
		first = result ? result : first;
	}
	length = (size_t)snprintf(text, sizeof(text), "%*sand %s more: %s", LEVEL, "",
				  units_format_count(left, count), is_same ? "all " : "");
	if (is_same)
		snprintf(text + length, sizeof(text) - length, "%s", reach_result_text(first));
	for (size_t c = 0; c < COLUMNS && !is_same; c++) {
		uint32_t result = result_in(sort, c);
		char name[16] = "echo";

		if (!result)
			continue;
		if (columns[c] != COLUMN_ECHO)
			snprintf(name, sizeof(name), columns[c] == COLUMN_OTHER ? "port" : "%u",
				 columns[c]);
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s %s", comma,
					   name, reach_result_text(result));
		comma = ", ";
	}
	terminal_fold(text, layout->room, FURTHER, out);
}

/* Of those that are alike no more than the view has; it counts how many there are. */
static void print_hosts(const struct reach_print *print, const struct reach_print_view *view,
			uint32_t counts[SORTS], FILE *out)
{
	struct layout layout;
	bool has_head = false, has_rest = false;

	lay_out(print, view, &layout);
	for (size_t i = 0; i < print->count; i++) {
		const struct reach_host *host = &print->hosts[i];

		if (!is_shown(print, host))
			continue;
		if (counts[sort_of(host)]++ >= view->alike && view->alike)
			continue;
		if (!has_head)
			print_head(&layout, out);
		has_head = true;
		print_host(print, &layout, host, out);
	}
	for (uint32_t sort = 0; view->alike && sort < SORTS; sort++) {
		if (counts[sort] <= view->alike)
			continue;
		print_rest(sort, counts[sort] - view->alike, &layout, out);
		has_rest = true;
	}
	if (has_rest)
		terminal_fold("      --csv or --json has all of them", view->columns, FURTHER, out);
	if (has_head)
		fprintf(out, "\n");
}

static void print_kind(const char *name, const struct kind *kind, int room, FILE *out)
{
	char text[LOG_TEXT], count[UNITS_TEXT], of[UNITS_TEXT];
	const char *comma = ": ";
	size_t length;

	length = (size_t)snprintf(text, sizeof(text), "%-12s works with %s of %s", name,
				  units_format_count(kind->results[REACH_OPEN], count),
				  units_format_count(kind->hosts, of));
	for (int result = REACH_REFUSED; result < REACH_RESULTS; result++) {
		if (!kind->results[result])
			continue;
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s %s", comma,
					   units_format_count(kind->results[result], count),
					   reach_result_text(result));
		comma = ", ";
	}
	terminal_fold(text, room, NAME, out);
}

static void print_kinds(const struct reach_print *print, const struct kinds *kinds, int room,
			FILE *out)
{
	struct kind others = {0};
	size_t other_count = 0;
	char name[48];

	for (size_t i = 0; i < kinds->count; i++) {
		const struct kind *kind = &kinds->list[i];

		if (kinds->count > KINDS && !reach_flows_name(print->flows, kind->row)) {
			other_count++;
			others.hosts += kind->hosts;
			for (int result = 0; result < REACH_RESULTS; result++)
				others.results[result] += kind->results[result];
			continue;
		}
		snprintf(name, sizeof(name), kind->port ? "%s (%u)" : "%s",
			 flow_name(print, kind->row, kind->class), kind->port);
		print_kind(name, kind, room, out);
	}
	if (!other_count)
		return;
	snprintf(name, sizeof(name), "%zu ports", other_count);
	print_kind(name, &others, room, out);
}

/* The ports of which hosts that are not well said so: what there is advice for. */
struct trouble {
	bool is_there;
	bool is_echo;
	uint16_t ports[8];
	size_t port_count, other_ports;
};

static void note_trouble(struct trouble *trouble, const struct reach_probe *probe)
{
	trouble->is_there = true;
	if (reach_probe_is_echo(probe)) {
		trouble->is_echo = true;
		return;
	}
	for (size_t i = 0; i < trouble->port_count; i++)
		if (trouble->ports[i] == probe->port)
			return;
	if (trouble->port_count < sizeof(trouble->ports) / sizeof(trouble->ports[0]))
		trouble->ports[trouble->port_count++] = probe->port;
	else
		trouble->other_ports++;
}

static void print_filtered(const struct trouble *trouble, int room, FILE *out)
{
	char text[LOG_TEXT] = FILTERED;
	size_t length = strlen(text);

	if (trouble->port_count) {
		length += (size_t)snprintf(text + length, sizeof(text) - length,
					   " \"TCP appliance >1024 -> HOST ");
		for (size_t i = 0; i < trouble->port_count; i++)
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%u",
						   i ? "," : "", trouble->ports[i]);
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s\"",
					   trouble->other_ports ? ",..." : "");
	}
	if (trouble->is_echo)
		length += (size_t)snprintf(text + length, sizeof(text) - length,
					   "%s\"ICMP echo appliance -> HOST\"",
					   trouble->port_count ? " and " : " ");
	snprintf(text + length, sizeof(text) - length, "; or the host is off");
	terminal_fold(text, room, ADVICE, out);
}

static void print_advice(const struct reach_print *print, int room, FILE *out)
{
	struct trouble troubles[REACH_RESULTS] = {0};

	for (size_t n = 0; n < print->count; n++) {
		const struct reach_host *host = &print->hosts[n];

		if (!host->is_known || reach_host_level(host) == REACH_OK)
			continue;
		for (size_t i = 0; i < host->probe_count; i++)
			/* Of a host that one can log in to, the rest may well be closed. */
			if (reach_host_level(host) == REACH_FAIL ||
			    reach_probe_is_echo(&host->probes[i]))
				note_trouble(&troubles[result_of(&host->probes[i])],
					     &host->probes[i]);
	}
	if (troubles[REACH_REFUSED].is_there)
		terminal_fold(
			"refused      -> the service is off, or an access list rejects the appliance: see the host",
			room, ADVICE, out);
	if (troubles[REACH_FILTERED].is_there)
		print_filtered(&troubles[REACH_FILTERED], room, out);
	if (troubles[REACH_NO_ROUTE].is_there)
		terminal_fold(
			"no route     -> routing, or ARP: the host is off or elsewhere, or a route is missing (ip route get HOST)",
			room, ADVICE, out);
	if (troubles[REACH_UNRESOLVED].is_there)
		terminal_fold(
			"unresolved   -> DNS: the name, or /etc/resolv.conf and /etc/hosts here",
			room, ADVICE, out);
	terminal_fold(
		"ok           -> at least one of the TCP ports is open, and it answers the echo",
		room, ADVICE, out);
}

static void print_summary(const struct reach_print *print, int room, FILE *out)
{
	char ok[UNITS_TEXT], warn[UNITS_TEXT], fail[UNITS_TEXT], text[LOG_TEXT];
	size_t length, unknown = reach_print_count(print, REACH_UNTRIED);

	length = (size_t)snprintf(text, sizeof(text), "%s ok, %s to look at, %s wrong",
				  units_format_count(reach_print_count(print, REACH_OK), ok),
				  units_format_count(reach_print_count(print, REACH_WARN), warn),
				  units_format_count(reach_print_count(print, REACH_FAIL), fail));
	if (unknown)
		length += (size_t)snprintf(text + length, sizeof(text) - length, ", %s not known",
					   units_format_count(unknown, ok));
	snprintf(text + length, sizeof(text) - length, ", in %s",
		 units_format_time(rounded(print->elapsed_ns), ok));
	terminal_fold(text, room, FURTHER, out);
}

int reach_print_table(const struct reach_print *print, const struct reach_print_view *view,
		      FILE *out)
{
	uint32_t *counts = calloc(SORTS, sizeof(*counts));
	struct kinds kinds = {0};
	bool is_whole = counts && count_kinds(print, &kinds);

	if (is_whole) {
		print_hosts(print, view, counts, out);
		print_kinds(print, &kinds, view->columns, out);
		print_summary(print, view->columns, out);
		print_advice(print, view->columns, out);
	}
	free(kinds.list);
	free(counts);
	return is_whole ? 0 : -ENOMEM;
}

/* ---- JSON ---- */

static json_t *port_json(uint16_t port)
{
	return port ? json_integer(port) : json_null();
}

static double seconds(uint64_t time_ns)
{
	return (double)time_ns / 1e9;
}

static json_t *probe_json(const struct reach_print *print, const struct reach_probe *probe)
{
	return json_pack("{s:s?, s:s, s:s, s:o, s:s, s:o}", "flow",
			 reach_flows_name(print->flows, probe->row), "class",
			 reach_flows_class(print->flows, probe->class), "protocol",
			 protocol_name(probe), "port", port_json(probe->port), "result",
			 reach_result_name(probe->result), "seconds",
			 probe->taken_ns ? json_real(seconds(probe->taken_ns)) : json_null());
}

static json_t *host_json(const struct reach_print *print, const struct reach_host *host)
{
	json_t *probes = json_array();
	char text[ADDRESS];

	address_text(host, text);
	for (size_t i = 0; i < host->probe_count; i++)
		if (json_array_append_new(probes, probe_json(print, &host->probes[i]))) {
			json_decref(probes);
			return NULL;
		}
	return json_pack("{s:s, s:s?, s:s, s:s?, s:o}", "host", host->target->text, "address",
			 *text ? text : NULL, "level", reach_level_name(reach_host_level(host)),
			 "reason", reach_host_reason(host), "probes", probes);
}

static json_t *kind_json(const struct reach_print *print, const struct kind *kind)
{
	const struct reach_probe probe = {.protocol = kind->protocol};
	json_t *object = json_pack("{s:s?, s:s, s:s, s:o, s:I}", "flow",
				   reach_flows_name(print->flows, kind->row), "class",
				   reach_flows_class(print->flows, kind->class), "protocol",
				   protocol_name(&probe), "port", port_json(kind->port), "hosts",
				   (json_int_t)kind->hosts);

	for (int result = REACH_OPEN; result < REACH_RESULTS; result++)
		if (json_object_set_new(object, reach_result_name(result),
					json_integer((json_int_t)kind->results[result]))) {
			json_decref(object);
			return NULL;
		}
	return object;
}

/* NULL when out of memory. A host that is left out would be one that nobody looks at. */
static json_t *hosts_json(const struct reach_print *print)
{
	json_t *hosts = json_array();

	for (size_t i = 0; i < print->count; i++)
		if (json_array_append_new(hosts, host_json(print, &print->hosts[i]))) {
			json_decref(hosts);
			return NULL;
		}
	return hosts;
}

static json_t *flows_json(const struct reach_print *print)
{
	json_t *flows = json_array();
	struct kinds kinds = {0};
	bool is_whole = count_kinds(print, &kinds);

	for (size_t i = 0; is_whole && i < kinds.count; i++)
		is_whole = !json_array_append_new(flows, kind_json(print, &kinds.list[i]));
	free(kinds.list);
	if (is_whole)
		return flows;
	json_decref(flows);
	return NULL;
}

static json_t *summary_json(const struct reach_print *print)
{
	json_t *summary = json_pack(
		"{s:I, s:b, s:f, s:o, s:o}", "hosts", (json_int_t)print->count, "complete",
		print->is_whole, "seconds", seconds(print->elapsed_ns), "dropped_packets",
		print->has_losses ? json_integer((json_int_t)print->losses) : json_null(), "flows",
		flows_json(print));

	for (int level = 0; level < REACH_LEVELS; level++)
		if (json_object_set_new(summary, reach_level_name(level),
					json_integer((json_int_t)reach_print_count(print, level)))) {
			json_decref(summary);
			return NULL;
		}
	return summary;
}

json_t *reach_print_json(const struct reach_print *print)
{
	/* A value that is missing makes all of it NULL. */
	return json_pack("{s:s, s:o, s:o}", "version", BWCTL_VERSION, "hosts", hosts_json(print),
			 "summary", summary_json(print));
}

/* ---- CSV ---- */

void reach_print_field(const char *text, FILE *out)
{
	if (!text[strcspn(text, ",\"\r\n")]) {
		fputs(text, out);
		return;
	}
	putc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', out);
		putc(*text, out);
	}
	putc('"', out);
}

static void print_fields(const char *const fields[], size_t count, FILE *out)
{
	for (size_t i = 0; i < count; i++) {
		if (i)
			putc(',', out);
		reach_print_field(fields[i] ? fields[i] : "", out);
	}
	fputs("\r\n", out);
}

void reach_print_csv(const struct reach_print *print, FILE *out)
{
	fputs(REACH_PRINT_COLUMNS "\r\n", out);
	for (size_t n = 0; n < print->count; n++) {
		const struct reach_host *host = &print->hosts[n];
		char address[ADDRESS];

		address_text(host, address);
		for (size_t i = 0; i < host->probe_count; i++) {
			const struct reach_probe *probe = &host->probes[i];
			char port[16] = "", taken[32] = "";
			const char *const fields[] = {
				host->target->text,
				address,
				reach_level_name(reach_host_level(host)),
				reach_host_reason(host),
				reach_flows_name(print->flows, probe->row),
				reach_flows_class(print->flows, probe->class),
				protocol_name(probe),
				port,
				reach_result_name(probe->result),
				taken,
			};

			if (probe->port)
				snprintf(port, sizeof(port), "%u", probe->port);
			if (probe->taken_ns)
				snprintf(taken, sizeof(taken), "%.6f", seconds(probe->taken_ns));
			print_fields(fields, sizeof(fields) / sizeof(fields[0]), out);
		}
	}
}

/* ---- the bar ---- */

void reach_print_bar(size_t done, size_t count, uint64_t elapsed_ns, size_t width,
		     char ret_text[LOG_TEXT])
{
	char bar[BAR + 1], done_text[UNITS_TEXT], count_text[UNITS_TEXT], left[48];
	size_t filled = count ? done * BAR / count : BAR;
	uint64_t left_s;

	memset(bar, ' ', BAR);
	memset(bar, '#', filled > BAR ? BAR : filled);
	bar[BAR] = '\0';
	units_format_count(done, done_text);
	units_format_count(count, count_text);
	/* Before a twentieth is done it would be a guess. */
	if (done < count && done >= count / 20 && done) {
		left_s = (uint64_t)((double)elapsed_ns / (double)done * (double)(count - done) /
				    1e9);
		snprintf(left, sizeof(left), ", %llu s left", (unsigned long long)(left_s + 1));
	} else {
		*left = '\0';
	}
	snprintf(ret_text, LOG_TEXT, "[%s] %s of %s hosts%s", bar, done_text, count_text, left);
	/* In the last column the cursor may go to the next line, where it is not taken away. */
	if (width && width - 1 < LOG_TEXT)
		ret_text[strnlen(ret_text, width - 1)] = '\0';
}
