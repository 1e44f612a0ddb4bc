//! The pages of the model.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::article::{Article, Place, compare};
use super::articles::Model;
use super::inputs::{Rejected, rejected, within};
use super::step::{CONNECTION_FIELDS, Step};

impl Model {
    pub(super) fn connection(
        &mut self,
        step: &Step,
        argument: &dyn Fn(&str) -> Value,
    ) -> Result<Value, Rejected> {
        let order = argument("orderBy").as_str().unwrap().to_owned();
        let listed = self.list(&argument("filter"), &order)?;
        let (first, last) = (argument("first"), argument("last"));
        if !first.is_null() && !last.is_null() {
            return Err(rejected("last"));
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
            // An empty page is right after `after`, or right before `before` if it was requested from the end.
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

    pub(super) fn place(
        &self,
        cursor: &Value,
        order: &str,
        field: &str,
    ) -> Result<Option<Place>, Rejected> {
        if cursor.is_null() {
            return Ok(None);
        }
        let mut known = self.cursors.iter();
        let (its_order, _, place) = known.find(|(_, text, _)| cursor == text).unwrap();
        if its_order != order {
            return Err(rejected(field));
        }
        Ok(Some(place.clone()))
    }
}
