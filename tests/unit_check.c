/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * user/check.c on machines that are made up: what nobody can bring about on one that is
 * to be had (a kernel from between, CPUs in each other's way), and each decision at its edge.
 * One that is as it should be is all ok; a test changes one thing about it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "policy.h"

#define LIMIT	50000000ULL
#define DEVICES 6

struct made {
	struct survey survey;
	struct report report;
	struct limiter_interface interfaces[3];
	struct hooks_seen hooks[3][BWCTL_DIRECTIONS];
	struct device devices[DEVICES];
	struct policy_file file;
	char names[2][16];
	json_t *found;
};

static struct made *made; /* a policy is too large for the stack */

static void name_device(size_t number, const char *name, const char *kind)
{
	struct device *device = &made->devices[number];

	memset(device, 0, sizeof(*device));
	device->ifindex = (uint32_t)number + 1;
	strcpy(device->name, name);
	strcpy(device->kind, kind);
	device->is_up = device->has_carrier = true;
	device->speed_bits_s = 1000000000;
	if (made->survey.device_count <= number)
		made->survey.device_count = number + 1;
}

static void load(size_t interface, size_t device)
{
	struct limiter_interface *loaded = &made->interfaces[interface];

	loaded->key.ifindex = made->devices[device].ifindex;
	strcpy(loaded->name, made->devices[device].name);
	loaded->own = loaded->here = loaded->exists = true;
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		struct hooks_seen *seen = &made->hooks[interface][direction];

		loaded->hook[direction] = BWCTL_HOOK_TCX;
		seen->is_known = seen->knows_before = true;
		seen->ours.id = 7;
		strcpy(seen->ours.name, made->survey.trial.programs[direction].name);
		memcpy(seen->ours.tag, made->survey.trial.programs[direction].tag, 8);
	}
	if (made->report.interface_count <= interface)
		made->report.interface_count = interface + 1;
}

static int make(void **state)
{
	struct survey *survey;
	char why[LOG_TEXT];

	(void)state;
	made = calloc(1, sizeof(*made));
	survey = &made->survey;
	survey->machine = (struct machine){.release = "6.12.1-test",
					   .major = 6,
					   .minor = 12,
					   .has_btf = true,
					   .is_root = true};
	for (int right = 0; right < MACHINE_RIGHTS; right++)
		survey->machine.may[right] = true;
	survey->trial.count = 2;
	survey->trial.can_hold = true;
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		struct skeleton_program *program = &survey->trial.programs[direction];

		strcpy(program->name, direction ? "bwctl_eth_out" : "bwctl_eth_in");
		memset(program->tag, direction + 1, sizeof(program->tag));
		program->is_compiled = true;
	}
	survey->pin_dir = "/sys/fs/bpf/bwctl";
	survey->bpffs = 1;
	survey->has_pin_dir = true;
	survey->pin_mode = 040700;
	survey->report = &made->report;
	survey->hooks = made->hooks;
	survey->devices = made->devices;
	survey->config = "/etc/bwctl.conf";
	survey->file = SURVEY_FILE_GOOD;
	survey->is_saved = SAVED_YES;
	survey->named = &made->file;
	made->file.interfaces = made->names;
	made->report.interfaces = made->interfaces;
	policy_default(&made->report.policy.asked);
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		made->report.policy.asked.request[direction].limit_bits_s = LIMIT;
		made->report.policy.enforcement[direction].mode = BWCTL_MODE_PACE;
	}
	made->report.policy.possible_cpus = 2;
	name_device(0, "lo", "");
	made->devices[0].is_loopback = true;
	name_device(1, "eth0", "");
	load(0, 1);
	return policy_build(&made->report.policy, true, why);
}

static int unmake(void **state)
{
	(void)state;
	json_decref(made->found);
	free(made);
	return 0;
}

/* What there is to find, and the worst of it. */
static enum finding_level look(void)
{
	struct findings *findings = findings_new();
	enum finding_level worst;

	assert_non_null(findings);
	check_survey(&made->survey, findings);
	json_decref(made->found);
	made->found = findings_json(findings);
	assert_non_null(made->found);
	worst = findings_worst(findings);
	findings_free(findings);
	return worst;
}

static bool contains(const json_t *finding, const char *member, const char *part)
{
	const char *text = json_string_value(json_object_get(finding, member));

	return part ? text && strstr(text, part) : !text;
}

/* Whether there is one like that; about and advice NULL: it has none. */
static void assert_found(const char *check, const char *level, const char *about, const char *text,
			 const char *advice)
{
	json_t *finding;
	size_t i;

	json_array_foreach(json_object_get(made->found, "findings"), i, finding)
		if (contains(finding, "check", check) && contains(finding, "level", level) &&
		    contains(finding, "about", about) && contains(finding, "text", text) &&
		    contains(finding, "advice", advice))
			return;
	json_dumpf(made->found, stderr, JSON_INDENT(2));
	fail_msg("no %s %s: %s -> %s", level, check, text, advice ? advice : "");
}

