/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "frame.h"

int frame_write(int fd, const struct frame_header *h, const void *name, const void *data)
{
	struct iovec iov[3] = {
		{.iov_base = (void *)h, .iov_len = sizeof(*h)},
		{.iov_base = (void *)name, .iov_len = h->name_len},
		{.iov_base = (void *)data, .iov_len = h->data_len},
	};
	int i = 0;

	while (i < 3) {
		if (!iov[i].iov_len) {
			i++;
			continue;
		}
		ssize_t n = writev(fd, iov + i, 3 - i);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		while (n > 0 && i < 3) {
			size_t take = (size_t)n < iov[i].iov_len ? (size_t)n : iov[i].iov_len;

			iov[i].iov_base = (char *)iov[i].iov_base + take;
			iov[i].iov_len -= take;
			n -= (ssize_t)take;
			if (!iov[i].iov_len)
				i++;
		}
	}
	return 0;
}

bool frame_member_name_ok(const char *name)
{
	size_t segment = 0;
	bool dots = true;

	for (const char *p = name;; p++) {
		if (*p == '/' || !*p) {
			if (!segment || (dots && segment <= 2))
				return false;
			if (!*p)
				return true;
			segment = 0;
			dots = true;
			continue;
		}
		if (!((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
		      (*p >= '0' && *p <= '9') || *p == '.' || *p == '_' || *p == '-'))
			return false;
		if (*p != '.')
			dots = false;
		segment++;
	}
}

static int header_check(const struct frame_header *h)
{
	size_t name_min = 0, name_max = 0, data_max = 0;

	if (h->magic != FRAME_MAGIC)
		return -EPROTO;
	switch (h->type) {
	case FRAME_MEMBER:
		name_min = 1;
		name_max = FRAME_NAME_MAX;
		data_max = BUNDLE_PART_SIZE;
		break;
	case FRAME_STATUS:
	case FRAME_NOTE:
		data_max = FRAME_TEXT_MAX;
		break;
	case FRAME_LOSS:
		name_min = 1;
		name_max = FRAME_NAME_MAX;
		break;
	case FRAME_REDACTED:
		name_min = 1;
		name_max = FRAME_NAME_MAX;
		data_max = FRAME_TEXT_MAX;
		break;
	case FRAME_STARTED:
		break;
	default:
		return -EPROTO;
	}
	if (h->name_len < name_min || h->name_len > name_max || h->data_len > data_max)
		return -EPROTO;
	return 0;
}

/* 1 when all of want has come, 0: later, -ENODATA at the end of the pipe. */
static int fill(int fd, void *buf, size_t want, size_t *got)
{
	while (*got < want) {
		ssize_t n = read(fd, (char *)buf + *got, want - *got);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN ? 0 : -errno;
		}
		if (n == 0)
			return -ENODATA;
		*got += (size_t)n;
	}
	return 1;
}

bool frame_waits_for_room(const struct frame_reader *r, const struct frame_pool *pool)
{
	return r->header_got == sizeof(r->h) && !r->data && pool->used &&
	       pool->used + r->h.data_len + 1 > pool->limit;
}

int frame_read(struct frame_reader *r, int fd, struct frame_pool *pool)
{
	int rc;

	if (r->header_got < sizeof(r->h)) {
		rc = fill(fd, &r->h, sizeof(r->h), &r->header_got);
		if (rc <= 0)
			return rc == -ENODATA && r->header_got ? -ECONNRESET : rc;
		rc = header_check(&r->h);
		if (rc)
			return rc;
	}
	if (r->name_got < r->h.name_len) {
		rc = fill(fd, r->name, r->h.name_len, &r->name_got);
		if (rc <= 0)
			return rc == -ENODATA ? -ECONNRESET : rc;
		r->name[r->h.name_len] = 0;
		if (strlen(r->name) != r->h.name_len)
			return -EPROTO;
		if (r->h.type == FRAME_MEMBER && !frame_member_name_ok(r->name))
			return -EPROTO;
	}
	if (!r->data) {
		if (frame_waits_for_room(r, pool))
			return -ENOBUFS;
		r->data = malloc((size_t)r->h.data_len + 1);
		if (!r->data)
			return pool->used ? -ENOBUFS : -ENOMEM;
		pool->used += (size_t)r->h.data_len + 1;
	}
	rc = fill(fd, r->data, r->h.data_len, &r->data_got);
	if (rc <= 0)
		return rc == -ENODATA ? -ECONNRESET : rc;
	r->data[r->h.data_len] = 0;
	return 1;
}

void frame_done(struct frame_reader *r, struct frame_pool *pool)
{
	if (r->data) {
		pool->used -= (size_t)r->h.data_len + 1;
		free(r->data);
	}
	*r = (struct frame_reader){0};
}
