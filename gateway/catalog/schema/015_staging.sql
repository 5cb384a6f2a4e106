-- Staged files: uploads that one principal (named here) alone sees, until they become versions.
ALTER TABLE uploads ADD COLUMN staged TEXT NOT NULL DEFAULT '';
DROP INDEX uploads_open;
DROP INDEX uploads_begun;
CREATE INDEX uploads_open ON uploads (bucket, party, key, begun, id)
WHERE version = '' AND staged = '';
CREATE INDEX uploads_begun ON uploads (bucket, begun, id) WHERE version = '' AND staged = '';
CREATE UNIQUE INDEX uploads_staged ON uploads (party, staged, bucket, key)
WHERE version = '' AND staged <> '';
CREATE INDEX uploads_staged_begun ON uploads (begun) WHERE version = '' AND staged <> '';

-- Folders that somebody made in its party's own tree: never versions.
CREATE TABLE folders (
  party  TEXT NOT NULL,
  bucket TEXT NOT NULL,
  path   TEXT NOT NULL,
  PRIMARY KEY (party, bucket, path)
) STRICT, WITHOUT ROWID;
-- A bucket that somebody writes into is not empty.
CREATE INDEX uploads_in ON uploads (bucket) WHERE version = '';
