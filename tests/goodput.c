/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What TCP got: reads a capture of what came to the receiver and counts each
 * payload byte the first time it comes, whatever the order, and what comes again
 * apart from that. A capture may hold super-packets; TCP over IPv4 on Ethernet is
 * counted, other frames are not. Knows neither limits nor bwctl.
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S     INT64_C(1000000000)
#define SECONDS_MAX  3600
#define FLOWS_MAX    256
#define FULL_PAYLOAD 1400 /* a frame with as much is data: iperf3's own messages are shorter */

#define ETHERNET_BYTES 14

/* Bytes from..to of a flow, counted from its first. */
struct range {
	uint64_t from, to;
};

struct flow {
	uint32_t addresses[2];
	uint16_t ports[2]; /* source, destination */
	uint64_t last;	   /* position of the last segment, to unwrap sequence numbers */
	uint32_t last_sequence;
	struct range *seen; /* in order, apart from each other */
	size_t seen_count, seen_capacity;
	uint64_t new_bytes; /* between --from and --to */
};

struct segment {
	int64_t at_ns;
	uint32_t addresses[2];
	uint16_t ports[2];
	uint32_t sequence;
	uint32_t payload_bytes;
};

struct tally {
	uint64_t payload_bytes, new_bytes;
};

static struct flow flows[FLOWS_MAX];
static size_t flow_count;