/* How many are not ok, each of which says what to do. */
static size_t complaints(void)
{
	size_t i, count = 0;
	json_t *finding;

	json_array_foreach(json_object_get(made->found, "findings"), i, finding) {
		bool is_ok = contains(finding, "level", "ok");

		assert_int_equal(is_ok, contains(finding, "advice", NULL));
		count += !is_ok;
	}
	return count;
}

/* How many lines there are of it. */
static size_t lines_of(const char *check)
{
	size_t i, count = 0;
	json_t *finding;

	json_array_foreach(json_object_get(made->found, "findings"), i, finding)
		count += !strcmp(json_string_value(json_object_get(finding, "check")), check);
	return count;
}

/* Looks, and this is the only one that is not ok. */
static void assert_only(const char *check, const char *level, const char *about, const char *text,
			const char *advice)
{
	look();
	assert_found(check, level, about, text, advice);
	assert_int_equal(complaints(), 1);
}

static void test_healthy(void **state)
{
	(void)state;
	assert_int_equal(look(), FINDING_OK);
	assert_int_equal(complaints(), 0);
	assert_true(json_array_size(json_object_get(made->found, "findings")) > 20);
	assert_found("limit", "ok", "egress", "50 Mbit/s in any 1 s", NULL);
}

static void test_kernel(void **state)
{
	struct machine *machine = &made->survey.machine;

	(void)state;
	machine->major = 5;
	machine->minor = 12;
	assert_int_equal(look(), FINDING_OK);
	machine->minor = 11;
	assert_int_equal(look(), FINDING_FAIL);
	assert_only("kernel", "fail", NULL, "5.12 or newer is needed", "5.12 or newer");
	machine->minor = 15;
	made->survey.trial_err = -EINVAL;
	strcpy(made->survey.trial_why, "cannot load the BPF programs: Invalid argument");
	assert_int_equal(look(), FINDING_FAIL);
	assert_found("kernel", "fail", NULL, "Invalid argument", "bwctl -vv check");
}

static void test_jit(void **state)
{
	(void)state;
	made->survey.trial.programs[1].is_compiled = false;
	assert_only("jit", "warn", NULL, "interpreted", "bpf_jit_enable=1");
	made->survey.trial.programs[1].is_compiled = true;
	made->survey.machine.is_interpreted = true;
	assert_only("jit", "warn", NULL, "interpreted", "bpf_jit_enable=1");
}

static void test_pacing(void **state)
{
	struct machine *machine = &made->survey.machine;
	struct bwctl_request *request = made->report.policy.asked.request;

	(void)state;
	machine->part[MACHINE_IFB] = -ENOENT;
	assert_only("pacing", "warn", NULL, "this kernel has no IFB", "module ifb");
	machine->part[MACHINE_IFB] = -ENOMEM;
	assert_only("pacing", "warn", NULL, "IFB does not work here (Cannot allocate memory)",
		    "module ifb");
	machine->part[MACHINE_IFB] = 0;
	machine->part[MACHINE_MIRRED] = -ENOENT;
	assert_only("pacing", "warn", NULL, "no mirred", "act_mirred");
	/* Nobody wants any. */
	request[BWCTL_INGRESS].mode = request[BWCTL_EGRESS].mode = BWCTL_MODE_POLICE;
	assert_int_equal(look(), FINDING_OK);
	request[BWCTL_INGRESS].mode = BWCTL_MODE_AUTO;
	assert_int_equal(look(), FINDING_WARN);
	machine->part[MACHINE_MIRRED] = 0;
	made->survey.trial.watch_err = -EINVAL;
	assert_only("pacing", "warn", NULL, "does not tell when a qdisc is taken away", "BTF");
	made->survey.trial.watch_err = 0;
	made->survey.trial.can_hold = false;
	assert_only("pacing", "warn", "ingress", "no time of departure", "5.18");
	machine->tried = -ETIMEDOUT;
	assert_only("pacing", "warn", NULL, "was not tried", "CAP_SYS_ADMIN");
}

static void test_bpffs(void **state)
{
	(void)state;
	made->survey.bpffs = 0;
	assert_int_equal(look(), FINDING_OK);
	made->survey.machine.may[MACHINE_SYS_ADMIN] = false;
	assert_only("bpffs", "fail", NULL, "may not mount it", "mount -t bpf");
	made->survey.machine.is_root = false;
	assert_int_equal(look(), FINDING_WARN);
}

