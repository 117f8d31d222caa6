// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What ssh says when it fails, as it says it, and what is made of it; and what the script on a
 * jump host prints, with all that may be around it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "finding.h"
#include "jumphost.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "level check: text" of the last finding, and of how many. */
static size_t last_of(struct findings *findings, char text[LOG_TEXT])
{
	json_t *json = findings_json(findings), *list = json_object_get(json, "findings"), *last;
	size_t count = json_array_size(list);

	last = json_array_get(list, count - 1);
	snprintf(text, LOG_TEXT, "%s %s: %s", json_string_value(json_object_get(last, "level")),
		 json_string_value(json_object_get(last, "check")),
		 json_string_value(json_object_get(last, "text")));
	/* What is not well has an advice. */
	assert_true(!strncmp(text, "ok", 2) || json_is_string(json_object_get(last, "advice")));
	json_decref(json);
	return count;
}

static void test_sayings(void **state)
{
	static const struct {
		const char *said, *finding;
	} rows[] = {
		{"ssh: Could not resolve hostname x: Name or service not known\r\n",
		 "fail ssh: the name does not resolve"},
		{"ssh: Could not resolve hostname x: Temporary failure in name resolution\r\n",
		 "fail ssh: the name does not resolve"},
		{"ssh: connect to host x port 22: Connection refused\r\n",
		 "fail ssh: refuses the connection"},
		{"ssh: connect to host x port 22: Connection timed out\r\n",
		 "fail ssh: does not answer"},
		{"ssh: connect to host x port 22: No route to host\r\n",
		 "fail ssh: there is no route to it"},
		{"ssh: connect to host x port 22: Network is unreachable\r\n",
		 "fail ssh: there is no route to it"},
		{"Connection timed out during banner exchange\r\nConnection to x port 22 timed out\r\n",
		 "fail ssh: accepts the connection, and does not say anything"},
		{"@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@\r\n"
		 "Host key verification failed.\r\n",
		 "fail host-key: its host key is another than the known one: it was installed anew, or somebody is in between"},
		{"No ED25519 host key is known for x and you have requested strict checking.\r\n"
		 "Host key verification failed.\r\n",
		 "fail host-key: its host key is not known here"},
		{"Host key verification failed.\r\n",
		 "fail host-key: its host key is not known here"},
		/* A banner may say anything. */
		{"a banner: Connection refused is what you get\nu@x: Permission denied (publickey,gssapi-with-mic).\r\n",
		 "fail login: permission denied; it takes: publickey,gssapi-with-mic"},
		{"u@x: Permission denied (publickey,keyboard-interactive).\r\n",
		 "fail login: permission denied; it takes: publickey,keyboard-interactive"},
		{"Unable to negotiate with x port 22: no matching key exchange method found. Their offer: diffie-hellman-group1-sha1\r\n",
		 "fail ssh: has no algorithm in common with the ssh of this system"},
		{"Unable to negotiate with x port 22: no matching host key type found. Their offer: ssh-dss\r\n",
		 "fail ssh: has no algorithm in common with the ssh of this system"},
		{"kex_exchange_identification: banner line contains invalid characters\r\n"
		 "banner exchange: Connection to x port 22: invalid format\r\n",
		 "fail ssh: something else than SSH listens on that port"},
		{"Protocol major versions differ: 2 vs. 1\r\n",
		 "fail ssh: speaks another version of the protocol"},
		{"kex_exchange_identification: Connection closed by remote host\r\nConnection closed by x port 22\r\n",
		 "fail ssh: closes the connection"},
		{"kex_exchange_identification: read: Connection reset by peer\r\n",
		 "fail ssh: resets the connection"},
		{"/root/.ssh/config: line 1: Bad configuration option: x\r\n/root/.ssh/config: terminating, 1 bad configuration options\r\n",
		 "fail ssh: the configuration of ssh on this machine has an error"},
		/* Not by what another says, be it in the words of ssh. */
		{"All who see Connection reset by peer: REMOTE HOST IDENTIFICATION HAS CHANGED!\n"
		 "no matching badge, no matching key, Too many authentication failures\n"
		 "Connection closed by our firewall at night\n"
		 "ssh: connect to host x port 22: Connection refused\r\n",
		 "fail ssh: refuses the connection"},
		{"Connection timed out during banner exchange is what fools see\n"
		 "u@x: Permission denied (publickey).\r\n",
		 "fail login: permission denied; it takes: publickey"},
		{"Welcome. Permission denied (to all). Connection refused\nHost key for x is posted\n",
		 "fail ssh: ssh failed: Host key for x is posted"},
		{"ssh: connect to host j port 22: Connection refused\r\n"
		 "kex_exchange_identification: Connection closed by remote host\r\n"
		 "Connection closed by UNKNOWN port 65535\r\n",
		 "fail ssh: refuses the connection"},
		{"kex_exchange_identification: Connection closed by remote host\r\n"
		 "Connection closed by UNKNOWN port 65535\r\n",
		 "fail ssh: closes the connection"},
		{"Received disconnect from x port 22:2: Too many authentication failures\r\n"
		 "Disconnected from x port 22\r\n",
		 "fail login: refuses after too many keys, before the right one"},
		{"@@@\r\n@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @\r\n@@@\r\n"
		 "Permissions 0644 for '/root/.ssh/id' are too open.\r\n"
		 "Load key \"/root/.ssh/id\": bad permissions\r\n"
		 "u@x: Permission denied (publickey).\r\n",
		 "fail login: permission denied; a private key here can be read by others, so ssh does not use it"},
		{"Bad owner or permissions on /root/.ssh/config\r\n",
		 "fail ssh: a configuration of ssh on this machine can be written by others, so ssh does not start"},
		{"@    WARNING: REVOKED HOST KEY DETECTED!               @\r\nHost key verification failed.\r\n",
		 "fail host-key: its host key is marked as revoked"},
		{"first\nsomething \033[31mnew\r\n\r\n",
		 "fail ssh: ssh failed: something ?[31mnew"},
		{"", "fail ssh: ssh failed"},
	};
	char text[LOG_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct findings *findings = findings_new();

		assert_non_null(findings);
		jumphost_explain("u@x", rows[i].said, findings);
		last_of(findings, text);
		assert_string_equal(text, rows[i].finding);
		findings_free(findings);
	}
}

