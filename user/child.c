// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A command that is run and waited for.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include "why.h"

/*
 * Job control stays: a terminal stops and wakes bwctl and its command together. Signals
 * of a fault cannot wait.
 */
static const int unguarded[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGWINCH, SIGURG, SIGSEGV,
				SIGBUS,	 SIGFPE,  SIGILL,  SIGSYS,  SIGTRAP,  SIGABRT};

static void guarded(sigset_t *ret_set)
{
	sigfillset(ret_set);
	for (size_t i = 0; i < sizeof(unguarded) / sizeof(unguarded[0]); i++)
		sigdelset(ret_set, unguarded[i]);
}

/* A terminal sends it to the command as well; whoever else sends it means that we are to pass it on. */
static bool is_for_both(const siginfo_t *info)
{
	return (info->si_signo == SIGINT || info->si_signo == SIGQUIT) &&
	       info->si_code == SI_KERNEL;
}

/* SIGPIPE is about what bwctl itself wrote. */
static bool is_own(int signal)
{
	return signal == SIGCHLD || signal == SIGPIPE;
}

void child_guard(struct child_signals *ret_before)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t set;

	guarded(&set);
	sigprocmask(SIG_BLOCK, &set, &ret_before->mask);
	/* Were it ignored, there would be no exit code to be had. */
	sigaction(SIGCHLD, &action, &ret_before->end_of_child);
}

/* A signal that has come since child_guard(), or 0. */
static int pending_signal(const struct child_signals *before)
{
	sigset_t pending;

	sigpending(&pending);
	for (int signal = 1; signal <= SIGRTMAX; signal++)
		if (sigismember(&pending, signal) == 1 && !sigismember(&before->mask, signal) &&
		    !is_own(signal))
			return signal;
	return 0;
}

/* In the child. What hinders it is written to the pipe, which exec closes. */
static void become(const struct child_signals *before, char *const words[], int pipe_fd)
{
	ssize_t written;
	int err;

	sigaction(SIGCHLD, &before->end_of_child, NULL);
	sigprocmask(SIG_SETMASK, &before->mask, NULL);
	execvp(words[0], words);
	err = errno;
	written = write(pipe_fd, &err, sizeof(err));
	_exit(written == sizeof(err) ? CHILD_MISSING : CHILD_CANNOT);
}

static int wait_for(pid_t pid)
{
	sigset_t set;
	int status;

	guarded(&set);
	for (;;) {
		siginfo_t info;
		int signal = sigwaitinfo(&set, &info);
		pid_t ended = 0;

		if (signal == SIGCHLD)
			ended = waitpid(pid, &status, WNOHANG);
		else if (signal > 0 && !is_own(signal) && !is_for_both(&info))
			kill(pid, signal);
		if (ended < 0)
			return CHILD_CANNOT;
		if (ended == pid)
			return WIFSIGNALED(status) ? CHILD_SIGNAL + WTERMSIG(status) :
						     WEXITSTATUS(status);
	}
}

int child_command(const struct child_signals *before, char *const words[], char why[LOG_TEXT])
{
	int signal = pending_signal(before), err = 0, code, ends[2];
	pid_t pid = -1;

	*why = '\0';
	if (signal)
		return CHILD_SIGNAL + signal;
	if (pipe2(ends, O_CLOEXEC)) {
		why_fail(why, -errno, "cannot run '%.60s'", words[0]);
		return CHILD_CANNOT;
	}
	pid = fork();
	if (!pid)
		become(before, words, ends[1]);
	err = pid < 0 ? errno : 0;
	close(ends[1]);
	if (pid > 0 && read(ends[0], &err, sizeof(err)) != sizeof(err))
		err = 0;
	close(ends[0]);
	code = pid > 0 ? wait_for(pid) : CHILD_CANNOT;
	if (!err)
		return code;
	why_fail(why, -err, "cannot run '%.60s'", words[0]);
	return pid > 0 && err == ENOENT ? CHILD_MISSING : CHILD_CANNOT;
}