static uint16_t read16(const u_char *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t read32(const u_char *bytes)
{
	return (uint32_t)read16(bytes) << 16 | read16(bytes + 2);
}

/* False for a frame that carries no TCP payload over IPv4. */
static bool parse(const struct pcap_pkthdr *header, const u_char *frame, struct segment *ret)
{
	const u_char *ip = frame + ETHERNET_BYTES, *tcp;
	uint32_t ip_bytes, header_bytes;

	if (header->caplen < ETHERNET_BYTES + 20 || read16(frame + 12) != 0x0800 || ip[9] != 6 ||
	    read16(ip + 6) & 0x1fff)
		return false;
	header_bytes = (ip[0] & 0xf) * 4U;
	tcp = ip + header_bytes;
	if (header->caplen < ETHERNET_BYTES + header_bytes + 20)
		return false;
	ip_bytes = read16(ip + 2);
	header_bytes += (tcp[12] >> 4) * 4U;
	if (ip_bytes <= header_bytes)
		return false;
	/* opened for nanoseconds: that is what tv_usec holds */
	ret->at_ns = header->ts.tv_sec * NS_PER_S + header->ts.tv_usec;
	ret->addresses[0] = read32(ip + 12);
	ret->addresses[1] = read32(ip + 16);
	ret->ports[0] = read16(tcp);
	ret->ports[1] = read16(tcp + 2);
	ret->sequence = read32(tcp + 4);
	ret->payload_bytes = ip_bytes - header_bytes;
	return true;
}

static struct flow *find_flow(const struct segment *segment)
{
	struct flow *flow;

	for (flow = flows; flow < flows + flow_count; flow++)
		if (!memcmp(flow->addresses, segment->addresses, sizeof(flow->addresses)) &&
		    !memcmp(flow->ports, segment->ports, sizeof(flow->ports)))
			return flow;
	if (flow_count == FLOWS_MAX)
		errx(1, "more than %d flows", FLOWS_MAX);
	flow_count++;
	memcpy(flow->addresses, segment->addresses, sizeof(flow->addresses));
	memcpy(flow->ports, segment->ports, sizeof(flow->ports));
	/* Far from 0: what is first in the capture need not be first in the flow. */
	flow->last = 1ULL << 40;
	flow->last_sequence = segment->sequence;
	return flow;
}

/* Takes from..to into what was seen of the flow; returns how much of it is new. */
static uint64_t take(struct flow *flow, uint64_t from, uint64_t to)
{
	size_t first = flow->seen_count, end;
	uint64_t new_bytes = to - from;
	struct range *grown;

	/* From the end: most segments continue the last range. */
	while (first && flow->seen[first - 1].to >= from)
		first--;
	for (end = first; end < flow->seen_count && flow->seen[end].from <= to; end++) {
		const struct range *range = &flow->seen[end];
		uint64_t low = range->from > from ? range->from : from;
		uint64_t high = range->to < to ? range->to : to;

		new_bytes -= high - low;
	}
	if (first == end) {
		if (flow->seen_count == flow->seen_capacity) {
			flow->seen_capacity = flow->seen_capacity ? 2 * flow->seen_capacity : 64;
			grown = reallocarray(flow->seen, flow->seen_capacity, sizeof(*grown));
			if (!grown)
				err(1, "cannot remember what was seen");
			flow->seen = grown;
		}
		memmove(flow->seen + first + 1, flow->seen + first,
			(flow->seen_count - first) * sizeof(*flow->seen));
		flow->seen[first] = (struct range){from, to};
		flow->seen_count++;
		return new_bytes;
	}
	if (flow->seen[first].from > from)
		flow->seen[first].from = from;
	if (flow->seen[end - 1].to > to)
		to = flow->seen[end - 1].to;
	flow->seen[first].to = to;
	memmove(flow->seen + first + 1, flow->seen + end,
		(flow->seen_count - end) * sizeof(*flow->seen));
	flow->seen_count -= end - first - 1;
	return new_bytes;
}

static int64_t parse_seconds(const char *name, const char *text)
{
	char *end;
	int64_t seconds = strtoll(text, &end, 10);
	int64_t fraction = 0, digit = NS_PER_S / 10;

	if (end == text || seconds < 0 || seconds > UINT32_MAX)
		errx(2, "--%s '%s': expected seconds", name, text);
	if (*end == '.')
		for (end++; *end >= '0' && *end <= '9'; end++, digit /= 10)
			fraction += (*end - '0') * digit;
	if (*end)
		errx(2, "--%s '%s': expected seconds", name, text);
	return seconds * NS_PER_S + fraction;
}

static void usage(FILE *stream)
{
	fputs("usage: goodput --from SECONDS --to SECONDS [--start SECONDS] CAPTURE\n"
	      "  --from, --to  what is counted, in seconds since the start\n"
	      "  --start       when that was (CLOCK_REALTIME); the first full-size frame if not told\n"
	      "Prints one object: between --from and --to, and of the whole capture.\n",
	      stream);
}

int main(int argc, char **argv)
{
	enum {
		FROM = 1,
		TO,
		START,
		HELP
	};
	static const struct option options[] = {
		{"from", required_argument, NULL, FROM},
		{"to", required_argument, NULL, TO},
		{"start", required_argument, NULL, START},
		{"help", no_argument, NULL, HELP},
		{0},
	};
	static uint64_t second_bytes[SECONDS_MAX];
	int64_t from_ns = -1, to_ns = -1, start_ns = -1;
	struct tally whole = {0}, counted = {0};
	char why[PCAP_ERRBUF_SIZE] = "";
	struct pcap_pkthdr *header;
	const u_char *frame;
	int option, got;
	pcap_t *pcap;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case FROM:
			from_ns = parse_seconds("from", optarg);
			break;
		case TO:
			to_ns = parse_seconds("to", optarg);
			break;
		case START:
			start_ns = parse_seconds("start", optarg);
			break;
		case HELP:
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (from_ns < 0 || to_ns <= from_ns || to_ns > SECONDS_MAX * NS_PER_S ||
	    optind != argc - 1) {
		usage(stderr);
		return 2;
	}

	pcap = pcap_open_offline_with_tstamp_precision(argv[optind], PCAP_TSTAMP_PRECISION_NANO,
						       why);
	if (!pcap || pcap_datalink(pcap) != DLT_EN10MB)
		errx(1, "cannot read '%s': %s", argv[optind], pcap ? "not Ethernet" : why);
	while ((got = pcap_next_ex(pcap, &header, &frame)) == 1) {
		struct segment segment;
		uint64_t new_bytes;
		struct flow *flow;
		int64_t since_ns;

		if (!parse(header, frame, &segment))
			continue;
		if (start_ns < 0 && segment.payload_bytes >= FULL_PAYLOAD)
			start_ns = segment.at_ns;
		flow = find_flow(&segment);
		flow->last += (uint64_t)(int64_t)(int32_t)(segment.sequence - flow->last_sequence);
		flow->last_sequence = segment.sequence;
		new_bytes = take(flow, flow->last, flow->last + segment.payload_bytes);
		whole.payload_bytes += segment.payload_bytes;
		whole.new_bytes += new_bytes;
		if (start_ns < 0)
			continue;
		since_ns = segment.at_ns - start_ns;
		if (since_ns >= from_ns && since_ns < to_ns) {
			counted.payload_bytes += segment.payload_bytes;
			counted.new_bytes += new_bytes;
			flow->new_bytes += new_bytes;
		}
		if (since_ns >= 0 && since_ns < to_ns)
			second_bytes[since_ns / NS_PER_S] += new_bytes;
	}
	if (got != PCAP_ERROR_BREAK)
		errx(1, "cannot read '%s': %s", argv[optind], pcap_geterr(pcap));
	if (start_ns < 0)
		errx(1, "'%s' holds no full-size frame", argv[optind]);

	printf("{\"start_seconds\": %" PRId64 ".%09" PRId64 ", \"seconds\": %.9f",
	       start_ns / NS_PER_S, start_ns % NS_PER_S, (double)(to_ns - from_ns) / NS_PER_S);
	printf(", \"payload_bytes\": %" PRIu64 ", \"new_bytes\": %" PRIu64, counted.payload_bytes,
	       counted.new_bytes);
	printf(", \"whole_payload_bytes\": %" PRIu64 ", \"whole_new_bytes\": %" PRIu64,
	       whole.payload_bytes, whole.new_bytes);
	printf(", \"second_new_bytes\": [");
	for (int s = 0; s < (to_ns + NS_PER_S - 1) / NS_PER_S; s++)
		printf("%s%" PRIu64, s ? ", " : "", second_bytes[s]);
	printf("], \"flow_new_bytes\": [");
	for (size_t i = 0; i < flow_count; i++)
		printf("%s%" PRIu64, i ? ", " : "", flows[i].new_bytes);
	puts("]}");
	pcap_close(pcap);
	return 0;
}