static void test_report(void **state)
{
	(void)state;
	made->survey.report = NULL;
	made->survey.report_err = -EPROTO;
	strcpy(made->survey.report_why, "made by a bwctl with other maps");
	assert_only("pins", "fail", NULL, "other maps",
		    "bwctl unload && bwctl load IFACE && bwctl set RATE: in between nothing");
	strcpy(made->names[0], "eth0");
	made->file.interface_count = 1;
	assert_only("pins", "fail", NULL, "other maps",
		    "bwctl unload && bwctl load --all: in between nothing");
	made->survey.report_err = -EIO;
	assert_only("pins", "fail", NULL, "other maps",
		    "if it stays: bwctl unload && bwctl load --all");
	made->file.interface_count = 0;
	made->survey.report_err = -ENODATA;
	assert_only("pins", "fail", NULL, "other maps", "repairs it");
	made->survey.report_err = -EACCES;
	assert_only("loaded", "warn", NULL, "cannot be looked at", "see capabilities");
	made->survey.machine.is_root = false;
	assert_only("loaded", "warn", NULL, "cannot be looked at", "as root");
}

static void test_pins(void **state)
{
	(void)state;
	made->survey.pin_mode = 042710;
	assert_int_equal(look(), FINDING_OK);
	made->survey.pin_mode = 040710;
	assert_only("pins", "warn", NULL, "can look into", "chmod 0700");
	made->survey.pin_mode = 042750;
	assert_only("pins", "warn", NULL, "mode 2750", "chmod 0700");
	made->survey.pin_mode = 042730;
	assert_only("pins", "fail", NULL, "can take the limit off", "chmod 0700");
	made->survey.pin_mode = 040700;
	made->survey.pin_owner = 1000;
	assert_only("pins", "fail", NULL, "can take the limit off", "chown root");
}

static void test_programs(void **state)
{
	(void)state;
	made->hooks[0][BWCTL_EGRESS].ours.tag[7] ^= 1;
	assert_only("programs", "warn", "eth0", "other than those", "bwctl load --again");
	made->hooks[0][BWCTL_EGRESS].ours.tag[7] ^= 1;
	/* The same instructions under another name are another program. */
	strcpy(made->hooks[0][BWCTL_EGRESS].ours.name, "bwctl_ip_out");
	assert_only("programs", "warn", "eth0", "other than those", "bwctl load --again");
	made->hooks[0][BWCTL_EGRESS].is_known = false;
	assert_only("programs", "warn", "eth0", "could not be looked at", "CAP_SYS_ADMIN");
}

static void test_first(void **state)
{
	struct device *device = &made->devices[1];

	(void)state;
	device->filter_count[BWCTL_INGRESS] = 1;
	strcpy(device->filters[BWCTL_INGRESS][0].kind, "flower");
	device->filters[BWCTL_INGRESS][0].priority = 2;
	/* tcx comes before all filters. */
	assert_int_equal(look(), FINDING_OK);
	made->interfaces[0].hook[BWCTL_INGRESS] = BWCTL_HOOK_CLSACT;
	made->interfaces[0].record.priority[BWCTL_INGRESS] = 2;
	assert_int_equal(look(), FINDING_OK);
	made->interfaces[0].record.priority[BWCTL_INGRESS] = 3;
	assert_only("first", "warn", "eth0",
		    "on ingress a filter of somebody else, flower with pref 2",
		    "tc filter show dev eth0 ingress");
	made->hooks[0][BWCTL_INGRESS].before = 1;
	assert_only("first", "warn", "eth0", "a program of somebody else, without a name",
		    "go before it: bwctl load --hook tcx eth0");
	made->interfaces[0].hook[BWCTL_INGRESS] = BWCTL_HOOK_TCX;
	assert_only("first", "warn", "eth0", "a program of somebody else, without a name",
		    "bwctl load --hook clsact eth0 && bwctl load --hook tcx eth0");
	/* Names of others do not move a cursor. */
	strcpy(made->hooks[0][BWCTL_INGRESS].first.name, "\033[2Jx");
	assert_only("first", "warn", "eth0", "somebody else, ?[2Jx (id 0)", "tcx eth0");
	/* Who cannot look does not say that all is well. */
	made->hooks[0][BWCTL_INGRESS].before = 0;
	look();
	assert_found("first", "ok", "eth0", "no program or filter runs before", NULL);
	made->hooks[0][BWCTL_INGRESS].knows_before = false;
	look();
	assert_int_equal(lines_of("first"), 0);
}

