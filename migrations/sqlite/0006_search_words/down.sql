DROP TRIGGER article_search_replace;
DROP TRIGGER article_search_update;
DROP TRIGGER article_search_delete;
DROP TRIGGER article_search_insert;
DROP TRIGGER article_in_the_way_of_update;
DROP TRIGGER article_in_the_way_of_insert;
DROP TABLE search_replaced;
DROP TABLE search_index;
DROP TABLE search_due;
DROP TABLE article_search;
-- The database computes the words again.
CREATE VIRTUAL TABLE article_search USING fts5(
    title, text, content = '', tokenize = 'porter unicode61 remove_diacritics 0'
);
INSERT INTO article_search (rowid, title, text) SELECT number, title, substr(text, 1, 100000) FROM article;

CREATE TABLE article_replaced_words (
    number INTEGER PRIMARY KEY,
    article_id BLOB NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL
);

CREATE TRIGGER article_in_the_way_of_insert BEFORE INSERT ON article
WHEN EXISTS (SELECT 1 FROM article WHERE slug = NEW.slug OR id = NEW.id OR number = NEW.number)
BEGIN
    DELETE FROM article_replaced WHERE 1;
    INSERT INTO article_replaced
    SELECT id FROM article WHERE slug = NEW.slug OR id = NEW.id OR number = NEW.number;
    DELETE FROM article_replaced_words WHERE 1;
    INSERT INTO article_replaced_words
    SELECT number, id, title, substr(text, 1, 100000) FROM article
    WHERE slug = NEW.slug OR id = NEW.id OR number = NEW.number;
END;

CREATE TRIGGER article_in_the_way_of_update BEFORE UPDATE OF slug, number ON article
WHEN EXISTS (SELECT 1 FROM article WHERE (slug = NEW.slug OR number = NEW.number) AND number <> OLD.number)
BEGIN
    DELETE FROM article_replaced WHERE 1;
    INSERT INTO article_replaced
    SELECT id FROM article WHERE (slug = NEW.slug OR number = NEW.number) AND number <> OLD.number;
    DELETE FROM article_replaced_words WHERE 1;
    INSERT INTO article_replaced_words
    SELECT number, id, title, substr(text, 1, 100000) FROM article
    WHERE (slug = NEW.slug OR number = NEW.number) AND number <> OLD.number;
END;

CREATE TRIGGER article_search_insert AFTER INSERT ON article BEGIN
    INSERT INTO article_search (article_search, rowid, title, text)
    SELECT 'delete', number, title, text FROM article_replaced_words
    WHERE article_id = NEW.id OR NOT EXISTS (SELECT 1 FROM article WHERE id = article_id);
    DELETE FROM article_replaced_words WHERE 1;
    INSERT INTO article_search (rowid, title, text) VALUES (NEW.number, NEW.title, substr(NEW.text, 1, 100000));
END;

CREATE TRIGGER article_search_delete AFTER DELETE ON article BEGIN
    INSERT INTO article_search (article_search, rowid, title, text)
    VALUES ('delete', OLD.number, OLD.title, substr(OLD.text, 1, 100000));
    DELETE FROM article_replaced_words WHERE number = OLD.number;
END;

CREATE TRIGGER article_search_update AFTER UPDATE OF number, title, text ON article BEGIN
    INSERT INTO article_search (article_search, rowid, title, text)
    SELECT 'delete', number, title, text FROM article_replaced_words
    WHERE NOT EXISTS (SELECT 1 FROM article WHERE id = article_id);
    DELETE FROM article_replaced_words WHERE 1;
    INSERT INTO article_search (article_search, rowid, title, text)
    VALUES ('delete', OLD.number, OLD.title, substr(OLD.text, 1, 100000));
    INSERT INTO article_search (rowid, title, text) VALUES (NEW.number, NEW.title, substr(NEW.text, 1, 100000));
END;

CREATE TRIGGER article_search_replace AFTER UPDATE OF slug ON article BEGIN
    INSERT INTO article_search (article_search, rowid, title, text)
    SELECT 'delete', number, title, text FROM article_replaced_words
    WHERE NOT EXISTS (SELECT 1 FROM article WHERE id = article_id);
    DELETE FROM article_replaced_words WHERE 1;
END;
