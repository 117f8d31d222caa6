/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * user/queue.c on real devices, each test in a network namespace of its own. What
 * an administrator sees of a device (tc, ip) is compared as text, before and
 * after. What needs fq is skipped on a kernel without it; that such a kernel is
 * left as it was is tried only there. On one with fq, the default qdisc of the
 * whole machine is another for the time of a test or two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queue.h"

#define MS	 1000000ULL
#define OUR_IFB	 1000000007
#define OTHERS	 0x1234
#define DEFAULTS 16 /* size of the name of a default qdisc */

static bool has_fq;
static int default_qdisc = -1; /* the sysctl: one for all namespaces, shown in the first one only */
static char default_before[DEFAULTS];

/* cmocka's own skip() is "not ok" in TAP, up to its version 1.1.5. */
static bool skipped(const char *why)
{
	print_message("# skipped: %s\n", why);
	return true;
}

static bool skipped_without_fq(void)
{
	return !has_fq && skipped("this kernel has no fq");
}

static int run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	return system(command);
}

#define RUN(...) assert_int_equal(run(__VA_ARGS__), 0)

static unsigned int add(const char *name, const char *what)
{
	RUN("ip link add name %s %s && ip link set %s up", name, what, name);
	return if_nametoindex(name);
}

/*
 * What an administrator sees of a device, but for its carrier, which comes and
 * goes in its own time. To be freed.
 */
static char *seen(const char *name)
{
	char command[256], *text = calloc(1, 65536);
	FILE *pipe;

	snprintf(command, sizeof(command),
		 "tc qdisc show dev %s; tc filter show dev %s ingress; ip -d link show dev %s | "
		 "sed 's/NO-CARRIER,//; s/,LOWER_UP//; s/ state [A-Z]*//'",
		 name, name, name);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_true(fread(text, 1, 65535, pipe) > 0);
	assert_int_equal(pclose(pipe), 0);
	return text;
}

static void assert_seen(const char *name, char *before)
{
	char *after = seen(name);

	assert_string_equal(before, after);
	free(after);
	free(before);
}

static void assert_root(unsigned int ifindex, int root, const char *kind)
{
	char got[QUEUE_KIND];

	assert_int_equal(queue_root_look(ifindex, 100 * MS, got), root);
	assert_string_equal(got, kind);
}

static bool default_is(const char *kind)
{
	char text[DEFAULTS] = "";

	if (default_qdisc >= 0 && pread(default_qdisc, text, sizeof(text) - 1, 0) > 0)
		text[strcspn(text, "\n")] = '\0';
	return !strcmp(text, kind);
}

/* Left as it is where it is right already. */
static bool default_becomes(const char *kind)
{
	return default_is(kind) ||
	       (default_qdisc >= 0 && pwrite(default_qdisc, kind, strlen(kind), 0) > 0 &&
		default_is(kind));
}

/* Why nothing can be tried, or NULL. */
static const char *prepare(void)
{
	if (geteuid())
		return "only root may make namespaces";
	default_qdisc = open("/proc/sys/net/core/default_qdisc", O_RDWR | O_CLOEXEC);
	if (default_qdisc >= 0 &&
	    pread(default_qdisc, default_before, sizeof(default_before) - 1, 0) < 0)
		return "the default qdisc cannot be read";
	default_before[strcspn(default_before, "\n")] = '\0';
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return "no namespaces here";
	has_fq = !run("tc qdisc add dev lo root fq 2>/dev/null");
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET);
}

static int teardown(void **state)
{
	(void)state;
	return default_qdisc < 0 || default_becomes(default_before) ? 0 : -1;
}

/* the module: first, while no other test has loaded it */

static void test_ifb_module(void **state)
{
	bool before = !access("/sys/class/net/ifb0", F_OK);

	(void)state;
	assert_int_equal(queue_ifb_create("bwctl%d", OUR_IFB, 1), has_fq ? 0 : -ENOENT);
	assert_int_equal(!access("/sys/class/net/ifb0", F_OK), before);
	assert_int_equal(run("ip link show dev ifb0 2>/dev/null >&2") != 0, 1);
}

/* roots */

/* Ours and back, on a device whose default is kind. */
static void there_and_back(const char *name, unsigned int ifindex, const char *kind,
			   const char *ours)
{
	char *before = seen(name);

	assert_root(ifindex, QUEUE_ROOT_DEFAULT, kind);
	assert_int_equal(queue_root_restore(ifindex), 0);
	if (has_fq) {
		assert_int_equal(queue_root_replace(ifindex), 0);
		assert_root(ifindex, QUEUE_ROOT_OURS, ours);
		assert_int_equal(queue_root_replace(ifindex), 0);
		assert_root(ifindex, QUEUE_ROOT_OURS, ours);
		assert_int_equal(queue_root_restore(ifindex), 0);
	} else {
		assert_int_equal(queue_root_replace(ifindex), -ENOENT);
	}
	assert_root(ifindex, QUEUE_ROOT_DEFAULT, kind);
	assert_seen(name, before);
}

