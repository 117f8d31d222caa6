// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * From what the operator asked for to the numbers the clock runs on.
 */
#include "policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "flow_table.h"
#include "meter.h"

#define NS_PER_S 1000000000ULL

/* The clock counts whole nanoseconds: what is bought at once costs at least this many. */
#define LOT_NS 1024

/* In a long window there is no need for more, and it is how long one class can keep another out. */
#define OVERSHOOT_MAX_NS 100000000ULL

#define LEASE_MAX_BYTES 65536

/*
 * When pacing there is headroom only while the queue that held the packets is missing.
 * It is not in the bound: there is no room, and classes without it stop as much earlier.
 */
#define PACE_STEP_NS	    1000000ULL
#define PACE_OVERSHOOT_NS   2000000ULL
#define PACE_HORIZON_FRAMES 8

/* Reserves are kept by a clock that may be so far behind or ahead of now, or a multiple of it. */
#define RESERVE_BURST_NS 2000000ULL

/*
 * What waits because of its class's own limit has been charged to the aggregate before it
 * leaves. All that may wait so is in the aggregate's bound: a share of its window, as long
 * as that leaves each class a wait that TCP can do with.
 */
#define BANK_SHARE	50
#define BANK_LEAST_NS	25000000ULL
#define BANK_FRAMES	2 /* or as many at the class's limit, where that is longer */
#define BANK_MOST_SHARE 8 /* of the window; rather less than those */

/* The part of its window by which a packet may run over the limit of a class, pacing. */
#define CLASS_OVERSHOOT_SHARE 100

/* A share of the limit, as so many parts of it. */
#define WHOLE (1ULL << 20)

/* Marks begin at three quarters of the horizon, once the wait has been that long for so long. */
#define MARK_AFTER_NS 20000000ULL

/* As many full-size frames as fit 64 KiB: beyond it devices may do as they like. */
#define SEGMENTS_MAX 43

typedef unsigned __int128 wide;

static const char *const class_names[BWCTL_BUILTIN_CLASSES] = {
	[BWCTL_UI] = "ui",	 [BWCTL_ADMIN] = "admin",     [BWCTL_API] = "api",
	[BWCTL_SSH] = "ssh",	 [BWCTL_TELNET] = "telnet",   [BWCTL_ICMP] = "icmp",
	[BWCTL_OTHER] = "other", [BWCTL_CONTROL] = "control",
};

/*
 * How many steps of headroom a level has over the plain limit. The operator's
 * own classes pass when a flood of others is refused, control when even they are.
 */
static const uint32_t level_headroom_steps[BWCTL_LEVELS] = {
	[BWCTL_LEVEL_HIGH] = 1,
	[BWCTL_LEVEL_CONTROL] = 2,
	[BWCTL_LEVEL_RESERVED] = 2,
};

/* And how many earlier than that the lowest stops. */
#define LOW_STEPS 2

#define HEADROOM_STEPS_MAX 2

/* Overshoot and a step of headroom when policing are that many frames at the least. */
#define LEAST_FRAMES 2

const char *policy_class_name(const struct bwctl_asked *asked, uint32_t class)
{
	return class < BWCTL_BUILTIN_CLASSES ? class_names[class] : asked->classes[class].name;
}

const char *policy_priority_name(enum bwctl_priority priority)
{
	static const char *const names[] = {"low", "normal", "high"};

	return names[priority];
}

void policy_default(struct bwctl_asked *ret_asked)
{
	memset(ret_asked, 0, sizeof(*ret_asked));
	for (uint32_t class = 0; class < BWCTL_BUILTIN_CLASSES; class ++) {
		struct bwctl_class_request *request = &ret_asked->classes[class];

		snprintf(request->name, sizeof(request->name), "%s", class_names[class]);
		request->priority = class == BWCTL_UI || class == BWCTL_ADMIN ||
						    class == BWCTL_ICMP || class == BWCTL_CONTROL ?
					    BWCTL_PRIORITY_HIGH :
					    BWCTL_PRIORITY_NORMAL;
	}
	flow_table_default(ret_asked);
}

const char *policy_direction_name(enum bwctl_direction direction)
{
	return direction == BWCTL_INGRESS ? "ingress" : "egress";
}

const char *policy_mode_name(enum bwctl_mode mode)
{
	return mode == BWCTL_MODE_PACE	  ? "pace" :
	       mode == BWCTL_MODE_POLICE  ? "police" :
	       mode == BWCTL_MODE_OBSERVE ? "observe" :
					    "auto";
}

static uint64_t at_least(uint64_t value, uint64_t least)
{
	return value < least ? least : value;
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
	return value > most ? most : value;
}

