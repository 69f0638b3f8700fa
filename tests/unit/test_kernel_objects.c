/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel objects: the tables' rows, who holds them, the parts they are, and the findings. */
#include "model_fixture.h"

#include "facts_rows.h"

static uint64_t part(const struct model *m, const char *id)
{
	for (size_t i = 0; i < m->part_count; i++)
		if (!strcmp(m->parts[i].id, id))
			return m->parts[i].bytes;
	return FACT_NONE;
}

static void rows_of_both_tables(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_member(&t, "tables/kernel_objects.tsv",
			  "kind\tid\tcount\tbytes\tpage_bytes\tcapacity\twaiting\tmemory\tnetns\t"
			  "name\tdetail\tfuture\n"
			  "pipe\t7\t1\t65536\t65536\t1048576\t65000\tpages\t\t\t\tx\n"
			  "socket\t\t12\t9000\t\t\t10\tpages\t\ta\\tb\t127.0.0.1:1 \\xff\tx\n"
			  "\t1\t1\t1\n"
			  "pipe\t1\t1\tmany\n");
	facts_rows_member(&t, "tables/kernel_holders.tsv.0000",
			  "kind\tid\tpid\tfds\npipe\t7\t100\t2\npipe\t\t100\t2\npipe\t7\t\t1\n");
	f = facts_rows_end(&t);
	assert_int_equal(f->kernel_objects.count, 2);
	assert_int_equal(f->kernel_objects.rows[0].id, 7);
	assert_int_equal(f->kernel_objects.rows[0].capacity, 1048576);
	assert_null(f->kernel_objects.rows[0].name);
	assert_true(f->kernel_objects.rows[1].id == FACT_NONE);
	assert_true(f->kernel_objects.rows[1].page_bytes == FACT_NONE);
	assert_int_equal(f->kernel_objects.rows[1].count, 12);
	assert_string_equal(f->kernel_objects.rows[1].name, "a\tb");
	assert_int_equal(f->kernel_holders.count, 1);
	assert_int_equal(f->kernel_holders.rows[0].pid, 100);
	facts_destroy(f);
}

