/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Draws captures taken behind a limiter against its ceiling: in the terminal,
 * and as an SVG file. The line is the average over the sliding window that the
 * promise is about; the samples behind it are 100 ms each. It draws, it does
 * not judge: the verdict is conform's.
 */
#include <ctype.h>
#include <err.h>
#include <getopt.h>
#include <pcap/pcap.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "terminal.h"
#include "units.h"

#define NS_PER_S  1000000000LL
#define SAMPLE_NS (NS_PER_S / 10)

#define SERIES_MAX  16
#define LIMITS_MAX  4096
#define COLUMNS_MAX 400
#define ROWS_MAX    16

/* One capture: when frames arrived, and the bytes up to and including each. */
struct series {
	const char *label;
	int64_t *time_ns;
	uint64_t *sum_bytes;
	size_t count;
};

/* In force from since_ns on; 0 is unlimited. */
struct limit {
	int64_t since_ns;
	uint64_t rate_bits_s;
};

struct chart {
	struct series series[SERIES_MAX];
	int series_count;
	struct limit limits[LIMITS_MAX];
	int limit_count;
	const char *title;
	int64_t window_ns;
	int64_t start_ns, end_ns; /* of all captures */
	/* The vertical scale: rows of one terminal cell each. */
	double row_bits_s;
	int rows;
	int rows_per_label;
};

/* ---- what is drawn ------------------------------------------------------------------------- */

static int64_t parse_time_ns(const char *text, char **ret_end)
{
	int64_t time_ns = strtoll(text, ret_end, 10) * NS_PER_S, digit_ns = NS_PER_S / 10;
	char *at = *ret_end;

	if (at != text && *at == '.') {
		for (at++; isdigit((unsigned char)*at); at++, digit_ns /= 10)
			time_ns += (*at - '0') * digit_ns;
		*ret_end = at;
	}
	return time_ns;
}

/* Lines of "SECONDS RATE", in the order of time; a RATE may be "unlimited". */
static void load_limits(struct chart *chart, const char *path)
{
	char line[256], rate[64], why[UNITS_TEXT], *end;
	FILE *file = fopen(path, "r");
	int number = 0;

	if (!file)
		err(1, "cannot read '%s'", path);
	while (fgets(line, sizeof(line), file)) {
		struct limit *limit = &chart->limits[chart->limit_count];

		number++;
		if (chart->limit_count == LIMITS_MAX)
			errx(1, "%s:%d: more than %d limits", path, number, LIMITS_MAX);
		limit->since_ns = parse_time_ns(line, &end);
		if (end == line || sscanf(end, " %63s", rate) != 1)
			errx(1, "%s:%d: expected seconds and a rate", path, number);
		limit->rate_bits_s = 0;
		if (strcmp(rate, "unlimited") && units_parse_rate(rate, &limit->rate_bits_s, why))
			errx(1, "%s:%d: %s", path, number, why);
		if (chart->limit_count && limit->since_ns < limit[-1].since_ns)
			errx(1, "%s:%d: earlier than the line before", path, number);
		/* The same limit once more is no change. */
		if (!chart->limit_count || limit->rate_bits_s != limit[-1].rate_bits_s)
			chart->limit_count++;
	}
	fclose(file);
}

static void load_capture(struct series *series, const char *path)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *capture =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	struct pcap_pkthdr *header;
	const u_char *data;
	size_t room = 0;
	int result;

	if (!capture)
		errx(1, "cannot read '%s': %s", path, why);
	while ((result = pcap_next_ex(capture, &header, &data)) == 1) {
		size_t n = series->count;
		int64_t time_ns = header->ts.tv_sec * NS_PER_S + header->ts.tv_usec;

		if (n == room) {
			room = room ? room * 2 : 4096;
			series->time_ns =
				reallocarray(series->time_ns, room, sizeof(*series->time_ns));
			series->sum_bytes =
				reallocarray(series->sum_bytes, room, sizeof(*series->sum_bytes));
			if (!series->time_ns || !series->sum_bytes)
				errx(1, "not enough memory for '%s'", path);
		}
		/* CPUs may hand frames over a little out of order; time does not run back. */
		if (n && time_ns < series->time_ns[n - 1])
			time_ns = series->time_ns[n - 1];
		series->time_ns[n] = time_ns;
		series->sum_bytes[n] = (n ? series->sum_bytes[n - 1] : 0) + header->len;
		series->count++;
	}
	if (result == PCAP_ERROR)
		errx(1, "cannot read '%s': %s", path, pcap_geterr(capture));
	pcap_close(capture);
}

