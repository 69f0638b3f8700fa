/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does a name promise a secret?  "keyStorePassword" does, "--token-file" and "keyspace" do not. */
#include "redact_key.h"

#include <string.h>

#include "base/cleanup.h"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool alnum(char c)
{
	c = lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool redact_word_is(const char *s, size_t len, const char *word)
{
	for (size_t i = 0; i < len; i++) {
		if (!word[i] || lower(s[i]) != word[i])
			return false;
	}
	return word[len] == '\0';
}

/* A name's letters and digits in lower case, the last of them only. */
struct compact {
	char text[33];
	size_t len;
	bool whole; /* nothing was left out at the front */
};

static void compact(const char *key, size_t len, struct compact *ret)
{
	size_t i = len, n = sizeof(ret->text) - 1;

	ret->text[n] = '\0';
	while (i > 0 && n > 0) {
		if (alnum(key[i - 1]))
			ret->text[--n] = lower(key[i - 1]);
		i--;
	}
	while (i > 0 && !alnum(key[i - 1]))
		i--;
	ret->len = sizeof(ret->text) - 1 - n;
	ret->whole = i == 0;
	memmove(ret->text, ret->text + n, ret->len + 1);
}

static bool ends(const struct compact *c, const char *suffix)
{
	size_t n = strlen(suffix);

	return c->len >= n && memcmp(c->text + c->len - n, suffix, n) == 0;
}

static bool ends_any(const struct compact *c, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (ends(c, list[i]))
			return true;
	}
	return false;
}

/* The last word as people separate them: "db-pass" ends in the word pass, "bypass" does not. */
static bool last_word(const char *key, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len >= n && redact_word_is(key + len - n, n, word) &&
	       (len == n || !alnum(key[len - n - 1]));
}

static bool negated(const char *key, size_t len)
{
	static const char *const words[] = {"no", "ask", "prompt"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i]);

		if (len > n && redact_word_is(key, n, words[i]) && !alnum(key[n]))
			return true;
	}
	return false;
}

static bool environment_style(const char *key, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (key[i] >= 'a' && key[i] <= 'z')
			return false;
	}
	return true;
}

enum redact_key redact_key_class(const char *key, size_t len, bool in_query)
{
	static const char *const always[] = {
		"password",    "passwd",	"passphrase",  "passcode",   "secret",
		"token",       "apikey",	"accesskey",   "secretkey",  "authkey",
		"accountkey",  "encryptionkey", "signingkey",  "masterkey",  "sessionkey",
		"storagekey",  "sharedkey",	"licensekey",  "storepass",  "keypass",
		"userpass",    "dbpass",	"requirepass", "masterauth", "presharedkey",
		"fromliteral",
	};
	static const char *const unless_path[] = {"privatekey", "credential", "credentials"};
	static const char *const signature[] = {"signature"};
	static const char *const headers[] = {"authorization", "cookie"};
	struct compact c;

	if (len > REDACT_KEY_MAX) {
		key += len - REDACT_KEY_MAX;
		len = REDACT_KEY_MAX;
	}
	while (len && *key == '-') {
		key++;
		len--;
	}
	compact(key, len, &c);
	if (c.len == 0 || negated(key, len))
		return REDACT_KEY_INNOCENT;
	if (ends_any(&c, always, ARRAY_SIZE(always)) || last_word(key, len, "pass") ||
	    last_word(key, len, "psk"))
		return REDACT_KEY_SECRET;
	if (ends_any(&c, headers, ARRAY_SIZE(headers)))
		return REDACT_KEY_HEADER;
	if (ends_any(&c, unless_path, ARRAY_SIZE(unless_path)) || last_word(key, len, "pwd") ||
	    (environment_style(key, len) && last_word(key, len, "key") && len > 3))
		return REDACT_KEY_UNLESS_PATH;
	if (c.whole && strcmp(c.text, "pw") == 0)
		return REDACT_KEY_UNLESS_PATH;
	if (c.whole && strcmp(c.text, "key") == 0)
		return REDACT_KEY_PLAIN;
	if (in_query && (ends_any(&c, signature, ARRAY_SIZE(signature)) ||
			 (c.whole && strcmp(c.text, "sig") == 0)))
		return REDACT_KEY_SECRET;
	return REDACT_KEY_INNOCENT;
}

static bool looks_like_path(const char *v, size_t len)
{
	static const char *const files[] = {".pem", ".key", ".crt", ".cer", ".p12",
					    ".pfx", ".jks", ".pub", ".json"};

	if (len && (v[0] == '/' || v[0] == '~'))
		return true;
	if (len > 1 && v[0] == '.' && (v[1] == '/' || v[1] == '.'))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		size_t n = strlen(files[i]);

		if (len > n && redact_word_is(v + len - n, n, files[i]))
			return true;
	}
	return false;
}

bool redact_value_is_secret(enum redact_key k, const char *v, size_t len)
{
	static const char *const words[] = {"true", "false", "yes",  "no",  "on",
					    "off",  "none",  "null", "nil", "<redacted>"};

	if (len == 0 || k == REDACT_KEY_INNOCENT)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (redact_word_is(v, len, words[i]))
			return false;
	}
	if (k == REDACT_KEY_UNLESS_PATH)
		return !looks_like_path(v, len);
	/* sort --key=2 is no secret, and nobody's secret is that short. */
	if (k == REDACT_KEY_PLAIN)
		return len >= 8 && !looks_like_path(v, len);
	return true;
}