/* 0 is none. */
static uint64_t tightest(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* Time that bytes take at a rate, rounded up. */
static uint64_t bytes_to_ns(uint64_t bytes, uint64_t rate_bits_s)
{
	return (uint64_t)(((wide)bytes * 8 * NS_PER_S + rate_bits_s - 1) / rate_bits_s);
}

static uint64_t ns_to_bytes(uint64_t time_ns, uint64_t rate_bits_s)
{
	return (uint64_t)((wide)time_ns * rate_bits_s / 8 / NS_PER_S);
}

/*
 * nanoseconds = bytes * multiplier >> shift. The multiplier is kept just below
 * 2^42, so that METER_MAX_BYTES do not overflow and its own rounding (up) is
 * below 2^-41.
 */
static void derive_cost(uint64_t rate_bits_s, __u64 *ret_multiplier, __u32 *ret_shift)
{
	uint32_t shift = 0;
	wide scaled = (wide)8 * NS_PER_S;

	while ((scaled << 1) / rate_bits_s < (wide)1 << 42) {
		scaled <<= 1;
		shift++;
	}
	*ret_shift = shift;
	*ret_multiplier = (uint64_t)((scaled + rate_bits_s - 1) / rate_bits_s);
}

/* So many bytes in so long, rounded down. */
static uint64_t rate_of(uint64_t bytes, uint64_t time_ns)
{
	return (uint64_t)((wide)bytes * 8 * NS_PER_S / time_ns);
}

/* The numbers of one manner of enforcement at one limit. */
struct manner {
	uint64_t window_ns;
	uint64_t burst_ns;
	uint64_t overshoot_ns;
	uint64_t overshoot_bytes; /* at least: 0, or a frame, whatever it costs at r */
	uint64_t step_ns;	  /* of headroom */
	uint64_t room_ns;	  /* for all steps together in the bound */
	uint64_t late_ns;	  /* how much later than they should packets may leave */
	uint64_t lease_share;	  /* CPUs may hold one in so many bytes of the window */
	uint64_t reserve_ns;	  /* more than the largest headroom, for what is within a reserve */
	uint64_t reserve_share;	  /* when pacing: of the limit, in parts of WHOLE */
	uint64_t horizon_ns;	  /* when pacing: no longer wait than this but for that */
};

static uint64_t scale(uint64_t value, uint64_t by, uint64_t of)
{
	return (uint64_t)((wide)value * by / of);
}

static uint64_t frames_to_ns(uint64_t frames, uint64_t limit_bits_s)
{
	return bytes_to_ns(frames * POLICY_FRAME_BYTES, limit_bits_s);
}

uint64_t policy_window(const struct bwctl_request *request, bool paces, uint64_t limit_bits_s)
{
	uint64_t least_ns = paces ? POLICY_PACE_WINDOW_NS : POLICY_WINDOW_NS;

	if (request->window_ns)
		return request->window_ns;
	return limit_bits_s ? at_least(least_ns, frames_to_ns(paces ? 80 : 100, limit_bits_s)) :
			      least_ns;
}

static struct manner police(const struct bwctl_request *request, const struct policy_terms *terms)
{
	uint64_t limit = request->limit_bits_s;
	struct manner manner = {
		.window_ns = policy_window(request, false, limit),
		.burst_ns = POLICY_BURST_NS,
		.lease_share = 400,
	};

	if (terms->is_class)
		manner.window_ns = at_least(manner.window_ns, frames_to_ns(100, limit));
	manner.overshoot_ns = at_least(at_most(manner.window_ns / 200, OVERSHOOT_MAX_NS),
				       frames_to_ns(LEAST_FRAMES, limit));
	if (terms->is_class)
		return manner;
	/* When a packet of a lower class has just run over by all it may, a higher one still passes. */
	manner.step_ns = at_least(POLICY_HEADROOM_NS, manner.overshoot_ns);
	/* As many bytes as the clocks of all reserves may lag behind. */
	if (terms->reserved_bits_s)
		manner.reserve_ns =
			manner.step_ns +
			scale(POLICY_BURST_NS, at_most(terms->reserved_bits_s, limit), limit);
	manner.room_ns = HEADROOM_STEPS_MAX * manner.step_ns + manner.reserve_ns;
	return manner;
}

static struct manner pace(const struct bwctl_request *request, const struct policy_terms *terms,
			  uint64_t drift_ns)
{
	uint64_t limit = request->limit_bits_s;
	struct manner manner = {
		.window_ns = policy_window(request, true, limit),
		.burst_ns = POLICY_PACE_BURST_NS,
		.overshoot_ns = PACE_OVERSHOOT_NS,
		.overshoot_bytes = POLICY_FRAME_BYTES,
		.step_ns = PACE_STEP_NS,
		.late_ns = POLICY_LATE_NS + drift_ns,
		.lease_share = 800,
	};

	if (terms->is_class) {
		manner.window_ns = at_least(manner.window_ns, frames_to_ns(80, limit));
		manner.overshoot_ns = manner.window_ns / CLASS_OVERSHOOT_SHARE;
		manner.horizon_ns = request->horizon_ns;
		return manner;
	}
	manner.horizon_ns = at_most(at_least(POLICY_HORIZON_NS - (drift_ns - POLICY_DRIFT_NS),
					     frames_to_ns(2 * PACE_HORIZON_FRAMES, limit)),
				    POLICY_HORIZON_MAX_NS);
	if (request->horizon_ns)
		manner.horizon_ns = request->horizon_ns;
	manner.reserve_share = scale(WHOLE, at_most(terms->reserved_bits_s, limit), limit);
	return manner;
}

/* Whether it would fit if nothing were reserved, or nothing either that classes let wait. */
static bool fits_without(const struct bwctl_request *request, struct policy_terms terms, bool waits)
{
	struct bwctl_promise promise;
	struct bwctl_meter meter;
	char why[UNITS_TEXT];

	terms.reserved_bits_s = 0;
	terms.banked_bytes = waits ? terms.banked_bytes : 0;
	return !policy_derive_by(request, &terms, &meter, &promise, why);
}

static int too_large(const struct bwctl_request *request, const struct policy_terms *terms,
		     uint64_t window_ns, char ret_why[UNITS_TEXT])
{
	char window[UNITS_TEXT], burst[UNITS_TEXT];

	units_format_time(window_ns, window);
	if (terms->reserved_bits_s && fits_without(request, *terms, true)) {
		snprintf(
			ret_why, UNITS_TEXT,
			"reserves of %.30s together do not fit a window of %.30s: lower them or lengthen the window",
			units_format_rate(terms->reserved_bits_s, burst), window);
		return -EINVAL;
	}
	if (terms->banked_bytes && fits_without(request, *terms, false)) {
		snprintf(
			ret_why, UNITS_TEXT,
			"what classes with limits of their own let wait does not fit a window of %.20s: lengthen the window",
			window);
		return -EINVAL;
	}
	if (request->burst_bytes)
		units_format_size(request->burst_bytes, burst);
	else
		units_format_time(request->burst_ns, burst);
	if (request->burst_bytes || request->burst_ns)
		snprintf(
			ret_why, UNITS_TEXT,
			"a burst of %.40s does not fit a window of %.40s: shorten it or lengthen the window",
			burst, window);
	else
		snprintf(
			ret_why, UNITS_TEXT,
			"a window of %.40s is too short for this limit: lengthen it, or shorten the burst",
			window);
	return -EINVAL;
}

/*
 * How long packets may wait. Lower levels stop earlier, so that a queue that is
 * full for them is not for the operator. What is within a reserve waits longest: the
 * others have filled the queue up to their own horizon.
 */
static void derive_horizon(const struct bwctl_request *request, const struct manner *manner,
			   uint64_t drift_ns, bool is_class, struct bwctl_meter *meter)
{
	/* r is at least half of the limit, so that the manner's is not less. */
	uint64_t default_ns =
		at_most(at_least(POLICY_HORIZON_NS - (drift_ns - POLICY_DRIFT_NS),
				 frames_to_ns(PACE_HORIZON_FRAMES, meter->rate_bits_s)),
			manner->horizon_ns);
	uint64_t horizon_ns = request->horizon_ns ? request->horizon_ns : default_ns;
	uint64_t step_ns = at_most(at_least(POLICY_HEADROOM_NS, manner->overshoot_ns),
				   horizon_ns / (2 * HEADROOM_STEPS_MAX));
	uint64_t control_ns = horizon_ns;

	/*
	 * The others wait less where something is reserved, so that nobody waits longer: above
	 * them there is room for the share of it that they leave, and a step.
	 */
	if (manner->reserve_share) {
		control_ns = scale(horizon_ns - step_ns, WHOLE, WHOLE + manner->reserve_share);
		step_ns = at_most(step_ns, control_ns / (2 * HEADROOM_STEPS_MAX));
	}
	for (int level = 0; level < BWCTL_LEVELS; level++)
		meter->horizon_ns[level] =
			is_class ? horizon_ns :
				   control_ns - (HEADROOM_STEPS_MAX - level_headroom_steps[level]) *
							step_ns;
	if (!is_class) {
		meter->horizon_ns[BWCTL_LEVEL_LOW] -=
			at_most(LOW_STEPS * step_ns, meter->horizon_ns[BWCTL_LEVEL_LOW] / 2);
		meter->horizon_ns[BWCTL_LEVEL_RESERVED] = horizon_ns;
	}
	meter->drift_ns = drift_ns;
	meter->mark_ns = meter->horizon_ns[BWCTL_LEVEL_NORMAL] / 4 * 3;
	meter->mark_after_ns = MARK_AFTER_NS;
}

/* What may have left before its slot, at the most: see meter_jump(). */
static uint64_t jump_bound_ns(const struct manner *manner, bool is_class)
{
	if (is_class)
		return 0;
	return manner->overshoot_ns + (manner->horizon_ns >> METER_JUMP_SHIFT) + 1;
}

int policy_derive_by(const struct bwctl_request *request, const struct policy_terms *terms,
		     struct bwctl_meter *ret_meter, struct bwctl_promise *ret_promise,
		     char ret_why[UNITS_TEXT])
{
	uint64_t drift_ns = terms->way == POLICY_DRIFTS && !terms->is_class ? POLICY_DRIFT_MAX_NS :
									      POLICY_DRIFT_NS;
	bool paces = terms->way != POLICY_DROPS, leases = terms->leases && !terms->is_class;
	struct manner manner;
	uint64_t limit = request->limit_bits_s, cpus = terms->cpus;
	uint64_t window_ns, window_bytes, burst_ns, headroom_ns;
	uint64_t lease_bytes, held_bytes, lot_bytes, reserved_bytes, apart_ns, rate;

	*ret_meter = (struct bwctl_meter){.overhead_bytes = request->overhead_bytes};
	*ret_promise = (struct bwctl_promise){.window_ns = request->window_ns};
	if (!limit) {
		if (!request->window_ns)
			ret_promise->window_ns = paces ? POLICY_PACE_WINDOW_NS : POLICY_WINDOW_NS;
		return 0;
	}

	manner = paces ? pace(request, terms, drift_ns) : police(request, terms);
	window_ns = manner.window_ns;
	window_bytes = ns_to_bytes(window_ns, limit);
	burst_ns = request->burst_ns ? request->burst_ns : manner.burst_ns;
	if (request->burst_bytes)
		burst_ns = 0;
	/* Where a CPU's programs may interrupt each other it must hold nothing: each packet rounds up. */
	lot_bytes = leases ? ns_to_bytes(LOT_NS, limit) + 1 : 0;
	headroom_ns = HEADROOM_STEPS_MAX * manner.step_ns + (paces ? 0 : manner.reserve_ns);
	lease_bytes = leases ? at_most(window_bytes / manner.lease_share / cpus, LEASE_MAX_BYTES) :
			       0;
	if (lease_bytes < 2 * POLICY_FRAME_BYTES)
		lease_bytes = 0;
	/* The share of leases is set apart even where there are none, so that r grows with the limit. */
	held_bytes = at_least(cpus * at_least(lease_bytes, lot_bytes),
			      at_most(window_bytes / manner.lease_share, cpus * LEASE_MAX_BYTES));
	if (terms->is_class)
		held_bytes = 0;
	/* What classes let wait, and for what is rounded below. */
	held_bytes += paces ? terms->banked_bytes : 0;
	reserved_bytes = held_bytes + request->burst_bytes + 2;
	if (reserved_bytes + manner.overshoot_bytes >= window_bytes)
		return too_large(request, terms, window_ns, ret_why);
	apart_ns = burst_ns + manner.room_ns + manner.late_ns;
	if (paces)
		apart_ns += jump_bound_ns(&manner, terms->is_class);
	rate = rate_of(window_bytes - reserved_bytes, window_ns + apart_ns + manner.overshoot_ns);
	/* Where a frame costs more than that, the overshoot is a frame: a number of bytes, not a time. */
	if (rate && bytes_to_ns(manner.overshoot_bytes, rate) > manner.overshoot_ns) {
		uint64_t frames = paces && !terms->is_class ? 2 : 1; /* one of them jumps */

		apart_ns -= (frames - 1) * manner.overshoot_ns;
		if (reserved_bytes + frames * manner.overshoot_bytes >= window_bytes)
			return too_large(request, terms, window_ns, ret_why);
		rate = rate_of(window_bytes - reserved_bytes - frames * manner.overshoot_bytes,
			       window_ns + apart_ns);
		manner.overshoot_ns = rate ? bytes_to_ns(manner.overshoot_bytes, rate) : 0;
		apart_ns += (frames - 1) * manner.overshoot_ns;
	}
	if (rate < limit / 2)
		return too_large(request, terms, window_ns, ret_why);
	if (request->burst_bytes) {
		burst_ns = bytes_to_ns(request->burst_bytes, rate) - 1;
		apart_ns += burst_ns;
	}

	ret_meter->rate_bits_s = rate;
	derive_cost(rate, &ret_meter->cost_multiplier, &ret_meter->cost_shift);
	ret_meter->burst_ns = burst_ns;
	ret_meter->overshoot_ns = manner.overshoot_ns;
	ret_meter->credit_ns = window_ns + burst_ns;
	for (int level = 0; level < BWCTL_LEVELS; level++)
		ret_meter->headroom_ns[level] = level_headroom_steps[level] * manner.step_ns;
	if (!paces)
		ret_meter->headroom_ns[BWCTL_LEVEL_RESERVED] += manner.reserve_ns;
	ret_meter->low_ns = at_most(LOW_STEPS * manner.step_ns, burst_ns / 2);
	ret_meter->room_ns = manner.room_ns;
	if (paces)
		derive_horizon(request, &manner, drift_ns, terms->is_class, ret_meter);
	else
		ret_meter->drift_ns = POLICY_DRIFT_MAX_NS;
	if (paces && !terms->is_class)
		ret_meter->jump_ns = manner.overshoot_ns;
	/*
	 * What this rate allows, and the bytes that another may have lent; clocks of CPUs may differ a
	 * bit. A packet that waits may be ahead by its excess too, before its cost.
	 */
	ret_meter->debt_ns = at_least(headroom_ns, ret_meter->horizon_ns[BWCTL_LEVEL_RESERVED]) +
			     manner.overshoot_ns + bytes_to_ns(METER_MAX_BYTES, rate) +
			     (paces ? bytes_to_ns(METER_MAX_BYTES, rate) : 0) + NS_PER_S / 1000;
	ret_meter->lease_bytes = lease_bytes;
	ret_meter->lot_bytes = lot_bytes;

	ret_promise->limit_bits_s = limit;
	ret_promise->window_ns = window_ns;
	ret_promise->burst_bytes = request->burst_bytes ? request->burst_bytes :
							  ns_to_bytes(burst_ns, rate);
	/* As the programs enforce it, rounded up: r * W + B is then limit * W, or a little less. */
	ret_promise->bound_bytes =
		ns_to_bytes(apart_ns + manner.overshoot_ns, rate) + 1 + held_bytes;
	return 0;
}

int policy_derive(const struct bwctl_request *request, enum policy_way way, uint32_t cpus,
		  bool leases, struct bwctl_meter *ret_meter, struct bwctl_promise *ret_promise,
		  char ret_why[UNITS_TEXT])
{
	struct policy_terms terms = {.way = way, .cpus = cpus, .leases = leases};

	return policy_derive_by(request, &terms, ret_meter, ret_promise, ret_why);
}

static uint32_t segments_of(const struct bwctl_meter *meter)
{
	uint64_t segments;

	if (!meter->rate_bits_s)
		return 0;
	segments = ns_to_bytes(meter->overshoot_ns, meter->rate_bits_s) / POLICY_FRAME_BYTES;
	return segments > SEGMENTS_MAX ? 0 : (uint32_t)at_least(segments, 1);
}

uint32_t policy_segments(const struct bwctl_policy *policy, enum bwctl_direction direction)
{
	uint32_t least = segments_of(&policy->meter[direction]);

	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		least = (uint32_t)tightest(least,
					   segments_of(&policy->class_meter[direction][class]));
	return least;
}

static enum bwctl_level level_of(const struct bwctl_asked *asked, uint32_t class)
{
	switch (asked->classes[class].priority) {
	case BWCTL_PRIORITY_LOW:
		return BWCTL_LEVEL_LOW;
	case BWCTL_PRIORITY_NORMAL:
		return BWCTL_LEVEL_NORMAL;
	default:
		return class == BWCTL_CONTROL ? BWCTL_LEVEL_CONTROL : BWCTL_LEVEL_HIGH;
	}
}

void policy_rules(struct bwctl_policy *policy)
{
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		policy->rules[class] = (struct bwctl_rule){
			.level = level_of(&policy->asked, class),
			.exempt = policy->asked.classes[class].exempt,
		};
}

uint64_t policy_limit(const struct bwctl_policy *policy, enum bwctl_direction direction)
{
	uint64_t least = policy->asked.request[direction].limit_bits_s;

	for (int i = 0; i < BWCTL_RUNS; i++)
		least = tightest(least,
				 policy->runs[i].id ? policy->runs[i].limit_bits_s[direction] : 0);
	return least;
}

uint64_t policy_class_limit(const struct bwctl_policy *policy, uint32_t class,
			    enum bwctl_direction direction)
{
	uint64_t least = policy->asked.classes[class].limit_bits_s[direction];

	for (int i = 0; i < BWCTL_RUNS; i++)
		least = tightest(least,
				 policy->runs[i].id ?
					 policy->runs[i].class_limit_bits_s[class][direction] :
					 0);
	return least;
}

/* What is asked of a class's own clock: all but the limit as it is asked of the aggregate. */
static struct bwctl_request class_request(const struct bwctl_policy *policy, uint32_t class,
					  enum bwctl_direction direction, uint64_t horizon_ns)
{
	struct bwctl_request request = policy->asked.request[direction];

	request.limit_bits_s = policy_class_limit(policy, class, direction);
	request.horizon_ns = horizon_ns;
	/* A size is meant for all of it; as a time it may be longer than is good. */
	if (request.burst_bytes && request.limit_bits_s)
		request.burst_ns =
			at_least(at_most(bytes_to_ns(request.burst_bytes, request.limit_bits_s),
					 horizon_ns ? POLICY_PACE_BURST_NS : POLICY_BURST_NS),
				 1);
	request.burst_bytes = 0;
	return request;
}

/*
 * How long packets of each class may wait because of its own limit, and how many bytes
 * that is for all of them, which the aggregate has to set aside.
 */
static uint64_t share_bank(const struct bwctl_policy *policy, enum bwctl_direction direction,
			   uint64_t horizons_ns[BWCTL_CLASSES])
{
	uint64_t limit = policy_limit(policy, direction), sum = 0, banked, most, longest_ns;
	uint64_t window_ns = policy->asked.request[direction].window_ns;
	uint64_t horizon_ns = policy->asked.request[direction].horizon_ns;
	uint64_t burst_ns = policy->asked.request[direction].burst_ns;

	if (!horizon_ns)
		horizon_ns = POLICY_HORIZON_NS;
	if (!burst_ns)
		burst_ns = POLICY_PACE_BURST_NS;
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		sum += policy_class_limit(policy, class, direction);
	if (!sum)
		return 0;
	if (!window_ns)
		window_ns = limit ? at_least(POLICY_PACE_WINDOW_NS, frames_to_ns(80, limit)) :
				    POLICY_PACE_WINDOW_NS;
	/* Nothing is set aside of what has no limit. */
	if (limit)
		horizon_ns = at_most(horizon_ns, at_least(scale(window_ns / BANK_SHARE, limit, sum),
							  BANK_LEAST_NS));
	most = limit ? ns_to_bytes(window_ns, limit) / BANK_MOST_SHARE : UINT64_MAX;
	for (int frames = BANK_FRAMES;; frames = 0) {
		banked = longest_ns = 0;
		for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
			uint64_t own = policy_class_limit(policy, class, direction);
			uint64_t held_ns;

			if (!own)
				continue;
			horizons_ns[class] =
				at_most(at_least(horizon_ns, frames_to_ns((uint64_t)frames, own)),
					POLICY_HORIZON_MAX_NS);
			/* What leaves in that time by the class's clock: its burst and overshoot too. */
			held_ns = horizons_ns[class] + burst_ns +
				  at_least(at_least(window_ns, frames_to_ns(80, own)) /
						   CLASS_OVERSHOOT_SHARE,
					   frames_to_ns(1, own));
			longest_ns = at_least(longest_ns, held_ns);
			banked += ns_to_bytes(held_ns, limit ? at_most(own, limit) : own) + 1;
		}
		/* More than the aggregate has let pass in that time cannot wait. */
		if (limit)
			banked = at_most(banked,
					 ns_to_bytes(longest_ns + POLICY_PACE_BURST_NS, limit) + 1);
		if (banked <= most || !frames)
			return limit ? banked : 0;
	}
}

