-- When an upload became a version (0: it is open), so that what is left of it can go.
ALTER TABLE uploads ADD COLUMN done INTEGER NOT NULL DEFAULT 0;
UPDATE uploads SET done = coalesce((SELECT number FROM versions WHERE id = version), begun)
WHERE version <> '';
CREATE INDEX uploads_done ON uploads (done) WHERE done > 0;
-- Old uploads are looked for bucket by bucket: each has its own rules.
DROP INDEX uploads_begun;
CREATE INDEX uploads_begun ON uploads (bucket, begun, id) WHERE version = '';