/* What is to be typed is safe to be typed. */
static void test_names(void **state)
{
	static const struct {
		const char *name, *typed;
	} rows[] = {
		{"eth0.5", "ip link set eth0.5 up"},	 {"a;reboot", "ip link set 'a;reboot' up"},
		{"$(id)", "ip link set '$(id)' up"},	 {"it's", "ip link set 'it'\\''s' up"},
		{"-r", "ip link set IFACE up"},		 {"a\033b", "ip link set IFACE up"},
		{"\303\274ber", "ip link set IFACE up"},
	};

	(void)state;
	made->devices[1].is_up = false;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		strcpy(made->devices[1].name, rows[i].name);
		strcpy(made->interfaces[0].name, rows[i].name);
		look();
		assert_found("link", "warn", "", "down", rows[i].typed);
	}
	made->devices[1].is_up = true;
	made->survey.pin_dir = "/sys/fs/bpf/a b";
	made->survey.pin_mode = 040777;
	assert_only("pins", "fail", NULL, "can take the limit off",
		    "chown root '/sys/fs/bpf/a b' && chmod 0700 '/sys/fs/bpf/a b'");
}

static void test_queue(void **state)
{
	struct bwctl_enforcement *enforcement = &made->report.policy.enforcement[BWCTL_EGRESS];
	struct limiter_interface *interface = &made->interfaces[0];

	(void)state;
	enforcement->mode = BWCTL_MODE_POLICE;
	strcpy(enforcement->why, "'eth0' has a root qdisc of its own, cake");
	interface->holds[BWCTL_EGRESS] = -EBUSY;
	strcpy(interface->hindrance[BWCTL_EGRESS], enforcement->why);
	assert_only("queue", "warn", "egress", "cake", "tc qdisc delete dev eth0 root");
	interface->holds[BWCTL_EGRESS] = -ENOENT;
	assert_only("queue", "warn", "egress", "cake", "bwctl load eth0 puts it there");
	made->report.policy.asked.request[BWCTL_EGRESS].mode = BWCTL_MODE_POLICE;
	assert_int_equal(look(), FINDING_OK);
	made->report.policy.asked.request[BWCTL_EGRESS].mode = BWCTL_MODE_AUTO;
	made->survey.machine.part[MACHINE_FQ] = -ENOENT;
	/* The reason is in one line, not in three. */
	assert_only("pacing", "warn", NULL, "this kernel has no fq", "sch_fq");
	assert_found("queue", "ok", "egress", "police, as pacing says", NULL);
	interface->holds[BWCTL_EGRESS] = -EBUSY;
	look();
	assert_found("queue", "warn", "egress", "cake", "tc qdisc delete");
}

static void test_contended(void **state)
{
	struct counters *counters = &made->report.counters[BWCTL_INGRESS];
	struct report *earlier = calloc(1, sizeof(*earlier));

	(void)state;
	assert_non_null(earlier);
	assert_int_equal(look(), FINDING_OK);
	assert_found("contended", "ok", "ingress", "no packet", NULL);
	counters->total.passed.packets = 80001;
	counters->total.dropped.packets = 19999;
	counters->now.contended.packets = 9;
	assert_int_equal(look(), FINDING_OK);
	assert_found("contended", "ok", "ingress", "9 of 100 000 packets", NULL);
	assert_found("contended", "ok", "egress", "no packet", NULL);
	counters->now.contended.packets = 10;
	assert_only("contended", "warn", "ingress",
		    "10 of 100 000 packets were refused because CPUs were in each other's way",
		    "ethtool -l eth0, ethtool -L eth0 combined N");
	assert_found("contended", "warn", "ingress", "way", "fewer CPUs take packets in");
	/* It is over. */
	made->survey.earlier = earlier;
	*earlier = made->report;
	assert_int_equal(look(), FINDING_OK);
	assert_found(
		"contended", "ok", "ingress",
		"10 of 100 000 packets were refused because CPUs were in each other's way since it was loaded, none while this looked",
		NULL);
	earlier->counters[BWCTL_INGRESS].now.contended.packets = 9;
	assert_only("contended", "warn", "ingress", "way, 1 of them while this looked", "eth0");
	made->survey.earlier = NULL;
	/* What is not here has no name here. */
	made->interfaces[0].exists = false;
	look();
	assert_found("contended", "warn", "ingress", "way", "ethtool -L IFACE combined N");
	made->interfaces[0].exists = true;
	counters->total.passed.packets = 80002;
	assert_int_equal(look(), FINDING_OK);
	assert_found("contended", "ok", "ingress", "too few to matter", NULL);
	/* Few of all, and many of those of now. */
	counters->total.passed.packets = 5000000;
	counters->now.contended.packets = 110;
	made->survey.earlier = earlier;
	*earlier = made->report;
	assert_int_equal(look(), FINDING_OK);
	earlier->counters[BWCTL_INGRESS].now.contended.packets = 100;
	earlier->counters[BWCTL_INGRESS].total.passed.packets = 4900000;
	assert_only("contended", "warn", "ingress", "110 of 5 019 999", "ethtool -l eth0");
	assert_found("contended", "warn", "ingress", "way, 10 of them while this looked", "eth0");
	earlier->counters[BWCTL_INGRESS].now.contended.packets = 101;
	assert_int_equal(look(), FINDING_OK);
	/* Another limiter, meanwhile. */
	earlier->counters[BWCTL_INGRESS].total.passed.packets = 6000000;
	earlier->counters[BWCTL_INGRESS].now.contended.packets = 0;
	assert_int_equal(look(), FINDING_OK);
	made->survey.machine.is_realtime = true;
	counters->now.contended.packets = 5000;
	look();
	assert_found("contended", "warn", "ingress", "5 000 of", "without PREEMPT_RT");
	/* The other direction has its own. */
	made->survey.machine.is_realtime = false;
	counters->now.contended.packets = 0;
	made->report.counters[BWCTL_EGRESS].now.contended.packets = 10;
	assert_only("contended", "warn", "egress", "10 of 0 packets", "fewer CPUs send");
	made->survey.earlier = NULL;
	free(earlier);
}

