/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * driver.memory: memory that the kernel holds for a process and that stands in no process list:
 * rings, queues, pipes, BPF maps, buffers.  The process, or what else keeps it, is named.
 */
#include "rules.h"

/* Healthy machines have far less: a page for each pipe, a few KiB in the queues of busy sockets,
 * some ten MiB of BPF maps.  Programs that take packets off the wire have more, on purpose. */
#define SOME 0.01
#define MUCH 0.05
#define LEAST (64 * MIB)

static const struct subject {
	const char *kind, *part;
	const char *what;  /* "… of WHAT are held by NAME (pid 1)" */
	const char *where; /* in which figures it is, or is not */
	const char *advice, *wrong_if;
} subjects[] = {
	{"packet-ring", "network", "packet rings (AF_PACKET)",
	 "the ring is made of pages that no counter of the kernel has, full or empty",
	 "Make the ring smaller or end the program: tcpdump -B, the ring-size of an intrusion "
	 "detection system, PACKET_RX_RING in one's own program.",
	 "the program is there to take every packet and was given this ring on purpose"},
	{"socket", "network", "data in socket queues",
	 "no counter of the kernel has the pages of these queues",
	 "The program does not read what was sent to it, or its peer does not take what it sends: "
	 "see where it hangs, end it, or bound its buffers (net.ipv4.tcp_rmem, tcp_wmem, "
	 "SO_RCVBUF).",
	 "it was a burst, and is gone a moment later"},
	{"pipe", "pipes", "data in pipes", "no counter of the kernel has the pages of pipes",
	 "Whoever should read these pipes does not: see what it waits for.  Per user, "
	 "fs.pipe-user-pages-soft bounds them.",
	 "it was a burst, and is gone a moment later"},
	{"bpf-map", "bpf", "BPF maps",
	 "they lie in vmalloc space, in slab, in per-CPU memory or in pages of their own, by their "
	 "type",
	 "Lower max_entries of the map in the configuration of the program that made it (bpftool "
	 "map list names it); a map that nobody holds stays as long as it is pinned or a program "
	 "that uses it is attached.",
	 "the network or the security software is meant to track that much"},
	{"dma-buf", "dma-buf", "DMA buffers",
	 "a DMA buffer lives until the last process that has it open is gone",
	 "Find out why the program does not close them; a crash of the display server or of the "
	 "camera service frees them.",
	 "the program works on many images or frames at once"},
	{"drm", "gpu", "graphics buffers in main memory",
	 "buffers of TTM (amdgpu, nouveau, xe) are pages of their own; those of other drivers are "
	 "counted as shared memory",
	 "Find out what the program keeps: textures and frames live until it frees them or ends.",
	 "the program is meant to work on that much"},
	{"rdma", "heap", "memory registered with RDMA devices",
	 "it is the process's own heap, shared memory or huge pages, and counted there; registered "
	 "it "
	 "is pinned, so it can be neither swapped nor moved nor given back",
	 "Register less, or use on-demand paging; LimitMEMLOCK of the unit bounds it.",
	 "the program is meant to exchange that much with other machines"},
	{"page-pool", "network", "pages of network receive queues (page pool)",
	 "the pages lie in the receive rings, in the pool, or in packets that wait in sockets",
	 "Where it is far more than the rings (ethtool -g) hold, packets are kept by someone who "
	 "does "
	 "not read them, or were lost by the driver: look at the sockets' queues first, then at "
	 "the "
	 "driver's version.",
	 "many queues with large rings and a large MTU were set up on purpose"},
	{"io-uring", "io-uring", "io_uring rings",
	 "rings are pages that no counter of the kernel has",
	 "Lower the number of rings or of their entries in the program.", NULL},
	{"open-files", "slab-unreclaimable", "slab for its open files and sockets",
	 "it is in slab: file, socket and inode structures, which live as long as the descriptors",
	 "Does it close what it opens?  ls /proc/PID/fd shows which; sockets in CLOSE-WAIT (ss -tp "
	 "state close-wait) are connections that the program forgot.  LimitNOFILE bounds it.",
	 "it serves that many connections on purpose"},
	{"huge-pages", "huge-pages", "huge pages, reserved and never used,",
	 "the pool keeps them for this process: nobody else gets them, nor can they become small "
	 "pages",
	 "Let the program map less (huge_pages, shared_buffers, -Xmx with UseLargePages), or touch "
	 "what it maps at its start (AlwaysPreTouch) so that the pool can be sized right.",
	 "it has just been started and will use them"},
};

