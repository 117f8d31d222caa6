/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The referee of the ceiling: reads captures and says whether any window of
 * them carried more than the limit in force. It sees frames on a wire and
 * nothing else: no map, no counter and no arithmetic of bwctl's. The arithmetic
 * is in windows.h; this file reads captures and prints.
 */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <pcap/pcap.h>
#include <stdarg.h>

#include "windows.h"

/* A jumbo frame with two VLAN tags. */
#define MAX_FRAME_BYTES (9018 + 8)

enum {
	HOLDS = 0,
	VIOLATED = 1,
	UNUSABLE = 2
};

/* A moment as an option gives it: absolute, or relative to the first frame. */
struct moment {
	bool given, relative;
	int64_t ns;
};

struct options {
	uint64_t limit_bits_s, rate_bits_s, bound_bytes, overhead_bytes, max_frame_bytes;
	int64_t window_ns, settle_ns;
	const char *limits_path, *filter;
	struct moment from, to;
	double min_mean;
	bool bound_given, exact_window, super_packets_ok, json;
};

struct trace {
	struct windows_frame *frames;
	size_t count, capacity;
};

struct findings {
	uint64_t frames, bytes;
	int64_t first_ns, last_ns;	/* frames */
	int64_t mean_ns;		/* the span the mean is over */
	double mean_bits_s, mean_ratio; /* NAN when there is none */
	struct windows_window worst, longer;
	struct windows_window settled, settled_longer; /* with --limits */
	uint64_t smallest_bound_bytes;		       /* with --rate */
	bool judged; /* there was something to hold the capture against */
	bool over, mean_low, bound_exceeded;
};

static const char usage[] =
	"usage: conform [options] CAPTURE...\n"
	"\n"
	"Merges captures (pcap or pcapng, - is standard input) and holds every window of\n"
	"their frames against a limit. A window is closed at both ends.\n"
	"\n"
	"  --window SECONDS       length of the window; needed with a limit\n"
	"  --limit RATE           the limit, such as 50mbit\n"
	"  --limits FILE          limits that change: lines of SECONDS RATE, where SECONDS is\n"
	"                         absolute and RATE may be 'unlimited'. A window is held against\n"
	"                         the highest limit in force at any moment in it, and windows\n"
	"                         longer than --window if they lie within one limit's time\n"
	"  --settle SECONDS       a limit counts as in force for this long after it was\n"
	"                         replaced (0.1)\n"
	"  --exact-window         do not also judge windows longer than --window\n"
	"  --rate RATE            find the smallest B with bytes(T) <= rate * T + B for every T\n"
	"  --bound BYTES          B may not be more than this\n"
	"  --min-mean RATIO       the mean must be at least this part of the limit; it is\n"
	"                         taken over --from to --to, or else first to last frame\n"
	"  --from SECONDS, --to SECONDS\n"
	"                         only frames from and up to then: absolute, or with a leading\n"
	"                         + after the first frame\n"
	"  --filter EXPRESSION    only frames that match, in the language of tcpdump\n"
	"  --overhead BYTES       add this to the length of every frame\n"
	"  --max-frame BYTES      longest frame believed to have been on a wire (9026)\n"
	"  --super-packets-ok     take longer ones as they are\n"
	"  --json                 print one object\n"
	"\n"
	"exit: 0 holds, 1 does not, 2 misuse or nothing to judge\n";

