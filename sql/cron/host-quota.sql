-- Leaves @host at most @bytes: the entries used last stay. Pinned rows stay and count. A run removes at most 20,000 rows.
DELETE FROM entry WHERE pinned = 0 AND id IN (
	SELECT id FROM (
		SELECT id, sum(body_bytes) OVER (ORDER BY pinned DESC, used_at DESC, id DESC) AS bytes_so_far FROM entry WHERE host = @host)
	WHERE bytes_so_far > @bytes LIMIT 20000);
