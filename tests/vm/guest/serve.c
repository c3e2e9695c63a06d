// SPDX-License-Identifier: GPL-2.0-only
/*
 * A daemon of /dev/cachefiles_demand for tests: it answers every request from
 * complete copies of the files, which lie in one directory under their keys.
 *
 *   serve prepare ROOT VOLUME COPIES      make ROOT with a sparse file for each
 *                                         file of COPIES, and mark it
 *   serve run ROOT COPIES THREADS LOG     bind ROOT and answer until SIGTERM;
 *                                         LOG gets a line for each request:
 *                                         id, offset, count, flags, path;
 *                                         SIGUSR1 makes it write "restore"; with
 *                                         MOODS in the environment some answers
 *                                         are short, wrong or missing, but none for
 *                                         boot.img, and none after SIGUSR2; if it
 *                                         is "all", for boot.img too, but behind
 *                                         its first 64 KiB, and none is missing
 *   serve sweep DIR SOURCE SECONDS SEED   read every page of the files of DIR, in
 *                                         random order and until it can be read;
 *                                         errors are borne, wrong data is not
 *
 * With FAILING in the environment its allocations may fail (fault injection).
 * "run" writes "bound" to standard output when requests can come.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/cachefiles_demand.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cachedir.h"

#define PIECE (256 * 1024)

static const char *root, *copies;
static FILE *request_log;
static int device;
static volatile sig_atomic_t ended, restore, moods;
static bool moods_for_all;

static void die(const char *object, const char *action)
{
	fprintf(stderr, "serve: %s: %s: %s\n", object, action, strerror(errno));
	exit(1);
}

static int command(const char *format, ...)
{
	char text[4096];
	va_list ap;
	ssize_t written;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	/* An answer that is lost is waited for. */
	do {
		written = write(device, text, len);
	} while (written < 0 && errno == ENOMEM);
	return written == len ? 0 : -1;
}

static void prepare(const char *volume)
{
	DIR *dir = opendir(copies);
	struct dirent *entry;
	struct stat st;
	char path[1024];

	if (!dir)
		die(copies, "open");
	if (make_root(root, "demand") < 0)
		die(root, "make");
	if (make_volume(root, volume) < 0)
		die(volume, "make");
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) < 0)
			die(entry->d_name, "stat");
		backing_path(path, sizeof(path), volume, entry->d_name,
			     strlen(entry->d_name));
		if (make_file(root, path, st.st_size, st.st_size) < 0)
			die(path, "make");
	}
	closedir(dir);
}

/* The copy of "I<volume>/@<fan>/D<key>" is "<key>". */
static int fill(const struct cachefiles_demand_msg *msg, uint64_t off,
		uint64_t count)
{
	const char *name = strrchr(msg->path, '/');
	/* A buffered write can be lost after the answer, and then the page, clean
	 * and over an unwritten extent, passes for data.
	 */
	int direct = off % 4096 || count % 4096 ? 0 : O_DIRECT;
	char from_path[2048], to_path[2048];
	uint64_t end = off + count;
	int from, to, error = 0;
	void *buf = NULL;

	if (!name || name[1] != 'D' || strchr(name + 2, '/'))
		return EINVAL;
	snprintf(from_path, sizeof(from_path), "%s/%s", copies, name + 2);
	snprintf(to_path, sizeof(to_path), "%s/cache/%s", root, msg->path);
	if (posix_memalign(&buf, 4096, PIECE))
		return ENOMEM;
	from = open(from_path, O_RDONLY | O_CLOEXEC);
	to = open(to_path, O_WRONLY | O_CLOEXEC | direct);
	if (from < 0 || to < 0)
		error = errno;
	while (!error && off < end) {
		ssize_t n = pread(from, buf, end - off < PIECE ? end - off : PIECE, off);

		if (n <= 0)
			break;
		if (pwrite(to, buf, n, off) != n)
			error = errno ? errno : ENOSPC;
		off += n;
	}
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	free(buf);
	return error;
}

/* Answer as one should, or not. */
static void answer(const struct cachefiles_demand_msg *msg, unsigned int *seed)
{
	static const int errors[] = { EIO, ENOSPC, ETIMEDOUT, ENOENT, 4095 };
	bool spared = moods_for_all ? msg->off < 65536 : !!strstr(msg->path, "/Dboot.img");
	int dice = moods && !spared ? rand_r(seed) % (moods_for_all ? 98 : 100) : 0;
	int error = 0;

	if (msg->op != CACHEFILES_DEMAND_OP_READ)
		error = EOPNOTSUPP;
	else if (dice >= 98)
		return;		/* forgotten; "restore" brings it back */
	else if (dice >= 75)
		error = errors[rand_r(seed) % 5];
	else if (dice >= 50)
		;		/* "done" without data */
	else if (dice >= 40)
		error = fill(msg, msg->off, (msg->count + 8191) / 8192 * 4096);
	else
		error = fill(msg, msg->off, msg->count);
	if (error)
		command("fail %llu,%d", (unsigned long long)msg->id, error);
	else
		command("done %llu", (unsigned long long)msg->id);
}

static void *serve(void *arg)
{
	union {
		struct cachefiles_demand_msg msg;
		char bytes[CACHEFILES_DEMAND_MSG_MAX];
	} u;
	struct pollfd ready = { .fd = device, .events = POLLIN };
	unsigned int seed = (unsigned long)arg;

	while (!ended) {
		if (restore) {
			restore = 0;
			command("restore");
		}
		if (poll(&ready, 1, 100) <= 0 || !(ready.revents & POLLIN) ||
		    read(device, &u, sizeof(u)) <= 0)
			continue;
		fprintf(request_log, "%llu %llu %llu %u %s\n",
			(unsigned long long)u.msg.id, (unsigned long long)u.msg.off,
			(unsigned long long)u.msg.count, u.msg.flags, u.msg.path);
		answer(&u.msg, &seed);
	}
	return NULL;
}

