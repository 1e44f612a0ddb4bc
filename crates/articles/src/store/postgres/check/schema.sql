-- What there is in the schema of the table `article`, and whether it is in use. No text here depends on the name of the
-- schema.
WITH space AS (
    SELECT pg_namespace.oid, quote_ident(nspname) || '.' AS prefix
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = 'article'::regclass
),
ours AS (
    SELECT pg_class.oid, relname, prefix FROM space
    JOIN pg_class ON relnamespace = space.oid AND relkind = 'r' AND relname <> '__diesel_schema_migrations'
)
SELECT 'table' AS kind, relname::text AS name, 'CREATE TABLE' AS definition, true AS works FROM ours
UNION ALL
SELECT 'column', relname || '.' || attname,
    concat_ws(
        ' ', format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'NOT NULL' END,
        'COLLATE ' || (SELECT quote_ident(collname) FROM pg_collation WHERE oid = attcollation AND collname <> 'default'),
        'DEFAULT ' || pg_get_expr(adbin, adrelid), CASE WHEN attidentity <> '' THEN 'IDENTITY' END
    ),
    true
FROM ours JOIN pg_attribute ON attrelid = ours.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = ours.oid AND adnum = attnum
UNION ALL
SELECT 'index', pg_class.relname,
    regexp_replace(
        replace(pg_get_indexdef(indexrelid), ' ON ' || prefix, ' ON '), '[^ ]+[.]gin_trgm_ops', 'gin_trgm_ops', 'g'
    ),
    indisvalid
FROM ours JOIN pg_index ON indrelid = ours.oid JOIN pg_class ON pg_class.oid = indexrelid
WHERE NOT indisprimary AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
UNION ALL
SELECT 'constraint', conname,
    -- Somebody may have validated it since.
    format('ALTER TABLE %I ADD CONSTRAINT %I ', relname, conname)
        || replace(pg_get_constraintdef(pg_constraint.oid), ' NOT VALID', ''),
    true
FROM ours JOIN pg_constraint ON conrelid = ours.oid AND contype IN ('c', 'p', 'u')
UNION ALL
SELECT 'trigger', tgname, replace(pg_get_triggerdef(pg_trigger.oid), prefix, ''), tgenabled <> 'D'
FROM ours JOIN pg_trigger ON tgrelid = ours.oid AND NOT tgisinternal
UNION ALL
SELECT 'function', proname, 'with the MD5 ' || md5(replace(prosrc, prefix, '')), true
FROM space JOIN pg_proc ON pronamespace = space.oid JOIN pg_language ON pg_language.oid = prolang
WHERE lanname IN ('plpgsql', 'sql')
UNION ALL
SELECT 'view', relname, 'CREATE VIEW', true
FROM space JOIN pg_class ON relnamespace = space.oid AND relkind = 'v'
UNION ALL
SELECT 'extension', extname, 'CREATE EXTENSION pg_trgm', true FROM pg_extension WHERE extname = 'pg_trgm'
ORDER BY kind, name