/* How many frames arrived up to and including time_ns. */
static size_t frames_until(const struct series *series, int64_t time_ns)
{
	size_t low = 0, high = series->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (series->time_ns[middle] <= time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint64_t bytes_until(const struct series *series, int64_t time_ns)
{
	size_t frames = frames_until(series, time_ns);

	return frames ? series->sum_bytes[frames - 1] : 0;
}

/* The bits per second of what arrived in (time_ns - length_ns, time_ns]. */
static double average_bits_s(const struct series *series, int64_t time_ns, int64_t length_ns)
{
	uint64_t bytes = bytes_until(series, time_ns) - bytes_until(series, time_ns - length_ns);

	return bytes * 8.0 * NS_PER_S / length_ns;
}

/* The limit at time_ns, 0 when there is none. */
static uint64_t limit_at(const struct chart *chart, int64_t time_ns)
{
	uint64_t rate_bits_s = 0;

	for (int i = 0; i < chart->limit_count && chart->limits[i].since_ns <= time_ns; i++)
		rate_bits_s = chart->limits[i].rate_bits_s;
	return rate_bits_s;
}

/*
 * Whether the window that ends at time_ns lies within the captures and under one limit. Only such
 * a window can be held against a ceiling.
 */
static bool window_is_whole(const struct chart *chart, int64_t time_ns)
{
	int64_t since_ns = time_ns - chart->window_ns;

	if (since_ns < chart->start_ns || time_ns > chart->end_ns)
		return false;
	for (int i = 0; i < chart->limit_count; i++)
		if (chart->limits[i].since_ns > since_ns && chart->limits[i].since_ns < time_ns)
			return false;
	return true;
}

/*
 * The highest average of the whole windows that end in (from_ns, to_ns], in bits per second;
 * negative when there is none. It rises only when a frame arrives, so none is missed.
 */
static double highest_average(const struct chart *chart, const struct series *series,
			      int64_t from_ns, int64_t to_ns)
{
	size_t head = frames_until(series, from_ns), tail = 0;
	double highest = -1;

	if (window_is_whole(chart, to_ns))
		highest = average_bits_s(series, to_ns, chart->window_ns);
	if (head < series->count)
		tail = frames_until(series, series->time_ns[head] - chart->window_ns);
	for (; head < series->count && series->time_ns[head] <= to_ns; head++) {
		uint64_t bytes;
		double average;

		if (!window_is_whole(chart, series->time_ns[head]))
			continue;
		while (series->time_ns[tail] <= series->time_ns[head] - chart->window_ns)
			tail++;
		bytes = series->sum_bytes[head] - (tail ? series->sum_bytes[tail - 1] : 0);
		average = bytes * 8.0 * NS_PER_S / chart->window_ns;
		if (average > highest)
			highest = average;
	}
	return highest;
}

static double max_of(double a, double b)
{
	return a > b ? a : b;
}

/* The largest power of ten that is not above value, which is at least 1. */
static double magnitude_of(double value)
{
	double magnitude = 1;

	while (magnitude * 10 <= value * (1 + 1e-9))
		magnitude *= 10;
	return magnitude;
}

static bool is_multiple(double value, double step)
{
	double times = value / step, off = times - (uint64_t)(times + 0.5);

	return off < 1e-6 && off > -1e-6;
}

/*
 * The scale: whole rows, high enough for all ceilings, all averages and most samples, and such
 * that every ceiling lies between two rows if that can be had. Then a line in the row below a
 * ceiling is under it and one in the row above is over it, however coarse a terminal is.
 */
static void choose_scale(struct chart *chart)
{
	static const double steps[] = {1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 7.5, 8, 10};
	static const double label_steps[] = {1, 2, 2.5, 5, 10};
	double ceiling = 0, sample = 0, needed = 0, best = 0;

	for (int i = 0; i < chart->limit_count; i++)
		ceiling = max_of(ceiling, chart->limits[i].rate_bits_s);
	for (int i = 0; i < chart->series_count; i++) {
		const struct series *series = &chart->series[i];

		needed = max_of(needed,
				highest_average(chart, series, chart->start_ns, chart->end_ns));
		for (int64_t at = chart->start_ns + SAMPLE_NS; at <= chart->end_ns; at += SAMPLE_NS)
			sample = max_of(sample, average_bits_s(series, at, SAMPLE_NS));
	}
	needed *= 1.05;
	if (ceiling > 0) {
		needed = max_of(needed, ceiling * 1.25);
		sample = sample < ceiling * 1.5 ? sample : ceiling * 1.5;
	}
	needed = max_of(max_of(needed, sample), 1000);

	for (int rows = 12; rows <= ROWS_MAX; rows++) {
		double magnitude = magnitude_of(needed / rows);

		for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
			double step = steps[s] * magnitude, cost;

			if (step * rows < needed)
				continue;
			cost = step * rows / needed + (rows > 14 ? rows - 14 : 14 - rows) * 0.02;
			for (int i = 0; i < chart->limit_count; i++)
				cost += !is_multiple(chart->limits[i].rate_bits_s, step);
			if (best == 0 || cost < best) {
				best = cost;
				chart->rows = rows;
				chart->row_bits_s = step;
			}
		}
	}

	chart->rows_per_label = 2;
	for (int rows = 2; rows <= 5; rows++) {
		double step = rows * chart->row_bits_s;
		double magnitude = magnitude_of(step);

		for (size_t s = 0; s < sizeof(label_steps) / sizeof(*label_steps); s++)
			if (is_multiple(step / magnitude, label_steps[s]) &&
			    step / magnitude < label_steps[s] * 1.5) {
				chart->rows_per_label = rows;
				return;
			}
	}
}

/* Seconds between marks of the time axis, for about count of them. */
static int choose_seconds(const struct chart *chart, int count)
{
	static const int steps[] = {1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600};
	double length_s = (double)(chart->end_ns - chart->start_ns) / NS_PER_S;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (length_s / steps[i] <= count)
			return steps[i];
	return 7200;
}

/* "highest 2 s average: 48.3 of 50 Mbit/s, then 19.4 of 20 Mbit/s". */
static void describe(const struct chart *chart, const struct series *series, char *text,
		     size_t size)
{
	char window[UNITS_TEXT], rate[UNITS_TEXT], limit[UNITS_TEXT];
	const char *separator = "";
	size_t used;

	used = snprintf(text, size,
			"highest %s average: ", units_format_time(chart->window_ns, window));
	for (int i = -1; i < chart->limit_count; i++) {
		int64_t from_ns = i < 0 ? chart->start_ns : chart->limits[i].since_ns;
		int64_t to_ns = i + 1 < chart->limit_count ? chart->limits[i + 1].since_ns :
							     chart->end_ns;
		uint64_t rate_bits_s = i < 0 ? 0 : chart->limits[i].rate_bits_s;
		double highest;

		if (to_ns > chart->end_ns)
			to_ns = chart->end_ns;
		highest = to_ns > from_ns ? highest_average(chart, series, from_ns, to_ns) : -1;
		if (highest < 0)
			continue;
		if (used > 100) {
			snprintf(text + used, size - used, ", …");
			return;
		}
		used += snprintf(text + used, size - used, "%s%s", separator,
				 units_format_rate(highest, rate));
		if (rate_bits_s)
			used += snprintf(text + used, size - used, " of %s",
					 units_format_rate(rate_bits_s, limit));
		separator = ", then ";
	}
	if (!*separator)
		snprintf(text, size, "shorter than one window");
}

/* ---- in the terminal ----------------------------------------------------------------------- */

/* A cell is drawn as the uppermost of its layers. Dots are those of a Braille pattern. */
struct cell {
	uint8_t line_dots;
	uint8_t sample_dots;
	const char *ceiling;
	char label;
	bool beyond;
};

struct screen {
	struct cell cells[ROWS_MAX][COLUMNS_MAX]; /* row 0 is the lowest */
	int columns;
};

static bool colours;

enum colour {
	PLAIN,
	TITLE,
	AXIS,
	LINE,
	CEILING,
	SAMPLE
};

static void paint(enum colour colour, const char *format, ...)
{
	static const char *const codes[] = {
		[PLAIN] = "0",	 [TITLE] = "1",	   [AXIS] = "90",
		[LINE] = "1;36", [CEILING] = "91", [SAMPLE] = "90",
	};
	va_list arguments;

	if (colours)
		printf("\033[%sm", codes[colour]);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	if (colours)
		fputs("\033[0m", stdout);
}

static int screen_columns(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	char why[UNITS_TEXT];
	uint64_t wanted;

	if (columns && !units_parse_integer(columns, 40, COLUMNS_MAX, &wanted, why))
		return wanted;
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col >= 40)
		return size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX;
	return 100;
}

