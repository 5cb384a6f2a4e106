-- What recipients have consumed: marks on one party's view. Of a key it shows no version any more
-- up to the newest one that was marked (`age` is minus a version's number). `moved_to` is another
-- name that the view shows the version under, if it has one: from commit `since` on, and until
-- commit `until` (0: still).
CREATE TABLE consumed (
  party    TEXT NOT NULL,
  bucket   TEXT NOT NULL,
  key      TEXT NOT NULL,
  age      INTEGER NOT NULL,
  since    INTEGER NOT NULL,
  until    INTEGER NOT NULL DEFAULT 0,
  moved_to TEXT NOT NULL,
  PRIMARY KEY (party, bucket, key, age, since)
) STRICT, WITHOUT ROWID;
CREATE INDEX consumed_names ON consumed (party, bucket, moved_to, since) WHERE moved_to <> '';
CREATE INDEX consumed_of_version ON consumed (age);
