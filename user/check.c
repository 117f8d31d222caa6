// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * From a survey to findings, one function for each thing that is checked.
 */
#include "check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "first.h"
#include "holder.h"
#include "policy.h"
#include "runs.h"
#include "units.h"
#include "words.h"

enum check {
	CHECK_KERNEL,
	CHECK_BTF,
	CHECK_JIT,
	CHECK_REALTIME,
	CHECK_CAPABILITIES,
	CHECK_BPFFS,
	CHECK_PACING,
	CHECK_LOADED,
	CHECK_PINS,
	CHECK_ATTACHED,
	CHECK_PROGRAMS,
	CHECK_FIRST,
	CHECK_LIMIT,
	CHECK_QUEUE,
	CHECK_CONTENDED,
	CHECK_EXEMPT,
	CHECK_RESERVE,
	CHECK_FLOWS,
	CHECK_RUNS,
	CHECK_FILE,
	CHECK_INTERFACES,
	CHECK_BOOT,
	CHECK_LINK,
	CHECK_SPEED,
	CHECK_XDP,
	CHECK_LRO,
	CHECK_OFFLOAD,
	CHECK_FLOWTABLE,
	CHECK_TWICE,
	CHECK_ROUTES,
	CHECKS
};

static const char *const names[CHECKS] = {
	[CHECK_KERNEL] = "kernel",
	[CHECK_BTF] = "btf",
	[CHECK_JIT] = "jit",
	[CHECK_REALTIME] = "preempt-rt",
	[CHECK_CAPABILITIES] = "capabilities",
	[CHECK_BPFFS] = "bpffs",
	[CHECK_PACING] = "pacing",
	[CHECK_LOADED] = "loaded",
	[CHECK_PINS] = "pins",
	[CHECK_ATTACHED] = "attached",
	[CHECK_PROGRAMS] = "programs",
	[CHECK_FIRST] = "first",
	[CHECK_LIMIT] = "limit",
	[CHECK_QUEUE] = "queue",
	[CHECK_CONTENDED] = "contended",
	[CHECK_EXEMPT] = "exempt",
	[CHECK_RESERVE] = "reserve",
	[CHECK_FLOWS] = "flows",
	[CHECK_RUNS] = "runs",
	[CHECK_FILE] = "file",
	[CHECK_INTERFACES] = "interfaces",
	[CHECK_BOOT] = "boot",
	[CHECK_LINK] = "link",
	[CHECK_SPEED] = "speed",
	[CHECK_XDP] = "xdp",
	[CHECK_LRO] = "lro",
	[CHECK_OFFLOAD] = "offload",
	[CHECK_FLOWTABLE] = "flowtable",
	[CHECK_TWICE] = "twice",
	[CHECK_ROUTES] = "routes",
};

/* What every function here is given: what there is, and where it says what it makes of it. */
struct matter {
	const struct survey *survey;
	struct findings *findings;
};

