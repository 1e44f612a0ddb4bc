//! The contract once more, as simply as it can be said: articles in a `Vec`, every question answered by looking at
//! all of them.

use std::cmp::Ordering;
use std::sync::LazyLock;

use broadsheet::article::page::Cursor;
use broadsheet::article::{self, ArticleId, ArticleOrder};
use broadsheet::clock::{Clock, Timestamp};
use search_words::{Analyzer, Word};
use serde_json::{Map, Value, json};

use super::step::{CONNECTION_FIELDS, Call, FIELDS, INSTANTS, Step, WORDS};
use crate::support::NOW;

/// What the server should know, and what the sequence has seen of it.
pub(super) struct Model {
    articles: Vec<Article>,
    clock: Clock,
    micros: i64,
    /// The ids of all articles that there have been.
    ids: Vec<String>,
    /// Cursors that a client may have seen: their order, their text, and their place.
    cursors: Vec<(String, String, Place)>,
}

#[derive(Debug, Clone)]
struct Article {
    id: String,
    title: String,
    slug: String,
    text: String,
    created_at: i64,
    updated_at: i64,
    version: i32,
}

/// Whether words must occur side by side, or must not.
type Term = (bool, Vec<Word>);

/// What a list is sorted by, and the id.
type Place = (Key, String);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Instant(i64),
    Text(String),
}

/// The extensions of an error.
type Refused = Value;

fn refused(field: impl Into<String>) -> Refused {
    json!({ "code": "BAD_USER_INPUT", "field": field.into() })
}

/// An answer without what the model does not know: the words of messages, and locations.
pub(super) fn reduced(mut answer: Value) -> Value {
    for error in answer
        .get_mut("errors")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let error = error.as_object_mut().unwrap();
        assert_ne!(error.remove("message"), None);
        error.remove("locations");
    }
    answer
}

impl Model {
    /// No article; so many ids have been given by the other clocks.
    pub(super) fn new(ids_used: u64) -> Self {
        let clock = Clock::fixed(NOW.parse().unwrap());
        for _ in 0..ids_used {
            clock.new_id();
        }
        Self {
            articles: Vec::new(),
            clock,
            micros: 0,
            ids: Vec::new(),
            cursors: Vec::new(),
        }
    }

    pub(super) fn advance(&mut self, micros: i64) {
        self.micros += micros;
        let now = Timestamp::from_micros(self.now()).unwrap();
        self.clock.set(now);
    }

    /// The time since the sequence began.
    pub(super) fn micros(&self) -> i64 {
        self.micros
    }

    fn now(&self) -> i64 {
        NOW.parse::<Timestamp>().unwrap().as_micros() + self.micros
    }

    /// The document and the variables of a step, with everything that they refer to.
    pub(super) fn prepare(&self, step: &Step) -> (String, Value) {
        let mut variables = Map::new();
        for (index, Call { arguments, .. }) in step.calls.iter().enumerate() {
            let mut arguments = arguments.clone();
            self.resolve(&mut arguments, &Value::Null);
            let id = arguments["id"].clone();
            let order = arguments["orderBy"].clone();
            for (name, value) in arguments.as_object_mut().unwrap() {
                self.resolve(
                    value,
                    if name == "expectedVersion" {
                        &id
                    } else {
                        &order
                    },
                );
                variables.insert(format!("{name}{index}"), value.take());
            }
        }
        (step.document(), Value::Object(variables))
    }

