//! Compares PostgreSQL's catalogue with what the migrations make.
//!
//! The migrations cannot be executed elsewhere for comparison, because that needs the right to create, and a server
//! that takes writes. So their result is listed in `schema.txt`, which a test compares with a newly migrated database.

use std::collections::BTreeMap;

use diesel::QueryableByName;
use diesel::sql_types::{Bool, Text};

use crate::error::Result;
use crate::store::check::{Checked, Finding};
use crate::store::connection::run;
use crate::store::{Access, Store};

/// Kind, name and definition, separated by tabs.
const EXPECTED: &str = include_str!("schema.txt");

#[derive(QueryableByName)]
struct Object {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    definition: String,
    #[diesel(sql_type = Bool)]
    works: bool,
}

const REBUILD: &str =
    "Create it as the migrations do, or export the articles and import them into a new database";

/// Marks indexes that need the extension `pg_trgm`, which is optional.
const TRIGRAMS: &str = "gin_trgm_ops";

impl Store {
    pub(in crate::store) async fn check_schema_of_postgres(&self) -> Result<Checked> {
        let objects = self.run(Access::Snapshot, |connection| {
            Box::pin(async move {
                let question = diesel::sql_query(include_str!("schema.sql"));
                Ok(run!(connection, |c| question.load::<Object>(c))?)
            })
        });
        let objects = objects.await?.into_iter();
        let found: BTreeMap<_, _> = objects
            .map(|object| ((object.kind.clone(), object.name.clone()), object))
            .collect();
        let has_trigrams = found.contains_key(&("extension".to_owned(), "pg_trgm".to_owned()));
        let expected = EXPECTED.lines().filter_map(|line| {
            let mut parts = line.splitn(3, '\t');
            Some((parts.next()?, parts.next()?, parts.next()?))
        });
        let expected = expected.filter(|(kind, _, definition)| {
            *kind != "extension" && (has_trigrams || !definition.contains(TRIGRAMS))
        });
        let (mut count, mut findings) = (0, Vec::new());
        for (kind, name, definition) in expected {
            count += 1;
            let object = found.get(&(kind.to_owned(), name.to_owned()));
            findings.extend(finding(kind, name, definition, object));
        }
        let trigrams = match has_trigrams {
            true => "",
            false => ", without pg_trgm: contains, startsWith and endsWith read the whole table",
        };
        Ok(Checked {
            part: "schema",
            summary: format!(
                "{count} tables, columns, indexes, constraints, triggers and functions{trigrams}"
            ),
            findings,
        })
    }
}

fn finding(kind: &str, name: &str, definition: &str, found: Option<&Object>) -> Option<Finding> {
    let can_be_made = matches!(kind, "index" | "constraint" | "trigger");
    let (what, remedy) = match found {
        None if can_be_made => ("is missing", format!("Create it: {definition};")),
        None => ("is missing", REBUILD.to_owned()),
        Some(found) if found.definition != definition => match kind {
            "index" => (
                "differs from what the migrations create",
                format!("Recreate it: DROP INDEX {name}; {definition};"),
            ),
            "trigger" => (
                "differs from what the migrations create",
                format!("Recreate it: DROP TRIGGER {name} ON article; {definition};"),
            ),
            _ => (
                "differs from what the migrations create",
                REBUILD.to_owned(),
            ),
        },
        Some(found) if !found.works => match kind {
            "index" => (
                "was not built completely and is not used",
                format!("REINDEX INDEX {name};"),
            ),
            _ => (
                "is disabled",
                format!("ALTER TABLE article ENABLE TRIGGER {name};"),
            ),
        },
        Some(_) => return None,
    };
    Some(Finding::new(format!("the {kind} {name} {what}"), remedy))
}