static void say(const struct matter *matter, enum finding_level level, enum check check,
		const char *about, const char *advice, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

static void say(const struct matter *matter, enum finding_level level, enum check check,
		const char *about, const char *advice, const char *format, ...)
{
	char text[LOG_TEXT], clean_about[LOG_TEXT], clean_advice[LOG_TEXT];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	/* Names of interfaces, programs and commands are somebody else's. */
	words_clean(text);
	snprintf(clean_about, sizeof(clean_about), "%s", about ? about : "");
	words_clean(clean_about);
	snprintf(clean_advice, sizeof(clean_advice), "%s", advice ? advice : "");
	words_clean(clean_advice);
	findings_add(matter->findings, level, names[check], about ? clean_about : NULL,
		     advice ? clean_advice : NULL, "%s", text);
}

#define fine(matter, check, about, ...) say(matter, FINDING_OK, check, about, NULL, __VA_ARGS__)

/* What to do, where names belong into it. */
static const char *advise(char text[LOG_TEXT], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static const char *advise(char text[LOG_TEXT], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, LOG_TEXT, format, arguments);
	va_end(arguments);
	return text;
}

/* In an advice, which is one expression: so long the word lasts. */
#define IFACE(name)  words_shell(name, "IFACE").text
#define PINS(survey) words_shell((survey)->pin_dir, "DIRECTORY").text

#define AS_ROOT "run it as root"

/* What could not be looked at; root has more to do than to be root. */
static const char *as_root(const struct survey *survey, const char *otherwise)
{
	return survey->machine.is_root ? otherwise : AS_ROOT;
}

/* ---- the kernel ---- */

static bool is_older_than(const struct machine *machine, unsigned int major, unsigned int minor)
{
	return machine->major < major || (machine->major == major && machine->minor < minor);
}

static bool is_refused(int err)
{
	return err == -EPERM || err == -EACCES;
}

static void check_kernel(const struct matter *matter)
{
	const struct survey *survey = matter->survey;
	const struct machine *machine = &survey->machine;

	if (is_older_than(machine, 5, 12))
		say(matter, FINDING_FAIL, CHECK_KERNEL, NULL, "boot Linux 5.12 or newer",
		    "Linux %s cannot load the programs: 5.12 or newer is needed", machine->release);
	else if (is_refused(survey->trial_err))
		say(matter, FINDING_WARN, CHECK_KERNEL, NULL,
		    as_root(survey, "see capabilities below"),
		    "Linux %s; whether it takes the programs could not be tried", machine->release);
	else if (survey->trial_err)
		say(matter, FINDING_FAIL, CHECK_KERNEL, NULL,
		    "bwctl -vv check shows what the kernel says", "Linux %s: %s", machine->release,
		    survey->trial_why);
	else
		fine(matter, CHECK_KERNEL, NULL, "Linux %s takes the programs of bwctl %s",
		     machine->release, BWCTL_VERSION);
}

static void check_btf(const struct matter *matter)
{
	if (matter->survey->machine.has_btf)
		fine(matter, CHECK_BTF, NULL, "the kernel describes its types");
	else
		say(matter, FINDING_WARN, CHECK_BTF, NULL,
		    "boot a kernel with CONFIG_DEBUG_INFO_BTF, as those of Debian have",
		    "no /sys/kernel/btf/vmlinux: queues cannot be watched, so nothing is paced");
}

static void check_jit(const struct matter *matter)
{
	const struct survey *survey = matter->survey;
	bool is_compiled = !survey->trial_err;

	for (size_t i = 0; i < survey->trial.count && is_compiled; i++)
		is_compiled = survey->trial.programs[i].is_compiled;
	if (survey->machine.is_interpreted || (!survey->trial_err && !is_compiled))
		say(matter, FINDING_WARN, CHECK_JIT, NULL,
		    "sysctl -w net.core.bpf_jit_enable=1, then bwctl load --again",
		    "BPF programs are interpreted: each packet costs several times the CPU time");
	else if (survey->trial_err)
		say(matter, FINDING_WARN, CHECK_JIT, NULL, as_root(survey, "see kernel above"),
		    "whether programs are compiled could not be tried");
	else
		fine(matter, CHECK_JIT, NULL, "the programs are compiled");
}

static void check_realtime(const struct matter *matter)
{
	const struct survey *survey = matter->survey;

	if (survey->machine.is_realtime)
		say(matter, FINDING_WARN, CHECK_REALTIME, NULL,
		    survey->report && report_is_loaded(survey->report) ?
			    "see that contended below stays ok, or boot a kernel without PREEMPT_RT" :
			    "boot a kernel without PREEMPT_RT, or see what contended says once something is loaded",
		    "this is a PREEMPT_RT kernel: CPUs do not lease, every packet goes to the one clock");
	else
		fine(matter, CHECK_REALTIME, NULL,
		     "no PREEMPT_RT kernel: each CPU may lease bytes");
}

static void check_capabilities(const struct matter *matter)
{
	const struct machine *machine = &matter->survey->machine;
	char missing[LOG_TEXT] = "";
	size_t length = 0;

	for (int right = 0; right < MACHINE_SYS_ADMIN; right++)
		if (!machine->may[right])
			length += (size_t)snprintf(missing + length, sizeof(missing) - length,
						   "%s%s", length ? ", " : "",
						   machine_right_name(right));
	if (!length)
		fine(matter, CHECK_CAPABILITIES, NULL, "what load and set need");
	else
		say(matter, machine->is_root ? FINDING_FAIL : FINDING_WARN, CHECK_CAPABILITIES,
		    NULL,
		    as_root(matter->survey,
			    "give this process those, or CAP_SYS_ADMIN and CAP_NET_ADMIN"),
		    "this process lacks %s: load and set would fail", missing);
}

static void check_bpffs(const struct matter *matter)
{
	const struct survey *survey = matter->survey;

	if (survey->bpffs < 0)
		say(matter, FINDING_FAIL, CHECK_BPFFS, NULL,
		    "mount -t bpf bpf /sys/fs/bpf, where bwctl is to have its pins", "%s",
		    survey->bpffs_why);
	else if (survey->bpffs)
		fine(matter, CHECK_BPFFS, NULL, "'%s' is on a BPF file system", survey->pin_dir);
	else if (!survey->machine.may[MACHINE_SYS_ADMIN])
		say(matter, survey->machine.is_root ? FINDING_FAIL : FINDING_WARN, CHECK_BPFFS,
		    NULL, "mount -t bpf bpf /sys/fs/bpf, as root",
		    "no BPF file system on /sys/fs/bpf, and this process may not mount it");
	else
		fine(matter, CHECK_BPFFS, NULL, "load will mount it on /sys/fs/bpf");
}

/* ---- pacing, whatever is loaded ---- */

/* Only where everybody has said so. */
static bool wants_no_pacing(const struct survey *survey)
{
	const struct bwctl_asked *asked = NULL;

	if (survey->report && report_is_loaded(survey->report))
		asked = &survey->report->policy.asked;
	else if (survey->file == SURVEY_FILE_GOOD)
		asked = &survey->named->asked;
	return asked && asked->request[BWCTL_INGRESS].mode == BWCTL_MODE_POLICE &&
	       asked->request[BWCTL_EGRESS].mode == BWCTL_MODE_POLICE;
}

/* As far as the kernel goes. */
static bool can_pace(const struct survey *survey, enum bwctl_direction direction)
{
	for (int part = 0; part < MACHINE_PARTS; part++)
		if (survey->machine.part[part])
			return false;
	return !survey->trial_err && !survey->trial.watch_err &&
	       (direction == BWCTL_EGRESS || survey->trial.can_hold);
}

static void check_pacing(const struct matter *matter)
{
	static const char *const parts[MACHINE_PARTS] = {
		[MACHINE_FQ] = "fq",
		[MACHINE_IFB] = "IFB",
		[MACHINE_MIRRED] = "mirred",
	};
	static const char *const modules[MACHINE_PARTS] = {
		[MACHINE_FQ] = "sch_fq",
		[MACHINE_IFB] = "ifb",
		[MACHINE_MIRRED] = "act_mirred",
	};
	const struct survey *survey = matter->survey;
	const struct machine *machine = &survey->machine;
	char text[LOG_TEXT];

	if (wants_no_pacing(survey)) {
		fine(matter, CHECK_PACING, NULL, "not needed in mode police");
		return;
	}
	if (machine->tried) {
		say(matter, FINDING_WARN, CHECK_PACING, NULL,
		    as_root(survey, "run it with CAP_SYS_ADMIN"),
		    "whether packets can wait was not tried: %s", strerror(-machine->tried));
		return;
	}
	for (int part = 0; part < MACHINE_PARTS; part++) {
		int err = machine->part[part];
		char why[LOG_TEXT];

		if (!err)
			continue;
		snprintf(why, sizeof(why), "%s does not work here (%s)", parts[part],
			 strerror(-err));
		if (err == -ENOENT)
			snprintf(why, sizeof(why), "this kernel has no %s", parts[part]);
		say(matter, FINDING_WARN, CHECK_PACING, NULL,
		    advise(text,
			   "boot a kernel that has %s (module %s), or be content with bwctl set mode police",
			   parts[part], modules[part]),
		    "%s: what is over the limit is dropped at once", why);
		return;
	}
	if (!survey->trial_err && survey->trial.watch_err)
		say(matter, FINDING_WARN, CHECK_PACING, NULL,
		    "boot a kernel with BTF and CONFIG_BPF_EVENTS, as those of Debian",
		    "this kernel does not tell when a qdisc is taken away: what is over the limit is dropped at once");
	else if (!survey->trial_err && !survey->trial.can_hold)
		say(matter, FINDING_WARN, CHECK_PACING, "ingress",
		    "boot Linux 5.18 or newer, or be content: egress paces",
		    "Linux %s has no time of departure for what comes in: it is dropped at once",
		    machine->release);
	else if (survey->trial_err)
		say(matter, FINDING_WARN, CHECK_PACING, NULL, "see kernel above",
		    "fq and IFB are there, the programs could not be tried");
	else
		fine(matter, CHECK_PACING, NULL, "tried: fq and IFB%s are there, packets can wait",
		     machine->needs_mirred ? " and mirred" : "");
}

/* ---- the limiter ---- */

/* Where group and others may do no more than a directory shared as the manual says lets them. */
static bool is_private(const struct survey *survey)
{
	mode_t rest = survey->pin_mode & (S_IRWXG | S_IRWXO);

	return !survey->pin_owner && (!rest || (rest == S_IXGRP && survey->pin_mode & S_ISGID));
}

/* Whether there is a limiter to look at. */
static bool check_loaded(const struct matter *matter)
{
	const struct survey *survey = matter->survey;
	bool is_named = survey->named && survey->file == SURVEY_FILE_GOOD &&
			survey->named->interface_count;
	const char *anew = is_named ? "bwctl unload && bwctl load --all" :
				      "bwctl unload && bwctl load IFACE && bwctl set RATE";
	char text[LOG_TEXT];

	if (is_refused(survey->report_err)) {
		say(matter, FINDING_WARN, CHECK_LOADED, NULL,
		    as_root(survey, "see capabilities above"),
		    "what is loaded cannot be looked at: %s", survey->report_why);
		return false;
	}
	if (survey->report_err) {
		say(matter, FINDING_FAIL, CHECK_PINS, NULL,
		    survey->report_err == -ENODATA ?
			    "bwctl load IFACE repairs it, bwctl unload removes it" :
		    survey->report_err == -EPROTO ?
			    advise(text, "%s: in between nothing is limited", anew) :
			    advise(text, "try again, and if it stays: %s", anew),
		    "%s", survey->report_why);
		return false;
	}
	if (!report_is_loaded(survey->report)) {
		say(matter, FINDING_WARN, CHECK_LOADED, NULL,
		    is_named ? "bwctl load --all, which the policy file has names for" :
			       "bwctl load IFACE, then bwctl set RATE",
		    "nothing is loaded: nothing is limited or counted");
		return false;
	}
	fine(matter, CHECK_LOADED, NULL, "%zu interface%s", survey->report->interface_count,
	     survey->report->interface_count == 1 ? "" : "s");
	return true;
}

static void check_pins(const struct matter *matter)
{
	const struct survey *survey = matter->survey;
	char text[LOG_TEXT];

	if (survey->has_pin_dir && is_private(survey))
		fine(matter, CHECK_PINS, NULL, "'%s' is whole, and for %s", survey->pin_dir,
		     survey->pin_mode & S_IXGRP ? "root and a group that may look on" :
						  "root alone");
	else if (survey->has_pin_dir &&
		 (survey->pin_owner || survey->pin_mode & (S_IWGRP | S_IWOTH)))
		say(matter, FINDING_FAIL, CHECK_PINS, NULL,
		    advise(text, "chown root %s && chmod 0700 %s", PINS(survey), PINS(survey)),
		    "others than root can take the limit off: '%s' has mode %04o", survey->pin_dir,
		    (unsigned int)survey->pin_mode & 07777);
	else
		say(matter, FINDING_WARN, CHECK_PINS, NULL,
		    advise(text, "chmod 0700 %s, or 2710 for a group that may look on",
			   PINS(survey)),
		    "others than root can look into '%s', mode %04o", survey->pin_dir,
		    (unsigned int)survey->pin_mode & 07777);
}

static const char *hooks_name(const struct limiter_interface *interface)
{
	const enum bwctl_hook *hook = interface->hook;

	return hook[0] != hook[1] ? "tcx and clsact" : report_hook_name(hook[0]);
}

static void check_attached(const struct matter *matter, const struct limiter_interface *interface)
{
	const char *name = interface->name;
	char text[LOG_TEXT];
	int missing = -1, attached = 0;

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		if (interface->hook[direction] == BWCTL_HOOK_NONE)
			missing = direction;
		else
			attached++;
	}
	if (!interface->own && !interface->here) {
		fine(matter, CHECK_ATTACHED, name,
		     "in another network namespace: bwctl -n NAME check looks at it there");
	} else if (!interface->exists) {
		advise(text,
		       "bwctl unload %s forgets it; bwctl -n NAME load %s is for where it is now",
		       IFACE(name), IFACE(name));
		say(matter, FINDING_WARN, CHECK_ATTACHED, name, text, "%s",
		    attached ?
			    "it was moved to another network namespace: its programs limit it there, and it is not paced" :
			    "it is gone, and its programs with it");
	} else if (missing >= 0) {
		advise(text, "bwctl load %s", IFACE(name));
		say(matter, FINDING_FAIL, CHECK_ATTACHED, name, text, "%s",
		    !attached ? "nothing is attached: it is not limited" :
		    missing == BWCTL_INGRESS ?
				"nothing is attached to ingress: what comes in is not limited" :
				"nothing is attached to egress: what goes out is not limited");
	} else {
		fine(matter, CHECK_ATTACHED, name, "by %s, ingress and egress",
		     hooks_name(interface));
	}
}