/* What is to be typed names what ssh keeps: the host, without a user, maybe with its port. */
static void test_advice(void **state)
{
	static const struct {
		const char *host, *said, *advice;
	} rows[] = {
		{"u@x",
		 "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n"
		 "Host key for x has changed and you have requested strict checking.\r\n"
		 "Host key verification failed.\r\n",
		 "ssh-keygen -R x, then ssh u@x once"},
		{"u@x",
		 "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n"
		 "Host key for [x]:2222 has changed and you have requested strict checking.\r\n"
		 "Host key verification failed.\r\n",
		 "ssh-keygen -R '[x]:2222', then ssh u@x once"},
		{"u@x",
		 "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n"
		 "Host key verification failed.\r\n",
		 "ssh-keygen -R x, then ssh u@x once"},
		{"u@x", "ssh: connect to host x port 22: Connection refused\r\n",
		 "start sshd on x,"},
		{"u@x", "u@x: Permission denied (publickey).\r\n", "ssh-copy-id u@x"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct findings *findings = findings_new();
		json_t *json, *list;

		jumphost_explain(rows[i].host, rows[i].said, findings);
		json = findings_json(findings);
		list = json_object_get(json, "findings");
		assert_non_null(
			strstr(json_string_value(json_object_get(
				       json_array_get(list, json_array_size(list) - 1), "advice")),
			       rows[i].advice));
		json_decref(json);
		findings_free(findings);
	}
}

#define WRAP(text) "noise\nbwctl-jumphost-begin\n" text "bwctl-jumphost-end\n"

static void test_pythons(void **state)
{
	static const struct {
		const char *output, *last;
		size_t count;
		enum finding_level worst;
	} rows[] = {
		{WRAP("user u\n"), "fail python: there is no Python", 3, FINDING_FAIL},
		{WRAP("user u\npython python3 Python 3.6.8\n"),
		 "ok python: Python 3.6.8 (python3) is supported", 3, FINDING_OK},
		{WRAP("user u\npython python2.7 Python 2.7.18+\n"),
		 "ok python: Python 2.7.18+ (python2.7) is supported", 3, FINDING_OK},
		{WRAP("user u\npython python2 Python 2.6.6\n"),
		 "fail python: Python 2.6.6 (python2) is not listed: not supported", 3,
		 FINDING_FAIL},
		{WRAP("user u\npython python3 Python 3.8.0\npython python3.8 Python 3.8.0\n"),
		 "fail python: Python 3.8.0 (python3, python3.8) is not supported", 3,
		 FINDING_FAIL},
		{WRAP("user u\npython python3.7 Python 3.7.0\npython python3.12 Python 3.12.0\n"),
		 "ok python: Python 3.12.0 (python3.12) is not listed: not supported, and is not needed",
		 4, FINDING_OK},
		{WRAP("user u\npython python3.7 Python 3.7.0\npython python3.8 Python 3.8.0\n"),
		 "ok python: Python 3.8.0 (python3.8) is not supported, and is not needed", 4,
		 FINDING_OK},
		{WRAP("user u\npython python3.7 Python 3.7.0\npython python3.8 broken\n"),
		 "ok python: python3.8 does not say its version but 'broken': not supported, and is not needed",
		 4, FINDING_OK},
		/* What follows a version is no part of it, and what looks like none is none. */
		{WRAP("user u\npython python2.7 Python 2.7.18 :: Anaconda, Inc.\n"),
		 "ok python: Python 2.7.18 (python2.7) is supported", 3, FINDING_OK},
		{WRAP("user u\npython python3.7 Python 3.7.9 extra words that go on and on and on\n"),
		 "ok python: Python 3.7.9 (python3.7) is supported", 3, FINDING_OK},
		{WRAP("user u\npython python3.7 Python 3.7.9\tand a tab\n"),
		 "fail python: python3.7 does not say its version but 'Python 3.7.9?and a tab': not supported",
		 3, FINDING_FAIL},
		{WRAP("user u\npython python3.7 Python 3.7.9,is/fine\n"),
		 "fail python: python3.7 does not say its version but 'Python 3.7.9,is/fine': not supported",
		 3, FINDING_FAIL},
		{WRAP("user u\npython python3.7 Python 3.7.9012345678901234\n"),
		 "ok python: Python 3.7.9012345678901234 (python3.7) is supported", 3, FINDING_OK},
		{WRAP("user u\npython python3.7 Python 3.7.90123456789012345\n"),
		 "fail python: python3.7 does not say its version but 'Python 3.7.90123456789012345': not supported",
		 3, FINDING_FAIL},
		{WRAP("user u\npython python3.7 Python +3.7.9\n"),
		 "fail python: python3.7 does not say its version but 'Python +3.7.9': not supported",
		 3, FINDING_FAIL},
		{WRAP("user u\npython python3 Python 4294967299.7\n"),
		 "fail python: python3 does not say its version but 'Python 4294967299.7': not supported",
		 3, FINDING_FAIL},
		{WRAP("user u\npython python3 Python 3.4294967303\n"),
		 "fail python: Python 3.4294967303 (python3) is not listed: not supported", 3,
		 FINDING_FAIL},
		/* Nor is a name what the script does not look for. */
		{WRAP("user u\npython ;reboot Python 3.7.9\n"), "fail python: there is no Python",
		 3, FINDING_FAIL},
		{WRAP("user u\npython python3.7 Python 3.7.0\npython python Python 3.12.0\n"),
		 "warn python: Python 3.12.0 (python) is not listed: not supported", 4,
		 FINDING_WARN},
		/* 3.70 is not 3.7, and 35 is not 3.5. */
		{WRAP("user u\npython python3 Python 3.70\n"),
		 "fail python: Python 3.70 (python3) is not listed: not supported", 3,
		 FINDING_FAIL},
		{WRAP("user u\npython python3 \n"),
		 "fail python: python3 does not say its version but '': not supported", 3,
		 FINDING_FAIL},
		{WRAP("user \033u\n"), "fail python: there is no Python", 3, FINDING_FAIL},
		{"python python3 Python 3.9.9\n" WRAP(
			 "user u\npython python3 Python 3.5.2\n") "python x Python 1.0\n",
		 "ok python: Python 3.5.2 (python3) is supported", 3, FINDING_OK},
	};
	static const char *const cut[] = {
		"",
		"hello\n",
		"\nbwctl-jumphost-begin\n",
		"\nbwctl-jumphost-begin\nuser u\npython",
		"\nbwctl-jumphost-end\n",
		"bwctl-jumphost-begin bwctl-jumphost-end",
	};
	struct findings *findings;
	char text[LOG_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		findings = findings_new();
		assert_true(jumphost_read("u@x", rows[i].output, findings));
		assert_int_equal(last_of(findings, text), rows[i].count);
		assert_string_equal(text, rows[i].last);
		assert_int_equal(findings_worst(findings), rows[i].worst);
		findings_free(findings);
	}
	findings = findings_new();
	for (size_t i = 0; i < COUNT(cut); i++)
		assert_false(jumphost_read("u@x", cut[i], findings));
	assert_int_equal(findings_worst(findings), FINDING_OK);
	findings_free(findings);
}

static void test_hosts(void **state)
{
	static const char *const good[] = {
		"h", "u@h", "u@192.0.2.1", "2001:db8::1", "u@h-1.example", "a@b@h", "fe80::1%eth0"};
	static const char *const bad[] = {"",
					  "-h",
					  "u@-h",
					  "u@",
					  "@h",
					  "a b",
					  "a\tb",
					  "a\nb",
					  "a;b",
					  "$h",
					  "`h`",
					  "h|x",
					  "h>x",
					  "'h'",
					  "h\xc3\xb6",
					  "h:22",
					  "u@h:22",
					  "[2001:db8::1]:22",
					  "[2001:db8::1]",
					  "ssh://u@h",
					  "ssh://u@h:2222",
					  "h/x"};
	static const struct {
		const char *host, *why;
	} said[] = {
		{"ssh://u@h", "jumphost 'ssh://u@h': expected HOST or USER@HOST, without ssh://"},
		{"http://h/", "jumphost 'http://h/': expected HOST or USER@HOST, without http://"},
		{"h/x", "jumphost 'h/x': expected HOST or USER@HOST, without a path"},
		{"192.0.2.0/24",
		 "jumphost '192.0.2.0/24': a range is not taken: expected one host"},
		{"u@2001:db8::/64",
		 "jumphost 'u@2001:db8::/64': a range is not taken: expected one host"},
	};
	char why[LOG_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_int_equal(jumphost_refuse(good[i], why), 0);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(jumphost_refuse(bad[i], why), -EINVAL);
	for (size_t i = 0; i < COUNT(said); i++) {
		assert_int_equal(jumphost_refuse(said[i].host, why), -EINVAL);
		assert_string_equal(why, said[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sayings),
		cmocka_unit_test(test_advice),
		cmocka_unit_test(test_pythons),
		cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
