// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Hosts as they are written, what errors mean, when the next host may be tried, and what is
 * printed of it: the parts of bwctl-reach that send nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reach_flow.h"
#include "reach_host.h"
#include "reach_pace.h"
#include "reach_ping.h"
#include "reach_print.h"
#include "reach_target.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND_NS    1000000000ULL
#define RANGE	     "a range is not taken: name its hosts, or list them in an inventory, one a line"

/* ---- hosts ---- */

static void test_words(void **state)
{
	static const struct {
		const char *word, *text, *name, *zone;
		int family;
		uint16_t port;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", NULL, "", AF_INET, 0},
		{"192.0.2.1:22", "192.0.2.1:22", NULL, "", AF_INET, 22},
		{"1.1.1.1:65535", "1.1.1.1:65535", NULL, "", AF_INET, 65535},
		{"127.0.0.1", "127.0.0.1", NULL, "", AF_INET, 0},
		{"223.255.255.255", "223.255.255.255", NULL, "", AF_INET, 0},
		{"2001:DB8:0:0::1", "2001:db8::1", NULL, "", AF_INET6, 0},
		{"[2001:db8::1]", "2001:db8::1", NULL, "", AF_INET6, 0},
		{"[2001:db8::1]:443", "[2001:db8::1]:443", NULL, "", AF_INET6, 443},
		{"2001:db8::1:22", "2001:db8::1:22", NULL, "", AF_INET6, 0},
		{"::1", "::1", NULL, "", AF_INET6, 0},
		{"fe80::1%eth0", "fe80::1%eth0", NULL, "eth0", AF_INET6, 0},
		{"[fe80::1%eth0.7]:23", "[fe80::1%eth0.7]:23", NULL, "eth0.7", AF_INET6, 23},
		{"::ffff:192.0.2.1", "192.0.2.1", NULL, "", AF_INET, 0},
		{"[::ffff:192.0.2.1]:22", "192.0.2.1:22", NULL, "", AF_INET, 22},
		{"switch", "switch", "switch", "", AF_UNSPEC, 0},
		{"SW-1.Example.", "sw-1.example", "sw-1.example", "", AF_UNSPEC, 0},
		{"a_b.example:8443", "a_b.example:8443", "a_b.example", "", AF_UNSPEC, 8443},
		{"10.example", "10.example", "10.example", "", AF_UNSPEC, 0},
	};
	static const struct {
		const char *word, *why;
	} wrong[] = {
		{"", "'': expected HOST or HOST:PORT"},
		{":22", "':22': expected HOST or HOST:PORT"},
		{".", "'.': expected HOST or HOST:PORT"},
		{"a..b", "'a..b': expected HOST or HOST:PORT"},
		{".a", "'.a': expected HOST or HOST:PORT"},
		{"a:", "'a:': expected a port, 1 to 65535, behind the colon"},
		{"a:0", "'a:0': expected a port, 1 to 65535, behind the colon"},
		{"a:65536", "'a:65536': expected a port, 1 to 65535, behind the colon"},
		{"a:+1", "'a:+1': expected a port, 1 to 65535, behind the colon"},
		{"a:ssh", "'a:ssh': expected a port, 1 to 65535, behind the colon"},
		{"[::1", "'[::1': a ] is missing"},
		{"[::1]22", "'[::1]22': expected HOST or HOST:PORT"},
		{"[::1]:", "'[::1]:': expected a port, 1 to 65535, behind the colon"},
		{"[a]:22", "'[a]:22': only an IPv6 address is written in brackets"},
		{"::1::2", "'::1::2': this is not an IPv6 address"},
		{"12345::", "'12345::': this is not an IPv6 address"},
		{"fe80::1", "'fe80::1': a link-local address needs an interface (fe80::1%eth0)"},
		{"fe80::1%", "'fe80::1%': expected the name of an interface behind the %"},
		{"fe80::1%a/b", "'fe80::1%a/b': expected the name of an interface behind the %"},
		{"fe80::1%\033[31m",
		 "'fe80::1%?[31m': expected the name of an interface behind the %"},
		{"fe80::1%e th", "'fe80::1%e th': expected the name of an interface behind the %"},
		{"fe80::1%\xc3\xa4", "'fe80::1%?"
				     "?': expected the name of an interface behind the %"},
		{"fe80::1%0123456789abcdef",
		 "'fe80::1%0123456789abcdef': expected the name of an interface behind the %"},
		{"2001:db8::1%eth0",
		 "'2001:db8::1%eth0': only a link-local address has an interface"},
		{"ff02::1", "'ff02::1': this is not the address of a host"},
		{"::", "'::': this is not the address of a host"},
		{"::ffff:0.0.0.0", "'::ffff:0.0.0.0': this is not the address of a host"},
		{"0.0.0.0", "'0.0.0.0': this is not the address of a host"},
		{"0.1.2.3", "'0.1.2.3': this is not the address of a host"},
		{"224.0.0.1", "'224.0.0.1': this is not the address of a host"},
		{"255.255.255.255", "'255.255.255.255': this is not the address of a host"},
		{"192.0.2.300", "'192.0.2.300': this is not an IPv4 address, nor a name"},
		{"192.0.2", "'192.0.2': this is not an IPv4 address, nor a name"},
		{"5", "'5': this is not an IPv4 address, nor a name"},
		{"192.0.2.0/24", "'192.0.2.0/24': " RANGE},
		{"192.0.2.0/255.255.255.0", "'192.0.2.0/255.255.255.0': " RANGE},
		{"2001:db8::/64", "'2001:db8::/64': " RANGE},
		{"192.0.2.1-20", "'192.0.2.1-20': " RANGE},
		{"192.0.2.1-20:22", "'192.0.2.1-20:22': " RANGE},
		{"192.0.2.*", "'192.0.2.*': " RANGE},
		{"http://dev.example",
		 "'http://dev.example': expected HOST or HOST:PORT, without http://"},
		{"https://[2001:db8::1]:443/x",
		 "'https://[2001:db8::1]:443/x': expected HOST or HOST:PORT, without https://"},
		{"://a", "'://a': expected HOST or HOST:PORT, without a path"},
		{"\033[31m://a", "'?[31m://a': expected HOST or HOST:PORT, without a path"},
		{"dev.example/login",
		 "'dev.example/login': expected HOST or HOST:PORT, without a path"},
		{"a,b", "'a,b': expected HOST or HOST:PORT, without a comma"},
		{"a b", "'a b': expected HOST or HOST:PORT, an address or a name"},
		{"a@b", "'a@b': expected HOST or HOST:PORT, an address or a name"},
		{"h\xc3\xb6st", "'h??st': expected HOST or HOST:PORT, an address or a name"},
		{"-a", "'-a': expected HOST or HOST:PORT: no part of a name begins with -"},
		{"a.-b", "'a.-b': expected HOST or HOST:PORT: no part of a name begins with -"},
	};
	char why[LOG_TEXT], longest[300];
	struct reach_target target;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (reach_target_parse(rows[i].word, &target, why))
			fail_msg("'%s': %s", rows[i].word, why);
		assert_string_equal(target.text, rows[i].text);
		assert_int_equal(target.port, rows[i].port);
		assert_int_equal(target.address.any.sa_family, rows[i].family);
		assert_string_equal(target.zone, rows[i].zone);
		assert_int_equal(!target.name, !rows[i].name);
		if (target.name)
			assert_string_equal(target.name, rows[i].name);
		reach_target_free(&target);
	}
	for (size_t i = 0; i < COUNT(wrong); i++) {
		if (reach_target_parse(wrong[i].word, &target, why) != -EINVAL)
			fail_msg("'%s' is taken", wrong[i].word);
		assert_string_equal(why, wrong[i].why);
	}
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 60; i < sizeof(longest); i += 61)
		longest[i] = '.';
	longest[253] = '\0';
	assert_int_equal(reach_target_parse(longest, &target, why), 0);
	reach_target_free(&target);
	longest[253] = 'a';
	longest[254] = '\0';
	assert_int_equal(reach_target_parse(longest, &target, why), -EINVAL);
	longest[253] = 'a';
	longest[299] = '\0';
	assert_int_equal(reach_target_parse(longest, &target, why), -EINVAL);
	longest[60] = 'a';
	longest[64] = '\0';
	assert_int_equal(reach_target_parse(longest, &target, why), -EINVAL);
	assert_non_null(strstr(why, "at most 63 characters"));
}

