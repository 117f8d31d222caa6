// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Texts that are made by one thread and read by many. Who finds one that is a little old
 * takes it and asks for the next, so that under load nobody waits; who comes
 * after a pause waits for one that is new.
 */
#include "scrape.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "report.h"
#include "saved.h"

#define SECOND_NS 1000000000ULL
#define FRESH_NS  (SECOND_NS / 10) /* no other is made before */
#define STALE_NS  (SECOND_NS / 4)  /* nobody gets an older one */
#define WAIT_S	  5

#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, and gzip's header */
#define GZIP_MEMORY 8
#define PLAIN	    0
#define PACKED	    1

struct scrape {
	const char *pin_dir, *config;
	struct saved saved;
	pthread_t thread;
	pthread_mutex_t lock;	/* of all below */
	pthread_cond_t wanted;	/* somebody asks, or it is to end */
	pthread_cond_t is_made; /* there are new texts */
	bool ends;
	bool wants[METRICS_FORMATS][2];
	struct scrape_text *texts[METRICS_FORMATS][2];
	uint64_t made_ns[METRICS_FORMATS][2]; /* when what they say was read */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* ---- making ---- */

/* Takes data, also when it fails. */
static struct scrape_text *make_text(struct scrape *scrape, char *data, size_t length,
				     bool is_error)
{
	struct scrape_text *text = data ? malloc(sizeof(*text)) : NULL;

	if (text)
		*text = (struct scrape_text){data, length, is_error, 1, scrape};
	else
		free(data);
	return text;
}

static struct scrape_text *make_error(struct scrape *scrape, const char *why)
{
	char *line = NULL;
	int length = asprintf(&line, "%s\n", why);

	return length < 0 ? NULL : make_text(scrape, line, (size_t)length, true);
}

static struct scrape_text *make_plain(struct scrape *scrape, const struct report *report,
				      enum saved_answer saved, enum metrics_format format)
{
	size_t length = 0;
	char *data = NULL;
	FILE *out = open_memstream(&data, &length);

	if (!out)
		return NULL;
	metrics_print(out, report, saved, format);
	if (fclose(out)) {
		free(data);
		return NULL;
	}
	return make_text(scrape, data, length, false);
}

static struct scrape_text *make_packed(struct scrape *scrape, const struct scrape_text *plain)
{
	z_stream stream = {0};
	struct scrape_text *text = NULL;
	uLong room;
	char *data;

