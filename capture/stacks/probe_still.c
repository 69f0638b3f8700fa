/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is off the CPU when the window ends: the kernel iterates over all tasks for us. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/types.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "probe.h"
#include "stacks.skel.h"

/* As many whole records as buf holds; how many bytes they take. */
static size_t take_still(const char *buf, size_t len,
			 void (*fn)(void *ctx, const struct stacks_sample *sample,
				    const struct stacks_stack *stack),
			 void *ctx)
{
	size_t at = 0;

	while (len - at >= sizeof(struct stacks_sample)) {
		const struct stacks_sample *p = (const void *)(buf + at);
		const struct stacks_stack *k = NULL;
		size_t need = sizeof(*p);

		if (!p->stack) {
			size_t head = offsetof(struct stacks_stack, frames);

			if (len - at < need + head)
				break;
			k = (const void *)(p + 1);
			if (k->kernel_count > STACKS_KERNEL_MAX || k->user_count > 1 ||
			    k->python_count)
				return len; /* not what we wrote */
			need += head + 8 * ((size_t)k->kernel_count + k->user_count);
			if (len - at < need)
				break;
		}
		fn(ctx, p, k);
		at += need;
	}
	return at;
}

int stacks_probe_still(struct stacks_probe *p,
		       void (*fn)(void *ctx, const struct stacks_sample *sample,
				  const struct stacks_stack *stack),
		       void *ctx)
{
	enum { BUFFER = 64 << 10 };
	_Alignas(8) char buf[BUFFER];
	struct bpf_link *link;
	size_t len = 0;
	ssize_t n = 1;
	int r = 0, fd;

	if (!p->slot_count)
		return 0;
	link = bpf_program__attach_iter(p->skel->progs.stacks_still, NULL);
	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		r = -errno;
	while (r >= 0 && n) {
		n = read(fd, buf + len, BUFFER - len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0) {
			r = -errno;
			break;
		}
		len += (size_t)n;
		size_t used = take_still(buf, len, fn, ctx);

		memmove(buf, buf + used, len - used);
		len -= used;
	}
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return r;
}
