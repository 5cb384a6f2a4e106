-- How many versions and markers were ever committed: what a walk over them has before it.
ALTER TABLE numbers ADD COLUMN versions INTEGER NOT NULL DEFAULT 0;
UPDATE numbers SET versions = (SELECT count(*) FROM versions);
