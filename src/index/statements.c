/* The statements are prepared when a connection opens, so that an error in the SQL is found at the start. */
#include "index/statements.h"

/* The order in which entry_row.c reads and entry_write.c binds. */
#define ROW                                                                                                            \
	"id, url, vary, status, headers, etag, last_modified, body_file, body_bytes, sha256, fetched_at, "             \
	"initial_age_s, "                                                                                              \
	"fresh_until, stale_until, used_at, hits, pinned, tag, note, rule_id, reason, dns_ms, connect_ms, ttfb_ms, "   \
	"total_ms, encoded_from, "                                                                                     \
	"computed_until IS NOT fresh_until"

/* The order in which part_row.c reads. */
#define PART                                                                                                           \
	"id, url, vary, status, headers, etag, last_modified, fetched_at, initial_age_s, fresh_until, used_at, "       \
	"first_byte, whole_bytes, "                                                                                    \
	"body_bytes, body_file, sha256"

/* The later of two times of use. A time from a clock that was ahead does not count, because then the row would never
 * seem unused. */
#define LATER(at) "iif(used_at > " at " + 3600, " at ", max(used_at, " at "))"

const struct index_statement index_statements[STATEMENTS] = {
    [FIND] = {READER, "SELECT " ROW ", (SELECT edits FROM counter) FROM entry WHERE url = ?1"},
    [ENTRIES_AFTER] = {READER | MAINTENANCE, "SELECT " ROW ", 0 FROM entry WHERE id > ?1 ORDER BY id LIMIT ?2"},
    [PARTS_AFTER] = {READER | MAINTENANCE, "SELECT " PART " FROM part WHERE id > ?1 ORDER BY id LIMIT ?2"},
    [STILL] = {READER | WRITER, "SELECT 1 FROM entry WHERE id = ?1 AND body_file IS ?2"},
    [COPY_REFRESH] = {WRITER, "UPDATE entry SET headers = ?3, etag = ?4, last_modified = ?5 WHERE id = ?1 AND "
			      "encoded_from = ?2"},
    [VERSION] = {READER | MAINTENANCE, "PRAGMA data_version"},
    [RULES] = {READER, "SELECT id, priority, url_glob, fresh_for_s, stale_ok_s, store, offline, deny, "
		       "follow_redirects, pin, ignore_query, "
		       "tag, cookies, statuses FROM rule"},
    [GENERATION] = {READER, "SELECT rules, coalesce((SELECT max(id) FROM purge), 0) FROM counter"},
    [TOTALS] = {READER | WRITER | MAINTENANCE, "SELECT edits, entries, bytes FROM counter"},
    [BEGUN] = {WRITER, "SELECT edits, part_bytes > 0, ghosts > 0, EXISTS (SELECT 1 FROM entry_tag), "
		       "EXISTS (SELECT 1 FROM refusal), coalesce((SELECT max(id) FROM purge), 0) FROM counter"},
    [NAMES] = {MAINTENANCE, "SELECT names FROM counter"},
    [OWNER] = {READER | MAINTENANCE, "SELECT id, body_bytes, sha256 FROM entry WHERE body_file = ?1 "
				     "UNION ALL SELECT 0, body_bytes, sha256 FROM part WHERE body_file = ?1 LIMIT 1"},
    [TRASH] = {MAINTENANCE,
	"SELECT id, file, EXISTS (SELECT 1 FROM entry WHERE body_file = file) "
	"OR EXISTS (SELECT 1 FROM part WHERE body_file = file) FROM trash WHERE id > ?1 ORDER BY id LIMIT ?2"},
    /* Leaves out rows that no process can have written: a lease has at most LEASE_NAMES_MAX names. */
    [LEASES] = {MAINTENANCE,
	"SELECT id, owner, first, synced, behind, boot FROM lease WHERE id > ?1 "
	"AND typeof(owner) || typeof(first) || typeof(synced) || typeof(behind) = 'integerintegerintegerinteger' "
	"AND first >= 0 AND synced BETWEEN first AND behind AND behind <= 1 << 48 AND behind - first <= 1048576 ORDER "
	"BY id LIMIT ?2"},
    [SETTING] = {MAINTENANCE, "SELECT CAST(value AS INTEGER) FROM setting WHERE name = ?1"},
    [PAGES] = {MAINTENANCE, "SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count"},

    [BEGIN] = {WRITER, "BEGIN IMMEDIATE"},
    [COMMIT] = {WRITER, "COMMIT"},
    [ROLLBACK] = {WRITER, "ROLLBACK"},
    [HAS_ROW] = {WRITER, "SELECT fetched_at = ?2 AND fresh_until = ?3 FROM entry WHERE id = ?1"},
    [HAS_KEY] = {WRITER, "SELECT id FROM entry WHERE url = ?1 AND vary = ?2"},
    [INSERT] = {WRITER,
	"INSERT INTO entry (url, vary, status, headers, etag, last_modified, body_file, body_bytes, sha256, "
	"fetched_at, initial_age_s, fresh_until, stale_until, used_at, rule_id, reason, dns_ms, connect_ms, "
	"ttfb_ms, total_ms, hits, pinned, tag, note, computed_until, queue, place, normal_url, encoded_from) "
	"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, "
	"?21, ?22, ?23, ?24, ?12, ?25, ?26, ?27, ?28)"},
    [OVERWRITE] = {WRITER,
	"UPDATE entry SET status = ?3, headers = ?4, etag = ?5, last_modified = ?6, body_file = ?7, "
	"body_bytes = ?8, sha256 = ?9, fetched_at = ?10, initial_age_s = ?11, fresh_until = ?12, "
	"stale_until = ?13, used_at = " LATER(
	    "?14") ", rule_id = ?15, reason = ?16, dns_ms = ?17, "
		   "connect_ms = ?18, ttfb_ms = ?19, total_ms = ?20, computed_until = ?12, tag = coalesce(tag, ?22), "
		   "encoded_from = ?23 "
		   "WHERE id = ?21"},
    [LEFT_ALONE] = {WRITER,
	"SELECT typeof(hits) || typeof(pinned) || typeof(place) || typeof(visits) || typeof(queue) = "
	"'integerintegerintegerintegertext' AND hits >= 0 AND pinned IN (0, 1) AND queue IN ('new', 'main') AND "
	"typeof(tag) IN ('text', 'null') "
	"AND typeof(note) IN ('text', 'null') AND typeof(normal_url) IN ('text', 'null') FROM entry WHERE id = ?1"},
    [REFRESH] = {WRITER, "UPDATE entry SET status = ?1, headers = ?2, etag = ?3, last_modified = ?4, fetched_at = ?5, "
			 "initial_age_s = ?6, fresh_until = ?7, computed_until = ?7, stale_until = ?8, rule_id = ?9, "
			 "reason = ?10 WHERE id = ?11 "
			 "AND fetched_at = ?12 AND fresh_until = ?13 AND stale_until = ?14 AND body_file IS ?15"},
    [WITHDRAW] = {WRITER, "UPDATE entry SET stale_until = ?5 WHERE id = ?1 AND fetched_at = ?2 AND fresh_until = ?3 "
			  "AND stale_until = ?4"},
    [VARIANTS_TRIM] = {WRITER, "DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE url = ?1 AND pinned = 0 "
			       "ORDER BY used_at DESC, id DESC LIMIT -1 OFFSET max(0, ?2 - "
			       "(SELECT count(*) FROM entry WHERE url = ?1 AND pinned = 1)))"},
    [INVALIDATE] = {WRITER, "DELETE FROM entry WHERE url = ?1 OR normal_url = ?1"},
    [TAGS_CLEAR] = {WRITER, "DELETE FROM entry_tag WHERE entry_id = ?1"},
    [TAG_ADD] = {WRITER, "INSERT INTO entry_tag (entry_id, tag) VALUES (?1, ?2) ON CONFLICT DO NOTHING"},
    /* A tag '' stands for groups that are not known. */
    [GROUP_INVALIDATE] = {WRITER,
	"DELETE FROM entry WHERE id IN (SELECT entry_id FROM entry_tag CROSS JOIN entry ON id = entry_id "
	"WHERE entry_tag.tag IN (?1, '') AND substr(url, 1, length(?2)) = ?2 LIMIT ?3)"},
    /* The groups of a part are known by its fields only. In doubt it is deleted. */
    [GROUP_INVALIDATE_PARTS] = {WRITER,
	"DELETE FROM part WHERE id IN (SELECT id FROM part WHERE substr(url, 1, length(?2)) = ?2 AND "
	"(instr(headers, ?1) OR ?1 GLOB '*[\\\"]*') LIMIT ?3)"},
    [DROP] = {WRITER, "DELETE FROM entry WHERE id = ?1 AND body_file IS ?2"},
    [PARTS] = {READER | WRITER, "SELECT " PART " FROM part WHERE url = ?1 ORDER BY fetched_at DESC, id DESC"},
    [PART_STILL] = {WRITER, "SELECT 1 FROM part WHERE id = ?1 AND body_file = ?2"},
    [HAS_NEWER] = {WRITER, "SELECT 1 FROM entry WHERE url = ?1 AND vary = ?2 AND fetched_at >= ?3"},
    [PART_INSERT] = {WRITER,
	"INSERT INTO part (url, vary, status, headers, etag, last_modified, body_file, body_bytes, sha256, fetched_at, "
	"initial_age_s, fresh_until, used_at, first_byte, whole_bytes, normal_url) "
	"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"},
    [PART_HEADERS] = {WRITER, "SELECT headers FROM part WHERE url = ?1 AND vary = ?2 LIMIT 1"},
    [PART_COVERED] = {WRITER,
	"SELECT id FROM part WHERE url = ?1 AND vary = ?2 AND first_byte <= ?3 AND first_byte + body_bytes >= ?4"},
    [PART_USED] = {WRITER, "UPDATE part SET used_at = " LATER("?2") " WHERE id = ?1"},
    [PARTS_DROP] = {WRITER, "DELETE FROM part WHERE url = ?1 AND (?2 IS NULL OR vary = ?2)"},
    [PARTS_INVALIDATE] = {WRITER, "DELETE FROM part WHERE url = ?1 OR normal_url = ?1"},
    [PARTS_DROP_OTHERS] = {WRITER,
	"DELETE FROM part WHERE url = ?1 AND vary = ?2 AND (?5 = 0 OR (?5 = 1 AND etag IS NOT ?3) "
	"OR (?5 = 2 AND last_modified IS NOT ?4) OR whole_bytes <> ?6)"},
    [PARTS_DROP_WITHIN] = {WRITER,
	"DELETE FROM part WHERE url = ?1 AND vary = ?2 AND first_byte >= ?3 AND first_byte + body_bytes <= ?4"},
    [PARTS_FRESHEN] = {WRITER, "UPDATE part SET headers = ?3, fetched_at = ?4, initial_age_s = ?5, fresh_until = ?6 "
			       "WHERE url = ?1 AND vary = ?2"},
    [PARTS_TRIM] = {WRITER,
	"DELETE FROM part WHERE id IN (SELECT id FROM part WHERE url = ?1 ORDER BY used_at DESC, id DESC "
	"LIMIT -1 OFFSET ?2)"},
    [DROP_PART] = {WRITER, "DELETE FROM part WHERE body_file = ?1"},
    [USED] = {WRITER, "UPDATE entry SET hits = min(hits, 1 << 60) + ?2, used_at = " LATER(
			  "?3") ", visits = min(3, visits + ?2) WHERE id = ?1"},
    [REFUSE] = {WRITER,
	"INSERT INTO refusal (url, reason, status, at, times) SELECT ?1, ?2, ?3, ?4, ?5 "
	"WHERE NOT EXISTS (SELECT 1 FROM entry WHERE url = ?1 AND fetched_at >= ?4) "
	"ON CONFLICT (url) DO UPDATE SET id = (SELECT max(id) + 1 FROM refusal), reason = excluded.reason, "
	"status = excluded.status, at = excluded.at, times = times + excluded.times"},
    [REFUSALS_TRIM] = {WRITER, "DELETE FROM refusal WHERE id <= (SELECT max(id) FROM refusal) - ?1"},
    [REFUSAL_FORGET] = {WRITER, "DELETE FROM refusal WHERE url = ?1"},
    /* The second SELECT: purges since ?1 were deleted from the table already, and one of them may have been of this
       URL. */
    [PURGED] = {WRITER, "SELECT 1 FROM purge WHERE id > ?1 AND (url_glob IS NULL OR coalesce(?4, ?2) GLOB url_glob) "
			"AND (host IS NULL OR host = ?3) AND (tag IS NULL OR tag IS ?6 OR "
			"instr(char(10) || ?5, char(10) || tag || char(10)) OR instr(?5, char(10) || char(10))) "
			"UNION ALL SELECT 1 WHERE ?1 + 1 < (SELECT min(id) FROM purge) LIMIT 1"},
    [LIMITS] = {WRITER, "SELECT bytes, entries, new_bytes, part_bytes, ghosts FROM counter"},
    [CANDIDATE] = {WRITER,
	"SELECT id, url, vary, body_bytes, visits, coalesce(normal_url, url), status FROM entry WHERE "
	"queue "
	"= ?1 AND pinned = 0 AND encoded_from IS NULL ORDER BY place, id LIMIT 1"},
    [CANDIDATE_PINNED] = {WRITER,
	"SELECT pin FROM rule WHERE pin IS NOT NULL AND ?1 GLOB url_glob AND (statuses IS NULL OR "
	"instr(' ' || statuses || ' ', ' ' || ?2 || ' ') OR instr(' ' || statuses || ' ', ' ' || ?2 / 100 || 'xx ')) "
	"ORDER BY priority DESC, id LIMIT 1"},
    [EVICT] = {WRITER, "DELETE FROM entry WHERE id = ?1"},
    [REQUEUE] = {WRITER, "UPDATE entry SET queue = 'main', place = ?2, visits = ?3 WHERE id = ?1"},
    [NEXT_PLACE] = {WRITER, "UPDATE counter SET places = places + 1 RETURNING places"},
    [GHOST_ADD] = {WRITER, "INSERT INTO ghost (key) VALUES (?1) ON CONFLICT DO NOTHING"},
    [GHOST_TAKE] = {WRITER, "DELETE FROM ghost WHERE key = ?1"},
    [GHOST_TRIM] = {WRITER, "DELETE FROM ghost WHERE id IN (SELECT id FROM ghost ORDER BY id LIMIT 2)"},
    [PART_EVICT] = {WRITER, "DELETE FROM part WHERE id = (SELECT id FROM part ORDER BY used_at, id LIMIT 1)"},
    [TRAFFIC] = {WRITER, "INSERT INTO traffic (hour, host, hits, misses, hit_bytes, miss_bytes) VALUES (?1, iif("
			 "EXISTS (SELECT 1 FROM traffic WHERE hour = ?1 AND host = ?2) OR "
			 "(SELECT count(*) FROM traffic WHERE hour = ?1) < 1000, ?2, ''), ?3, ?4, ?5, ?6) "
			 "ON CONFLICT DO UPDATE SET hits = hits + excluded.hits, misses = misses + excluded.misses, "
			 "hit_bytes = hit_bytes + excluded.hit_bytes, miss_bytes = miss_bytes + excluded.miss_bytes"},
    [TRAFFIC_HIT] = {WRITER, "SELECT host, body_bytes FROM entry WHERE id = ?1"},
    [TRAFFIC_TRIM] = {WRITER, "DELETE FROM traffic WHERE hour < ?1"},
    [TRASH_ADD] = {WRITER, "INSERT INTO trash (file) VALUES (?1)"},
    [TRASH_REMOVE] = {WRITER, "DELETE FROM trash WHERE id = ?1 AND (file = ?2 OR ?2 = '')"},
    /* A number that does not fit into twelve digits is damage or a prank. Then names begin anywhere, as in a new index.
     */
    [NAMES_TAKE] = {WRITER,
	"UPDATE counter SET names = max(?2, iif(typeof(names) = 'integer' AND names BETWEEN 0 AND 1 << 47, names, "
	"(random() >> 17) & 0x3fffffffffff)) + ?1 RETURNING names - ?1"},
    [LEASE_ADD] = {WRITER, "INSERT INTO lease (owner, boot, first, synced, behind) VALUES (?1, ?2, ?3, ?3, ?4)"},
    [LEASE_SYNCED] = {WRITER, "UPDATE lease SET synced = max(synced, min(?2, behind)) WHERE id = ?1"},
    [LEASE_CLOSE] = {WRITER, "UPDATE lease SET owner = 0, behind = ?2, synced = min(synced, ?2) WHERE id = ?1"},
    [LEASE_REMOVE] = {WRITER, "DELETE FROM lease WHERE id = ?1"},
    [SETTING_SET] = {WRITER,
	"INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value"},
    [SETTING_REMOVE] = {WRITER, "DELETE FROM setting WHERE name GLOB ?1"},
};
