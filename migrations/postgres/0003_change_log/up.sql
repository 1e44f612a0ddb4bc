-- The change log: all changes of articles, whoever made them, in one order.
--
-- Triggers write each change in the writer's own transaction. A change gets its position after its commit, by
-- `number_changes`: a sequence assigns numbers when rows are inserted and not when they commit, so a reader in the
-- order of a sequence would miss changes that commit late.

-- One row. A cursor is a position within an epoch; changes up to `floor` are no longer kept.
CREATE TABLE feed (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    epoch uuid NOT NULL DEFAULT gen_random_uuid(),
    floor bigint NOT NULL DEFAULT 0
);
INSERT INTO feed DEFAULT VALUES;

-- The article after the change. `kind`: 1 created, 2 updated, 3 deleted; after a deletion only the id is stored. The
-- ids of the changes of one article ascend, because each change waits for the commit of the previous one; this needs a
-- sequence of which sessions cache no numbers.
CREATE TABLE article_change (
    id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),
    article_id uuid NOT NULL,
    title text COLLATE "C",
    slug text COLLATE "C",
    text text,
    created_at timestamptz,
    updated_at timestamptz,
    version integer
);

-- Changes without a position. There is no index, because all visible rows are read at once.
CREATE TABLE article_change_unnumbered (change_id bigint NOT NULL);

-- The positions: without gaps, and visible in their order. A table of their own, so that numbering rewrites no texts.
CREATE TABLE article_feed (
    position bigint PRIMARY KEY,
    change_id bigint NOT NULL,
    numbered_at timestamptz NOT NULL
);

CREATE VIEW numbered_change AS
SELECT position, kind, article_id, title, slug, text, created_at, updated_at, version
FROM article_feed JOIN article_change ON article_change.id = article_feed.change_id;

-- Assigns the next positions to committed changes, and returns their number. One session at a time: it holds the lock
-- until its positions are visible. A statement sees what had committed when it began, so the lock must be taken by an
-- earlier statement.
CREATE FUNCTION number_changes(most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    numbered integer;
BEGIN
    IF NOT EXISTS (SELECT FROM article_change_unnumbered) THEN
        RETURN 0;
    END IF;
    -- "newsfeed" in ASCII.
    PERFORM pg_advisory_xact_lock(x'6e65777366656564'::bigint);
    WITH taken AS (
        DELETE FROM article_change_unnumbered
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM article_change_unnumbered ORDER BY change_id LIMIT most))
        RETURNING change_id
    )
    INSERT INTO article_feed (position, change_id, numbered_at)
    SELECT
        coalesce((SELECT max(position) FROM article_feed), (SELECT floor FROM feed)) + row_number() OVER (ORDER BY change_id),
        change_id,
        clock_timestamp()
    FROM taken;
    GET DIAGNOSTICS numbered = ROW_COUNT;
    RETURN numbered;
END
$$;

-- Maintains the columns that other programs do not.
CREATE FUNCTION article_raise_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    IF NEW.updated_at = OLD.updated_at THEN
        NEW.updated_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION article_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END
$$;

-- Fires once per statement, however many articles it changes. SECURITY DEFINER: every user who may write articles may
-- log the changes. Tables are named with their schema, because the writer's search_path may be different, and `SET
-- search_path` on the function would be evaluated for each statement.
DO $do$
BEGIN
    EXECUTE format($sql$
        CREATE FUNCTION article_log_written() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            WITH change AS (
                INSERT INTO %1$I.article_change (kind, article_id, title, slug, text, created_at, updated_at, version)
                SELECT TG_ARGV[0]::smallint, id, title, slug, text, created_at, updated_at, version FROM changed
                RETURNING id
            )
            INSERT INTO %1$I.article_change_unnumbered (change_id) SELECT id FROM change;
            RETURN NULL;
        END
        $$
    $sql$, current_schema());
    EXECUTE format($sql$
        CREATE FUNCTION article_log_deleted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            WITH change AS (
                INSERT INTO %1$I.article_change (kind, article_id) SELECT 3, id FROM changed RETURNING id
            )
            INSERT INTO %1$I.article_change_unnumbered (change_id) SELECT id FROM change;
            RETURN NULL;
        END
        $$
    $sql$, current_schema());
END
$do$;

CREATE TRIGGER article_version BEFORE UPDATE ON article
FOR EACH ROW WHEN (NEW.version <= OLD.version) EXECUTE FUNCTION article_raise_version();

CREATE TRIGGER article_id_is_kept BEFORE UPDATE OF id ON article
FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION article_refuse('the id of an article cannot be changed');

-- TRUNCATE would not be logged.
CREATE TRIGGER article_truncate BEFORE TRUNCATE ON article
EXECUTE FUNCTION article_refuse('articles cannot be truncated, because the change log would not show it; delete them');

CREATE TRIGGER article_created AFTER INSERT ON article REFERENCING NEW TABLE AS changed
EXECUTE FUNCTION article_log_written('1');

CREATE TRIGGER article_updated AFTER UPDATE ON article REFERENCING NEW TABLE AS changed
EXECUTE FUNCTION article_log_written('2');

CREATE TRIGGER article_deleted AFTER DELETE ON article REFERENCING OLD TABLE AS changed
EXECUTE FUNCTION article_log_deleted();
