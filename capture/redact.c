/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One pass over a command line.  The text is first moved to the end of the buffer and then written
 * anew from its start: what is written can never overtake what is still to be read, and when
 * there is no room for that, the rest is dropped, never passed on unread.
 *
 * An argument may itself be a command line (sh -c "…"), a URL, a header or a list of settings, so
 * names are looked for at every word inside it.  A value ends with its argument when its name
 * starts that argument, else with its word.  Every look ahead is bounded: linear time.
 */
#include "redact.h"

#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "redact_key.h"

#define LOOK_AHEAD 512

static const char hidden[] = "<redacted>";
#define HIDDEN_LEN (sizeof(hidden) - 1)

/* What the next argument is, seen from the one before. */
enum pending { PENDING_NOTHING, PENDING_VALUE, PENDING_USERINFO };

/* Short options mean something else to every program: only well-known ones. */
struct command_rule {
	const char *name; /* of the program; a final * is any ending */
	char letter;
	bool attached, separate, userinfo;
	const char *subcommand; /* must have been seen, or NULL */
};

static const struct command_rule command_rules[] = {
	{"mysql*", 'p', true, false, false, NULL},
	{"mariadb*", 'p', true, false, false, NULL},
	{"xtrabackup", 'p', true, false, false, NULL},
	{"sshpass", 'p', true, true, false, NULL},
	{"ssh", 0, false, false, false, NULL}, /* what sshpass runs: its -p is a port */
	{"scp", 0, false, false, false, NULL},
	{"redis-cli", 'a', true, true, false, NULL},
	{"mongo", 'p', true, true, false, NULL},
	{"mongosh", 'p', true, true, false, NULL},
	{"mongodump", 'p', true, true, false, NULL},
	{"mongorestore", 'p', true, true, false, NULL},
	{"mongoexport", 'p', true, true, false, NULL},
	{"mongoimport", 'p', true, true, false, NULL},
	{"ldap*", 'w', true, true, false, NULL},
	{"curl", 'u', true, true, true, NULL},
	{"curl", 'U', true, true, true, NULL},
	{"curl", 'b', true, true, false, NULL},
	{"http", 'a', true, true, true, NULL},
	{"smbclient", 'U', true, true, true, NULL},
	{"rpcclient", 'U', true, true, true, NULL},
	{"ipmitool", 'P', true, true, false, NULL},
	{"sqlcmd", 'P', true, true, false, NULL},
	{"snmp*", 'c', true, true, false, NULL},
	{"snmp*", 'A', true, true, false, NULL},
	{"snmp*", 'X', true, true, false, NULL},
	{"openssl", 'k', false, true, false, NULL},
	{"openssl", 'K', false, true, false, NULL},
	{"useradd", 'p', true, true, false, NULL},
	{"usermod", 'p', true, true, false, NULL},
	{"zip", 'P', true, true, false, NULL},
	{"unzip", 'P', true, true, false, NULL},
	{"7z*", 'p', true, false, false, NULL},
	{"docker", 'p', true, true, false, "login"},
	{"podman", 'p', true, true, false, "login"},
};

struct rewriter {
	const char *copied; /* source up to here has been dealt with */
	char *out;
	bool full;
	uint64_t count;
	enum pending pending;
	enum redact_key pending_class;
	const char *command; /* name of the program, in command_rules, or NULL */
	bool subcommand;
};

/* Source up to `to` goes out as it is. */
static void keep(struct rewriter *w, const char *to)
{
	size_t n = (size_t)(to - w->copied);

	if (w->full || to <= w->copied)
		return;
	memmove(w->out, w->copied, n);
	w->out += n;
	w->copied = to;
}

static void hide(struct rewriter *w, const char *from, const char *to)
{
	keep(w, from);
	if (w->full || from >= to || redact_word_is(from, (size_t)(to - from), hidden))
		return;
	if ((size_t)(to - w->out) < HIDDEN_LEN) {
		w->full = true;
		return;
	}
	memcpy(w->out, hidden, HIDDEN_LEN);
	w->out += HIDDEN_LEN;
	w->copied = to;
	w->count++;
}

static bool is_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == '-';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_quote(char c)
{
	return c == '"' || c == '\'' || c == '`';
}

static const char *key_end(const char *p, const char *end)
{
	while (p < end && is_key_char(*p))
		p++;
	return p;
}

/* "a=1,b=2": a comma ends a value only where the next setting begins. */
static bool setting_follows(const char *p, const char *end)
{
	const char *stop = end - p > 64 ? p + 64 : end;
	const char *k = key_end(p, stop);

	return k > p && k < end && *k == '=';
}

