-- Objects of parties' own that were adopted: the version (`number`) that each became last, with the
-- etag that it had. `run` is the moment at which the adoption began that last looked at it.
CREATE TABLE adopted (
  party  TEXT NOT NULL,
  store  TEXT NOT NULL,
  bucket TEXT NOT NULL,
  key    TEXT NOT NULL,
  etag   TEXT NOT NULL,
  number INTEGER NOT NULL,
  run    INTEGER NOT NULL,
  PRIMARY KEY (party, store, bucket, key)
) STRICT, WITHOUT ROWID;
