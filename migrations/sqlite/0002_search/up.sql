-- Indexes for the other orders; the unique constraint on the slug already has one.
CREATE INDEX article_updated_at_id ON article (updated_at, id);
CREATE INDEX article_title_id ON article (title, id);

-- Full-text search with Porter stemming. The table stores no copy of the texts, so a deletion must pass the previous
-- text.
CREATE VIRTUAL TABLE article_search USING fts5(
    title, text, content = '', tokenize = 'porter unicode61 remove_diacritics 0'
);
INSERT INTO article_search (rowid, title, text) SELECT number, title, substr(text, 1, 100000) FROM article;

CREATE TRIGGER article_search_insert AFTER INSERT ON article BEGIN
    INSERT INTO article_search (rowid, title, text) VALUES (new.number, new.title, substr(new.text, 1, 100000));
END;
CREATE TRIGGER article_search_delete AFTER DELETE ON article BEGIN
    INSERT INTO article_search (article_search, rowid, title, text)
    VALUES ('delete', old.number, old.title, substr(old.text, 1, 100000));
END;
CREATE TRIGGER article_search_update AFTER UPDATE OF number, title, text ON article BEGIN
    INSERT INTO article_search (article_search, rowid, title, text)
    VALUES ('delete', old.number, old.title, substr(old.text, 1, 100000));
    INSERT INTO article_search (rowid, title, text) VALUES (new.number, new.title, substr(new.text, 1, 100000));
END;
