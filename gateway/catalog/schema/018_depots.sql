-- Files of sFTP depots that are followed: as which state (`mtime` in seconds, `size`) each was taken
-- over last, and the version that it became. Where `upload` is not '', that state is still being
-- taken over, as that staged file. `source` is a digest of depot, bucket, prefix and party.
CREATE TABLE depot_files (
  source  TEXT NOT NULL,
  path    TEXT NOT NULL,
  mtime   INTEGER NOT NULL,
  size    INTEGER NOT NULL,
  version TEXT NOT NULL,
  upload  TEXT NOT NULL,
  PRIMARY KEY (source, path)
) STRICT, WITHOUT ROWID;
