-- From version 3 to 4: each spelling of a URL is an entry of its own, and rules may allow Set-Cookie to be stored.
ALTER TABLE entry ADD COLUMN normal_url TEXT;
ALTER TABLE part ADD COLUMN normal_url TEXT;
ALTER TABLE entry ADD COLUMN encoded_from INTEGER;
DROP TABLE IF EXISTS purge; -- made again with another column; its rows matter only to a running server
ALTER TABLE counter ADD COLUMN replaced_low INTEGER;
ALTER TABLE counter ADD COLUMN replaced_high INTEGER;
ALTER TABLE rule ADD COLUMN statuses TEXT
	CONSTRAINT "statuses must not stand with deny, offline, ignore_query or follow_redirects, which act before there is a status"
	CHECK (statuses IS NULL OR (deny IS NULL AND offline IS NULL AND ignore_query IS NULL AND follow_redirects IS NULL));
ALTER TABLE rule ADD COLUMN cookies INTEGER CONSTRAINT "cookies must be 1, 0 or NULL" CHECK (cookies IS NULL OR cookies IN (0, 1));

-- Bytes that no URI may contain were stored as received. Now they are percent-encoded before the look-up.
UPDATE OR IGNORE entry SET url = replace(replace(replace(replace(replace(replace(replace(replace(replace(url,
	'"', '%22'), '<', '%3C'), '>', '%3E'), '\', '%5C'), '^', '%5E'), '`', '%60'), '{', '%7B'), '|', '%7C'), '}', '%7D')
	WHERE url GLOB '*["<>\^`{|}]*';
UPDATE OR IGNORE part SET url = replace(replace(replace(replace(replace(replace(replace(replace(replace(url,
	'"', '%22'), '<', '%3C'), '>', '%3E'), '\', '%5C'), '^', '%5E'), '`', '%60'), '{', '%7B'), '|', '%7C'), '}', '%7D')
	WHERE url GLOB '*["<>\^`{|}]*';
