// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The only user of ncurses.
 *
 *     title
 *     direction, rate, limit     \
 *     mode, promise               | of each direction
 *     bar                         |
 *     plot                       /
 *     classes
 *     status
 *
 * What there is no room for is left out: plots become lower, then go; then columns and classes.
 */
#define NCURSES_WIDECHAR 1

#include "watch_screen.h"

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>

#include "policy.h"
#include "terminal.h"
#include "units.h"
#include "watch_line.h"

/* Words of ours that term.h takes for capabilities. */
#undef lines
#undef columns

/* Below that there is room for the bars alone. */
#define SMALL_LINES   10
#define SMALL_COLUMNS 40

/* In front of a plot and of the shortest bar. */
#define LABEL 12

/* In front of what is said of the promise. */
#define PROMISE 9

#define TEXT 1200

enum colour {
	COLOUR_PLAIN,
	COLOUR_RATE,
	COLOUR_AT_LIMIT,
	COLOUR_LIMIT,
	COLOUR_LOST,
	COLOUR_TITLE
};

static SCREEN *screen;
static bool has_colours, has_looks, has_blocks;

bool watch_screen_can(void)
{
	const char *term = getenv("TERM");
	int err;

	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO) || !term || !*term)
		return false;
	if (setupterm(NULL, STDOUT_FILENO, &err) != OK)
		return false;
	return cursor_address && clear_screen;
}

static void make_colours(void)
{
	has_looks = terminal_may_have_colours();
	has_colours = has_looks && has_colors() && start_color() == OK &&
		      use_default_colors() == OK;
	if (!has_colours)
		return;
	init_pair(COLOUR_RATE, COLOR_GREEN, -1);
	init_pair(COLOUR_AT_LIMIT, COLOR_YELLOW, -1);
	init_pair(COLOUR_LIMIT, COLOR_RED, -1);
	init_pair(COLOUR_LOST, COLOR_RED, -1);
	init_pair(COLOUR_TITLE, COLOR_CYAN, -1);
}

static attr_t look(enum colour colour, attr_t more)
{
	/* A question has to be seen all the same. */
	return has_looks ? more | (attr_t)(has_colours ? COLOR_PAIR(colour) : 0) : more & A_REVERSE;
}

bool watch_screen_open(void)
{
	const char *term = getenv("TERM");

	setlocale(LC_CTYPE, "");
	/* The fonts of the console have no eighths. */
	has_blocks = !strcmp(nl_langinfo(CODESET), "UTF-8") && term && strcmp(term, "linux") != 0;
	use_tioctl(TRUE);
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return false;
	make_colours();
	cbreak();
	noecho();
	nonl();
	intrflush(stdscr, FALSE);
	scrollok(stdscr, FALSE);
	leaveok(stdscr, TRUE);
	curs_set(0);
	return true;
}

void watch_screen_close(void)
{
	if (screen && !isendwin())
		endwin();
}

void watch_screen_again(void)
{
	if (!screen)
		return;
	reset_prog_mode();
	watch_screen_resize();
	curs_set(0);
	clearok(curscr, TRUE);
}

void watch_screen_resize(void)
{
	struct winsize size;

	if (screen && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col)
		resizeterm(size.ws_row, size.ws_col);
}

static void put_cell(int line, int column, attr_t attributes, wchar_t character)
{
	wchar_t text[2] = {character, L'\0'};

	if (line < 0 || line >= LINES || column < 0 || column >= COLS)
		return;
	attrset(attributes);
	mvaddnwstr(line, column, text, 1);
	attrset(A_NORMAL);
}

static bool is_blank(const char *text)
{
	return !text[strspn(text, " ")];
}

/* What does not fit before the column end is cut, with a mark that it is. */
static int put_until(int line, int column, int end, attr_t attributes, const char *text)
{
	int length = (int)strlen(text), room = end - column;
	bool is_cut = length > room && !is_blank(text + (room > 0 ? room : 0));

	if (line < 0 || line >= LINES || column < 0)
		return column;
	if (room > 0) {
		attrset(attributes);
		mvaddnstr(line, column, text, room);
		attrset(A_NORMAL);
	}
	if (is_cut && end > 0)
		put_cell(line, end - 1, attributes, has_blocks ? 0x2026 : L'>');
	return column + length;
}