static const struct subject *subject_of(const char *kind)
{
	for (size_t i = 0; i < sizeof(subjects) / sizeof(*subjects); i++)
		if (!strcmp(subjects[i].kind, kind))
			return &subjects[i];
	return NULL;
}

static const char *process_words(struct findings *out, const struct fact_process *p, uint64_t pid)
{
	if (p && p->comm)
		return arena_printf(out->arena, "%s (pid %" PRIu64 ")", p->comm, pid);
	return arena_printf(out->arena, "pid %" PRIu64, pid);
}

static void because(struct findings *out, struct finding *f, const struct subject *s,
		    const struct model_holding *h)
{
	const struct fact_kernel_object *o = h->largest;
	const char *name = o && o->name ? o->name : NULL,
		   *detail = o && o->detail ? o->detail : NULL;

	if (o)
		finding_because(
			out, f, "#kernel-objects", "%s in %s; the largest%s%s has %s%s%s%s",
			size_words(out, (double)h->bytes),
			h->objects == 1 ? "one object"
					: arena_printf(out->arena, "%s objects",
						       count_words(out, (double)h->objects)),
			name ? ", " : "", name ? name : "", size_words(out, figure(o->bytes)),
			detail ? " (" : "", detail ? detail : "", detail ? ")" : "");
	if (!strcmp(s->kind, "socket") && o && o->memory && !strcmp(o->memory, "slab"))
		finding_because(out, f, "#slabs",
				"it is in slab: many small messages, whose heads weigh more than "
				"what they carry");
	else
		finding_because(out, f, arena_printf(out->arena, "#part-%s", s->part), "%s",
				s->where);
	if (figure(h->waiting) >= MIB && strcmp(s->kind, "packet-ring") != 0)
		finding_because(out, f, "#kernel-objects", "%s wait there to be read",
				size_words(out, (double)h->waiting));
	if (h->process && h->process->cmdline && *h->process->cmdline)
		finding_because(out, f, "#processes", "its command line: %s", h->process->cmdline);
	if (h->cgroup)
		finding_because(out, f, "#cgroups", "it runs in %s", cgroup_words(out, h->cgroup));
	if (h->shared_with)
		finding_because(out, f, "#kernel-objects", "open in %s other %s as well%s%s",
				count_words(out, (double)h->shared_with),
				h->shared_with == 1 ? "process" : "processes",
				h->other ? ", as " : "",
				h->other ? process_words(out, h->other, h->other->pid) : "");
}

static void one(const struct model *m, struct findings *out, const struct subject *s,
		const struct model_holding *h)
{
	double total = figure(m->memory_total), bytes = (double)h->bytes;
	enum severity severity = bytes >= MUCH * total ? SEVERITY_WARNING : SEVERITY_INFO;
	struct finding *f;

	if (h->pid != FACT_NONE)
		f = finding_add(out, "driver.memory", severity, CONFIDENCE_HIGH,
				"%s of %s (%d%% of memory) are held by %s%s%s",
				size_words(out, bytes), s->what, percent(bytes, total),
				process_words(out, h->process, h->pid), h->cgroup ? " in " : "",
				h->cgroup ? cgroup_words(out, h->cgroup) : "");
	else
		f = finding_add(out, "driver.memory", severity, CONFIDENCE_HIGH,
				!strcmp(s->kind, "page-pool")
					? "%s of %s (%d%% of memory) are held by network devices"
					: "%s of %s (%d%% of memory) are held by no open file",
				size_words(out, bytes), s->what, percent(bytes, total));
	if (!f)
		return;
	f->weight = bytes;
	if (h->pid != FACT_NONE)
		finding_scope(out, f, "process",
			      h->process && h->process->comm
				      ? arena_printf(out->arena, "%s (%" PRIu64 ")",
						     h->process->comm, h->pid)
				      : arena_printf(out->arena, "%" PRIu64, h->pid));
	because(out, f, s, h);
	finding_advice(out, f, "%s", s->advice);
	f->wrong_if = s->wrong_if;
}

int rule_driver_memory(const struct model *m, struct findings *out)
{
	double total = figure(m->memory_total);
	unsigned n = 0;

	for (size_t i = 0; i < m->holding_count && n < MAX_PER_RULE; i++) {
		const struct model_holding *h = &m->holdings[i];
		const struct subject *s = subject_of(h->kind);

		if (!s || !((double)h->bytes >= SOME * total) || !((double)h->bytes >= LEAST))
			continue;
		one(m, out, s, h);
		n++;
	}
	return 0;
}
