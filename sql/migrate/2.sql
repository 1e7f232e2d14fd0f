-- From version 1 to 2: columns and their contents. New tables, triggers, views and indexes are made from schema.sql afterwards.
ALTER TABLE entry ADD COLUMN computed_until INTEGER;
ALTER TABLE entry ADD COLUMN queue TEXT NOT NULL DEFAULT 'new' CONSTRAINT "queue must be new or main" CHECK (queue IN ('new', 'main'));
ALTER TABLE entry ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entry ADD COLUMN visits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE counter ADD COLUMN rules INTEGER NOT NULL DEFAULT 0;
ALTER TABLE counter ADD COLUMN new_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE counter ADD COLUMN part_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE counter ADD COLUMN ghosts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE counter ADD COLUMN places INTEGER NOT NULL DEFAULT 0;
ALTER TABLE counter ADD COLUMN replaced_new INTEGER NOT NULL DEFAULT 0;
UPDATE entry SET computed_until = fresh_until, visits = min(3, hits);
UPDATE counter SET new_bytes = (SELECT coalesce(sum(body_bytes), 0) FROM entry), part_bytes = (SELECT coalesce(sum(body_bytes), 0) FROM part);
