/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "collect_run.h"

#include "../../capture/collectors/container_table.h"

extern const struct collector collector_containers;

#define ID_A "1111111111111111111111111111111111111111111111111111111111111111"
#define ID_B "2222222222222222222222222222222222222222222222222222222222222222"
#define ID_C "3333333333333333333333333333333333333333333333333333333333333333"
#define UID "0a1b2c3d-1111-2222-3333-444455556666"
#define UID_SYSTEMD "0a1b2c3d_1111_2222_3333_444455556666"

static const char *table(void)
{
	assert_non_null(out_member("tables/containers.tsv", 0));
	return out_member("tables/containers.tsv", 0)->data;
}

static void has_row(const char *row)
{
	if (!strstr(table(), row))
		fail_msg("no row '%s' in:\n%s", row, table());
}

static void nowhere_are_secrets(void)
{
	for (size_t i = 0; i < out.member_count; i++)
		assert_null(memmem(out.members[i].data, out.members[i].len, "hunter2", 7));
}

static void cgroup_paths(void **state)
{
	static const struct {
		const char *path, *id, *runtime, *uid;
	} cases[] = {
		{"/docker/" ID_A, ID_A, "docker", ""},
		{"/system.slice/docker-" ID_A ".scope", ID_A, "docker", ""},
		{"/system.slice/docker-" ID_A ".scope/inner/more", ID_A, "docker", ""},
		{"/kubepods/burstable/pod" UID "/" ID_A, ID_A, "", UID},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_SYSTEMD
		 ".slice/cri-containerd-" ID_A ".scope",
		 ID_A, "containerd", UID},
		{"/kubepods.slice/kubepods-pod" UID_SYSTEMD ".slice/crio-" ID_B ".scope", ID_B,
		 "cri-o", UID},
		{"/machine.slice/libpod-" ID_C ".scope/container", ID_C, "podman", ""},
		{"/libpod_parent/libpod-" ID_C, ID_C, "podman", ""},
		{"/default/" ID_C, ID_C, "", ""},
		/* docker in docker: the inner one */
		{"/docker/" ID_A "/docker/" ID_B, ID_B, "docker", ""},
		{"/user.slice/user-1000.slice/session-3.scope", NULL, NULL, NULL},
		{"/", NULL, NULL, NULL},
		{"", NULL, NULL, NULL},
		{"/docker-xyz.scope", NULL, NULL, NULL},
		{"/docker-111111111111.scope", NULL, NULL, NULL},
		{"/kubepods/pod" UID, NULL, NULL, NULL},
		/* conmon and buildx are not the container */
		{"/machine.slice/libpod-conmon-" ID_A ".scope", NULL, NULL, NULL},
		{"/kubepods/podtooshort/" ID_A, ID_A, "", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container c = {0};
		bool is = container_of_cgroup(cases[i].path, strlen(cases[i].path), &c);

		if (is != (cases[i].id != NULL))
			fail_msg("%s", cases[i].path);
		if (!is)
			continue;
		assert_string_equal(c.id, cases[i].id);
		assert_string_equal(c.runtime, cases[i].runtime);
		assert_string_equal(c.pod_uid, cases[i].uid);
	}
}

static void docker(void **state)
{
	tree_put("proc/10/cgroup", "4:memory:/docker/" ID_A "\n0::/\n");
	tree_put("var/lib/docker/containers/" ID_A "/config.v2.json",
		 "{\"ID\":\"" ID_A "\",\"Path\":\"nginx\",\"Args\":[\"--password=hunter2\"],"
		 "\"Config\":{\"Hostname\":\"h\",\"Env\":[\"DB_PASSWORD=hunter2\"],\"Image\":"
		 "\"nginx:1.25\",\"Labels\":{\"secret\":\"hunter2\"}},\"Image\":\"sha256:abc\","
		 "\"Name\":\"/web\"}");
	run_collector(&collector_containers, NULL);
	assert_int_equal(out.status, COLLECTOR_OK);
	assert_string_equal(table(),
			    "id\truntime\tname\tnamespace\tpod\timage\tsource\tpod_uid\n" ID_A
			    "\tdocker\tweb\t\t\tnginx:1.25\tvar/lib/docker/containers/" ID_A
			    "/config.v2.json\t\n");
	nowhere_are_secrets();
}

static void docker_with_kubelet_and_another_root(void **state)
{
	tree_put("etc/docker/daemon.json", "{\"data-root\": \"/data/docker\"}");
	tree_put("data/docker/containers/" ID_A "/config.v2.json",
		 "{\"ID\":\"" ID_A "\",\"Name\":\"/k8s_app_web-0_prod_" UID
		 "_2\",\"Config\":{\"Image\":\"app@sha256:1\"}}");
	run_collector(&collector_containers, NULL);
	has_row(ID_A "\tdocker\tapp\tprod\tweb-0\tapp@sha256:1\t");
	has_row("\t" UID "\n");
}

