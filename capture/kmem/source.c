/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ladder: which rung to stand on. */
#include "rung.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/btf.h>

#include "../base/proc.h"

void kmem_lockdown(const struct sysroot *root, char out[KMEM_LOCKDOWN])
{
	char text[128];
	const char *open, *close;

	out[0] = '\0';
	if (root->sys_fd < 0 ||
	    read_file_at(root->sys_fd, "kernel/security/lockdown", text, sizeof(text)) < 0)
		return;
	open = strchr(text, '[');
	close = open ? strchr(open, ']') : NULL;
	if (close)
		snprintf(out, KMEM_LOCKDOWN, "%.*s", (int)(close - open - 1), open + 1);
}

/* Under lockdown=confidentiality both rungs are refused, bpf in words that do not say so: the
 * helper is then unknown to the verifier. */
static int explain_lockdown(int r, const struct sysroot *root, struct err *e)
{
	char level[KMEM_LOCKDOWN], object[64];

	kmem_lockdown(root, level);
	if (strcmp(level, "confidentiality") != 0)
		return r;
	snprintf(object, sizeof(object), "%.*s", (int)strcspn(e->text, ":"), e->text);
	return err_set(e, EPERM, "%s: Operation not permitted (kernel lockdown=confidentiality)",
		       object);
}

/* One rung after the other, as far as o asks for. */
static int open_live(struct kmem_source **ret, const struct capture_options *o,
		     const struct sysroot *root, const struct kmem_layout *l, struct err *e)
{
	struct err kcore = {0}, bpf = {0};
	int r;

	if (o->memory_source != MEMORY_BPF) {
		r = kmem_open_kcore(ret, root, l, &kcore);
		if (r == 0)
			return 0;
		r = explain_lockdown(r, root, &kcore);
		if (o->memory_source == MEMORY_KCORE)
			return err_set(e, -r, "%s", kcore.text);
	}
	r = kmem_open_bpf(ret, root, l, &bpf);
	if (r == 0) {
		if (kcore.no)
			err_set(e, kcore.no, "%s; using bpf", kcore.text);
		return 0;
	}
	r = explain_lockdown(r, root, &bpf);
	if (!kcore.no)
		return err_set(e, -r, "%s", bpf.text);
	/* A kernel without kcore but a caller without privilege: the second is what to tell. */
	return err_set(e, -r, "%s; %s", kcore.text, bpf.text);
}

int kmem_open(struct kmem_source **ret, const struct capture_options *o, const struct sysroot *root,
	      const struct kmem_layout *l, struct err *e)
{
	if (o->memory_source == MEMORY_CORE)
		return kmem_open_core(ret, o->core_file, root, l, e);
	if (root->recorded)
		return err_set(e, ENOTSUP,
			       "%s: a recorded tree; --memory-source core:FILE reads the "
			       "memory recorded with it",
			       root->path);
	return open_live(ret, o, root, l, e);
}

static int open_memory(struct kmem_rung *g, const struct capture_options *o,
		       const struct sysroot *root, struct err *e)
{
	struct btf *btf;
	int r = kmem_btf_open(&btf, o->btf_file, root, e);

	if (r < 0)
		return r;
	r = kmem_layout_init(&g->layout, btf, e);
	btf__free(btf);
	return r < 0 ? r : kmem_open(&g->source, o, root, &g->layout, e);
}

static bool refused(int r)
{
	return r == -EPERM || r == -EACCES;
}

int kmem_stand(struct kmem_rung *ret, const struct capture_options *o, const struct sysroot *root,
	       struct err *e)
{
	const bool any = o->memory_source == MEMORY_AUTO;
	struct err above = {0}, flags = {0};
	int r;

	*ret = (struct kmem_rung){.name = "procfs"};
	if (o->memory_source != MEMORY_KPAGEFLAGS && o->memory_source != MEMORY_PROCFS) {
		r = open_memory(ret, o, root, &above);
		if (r == 0) {
			ret->name = ret->source->ops->name;
			*e = above;
			return 0;
		}
		/* Types that were given by name are to be right, not to be done without. */
		if (!any || root->recorded || (o->btf_file && !refused(r)))
			return err_set(e, -r, "%s", above.text);
		ret->refused = refused(r);
	}
	if (root->recorded)
		return err_set(e, ENOTSUP, "%s: a recorded tree has no open files to look at",
			       root->path);
	if (o->memory_source == MEMORY_PROCFS)
		return 0;
	r = frames_open(&ret->frames, root, &flags);
	if (r == 0) {
		ret->name = "kpageflags";
		if (any)
			err_set(e, above.no, "%s; using kpageflags", above.text);
		return 0;
	}
	if (!any)
		return err_set(e, -r, "%s", flags.text);
	ret->refused |= refused(r);
	err_set(e, flags.no, "%s; %s; using procfs", above.text, flags.text);
	return 0;
}

void kmem_leave(struct kmem_rung *g)
{
	kmem_close(g->source);
	frames_close(g->frames);
	g->source = NULL;
	g->frames = NULL;
}
