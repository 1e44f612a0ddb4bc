-- The server decides what a word is, for both databases, and fills the index with ready-made words. The triggers only
-- record which articles must be indexed, so that programs with an older SQLite can write. The server's own writes
-- index these articles in the same transaction; those of other programs, and existing articles, are indexed in the
-- background.
DROP TRIGGER article_search_replace;
DROP TRIGGER article_search_update;
DROP TRIGGER article_search_delete;
DROP TRIGGER article_search_insert;
DROP TRIGGER article_in_the_way_of_update;
DROP TRIGGER article_in_the_way_of_insert;
DROP TABLE article_replaced_words;
DROP TABLE article_search;

-- Words are separated by spaces and stored unchanged: the tokenizer `ascii` treats every other character as part of a
-- word. `accents` contains the accented terms that occur anywhere in the article.
CREATE VIRTUAL TABLE article_search USING fts5(
    title, text, accents, content = '', contentless_delete = 1, tokenize = 'ascii'
);
INSERT INTO article_search (article_search, rank) VALUES ('rank', 'bm25(10.0, 1.0, 0.0)');

-- The numbers of articles that must be indexed, or were deleted. An article may have several rows.
CREATE TABLE search_due (
    position INTEGER PRIMARY KEY,
    number INTEGER NOT NULL
);

-- One row: the progress of a server that indexes all articles by its rules, newest first.
CREATE TABLE search_index (
    single INTEGER PRIMARY KEY DEFAULT 1 CHECK (single = 1),
    rules INTEGER NOT NULL,
    is_complete INTEGER NOT NULL,
    -- The article that was reached last.
    number INTEGER,
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0
);
INSERT INTO search_index (rules, is_complete, total) SELECT count(*) = 0, count(*) = 0, count(*) FROM article;

-- Articles that REPLACE may delete without firing a trigger, as `article_replaced` has them for the log. The search
-- has its own table, because SQLite does not guarantee the order in which triggers fire.
CREATE TABLE search_replaced (
    number INTEGER PRIMARY KEY,
    article_id BLOB NOT NULL
);

CREATE TRIGGER article_in_the_way_of_insert BEFORE INSERT ON article
WHEN EXISTS (SELECT 1 FROM article WHERE slug = NEW.slug OR id = NEW.id OR number = NEW.number)
BEGIN
    DELETE FROM article_replaced WHERE 1;
    INSERT INTO article_replaced
    SELECT id FROM article WHERE slug = NEW.slug OR id = NEW.id OR number = NEW.number;
    DELETE FROM search_replaced WHERE 1;
    INSERT INTO search_replaced
    SELECT number, id FROM article WHERE slug = NEW.slug OR id = NEW.id OR number = NEW.number;
END;

CREATE TRIGGER article_in_the_way_of_update BEFORE UPDATE OF slug, number ON article
WHEN EXISTS (SELECT 1 FROM article WHERE (slug = NEW.slug OR number = NEW.number) AND number <> OLD.number)
BEGIN
    DELETE FROM article_replaced WHERE 1;
    INSERT INTO article_replaced
    SELECT id FROM article WHERE (slug = NEW.slug OR number = NEW.number) AND number <> OLD.number;
    DELETE FROM search_replaced WHERE 1;
    INSERT INTO search_replaced
    SELECT number, id FROM article WHERE (slug = NEW.slug OR number = NEW.number) AND number <> OLD.number;
END;

CREATE TRIGGER article_search_insert AFTER INSERT ON article BEGIN
    INSERT INTO search_due (number)
    SELECT number FROM search_replaced
    WHERE article_id = NEW.id OR NOT EXISTS (SELECT 1 FROM article WHERE id = article_id);
    DELETE FROM search_replaced WHERE 1;
    INSERT INTO search_due (number) VALUES (NEW.number);
END;

CREATE TRIGGER article_search_delete AFTER DELETE ON article BEGIN
    INSERT INTO search_due (number) VALUES (OLD.number);
    DELETE FROM search_replaced WHERE number = OLD.number;
END;

CREATE TRIGGER article_search_update AFTER UPDATE OF number, title, text ON article BEGIN
    INSERT INTO search_due (number)
    SELECT number FROM search_replaced WHERE NOT EXISTS (SELECT 1 FROM article WHERE id = article_id);
    DELETE FROM search_replaced WHERE 1;
    INSERT INTO search_due (number) SELECT OLD.number WHERE OLD.number <> NEW.number;
    INSERT INTO search_due (number)
    SELECT NEW.number WHERE OLD.number <> NEW.number OR OLD.title <> NEW.title OR OLD.text <> NEW.text;
END;

CREATE TRIGGER article_search_replace AFTER UPDATE OF slug ON article BEGIN
    INSERT INTO search_due (number)
    SELECT number FROM search_replaced WHERE NOT EXISTS (SELECT 1 FROM article WHERE id = article_id);
    DELETE FROM search_replaced WHERE 1;
END;