static uint8_t braille_dot(int half_column, int quarter_row)
{
	/* Bits of the block at U+2800, by column and by row from below. */
	static const uint8_t bits[2][4] = {{0x40, 0x04, 0x02, 0x01}, {0x80, 0x20, 0x10, 0x08}};

	return bits[half_column & 1][quarter_row & 3];
}

static void put_braille(enum colour colour, uint8_t dots)
{
	paint(colour, "\xe2%c%c", 0xa0 | dots >> 6, 0x80 | (dots & 0x3f));
}

/* The quarter row that a rate falls into; one that is exactly on an edge is below it. */
static int quarter_row(const struct chart *chart, double rate_bits_s)
{
	double quarters = rate_bits_s / chart->row_bits_s * 4;
	int row = quarters;

	return row && quarters - row < 1e-9 ? row - 1 : row;
}

static void plot_samples(const struct chart *chart, const struct series *series,
			 struct screen *screen)
{
	int64_t length_ns = chart->end_ns - chart->start_ns;

	for (int64_t at = chart->start_ns + SAMPLE_NS; at <= chart->end_ns; at += SAMPLE_NS) {
		int x = (double)(at - SAMPLE_NS / 2 - chart->start_ns) / length_ns *
			screen->columns * 2;
		int y = quarter_row(chart, average_bits_s(series, at, SAMPLE_NS));

		if (y >= chart->rows * 4)
			screen->cells[chart->rows - 1][x / 2].beyond = true;
		else
			screen->cells[y / 4][x / 2].sample_dots |= braille_dot(x, y);
	}
}

