-- What took a copy away that was delivered: '' (it is there, for all that is known), or the kind of
-- the delivery that removed it.
ALTER TABLE deliveries ADD COLUMN gone TEXT NOT NULL DEFAULT '';

-- Parties are asked to let copies of a version be removed, where their rules don't say that they
-- may: `kind` is that of the deliveries that a yes makes. `answer` is '' until there is one. `name`
-- is what others than the operator know of `id`, which is a counter over all parties.
CREATE TABLE requests (
  id        INTEGER PRIMARY KEY,
  name      TEXT NOT NULL UNIQUE,
  kind      TEXT NOT NULL,
  number    INTEGER NOT NULL,
  author    TEXT NOT NULL,
  party     TEXT NOT NULL,
  asked_by  TEXT NOT NULL,
  asked     INTEGER NOT NULL,
  answer    TEXT NOT NULL DEFAULT '',
  answered  INTEGER NOT NULL DEFAULT 0,
  answerer  TEXT NOT NULL DEFAULT '',
  note      TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX requests_of_party ON requests (party, id);
CREATE INDEX requests_open ON requests (party, id) WHERE answer = '';
CREATE INDEX requests_of_author ON requests (author, id);
CREATE INDEX requests_of_version ON requests (number);
