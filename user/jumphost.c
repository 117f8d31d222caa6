// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Whether a jump host can be logged in to as a program does, and which Python it has.
 */
#include "jumphost.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "why.h"
#include "words.h"

#define SECOND_NS    1000000000ULL
#define GRACE_NS     (SECOND_NS / 2) /* from SIGTERM to SIGKILL */
#define OUTPUT_BYTES 65536	     /* kept of what it prints; the rest is read and forgotten */
#define SUPPORTED    "2.7, 3.5, 3.6 or 3.7"
#define PYTHONS	     16
#define NAMES_TEXT   160
#define VERSION_MAX  20 /* bytes of one: "3.12.0rc1+", and no tale */

#define BEGIN "bwctl-jumphost-begin"
#define END   "bwctl-jumphost-end"

/*
 * Read whole before it is run, and what it runs does not read on. Any sh of the last thirty
 * years; what the login shell is makes no difference, it only has to run sh.
 */
static const char script[] =
	"{\n"
	"printf '\\n%s\\n' " BEGIN "\n"
	"printf 'user %s\\n' \"`id -un </dev/null 2>/dev/null`\"\n"
	"for name in python3 python python2 python2.7 python3.5 python3.6 python3.7 python3.8 python3.9 \\\n"
	"	python3.10 python3.11 python3.12 python3.13 python3.14; do\n"
	"	path=`command -v \"$name\" 2>/dev/null` || continue\n"
	"	version=`\"$path\" --version 2>&1 </dev/null | head -n 1`\n"
	"	printf 'python %s %s\\n' \"$name\" \"$version\"\n"
	"done\n"
	"printf '%s\\n' " END "\n"
	"exit 0\n"
	"}\n";