static void test_noqueue(void **state)
{
	(void)state;
	there_and_back("v0", add("v0", "type veth peer name v1"), "noqueue", "fq");
	there_and_back("m0", add("m0", "numtxqueues 4 numrxqueues 4 type veth peer name m1"),
		       "noqueue", "fq");
	RUN("ip link set lo up");
	there_and_back("lo", if_nametoindex("lo"), "noqueue", "fq");
}

static void test_pfifo_fast(void **state)
{
	(void)state;
	if (!default_becomes("pfifo_fast")) {
		skipped("the default qdisc cannot be changed");
		return;
	}
	there_and_back("q1", add("q1", "type ifb"), "pfifo_fast", "fq");
	there_and_back("q4", add("q4", "numtxqueues 4 type ifb"), "mq", "mq");
}

static void test_fq_codel(void **state)
{
	(void)state;
	if (skipped_without_fq())
		return;
	if (!default_becomes("fq_codel")) {
		skipped("the default qdisc cannot be changed");
		return;
	}
	there_and_back("q1", add("q1", "type ifb"), "fq_codel", "fq");
	there_and_back("q4", add("q4", "numtxqueues 4 type ifb"), "mq", "mq");
}

/* One of its 256 queues is in use. */
static void test_few_of_many_queues(void **state)
{
	unsigned int ifindex;

	(void)state;
	if (run("modprobe -q tun 2>/dev/null; "
		"ip tuntap add name t0 mode tap multi_queue && ip link set t0 up")) {
		skipped("this kernel has no tun");
		return;
	}
	ifindex = if_nametoindex("t0");
	there_and_back("t0", ifindex, "mq", "mq");
	if (!has_fq)
		return;
	assert_int_equal(queue_root_replace(ifindex), 0);
	assert_int_equal(
		run("test $(tc qdisc show dev t0 | grep -c '^qdisc fq .* parent 6277:') = 256"), 0);
	RUN("tc qdisc del dev t0 parent 6277:100");
	assert_root(ifindex, QUEUE_ROOT_BROKEN, "mq");
}