static int read_text(struct reach_targets *targets, const char *text, size_t length,
		     struct reach_target_errors *errors)
{
	FILE *in = fmemopen((void *)text, length, "r");
	int err;

	assert_non_null(in);
	err = reach_targets_read(targets, in, "hosts", errors);
	fclose(in);
	return err;
}

static void test_inventory(void **state)
{
	static const char good[] =
		"# all\n\n 192.0.2.1\t# one\r\n192.0.2.1\nSW1\nsw1.\nsw1:22\n\t\nlast";
	static const char bad[] = "a b\n192.0.2.9\nx:0\na\0b\n";
	struct reach_target_errors *errors = malloc(sizeof(*errors));
	struct reach_targets targets = {0};
	char word[32], why[LOG_TEXT], *many;
	size_t length = 0;

	(void)state;
	assert_non_null(errors);
	assert_int_equal(read_text(&targets, good, sizeof(good) - 1, errors), 0);
	assert_int_equal(targets.count, 4);
	assert_string_equal(targets.list[0].text, "192.0.2.1");
	/* A byte order mark, and one that is not at the beginning. */
	assert_int_equal(read_text(&targets, "\xef\xbb\xbfsw1\n", 7, errors), 0);
	assert_int_equal(targets.count, 4);
	assert_int_equal(read_text(&targets, "sw1\n\xef\xbb\xbfsw1\n", 11, errors), -EINVAL);
	assert_string_equal(errors->text[0],
			    "hosts:2: '???sw1': expected HOST or HOST:PORT, an address or a name");
	assert_string_equal(targets.list[1].text, "sw1");
	assert_string_equal(targets.list[2].text, "sw1:22");
	assert_string_equal(targets.list[3].text, "last");
	assert_int_equal(read_text(&targets, bad, sizeof(bad) - 1, errors), -EINVAL);
	assert_int_equal(errors->count, 3);
	assert_string_equal(errors->text[0], "hosts:1: 'b': expected one host a line");
	assert_string_equal(errors->text[1],
			    "hosts:3: 'x:0': expected a port, 1 to 65535, behind the colon");
	assert_string_equal(errors->text[2], "hosts:4: there is a NUL: expected text");
	assert_int_equal(targets.count, 5);
	/* Each once, however many there are. */
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 5000; i++) {
			snprintf(word, sizeof(word), "10.0.%d.%d", i / 250, 1 + i % 250);
			assert_int_equal(reach_targets_add(&targets, word, why), 0);
		}
	assert_int_equal(targets.count, 5005);
	assert_string_equal(targets.list[5004].text, "10.0.19.250");
	/* More errors than are kept. */
	many = malloc(400);
	assert_non_null(many);
	for (int i = 0; i < 100; i++)
		length += (size_t)sprintf(many + length, "-\n");
	assert_int_equal(read_text(&targets, many, length, errors), -EINVAL);
	assert_int_equal(errors->count, 100);
	free(many);
	reach_targets_free(&targets);
	assert_int_equal(targets.count, 0);
	free(errors);
}

