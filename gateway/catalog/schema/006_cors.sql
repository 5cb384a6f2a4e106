-- Who asks for a bucket's CORS configuration has proved nothing: a bucket without one is not in this
-- index, so that it is looked up as one that does not exist.
CREATE INDEX buckets_with_cors ON buckets (name)
WHERE gone_under IS NULL AND instr(settings, '"cors":') > 0;