struct session {
	pid_t pid;
	int pidfd, in, out, err; /* -1: closed */
	char output[OUTPUT_BYTES], errors[OUTPUT_BYTES];
	size_t output_length, errors_length, sent;
	int signal_fd; /* -1: no signal is waited for */
	int signal;    /* that ends all of it, or 0 */
	bool is_late;
	int status;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static bool is_word(const char *from, const char *end)
{
	while (from < end && isalnum((unsigned char)*from))
		from++;
	return from == end;
}

/* What a shell would read something into has no place in it: a ProxyCommand may be given it. */
int jumphost_refuse(const char *host, char why[LOG_TEXT])
{
	char quoted[WORDS_QUOTE + 4];
	const char *name = strrchr(host, '@'), *slash = strchr(host, '/');
	const char *scheme = strstr(host, "://");

	name = name ? name + 1 : host;
	if (*host == '-' || *name == '-')
		return why_refuse(why, -EINVAL, "jumphost '%s': no host begins with -",
				  words_quote(host, quoted));
	if (!*name || *host == '@')
		return why_refuse(why, -EINVAL, "jumphost '%s': expected HOST or USER@HOST",
				  words_quote(host, quoted));
	if (scheme > host && scheme - host < 16 && is_word(host, scheme))
		return why_refuse(why, -EINVAL,
				  "jumphost '%s': expected HOST or USER@HOST, without %.*s://",
				  words_quote(host, quoted), (int)(scheme - host), host);
	if (slash && slash[1] && !slash[1 + strspn(slash + 1, "0123456789.")])
		return why_refuse(why, -EINVAL,
				  "jumphost '%s': a range is not taken: expected one host",
				  words_quote(host, quoted));
	if (slash)
		return why_refuse(why, -EINVAL,
				  "jumphost '%s': expected HOST or USER@HOST, without a path",
				  words_quote(host, quoted));
	for (const char *at = host; *at; at++)
		if (*at & 0x80 || (!isalnum((unsigned char)*at) && !strchr("@._-:%[]+", *at)))
			return why_refuse(
				why, -EINVAL,
				"jumphost '%s': expected HOST or USER@HOST, without blanks and signs",
				words_quote(host, quoted));
	/* With more colons it is an IPv6 address. */
	if (strstr(name, "]:") || (strchr(name, ':') && strchr(name, ':') == strrchr(name, ':')))
		return why_refuse(why, -EINVAL, "jumphost '%s': a port belongs into ~/.ssh/config",
				  words_quote(host, quoted));
	if (strpbrk(name, "[]"))
		return why_refuse(why, -EINVAL,
				  "jumphost '%s': an IPv6 address is written without brackets here",
				  words_quote(host, quoted));
	return 0;
}

/* ---- what ssh says ---- */

static void copy_line(const char *from, char *to, size_t size)
{
	size_t length = strcspn(from, "\r\n");

	snprintf(to, size, "%.*s", (int)(length < size ? length : size - 1), from);
	words_clean(to);
}

/* The last one that says something. */
static void copy_last_line(const char *text, char *to, size_t size)
{
	const char *last = text;

	for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n')
		if (at[strspn(at, " \t\r\n")] && strcspn(at, "\r\n"))
			last = at;
	copy_line(last, to, size);
}

/* The line before the one that begins at "at", or NULL: the text has no more. */
static const char *line_before(const char *text, const char *at)
{
	if (at == text)
		return NULL;
	for (at--; at > text && at[-1] != '\n'; at--)
		;
	return at;
}

/* Whether the line begins so, and has that part, "" for any, behind it. */
static bool line_is(const char *line, const char *begin, const char *part)
{
	size_t length = strcspn(line, "\r\n"), skipped = strlen(begin);

	return length >= skipped && !strncmp(line, begin, skipped) &&
	       (!*part || memmem(line + skipped, length - skipped, part, strlen(part)));
}

/* What follows "USER@HOST: Permission denied (", or NULL. */
static const char *denied_methods(const char *line)
{
	static const char denied[] = ": Permission denied (";
	const char *at = line + strcspn(line, " \r\n");

	if (at == line || strncmp(at - 1, denied, strlen(denied)))
		return NULL;
	return at - 1 + strlen(denied);
}

/* The last line that is so, up to and with "last". */
static const char *last_line(const char *text, const char *last, const char *begin,
			     const char *part)
{
	while (last && !line_is(last, begin, part))
		last = line_before(text, last);
	return last;
}

static void explain_denial(const char *host, const char *denied, bool has_open_key,
			   struct findings *findings)
{
	char advice[LOG_TEXT], methods[128];
	size_t length = strcspn(denied, ")\r\n");