static void on_signal(int number)
{
	if (number == SIGUSR1)
		restore = 1;
	else if (number == SIGUSR2)
		moods = 0;
	else
		ended = 1;
}

#define MAX_FILES 256
#define MAX_PAGES 16384
#define IN_VAIN 100	/* failures in a row: there is no daemon */

/* Regular files of a directory that have bytes; their number. */
static int list_files(const char *source, char **names)
{
	struct dirent *entry;
	struct stat st;
	int count = 0;
	DIR *list;

	do {
		list = opendir(source);
	} while (!list && errno == ENOMEM);
	if (!list)
		die(source, "open");
	while ((entry = readdir(list)) && count < MAX_FILES) {
		if (!fstatat(dirfd(list), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode) && st.st_size > 0)
			names[count++] = strdup(entry->d_name);
	}
	closedir(list);
	return count;
}

/* A file, opened twice: the source and the image.  Closed by the end. */
struct pair {
	int from, fd;
};

static bool open_pair(struct pair *pair, const char *dir, const char *source,
		      const char *name)
{
	char path[1024];

	if (pair->from < 0) {
		snprintf(path, sizeof(path), "%s/%s", source, name);
		pair->from = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (pair->fd < 0) {
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		pair->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (pair->fd >= 0)
			posix_fadvise(pair->fd, 0, 0, POSIX_FADV_RANDOM);
	}
	return pair->from >= 0 && pair->fd >= 0;
}

/*
 * Read one page as the source has it.  1 if it was right, 0 if it could not be
 * read, -1 if it was wrong.  Nothing is read ahead.
 */
static int read_page(const struct pair *pair, off_t off)
{
	static unsigned char have[4096], want[4096];
	ssize_t got, wanted;

	got = pread(pair->fd, have, sizeof(have), off);
	wanted = pread(pair->from, want, sizeof(want), off);
	if (got < 0 || wanted < 0)
		return 0;
	return got == wanted && !memcmp(have, want, got) ? 1 : -1;
}

static int sweep(const char *dir, const char *source, int seconds)
{
	static struct { unsigned int file, page; } todo[MAX_PAGES];
	static struct pair pairs[MAX_FILES];
	char *names[MAX_FILES], path[1024];
	int files = list_files(source, names), left = 0, in_a_row = 0, i, file, ret;
	unsigned long good = 0, bad = 0;
	time_t end = time(NULL) + seconds;
	struct stat st;

	for (i = 0; i < files; i++) {
		unsigned int page;

		pairs[i].from = pairs[i].fd = -1;
		snprintf(path, sizeof(path), "%s/%s", source, names[i]);
		while (stat(path, &st) < 0)
			if (errno != ENOMEM)
				die(path, "stat");
		for (page = 0; page * 4096L < st.st_size && left < MAX_PAGES; page++) {
			todo[left].file = i;
			todo[left++].page = page;
		}
	}
	while (left && in_a_row < IN_VAIN && time(NULL) < end) {
		i = random() % left;
		file = todo[i].file;
		ret = open_pair(&pairs[file], dir, source, names[file]) ?
			read_page(&pairs[file], todo[i].page * 4096L) : 0;
		if (ret < 0) {
			printf("%s: page %u: wrong data\n", names[file], todo[i].page);
			return 3;
		}
		if (ret) {
			good++;
			in_a_row = 0;
			todo[i] = todo[--left];
		} else {
			bad++;
			in_a_row++;
		}
	}
	printf("%lu good, %lu failed\n", good, bad);
	return 0;
}

static void let_allocations_fail(void)
{
	int fd = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "1", 1) != 1)
		die("/proc/self/make-it-fail", "write");
	close(fd);
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	int count, i;

	if (getenv("FAILING"))
		let_allocations_fail();
	if (argc == 5 && !strcmp(argv[1], "prepare")) {
		root = argv[2];
		copies = argv[4];
		prepare(argv[3]);
		return 0;
	}
	if (argc == 6 && !strcmp(argv[1], "sweep")) {
		srandom(atoi(argv[5]));
		return sweep(argv[2], argv[3], atoi(argv[4]));
	}
	if (argc != 6 || strcmp(argv[1], "run")) {
		fprintf(stderr, "usage: serve prepare ROOT VOLUME COPIES\n"
				"       serve run ROOT COPIES THREADS LOG\n"
				"       serve sweep DIR SOURCE SECONDS SEED\n");
		return 2;
	}
	root = argv[2];
	copies = argv[3];
	count = atoi(argv[4]);
	if (count < 1 || count > 64)
		count = 1;
	request_log = fopen(argv[5], "ae");
	if (!request_log)
		die(argv[5], "open");
	setvbuf(request_log, NULL, _IOLBF, 0);
	device = open("/dev/cachefiles_demand", O_RDWR | O_CLOEXEC);
	if (device < 0)
		die("/dev/cachefiles_demand", "open");
	if (command("dir %s", root) < 0 || command("bind") < 0)
		die(root, "bind");
	signal(SIGTERM, on_signal);
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	moods = !!getenv("MOODS");
	moods_for_all = moods && !strcmp(getenv("MOODS"), "all");
	puts("bound");
	fflush(stdout);
	for (i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, serve, (void *)(long)(getpid() + i));
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	fclose(request_log);
	return 0;
}
