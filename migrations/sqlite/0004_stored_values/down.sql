DROP TRIGGER article_search_replace;
DROP TRIGGER article_search_update;
CREATE TRIGGER article_search_update AFTER UPDATE OF number, title, text ON article BEGIN
    INSERT INTO article_search (article_search, rowid, title, text)
    VALUES ('delete', old.number, old.title, substr(old.text, 1, 100000));
    INSERT INTO article_search (rowid, title, text) VALUES (new.number, new.title, substr(new.text, 1, 100000));
END;
DROP TRIGGER article_search_delete;
CREATE TRIGGER article_search_delete AFTER DELETE ON article BEGIN
    INSERT INTO article_search (article_search, rowid, title, text)
    VALUES ('delete', old.number, old.title, substr(old.text, 1, 100000));
END;
DROP TRIGGER article_search_insert;
CREATE TRIGGER article_search_insert AFTER INSERT ON article BEGIN
    INSERT INTO article_search (rowid, title, text) VALUES (new.number, new.title, substr(new.text, 1, 100000));
END;
DROP TRIGGER article_in_the_way_of_update;
CREATE TRIGGER article_in_the_way_of_update BEFORE UPDATE OF slug, number ON article
WHEN EXISTS (SELECT 1 FROM article WHERE (slug = NEW.slug OR number = NEW.number) AND number <> OLD.number)
BEGIN
    DELETE FROM article_replaced;
    INSERT INTO article_replaced
    SELECT id FROM article WHERE (slug = NEW.slug OR number = NEW.number) AND number <> OLD.number;
END;
DROP TRIGGER article_in_the_way_of_insert;
CREATE TRIGGER article_in_the_way_of_insert BEFORE INSERT ON article
WHEN EXISTS (SELECT 1 FROM article WHERE slug = NEW.slug OR id = NEW.id OR number = NEW.number)
BEGIN
    DELETE FROM article_replaced;
    INSERT INTO article_replaced
    SELECT id FROM article WHERE slug = NEW.slug OR id = NEW.id OR number = NEW.number;
END;
DROP TABLE article_replaced_words;
DROP TRIGGER article_updated;
CREATE TRIGGER article_updated AFTER UPDATE ON article WHEN NEW.version > OLD.version
BEGIN
    INSERT INTO article_change (kind, article_id)
    SELECT 3, article_id FROM article_replaced
    WHERE NOT EXISTS (SELECT 1 FROM article WHERE id = article_id);
    DELETE FROM article_replaced;
    INSERT INTO article_change (kind, article_id, title, slug, text, created_at, updated_at, version)
    VALUES (2, NEW.id, NEW.title, NEW.slug, NEW.text, NEW.created_at, NEW.updated_at, NEW.version);
END;
DROP TRIGGER article_created;
CREATE TRIGGER article_created AFTER INSERT ON article
BEGIN
    INSERT INTO article_change (kind, article_id)
    SELECT 3, article_id FROM article_replaced
    WHERE article_id = NEW.id OR NOT EXISTS (SELECT 1 FROM article WHERE id = article_id);
    DELETE FROM article_replaced;
    INSERT INTO article_change (kind, article_id, title, slug, text, created_at, updated_at, version)
    VALUES (1, NEW.id, NEW.title, NEW.slug, NEW.text, NEW.created_at, NEW.updated_at, NEW.version);
END;
DROP TRIGGER article_version;
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
DROP TRIGGER article_updated_by_the_rules;
DROP TRIGGER article_inserted_by_the_rules;
DROP TRIGGER article_rule_is_kept;
DROP VIEW article_rule;