/* However long a line or a file is, no more of it is kept than that. */
static void test_long_inventory(void **state)
{
	static const char first[] = "192.0.2.1 #", last[] = "\n192.0.2.2\n192.0.2.0/24\n";
	struct reach_target_errors *errors = malloc(sizeof(*errors));
	struct reach_targets targets = {0};
	char *text = malloc(2000000);
	FILE *zeros = fopen("/dev/zero", "r");
	size_t length;

	(void)state;
	assert_non_null(errors);
	assert_non_null(text);
	assert_non_null(zeros);
	/* With its newline a line has 4096 bytes at most. */
	for (int over = 0; over < 2; over++) {
		length = 4095 + (size_t)over;
		memset(text, '#', length);
		memcpy(text, first, sizeof(first) - 1);
		memcpy(text + length, last, sizeof(last) - 1);
		reach_targets_free(&targets);
		assert_int_equal(read_text(&targets, text, length + sizeof(last) - 1, errors),
				 -EINVAL);
		assert_int_equal(targets.count, 2 - over);
		assert_int_equal(errors->count, 1 + over);
		assert_string_equal(errors->text[over], "hosts:3: '192.0.2.0/24': " RANGE);
	}
	assert_string_equal(errors->text[0],
			    "hosts:1: the line is too long: expected at most 4096 bytes");
	memset(text, 'a', 2000000);
	memcpy(text + 2000000 - sizeof(last) + 1, last, sizeof(last) - 1);
	assert_int_equal(read_text(&targets, text, 2000000, errors), -EINVAL);
	assert_int_equal(errors->count, 2);
	/* Nor does it read on for ever. */
	assert_int_equal(reach_targets_read(&targets, zeros, "zeros", errors), -EFBIG);
	assert_int_equal(errors->count, 1);
	assert_string_equal(errors->text[0], "'zeros' is too large: expected at most 32 MiB");
	fclose(zeros);
	reach_targets_free(&targets);
	free(text);
	free(errors);
}

/* ---- results ---- */