/* Where the value at v ends, inside an argument that ends at end.  *v skips an opening quote. */
static const char *word_end(const char **v, const char *end, bool in_query)
{
	const char *p = *v;

	if (p < end && is_quote(*p)) {
		const char *close = memchr(p + 1, *p, (size_t)(end - p - 1));

		*v = p + 1;
		return close ? close : end;
	}
	for (; p < end && !is_blank(*p); p++) {
		if (in_query && (*p == '&' || *p == '#'))
			break;
		if (is_quote(*p))
			break;
		if ((*p == ',' || *p == ';') && setting_follows(p + 1, end))
			break;
	}
	return p;
}

static void hide_if_secret(struct rewriter *w, enum redact_key k, const char *v, const char *end)
{
	if (redact_value_is_secret(k, v, (size_t)(end - v)))
		hide(w, v, end);
	else
		keep(w, end);
}

/* user:password → user:<redacted>; Samba's is user%password */
static void hide_userinfo(struct rewriter *w, const char *v, const char *end)
{
	const char *colon = memchr(v, ':', (size_t)(end - v));

	if (!colon)
		colon = memchr(v, '%', (size_t)(end - v));
	if (colon)
		hide(w, colon + 1, end);
	keep(w, end);
}

static bool all_digits(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p == end;
}

/* After "SCHEME://".  Returns where reading goes on. */
static const char *url_authority(struct rewriter *w, const char *p, const char *end)
{
	const char *stop = end - p > LOOK_AHEAD ? p + LOOK_AHEAD : end;
	const char *slash = NULL, *colon = NULL, *at = NULL, *q;

	for (q = p; q < stop && !is_blank(*q) && !is_quote(*q); q++) {
		if (!slash && (*q == '/' || *q == '?' || *q == '#')) {
			/* A password may hold a slash; a port is digits. */
			if (at || !colon || all_digits(colon + 1, q))
				break;
			slash = q;
		}
		if (*q == ':' && !colon)
			colon = q;
		if (*q == '@')
			at = q;
	}
	if (!at)
		return p;
	if (colon && colon < at)
		hide(w, colon + 1, at);
	else if (at - p >= 20) /* https://TOKEN@host; nobody's login is that long */
		hide(w, p, at);
	keep(w, at);
	return at;
}

static bool known_token(const char *p, size_t len)
{
	static const char *const prefixes[] = {
		"ghp_",	   "gho_",     "ghs_",	"ghu_",	 "ghr_",     "github_pat_",
		"glpat-",  "xoxb-",    "xoxp-", "xapp-", "sk_live_", "rk_live_",
		"sk-ant-", "sk-proj-", "hvs.",	"AIza",	 "dop_v1_"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t n = strlen(prefixes[i]);

		if (len >= n + 12 && memcmp(p, prefixes[i], n) == 0)
			return true;
	}
	/* A JSON web token: three base64 parts, the first of which is {"… */
	return len >= 40 && memcmp(p, "eyJ", 3) == 0 && memchr(p, '.', len);
}

static bool names_match(const char *name, const char *p, size_t len)
{
	size_t n = strlen(name);

	if (name[n - 1] == '*')
		return len >= n - 1 && memcmp(p, name, n - 1) == 0;
	return len == n && memcmp(p, name, n) == 0;
}

/* A server takes no password on its command line; its -p would be something else. */
static bool is_server(const char *p, size_t len)
{
	static const char *const servers[] = {"mysqld", "mariadbd", "snmpd", "snmptrapd"};

	for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
		if (redact_word_is(p, len, servers[i]))
			return true;
	}
	return false;
}

static void note_command(struct rewriter *w, const char *p, size_t len)
{
	if (is_server(p, len))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(command_rules); i++) {
		if (names_match(command_rules[i].name, p, len)) {
			w->command = command_rules[i].name;
			w->subcommand = false;
			return;
		}
		if (w->command == command_rules[i].name && command_rules[i].subcommand &&
		    redact_word_is(p, len, command_rules[i].subcommand))
			w->subcommand = true;
	}
}

static const struct command_rule *find_rule(const struct rewriter *w, char letter)
{
	for (size_t i = 0; i < ARRAY_SIZE(command_rules); i++) {
		const struct command_rule *rule = &command_rules[i];

		if (letter == rule->letter && w->command && strcmp(w->command, rule->name) == 0 &&
		    (!rule->subcommand || w->subcommand))
			return rule;
	}
	return NULL;
}

