//! Which rows of other programs the database rejects, and which it accepts.

use rstest_reuse::apply;

use super::{id_in_sql, stored_before};
use crate::support::{Database, on_both_databases};

/// The values of an insert, most of which are valid.
struct Values<'a> {
    title: &'a str,
    slug: &'a str,
    text: &'a str,
    created_at: &'a str,
    updated_at: &'a str,
    version: &'a str,
}

fn good(database: Database) -> Values<'static> {
    let instant = match database {
        Database::Sqlite => "0",
        Database::Postgres => "'1970-01-01Z'",
    };
    Values {
        title: "'title'",
        slug: "'slug'",
        text: "''",
        created_at: instant,
        updated_at: instant,
        version: "1",
    }
}

impl Values<'_> {
    fn insert(&self, verb: &str, database: Database) -> String {
        let Self {
            title,
            slug,
            text,
            created_at,
            updated_at,
            version,
        } = self;
        let id = id_in_sql(database, 1);
        format!(
            "{verb} INTO article (id, title, slug, text, created_at, updated_at, version)
             VALUES ({id}, {title}, {slug}, {text}, {created_at}, {updated_at}, {version})"
        )
    }

    fn update(&self) -> String {
        let Self {
            title,
            slug,
            text,
            created_at,
            updated_at,
            version,
        } = self;
        format!(
            "UPDATE article SET title = {title}, slug = {slug}, text = {text}, created_at = {created_at},
             updated_at = {updated_at}, version = {version}"
        )
    }
}

#[apply(on_both_databases)]
async fn an_instant_or_version_out_of_range_is_rejected(database: Database) {
    let Some(own) = stored_before(database, "SELECT 1").await else {
        return;
    };
    let instants: &[&str] = match database {
        Database::Sqlite => &[
            "1577836800000000000",
            "-9223372036854775808",
            "9223372036854775807",
            "-62135596800000001",
            "253402300800000000",
        ],
        Database::Postgres => &[
            "'infinity'",
            "'-infinity'",
            "'0044-03-15 BC'",
            "'0001-12-31 23:59:59.999999Z BC'",
            "'10000-01-01Z'",
            "'294276-12-31Z'",
        ],
    };
    let verbs: &[&str] = match database {
        Database::Sqlite => &["INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"],
        Database::Postgres => &["INSERT"],
    };
    let mut bad = Vec::new();
    for instant in instants {
        bad.push(Values {
            created_at: instant,
            ..good(database)
        });
        bad.push(Values {
            updated_at: instant,
            ..good(database)
        });
    }
    for version in ["0", "-1", "2147483647"] {
        bad.push(Values {
            version,
            ..good(database)
        });
    }
    for values in &bad {
        for verb in verbs {
            let sql = values.insert(verb, database);
            assert_ne!(own.sql_error(&sql).await, "", "{sql}");
        }
    }
    own.execute(&good(database).insert("INSERT", database))
        .await;
    for values in &bad {
        let sql = values.update();
        // A trigger of PostgreSQL increases a version that is lower than the previous one.
        let raised = database == Database::Postgres && ["0", "-1"].contains(&values.version);
        assert_eq!(own.sql_error(&sql).await.is_empty(), raised, "{sql}");
    }
}

#[apply(on_both_databases)]
async fn valid_rows_of_external_writers_are_accepted(database: Database) {
    let Some(own) = stored_before(database, "SELECT 1").await else {
        return;
    };
    let (first, last) = match database {
        Database::Sqlite => ("-62135596800000000", "253402300799999999"),
        Database::Postgres => ("'0001-01-01Z'", "'9999-12-31 23:59:59.999999Z'"),
    };
    let wide = format!("'{}'", "\u{10ffff}".repeat(65));
    let odd = "'\u{fffe}\u{ffff}\u{fffd}\u{1}\u{7f}\u{80}\u{e000}\u{301}'";
    let long = format!("'{}'", "ο\u{fffd}日\u{1f389} ".repeat(2_000));
    for values in [
        Values {
            created_at: first,
            updated_at: last,
            ..good(database)
        },
        Values {
            created_at: last,
            updated_at: first,
            ..good(database)
        },
        Values {
            version: "2147483646",
            ..good(database)
        },
        Values {
            title: &wide,
            slug: &wide,
            text: &wide,
            ..good(database)
        },
        Values {
            title: odd,
            slug: odd,
            text: odd,
            ..good(database)
        },
        Values {
            text: &long,
            ..good(database)
        },
    ] {
        let insert = values.insert("INSERT", database);
        assert_eq!(own.sql_error(&insert).await, "");
        own.execute("DELETE FROM article").await;
        own.execute(&good(database).insert("INSERT", database))
            .await;
        assert_eq!(own.sql_error(&values.update()).await, "");
        own.execute("DELETE FROM article").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_on_sqlite_that_is_not_utf_8_or_has_a_nul_is_rejected() {
    let own = stored_before(Database::Sqlite, "SELECT 1").await.unwrap();
    let rejected = "title, slug and text must be UTF-8 without a NUL character";
    own.execute(&good(Database::Sqlite).insert("INSERT", Database::Sqlite))
        .await;
    for bytes in [
        "ff",
        "80",
        "c3",
        "61c3",
        "c328",
        "e282",
        "61e282",
        "f09f8e",
        "eda080",
        "edb080",
        "c080",
        "c1bf",
        "e0808f",
        "f4908080",
        "f5808080",
        "fc8080808080",
        "c3a980",
        "636166e9",
        "636166e920",
        "a3",
        "93a294",
        "00",
        "610062",
        "6100",
        "0061",
        "c3a900",
    ] {
        let odd = format!("CAST(x'{bytes}' AS TEXT)");
        // Also at the end of a long text, except a character that has a byte too many or too few there.
        let long = format!("printf('%.*c', 5000, 'x') || {odd} || printf('%.*c', 5000, 'y')");
        let is_seen =
            !["e282", "61e282", "f09f8e", "c3a980", "f4908080", "f5808080"].contains(&bytes);
        let odd = odd.as_str();
        let columns = [
            Values {
                title: odd,
                ..good(Database::Sqlite)
            },
            Values {
                slug: odd,
                ..good(Database::Sqlite)
            },
            Values {
                text: odd,
                ..good(Database::Sqlite)
            },
        ];
        for values in columns {
            for sql in [
                values.insert("INSERT OR REPLACE", Database::Sqlite),
                values.update(),
            ] {
                assert_eq!(own.sql_error(&sql).await, rejected, "{sql}");
            }
        }
        let long = Values {
            text: &long,
            ..good(Database::Sqlite)
        };
        if is_seen {
            assert_eq!(own.sql_error(&long.update()).await, rejected, "{bytes}");
        }
    }
}
