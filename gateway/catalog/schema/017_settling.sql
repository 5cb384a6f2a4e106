-- When a staged file was closed by whoever wrote it; 0 while it is open, or was interrupted.
ALTER TABLE uploads ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;

-- When a version was last modified, as its party's own tree shows it: seconds since 1970. Setting
-- it changes no version.
CREATE TABLE shown_times (
  party    TEXT NOT NULL,
  version  TEXT NOT NULL,
  modified INTEGER NOT NULL,
  PRIMARY KEY (party, version)
) STRICT, WITHOUT ROWID;