static const struct skeleton_program *find_program(const struct skeleton_trial *trial,
						   const char *name)
{
	for (size_t i = 0; i < trial->count; i++)
		if (!strcmp(trial->programs[i].name, name))
			return &trial->programs[i];
	return NULL;
}

static void check_programs(const struct matter *matter, size_t number)
{
	const struct survey *survey = matter->survey;
	const struct limiter_interface *interface = &survey->report->interfaces[number];
	const struct hooks_seen *seen = survey->hooks[number];
	bool is_known = !survey->trial_err, is_same = true, has_any = false;

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		const struct skeleton_program *own;

		if (!interface->exists || interface->hook[direction] == BWCTL_HOOK_NONE)
			continue;
		has_any = true;
		own = find_program(&survey->trial, seen[direction].ours.name);
		is_known = is_known && seen[direction].is_known;
		is_same = is_same && own &&
			  !memcmp(own->tag, seen[direction].ours.tag, sizeof(own->tag));
	}
	if (!has_any)
		return;
	if (!is_known)
		say(matter, FINDING_WARN, CHECK_PROGRAMS, interface->name,
		    as_root(survey, "run it with CAP_SYS_ADMIN"),
		    "which programs are attached could not be looked at");
	else if (!is_same)
		say(matter, FINDING_WARN, CHECK_PROGRAMS, interface->name, "bwctl load --again",
		    "programs other than those of this bwctl, %s, are attached", BWCTL_VERSION);
	else
		fine(matter, CHECK_PROGRAMS, interface->name, "those of this bwctl");
}

/* ---- who comes before ---- */

static const struct device *device_of(const struct survey *survey,
				      const struct limiter_interface *interface)
{
	return interface->exists ?
		       device_find(survey->devices, survey->device_count, interface->key.ifindex) :
		       NULL;
}

static void check_first(const struct matter *matter, size_t number)
{
	const struct survey *survey = matter->survey;
	const struct limiter_interface *interface = &survey->report->interfaces[number];
	const struct device *device = device_of(survey, interface);
	bool is_first = true, has_any = false;
	char text[LOG_TEXT], advice[LOG_TEXT];

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		enum bwctl_hook hook = interface->hook[direction];
		uint32_t priority = interface->record.priority[direction];
		struct first first;

		if (!interface->exists || hook == BWCTL_HOOK_NONE)
			continue;
		has_any = true;
		first = first_judge(&survey->hooks[number][direction],
				    device ? device->filters[direction] : NULL,
				    device ? device->filter_count[direction] : 0, hook, priority);
		if (first_is_other(&first))
			say(matter, FINDING_WARN, CHECK_FIRST, interface->name,
			    first_advise(&first, interface->name, direction, hook, priority,
					 advice),
			    "%s", first_say(&first, direction, text));
		/* That programs cannot be looked at was said of them. */
		is_first = is_first && first.is_known && !first_is_other(&first);
	}
	if (is_first && has_any)
		fine(matter, CHECK_FIRST, interface->name,
		     "no program or filter runs before, ingress and egress");
}

/* ---- the policy ---- */

static bool has_class_limit(const struct bwctl_policy *policy, enum bwctl_direction direction)
{
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		if (policy_class_limit(policy, class, direction))
			return true;
	return false;
}

static bool has_limit(const struct bwctl_policy *policy, enum bwctl_direction direction)
{
	return policy_limit(policy, direction) || has_class_limit(policy, direction);
}

