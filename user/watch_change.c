// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Another limit, by "bwctl set" as a child.
 */
#include "watch_change.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy.h"
#include "units.h"
#include "why.h"

/* bwctl --pin-dir DIR --config FILE set, class NAME, two directions, and NULL */
#define WORDS 13

static void make_words(const struct watch_change *change, char rates[BWCTL_DIRECTIONS][UNITS_TEXT],
		       const char *words[WORDS])
{
	const char *first[] = {change->bwctl, "--pin-dir",    change->pin_dir,
			       "--config",    change->config, "set"};
	size_t count = sizeof(first) / sizeof(first[0]);

	memcpy(words, first, sizeof(first));
	if (*change->class) {
		words[count++] = "class";
		words[count++] = change->class;
	}
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		if (!change->limit_bits_s[direction])
			continue;
		words[count++] = policy_direction_name(direction);
		words[count++] =
			units_exact_rate(change->limit_bits_s[direction], rates[direction]);
	}
	words[count] = NULL;
}

/* In the child. It has nothing to do with the terminal, nor with its signals, and outlives us. */
static void become(const char *words[], int null_fd, int errors_fd)
{
	sigset_t none;

	sigemptyset(&none);
	setsid();
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null_fd, STDIN_FILENO);
	dup2(null_fd, STDOUT_FILENO);
	dup2(errors_fd, STDERR_FILENO);
	execv(words[0], (char *const *)words);
	dprintf(STDERR_FILENO, "cannot run '%.200s': %s\n", words[0], strerror(errno));
	_exit(1);
}

int watch_change_start(struct watch_change *change, char why[LOG_TEXT])
{
	char rates[BWCTL_DIRECTIONS][UNITS_TEXT];
	const char *words[WORDS];
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), err = 0;

	make_words(change, rates, words);
	/* A file, not a pipe: it can be left behind half read. */
	change->errors_fd = memfd_create("bwctl-set", MFD_CLOEXEC);
	if (null_fd < 0 || change->errors_fd < 0)
		err = -errno;
	if (!err)
		change->pid = fork();
	if (!err && change->pid < 0)
		err = -errno;
	if (!err && !change->pid)
		become(words, null_fd, change->errors_fd);
	if (null_fd >= 0)
		close(null_fd);
	if (!err)
		return 0;
	if (change->errors_fd >= 0)
		close(change->errors_fd);
	change->pid = 0;
	return why_fail(why, err, "cannot run 'bwctl set'");
}

/* Several lines become one, and what is no text is none. */
static void tidy(const char *said, char ret_text[LOG_TEXT])
{
	static const char name[] = "bwctl: ";
	size_t length = 0;

	while (*said && length < LOG_TEXT - 3) {
		bool is_end = *said == '\n';

		if ((!length || ret_text[length - 1] == ' ') &&
		    !strncmp(said, name, sizeof(name) - 1))
			said += sizeof(name) - 1;
		if (!is_end)
			ret_text[length++] = (char)(*said < ' ' || *said > '~' ? '?' : *said);
		else if (said[1])
			length += (size_t)snprintf(ret_text + length, 3, "; ");
		said++;
	}
	ret_text[length] = '\0';
}

bool watch_change_ended(struct watch_change *change, bool *ret_done, char text[LOG_TEXT])
{
	char said[LOG_TEXT];
	ssize_t length;
	int status = 0;

	if (!change->pid || waitpid(change->pid, &status, WNOHANG) != change->pid)
		return false;
	length = pread(change->errors_fd, said, sizeof(said) - 1, 0);
	said[length > 0 ? length : 0] = '\0';
	tidy(said, text);
	*ret_done = WIFEXITED(status) && !WEXITSTATUS(status);
	if (!*ret_done && !*text)
		snprintf(text, LOG_TEXT, "'bwctl set' failed");
	close(change->errors_fd);
	change->pid = 0;
	return true;
}