__attribute__((format(printf, 1, 2))) static int complain(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fputs("conform: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return UNUSABLE;
}

static int parse_moment(const char *text, struct moment *ret_moment)
{
	ret_moment->given = true;
	ret_moment->relative = *text == '+';
	if (ret_moment->relative)
		return windows_parse_seconds(text + 1, WINDOWS_MAX_WINDOW_SECONDS, &ret_moment->ns);
	return windows_parse_seconds(text, WINDOWS_MAX_SECONDS, &ret_moment->ns);
}

static int parse_ratio(const char *text, double *ret_ratio)
{
	char *end;

	*ret_ratio = strtod(text, &end);
	return end == text || *end || !isfinite(*ret_ratio) || *ret_ratio <= 0 ? -EINVAL : 0;
}

enum conform_option {
	OPTION_WINDOW = 256,
	OPTION_LIMIT,
	OPTION_LIMITS,
	OPTION_SETTLE,
	OPTION_EXACT_WINDOW,
	OPTION_RATE,
	OPTION_BOUND,
	OPTION_MIN_MEAN,
	OPTION_FROM,
	OPTION_TO,
	OPTION_FILTER,
	OPTION_OVERHEAD,
	OPTION_MAX_FRAME,
	OPTION_SUPER_PACKETS_OK,
	OPTION_JSON,
	OPTION_HELP
};

/* Sets one option. Returns 0 or -EINVAL, with why if it is known better than "not understood". */
static int set_option(struct options *options, int option, const char *argument,
		      char why[UNITS_TEXT])
{
	switch (option) {
	case OPTION_WINDOW:
		if (windows_parse_seconds(argument, WINDOWS_MAX_WINDOW_SECONDS,
					  &options->window_ns))
			return -EINVAL;
		return options->window_ns ? 0 : -EINVAL;
	case OPTION_SETTLE:
		return windows_parse_seconds(argument, WINDOWS_MAX_WINDOW_SECONDS,
					     &options->settle_ns);
	case OPTION_LIMIT:
		return units_parse_rate(argument, &options->limit_bits_s, why);
	case OPTION_LIMITS:
		options->limits_path = argument;
		return 0;
	case OPTION_EXACT_WINDOW:
		options->exact_window = true;
		return 0;
	case OPTION_RATE:
		return units_parse_rate(argument, &options->rate_bits_s, why);
	case OPTION_BOUND:
		options->bound_given = true;
		return units_parse_integer(argument, 0, UINT64_MAX, &options->bound_bytes, why);
	case OPTION_MIN_MEAN:
		return parse_ratio(argument, &options->min_mean);
	case OPTION_FROM:
		return parse_moment(argument, &options->from);
	case OPTION_TO:
		return parse_moment(argument, &options->to);
	case OPTION_FILTER:
		options->filter = argument;
		return 0;
	case OPTION_OVERHEAD:
		return units_parse_integer(argument, 0, 65535, &options->overhead_bytes, why);
	case OPTION_MAX_FRAME:
		return units_parse_integer(argument, 1, UINT32_MAX, &options->max_frame_bytes, why);
	case OPTION_SUPER_PACKETS_OK:
		options->super_packets_ok = true;
		return 0;
	case OPTION_JSON:
		options->json = true;
		return 0;
	}
	return -EINVAL;
}

/* Returns 0 or UNUSABLE, having said why. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"window", required_argument, NULL, OPTION_WINDOW},
		{"limit", required_argument, NULL, OPTION_LIMIT},
		{"limits", required_argument, NULL, OPTION_LIMITS},
		{"settle", required_argument, NULL, OPTION_SETTLE},
		{"exact-window", no_argument, NULL, OPTION_EXACT_WINDOW},
		{"rate", required_argument, NULL, OPTION_RATE},
		{"bound", required_argument, NULL, OPTION_BOUND},
		{"min-mean", required_argument, NULL, OPTION_MIN_MEAN},
		{"from", required_argument, NULL, OPTION_FROM},
		{"to", required_argument, NULL, OPTION_TO},
		{"filter", required_argument, NULL, OPTION_FILTER},
		{"overhead", required_argument, NULL, OPTION_OVERHEAD},
		{"max-frame", required_argument, NULL, OPTION_MAX_FRAME},
		{"super-packets-ok", no_argument, NULL, OPTION_SUPER_PACKETS_OK},
		{"json", no_argument, NULL, OPTION_JSON},
		{"help", no_argument, NULL, OPTION_HELP},
		{NULL, 0, NULL, 0},
	};
	char why[UNITS_TEXT];
	int option, row = 0;

	while ((option = getopt_long(argc, argv, "", names, &row)) != -1) {
		if (option == '?')
			return UNUSABLE; /* getopt has said why */
		if (option == OPTION_HELP) {
			fputs(usage, stdout);
			exit(HOLDS);
		}
		why[0] = '\0';
		if (set_option(options, option, optarg, why))
			return complain("--%s: %s%s", names[row].name, why,
					why[0] ? "" :
						 "the value is not understood or out of range");
	}
	if (optind == argc) {
		fputs(usage, stderr);
		return UNUSABLE;
	}
	if (options->limit_bits_s && options->limits_path)
		return complain("--limit and --limits exclude each other");
	if ((options->limit_bits_s || options->limits_path) && !options->window_ns)
		return complain("a limit needs --window SECONDS");
	if (options->bound_given && !options->rate_bits_s)
		return complain("--bound needs --rate");
	if (options->min_mean > 0 && !options->limit_bits_s && !options->limits_path)
		return complain("--min-mean needs a limit");
	return 0;
}