/* One line of text from here to the end of the line at most. Returns the column behind it. */
static int put(int line, int column, attr_t attributes, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int put(int line, int column, attr_t attributes, const char *format, ...)
{
	char text[TEXT];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return put_until(line, column, COLS, attributes, text);
}

/* A cell of which so many eighths are filled, from below or from the left. */
static wchar_t upright(unsigned int eighths)
{
	static const wchar_t ascii[] = L" ...:::##";

	if (has_blocks)
		return eighths ? (wchar_t)(0x2580 + eighths) : L' ';
	return ascii[eighths];
}

static wchar_t lying(unsigned int eighths)
{
	if (has_blocks)
		return eighths ? (wchar_t)(0x2590 - eighths) : L' ';
	return eighths >= 4 ? L'#' : L' ';
}

/* How far a rate reaches on a scale of steps; anything is a step at least. */
static unsigned int reach(uint64_t rate_bits_s, uint64_t top_bits_s, unsigned int steps)
{
	unsigned __int128 reached = ((unsigned __int128)rate_bits_s * steps + top_bits_s / 2) /
				    (top_bits_s ? top_bits_s : 1);

	if (!reached && rate_bits_s)
		return 1;
	return reached > steps ? steps : (unsigned int)reached;
}

static enum colour rate_colour(bool at_limit)
{
	return at_limit ? COLOUR_AT_LIMIT : COLOUR_RATE;
}

/* "[#####    ] 54 %" */
static void draw_bar(int line, int column, const struct watch_rates_direction *ours)
{
	int width = COLS - column - 9;
	unsigned int eighths;
	attr_t attributes = look(rate_colour(ours->at_limit >= WATCH_IS_AT_LIMIT), 0);
	double part = ours->limit.bits_s ?
			      (double)ours->figures.rate_bits_s * 100 / (double)ours->limit.bits_s :
			      0;

	if (!ours->limit.bits_s || width < 3)
		return;
	eighths = reach(ours->figures.rate_bits_s, ours->limit.bits_s, (unsigned int)width * 8);
	put(line, column, 0, "[");
	for (int i = 0; i < width; i++) {
		unsigned int here = eighths > 8 ? 8 : eighths;

		put_cell(line, column + 1 + i, attributes, lying(here));
		eighths -= here;
	}
	put(line, column + 1 + width, 0, "]%4.0f %%", part > 9999 ? 9999 : part);
}

struct plot {
	int line, rows, column, width;
	uint64_t top_bits_s;
};

/* The row, from below, at whose lower edge the line of a limit is. */
static int limit_row(const struct plot *plot, uint64_t limit_bits_s)
{
	int row = (int)reach(limit_bits_s, plot->top_bits_s, (unsigned int)plot->rows);

	return row < plot->rows ? row : plot->rows - 1;
}

static void draw_sample(const struct plot *plot, int column,
			const struct watch_rates_sample *sample)
{
	unsigned int eighths =
		reach(sample->rate_bits_s, plot->top_bits_s, (unsigned int)plot->rows * 8);
	int limit = sample->limit_bits_s ? limit_row(plot, sample->limit_bits_s) : -1;

	if (!sample->is_there)
		return;
	for (int row = 0; row < plot->rows; row++) {
		unsigned int here = eighths > 8 ? 8 : eighths;
		int line = plot->line + plot->rows - 1 - row;

		if (here)
			put_cell(line, column, look(rate_colour(sample->at_limit), 0),
				 upright(here));
		else if (row == limit)
			put_cell(line, column, look(COLOUR_LIMIT, 0), has_blocks ? 0x2581 : L'_');
		eighths -= here;
	}
}

/* "49.5 Mbit/s" in front of a row, as seen from below. */
static void draw_label(const struct plot *plot, int row, uint64_t rate_bits_s, enum colour colour)
{
	char text[UNITS_TEXT];

	watch_line_rate(rate_bits_s, text);
	put(plot->line + plot->rows - 1 - row, 0, look(colour, 0), "%*.*s", LABEL - 1, LABEL - 1,
	    text);
}

static void draw_plot(const struct watch_screen_view *view, enum bwctl_direction direction,
		      int line, int rows)
{
	uint64_t limit = view->rates->direction[direction].limit.bits_s;
	struct plot plot = {.line = line, .rows = rows, .column = LABEL, .width = COLS - LABEL};
	int limit_at = -1;

	if (rows < 2 || plot.width < 8)
		return;
	plot.top_bits_s = watch_rates_top(view->history, direction, view->count,
					  (uint64_t)plot.width, (unsigned int)rows);
	for (int i = 0; i < plot.width; i++)
		draw_sample(&plot, COLS - 1 - i,
			    watch_rates_recall(view->history, direction, view->count, (uint64_t)i));
	put(line + rows - 1, LABEL - 2, 0, "0");
	if (limit) {
		limit_at = limit_row(&plot, limit);
		draw_label(&plot, limit_at, limit, COLOUR_LIMIT);
	}
	if (limit_at < rows - 2)
		draw_label(&plot, rows - 1, plot.top_bits_s, COLOUR_PLAIN);
}

/* "ingress  49.5 Mbit/s of 50 Mbit/s   at the limit 97 %   queue 84 ms" */
static void draw_head(const struct watch_screen_view *view, enum bwctl_direction direction,
		      int line)
{
	const struct watch_rates *rates = view->rates;
	const struct watch_rates_direction *ours = &rates->direction[direction];
	char text[UNITS_TEXT];
	bool is_wide = COLS >= 80;
	int column =
		put(line, 0, look(COLOUR_PLAIN, A_BOLD), "%-8s ", policy_direction_name(direction));

	if (!rates->is_measured) {
		put(line, column, 0, "measuring");
		return;
	}
	if (view->class)
		column = put(line, column, look(COLOUR_TITLE, A_BOLD), "%s ", view->class);
	column = put(line, column, look(rate_colour(ours->at_limit >= WATCH_IS_AT_LIMIT), A_BOLD), "%s",
		     watch_line_rate(ours->figures.rate_bits_s, text));
	if (!ours->limit.bits_s)
		return;
	column = put(line, column, 0, " of %s", units_format_rate(ours->limit.bits_s, text));
	column = put(line, column, 0, "%s%s %.0f %%%s", is_wide ? "   " : "  ",
		     view->class ? (is_wide ? "all at the limit" : "all at limit") :
		     is_wide	 ? "at the limit" :
				   "at limit",
		     ours->at_limit * 100, is_wide ? " of the time" : "");
	if (ours->queue_ns >= 1000000)
		put(line, column, 0, "%s %s", is_wide ? "   queue" : "  queue",
		    watch_line_wait(ours->queue_ns / 1000000 * 1000000, text));
}

/* "pace, window W 1 s, bound B 66.5 kB", and why not. */
static const char *promise_text(const struct watch_screen_view *view,
				enum bwctl_direction direction, char text[TEXT])
{
	char promise[2 * LOG_TEXT];

	bool has_mode = view->rates->observes || !view->rates->direction[direction].counts_only;

	snprintf(text, TEXT, "%s%s%s", has_mode ? watch_line_mode(view->rates, direction) : "",
		 has_mode ? ", " : "", watch_line_promise(view->rates, direction, promise));
	for (char *at = text; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	return text;
}

/* Where the first line of a text ends: behind a blank, if there is one. More than 0 of what is not empty. */
static int line_end(const char *text, int width)
{
	int end = width;

	if ((int)strlen(text) <= width)
		return (int)strlen(text);
	while (end > 0 && text[end - 1] != ' ')
		end--;
	return end > 0 ? end : width;
}

/* How many lines are needed for it: a second one if it says why. */
static int promise_lines(const struct watch_screen_view *view)
{
	char text[TEXT];

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		if ((int)strlen(promise_text(view, direction, text)) > COLS - PROMISE)
			return 2;
	return 1;
}

static void draw_promise(const struct watch_screen_view *view, enum bwctl_direction direction,
			 int line, int lines)
{
	char text[TEXT];
	bool is_hindered = !view->rates->observes && *view->rates->direction[direction].why;
	attr_t attributes = look(is_hindered ? COLOUR_AT_LIMIT : COLOUR_PLAIN, 0);
	int end = line_end(promise_text(view, direction, text), COLS - PROMISE);

	put(line, PROMISE, attributes, "%.*s", end, text);
	if (lines > 1 && text[end])
		put(line + 1, PROMISE, attributes, "%s", text + end);
}

/* The columns of the table of classes, from the fewest on. */
enum width {
	WIDTH_RATES,
	WIDTH_LOST,
	WIDTH_WAITS, /* and one column that says when it was seen */
	WIDTH_ALL,   /* one of each direction */
	WIDTHS
};

struct table {
	enum width width;
	int name; /* columns of the names */
};

static int table_columns(enum width width, int name)
{
	static const int columns[WIDTHS] = {2 * 12, 2 * 22, 2 * 30 + 11, 2 * 41};

	return name + columns[width];
}

static void choose_table(const struct watch_rates *rates, struct table *ret_table)
{
	ret_table->name = 7;
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		int length = (int)strlen(rates->direction[BWCTL_INGRESS].classes[class].name);

		if (ret_table->name < length)
			ret_table->name = length;
	}
	ret_table->width = WIDTH_ALL;
	while (ret_table->width > WIDTH_RATES &&
	       table_columns(ret_table->width, ret_table->name) > COLS)
		ret_table->width--;
}

static void draw_titles(const struct watch_screen_view *view, const struct table *table, int line)
{
	attr_t attributes = look(COLOUR_TITLE, A_BOLD);
	const char *lost = view->rates->observes ? "would/s" : "dropped/s";
	int column = put(line, 0, attributes, "%-*s", table->name, "class");

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		column = put(line, column, attributes, " %11s", policy_direction_name(direction));
		if (table->width >= WIDTH_LOST)
			column = put(line, column, attributes, " %9s", lost);
		if (table->width >= WIDTH_WAITS)
			column = put(line, column, attributes, " %7s", "wait");
		if (table->width >= WIDTH_ALL)
			column = put(line, column, attributes, " %10s", "seen");
	}
	if (table->width == WIDTH_WAITS)
		put(line, column, attributes, " %10s", "seen");
}

