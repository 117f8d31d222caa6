// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The kernel and the rights of this process.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hooks.h"
#include "limiter.h"
#include "queue.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF	    39
#endif

#define BTF	    "/sys/kernel/btf/vmlinux"
#define JIT	    "/proc/sys/net/core/bpf_jit_enable"
#define TRY_SECONDS 20
#define LOOPBACK    1 /* its index, in every network namespace */
#define TRY_IFINDEX 1000000

static bool has_capability(unsigned int number)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data))
		return false;
	return data[number / 32].effective >> (number % 32) & 1;
}

static bool is_interpreted(void)
{
	FILE *file = fopen(JIT, "re");
	int value = 1;

	if (!file)
		return false;
	if (fscanf(file, "%d", &value) != 1)
		value = 1;
	fclose(file);
	return !value;
}

void machine_look(struct machine *ret_machine)
{
	bool administers = has_capability(CAP_SYS_ADMIN);
	struct utsname kernel;

	memset(ret_machine, 0, sizeof(*ret_machine));
	if (!uname(&kernel)) {
		snprintf(ret_machine->release, sizeof(ret_machine->release), "%s", kernel.release);
		if (sscanf(kernel.release, "%u.%u", &ret_machine->major, &ret_machine->minor) != 2)
			ret_machine->major = ret_machine->minor = 0;
	}
	ret_machine->has_btf = !access(BTF, R_OK);
	ret_machine->is_interpreted = is_interpreted();
	ret_machine->is_realtime = !limiter_leases_are_safe();
	ret_machine->is_root = !geteuid();
	ret_machine->may[MACHINE_NET_ADMIN] = has_capability(CAP_NET_ADMIN);
	ret_machine->may[MACHINE_BPF] = administers || has_capability(CAP_BPF);
	ret_machine->may[MACHINE_PERFMON] = administers || has_capability(CAP_PERFMON);
	ret_machine->may[MACHINE_SYS_ADMIN] = administers;
}

const char *machine_right_name(enum machine_right right)
{
	static const char *const names[MACHINE_RIGHTS] = {
		[MACHINE_NET_ADMIN] = "CAP_NET_ADMIN",
		[MACHINE_BPF] = "CAP_BPF",
		[MACHINE_PERFMON] = "CAP_PERFMON",
		[MACHINE_SYS_ADMIN] = "CAP_SYS_ADMIN",
	};

	return names[right];
}

/* What the child found. */
struct result {
	int tried;
	int part[MACHINE_PARTS];
};

static int note_nothing(const struct hooks_place *place)
{
	(void)place;
	return 0;
}

/* The filter that leads to the IFB, whose action is mirred. */
static int try_lead(int lead_fd)
{
	struct bwctl_interface_key key = {.ifindex = LOOPBACK};
	struct bwctl_interface record = {0};
	struct hooks_place place = {.key = &key, .record = &record, .note = note_nothing};
	int err = hooks_prepare(&place, BWCTL_HOOK_CLSACT);

	return err ? err :
		     queue_lead_write(LOOPBACK, HOOKS_LEAD_PRIORITY, HOOKS_CLSACT_HANDLE, lead_fd,
				      TRY_IFINDEX);
}

static struct result try_parts(int lead_fd)
{
	struct result result = {0};

	if (unshare(CLONE_NEWNET)) {
		result.tried = -errno;
		return result;
	}
	result.part[MACHINE_FQ] = queue_root_replace(LOOPBACK);
	if (!result.part[MACHINE_FQ])
		result.part[MACHINE_IFB] = queue_ifb_create("bwctl%d", TRY_IFINDEX, 1);
	if (!result.part[MACHINE_FQ] && !result.part[MACHINE_IFB] && lead_fd >= 0)
		result.part[MACHINE_MIRRED] = try_lead(lead_fd);
	return result;
}

/* A child, because a process has no way back to a network namespace that it may not open. */
void machine_try(struct machine *machine, int lead_fd)
{
	struct result result = {.tried = -ECHILD};
	int ends[2], status;
	pid_t child;

	machine->needs_mirred = lead_fd >= 0;
	machine->tried = -EPERM;
	if (!machine->may[MACHINE_SYS_ADMIN])
		return;
	machine->tried = pipe2(ends, O_CLOEXEC) ? -errno : 0;
	if (machine->tried)
		return;
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(TRY_SECONDS);
		result = try_parts(lead_fd);
		_exit(write(ends[1], &result, sizeof(result)) != sizeof(result));
	}
	machine->tried = child < 0 ? -errno : 0;
	close(ends[1]);
	if (child > 0) {
		/* Nothing: it died, by its alarm or otherwise. */
		if (read(ends[0], &result, sizeof(result)) != sizeof(result))
			result.tried = -ETIMEDOUT;
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
		machine->tried = result.tried;
		memcpy(machine->part, result.part, sizeof(machine->part));
	}
	close(ends[0]);
}
