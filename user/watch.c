// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bwctl-watch, which "bwctl watch" becomes: limits, rates and drops as they are now, on the
 * screen or as a line per interval. Looks without a lock, so that it keeps nobody waiting, and
 * sleeps until there is a key, a signal or a moment to look at.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>

#include "command.h"
#include "interval.h"
#include "limiter.h"
#include "log.h"
#include "policy.h"
#include "report.h"
#include "streams.h"
#include "units.h"
#include "watch_change.h"
#include "watch_line.h"
#include "watch_rates.h"
#include "watch_screen.h"
#include "words.h"

#define INTERVAL_NS 1000000000ULL
#define SECOND_NS   1000000000ULL

/* For how long an answer stays where the keys are listed. */
#define STATUS_NS (20 * SECOND_NS)

/* For how long a question waits for its answer. */
#define QUESTION_NS (20 * SECOND_NS)

struct watch {
	const char *pin_dir, *class;
	uint64_t interval_ns;
	struct report *last; /* the last that could be read */
	uint64_t last_ns, since_ns;
	struct watch_rates rates, frozen; /* as it is, and as it was when it was paused */
	struct watch_rates_history history;
	uint64_t frozen_count;
	struct watch_change change;
	struct watch_rates_limit from[BWCTL_DIRECTIONS]; /* what the question is about, or was */
	char status[LOG_TEXT];				 /* until the next key, or for a while */
	uint64_t said_ns;
	char trouble[LOG_TEXT]; /* why nothing can be read, until it can */
	bool is_json;
	bool is_question, is_paused, has_help;
	bool is_unseen; /* the question: it was not drawn yet */
	bool is_away; /* somebody else has the terminal */
	bool is_over;
	int ended_by; /* a signal, or 0 */
	int timer_fd, signal_fd;
	sigset_t signals;
};

static int failed(int err, const char *why)
{
	log_error("%s", why);
	if (err == -EPERM || err == -EACCES)
		log_hint("run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
	else if (err == -ENOENT)
		log_hint("first: bwctl load IFACE");
	else if (err == -ENODATA)
		log_hint("bwctl load IFACE repairs it, bwctl unload removes it");
	return EXIT_FAILED;
}

/* One look, and what came of it since the last. 0 or -errno and why; then the rates stay. */
static int take(struct watch *watch, char why[LOG_TEXT])
{
	struct report *report = NULL;
	int err = report_read(watch->pin_dir, LIMITER_LOOK, &report, why);
	uint64_t now_ns;

	if (err)
		return err;
	now_ns = report->counted_ns ? report->counted_ns : limiter_now_ns();
	watch_rates_update(&watch->rates, watch->last, watch->last ? now_ns - watch->last_ns : 0,
			   report, now_ns, watch->class);
	clock_gettime(CLOCK_REALTIME, &watch->rates.at);
	report_free(watch->last);
	watch->last = report;
	watch->last_ns = now_ns;
	return 0;
}

static int unknown_class(const struct watch *watch)
{
	char names[LOG_TEXT - 100] = "", class_name[61];
	size_t length = 0, count = 0, said = 0;

	snprintf(class_name, sizeof(class_name), "%s", watch->class);
	words_clean(class_name);
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		count += report_has_class(watch->last, class);
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		if (!report_has_class(watch->last, class))
			continue;
		/* Room for one more name, and for how many there are besides. */
		if (length > sizeof(names) - BWCTL_NAME - 24) {
			snprintf(names + length, sizeof(names) - length, " and %zu more",
				 count - said);
			break;
		}
		said++;
		length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%s",
					   said == 1	 ? "" :
					   said == count ? " or " :
							   ", ",
					   policy_class_name(&watch->last->policy.asked, class));
	}
	log_error("there is no class '%s': expected %s", class_name, names);
	return EXIT_FAILED;
}

/* The first look. The exit code if it ends there. */
static int begin(struct watch *watch)
{
	char why[LOG_TEXT];
	int err = take(watch, why);

	if (err)
		return failed(err, why);
	if (!watch->rates.is_loaded)
		return failed(-ENOENT, "nothing is loaded");
	if (!watch->rates.has_class)
		return unknown_class(watch);
	watch->since_ns = watch->last_ns;
	return EXIT_DONE;
}

