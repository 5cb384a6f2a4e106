-- Notification configurations: of each party for its own view of a bucket (JSON of its watches).
CREATE TABLE notifications (
  bucket  TEXT NOT NULL,
  party   TEXT NOT NULL,
  watches TEXT NOT NULL,
  PRIMARY KEY (bucket, party)
) STRICT, WITHOUT ROWID;

-- What is to be sent; what was sent goes. state: 0 pending, 1 parked. `id` is a commit's number, so
-- it is never given twice. `number` is the version's; 0 for a test. `head`: the oldest pending one
-- of its webhook and key, so the only one that may be claimed. While leased, `due` is the lease's end.
CREATE TABLE notices (
  id       INTEGER PRIMARY KEY,
  name     TEXT NOT NULL,
  party    TEXT NOT NULL,
  webhook  TEXT NOT NULL,
  bucket   TEXT NOT NULL,
  key      TEXT NOT NULL,
  number   INTEGER NOT NULL,
  event    TEXT NOT NULL,
  watch    TEXT NOT NULL,
  rest     TEXT NOT NULL,
  state    INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  due      INTEGER NOT NULL,
  lease    INTEGER NOT NULL DEFAULT 0,
  token    INTEGER NOT NULL DEFAULT 0,
  head     INTEGER NOT NULL,
  error    TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX notices_due ON notices (party, webhook, due, id) WHERE state = 0 AND head = 1;
CREATE INDEX notices_of_key ON notices (party, webhook, bucket, key, id) WHERE state = 0;
CREATE INDEX notices_of_lane ON notices (party, webhook, state, id);

-- What each webhook is owed, kept by triggers; `missed` counts what found no room.
CREATE TABLE notice_lanes (
  party   TEXT NOT NULL,
  webhook TEXT NOT NULL,
  pending INTEGER NOT NULL DEFAULT 0,
  parked  INTEGER NOT NULL DEFAULT 0,
  missed  INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (party, webhook)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER notice_made AFTER INSERT ON notices BEGIN
  INSERT INTO notice_lanes (party, webhook, pending) VALUES (new.party, new.webhook, 1)
  ON CONFLICT DO UPDATE SET pending = pending + 1;
END;
CREATE TRIGGER notice_gone AFTER DELETE ON notices BEGIN
  UPDATE notice_lanes SET pending = pending - (old.state = 0), parked = parked - (old.state = 1)
  WHERE party = old.party AND webhook = old.webhook;
END;
CREATE TRIGGER notice_moved AFTER UPDATE OF state ON notices WHEN old.state <> new.state BEGIN
  UPDATE notice_lanes SET pending = pending + (new.state = 0) - (old.state = 0),
                          parked = parked + (new.state = 1) - (old.state = 1)
  WHERE party = new.party AND webhook = new.webhook;
END;
