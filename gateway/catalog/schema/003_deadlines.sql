-- The moment by which a copy is to be verified (0: none), and whether it was missed.
ALTER TABLE deliveries ADD COLUMN deadline INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN missed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX deliveries_deadline ON deliveries (deadline)
WHERE deadline > 0 AND missed = 0 AND state < 2;