static void test_realtime(void **state)
{
	(void)state;
	made->survey.machine.is_realtime = true;
	assert_only("preempt-rt", "warn", NULL, "do not lease", "see that contended below");
	memset(&made->report.policy, 0, sizeof(made->report.policy));
	made->report.interface_count = 0;
	look();
	assert_found("preempt-rt", "warn", NULL, "do not lease", "once something is loaded");
}

/* A flow of a name, and the interface of a number that its row matches now; -1: none. */
static void add_flow(const char *name, const char *interface, int slot)
{
	struct bwctl_policy *policy = &made->report.policy;
	uint32_t row = policy->asked.flow_count++;

	strcpy(policy->asked.flows[row].name, name);
	strcpy(policy->asked.flows[row].interface, interface);
	if (slot >= 0)
		policy->table.slot[slot].word[row / 64] |= 1ULL << row % 64;
}

/* The advice is one command for all that go by former names, whatever interface they are of. */
static void test_renamed(void **state)
{
	static const char command[] =
		"bwctl set flow a interface eth0 flow b interface eth0 flow c interface eth1";
	struct bwctl_policy *policy = &made->report.policy;

	(void)state;
	policy->asked.flow_count = 0;
	memset(policy->table.slot, 0, sizeof(policy->table.slot));
	name_device(2, "eth1", "");
	load(1, 2);
	made->interfaces[1].record.slot = 1;
	add_flow("a", "old0", 0);
	assert_only("flows", "warn", "eth0",
		    "flow a is of 'old0', which is the former name: it matches here still",
		    "bwctl set flow a interface eth0");
	add_flow("b", "old0", 0);
	add_flow("c", "old1", 1);
	add_flow("d", "eth1", 1);
	look();
	assert_int_equal(complaints(), 2);
	assert_found("flows", "warn", "eth0", "2 flows are of 'old0'", command);
	assert_found("flows", "warn", "eth1", "flow c is of 'old1'", command);
	/* Whatever would have them go by the names of now. */
	add_flow("e", "eth0", -1);
	look();
	assert_int_equal(complaints(), 3);
	assert_found("flows", "warn", "eth0", "flow e is of it", command);
	for (int i = 0; i < 20; i++)
		add_flow("many", "old0", 0);
	look();
	assert_int_equal(complaints(), 3);
	assert_found("flows", "warn", "eth0", "22 flows are of 'old0'", "bwctl apply FILE");
}

/* Which names interfaces of other network namespaces have is known there. */
static void test_elsewhere(void **state)
{
	struct bwctl_policy *policy = &made->report.policy;
	struct limiter_interface *other = &made->interfaces[1];

	(void)state;
	policy->asked.flow_count = 0;
	memset(policy->table.slot, 0, sizeof(policy->table.slot));
	made->report.interface_count = 2;
	strcpy(other->name, "old9");
	other->record.slot = 1;
	add_flow("a", "wan9", 1);
	assert_int_equal(look(), FINDING_OK);
	add_flow("b", "wan8", -1);
	assert_only("flows", "warn", NULL, "flow b is of 'wan8', which is not loaded",
		    "bwctl load wan8");
	/* One that is gone has no packets. */
	other->here = true;
	look();
	assert_found("flows", "warn", NULL, "flow a is of 'wan9', which is not loaded",
		     "bwctl load wan9");
}

