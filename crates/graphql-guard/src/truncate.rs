//! Truncates the parts of a request that messages repeat: enough remains to find them.

use std::borrow::Cow;

/// The longest name in a message, in characters. Few messages have more than two.
const MAX_NAME_CHARS: usize = 50;

/// The longest text, in characters.
const MAX_TEXT_CHARS: usize = 100;

/// The text, or its first hundred characters.
pub fn of(text: &str) -> Cow<'_, str> {
    cut(text, MAX_TEXT_CHARS)
}

/// A message, with each name in it cut to fifty characters.
pub fn in_message(message: String) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if message.len() <= MAX_NAME_CHARS {
        return message;
    }
    let mut short = String::new();
    let mut rest = message.as_str();
    while !rest.is_empty() {
        let between = rest.find(is_name).unwrap_or(rest.len());
        let (before, name) = rest.split_at(between);
        let (name, after) = name.split_at(name.find(|c| !is_name(c)).unwrap_or(name.len()));
        short.push_str(before);
        short.push_str(&cut(name, MAX_NAME_CHARS));
        rest = after;
    }
    short
}

fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_truncated_after_a_hundred_characters() {
        let exact = "é".repeat(100);
        assert_eq!(of(&exact), exact);
        assert_eq!(of(&"é".repeat(101)), format!("{exact}…"));
    }

    #[test]
    fn only_names_in_a_message_are_truncated() {
        let (fits, long) = ("a".repeat(50), "b".repeat(51));
        let message = format!(
            "`{fits}` of type [{long}!] at {long}.x.0 – {}",
            "é ".repeat(60)
        );
        let expected = message.replace(&long, &format!("{}…", "b".repeat(50)));
        assert_eq!(in_message(message), expected);
        assert_eq!(in_message(String::new()), "");
    }
}