static void check_limit(const struct matter *matter)
{
	const struct report *report = matter->survey->report;
	const struct bwctl_policy *policy = &report->policy;

	if (!has_limit(policy, BWCTL_INGRESS) && !has_limit(policy, BWCTL_EGRESS)) {
		say(matter, FINDING_WARN, CHECK_LIMIT, NULL, "bwctl set RATE",
		    "none is set: packets are only counted");
		return;
	}
	if (report_observes(report)) {
		say(matter, FINDING_WARN, CHECK_LIMIT, NULL, "bwctl set mode auto",
		    "mode observe: nothing is delayed or dropped");
		return;
	}
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		const char *side = policy_direction_name(direction);
		char rate[UNITS_TEXT], window[UNITS_TEXT];

		if (policy_limit(policy, direction))
			fine(matter, CHECK_LIMIT, side, "%s in any %s",
			     units_format_rate(policy_limit(policy, direction), rate),
			     units_format_time(policy->promise[direction].window_ns, window));
		else if (has_class_limit(policy, direction))
			fine(matter, CHECK_LIMIT, side, "of classes only");
		else
			fine(matter, CHECK_LIMIT, side,
			     "none, only counted: the other one has one");
	}
}

/* Which interface it is that keeps packets of a direction from waiting, or NULL. */
static const struct limiter_interface *hindered(const struct report *report,
						enum bwctl_direction direction)
{
	for (size_t i = 0; i < report->interface_count; i++)
		if (report->interfaces[i].exists && *report->interfaces[i].hindrance[direction])
			return &report->interfaces[i];
	return NULL;
}

static const char *advise_queue(const struct survey *survey, enum bwctl_direction direction,
				char text[LOG_TEXT])
{
	static const char or_police[] = "or be content with bwctl set mode police";
	const struct limiter_interface *interface = hindered(survey->report, direction);
	int holds = interface ? interface->holds[direction] : -EOPNOTSUPP;

	if (holds == -EBUSY && direction == BWCTL_EGRESS)
		return advise(text, "tc qdisc delete dev %s root && bwctl load %s, %s",
			      IFACE(interface->name), IFACE(interface->name), or_police);
	if (holds == -EBUSY)
		return advise(text, "take that away, then bwctl load %s, %s",
			      IFACE(interface->name), or_police);
	if (holds == -ENOENT && can_pace(survey, direction))
		return advise(text, "bwctl load %s puts it there, %s", IFACE(interface->name),
			      or_police);
	return advise(text, "see pacing above, %s", or_police);
}

/* Whether it is the kernel that keeps packets from waiting, which was said already. */
static bool is_said(const struct survey *survey, enum bwctl_direction direction)
{
	const struct limiter_interface *interface = hindered(survey->report, direction);

	return !can_pace(survey, direction) && !survey->machine.tried &&
	       (!interface || interface->holds[direction] != -EBUSY);
}

static void check_queue(const struct matter *matter)
{
	const struct report *report = matter->survey->report;
	char text[LOG_TEXT], why[LOG_TEXT];

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		const struct bwctl_policy *policy = &report->policy;
		const char *side = policy_direction_name(direction);
		enum bwctl_mode mode = report_mode(report, direction, why);

		if (!has_limit(policy, direction))
			continue;
		if (mode == BWCTL_MODE_PACE && !*why)
			fine(matter, CHECK_QUEUE, side, "pace: what is over the limit waits");
		else if (policy->asked.request[direction].mode == BWCTL_MODE_POLICE)
			fine(matter, CHECK_QUEUE, side,
			     "police, as asked for: what is over the limit is dropped");
		else if (mode == BWCTL_MODE_PACE)
			say(matter, FINDING_WARN, CHECK_QUEUE, side,
			    advise_queue(matter->survey, direction, text),
			    "pace, but police from the next set or load on: %s", why);
		else if (is_said(matter->survey, direction))
			fine(matter, CHECK_QUEUE, side, "police, as pacing says");
		else
			say(matter, FINDING_WARN, CHECK_QUEUE, side,
			    advise_queue(matter->survey, direction, text),
			    "police: what is over the limit is dropped at once: %s", why);
	}
}

/* One in so many is felt: TCP takes each loss for a sign to slow down. */
#define CONTENDED_PART	10000
#define CONTENDED_LEAST 10

/* What CPUs that were in each other's way refused, of all. */
struct contention {
	uint64_t refused, all;
};

static struct contention contention(const struct report *report, enum bwctl_direction direction)
{
	const struct counters *counters = &report->counters[direction];

	return (struct contention){
		.refused = counters->now.contended.packets,
		.all = counters->total.passed.packets + counters->total.dropped.packets,
	};
}

static bool is_felt(const struct contention *contention)
{
	return contention->refused >= CONTENDED_LEAST &&
	       contention->refused * CONTENDED_PART >= contention->all;
}

/* The first that is loaded here, or no name. */
static const char *first_name(const struct report *report)
{
	for (size_t i = 0; i < report->interface_count; i++)
		if (report->interfaces[i].exists)
			return report->interfaces[i].name;
	return "";
}

/*
 * Since the limiter was made, and while this looked. What is rare is no matter; nor is what is over,
 * which without an earlier reading nobody can tell.
 */
static void check_contended(const struct matter *matter)
{
	const struct survey *survey = matter->survey;

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		const char *side = policy_direction_name(direction);
		struct contention ever = contention(survey->report, direction), now = ever;
		char refused[UNITS_TEXT], all[UNITS_TEXT], text[LOG_TEXT], more[LOG_TEXT] = "";
		bool has_earlier = false;

		if (survey->earlier) {
			now = contention(survey->earlier, direction);
			/* Else another one was loaded meanwhile. */
			has_earlier = now.refused <= ever.refused && now.all <= ever.all;
		}
		if (!has_earlier)
			now = ever;
		now.refused = ever.refused - now.refused;
		now.all = ever.all - now.all;
		units_format_count(ever.refused, refused);
		units_format_count(ever.all, all);
		if (!ever.refused) {
			fine(matter, CHECK_CONTENDED, side,
			     "no packet was refused because CPUs were in each other's way");
			continue;
		}
		if (!is_felt(&ever) && !is_felt(&now)) {
			fine(matter, CHECK_CONTENDED, side,
			     "%s of %s packets were refused because CPUs were in each other's way: too few to matter",
			     refused, all);
			continue;
		}
		if (has_earlier && !now.refused) {
			fine(matter, CHECK_CONTENDED, side,
			     "%s of %s packets were refused because CPUs were in each other's way since it was loaded, none while this looked",
			     refused, all);
			continue;
		}
		if (now.refused) {
			char newly[UNITS_TEXT];

			snprintf(more, sizeof(more), ", %s of them while this looked",
				 units_format_count(now.refused, newly));
		}
		say(matter, FINDING_WARN, CHECK_CONTENDED, side,
		    advise(text, "%s: ethtool -l %s, ethtool -L %s combined N%s",
			   direction == BWCTL_INGRESS ? "let fewer CPUs take packets in at once" :
							"let fewer CPUs send at once",
			   IFACE(first_name(survey->report)), IFACE(first_name(survey->report)),
			   survey->machine.is_realtime ? ", or boot a kernel without PREEMPT_RT" :
							 ""),
		    "%s of %s packets were refused because CPUs were in each other's way%s",
		    refused, all, more);
	}
}

