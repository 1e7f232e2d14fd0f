-- Of the URLs that match @glob keeps the @keep that were fetched last. Pinned rows stay and do not count. At most 20,000 rows a run.
DELETE FROM entry WHERE id IN (
	SELECT id FROM entry WHERE pinned = 0 AND coalesce(normal_url, url) GLOB @glob ORDER BY fetched_at DESC, id DESC LIMIT 20000 OFFSET @keep);
