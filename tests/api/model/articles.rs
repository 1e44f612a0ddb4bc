//! The contract in its simplest form: articles in a `Vec`, and every query answered by scanning all of them.

use broadsheet::clock::{Clock, Timestamp};
use serde_json::{Map, Value, json};

use super::article::{Article, Place, compare, instant};
use super::inputs::{Rejected, check, rejected, slugs, within};
use super::step::{Call, Step};
use crate::support::NOW;

/// The expected state of the server, and what the client of the sequence has received.
pub(super) struct Model {
    pub(super) articles: Vec<Article>,
    clock: Clock,
    micros: i64,
    /// The ids of all articles so far.
    ids: Vec<String>,
    /// Cursors that the client has received: their order, text and position.
    pub(super) cursors: Vec<(String, String, Place)>,
}

/// A response without the parts that the model does not know: messages and locations.
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
    /// An empty model, which begins after this number of generated ids.
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

    /// The document and the variables of a step, with its references resolved.
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

    /// Resolves each reference. `context` is the id for a version, and the order for a cursor.
    fn resolve(&self, value: &mut Value, context: &Value) {
        match value {
            Value::Array(items) => items
                .iter_mut()
                .for_each(|item| self.resolve(item, context)),
            Value::Object(entries) => entries
                .values_mut()
                .for_each(|entry| self.resolve(entry, context)),
            Value::String(text) => {
                let number = text
                    .get(1..)
                    .and_then(|number| number.parse::<usize>().ok());
                match (text.chars().next(), number) {
                    (Some('#'), Some(number)) => {
                        let id = nth(&self.ids, number).cloned();
                        *value = json!(id.unwrap_or_default());
                    }
                    (Some('@'), Some(number)) if !context.is_null() => {
                        // Sometimes a cursor of another order.
                        let any = number % 16 == 0;
                        let fitting: Vec<&String> = self
                            .cursors
                            .iter()
                            .filter(|(order, ..)| any || order == context)
                            .map(|(_, cursor, _)| cursor)
                            .collect();
                        *value = json!(nth(&fitting, number));
                    }
                    (Some('='), Some(behind)) if !context.is_null() => {
                        let article = self.articles.iter().find(|article| article.id == *context);
                        let behind = i32::try_from(behind).unwrap();
                        *value = json!(article.map_or(1, |article| article.version - behind));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// The response to the step, without messages.
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
    ) -> Result<Value, Rejected> {
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

    fn create(&mut self, inputs: &[Value], fields: &[String]) -> Result<Vec<Article>, Rejected> {
        for (input, field) in inputs.iter().zip(fields) {
            check(input, field)?;
            let created_at = &input["createdAt"];
            if !created_at.is_null() && instant(created_at).is_none() {
                return Err(rejected(format!("{field}.createdAt")));
            }
        }
        // An id is generated before the slug is checked.
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

    fn update(&mut self, id: &str, input: &Value, expected: &Value) -> Result<Article, Rejected> {
        check(input, "input")?;
        if input.as_object().unwrap().values().all(Value::is_null) {
            return Err(rejected("input"));
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

    /// The index of the article to change.
    fn find(&self, id: &str, expected: &Value) -> Result<usize, Rejected> {
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

    /// The articles that match a filter, in an order. The model does not rank; for `RELEVANCE` any order is accepted.
    pub(super) fn list(&self, filter: &Value, order: &str) -> Result<Vec<Article>, Rejected> {
        if order == "RELEVANCE" && filter["search"].is_null() {
            return Err(rejected("orderBy"));
        }
        let matching = self
            .articles
            .iter()
            .filter(|article| article.matches(filter));
        let mut list: Vec<Article> = matching.cloned().collect();
        list.sort_by(|one, other| compare(order, &one.place(order), &other.place(order)));
        Ok(list)
    }
}

fn nth<T>(list: &[T], number: usize) -> Option<&T> {
    list.get(number.checked_rem(list.len())?)
}
