-- Removes what is neither fresh nor may be served stale any more. Pinned rows stay. At most 20,000 rows a run, so that nobody waits long.
DELETE FROM entry WHERE id IN (
	SELECT id FROM entry WHERE pinned = 0 AND fresh_until < unixepoch() AND stale_until < unixepoch() LIMIT 20000);
