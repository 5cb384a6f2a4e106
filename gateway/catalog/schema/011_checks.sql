-- When a copy was last compared with its receipt, and what was found if it was not as that says. The
-- copy that was compared longest ago comes next.
ALTER TABLE deliveries ADD COLUMN checked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN finding TEXT NOT NULL DEFAULT '';
UPDATE deliveries SET checked = coalesce(receipt ->> 'at', 0)
WHERE state = 2 AND live = 1 AND kind = 'copy';
CREATE INDEX deliveries_checked ON deliveries (checked, id)
WHERE live = 1 AND state = 2 AND kind = 'copy';

-- Bytes of authors that are not where versions say, until a later look finds them there.
CREATE TABLE losses (
  party   TEXT NOT NULL,
  store   TEXT NOT NULL,
  key     TEXT NOT NULL,
  number  INTEGER NOT NULL,
  finding TEXT NOT NULL,
  found   INTEGER NOT NULL,
  PRIMARY KEY (party, store, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_found ON deliveries (party, finding)
WHERE live = 1 AND state = 2 AND finding <> '';
