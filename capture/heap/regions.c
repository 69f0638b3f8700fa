/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "regions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/cleanup.h"

#define GUARD_MAX (1u << 20) /* a stack's guard is one page by default, never this large */
#define THREAD_TOP 16384u    /* of a stack: static TLS and struct pthread */
#define ARENA_HEAP UINT64_C(0x4000000) /* HEAP_MAX_SIZE of glibc's malloc/arena.c on 64 bits */

const char *region_kind_name(enum region_kind k)
{
	static const char *const names[REGION_KINDS] = {
		"heap (brk)",	 "malloc arenas of threads",
		"thread stacks", "main stack",
		"anonymous",	 "data of files",
		"mapped files",	 "shared memory",
		"special",
	};

	return names[k];
}

bool region_is_heap(const struct region *r)
{
	return r->kind == REGION_HEAP || r->kind == REGION_MALLOC_ARENA ||
	       r->kind == REGION_ANONYMOUS;
}

static const char *hex(const char *p, uint64_t *ret)
{
	uint64_t v = 0;
	const char *start = p;

	for (; p - start < 16; p++) {
		unsigned d;

		if (*p >= '0' && *p <= '9')
			d = (unsigned)(*p - '0');
		else if (*p >= 'a' && *p <= 'f')
			d = (unsigned)(*p - 'a') + 10;
		else
			break;
		v = v << 4 | d;
	}
	*ret = v;
	return p == start ? NULL : p;
}

static enum region_kind kind_of(const struct region *r, const char *path, bool shared)
{
	if (!strcmp(path, "[heap]"))
		return REGION_HEAP;
	if (!strncmp(path, "[stack", 6))
		return REGION_STACK;
	if (!*path || !strncmp(path, "[anon", 5))
		return shared ? REGION_SHARED : REGION_ANONYMOUS;
	if (*path == '[')
		return REGION_SPECIAL;
	if (shared && (!strncmp(path, "/memfd:", 7) || !strncmp(path, "/dev/shm/", 9) ||
		       !strncmp(path, "/SYSV", 5) || !strncmp(path, "/dev/zero", 9)))
		return REGION_SHARED;
	return !shared && r->writable ? REGION_DATA : REGION_FILE;
}

/* "START-END rwxp OFFSET MAJ:MIN INODE   PATH"; false when it is a line of another kind. */
static bool head_line(const char *line, struct region *ret)
{
	struct region r = {0};
	const char *p = hex(line, &r.start), *slash;
	bool shared;

	if (!p || *p != '-' || !(p = hex(p + 1, &r.end)) || *p != ' ' || strlen(p) < 20 ||
	    r.end <= r.start)
		return false;
	r.readable = p[1] == 'r';
	r.writable = p[2] == 'w';
	r.executable = p[3] == 'x';
	shared = p[4] == 's';
	p = hex(p + 6, &r.offset);
	for (int skip = 0; p && skip < 2; skip++) { /* device and inode */
		p += strspn(p, " ");
		p += strcspn(p, " ");
	}
	if (!p)
		return false;
	p += strspn(p, " ");
	r.kind = kind_of(&r, p, shared);
	r.perf_data = strstr(p, "/hsperfdata_") != NULL;
	slash = *p == '/' ? strrchr(p, '/') : NULL;
	p = slash && slash[1] ? slash + 1 : p;
	memcpy(r.name, p, strnlen(p, sizeof(r.name) - 1));
	*ret = r;
	return true;
}

static bool kb_line(const char *line, const char *key, uint64_t *ret)
{
	size_t n = strlen(key);

	if (strncmp(line, key, n) != 0)
		return false;
	*ret = strtoull(line + n, NULL, 10) << 10;
	return true;
}

static int take_line(struct regions *r, const char *line, bool *open)
{
	struct region row, *last;

	/* Keys of smaps begin with a capital letter, addresses never do. */
	if (*line < 'A' || *line > 'Z') {
		*open = false;
		if (!head_line(line, &row))
			return 0;
		if (r->count == REGIONS_MAX) {
			r->beyond++;
			return 0;
		}
		if (r->count == r->capacity) {
			size_t capacity = r->capacity ? r->capacity * 2 : 256;
			struct region *rows = realloc(r->rows, capacity * sizeof(*rows));

			if (!rows)
				return -ENOMEM;
			r->rows = rows;
			r->capacity = capacity;
		}
		r->rows[r->count++] = row;
		*open = true;
		return 0;
	}
	if (!*open)
		return 0;
	last = &r->rows[r->count - 1];
	if (!kb_line(line, "Rss:", &last->rss) && !kb_line(line, "Anonymous:", &last->anonymous))
		kb_line(line, "Swap:", &last->swap);
	return 0;
}

