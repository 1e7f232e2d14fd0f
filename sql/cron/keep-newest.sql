-- Keeps the @keep entries fetched last, of those that match @glob. Pinned rows stay and do not count. A run removes at most 20,000 rows.
DELETE FROM entry WHERE id IN (
	SELECT id FROM entry WHERE pinned = 0 AND coalesce(normal_url, url) GLOB @glob ORDER BY fetched_at DESC, id DESC LIMIT 20000 OFFSET @keep);
