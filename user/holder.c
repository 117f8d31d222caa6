// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Where packets wait: fq on the way out, an IFB with fq on the way in.
 */
#include "holder.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "policy.h"
#include "queue.h"
#include "why.h"

#define HOLD_NAME    "bwctl%d"
#define HOLD_IFINDEX 0x62770000U
#define HOLD_INDEXES 0x10000U
#define HOLD_QUEUES  16
#define GRO_HEADERS  128 /* of one merged packet, beside its payload */
/* What most devices have (GSO_MAX_SEGS and GRO_LEGACY_MAX_SIZE in netdevice.h). */
#define USUAL_SEGMENTS 65535
#define USUAL_GRO_SIZE 65536
#define LINK_FRAME_IP  (POLICY_FRAME_BYTES - 14)

/* FNV-1a (RFC 9923): spreads the names of pin directories over the indexes set apart. */
uint32_t holder_hold_ifindex(const struct pins *pins)
{
	uint32_t hash = 2166136261U;

	if (pins->hold_ifindex)
		return pins->hold_ifindex;
	for (const char *c = pins->directory; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619U;
	return HOLD_IFINDEX + hash % HOLD_INDEXES;
}

static struct bwctl_interface_key hold_key(const struct holder_means *means)
{
	return (struct bwctl_interface_key){
		.netns_inode = means->netns_inode,
		.ifindex = holder_hold_ifindex(means->pins),
	};
}

static int watch(const struct holder_means *means, const struct bwctl_interface_key *key,
		 enum bwctl_direction direction)
{
	struct bwctl_holder holder = {.direction = direction};

	return bpf_map_update_elem(means->holders_fd, key, &holder, BPF_ANY) ? -errno : 0;
}

static int stop_watching(const struct holder_means *means, const struct bwctl_interface_key *key)
{
	if (means->holders_fd < 0)
		return 0;
	return bpf_map_delete_elem(means->holders_fd, key) && errno != ENOENT ? -errno : 0;
}

static bool is_watched(const struct holder_means *means, const struct bwctl_interface_key *key)
{
	struct bwctl_holder holder;

	return !bpf_map_lookup_elem(means->holders_fd, key, &holder) && !holder.is_lost;
}

/* Asked once: a device that is made in vain takes a while to go again. */
static bool kernel_lacks_fq;

static int no_place(const char *name, int err, char why[LOG_TEXT])
{
	if (err == -ENOENT) {
		kernel_lacks_fq = true;
		return why_refuse(why, err, "this kernel has no fq qdisc");
	}
	return why_fail(why, err, "no fq on '%s'", name);
}

static int look_out(const struct holder_means *means, const struct hooks_place *place,
		    const char *name, bool will_prepare, enum queue_root *ret_root,
		    char why[LOG_TEXT])
{
	char kind[16] = "";
	int root;

	root = queue_root_look(place->key->ifindex, POLICY_HORIZON_MAX_NS, kind);
	if (root < 0)
		return no_place(name, root, why);
	*ret_root = root;
	if (root == QUEUE_ROOT_FOREIGN)
		return why_refuse(why, -EBUSY,
				  strcmp(kind, "fq") ?
					  "'%s' has a root qdisc of its own, %s" :
					  "'%s' has an %s of its own with a short horizon",
				  name, kind);
	if (will_prepare)
		return 0;
	if (root == QUEUE_ROOT_BROKEN)
		return why_refuse(why, -ENOENT, "the fq on '%s' was changed", name);
	if (root == QUEUE_ROOT_DEFAULT)
		return why_refuse(why, -ENOENT, "fq is missing on '%s'", name);
	return is_watched(means, place->key) ?
		       0 :
		       why_refuse(why, -ENOENT, "the fq on '%s' is not watched", name);
}

static int no_clsact(const char *name, char why[LOG_TEXT])
{
	return why_refuse(why, -EBUSY, "'%s' has an ingress qdisc in the place of clsact", name);
}

static int look_in(const struct holder_means *means, const struct hooks_place *place,
		   const char *name, bool will_prepare, char why[LOG_TEXT])
{
	struct bwctl_interface_key key = hold_key(means);
	struct bwctl_interface on_hold = {.priority = {[BWCTL_EGRESS] = 1}};
	bool is_ours = hooks_link_state(place->pins, place->key, BWCTL_INGRESS) ==
		       HOOKS_LINK_ATTACHED;
	char neighbour[64];
	int found;

	found = hooks_count_tcx(place->key->ifindex, BWCTL_INGRESS);
	if (found > is_ours)
		return why_refuse(why, -EBUSY,
				  "another program on the ingress of '%s' would miss what waits",
				  name);
	found = queue_ingress_neighbour(place->key->ifindex, HOOKS_CLSACT_HANDLE, neighbour);
	if (found < 0)
		return why_fail(why, found, "cannot look at the ingress of '%s'", name);
	if (found)
		return why_refuse(why, -EBUSY, "%s on the ingress of '%s' would miss what waits",
				  neighbour, name);
	/* Before anything is made: what leads to the IFB hangs on clsact. */
	if (will_prepare && means->is_led &&
	    queue_clsact_kind(place->key->ifindex) == QUEUE_INGRESS)
		return no_clsact(name, why);
	if (will_prepare)
		return kernel_lacks_fq ? no_place(name, -ENOENT, why) : 0;
	if (queue_ifb_look(key.ifindex) != 1)
		return why_refuse(why, -ENOENT, "the IFB device is missing, or its fq is");
	if (hooks_link_state(means->pins, &key, BWCTL_EGRESS) != HOOKS_LINK_ATTACHED &&
	    !hooks_clsact_is_attached(&key, &on_hold, BWCTL_EGRESS))
		return why_refuse(why, -ENOENT, "the program on the IFB device is missing");
	if (means->is_led && queue_lead_look(place->key->ifindex, HOOKS_LEAD_PRIORITY,
					     HOOKS_CLSACT_HANDLE, key.ifindex) != 1)
		return why_refuse(why, -ENOENT, "the filter from '%s' to the IFB device is missing",
				  name);
	return is_watched(means, &key) ?
		       0 :
		       why_refuse(why, -ENOENT, "the fq of the IFB device is not watched");
}

static int look(const struct holder_means *means, const struct hooks_place *place, const char *name,
		enum bwctl_direction direction, bool will_prepare, enum queue_root *ret_root,
		char why[LOG_TEXT])
{
	*why = '\0';
	if (!means->is_watched)
		return why_refuse(why, -EOPNOTSUPP,
				  "this kernel does not tell when a qdisc is taken away");
	if (direction == BWCTL_EGRESS)
		return look_out(means, place, name, will_prepare, ret_root, why);
	if (!means->can_hold)
		return why_refuse(why, -EOPNOTSUPP, "Linux 5.18 or newer is needed");
	return look_in(means, place, name, will_prepare, why);
}

/* Gives the root back to the kernel, and the length that a device without one may have had. */
static int restore_root(struct hooks_place *place)
{
	struct bwctl_interface *record = place->record;
	int err;

	if (!record->root_replaced)
		return 0;
	err = queue_root_restore(place->key->ifindex);
	if (!err)
		err = queue_length_write(place->key->ifindex, record->tx_queue_len);
	if (err && err != -ENODEV)
		return err;
	record->root_replaced = 0;
	return 0;
}

static int prepare_out(const struct holder_means *means, struct hooks_place *place,
		       const char *name, enum queue_root root, char why[LOG_TEXT])
{
	struct bwctl_interface *record = place->record;
	struct queue_sizes sizes;
	int err = 0;

	/* One that is ours by its handle, and of which the notes are lost, is taken back too. */
	if (root != QUEUE_ROOT_FQ && root != QUEUE_ROOT_FQ_PACES && !record->root_replaced) {
		err = queue_sizes_read(place->key->ifindex, &sizes);
		if (!err) {
			record->tx_queue_len = sizes.tx_queue_len;
			record->root_replaced = 1;
			err = place->note(place);
		}
		if (err)
			return no_place(name, err, why);
	}
	if (root == QUEUE_ROOT_DEFAULT || root == QUEUE_ROOT_BROKEN) {
		log_note("putting fq on '%s'", name);
		err = queue_root_replace(place->key->ifindex);
		if (err) {
			restore_root(place);
			place->note(place);
			return no_place(name, err, why);
		}
	}
	err = watch(means, place->key, BWCTL_EGRESS);
	return err ? no_place(name, err, why) : 0;
}

static int write_nothing(const struct hooks_place *place)
{
	(void)place;
	return 0;
}

/* The program of the IFB hangs on its egress, by a link of its own, or goes with the device. */
static int attach_hold(const struct holder_means *means, const struct bwctl_interface_key *key)
{
	struct bwctl_interface record = {0};
	struct hooks_place place = {
		.pins = means->pins,
		.key = key,
		.record = &record,
		.note = write_nothing,
	};
	int err;

	/* The first of our filters there: one that is there already is replaced. */
	record.priority[BWCTL_EGRESS] = 1;
	err = hooks_attach(&place, BWCTL_EGRESS, BWCTL_HOOK_TCX, means->hold_fd);
	if (err != -EINVAL)
		return err;
	err = hooks_prepare(&place, BWCTL_HOOK_CLSACT);
	return err ? err : hooks_attach(&place, BWCTL_EGRESS, BWCTL_HOOK_CLSACT, means->hold_fd);
}

/* As many queues as the device has to receive with, so that CPUs do not wait for one lock. */
static uint32_t hold_queues(unsigned int ifindex)
{
	int queues = queue_rx_queues(ifindex);

	return queues < 1 ? 1 : queues > HOLD_QUEUES ? HOLD_QUEUES : (uint32_t)queues;
}

/* From the device to the IFB. Ready before the program is that sends packets this way. */
static int lead(const struct holder_means *means, struct hooks_place *place, const char *name,
		char why[LOG_TEXT])
{
	uint32_t ifindex = place->key->ifindex;
	int err = hooks_prepare(place, BWCTL_HOOK_CLSACT);

	if (err == -EBUSY)
		return no_clsact(name, why);
	if (!err)
		err = queue_lead_write(ifindex, HOOKS_LEAD_PRIORITY, HOOKS_CLSACT_HANDLE,
				       means->lead_fd, hold_key(means).ifindex);
	if (err == -ENOENT)
		return why_refuse(why, err, "this kernel has no mirred action");
	return err ? why_fail(why, err, "no filter to the IFB device on '%s'", name) : 0;
}

/* The IFB, whole and watched. *ret_is_new: there was none, or not quite one. */
static int prepare_hold(const struct holder_means *means, const struct hooks_place *place,
			bool *ret_is_new, char why[LOG_TEXT])
{
	struct bwctl_interface_key key = hold_key(means);
	int err;

	err = queue_ifb_look(key.ifindex);
	*ret_is_new = false;
	/* What cannot be looked at stays: it may hold packets. */
	if (err < 0 && err != -ENODEV)
		return why_fail(why, err, "cannot look at the IFB device");
	*ret_is_new = err != 1;
	if (*ret_is_new) {
		holder_release_hold(means);
		log_note("making an IFB device, index %u", key.ifindex);
		err = queue_ifb_create(HOLD_NAME, key.ifindex, hold_queues(place->key->ifindex));
		if (err == -ENOENT)
			return why_refuse(why, err, "this kernel has no IFB device, or no fq");
		if (err)
			return why_fail(why, err, "cannot make an IFB device");
	}
	/* Replaced in place if it is there: a newer bwctl brings a newer one. */
	err = attach_hold(means, &key);
	if (!err)
		err = watch(means, &key, BWCTL_INGRESS);
	return err ? why_fail(why, err, "cannot attach to the IFB device") : 0;
}

static int prepare_in(const struct holder_means *means, struct hooks_place *place, const char *name,
		      char why[LOG_TEXT])
{
	bool is_new;
	int err = prepare_hold(means, place, &is_new, why);

	if (!err && means->is_led)
		err = lead(means, place, name, why);
	/* One that others use already stays. */
	if (err && is_new)
		holder_release_hold(means);
	return err;
}

int holder_hold(const struct holder_means *means, struct hooks_place *place, const char *name,
		enum bwctl_direction direction, enum holder_task task, char why[LOG_TEXT])
{
	enum queue_root root = QUEUE_ROOT_FOREIGN;
	int err = look(means, place, name, direction, task != HOLDER_IS, &root, why);

	if (!err && task == HOLDER_MAKE)
		err = direction == BWCTL_EGRESS ? prepare_out(means, place, name, root, why) :
						  prepare_in(means, place, name, why);
	return err ? err : root == QUEUE_ROOT_FQ_PACES;
}

static struct bwctl_sizes sizes_of(const struct queue_sizes *sizes)
{
	return (struct bwctl_sizes){
		.gso_max_size = sizes->gso_max_size,
		.gso_max_segs = sizes->gso_max_segs,
		.gso_ipv4_max_size = sizes->gso_ipv4_max_size,
		.gro_max_size = sizes->gro_max_size,
		.gro_ipv4_max_size = sizes->gro_ipv4_max_size,
	};
}

static int write_sizes(const struct hooks_place *place, const struct bwctl_sizes *sizes)
{
	struct queue_sizes wanted = {
		.gso_max_size = sizes->gso_max_size,
		.gso_max_segs = sizes->gso_max_segs,
		.gso_ipv4_max_size = sizes->gso_ipv4_max_size,
		.gro_max_size = sizes->gro_max_size,
		.gro_ipv4_max_size = sizes->gro_ipv4_max_size,
	};

	return queue_sizes_write(place->key->ifindex, &wanted);
}

static void lower(uint32_t *size, uint32_t to)
{
	if (*size > to)
		*size = to;
}

/* What somebody has set in the meantime is theirs: it stays. */
static void keep_others(uint32_t *restored, uint32_t now, uint32_t lowered)
{
	if (now != lowered)
		*restored = now;
}

static struct bwctl_sizes restored(const struct bwctl_interface *record,
				   const struct bwctl_sizes *now)
{
	const struct bwctl_sizes *lowered = &record->lowered;
	struct bwctl_sizes sizes = record->sizes;

	keep_others(&sizes.gso_max_size, now->gso_max_size, lowered->gso_max_size);
	keep_others(&sizes.gso_max_segs, now->gso_max_segs, lowered->gso_max_segs);
	keep_others(&sizes.gso_ipv4_max_size, now->gso_ipv4_max_size, lowered->gso_ipv4_max_size);
	keep_others(&sizes.gro_max_size, now->gro_max_size, lowered->gro_max_size);
	keep_others(&sizes.gro_ipv4_max_size, now->gro_ipv4_max_size, lowered->gro_ipv4_max_size);
	return sizes;
}

int holder_fit(struct hooks_place *place, const uint32_t segments[BWCTL_DIRECTIONS])
{
	struct bwctl_interface *record = place->record;
	struct queue_sizes queue;
	struct bwctl_sizes now, wanted;
	uint32_t gro_bytes;
	int err;

	if (!record->sizes_lowered && !segments[BWCTL_INGRESS] && !segments[BWCTL_EGRESS])
		return 0;
	err = queue_sizes_read(place->key->ifindex, &queue);
	if (err)
		return err;
	now = sizes_of(&queue);
	record->sizes = record->sizes_lowered ? restored(record, &now) : now;
	wanted = record->sizes;
	/* A number of segments and not a size: a size below a few hundred bytes is refused. */
	if (segments[BWCTL_EGRESS])
		lower(&wanted.gso_max_segs, segments[BWCTL_EGRESS]);
	if (segments[BWCTL_INGRESS]) {
		gro_bytes = segments[BWCTL_INGRESS] * LINK_FRAME_IP + GRO_HEADERS;
		lower(&wanted.gro_max_size, gro_bytes);
		lower(&wanted.gro_ipv4_max_size, gro_bytes);
	}
	record->lowered = wanted;
	record->sizes_lowered = memcmp(&wanted, &record->sizes, sizeof(wanted)) != 0;
	/* While it is still to be given back, it is written down until it has been. */
	if (record->sizes_lowered)
		err = place->note(place);
	if (!err && memcmp(&wanted, &now, sizeof(wanted)))
		err = write_sizes(place, &wanted);
	return err ? err : place->note(place);
}

int holder_release(const struct holder_means *means, struct hooks_place *place, bool is_here)
{
	static const uint32_t as_they_like[BWCTL_DIRECTIONS];
	int err, first;

	/* Not watched any more: what goes now goes because we want it to. */
	first = stop_watching(means, place->key);
	if (!is_here)
		return first;
	err = restore_root(place);
	first = first ? first : err;
	/* Of an interface that was only about to be loaded. */
	err = queue_lead_remove(place->key->ifindex, HOOKS_LEAD_PRIORITY, HOOKS_CLSACT_HANDLE);
	if (!err)
		err = hooks_remove_clsact(place);
	first = first ? first : err;
	err = holder_fit(place, as_they_like);
	return first ? first : err == -ENODEV ? 0 : err;
}

int holder_release_unknown(unsigned int ifindex)
{
	struct queue_sizes sizes;
	int err = queue_root_restore(ifindex);

	if (!err)
		err = queue_sizes_read(ifindex, &sizes);
	if (err)
		return err == -ENODEV ? 0 : err;
	return (sizes.gso_max_segs && sizes.gso_max_segs < USUAL_SEGMENTS) ||
	       (sizes.gro_max_size && sizes.gro_max_size < USUAL_GRO_SIZE);
}

int holder_release_hold(const struct holder_means *means)
{
	struct bwctl_interface_key key = hold_key(means);
	struct bwctl_interface record = {0};
	struct hooks_place place = {
		.pins = means->pins,
		.key = &key,
		.record = &record,
		.note = write_nothing,
	};
	int err, first;

	first = stop_watching(means, &key);
	err = hooks_detach(&place, BWCTL_EGRESS, BWCTL_HOOK_TCX);
	first = first ? first : err;
	err = queue_ifb_remove(key.ifindex);
	/* Another kind of device has the index: it is somebody else's. */
	return first ? first : err == -EBUSY ? 0 : err;
}
