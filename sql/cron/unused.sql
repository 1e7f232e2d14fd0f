-- Removes what nobody asked for in @days days. Pinned rows stay. At most 20,000 rows a run, so that nobody waits long.
DELETE FROM entry WHERE id IN (
	SELECT id FROM entry WHERE pinned = 0 AND used_at < unixepoch() - 86400 * @days LIMIT 20000);