	snprintf(methods, sizeof(methods), "%.*s", (int)(length < 120 ? length : 120), denied);
	words_clean(methods);
	snprintf(advice, sizeof(advice),
		 "put a key there that needs no passphrase, or is in an agent: ssh-copy-id %.200s",
		 host);
	findings_add(findings, FINDING_OK, "ssh", host, NULL,
		     "answers, and its host key is the known one");
	if (has_open_key)
		findings_add(
			findings, FINDING_FAIL, "login", host,
			"make it private: chmod 600 FILE, ssh -v HOST says which one",
			"permission denied; a private key here can be read by others, so ssh does not use it");
	else
		findings_add(findings, FINDING_FAIL, "login", host, advice,
			     "permission denied; it takes: %s", methods);
}

/*
 * By how lines of ssh begin and what they have in them, so that a server which says something like it
 * in a banner is not taken for ssh. What is weak may have a better reason in a line before.
 */
static const struct saying {
	const char *begin, *part, *check, *text,
		*advice; /* in advice, %s: as given, %h: the host */
	bool is_weak;
} sayings[] = {
	{"ssh: Could not resolve hostname ", "", "ssh", "the name does not resolve",
	 "correct the name, or look at DNS, /etc/hosts and ~/.ssh/config", false},
	{"Host key verification failed", "", "host-key", "its host key is not known here",
	 "compare the fingerprint and accept it: ssh %s once, or ssh-keyscan into ~/.ssh/known_hosts",
	 false},
	{"Connection timed out during banner exchange", "", "ssh",
	 "accepts the connection, and does not say anything",
	 "see whether sshd hangs there, or something else listens on that port", false},
	{"Connection to ", " timed out", "ssh", "accepts the connection, and does not say anything",
	 "see whether sshd hangs there, or something else listens on that port", false},
	{"Unable to negotiate with ", "no matching ", "ssh",
	 "has no algorithm in common with the ssh of this system",
	 "update one of them, or allow the older algorithms for %h in ~/.ssh/config", false},
	{"kex_exchange_identification: banner line contains invalid characters", "", "ssh",
	 "something else than SSH listens on that port", "correct the port in ~/.ssh/config",
	 false},
	{"banner exchange: Connection to ", ": invalid format", "ssh",
	 "something else than SSH listens on that port", "correct the port in ~/.ssh/config",
	 false},
	{"Protocol major versions differ", "", "ssh", "speaks another version of the protocol",
	 "update the sshd of %h", false},
	{"Bad remote protocol version", "", "ssh", "something else than SSH listens on that port",
	 "correct the port in ~/.ssh/config", false},
	{"ssh: connect to host ", ": Connection refused", "ssh", "refuses the connection",
	 "start sshd on %h, or correct the port in ~/.ssh/config", false},
	{"ssh: connect to host ", " timed out", "ssh", "does not answer",
	 "see whether it is on, and ask for \"TCP appliance >1024 -> HOST 22\" on the firewalls on the way",
	 false},
	{"Timeout, server ", " not responding", "ssh", "does not answer any more",
	 "see whether it is on, and what drops packets on the way", false},
	{"ssh: connect to host ", ": No route to host", "ssh", "there is no route to it",
	 "see whether it is on, and look at the routes (ip route get HOST)", false},
	{"ssh: connect to host ", ": Network is unreachable", "ssh", "there is no route to it",
	 "look at the routes (ip route get HOST)", false},
	{"Bad owner or permissions on ", "", "ssh",
	 "a configuration of ssh on this machine can be written by others, so ssh does not start",
	 "make it yours alone: chmod 600 ~/.ssh/config, and chown it", false},
	{"/", "onfiguration option", "ssh", "the configuration of ssh on this machine has an error",
	 "correct ~/.ssh/config or /etc/ssh/ssh_config: ssh -G %s shows where", false},
	{"/", ": terminating, ", "ssh", "the configuration of ssh on this machine has an error",
	 "correct ~/.ssh/config or /etc/ssh/ssh_config: ssh -G %s shows where", false},
	{"Received disconnect from ", "Too many authentication failures", "login",
	 "refuses after too many keys, before the right one",
	 "name the key for %h in ~/.ssh/config: IdentityFile FILE, IdentitiesOnly yes", false},
	/* By a ProxyCommand or a ProxyJump, which said why. */
	{"Connection closed by UNKNOWN port ", "", "ssh", "closes the connection",
	 "see what is on the way to it in ~/.ssh/config: ssh -v %s", true},
	{"kex_exchange_identification: Connection closed by remote host", "", "ssh",
	 "closes the connection",
	 "see what its sshd logs: it may have too many connections, or an access list", true},
	{"Connection closed by ", "", "ssh", "closes the connection",
	 "see what its sshd logs: it may have too many connections, or an access list", false},
	{"Connection reset by ", "", "ssh", "resets the connection",
	 "see what its sshd logs: it may have an access list, or something on the way has", false},
	{"kex_exchange_identification: read: Connection reset by peer", "", "ssh",
	 "resets the connection",
	 "see what its sshd logs: it may have an access list, or something on the way has", false},
	{"client_loop: send disconnect: ", "", "ssh", "the connection broke",
	 "try again, and see what its sshd logs", false},
	{"ssh_dispatch_run_fatal: Connection to ", "", "ssh", "the connection broke",
	 "try again, and see what its sshd logs", false},
};

static const struct saying *find_saying(const char *line)
{
	for (size_t i = 0; i < sizeof(sayings) / sizeof(sayings[0]); i++)
		if (line_is(line, sayings[i].begin, sayings[i].part))
			return &sayings[i];
	return NULL;
}

static const char *host_part(const char *host)
{
	const char *at = strrchr(host, '@');

	return at ? at + 1 : host;
}

static void add_saying(const char *host, const struct saying *saying, struct findings *findings)
{
	char advice[LOG_TEXT + 256];
	const char *from = saying->advice, *mark;
	size_t length = 0;

	for (; (mark = strchr(from, '%')) && length < LOG_TEXT; from = mark + 2)
		length += (size_t)snprintf(advice + length, sizeof(advice) - length, "%.*s%.100s",
					   (int)(mark - from), from,
					   mark[1] == 'h' ? host_part(host) : host);
	snprintf(advice + length, sizeof(advice) - length, "%s", from);
	findings_add(findings, FINDING_FAIL, saying->check, host, advice, "%s", saying->text);
}

/* "Host key verification failed" is the end of three stories; true if it was one of the others. */
static bool explain_key(const char *host, const char *text, const char *line,
			struct findings *findings)
{
	static const char begin[] = "Host key for ", changed[] = " has changed and you have";
	const char *known = last_line(text, line, begin, changed), *end;
	char advice[LOG_TEXT], name[128];