static void test_lro(void **state)
{
	struct device *device = &made->devices[1];
	struct bwctl_policy *policy = &made->report.policy;
	char why[LOG_TEXT];

	(void)state;
	device->feature[DEVICE_LRO] = true;
	assert_only("lro", "warn", "eth0", "LRO merges", "ethtool -K eth0 lro off");
	device->is_fixed[DEVICE_LRO] = true;
	assert_only("lro", "warn", "eth0", "LRO merges", "have its hypervisor offer it without");
	device->is_fixed[DEVICE_LRO] = false;
	/* A bond has it for its ports. */
	strcpy(device->kind, "bond");
	assert_int_equal(look(), FINDING_OK);
	name_device(2, "eth1", "");
	made->devices[2].master = device->ifindex;
	made->devices[2].feature[DEVICE_LRO] = true;
	assert_only("lro", "warn", "eth1 below eth0", "LRO merges", "ethtool -K eth1 lro off");
	made->devices[2].feature[DEVICE_LRO] = false;
	/* Of the other kind nothing is lost, unless the limit is such that packets are kept small. */
	device->feature[DEVICE_GRO_HW] = true;
	made->devices[1].speed_bits_s = 100000000000;
	policy->asked.request[BWCTL_INGRESS].limit_bits_s = 10000000000;
	assert_int_equal(policy_build(policy, true, why), 0);
	assert_int_equal(policy_segments(policy, BWCTL_INGRESS), 0);
	assert_int_equal(look(), FINDING_OK);
	policy->asked.request[BWCTL_INGRESS].limit_bits_s = 1000000;
	assert_int_equal(policy_build(policy, true, why), 0);
	assert_true(policy_segments(policy, BWCTL_INGRESS) > 0);
	assert_only("lro", "warn", "eth0", "rx-gro-hw", "ethtool -K eth0 rx-gro-hw off");
	device->is_fixed[DEVICE_GRO_HW] = true;
	assert_only("lro", "warn", "eth0", "rx-gro-hw", "have its hypervisor offer it without");
}

static void test_offload(void **state)
{
	struct device *device = &made->devices[1];
	struct device_filter *filter = &device->filters[BWCTL_INGRESS][0];

	(void)state;
	device->feature[DEVICE_HW_TC] = true;
	assert_only("offload", "warn", "eth0", "hw-tc-offload is on",
		    "ethtool -K eth0 hw-tc-offload off");
	device->filter_count[BWCTL_INGRESS] = 1;
	strcpy(filter->kind, "flower");
	filter->priority = 49152;
	assert_only("offload", "warn", "eth0", "hw-tc-offload is on",
		    "ethtool -K eth0 hw-tc-offload off");
	filter->in_hardware = true;
	assert_only(
		"offload", "fail", "eth0", "taken over a flower filter of ingress",
		"take it away (tc filter show dev eth0 ingress), then ethtool -K eth0 hw-tc-offload off");
	device->feature[DEVICE_HW_TC] = false;
	assert_only("offload", "fail", "eth0", "pref 49152", "tc filter show dev eth0");
	/* That of bwctl is in the kernel too, and another kind is not its. */
	filter->handle = HOOKS_CLSACT_HANDLE;
	assert_only("offload", "fail", "eth0", "pref 49152", "tc filter show dev eth0");
	strcpy(filter->kind, "bpf");
	assert_int_equal(look(), FINDING_OK);
	filter->handle++;
	assert_only("offload", "fail", "eth0", "a bpf filter", "tc filter show dev eth0");
}

static void test_flowtable(void **state)
{
	struct device *device = &made->devices[1];

	(void)state;
	strcpy(device->flowtable, "fast");
	assert_int_equal(look(), FINDING_OK);
	assert_found("flowtable", "ok", "eth0", "'fast' of nftables is software", NULL);
	device->flowtable_in_hardware = true;
	assert_only("flowtable", "fail", "eth0", "hardware forwards the flows", "flags offload");
}

static void test_xdp(void **state)
{
	static const char *const names[] = {NULL, "in the driver", "generic", "in the hardware"};
	static const char *const advice[] = {NULL, "eth0 xdpdrv off", "eth0 xdpgeneric off",
					     "eth0 xdpoffload off"};

	(void)state;
	for (int kind = DEVICE_XDP_NATIVE; kind <= DEVICE_XDP_HARDWARE; kind++) {
		made->devices[1].xdp = kind;
		made->devices[1].xdp_program = 33;
		assert_only("xdp", "warn", "eth0", names[kind], advice[kind]);
	}
}

static void test_speed(void **state)
{
	struct device *device = &made->devices[1];

	(void)state;
	device->speed_bits_s = LIMIT;
	assert_int_equal(look(), FINDING_OK);
	device->speed_bits_s = LIMIT - 1;
	look();
	assert_int_equal(complaints(), 2);
	assert_found("speed", "warn", "ingress", "is above what the links carry",
		     "bwctl set ingress");
	device->speed_bits_s = 0;
	assert_int_equal(look(), FINDING_OK);
	assert_found("speed", "ok", "egress", "is not known", NULL);
	/* Two carry it; but what one of them does is not known. */
	device->speed_bits_s = LIMIT / 2;
	name_device(2, "eth1", "");
	load(1, 2);
	made->devices[2].speed_bits_s = LIMIT / 2;
	assert_int_equal(look(), FINDING_OK);
	made->devices[2].speed_bits_s = 0;
	assert_int_equal(look(), FINDING_OK);
}

