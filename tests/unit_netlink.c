/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * user/netlink.c and what it answers when the kernel says that a dump is not whole. The
 * socket is made up here, in place of that of libmnl.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "netlink.h"

static struct {
	int broken; /* how many dumps yet that change while they are made */
	int asked, open;
	uint16_t flags;
} kernel;

struct mnl_socket *mnl_socket_open2(int bus, int flags)
{
	(void)flags;
	assert_int_equal(bus, NETLINK_ROUTE);
	kernel.open++;
	return (struct mnl_socket *)&kernel;
}

int mnl_socket_bind(struct mnl_socket *socket, unsigned int groups, pid_t pid)
{
	(void)socket, (void)groups, (void)pid;
	return 0;
}

ssize_t mnl_socket_sendto(const struct mnl_socket *socket, const void *request, size_t length)
{
	const struct nlmsghdr *header = request;

	(void)socket;
	kernel.flags = header->nlmsg_flags;
	kernel.asked++;
	return (ssize_t)length;
}

/* Two answers and the end; in a dump that is broken the second one says so. */
ssize_t mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size)
{
	static const uint16_t types[] = {RTM_NEWLINK, RTM_NEWLINK, NLMSG_DONE};
	size_t length = 0;

	(void)socket, (void)size;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct nlmsghdr *header = mnl_nlmsg_put_header((char *)buffer + length);

		header->nlmsg_type = types[i];
		header->nlmsg_seq = 1;
		header->nlmsg_flags = NLM_F_MULTI;
		if (i == 1 && kernel.broken)
			header->nlmsg_flags |= NLM_F_DUMP_INTR;
		mnl_nlmsg_put_extra_header(header, sizeof(struct ifinfomsg));
		length += header->nlmsg_len;
	}
	if (kernel.broken)
		kernel.broken--;
	return (ssize_t)length;
}

unsigned int mnl_socket_get_portid(const struct mnl_socket *socket)
{
	(void)socket;
	return 0;
}

int mnl_socket_close(struct mnl_socket *socket)
{
	(void)socket;
	kernel.open--;
	return 0;
}

static int count(const struct nlmsghdr *header, void *data)
{
	unsigned int *answers = data;

	assert_int_equal(header->nlmsg_type, RTM_NEWLINK);
	(*answers)++;
	return MNL_CB_OK;
}

static int dump(unsigned int *answers, size_t size)
{
	struct netlink_question question;
	struct nlmsghdr *header = mnl_nlmsg_put_header(question.bytes);
	int err;

	mnl_nlmsg_put_extra_header(header, sizeof(struct ifinfomsg));
	header->nlmsg_type = RTM_GETLINK;
	err = netlink_dump(NETLINK_ROUTE, header, count, answers, size);
	assert_int_equal(kernel.open, 0);
	return err;
}

static int begin(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	return 0;
}

static void test_whole(void **state)
{
	unsigned int answers = 40;

	(void)state;
	assert_int_equal(dump(&answers, sizeof(answers)), 0);
	assert_int_equal(answers, 42);
	assert_int_equal(kernel.asked, 1);
	assert_int_equal(kernel.flags, NLM_F_REQUEST | NLM_F_DUMP);
}

/* What a dump that was not whole had said is forgotten. */
static void test_again(void **state)
{
	unsigned int answers = 40;

	(void)state;
	kernel.broken = 3;
	assert_int_equal(dump(&answers, sizeof(answers)), 0);
	assert_int_equal(answers, 42);
	assert_int_equal(kernel.asked, 4);
}

static void test_never(void **state)
{
	unsigned int answers = 0;

	(void)state;
	kernel.broken = 1000000;
	assert_int_equal(dump(&answers, sizeof(answers)), -EINTR);
	assert_in_range(kernel.asked, 3, 100);
	assert_int_equal(dump(&answers, NETLINK_DUMP_DATA + 1), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_whole, begin),
		cmocka_unit_test_setup(test_again, begin),
		cmocka_unit_test_setup(test_never, begin),
	};

	return cmocka_run_group_tests_name("user/netlink.c", tests, NULL, NULL);
}