	if (last_line(text, line, "@", "REVOKED HOST KEY")) {
		findings_add(findings, FINDING_FAIL, "host-key", host,
			     "ask who runs it, and look at ~/.ssh/known_hosts",
			     "its host key is marked as revoked");
		return true;
	}
	if (!known && !last_line(text, line, "@", "REMOTE HOST IDENTIFICATION HAS CHANGED"))
		return false;
	/* By the name that ssh keeps it under: maybe [HOST]:PORT, or an alias. */
	snprintf(name, sizeof(name), "%.100s", host_part(host));
	if (known) {
		known += strlen(begin);
		end = strstr(known, changed);
		snprintf(name, sizeof(name), "%.*s", end - known < 100 ? (int)(end - known) : 100,
			 known);
		words_clean(name);
	}
	snprintf(
		advice, sizeof(advice),
		strpbrk(name, "[]") ?
			"ask who runs it; only if the new key is right: ssh-keygen -R '%s', then ssh %.100s once" :
			"ask who runs it; only if the new key is right: ssh-keygen -R %s, then ssh %.100s once",
		name, host);
	findings_add(
		findings, FINDING_FAIL, "host-key", host, advice,
		"its host key is another than the known one: it was installed anew, or somebody is in between");
	return true;
}

void jumphost_explain(const char *host, const char *err, struct findings *findings)
{
	const struct saying *weak = NULL;
	char said[200];

	/* What it said last is why it ended. */
	for (const char *line = err + strlen(err); line; line = line_before(err, line)) {
		const struct saying *saying = find_saying(line);
		const char *methods = denied_methods(line);

		if (methods) {
			bool has_open_key = last_line(err, line, "Load key ", ": bad permissions");

			explain_denial(host, methods, has_open_key, findings);
			return;
		}
		if (saying && saying->is_weak) {
			weak = weak ? weak : saying;
			continue;
		}
		if (!saying)
			continue;
		if (strcmp(saying->check, "host-key") || !explain_key(host, err, line, findings))
			add_saying(host, saying, findings);
		return;
	}
	if (weak) {
		add_saying(host, weak, findings);
		return;
	}
	copy_last_line(err, said, sizeof(said));
	findings_add(findings, FINDING_FAIL, "ssh", host, "try it by hand: ssh -v HOST",
		     "ssh failed%s%s", *said ? ": " : "", said);
}

/* Whether it let one in: a denial comes after whatever a banner said of that. */
static bool is_let_in(const char *err)
{
	for (const char *line = err + strlen(err); line; line = line_before(err, line)) {
		if (denied_methods(line) ||
		    line_is(line, "Received disconnect from ", "Too many authentication failures"))
			return false;
		if (line_is(line, "Authenticated to ", " using \""))
			return true;
	}
	return false;
}

/* ---- what the script prints ---- */

struct python {
	char version[64]; /* "3.7.3", or what else it said */
	char names[NAMES_TEXT];
	int major, minor; /* -1: it did not say */
	bool is_first;	  /* what the plain names mean */
};

static bool is_supported(const struct python *python)
{
	return (python->major == 2 && python->minor == 7) ||
	       (python->major == 3 && python->minor >= 5 && python->minor <= 7);
}

static bool is_known_not_to_be(const struct python *python)
{
	return python->major == 3 && (python->minor == 8 || python->minor == 9);
}

/*
 * "3.7.3" of "Python 3.7.3 and what else it says", in place, and the first two numbers of that; or all
 * that was said, and -1. The text is another's, and "is supported" may come to stand behind it.
 */
static char *take_version(char *said, int *ret_major, int *ret_minor)
{
	static const char begin[] = "Python ";
	char *version = said + strlen(begin), *end, *second;
	size_t length;

	*ret_major = *ret_minor = -1;
	if (strncmp(said, begin, strlen(begin)) != 0)
		return said;
	length = strcspn(version, " \t");
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)version[i]) && !strchr(".+", version[i]))
			return said;
	if (length > VERSION_MAX || !isdigit((unsigned char)*version))
		return said;
	*ret_major = (int)strtoul(version, &second, 10);
	if (*second != '.' || !isdigit((unsigned char)second[1]) || second - version > 3) {
		*ret_major = -1;
		return said;
	}
	*ret_minor = (int)strtoul(second + 1, &end, 10);
	if (end - second > 4)
		*ret_minor = INT_MAX;
	version[length] = '\0';
	return version;
}