static void test_link(void **state)
{
	(void)state;
	made->devices[1].has_carrier = false;
	assert_only("link", "warn", "eth0", "no carrier", "cable");
	made->devices[1].is_up = false;
	assert_only("link", "warn", "eth0", "down", "ip link set eth0 up");
	made->survey.devices_err = -EPERM;
	strcpy(made->survey.devices_why, "cannot look at the interfaces: Operation not permitted");
	assert_only("link", "warn", NULL, "cannot look", "see capabilities");
	made->survey.devices_err = -EINTR;
	assert_only("link", "warn", NULL, "cannot look", "try again");
	made->survey.machine.is_root = false;
	assert_only("link", "warn", NULL, "cannot look", "as root");
}

/* eth0 in bond0, and on that bond0.5: each pair of them. */
static void test_twice(void **state)
{
	(void)state;
	name_device(2, "bond0", "bond");
	name_device(3, "bond0.5", "vlan");
	name_device(4, "eth9", "");
	made->devices[1].master = made->devices[2].ifindex;
	made->devices[3].below = made->devices[2].ifindex;
	assert_int_equal(look(), FINDING_OK);
	load(1, 3);
	assert_only("twice", "warn", "bond0.5", "it stands on eth0", "bwctl unload bond0.5");
	load(2, 2);
	look();
	assert_int_equal(complaints(), 3);
	assert_found("twice", "warn", "bond0", "it stands on eth0", "bwctl unload eth0");
	assert_found("twice", "warn", "bond0.5", "it stands on bond0", "bwctl unload bond0.5");
	/* Two that stand on the same are none above the other. */
	made->devices[1].master = 0;
	made->devices[2].below = made->devices[3].below = made->devices[4].ifindex;
	strcpy(made->devices[2].kind, "macvlan");
	assert_int_equal(look(), FINDING_OK);
}

static void test_routes(void **state)
{
	struct device *other;

	(void)state;
	name_device(2, "eth1", "");
	other = &made->devices[2];
	assert_int_equal(look(), FINDING_OK);
	other->has_address = true;
	assert_only("routes", "warn", "eth1", "it has an address", "bwctl load eth1");
	other->is_default_route = true;
	assert_only("routes", "warn", "eth1", "it has a default route", "bwctl load eth1");
	other->is_up = false;
	assert_int_equal(look(), FINDING_OK);
	other->is_up = true;
	/* The file says which are meant, and then this one is not. */
	strcpy(made->names[0], "eth0");
	made->file.interface_count = 1;
	assert_int_equal(look(), FINDING_OK);
	assert_found("routes", "ok", "eth1", "does not name it", NULL);
	made->file.interface_count = 0;
	/* It stands on one that is loaded, or is a part of it. */
	other->below = made->devices[1].ifindex;
	assert_int_equal(look(), FINDING_OK);
	other->below = 0;
	other->master = made->devices[1].ifindex;
	strcpy(made->devices[1].kind, "bond");
	assert_int_equal(look(), FINDING_OK);
	/* What a bridge has is not all that its ports have. */
	strcpy(made->devices[1].kind, "bridge");
	assert_only("routes", "warn", "eth1", "it has a default route", "bwctl load eth1");
	strcpy(made->devices[1].kind, "");
	/* And what stands on it has a part only. */
	other->master = 0;
	made->devices[1].below = other->ifindex;
	assert_only("routes", "warn", "eth1", "it has a default route", "bwctl load eth1");
	made->devices[1].below = 0;
	/* A bond, of whose ports one is not loaded. */
	other->master = 0;
	strcpy(other->kind, "bond");
	made->devices[1].master = other->ifindex;
	assert_int_equal(look(), FINDING_OK);
	name_device(3, "eth2", "");
	made->devices[3].master = other->ifindex;
	assert_only("routes", "warn", "eth1", "it has a default route", "bwctl load eth1");
	strcpy(other->kind, "bridge");
	assert_only("routes", "warn", "eth1", "it has a default route", "bwctl load eth1");
	/* That one stands on another, and that is loaded. */
	made->devices[3].below = made->devices[1].ifindex;
	assert_int_equal(look(), FINDING_OK);
	/* A bridge without any port. */
	made->devices[1].master = made->devices[3].master = 0;
	assert_only("routes", "warn", "eth1", "it has a default route", "bwctl load eth1");
}