static int start_timer(struct watch *watch)
{
	struct timespec interval = {.tv_sec = (time_t)(watch->interval_ns / SECOND_NS),
				    .tv_nsec = (long)(watch->interval_ns % SECOND_NS)};
	struct itimerspec times = {interval, interval};

	if (watch->timer_fd < 0)
		watch->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watch->timer_fd >= 0 && !timerfd_settime(watch->timer_fd, 0, &times, NULL))
		return 0;
	log_error("cannot make a timer: %s", strerror(errno));
	return -1;
}

/* Whether it is time; a moment that was missed is not made up for. */
static bool is_due(const struct watch *watch)
{
	uint64_t times;

	return read(watch->timer_fd, &times, sizeof(times)) == sizeof(times);
}

/* A line per interval, until nobody reads them or there is nothing to be said. */
static int watch_lines(struct watch *watch)
{
	struct pollfd fds[] = {{.fd = STDOUT_FILENO}, {.fd = watch->timer_fd, .events = POLLIN}};
	char why[LOG_TEXT];
	int err;

	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return EXIT_FAILED;
		if (fds[0].revents & (POLLERR | POLLHUP | POLLNVAL))
			return EXIT_DONE;
		if (!is_due(watch))
			continue;
		err = take(watch, why);
		if (err)
			return failed(err, why);
		if (!watch->rates.is_loaded)
			return failed(-ENOENT, "nothing is loaded");
		if (!watch->rates.has_class)
			return unknown_class(watch);
		if (watch->is_json ? watch_line_print_json(stdout, &watch->rates, watch->class) :
				     watch_line_print(stdout, &watch->rates, watch->class,
						      watch->interval_ns < SECOND_NS))
			continue;
		if (errno == EPIPE)
			return EXIT_DONE;
		log_error("cannot write the output: %s", strerror(errno));
		return EXIT_FAILED;
	}
}

static void say(struct watch *watch, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct watch *watch, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(watch->status, sizeof(watch->status), format, arguments);
	va_end(arguments);
	watch->said_ns = limiter_now_ns();
}

static bool is_foreground(void)
{
	return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* Takes the terminal again, if it is ours. */
static void come_back(struct watch *watch)
{
	watch->is_away = !is_foreground();
	if (!watch->is_away)
		watch_screen_again();
}

static void withdraw(struct watch *watch, const char *why)
{
	watch->is_question = false;
	say(watch, "%s", why);
}

static void show(const struct watch *watch)
{
	const struct watch_screen_view view = {
		.rates = watch->is_paused ? &watch->frozen : &watch->rates,
		.history = &watch->history,
		.count = watch->is_paused ? watch->frozen_count : watch->history.count,
		.interval_ns = watch->interval_ns,
		.since_ns = watch->since_ns,
		.class = watch->class,
		.status = *watch->status  ? watch->status :
			  *watch->trouble ? watch->trouble :
					    NULL,
		.is_question = watch->is_question,
		.is_paused = watch->is_paused,
		.has_help = watch->has_help,
	};

	if (!watch->is_away)
		watch_screen_draw(&view);
}

static void draw(struct watch *watch)
{
	if (watch->is_away)
		come_back(watch);
	/* What was typed ahead, or pasted, is no answer to it. */
	if (watch->is_question && watch->is_unseen && !watch->is_away) {
		tcflush(STDIN_FILENO, TCIFLUSH);
		watch->is_unseen = false;
	}
	/* What cannot be read whole is not to be answered. */
	if (watch->is_question && !watch->is_away && !watch_screen_fits(watch->status))
		withdraw(watch, "too small to ask");
	show(watch);
}

/* Whether the limits that the question is about are still what they were. */
static bool is_as_asked(const struct watch *watch)
{
	struct watch_rates_limit now[BWCTL_DIRECTIONS];

	return watch->rates.is_loaded &&
	       watch_rates_steps(watch->last, watch->class, now) ==
		       (*watch->change.class != '\0') &&
	       !memcmp(now, watch->from, sizeof(now));
}

/* On the screen nothing that can be waited for ends it. */
static void look_on(struct watch *watch)
{
	int err = take(watch, watch->trouble);

	if (err)
		watch->rates.is_measured = false;
	else if (!watch->rates.has_class && watch->rates.is_loaded)
		snprintf(watch->trouble, LOG_TEXT, "there is no class '%.60s' any more",
			 watch->class);
	else
		*watch->trouble = '\0';
	watch_rates_remember(&watch->history, &watch->rates);
	if (watch->is_question && !is_as_asked(watch))
		withdraw(watch, "the limit was changed meanwhile: nothing is asked any more");
	if (!watch->is_question && !watch->change.pid &&
	    limiter_now_ns() - watch->said_ns > STATUS_NS)
		*watch->status = '\0';
}

/* "both directions: 50 -> 100 Mbit/s", and of a class, or of all where a class is looked at, so. */
static const char *describe(const struct watch *watch, char text[LOG_TEXT])
{
	const struct watch_change *change = &watch->change;
	const uint64_t *to = change->limit_bits_s;
	const struct watch_rates_limit *from = watch->from;
	char step[3 * UNITS_TEXT];
	bool is_one = to[BWCTL_INGRESS] == to[BWCTL_EGRESS] &&
		      from[BWCTL_INGRESS].asked_bits_s == from[BWCTL_EGRESS].asked_bits_s;
	int length = snprintf(text, LOG_TEXT, "%s%s%s",
			      *change->class ? "class " :
			      watch->class   ? "the limit of all: " :
			      is_one	     ? "both directions: " :
					       "",
			      change->class, *change->class ? ": " : "");

	if (is_one) {
		snprintf(text + length, LOG_TEXT - (size_t)length, "%s",
			 watch_line_step(from[0].asked_bits_s, to[0], step));
		return text;
	}
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		if (!to[direction])
			continue;
		length += snprintf(text + length, LOG_TEXT - (size_t)length, "%s%s %s",
				   direction == BWCTL_EGRESS && to[BWCTL_INGRESS] ? ", " : "",
				   policy_direction_name(direction),
				   watch_line_step(from[direction].asked_bits_s, to[direction],
						   step));
	}
	return text;
}

