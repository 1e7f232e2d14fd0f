-- The index of a curlew cache.
--
-- Everything here is public. Read it, and change entry and rule, with any SQLite shell while the server runs. The comment next to
-- a column gives its meaning, also in the shell's .schema. Times are Unix seconds, sizes are bytes, durations end in _s or _ms.
--
-- Three decisions shape it. The triggers are plain SQL, so the counters are right also when a shell makes a change. There are no
-- foreign keys and no cascades, because the shell turns them off. Every table is STRICT, with checks whose names are sentences: a
-- wrong value is refused with the reason.

PRAGMA application_id = 1668443255;  -- "crlw": marks the database as a curlew index
PRAGMA user_version = 4;             -- the version of this schema; a newer index is refused, an older one is migrated

-- Each stored response is one row. DELETE a row to purge it: the next request misses, and the body file is reclaimed.
-- Set fresh_until to 0 to have the response revalidated before its next use, and pinned to 1 to keep it.
CREATE TABLE entry (
	id            INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, also after a delete
	url           TEXT NOT NULL,                     -- absolute URL: scheme, host and port normalised, path and query as requested
	normal_url    TEXT,                              -- the fully normalised URL, where it differs from url; purges and rules match it
	host          TEXT GENERATED ALWAYS AS (         -- of url, without port; IPv6 in brackets
		CASE WHEN url GLOB '*://[[]*]*'
		THEN substr(url, instr(url, '://') + 3, instr(url, ']') - instr(url, '://') - 2)
		ELSE substr(substr(url, instr(url, '://') + 3), 1,
			min(instr(substr(url, instr(url, '://') + 3) || '/', '/'),
			    instr(substr(url, instr(url, '://') + 3) || ':', ':')) - 1)
		END) VIRTUAL,
	vary          TEXT NOT NULL DEFAULT '',          -- request fields that the response depends on, one "name: value" a line; '' if none
	status        INTEGER NOT NULL,                  -- HTTP status code
	body_file     TEXT,                              -- relative to the cache directory; NULL: the body is empty
	body_bytes    INTEGER NOT NULL DEFAULT 0,        -- size of the body
	fetched_at    INTEGER NOT NULL,                  -- when the response was received or last validated
	initial_age_s INTEGER NOT NULL DEFAULT 0,        -- its age at that moment (RFC 9111 4.2.3)
	fresh_until   INTEGER NOT NULL,                  -- until then it is served without contacting the origin
	computed_until INTEGER,                          -- fresh_until as curlew computed it; if fresh_until differs, a user wrote it, and it overrides the rules
	stale_until   INTEGER NOT NULL DEFAULT 0,        -- until then it may be served stale, where the RFCs or a rule allow it; -1: never, because the origin withdrew it
	used_at       INTEGER NOT NULL,                  -- the last response from it, within a second or so
	hits          INTEGER NOT NULL DEFAULT 0,        -- responses from it
	pinned        INTEGER NOT NULL DEFAULT 0,        -- 1: never evicted
	queue         TEXT NOT NULL DEFAULT 'new',       -- its queue in the order of eviction: new, or main once it was used again
	place         INTEGER NOT NULL DEFAULT 0,        -- in its queue, the lowest place goes first; of equals, the lowest id
	visits        INTEGER NOT NULL DEFAULT 0,        -- hits that count at its next turn in the queue, 3 at most
	tag           TEXT,                              -- for you: a word to find or purge it by
	note          TEXT,                              -- for you: a remark
	rule_id       INTEGER,                           -- the rule that decided the storing or the lifetime; NULL: none
	etag          TEXT,                              -- validator, as received
	last_modified TEXT,                              -- validator, as received
	sha256        BLOB,                              -- of the body, 32 bytes; NULL: not known
	dns_ms        REAL,                              -- milliseconds from the start of the fetch until the name was resolved;
	connect_ms    REAL,                              -- until it was connected;
	ttfb_ms       REAL,                              -- until the first byte of the response;
	total_ms      REAL,                              -- until its last byte; NULL in these four: not known
	reason        TEXT,                              -- why it is stored and for how long, as text
	headers       TEXT NOT NULL DEFAULT '',          -- response fields, one "Name: value" a line
	encoded_from  INTEGER,                           -- of a compressed copy (--compress): the id of its original; NULL: it is an original
	UNIQUE (url, vary),
	CONSTRAINT "url must be absolute, http:// or https://, with a path"
		CHECK (url GLOB 'http://?*/*' OR url GLOB 'https://?*/*'),
	CONSTRAINT "status must be a number from 100 to 599" CHECK (status BETWEEN 100 AND 599),
	CONSTRAINT "body_file must be a name curlew gave, body/ab/..., and a body without a file has 0 bytes"
		CHECK (CASE WHEN body_file IS NULL THEN body_bytes = 0 ELSE body_file GLOB
			'body/[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]' END),
	CONSTRAINT "sizes, ages and hits must not be negative" CHECK (body_bytes >= 0 AND initial_age_s >= 0 AND hits >= 0),
	CONSTRAINT "pinned must be 0 or 1" CHECK (pinned IN (0, 1)),
	CONSTRAINT "queue must be new or main" CHECK (queue IN ('new', 'main')),
	CONSTRAINT "sha256 must be a blob of 32 bytes, x'...'" CHECK (sha256 IS NULL OR length(sha256) = 32)
) STRICT;

CREATE INDEX entry_by_host ON entry (host);
CREATE INDEX entry_by_normal_url ON entry (normal_url) WHERE normal_url IS NOT NULL; -- other spellings of one URL
CREATE INDEX entry_by_queue ON entry (queue, place) WHERE pinned = 0 AND encoded_from IS NULL; -- which row is evicted next
CREATE INDEX entry_by_original ON entry (encoded_from) WHERE encoded_from IS NOT NULL; -- the compressed copies of a response
CREATE INDEX entry_by_body ON entry (body_file) WHERE body_file IS NOT NULL;    -- does any row own this file?