static void plot_line(const struct chart *chart, const struct series *series, struct screen *screen)
{
	int64_t length_ns = chart->end_ns - chart->start_ns;
	int last = -1;

	for (int x = 0; x < screen->columns * 2; x++) {
		int64_t from_ns = chart->start_ns + length_ns * x / (screen->columns * 2);
		int64_t to_ns = chart->start_ns + length_ns * (x + 1) / (screen->columns * 2);
		double highest = highest_average(chart, series, from_ns, to_ns);
		int y, low, high;

		if (highest < 0) {
			last = -1;
			continue;
		}
		y = quarter_row(chart, highest);
		low = last >= 0 && last < y ? last : y;
		high = last > y ? last : y;
		/* Two dots thick, and the second below: above would look like more than it was. */
		for (int dot = low ? low - 1 : 0; dot <= high && dot < chart->rows * 4; dot++)
			screen->cells[dot / 4][x / 2].line_dots |= braille_dot(x, dot);
		last = y;
	}
}

/* The ceiling is the lower edge of a row, or its middle when it is nearer to that. */
static int ceiling_row(const struct chart *chart, uint64_t rate_bits_s, const char **ret_glyph)
{
	int half_row = rate_bits_s / chart->row_bits_s * 2 + 0.5;

	*ret_glyph = half_row & 1 ? "─" : "▁";
	return half_row / 2;
}

static void plot_ceiling(const struct chart *chart, struct screen *screen)
{
	int64_t length_ns = chart->end_ns - chart->start_ns;
	uint64_t before_bits_s = 0;
	char text[UNITS_TEXT];

	for (int x = 0; x < screen->columns; x++) {
		uint64_t rate_bits_s =
			limit_at(chart, chart->start_ns + length_ns * x / screen->columns);
		const char *glyph, *unused;
		int row, other;

		if (!rate_bits_s) {
			before_bits_s = 0;
			continue;
		}
		row = ceiling_row(chart, rate_bits_s, &glyph);
		if (rate_bits_s != before_bits_s) {
			units_format_rate(rate_bits_s, text);
			for (int i = 0;
			     text[i] && x + 1 + i < screen->columns && row + 1 < chart->rows; i++)
				screen->cells[row + 1][x + 1 + i].label = text[i];
		}
		if (before_bits_s && rate_bits_s != before_bits_s) {
			other = ceiling_row(chart, before_bits_s, &unused);
			for (int r = row < other ? row : other; r < (row < other ? other : row);
			     r++)
				screen->cells[r][x].ceiling = "│";
			if (row > other)
				screen->cells[row][x].ceiling = glyph;
		} else if (row < chart->rows) {
			screen->cells[row][x].ceiling = glyph;
		}
		before_bits_s = rate_bits_s;
	}
}

