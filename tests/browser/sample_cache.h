/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Made-up files of the page cache and the cgroups that pay for them, for sample.h. */
#pragma once

#include "sample_base.h"

/* file_count files, largest first; the nasty names are among the first. */
static inline void sample_files(struct sample *s, size_t file_count)
{
	static const struct {
		const char *path, *container;
		const char *state, *fstype;
		uint64_t mib;
		size_t cgroup;
		bool shmem;
	} known[] = {
		{"/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/412/fs/app/"
		 "logs/checkout.log",
		 "/app/logs/checkout.log", "linked", "xfs", 1106, 0, false},
		{"/dev/shm/ingest/ring-000", "/dev/shm/ring-000", "linked", "tmpfs", 640, 2, true},
		{"/var/lib/mysql/ibdata1", NULL, "linked", "ext4", 512, 3, false},
		{"/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/412/fs/app/"
		 "logs/checkout.log.1",
		 "/app/logs/checkout.log.1", "deleted", "xfs", 338, 0, false},
		{"/var/log/journal/3b1c/system.journal", NULL, "linked", "ext4", 128, 3, false},
		{"[memfd:pulse-shm]", NULL, "unnamed", "tmpfs", 96, 3, true},
		{"[block device 8:0]", NULL, "linked", "bdev", 88, 3, false},
		{"/opt/app/lib/libtorch_cpu.so", "/opt/app/lib/libtorch_cpu.so", "linked",
		 "overlay", 71, 1, false},
		{"/var/lib/kubelet/pods/3c1/volumes/cache.db", NULL, "linked", "xfs", 66, 6, false},
		{"[inode 77812 of tmpfs]", NULL, "unresolved", "tmpfs", 31, 5, true},
	};
	size_t n_known = sizeof(known) / sizeof(*known);
	struct fact_cache_file *f = sample_rows(s, file_count, sizeof(*f));
	struct model_file *m = sample_rows(s, file_count, sizeof(*m));
	struct model_cgroup_share *shares = sample_rows(s, file_count, sizeof(*shares));
	struct model_file_share *reverse = sample_rows(s, file_count, sizeof(*reverse));
	char path[160];
	double total = 0;

	for (size_t i = 0; i < file_count; i++) {
		uint64_t bytes = 24 * MIB / (1 + i / 4) / 4096 * 4096 + 4096;
		struct model_cgroup *g =
			s->model.cgroup_count ? &s->model.cgroups[i % s->model.cgroup_count] : NULL;

		f[i] = (struct fact_cache_file){.file = i + 1,
						.major = 8,
						.minor = 1,
						.ino = 1000 + i,
						.generation = 1,
						.nlink = 1,
						.fstype = "ext4",
						.state = "linked",
						.type = "reg",
						.rdev_major = FACT_NONE,
						.rdev_minor = FACT_NONE};
		if (i < n_known) {
			f[i].path = m[i].path = known[i].path;
			m[i].container_path = known[i].container;
			f[i].state = known[i].state;
			f[i].fstype = known[i].fstype;
			m[i].shmem = known[i].shmem;
			bytes = known[i].mib * MIB;
			if (g)
				g = &s->model.cgroups[known[i].cgroup];
		} else if (i < n_known + NASTY) {
			f[i].path = m[i].path = nasty_names[i - n_known];
		} else {
			snprintf(path, sizeof(path), "/usr/share/data/%02zx/%02zx/file-%zu.dat",
				 i % 251, i % 13, i);
			f[i].path = m[i].path = sample_str(s, path);
		}
		f[i].size = bytes;
		f[i].nrpages = bytes / 4096;
		m[i].fact = &f[i];
		m[i].cached_bytes = bytes;
		m[i].active = (struct estimate){(double)bytes / 3, (double)bytes / 3.5,
						(double)bytes / 2.5};
		m[i].dirty = exactly(i % 7 ? 0 : (double)bytes / 50);
		total += (double)bytes;
		if (g) {
			shares[i] = (struct model_cgroup_share){
				g, {(double)bytes, (double)bytes * 0.97, (double)bytes * 1.02}};
			m[i].cgroups = &shares[i];
			m[i].cgroup_count = 1;
		}
	}
	/* the same shares by cgroup */
	size_t at = 0;
	for (size_t k = 0; k < s->model.cgroup_count; k++) {
		s->model.cgroups[k].files = &reverse[at];
		for (size_t i = 0; i < file_count; i++)
			if (shares[i].cgroup == &s->model.cgroups[k])
				reverse[at++] = (struct model_file_share){
					&m[i], shares[i].bytes, shares[i].bytes.bytes / 2};
		s->model.cgroups[k].file_count = (size_t)(&reverse[at] - s->model.cgroups[k].files);
	}
	s->facts.cache_files.rows = f;
	s->facts.cache_files.count = file_count;
	s->model.files = m;
	s->model.file_count = file_count;
	s->model.scanned = true;
	s->model.found_bytes = total;
	s->model.found_low = total * 0.995;
	s->model.found_high = total * 1.005;
	s->model.meminfo_bytes = 7172.0 * MIB;
	s->model.residual_bytes = 7172.0 * MIB - total;
	s->model.residual_low = s->model.residual_bytes - 40.0 * MIB;
	s->model.residual_high = s->model.residual_bytes + 40.0 * MIB;
}