static int add_frame(struct trace *trace, const struct pcap_pkthdr *header, uint64_t overhead_bytes)
{
	struct windows_frame *grown;

	if (trace->count == trace->capacity) {
		trace->capacity = trace->capacity ? 2 * trace->capacity : 4096;
		grown = reallocarray(trace->frames, trace->capacity, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		trace->frames = grown;
	}
	/* opened for nanoseconds: that is what tv_usec holds */
	trace->frames[trace->count].at_ns =
		header->ts.tv_sec * WINDOWS_SECOND_NS + header->ts.tv_usec;
	trace->frames[trace->count].length_bytes = header->len + overhead_bytes;
	trace->count++;
	return 0;
}

static int read_capture(const char *path, const struct options *options, struct trace *trace)
{
	struct bpf_program program = {0};
	char why[PCAP_ERRBUF_SIZE] = "";
	struct pcap_pkthdr *header;
	const u_char *bytes;
	int got, link, code = UNUSABLE;
	pcap_t *pcap;

	pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!pcap)
		return complain("cannot read '%s': %s", path, why);
	link = pcap_datalink(pcap);
	if (link == DLT_LINUX_SLL || link == DLT_LINUX_SLL2) {
		complain("'%s' was captured on the interface 'any', which does not keep the length "
			 "of frames: capture on one interface",
			 path);
		goto out;
	}
	if (options->filter &&
	    pcap_compile(pcap, &program, options->filter, 1, PCAP_NETMASK_UNKNOWN)) {
		complain("filter '%s': %s", options->filter, pcap_geterr(pcap));
		goto out;
	}
	while ((got = pcap_next_ex(pcap, &header, &bytes)) == 1) {
		if (options->filter && !pcap_offline_filter(&program, header, bytes))
			continue;
		if (header->ts.tv_sec < 0 || header->ts.tv_sec >= WINDOWS_MAX_SECONDS) {
			complain("cannot read '%s': a frame has an impossible time", path);
			goto out;
		}
		if (add_frame(trace, header, options->overhead_bytes)) {
			complain("cannot read '%s': %s", path, strerror(ENOMEM));
			goto out;
		}
	}
	if (got == PCAP_ERROR_BREAK)
		code = HOLDS;
	else
		complain("cannot read '%s': %s", path, pcap_geterr(pcap));
out:
	pcap_freecode(&program);
	pcap_close(pcap);
	return code;
}

static int64_t moment_ns(const struct moment *moment, const struct trace *trace)
{
	return moment->relative ? trace->frames[0].at_ns + moment->ns : moment->ns;
}

/* Reads, merges and restricts. */
static int read_trace(char **paths, struct options *options, struct trace *trace)
{
	uint64_t longest_bytes = 0;
	size_t first = 0, end, n;
	int code;

	for (; *paths; paths++) {
		code = read_capture(*paths, options, trace);
		if (code)
			return code;
	}
	if (!trace->count)
		return complain("there are no frames to judge");
	qsort(trace->frames, trace->count, sizeof(*trace->frames), windows_compare_frames);

	options->from.ns = moment_ns(&options->from, trace);
	options->to.ns = moment_ns(&options->to, trace);
	end = trace->count;
	if (options->to.given)
		end = windows_find(trace->frames, trace->count, options->to.ns + 1);
	if (options->from.given)
		first = windows_find(trace->frames, trace->count, options->from.ns);
	if (first >= end)
		return complain("there are no frames between --from and --to");
	memmove(trace->frames, trace->frames + first, (end - first) * sizeof(*trace->frames));
	trace->count = end - first;

	for (n = 0; n < trace->count; n++)
		if (trace->frames[n].length_bytes > longest_bytes)
			longest_bytes = trace->frames[n].length_bytes;
	longest_bytes -= options->overhead_bytes;
	if (!options->super_packets_ok && longest_bytes > options->max_frame_bytes)
		return complain("a frame of %" PRIu64 " bytes is no frame of a wire but a "
				"super-packet: capture where offloads are off "
				"(or give --super-packets-ok)",
				longest_bytes);
	return HOLDS;
}

static int read_limits(const char *path, struct windows_limit **ret_limits, size_t *ret_count)
{
	char why[2 * UNITS_TEXT];
	FILE *file = fopen(path, "re");
	int err;

	if (!file)
		return complain("cannot read '%s': %s", path, strerror(errno));
	err = windows_read_limits(file, ret_limits, ret_count, why);
	fclose(file);
	return err ? complain("%s:%s", path, why) : 0;
}