static void test_down(void **state)
{
	static const struct {
		const char *name, *what, *kind;
	} devices[] = {
		{"v0", "numtxqueues 1 type veth peer name v1", "fq"},
		{"q1", "type ifb", "fq"},
		{"q4", "numtxqueues 4 type ifb", "mq"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		const char *name = devices[i].name;
		unsigned int ifindex;
		char *before;

		RUN("ip link add name %s %s", name, devices[i].what);
		ifindex = if_nametoindex(name);
		before = seen(name);
		assert_root(ifindex, QUEUE_ROOT_DEFAULT, "");
		assert_int_equal(queue_root_replace(ifindex), has_fq ? 0 : -ENOENT);
		if (has_fq) {
			RUN("ip link set %s up", name);
			assert_root(ifindex, QUEUE_ROOT_OURS, devices[i].kind);
			RUN("ip link set %s down", name);
			assert_root(ifindex, QUEUE_ROOT_OURS, devices[i].kind);
		}
		assert_int_equal(queue_root_restore(ifindex), 0);
		assert_root(ifindex, QUEUE_ROOT_DEFAULT, "");
		assert_seen(name, before);
	}
}

/* qdisc_create() takes a tx_queue_len of 0 for a mistake. */
static void test_length(void **state)
{
	unsigned int ifindex;
	struct queue_sizes sizes;
	char *before;

	(void)state;
	ifindex = add("v0", "txqueuelen 0 type veth peer name v1");
	before = seen("v0");
	assert_int_equal(queue_sizes_read(ifindex, &sizes), 0);
	assert_int_equal(sizes.tx_queue_len, 0);
	assert_int_equal(queue_root_replace(ifindex), has_fq ? 0 : -ENOENT);
	assert_int_equal(queue_sizes_read(ifindex, &sizes), 0);
	assert_int_equal(sizes.tx_queue_len, has_fq ? 1000 : 0);
	assert_int_equal(queue_root_restore(ifindex), 0);
	assert_int_equal(queue_length_write(ifindex, 0), 0);
	assert_int_equal(queue_length_write(ifindex, 0), 0);
	assert_seen("v0", before);
	assert_int_equal(queue_length_write(ifindex, 77), 0);
	assert_int_equal(queue_sizes_read(ifindex, &sizes), 0);
	assert_int_equal(sizes.tx_queue_len, 77);
}

/* What tc makes of a root, and that nothing here touches it. */
static void others(const char *name, const char *commands, int root, const char *kind)
{
	unsigned int ifindex = if_nametoindex(name);
	char *before;

	RUN("%s", commands);
	before = seen(name);
	assert_root(ifindex, root, kind);
	assert_int_equal(queue_root_replace(ifindex), -EBUSY);
	assert_int_equal(queue_root_restore(ifindex), 0);
	assert_root(ifindex, root, kind);
	assert_seen(name, before);
	RUN("tc qdisc del dev %s root", name);
}

static void test_foreign(void **state)
{
	(void)state;
	add("v0", "type veth peer name v1");
	add("q4", "numtxqueues 4 type ifb");
	others("v0", "tc qdisc add dev v0 root handle 1: htb default 10", QUEUE_ROOT_FOREIGN,
	       "htb");
	others("v0", "tc qdisc add dev v0 root handle 6277: htb", QUEUE_ROOT_FOREIGN, "htb");
	others("v0", "tc qdisc add dev v0 root tbf rate 1mbit burst 9k latency 1s",
	       QUEUE_ROOT_FOREIGN, "tbf");
	others("v0", "tc qdisc add dev v0 root pfifo", QUEUE_ROOT_FOREIGN, "pfifo");
	others("q4", "tc qdisc add dev q4 root handle 1: mq", QUEUE_ROOT_FOREIGN, "mq");
	others("q4",
	       "tc qdisc add dev q4 root handle 1: mq && tc qdisc add dev q4 parent 1:2 pfifo",
	       QUEUE_ROOT_FOREIGN, "mq");
	RUN("tc qdisc add dev v0 clsact");
	assert_root(if_nametoindex("v0"), QUEUE_ROOT_DEFAULT, "noqueue");
	RUN("tc qdisc del dev v0 clsact && tc qdisc add dev v0 ingress");
	assert_root(if_nametoindex("v0"), QUEUE_ROOT_DEFAULT, "noqueue");
}

static void test_others_fq(void **state)
{
	static const char every[] = "tc qdisc add dev q4 root handle 1: mq && for i in 1 2 3 4; do "
				    "tc qdisc add dev q4 parent 1:$i fq || exit; done";
	char kind[QUEUE_KIND], command[256];
	unsigned int ifindex;

	(void)state;
	if (skipped_without_fq())
		return;
	ifindex = add("v0", "type veth peer name v1");
	add("q4", "numtxqueues 4 type ifb");
	others("v0", "tc qdisc add dev v0 root fq", QUEUE_ROOT_FQ_PACES, "fq");
	others("v0", "tc qdisc add dev v0 root fq nopacing", QUEUE_ROOT_FQ, "fq");
	others("v0", "tc qdisc add dev v0 root fq horizon 100ms", QUEUE_ROOT_FQ_PACES, "fq");
	others("v0",
	       "tc qdisc add dev v0 root handle 1: htb default 1 && "
	       "tc class add dev v0 parent 1: classid 1:1 htb rate 1mbit && "
	       "tc qdisc add dev v0 parent 1:1 fq",
	       QUEUE_ROOT_FOREIGN, "htb");
	others("q4", every, QUEUE_ROOT_FQ_PACES, "mq");
	snprintf(command, sizeof(command), "%s && tc qdisc del dev q4 parent 1:2", every);
	others("q4", command, QUEUE_ROOT_FOREIGN, "mq");
	snprintf(command, sizeof(command), "%s && tc qdisc change dev q4 parent 1:2 fq horizon 9ms",
		 every);
	others("q4", command, QUEUE_ROOT_FOREIGN, "mq");

	RUN("tc qdisc add dev v0 root fq horizon 50ms");
	assert_int_equal(queue_root_look(ifindex, 50 * MS, kind), QUEUE_ROOT_FQ_PACES);
	assert_int_equal(queue_root_look(ifindex, 50 * MS + 1, kind), QUEUE_ROOT_FOREIGN);
	assert_string_equal(kind, "fq");
}

static void test_default_fq(void **state)
{
	static const char *const names[] = {"q1", "q4"};

	(void)state;
	if (skipped_without_fq())
		return;
	if (!default_becomes("fq")) {
		skipped("the default qdisc cannot be changed");
		return;
	}
	add("q1", "type ifb");
	add("q4", "numtxqueues 4 type ifb");
	for (size_t i = 0; i < 2; i++) {
		char *before = seen(names[i]);
		unsigned int ifindex = if_nametoindex(names[i]);

		assert_root(ifindex, QUEUE_ROOT_DEFAULT, i ? "mq" : "fq");
		assert_int_equal(queue_root_replace(ifindex), 0);
		assert_root(ifindex, QUEUE_ROOT_OURS, i ? "mq" : "fq");
		assert_int_equal(queue_root_restore(ifindex), 0);
		assert_seen(names[i], before);
	}
	/* an IFB of ours is ours even so */
	assert_int_equal(queue_ifb_create("bwctl%d", OUR_IFB, 2), 0);
	assert_int_equal(queue_ifb_look(OUR_IFB), 1);
}

static void test_broken(void **state)
{
	static const struct {
		const char *name, *command;
	} harms[] = {
		{"v0", "tc qdisc change dev v0 root handle 6277: fq limit 10"},
		{"v0", "tc qdisc change dev v0 root handle 6277: fq flow_limit 10"},
		{"v0", "tc qdisc change dev v0 root handle 6277: fq horizon 1ms"},
		{"q4", "tc qdisc del dev q4 parent 6277:1"},
		{"q4", "tc qdisc del dev q4 parent 6277:4"},
		{"q4", "for i in 1 2 3 4; do tc qdisc del dev q4 parent 6277:$i || exit; done"},
		{"q4", "tc qdisc replace dev q4 parent 6277:2 pfifo limit 9"},
		{"q4", "tc qdisc replace dev q4 parent 6277:2 handle 7: fq"},
		{"q4", "tc qdisc change dev q4 parent 6277:3 fq horizon 1ms"},
	};
	char *before[2];

	(void)state;
	if (skipped_without_fq())
		return;
	add("v0", "type veth peer name v1");
	add("q4", "numtxqueues 4 type ifb");
	before[0] = seen("v0");
	before[1] = seen("q4");
	for (size_t i = 0; i < sizeof(harms) / sizeof(harms[0]); i++) {
		const char *kind = harms[i].name[0] == 'q' ? "mq" : "fq";
		unsigned int ifindex = if_nametoindex(harms[i].name);

		assert_int_equal(queue_root_replace(ifindex), 0);
		RUN("%s", harms[i].command);
		assert_root(ifindex, QUEUE_ROOT_BROKEN, kind);
		assert_int_equal(queue_root_replace(ifindex), 0);
		assert_root(ifindex, QUEUE_ROOT_OURS, kind);
		RUN("%s", harms[i].command);
		assert_int_equal(queue_root_restore(ifindex), 0);
		assert_root(ifindex, QUEUE_ROOT_DEFAULT, i < 3 ? "noqueue" : "mq");
	}
	assert_seen("v0", before[0]);
	assert_seen("q4", before[1]);
}

static void test_gone(void **state)
{
	struct queue_sizes sizes = {.gso_max_size = 9000};
	char text[QUEUE_WHAT];

	(void)state;
	for (unsigned int ifindex = 0; ifindex <= 4711; ifindex += 4711) {
		assert_int_equal(queue_root_look(ifindex, 0, text), -ENODEV);
		assert_int_equal(queue_root_replace(ifindex), -ENODEV);
		assert_int_equal(queue_root_restore(ifindex), 0);
		assert_int_equal(queue_sizes_write(ifindex, &sizes), -ENODEV);
		assert_int_equal(queue_sizes_read(ifindex, &sizes), -ENODEV);
		assert_int_equal(queue_length_write(ifindex, 1), -ENODEV);
		assert_int_equal(queue_ifb_look(ifindex), -ENODEV);
		assert_int_equal(queue_ifb_remove(ifindex), 0);
		assert_int_equal(queue_rx_queues(ifindex), -ENODEV);
		assert_int_equal(queue_ingress_neighbour(ifindex, 1, text), -ENODEV);
	}
}

/* sizes */

static void assert_sizes(unsigned int ifindex, const struct queue_sizes *sizes)
{
	struct queue_sizes got;

	assert_int_equal(queue_sizes_read(ifindex, &got), 0);
	assert_int_equal(got.tx_queue_len, sizes->tx_queue_len);
	assert_int_equal(got.gso_max_size, sizes->gso_max_size);
	assert_int_equal(got.gso_max_segs, sizes->gso_max_segs);
	assert_int_equal(got.gro_max_size, sizes->gro_max_size);
	assert_int_equal(got.gso_ipv4_max_size, sizes->gso_ipv4_max_size);
	assert_int_equal(got.gro_ipv4_max_size, sizes->gro_ipv4_max_size);
}

static void test_sizes(void **state)
{
	struct queue_sizes first, wanted, expected;
	unsigned int ifindex;
	char *before;

	(void)state;
	ifindex = add("v0", "type veth peer name v1");
	before = seen("v0");
	assert_int_equal(queue_sizes_read(ifindex, &first), 0);
	assert_int_equal(first.gso_max_size, 65536);
	assert_int_equal(first.gso_max_segs, 65535);
	print_message("# this kernel: gso %u, %u segments, gro %u, ipv4 %u %u\n",
		      first.gso_max_size, first.gso_max_segs, first.gro_max_size,
		      first.gso_ipv4_max_size, first.gro_ipv4_max_size);
	assert_int_equal(queue_sizes_write(ifindex, &first), 0);
	wanted = (struct queue_sizes){0};
	assert_int_equal(queue_sizes_write(ifindex, &wanted), 0);
	assert_sizes(ifindex, &first);

	/* a companion follows where nothing is asked of it; the queue's length is not looked at */
	wanted = (struct queue_sizes){.tx_queue_len = 5, .gso_max_size = 8000};
	expected = first;
	expected.gso_max_size = 8000;
	if (first.gso_ipv4_max_size)
		expected.gso_ipv4_max_size = 8000;
	assert_int_equal(queue_sizes_write(ifindex, &wanted), 0);
	assert_sizes(ifindex, &expected);

	/* and stays where it is asked to stay */
	assert_int_equal(queue_sizes_write(ifindex, &first), 0);
	assert_sizes(ifindex, &first);
	expected = first;
	expected.gso_max_size = 9000;
	if (first.gro_max_size)
		expected.gro_max_size = 10000;
	expected.gso_max_segs = 6;
	assert_int_equal(queue_sizes_write(ifindex, &expected), 0);
	assert_sizes(ifindex, &expected);

	if (first.gso_ipv4_max_size) {
		expected.gso_ipv4_max_size = 7000;
		expected.gro_ipv4_max_size = 7001;
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(queue_sizes_write(ifindex, &expected), 0);
		assert_sizes(ifindex, &expected);
	}
	assert_int_equal(queue_sizes_write(ifindex, &first), 0);
	assert_sizes(ifindex, &first);
	assert_seen("v0", before);

	wanted = (struct queue_sizes){.gso_max_segs = 70000};
	assert_int_equal(queue_sizes_write(ifindex, &wanted), -EINVAL);
	assert_sizes(ifindex, &first);
}

/* IFB */

static void test_ifb(void **state)
{
	(void)state;
	if (skipped_without_fq())
		return;
	RUN("ip link set lo up");
	for (uint32_t queues = 1; queues <= 4; queues += 3) {
		struct queue_sizes sizes;

		assert_int_equal(queue_ifb_look(OUR_IFB), -ENODEV);
		assert_int_equal(queue_ifb_create("bwctl%d", OUR_IFB, queues), 0);
		assert_int_equal(if_nametoindex("bwctl0"), OUR_IFB);
		assert_int_equal(queue_ifb_look(OUR_IFB), 1);
		assert_int_equal(queue_rx_queues(OUR_IFB), queues);
		assert_root(OUR_IFB, QUEUE_ROOT_OURS, queues > 1 ? "mq" : "fq");
		assert_int_equal(queue_sizes_read(OUR_IFB, &sizes), 0);
		assert_int_equal(sizes.tx_queue_len, 1000);
		RUN("test ! -e /proc/net/if_inet6 || "
		    "ip -d link show dev bwctl0 | grep -q 'addrgenmode none'");
		RUN("sleep 0.3; test -z \"$(ip -6 address show dev bwctl0)\"");

		assert_int_equal(queue_ifb_create("bwctl%d", OUR_IFB, queues), -EEXIST);
		assert_int_equal(queue_ifb_look(OUR_IFB), 1);
		RUN("ip link set bwctl0 down");
		assert_int_equal(queue_ifb_look(OUR_IFB), 0);
		RUN("ip link set bwctl0 up");
		assert_int_equal(queue_ifb_look(OUR_IFB), 1);
		RUN("tc qdisc del dev bwctl0 root");
		assert_int_equal(queue_ifb_look(OUR_IFB), 0);
		assert_int_equal(queue_root_replace(OUR_IFB), default_is("fq") ? -EBUSY : 0);
		assert_int_equal(queue_ifb_remove(OUR_IFB), 0);
		assert_int_equal(queue_ifb_remove(OUR_IFB), 0);
		assert_int_equal(if_nametoindex("bwctl0"), 0);
	}
}

static void test_ifb_refused(void **state)
{
	unsigned int ifindex;
	char *before;

	(void)state;
	ifindex = add("v0", "type veth peer name v1");
	before = seen("v0");
	assert_int_equal(queue_ifb_create("bwctl%d", ifindex, 1), -EEXIST);
	assert_int_equal(queue_ifb_look(ifindex), 0);
	assert_int_equal(queue_ifb_remove(ifindex), -EBUSY);
	assert_int_equal(queue_ifb_create("v0", OUR_IFB, 1), -EEXIST);
	assert_int_equal(queue_ifb_create("bwctl%d", OUR_IFB, 0), -EINVAL);
	assert_int_equal(queue_ifb_create("bwctl%d", OUR_IFB, 5000), -EINVAL);
	assert_int_equal(queue_ifb_create("bwctl%d", 0, 1), -EINVAL);
	assert_int_equal(queue_ifb_create("longerthananameis", OUR_IFB, 1), -EINVAL);
	if (!has_fq) {
		assert_int_equal(queue_ifb_create("bwctl%d", OUR_IFB, 1), -ENOENT);
		assert_int_equal(queue_ifb_create("bwctl%d", OUR_IFB, 3), -ENOENT);
	}
	assert_int_equal(queue_ifb_look(OUR_IFB), -ENODEV);
	assert_seen("v0", before);
}

/* The same index in two namespaces, and names that are taken. */
static void test_ifb_namespaces(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (skipped_without_fq())
		return;
	RUN("ip link add bwctl0 type veth peer name bwctl2");
	assert_int_equal(queue_ifb_create("bwctl%d", OUR_IFB, 1), 0);
	assert_int_equal(if_nametoindex("bwctl1"), OUR_IFB);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(unshare(CLONE_NEWNET) || queue_ifb_create("bwctl%d", OUR_IFB, 2) ||
		      queue_ifb_look(OUR_IFB) != 1 || if_nametoindex("bwctl0") != OUR_IFB);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(queue_ifb_look(OUR_IFB), 1);
}

static void test_rx_queues(void **state)
{
	(void)state;
	assert_int_equal(queue_rx_queues(add("v0", "numrxqueues 1 type veth peer name v1")), 1);
	assert_int_equal(
		queue_rx_queues(add("m0", "numrxqueues 3 numtxqueues 4 type veth peer name m1")),
		3);
}

/* what others have on ingress */

static void assert_neighbour(unsigned int ifindex, const char *what)
{
	char got[QUEUE_WHAT];

	assert_int_equal(queue_ingress_neighbour(ifindex, QUEUE_HANDLE, got), *what != '\0');
	assert_string_equal(got, what);
}

/* A program that returns a number. */
static int program(enum bpf_prog_type type, int answer)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = answer},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(type, "queue", "GPL", code, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void attach(unsigned int ifindex, enum bpf_tc_attach_point side, uint32_t handle)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = side);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = handle, .priority = 1);

	options.prog_fd = program(BPF_PROG_TYPE_SCHED_CLS, -1);
	assert_int_equal(bpf_tc_attach(&hook, &options), 0);
	close(options.prog_fd);
}

