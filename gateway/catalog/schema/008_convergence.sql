-- How far convergence is with each policy. Versions from `reached` on, up to the policy's own
-- number, have been decided again under it (later ones were decided under it to begin with); 0: all
-- of them. `seen` of the `total` versions that lie before it were looked at.
ALTER TABLE policies ADD COLUMN reached INTEGER NOT NULL DEFAULT 0;
ALTER TABLE policies ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE policies ADD COLUMN total INTEGER NOT NULL DEFAULT 0;
UPDATE policies SET reached = number, total = (SELECT versions FROM numbers)
WHERE number = (SELECT max(number) FROM policies);

-- The version that a delete marker hid: its facts decide who holds the marker. 0: it hid nothing.
ALTER TABLE versions ADD COLUMN hides INTEGER NOT NULL DEFAULT 0;
UPDATE versions SET hides = coalesce((
  SELECT max(h.number) FROM versions h
  WHERE h.bucket = versions.bucket AND h.key = versions.key AND h.number < versions.number
    AND h.marker = 0), 0)
WHERE marker = 1 AND rest ->> 'parent' <> '';
CREATE INDEX versions_hiding ON versions (hides) WHERE hides > 0;

-- The number of the version that a row shows, to tell whether it was decided again.
ALTER TABLE views ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
UPDATE views SET number = (SELECT v.number FROM versions v WHERE v.id = views.version);
