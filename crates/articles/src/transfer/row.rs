//! Converts a record to a row, or says why it is invalid, by the rules of the API.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::FIELDS;
use super::record::Record;
use crate::article::{ArticleId, MAX_VERSION, NewArticle, Slug, Text, Title};
use crate::clock::Timestamp;
use crate::error::Violation;
use crate::store::import::Incoming;

/// Why a record is not a valid article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Empty for the whole record.
    pub field: &'static str,
    pub reason: String,
}

/// The fields of a record, before validation. `null` is the same as a missing field.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fields {
    id: Option<String>,
    title: Option<String>,
    slug: Option<String>,
    text: Option<String>,
    #[serde(alias = "created_at")]
    created_at: Option<String>,
    #[serde(alias = "updated_at")]
    updated_at: Option<String>,
    version: Option<i64>,
}

/// The row of a record; `None` for an empty line.
pub(super) fn read(record: &Record, row: u64) -> Result<Option<Incoming>, Fault> {
    let fields = match record {
        Record::Line(line) if line.trim_ascii().is_empty() => return Ok(None),
        Record::Line(line) => of_json(line)?,
        Record::Columns(columns) => of_columns(columns)?,
    };
    checked(fields, row).map(Some)
}

fn of_json(line: &[u8]) -> Result<Fields, Fault> {
    let not_an_article = fault("");
    // Serde would also accept an array for a struct.
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err(not_an_article("this is not an object of JSON".to_owned()));
    }
    serde_json::from_slice(line).map_err(|error| {
        let error = error.to_string().replace(" at line 1 column ", " at byte ");
        not_an_article(format!("this is not an article in JSON: {error}"))
    })
}

fn of_columns(columns: &[Option<Vec<u8>>; FIELDS.len()]) -> Result<Fields, Fault> {
    let text = |index: usize| {
        let bytes = columns[index].clone();
        let text = bytes.map(String::from_utf8).transpose();
        text.map_err(|_| fault(FIELDS[index])("this is not UTF-8".to_owned()))
    };
    // CSV cannot distinguish an empty value from a missing one.
    let some = |index| Ok::<_, Fault>(text(index)?.filter(|text| !text.is_empty()));
    let version = some(6)?.map(|version| version.parse().map_err(|_| ()));
    Ok(Fields {
        id: some(0)?,
        title: text(1)?,
        slug: some(2)?,
        text: text(3)?,
        created_at: some(4)?,
        updated_at: some(5)?,
        version: version
            .transpose()
            .map_err(|()| fault("version")("this is not a number".to_owned()))?,
    })
}

fn checked(fields: Fields, row: u64) -> Result<Incoming, Fault> {
    let missing = |name| move || fault(name)("this is missing".to_owned());
    let title = fields.title.ok_or_else(missing("title"))?;
    let text = fields.text.ok_or_else(missing("text"))?;
    let slug = fields.slug.map(Slug::new).transpose();
    let instant = |name: &'static str, text: Option<String>| {
        let instant = text.map(|text| text.parse::<Timestamp>()).transpose();
        instant.map_err(|error| fault(name)(error.to_string()))
    };
    let id = fields.id.map(|id| {
        let not_a_uuid = || fault("id")("this is not a UUID".to_owned());
        ArticleId::parse(&id).ok_or_else(not_a_uuid)
    });
    let version = fields.version.map(|version| {
        let version = i32::try_from(version).ok();
        let version = version.filter(|version| (1..=MAX_VERSION).contains(version));
        version.ok_or_else(|| fault("version")(format!("this must be 1 to {MAX_VERSION}")))
    });
    Ok(Incoming {
        row,
        id: id.transpose()?,
        new: NewArticle {
            title: Title::new(title).map_err(violation("title"))?,
            slug: slug.map_err(violation("slug"))?,
            text: Text::new(text).map_err(violation("text"))?,
            created_at: instant("createdAt", fields.created_at)?,
        },
        updated_at: instant("updatedAt", fields.updated_at)?,
        version: version.transpose()?,
    })
}

fn fault(field: &'static str) -> impl Fn(String) -> Fault {
    move |reason| Fault { field, reason }
}

fn violation(field: &'static str) -> impl Fn(Violation) -> Fault {
    move |Violation(reason)| Fault { field, reason }
}

/// The record as a JSON value, for the file of rejected rows.
pub(super) fn to_json(record: &Record) -> Value {
    let text = |bytes: &[u8]| Value::String(String::from_utf8_lossy(bytes).into_owned());
    match record {
        Record::Line(line) => serde_json::from_slice(line).unwrap_or_else(|_| text(line)),
        Record::Columns(columns) => {
            let mut object = Map::new();
            for (name, value) in FIELDS.into_iter().zip(columns) {
                if let Some(value) = value {
                    object.insert(name.to_owned(), text(value));
                }
            }
            Value::Object(object)
        }
    }
}
