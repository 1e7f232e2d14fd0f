-- From version 3 to 4: spellings of a URL are entries of their own, and rules may share cookies.
ALTER TABLE entry ADD COLUMN normal_url TEXT;
ALTER TABLE part ADD COLUMN normal_url TEXT;
ALTER TABLE rule ADD COLUMN cookies INTEGER CONSTRAINT "cookies must be 1, 0 or NULL" CHECK (cookies IS NULL OR cookies IN (0, 1));
