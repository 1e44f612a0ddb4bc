//! Rows of other programs with values that an article cannot have. The database rejects new ones; older ones are shown
//! as well as possible, and do not affect other rows.

mod changes;
mod cursors;
mod reads;
mod rejected;
mod updates;

use broadsheet::store::{self, Migrate};

use crate::support::{Database, OwnDatabase, Settings};

/// A row, its values as SQL: number, title, slug, text, created and updated, version.
type Row = (
    u8,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// Rows with invalid values on PostgreSQL, and two valid ones.
const POSTGRES: [Row; 10] = [
    (
        1,
        "'one'",
        "'one'",
        "''",
        "'2020-01-01Z'",
        "'2020-01-01Z'",
        "1",
    ),
    (
        2,
        "'never'",
        "'never'",
        "''",
        "'infinity'",
        "'2020-01-01Z'",
        "1",
    ),
    (3, "'ever'", "'ever'", "''", "'infinity'", "'infinity'", "1"),
    (
        4,
        "'always'",
        "'always'",
        "''",
        "'-infinity'",
        "'2020-01-01Z'",
        "1",
    ),
    (
        5,
        "'at first'",
        "'first'",
        "''",
        "'-infinity'",
        "'-infinity'",
        "1",
    ),
    (
        6,
        "'Caesar'",
        "'caesar'",
        "''",
        "'0044-03-15Z BC'",
        "'2020-01-01Z'",
        "1",
    ),
    (
        7,
        "'later'",
        "'later'",
        "''",
        "'20000-01-01Z'",
        "'2020-01-01Z'",
        "1",
    ),
    (
        8,
        "'last'",
        "'last'",
        "''",
        "'294276-12-31 23:59:59.999999Z'",
        "'2020-01-01Z'",
        "1",
    ),
    (
        9,
        "'high'",
        "'high'",
        "''",
        "'2020-01-01Z'",
        "'2020-01-01Z'",
        "2147483647",
    ),
    (
        10,
        "'ten'",
        "'ten'",
        "''",
        "'2022-01-01Z'",
        "'2022-01-01Z'",
        "1",
    ),
];

/// The same on SQLite, which accepts more.
const SQLITE: [Row; 14] = [
    (
        1,
        "'one'",
        "'one'",
        "''",
        "1577836800000000",
        "1577836800000000",
        "1",
    ),
    (
        2,
        "'nano'",
        "'nano'",
        "''",
        "1577836800000000000",
        "1577836800000000001",
        "1",
    ),
    (
        3,
        "'min'",
        "'min'",
        "''",
        "-9223372036854775808",
        "-9223372036854775808",
        "1",
    ),
    (
        4,
        "'max'",
        "'max'",
        "''",
        "9223372036854775807",
        "1577836800000000",
        "1",
    ),
    (
        5,
        "'max too'",
        "'max-too'",
        "''",
        "9223372036854775807",
        "1577836800000000",
        "1",
    ),
    (
        6,
        "'year 0'",
        "'year-0'",
        "''",
        "-62135596800000001",
        "1577836800000000",
        "1",
    ),
    (
        7,
        "CAST(x'ff' AS TEXT)",
        "'ff'",
        "''",
        "1577836800000000",
        "1577836800000000",
        "1",
    ),
    (
        8,
        "CAST(x'ff' AS TEXT)",
        "'ff-too'",
        "''",
        "1577836800000000",
        "1577836800000000",
        "1",
    ),
    (
        9,
        "'a' || char(0) || 'b'",
        "'nul'",
        "'c' || char(0)",
        "1577836800000000",
        "1577836800000000",
        "1",
    ),
    (
        10,
        "'cut'",
        "CAST(x'63e282' AS TEXT)",
        "''",
        "1577836800000000",
        "1577836800000000",
        "1",
    ),
    (
        11,
        "'Latin-1'",
        "'latin'",
        "CAST(x'636166e920e0206c61' AS TEXT)",
        "1577836800000000",
        "1577836800000000",
        "1",
    ),
    (
        12,
        "'high'",
        "'high'",
        "''",
        "1577836800000000",
        "1577836800000000",
        "2147483647",
    ),
    (
        13,
        "'higher'",
        "'higher'",
        "''",
        "1577836800000000",
        "1577836800000000",
        "5000000000",
    ),
    (
        14,
        "'ten'",
        "'ten'",
        "''",
        "1640995200000000",
        "1640995200000000",
        "1",
    ),
];

fn rows(database: Database) -> &'static [Row] {
    match database {
        Database::Sqlite => &SQLITE,
        Database::Postgres => &POSTGRES,
    }
}

/// SQL for the id of that number.
fn id_in_sql(database: Database, number: u8) -> String {
    let id = id(number);
    match database {
        Database::Sqlite => format!("x'{}'", id.replace('-', "")),
        Database::Postgres => format!("'{id}'"),
    }
}

fn id(number: u8) -> String {
    format!("00000000-0000-7000-8000-0000000000{number:02}")
}

fn insert(database: Database, row: &Row) -> String {
    let (number, title, slug, text, created_at, updated_at, version) = row;
    let id = id_in_sql(database, *number);
    format!(
        "INSERT INTO article (id, title, slug, text, created_at, updated_at, version)
         VALUES ({id}, {title}, {slug}, {text}, {created_at}, {updated_at}, {version});"
    )
}

/// A database with rows that `sql` stored before the migration that rejects them.
async fn stored_before(database: Database, sql: &str) -> Option<OwnDatabase> {
    let own = database.empty().await?;
    let settings = Settings::new(&own.url, &[]).database;
    let mut status = store::migrate(&settings, Migrate::Up).await.unwrap();
    while status.applied.iter().any(|version| version == "0004") {
        status = store::migrate(&settings, Migrate::Down).await.unwrap();
    }
    own.execute(sql).await;
    store::migrate(&settings, Migrate::Up).await.unwrap();
    Some(own)
}

/// A database with all [`rows`].
async fn with_rows(database: Database) -> Option<OwnDatabase> {
    let rows = rows(database).iter();
    let inserts: String = rows.map(|row| insert(database, row)).collect();
    stored_before(database, &inserts).await
}