static uint64_t sum_of_reserves(const struct bwctl_asked *asked)
{
	uint64_t sum = 0;

	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++)
		if (*asked->classes[class].name && !asked->classes[class].exempt)
			sum += asked->classes[class].reserve_bits_s;
	return sum;
}

/*
 * A reserve is a part of the limit, and runs at that part of r. Where a limit is lower
 * than all reserves together (a run of one command may make it so) each has its part of it.
 */
static void derive_reserves(struct bwctl_policy *policy, enum bwctl_direction direction, bool paces)
{
	const struct bwctl_meter *meter = &policy->meter[direction];
	uint64_t sum = sum_of_reserves(&policy->asked);
	uint64_t limit = policy_limit(policy, direction);

	memset(policy->reserve[direction], 0, sizeof(policy->reserve[direction]));
	for (uint32_t class = 0; class < BWCTL_CLASSES && limit && sum; class ++) {
		const struct bwctl_class_request *request = &policy->asked.classes[class];
		struct bwctl_reserve *reserve = &policy->reserve[direction][class];
		uint64_t rate =
			scale(meter->rate_bits_s, request->reserve_bits_s, at_least(limit, sum));

		if (!*request->name || request->exempt || !rate)
			continue;
		derive_cost(rate, &reserve->cost_multiplier, &reserve->cost_shift);
		reserve->burst_ns = paces ? RESERVE_BURST_NS : POLICY_BURST_NS;
		reserve->horizon_ns = paces ? meter->horizon_ns[BWCTL_LEVEL_NORMAL] : 0;
		reserve->most_ns =
			2 * (reserve->horizon_ns + reserve->burst_ns) + POLICY_HORIZON_NS;
	}
}

