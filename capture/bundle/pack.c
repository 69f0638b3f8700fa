/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "reader.h"

/* Longer than any path the kernel hands out. */
#define NAME_LIMIT (64u << 10)

/* A decimal number that ends with `end`; *pos moves behind it. */
static int number(const char *data, size_t size, size_t *pos, char end, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = *pos;

	for (; i < size && data[i] >= '0' && data[i] <= '9' && i - *pos < 12; i++)
		v = v * 10 + (uint64_t)(data[i] - '0');
	if (i == *pos || i >= size || data[i] != end)
		return -EBADMSG;
	*pos = i + 1;
	*ret = v;
	return 0;
}

/* len bytes and a newline; *pos moves behind them. */
static int field(const char *data, size_t size, size_t *pos, uint64_t len, const char **ret)
{
	if (len >= size - *pos || data[*pos + len] != '\n')
		return -EBADMSG;
	*ret = data + *pos;
	*pos += len + 1;
	return 0;
}

int pack_next(const char *data, size_t size, size_t *pos, struct pack_entry *ret)
{
	struct pack_entry entry = {0};
	uint64_t name_len, data_len, no;
	size_t at = *pos;

	if (at >= size)
		return 0;
	if (data[at++] != '@')
		return -EBADMSG;
	if (number(data, size, &at, ' ', &name_len) < 0 ||
	    number(data, size, &at, ' ', &data_len) < 0 || number(data, size, &at, '\n', &no) < 0 ||
	    name_len > NAME_LIMIT || no > 4095)
		return -EBADMSG;
	if (field(data, size, &at, name_len, &entry.name) < 0 ||
	    field(data, size, &at, data_len, &entry.data) < 0)
		return -EBADMSG;
	if (memchr(entry.name, 0, name_len))
		return -EBADMSG;
	entry.name_len = name_len;
	entry.data_len = data_len;
	entry.no = (int)no;
	*pos = at;
	*ret = entry;
	return 1;
}
