-- Bucket settings (JSON: name to text) and object lock: JSON of mode, until, hold; '' for none.
ALTER TABLE buckets ADD COLUMN settings TEXT NOT NULL DEFAULT '';
ALTER TABLE versions ADD COLUMN lock TEXT NOT NULL DEFAULT '';