/* The run that holds a limit which would change, if there is one, and whether it is all one to it. */
static const struct watch_rates_limit *held(const struct watch *watch, bool *ret_stays)
{
	const struct watch_rates_limit *found = NULL;

	*ret_stays = true;
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		uint64_t to = watch->change.limit_bits_s[direction];

		if (!to)
			continue;
		if (watch->from[direction].run_id)
			found = &watch->from[direction];
		if (!watch->from[direction].run_id || to < watch->from[direction].bits_s)
			*ret_stays = false;
	}
	return found;
}

/* "; run 1 still holds 10 Mbit/s", or that nothing in force changes by it. */
static const char *describe_held(const struct watch *watch, char text[LOG_TEXT])
{
	bool stays;
	const struct watch_rates_limit *by = held(watch, &stays);
	char rate[UNITS_TEXT];

	*text = '\0';
	if (by)
		snprintf(text, LOG_TEXT, "; held to %s by run %llu%s",
			 units_format_rate(by->bits_s, rate), (unsigned long long)by->run_id,
			 stays ? ", which stays in force" : "");
	return text;
}

/* A step for each direction that has a limit; where a step is asked about, one more from there. */
static void ask(struct watch *watch, bool up)
{
	struct watch_change *change = &watch->change;
	bool has_limit = false, has_step = false, is_further = watch->is_question;
	char text[LOG_TEXT], more[LOG_TEXT];

	watch->has_help = false;
	snprintf(change->class, sizeof(change->class), "%s",
		 watch->rates.steps_class ? watch->class : "");
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		uint64_t limit, next;

		watch->from[direction] = watch->rates.direction[direction].step;
		limit = watch->from[direction].asked_bits_s;
		next = is_further && change->limit_bits_s[direction] ?
			       change->limit_bits_s[direction] :
			       limit;
		next = limit ? watch_rates_step(next, up) : 0;
		has_limit = has_limit || limit;
		has_step = has_step || next != limit;
		/* There and back again is no change. */
		change->limit_bits_s[direction] = next == limit ? 0 : next;
	}
	if (!watch->rates.is_loaded)
		say(watch, "nothing is loaded: bwctl load IFACE");
	else if (!has_limit)
		say(watch, "there is no limit to %s: bwctl set RATE gives one",
		    up ? "raise" : "lower");
	else if (!has_step && is_further)
		say(watch, "nothing was changed");
	else if (!has_step)
		say(watch, "there is no %s limit", up ? "higher" : "lower");
	else
		say(watch, "%s? y/n%s", describe(watch, text), describe_held(watch, more));
	watch->is_question = watch->is_unseen = watch->rates.is_loaded && has_step;
}

