-- Values of other programs that no response could represent are rejected, and replaced articles are removed from the
-- search index.
--
-- SQLite cannot add a CHECK to an existing table, so triggers reject values. Existing rows stay, and updates of their
-- other columns succeed. The migration takes only a moment, except for the index, see the end.

-- All rules in one place: a trigger of `article` inserts the values to be checked into this view. NULL passes, because
-- the column's NOT NULL rejects it. The maximum version is below the maximum of 32 bits, so that it can still be
-- incremented.
CREATE VIEW article_rule AS
SELECT 0 AS created_at, 0 AS updated_at, 1 AS version, '' AS title, '' AS slug, '' AS text WHERE 0;

-- SQLite has no function that checks for UTF-8. But it decodes invalid bytes to other characters, so pieces of sixteen
-- characters are decoded and encoded again, and must be unchanged; U+FFFE and U+FFFF, which SQLite does not accept as
-- characters, are replaced before. This takes 0.3 us per character, so it is skipped for texts that are most likely
-- valid: a title or slug of printable ASCII; and a `text`, which may be long, without NUL, without a continuation byte
-- that continues nothing, without a first byte that nothing continues (decoded to U+FFFD), and that does not end
-- within a character. A text in another encoding has one of these. Not detected in the middle of a `text` are
-- characters with a missing or additional continuation byte, or beyond U+10FFFF: they are shown as U+FFFD.
CREATE TRIGGER article_rule_is_kept INSTEAD OF INSERT ON article_rule BEGIN
    SELECT RAISE(ABORT, 'created_at and updated_at must be microseconds since 1970, within the years 1 to 9999')
    WHERE NEW.created_at NOT BETWEEN -62135596800000000 AND 253402300799999999
        OR NEW.updated_at NOT BETWEEN -62135596800000000 AND 253402300799999999;
    SELECT RAISE(ABORT, 'version must be 1 to 2147483646') WHERE NEW.version NOT BETWEEN 1 AND 2147483646;
    SELECT RAISE(ABORT, 'title, slug and text must be UTF-8 without a NUL character')
    FROM (
        SELECT NEW.title AS value
        WHERE NEW.title GLOB '*[^ -~]*' OR length(NEW.title) <> length(CAST(NEW.title AS BLOB))
        UNION ALL
        SELECT NEW.slug
        WHERE NEW.slug GLOB '*[^ -~]*' OR length(NEW.slug) <> length(CAST(NEW.slug AS BLOB))
        UNION ALL
        SELECT NEW.text
        WHERE (
                instr(NEW.text || char(0), char(0)) <> length(CAST(NEW.text AS BLOB)) + 1
                AND (
                    instr(NEW.text || char(0), char(0)) <> length(NEW.text) + 1 OR instr(NEW.text, char(0))
                )
            )
            OR NEW.text GLOB '*' || char(65533) || '*'
            OR (
                SELECT char(unicode(last)) <> last
                FROM (SELECT substr(CAST(substr(CAST(NEW.text AS BLOB), -4) AS TEXT), -1) AS last)
            )
    ) AS suspect
    WHERE instr(suspect.value, char(0)) OR EXISTS (
        WITH RECURSIVE piece (start, raw) AS (
            SELECT 1, substr(CAST(substr(CAST(suspect.value AS BLOB), 1, 64) AS TEXT), 1, 16)
            UNION ALL
            SELECT
                start + length(CAST(raw AS BLOB)),
                substr(CAST(substr(
                    CAST(suspect.value AS BLOB), start + length(CAST(raw AS BLOB)), 64
                ) AS TEXT), 1, 16)
            FROM piece WHERE raw <> ''
        ),
        decodable (part) AS (
            SELECT replace(replace(raw, char(65534), 'x'), char(65535), 'x') FROM piece
        )
        SELECT 1 FROM decodable
        WHERE part <> substr(char(
            unicode(part), unicode(substr(part, 2)), unicode(substr(part, 3)), unicode(substr(part, 4)),
            unicode(substr(part, 5)), unicode(substr(part, 6)), unicode(substr(part, 7)), unicode(substr(part, 8)),
            unicode(substr(part, 9)), unicode(substr(part, 10)), unicode(substr(part, 11)), unicode(substr(part, 12)),
            unicode(substr(part, 13)), unicode(substr(part, 14)), unicode(substr(part, 15)), unicode(substr(part, 16))
        ), 1, length(part))
    );
END;

CREATE TRIGGER article_inserted_by_the_rules BEFORE INSERT ON article BEGIN
    INSERT INTO article_rule (created_at, updated_at, version, title, slug, text)
    VALUES (NEW.created_at, NEW.updated_at, NEW.version, NEW.title, NEW.slug, NEW.text);
END;

-- A version that is too high is rejected even if it is unchanged, because it cannot be incremented.
CREATE TRIGGER article_updated_by_the_rules
BEFORE UPDATE OF created_at, updated_at, version, title, slug, text ON article BEGIN
    INSERT INTO article_rule (created_at, updated_at, version, title, slug, text)
    VALUES (
        nullif(NEW.created_at, OLD.created_at), nullif(NEW.updated_at, OLD.updated_at), NEW.version,
        nullif(NEW.title, OLD.title), nullif(NEW.slug, OLD.slug), nullif(NEW.text, OLD.text)
    );
