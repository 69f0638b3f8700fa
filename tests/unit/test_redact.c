/* SPDX-License-Identifier: GPL-2.0-or-later */
/* redact.h: every secret beside the innocent twin that must stay.  '|' stands for NUL. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture/redact.h"

#define X "<redacted>"

static void check(const char *in, const char *expected, uint64_t expected_count)
{
	static const struct redactor r = {.level = REDACT_DEFAULT};
	char buf[1024];
	size_t len = strlen(in), n;
	uint64_t count = 99;

	for (size_t i = 0; i < len; i++)
		buf[i] = in[i] == '|' ? '\0' : in[i];
	n = redact_cmdline(&r, buf, len, sizeof(buf), &count);
	for (size_t i = 0; i < n; i++) {
		if (!buf[i])
			buf[i] = '|';
	}
	buf[n] = '\0';
	assert_string_equal(buf, expected);
	if (count != expected_count)
		fail_msg("%s: %u replacements, not %u", in, (unsigned)count,
			 (unsigned)expected_count);
}

static void secret(const char *in, const char *expected)
{
	check(in, expected, 1);
}

static void innocent(const char *in)
{
	check(in, in, 0);
}

static void test_options(void **state)
{
	secret("x|--password|hunter2|-v|", "x|--password|" X "|-v|");
	secret("x|--password=hunter2|-v|", "x|--password=" X "|-v|");
	secret("x|--password=my pass word|-v|", "x|--password=" X "|-v|");
	secret("x|-password|hunter2|", "x|-password|" X "|");
	secret("x|--db.passwd=a,b=c|", "x|--db.passwd=" X "|");
	secret("x|--api-key=0123|", "x|--api-key=" X "|");
	secret("x|--apiKey|0123|", "x|--apiKey|" X "|");
	secret("x|--node-token|K10abc|", "x|--node-token|" X "|");
	secret("x|--client_secret=abc|", "x|--client_secret=" X "|");
	secret("x|--key=0123456789abcdef|", "x|--key=" X "|");
	secret("x|--credentials=abcdefgh|", "x|--credentials=" X "|");
	secret("java|-Djavax.net.ssl.keyStorePassword=changeit|-jar|a.jar|",
	       "java|-Djavax.net.ssl.keyStorePassword=" X "|-jar|a.jar|");
	secret("keytool|-storepass|changeit|", "keytool|-storepass|" X "|");
	secret("redis-server|--requirepass|foobared|", "redis-server|--requirepass|" X "|");
	secret("openssl|rsa|-passin|pass:abc|", "openssl|rsa|-passin|pass:" X "|");
	secret("x|--PASSWORD=X1|", "x|--PASSWORD=" X "|");
	secret("x|--password=-|", "x|--password=" X "|");
	secret("x|--password|-hyphenated|", "x|--password|" X "|");
	check("x|--password=a|--token=b|--secret|c|",
	      "x|--password=" X "|--token=" X "|--secret|" X "|", 3);

	innocent("x|--keyspace=foo|");
	innocent("x|--token-file|/etc/x|");
	innocent("x|--token-file=/etc/x|");
	innocent("x|--password-file|/etc/x|");
	innocent("docker|login|--password-stdin|registry|");
	innocent("x|--no-password|db|");
	innocent("x|--password=|next|");
	innocent("x|--password|--verbose|x|");
	innocent("x|--password|");
	innocent("x|--monkey=0123456789|");
	innocent("x|--bypass=0123456789|");
	innocent("x|--tokenizer=0123456789|");
	innocent("x|--max-tokens=4096|");
	innocent("sort|--key=2,3|");
	innocent("etcd|--key|/etc/ssl/etcd.key|");
	innocent("etcd|--key=client.pem|");
	innocent("x|--private-key=/root/.ssh/id|");
	innocent("kcm|--use-service-account-credentials=true|");
	innocent("kubelet|--authentication-token-webhook=true|--token-ttl=24h0m0s|");
	innocent("x|--author=alice|--passive|--secretary=bob|");
	innocent("x|--primary-key=identifier|");
	innocent("cat|password|token|secret|");
	innocent("x|--password=" X "|");
}

static void test_environment(void **state)
{
	secret("env|AWS_SECRET_ACCESS_KEY=wJal/K7|cmd|", "env|AWS_SECRET_ACCESS_KEY=" X "|cmd|");
	secret("env|PGPASSWORD=x|psql|", "env|PGPASSWORD=" X "|psql|");
	secret("env|MYSQL_PWD=x|", "env|MYSQL_PWD=" X "|");
	secret("docker|run|-e|DB_PASS=x|img|", "docker|run|-e|DB_PASS=" X "|img|");
	secret("docker|run|-eGITHUB_TOKEN=x|", "docker|run|-eGITHUB_TOKEN=" X "|");
	secret("docker|run|--env=STRIPE_KEY=abc|img|", "docker|run|--env=STRIPE_KEY=" X "|img|");
	innocent("env|PWD=/root|OLDPWD=/tmp|KEYMAP=us|PGPASSFILE=/x|cmd|");
	innocent("env|SSH_AUTH_SOCK=/tmp/a|XAUTHORITY=/root/.Xa|TERM=xterm|");
}

static void test_short_options(void **state)
{
	secret("/usr/bin/mysql|-uroot|-phunter2|db|", "/usr/bin/mysql|-uroot|-p" X "|db|");
	secret("mysqldump|-u|root|-p-x y|db|", "mysqldump|-u|root|-p" X "|db|");
	secret("sshpass|-p|abc|ssh|-p|22|h|", "sshpass|-p|" X "|ssh|-p|22|h|");
	secret("redis-cli|-a|abc|ping|", "redis-cli|-a|" X "|ping|");
	secret("ldapsearch|-x|-w|abc|", "ldapsearch|-x|-w|" X "|");
	secret("curl|-u|alice:abc|http://h/|", "curl|-u|alice:" X "|http://h/|");
	secret("curl|-sSu|alice:abc|http://h/|", "curl|-sSu|alice:" X "|http://h/|");
	secret("curl|--user|alice:abc|", "curl|--user|alice:" X "|");
	secret("curl|--user=alice:abc|", "curl|--user=alice:" X "|");
	secret("docker|login|-u|a|-p|abc|", "docker|login|-u|a|-p|" X "|");
	secret("sudo|mysql|-psecret|", "sudo|mysql|-p" X "|");
	secret("curl|-b|sid=abc|", "curl|-b|" X "|");
	secret("http|-a|u:abc|", "http|-a|u:" X "|");
	secret("smbclient|//h/s|-U|dom/u%abc|", "smbclient|//h/s|-U|dom/u%" X "|");
	secret("ipmitool|-U|u|-P|abc|", "ipmitool|-U|u|-P|" X "|");
	secret("snmpwalk|-v2c|-cabc|h|", "snmpwalk|-v2c|-c" X "|h|");
	secret("snmpget|-v3|-A|abc|h|", "snmpget|-v3|-A|" X "|h|");
	secret("openssl|enc|-k|abc|", "openssl|enc|-k|" X "|");
	secret("useradd|-p|abc|u|", "useradd|-p|" X "|u|");
	secret("zip|-P|abc|a.zip|", "zip|-P|" X "|a.zip|");

	innocent("mysql|-u|root|-p|db|");
	innocent("mysql|-P3306|-h|h|");
	innocent("mysqld|-p3306|");
	innocent("ssh|-p|22|host|");
	innocent("ssh|-p22|host|");
	innocent("mkdir|-p|/a/b|");
	innocent("docker|run|-p|80:80|img|");
	innocent("curl|-u|alice|http://h/|");
	innocent("tail|-f|/var/log/x|-u|a:b|");
	innocent("sort|-u|a:b|");
	innocent("snmpd|-c|/etc/snmp/snmpd.conf|");
	innocent("openssl|req|-keyout|/x.key|");
	innocent("snmpwalk|-v2c|-On|h|");
}

static void test_urls(void **state)
{
	secret("x|postgres://u:p4ss@db:5432/x?a=b|", "x|postgres://u:" X "@db:5432/x?a=b|");
	secret("x|redis://:p4ss@h/0|", "x|redis://:" X "@h/0|");
	secret("x|amqp://u:p@ss@h/|", "x|amqp://u:" X "@h/|");
	secret("x|postgres://u:pa/ss@h/db|", "x|postgres://u:" X "@h/db|");
	secret("x|postgres://u:pa/s@s@h/db|", "x|postgres://u:" X "@h/db|");
	innocent("x|postgres://u:" X "@h/db|");
	secret("x|--url=https://u:p@h/|", "x|--url=https://u:" X "@h/|");
	secret("git|clone|https://0123456789abcdef0123@h/r|", "git|clone|https://" X "@h/r|");
	secret("x|https://h/p?a=1&access_token=abc&b=2|",
	       "x|https://h/p?a=1&access_token=" X "&b=2|");
	secret("x|https://h/p?X-Amz-Signature=abc#f|", "x|https://h/p?X-Amz-Signature=" X "#f|");
	secret("x|jdbc:mysql://h/db?user=u&password=p&ssl=true|",
	       "x|jdbc:mysql://h/db?user=u&password=" X "&ssl=true|");
	check("x|http://a:b@h,http://c:d@i|", "x|http://a:" X "@h,http://c:" X "@i|", 2);

	innocent("x|ssh://git@github.com/r|");
	innocent("x|http://h:8080/p@q|");
	innocent("x|http://[::1]:80/|");
	innocent("x|https://h/p?keyspace=a&sort=token|");
	innocent("x|https://h/token/secret/x|");
	innocent("x|user@host:/path|");
	innocent("x|--sig=abc|");
}

static void test_urls_only(void **state)
{
	static const char in[] = "1 2 0:3 / /m rw - fuse ftp://u:p4ss@h/ rw,token=1\n"
				 "1 2 0:3 / /m rw - nfs h:/a rw\n";
	static const char expected[] = "1 2 0:3 / /m rw - fuse ftp://u:" X "@h/ rw,token=1\n"
				       "1 2 0:3 / /m rw - nfs h:/a rw\n";
	static const struct redactor r = {.level = REDACT_DEFAULT}, none = {.level = REDACT_NONE};
	char buf[256];
	uint64_t count;
	size_t n;

	memcpy(buf, in, sizeof(in) - 1);
	n = redact_urls(&r, buf, sizeof(in) - 1, sizeof(buf), &count);
	assert_int_equal(n, sizeof(expected) - 1);
	assert_memory_equal(buf, expected, n);
	assert_int_equal(count, 1);
	/* No room for the word: nothing of the password, and nothing after it. */
	memcpy(buf, in, sizeof(in) - 1);
	n = redact_urls(&r, buf, sizeof(in) - 1, sizeof(in) - 1, &count);
	assert_null(memmem(buf, n, "p4ss", 4));
	memcpy(buf, in, sizeof(in) - 1);
	assert_int_equal(redact_urls(&none, buf, sizeof(in) - 1, sizeof(buf), &count),
			 sizeof(in) - 1);
	assert_memory_equal(buf, in, sizeof(in) - 1);
}