static void containerd(void **state)
{
	tree_put("run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID_A "/config.json",
		 "{\"ociVersion\":\"1.1\",\"process\":{\"env\":[\"TOKEN=hunter2\"]},"
		 "\"annotations\":{"
		 "\"io.kubernetes.cri.container-type\":\"container\","
		 "\"io.kubernetes.cri.container-name\":\"app\","
		 "\"io.kubernetes.cri.image-name\":\"registry/app:1\","
		 "\"io.kubernetes.cri.sandbox-name\":\"web-0\","
		 "\"io.kubernetes.cri.sandbox-namespace\":\"prod\","
		 "\"io.kubernetes.cri.sandbox-uid\":\"" UID "\"}}");
	tree_put("run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID_B "/config.json",
		 "{\"annotations\":{\"io.kubernetes.cri.container-type\":\"sandbox\","
		 "\"io.kubernetes.cri.sandbox-name\":\"web-0\","
		 "\"io.kubernetes.cri.sandbox-namespace\":\"prod\"}}");
	tree_put("run/containerd/io.containerd.runtime.v2.task/moby/" ID_C "/config.json", "{}");
	tree_put("run/containerd/io.containerd.runtime.v2.task/default/my-box/config.json", "{}");
	run_collector(&collector_containers, NULL);
	assert_int_equal(out.status, COLLECTOR_OK);
	has_row(ID_A "\tcontainerd\tapp\tprod\tweb-0\tregistry/app:1\t");
	has_row(ID_B "\tcontainerd\tPOD\tprod\tweb-0\t\t");
	has_row(ID_C "\tdocker\t\t");
	has_row("my-box\tcontainerd\t");
	nowhere_are_secrets();
}

static void podman_and_crio(void **state)
{
	tree_put(
		"var/lib/containers/storage/overlay-containers/containers.json",
		"[{\"id\":\"" ID_A "\",\"names\":[\"sunny_box\"],\"image\":\"abc\",\"metadata\":"
		"\"{\\\"image-name\\\":\\\"docker.io/library/redis:7\\\",\\\"name\\\":\\\"sunny_box"
		"\\\"}\"},"
		"{\"id\":\"" ID_B "\",\"names\":[\"k8s_app_web-0_prod_" UID
		"_0\"],\"metadata\":\"{\\\"pod-name\\\":\\\"k8s_web-0_prod\\\","
		"\\\"image-name\\\":\\\"quay.io/app:2\\\"}\"},"
		"{\"id\":\"" ID_C "\",\"names\":[\"plain\"],\"metadata\":\"not json\"}]");
	run_collector(&collector_containers, NULL);
	assert_int_equal(out.status, COLLECTOR_OK);
	has_row(ID_A "\tpodman\tsunny_box\t\t\tdocker.io/library/redis:7\t");
	has_row(ID_B "\tcri-o\tapp\tprod\tweb-0\tquay.io/app:2\t");
	has_row(ID_C "\tpodman\tplain\t");
}

static void crio_userdata(void **state)
{
	tree_put("run/containers/storage/overlay-containers/" ID_A "/userdata/config.json",
		 "{\"process\":{\"env\":[\"X=hunter2\"]},\"annotations\":{"
		 "\"io.kubernetes.container.name\":\"app\",\"io.kubernetes.pod.name\":\"web-0\","
		 "\"io.kubernetes.pod.namespace\":\"prod\",\"io.kubernetes.pod.uid\":\"" UID "\","
		 "\"io.kubernetes.cri-o.ImageName\":\"quay.io/app:2\"}}");
	tree_put("run/containers/storage/overlay-containers/" ID_B "/userdata/config.json",
		 "{\"annotations\":{\"io.container.manager\":\"libpod\"}}");
	run_collector(&collector_containers, NULL);
	has_row(ID_A "\tcri-o\tapp\tprod\tweb-0\tquay.io/app:2\t");
	has_row(ID_B "\tpodman\t");
	nowhere_are_secrets();
}

/* Nothing of the runtime is left but the id in the group's path and kubelet's logs. */
static void pods_from_log_directories(void **state)
{
	tree_put("proc/10/cgroup",
		 "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_SYSTEMD
		 ".slice/cri-containerd-" ID_A ".scope\n");
	tree_put("var/log/pods/prod_web-0_" UID "/app/0.log", "log line");
	run_collector(&collector_containers, NULL);
	has_row(ID_A "\tcontainerd\t\tprod\tweb-0\t\tcgroup\t" UID "\n");
}