/* A word inside an argument, with its surroundings. */
struct word {
	const char *start, *key_end; /* the name, dashes included */
	const char *end;	     /* of the argument */
	bool first;		     /* starts its argument */
	bool in_query;
};

/* The secret is what comes next: the next word, or the next argument when this one ends here. */
static const char *value_follows(struct rewriter *w, const struct word *word, enum redact_key k,
				 bool userinfo)
{
	const char *v = word->key_end, *end;

	if (v == word->end) {
		w->pending = userinfo ? PENDING_USERINFO : PENDING_VALUE;
		w->pending_class = k;
		return v;
	}
	while (v < word->end && is_blank(*v))
		v++;
	if (v == word->end || (v + 1 < word->end && v[0] == '-' && v[1] == '-'))
		return v;
	end = word_end(&v, word->end, false);
	keep(w, v);
	if (userinfo)
		hide_userinfo(w, v, end);
	else
		hide_if_secret(w, k, v, end);
	return end;
}

/* -pSECRET, -p SECRET, -u USER:SECRET of the programs we know.  NULL: not such an option. */
static const char *short_option(struct rewriter *w, const struct word *word)
{
	const char *p = word->start, *v = p + 2, *end;
	size_t len = (size_t)(word->key_end - p);
	const struct command_rule *rule;

	if (!w->command || len < 2 || p[0] != '-' || p[1] == '-')
		return NULL;
	rule = find_rule(w, p[1]);
	if (!rule && len > 2) {
		/* curl -su user:password */
		rule = find_rule(w, word->key_end[-1]);
		return rule && rule->userinfo ? value_follows(w, word, REDACT_KEY_SECRET, true)
					      : NULL;
	}
	if (!rule)
		return NULL;
	if (v == word->end || is_blank(*v)) {
		struct word option = *word;

		option.key_end = v;
		return rule->separate ? value_follows(w, &option, REDACT_KEY_SECRET, rule->userinfo)
				      : NULL;
	}
	if (!rule->attached)
		return NULL;
	end = word->first ? word->end : word_end(&v, word->end, false);
	keep(w, v);
	if (rule->userinfo)
		hide_userinfo(w, v, end);
	else
		hide_if_secret(w, REDACT_KEY_SECRET, v, end);
	return end;
}

static bool is_userinfo_option(const struct rewriter *w, const struct word *word)
{
	size_t len = (size_t)(word->key_end - word->start);

	return w->command && strcmp(w->command, "curl") == 0 &&
	       (redact_word_is(word->start, len, "--user") ||
		redact_word_is(word->start, len, "--proxy-user"));
}

/* NAME=VALUE, NAME: VALUE, "NAME": "VALUE".  mark is the = or the :. */
static const char *setting(struct rewriter *w, const struct word *word, const char *mark,
			   enum redact_key k)
{
	const char *v = mark + 1, *end;
	bool open = word->start > w->copied && is_quote(word->start[-1]);

	if (*mark == ':') {
		while (v < word->end && is_blank(*v))
			v++;
	}
	if (k == REDACT_KEY_HEADER) {
		const char *quote = NULL;

		/* -H 'Authorization: Bearer x': up to the quote that was open before the name. */
		if (open)
			quote = memchr(v, word->start[-1], (size_t)(word->end - v));
		end = quote ? quote : word->end;
	} else if (word->first && *mark == '=') {
		end = word->end;
	} else {
		end = word_end(&v, word->end, word->in_query);
	}
	keep(w, v);
	hide_if_secret(w, k, v, end);
	return end;
}

/* -----BEGIN … PRIVATE KEY-----, all of it up to the -----END.  NULL: not that. */
static const char *private_key(struct rewriter *w, const struct word *word)
{
	static const char begin[] = "-----BEGIN", mark[] = "PRIVATE KEY-----";
	size_t n = sizeof(begin) - 1, ahead = (size_t)(word->end - word->key_end);
	const char *v, *end;

	if ((size_t)(word->key_end - word->start) < n || memcmp(word->key_end - n, begin, n) != 0)
		return NULL;
	v = memmem(word->key_end, ahead < 64 ? ahead : 64, mark, sizeof(mark) - 1);
	if (!v)
		return NULL;
	v += sizeof(mark) - 1;
	end = memmem(v, (size_t)(word->end - v), "-----END", 8);
	if (!end)
		end = word->end;
	hide(w, v, end);
	return end;
}

