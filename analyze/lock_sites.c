/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lock_sites.h"

#include <stddef.h>
#include <string.h>

/* Beginnings of bare names; the first that fits. */
static const struct {
	const char *site;
	enum lock_object object;
} sites[] = {
	{"do_unlinkat", LOCK_DIRECTORY},
	{"open_last_lookups", LOCK_DIRECTORY},
	{"path_openat", LOCK_DIRECTORY},
	{"filename_create", LOCK_DIRECTORY},
	{"lock_rename", LOCK_DIRECTORY},
	{"iterate_dir", LOCK_DIRECTORY},
	{"lookup_slow", LOCK_DIRECTORY},

	{"ext4_buffered_write_iter", LOCK_FILE},
	{"xfs_file_buffered_write", LOCK_FILE},
	{"generic_file_write_iter", LOCK_FILE},
	{"do_truncate", LOCK_FILE},

	/* Faults … */
	{"lock_mm_and_find_vma", LOCK_MM},
	{"get_mmap_lock_carefully", LOCK_MM},
	{"do_user_addr_fault", LOCK_MM},
	{"do_page_fault", LOCK_MM},
	{"fixup_user_fault", LOCK_MM},
	/* … mapping and unmapping … */
	{"vm_mmap_pgoff", LOCK_MM},
	{"vm_munmap", LOCK_MM},
	{"vm_brk_flags", LOCK_MM},
	{"mm_populate", LOCK_MM},
	{"mprotect_fixup", LOCK_MM},
	{"do_mprotect_pkey", LOCK_MM},
	{"do_madvise", LOCK_MM},
	{"madvise_lock", LOCK_MM},
	{"do_mlock", LOCK_MM},
	{"do_mremap", LOCK_MM},
	{"do_mbind", LOCK_MM},
	{"do_shmat", LOCK_MM},
	{"ksys_shmdt", LOCK_MM},
	{"sys_brk", LOCK_MM},
	{"sys_mmap", LOCK_MM},
	{"sys_munmap", LOCK_MM},
	{"sys_mremap", LOCK_MM},
	{"sys_mprotect", LOCK_MM},
	{"sys_pkey_mprotect", LOCK_MM},
	{"sys_mlock", LOCK_MM},
	{"sys_munlock", LOCK_MM},
	{"sys_madvise", LOCK_MM},
	{"sys_mincore", LOCK_MM},
	{"sys_msync", LOCK_MM},
	{"sys_remap_file_pages", LOCK_MM},
	{"task_numa_work", LOCK_MM},
	{"userfaultfd_", LOCK_MM},
	{"dup_mm", LOCK_MM},
	{"exit_mm", LOCK_MM}, /* exit_mmap, too */
	/* … memory of others … */
	{"get_user_pages_remote", LOCK_OTHER_MM},
	{"pin_user_pages_remote", LOCK_OTHER_MM},
	{"access_remote_vm", LOCK_OTHER_MM},
	{"process_vm_rw", LOCK_OTHER_MM},
	{"show_smap", LOCK_OTHER_MM},
	{"pagemap_read", LOCK_OTHER_MM},
	{"clear_refs_write", LOCK_OTHER_MM},
	{"do_procmap_query", LOCK_OTHER_MM},
	{"proc_map_files_", LOCK_OTHER_MM},
	{"map_files_", LOCK_OTHER_MM},
	/* … and pages that the kernel reads or writes for who called it. */
	{"get_user_pages", LOCK_MM},
	{"pin_user_pages", LOCK_MM},
	{"internal_get_user_pages_fast", LOCK_MM},
	{"gup_longterm_locked", LOCK_MM},
	{"gup_fast_fallback", LOCK_MM},

	{"kernfs_", LOCK_KERNFS},
	{"cgroup_", LOCK_KERNFS},
	{"rtnetlink_rcv", LOCK_RTNL},
};

const char *lock_bare_name(const char *name)
{
	while (*name == '_')
		name++;
	if (!strncmp(name, "GI_", 3))
		name += 3;
	while (*name == '_')
		name++;
	return name;
}

/* __x64_sys_brk, __do_sys_brk, __arm64_sys_brk … */
static const char *system_call(const char *bare)
{
	const char *sys = strstr(bare, "sys_");

	return sys && sys > bare && sys <= bare + 6 && sys[-1] == '_' ? sys : bare;
}

enum lock_object lock_object(const char *site, bool reads_map)
{
	const char *name = system_call(lock_bare_name(site));

	if (!strcmp(name, "m_start"))
		return reads_map ? LOCK_OTHER_MM : LOCK_OTHER;
	for (size_t i = 0; i < sizeof(sites) / sizeof(*sites); i++)
		if (!strncmp(name, sites[i].site, strlen(sites[i].site)))
			return sites[i].object;
	return LOCK_OTHER;
}