static int find_mean(const struct options *options, const struct trace *trace,
		     const struct windows_limit *limits, size_t limit_count,
		     struct findings *findings)
{
	int64_t from_ns = options->from.given ? options->from.ns : findings->first_ns;
	int64_t to_ns = options->to.given ? options->to.ns : findings->last_ns;
	unsigned __int128 allowed;
	size_t n;

	for (n = 0; n < trace->count; n++)
		findings->bytes += trace->frames[n].length_bytes;
	findings->mean_ns = to_ns - from_ns;
	if (findings->mean_ns) {
		findings->mean_bits_s = (double)findings->bytes * 8e9 / (double)findings->mean_ns;
		if (windows_allowed(limits, limit_count, from_ns, to_ns, &allowed))
			findings->mean_ratio = (double)findings->bytes * 8e9 / (double)allowed;
	}
	if (!(options->min_mean > 0))
		return 0;
	if (isnan(findings->mean_ratio))
		return complain(
			"there is no mean to judge: a single frame, or a time without limit");
	findings->mean_low = findings->mean_ratio < options->min_mean;
	return 0;
}

static int judge(const struct options *options, const struct trace *trace,
		 const struct windows_limit *limits, size_t limit_count, struct findings *findings)
{
	const struct windows_frame *frames = trace->frames;
	size_t count = trace->count;
	int code;

	findings->mean_bits_s = NAN;
	findings->mean_ratio = NAN;
	findings->frames = count;
	findings->first_ns = frames[0].at_ns;
	findings->last_ns = frames[count - 1].at_ns;
	code = find_mean(options, trace, limits, limit_count, findings);
	if (code)
		return code;

	if (options->limits_path) {
		if (windows_worst_scheduled(frames, count, options->window_ns, options->settle_ns,
					    limits, limit_count, &findings->worst))
			return complain("cannot judge: %s", strerror(ENOMEM));
		windows_worst_settled(frames, count, options->window_ns, options->settle_ns, limits,
				      limit_count, &findings->settled, &findings->settled_longer);
		if (!findings->worst.frames && !findings->settled.frames)
			return complain("no window of the capture was under a limit");
	} else if (options->window_ns) {
		windows_worst(frames, count, options->window_ns,
			      limit_count ? options->limit_bits_s : WINDOWS_UNLIMITED,
			      &findings->worst);
		if (limit_count)
			windows_worst_longer(frames, count, options->window_ns,
					     options->limit_bits_s, &findings->longer);
	}
	if (options->exact_window) {
		findings->longer.frames = 0;
		findings->settled_longer.frames = 0;
	}
	findings->over = windows_over(&findings->worst) || windows_over(&findings->longer) ||
			 windows_over(&findings->settled) ||
			 windows_over(&findings->settled_longer);

	if (options->rate_bits_s)
		findings->smallest_bound_bytes =
			windows_smallest_bound(frames, count, options->rate_bits_s);
	findings->judged = limit_count || options->bound_given;
	findings->bound_exceeded = options->bound_given &&
				   findings->smallest_bound_bytes > options->bound_bytes;
	return findings->over || findings->mean_low || findings->bound_exceeded ? VIOLATED : HOLDS;
}

static double seconds(int64_t time_ns)
{
	return (double)time_ns / 1e9;
}

static double window_bits_s(const struct windows_window *window)
{
	return (double)window->bytes * 8e9 / (double)window->length_ns;
}

/* A burst of frames with one time stamp has any rate, in a window short enough. */
static const char *format_rate(double rate_bits_s, char text[UNITS_TEXT])
{
	return units_format_rate(rate_bits_s < 1e19 ? (uint64_t)rate_bits_s : UINT64_MAX, text);
}

static void print_window(const char *name, const struct windows_window *window, int64_t first_ns)
{
	char rate[UNITS_TEXT], limit[UNITS_TEXT];

	if (!window->frames)
		return;
	printf("%s %.9g s from %+.9f s: %" PRIu64 " bytes in %" PRIu64 " frames, %s", name,
	       seconds(window->length_ns), seconds(window->from_ns - first_ns), window->bytes,
	       window->frames, format_rate(window_bits_s(window), rate));
	if (window->limit_bits_s != WINDOWS_UNLIMITED)
		printf(", %.6f of %s%s", windows_ratio(window),
		       units_format_rate(window->limit_bits_s, limit),
		       windows_over(window) ? ": over" : "");
	putchar('\n');
}

