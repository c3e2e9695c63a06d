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
 *                                         SIGUSR1 makes it write "restore"
 *   serve compare DIR SOURCE SECONDS SEED read pieces of files of DIR at random;
 *                                         errors are borne, wrong data is not
 *
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
static volatile sig_atomic_t ended, restore;

static void die(const char *object, const char *action)
{
	fprintf(stderr, "serve: %s: %s: %s\n", object, action, strerror(errno));
	exit(1);
}

static int command(const char *format, ...)
{
	char text[4096];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return write(device, text, len) == len ? 0 : -1;
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
static int fill(const struct cachefiles_demand_msg *msg)
{
	const char *name = strrchr(msg->path, '/');
	char from_path[2048], to_path[2048], *buf;
	uint64_t off = msg->off, end = msg->off + msg->count;
	int from, to, error = 0;

	if (!name || name[1] != 'D' || strchr(name + 2, '/'))
		return EINVAL;
	snprintf(from_path, sizeof(from_path), "%s/%s", copies, name + 2);
	snprintf(to_path, sizeof(to_path), "%s/cache/%s", root, msg->path);
	buf = malloc(PIECE);
	from = open(from_path, O_RDONLY | O_CLOEXEC);
	to = open(to_path, O_WRONLY | O_CLOEXEC);
	if (!buf || from < 0 || to < 0)
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

static void *serve(void *arg)
{
	union {
		struct cachefiles_demand_msg msg;
		char bytes[CACHEFILES_DEMAND_MSG_MAX];
	} u;
	struct pollfd ready = { .fd = device, .events = POLLIN };
	int error;

	(void)arg;
	while (!ended) {
		if (restore) {
			restore = 0;
			command("restore");
		}
		if (poll(&ready, 1, 100) <= 0 || !(ready.revents & POLLIN) ||
		    read(device, &u, sizeof(u)) <= 0)
			continue;
		error = u.msg.op == CACHEFILES_DEMAND_OP_READ ? fill(&u.msg) : EOPNOTSUPP;
		fprintf(request_log, "%llu %llu %llu %u %s\n",
			(unsigned long long)u.msg.id, (unsigned long long)u.msg.off,
			(unsigned long long)u.msg.count, u.msg.flags, u.msg.path);
		if (error)
			command("fail %llu,%d", (unsigned long long)u.msg.id, error);
		else
			command("done %llu", (unsigned long long)u.msg.id);
	}
	return NULL;
}

static void on_signal(int number)
{
	if (number == SIGUSR1)
		restore = 1;
	else
		ended = 1;
}

/* Regular files directly in DIR are read until the time is over. */
static int compare(const char *dir, const char *source, int seconds)
{
	static unsigned char have[65536], want[65536];
	char *names[256], path[1024];
	unsigned long good = 0, bad = 0;
	int count = 0, fd, from;
	time_t end = time(NULL) + seconds;
	struct dirent *entry;
	struct stat st;
	DIR *list = opendir(source);

	if (!list)
		die(source, "open");
	while ((entry = readdir(list)) && count < 256) {
		if (!fstatat(dirfd(list), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode) && st.st_size > 0)
			names[count++] = strdup(entry->d_name);
	}
	closedir(list);
	while (count && time(NULL) < end) {
		const char *name = names[random() % count];
		size_t len = 1 + random() % sizeof(have);
		ssize_t got, wanted;
		off_t off;

		snprintf(path, sizeof(path), "%s/%s", source, name);
		from = open(path, O_RDONLY);
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		fd = open(path, O_RDONLY);
		if (from < 0 || fd < 0 || fstat(from, &st) < 0) {
			bad++;
		} else {
			off = random() % st.st_size;
			got = pread(fd, have, len, off);
			wanted = got < 0 ? got : pread(from, want, got, off);
			if (got != wanted || (got > 0 && memcmp(have, want, got))) {
				printf("%s: %zu bytes at %lld: wrong data\n", name, len,
				       (long long)off);
				return 3;
			}
			if (got < 0)
				bad++;
			else
				good++;
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		}
		if (from >= 0)
			close(from);
		if (fd >= 0)
			close(fd);
	}
	printf("%lu good, %lu failed\n", good, bad);
	return 0;
}

int main(int argc, char **argv)
{
	pthread_t threads[64];
	int count, i;

	if (argc == 5 && !strcmp(argv[1], "prepare")) {
		root = argv[2];
		copies = argv[4];
		prepare(argv[3]);
		return 0;
	}
	if (argc == 6 && !strcmp(argv[1], "compare")) {
		srandom(atoi(argv[5]));
		return compare(argv[2], argv[3], atoi(argv[4]));
	}
	if (argc != 6 || strcmp(argv[1], "run")) {
		fprintf(stderr, "usage: serve prepare ROOT VOLUME COPIES\n"
				"       serve run ROOT COPIES THREADS LOG\n"
				"       serve compare DIR SOURCE SECONDS SEED\n");
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
	puts("bound");
	fflush(stdout);
	for (i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, serve, NULL);
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	fclose(request_log);
	return 0;
}
