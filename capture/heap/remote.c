/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "remote.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGEMAP_PRESENT (UINT64_C(1) << 63) /* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_CHUNK 256u

int remote_open(struct remote *ret, pid_t pid, int dir)
{
	int fd = openat(dir, "pagemap", O_RDONLY | O_CLOEXEC);

	/* The same permission as process_vm_readv: PTRACE_MODE_READ / ATTACH of ptrace(2). */
	if (fd < 0 && errno != ENOENT)
		return -errno;
	*ret = (struct remote){.pid = pid, .pagemap_fd = fd};
	return 0;
}

void remote_close(struct remote *r)
{
	if (r->pagemap_fd >= 0)
		close(r->pagemap_fd);
	r->pagemap_fd = -1;
}

size_t remote_read(struct remote *r, uint64_t address, void *buf, size_t len)
{
	struct iovec local = {.iov_base = buf, .iov_len = len};
	struct iovec remote = {.iov_base = (void *)(uintptr_t)address, .iov_len = len}; // NOLINT
	ssize_t n;

	if (!address || address + len < address)
		return 0;
	n = process_vm_readv(r->pid, &local, 1, &remote, 1, 0);
	if (n < (ssize_t)len)
		r->faults++;
	if (n <= 0)
		return 0;
	r->read_bytes += (uint64_t)n;
	return (size_t)n;
}

bool remote_get(struct remote *r, uint64_t address, void *buf, size_t len)
{
	return remote_read(r, address, buf, len) == len;
}

/* Which of the pages are there; true for all where nobody can tell. */
static void find_present(const struct remote *r, uint64_t address, size_t pages, uint8_t *present)
{
	uint64_t entries[PAGEMAP_CHUNK];

	memset(present, 1, pages);
	if (r->pagemap_fd < 0)
		return;
	for (size_t i = 0; i < pages;) {
		size_t want = pages - i < PAGEMAP_CHUNK ? pages - i : PAGEMAP_CHUNK;
		ssize_t n = pread(r->pagemap_fd, entries, want * sizeof(*entries),
				  (off_t)((address / REMOTE_PAGE + i) * sizeof(*entries)));

		if (n < (ssize_t)sizeof(*entries)) {
			memset(present + i, 0, want);
			i += want;
			continue;
		}
		for (size_t k = 0; k < (size_t)n / sizeof(*entries); k++)
			present[i + k] = entries[k] & PAGEMAP_PRESENT ? 1 : 0;
		i += (size_t)n / sizeof(*entries);
	}
}

void remote_read_heads(struct remote *r, uint64_t address, size_t pages, uint64_t (*out)[2])
{
	struct iovec local[PAGEMAP_CHUNK], remote[PAGEMAP_CHUNK];
	uint8_t present[PAGEMAP_CHUNK];
	size_t count = 0;

	pages = pages < PAGEMAP_CHUNK ? pages : PAGEMAP_CHUNK;
	memset(out, 0, pages * sizeof(*out));
	find_present(r, address, pages, present);
	for (size_t i = 0; i < pages; i++) {
		if (!present[i])
			continue;
		local[count] = (struct iovec){.iov_base = out[i], .iov_len = sizeof(*out)};
		remote[count++] = (struct iovec){
			.iov_base = (void *)(uintptr_t)(address + i * REMOTE_PAGE), // NOLINT
			.iov_len = sizeof(*out)};
	}
	if (count && process_vm_readv(r->pid, local, count, remote, count, 0) < 0)
		r->faults++;
	r->read_bytes += count * sizeof(*out);
}

size_t remote_read_resident(struct remote *r, uint64_t address, void *buf, size_t len,
			    uint8_t *present)
{
	uint8_t own[1u << 9];
	size_t pages = len / REMOTE_PAGE, read = 0;
	char *out = buf;

	if (!present) {
		if (pages > sizeof(own))
			return 0;
		present = own;
	}
	find_present(r, address, pages, present);
	for (size_t i = 0; i < pages;) {
		size_t run = 1, got;

		if (!present[i]) {
			memset(out + i * REMOTE_PAGE, 0, REMOTE_PAGE);
			i++;
			continue;
		}
		while (i + run < pages && present[i + run])
			run++;
		got = remote_read(r, address + i * REMOTE_PAGE, out + i * REMOTE_PAGE,
				  run * REMOTE_PAGE) /
		      REMOTE_PAGE;
		/* Unmapped meanwhile: what is behind a hole counts as not there either. */
		memset(out + (i + got) * REMOTE_PAGE, 0, (run - got) * REMOTE_PAGE);
		memset(present + i + got, 0, run - got);
		read += got;
		i += run;
	}
	return read;
}