static bool is_listed_name(const char *name)
{
	static const char begin[] = "python";

	return !strncmp(name, begin, strlen(begin)) &&
	       !name[strlen(begin) + strspn(name + strlen(begin), "0123456789.")];
}

/* "python3.7 Python 3.7.3" */
static void take_python(const char *line, struct python *pythons, size_t *count)
{
	char text[256], *name = text, *version;
	struct python *python;
	int major, minor;

	copy_line(line, text, sizeof(text));
	version = strchr(text, ' ');
	if (!version)
		return;
	*version++ = '\0';
	if (!is_listed_name(name))
		return;
	version = take_version(version, &major, &minor);
	version[strnlen(version, sizeof(python->version) - 1)] = '\0';
	for (python = pythons; python < pythons + *count; python++)
		if (!strcmp(python->version, version))
			break;
	if (python == pythons + *count) {
		if (*count == PYTHONS)
			return;
		*python = (struct python){.major = major, .minor = minor};
		strcpy(python->version, version);
		(*count)++;
	}
	if (strlen(python->names) + strlen(name) + 3 < sizeof(python->names)) {
		if (*python->names)
			strcat(python->names, ", ");
		strcat(python->names, name);
	}
	if (!strcmp(name, "python3") || !strcmp(name, "python"))
		python->is_first = true;
}

static void add_python(const char *host, const struct python *python, const struct python *good,
		       struct findings *findings)
{
	enum finding_level level = FINDING_OK;
	const char *surplus = "";
	char advice[LOG_TEXT] = "";

	if (is_supported(python)) {
		findings_add(findings, FINDING_OK, "python", host, NULL,
			     "Python %s (%s) is supported", python->version, python->names);
		return;
	}
	if (!good) {
		level = FINDING_FAIL;
		snprintf(advice, sizeof(advice),
			 "install Python " SUPPORTED " there, beside this one");
	} else if (python->is_first) {
		level = FINDING_WARN;
		snprintf(advice, sizeof(advice),
			 "call %.*s by its name, or put it first in the PATH of that user",
			 (int)strcspn(good->names, ","), good->names);
	} else {
		surplus = ", and is not needed";
	}
	if (python->major < 0)
		findings_add(findings, level, "python", host, *advice ? advice : NULL,
			     "%s does not say its version but '%s': not supported%s", python->names,
			     python->version, surplus);
	else
		findings_add(findings, level, "python", host, *advice ? advice : NULL,
			     "Python %s (%s) is %s%s", python->version, python->names,
			     is_known_not_to_be(python) ? "not supported" :
							  "not listed: not supported",
			     surplus);
}

