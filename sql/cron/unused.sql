-- Removes entries that were not requested in @days days. Pinned rows stay. A run removes at most 20,000 rows, so that no other process waits
-- long.
DELETE FROM entry WHERE id IN (
	SELECT id FROM entry WHERE pinned = 0 AND used_at < unixepoch() - 86400 * @days LIMIT 20000);
