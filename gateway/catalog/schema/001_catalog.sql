-- The catalog, first edition. Moments and commit numbers are nanoseconds since 1970.
-- Keys are TEXT under SQLite's BINARY collation: the order of their UTF-8 bytes, which is S3's.

-- The last number that a commit was given: it holds across restarts and clock jumps.
CREATE TABLE numbers (last INTEGER NOT NULL) STRICT;
INSERT INTO numbers VALUES (0);

-- One row for each version or marker, kept for ever. `rest` is JSON: what only a reader of the
-- whole version needs. `heads` counts the views that show it as their newest; when it falls to 0,
-- `past` is the commit that did it, and the history period begins.
CREATE TABLE versions (
  number        INTEGER PRIMARY KEY,
  id            TEXT NOT NULL UNIQUE,
  bucket        TEXT NOT NULL,
  key           TEXT NOT NULL,
  author        TEXT NOT NULL,
  at            INTEGER NOT NULL,
  marker        INTEGER NOT NULL,
  is_null       INTEGER NOT NULL,
  size          INTEGER NOT NULL,
  etag          TEXT NOT NULL,
  algorithm     TEXT NOT NULL,
  checksum_type TEXT NOT NULL,
  rest          TEXT NOT NULL,
  tags          TEXT NOT NULL,
  tags_number   INTEGER NOT NULL,
  heads         INTEGER NOT NULL,
  past          INTEGER NOT NULL,
  unwritten     INTEGER NOT NULL DEFAULT 0,
  purged        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX versions_of_key ON versions (bucket, key);
CREATE INDEX versions_past ON versions (bucket, past) WHERE past > 0 AND purged = 0;

-- Open grants, newest version of a key first (`age` is minus the version's number).
-- `since` is the start of unbroken sight: a grant that replaces an open one keeps its `since`.
-- `replaced` is the null version that took this null version's place in what the S3 API shows.
CREATE TABLE grants (
  party    TEXT NOT NULL,
  bucket   TEXT NOT NULL,
  key      TEXT NOT NULL,
  age      INTEGER NOT NULL,
  mode     TEXT NOT NULL,
  rule     TEXT NOT NULL,
  revision TEXT NOT NULL,
  opened   INTEGER NOT NULL,
  since    INTEGER NOT NULL,
  marker   INTEGER NOT NULL,
  is_null  INTEGER NOT NULL,
  shown    INTEGER NOT NULL,
  replaced INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (party, bucket, key, age)
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_of_version ON grants (age);
-- What a version listing shows; without it a bucket that was emptied would be walked in full.
CREATE INDEX grants_shown ON grants (bucket, party, key, age) WHERE shown = 1 AND replaced = 0;

-- Grants that ended: history, never read by a request for bytes or a listing.
CREATE TABLE closed_grants (
  number   INTEGER NOT NULL,
  party    TEXT NOT NULL,
  mode     TEXT NOT NULL,
  rule     TEXT NOT NULL,
  revision TEXT NOT NULL,
  opened   INTEGER NOT NULL,
  closed   INTEGER NOT NULL
) STRICT;
CREATE INDEX closed_grants_of_version ON closed_grants (number);

-- Derived from the grants: each party's live keys, with all that a listing shows.
CREATE TABLE views (
  party         TEXT NOT NULL,
  bucket        TEXT NOT NULL,
  key           TEXT NOT NULL,
  version       TEXT NOT NULL,
  size          INTEGER NOT NULL,
  etag          TEXT NOT NULL,
  at            INTEGER NOT NULL,
  author        TEXT NOT NULL,
  mode          TEXT NOT NULL,
  is_null       INTEGER NOT NULL,
  algorithm     TEXT NOT NULL,
  checksum_type TEXT NOT NULL,
  revision      TEXT NOT NULL,
  PRIMARY KEY (party, bucket, key)
) STRICT, WITHOUT ROWID;

-- Objects in stores that hold extents; `idle` is the moment at which the last reference went.
CREATE TABLE extents (
  party  TEXT NOT NULL,
  store  TEXT NOT NULL,
  key    TEXT NOT NULL,
  length INTEGER NOT NULL,
  refs   INTEGER NOT NULL,
  idle   INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (party, store, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX extents_idle ON extents (idle) WHERE refs = 0;

-- Promises. state: 0 pending, 1 parked, 2 done, 3 superseded, 4 withdrawn, 5 cancelled.
-- `live`: open, or a copy that still holds its target key. `head`: the oldest open one of its
-- target key, so the only one that may be claimed. While leased, `due` is the lease's end.
CREATE TABLE deliveries (
  id       INTEGER PRIMARY KEY,
  number   INTEGER NOT NULL,
  party    TEXT NOT NULL,
  store    TEXT NOT NULL,
  target   TEXT NOT NULL,
  kind     TEXT NOT NULL,
  state    INTEGER NOT NULL DEFAULT 0,
  rule     TEXT NOT NULL,
  size     INTEGER NOT NULL,
  promised INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  due      INTEGER NOT NULL,
  lease    INTEGER NOT NULL DEFAULT 0,
  token    INTEGER NOT NULL DEFAULT 0,
  live     INTEGER NOT NULL DEFAULT 1,
  head     INTEGER NOT NULL,
  code     TEXT NOT NULL DEFAULT '',
  error    TEXT NOT NULL DEFAULT '',
  receipt  TEXT,
  replaced INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX deliveries_of_version ON deliveries (number);
CREATE INDEX deliveries_at_target ON deliveries (party, store, target, id) WHERE live = 1;
CREATE INDEX deliveries_due ON deliveries (party, store, due, id) WHERE state = 0 AND head = 1;
CREATE INDEX deliveries_open ON deliveries (party, store, state, id) WHERE state < 2;

-- What each lane owes, kept by triggers, so that no gauge ever counts rows.
CREATE TABLE backlog (
  party TEXT NOT NULL,
  store TEXT NOT NULL,
  state INTEGER NOT NULL,
  count INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (party, store, state)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER delivery_promised AFTER INSERT ON deliveries WHEN new.state < 2 BEGIN
  INSERT INTO backlog VALUES (new.party, new.store, new.state, 1, new.size)
  ON CONFLICT DO UPDATE SET count = count + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER delivery_left AFTER UPDATE OF state ON deliveries
WHEN old.state < 2 AND old.state <> new.state BEGIN
  UPDATE backlog SET count = count - 1, bytes = bytes - old.size
  WHERE party = old.party AND store = old.store AND state = old.state;
END;
CREATE TRIGGER delivery_entered AFTER UPDATE OF state ON deliveries
WHEN new.state < 2 AND old.state <> new.state BEGIN
  INSERT INTO backlog VALUES (new.party, new.store, new.state, 1, new.size)
  ON CONFLICT DO UPDATE SET count = count + 1, bytes = bytes + excluded.bytes;
END;

-- Multipart uploads and staged files; `version` is what one became, kept so that a completion
-- sent twice answers the same.
CREATE TABLE uploads (
  id      TEXT PRIMARY KEY,
  bucket  TEXT NOT NULL,
  party   TEXT NOT NULL,
  key     TEXT NOT NULL,
  begun   INTEGER NOT NULL,
  rest    TEXT NOT NULL,
  version TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_open ON uploads (bucket, party, key, begun, id) WHERE version = '';
CREATE INDEX uploads_begun ON uploads (begun) WHERE version = '';

CREATE TABLE parts (
  upload TEXT NOT NULL,
  number INTEGER NOT NULL,
  size   INTEGER NOT NULL,
  etag   TEXT NOT NULL,
  at     INTEGER NOT NULL,
  rest   TEXT NOT NULL,
  PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;

-- Buckets made through a door. A deleted one keeps its row, with the policy revision under which
-- it went: a write that was decided under that revision finds it gone.
CREATE TABLE buckets (
  name       TEXT PRIMARY KEY,
  owner      TEXT NOT NULL,
  members    TEXT NOT NULL,
  versioning TEXT NOT NULL,
  history    INTEGER NOT NULL,
  created    INTEGER NOT NULL,
  gone_under TEXT
) STRICT, WITHOUT ROWID;

-- The audit log: `place` counts from 0 without a gap. `entry` is public, `openings` are not.
CREATE TABLE records (
  place    INTEGER PRIMARY KEY,
  number   INTEGER NOT NULL,
  entry    BLOB NOT NULL,
  openings BLOB NOT NULL
) STRICT;

-- The events of a batch record, under a retention of their own.
CREATE TABLE reads (
  place INTEGER NOT NULL,
  seq   INTEGER NOT NULL,
  event BLOB NOT NULL,
  PRIMARY KEY (place, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE read_batches (at INTEGER NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (at, place))
STRICT, WITHOUT ROWID;

CREATE TABLE tiles (
  level  INTEGER NOT NULL,
  place  INTEGER NOT NULL,
  hashes BLOB NOT NULL,
  PRIMARY KEY (level, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, root BLOB NOT NULL, note TEXT NOT NULL) STRICT;

-- Access keys; the secret is sealed by identity before it comes here.
CREATE TABLE keys (
  id        TEXT PRIMARY KEY,
  party     TEXT NOT NULL,
  principal TEXT NOT NULL,
  sealed    BLOB NOT NULL,
  created   INTEGER NOT NULL,
  revoked   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Every policy that was in force; the highest number is.
CREATE TABLE policies (
  number   INTEGER PRIMARY KEY,
  revision TEXT NOT NULL,
  files    TEXT NOT NULL
) STRICT;

CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
