-- Removes entries that are not fresh, also not by a rule, and that may not be served stale any more. Pinned rows stay. A run removes at most
-- 20,000 rows, so that no other process waits long.
DELETE FROM entry WHERE id IN (SELECT id FROM v_ruled WHERE state = 'stale' AND pinned = 0 LIMIT 20000);