static int build_direction(struct bwctl_policy *policy, enum bwctl_direction direction, bool leases,
			   char why[LOG_TEXT])
{
	const struct bwctl_enforcement *enforcement = &policy->enforcement[direction];
	struct bwctl_request request = policy->asked.request[direction];
	struct bwctl_meter *meter = &policy->meter[direction];
	uint64_t horizons_ns[BWCTL_CLASSES] = {0};
	struct policy_terms terms = {
		.way = enforcement->mode != BWCTL_MODE_PACE ? POLICY_DROPS :
		       enforcement->senders_pace	    ? POLICY_DRIFTS :
							      POLICY_WAITS,
		.cpus = policy->possible_cpus,
		.leases = leases,
		.reserved_bits_s = sum_of_reserves(&policy->asked),
	};
	struct policy_terms own = {.way = terms.way, .cpus = terms.cpus, .is_class = true};
	char problem[UNITS_TEXT];
	bool has_classes = false;
	int err;

	if (terms.way != POLICY_DROPS)
		terms.banked_bytes = share_bank(policy, direction, horizons_ns);
	request.limit_bits_s = policy_limit(policy, direction);
	err = policy_derive_by(&request, &terms, meter, &policy->promise[direction], problem);
	if (err) {
		snprintf(why, LOG_TEXT, "%s: %s", policy_direction_name(direction), problem);
		return err;
	}
	for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
		struct bwctl_request each =
			class_request(policy, class, direction, horizons_ns[class]);

		err = policy_derive_by(&each, &own, &policy->class_meter[direction][class],
				       &policy->class_promise[direction][class], problem);
		if (err) {
			snprintf(why, LOG_TEXT, "class %s %s: %s",
				 policy_class_name(&policy->asked, class),
				 policy_direction_name(direction), problem);
			return err;
		}
		has_classes = has_classes || each.limit_bits_s;
	}
	/* Without a limit for all, it is where the programs look whether packets may wait. */
	if (!request.limit_bits_s && has_classes && terms.way != POLICY_DROPS) {
		for (int level = 0; level < BWCTL_LEVELS; level++)
			meter->horizon_ns[level] = POLICY_HORIZON_NS;
		meter->lot_bytes = leases;
	}
	derive_reserves(policy, direction, terms.way != POLICY_DROPS);
	meter->hold_ifindex = enforcement->hold_ifindex;
	return 0;
}