static void print_findings(const struct options *options, const struct findings *findings, int code)
{
	char text[UNITS_TEXT];

	printf("%" PRIu64 " frames, %" PRIu64 " bytes in %.9f s\n", findings->frames,
	       findings->bytes, seconds(findings->last_ns - findings->first_ns));
	if (!isnan(findings->mean_bits_s))
		printf("mean over %.9f s: %s", seconds(findings->mean_ns),
		       format_rate(findings->mean_bits_s, text));
	if (!isnan(findings->mean_ratio))
		printf(", %.6f of the limit%s", findings->mean_ratio,
		       findings->mean_low ? ": too low" : "");
	if (!isnan(findings->mean_bits_s))
		putchar('\n');
	print_window("worst window", &findings->worst, findings->first_ns);
	print_window("worst longer window", &findings->longer, findings->first_ns);
	print_window("worst window within one limit", &findings->settled, findings->first_ns);
	print_window("worst longer window within one limit", &findings->settled_longer,
		     findings->first_ns);
	if (options->rate_bits_s)
		printf("smallest bound at %s: %" PRIu64 " bytes%s\n",
		       units_format_rate(options->rate_bits_s, text),
		       findings->smallest_bound_bytes,
		       findings->bound_exceeded ? ": more than allowed" : "");
	if (findings->judged)
		puts(code == HOLDS ? "holds" : "VIOLATED");
}

static void print_json_window(const char *name, const struct windows_window *window,
			      int64_t first_ns)
{
	if (!window->frames)
		return;
	printf(", \"%s\": {\"start_seconds\": %.9f, \"seconds\": %.9f, \"frames\": %" PRIu64
	       ", \"bytes\": %" PRIu64 ", \"bits_per_second\": %.3f",
	       name, seconds(window->from_ns - first_ns), seconds(window->length_ns),
	       window->frames, window->bytes, window_bits_s(window));
	if (window->limit_bits_s != WINDOWS_UNLIMITED)
		printf(", \"limit_bits_per_second\": %" PRIu64 ", \"ratio\": %.9f, \"over\": %s",
		       window->limit_bits_s, windows_ratio(window),
		       windows_over(window) ? "true" : "false");
	putchar('}');
}

static void print_json(const struct options *options, const struct findings *findings, int code)
{
	printf("{\"holds\": %s, \"frames\": %" PRIu64 ", \"bytes\": %" PRIu64
	       ", \"first_seconds\": %lld.%09lld, \"seconds\": %.9f",
	       !findings->judged ? "null" :
	       code == HOLDS	 ? "true" :
				   "false",
	       findings->frames, findings->bytes, findings->first_ns / WINDOWS_SECOND_NS,
	       findings->first_ns % WINDOWS_SECOND_NS,
	       seconds(findings->last_ns - findings->first_ns));
	if (!isnan(findings->mean_bits_s))
		printf(", \"mean_bits_per_second\": %.3f", findings->mean_bits_s);
	if (!isnan(findings->mean_ratio))
		printf(", \"mean_ratio\": %.9f", findings->mean_ratio);
	print_json_window("worst", &findings->worst, findings->first_ns);
	print_json_window("longer", &findings->longer, findings->first_ns);
	print_json_window("settled", &findings->settled, findings->first_ns);
	print_json_window("settled_longer", &findings->settled_longer, findings->first_ns);
	if (options->rate_bits_s)
		printf(", \"rate_bits_per_second\": %" PRIu64
		       ", \"smallest_bound_bytes\": %" PRIu64,
		       options->rate_bits_s, findings->smallest_bound_bytes);
	puts("}");
}

int main(int argc, char **argv)
{
	struct options options = {.settle_ns = WINDOWS_SECOND_NS / 10,
				  .max_frame_bytes = MAX_FRAME_BYTES};
	struct windows_limit constant = {.from_ns = INT64_MIN}, *limits = NULL;
	struct findings findings = {0};
	struct trace trace = {0};
	size_t limit_count = 0;
	int code;

	code = parse_options(argc, argv, &options);
	if (!code && options.limits_path)
		code = read_limits(options.limits_path, &limits, &limit_count);
	if (!code)
		code = read_trace(argv + optind, &options, &trace);
	if (code)
		goto out;
	if (options.limit_bits_s) {
		constant.rate_bits_s = options.limit_bits_s;
		limit_count = 1;
	}
	code = judge(&options, &trace, limits ? limits : &constant, limit_count, &findings);
	if (code == UNUSABLE)
		goto out;
	if (options.json)
		print_json(&options, &findings, code);
	else
		print_findings(&options, &findings, code);
	if (options.window_ns > findings.last_ns - findings.first_ns)
		fputs("conform: note: the capture is shorter than the window\n", stderr);
out:
	free(limits);
	free(trace.frames);
	return code;
}