static void test_errors(void **state)
{
	static const struct {
		int err, version, type, code;
		enum reach_result result;
	} rows[] = {
		{0, 0, 0, 0, REACH_OPEN},
		{ECONNREFUSED, 0, 0, 0, REACH_REFUSED},
		{ECONNREFUSED, 4, 3, 3, REACH_REFUSED}, /* port unreachable */
		{ENOPROTOOPT, 4, 3, 2, REACH_REFUSED},	/* protocol unreachable */
		{ETIMEDOUT, 0, 0, 0, REACH_FILTERED},
		{ENETUNREACH, 4, 3, 0, REACH_NO_ROUTE},
		{EHOSTUNREACH, 4, 3, 1, REACH_NO_ROUTE},
		{ENETUNREACH, 4, 3, 9, REACH_FILTERED},	  /* network prohibited */
		{EHOSTUNREACH, 4, 3, 10, REACH_FILTERED}, /* host prohibited */
		{EHOSTUNREACH, 4, 3, 13, REACH_FILTERED}, /* communication prohibited */
		{EHOSTUNREACH, 4, 3, 11, REACH_NO_ROUTE}, /* for this type of service */
		{EHOSTUNREACH, 4, 11, 0, REACH_NO_ROUTE}, /* in a loop of routes */
		{EHOSTUNREACH, 4, 11, 13, REACH_NO_ROUTE},
		{ENETUNREACH, 6, 1, 0, REACH_NO_ROUTE},
		{EHOSTUNREACH, 6, 1, 3, REACH_NO_ROUTE},
		{ECONNREFUSED, 6, 1, 4, REACH_REFUSED},
		{EACCES, 6, 1, 1, REACH_FILTERED},
		{EACCES, 6, 1, 5, REACH_FILTERED},
		{EACCES, 6, 1, 6, REACH_FILTERED},
		{EHOSTUNREACH, 6, 3, 1, REACH_NO_ROUTE}, /* time exceeded is no prohibition */
		{EPERM, 0, 0, 0, REACH_FILTERED},
		{EINVAL, 0, 0, 0, REACH_NO_ROUTE},
		{EMFILE, 0, 0, 0, REACH_UNKNOWN},
		{EHOSTUNREACH, 0, 3, 13, REACH_NO_ROUTE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (reach_classify(rows[i].err, rows[i].version, rows[i].type, rows[i].code) !=
		    rows[i].result)
			fail_msg("%s, ICMP %d %d/%d: expected %s", strerror(rows[i].err),
				 rows[i].version, rows[i].type, rows[i].code,
				 reach_result_name(rows[i].result));
}

static void test_levels(void **state)
{
	static const struct {
		enum reach_result results[REACH_PROBES];
		enum reach_level level;
	} rows[] = {
		{{REACH_OPEN, REACH_REFUSED, REACH_FILTERED, REACH_OPEN}, REACH_OK},
		{{REACH_REFUSED, REACH_REFUSED, REACH_OPEN, REACH_UNKNOWN}, REACH_OK},
		{{REACH_OPEN, REACH_OPEN, REACH_OPEN, REACH_FILTERED}, REACH_WARN},
		{{REACH_OPEN, REACH_OPEN, REACH_OPEN, REACH_NO_ROUTE}, REACH_WARN},
		{{REACH_REFUSED, REACH_FILTERED, REACH_NO_ROUTE, REACH_OPEN}, REACH_FAIL},
		{{REACH_UNRESOLVED, REACH_UNRESOLVED, REACH_UNRESOLVED, REACH_UNRESOLVED},
		 REACH_FAIL},
		{{REACH_REFUSED, REACH_UNKNOWN, REACH_REFUSED, REACH_OPEN}, REACH_UNTRIED},
		{{REACH_PENDING, REACH_PENDING, REACH_PENDING, REACH_PENDING}, REACH_UNTRIED},
		{{REACH_OPEN, REACH_PENDING, REACH_PENDING, REACH_PENDING}, REACH_UNTRIED},
		{{REACH_OPEN, REACH_PENDING, REACH_PENDING, REACH_OPEN}, REACH_OK},
	};
	struct reach_target target = {0}, with_port = {.port = 2222};
	struct reach_host host;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		reach_host_init(&host, &target);
		assert_int_equal(host.probe_count, REACH_PROBES);
		for (size_t n = 0; n < REACH_PROBES; n++)
			host.probes[n].result = rows[i].results[n];
		assert_int_equal(reach_host_level(&host), rows[i].level);
		assert_int_equal(!reach_host_reason(&host), rows[i].level == REACH_OK);
	}
	reach_host_init(&host, &with_port);
	assert_int_equal(host.probe_count, 2);
	assert_int_equal(host.probes[0].port, 2222);
	host.probes[0].result = REACH_REFUSED;
	host.probes[1].result = REACH_OPEN;
	assert_int_equal(reach_host_level(&host), REACH_FAIL);
	assert_string_equal(reach_host_reason(&host), "the port is not open");
}

/* ---- flows ---- */

static void test_listed_flows(void **state)
{
	static const char *const names[] = {"ssh", "telnet", "api", "icmp"};
	struct reach_flows *flows = NULL;
	struct reach_target target = {0}, other = {.port = 8443};
	struct reach_host host;
	struct reach_pace pace;

	(void)state;
	/* Nothing is loaded there. */
	assert_int_equal(reach_flows_open("/nowhere/bwctl", &flows), 0);
	reach_host_init(&host, &target);
	host.address.v4.sin_family = AF_INET;
	reach_flows_find(flows, &host);
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_string_equal(reach_flows_name(flows, host.probes[i].row), names[i]);
		assert_string_equal(reach_flows_class(flows, host.probes[i].class), names[i]);
	}
	host.address.v6.sin6_family = AF_INET6;
	reach_flows_find(flows, &host);
	assert_string_equal(reach_flows_name(flows, host.probes[3].row), "icmpv6");
	assert_int_equal(host.probes[3].protocol, IPPROTO_ICMPV6);
	reach_host_init(&host, &other);
	host.address.v4.sin_family = AF_INET;
	reach_flows_find(flows, &host);
	assert_null(reach_flows_name(flows, host.probes[0].row));
	assert_string_equal(reach_flows_class(flows, host.probes[0].class), "other");
	reach_flows_limits(flows, &pace);
	assert_int_equal(pace.all_bits_s, 0);
	reach_flows_close(flows);
}