static int draw_figures(const struct watch_screen_view *view, const struct table *table, int line,
			int column, const struct watch_rates_figures *figures, bool is_exempt)
{
	bool is_measured = view->rates->is_measured;
	char text[UNITS_TEXT];

	column = put(line, column, 0, " %11s",
		     !is_measured	   ? "-" :
		     !figures->rate_bits_s ? "0" :
					     watch_line_rate(figures->rate_bits_s, text));
	if (table->width >= WIDTH_LOST)
		column =
			put(line, column,
			    figures->lost_s > 0 ? look(COLOUR_LOST, A_BOLD) : look(COLOUR_PLAIN, 0),
			    " %9s", is_measured ? watch_line_lost(figures->lost_s, text) : "-");
	if (table->width >= WIDTH_WAITS)
		column = put(line, column, 0, " %7s",
			     is_exempt ? "exempt" : watch_line_wait(figures->wait_ns, text));
	return column;
}

static int draw_seen(const struct watch_screen_view *view, int line, int column,
		     const struct watch_rates_class *class)
{
	char text[UNITS_TEXT];

	return put(line, column, 0, " %10s",
		   watch_line_seen(class, view->rates->now_ns, view->since_ns, text));
}

static void draw_class(const struct watch_screen_view *view, const struct table *table, int line,
		       uint32_t number)
{
	const struct watch_rates_class *classes[BWCTL_DIRECTIONS];
	bool is_chosen;
	int column;

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		classes[direction] = &view->rates->direction[direction].classes[number];
	is_chosen = view->class && !strcmp(view->class, classes[0]->name);
	column = put(line, 0, look(is_chosen ? COLOUR_TITLE : COLOUR_PLAIN, is_chosen ? A_BOLD : 0),
		     "%-*s", table->name, classes[0]->name);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		column = draw_figures(view, table, line, column, &classes[direction]->figures,
				      classes[direction]->is_exempt);
		if (table->width == WIDTH_ALL)
			column = draw_seen(view, line, column, classes[direction]);
	}
	if (table->width == WIDTH_WAITS) {
		const struct watch_rates_class *in = classes[BWCTL_INGRESS],
					       *out = classes[BWCTL_EGRESS];
		struct watch_rates_class both = *in;

		if (out->seen_ns > in->seen_ns)
			both.seen_ns = out->seen_ns;
		both.was_counted = in->was_counted || out->was_counted;
		draw_seen(view, line, column, &both);
	}
}