static void answer(struct watch *watch, bool yes)
{
	char text[LOG_TEXT], why[LOG_TEXT];

	if (!yes) {
		withdraw(watch, "nothing was changed");
		return;
	}
	/* However long ago the last look was. */
	look_on(watch);
	start_timer(watch);
	if (!watch->is_question)
		return;
	watch->is_question = false;
	if (watch_change_start(&watch->change, why))
		say(watch, "%s", why);
	else
		say(watch, "setting %s", describe(watch, text));
}

static void pause_or_not(struct watch *watch)
{
	watch->is_paused = !watch->is_paused;
	watch->frozen = watch->rates;
	watch->frozen_count = watch->history.count;
}

static void press(struct watch *watch, char key)
{
	bool is_step = key == '+' || key == '-';

	if (watch->is_question && !is_step) {
		answer(watch, key == 'y' || key == 'Y');
		return;
	}
	if (!watch->change.pid)
		*watch->status = '\0';
	if (key == 'q' || key == 'Q') {
		watch->is_over = true;
	} else if (is_step) {
		if (!watch->change.pid)
			ask(watch, key == '+');
	} else if (key == 'p') {
		pause_or_not(watch);
	} else if (key == '?' || key == 'h') {
		watch->has_help = !watch->has_help;
	} else if (key == '\f') {
		watch_screen_again();
	} else {
		watch->has_help = false;
	}
}

static void read_keys(struct watch *watch)
{
	char keys[64];
	ssize_t count = read(STDIN_FILENO, keys, sizeof(keys));

	/* The terminal has gone. */
	if (!count || (count < 0 && errno != EINTR && errno != EAGAIN))
		watch->is_over = true;
	for (ssize_t i = 0; i < count && !watch->is_over; i++) {
		press(watch, keys[i]);
		/* What follows it says which arrow it was: no key of ours. */
		if (keys[i] == '\033')
			return;
		/* Nobody has seen the question yet: all that goes on is its steps. */
		if (watch->is_question && i + 1 < count && keys[i + 1] != '+' && keys[i + 1] != '-')
			return;
	}
}

