// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What clients of HTTP say they take, as a table: what is sent by Prometheus, by
 * curl and by browsers, and what nobody should send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "accept.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct row {
	const char *header;
	bool taken;
};

static void test_open_metrics(void **state)
{
	static const struct row rows[] = {
		{NULL, false},
		{"", false},
		{"*/*", false},
		{"text/html,application/xhtml+xml,*/*;q=0.8", false},
		{"text/plain", false},
		{"application/openmetrics-text", true},
		{"Application/OpenMetrics-Text", true},
		/* Prometheus 2.42 */
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
		 "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		 true},
		{"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;"
		 "version=0.0.1;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
		 true},
		{"application/openmetrics-text; version=0.0.1", false},
		{"text/plain;q=0.5, application/openmetrics-text;q=0.4", false},
		{"text/plain;q=0.4 , application/openmetrics-text; charset=utf-8 ;q=0.5", true},
		{"application/openmetrics-text;q=0", false},
		{"application/openmetrics-text;q=0.5, */*", false},
		{"application/openmetrics-text;q=x", false},
		{"application/openmetrics-textual", false},
		{",,;;,application/openmetrics-text", true},
		{";q=1", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (accept_open_metrics(rows[i].header) != rows[i].taken)
			fail_msg("'%s': expected %d", rows[i].header, rows[i].taken);
}

static void test_gzip(void **state)
{
	static const struct row rows[] = {
		{NULL, false},	     {"", false},
		{"gzip", true},	     {"deflate, GZIP;q=0.5, br", true},
		{"gzip;q=0", false}, {"gzip;q=0.000, *", false},
		{"*", true},	     {"*;q=0", false},
		{"identity", false}, {"gzipped", false},
		{" \tgzip\t", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (accept_gzip(rows[i].header) != rows[i].taken)
			fail_msg("'%s': expected %d", rows[i].header, rows[i].taken);
}

static void test_has(void **state)
{
	static const struct row rows[] = {
		{NULL, false},
		{"", false},
		{"\"0.1-ab\"", true},
		{"W/\"0.1-ab\"", true},
		{"*", true},
		{"\"0.1-abc\"", false},
		{"\"0.1-a\"", false},
		{"0.1-ab", false},
		{"\"x,y\", \"0.1-ab\"", true},
		{"\"x\",W/\"0.1-ab\"", true},
		{"\"0.1-ab", false},
		{"\"", false},
		{",, ,\"0.1-ab\"", true},
		{"\"x\" \"0.1-ab\"", false},
		{"W/", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (accept_has(rows[i].header, "\"0.1-ab\"") != rows[i].taken)
			fail_msg("'%s': expected %d", rows[i].header, rows[i].taken);
}

static void test_local(void **state)
{
	static const struct {
		const char *host;
		bool taken;
	} rows[] = {
		{NULL, true},
		{"", true},
		{"localhost", true},
		{"LocalHost:9977", true},
		{"127.0.0.1", true},
		{"127.0.0.1:9977", true},
		{"127.0.0.1:", true},
		{"127.1.2.3:80", true},
		{"[::1]", true},
		{"[::1]:9977", true},
		{"evil.example", false},
		{"evil.example:9977", false},
		{"localhost.evil.example", false},
		{"127.0.0.1.evil.example:9977", false},
		{"127.0.0.1:9977.evil", false},
		{"127.1", false},
		{"192.0.2.1", false},
		{"[::1", false},
		{"[::1]x", false},
		{"[::2]", false},
		{"::1", false},
		{":9977", false},
		{"localhost localhost", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (accept_is_local(rows[i].host) != rows[i].taken)
			fail_msg("'%s': expected %d", rows[i].host, rows[i].taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_metrics),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
