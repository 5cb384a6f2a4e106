-- Each policy that was in force, with who put it there, and whole: a row's `files`, where it has
-- any (older editions wrote them into each), or those of the row before, changed as said here.
ALTER TABLE policies ADD COLUMN door TEXT NOT NULL DEFAULT '';
ALTER TABLE policies ADD COLUMN party TEXT NOT NULL DEFAULT '';
ALTER TABLE policies ADD COLUMN principal TEXT NOT NULL DEFAULT '';
CREATE INDEX policies_revision ON policies (revision, number);

CREATE TABLE policy_changes (
  name   TEXT NOT NULL,
  number INTEGER NOT NULL,
  digest TEXT NOT NULL,  -- empty: the file went
  PRIMARY KEY (name, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX policy_changes_number ON policy_changes (number);

CREATE TABLE policy_texts (
  digest TEXT PRIMARY KEY,
  text   BLOB NOT NULL  -- zlib (RFC 1950)
) STRICT, WITHOUT ROWID;