static void print_row(const struct chart *chart, const struct screen *screen, int row)
{
	/* A label stands at the lower edge of its row, where its value is. */
	if (row % chart->rows_per_label == 0)
		paint(AXIS, "%6.4g ┤", row * chart->row_bits_s / 1e6);
	else
		paint(AXIS, "%6s │", "");
	for (int x = 0; x < screen->columns; x++) {
		const struct cell *cell = &screen->cells[row][x];

		if (cell->line_dots)
			put_braille(LINE, cell->line_dots);
		else if (cell->label)
			paint(CEILING, "%c", cell->label);
		else if (cell->ceiling)
			paint(CEILING, "%s", cell->ceiling);
		else if (cell->beyond)
			paint(SAMPLE, "↑");
		else if (cell->sample_dots)
			put_braille(SAMPLE, cell->sample_dots);
		else
			putchar(' ');
	}
	putchar('\n');
}

static void print_time_axis(const struct chart *chart, int columns)
{
	double length_s = (double)(chart->end_ns - chart->start_ns) / NS_PER_S;
	int step_s = choose_seconds(chart, columns / 8), at = 0;
	char marks[COLUMNS_MAX] = {0};

	for (int s = 0; s <= length_s; s += step_s)
		if ((int)(s / length_s * columns) < columns)
			marks[(int)(s / length_s * columns)] = 1;
	paint(AXIS, "%6s └", "");
	for (int x = 0; x < columns; x++)
		paint(AXIS, marks[x] ? "┬" : "─");
	printf("\n%8s", "");
	for (int s = 0, x = 0; x < columns; x++) {
		char text[16];

		if (!marks[x])
			continue;
		snprintf(text, sizeof(text), s ? "%d" : "%d s", s);
		s += step_s;
		if (x + (int)strlen(text) > columns || x < at)
			continue;
		paint(AXIS, "%*s%s", x - at, "", text);
		at = x + strlen(text);
	}
	putchar('\n');
}

static void draw_terminal(const struct chart *chart)
{
	static struct screen screen;
	char window[UNITS_TEXT], text[512];

	colours = terminal_has_colours();
	paint(TITLE, "\n%s\n", chart->title);
	for (int i = 0; i < chart->series_count; i++) {
		const struct series *series = &chart->series[i];

		memset(&screen, 0, sizeof(screen));
		screen.columns = screen_columns() - 9;
		plot_samples(chart, series, &screen);
		plot_ceiling(chart, &screen);
		plot_line(chart, series, &screen);

		describe(chart, series, text, sizeof(text));
		paint(TITLE, "\n%s", series->label);
		printf("  %s\n", text);
		paint(AXIS, "Mbit/s\n");
		for (int row = chart->rows - 1; row >= 0; row--)
			print_row(chart, &screen, row);
		print_time_axis(chart, screen.columns);
	}
	printf("\n%8s", "");
	paint(CEILING, "▁▁");
	printf(" ceiling   ");
	paint(LINE, "⠶⠶");
	printf(" average over the last %s   ", units_format_time(chart->window_ns, window));
	paint(SAMPLE, "⠐⠄");
	printf(" 100 ms each\n%8s", "");
	paint(AXIS, "no line where a window is not whole, or spans a change of the ceiling");
	printf("\n\n");
}

/* ---- as SVG -------------------------------------------------------------------------------- */

#define SVG_WIDTH  960
#define SVG_LEFT   64
#define SVG_RIGHT  28
#define SVG_HEAD   104
#define SVG_PANEL  316 /* of which */
#define SVG_ABOVE  46  /* for a panel's heading */
#define SVG_HEIGHT 220 /* for its plot */
#define SVG_PLOT   (SVG_WIDTH - SVG_LEFT - SVG_RIGHT)

static const char svg_style[] =
	"<style>\n"
	"text{font-family:system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",sans-serif;font-size:12px;"
	"fill:#57606a;font-variant-numeric:tabular-nums}\n"
	".title{font-size:20px;font-weight:600;fill:#1f2328}\n"
	".label{font-size:14px;font-weight:600;fill:#1f2328}\n"
	".page{fill:#ffffff}\n"
	".grid{stroke:#d8dee4;stroke-width:1}\n"
	".axis{stroke:#8c959f;stroke-width:1}\n"
	".sample{fill:#bcc4cd;fill-opacity:.55}\n"
	".beyond{fill:#8c959f}\n"
	".gap{fill:url(#hatch)}\n"
	".hatch{stroke:#c9a13b;stroke-width:1.2;stroke-opacity:.4}\n"
	".line{fill:none;stroke:#0969da;stroke-width:2.5;stroke-linejoin:round;stroke-linecap:round}\n"
	".ceiling{fill:none;stroke:#cf222e;stroke-width:1.75}\n"
	".limit{fill:#cf222e;font-weight:600}\n"
	".halo{stroke:#ffffff;stroke-width:4;stroke-linejoin:round;paint-order:stroke}\n"
	"@media (prefers-color-scheme:dark){\n"
	"text{fill:#9198a1}\n"
	".title,.label{fill:#f0f6fc}\n"
	".page{fill:#0d1117}\n"
	".grid{stroke:#262c34}\n"
	".axis{stroke:#656c76}\n"
	".sample{fill:#5a636e;fill-opacity:.5}\n"
	".beyond{fill:#8b949e}\n"
	".hatch{stroke:#d4a72c;stroke-opacity:.32}\n"
	".line{stroke:#58a6ff}\n"
	".ceiling{stroke:#ff7b72}\n"
	".limit{fill:#ff7b72}\n"
	".halo{stroke:#0d1117}\n"
	"}\n"
	"</style>\n";

