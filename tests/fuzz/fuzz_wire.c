/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hostile worker's stream into the renderer: any bytes, and every string it then holds valid. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../analyze/facts/parse.h"
#include "../../analyze/facts/wire.h"
#include "../../capture/base/sbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(const struct fact_type *t, const char *row)
{
	for (uint32_t i = 0; i < t->field_count; i++) {
		const char *s = *(const char *const *)(row + t->fields[i].offset);
		size_t len;

		if (t->fields[i].kind != FIELD_STR || !s)
			continue;
		len = strlen(s);
		if (len > t->fields[i].max)
			abort();
		for (size_t at = 0; at < len;) {
			int n = utf8_len((const unsigned char *)s + at, len - at);

			if (n == 0)
				abort();
			at += (size_t)n;
		}
	}
}

/* Complete rows only: the last one of a refused stream may be half filled. */
static void check_rows(const struct facts *f)
{
	for (size_t i = 0; i + 1 < f->counters.count; i++)
		check_row(&fact_counter_type, (const char *)&f->counters.rows[i]);
	for (size_t i = 0; i + 1 < f->processes.count; i++)
		check_row(&fact_process_type, (const char *)&f->processes.rows[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("wire", MFD_CLOEXEC), code = -1, r;
	struct err e = {0};
	struct facts *f;

	if (fd < 0 || facts_create(&f) < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	lseek(fd, 0, SEEK_SET);
	r = wire_receive(fd, f, 1 << 26, &code, &e);
	if ((r == 0) != (code >= 0))
		abort();
	check_rows(f);
	facts_destroy(f);
	close(fd);
	return 0;
}