int policy_build(struct bwctl_policy *policy, bool leases, char why[LOG_TEXT])
{
	int err = 0;

	policy_rules(policy);
	policy->observe = policy->asked.request[0].mode == BWCTL_MODE_OBSERVE;
	for (int direction = 0; direction < BWCTL_DIRECTIONS && !err; direction++)
		err = build_direction(policy, direction, leases, why);
	return err;
}

uint64_t policy_held_rate(const struct bwctl_meter *meter, uint64_t now_ns, uint64_t *ret_until_ns)
{
	*ret_until_ns = 0;
	if (now_ns >= meter->slow_until_ns)
		return meter->rate_bits_s;
	*ret_until_ns = meter->slow_until_ns;
	return (uint64_t)((wide)meter->rate_bits_s * meter->cost_multiplier /
			  meter->slow_multiplier);
}

/*
 * What still waits has been charged, and the clock is not brought back behind it.
 * The slower packets of a lower limit are worth less time. And while it is held
 * back a large packet costs more.
 */
static void inherit(const struct bwctl_meter *former, uint64_t former_rate, uint64_t until_ns,
		    struct bwctl_meter *meter, uint64_t rate)
{
	uint64_t most_ns = bytes_to_ns(METER_MAX_BYTES, rate) -
			   bytes_to_ns(METER_MAX_BYTES, meter->rate_bits_s);
	uint64_t charged_bits_s = former->horizon_ns[BWCTL_LEVEL_RESERVED] ? former_rate : 0;

