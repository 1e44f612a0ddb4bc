//! Which values are valid, and which slug is generated from a title.

use serde_json::{Value, json};

use super::step::WORDS;

/// The extensions of an error.
pub(super) type Rejected = Value;

pub(super) fn rejected(field: impl Into<String>) -> Rejected {
    json!({ "code": "BAD_USER_INPUT", "field": field.into() })
}

/// The first invalid value of an input.
pub(super) fn check(input: &Value, field: &str) -> Result<(), Rejected> {
    for (name, least, most) in [("title", 1, 65), ("slug", 1, 65), ("text", 0, usize::MAX)] {
        if let Some(text) = input[name].as_str()
            && (text.contains('\0') || !(least..=most).contains(&text.chars().count()))
        {
            return Err(rejected(format!("{field}.{name}")));
        }
    }
    Ok(())
}

pub(super) fn within(
    field: &str,
    given: &Value,
    low: usize,
    high: usize,
) -> Result<usize, Rejected> {
    let number = usize::try_from(given.as_i64().unwrap()).ok();
    number
        .filter(|number| (low..=high).contains(number))
        .ok_or_else(|| rejected(field))
}

/// The slugs to try for a title, in order.
pub(super) fn slugs(title: &str) -> impl Iterator<Item = String> {
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
