DROP TRIGGER article_updated ON article;
CREATE TRIGGER article_updated AFTER UPDATE ON article REFERENCING NEW TABLE AS changed
EXECUTE FUNCTION article_log_written('2');
DROP TRIGGER article_words ON article;
DROP TRIGGER article_version ON article;
CREATE TRIGGER article_version BEFORE UPDATE ON article
FOR EACH ROW WHEN (NEW.version <= OLD.version AND OLD.version <= 2147483646) EXECUTE FUNCTION article_raise_version();
DROP FUNCTION article_log_updated();
DROP FUNCTION article_search_by_database();
DROP FUNCTION article_search_of(text, text);
DROP TABLE search_index;
DROP TABLE search_due;
DROP TABLE article_search_part;
-- The database computes the words again.
ALTER TABLE article DROP COLUMN search, DROP COLUMN search_version, DROP COLUMN search_rules;
ALTER TABLE article ADD COLUMN search tsvector NOT NULL GENERATED ALWAYS AS (
    ts_delete(
        setweight(to_tsvector('broadsheet', article_words(title)), 'A') || '|:1' ||
        setweight(to_tsvector('broadsheet', article_words(left(text, 100000))), 'B'),
        '|'
    )
) STORED;
CREATE INDEX article_search ON article USING gin (search);
ALTER TABLE article ALTER COLUMN search SET STATISTICS 1000;
ALTER TABLE article ALTER COLUMN search SET STORAGE EXTERNAL;