static void test_words_inside(void **state)
{
	secret("sh|-c|mysql --password=abc db|", "sh|-c|mysql --password=" X " db|");
	secret("sh|-c|mysql -uroot -pabc db|", "sh|-c|mysql -uroot -p" X " db|");
	secret("sh|-c|x --token abc --y|", "sh|-c|x --token " X " --y|");
	secret("sh|-c|x --token 'a b' --y|", "sh|-c|x --token '" X "' --y|");
	secret("sh|-c|x --token=\"a b\" --y|", "sh|-c|x --token=\"" X "\" --y|");
	secret("psql|host=h password=abc user=u|", "psql|host=h password=" X " user=u|");
	secret("x|--opts=a=1,password=b,c=2|", "x|--opts=a=1,password=" X ",c=2|");
	secret("x|--opts=a=1,password=b,c|", "x|--opts=a=1,password=" X "|");
	secret("x|{\"user\":\"u\",\"db_password\":\"abc\",\"n\":1}|",
	       "x|{\"user\":\"u\",\"db_password\":\"" X "\",\"n\":1}|");
	secret("x|{\"token\": \"abc\"}|", "x|{\"token\": \"" X "\"}|");
	secret("x|{\"token\" : \"abc\"}|", "x|{\"token\" : \"" X "\"}|");
	secret("x|--pw|abc|", "x|--pw|" X "|");
	secret("kubectl|create|secret|--from-literal=a=b|",
	       "kubectl|create|secret|--from-literal=" X "|");
	secret("x|-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----|",
	       "x|-----BEGIN RSA PRIVATE KEY-----" X "-----END RSA PRIVATE KEY-----|");
	secret("x|a -----BEGIN PRIVATE KEY-----\nMIIE|", "x|a -----BEGIN PRIVATE KEY-----" X "|");
	innocent("x|-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----|");
	innocent("sh|-c|cat --password-file /etc/x | sort --key=2|");
	innocent("postgres: user db 10.0.0.1(5432) idle|");
	innocent("nginx: worker process|");
	innocent("sh|-c|echo password: |");
}

