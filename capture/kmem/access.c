/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all sources share: reads of any size and number in as many calls as it takes. */
#include "kmem.h"

#include <errno.h>
#include <string.h>

int kmem_view(struct kmem_source *s, uint64_t addr, size_t len, const void **ret)
{
	if (len > KMEM_READ_MAX)
		return -E2BIG;
	return s->ops->read(s, addr, s->buffer, len, ret);
}

int kmem_read(struct kmem_source *s, uint64_t addr, void *buf, size_t len)
{
	const void *p;
	int r;

	if (len > KMEM_READ_MAX)
		return -E2BIG;
	r = s->ops->read(s, addr, buf, len, &p);
	if (r == 0 && p != buf)
		memcpy(buf, p, len);
	return r;
}

int kmem_gather(struct kmem_source *s, const uint64_t *addr, size_t n, size_t size, void *buf,
		size_t *ret_faults)
{
	size_t step, total = 0;

	if (size == 0 || size > KMEM_ITEM_MAX)
		return -E2BIG;
	step = KMEM_READ_MAX / size;
	if (step > KMEM_GATHER_MAX)
		step = KMEM_GATHER_MAX;
	for (size_t i = 0; i < n; i += step) {
		size_t count = n - i < step ? n - i : step, faults;
		char *out = (char *)buf + i * size;
		const void *p;
		int r = s->ops->gather(s, addr + i, count, size, out, &p, &faults);

		if (r < 0)
			return r;
		if (p != out)
			memcpy(out, p, count * size);
		total += faults;
	}
	*ret_faults = total;
	return 0;
}

int kmem_pages(struct kmem_source *s, const uint64_t *addr, size_t n, void *buf, const void **ret,
	       size_t *ret_faults)
{
	if (s->ops->pages)
		return s->ops->pages(s, addr, n, buf, ret, ret_faults);
	return s->ops->gather(s, addr, n, s->page_struct_size, buf, ret, ret_faults);
}

int kmem_words(struct kmem_source *s, const uint64_t *addr, size_t n, const uint64_t **ret)
{
	return s->ops->words ? s->ops->words(s, addr, n, ret) : -ENOTSUP;
}

uint64_t kmem_page_count(const struct kmem_source *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->range_count; i++)
		n += s->ranges[i].end_pfn - s->ranges[i].start_pfn;
	return n;
}

void kmem_close(struct kmem_source *s)
{
	if (s)
		s->ops->close(s);
}
