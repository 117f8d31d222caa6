// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Runs a command up to a certain one of the system calls that change something
 * which outlives it, and there kills it, or leaves it stopped: what is left half
 * done is for others to look at.
 */
#include <err.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLED	     137
#define SYSCALL_STOP (SIGTRAP | 0x80)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
	MISUSE = 2
};

static const uint64_t calls[] = {
#ifdef SYS_mkdir
	SYS_mkdir,   SYS_rmdir,	   SYS_unlink,
#endif
	SYS_mkdirat, SYS_unlinkat, SYS_mount,  SYS_sendto, SYS_sendmsg, SYS_bpf,
};

/* Of bpf(): map update and delete, pin, freeze, link create, update and detach. */
static const uint64_t bpf_commands[] = {2, 3, 6, 22, 28, 29, 34};

/*
 * Stops at these calls alone, which is much quicker than at all. It lasts, also in what the
 * command starts: who goes on without being traced could make none of them any more.
 */
static void stop_at_calls(void)
{
	struct sock_filter filter[COUNT(calls) + 3];
	struct sock_fprog program = {.len = COUNT(filter), .filter = filter};

	filter[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < COUNT(calls); i++)
		filter[1 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							     (uint32_t)calls[i],
							     (uint8_t)(COUNT(calls) - i), 0);
	filter[COUNT(calls) + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[COUNT(calls) + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
		err(MISUSE, "seccomp");
}

static long trace(int request, pid_t pid, uintptr_t address, uintptr_t data)
{
	long result;

	errno = 0;
	result = ptrace(request, pid, (void *)address, (void *)data);
	if (result == -1 && errno)
		err(MISUSE, "ptrace");
	return result;
}

/* Of the four rtnetlink messages about a thing, the third asks for it. */
static bool asks_only(pid_t pid, uint64_t message)
{
	uint16_t type = (uint16_t)trace(PTRACE_PEEKDATA, pid, message + 4, 0);

	return (type & 3) == 2;
}

static bool is_among(uint64_t number, const uint64_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

static bool is_step(pid_t pid)
{
	struct __ptrace_syscall_info info;
	const uint64_t *arguments;
	uint64_t number;

	trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), (uintptr_t)&info);
	if (info.op != PTRACE_SYSCALL_INFO_ENTRY && info.op != PTRACE_SYSCALL_INFO_SECCOMP)
		return false;
	number = info.op == PTRACE_SYSCALL_INFO_ENTRY ? info.entry.nr : info.seccomp.nr;
	arguments = info.op == PTRACE_SYSCALL_INFO_ENTRY ? info.entry.args : info.seccomp.args;
	if (number == SYS_sendto && asks_only(pid, arguments[1]))
		return false;
	if (number == SYS_bpf)
		return is_among(arguments[0], bpf_commands, COUNT(bpf_commands));
	return is_among(number, calls, COUNT(calls));
}

static int wait_for(pid_t pid)
{
	int status;

	/* What it started goes on at once; it may have come to its end meanwhile. */
	for (pid_t who; (who = waitpid(-1, &status, __WALL)) != pid;) {
		int signal = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;

		if (who < 0)
			err(MISUSE, "wait");
		if (signal == SIGTRAP || signal == SIGSTOP)
			signal = 0;
		if (WIFSTOPPED(status))
			ptrace(PTRACE_CONT, who, NULL, (void *)(uintptr_t)signal);
	}
	return status;
}

int main(int argc, char *argv[])
{
	bool kills = argc > 3 && !strcmp(argv[1], "kill");
	char *end;
	long steps;
	int status, signal = 0;
	pid_t pid;

	if (argc < 4 || (!kills && strcmp(argv[1], "stop")))
		errx(MISUSE,
		     "usage: step kill|stop N COMMAND...\n"
		     "Kills COMMAND before its Nth step, from 0, and exits with 137, or leaves it\n"
		     "stopped and prints its pid. If there is none, exits as COMMAND does.");
	errno = 0;
	steps = strtol(argv[2], &end, 10);
	if (errno || *end || end == argv[2] || steps < 0)
		errx(MISUSE, "'%s': expected a number of steps", argv[2]);
	pid = fork();
	if (pid < 0)
		err(MISUSE, "fork");
	if (!pid) {
		trace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		if (kills)
			stop_at_calls();
		execvp(argv[3], argv + 3);
		err(MISUSE, "%s", argv[3]);
	}
	wait_for(pid);
	trace(PTRACE_SETOPTIONS, pid, 0,
	      PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP |
		      (kills ? PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE : 0));
	for (;;) {
		trace(kills ? PTRACE_CONT : PTRACE_SYSCALL, pid, 0, (uintptr_t)signal);
		status = wait_for(pid);
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (WIFSIGNALED(status))
			return 128 + WTERMSIG(status);
		signal = WSTOPSIG(status);
		if (signal == SYSCALL_STOP || signal == SIGTRAP) {
			signal = 0;
			if (is_step(pid) && steps-- == 0)
				break;
		} else if (signal == SIGSTOP) {
			signal = 0;
		}
	}
	if (kills) {
		kill(pid, SIGKILL);
		wait_for(pid);
		return KILLED;
	}
	trace(PTRACE_SETOPTIONS, pid, 0, 0);
	trace(PTRACE_DETACH, pid, 0, SIGSTOP);
	/* It stops once it runs again: a SIGCONT sent before that would be lost. */
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		errx(MISUSE, "%s did not stop", argv[3]);
	printf("%d\n", pid);
	return 0;
}