/* What the neighbours tell: a stack has a guard below it, an arena ends at a multiple of 64 MiB. */
static void look_around(struct regions *r)
{
	for (size_t i = 0; i < r->count; i++) {
		struct region *x = &r->rows[i];
		const struct region *below = i ? &r->rows[i - 1] : NULL;
		const struct region *above = i + 1 < r->count ? &r->rows[i + 1] : NULL;

		if (x->kind != REGION_ANONYMOUS || !x->writable)
			continue;
		if (x->start % ARENA_HEAP == 0 &&
		    ((above && above->start == x->end && !above->readable && !above->writable &&
		      above->end % ARENA_HEAP == 0) ||
		     x->end % ARENA_HEAP == 0))
			x->kind = REGION_MALLOC_ARENA;
		else if (below && below->end == x->start && below->kind == REGION_ANONYMOUS &&
			 !below->readable && !below->writable &&
			 below->end - below->start < GUARD_MAX)
			x->kind = REGION_THREAD_STACK;
	}
}

static int read_lines(struct regions *r, int fd, char *buf, size_t cap)
{
	size_t len = 0;
	bool open = false, skipping = false;

	for (;;) {
		ssize_t n = read(fd, buf + len, cap - 1 - len);
		char *line = buf, *end;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		len += (size_t)n;
		buf[len] = 0;
		while ((end = memchr(line, '\n', len - (size_t)(line - buf)))) {
			int r2;

			*end = 0;
			r2 = skipping ? 0 : take_line(r, line, &open);
			skipping = false;
			if (r2 < 0)
				return r2;
			line = end + 1;
		}
		len -= (size_t)(line - buf);
		memmove(buf, line, len);
		if (len == cap - 1) { /* a name longer than the buffer: of no interest */
			len = 0;
			skipping = true;
		}
	}
}

static int read_file(struct regions *ret, int dir, const char *name, char *buf, size_t cap)
{
	_cleanup_fd_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct regions r = {0};
	int error;

	if (fd < 0)
		return -errno;
	error = read_lines(&r, fd, buf, cap);
	if (error < 0) {
		free(r.rows);
		return error;
	}
	look_around(&r);
	*ret = r;
	return 0;
}

int regions_read(struct regions *ret, int dir, char *buf, size_t cap)
{
	return read_file(ret, dir, "smaps", buf, cap);
}

int regions_read_bare(struct regions *ret, int dir, char *buf, size_t cap)
{
	return read_file(ret, dir, "maps", buf, cap);
}

/* struct pthread begins with its own address, of glibc (tcbhead_t) and musl alike, on x86; on other
 * machines it does not, and the guard page has to do. */
static bool has_thread(struct remote *remote, const struct region *x)
{
#ifdef __x86_64__
	uint64_t words[THREAD_TOP / 8];
	uint64_t start = x->end - sizeof(words);

	if (x->end - x->start < sizeof(words) || !x->rss)
		return false;
	if (!remote_read_resident(remote, start, words, sizeof(words), NULL))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i += 2)
		if (words[i] == start + i * 8)
			return true;
	return false;
#else
	(void)remote;
	(void)x;
	return true;
#endif
}

void regions_confirm_stacks(struct regions *r, struct remote *remote)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->rows[i].kind == REGION_THREAD_STACK && !has_thread(remote, &r->rows[i]))
			r->rows[i].kind = REGION_ANONYMOUS;
}

void regions_free(struct regions *r)
{
	free(r->rows);
	*r = (struct regions){0};
}

const struct region *regions_find(const struct regions *r, uint64_t address)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->rows[mid].end <= address)
			low = mid + 1;
		else
			high = mid;
	}
	return low < r->count && r->rows[low].start <= address ? &r->rows[low] : NULL;
}
