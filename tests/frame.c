// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Sends a frame as it is given, in hexadecimal, out of an interface: for what
 * no ordinary socket would send, such as tags that this kernel has no device for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_MAX 9018

/* Bytes that hex stands for, spaces apart; -1 for what is not hexadecimal or too long. */
static int parse_hex(const char *hex, unsigned char frame[FRAME_MAX])
{
	int length = 0, used;
	unsigned int byte;

	while (*hex) {
		if (*hex == ' ') {
			hex++;
			continue;
		}
		if (length == FRAME_MAX || sscanf(hex, "%2x%n", &byte, &used) != 1 || used != 2)
			return -1;
		frame[length++] = (unsigned char)byte;
		hex += 2;
	}
	return length;
}

int main(int argc, char *argv[])
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = ETH_ALEN};
	unsigned char frame[FRAME_MAX];
	int length, count, fd;

	if (argc != 4 || (length = parse_hex(argv[2], frame)) < ETH_HLEN ||
	    (count = atoi(argv[3])) < 1) {
		fprintf(stderr, "usage: frame INTERFACE HEX COUNT\n");
		return 2;
	}
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	if (fd < 0 || !to.sll_ifindex) {
		fprintf(stderr, "frame: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	for (int i = 0; i < count; i++)
		if (sendto(fd, frame, (size_t)length, 0, (struct sockaddr *)&to, sizeof(to)) !=
		    length) {
			fprintf(stderr, "frame: %s: %s\n", argv[1], strerror(errno));
			return 1;
		}
	close(fd);
	return 0;
}
