-- The server decides what a word is, for both databases, and sends the words of an article ready-made. Rows that other
-- programs write get words from the functions of the migration `search`, until a server has computed them. Existing
-- articles keep their words, and a server computes them again in the background.
--
-- `search_version` is the version of the article whose words these are, 0 if the database has computed them;
-- `search_rules` is the version of the rules by which the server has computed them.

-- `search_version` is the version of the article that the words belong to, 0 where the database has made them;
-- `search_rules` is the version of the rules by which the server did.
ALTER TABLE article ALTER COLUMN search DROP EXPRESSION;
ALTER TABLE article
    ADD COLUMN search_version integer NOT NULL DEFAULT 0,
    ADD COLUMN search_rules integer NOT NULL DEFAULT 0;

-- A tsvector keeps 256 positions per word, and none above 16,383. Texts with more are stored again, in overlapping
-- parts, for phrases. Only the parts of the version whose words the article has are current; others are removed in the
-- background.
CREATE TABLE article_search_part (
    article_id uuid NOT NULL,
    version integer NOT NULL,
    part integer NOT NULL,
    search tsvector NOT NULL,
    PRIMARY KEY (article_id, version, part)
);
CREATE INDEX article_search_part_search ON article_search_part USING gin (search);

-- Articles whose words a server must compute. An article may have several rows.
CREATE TABLE search_due (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    article_id uuid NOT NULL
);

-- One row: the progress of a server that computes the words of all articles by its rules, newest first.
CREATE TABLE search_index (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    rules integer NOT NULL,
    is_complete boolean NOT NULL,
    -- The article that was reached last.
    created_at timestamptz,
    id uuid,
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0
);
INSERT INTO search_index (rules, is_complete, total)
SELECT CASE count(*) WHEN 0 THEN 1 ELSE 0 END, count(*) = 0, count(*) FROM article;

CREATE FUNCTION article_search_of(title text, text text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    ts_delete(
        setweight(to_tsvector('broadsheet', article_words(title)), 'A') || '|:1' ||
        setweight(to_tsvector('broadsheet', article_words(left(text, 100000))), 'B'),
        '|'
    );

-- SECURITY DEFINER, and tables named with their schema, as in `article_log_written`.
DO $do$
BEGIN
    EXECUTE format($sql$
        CREATE FUNCTION article_search_by_database() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            IF TG_OP = 'UPDATE' AND OLD.search_version = OLD.version
                AND NEW.title = OLD.title AND NEW.text = OLD.text AND NEW.search = OLD.search
            THEN
                -- Another slug: the words stay, and the parts go along.
                UPDATE %1$I.article_search_part SET version = NEW.version
                WHERE article_id = NEW.id AND version = OLD.version;
                NEW.search_version := NEW.version;
                RETURN NEW;
            END IF;
            NEW.search := %1$I.article_search_of(NEW.title, NEW.text);
            NEW.search_version := 0;
            NEW.search_rules := 0;
            INSERT INTO %1$I.search_due (article_id) VALUES (NEW.id);
            RETURN NEW;
        END
        $$
    $sql$, current_schema());

    -- As `article_log_written`, of articles that have another version: that their words were made is no change of them.
    EXECUTE format($sql$
        CREATE FUNCTION article_log_updated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            WITH change AS (
                INSERT INTO %1$I.article_change (kind, article_id, title, slug, text, created_at, updated_at, version)
                SELECT 2, changed.id, changed.title, changed.slug, changed.text, changed.created_at,
                    changed.updated_at, changed.version
                FROM changed JOIN replaced USING (id)
                WHERE changed.version <> replaced.version
                RETURNING id
            )
            INSERT INTO %1$I.article_change_unnumbered (change_id) SELECT id FROM change;
            RETURN NULL;
        END
        $$
    $sql$, current_schema());
END
$do$;

-- Triggers fire in the order of their names, so the version has been incremented before.
DROP TRIGGER article_version ON article;
CREATE TRIGGER article_version BEFORE UPDATE OF id, title, slug, text, created_at, updated_at, version ON article
FOR EACH ROW WHEN (NEW.version <= OLD.version AND OLD.version <= 2147483646) EXECUTE FUNCTION article_raise_version();

CREATE TRIGGER article_words BEFORE INSERT OR UPDATE ON article
FOR EACH ROW WHEN (NEW.search_version <> NEW.version) EXECUTE FUNCTION article_search_by_database();

DROP TRIGGER article_updated ON article;
CREATE TRIGGER article_updated AFTER UPDATE ON article REFERENCING OLD TABLE AS replaced NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION article_log_updated();
