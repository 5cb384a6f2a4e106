-- What the owners of topology.yaml's buckets set through a door. Who asks for CORS has proved
-- nothing: a bucket without it is not in that index, so that it is looked up as an absent one.
CREATE TABLE declared_settings (
  bucket   TEXT PRIMARY KEY,
  settings TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX declared_with_cors ON declared_settings (bucket)
WHERE instr(settings, '"cors":') > 0;
