-- The change log: all changes of articles, whoever made them, in one order.
--
-- Triggers write each change in the writer's own transaction. There is one writer at a time, so changes are written in
-- the order in which they commit, and their rowid is their position in the feed.

-- One row. A cursor is a position within an epoch; changes up to `floor` are no longer kept.
CREATE TABLE feed (
    single INTEGER PRIMARY KEY DEFAULT 1 CHECK (single = 1),
    epoch BLOB NOT NULL DEFAULT (randomblob(16)),
    floor INTEGER NOT NULL DEFAULT 0
);
INSERT INTO feed DEFAULT VALUES;

-- The article after the change. `kind`: 1 created, 2 updated, 3 deleted; after a deletion only the id is stored.
-- AUTOINCREMENT: a position is not reused after the last changes are removed.
CREATE TABLE article_change (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 3),
    article_id BLOB NOT NULL,
    title TEXT,
    slug TEXT,
    text TEXT,
    created_at INTEGER,
    updated_at INTEGER,
    version INTEGER,
    made_at INTEGER NOT NULL DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000)
);

-- The names that both databases use for the positions, and for the changes that have one.
CREATE VIEW article_feed AS SELECT position, position AS change_id, made_at AS numbered_at FROM article_change;
CREATE VIEW numbered_change AS
SELECT position, kind, article_id, title, slug, text, created_at, updated_at, version FROM article_change;

CREATE TRIGGER article_id_is_kept BEFORE UPDATE OF id ON article WHEN NEW.id IS NOT OLD.id
BEGIN
    SELECT RAISE(ABORT, 'the id of an article cannot be changed');
END;

-- Maintains the columns that other programs do not. This update is the one that is logged.
CREATE TRIGGER article_version AFTER UPDATE ON article WHEN NEW.version <= OLD.version
BEGIN
    UPDATE article SET
        version = OLD.version + 1,
        updated_at = CASE
            WHEN NEW.updated_at <> OLD.updated_at THEN NEW.updated_at
            ELSE CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000
        END
    WHERE number = NEW.number;
END;

-- INSERT OR REPLACE and UPDATE OR REPLACE delete conflicting articles without firing the trigger above, unless
-- `recursive_triggers` is on. So the articles that may be deleted are recorded before, and those that are gone
-- afterwards are logged.
CREATE TABLE article_replaced (article_id BLOB PRIMARY KEY) WITHOUT ROWID;

CREATE TRIGGER article_in_the_way_of_insert BEFORE INSERT ON article
WHEN EXISTS (SELECT 1 FROM article WHERE slug = NEW.slug OR id = NEW.id OR number = NEW.number)
BEGIN
    DELETE FROM article_replaced;
    INSERT INTO article_replaced
    SELECT id FROM article WHERE slug = NEW.slug OR id = NEW.id OR number = NEW.number;
END;

CREATE TRIGGER article_in_the_way_of_update BEFORE UPDATE OF slug, number ON article
WHEN EXISTS (SELECT 1 FROM article WHERE (slug = NEW.slug OR number = NEW.number) AND number <> OLD.number)
BEGIN
    DELETE FROM article_replaced;
    INSERT INTO article_replaced
    SELECT id FROM article WHERE (slug = NEW.slug OR number = NEW.number) AND number <> OLD.number;
END;

CREATE TRIGGER article_created AFTER INSERT ON article
BEGIN
    INSERT INTO article_change (kind, article_id)
    SELECT 3, article_id FROM article_replaced
    WHERE article_id = NEW.id OR NOT EXISTS (SELECT 1 FROM article WHERE id = article_id);
    DELETE FROM article_replaced;
    INSERT INTO article_change (kind, article_id, title, slug, text, created_at, updated_at, version)
    VALUES (1, NEW.id, NEW.title, NEW.slug, NEW.text, NEW.created_at, NEW.updated_at, NEW.version);
END;

CREATE TRIGGER article_updated AFTER UPDATE ON article WHEN NEW.version > OLD.version
BEGIN
    INSERT INTO article_change (kind, article_id)
    SELECT 3, article_id FROM article_replaced
    WHERE NOT EXISTS (SELECT 1 FROM article WHERE id = article_id);
    DELETE FROM article_replaced;
    INSERT INTO article_change (kind, article_id, title, slug, text, created_at, updated_at, version)
    VALUES (2, NEW.id, NEW.title, NEW.slug, NEW.text, NEW.created_at, NEW.updated_at, NEW.version);
END;

CREATE TRIGGER article_deleted AFTER DELETE ON article
BEGIN
    INSERT INTO article_change (kind, article_id) VALUES (3, OLD.id);
    DELETE FROM article_replaced WHERE article_id = OLD.id;
END;
