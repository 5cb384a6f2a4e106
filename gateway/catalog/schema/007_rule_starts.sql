-- The commit that first brought each `since: now` rule into force, by what the rule says. A rule
-- that goes and comes back word for word keeps its first one; nothing ever moves it.
CREATE TABLE rule_starts (rule TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID;