/* One name, wherever it stands.  Returns where reading goes on, beyond word->start. */
static const char *one_word(struct rewriter *w, const struct word *word)
{
	const char *p = word->start, *k = word->key_end, *mark = k;
	size_t len = (size_t)(k - p);
	enum redact_key class;
	const char *next = short_option(w, word);

	if (!next)
		next = private_key(w, word);
	if (next)
		return next;
	if (mark < word->end && is_quote(*mark)) {
		/* "name" : "value" */
		for (next = ++mark; next < word->end && is_blank(*next); next++)
			;
		if (next < word->end && *next == ':')
			mark = next;
	} else if (mark < word->end && *mark == ']') {
		mark++;
	}
	if (mark < word->end && *mark != '=' && *mark != ':')
		mark = k;
	if (mark + 2 < word->end && memcmp(mark, "://", 3) == 0)
		return url_authority(w, mark + 3, word->end);
	if (mark < word->end && *mark == '=' && is_userinfo_option(w, word)) {
		hide_userinfo(w, mark + 1, word->end);
		return word->end;
	}
	class = redact_key_class(p, len, word->in_query);
	if (mark < word->end && (*mark == '=' || *mark == ':')) {
		if (class == REDACT_KEY_INNOCENT ||
		    (*mark == ':' && class != REDACT_KEY_SECRET && class != REDACT_KEY_HEADER))
			return mark + 1;
		return setting(w, word, mark, class);
	}
	if (k < word->end && !is_blank(*k))
		return k;
	if (*p == '-') {
		if (is_userinfo_option(w, word))
			return value_follows(w, word, REDACT_KEY_SECRET, true);
		return class == REDACT_KEY_INNOCENT ? k : value_follows(w, word, class, false);
	}
	if (redact_word_is(p, len, "bearer") && k < word->end)
		return value_follows(w, word, REDACT_KEY_SECRET, false);
	note_command(w, p, len);
	if (known_token(p, len)) {
		hide(w, p, k);
		keep(w, k);
	}
	return k;
}

static void argument(struct rewriter *w, const char *arg, const char *end)
{
	const char *p = arg;
	bool in_query = false;

	while (p < end && !w->full) {
		struct word word = {.start = p, .end = end, .first = p == arg};

		if (is_key_char(*p)) {
			word.key_end = key_end(p, end);
			word.in_query = in_query && (p[-1] == '?' || p[-1] == '&');
			p = one_word(w, &word);
			continue;
		}
		in_query = *p == '?' || (in_query && !is_blank(*p));
		p++;
	}
	keep(w, end);
}

static bool is_option(const char *p, const char *end)
{
	if (end - p == 2 && p[0] == '-')
		return true;
	return end - p > 2 && p[0] == '-' && p[1] == '-';
}

size_t redact_cmdline(const struct redactor *r, char *argv, size_t len, size_t cap,
		      uint64_t *ret_count)
{
	struct rewriter w = {.out = argv};
	const char *end, *arg;

	*ret_count = 0;
	if (r->level == REDACT_NONE || len == 0 || len > cap)
		return len < cap ? len : cap;
	memmove(argv + (cap - len), argv, len);
	arg = w.copied = argv + (cap - len);
	end = argv + cap;
	while (arg < end && !w.full) {
		const char *z = memchr(arg, '\0', (size_t)(end - arg));
		enum pending pending = w.pending;

		if (!z)
			z = end;
		w.pending = PENDING_NOTHING;
		if (pending == PENDING_NOTHING || is_option(arg, z))
			argument(&w, arg, z);
		else if (pending == PENDING_USERINFO)
			hide_userinfo(&w, arg, z);
		else
			hide_if_secret(&w, w.pending_class, arg, z);
		arg = z < end ? z + 1 : end;
		keep(&w, arg);
	}
	*ret_count = w.count;
	return (size_t)(w.out - argv);
}

size_t redact_urls(const struct redactor *r, char *text, size_t len, size_t cap,
		   uint64_t *ret_count)
{
	struct rewriter w = {.out = text};
	const char *p, *end = text + cap;

	*ret_count = 0;
	if (r->level == REDACT_NONE || len == 0 || len > cap)
		return len < cap ? len : cap;
	memmove(text + (cap - len), text, len);
	p = w.copied = text + (cap - len);
	while (!w.full && (p = memmem(p, (size_t)(end - p), "://", 3)))
		p = url_authority(&w, p + 3, end);
	keep(&w, end);
	*ret_count = w.count;
	return (size_t)(w.out - text);
}