static void log_links(void **state)
{
	char cut[64];

	tree_link("var/log/containers/web-0_prod_my-app-" ID_A ".log",
		  "/var/log/pods/prod_web-0_" UID "/my-app/0.log");
	snprintf(cut, sizeof(cut), "var/log/containers/a_b_c-%.20s.log", ID_B);
	tree_link(cut, "/var/log/pods/b_a_" UID "/c/0.log");
	tree_put("proc/10/cgroup", "0::/default/" ID_B "\n");
	tree_link("var/log/containers/nonsense.log", "/etc/passwd");
	tree_link("var/log/containers/a_b_c-short.log", "/etc/passwd");
	run_collector(&collector_containers, NULL);
	has_row(ID_A "\t\tmy-app\tprod\tweb-0\t\tvar/log/containers\t" UID "\n");
	/* A cut id is completed by the one in the group's path. */
	has_row("\n" ID_B "\t\tc\tb\ta\t");
	assert_null(strstr(table(), "short"));
}

static void hostile_state(void **state)
{
	tree_link("var/lib/docker/containers/" ID_A "/config.v2.json", "/etc/passwd");
	tree_fifo("var/lib/docker/containers/" ID_B "/config.v2.json");
	tree_put("var/lib/docker/containers/" ID_C "/config.v2.json",
		 "{\"ID\":\"../../etc\",\"Name\":\"/a\\tb\\nc\\u0000d <script>\"}");
	tree_put("var/lib/docker/containers/broken/config.v2.json", "{\"Name\":");
	run_collector(&collector_containers, NULL);
	assert_int_equal(out.status, COLLECTOR_PARTIAL);
	assert_non_null(strstr(out.reason, "config.v2.json"));
	has_row(ID_C "\tdocker\ta\\tb\\nc\t");
	assert_null(strstr(table(), "root:"));
}

static void refused_state_is_partial(void **state)
{
	if (geteuid() != 0)
		skip();
	tree_put("proc/10/cgroup", "4:memory:/docker/" ID_A "\n");
	tree_put("var/lib/docker/containers/" ID_A "/config.v2.json", "{}");
	tree_mode("var/lib/docker", 0700);
	assert_int_equal(seteuid(65534), 0);
	run_collector(&collector_containers, NULL);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(out.status, COLLECTOR_PARTIAL);
	assert_string_equal(out.reason,
			    "/var/lib/docker/containers: Permission denied (needs root)");
	has_row(ID_A "\tdocker\t");
}

static void a_machine_without_containers(void **state)
{
	run_collector(&collector_containers, NULL);
	assert_int_equal(out.status, COLLECTOR_OK);
	assert_string_equal(table(), "id\truntime\tname\tnamespace\tpod\timage\tsource\tpod_uid\n");
	assert_non_null(strstr(out.notes, "no state of docker"));
}

static void names_are_cut_on_a_character(void **state)
{
	char field[6];

	container_field(field, sizeof(field), "abc\xc3\xa4\xc3\xb6", 7);
	assert_string_equal(field, "abc\xc3\xa4");
	container_field(field, sizeof(field), "abcd\xc3\xa4", 6);
	assert_string_equal(field, "abcd");
}

static void short_ids_match_only_hexadecimal_ones(void **state)
{
	struct container_table t = {0};
	struct container c = {.id = "web-server-10"};

	container_add(&t, &c);
	c = (struct container){.id = "web-server-1"};
	container_add(&t, &c);
	assert_int_equal(t.count, 2);
	c = (struct container){.id = "aaaaaaaaaaaa", .name = "short"};
	container_add(&t, &c);
	c = (struct container){.id = "aaaaaaaaaaaabbbb", .image = "long"};
	container_add(&t, &c);
	assert_int_equal(t.count, 3);
	assert_string_equal(t.rows[2].id, "aaaaaaaaaaaabbbb");
	assert_string_equal(t.rows[2].name, "short");
	assert_string_equal(t.rows[2].image, "long");
	container_table_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cgroup_paths),
		TREE_TEST(docker),
		TREE_TEST(docker_with_kubelet_and_another_root),
		TREE_TEST(containerd),
		TREE_TEST(podman_and_crio),
		TREE_TEST(crio_userdata),
		TREE_TEST(pods_from_log_directories),
		TREE_TEST(log_links),
		TREE_TEST(hostile_state),
		TREE_TEST(refused_state_is_partial),
		TREE_TEST(a_machine_without_containers),
		cmocka_unit_test(names_are_cut_on_a_character),
		cmocka_unit_test(short_ids_match_only_hexadecimal_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