static void pools_by_size_and_node(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_pack(&t, "raw/memory/sys.000000001",
			"sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "1\n", NULL);
	facts_rows_pack(&t, "raw/memory/sys.000000009",
			"sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "24\n",
			"sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "3\n",
			"sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n",
			"sys/devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages",
			"20\n", "sys/devices/system/node/node1/meminfo", "x\n",
			"sys/kernel/mm/hugepages/hugepages-kB/nr_hugepages", "1\n",
			"sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "many\n", NULL);
	f = facts_rows_end(&t);
	assert_int_equal(f->huge_pools.count, 3);
	assert_true(f->huge_pools.rows[0].node == FACT_NONE);
	assert_int_equal(f->huge_pools.rows[0].page_bytes, 2 * MI);
	assert_int_equal(f->huge_pools.rows[0].pages, 24);
	assert_int_equal(f->huge_pools.rows[0].reserved, 3);
	assert_true(f->huge_pools.rows[0].free_pages == FACT_NONE);
	assert_int_equal(f->huge_pools.rows[1].page_bytes, GI);
	assert_int_equal(f->huge_pools.rows[2].node, 1);
	assert_int_equal(f->huge_pools.rows[2].free_pages, 20);
	facts_destroy(f);
}

/* As 6.10 and 6.14 print it. */
static void allocations_by_place(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_member(&t, "raw/memory/allocinfo.000000001",
			  "allocinfo - version: 1.0\n"
			  "#     <size>  <calls> <tag info>\n"
			  "           0        0 init/main.c:1314 func:do_initcalls\n"
			  "   536870912      128 drivers/net/leaky.c:77 [leaky] func:leaky_fill\n"
			  "       65536       16 mm/slub.c:2299 func:alloc_slab_page accurate:no\n"
			  "        many        1 x.c:1 func:y\n");
	f = facts_rows_end(&t);
	assert_int_equal(f->allocations.count, 2);
	assert_string_equal(f->allocations.rows[0].place, "drivers/net/leaky.c:77");
	assert_string_equal(f->allocations.rows[0].module, "leaky");
	assert_string_equal(f->allocations.rows[0].function, "leaky_fill");
	assert_int_equal(f->allocations.rows[0].bytes, 512 * MI);
	assert_null(f->allocations.rows[1].module);
	assert_string_equal(f->allocations.rows[1].function, "alloc_slab_page");
	facts_destroy(f);
}

static struct fact_kernel_object *object(struct facts *f, const char *kind, uint64_t id,
					 uint64_t bytes)
{
	struct fact_kernel_object *o = ADD(f, kernel_objects);

	o->kind = kind;
	o->id = id;
	o->count = 1;
	o->bytes = o->page_bytes = bytes;
	o->waiting = 0;
	o->memory = "pages";
	return o;
}

static void held(struct facts *f, const char *kind, uint64_t id, uint64_t pid, uint64_t fds)
{
	struct fact_kernel_holder *h = ADD(f, kernel_holders);

	h->kind = kind;
	h->id = id;
	h->pid = pid;
	h->fds = fds;
}

static void process(struct facts *f, uint64_t pid, const char *comm, const char *cgroup)
{
	struct fact_process *p = ADD(f, processes);

	p->pid = pid;
	p->comm = comm;
	p->cgroup = cgroup;
	p->shmem_bytes = 0;
}

static void kind(struct facts *f, const char *name, uint64_t pages)
{
	struct fact_page_type *t = ADD(f, page_types);

	t->kind = name;
	t->pages = pages;
}

static void parts_are_disjoint(void **state)
{
	struct facts *f = healthy();
	struct fact_kernel_object *o;
	struct fact_vmalloc *v = ADD(f, vmalloc);
	struct judged j;
	__int128 sum;

	v->caller = "array_map_alloc"; /* with the 50 MiB of bpf_prog_alloc_no_stats */
	v->bytes = 30 * MI;
	v = ADD(f, vmalloc);
	v->caller = "alloc_one_pg_vec_page";
	v->bytes = 10 * MI;
	v = ADD(f, vmalloc);
	v->caller = "xfs_buf_map_allocate"; /* not BPF, whatever it looks like */
	v->bytes = 7 * MI;
	object(f, "packet-ring", 1, 40 * MI);
	object(f, "pipe", 2, 3 * MI);
	object(f, "pipe", FACT_NONE, MI)->count = 200;
	/* Of this one 4 MiB are heads, in slab. */
	object(f, "socket", 3, 16 * MI)->page_bytes = 12 * MI;
	object(f, "socket", 4, 5 * MI)->page_bytes = FACT_NONE;
	o = object(f, "bpf-map", 5, 30 * MI);
	o->page_bytes = 0;
	o->memory = "vmalloc";
	object(f, "bpf-map", 6, 2 * MI);
	object(f, "of a newer kind", 6, 2 * MI);
	j = judge(f);
	/* Ten of the ring's 40 MiB were seen in vmalloc space as well. */
	assert_int_equal(part(j.m, "network"), 52 * MI);
	assert_int_equal(part(j.m, "pipes"), 4 * MI);
	assert_int_equal(part(j.m, "bpf"), 82 * MI);
	assert_int_equal(part(j.m, "vmalloc"), 7 * MI);
	sum = j.m->unaccounted;
	for (size_t i = 0; i < j.m->part_count; i++)
		sum += j.m->parts[i].bytes;
	assert_true(sum == j.m->memory_total);
	done(j, f);
}

static void measured_and_nothing_there(void **state)
{
	struct facts *f = healthy();
	struct fact_collector *c = ADD(f, collectors);
	struct judged j;

	c->name = "kernel-objects";
	c->status = "ok";
	j = judge(f);
	assert_int_equal(part(j.m, "network"), 0);
	assert_int_equal(part(j.m, "pipes"), 0);
	assert_null(find_finding(j, "driver.memory"));
	model_destroy(j.m);
	findings_destroy(j.f);
	c->status = "denied";
	j = judge(f);
	assert_true(part(j.m, "pipes") == FACT_NONE);
	done(j, f);
}

/* The lower rung: what it could not look at is not said to be nothing. */
static void what_was_not_looked_at(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	object(f, "packet-ring", 1, 40 * MI);
	object(f, "socket", 2, 9 * MI)->page_bytes = FACT_NONE;
	object(f, "pipe", FACT_NONE, 0)->count = 0;
	j = judge(f);
	assert_int_equal(part(j.m, "network"), 40 * MI);
	assert_true(part(j.m, "pipes") == FACT_NONE);
	/* It was looked for, and there is none. */
	assert_int_equal(part(j.m, "io-uring"), 0);
	assert_int_equal(j.m->holding_count, 2);
	bool said = false;

	for (size_t i = 0; i < j.m->not_seen_count; i++)
		said |= !strcmp(j.m->not_seen[i].what, "what waits in pipes");
	assert_true(said);
	done(j, f);
}

/* Pages of a pool that wait in a socket are in the pool and in the queue, and count once. */
static void page_pools_are_disjoint(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	object(f, "socket", 2, 9 * MI)->pool_bytes = 30 * MI;
	f->kernel_objects.rows[0].page_bytes = 2 * MI;
	j = judge(f);
	assert_int_equal(part(j.m, "network"), 32 * MI);
	model_destroy(j.m);
	findings_destroy(j.f);
	object(f, "page-pool", 7, 50 * MI);
	j = judge(f);
	assert_int_equal(part(j.m, "network"), 52 * MI);
	model_destroy(j.m);
	findings_destroy(j.f);
	/* A scan of every frame saw those of other network namespaces as well. */
	scanned(f, 1);
	kind(f, "page-pool", 70 * 256);
	j = judge(f);
	assert_int_equal(part(j.m, "network"), 72 * MI);
	done(j, f);

	/* A sample is no measurement of a part. */
	f = healthy();
	scanned(f, 64);
	kind(f, "page-pool", 70 * 256);
	object(f, "page-pool", 7, 50 * MI);
	j = judge(f);
	assert_int_equal(part(j.m, "network"), 50 * MI);
	done(j, f);
}

static void graphics_memory(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	process(f, 10, "compositor", "/");
	process(f, 20, "client", "/");
	object(f, "vram", 1, 3 * GI)->page_bytes = 0;
	f->kernel_objects.rows[0].name = "amdgpu 0000:03:00.0";
	held(f, "vram", 1, 20, 1);
	object(f, "drm", 1, 300 * MI)->page_bytes = 200 * MI;
	f->kernel_objects.rows[1].name = "amdgpu 0000:03:00.0";
	held(f, "drm", 1, 20, 1);
	object(f, "drm", 2, 100 * MI)->page_bytes = FACT_NONE; /* in Shmem */
	f->kernel_objects.rows[2].name = "i915 0000:00:02.0";
	j = judge(f);
	assert_int_equal(part(j.m, "gpu"), 200 * MI);
	assert_true(j.m->process_vram[0] == FACT_NONE);
	assert_int_equal(j.m->process_vram[1], 3 * GI);
	/* One process on one device is one row; whose the second client is was not seen. */
	assert_true(j.m->gpu_seen);
	assert_int_equal(j.m->gpu_use_count, 2);
	assert_string_equal(j.m->gpu_uses[0].device, "amdgpu 0000:03:00.0");
	assert_int_equal(j.m->gpu_uses[0].pid, 20);
	assert_int_equal(j.m->gpu_uses[0].vram_bytes, 3 * GI);
	assert_int_equal(j.m->gpu_uses[0].ram_bytes, 300 * MI);
	assert_string_equal(j.m->gpu_uses[0].process->comm, "client");
	assert_true(j.m->gpu_uses[1].pid == FACT_NONE && !j.m->gpu_uses[1].process);
	assert_true(j.m->gpu_uses[1].vram_bytes == FACT_NONE);
	/* Memory of the card is none of the machine's. */
	assert_string_equal(find_finding(j, "driver.memory")->scope_name, "client (20)");
	assert_contains(find_finding(j, "driver.memory")->title, "300 MiB");
	model_destroy(j.m);
	findings_destroy(j.f);
	meminfo_is(f, "GPUActive", 250 * MI);
	meminfo_is(f, "GPUReclaim", 30 * MI);
	j = judge(f);
	assert_int_equal(part(j.m, "gpu"), 280 * MI);
	done(j, f);
}

/* Registered with a card it is still the heap of its process. */
static void registered_memory(void **state)
{
	struct facts *f = healthy();
	const struct finding *w;
	struct judged j;

	process(f, 10, "mpi", "/");
	object(f, "rdma", 1, GI)->page_bytes = 0;
	f->kernel_objects.rows[0].memory = "process";
	held(f, "rdma", 1, 10, 1);
	j = judge(f);
	assert_true(part(j.m, "rdma") == FACT_NONE);
	w = find_finding(j, "driver.memory");
	assert_non_null(w);
	assert_contains(w->title, "registered with RDMA");
	assert_contains(w->title, "mpi (pid 10)");
	assert_contains(w->because[1].text, "counted there");
	done(j, f);
}

/* A memfd that nobody maps, and a deleted group that sockets keep. */
static void told_by_descriptors(void **state)
{
	struct facts *f = healthy();
	struct fact_cache_file *c;
	struct judged j;

	process(f, 10, "worker", "/");
	process(f, 20, "other", "/");
	scanned(f, 1);
	c = ADD(f, cache_files);
	c->file = 1;
	c->major = 0;
	c->minor = 1;
	c->ino = 777;
	c->nrpages = 4096;
	c->fstype = "tmpfs";
	c->state = "unnamed";
	c->path = "memfd:ring";
	struct fact_cache_sample *s = ADD(f, cache_samples);

	s->file = 1;
	s->cgroup = 0;
	s->state = 8;
	s->pages = 4096;
	object(f, "shmem", 1ULL << 40 | 777, 16 * MI)->page_bytes = 0;
	held(f, "shmem", 1ULL << 40 | 777, 10, 1);
	for (uint64_t i = 0; i < 3; i++) {
		object(f, "dying-cgroup", 500 + i, 0)->count = 2 + i;
		held(f, "dying-cgroup", 500 + i, 20, 2 + i);
	}
	f->kernel_objects.rows[1].name = "deleted cgroup, kept by sockets";
	j = judge(f);
	assert_int_equal(j.m->file_count, 1);
	assert_non_null(j.m->files[0].holder);
	assert_string_equal(j.m->files[0].holder->comm, "worker");
	assert_int_equal(j.m->dying_by_sockets, 3);
	assert_int_equal(j.m->dying_sockets, 9);
	assert_string_equal(j.m->dying_holder->comm, "other");
	assert_null(find_finding(j, "driver.memory"));
	done(j, f);
}

static void owned_by_code(void **state)
{
	struct facts_rows t = facts_rows_start();
	struct facts *f;

	facts_rows_member(&t, "tables/page_owner.tsv",
			  "function\tmodule\tpages\tblocks\n"
			  "new_slab\t\t500000\t400000\n"
			  "leaky_fill\tleaky\t262144\t512\n"
			  "small\t\t1\t1\n"
			  "\t\tx\t1\n");
	f = facts_rows_end(&t);
	assert_int_equal(f->allocations.count, 2);
	assert_string_equal(f->allocations.rows[1].place, "page_owner");
	assert_string_equal(f->allocations.rows[1].module, "leaky");
	assert_int_equal(f->allocations.rows[1].bytes, GI);
	facts_destroy(f);
}

static void each_object_is_held_once(void **state)
{
	struct facts *f = healthy();
	struct judged j;

	process(f, 10, "reader", "/a");
	process(f, 20, "writer", "/b");
	process(f, 30, "shell", NULL);
	for (uint64_t i = 1; i <= 300; i++) {
		object(f, "pipe", i, MI)->waiting = MI;
		/* The writer has as many descriptors; the reader is the older of the two. */
		held(f, "pipe", i, 20, 1);
		held(f, "pipe", i, 10, 1);
	}
	object(f, "pipe", 400, 2 * MI);
	held(f, "pipe", 400, 30, 1);
	held(f, "pipe", 400, 99, 2);	/* which nobody saw as a process */
	object(f, "pipe", 500, 5 * MI); /* of no open file: sent over a socket, say */
	held(f, "pipe", 600, 10, 1);	/* of no object */
	j = judge(f);
	assert_int_equal(j.m->holding_count, 3);
	assert_int_equal(j.m->holdings[0].pid, 10);
	assert_int_equal(j.m->holdings[0].bytes, 300 * MI);
	assert_int_equal(j.m->holdings[0].objects, 300);
	assert_int_equal(j.m->holdings[0].shared_with, 1);
	assert_string_equal(j.m->holdings[0].other->comm, "writer");
	assert_true(j.m->holdings[1].pid == FACT_NONE);
	assert_int_equal(j.m->holdings[2].pid, 99);
	assert_null(j.m->holdings[2].process);
	assert_int_equal(part(j.m, "pipes"), 307 * MI);
	done(j, f);
}

static void found_and_owned(void **state)
{
	struct facts *f = healthy();
	const struct finding *w;
	struct judged j;

	process(f, 10, "sniffer", "/");
	process(f, 11, "innocent", "/");
	object(f, "packet-ring", 1, 512 * MI)->name = "packet ring";
	held(f, "packet-ring", 1, 10, 1);
	object(f, "packet-ring", 2, 16 * MI);
	held(f, "packet-ring", 2, 11, 1);
	j = judge(f);
	w = find_finding(j, "driver.memory");
	assert_non_null(w);
	assert_contains(w->title, "512 MiB");
	assert_contains(w->title, "sniffer (pid 10)");
	assert_string_equal(w->scope_kind, "process");
	assert_string_equal(w->scope_name, "sniffer (10)");
	assert_int_equal(w->severity, SEVERITY_INFO);
	assert_contains(w->because[1].ref, "#part-network");
	/* The innocent one is in the table and in no finding. */
	assert_int_equal(j.m->holding_count, 2);
	for (size_t i = 0; i < j.f->count; i++)
		if (&j.f->rows[i] != w)
			assert_string_not_equal(j.f->rows[i].id, "driver.memory");
	model_destroy(j.m);
	findings_destroy(j.f);
	/* More than a twentieth of the machine. */
	f->kernel_objects.rows[0].bytes = 2 * GI;
	j = judge(f);
	assert_int_equal(find_finding(j, "driver.memory")->severity, SEVERITY_WARNING);
	done(j, f);
}

static void a_map_that_nobody_holds(void **state)
{
	struct facts *f = healthy();
	struct fact_kernel_object *o = object(f, "bpf-map", 5, 256 * MI);
	const struct finding *w;
	struct judged j;

	o->name = "conns";
	o->detail = "hash, 1000000 entries of 16 + 64 bytes; pinned as /sys/fs/bpf/conns";
	j = judge(f);
	w = find_finding(j, "driver.memory");
	assert_non_null(w);
	assert_contains(w->title, "no open file");
	assert_contains(w->because[0].text, "pinned as /sys/fs/bpf/conns");
	assert_string_equal(w->scope_kind, "host");
	done(j, f);
}

static const struct model_account *account(const struct model *m, const char *what)
{
	for (size_t i = 0; i < m->account_count; i++)
		if (!strcmp(m->accounts[i].what, what))
			return &m->accounts[i];
	return NULL;
}

static void two_accounts(void **state)
{
	struct facts *f = healthy();
	const struct model_account *a;
	struct judged j;

	scanned(f, 1);
	kind(f, "free", 2500000);
	kind(f, "buddy", 10 * GI / 4096 + 100 * MI / 4096 - 2500000);
	kind(f, "anon", 2 * GI / 4096);
	kind(f, "slab", 400 * MI / 4096);
	kind(f, "large-kmalloc", 50 * MI / 4096);
	kind(f, "other", 600 * MI / 4096);
	kind(f, "reserved", 1000); /* not in MemTotal */
	j = judge(f);
	a = account(j.m, "Free");
	assert_true(a->difference == 0 && a->agrees);
	assert_true(account(j.m, "Slab")->difference == 0);
	assert_true(account(j.m, "Anonymous")->frames.low == (double)(2 * GI));
	/* No frame was a file's: three gibibytes that the counters claim. */
	a = account(j.m, "Files");
	assert_false(a->agrees);
	assert_true(a->difference == -(double)(3 * GI - 100 * MI));
	/* Stacks, per-CPU data and BPF are 82 MiB. */
	a = account(j.m, "Other kernel memory");
	assert_true(a->counted == (double)(82 * MI));
	assert_false(a->agrees);
	/* Neither side knows of any. */
	assert_null(account(j.m, "Huge pages"));
	done(j, f);

	/* One in 64, in two draws of each two strata: an interval, and what lies in it agrees. */
	f = healthy();
	scanned(f, 64)->pair_one_in = 1;
	kind(f, "anon", 2 * GI / 4096 / 64 + 100);
	j = judge(f);
	a = account(j.m, "Anonymous");
	assert_true(a->frames.low < a->frames.bytes && a->frames.bytes < a->frames.high);
	assert_true(a->agrees);
	done(j, f);

	/* A guest's page tables are in one row alone. */
	f = healthy();
	scanned(f, 1);
	kind(f, "page-table", 31 * MI / 4096);
	kind(f, "other", 600 * MI / 4096);
	meminfo_is(f, "SecPageTables", 50 * MI);
	counter2(f, "vmstat", "nr_iommu_pages", 256, 256);
	j = judge(f);
	assert_int_equal(part(j.m, "kvm"), 49 * MI);
	a = account(j.m, "Page tables");
	assert_true(a->counted == (double)(31 * MI));
	assert_string_equal(a->counters, "PageTables + nr_iommu_pages");
	a = account(j.m, "Other kernel memory");
	assert_true(a->counted == (double)((82 + 49) * MI));
	done(j, f);

	f = healthy();
	j = judge(f);
	assert_int_equal(j.m->account_count, 0);
	done(j, f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_both_tables),
		cmocka_unit_test(pools_by_size_and_node),
		cmocka_unit_test(allocations_by_place),
		cmocka_unit_test(parts_are_disjoint),
		cmocka_unit_test(measured_and_nothing_there),
		cmocka_unit_test(what_was_not_looked_at),
		cmocka_unit_test(page_pools_are_disjoint),
		cmocka_unit_test(graphics_memory),
		cmocka_unit_test(registered_memory),
		cmocka_unit_test(told_by_descriptors),
		cmocka_unit_test(owned_by_code),
		cmocka_unit_test(each_object_is_held_once),
		cmocka_unit_test(found_and_owned),
		cmocka_unit_test(a_map_that_nobody_holds),
		cmocka_unit_test(two_accounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