/* ---- pace ---- */

/* How many hosts may be begun in so many seconds, by who looks every few milliseconds. */
static uint64_t count_hosts(struct reach_pace *pace, const struct reach_host *host,
			    uint64_t seconds, uint64_t step_ns)
{
	uint64_t count = 0, start_ns = 5000 * SECOND_NS;

	for (uint64_t now_ns = start_ns; now_ns < start_ns + seconds * SECOND_NS; now_ns += step_ns)
		while (reach_pace_due(pace, host, now_ns) <= now_ns) {
			reach_pace_take(pace, host, now_ns);
			count++;
		}
	return count;
}

static uint64_t count_names(struct reach_pace *pace, uint64_t seconds)
{
	uint64_t count = 0, start_ns = 5000 * SECOND_NS;

	for (uint64_t now_ns = start_ns; now_ns < start_ns + seconds * SECOND_NS; now_ns += 3000000)
		while (reach_pace_name_due(pace, now_ns) <= now_ns) {
			reach_pace_name_take(pace, now_ns);
			count++;
		}
	return count;
}

static void test_pace(void **state)
{
	static const uint64_t limits[] = {100000, 1000000, 20000000, 50000000};
	struct reach_target target = {0};
	struct reach_host host;
	uint64_t host_bits = 8 * (3 * REACH_PACE_TCP_BYTES + REACH_PACE_ECHO_BYTES);

	(void)state;
	reach_host_init(&host, &target);
	host.probes[0].class = BWCTL_SSH;
	for (size_t i = 0; i < COUNT(limits); i++) {
		struct reach_pace pace = {.all_bits_s = limits[i]};
		uint64_t count = count_hosts(&pace, &host, 20, 3000000);
		double of_limit = (double)(count * host_bits) / 20 / (double)limits[i];

		/* Half of it, or what is tried in a second at most; one host more at the beginning. */
		if (count > 20 * REACH_PACE_HOSTS_S + 21)
			fail_msg("%llu hosts", (unsigned long long)count);
		if (of_limit > 0.505 + (double)host_bits / 20 / (double)limits[i])
			fail_msg("%f of %llu", of_limit, (unsigned long long)limits[i]);
		if (count < 19 * REACH_PACE_HOSTS_S && of_limit < 0.48)
			fail_msg("%f of %llu", of_limit, (unsigned long long)limits[i]);
	}
	/* A class has a limit of its own. */
	struct reach_pace pace = {.all_bits_s = 1000000000, .class_bits_s[BWCTL_SSH] = 72000};
	uint64_t count = count_hosts(&pace, &host, 20, 3000000);

	assert_in_range(count, 195, 205); /* 450 bytes at 36000 bits in a second are 0.1 s */
	pace = (struct reach_pace){0};
	assert_in_range(count_hosts(&pace, &host, 5, 3000000), 4900, 5050);
	/* With care, and names likewise. */
	pace = (struct reach_pace){.hosts_s = REACH_PACE_CAUTIOUS_S};
	assert_in_range(count_hosts(&pace, &host, 5, 3000000), 245, 255);
	assert_in_range(count_names(&pace, 5), 245, 255);
	/* Names need half of the limit at most, and of that of the class other. */
	pace = (struct reach_pace){.all_bits_s = 1280000};
	assert_in_range(count_names(&pace, 10), 990, 1005);
	pace = (struct reach_pace){.all_bits_s = 1280000, .class_bits_s[BWCTL_OTHER] = 128000};
	assert_in_range(count_names(&pace, 10), 98, 103);
	pace = (struct reach_pace){.all_bits_s = 1280000};
	count_names(&pace, 10);
	assert_true(reach_pace_due(&pace, &host, 5009 * SECOND_NS) > 5009 * SECOND_NS);
	pace = (struct reach_pace){0};
	/* Who comes late makes up for a little of it only. */
	assert_true(reach_pace_due(&pace, &host, 9000 * SECOND_NS) == 9000 * SECOND_NS);
	for (int i = 0; i < 100; i++)
		reach_pace_take(&pace, &host, 9000 * SECOND_NS);
	assert_true(reach_pace_due(&pace, &host, 9000 * SECOND_NS) > 9000 * SECOND_NS);
}