static void svg_text(FILE *svg, const char *text)
{
	for (; *text; text++) {
		if (*text == '&')
			fputs("&amp;", svg);
		else if (*text == '<')
			fputs("&lt;", svg);
		else if (*text == '>')
			fputs("&gt;", svg);
		else
			fputc(*text, svg);
	}
}

static double svg_x(const struct chart *chart, int64_t time_ns)
{
	double part = (double)(time_ns - chart->start_ns) / (chart->end_ns - chart->start_ns);

	return SVG_LEFT + (part < 0 ? 0 : part > 1 ? 1 : part) * SVG_PLOT;
}

static double svg_y(const struct chart *chart, double rate_bits_s)
{
	return SVG_HEIGHT * (1 - rate_bits_s / (chart->row_bits_s * chart->rows));
}

static void svg_axes(FILE *svg, const struct chart *chart)
{
	int step_s = choose_seconds(chart, 16);

	for (int row = 0; row <= chart->rows; row += chart->rows_per_label) {
		double rate_bits_s = row * chart->row_bits_s, y = svg_y(chart, rate_bits_s);

		fprintf(svg, "<line class=\"%s\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>\n",
			row ? "grid" : "axis", SVG_LEFT, y, SVG_LEFT + SVG_PLOT, y);
		fprintf(svg, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n",
			SVG_LEFT - 8, y + 4, rate_bits_s / 1e6);
	}
	fprintf(svg, "<text x=\"%d\" y=\"-8\" text-anchor=\"end\">Mbit/s</text>\n", SVG_LEFT - 8);
	for (int s = 0; s * NS_PER_S <= chart->end_ns - chart->start_ns; s += step_s) {
		double x = svg_x(chart, chart->start_ns + s * NS_PER_S);

		fprintf(svg, "<line class=\"axis\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n",
			x, SVG_HEIGHT, x, SVG_HEIGHT + 5);
		fprintf(svg, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d%s</text>\n", x,
			SVG_HEIGHT + 19, s, s ? "" : " s");
	}
}

static void svg_samples(FILE *svg, const struct chart *chart, const struct series *series)
{
	double top_bits_s = chart->row_bits_s * chart->rows, last_x = -9;

	fprintf(svg, "<path class=\"sample\" d=\"M%d %d", SVG_LEFT, SVG_HEIGHT);
	for (int64_t at = chart->start_ns + SAMPLE_NS; at <= chart->end_ns; at += SAMPLE_NS) {
		double rate_bits_s = average_bits_s(series, at, SAMPLE_NS);

		fprintf(svg, "V%.1fH%.1f",
			svg_y(chart, rate_bits_s < top_bits_s ? rate_bits_s : top_bits_s),
			svg_x(chart, at));
	}
	fprintf(svg, "V%dZ\"/>\n<path class=\"beyond\" d=\"", SVG_HEIGHT);
	/* A sample beyond the scale ends in an arrow head. */
	for (int64_t at = chart->start_ns + SAMPLE_NS; at <= chart->end_ns; at += SAMPLE_NS) {
		double x = svg_x(chart, at - SAMPLE_NS / 2);

		if (average_bits_s(series, at, SAMPLE_NS) <= top_bits_s || x < last_x + 7)
			continue;
		fprintf(svg, "M%.1f -1l3 -5l3 5z", x - 3);
		last_x = x;
	}
	fputs("\"/>\n", svg);
}