static void test_filters(void **state)
{
	unsigned int ifindex;

	(void)state;
	ifindex = add("v0", "type veth peer name v1");
	assert_neighbour(ifindex, "");
	setenv("FILTER", "protocol all u32 match u32 0 0 classid 1:1", 1);
	RUN("tc qdisc add dev v0 clsact");
	assert_neighbour(ifindex, "");
	attach(ifindex, BPF_TC_INGRESS, QUEUE_HANDLE);
	attach(ifindex, BPF_TC_EGRESS, OTHERS);
	assert_neighbour(ifindex, "");
	attach(ifindex, BPF_TC_INGRESS, OTHERS);
	assert_neighbour(ifindex, "a tc filter");
	RUN("tc filter del dev v0 ingress && tc filter add dev v0 egress $FILTER");
	assert_neighbour(ifindex, "");
	RUN("tc filter add dev v0 ingress chain 5 $FILTER");
	assert_neighbour(ifindex, "a tc filter");
	RUN("tc qdisc del dev v0 clsact && tc qdisc add dev v0 ingress");
	assert_neighbour(ifindex, "");
	RUN("tc filter add dev v0 ingress $FILTER");
	assert_neighbour(ifindex, "a tc filter");
	RUN("tc qdisc del dev v0 ingress && tc qdisc add dev v0 ingress_block 7 clsact");
	assert_neighbour(ifindex, "");
	RUN("tc filter add block 7 $FILTER");
	assert_neighbour(ifindex, "a tc filter");
}