bool jumphost_read(const char *host, const char *output, struct findings *findings)
{
	struct python *pythons = calloc(PYTHONS, sizeof(*pythons));
	const struct python *good = NULL;
	const char *begin = strstr(output, "\n" BEGIN "\n");
	const char *end = begin ? strstr(begin, "\n" END "\n") : NULL;
	char user[64] = "";
	size_t count = 0;

	if (!pythons || !end) {
		free(pythons);
		return false;
	}
	for (const char *at = begin + 1; at < end; at = strchr(at, '\n') + 1) {
		if (!strncmp(at, "user ", 5))
			copy_line(at + 5, user, sizeof(user));
		else if (!strncmp(at, "python ", 7))
			take_python(at + 7, pythons, &count);
	}
	for (size_t i = 0; i < count && !good; i++)
		if (is_supported(&pythons[i]))
			good = &pythons[i];
	findings_add(findings, FINDING_OK, "ssh", host, NULL,
		     "answers, and its host key is the known one");
	findings_add(findings, FINDING_OK, "login", host, NULL, "logs in as %s",
		     *user ? user : "a user whose name it does not say");
	for (size_t i = 0; i < count; i++)
		add_python(host, &pythons[i], good, findings);
	if (!count)
		findings_add(findings, FINDING_FAIL, "python", host,
			     "install Python " SUPPORTED " there", "there is no Python");
	free(pythons);
	return true;
}

/* ---- the session ---- */

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* In the child. What hinders it is written to the pipe, which exec closes. */
static void become(char *const words[], int in, int out, int err, int pipe_fd, pid_t parent)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;
	ssize_t written;
	int failure;

	/* A group of its own, with what a ProxyCommand starts; and it does not outlive bwctl. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(255);
	sigaction(SIGPIPE, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setenv("LC_ALL", "C", 1);
	setenv("SSH_ASKPASS_REQUIRE", "never", 1);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execvp(words[0], words);
	failure = errno;
	written = write(pipe_fd, &failure, sizeof(failure));
	_exit(written == sizeof(failure) ? 127 : 126);
}

/* 0, or -errno: -ENOENT if there is no such program. */
static int start(struct session *session, char *const words[])
{
	int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1}, ready[2] = {-1, -1};
	pid_t parent = getpid();
	int failure = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) || pipe2(out, O_CLOEXEC) ||
	    pipe2(err, O_CLOEXEC) || pipe2(ready, O_CLOEXEC)) {
		failure = errno;
		goto out;
	}
	session->pid = fork();
	if (!session->pid)
		become(words, in[1], out[1], err[1], ready[1], parent);
	if (session->pid < 0) {
		failure = errno;
		goto out;
	}
	shut(&ready[1]);
	if (read(ready[0], &failure, sizeof(failure)) != sizeof(failure))
		failure = 0;
	if (failure) {
		waitpid(session->pid, NULL, 0);
		goto out;
	}
	session->pidfd = (int)syscall(SYS_pidfd_open, session->pid, 0);
	session->in = in[0];
	session->out = out[0];
	session->err = err[0];
	in[0] = out[0] = err[0] = -1;
	fcntl(session->in, F_SETFL, O_NONBLOCK);
	fcntl(session->out, F_SETFL, O_NONBLOCK);
	fcntl(session->err, F_SETFL, O_NONBLOCK);
out:
	for (int i = 0; i < 2; i++) {
		shut(&in[i]);
		shut(&out[i]);
		shut(&err[i]);
		shut(&ready[i]);
	}
	return -failure;
}

/* All that there is; at its end the file is closed. */
static void take(int *fd, char *text, size_t *length)
{
	char rest[4096];
	ssize_t got;

	do {
		size_t room = OUTPUT_BYTES - 1 - *length;

		got = read(*fd, room ? text + *length : rest, room ? room : sizeof(rest));
		if (got > 0 && room)
			*length += (size_t)got;
	} while (got > 0);
	if (!got || (errno != EAGAIN && errno != EINTR))
		shut(fd);
}