/* ---- output ---- */

static void test_bar(void **state)
{
	static const struct {
		size_t done, count;
		uint64_t elapsed_ns;
		const char *text;
	} rows[] = {
		{0, 10000, SECOND_NS, "[                        ] 0 of 10 000 hosts"},
		{499, 10000, SECOND_NS, "[#                       ] 499 of 10 000 hosts"},
		{5000, 10000, 5 * SECOND_NS,
		 "[############            ] 5 000 of 10 000 hosts, 6 s left"},
		{9999, 10000, 10 * SECOND_NS,
		 "[####################### ] 9 999 of 10 000 hosts, 1 s left"},
		{1, 1, SECOND_NS, "[########################] 1 of 1 hosts"},
		{0, 1, SECOND_NS, "[                        ] 0 of 1 hosts"},
		{0, 0, 0, "[########################] 0 of 0 hosts"},
	};
	char text[LOG_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		reach_print_bar(rows[i].done, rows[i].count, rows[i].elapsed_ns, 0, text);
		assert_string_equal(text, rows[i].text);
		reach_print_bar(rows[i].done, rows[i].count, rows[i].elapsed_ns, 80, text);
		assert_string_equal(text, rows[i].text);
		reach_print_bar(rows[i].done, rows[i].count, rows[i].elapsed_ns, 20, text);
		assert_int_equal(strlen(text), 19);
		assert_memory_equal(text, rows[i].text, 19);
	}
}

/* Allocations of jansson until one fails; those after it succeed again. */
static long allocations_left;

static void *allocate(size_t size)
{
	return allocations_left-- == 0 ? NULL : malloc(size);
}

static void test_json_out_of_memory(void **state)
{
	struct reach_target targets[2] = {{.text = (char *)"a", .port = 22},
					  {.text = (char *)"b", .port = 2222}};
	struct reach_host hosts[2];
	struct reach_print print = {.hosts = hosts, .count = 2, .is_whole = true};
	struct reach_flows *flows = NULL;
	json_t *json = NULL;
	long count = 0;

	(void)state;
	assert_int_equal(reach_flows_open("/nowhere/bwctl", &flows), 0);
	print.flows = flows;
	for (size_t i = 0; i < 2; i++) {
		reach_host_init(&hosts[i], &targets[i]);
		reach_flows_find(flows, &hosts[i]);
	}
	json_set_alloc_funcs(allocate, free);
	/* Either there is all of it, or nothing. */
	while (!json && count < 10000) {
		allocations_left = count++;
		json = reach_print_json(&print);
		if (json && allocations_left < 0) {
			json_decref(json);
			fail_msg("allocation %ld failed, and there is an output", count);
		}
	}
	json_set_alloc_funcs(malloc, free);
	assert_in_range(count, 50, 9999);
	assert_int_equal(json_array_size(json_object_get(json, "hosts")), 2);
	json_decref(json);
	reach_flows_close(flows);
}

static const struct reach_print_view whole = {.columns = INT_MAX};

