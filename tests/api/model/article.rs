//! One article of the model: its fields, its position in an order, and which filters match it.

use std::cmp::Ordering;

use broadsheet::article::page::Cursor;
use broadsheet::article::{self, ArticleId, ArticleOrder};
use broadsheet::clock::Timestamp;
use search_words::Word;
use serde_json::{Value, json};

use super::search;
use super::step::{FIELDS, INSTANTS, Step};

#[derive(Debug, Clone)]
pub(super) struct Article {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) slug: String,
    pub(super) text: String,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) version: i32,
}

/// The sort key of a list, and the id.
pub(super) type Place = (Key, String);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Instant(i64),
    Text(String),
}

impl Article {
    pub(super) fn shown(&self, step: &Step) -> Value {
        let instant = |micros| json!(Timestamp::from_micros(micros).unwrap().to_string());
        let values = [
            json!(self.id),
            json!(self.title),
            json!(self.slug),
            json!(self.text),
            instant(self.created_at),
            instant(self.updated_at),
            json!(self.version),
        ];
        let all = FIELDS.iter().zip(values);
        let selected = all.filter(|(name, _)| step.selects(name));
        Value::Object(
            selected
                .map(|(name, value)| ((*name).to_owned(), value))
                .collect(),
        )
    }

    pub(super) fn place(&self, order: &str) -> Place {
        let key = match order.trim_end_matches("_ASC").trim_end_matches("_DESC") {
            "CREATED_AT" => Key::Instant(self.created_at),
            "UPDATED_AT" => Key::Instant(self.updated_at),
            "TITLE" => Key::Text(self.title.clone()),
            "SLUG" => Key::Text(self.slug.clone()),
            _ => Key::Instant(0),
        };
        (key, self.id.clone())
    }

    pub(super) fn cursor(&self, order: &str, position: i64) -> String {
        use ArticleOrder as Order;
        let order = match order {
            "CREATED_AT_ASC" => Order::CreatedAtAsc,
            "CREATED_AT_DESC" => Order::CreatedAtDesc,
            "UPDATED_AT_ASC" => Order::UpdatedAtAsc,
            "UPDATED_AT_DESC" => Order::UpdatedAtDesc,
            "TITLE_ASC" => Order::TitleAsc,
            "TITLE_DESC" => Order::TitleDesc,
            "SLUG_ASC" => Order::SlugAsc,
            "SLUG_DESC" => Order::SlugDesc,
            _ => Order::Relevance,
        };
        let article = article::Article {
            id: ArticleId::parse(&self.id).unwrap(),
            title: self.title.clone(),
            slug: self.slug.clone(),
            text: self.text.clone(),
            created_at: Timestamp::from_micros(self.created_at).unwrap(),
            updated_at: Timestamp::from_micros(self.updated_at).unwrap(),
            version: self.version,
            stored_keys: None,
        };
        Cursor::of(&article, order, position).encode()
    }

    pub(super) fn matches(&self, filter: &Value) -> bool {
        let Value::Object(conditions) = filter else {
            return true;
        };
        conditions.iter().all(|(name, given)| {
            let list = || given.as_array().unwrap().iter();
            match name.as_str() {
                "and" => list().all(|part| self.matches(part)),
                "or" => list().any(|part| self.matches(part)),
                "not" => !self.matches(given),
                "id" => text_matches(&self.id, given),
                "title" => text_matches(&self.title, given),
                "slug" => text_matches(&self.slug, given),
                "text" => text_matches(&self.text, given),
                "createdAt" => instant_matches(self.created_at, given),
                "updatedAt" => instant_matches(self.updated_at, given),
                "search" => self.is_found(given),
                _ => panic!("no condition {name}"),
            }
        })
    }

    fn is_found(&self, search: &Value) -> bool {
        let Some(alternatives) = search::search_words(search) else {
            return true;
        };
        let columns = [search::words(&self.title), search::words(&self.text)];
        let occurs = |phrase: &[Word]| {
            let is_there = |part: &[Word]| {
                let mut pairs = part.iter().zip(phrase);
                pairs.all(|(one, other)| one.term == other.term)
            };
            let accents = |word: &Word| {
                let mut all = columns.iter().flatten();
                word.accented.is_none() || all.any(|other| other.accented == word.accented)
            };
            let stands = |column: &Vec<Word>| column.windows(phrase.len()).any(is_there);
            columns.iter().any(stands) && phrase.iter().all(accents)
        };
        alternatives.iter().any(|terms| {
            terms
                .iter()
                .all(|(wanted, phrase)| occurs(phrase) == *wanted)
        })
    }
}

pub(super) fn compare(order: &str, one: &Place, other: &Place) -> Ordering {
    if order.ends_with("_DESC") {
        other.cmp(one)
    } else {
        one.cmp(other)
    }
}

pub(super) fn text_matches(text: &str, tests: &Value) -> bool {
    tests.as_object().unwrap().iter().all(|(name, given)| {
        let is_listed = || given.as_array().unwrap().iter().any(|value| value == text);
        let fold = |text: &str| text.to_lowercase().replace('ς', "σ");
        let part = || fold(given.as_str().unwrap());
        match name.as_str() {
            "eq" => given == text,
            "ne" => given != text,
            "in" => is_listed(),
            "notIn" => !is_listed(),
            "contains" => fold(text).contains(&part()),
            "startsWith" => fold(text).starts_with(&part()),
            "endsWith" => fold(text).ends_with(&part()),
            _ => panic!("no test {name}"),
        }
    })
}

pub(super) fn instant_matches(micros: i64, tests: &Value) -> bool {
    tests.as_object().unwrap().iter().all(|(name, given)| {
        let order = micros.cmp(&instant(given).unwrap());
        match name.as_str() {
            "eq" => order.is_eq(),
            "lt" => order.is_lt(),
            "lte" => order.is_le(),
            "gt" => order.is_gt(),
            "gte" => order.is_ge(),
            _ => panic!("no test {name}"),
        }
    })
}

/// The instant in microseconds; `None` if an article cannot have it.
pub(super) fn instant(given: &Value) -> Option<i64> {
    let mut known = INSTANTS.iter();
    known
        .find(|(text, _)| given == text)
        .map(|(_, micros)| *micros)
}