/* Where no window is whole: the first window, and the one after each change. */
static void svg_gaps(FILE *svg, const struct chart *chart)
{
	int64_t gap_end_ns = chart->start_ns + chart->window_ns, gap_start_ns = chart->start_ns;

	for (int i = 0; i <= chart->limit_count; i++) {
		int64_t since_ns = i < chart->limit_count ? chart->limits[i].since_ns : INT64_MAX;
		double x = svg_x(chart, gap_start_ns);

		if (since_ns <= chart->start_ns)
			continue;
		if (since_ns > gap_end_ns) {
			fprintf(svg,
				"<rect class=\"gap\" x=\"%.1f\" y=\"0\" width=\"%.1f\" height=\"%d\"/>\n",
				x, svg_x(chart, gap_end_ns) - x, SVG_HEIGHT);
			gap_start_ns = since_ns;
		}
		if (since_ns >= chart->end_ns)
			break;
		gap_end_ns = since_ns + chart->window_ns;
	}
}

static void svg_ceiling(FILE *svg, const struct chart *chart)
{
	char text[UNITS_TEXT];
	bool drawing = false;

	fputs("<path class=\"ceiling\" d=\"", svg);
	for (int i = 0; i < chart->limit_count; i++) {
		const struct limit *limit = &chart->limits[i];
		int64_t until_ns = i + 1 < chart->limit_count ? limit[1].since_ns : chart->end_ns;

		if (until_ns <= chart->start_ns || limit->since_ns >= chart->end_ns)
			continue;
		if (limit->rate_bits_s && drawing)
			fprintf(svg, "V%.1f", svg_y(chart, limit->rate_bits_s));
		else if (limit->rate_bits_s)
			fprintf(svg, "M%.1f %.1f", svg_x(chart, limit->since_ns),
				svg_y(chart, limit->rate_bits_s));
		drawing = limit->rate_bits_s;
		if (drawing)
			fprintf(svg, "H%.1f", svg_x(chart, until_ns));
	}
	fputs("\"/>\n", svg);
	for (int i = 0; i < chart->limit_count; i++) {
		const struct limit *limit = &chart->limits[i];
		int64_t until_ns = i + 1 < chart->limit_count ? limit[1].since_ns : chart->end_ns;
		double x = svg_x(chart, limit->since_ns);

		/* A step too short for its label goes without. */
		if (!limit->rate_bits_s || svg_x(chart, until_ns) - x < 70)
			continue;
		fprintf(svg, "<text class=\"limit halo\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", x + 6,
			svg_y(chart, limit->rate_bits_s) - 7,
			units_format_rate(limit->rate_bits_s, text));
	}
}

static void svg_line(FILE *svg, const struct chart *chart, const struct series *series)
{
	int64_t length_ns = chart->end_ns - chart->start_ns;
	bool drawing = false;

	fputs("<path class=\"line\" d=\"", svg);
	for (int x = 0; x < SVG_PLOT; x++) {
		int64_t from_ns = chart->start_ns + length_ns * x / SVG_PLOT;
		int64_t to_ns = chart->start_ns + length_ns * (x + 1) / SVG_PLOT;
		double highest = highest_average(chart, series, from_ns, to_ns);

		if (highest >= 0)
			fprintf(svg, "%c%d %.1f", drawing ? 'L' : 'M', SVG_LEFT + x + 1,
				svg_y(chart, highest));
		drawing = highest >= 0;
	}
	fputs("\"/>\n", svg);
}

static void svg_legend(FILE *svg, const struct chart *chart)
{
	char window[UNITS_TEXT];

	units_format_time(chart->window_ns, window);
	fprintf(svg,
		"<g transform=\"translate(%d 74)\">\n"
		"<path class=\"ceiling\" d=\"M0 -4h26\"/><text x=\"34\">ceiling</text>\n"
		"<path class=\"line\" d=\"M112 -4h26\"/><text x=\"146\">average over the last %s</text>\n"
		"<path class=\"sample\" d=\"M332 0v-6h7v-4h7v7h6v-3h6v6z\"/>"
		"<text x=\"366\">100 ms each</text>\n"
		"<rect class=\"gap\" x=\"474\" y=\"-11\" width=\"26\" height=\"13\"/>"
		"<text x=\"508\">window not whole, or spanning a change of the ceiling</text>\n"
		"</g>\n",
		SVG_LEFT, window);
}