/* Hundreds of ports are one line, and what a flow names is not among them. */
static void test_many_ports(void **state)
{
	struct reach_target targets[400];
	struct reach_host hosts[400];
	struct reach_print print = {.hosts = hosts, .count = COUNT(hosts), .is_whole = true};
	struct reach_flows *flows = NULL;
	char *text = NULL;
	size_t length, lines = 0;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	assert_non_null(out);
	assert_int_equal(reach_flows_open("/nowhere/bwctl", &flows), 0);
	print.flows = flows;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		targets[i] = (struct reach_target){.text = (char *)"h",
						   .port = (uint16_t)(i ? 5000 + i : 22)};
		reach_host_init(&hosts[i], &targets[i]);
		reach_flows_find(flows, &hosts[i]);
		hosts[i].probes[0].result = i % 2 ? REACH_REFUSED : REACH_OPEN;
		hosts[i].probes[1].result = REACH_OPEN;
		hosts[i].is_known = true;
	}
	assert_int_equal(reach_print_table(&print, &whole, out), 0);
	fclose(out);
	assert_non_null(strstr(text, "\nssh (22)     works with 1 of 1\n"));
	assert_non_null(strstr(text, "\n399 ports    works with 199 of 399: 200 refused\n"));
	for (const char *at = text; (at = strstr(at, "works with")); at++)
		lines++;
	assert_int_equal(lines, 3);
	free(text);
	reach_flows_close(flows);
}

/* The table of these hosts, each with its results in the order of their columns, "ofr " for instance. */
static char *table_of(struct reach_target *targets, const char *const results[], size_t count,
		      const struct reach_print_view *view)
{
	static const char letters[] = " orfnu";
	struct reach_host *hosts = calloc(count, sizeof(*hosts));
	struct reach_print print = {.hosts = hosts, .count = count, .is_whole = true};
	struct reach_flows *flows = NULL;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(hosts);
	assert_non_null(out);
	assert_int_equal(reach_flows_open("/nowhere/bwctl", &flows), 0);
	print.flows = flows;
	for (size_t i = 0; i < count; i++) {
		reach_host_init(&hosts[i], &targets[i]);
		hosts[i].address = targets[i].address;
		if (targets[i].name)
			inet_pton(hosts[i].address.any.sa_family = AF_INET6,
				  "2001:db8:1234:5678:1234:5678:1234:5678",
				  &hosts[i].address.v6.sin6_addr);
		reach_flows_find(flows, &hosts[i]);
		for (size_t n = 0; n < hosts[i].probe_count; n++) {
			struct reach_probe *probe = &hosts[i].probes[n];

			probe->result = (uint8_t)(strchr(letters, results[i][n]) - letters);
			if (probe->result == REACH_OPEN)
				probe->taken_ns = 123456789;
		}
		hosts[i].is_known = true;
	}
	assert_int_equal(reach_print_table(&print, view, out), 0);
	fclose(out);
	free(hosts);
	reach_flows_close(flows);
	return text;
}

static size_t widest(const char *text)
{
	size_t most = 0;

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strcspn(text, "\n") > most)
			most = strcspn(text, "\n");
	return most;
}

static void take(const char *word, struct reach_target *ret_target)
{
	char why[LOG_TEXT];

	assert_int_equal(reach_target_parse(word, ret_target, why), 0);
}

/* As wide as it may be; nothing that it says goes but the flows, which the columns say too. */
static void test_widths(void **state)
{
	static const char *const words[] = {"192.0.2.1", "a-long-name.example:8443",
					    "255.255.255.255.example", "2001:db8::1"};
	static const char *const results[] = {"ofrf", "rf", "oooo", "nnnn"};
	struct reach_target targets[COUNT(words)];
	char *text, *all;

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++)
		take(words[i], &targets[i]);
	all = table_of(targets, results, 1, &whole);
	assert_non_null(strstr(
		all,
		"\n"
		"warn  192.0.2.1  open 123 ms    filtered       refused        filtered       ssh\n"));
	free(all);
	text = table_of(targets, results, 1, &(struct reach_print_view){.columns = 64});
	assert_non_null(
		strstr(text, "\nwarn  192.0.2.1  open 123 ms  filtered   refused  filtered\n"));
	free(text);
	all = table_of(targets, results, COUNT(words), &whole);
	for (int columns = 40; columns < 200; columns++) {
		const struct reach_print_view view = {.columns = columns};
		static const char *const parts[] = {"192.0.2.1",
						    "a-long-name.example:8443",
						    "255.255.255.255.example",
						    "2001:db8:1234:5678:1234:5678:1234:5678",
						    "22 ssh",
						    "23 telnet",
						    "443 api",
						    "echo",
						    "8443 refused",
						    "no route",
						    "open 123 ms"};

		text = table_of(targets, results, COUNT(words), &view);
		/* The longest word of all. */
		if (widest(text) > (size_t)(columns < 47 ? 47 : columns))
			fail_msg("%zu in %d columns:\n%s", widest(text), columns, text);
		for (size_t i = 0; i < COUNT(parts); i++)
			if (!strstr(text, parts[i]))
				fail_msg("no '%s' in %d columns:\n%s", parts[i], columns, text);
		if ((size_t)columns >= widest(all))
			assert_string_equal(text, all);
		free(text);
	}
	free(all);
	for (size_t i = 0; i < COUNT(words); i++)
		reach_target_free(&targets[i]);
}

