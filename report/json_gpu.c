/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was seen of graphics devices: so far by the clients of their drivers alone, which tell what
 * each process holds, and nothing of the devices themselves.
 */
#include "json_parts.h"

#include <string.h>

/* "0000:03:00.0" of "amdgpu 0000:03:00.0"; NULL: not told. */
static const char *address_of(const char *device)
{
	const char *space = strchr(device, ' ');

	return space && space[1] ? space + 1 : NULL;
}

static void use(struct json *j, const struct model_gpu_use *u)
{
	json_object(j);
	json_fact(j, "pid", u->pid);
	json_kstr(j, "comm", u->process ? u->process->comm : NULL);
	json_kstr(j, "cgroup", u->process ? u->process->cgroup : NULL);
	json_fact(j, "vram_bytes", u->vram_bytes);
	json_fact(j, "ram_bytes", u->ram_bytes);
	json_object_end(j);
}

/* Returns the number of the first use that is another device's. */
static size_t device(struct json *j, const struct model *m, size_t first)
{
	const char *name = m->gpu_uses[first].device;
	size_t i = first;

	json_object(j);
	json_knull(j, "uuid");
	json_knull(j, "name");
	json_key(j, "driver");
	json_strn(j, name, strcspn(name, " "));
	json_kstr(j, "pdev", address_of(name));
	json_knull(j, "memory_total_bytes");
	json_knull(j, "memory_used_bytes");
	json_key(j, "processes");
	json_array(j);
	for (; i < m->gpu_use_count && !strcmp(m->gpu_uses[i].device, name); i++)
		if (i - first < REPORT_MAX_ROWS)
			use(j, &m->gpu_uses[i]);
	json_array_end(j);
	json_object_end(j);
	return i;
}

void json_gpu(struct json *j, const struct model *m)
{
	static const char *const others[] = {"samples", "errors", "allocations", "calls",
					     "stragglers"};

	if (!m->gpu_seen) {
		json_knull(j, "gpu");
		return;
	}
	json_key(j, "gpu");
	json_object(j);
	json_key(j, "devices");
	json_array(j);
	for (size_t i = 0, n = 0; i < m->gpu_use_count && n < REPORT_MAX_ROWS; n++)
		i = device(j, m, i);
	json_array_end(j);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		json_knull(j, others[i]);
	json_object_end(j);
}