    /// Puts what is there in the place of each reference; `beside` is the id or the order that it depends on.
    fn resolve(&self, value: &mut Value, beside: &Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.resolve(item, beside)),
            Value::Object(entries) => entries
                .values_mut()
                .for_each(|entry| self.resolve(entry, beside)),
            Value::String(text) => {
                let number = text
                    .get(1..)
                    .and_then(|number| number.parse::<usize>().ok());
                match (text.chars().next(), number) {
                    (Some('#'), Some(number)) => {
                        let id = nth(&self.ids, number).cloned();
                        *value = json!(id.unwrap_or_default());
                    }
                    (Some('@'), Some(number)) if !beside.is_null() => {
                        // Now and then one of another order.
                        let any = number % 16 == 0;
                        let fitting: Vec<&String> = self
                            .cursors
                            .iter()
                            .filter(|(order, ..)| any || order == beside)
                            .map(|(_, cursor, _)| cursor)
                            .collect();
                        *value = json!(nth(&fitting, number));
                    }
                    (Some('='), Some(behind)) if !beside.is_null() => {
                        let article = self.articles.iter().find(|article| article.id == *beside);
                        let behind = i32::try_from(behind).unwrap();
                        *value = json!(article.map_or(1, |article| article.version - behind));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// The answer to the step, without the words of its messages.
    pub(super) fn answer(&mut self, step: &Step, variables: &Value) -> Value {
        let mut data = Map::new();
        let mut errors = Vec::new();
        for (index, call) in step.calls.iter().enumerate() {
            let argument = |name: &str| variables[format!("{name}{index}")].clone();
            let alias = format!("a{index}");
            match self.call(step, call.field, &argument) {
                Ok(answer) => {
                    data.insert(alias, answer);
                }
                Err(extensions) => {
                    errors.push(json!({ "path": [alias], "extensions": extensions }));
                    data.insert(alias, Value::Null);
                }
            }
        }
        if errors.is_empty() {
            return step.without_order(json!({ "data": data }));
        }
        // The fields of queries that can fail are not nullable.
        let data = if step.is_mutation() {
            Value::Object(data)
        } else {
            Value::Null
        };
        json!({ "data": data, "errors": errors })
    }

    fn call(
        &mut self,
        step: &Step,
        field: &str,
        argument: &dyn Fn(&str) -> Value,
    ) -> Result<Value, Refused> {
        let shown = |article: &Article| article.shown(step);
        let text = |name: &str| argument(name).as_str().unwrap_or_default().to_owned();
        Ok(match field {
            "createArticle" => {
                let created = self.create(&[argument("input")], &["input".to_owned()])?;
                shown(&created[0])
            }
            "createArticles" => {
                let inputs = argument("inputs");
                let inputs = inputs.as_array().unwrap();
                let fields: Vec<String> =
                    (0..inputs.len()).map(|i| format!("inputs.{i}")).collect();
                self.create(inputs, &fields)?.iter().map(shown).collect()
            }
            "updateArticle" => shown(&self.update(
                &text("id"),
                &argument("input"),
                &argument("expectedVersion"),
            )?),
            "deleteArticle" => {
                let at = self.find(&text("id"), &argument("expectedVersion"))?;
                shown(&self.articles.remove(at))
            }
            "article" => {
                let by = argument("by");
                let found =
                    |article: &&Article| by["id"] == article.id || by["slug"] == article.slug;
                self.articles.iter().find(found).map_or(Value::Null, shown)
            }
            "node" => self.node(&argument("id")).map_or(Value::Null, shown),
            "nodes" => {
                let ids = argument("ids");
                let ids = ids.as_array().unwrap().iter();
                ids.map(|id| self.node(id).map_or(Value::Null, shown))
                    .collect()
            }
            "articles" => {
                let order = text("orderBy");
                let list = self.list(&argument("filter"), &order)?;
                let limit = within("limit", &argument("limit"), 1, 100)?;
                let offset = within("offset", &argument("offset"), 0, usize::MAX)?;
                list.iter().skip(offset).take(limit).map(shown).collect()
            }
            "articlesConnection" => self.connection(step, argument)?,
            _ => panic!("no field {field}"),
        })
    }

    fn create(&mut self, inputs: &[Value], fields: &[String]) -> Result<Vec<Article>, Refused> {
        for (input, field) in inputs.iter().zip(fields) {
            check(input, field)?;
            let created_at = &input["createdAt"];
            if !created_at.is_null() && instant(created_at).is_none() {
                return Err(refused(format!("{field}.createdAt")));
            }
        }
        // An id is given before the slug is looked at.
        let ids: Vec<String> = inputs
            .iter()
            .map(|_| self.clock.new_id().to_string())
            .collect();
        let mut articles = self.articles.clone();
        for ((input, field), id) in inputs.iter().zip(fields).zip(&ids) {
            let title = input["title"].as_str().unwrap();
            let taken = |slug: &str| articles.iter().any(|article| article.slug == slug);
            let slug = match input["slug"].as_str() {
                Some(slug) if taken(slug) => {
                    let field = format!("{field}.slug");
                    return Err(json!({ "code": "SLUG_TAKEN", "field": field }));
                }
                Some(slug) => slug.to_owned(),
                None => slugs(title).find(|slug| !taken(slug)).unwrap(),
            };
            articles.push(Article {
                id: id.clone(),
                title: title.to_owned(),
                slug,
                text: input["text"].as_str().unwrap().to_owned(),
                created_at: instant(&input["createdAt"]).unwrap_or(self.now()),
                updated_at: self.now(),
                version: 1,
            });
        }
        let created = articles.split_at(self.articles.len()).1.to_vec();
        self.articles = articles;
        self.ids.extend(ids);
        Ok(created)
    }

    fn update(&mut self, id: &str, input: &Value, expected: &Value) -> Result<Article, Refused> {
        check(input, "input")?;
        if input.as_object().unwrap().values().all(Value::is_null) {
            return Err(refused("input"));
        }
        let at = self.find(id, expected)?;
        let slug = &input["slug"];
        if self
            .articles
            .iter()
            .any(|other| other.id != id && *slug == other.slug)
        {
            return Err(json!({ "code": "SLUG_TAKEN", "field": "input.slug" }));
        }
        let now = self.now();
        let article = &mut self.articles[at];
        for (column, name) in [
            (&mut article.title, "title"),
            (&mut article.slug, "slug"),
            (&mut article.text, "text"),
        ] {
            if let Some(value) = input[name].as_str() {
                value.clone_into(column);
            }
        }
        article.updated_at = now;
        article.version += 1;
        Ok(article.clone())
    }

    /// Where the article is that is to be changed.
    fn find(&self, id: &str, expected: &Value) -> Result<usize, Refused> {
        let at = self.articles.iter().position(|article| article.id == id);
        let at = at.ok_or_else(|| json!({ "code": "NOT_FOUND" }))?;
        let current = self.articles[at].version;
        if !expected.is_null() && *expected != current {
            return Err(json!({ "code": "VERSION_CONFLICT", "currentVersion": current }));
        }
        Ok(at)
    }

    fn node(&self, id: &Value) -> Option<&Article> {
        self.articles.iter().find(|article| *id == article.id)
    }

    /// The articles that a filter matches, in an order; best match first is the same as any.
    fn list(&self, filter: &Value, order: &str) -> Result<Vec<Article>, Refused> {
        if order == "RELEVANCE" && filter["search"].is_null() {
            return Err(refused("orderBy"));
        }
        let matching = self
            .articles
            .iter()
            .filter(|article| article.matches(filter));
        let mut list: Vec<Article> = matching.cloned().collect();
        list.sort_by(|one, other| compare(order, &one.place(order), &other.place(order)));
        Ok(list)
    }

    fn connection(
        &mut self,
        step: &Step,
        argument: &dyn Fn(&str) -> Value,
    ) -> Result<Value, Refused> {
        let order = argument("orderBy").as_str().unwrap().to_owned();
        let listed = self.list(&argument("filter"), &order)?;
        let (first, last) = (argument("first"), argument("last"));
        if !first.is_null() && !last.is_null() {
            return Err(refused("last"));
        }
        let from_back = !last.is_null();
        let size = match (&first, &last) {
            (Value::Null, Value::Null) => 20,
            (Value::Null, last) => within("last", last, 0, 100)?,
            (first, _) => within("first", first, 0, 100)?,
        };
        let after = self.place(&argument("after"), &order, "after")?;
        let before = self.place(&argument("before"), &order, "before")?;

        let at = |article: &Article, place: &Place| compare(&order, &article.place(&order), place);
        let between = |article: &&Article| {
            after
                .as_ref()
                .is_none_or(|after| at(article, after).is_gt())
                && before
                    .as_ref()
                    .is_none_or(|before| at(article, before).is_lt())
        };
        let mut page: Vec<Article> = listed.iter().filter(between).cloned().collect();
        if from_back {
            page.drain(..page.len().saturating_sub(size));
        } else {
            page.truncate(size);
        }
        let beside = |place: &Option<Place>, sides: &[Ordering]| {
            let lies = |article: &&Article| {
                place
                    .as_ref()
                    .is_none_or(|place| sides.contains(&at(article, place)))
            };
            listed.iter().any(|article| lies(&article))
        };
        let (less, equal, greater) = (Ordering::Less, Ordering::Equal, Ordering::Greater);
        let (has_previous, has_next) = match (page.first(), page.last()) {
            (Some(first), Some(last)) => (
                beside(&Some(first.place(&order)), &[less]),
                beside(&Some(last.place(&order)), &[greater]),
            ),
            // An empty page lies just after `after`, or just before `before` where it was taken from the back.
            _ if from_back => (
                beside(&before, &[less]),
                before.is_some() && beside(&before, &[equal, greater]),
            ),
            _ => (
                after.is_some() && beside(&after, &[less, equal]),
                beside(&after, &[greater]),
            ),
        };
        let cursors: Vec<String> = (0..)
            .zip(&page)
            .map(|(at, a)| a.cursor(&order, at))
            .collect();
        for (article, cursor) in page.iter().zip(&cursors) {
            let place = article.place(&order);
            self.cursors.push((order.clone(), cursor.clone(), place));
        }
        let nodes: Vec<Value> = page.iter().map(|article| article.shown(step)).collect();
        let edge = |(node, cursor): (&Value, &String)| json!({ "cursor": cursor, "node": node });
        let edges: Value = nodes.iter().zip(&cursors).map(edge).collect();
        let values = [
            edges,
            json!(nodes),
            json!(listed.len()),
            json!(has_next),
            json!(has_previous),
            json!(cursors.first()),
            json!(cursors.last()),
        ];
        let mut answer = Map::new();
        let mut page_info = Map::new();
        for (index, (name, value)) in CONNECTION_FIELDS.iter().zip(values).enumerate() {
            if step.selects(name) {
                let into = if index < 3 {
                    &mut answer
                } else {
                    &mut page_info
                };
                into.insert((*name).to_owned(), value);
            }
        }
        if !page_info.is_empty() {
            answer.insert("pageInfo".to_owned(), Value::Object(page_info));
        }
        Ok(Value::Object(answer))
    }

    fn place(&self, cursor: &Value, order: &str, field: &str) -> Result<Option<Place>, Refused> {
        if cursor.is_null() {
            return Ok(None);
        }
        let mut known = self.cursors.iter();
        let (its_order, _, place) = known.find(|(_, text, _)| cursor == text).unwrap();
        if its_order != order {
            return Err(refused(field));
        }
        Ok(Some(place.clone()))
    }
}

impl Article {
    fn shown(&self, step: &Step) -> Value {
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

    fn place(&self, order: &str) -> Place {
        let key = match order.trim_end_matches("_ASC").trim_end_matches("_DESC") {
            "CREATED_AT" => Key::Instant(self.created_at),
            "UPDATED_AT" => Key::Instant(self.updated_at),
            "TITLE" => Key::Text(self.title.clone()),
            "SLUG" => Key::Text(self.slug.clone()),
            _ => Key::Instant(0),
        };
        (key, self.id.clone())
    }

    fn cursor(&self, order: &str, position: i64) -> String {
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

    fn matches(&self, filter: &Value) -> bool {
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
        let Some(alternatives) = search_words(search) else {
            return true;
        };
        let columns = [words(&self.title), words(&self.text)];
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

fn compare(order: &str, one: &Place, other: &Place) -> Ordering {
    if order.ends_with("_DESC") {
        other.cmp(one)
    } else {
        one.cmp(other)
    }
}

fn text_matches(text: &str, tests: &Value) -> bool {
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

fn instant_matches(micros: i64, tests: &Value) -> bool {
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

/// `None` for what is no instant that an article can have.
fn instant(given: &Value) -> Option<i64> {
    let mut known = INSTANTS.iter();
    known
        .find(|(text, _)| given == text)
        .map(|(_, micros)| *micros)
}

/// The first value of an input that is not allowed.
fn check(input: &Value, field: &str) -> Result<(), Refused> {
    for (name, least, most) in [("title", 1, 65), ("slug", 1, 65), ("text", 0, usize::MAX)] {
        if let Some(text) = input[name].as_str()
            && (text.contains('\0') || !(least..=most).contains(&text.chars().count()))
        {
            return Err(refused(format!("{field}.{name}")));
        }
    }
    Ok(())
}

fn within(field: &str, given: &Value, low: usize, high: usize) -> Result<usize, Refused> {
    let number = usize::try_from(given.as_i64().unwrap()).ok();
    number
        .filter(|number| (low..=high).contains(number))
        .ok_or_else(|| refused(field))
}

/// The slugs that are tried for a title, one after the other.
fn slugs(title: &str) -> impl Iterator<Item = String> {
    let of_word = |word: &str| {
        let known = WORDS.iter().find(|(known, _)| *known == word);
        known.unwrap().1
    };
    let words: Vec<&str> = title
        .split(' ')
        .map(of_word)
        .filter(|word| !word.is_empty())
        .collect();
    let base = if words.is_empty() {
        "article".to_owned()
    } else {
        words.join("-")
    };
    (1..).map(move |number| {
        let suffix = match number {
            1 => String::new(),
            _ => format!("-{number}"),
        };
        let kept: String = base.chars().take(65 - suffix.len()).collect();
        format!("{}{suffix}", kept.trim_end_matches('-'))
    })
}

/// A search as its alternatives, none where it has no word; each term says whether it must occur or must not. `None` where
/// it is blank.
fn search_words(search: &Value) -> Option<Vec<Vec<Term>>> {
    let search = search.as_str().filter(|text| !text.trim().is_empty())?;
    if words(search).is_empty() {
        return Some(Vec::new());
    }
    let alternatives = search.split(" or ").map(|terms| {
        // What stands between quotation marks is one term; elsewhere each word is.
        let mut found = Vec::new();
        let mut wanted = true;
        for (index, part) in terms.split('"').enumerate() {
            if index % 2 == 1 {
                found.push((wanted, words(part)));
                continue;
            }
            for word in part.split_whitespace().filter(|word| *word != "-") {
                found.push((!word.starts_with('-'), words(word)));
            }
            wanted = !part.ends_with('-');
        }
        found
    });
    Some(alternatives.collect())
}

fn words(text: &str) -> Vec<Word> {
    static ANALYZER: LazyLock<Analyzer> = LazyLock::new(Analyzer::new);
    ANALYZER.words(text).collect()
}

fn nth<T>(list: &[T], number: usize) -> Option<&T> {
    list.get(number.checked_rem(list.len())?)
}