/* Those that came by go before those that never did; else in their order. Returns how many there are. */
static int order_classes(const struct watch_rates *rates, int room,
			 uint32_t ret_order[BWCTL_CLASSES])
{
	int count = 0, all = 0;

	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		all += *rates->direction[0].classes[class].name != '\0';
	for (int turn = 0; turn < 2; turn++) {
		for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
			bool was_counted =
				rates->direction[BWCTL_INGRESS].classes[class].was_counted ||
				rates->direction[BWCTL_EGRESS].classes[class].was_counted;

			if (!*rates->direction[0].classes[class].name)
				continue;
			/* Where there is room for all, they stay where they are. */
			if (all <= room ? !turn : was_counted == !turn)
				ret_order[count++] = class;
		}
	}
	return all;
}

static int class_count(const struct watch_rates *rates)
{
	uint32_t order[BWCTL_CLASSES];

	return order_classes(rates, BWCTL_CLASSES, order);
}

static void draw_table(const struct watch_screen_view *view, int line, int lines)
{
	uint32_t order[BWCTL_CLASSES];
	struct table table;
	int count, shown;

	if (lines < 2)
		return;
	choose_table(view->rates, &table);
	count = order_classes(view->rates, lines - 1, order);
	draw_titles(view, &table, line);
	shown = count <= lines - 1 ? count : lines - 2;
	for (int i = 0; i < shown; i++)
		draw_class(view, &table, line + 1 + i, order[i]);
	if (shown < count)
		put(line + 1 + shown, 0, 0, "and %d more", count - shown);
}

