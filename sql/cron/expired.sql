-- Removes what is neither fresh, by a rule either, nor may be served stale any more. Pinned rows stay. At most 20,000 rows a run, so that
-- nobody waits long.
DELETE FROM entry WHERE id IN (
	SELECT id FROM entry WHERE pinned = 0 AND fresh_until < unixepoch() AND stale_until < unixepoch()
		AND NOT EXISTS (SELECT 1 FROM rule WHERE entry.url GLOB url_glob AND entry.fetched_at + fresh_for_s > unixepoch()) LIMIT 20000);