	meter->inherited_ns = former->horizon_ns[BWCTL_LEVEL_RESERVED];
	if (until_ns) {
		meter->inherited_ns = at_least(meter->inherited_ns, former->inherited_ns);
		charged_bits_s = at_least(charged_bits_s, former->inherited_rate_bits_s);
	}
	meter->inherited_rate_bits_s = charged_bits_s;
	meter->debt_ns += meter->horizon_ns[BWCTL_LEVEL_RESERVED] ? 2 * most_ns : most_ns;
	meter->debt_ns +=
		(uint64_t)((wide)meter->inherited_ns * at_most(charged_bits_s, rate) / rate);
}

/*
 * A policy whose r is a larger part of its limit than the former's was must not
 * meet the longer burst of a moment ago: it keeps to the former's part for as
 * long as the former's window. One whose part is smaller anyway runs at its own r,
 * but the time is noted all the same, for the policy after it. Nor has the former
 * any room for an overshoot or a headroom that are longer than its own.
 */
static void hold_back(const struct bwctl_meter *former, const struct bwctl_promise *promised,
		      uint64_t waits_ns, struct bwctl_meter *meter,
		      const struct bwctl_promise *promise, uint64_t now_ns)
{
	uint64_t limit = promise->limit_bits_s, limit_before = promised->limit_bits_s;
	uint64_t until_ns, before, counts_ns = promised->window_ns;
	wide rate;

	if (!limit_before)
		return;
	before = policy_held_rate(former, now_ns, &until_ns);
	rate = (wide)before * limit / limit_before;
	if (rate > meter->rate_bits_s)
		rate = meter->rate_bits_s;
	meter->slow_overshoot_ns = at_most(meter->overshoot_ns, former->overshoot_ns);
	meter->slow_headroom_ns = at_most(meter->room_ns, former->room_ns);
	if (until_ns) {
		meter->slow_overshoot_ns =
			at_most(meter->slow_overshoot_ns, former->slow_overshoot_ns);
		meter->slow_headroom_ns =
			at_most(meter->slow_headroom_ns, former->slow_headroom_ns);
	}
	inherit(former, before, until_ns, meter, (uint64_t)rate);
	/* What the former let wait goes on leaving for a while. */
	if (waits_ns)
		counts_ns += waits_ns + former->drift_ns + POLICY_LATE_NS;
	meter->slow_until_ns = at_least(until_ns, now_ns + counts_ns);
	meter->slow_multiplier =
		(uint64_t)(((wide)meter->cost_multiplier * meter->rate_bits_s + rate - 1) / rate);
}