static void draw_svg(const struct chart *chart, const char *path)
{
	int height = SVG_HEAD + chart->series_count * SVG_PANEL;
	FILE *svg = fopen(path, "w");
	char text[512];

	if (!svg)
		err(1, "cannot write '%s'", path);
	fprintf(svg,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
		"role=\"img\" aria-labelledby=\"title desc\">\n<title id=\"title\">",
		SVG_WIDTH, height, SVG_WIDTH, height);
	svg_text(svg, chart->title);
	fputs("</title>\n<desc id=\"desc\">Rates in Mbit/s over seconds, against the ceiling.",
	      svg);
	for (int i = 0; i < chart->series_count; i++) {
		describe(chart, &chart->series[i], text, sizeof(text));
		fputc(' ', svg);
		svg_text(svg, chart->series[i].label);
		fputs(": ", svg);
		svg_text(svg, text);
		fputc('.', svg);
	}
	fputs("</desc>\n", svg);
	fputs(svg_style, svg);
	fputs("<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
	      "patternTransform=\"rotate(45)\"><line class=\"hatch\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\"/>"
	      "</pattern></defs>\n",
	      svg);
	fprintf(svg, "<rect class=\"page\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n", SVG_WIDTH,
		height);
	fprintf(svg, "<text class=\"title\" x=\"%d\" y=\"42\">", SVG_LEFT);
	svg_text(svg, chart->title);
	fputs("</text>\n", svg);
	svg_legend(svg, chart);

	for (int i = 0; i < chart->series_count; i++) {
		const struct series *series = &chart->series[i];

		fprintf(svg, "<g transform=\"translate(0 %d)\">\n",
			SVG_HEAD + i * SVG_PANEL + SVG_ABOVE);
		fprintf(svg, "<text x=\"%d\" y=\"-22\"><tspan class=\"label\">", SVG_LEFT);
		svg_text(svg, series->label);
		describe(chart, series, text, sizeof(text));
		fputs("</tspan><tspan dx=\"10\">", svg);
		svg_text(svg, text);
		fputs("</tspan></text>\n", svg);
		svg_gaps(svg, chart);
		svg_axes(svg, chart);
		svg_samples(svg, chart, series);
		svg_ceiling(svg, chart);
		svg_line(svg, chart, series);
		fputs("</g>\n", svg);
	}
	fputs("</svg>\n", svg);
	if (fclose(svg))
		err(1, "cannot write '%s'", path);
}

/* -------------------------------------------------------------------------------------------- */

static void usage(FILE *stream)
{
	fputs("usage: chart --window SECONDS --limits FILE [--svg FILE.svg] [--title TITLE]\n"
	      "             LABEL=CAPTURE...\n"
	      "FILE has lines SECONDS RATE: since when (CLOCK_REALTIME) that limit is in force.\n",
	      stream);
}

int main(int argc, char **argv)
{
	enum {
		WINDOW = 1,
		LIMITS,
		SVG,
		TITLE_OPTION,
		HELP
	};
	static const struct option options[] = {
		{"window", required_argument, NULL, WINDOW},
		{"limits", required_argument, NULL, LIMITS},
		{"svg", required_argument, NULL, SVG},
		{"title", required_argument, NULL, TITLE_OPTION},
		{"help", no_argument, NULL, HELP},
		{0},
	};
	static struct chart chart = {.title = "What came out, against the ceiling"};
	const char *limits = NULL, *svg = NULL;
	int option;
	char *end;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case WINDOW:
			chart.window_ns = parse_time_ns(optarg, &end);
			if (end == optarg || *end || chart.window_ns <= 0)
				errx(2, "--window '%s': expected a number of seconds", optarg);
			break;
		case LIMITS:
			limits = optarg;
			break;
		case SVG:
			svg = optarg;
			break;
		case TITLE_OPTION:
			chart.title = optarg;
			break;
		case HELP:
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (!chart.window_ns || !limits || optind == argc || argc - optind > SERIES_MAX) {
		usage(stderr);
		return 2;
	}

	load_limits(&chart, limits);
	chart.start_ns = INT64_MAX;
	for (; optind < argc; optind++) {
		struct series *series = &chart.series[chart.series_count++];
		char *path = strchr(argv[optind], '=');

		if (!path)
			errx(2, "'%s': expected LABEL=CAPTURE", argv[optind]);
		*path++ = 0;
		series->label = argv[optind];
		load_capture(series, path);
		if (!series->count)
			continue;
		if (series->time_ns[0] < chart.start_ns)
			chart.start_ns = series->time_ns[0];
		if (series->time_ns[series->count - 1] > chart.end_ns)
			chart.end_ns = series->time_ns[series->count - 1];
	}
	if (chart.end_ns < chart.start_ns + SAMPLE_NS)
		errx(1, "nothing to draw: the captures are empty or shorter than 100 ms");

	choose_scale(&chart);
	draw_terminal(&chart);
	if (svg)
		draw_svg(&chart, svg);
	return 0;
}