static void give(struct session *session)
{
	ssize_t sent = send(session->in, script + session->sent, strlen(script) - session->sent,
			    MSG_NOSIGNAL);

	if (sent > 0)
		session->sent += (size_t)sent;
	if (session->sent == strlen(script) || (sent < 0 && errno != EAGAIN && errno != EINTR))
		shut(&session->in);
}

/* True when it has ended, false when it is time, or a signal ends us. */
static bool wait_until(struct session *session, uint64_t until_ns)
{
	siginfo_t ended;

	for (;;) {
		struct pollfd polled[] = {
			{.fd = session->in, .events = POLLOUT},
			{.fd = session->out, .events = POLLIN},
			{.fd = session->err, .events = POLLIN},
			{.fd = session->pidfd, .events = POLLIN},
			{.fd = session->signal_fd, .events = POLLIN},
		};
		struct signalfd_siginfo signal;
		uint64_t now = now_ns(), left_ns = until_ns > now ? until_ns - now : 0;
		int wait_ms = left_ns / 1000000 > 600000 ? 600000 : (int)(left_ns / 1000000);

		/* Without a descriptor for the process, its end is looked for. */
		if (session->pidfd < 0 && wait_ms > 50)
			wait_ms = 50;
		poll(polled, 5, wait_ms);
		if (polled[0].revents && session->in >= 0)
			give(session);
		if (polled[1].revents && session->out >= 0)
			take(&session->out, session->output, &session->output_length);
		if (polled[2].revents && session->err >= 0)
			take(&session->err, session->errors, &session->errors_length);
		if (polled[4].revents &&
		    read(session->signal_fd, &signal, sizeof(signal)) == sizeof(signal)) {
			session->signal = (int)signal.ssi_signo;
			/* The next one does not hinder the end. */
			shut(&session->signal_fd);
			return false;
		}
		/* It is left to be waited for, so that its number stays its own. */
		ended.si_pid = 0;
		if (!waitid(P_PID, (id_t)session->pid, &ended, WEXITED | WNOHANG | WNOWAIT) &&
		    ended.si_pid)
			return true;
		if (now >= until_ns)
			return false;
	}
}

/* Waits for it, ends it when it is time, and leaves nothing of it behind. */
static void attend(struct session *session, uint64_t until_ns)
{
	session->is_late = !wait_until(session, until_ns);
	/* And what it started and left. */
	kill(-session->pid, SIGTERM);
	if (session->is_late) {
		wait_until(session, now_ns() + GRACE_NS);
		kill(-session->pid, SIGKILL);
	}
	waitpid(session->pid, &session->status, 0);
	/* What was said before the end. */
	if (session->out >= 0)
		take(&session->out, session->output, &session->output_length);
	if (session->err >= 0)
		take(&session->err, session->errors, &session->errors_length);
	shut(&session->in);
	shut(&session->out);
	shut(&session->err);
	shut(&session->pidfd);
	session->output[session->output_length] = '\0';
	session->errors[session->errors_length] = '\0';
	/* A text that holds a NUL would end there. */
	for (size_t i = 0; i < session->output_length; i++)
		if (!session->output[i])
			session->output[i] = '?';
	for (size_t i = 0; i < session->errors_length; i++)
		if (!session->errors[i])
			session->errors[i] = '?';
}

static void judge(const char *host, const struct session *session, struct findings *findings)
{
	bool is_in = is_let_in(session->errors);

	if (jumphost_read(host, session->output, findings))
		return;
	if (is_in) {
		findings_add(findings, FINDING_OK, "ssh", host, NULL,
			     "answers, and its host key is the known one");
		if (session->is_late)
			findings_add(
				findings, FINDING_FAIL, "login", host,
				"see what hangs there: ssh HOST sh -c true",
				"logs in, and then nothing is run in time: its shell, or a file that the shell reads, or a Python hangs");
		else
			findings_add(
				findings, FINDING_FAIL, "login", host,
				"give that user a login shell there",
				"logs in, and commands are not run: the shell ended with exit status %d",
				WIFEXITED(session->status) ? WEXITSTATUS(session->status) : 255);
	} else if (session->is_late) {
		findings_add(findings, FINDING_FAIL, "ssh", host,
			     "see whether sshd hangs there, or something on the way does",
			     "there was no answer in time");
	} else {
		jumphost_explain(host, session->errors, findings);
	}
}

