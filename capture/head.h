/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What capture.json says of the machine and of us. */
#pragma once

#include "base/sysroot.h"
#include "bundle/manifest.h"
#include "options.h"

/* Gathered by a process of its own (ask.h): /etc may be on a disk that does not answer. */
struct host_facts {
	char hostname[256], kernel[256], os[256], arch[32], btf_id[48];
	char capabilities[24], lockdown[24];
	char arguments[1024];
	uint32_t cpus, page_size;
	bool container;
};

void host_facts_answer(const void *options, const struct sysroot *root, void *ret);

/* Everything but name, clock, window start and the planned collectors. */
void head_fill(struct capture_head *h, const struct capture_options *o,
	       const struct host_facts *facts);