CREATE INDEX entry_by_tag ON entry (tag) WHERE tag IS NOT NULL;

-- The groups that responses named themselves, in Cache-Groups (RFC 9875), Surrogate-Key, Cache-Tag or xkey. curlew purge --tag and
-- PURGE over HTTP find responses by them. Column entry.tag is yours; this table follows the response.
CREATE TABLE entry_tag (
	entry_id INTEGER NOT NULL,  -- the response
	tag      TEXT NOT NULL,     -- one of its groups; '': it has more than are kept, and counts as a member of every group
	PRIMARY KEY (entry_id, tag)
) STRICT, WITHOUT ROWID;

CREATE INDEX entry_tag_by_tag ON entry_tag (tag);

-- Byte ranges of incomplete bodies (RFC 9111 3.3, 3.4), each in a file of its own.
-- Parts that cover the whole body become an entry.
CREATE TABLE part (
	id            INTEGER PRIMARY KEY AUTOINCREMENT,
	url           TEXT NOT NULL,              -- as in entry
	normal_url    TEXT,                       -- as in entry
	vary          TEXT NOT NULL DEFAULT '',   -- as in entry
	status        INTEGER NOT NULL,           -- of its response: 200 or 206
	etag          TEXT,                       -- the strong validator by which parts are joined
	last_modified TEXT,
	first_byte    INTEGER NOT NULL,           -- its first byte in the whole body
	body_bytes    INTEGER NOT NULL,           -- its length
	whole_bytes   INTEGER,                    -- the length of the whole body; NULL: not known
	body_file     TEXT NOT NULL,              -- as in entry
	sha256        BLOB,                       -- of this part
	fetched_at    INTEGER NOT NULL,
	initial_age_s INTEGER NOT NULL DEFAULT 0,
	fresh_until   INTEGER NOT NULL,
	used_at       INTEGER NOT NULL,
	headers       TEXT NOT NULL DEFAULT '',   -- fields of its response
	CONSTRAINT "a part begins at or behind byte 0 and has at least one byte" CHECK (first_byte >= 0 AND body_bytes > 0),
	CONSTRAINT "a part lies within its whole" CHECK (whole_bytes IS NULL OR first_byte + body_bytes <= whole_bytes)
) STRICT;

CREATE INDEX part_by_url ON part (url, vary, first_byte);
CREATE INDEX part_by_normal_url ON part (normal_url) WHERE normal_url IS NOT NULL;
CREATE INDEX part_by_use ON part (used_at);
CREATE INDEX part_by_body ON part (body_file);