static size_t count_lines(const char *text, const char *begin)
{
	size_t count = 0;

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		count += !strncmp(text, begin, strlen(begin));
	return count;
}

/* Of those that are alike so many, and how many more there are; but all where a program may read it. */
static void test_alike(void **state)
{
	const struct reach_print_view view = {.columns = 80, .alike = 50};
	static struct reach_target targets[3000];
	static const char *results[3000];
	char word[32], *text;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		snprintf(word, sizeof(word), "10.1.%d.%d", i / 250, 1 + i % 250);
		take(word, &targets[i]);
		results[i] = i % 100 == 7 ? "rffo" : i % 1000 == 9 ? "oooo" : "nnnn";
	}
	text = table_of(targets, results, 3000, &view);
	assert_int_equal(count_lines(text, "fail  "), 50 + 30);
	assert_int_equal(count_lines(text, "ok  "), 1); /* what that is */
	assert_int_equal(count_lines(text, "      and 2 917 more: all no route\n"), 1);
	assert_int_equal(count_lines(text, "      and "), 1);
	assert_int_equal(count_lines(text, "      --csv or --json has all of them\n"), 1);
	assert_non_null(strstr(text, "\n3 ok, 0 to look at, 2 997 wrong"));
	free(text);
	results[10] = results[11] = "rffo";
	for (int i = 100; i < 130; i++)
		results[i] = "rffo";
	text = table_of(targets, results, 3000, &view);
	assert_int_equal(count_lines(text, "fail  "), 50 + 50);
	assert_int_equal(
		count_lines(text,
			    "      and 11 more: 22 refused, 23 filtered, 443 filtered, echo open\n"),
		1);
	free(text);
	text = table_of(targets, results, 3000, &whole);
	assert_int_equal(count_lines(text, "fail  "), 2997);
	assert_int_equal(count_lines(text, "      and "), 0);
	assert_int_equal(count_lines(text, "      --csv"), 0);
	free(text);
	for (int i = 0; i < 3000; i++)
		reach_target_free(&targets[i]);
}

static void test_fields(void **state)
{
	static const struct {
		const char *field, *printed;
	} rows[] = {
		{"", ""},
		{"plain text", "plain text"},
		{"a,b", "\"a,b\""},
		{"say \"x\"", "\"say \"\"x\"\"\""},
		{"a\r\nb", "\"a\r\nb\""},
	};
	char printed[64] = "";

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		FILE *out = fmemopen(printed, sizeof(printed), "w");

		assert_non_null(out);
		reach_print_field(rows[i].field, out);
		fclose(out);
		assert_string_equal(printed, rows[i].printed);
	}
}

/* RFC 1071 3, and that a packet with its checksum sums up to nothing. */
static void test_checksum(void **state)
{
	uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	uint8_t odd[] = {0x01, 0x02, 0x03};
	uint16_t sum = reach_ping_checksum(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(ntohs(sum), 0x220d);
	assert_int_equal(ntohs(reach_ping_checksum(odd, sizeof(odd))), 0xfbfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),	     cmocka_unit_test(test_inventory),
		cmocka_unit_test(test_errors),	     cmocka_unit_test(test_levels),
		cmocka_unit_test(test_listed_flows), cmocka_unit_test(test_pace),
		cmocka_unit_test(test_bar),	     cmocka_unit_test(test_fields),
		cmocka_unit_test(test_checksum),     cmocka_unit_test(test_json_out_of_memory),
		cmocka_unit_test(test_many_ports),   cmocka_unit_test(test_long_inventory),
		cmocka_unit_test(test_widths),	     cmocka_unit_test(test_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