static void check_exempt(const struct matter *matter)
{
	const struct report *report = matter->survey->report;
	const struct bwctl_asked *asked = &report->policy.asked;
	bool has_any = false;

	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		const char *name = policy_class_name(asked, class);
		char text[LOG_TEXT], in[UNITS_TEXT], out[UNITS_TEXT];

		if (!report_has_class(report, class) || !asked->classes[class].exempt)
			continue;
		has_any = true;
		units_format_size(report->counters[BWCTL_INGRESS].now.classes[class].passed.bytes,
				  in);
		units_format_size(report->counters[BWCTL_EGRESS].now.classes[class].passed.bytes,
				  out);
		say(matter, FINDING_WARN, CHECK_EXEMPT, NULL,
		    advise(text, "bwctl set class %s exempt no", name),
		    "class %s passes unmetered: %s in and %s out so far", name, in, out);
	}
	if (!has_any)
		fine(matter, CHECK_EXEMPT, NULL, "no class passes unmetered");
}

static void check_reserve(const struct matter *matter)
{
	const struct report *report = matter->survey->report;
	const struct bwctl_policy *policy = &report->policy;
	bool is_idle = !policy_limit(policy, BWCTL_INGRESS) && !policy_limit(policy, BWCTL_EGRESS);
	size_t reserves = 0;

	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		const char *name = policy_class_name(&policy->asked, class);
		char text[LOG_TEXT], rate[UNITS_TEXT];

		if (!report_has_class(report, class) ||
		    !policy->asked.classes[class].reserve_bits_s)
			continue;
		reserves++;
		if (!is_idle)
			continue;
		say(matter, FINDING_WARN, CHECK_RESERVE, NULL,
		    advise(text, "bwctl set RATE for all, or bwctl set class %s reserve none",
			   name),
		    "class %s: a reserve of %s has no effect without a limit for all", name,
		    units_format_rate(policy->asked.classes[class].reserve_bits_s, rate));
	}
	if (!reserves)
		fine(matter, CHECK_RESERVE, NULL, "none");
	else if (!is_idle)
		fine(matter, CHECK_RESERVE, NULL, "of %zu class%s, within the limit", reserves,
		     reserves == 1 ? "" : "es");
}

static bool is_loaded_name(const struct report *report, const char *name)
{
	for (size_t i = 0; i < report->interface_count; i++)
		if (!strcmp(report->interfaces[i].name, name))
			return true;
	return false;
}

/* In another network namespace, where its programs go on: loaded there, or moved. */
static bool is_elsewhere(const struct limiter_interface *interface)
{
	return !interface->exists && ((!interface->own && !interface->here) ||
				      interface->hook[BWCTL_INGRESS] != BWCTL_HOOK_NONE ||
				      interface->hook[BWCTL_EGRESS] != BWCTL_HOOK_NONE);
}

/* Whether packets of an interface are looked up in a row: decided by its name when that was last done. */
static bool matches_on(const struct report *report, uint32_t row,
		       const struct limiter_interface *interface)
{
	const struct bwctl_row_set *set = &report->policy.table.slot[interface->record.slot];

	return set->word[row / 64] & 1ULL << row % 64;
}

/* The interface that still matches a flow of its former name, or NULL. */
static const struct limiter_interface *renamed_from(const struct report *report, uint32_t row)
{
	const char *name = report->policy.asked.flows[row].interface;

	for (size_t i = 0; i < report->interface_count && *name; i++) {
		const struct limiter_interface *interface = &report->interfaces[i];

		if (interface->exists && interface->record.slot < BWCTL_SLOTS &&
		    strcmp(interface->name, name) && matches_on(report, row, interface))
			return interface;
	}
	return NULL;
}

/*
 * Any set or load has all flows go by the names of now: one command for all of them that go by a former
 * name, or those that it leaves out match nothing.
 */
static const char *advise_renamed(const struct report *report, char text[LOG_TEXT])
{
	const struct bwctl_asked *asked = &report->policy.asked;
	size_t length = (size_t)snprintf(text, LOG_TEXT, "bwctl set");

	for (uint32_t row = 0; row < asked->flow_count && length < LOG_TEXT; row++) {
		const struct limiter_interface *interface = renamed_from(report, row);

		if (interface)
			length += (size_t)snprintf(text + length, LOG_TEXT - length,
						   " flow %s interface %s", asked->flows[row].name,
						   IFACE(interface->name));
	}
	return length < LOG_TEXT ?
		       text :
		       advise(text,
			      "bwctl show --config >FILE, put the new names in it, bwctl apply FILE");
}

/* The flows that go by the former name of an interface: said of the first, for all of them. */
static void say_renamed(const struct matter *matter, uint32_t row,
			const struct limiter_interface *interface)
{
	const struct report *report = matter->survey->report;
	const struct bwctl_asked *asked = &report->policy.asked;
	const struct bwctl_flow *flow = &asked->flows[row];
	size_t count = 0;
	char text[LOG_TEXT];

	for (uint32_t other = 0; other < asked->flow_count; other++) {
		if (strcmp(asked->flows[other].interface, flow->interface) ||
		    renamed_from(report, other) != interface)
			continue;
		if (other < row)
			return;
		count++;
	}
	advise_renamed(report, text);
	if (count == 1)
		say(matter, FINDING_WARN, CHECK_FLOWS, interface->name, text,
		    "flow %s is of '%s', which is the former name: it matches here still, until the next set or load",
		    flow->name, flow->interface);
	else
		say(matter, FINDING_WARN, CHECK_FLOWS, interface->name, text,
		    "%zu flows are of '%s', which is the former name: they match here still, until the next set or load",
		    count, flow->interface);
}

/* Interfaces that were renamed since. Whether it said something of this row. */
static bool check_renamed(const struct matter *matter, uint32_t row, bool has_former)
{
	const struct report *report = matter->survey->report;
	const struct bwctl_flow *flow = &report->policy.asked.flows[row];
	const struct limiter_interface *former = renamed_from(report, row);
	bool is_said = former;

	if (former)
		say_renamed(matter, row, former);
	for (size_t i = 0; i < report->interface_count; i++) {
		const struct limiter_interface *interface = &report->interfaces[i];
		char text[LOG_TEXT];

		if (!interface->exists || interface->record.slot >= BWCTL_SLOTS ||
		    strcmp(interface->name, flow->interface) || matches_on(report, row, interface))
			continue;
		is_said = true;
		say(matter, FINDING_WARN, CHECK_FLOWS, interface->name,
		    has_former ? advise_renamed(report, text) :
				 advise(text, "bwctl load %s", IFACE(interface->name)),
		    "flow %s is of it, and it had another name before: nothing of it matches the flow yet",
		    flow->name);
	}
	return is_said;
}

/* Whether one of another network namespace matches: its name there may be another than that known here. */
static bool matches_elsewhere(const struct report *report, uint32_t row)
{
	for (size_t i = 0; i < report->interface_count; i++) {
		const struct limiter_interface *interface = &report->interfaces[i];

		if (is_elsewhere(interface) && interface->record.slot < BWCTL_SLOTS &&
		    matches_on(report, row, interface))
			return true;
	}
	return false;
}

