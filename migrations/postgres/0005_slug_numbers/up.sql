-- Finds which of `a-2`, `a-3`, … is free, without reading all numbers that are taken.
--
-- Taken numbers form runs. If `a-2` to `a-9` and `a-20` to `a-30` are taken, the second run begins at 20. From 2 up to
-- the beginning of the next run, all taken numbers precede the free ones, so the smallest free number is found by
-- binary search. The table stores the beginnings of runs: a row with `a-` and 20. A superfluous row does no harm,
-- because a search checks whether the number before it is free.
CREATE TABLE slug_run (
    prefix text COLLATE "C" NOT NULL,
    first integer NOT NULL,
    PRIMARY KEY (prefix, first)
);

INSERT INTO slug_run (prefix, first)
SELECT prefix, number
FROM (
    SELECT rtrim(slug, '0123456789') AS prefix, substr(slug, length(rtrim(slug, '0123456789')) + 1)::integer AS number
    FROM article
    WHERE slug ~ '-[1-9][0-9]{0,8}$'
) AS numbered
WHERE number > 2 AND NOT EXISTS (SELECT FROM article WHERE slug = prefix || (number - 1));

-- SECURITY DEFINER, and tables named with their schema, as in `article_log_written`.
DO $do$
BEGIN
    EXECUTE format($sql$
        CREATE FUNCTION article_slug_run() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        DECLARE
            number_form CONSTANT text := '-[1-9][0-9]{0,8}$';
            stem text;
            number integer;
        BEGIN
            IF TG_OP <> 'INSERT' AND OLD.slug ~ number_form THEN
                stem := rtrim(OLD.slug, '0123456789');
                number := substr(OLD.slug, length(stem) + 1)::integer;
                -- The statement may have given the slug to another article.
                IF NOT EXISTS (SELECT FROM %1$I.article WHERE slug = OLD.slug) THEN
                    DELETE FROM %1$I.slug_run WHERE prefix = stem AND first = number;
                    INSERT INTO %1$I.slug_run (prefix, first)
                    SELECT stem, number + 1
                    WHERE EXISTS (SELECT FROM %1$I.article WHERE slug = stem || (number + 1))
                    ON CONFLICT DO NOTHING;
                END IF;
            END IF;
            IF TG_OP <> 'DELETE' AND NEW.slug ~ number_form THEN
                stem := rtrim(NEW.slug, '0123456789');
                number := substr(NEW.slug, length(stem) + 1)::integer;
                DELETE FROM %1$I.slug_run WHERE prefix = stem AND first = number + 1;
                IF number > 2 THEN
                    -- Whoever deletes that article in the same moment waits for this transaction, or this one for it.
                    PERFORM FROM %1$I.article WHERE slug = stem || (number - 1) FOR KEY SHARE;
                    IF NOT FOUND THEN
                        INSERT INTO %1$I.slug_run (prefix, first) VALUES (stem, number) ON CONFLICT DO NOTHING;
                    END IF;
                END IF;
            END IF;
            RETURN NULL;
        END
        $$
    $sql$, current_schema());
END
$do$;

CREATE TRIGGER article_slug_given AFTER INSERT ON article
FOR EACH ROW WHEN (NEW.slug ~ '-[1-9][0-9]{0,8}$') EXECUTE FUNCTION article_slug_run();

CREATE TRIGGER article_slug_changed AFTER UPDATE OF slug ON article
FOR EACH ROW WHEN (NEW.slug <> OLD.slug) EXECUTE FUNCTION article_slug_run();

CREATE TRIGGER article_slug_freed AFTER DELETE ON article
FOR EACH ROW WHEN (OLD.slug ~ '-[1-9][0-9]{0,8}$') EXECUTE FUNCTION article_slug_run();