static void draw_title(const struct watch_screen_view *view)
{
	char clock[32] = "", interval[UNITS_TEXT], right[UNITS_TEXT];
	struct tm when;
	char interfaces[LOG_TEXT + 8];
	int column = put(0, 0, look(COLOUR_TITLE, A_BOLD), "bwctl"), left;

	if (localtime_r(&view->rates->at.tv_sec, &when))
		strftime(clock, sizeof(clock), "%H:%M:%S", &when);
	snprintf(right, sizeof(right), "  every %.20s  %s",
		 units_format_time(view->interval_ns, interval), clock);
	left = COLS - (int)strlen(right);
	if (view->is_paused)
		left -= 8;
	if (view->is_paused)
		left = left < 6 ? 6 : left;
	if (view->rates->is_loaded) {
		snprintf(interfaces, sizeof(interfaces), " on %s", view->rates->interfaces);
		put_until(0, column, left < 6 ? COLS : left, 0, interfaces);
	}
	if (left < 6)
		return;
	put(0, left, 0, "%*s", COLS - left, right);
	if (view->is_paused)
		put(0, left, look(COLOUR_AT_LIMIT, A_BOLD), " PAUSED ");
}

static int message_lines(const char *text)
{
	int lines = 0;

	for (; *text; text += line_end(text, COLS))
		lines++;
	return lines;
}

bool watch_screen_fits(const char *text)
{
	return message_lines(text) <= LINES;
}

/* On the last line; what is longer begins above it. */
static void draw_message(const char *text, attr_t attributes)
{
	int lines = message_lines(text), line = lines < LINES ? LINES - lines : 0;

	for (; *text; line++) {
		int end = line_end(text, COLS);

		put(line, 0, attributes, "%*s", COLS, "");
		put(line, 0, attributes, "%.*s", end, text);
		text += end;
	}
}

static void draw_status(const struct watch_screen_view *view)
{
	attr_t attributes = look(COLOUR_PLAIN, view->is_question ? A_BOLD | A_REVERSE : A_BOLD);

	if (view->status)
		draw_message(view->status, attributes);
	else
		put(LINES - 1, 0, look(COLOUR_TITLE, 0),
		    COLS >= 60 ? "q quit   p pause   + - another limit   ? help" :
				 "q quit  p pause  + -  ? help");
}