static void check_flows(const struct matter *matter)
{
	const struct report *report = matter->survey->report;
	const struct bwctl_asked *asked = &report->policy.asked;
	bool is_idle = false, has_former = false;

	for (uint32_t row = 0; row < asked->flow_count; row++)
		has_former |= !!renamed_from(report, row);
	for (uint32_t row = 0; row < asked->flow_count; row++) {
		const struct bwctl_flow *flow = &asked->flows[row];
		char text[LOG_TEXT];

		if (!*flow->interface)
			continue;
		if (check_renamed(matter, row, has_former)) {
			is_idle = true;
			continue;
		}
		if (matches_elsewhere(report, row) || is_loaded_name(report, flow->interface))
			continue;
		is_idle = true;
		say(matter, FINDING_WARN, CHECK_FLOWS, NULL,
		    advise(text, "bwctl load %s, or bwctl set flow %s interface any",
			   IFACE(flow->interface), flow->name),
		    "flow %s is of '%s', which is not loaded: nothing matches it", flow->name,
		    flow->interface);
	}
	if (!is_idle)
		fine(matter, CHECK_FLOWS, NULL, "%u, none of an interface that is not loaded",
		     asked->flow_count);
}

static void check_runs(const struct matter *matter)
{
	const struct report *report = matter->survey->report;
	const struct bwctl_policy *policy = &report->policy;
	size_t alive = 0, left = 0;

	for (int i = 0; i < BWCTL_RUNS; i++) {
		const struct bwctl_run *run = &policy->runs[i];
		char limits[LOG_TEXT];

		if (!run->id)
			continue;
		if (report->run_is_alive[i]) {
			alive++;
			continue;
		}
		left++;
		if (matter->survey->only_looks) {
			say(matter, FINDING_WARN, CHECK_RUNS, NULL,
			    as_root(matter->survey, "try again when the other command has ended"),
			    "run %llu: whether its bwctl lives cannot be told without the lock",
			    (unsigned long long)run->id);
			continue;
		}
		say(matter, FINDING_WARN, CHECK_RUNS, NULL, "bwctl run --clear",
		    "run %llu, for \"%s\", was left by a bwctl that was killed: %s stays in force",
		    (unsigned long long)run->id, run->command, runs_format(policy, run, limits));
	}
	if (!left)
		fine(matter, CHECK_RUNS, NULL, alive ? "%zu in force" : "none", alive);
}

/* ---- how devices stand on each other ---- */

static bool is_loaded(const struct report *report, const struct device *device)
{
	for (size_t i = 0; i < report->interface_count; i++)
		if (report->interfaces[i].exists &&
		    report->interfaces[i].key.ifindex == device->ifindex)
			return true;
	return false;
}

static bool is_below(const struct survey *survey, const struct device *lower,
		     const struct device *upper)
{
	return device_is_below(survey->devices, survey->device_count, lower, upper);
}

static bool is_bond(const struct device *device)
{
	return !strcmp(device->kind, "bond") || !strcmp(device->kind, "team");
}

static bool is_covered(const struct survey *survey, const struct device *device, size_t steps);

/* Whether it has ports, and what passes any of them passes one that is loaded. */
static bool has_all_ports(const struct survey *survey, const struct device *master, size_t steps)
{
	size_t ports = 0;

	for (size_t i = 0; i < survey->device_count; i++) {
		if (survey->devices[i].master != master->ifindex)
			continue;
		ports++;
		if (!is_covered(survey, &survey->devices[i], steps))
			return false;
	}
	return ports;
}

/* As deep as the kernel lets devices stand on each other, as device_is_below() has it. */
#define STEPS 8

/*
 * Whether all that passes a device passes one that is loaded as well: what it stands on, each of its
 * ports, or the bond that it is a port of. What stands on it has a part of its packets only, and so has
 * a bridge of those of its ports.
 */
static bool is_covered(const struct survey *survey, const struct device *device, size_t steps)
{
	const struct device *lower =
		device_find(survey->devices, survey->device_count, device->below);
	const struct device *master =
		device_find(survey->devices, survey->device_count, device->master);

	if (is_loaded(survey->report, device))
		return true;
	if (!steps)
		return false;
	if (lower && is_covered(survey, lower, steps - 1))
		return true;
	if (master && is_bond(master) && is_loaded(survey->report, master))
		return true;
	return has_all_ports(survey, device, steps - 1);
}

/* What they send, another interface sends. */
static bool is_tunnel(const struct device *device)
{
	static const char *const kinds[] = {
		"wireguard", "ovpn",	  "tun",    "gre",     "gretap", "erspan", "ip6gre",
		"ip6gretap", "ip6erspan", "ipip",   "sit",     "ip6tnl", "vti",	   "vti6",
		"xfrm",	     "vxlan",	  "geneve", "bareudp", "gtp",	 "amt",	   "ppp",
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(device->kind, kinds[i]))
			return true;
	return false;
}

/* Nothing leaves the machine by these. */
static bool leads_nowhere(const struct device *device)
{
	return device->is_loopback || !strcmp(device->kind, "dummy");
}

/* ---- the file, and what happens at boot ---- */

static void check_file(const struct matter *matter, bool is_loaded)
{
	const struct survey *survey = matter->survey;
	const char *name = survey->config;
	char more[64] = "";

	if (survey->file_errors > 1)
		snprintf(more, sizeof(more), ", and %zu more", survey->file_errors - 1);
	if (survey->file == SURVEY_FILE_BROKEN)
		say(matter, FINDING_FAIL, CHECK_FILE, NULL,
		    "mend it; bwctl apply --check says all that is wrong", "%s%s", survey->file_why,
		    more);
	else if (survey->file == SURVEY_FILE_UNKNOWN)
		say(matter, FINDING_WARN, CHECK_FILE, NULL,
		    !strcmp(name, "/dev/null") ? "--config '' is for no file" :
						 as_root(survey, "see that it can be read"),
		    "%s", *survey->file_why ? survey->file_why : "the policy file cannot be read");
	if (!is_loaded || survey->file == SURVEY_FILE_BROKEN || survey->file == SURVEY_FILE_UNKNOWN)
		return;
	if (survey->file == SURVEY_FILE_NONE)
		fine(matter, CHECK_FILE, NULL, "none is wanted");
	else if (survey->is_saved == SAVED_YES && survey->file == SURVEY_FILE_MISSING)
		fine(matter, CHECK_FILE, NULL, "no '%s', and all is default", name);
	else if (survey->is_saved == SAVED_YES)
		fine(matter, CHECK_FILE, NULL, "'%s' says what is in force", name);
	else if (survey->file == SURVEY_FILE_MISSING)
		say(matter, FINDING_WARN, CHECK_FILE, NULL, "bwctl save",
		    "no '%s': after the next boot what is in force is gone", name);
	else if (survey->is_saved == SAVED_NO)
		say(matter, FINDING_WARN, CHECK_FILE, NULL,
		    "bwctl save keeps what is in force, bwctl apply puts the file in force",
		    "'%s' says something other than what is in force", name);
	else
		say(matter, FINDING_WARN, CHECK_FILE, NULL,
		    as_root(survey,
			    "see that it can be read; bwctl show --config is what is in force"),
		    "'%s' could not be compared with what is in force", name);
}

static const struct device *device_named(const struct survey *survey, const char *name)
{
	for (size_t i = 0; i < survey->device_count; i++)
		if (!strcmp(survey->devices[i].name, name))
			return &survey->devices[i];
	return NULL;
}

