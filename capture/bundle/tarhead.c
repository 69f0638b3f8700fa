/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tarhead.h"

/* Offsets of POSIX.1-1988 ustar. */
enum { NAME = 0, MODE = 100, SIZE = 124, CHKSUM = 148, TYPE = 156, MAGIC = 257, PREFIX = 345 };
enum { NAME_LEN = 100, SIZE_LEN = 12, CHKSUM_LEN = 8, PREFIX_LEN = 155 };

static uint32_t sum(const uint8_t *block)
{
	uint32_t s = 0;

	for (int i = 0; i < TAR_BLOCK; i++)
		s += i >= CHKSUM && i < CHKSUM + CHKSUM_LEN ? ' ' : block[i];
	return s;
}

/* Octal digits between spaces, ended by a space, a NUL or the field. */
static int octal(const uint8_t *p, int len, uint64_t *ret)
{
	uint64_t v = 0;
	int i = 0, digits = 0;

	while (i < len && p[i] == ' ')
		i++;
	for (; i < len && p[i] >= '0' && p[i] <= '7'; i++, digits++)
		v = v << 3 | (uint64_t)(p[i] - '0');
	if (!digits)
		return -EBADMSG;
	for (; i < len; i++) {
		if (p[i] != ' ' && p[i] != 0)
			return -EBADMSG;
	}
	*ret = v;
	return 0;
}

/* GNU's base 256 for what octal cannot hold; negative sizes are nonsense. */
static int parse_size(const uint8_t *p, uint64_t *ret)
{
	uint64_t v = 0;

	if (!(p[0] & 0x80))
		return octal(p, SIZE_LEN, ret);
	if (p[0] != 0x80)
		return -EBADMSG;
	for (int i = 1; i < SIZE_LEN; i++) {
		if (v >> 55)
			return -EBADMSG;
		v = v << 8 | p[i];
	}
	*ret = v;
	return 0;
}

int tarhead_parse(const uint8_t block[TAR_BLOCK], struct tarhead *ret)
{
	struct tarhead h = {.type = (char)block[TYPE]};
	uint64_t checksum;

	if (memcmp(block + MAGIC, "ustar", 5) != 0 ||
	    octal(block + CHKSUM, CHKSUM_LEN, &checksum) < 0 || checksum != sum(block) ||
	    parse_size(block + SIZE, &h.size) < 0)
		return -EBADMSG;
	h.regular = h.type == '0' || h.type == 0;
	h.renames_next = h.type && strchr("xXgLKS", h.type);
	/* Links, devices, directories and FIFOs have no data, whatever they claim. */
	if (h.type >= '1' && h.type <= '6')
		h.size = 0;
	*ret = h;
	return 0;
}

bool tarhead_under(const uint8_t block[TAR_BLOCK], const char *top)
{
	bool prefixed = memcmp(block + MAGIC, "ustar", 6) == 0 && block[PREFIX];
	const uint8_t *path = prefixed ? block + PREFIX : block + NAME;
	size_t cap = prefixed ? PREFIX_LEN : NAME_LEN, len = strlen(top);

	if (len > cap || memcmp(path, top, len) != 0)
		return false;
	/* The prefix is joined to the name by a slash that is not written. */
	return len < cap ? path[len] == '/' || (prefixed && path[len] == 0) : prefixed;
}

bool tar_block_is_zero(const uint8_t block[TAR_BLOCK])
{
	return block[0] == 0 && memcmp(block, block + 1, TAR_BLOCK - 1) == 0;
}

void tarhead_checksum(uint8_t block[TAR_BLOCK])
{
	char text[CHKSUM_LEN];

	snprintf(text, sizeof(text), "%06o", sum(block) & 0777777);
	memcpy(block + CHKSUM, text, sizeof(text) - 1);
	block[CHKSUM + CHKSUM_LEN - 1] = ' ';
}

void tarhead_make(uint8_t block[TAR_BLOCK], const char *path, uint64_t size)
{
	char text[SIZE_LEN];
	size_t len = strlen(path);

	memset(block, 0, TAR_BLOCK);
	memcpy(block + NAME, path, len < NAME_LEN ? len : NAME_LEN);
	memcpy(block + MODE, "0000600", 8);
	snprintf(text, sizeof(text), "%011llo", (unsigned long long)(size & 077777777777ULL));
	memcpy(block + SIZE, text, sizeof(text) - 1);
	block[TYPE] = '0';
	memcpy(block + MAGIC, "ustar", 6);
	memcpy(block + MAGIC + 6, "00", 3);
	tarhead_checksum(block);
}