/* The filter that leads elsewhere: put there, put there again, led elsewhere, looked for, removed. */
static void test_lead(void **state)
{
	unsigned int ifindex, one, other;
	char *before;
	int fd, err;

	(void)state;
	ifindex = add("v0", "type veth peer name v1");
	one = add("v2", "type veth peer name v3");
	other = if_nametoindex("v3");
	fd = program(BPF_PROG_TYPE_SCHED_CLS, 0);
	assert_int_equal(queue_lead_write(ifindex, 9, QUEUE_HANDLE, fd, one),
			 -EINVAL); /* no clsact */
	assert_int_equal(queue_lead_look(ifindex, 9, QUEUE_HANDLE, one), 0);
	assert_int_equal(queue_lead_remove(ifindex, 9, QUEUE_HANDLE), 0);
	RUN("tc qdisc add dev v0 clsact");
	before = seen("v0");
	err = queue_lead_write(ifindex, 9, QUEUE_HANDLE, fd, one);
	if (err == -ENOENT) {
		assert_seen("v0", before);
		skipped("this kernel has no mirred");
		close(fd);
		return;
	}
	assert_int_equal(err, 0);
	RUN("test \"$(tc filter show dev v0 ingress | grep -c 'mirred (Egress Redirect to device v2) stolen')\" = 1");
	assert_int_equal(queue_lead_write(ifindex, 9, QUEUE_HANDLE, fd, one), 0);
	assert_int_equal(queue_lead_look(ifindex, 9, QUEUE_HANDLE, one), 1);
	assert_int_equal(queue_lead_look(ifindex, 9, QUEUE_HANDLE, other), 0);
	assert_int_equal(queue_lead_look(ifindex, 8, QUEUE_HANDLE, one), 0);
	assert_int_equal(queue_lead_look(ifindex, 9, OTHERS, one), 0);
	assert_neighbour(ifindex, "");
	assert_int_equal(queue_lead_write(ifindex, 9, QUEUE_HANDLE, fd, other), 0);
	assert_int_equal(queue_lead_look(ifindex, 9, QUEUE_HANDLE, other), 1);
	assert_int_equal(queue_lead_remove(ifindex, 8, QUEUE_HANDLE), 0);
	assert_int_equal(queue_lead_look(ifindex, 9, QUEUE_HANDLE, other), 1);
	/* What it leads to goes: it leads nowhere, and is seen to. */
	RUN("ip link delete v2");
	assert_int_equal(queue_lead_look(ifindex, 9, QUEUE_HANDLE, other), 0);
	assert_int_equal(queue_lead_remove(ifindex, 9, QUEUE_HANDLE), 0);
	assert_seen("v0", before);
	RUN("ip link delete v0");
	assert_int_equal(queue_lead_remove(ifindex, 9, QUEUE_HANDLE), 0);
	close(fd);
}