static void check_interfaces(const struct matter *matter)
{
	const struct survey *survey = matter->survey;
	size_t missing = 0, count = 0;
	char text[LOG_TEXT];

	if (survey->file == SURVEY_FILE_GOOD)
		count = survey->named->interface_count;
	for (size_t i = 0; i < count; i++) {
		const char *name = survey->named->interfaces[i];
		const struct device *device;

		if (is_loaded_name(survey->report, name))
			continue;
		missing++;
		device = device_named(survey, name);
		if (device && is_covered(survey, device, STEPS))
			say(matter, FINDING_WARN, CHECK_INTERFACES, name,
			    "change the names in the file, or load what it names",
			    "the policy file names it, and others that all of its packets pass are loaded");
		else if (device)
			say(matter, FINDING_FAIL, CHECK_INTERFACES, name,
			    advise(text, "bwctl load %s", IFACE(name)),
			    "the policy file names it, and it is not loaded: it is not limited");
		else
			say(matter, FINDING_WARN, CHECK_INTERFACES, name,
			    advise(text, "ip link shows what there is; when %s is: bwctl load %s",
				   IFACE(name), IFACE(name)),
			    "the policy file names it, and it is not there");
	}
	if (count && !missing)
		fine(matter, CHECK_INTERFACES, NULL, "all that the policy file names are loaded");
}

static void check_boot(const struct matter *matter)
{
	switch (matter->survey->unit) {
	case SURVEY_UNIT_NONE:
		break;
	case SURVEY_UNIT_DISABLED:
		say(matter, FINDING_WARN, CHECK_BOOT, NULL, "systemctl enable bwctl",
		    "bwctl.service is not enabled: after the next boot nothing is loaded");
		break;
	case SURVEY_UNIT_MASKED:
		say(matter, FINDING_WARN, CHECK_BOOT, NULL,
		    "systemctl unmask bwctl && systemctl enable bwctl",
		    "bwctl.service is masked: after the next boot nothing is loaded");
		break;
	case SURVEY_UNIT_ENABLED:
		fine(matter, CHECK_BOOT, NULL, "bwctl.service is enabled");
		break;
	}
}

/* ---- devices ---- */

static void check_link(const struct matter *matter, const struct device *device)
{
	char text[LOG_TEXT];

	if (!device->is_up)
		say(matter, FINDING_WARN, CHECK_LINK, device->name,
		    advise(text, "ip link set %s up", IFACE(device->name)),
		    "the interface is down");
	else if (!device->has_carrier)
		say(matter, FINDING_WARN, CHECK_LINK, device->name,
		    "see to the cable, or to what is at its other end", "no carrier");
	else
		fine(matter, CHECK_LINK, device->name, "up");
}

/* A limit is that of all interfaces together. */
static void check_speed(const struct matter *matter)
{
	const struct survey *survey = matter->survey;
	const struct bwctl_policy *policy = &survey->report->policy;
	char text[LOG_TEXT], speed[UNITS_TEXT], limit[UNITS_TEXT];
	uint64_t sum = 0, wanted;
	bool is_known = false;

	for (size_t i = 0; i < survey->report->interface_count; i++) {
		const struct device *device = device_of(survey, &survey->report->interfaces[i]);

		is_known = device && device->speed_bits_s && (is_known || !i);
		sum += device ? device->speed_bits_s : 0;
	}
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		wanted = policy_limit(policy, direction);
		if (!wanted)
			continue;
		if (is_known && sum < wanted)
			say(matter, FINDING_WARN, CHECK_SPEED, policy_direction_name(direction),
			    advise(text, "bwctl set %s RATE, with one below it",
				   policy_direction_name(direction)),
			    "the limit of %s is above what the links carry, %s: they are the limit",
			    units_format_rate(wanted, limit), units_format_rate(sum, speed));
		else if (is_known)
			fine(matter, CHECK_SPEED, policy_direction_name(direction),
			     "the links carry %s", units_format_rate(sum, speed));
		else
			fine(matter, CHECK_SPEED, policy_direction_name(direction),
			     "what the links carry is not known");
	}
}

/* Itself or one that it stands on: what these do comes before the meter, too. */
static const char *place_name(const struct device *device, const struct device *loaded,
			      char text[LOG_TEXT])
{
	return device == loaded ? loaded->name :
				  advise(text, "%s below %s", device->name, loaded->name);
}

static void check_xdp(const struct matter *matter, const struct device *device, const char *about,
		      bool *ret_is_fine)
{
	static const char *const kinds[] = {
		[DEVICE_XDP_NATIVE] = "in the driver",
		[DEVICE_XDP_GENERIC] = "generic",
		[DEVICE_XDP_HARDWARE] = "in the hardware",
	};
	/* Plain "xdp off" leaves those that are not of the kind that the device would take. */
	static const char *const words[] = {
		[DEVICE_XDP_NATIVE] = "xdpdrv",
		[DEVICE_XDP_GENERIC] = "xdpgeneric",
		[DEVICE_XDP_HARDWARE] = "xdpoffload",
	};
	char text[LOG_TEXT];

	if (device->xdp == DEVICE_XDP_NONE)
		return;
	*ret_is_fine = false;
	say(matter, FINDING_WARN, CHECK_XDP, about,
	    advise(text, "if it is not meant to: ip link set dev %s %s off, or end who attached it",
		   IFACE(device->name), words[device->xdp]),
	    "XDP program %u (%s) comes before the meter: what it drops, answers or redirects is not counted",
	    device->xdp_program, kinds[device->xdp]);
}

static void check_lro(const struct matter *matter, const struct device *device, const char *about,
		      bool *ret_is_fine)
{
	/* As virtio-net is where its hypervisor does not let it choose. */
	static const char fixed[] =
		"the device does not let it be turned off (ethtool -k): have its hypervisor offer it without (guest_tso4, guest_tso6), or live with it";
	const struct bwctl_policy *policy = &matter->survey->report->policy;
	char text[LOG_TEXT];

	/* A bond has it only to hand it down. */
	if (device->feature[DEVICE_LRO] && !is_bond(device)) {
		*ret_is_fine = false;
		say(matter, FINDING_WARN, CHECK_LRO, about,
		    device->is_fixed[DEVICE_LRO] ?
			    fixed :
			    advise(text, "ethtool -K %s lro off", IFACE(device->name)),
		    "LRO merges what comes in before it is metered: how many frames it was is guessed");
	} else if (device->feature[DEVICE_GRO_HW] && policy_segments(policy, BWCTL_INGRESS)) {
		*ret_is_fine = false;
		say(matter, FINDING_WARN, CHECK_LRO, about,
		    device->is_fixed[DEVICE_GRO_HW] ?
			    fixed :
			    advise(text, "ethtool -K %s rx-gro-hw off", IFACE(device->name)),
		    "the device merges what comes in (rx-gro-hw) into more than the limit lets pass at once");
	}
}