static void test_headers_and_tokens(void **state)
{
	secret("curl|-H|Authorization: Bearer abc def|", "curl|-H|Authorization: " X "|");
	secret("curl|-HProxy-Authorization: Basic abc|", "curl|-HProxy-Authorization: " X "|");
	secret("curl|-H|X-Api-Key: abc|", "curl|-H|X-Api-Key: " X "|");
	secret("curl|-H|Cookie: a=b; c=d|", "curl|-H|Cookie: " X "|");
	secret("sh|-c|curl -H 'Authorization: Bearer abc' http://h/|",
	       "sh|-c|curl -H 'Authorization: " X "' http://h/|");
	secret("x|auth=Bearer abcdef|", "x|auth=Bearer " X "|");
	secret("x|ghp_0123456789abcdefghij|", "x|" X "|");
	secret("x|eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlMDE|", "x|" X "|");
	innocent("curl|-H|Accept: text/html|");
	innocent("x|bearer|");
	innocent("x|ghp_short|");
	innocent("x|eyJ.txt|");
}

/* Every prefix of a buffer too small: never a secret in what is left, never past cap. */
static void test_no_room(void **state)
{
	static const struct redactor r = {.level = REDACT_DEFAULT}, none = {.level = REDACT_NONE};
	static const char in[] = "x\0--password=q7\0--token=q7\0http://u:q7@h\0tail";
	uint64_t count;
	size_t n;

	for (size_t cap = 0; cap < sizeof(in) + 64; cap++) {
		char *buf = malloc(cap + sizeof(in));

		assert_non_null(buf);
		memset(buf, '~', cap + sizeof(in));
		memcpy(buf, in, sizeof(in));
		if (cap < sizeof(in)) {
			free(buf);
			continue;
		}
		n = redact_cmdline(&r, buf, sizeof(in), cap, &count);
		assert_true(n <= cap);
		assert_null(memmem(buf, n, "q7", 2));
		for (size_t i = cap; i < cap + sizeof(in); i++)
			assert_int_equal(buf[i], '~');
		if (cap >= sizeof(in) + 3 * 8) {
			assert_int_equal(count, 3);
			assert_int_equal(n, sizeof(in) + 3 * 8);
		}
		free(buf);
	}
	char keep[sizeof(in)];

	memcpy(keep, in, sizeof(in));
	assert_int_equal(redact_cmdline(&none, keep, sizeof(in), sizeof(in), &count), sizeof(in));
	assert_memory_equal(keep, in, sizeof(in));
	assert_int_equal(count, 0);
	assert_int_equal(redact_cmdline(&r, keep, 0, sizeof(in), &count), 0);
}

static double seconds_for(const char *pattern, size_t len)
{
	static const struct redactor r = {.level = REDACT_DEFAULT};
	size_t n = strlen(pattern);
	char *buf = malloc(2 * len);
	uint64_t count;
	clock_t start;

	assert_non_null(buf);
	for (size_t i = 0; i < len; i++)
		buf[i] = pattern[i % n];
	start = clock();
	redact_cmdline(&r, buf, len, 2 * len, &count);
	free(buf);
	return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/* 4 MiB of what would make a look-ahead quadratic; that would take hours. */
static void test_linear(void **state)
{
	static const char *const patterns[] = {
		"a",
		"-",
		"a://x:y/",
		"a=",
		"a=,",
		"password='",
		"\"token\":\"",
		"?a&",
		"--token ",
		"bearer ",
		",a",
		"a:b@",
		"eyJ",
		"authorization: '",
		"'authorization:",
		"-p ",
		"curl -u ",
		"a@",
		"'",
		"password= ",
	};

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		double s = seconds_for(patterns[i], 4 << 20);

		if (s > 20)
			fail_msg("%s: %.1f s", patterns[i], s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_short_options),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_urls_only),
		cmocka_unit_test(test_words_inside),
		cmocka_unit_test(test_headers_and_tokens),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