/* "in  49.5 Mbit/s [###   ]": what is left of it all in a window that has room for nothing else. */
static void draw_small(const struct watch_screen_view *view)
{
	char rate[UNITS_TEXT];
	int line = 0;

	for (int direction = 0; direction < BWCTL_DIRECTIONS && line < LINES; direction++) {
		const struct watch_rates_direction *ours = &view->rates->direction[direction];
		const char *name = direction == BWCTL_INGRESS ? "in" : "out";

		put(line, 0, 0, "%-3s %11s", name,
		    view->rates->is_measured ? watch_line_rate(ours->figures.rate_bits_s, rate) :
					       "-");
		if (COLS >= 30)
			draw_bar(line, 16, ours);
		line++;
	}
	if (view->is_paused && line < LINES)
		put(line++, 0, 0, "PAUSED");
	if (!view->status && line < LINES)
		put(line, 0, 0, "%dx%d is too small for more", COLS, LINES);
}

static void draw_unloaded(const struct watch_screen_view *view)
{
	put(LINES / 2 - 1, 2, look(COLOUR_LOST, A_BOLD), "nothing is loaded");
	put(LINES / 2, 2, 0, "It goes on when something is: bwctl load IFACE");
	(void)view;
}

/* How the lines of the screen are shared out. */
struct layout {
	int promise, plot, table;
};

static void lay_out(const struct watch_screen_view *view, struct layout *ret_layout)
{
	int wanted = class_count(view->rates) + 1, left;

	ret_layout->promise = LINES >= 20 ? promise_lines(view) : LINES >= 14;
	/* The title, the status, and of each direction its head and its bar. */
	left = LINES - 2 - BWCTL_DIRECTIONS * (2 + ret_layout->promise);
	ret_layout->table = left - 2 * 3;
	if (ret_layout->table > wanted)
		ret_layout->table = wanted;
	if (ret_layout->table < 3)
		ret_layout->table = left < wanted ? left : wanted;
	ret_layout->plot = (left - ret_layout->table) / BWCTL_DIRECTIONS;
	if (ret_layout->plot < 2)
		ret_layout->plot = 0;
}

static void draw_whole(const struct watch_screen_view *view)
{
	struct layout layout;
	int line = 1;

	lay_out(view, &layout);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		draw_head(view, direction, line++);
		if (layout.promise)
			draw_promise(view, direction, line, layout.promise);
		line += layout.promise;
		draw_bar(line++, LABEL - 1, &view->rates->direction[direction]);
		draw_plot(view, direction, line, layout.plot);
		line += layout.plot;
	}
	draw_table(view, line, layout.table);
}

static void draw_help(void)
{
	static const char *const text[] = {
		"q      quit",
		"p      pause: the display stands still, and",
		"       what goes on is kept",
		"+ -    a step up or down for the limit, by",
		"       1, 2, 5, 10 ...; asks first",
		"? h    this",
		"",
		"A column of a plot is an interval; the red",
		"line is the limit. Yellow: packets had to",
		"wait or were dropped by the limit of all.",
		"wait: the mean of those that waited.",
		"seen: when packets last came; > before we",
		"looked.",
	};
	int count = (int)(sizeof(text) / sizeof(text[0])), width = 48;
	int top = (LINES - count - 2) / 2, left = (COLS - width) / 2;

	top = top < 0 ? 0 : top;
	left = left < 0 ? 0 : left;
	put(top, left, look(COLOUR_TITLE, A_BOLD), "+- keys %.*s+", width - 9,
	    "------------------------------------------------------------");
	for (int i = 0; i < count; i++)
		put(top + 1 + i, left, 0, "| %-*s |", width - 4, text[i]);
	put(top + 1 + count, left, 0, "+%.*s+", width - 2,
	    "------------------------------------------------------------");
}

void watch_screen_draw(const struct watch_screen_view *view)
{
	bool is_small = LINES < SMALL_LINES || COLS < SMALL_COLUMNS;

	erase();
	if (!is_small)
		draw_title(view);
	if (!view->rates->is_loaded)
		draw_unloaded(view);
	else if (is_small)
		draw_small(view);
	else
		draw_whole(view);
	if (view->has_help)
		draw_help();
	/* Over everything: what is asked has to be seen before it is answered. */
	if (!is_small || view->status)
		draw_status(view);
	refresh();
}