-- Policy. Rules whose glob matches a URL are combined column by column. NULL in a column means no opinion. Of the rules that have
-- one, the rule with the highest priority (then the lowest id) decides. A change acts on the next request, also for stored entries.
CREATE TABLE rule (
	id               INTEGER PRIMARY KEY AUTOINCREMENT,
	priority         INTEGER NOT NULL DEFAULT 0, -- higher wins
	url_glob         TEXT NOT NULL,              -- * any run, ? any one, [abc] a set; a literal ? is [?], a literal [ is [[]
	fresh_for_s      INTEGER,                    -- it is fresh for so long, whatever the origin sent
	store            INTEGER,                    -- 1: store in spite of no-store and private; 0: never store
	stale_ok_s       INTEGER,                    -- it is served stale for so long when the origin fails
	offline          INTEGER,                    -- 1: never contact the origin
	deny             INTEGER,                    -- 1: refuse the request
	ignore_query     TEXT,                       -- query parameters left out of the key, globs separated by spaces: "utm_* sid"
	follow_redirects INTEGER,                    -- 1: follow the origin's redirects and store the final response
	cookies          INTEGER,                    -- 1: Set-Cookie is stored and sent to everybody
	pin              INTEGER,                    -- 1: matching entries are never evicted
	tag              TEXT,                       -- matching entries get this tag
	note             TEXT,                       -- for you: a remark
	statuses         TEXT,                       -- it is only for responses of these statuses, separated by blanks: "404 410 5xx"
	CONSTRAINT "url_glob must not be empty: * matches every URL" CHECK (url_glob <> ''),
	CONSTRAINT "fresh_for_s must be a number of seconds, 0 or more" CHECK (fresh_for_s IS NULL OR fresh_for_s >= 0),
	CONSTRAINT "stale_ok_s must be a number of seconds, 0 or more" CHECK (stale_ok_s IS NULL OR stale_ok_s >= 0),
	CONSTRAINT "store must be 1 (store), 0 (never store) or NULL (says nothing)" CHECK (store IS NULL OR store IN (0, 1)),
	CONSTRAINT "offline must be 1, 0 or NULL" CHECK (offline IS NULL OR offline IN (0, 1)),
	CONSTRAINT "deny must be 1, 0 or NULL" CHECK (deny IS NULL OR deny IN (0, 1)),
	CONSTRAINT "follow_redirects must be 1, 0 or NULL" CHECK (follow_redirects IS NULL OR follow_redirects IN (0, 1)),
	CONSTRAINT "cookies must be 1, 0 or NULL" CHECK (cookies IS NULL OR cookies IN (0, 1)),
	CONSTRAINT "pin must be 1, 0 or NULL" CHECK (pin IS NULL OR pin IN (0, 1)),
	CONSTRAINT "ignore_query must name a parameter" CHECK (ignore_query IS NULL OR trim(ignore_query) <> ''),
	CONSTRAINT "statuses must not stand with deny, offline, ignore_query or follow_redirects, which act before there is a status"
		CHECK (statuses IS NULL OR (deny IS NULL AND offline IS NULL AND ignore_query IS NULL AND follow_redirects IS NULL))
) STRICT;

-- URLs that were fetched and not stored, the last ten thousand or so.
CREATE TABLE refusal (
	id     INTEGER PRIMARY KEY,         -- the highest is the latest
	url    TEXT NOT NULL UNIQUE,
	reason TEXT NOT NULL,               -- why the last response was not stored
	status INTEGER NOT NULL,            -- of the last response; 0: there was none
	at     INTEGER NOT NULL,            -- when
	times  INTEGER NOT NULL DEFAULT 1   -- how often, since the row exists
) STRICT;

-- Responses that were evicted recently, each as a number made of url and vary. A response that comes back was evicted too early, and
-- goes straight into the queue main. There are as many ghosts as entries.
CREATE TABLE ghost (
	id  INTEGER PRIMARY KEY,       -- the lowest is the oldest
	key INTEGER NOT NULL UNIQUE
) STRICT;

-- Hits and misses of each host by hour, for a month. An hour has at most a thousand hosts; the host '' stands for all others.
CREATE TABLE traffic (
	hour         INTEGER NOT NULL,            -- its beginning, Unix seconds
	host         TEXT NOT NULL,
	hits         INTEGER NOT NULL DEFAULT 0,  -- requests answered from the cache
	misses       INTEGER NOT NULL DEFAULT 0,  -- requests that went to the origin
	hit_bytes    INTEGER NOT NULL DEFAULT 0,  -- bodies of those hits, each counted whole: bytes saved
	miss_bytes   INTEGER NOT NULL DEFAULT 0,  -- bodies that came from the origin
	PRIMARY KEY (hour, host)
) STRICT, WITHOUT ROWID;

-- The last thousand purges made by curlew purge, and over HTTP. A response whose fetch was in progress when its URL was purged is not stored. Add a row
-- here before a DELETE of your own to get the same effect.
CREATE TABLE purge (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	url_glob TEXT,                                   -- the URLs; NULL: all
	host     TEXT,                                   -- of this host; NULL: of any
	tag      TEXT,                                   -- with this tag or in this group; NULL: all
	at       INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

-- Body files that no row owns any more. The triggers fill it. The server, or curlew gc, checks that the name is one that curlew gives
-- and that no row owns the file, and unlinks the file.
CREATE TABLE trash (
	id   INTEGER PRIMARY KEY,
	file TEXT NOT NULL,                             -- the former body_file
	at   INTEGER NOT NULL DEFAULT (unixepoch())     -- when it was added
) STRICT;

-- Ranges of body names that processes have taken. A lease stays until all its files are known to be on the disk. If it is of an
-- earlier boot, a power cut may have torn the files from `synced` on. They are verified before use.
CREATE TABLE lease (
	id     INTEGER PRIMARY KEY AUTOINCREMENT,
	owner  INTEGER NOT NULL,  -- the byte of the file `lock` that its process locks while it lives; 0: none, the lease only waits for a sync
	boot   TEXT NOT NULL,     -- the boot in which it was taken (/proc/sys/kernel/random/boot_id)
	first  INTEGER NOT NULL,  -- the first name, as a number
	synced INTEGER NOT NULL,  -- all files with lower names are on the disk
	behind INTEGER NOT NULL,  -- one more than the last name
	CONSTRAINT "a lease is a range" CHECK (first <= synced AND synced <= behind)
) STRICT;

-- Facts about the whole cache: how it was filled (mode), the settings of each running server (server N, where N is the byte of the
-- file lock that it holds), why nothing is stored at the moment (stopped), which folders cannot be written (unwritable), and work left
-- from an earlier index (sweep_outside).
CREATE TABLE setting (
	name  TEXT PRIMARY KEY NOT NULL,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row of running totals, kept by the triggers.
CREATE TABLE counter (
	id               INTEGER PRIMARY KEY,         -- 1
	edits            INTEGER NOT NULL DEFAULT 0,  -- changes when a response held in memory may have become wrong
	entries          INTEGER NOT NULL DEFAULT 0,  -- rows of entry
	bytes            INTEGER NOT NULL DEFAULT 0,  -- body_bytes of entry and part together
	names            INTEGER NOT NULL,            -- the next body name to be leased
	rules            INTEGER NOT NULL DEFAULT 0,  -- changes with every change of a rule, and with every purge
	new_bytes        INTEGER NOT NULL DEFAULT 0,  -- body_bytes of entries in the queue new
	part_bytes       INTEGER NOT NULL DEFAULT 0,  -- body_bytes of part
	ghosts           INTEGER NOT NULL DEFAULT 0,  -- rows of ghost
	places           INTEGER NOT NULL DEFAULT 0,  -- the last place that was given in the queue main
	replaced_entries INTEGER NOT NULL DEFAULT 0,  -- between the two triggers of an INSERT OR REPLACE: how many rows it removes,
	replaced_bytes   INTEGER NOT NULL DEFAULT 0,  -- their body_bytes,
	replaced_new     INTEGER NOT NULL DEFAULT 0,  -- the part of that in the queue new,
	replaced_low     INTEGER,                     -- and the lowest
	replaced_high    INTEGER,                     -- and the highest of their ids
	CONSTRAINT "there is one row of counters" CHECK (id = 1)
) STRICT;

-- Names begin at a random number, so they hardly ever meet the files of an earlier index in the same directory.
INSERT INTO counter (id, names) VALUES (1, (random() >> 17) & 0x3fffffffffff);

CREATE TRIGGER counter_stays BEFORE DELETE ON counter BEGIN
	SELECT RAISE(ABORT, 'the row of counters must stay');
END;

-- entry: deleted. With recursive_triggers on, REPLACE comes here too; then the row is not counted twice. A damaged row must be deletable
-- as well: a size that is not a number was never counted, and a name that is not text names no file.
CREATE TRIGGER entry_deleted AFTER DELETE ON entry BEGIN
	DELETE FROM part WHERE url = OLD.url; -- purging a response also purges its parts
	DELETE FROM entry_tag WHERE entry_id = OLD.id;
	INSERT INTO trash (file) SELECT OLD.body_file WHERE typeof(OLD.body_file) = 'text';
	UPDATE counter SET
		edits = edits + 1,
		entries = entries - 1,
		bytes = bytes - size,
		new_bytes = new_bytes - iif(OLD.queue = 'new', size, 0),
		replaced_entries = max(0, replaced_entries - 1),
		replaced_bytes = max(0, replaced_bytes - size),
		replaced_new = max(0, replaced_new - iif(OLD.queue = 'new', size, 0))
	FROM (SELECT iif(typeof(OLD.body_bytes) = 'integer' AND OLD.body_bytes BETWEEN 0 AND 1 << 53, OLD.body_bytes, 0) AS size);
END;

-- entry: about to be inserted over an existing row. REPLACE removes such a row without running a DELETE trigger, so it is noted here.
-- If the insert is then ignored or refused, nothing is lost: a file in trash that a row owns stays, and the next insert makes a new note.
CREATE TRIGGER entry_replacing BEFORE INSERT ON entry
WHEN EXISTS (SELECT 1 FROM entry WHERE url = NEW.url AND vary = NEW.vary)
	OR EXISTS (SELECT 1 FROM entry WHERE id = NEW.id)
	OR (SELECT replaced_entries + replaced_bytes + replaced_new FROM counter)
BEGIN
	DELETE FROM entry WHERE encoded_from IN (SELECT id FROM entry WHERE (url = NEW.url AND vary = NEW.vary) OR id = NEW.id);
	INSERT INTO trash (file) SELECT body_file FROM entry
		WHERE ((url = NEW.url AND vary = NEW.vary) OR id = NEW.id) AND body_file IS NOT NULL;
	UPDATE counter SET (replaced_entries, replaced_bytes, replaced_new, replaced_low, replaced_high) =
		(SELECT count(*), coalesce(sum(body_bytes), 0), coalesce(sum(body_bytes) FILTER (WHERE queue = 'new'), 0), min(id), max(id) FROM entry
			WHERE (url = NEW.url AND vary = NEW.vary) OR id = NEW.id);
END;

-- entry: inserted. A new URL is not an edit. Another variant of a URL is one, because it may change which variant is selected.
CREATE TRIGGER entry_inserted AFTER INSERT ON entry BEGIN
	UPDATE counter SET
		edits = edits + (replaced_entries > 0 OR EXISTS (SELECT 1 FROM entry WHERE url = NEW.url AND id <> NEW.id)),
		entries = entries + 1 - replaced_entries,
		bytes = bytes + NEW.body_bytes - replaced_bytes,
		new_bytes = new_bytes + iif(NEW.queue = 'new', NEW.body_bytes, 0) - replaced_new,
		replaced_entries = 0,
		replaced_bytes = 0,
		replaced_new = 0;
END;

-- entry: inserted, and REPLACE has removed rows: at most two, one of the same URL and variant and one of the same id. (This is a trigger
-- of its own, so that a plain insert costs no statement.)
CREATE TRIGGER entry_replaced AFTER INSERT ON entry WHEN (SELECT replaced_low FROM counter) IS NOT NULL BEGIN
	DELETE FROM entry_tag WHERE entry_id IN (SELECT replaced_low FROM counter UNION ALL SELECT replaced_high FROM counter);
	UPDATE counter SET replaced_low = NULL, replaced_high = NULL;
END;

-- entry: UPDATE OR REPLACE may remove a row without a trigger, too.
CREATE TRIGGER entry_replacing_by_update BEFORE UPDATE OF url, vary ON entry
WHEN EXISTS (SELECT 1 FROM entry WHERE url = NEW.url AND vary = NEW.vary AND id <> OLD.id)
	OR (SELECT replaced_entries + replaced_bytes + replaced_new FROM counter)
BEGIN
	DELETE FROM entry WHERE encoded_from IN (SELECT id FROM entry WHERE url = NEW.url AND vary = NEW.vary AND id <> OLD.id);
	INSERT INTO trash (file) SELECT body_file FROM entry
		WHERE url = NEW.url AND vary = NEW.vary AND id <> OLD.id AND body_file IS NOT NULL;
	UPDATE counter SET (replaced_entries, replaced_bytes, replaced_new, replaced_low, replaced_high) =
		(SELECT count(*), coalesce(sum(body_bytes), 0), coalesce(sum(body_bytes) FILTER (WHERE queue = 'new'), 0), min(id), max(id) FROM entry
			WHERE url = NEW.url AND vary = NEW.vary AND id <> OLD.id);
END;

CREATE TRIGGER entry_renamed AFTER UPDATE OF url, vary ON entry BEGIN
	DELETE FROM entry_tag WHERE entry_id = (SELECT replaced_low FROM counter);
	UPDATE counter SET
		entries = entries - replaced_entries,
		bytes = bytes - replaced_bytes,
		new_bytes = new_bytes - replaced_new,
		replaced_entries = 0,
		replaced_bytes = 0,
		replaced_new = 0,
		replaced_low = NULL,
		replaced_high = NULL;
END;

-- entry: a column was written that a response depends on. It does not depend on usage, pins, tags and notes.
CREATE TRIGGER entry_edited AFTER UPDATE OF
	url, vary, status, headers, etag, last_modified, body_file, body_bytes, fetched_at, initial_age_s, fresh_until, stale_until
ON entry BEGIN
	UPDATE counter SET edits = edits + 1, bytes = bytes - size + NEW.body_bytes,
		new_bytes = new_bytes + iif(OLD.queue = 'new', NEW.body_bytes - size, 0)
	FROM (SELECT iif(typeof(OLD.body_bytes) = 'integer' AND OLD.body_bytes BETWEEN 0 AND 1 << 53, OLD.body_bytes, 0) AS size);
END;

CREATE TRIGGER entry_moved AFTER UPDATE OF queue ON entry WHEN OLD.queue <> NEW.queue BEGIN
	UPDATE counter SET new_bytes = new_bytes + iif(NEW.queue = 'new', NEW.body_bytes, -NEW.body_bytes);
END;

CREATE TRIGGER entry_body_replaced AFTER UPDATE OF body_file ON entry
WHEN typeof(OLD.body_file) = 'text' AND OLD.body_file IS NOT NEW.body_file
BEGIN
	INSERT INTO trash (file) VALUES (OLD.body_file);
END;

-- entry: the compressed copies of a response go with it, and with its body; they have its times.
CREATE TRIGGER entry_original_deleted AFTER DELETE ON entry WHEN EXISTS (SELECT 1 FROM entry WHERE encoded_from = OLD.id) BEGIN
	DELETE FROM entry WHERE encoded_from = OLD.id;
END;

CREATE TRIGGER entry_original_replaced AFTER UPDATE OF body_file ON entry
WHEN OLD.body_file IS NOT NEW.body_file AND EXISTS (SELECT 1 FROM entry WHERE encoded_from = NEW.id)
BEGIN
	DELETE FROM entry WHERE encoded_from = NEW.id;
END;

CREATE TRIGGER entry_original_refreshed AFTER UPDATE OF fetched_at, initial_age_s, fresh_until, computed_until, stale_until ON entry
WHEN EXISTS (SELECT 1 FROM entry WHERE encoded_from = NEW.id)
BEGIN
	UPDATE entry SET fetched_at = NEW.fetched_at, initial_age_s = NEW.initial_age_s, fresh_until = NEW.fresh_until,
		computed_until = NEW.computed_until, stale_until = NEW.stale_until WHERE encoded_from = NEW.id;
END;

CREATE TRIGGER entry_id_stays BEFORE UPDATE OF id ON entry WHEN NEW.id IS NOT OLD.id BEGIN
	SELECT RAISE(ABORT, 'entry.id never changes: it stands for one stored response');
END;

-- The next id is one more than the largest that ever existed, so an id near the largest integer would be the last one.
CREATE TRIGGER entry_id_sane BEFORE INSERT ON entry WHEN NEW.id > 1152921504606846976 BEGIN
	SELECT RAISE(ABORT, 'entry.id is given by the index: leave it out');
END;
CREATE TRIGGER part_id_sane BEFORE INSERT ON part WHEN NEW.id > 1152921504606846976 BEGIN
	SELECT RAISE(ABORT, 'part.id is given by the index: leave it out');
END;
CREATE TRIGGER purge_id_sane BEFORE INSERT ON purge WHEN NEW.id > 1152921504606846976 BEGIN
	SELECT RAISE(ABORT, 'purge.id is given by the index: leave it out');
END;
CREATE TRIGGER rule_id_sane AFTER INSERT ON rule WHEN NEW.id < 1 OR NEW.id > 1152921504606846976 BEGIN
	SELECT RAISE(ABORT, 'rule.id must be 1 or more, or left out');
END;

-- As with entry: a row that INSERT OR REPLACE replaces goes as if it were deleted.
CREATE TRIGGER part_replacing BEFORE INSERT ON part WHEN EXISTS (SELECT 1 FROM part WHERE id = NEW.id) BEGIN
	DELETE FROM part WHERE id = NEW.id;
END;

CREATE TRIGGER part_inserted AFTER INSERT ON part BEGIN
	UPDATE counter SET bytes = bytes + NEW.body_bytes, part_bytes = part_bytes + NEW.body_bytes;
END;

CREATE TRIGGER part_deleted AFTER DELETE ON part BEGIN
	INSERT INTO trash (file) SELECT OLD.body_file WHERE typeof(OLD.body_file) = 'text';
	UPDATE counter SET bytes = bytes - size, part_bytes = part_bytes - size
	FROM (SELECT iif(typeof(OLD.body_bytes) = 'integer' AND OLD.body_bytes BETWEEN 0 AND 1 << 53, OLD.body_bytes, 0) AS size);
END;

CREATE TRIGGER part_edited AFTER UPDATE OF body_file, body_bytes ON part BEGIN
	INSERT INTO trash (file) SELECT OLD.body_file WHERE OLD.body_file <> NEW.body_file;
	UPDATE counter SET bytes = bytes - OLD.body_bytes + NEW.body_bytes, part_bytes = part_bytes - OLD.body_bytes + NEW.body_bytes;
END;

CREATE TRIGGER ghost_inserted AFTER INSERT ON ghost BEGIN UPDATE counter SET ghosts = ghosts + 1; END;
CREATE TRIGGER ghost_deleted AFTER DELETE ON ghost BEGIN UPDATE counter SET ghosts = ghosts - 1; END;

-- Only a fetch that began before a purge looks for the purge. It sees by counter.rules that there was one.
CREATE TRIGGER purge_inserted AFTER INSERT ON purge BEGIN
	UPDATE counter SET rules = rules + 1;
	DELETE FROM purge WHERE id <= NEW.id - 1000;
END;

-- A glob that can match no URL is refused with the reason. Globs are matched with normal URLs (see entry.normal_url). curlew rule add
-- rewrites a glob to that form; here it must have that form already. INSERT and UPDATE write their globs to this empty view, so that the
-- checks are in one place.
CREATE VIEW rule_glob AS SELECT url_glob FROM rule WHERE false;

-- plain is the glob with a ? in place of each set. scheme, host and path are its parts, as far as they are known.
CREATE TRIGGER rule_glob_checked INSTEAD OF INSERT ON rule_glob WHEN NEW.url_glob <> '' BEGIN
	SELECT CASE
		WHEN unclosed THEN RAISE(ABORT, 'url_glob has a [ that is never closed, and matches nothing: a literal [ is [[]')
		WHEN NOT named AND (plain NOT GLOB '*[*]*' OR (scheme <> '' AND scheme NOT GLOB '*[*]*') OR (plain NOT GLOB 'http*' AND plain NOT GLOB '[*?]*'))
			THEN RAISE(ABORT, 'url_glob is matched with the whole URL: begin it with http://, https:// or *')
		WHEN named AND NEW.url_glob GLOB '*://[[]*' AND substr(after, 1, instr(after, ']')) GLOB '[[]*:*' AND after NOT GLOB '[[][[]*' THEN
			RAISE(ABORT, 'url_glob has an IPv6 address: write its first bracket as [[], because [ begins a set')
		WHEN plain GLOB '*#*' THEN RAISE(ABORT, 'url_glob has a fragment, which no URL in the cache has: leave out # and what follows')
		WHEN plain GLOB '*["<>\^`{|} ]*' OR plain GLOB '*[^ -~]*' THEN
			RAISE(ABORT, 'url_glob has a byte that is in no URL: percent-encode it in the path, give a host as xn--...')
		WHEN plain GLOB '*%[0-9A-Fa-f][a-f]*' OR plain GLOB '*%[a-f][0-9A-Fa-f]*' THEN
			RAISE(ABORT, 'url_glob has an escape in lower case: rules are matched with normal URLs, which have %2F')
		WHEN plain GLOB '*%2[DE]*' OR plain GLOB '*%3[0-9]*' OR plain GLOB '*%[46][1-9A-F]*' OR plain GLOB '*%[57][0-9A]*' OR plain GLOB '*%5F*'
			OR plain GLOB '*%7E*' THEN
			RAISE(ABORT, 'url_glob escapes a letter, a digit or one of -._~: rules are matched with normal URLs, which do not')
		WHEN host GLOB '*@*' THEN RAISE(ABORT, 'url_glob has a user, which no URL in the cache has: leave out what stands before @')
		WHEN host GLOB '*[A-Z]*' THEN RAISE(ABORT, 'url_glob has a host in upper case: hosts in the cache are in lower case')
		WHEN (scheme = 'http' AND host GLOB '*:80') OR (scheme = 'https' AND host GLOB '*:443') OR host GLOB '*:' OR host GLOB '*:0*' THEN
			RAISE(ABORT, 'url_glob has a default port or one with noughts, which no URL in the cache has: leave it out')
		WHEN host GLOB '*[^-A-Za-z0-9._:*?]*' AND host NOT GLOB '[?]*:*]*' THEN
			RAISE(ABORT, 'url_glob has a byte that is in no host: a path begins with /')
		WHEN named AND path = '' AND host NOT GLOB '*[*]*' THEN RAISE(ABORT, 'url_glob has no path: end it with /* for all of the host, or with /')
		WHEN path GLOB '*/./*' OR path GLOB '*/../*' OR (place = host || path AND (path GLOB '*/.' OR path GLOB '*/..')) THEN
			RAISE(ABORT, 'url_glob has a segment . or .., which no normal URL has: leave it out')
		END
	FROM (
		SELECT plain, unclosed, named, scheme, after, place,
			CASE WHEN NOT named THEN '' WHEN place GLOB '*/*' THEN substr(place, 1, instr(place, '/') - 1)
				ELSE substr(place, 1, instr(place || '*', '*')) END AS host,
			CASE WHEN named AND place GLOB '*/*' THEN substr(place, instr(place, '/'),
				min(instr(substr(place, instr(place, '/')) || '*', '*'), instr(substr(place, instr(place, '/')) || '?', '?')) - 1)
				ELSE '' END AS path
		FROM (
			SELECT plain, unclosed, scheme, 'http' GLOB scheme OR 'https' GLOB scheme AS named,
				substr(plain, length(scheme) + 4) AS place, substr(NEW.url_glob, instr(NEW.url_glob, '://') + 3) AS after
			FROM (
				SELECT plain, unclosed, iif(plain GLOB '*://*', substr(plain, 1, instr(plain, '://') - 1), '') AS scheme
				FROM (
					WITH RECURSIVE scan(plain, rest, unclosed) AS (
						SELECT '', NEW.url_glob, 0
						UNION ALL
						SELECT plain || iif(rest GLOB '[[]*', '?', substr(rest, 1, 1)),
							iif(rest GLOB '[[]*', substr(rest, 3 + (rest GLOB '[[]^*') + instr(substr(rest, 3 + (rest GLOB '[[]^*')), ']')),
								substr(rest, 2)),
							rest GLOB '[[]*' AND instr(substr(rest, 3 + (rest GLOB '[[]^*')), ']') = 0
						FROM scan WHERE rest <> '' AND NOT unclosed
					)
					SELECT plain, unclosed FROM scan WHERE rest = '' OR unclosed
				)
			)
		)
	);
END;

CREATE TRIGGER rule_glob_inserted BEFORE INSERT ON rule BEGIN INSERT INTO rule_glob VALUES (NEW.url_glob); END;
CREATE TRIGGER rule_glob_edited BEFORE UPDATE OF url_glob ON rule BEGIN INSERT INTO rule_glob VALUES (NEW.url_glob); END;

-- The same for rule.statuses: INSERT and UPDATE write to this empty view, so that the check is in one place.
CREATE VIEW rule_statuses AS SELECT statuses FROM rule WHERE false;
CREATE TRIGGER rule_statuses_checked INSTEAD OF INSERT ON rule_statuses WHEN NEW.statuses IS NOT NULL BEGIN
	SELECT RAISE(ABORT, 'statuses must be statuses from 200 to 599, or 2xx to 5xx, separated by blanks: 404 410 5xx')
	FROM (
		WITH RECURSIVE scan(word, rest) AS (
			SELECT NULL, trim(NEW.statuses) || ' '
			UNION ALL
			SELECT substr(rest, 1, instr(rest, ' ') - 1), ltrim(substr(rest, instr(rest, ' '))) FROM scan WHERE rest <> ''
		)
		SELECT word FROM scan WHERE word NOT GLOB '[2-5][0-9][0-9]' AND word NOT GLOB '[2-5]xx' LIMIT 1
	);
END;
CREATE TRIGGER rule_statuses_inserted BEFORE INSERT ON rule BEGIN INSERT INTO rule_statuses VALUES (NEW.statuses); END;
CREATE TRIGGER rule_statuses_edited BEFORE UPDATE OF statuses ON rule BEGIN INSERT INTO rule_statuses VALUES (NEW.statuses); END;

CREATE TRIGGER rule_inserted AFTER INSERT ON rule BEGIN UPDATE counter SET edits = edits + 1, rules = rules + 1; END;
CREATE TRIGGER rule_deleted AFTER DELETE ON rule BEGIN UPDATE counter SET edits = edits + 1, rules = rules + 1; END;
CREATE TRIGGER rule_edited AFTER UPDATE ON rule BEGIN UPDATE counter SET edits = edits + 1, rules = rules + 1; END;

-- The effect of the rules on each entry: until when it is fresh and may be served stale (Unix seconds), whether it is pinned, its tag, and its
-- state now. A fresh_until or a tag that a user wrote overrides the rules. (If the rule that decided is deleted, the next use reads the origin's
-- own lifetime again. No column holds it; curlew explain shows it.)
CREATE VIEW v_ruled AS
SELECT
	id, fresh_until, stale_until, pinned, tag,
	CASE WHEN unixepoch() < fresh_until THEN 'fresh' WHEN unixepoch() < stale_until THEN 'stale, usable' ELSE 'stale' END AS state
FROM (
	SELECT
		id, fresh_until, pinned, tag,
		iif(stale_until < 0, NULL, coalesce((SELECT entry.fresh_until + stale_ok_s FROM rule
			WHERE stale_ok_s IS NOT NULL AND matched_url GLOB url_glob
				AND (statuses IS NULL OR instr(' ' || statuses || ' ', ' ' || entry.status || ' ') OR instr(' ' || statuses || ' ', ' ' || entry.status / 100 || 'xx ')) ORDER BY priority DESC, rule.id LIMIT 1), stale_until)) AS stale_until
	FROM (
		SELECT
			id, status, stale_until, coalesce(normal_url, url) AS matched_url,
			CASE WHEN fetched_at > unixepoch() + 5 -- the clock was ahead: its age is not known
			THEN min(fresh_until, unixepoch())
			ELSE coalesce((SELECT entry.fetched_at + fresh_for_s FROM rule
				WHERE fresh_for_s IS NOT NULL AND coalesce(normal_url, url) GLOB url_glob AND entry.fresh_until IS entry.computed_until
				AND (entry.status < 400 OR entry.status IN (404, 405, 410, 414, 501) OR statuses IS NOT NULL)
				AND (statuses IS NULL OR instr(' ' || statuses || ' ', ' ' || entry.status || ' ') OR instr(' ' || statuses || ' ', ' ' || entry.status / 100 || 'xx ')) ORDER BY priority DESC, rule.id LIMIT 1), fresh_until) END AS fresh_until,
			max(pinned, coalesce((SELECT pin FROM rule
				WHERE pin IS NOT NULL AND coalesce(normal_url, url) GLOB url_glob
				AND (statuses IS NULL OR instr(' ' || statuses || ' ', ' ' || entry.status || ' ') OR instr(' ' || statuses || ' ', ' ' || entry.status / 100 || 'xx ')) ORDER BY priority DESC, rule.id LIMIT 1), 0)) AS pinned,
			coalesce(tag, (SELECT tag FROM rule
				WHERE tag IS NOT NULL AND coalesce(normal_url, url) GLOB url_glob
				AND (statuses IS NULL OR instr(' ' || statuses || ' ', ' ' || entry.status || ' ') OR instr(' ' || statuses || ' ', ' ' || entry.status / 100 || 'xx ')) ORDER BY priority DESC, rule.id LIMIT 1)) AS tag
		FROM entry
	) AS entry
);

-- For people: the entries, with readable sizes and times (local time), and the effect of the rules.
CREATE VIEW v_entry AS
SELECT
	id, url, host, status,
	CASE ruled.state WHEN 'fresh' THEN 'fresh' ELSE 'stale' END AS state,
	CASE WHEN body_bytes < 1024 THEN body_bytes || ' B'
		WHEN body_bytes < 1048524.8 THEN format('%.1f KiB', body_bytes / 1024.0)
		WHEN body_bytes < 1073689395.2 THEN format('%.1f MiB', body_bytes / 1048576.0)
		WHEN body_bytes < 1099457940684.8 THEN format('%.1f GiB', body_bytes / 1073741824.0)
		ELSE format('%.1f TiB', body_bytes / 1099511627776.0) END AS size,
	CASE WHEN age_s < 120 THEN age_s || ' s' WHEN age_s < 7200 THEN (age_s / 60) || ' min' WHEN age_s < 172800 THEN (age_s / 3600) || ' h'
		WHEN age_s < 63072000 THEN (age_s / 86400) || ' days' ELSE (age_s / 31536000) || ' years' END AS age,
	datetime(fetched_at, 'unixepoch', 'localtime') AS fetched,
	datetime(ruled.fresh_until, 'unixepoch', 'localtime') AS expires,
	datetime(used_at, 'unixepoch', 'localtime') AS used,
	hits, ruled.pinned AS pinned, ruled.tag AS tag, note, vary, reason,
	age_s, body_bytes, body_file, lower(hex(sha256)) AS sha256,
	(SELECT group_concat(entry_tag.tag, ' ') FROM entry_tag WHERE entry_id = id) AS groups
FROM (SELECT *, max(unixepoch() - fetched_at, 0) + initial_age_s AS age_s FROM entry) AS entry JOIN v_ruled AS ruled USING (id);

-- For people: which responses have a tag, their own, a rule's, or a group that they name.
CREATE VIEW v_tag AS
SELECT ruled.tag AS tag, id, url, host FROM entry JOIN v_ruled AS ruled USING (id) WHERE ruled.tag IS NOT NULL
UNION
SELECT entry_tag.tag, id, url, host FROM entry_tag JOIN entry ON id = entry_id;

-- The rows in the order in which they are evicted when room is needed (docs/EVICTION.md). A row that has as many visits as its size
-- demands gets another turn in the queue main; any other row goes. Pinned rows are left out.
CREATE VIEW v_evict_next AS
SELECT
	row_number() OVER (ORDER BY queue <> first_queue, visits >= wanted, place, id) AS nth,
	id, url, queue, visits, wanted AS visits_wanted, visits < wanted AS goes, body_bytes, hits,
	datetime(used_at, 'unixepoch', 'localtime') AS used
FROM (
	SELECT entry.*,
		iif(new_bytes > bytes / 10 OR NOT EXISTS (SELECT 1 FROM entry WHERE queue = 'main' AND pinned = 0 AND encoded_from IS NULL), 'new', 'main') AS first_queue,
		CASE WHEN queue = 'main' THEN 1
			WHEN body_bytes * 2 <= (bytes - part_bytes) / max(entries, 1) THEN 1
			WHEN body_bytes <= 4 * ((bytes - part_bytes) / max(entries, 1)) THEN 2
			ELSE 3 END AS wanted
	FROM entry, counter
	WHERE pinned = 0 AND encoded_from IS NULL AND coalesce((SELECT pin FROM rule
		WHERE pin IS NOT NULL AND coalesce(entry.normal_url, entry.url) GLOB url_glob
				AND (statuses IS NULL OR instr(' ' || statuses || ' ', ' ' || entry.status || ' ') OR instr(' ' || statuses || ' ', ' ' || entry.status / 100 || 'xx ')) ORDER BY priority DESC, rule.id LIMIT 1), 0) = 0
)
ORDER BY nth;

-- For people: hits, misses and bytes saved of each host, as far back as the table traffic goes.
CREATE VIEW v_traffic AS
SELECT
	host, sum(hits) AS hits, sum(misses) AS misses,
	round(100.0 * sum(hits) / max(sum(hits) + sum(misses), 1), 1) AS hit_percent,
	sum(hit_bytes) AS saved_bytes, sum(miss_bytes) AS fetched_bytes,
	round(100.0 * sum(hit_bytes) / max(sum(hit_bytes) + sum(miss_bytes), 1), 1) AS byte_hit_percent,
	datetime(min(hour), 'unixepoch', 'localtime') AS since
FROM traffic GROUP BY host ORDER BY saved_bytes DESC;

-- For people: the size of each host, and the hits of its stored entries. v_traffic also counts entries that are gone.
CREATE VIEW v_host AS
SELECT
	host, entries, bytes,
	CASE WHEN bytes < 1024 THEN bytes || ' B'
		WHEN bytes < 1048524.8 THEN format('%.1f KiB', bytes / 1024.0)
		WHEN bytes < 1073689395.2 THEN format('%.1f MiB', bytes / 1048576.0)
		WHEN bytes < 1099457940684.8 THEN format('%.1f GiB', bytes / 1073741824.0)
		ELSE format('%.1f TiB', bytes / 1099511627776.0) END AS size,
	hits, saved_bytes, fresh, used
FROM (
	SELECT
		host,
		count(*) AS entries,
		sum(body_bytes) AS bytes,
		sum(hits) AS hits,
		sum(hits * body_bytes) AS saved_bytes,
		sum(ruled.state = 'fresh') AS fresh,
		datetime(max(used_at), 'unixepoch', 'localtime') AS used
	FROM entry JOIN v_ruled AS ruled USING (id) GROUP BY host
) ORDER BY bytes DESC;

-- For people: the entries, the largest bodies first.
CREATE VIEW v_big AS
SELECT id, url, host, body_bytes, size, hits, pinned, used, fetched FROM v_entry ORDER BY body_bytes DESC;

-- For people: stale entries, the longest stale first, and whether they can be revalidated with the origin.
CREATE VIEW v_stale AS
SELECT
	id, url, host,
	unixepoch() - ruled.fresh_until AS stale_for_s,
	datetime(ruled.fresh_until, 'unixepoch', 'localtime') AS stale_since,
	etag IS NOT NULL OR last_modified IS NOT NULL AS can_revalidate,
	ruled.state = 'stale, usable' AS usable,
	body_bytes, hits, ruled.pinned AS pinned
FROM entry JOIN v_ruled AS ruled USING (id) WHERE ruled.state <> 'fresh' ORDER BY ruled.fresh_until;