/* A former policy of one direction, as far as what is to come depends on it. */
struct former {
	bool observed;	   /* nothing was kept to its limits */
	uint64_t waits_ns; /* the longest that a packet may have to */
};

/* The meter at the place of former, which is NULL if there was none. */
static void succeed(const struct former *all, const struct bwctl_meter *former,
		    const struct bwctl_promise *promised, struct bwctl_meter *meter,
		    const struct bwctl_promise *promise, uint64_t now_ns)
{
	if (!meter->rate_bits_s)
		return;
	meter->start_ns = now_ns;
	if (!former || !former->rate_bits_s || all->observed)
		return;
	meter->start_ns = former->start_ns;
	hold_back(former, promised, all->waits_ns, meter, promise, now_ns);
}

static struct former look_back(const struct bwctl_policy *previous, const struct bwctl_policy *next,
			       int direction)
{
	struct former former = {0};

	if (!previous)
		return former;
	former.observed = previous->observe && !next->observe;
	former.waits_ns = previous->meter[direction].horizon_ns[BWCTL_LEVEL_RESERVED];
	for (uint32_t class = 0; class < BWCTL_CLASSES && former.waits_ns; class ++)
		former.waits_ns = at_least(
			former.waits_ns,
			previous->class_meter[direction][class].horizon_ns[BWCTL_LEVEL_NORMAL]);
	return former;
}

void policy_succeed(const struct bwctl_policy *previous, struct bwctl_policy *next, uint64_t now_ns)
{
	next->generation = previous ? previous->generation + 1 : 1;
	for (int direction = 0; direction < BWCTL_DIRECTIONS; direction++) {
		struct former former = look_back(previous, next, direction);

		succeed(&former, previous ? &previous->meter[direction] : NULL,
			previous ? &previous->promise[direction] : NULL, &next->meter[direction],
			&next->promise[direction], now_ns);
		for (uint32_t class = 0; class < BWCTL_CLASSES; class ++) {
			/* Another class that has the number has nothing to do with the former one. */
			bool same = previous && !strcmp(previous->asked.classes[class].name,
							next->asked.classes[class].name);

			succeed(&former, same ? &previous->class_meter[direction][class] : NULL,
				same ? &previous->class_promise[direction][class] : NULL,
				&next->class_meter[direction][class],
				&next->class_promise[direction][class], now_ns);
		}
	}
}
