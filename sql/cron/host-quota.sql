-- Leaves @host at most @bytes: what was used last stays. Pinned rows stay and count. At most 20,000 rows a run.
DELETE FROM entry WHERE pinned = 0 AND id IN (
	SELECT id FROM (
		SELECT id, sum(body_bytes) OVER (ORDER BY pinned DESC, used_at DESC, id DESC) AS bytes_so_far FROM entry WHERE host = @host)
	WHERE bytes_so_far > @bytes LIMIT 20000);