static void check_offload(const struct matter *matter, const struct device *device,
			  const char *about, bool *ret_is_fine)
{
	char text[LOG_TEXT];

	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++)
		for (size_t i = 0; i < device->filter_count[direction]; i++) {
			const struct device_filter *filter = &device->filters[direction][i];

			if (!filter->in_hardware || device_filter_is_own(filter))
				continue;
			*ret_is_fine = false;
			/* With a filter that is there drivers do not let go of the whole. */
			advise(text, "take it away (tc filter show dev %s %s)%s%s%s",
			       IFACE(device->name), policy_direction_name(direction),
			       device->feature[DEVICE_HW_TC] ? ", then ethtool -K " : "",
			       device->feature[DEVICE_HW_TC] ? IFACE(device->name) : "",
			       device->feature[DEVICE_HW_TC] ? " hw-tc-offload off" : "");
			say(matter, FINDING_FAIL, CHECK_OFFLOAD, about, text,
			    "the device has taken over a %s filter of %s (%s, pref %u): its packets may not be limited",
			    filter->kind, policy_direction_name(direction), "in_hw",
			    filter->priority);
		}
	if (!*ret_is_fine || !device->feature[DEVICE_HW_TC])
		return;
	*ret_is_fine = false;
	say(matter, FINDING_WARN, CHECK_OFFLOAD, about,
	    advise(text, "ethtool -K %s hw-tc-offload off", IFACE(device->name)),
	    "hw-tc-offload is on: filters that the device takes over keep packets from the meter");
}

static void check_flowtable(const struct matter *matter, const struct device *device,
			    const char *about, bool *ret_is_fine)
{
	if (!*device->flowtable)
		return;
	*ret_is_fine = false;
	if (device->flowtable_in_hardware)
		say(matter, FINDING_FAIL, CHECK_FLOWTABLE, about,
		    "take \"flags offload\" out of the flowtable (nft list flowtables)",
		    "the hardware forwards the flows of flowtable '%s': they are not limited",
		    device->flowtable);
	else
		fine(matter, CHECK_FLOWTABLE, about,
		     "flowtable '%s' of nftables is software: it forwards behind the meter on ingress, before it on egress",
		     device->flowtable);
}

typedef void check_device(const struct matter *matter, const struct device *device,
			  const char *about, bool *ret_is_fine);

/* One check of a device and of all that it stands on, and one line if there is nothing to say. */
static void check_with_lower(const struct matter *matter, const struct device *loaded,
			     enum check check, check_device *look, const char *when_fine)
{
	const struct survey *survey = matter->survey;
	bool is_fine = true;
	char text[LOG_TEXT];

	look(matter, loaded, loaded->name, &is_fine);
	for (size_t i = 0; i < survey->device_count; i++)
		if (!is_loaded(survey->report, &survey->devices[i]) &&
		    is_below(survey, &survey->devices[i], loaded))
			look(matter, &survey->devices[i],
			     place_name(&survey->devices[i], loaded, text), &is_fine);
	if (is_fine)
		fine(matter, check, loaded->name, "%s", when_fine);
}

/* Of a bond the ports go: it has all that they have. Of all others what stands above. */
static const struct device *superfluous(const struct device *lower, const struct device *upper)
{
	return is_bond(upper) ? lower : upper;
}

static void check_twice(const struct matter *matter)
{
	const struct survey *survey = matter->survey;
	bool is_fine = true;
	char text[LOG_TEXT];

	for (size_t i = 0; i < survey->device_count; i++) {
		const struct device *upper = &survey->devices[i];

		for (size_t j = 0; j < survey->device_count; j++) {
			const struct device *lower = &survey->devices[j];

			if (i == j || !is_loaded(survey->report, upper) ||
			    !is_loaded(survey->report, lower) || !is_below(survey, lower, upper))
				continue;
			is_fine = false;
			say(matter, FINDING_WARN, CHECK_TWICE, upper->name,
			    advise(text, "bwctl unload %s", IFACE(superfluous(lower, upper)->name)),
			    "it stands on %s, which is loaded too: packets of both are charged twice",
			    lower->name);
		}
	}
	if (is_fine)
		fine(matter, CHECK_TWICE, NULL, "no packet passes two interfaces of a stack");
}

static bool is_named(const struct survey *survey, const char *name)
{
	for (size_t i = 0; i < survey->named->interface_count; i++)
		if (!strcmp(survey->named->interfaces[i], name))
			return true;
	return false;
}

static void check_routes(const struct matter *matter)
{
	const struct survey *survey = matter->survey;
	bool is_chosen = survey->file == SURVEY_FILE_GOOD && survey->named->interface_count;
	bool is_fine = true;
	char text[LOG_TEXT];

	for (size_t i = 0; i < survey->device_count; i++) {
		const struct device *device = &survey->devices[i];

		if (leads_nowhere(device) || !device->is_up ||
		    !(device->has_address || device->is_default_route) ||
		    is_covered(survey, device, STEPS))
			continue;
		/* Said already, or meant. */
		if (is_chosen && is_named(survey, device->name))
			continue;
		is_fine = false;
		if (is_tunnel(device))
			fine(matter, CHECK_ROUTES, device->name,
			     "a tunnel (%s): what it sends leaves by another interface",
			     device->kind);
		else if (is_chosen)
			fine(matter, CHECK_ROUTES, device->name,
			     "not limited, and the policy file does not name it");
		else
			say(matter, FINDING_WARN, CHECK_ROUTES, device->name,
			    advise(text,
				   "bwctl load %s, or name those that are meant in the policy file (bwctl save)",
				   IFACE(device->name)),
			    "%s, and is not loaded: what goes by it is not limited",
			    device->is_default_route ? "it has a default route" :
						       "it has an address");
	}
	if (is_fine)
		fine(matter, CHECK_ROUTES, NULL,
		     "no interface with an address or a default route is left out");
}

static void check_devices(const struct matter *matter)
{
	const struct survey *survey = matter->survey;

	if (survey->devices_err) {
		say(matter, FINDING_WARN, CHECK_LINK, NULL,
		    as_root(survey, is_refused(survey->devices_err) ? "see capabilities above" :
								      "try again"),
		    "%s", survey->devices_why);
		return;
	}
	for (size_t i = 0; i < survey->report->interface_count; i++) {
		const struct device *device = device_of(survey, &survey->report->interfaces[i]);

		if (!device)
			continue;
		check_link(matter, device);
		check_with_lower(matter, device, CHECK_XDP, check_xdp, "no XDP program");
		check_with_lower(matter, device, CHECK_LRO, check_lro,
				 "what is merged is charged as the frames that it was");
		check_with_lower(matter, device, CHECK_OFFLOAD, check_offload,
				 "no filter is in hardware");
		check_with_lower(matter, device, CHECK_FLOWTABLE, check_flowtable,
				 "no flow is forwarded by hardware");
	}
	check_speed(matter);
	check_twice(matter);
	check_routes(matter);
}

void check_survey(const struct survey *survey, struct findings *findings)
{
	const struct matter matter = {.survey = survey, .findings = findings};
	bool loaded;

	check_kernel(&matter);
	check_btf(&matter);
	check_jit(&matter);
	check_realtime(&matter);
	check_capabilities(&matter);
	check_bpffs(&matter);
	check_pacing(&matter);
	loaded = check_loaded(&matter);
	if (loaded) {
		check_pins(&matter);
		for (size_t i = 0; i < survey->report->interface_count; i++) {
			check_attached(&matter, &survey->report->interfaces[i]);
			check_programs(&matter, i);
			check_first(&matter, i);
		}
		check_limit(&matter);
		check_queue(&matter);
		check_contended(&matter);
		check_exempt(&matter);
		check_reserve(&matter);
		check_flows(&matter);
		check_runs(&matter);
	}
	check_file(&matter, loaded);
	if (loaded)
		check_interfaces(&matter);
	check_boot(&matter);
	if (loaded)
		check_devices(&matter);
}
