-- Finds which of `a-2`, `a-3`, … is free, without reading all numbers that are taken.
--
-- Taken numbers form runs. If `a-2` to `a-9` and `a-20` to `a-30` are taken, the second run begins at 20. From 2 up to
-- the beginning of the next run, all taken numbers precede the free ones, so the smallest free number is found by
-- binary search. The table stores the beginnings of runs: a row with `a-` and 20. A superfluous row does no harm,
-- because a search checks whether the number before it is free.
CREATE TABLE slug_run (
    prefix TEXT NOT NULL,
    first INTEGER NOT NULL,
    PRIMARY KEY (prefix, first)
) WITHOUT ROWID;

-- What happens to a slug (`given`, `freed` or `replaced`), and the same for slugs that end with a number. The views
-- are always empty: rows inserted into them are passed to the triggers.
CREATE VIEW slug_event (event, slug) AS SELECT '', '' WHERE false;
CREATE VIEW slug_number_event (event, prefix, number) AS SELECT '', '', 0 WHERE false;

CREATE TRIGGER slug_event_is_of_a_number INSTEAD OF INSERT ON slug_event BEGIN
    INSERT INTO slug_number_event (event, prefix, number)
    SELECT NEW.event, prefix, CAST(substr(NEW.slug, length(prefix) + 1) AS INTEGER)
    FROM (SELECT rtrim(NEW.slug, '0123456789') AS prefix)
    WHERE prefix GLOB '*-'
        AND length(NEW.slug) - length(prefix) BETWEEN 1 AND 9
        AND substr(NEW.slug, length(prefix) + 1, 1) <> '0';
END;

-- The conditions prevent conflicts, because OR IGNORE within a trigger is overridden by the conflict clause of the
-- statement that fires it.
CREATE TRIGGER slug_number_given INSTEAD OF INSERT ON slug_number_event WHEN NEW.event = 'given' BEGIN
    DELETE FROM slug_run WHERE prefix = NEW.prefix AND first = NEW.number + 1;
    INSERT INTO slug_run (prefix, first)
    SELECT NEW.prefix, NEW.number
    WHERE NEW.number > 2
        AND NOT EXISTS (SELECT 1 FROM article WHERE slug = NEW.prefix || (NEW.number - 1))
        AND NOT EXISTS (SELECT 1 FROM slug_run WHERE prefix = NEW.prefix AND first = NEW.number);
END;

CREATE TRIGGER slug_number_freed INSTEAD OF INSERT ON slug_number_event WHEN NEW.event <> 'given' BEGIN
    -- What is about to be replaced may stay after all.
    DELETE FROM slug_run WHERE prefix = NEW.prefix AND first = NEW.number AND NEW.event = 'freed';
    INSERT INTO slug_run (prefix, first)
    SELECT NEW.prefix, NEW.number + 1
    WHERE EXISTS (SELECT 1 FROM article WHERE slug = NEW.prefix || (NEW.number + 1))
        AND NOT EXISTS (SELECT 1 FROM slug_run WHERE prefix = NEW.prefix AND first = NEW.number + 1);
END;

CREATE TRIGGER article_slug_given AFTER INSERT ON article WHEN NEW.slug GLOB '*[0-9]' BEGIN
    INSERT INTO slug_event (event, slug) VALUES ('given', NEW.slug);
END;

CREATE TRIGGER article_slug_freed AFTER DELETE ON article WHEN OLD.slug GLOB '*[0-9]' BEGIN
    INSERT INTO slug_event (event, slug) VALUES ('freed', OLD.slug);
END;

CREATE TRIGGER article_slug_changed AFTER UPDATE OF slug ON article WHEN NEW.slug <> OLD.slug BEGIN
    INSERT INTO slug_event (event, slug) VALUES ('freed', OLD.slug), ('given', NEW.slug);
END;

-- INSERT OR REPLACE and UPDATE OR REPLACE delete conflicting articles without firing the trigger above.
CREATE TRIGGER article_slug_in_the_way_of_insert BEFORE INSERT ON article
WHEN EXISTS (SELECT 1 FROM article WHERE id = NEW.id OR number = NEW.number)
BEGIN
    INSERT INTO slug_event (event, slug)
    SELECT 'replaced', slug FROM article WHERE id = NEW.id OR number = NEW.number;
END;

CREATE TRIGGER article_slug_in_the_way_of_update BEFORE UPDATE OF number ON article
WHEN EXISTS (SELECT 1 FROM article WHERE number = NEW.number AND number <> OLD.number)
BEGIN
    INSERT INTO slug_event (event, slug)
    SELECT 'replaced', slug FROM article WHERE number = NEW.number AND number <> OLD.number;
END;

INSERT INTO slug_event (event, slug) SELECT 'given', slug FROM article WHERE slug GLOB '*[0-9]';
