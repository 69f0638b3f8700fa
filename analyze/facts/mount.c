/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mounts, from a pack with one mountinfo per mount namespace (entries "MNTNS-INODE/PID").
 * The first entry is the host's, as FORMAT.md says.  Source: proc(5), /proc/PID/mountinfo
 */
#include <errno.h>
#include <string.h>

#include "../../capture/base/proc.h"
#include "../../capture/bundle/reader.h"
#include "parse.h"
#include "rows.h"
#include "text.h"

#define MOUNT_LINE 16384 /* an overlay of many layers has long options */

static const struct fact_field fields_fact_mount[] = {
	FACT_U64(fact_mount, mntns),
	FACT_U64(fact_mount, pid),
	FACT_U64(fact_mount, id),
	FACT_U64(fact_mount, parent),
	FACT_U64(fact_mount, major),
	FACT_U64(fact_mount, minor),
	FACT_STR(fact_mount, root, 4096),
	FACT_STR(fact_mount, mountpoint, 4096),
	FACT_STR(fact_mount, fstype, 64),
	FACT_STR(fact_mount, source, 4096),
	FACT_STR(fact_mount, super_options, 8192),
	FACT_U64(fact_mount, host),
};
FACT_TYPE(fact_mount, "mounts", 7, 500000);

struct mount_state {
	struct rows rows;
	uint64_t host_mntns, host_part; /* of the first entry of the first part */
	bool any;
};

static int mount_line(struct parse *p, struct mount_state *s, uint64_t mntns, uint64_t pid,
		      struct text text)
{
	char line[MOUNT_LINE];
	struct fact_mount *row;
	struct mountinfo m;

	if (text_len(text) >= sizeof(line) ||
	    parse_mountinfo_line(text_copy(text, line, sizeof(line)), &m) < 0 || m.id < 0 ||
	    m.parent < 0 || s->rows.count >= fact_mount_type.max_rows) {
		p->bad++;
		return 0;
	}
	s->rows.size = sizeof(*row);
	row = rows_add(p->arena, &s->rows);
	if (!row)
		return -ENOMEM;
	*row = (struct fact_mount){
		.mntns = mntns,
		.pid = pid,
		.id = (uint64_t)m.id,
		.parent = (uint64_t)m.parent,
		.major = m.major,
		.minor = m.minor,
		.root = arena_strndup(p->arena, m.root, strlen(m.root)),
		.mountpoint = arena_strndup(p->arena, m.mountpoint, strlen(m.mountpoint)),
		.fstype = arena_strndup(p->arena, m.fstype, strlen(m.fstype)),
		.source = arena_strndup(p->arena, m.source, strlen(m.source)),
		.super_options = arena_strndup(p->arena, m.super_options, strlen(m.super_options)),
	};
	return arena_exhausted(p->arena) ? -ENOMEM : 0;
}

static int mount_member(struct parse *p, void *state, const struct member_ref *m, const char *data,
			size_t len)
{
	struct mount_state *s = state;
	struct pack_entry entry;
	size_t pos = 0;
	int r, more;

	while ((more = pack_next(data, len, &pos, &entry)) > 0) {
		struct text rest = TEXT(entry.name, entry.name_len), ns, line;
		uint64_t mntns, pid;

		if (!text_until(&rest, '/', &ns) || !text_u64(ns, &mntns) ||
		    !text_u64(rest, &pid)) {
			p->bad++;
			continue;
		}
		if (!s->any || m->part < s->host_part) {
			s->any = true;
			s->host_part = m->part;
			s->host_mntns = mntns;
		}
		rest = TEXT(entry.data, entry.data_len);
		while (text_line(&rest, &line)) {
			r = mount_line(p, s, mntns, pid, line);
			if (r < 0)
				return r;
		}
	}
	if (more < 0)
		p->bad++;
	return 0;
}

static int mount_finish(struct parse *p, void *state)
{
	struct mount_state *s = state;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < s->rows.count; i++) {
		struct fact_mount *row = rows_at(&s->rows, i);

		row->host = s->any && row->mntns == s->host_mntns;
		r = parse_emit(p, &fact_mount_type, row);
	}
	return r;
}

const struct fact_parser mount_parser = {
	.state_size = sizeof(struct mount_state),
	.member = mount_member,
	.finish = mount_finish,
};