/* No limit is missing on what sends by others, or nowhere. */
static void test_tunnels(void **state)
{
	static const char *const kinds[] = {"wireguard", "tun",	  "gre",   "ipip",
					    "sit",	 "vxlan", "geneve"};
	struct device *other;

	(void)state;
	name_device(2, "t0", "");
	other = &made->devices[2];
	other->has_address = other->is_default_route = true;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		strcpy(other->kind, kinds[i]);
		assert_int_equal(look(), FINDING_OK);
		assert_found("routes", "ok", "t0", kinds[i], NULL);
	}
	strcpy(other->kind, "dummy");
	assert_int_equal(look(), FINDING_OK);
	assert_found("routes", "ok", NULL, "no interface", NULL);
	strcpy(other->kind, "vlan");
	assert_only("routes", "warn", "t0", "it has a default route", "bwctl load t0");
}

/* eth0, and eth0.5 on it. */
static void test_interfaces(void **state)
{
	(void)state;
	name_device(2, "eth0.5", "vlan");
	made->devices[2].below = made->devices[1].ifindex;
	made->file.interface_count = 1;
	strcpy(made->names[0], "eth0.5");
	assert_only("interfaces", "warn", "eth0.5", "all of its packets pass", "change the names");
	strcpy(made->names[0], "eth0");
	assert_int_equal(look(), FINDING_OK);
	load(0, 2);
	assert_only("interfaces", "fail", "eth0", "it is not limited", "bwctl load eth0");
}

static void test_runs(void **state)
{
	struct bwctl_run *run = &made->report.policy.runs[3];

	(void)state;
	run->id = 9;
	run->limit_bits_s[BWCTL_EGRESS] = 1000000;
	strcpy(run->command, "tar");
	made->report.run_is_alive[3] = true;
	assert_int_equal(look(), FINDING_OK);
	made->report.run_is_alive[3] = false;
	assert_only("runs", "warn", NULL, "run 9, for \"tar\", was left", "bwctl run --clear");
	/* Without the lock nobody is said to be alive, and who is is not to be cleared away. */
	made->survey.only_looks = true;
	assert_only("runs", "warn", NULL, "cannot be told", "when the other command has ended");
	made->survey.machine.is_root = false;
	assert_only("runs", "warn", NULL, "cannot be told", "as root");
}

static void test_boot(void **state)
{
	(void)state;
	made->survey.unit = SURVEY_UNIT_ENABLED;
	assert_int_equal(look(), FINDING_OK);
	made->survey.unit = SURVEY_UNIT_DISABLED;
	assert_only("boot", "warn", NULL, "not enabled", "systemctl enable bwctl");
	made->survey.unit = SURVEY_UNIT_MASKED;
	assert_only("boot", "warn", NULL, "masked", "systemctl unmask bwctl");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_healthy, make, unmake),
		cmocka_unit_test_setup_teardown(test_kernel, make, unmake),
		cmocka_unit_test_setup_teardown(test_jit, make, unmake),
		cmocka_unit_test_setup_teardown(test_pacing, make, unmake),
		cmocka_unit_test_setup_teardown(test_bpffs, make, unmake),
		cmocka_unit_test_setup_teardown(test_report, make, unmake),
		cmocka_unit_test_setup_teardown(test_pins, make, unmake),
		cmocka_unit_test_setup_teardown(test_programs, make, unmake),
		cmocka_unit_test_setup_teardown(test_first, make, unmake),
		cmocka_unit_test_setup_teardown(test_names, make, unmake),
		cmocka_unit_test_setup_teardown(test_queue, make, unmake),
		cmocka_unit_test_setup_teardown(test_contended, make, unmake),
		cmocka_unit_test_setup_teardown(test_realtime, make, unmake),
		cmocka_unit_test_setup_teardown(test_renamed, make, unmake),
		cmocka_unit_test_setup_teardown(test_elsewhere, make, unmake),
		cmocka_unit_test_setup_teardown(test_lro, make, unmake),
		cmocka_unit_test_setup_teardown(test_offload, make, unmake),
		cmocka_unit_test_setup_teardown(test_flowtable, make, unmake),
		cmocka_unit_test_setup_teardown(test_xdp, make, unmake),
		cmocka_unit_test_setup_teardown(test_speed, make, unmake),
		cmocka_unit_test_setup_teardown(test_link, make, unmake),
		cmocka_unit_test_setup_teardown(test_twice, make, unmake),
		cmocka_unit_test_setup_teardown(test_routes, make, unmake),
		cmocka_unit_test_setup_teardown(test_tunnels, make, unmake),
		cmocka_unit_test_setup_teardown(test_interfaces, make, unmake),
		cmocka_unit_test_setup_teardown(test_runs, make, unmake),
		cmocka_unit_test_setup_teardown(test_boot, make, unmake),
	};

	return cmocka_run_group_tests_name("user/check.c", tests, NULL, NULL);
}
