-- Which of `a-2`, `a-3`, … is free, without reading all that are taken.
--
-- Numbers that are taken stand in runs. Where `a-2` to `a-9` and `a-20` to `a-30` are taken, the second run begins at
-- 20. From 2 on to where the next run begins, what is taken stands before what is free, so that the smallest free
-- number is found by halving. Kept here is where runs begin: a row for `a-` and 20. One too many does no harm, because
-- whoever asks looks whether the number before it is free.
CREATE TABLE slug_run (
    prefix TEXT NOT NULL,
    first INTEGER NOT NULL,
    PRIMARY KEY (prefix, first)
) WITHOUT ROWID;

-- What becomes of a slug, `given`, `freed` or `replaced`, and the same of those that end with a number. Nothing can be
-- read here: what is inserted goes to the triggers.
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

-- No conflict is left to `OR IGNORE`: in a trigger the word of the statement that fires it holds instead.
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

-- INSERT OR REPLACE and UPDATE OR REPLACE delete what is in the way without a word to the trigger above.
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