/* As a shell wants it: the terminal is left, then the process stops; SIGCONT brings both back. */
static void stop(struct watch *watch)
{
	sigset_t one;

	watch_screen_close();
	sigemptyset(&one);
	sigaddset(&one, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	sigprocmask(SIG_BLOCK, &one, NULL);
	come_back(watch);
}

static void finish_change(struct watch *watch)
{
	char text[LOG_TEXT], described[LOG_TEXT], more[LOG_TEXT];
	bool done;

	if (!watch_change_ended(&watch->change, &done, text))
		return;
	if (!done)
		say(watch, "%s", text);
	else
		say(watch, "set %s%s, not saved: bwctl save%s%s", describe(watch, described),
		    describe_held(watch, more), *text ? "; " : "", text);
	start_timer(watch);
	look_on(watch);
}

static void read_signals(struct watch *watch)
{
	struct signalfd_siginfo info;

	while (!watch->is_over && read(watch->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGWINCH:
			watch_screen_resize();
			break;
		case SIGTSTP:
			stop(watch);
			break;
		case SIGCONT:
			come_back(watch);
			break;
		case SIGCHLD:
			finish_change(watch);
			break;
		default:
			watch->ended_by = (int)info.ssi_signo;
			watch->is_over = true;
		}
	}
}

static void nothing(int signal_number)
{
	(void)signal_number;
}

/* Those that nobody has told us to ignore come by signal_fd, so that the terminal is given back first. */
static void hold_signals(struct watch *watch)
{
	static const int ours[] = {SIGINT,  SIGTERM,  SIGHUP,  SIGQUIT,
				   SIGTSTP, SIGWINCH, SIGCONT, SIGCHLD};
	struct sigaction action;

	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&watch->signals);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!sigaction(ours[i], NULL, &action) && action.sa_handler != SIG_IGN)
			sigaddset(&watch->signals, ours[i]);
	sigprocmask(SIG_BLOCK, &watch->signals, NULL);
	/*
	 * ncurses ignores this one while it draws, and with that discards one that has just come,
	 * unless somebody had a handler before it.
	 */
	if (sigismember(&watch->signals, SIGTSTP) == 1)
		signal(SIGTSTP, nothing);
	watch->signal_fd = signalfd(-1, &watch->signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ncurses has handlers of its own. */
static void reset_handlers(const struct watch *watch)
{
	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		if (sigismember(&watch->signals, signal_number) == 1)
			signal(signal_number, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
}

/* For the answer; never less than there is. */
static int time_left_ms(const struct watch *watch)
{
	uint64_t past_ns = limiter_now_ns() - watch->said_ns;

	return past_ns < QUESTION_NS ? (int)((QUESTION_NS - past_ns) / 1000000) + 1 : 0;
}

static void loop(struct watch *watch)
{
	enum {
		KEYS,
		TIMER,
		SIGNALS,
		SOURCES
	};
	struct pollfd fds[SOURCES] = {{.fd = STDIN_FILENO},
				      {.fd = watch->timer_fd, .events = POLLIN},
				      {.fd = watch->signal_fd, .events = POLLIN}};

	while (!watch->is_over) {
		if (watch->is_question && limiter_now_ns() - watch->said_ns >= QUESTION_NS)
			withdraw(watch, "no answer: nothing was changed");
		draw(watch);
		/* To read what is typed for another process would stop this one; of its end we are told. */
		fds[KEYS].events = watch->is_away ? 0 : POLLIN;
		if (poll(fds, SOURCES, watch->is_question ? time_left_ms(watch) : -1) < 0)
			continue;
		if (fds[SIGNALS].revents)
			read_signals(watch);
		if (watch->is_away)
			fds[KEYS].revents &= ~POLLIN;
		if (fds[KEYS].revents & POLLIN && !watch->is_over)
			read_keys(watch);
		else if (fds[KEYS].revents)
			watch->is_over = true;
		if (is_due(watch))
			look_on(watch);
	}
}

static int watch_screen(struct watch *watch)
{
	reset_handlers(watch);
	loop(watch);
	watch_screen_close();
	if (watch->ended_by) {
		raise(watch->ended_by);
		sigprocmask(SIG_UNBLOCK, &watch->signals, NULL);
	}
	return EXIT_DONE;
}

/* bwctl gives them all; where it is itself is known to nobody else. */
static int read_options(struct watch *watch, int argc, char *argv[])
{
	static const struct option options[] = {
		{"bwctl", required_argument, NULL, 'b'},
		{"pin-dir", required_argument, NULL, 'p'},
		{"config", required_argument, NULL, 'f'},
		{"interval", required_argument, NULL, 'i'},
		{"class", required_argument, NULL, 'c'},
		{"json", no_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int answer;

	while ((answer = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (answer == 'b')
			watch->change.bwctl = optarg;
		else if (answer == 'p')
			watch->pin_dir = watch->change.pin_dir = optarg;
		else if (answer == 'f')
			watch->change.config = optarg;
		else if (answer == 'c')
			watch->class = optarg;
		else if (answer == 'j')
			watch->is_json = true;
		else if (answer != 'i' || interval_parse(optarg, &watch->interval_ns))
			return EXIT_MISUSE;
	}
	if (watch->class && !*watch->class) {
		log_error("--class: a name is missing");
		return EXIT_MISUSE;
	}
	if (watch->change.bwctl && watch->pin_dir && watch->change.config && optind == argc)
		return EXIT_DONE;
	log_error("this is run by 'bwctl watch'");
	return EXIT_MISUSE;
}

int main(int argc, char *argv[])
{
	static struct watch watch = {.interval_ns = INTERVAL_NS, .timer_fd = -1};
	int code;

	streams_hold();
	code = read_options(&watch, argc, argv);
	if (code)
		return code;
	code = begin(&watch);
	if (code)
		return code;
	if (start_timer(&watch))
		return EXIT_FAILED;
	if (watch.is_json || !watch_screen_can())
		return watch_lines(&watch);
	hold_signals(&watch);
	if (watch.signal_fd >= 0 && watch_screen_open())
		return watch_screen(&watch);
	sigprocmask(SIG_UNBLOCK, &watch.signals, NULL);
	return watch_lines(&watch);
}