	if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	room = deflateBound(&stream, plain->length);
	data = malloc(room);
	if (data) {
		stream.next_in = (Bytef *)plain->data;
		stream.avail_in = (uInt)plain->length;
		stream.next_out = (Bytef *)data;
		stream.avail_out = (uInt)room;
		if (deflate(&stream, Z_FINISH) == Z_STREAM_END)
			text = make_text(scrape, data, stream.total_out, false);
		else
			free(data);
	}
	deflateEnd(&stream);
	return text;
}

static void drop(struct scrape_text *text)
{
	if (!text || --text->holders)
		return;
	free(text->data);
	free(text);
}

/* With the lock. */
static void publish(struct scrape *scrape, struct scrape_text *text, enum metrics_format format,
		    int packing, uint64_t read_ns)
{
	drop(scrape->texts[format][packing]);
	scrape->texts[format][packing] = text;
	scrape->made_ns[format][packing] = read_ns;
}

/* One of the formats, as far as it is wanted. Without the lock. */
static void make(struct scrape *scrape, enum metrics_format format, const bool wants[2],
		 const struct report *report, enum saved_answer saved, const char *why,
		 uint64_t read_ns)
{
	struct scrape_text *made[2] = {NULL, NULL};

	made[PLAIN] = report ? make_plain(scrape, report, saved, format) : make_error(scrape, why);
	if (wants[PACKED] && made[PLAIN])
		made[PACKED] = report ? make_packed(scrape, made[PLAIN]) : make_error(scrape, why);
	pthread_mutex_lock(&scrape->lock);
	for (int packing = 0; packing < 2; packing++)
		if (made[packing])
			publish(scrape, made[packing], format, packing, read_ns);
	pthread_mutex_unlock(&scrape->lock);
}

static void make_all(struct scrape *scrape, bool wants[METRICS_FORMATS][2])
{
	struct report *report = NULL;
	enum saved_answer saved = SAVED_UNKNOWN;
	uint64_t read_ns = now_ns();
	char why[LOG_TEXT] = "";

	if (report_read(scrape->pin_dir, LIMITER_LOOK, &report, why))
		report = NULL;
	else if (report_is_loaded(report))
		saved = saved_ask(&scrape->saved, scrape->config, &report->policy);
	for (int format = 0; format < METRICS_FORMATS; format++)
		if (wants[format][PLAIN] || wants[format][PACKED])
			make(scrape, format, wants[format], report, saved, why, read_ns);
	report_free(report);
}

static bool is_wanted(const struct scrape *scrape)
{
	for (int format = 0; format < METRICS_FORMATS; format++)
		if (scrape->wants[format][PLAIN] || scrape->wants[format][PACKED])
			return true;
	return false;
}

static void *work(void *argument)
{
	struct scrape *scrape = argument;

	pthread_mutex_lock(&scrape->lock);
	for (;;) {
		bool wants[METRICS_FORMATS][2];
		uint64_t begun_ns, spent_ns;

		while (!scrape->ends && !is_wanted(scrape))
			pthread_cond_wait(&scrape->wanted, &scrape->lock);
		if (scrape->ends)
			break;
		memcpy(wants, scrape->wants, sizeof(wants));
		memset(scrape->wants, 0, sizeof(scrape->wants));
		pthread_mutex_unlock(&scrape->lock);
		begun_ns = now_ns();
		make_all(scrape, wants);
		spent_ns = now_ns() - begun_ns;
		pthread_mutex_lock(&scrape->lock);
		pthread_cond_broadcast(&scrape->is_made);
		if (!scrape->ends && spent_ns < FRESH_NS) {
			struct timespec until;

			/* What is wanted meanwhile can wait, or is not wanted by anybody yet. */
			clock_gettime(CLOCK_MONOTONIC, &until);
			until.tv_nsec += (long)(FRESH_NS - spent_ns);
			until.tv_sec += until.tv_nsec / (long)SECOND_NS;
			until.tv_nsec %= (long)SECOND_NS;
			while (!scrape->ends &&
			       pthread_cond_timedwait(&scrape->wanted, &scrape->lock, &until) !=
				       ETIMEDOUT)
				;
		}
	}
	pthread_mutex_unlock(&scrape->lock);
	return NULL;
}

/* ---- taking ---- */

struct scrape_text *scrape_take(struct scrape *scrape, enum metrics_format format, bool gzip)
{
	int packing = gzip ? PACKED : PLAIN;
	uint64_t asked_ns = now_ns(), oldest_ns = asked_ns - STALE_NS;
	struct scrape_text *text;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&scrape->lock);
	if (scrape->made_ns[format][packing] + FRESH_NS < asked_ns) {
		scrape->wants[format][packing] = true;
		pthread_cond_signal(&scrape->wanted);
	}
	while (scrape->made_ns[format][packing] < oldest_ns && !scrape->ends)
		if (pthread_cond_timedwait(&scrape->is_made, &scrape->lock, &until) == ETIMEDOUT)
			break;
	text = scrape->made_ns[format][packing] < oldest_ns ? NULL : scrape->texts[format][packing];
	if (text)
		text->holders++;
	pthread_mutex_unlock(&scrape->lock);
	return text;
}

void scrape_give_back(struct scrape_text *text)
{
	struct scrape *scrape = text->scrape;

	pthread_mutex_lock(&scrape->lock);
	drop(text);
	pthread_mutex_unlock(&scrape->lock);
}

/* ---- beginning and end ---- */

int scrape_start(struct scrape **ret_scrape, const char *pin_dir, const char *config,
		 char why[LOG_TEXT])
{
	struct scrape *scrape = calloc(1, sizeof(*scrape));
	pthread_condattr_t monotonic;
	int err;

	if (!scrape) {
		snprintf(why, LOG_TEXT, "out of memory");
		return -ENOMEM;
	}
	scrape->pin_dir = pin_dir;
	scrape->config = config;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&scrape->lock, NULL);
	pthread_cond_init(&scrape->wanted, &monotonic);
	pthread_cond_init(&scrape->is_made, &monotonic);
	pthread_condattr_destroy(&monotonic);
	err = -pthread_create(&scrape->thread, NULL, work, scrape);
	if (err) {
		snprintf(why, LOG_TEXT, "cannot start a thread: %s", strerror(-err));
		free(scrape);
		return err;
	}
	*ret_scrape = scrape;
	return 0;
}

void scrape_stop(struct scrape *scrape)
{
	if (!scrape)
		return;
	pthread_mutex_lock(&scrape->lock);
	scrape->ends = true;
	pthread_cond_broadcast(&scrape->wanted);
	pthread_cond_broadcast(&scrape->is_made);
	pthread_mutex_unlock(&scrape->lock);
	pthread_join(scrape->thread, NULL);
	for (int format = 0; format < METRICS_FORMATS; format++)
		for (int packing = 0; packing < 2; packing++)
			drop(scrape->texts[format][packing]);
	pthread_cond_destroy(&scrape->wanted);
	pthread_cond_destroy(&scrape->is_made);
	pthread_mutex_destroy(&scrape->lock);
	free(scrape);
}
