-- Removes what is neither fresh, by a rule either, nor may be served stale any more. Pinned rows stay. At most 20,000 rows a run, so that
-- nobody waits long.
DELETE FROM entry WHERE id IN (SELECT id FROM v_ruled WHERE state = 'stale' AND pinned = 0 LIMIT 20000);
