-- The change log: what became of articles, whoever changed them, in one order.
--
-- Triggers write each change in the writer's own transaction. A position is given afterwards, to what has
-- committed, by `number_changes`: a sequence numbers rows when they ask and not when they commit, so that a
-- reader of its order would lose those which commit late.

-- One row. A cursor is a position within an epoch; changes up to `floor` are no longer kept.
CREATE TABLE feed (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    epoch uuid NOT NULL DEFAULT gen_random_uuid(),
    floor bigint NOT NULL DEFAULT 0
);
INSERT INTO feed DEFAULT VALUES;

-- The article as the change left it. `kind`: 1 created, 2 updated, 3 deleted, when only its id is left.
-- The ids of one article's changes ascend, because each change waits for the one before it to commit; that needs
-- a sequence of which no session caches numbers.
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

-- Changes without a position. It has no index, because all that is visible is taken at once.
CREATE TABLE article_change_unnumbered (change_id bigint NOT NULL);

-- The positions: without gaps, and visible in their order. Apart from the changes, so that numbering rewrites no text.
CREATE TABLE article_feed (
    position bigint PRIMARY KEY,
    change_id bigint NOT NULL,
    numbered_at timestamptz NOT NULL
);

CREATE VIEW numbered_change AS
SELECT position, kind, article_id, title, slug, text, created_at, updated_at, version
FROM article_feed JOIN article_change ON article_change.id = article_feed.change_id;

-- Gives the next positions to changes that have committed, and answers to how many. One session at a time: it holds
-- the lock until its positions are visible. Each statement sees what had committed when it began, so the
-- lock must be there before it.
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

-- What other programs forget.
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

-- Once for each statement, however many articles it changes. Whoever may write articles may log that they did,
-- whatever else they may, and wherever they look for tables: hence the schema, which `SET search_path` would
-- look up anew for each statement.
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

-- It would escape the log.
CREATE TRIGGER article_truncate BEFORE TRUNCATE ON article
EXECUTE FUNCTION article_refuse('articles cannot be truncated, because the change log would not show it; delete them');

CREATE TRIGGER article_created AFTER INSERT ON article REFERENCING NEW TABLE AS changed
EXECUTE FUNCTION article_log_written('1');

CREATE TRIGGER article_updated AFTER UPDATE ON article REFERENCING NEW TABLE AS changed
EXECUTE FUNCTION article_log_written('2');

CREATE TRIGGER article_deleted AFTER DELETE ON article REFERENCING OLD TABLE AS changed
EXECUTE FUNCTION article_log_deleted();