END;

-- As before, but a version that is too high may be lowered, which is logged.
DROP TRIGGER article_version;
CREATE TRIGGER article_version AFTER UPDATE ON article
WHEN NEW.version <= OLD.version AND OLD.version <= 2147483646
BEGIN
    UPDATE article SET
        version = OLD.version + 1,
        updated_at = CASE
            WHEN NEW.updated_at <> OLD.updated_at THEN NEW.updated_at
            ELSE CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000
        END
    WHERE number = NEW.number;
END;

-- As before, but DELETE has a condition: without one it writes a page even if the table is empty.
DROP TRIGGER article_created;
CREATE TRIGGER article_created AFTER INSERT ON article
BEGIN
    INSERT INTO article_change (kind, article_id)
    SELECT 3, article_id FROM article_replaced
    WHERE article_id = NEW.id OR NOT EXISTS (SELECT 1 FROM article WHERE id = article_id);
    DELETE FROM article_replaced WHERE 1;
    INSERT INTO article_change (kind, article_id, title, slug, text, created_at, updated_at, version)
    VALUES (1, NEW.id, NEW.title, NEW.slug, NEW.text, NEW.created_at, NEW.updated_at, NEW.version);
END;

DROP TRIGGER article_updated;
CREATE TRIGGER article_updated AFTER UPDATE ON article WHEN NEW.version > OLD.version OR OLD.version > 2147483646
BEGIN
    INSERT INTO article_change (kind, article_id)
    SELECT 3, article_id FROM article_replaced
    WHERE NOT EXISTS (SELECT 1 FROM article WHERE id = article_id);
    DELETE FROM article_replaced WHERE 1;
    INSERT INTO article_change (kind, article_id, title, slug, text, created_at, updated_at, version)
    VALUES (2, NEW.id, NEW.title, NEW.slug, NEW.text, NEW.created_at, NEW.updated_at, NEW.version);
END;

-- For the search index: the words of articles that REPLACE may delete without firing a trigger, as `article_replaced`
-- has their ids for the log. The search has its own table, because SQLite does not guarantee the order in which
-- triggers fire.
CREATE TABLE article_replaced_words (
    number INTEGER PRIMARY KEY,
    article_id BLOB NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL
);

DROP TRIGGER article_in_the_way_of_insert;
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

DROP TRIGGER article_in_the_way_of_update;
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

-- Replaced articles are removed from the index before a new article uses their number.
DROP TRIGGER article_search_insert;
CREATE TRIGGER article_search_insert AFTER INSERT ON article BEGIN
    INSERT INTO article_search (article_search, rowid, title, text)
    SELECT 'delete', number, title, text FROM article_replaced_words
    WHERE article_id = NEW.id OR NOT EXISTS (SELECT 1 FROM article WHERE id = article_id);
    DELETE FROM article_replaced_words WHERE 1;
    INSERT INTO article_search (rowid, title, text) VALUES (NEW.number, NEW.title, substr(NEW.text, 1, 100000));
END;

DROP TRIGGER article_search_delete;
CREATE TRIGGER article_search_delete AFTER DELETE ON article BEGIN
    INSERT INTO article_search (article_search, rowid, title, text)
    VALUES ('delete', OLD.number, OLD.title, substr(OLD.text, 1, 100000));
    DELETE FROM article_replaced_words WHERE number = OLD.number;
END;

DROP TRIGGER article_search_update;
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

-- If the index has articles that no longer exist, it is built again, which takes about a minute for a million articles
-- of 1 kB; counting, which reveals that, takes only a moment. FTS5 stores the number of its documents in the first
-- integer of record 1, seven bits per byte; each replaced article is one too many.
CREATE TEMPORARY TABLE article_search_has_too_many AS
WITH RECURSIVE
    record (hex) AS (SELECT hex(block) FROM article_search_data WHERE id = 1),
    digit (at, byte, value) AS (
        SELECT 1, 128, 0
        UNION ALL
        SELECT
            at + 2,
            16 * instr('123456789ABCDEF', substr(hex, at, 1)) + instr('123456789ABCDEF', substr(hex, at + 1, 1)),
            value * 128 + (16 * instr('123456789ABCDEF', substr(hex, at, 1))
                + instr('123456789ABCDEF', substr(hex, at + 1, 1))) % 128
        FROM digit, record WHERE byte >= 128 AND at < length(hex)
    )
SELECT 1 AS yes WHERE (SELECT max(value) FROM digit) <> (SELECT count(*) FROM article);
INSERT INTO article_search (article_search) SELECT 'delete-all' FROM temp.article_search_has_too_many;
INSERT INTO article_search (rowid, title, text)
SELECT number, title, substr(text, 1, 100000) FROM article, temp.article_search_has_too_many;
DROP TABLE temp.article_search_has_too_many;