/*
 * Takes signals from here on, but not those that are ignored, so that what ssh has started, a
 * ProxyCommand and what that has, is ended before bwctl is.
 */
static void hold_signals(struct session *session, sigset_t *ret_before)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action;
	sigset_t held;

	sigemptyset(&held);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (!sigaction(signals[i], NULL, &action) && action.sa_handler != SIG_IGN)
			sigaddset(&held, signals[i]);
	sigprocmask(SIG_BLOCK, &held, ret_before);
	session->signal_fd = signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
	if (session->signal_fd < 0)
		sigprocmask(SIG_SETMASK, ret_before, NULL);
}

static void release_signals(struct session *session, const sigset_t *before)
{
	shut(&session->signal_fd);
	/* It is ours, now that nothing is left behind. */
	if (session->signal)
		raise(session->signal);
	sigprocmask(SIG_SETMASK, before, NULL);
}

void jumphost_check(const char *host, uint64_t timeout_ns, struct findings *findings)
{
	struct session *session = calloc(1, sizeof(*session));
	struct sigaction action = {.sa_handler = SIG_DFL};
	uint64_t until_ns = now_ns() + timeout_ns;
	char connect[64];
	sigset_t before;
	/*
	 * VERBOSE is said once it is in, so that it can be told where it hangs. That its host
	 * key is the known one has to be true, whatever the configuration leaves out; so it is
	 * a connection of its own.
	 */
	char *const words[] = {(char *)"ssh", (char *)"-T",
			       (char *)"-x",  (char *)"-a",
			       (char *)"-o",  (char *)"BatchMode=yes",
			       (char *)"-o",  connect,
			       (char *)"-o",  (char *)"NumberOfPasswordPrompts=0",
			       (char *)"-o",  (char *)"LogLevel=VERBOSE",
			       (char *)"-o",  (char *)"ClearAllForwardings=yes",
			       (char *)"-o",  (char *)"ControlMaster=no",
			       (char *)"-o",  (char *)"ControlPath=none",
			       (char *)"-o",  (char *)"StrictHostKeyChecking=yes",
			       (char *)"-o",  (char *)"UpdateHostKeys=no",
			       (char *)"-o",  (char *)"VerifyHostKeyDNS=no",
			       (char *)"-o",  (char *)"NoHostAuthenticationForLocalhost=no",
			       (char *)"-o",  (char *)"PermitLocalCommand=no",
			       (char *)"-o",  (char *)"RemoteCommand=none",
			       (char *)"--",  (char *)host,
			       (char *)"sh",  (char *)"-s",
			       NULL};
	int err;

	if (!session) {
		findings_add(findings, FINDING_FAIL, "ssh", host, "try again", "out of memory");
		return;
	}
	/* ssh would wait as long as we do, and then we would not hear what it says. */
	snprintf(connect, sizeof(connect), "ConnectTimeout=%llu",
		 (unsigned long long)(timeout_ns / 2 / SECOND_NS ? timeout_ns / 2 / SECOND_NS : 1));
	session->pidfd = session->in = session->out = session->err = -1;
	hold_signals(session, &before);
	/* Were it ignored, there would be no exit code to be had. */
	sigaction(SIGCHLD, &action, NULL);
	err = start(session, words);
	if (err == -ENOENT) {
		findings_add(findings, FINDING_FAIL, "ssh", host, "install openssh-client",
			     "there is no ssh on this machine");
	} else if (err) {
		findings_add(findings, FINDING_FAIL, "ssh", host, "try again", "cannot run ssh: %s",
			     strerror(-err));
	} else {
		attend(session, until_ns);
		release_signals(session, &before);
		judge(host, session, findings);
	}
	if (err)
		release_signals(session, &before);
	free(session);
}