static void test_xdp(void **state)
{
	unsigned int ifindex;
	int fd;

	(void)state;
	ifindex = add("v0", "type veth peer name v1");
	fd = program(BPF_PROG_TYPE_XDP, XDP_PASS);
	assert_int_equal(bpf_xdp_attach((int)ifindex, fd, XDP_FLAGS_SKB_MODE, NULL), 0);
	assert_neighbour(ifindex, "a generic XDP program");
	assert_int_equal(bpf_xdp_attach((int)ifindex, -1, XDP_FLAGS_SKB_MODE, NULL), 0);
	assert_neighbour(ifindex, "");
	assert_int_equal(bpf_xdp_attach((int)ifindex, fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	assert_neighbour(ifindex, "");
	close(fd);
}

/* Without a request that loads it, nf_tables stays unloaded. */
static void test_nft_not_loaded(void **state)
{
	bool before = !access("/sys/module/nf_tables", F_OK);
	unsigned int ifindex;

	(void)state;
	if (before || access("/proc/modules", F_OK)) {
		skipped("nf_tables is here already");
		return;
	}
	ifindex = add("v0", "type veth peer name v1");
	assert_neighbour(ifindex, "");
	assert_int_equal(!access("/sys/module/nf_tables", F_OK), before);
}

static struct nlmsghdr *nft_message(struct mnl_nlmsg_batch *batch, uint16_t type, uint16_t flags,
				    uint8_t family, uint16_t resource)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(mnl_nlmsg_batch_current(batch));
	struct nfgenmsg *message = mnl_nlmsg_put_extra_header(header, sizeof(*message));

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nfgen_family = family;
	message->version = NFNETLINK_V0;
	message->res_id = htons(resource);
	return header;
}

/* "add table FAMILY t; add chain FAMILY t c { type filter hook HOOK device DEVICE priority 0; }" */
static int nft_chain(uint8_t family, uint32_t place, uint16_t device_type, const char *device,
		     size_t length)
{
	char buffer[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(buffer, sizeof(buffer));
	struct mnl_socket *socket = mnl_socket_open(NETLINK_NETFILTER);
	struct nlattr *hook, *devices;
	struct nlmsghdr *header;
	ssize_t got;
	int err = 0;

	if (!socket)
		return -errno;
	assert_int_equal(mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID), 0);
	nft_message(batch, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	mnl_nlmsg_batch_next(batch);
	header = nft_message(batch, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE, NLM_F_CREATE,
			     family, 0);
	mnl_attr_put_strz(header, NFTA_TABLE_NAME, "t");
	mnl_nlmsg_batch_next(batch);
	header = nft_message(batch, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN,
			     NLM_F_CREATE | NLM_F_ACK, family, 0);
	mnl_attr_put_strz(header, NFTA_CHAIN_TABLE, "t");
	mnl_attr_put_strz(header, NFTA_CHAIN_NAME, "c");
	hook = mnl_attr_nest_start(header, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(header, NFTA_HOOK_HOOKNUM, htonl(place));
	mnl_attr_put_u32(header, NFTA_HOOK_PRIORITY, 0);
	if (device) {
		devices = mnl_attr_nest_start(header, NFTA_HOOK_DEVS);
		mnl_attr_put(header, device_type, length, device);
		mnl_attr_nest_end(header, devices);
	}
	mnl_attr_nest_end(header, hook);
	mnl_attr_put_strz(header, NFTA_CHAIN_TYPE, "filter");
	mnl_nlmsg_batch_next(batch);
	nft_message(batch, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	mnl_nlmsg_batch_next(batch);
	assert_true(mnl_socket_sendto(socket, mnl_nlmsg_batch_head(batch),
				      mnl_nlmsg_batch_size(batch)) > 0);
	got = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (got < 0 || mnl_cb_run(buffer, (size_t)got, 0, 0, NULL, NULL) < 0)
		err = -errno;
	mnl_nlmsg_batch_stop(batch);
	mnl_socket_close(socket);
	return err;
}

static int nft_add(uint8_t family, uint32_t place, const char *device)
{
	return nft_chain(family, place, NFTA_DEVICE_NAME, device, device ? strlen(device) + 1 : 0);
}

static void test_nft(void **state)
{
	unsigned int ifindex, other;
	int err;

	(void)state;
	ifindex = add("v0", "type veth peer name v1");
	other = add("v00", "type veth peer name v01");
	err = nft_add(NFPROTO_IPV4, NF_INET_LOCAL_IN, NULL);
	if (err == -EINVAL || err == -EOPNOTSUPP || err == -EPROTONOSUPPORT) {
		skipped("this kernel has no nf_tables");
		return;
	}
	assert_int_equal(err, 0);
	assert_int_equal(nft_add(NFPROTO_INET, NF_INET_PRE_ROUTING, NULL), 0);
	assert_neighbour(ifindex, "");
	assert_int_equal(nft_add(NFPROTO_NETDEV, NF_NETDEV_INGRESS, "v0"), 0);
	assert_neighbour(ifindex, "an nftables chain");
	assert_neighbour(other, "");
	RUN("ip link set v0 down && ip link set v0 name w0");
	assert_neighbour(other, "");

	/* each in a namespace of its own: the names of table and chain are the same */
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	ifindex = add("v0", "type veth peer name v1");
	assert_int_equal(nft_add(NFPROTO_INET, NF_INET_INGRESS, "v0"), 0);
	assert_neighbour(ifindex, "an nftables chain");

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	ifindex = add("v0", "type veth peer name v1");
	err = nft_add(NFPROTO_NETDEV, 1 /* NF_NETDEV_EGRESS */, "v0");
	if (err) /* kernel < 5.16 */
		skipped("egress chain");
	assert_neighbour(ifindex, "");

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	ifindex = add("v0", "type veth peer name v1");
	other = add("w0", "type veth peer name w1");
	err = nft_chain(NFPROTO_NETDEV, NF_NETDEV_INGRESS, 2 /* NFTA_DEVICE_PREFIX */, "v", 2);
	if (err) /* kernel < 6.17 */
		skipped("chain for a prefix of names");
	assert_neighbour(ifindex, err ? "" : "an nftables chain");
	assert_neighbour(other, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ifb_module),	TEST(test_nft_not_loaded), TEST(test_noqueue),
		TEST(test_pfifo_fast),	TEST(test_fq_codel),	   TEST(test_few_of_many_queues),
		TEST(test_down),	TEST(test_length),	   TEST(test_foreign),
		TEST(test_others_fq),	TEST(test_default_fq),	   TEST(test_broken),
		TEST(test_gone),	TEST(test_sizes),	   TEST(test_ifb),
		TEST(test_ifb_refused), TEST(test_ifb_namespaces), TEST(test_rx_queues),
		TEST(test_filters),	TEST(test_lead),	   TEST(test_xdp),
		TEST(test_nft),
	};

	const char *why = prepare();

	if (why) {
		printf("1..0 # SKIP %s\n", why);
		return 0;
	}
	return cmocka_run_group_tests_name("user/queue.c", tests, NULL, NULL);
}
