//! The file `.env`, in a subset of the format of Docker Compose in which every line has one meaning.
//!
//! Each line is `NAME=VALUE`. A value without quotes ends with its line or before a ` #`; in single quotes it is
//! literal; in double quotes there are escapes. `${NAME}` is replaced, except in single quotes. Compose treats other
//! uses of `$` specially (`$NAME` is a variable, which is often empty, and `$$` is `$`). Doing the same would silently
//! change a password, and not doing it would make the value differ from Compose's; so such a `$` is an error. No error
//! repeats the contents of the file.
//!
//! Decision: `docs/decisions/0009-env-file.md`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::Chars;

const NAME: &str = ".env";

/// A larger file, in bytes, is not a file of settings.
const MAX_BYTES: u64 = 1024 * 1024;

/// The values of a file, by name.
#[derive(Debug)]
pub(crate) struct EnvFile {
    path: PathBuf,
    values: HashMap<String, Result<String, Fault>>,
}

/// Why a file could not be read. None of its values apply then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{NAME} {fault}; nothing in it applies")]
pub(crate) struct EnvFileError {
    fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("cannot be read: {0}")]
    Unreadable(String),
    #[error("cannot be read: it has more than 1 MiB")]
    TooLarge,
    #[error("is invalid, in line {line}: {what}")]
    Line { line: usize, what: &'static str },
}

const NO_ASSIGNMENT: &str = "expected NAME=VALUE, or # before a comment";
const NOT_UTF8: &str = "expected text in UTF-8";
const OPEN_QUOTE: &str = "the quote that begins the value is not closed";
const AFTER_QUOTE: &str = "only a comment may follow the closing quote";
const DOLLAR: &str =
    "the only supported form of a variable is ${NAME}; in single quotes a $ is literal";
const NOT_SET: &str =
    "${NAME} refers to a variable that is not set; in single quotes a $ is literal";

impl EnvFile {
    /// Reads `.env` in the current directory, if it exists. `environment` returns the variables that `${NAME}` may
    /// refer to besides those of the file.
    pub(crate) fn read(
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, EnvFileError> {
        let error = |fault| EnvFileError { fault };
        let unreadable = |why: io::Error| error(Fault::Unreadable(why.to_string()));
        let mut bytes = Vec::new();
        match File::open(NAME) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(unreadable(why)),
            Ok(file) => file
                .take(MAX_BYTES + 1)
                .read_to_end(&mut bytes)
                .map_err(unreadable)?,
        };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(error(Fault::TooLarge));
        }
        Ok(Some(Self {
            path: std::path::absolute(NAME).unwrap_or_else(|_| NAME.into()),
            values: parse(&bytes, environment).map_err(error)?,
        }))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The value of a variable; `None` where it is missing or empty.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>, EnvFileError> {
        match self.values.get(name) {
            Some(Ok(value)) => Ok(Some(value.as_str()).filter(|value| !value.is_empty())),
            Some(Err(fault)) => Err(EnvFileError {
                fault: fault.clone(),
            }),
            None => Ok(None),
        }
    }
}

/// All values; the last one with a name counts. An invalid `$` is an error only when the value is read, because the
/// file may contain lines for other programs.
fn parse(
    bytes: &[u8],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<HashMap<String, Result<String, Fault>>, Fault> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let text = read_text(bytes)?;
    let mut values: HashMap<String, Result<String, Fault>> = HashMap::new();
    let mut scanner = Scanner {
        rest: text.chars().peekable(),
        line: 1,
    };
    while let Some((name, line, parts)) = scanner.assignment()? {
        let mut value = Ok(String::new());
        for part in parts {
            let resolved = match part {
                Part::Text(text) => Ok(text),
                Part::Dollar => Err(Fault::Line { line, what: DOLLAR }),
                Part::Variable(name) => match (environment(&name), values.get(&name)) {
                    (Some(value), _) => Ok(value),
                    (None, Some(value)) => value.clone(),
                    (None, None) => Err(Fault::Line {
                        line,
                        what: NOT_SET,
                    }),
                },
            };
            value = value.and_then(|value| Ok(value + &resolved?));
        }
        values.insert(name, value);
    }
    Ok(values)
}

/// Text without NUL, which no variable can contain, and which reveals UTF-16.
fn read_text(bytes: &[u8]) -> Result<&str, Fault> {
    let (text, is_whole) = match str::from_utf8(bytes) {
        Ok(text) => (text, true),
        Err(error) => {
            let valid = &bytes[..error.valid_up_to()];
            (str::from_utf8(valid).unwrap_or_default(), false)
        }
    };
    let before = text.split('\0').next().unwrap_or_default();
    match is_whole && before.len() == text.len() {
        true => Ok(text),
        false => Err(Fault::Line {
            line: 1 + before.matches('\n').count(),
            what: NOT_UTF8,
        }),
    }
}

/// A piece of a value.
enum Part {
    Text(String),
    /// `${NAME}`.
    Variable(String),
    /// Any other `$`.
    Dollar,
}

struct Scanner<'t> {
    rest: Peekable<Chars<'t>>,
    /// The number of the line, starting at 1.
    line: usize,
}

impl Scanner<'_> {
    /// The next name, its line, and its value.
    fn assignment(&mut self) -> Result<Option<(String, usize, Vec<Part>)>, Fault> {
        loop {
            self.skip_blanks();
            match self.rest.peek() {
                None => return Ok(None),
                Some('\n') => drop(self.next()),
                Some('#') => self.skip_line(),
                Some(_) => break,
            }
        }
        let line = self.line;
        let fault = |what| Err(Fault::Line { line, what });
        let mut name = self.word();
        if name == "export" && self.skip_blanks() {
            name = self.word();
        }
        let is_named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        self.skip_blanks();
        // Compose accepts a colon, too.
        if !is_named || !matches!(self.next(), Some('=' | ':')) {
            return fault(NO_ASSIGNMENT);
        }
        let has_blank = self.skip_blanks();
        let value = match self.rest.peek() {
            Some(&quote @ ('\'' | '"')) => {
                self.next();
                let Some(value) = self.quoted(quote) else {
                    return fault(OPEN_QUOTE);
                };
                self.skip_blanks();
                match self.rest.peek() {
                    None | Some('\n') => {}
                    Some('#') => self.skip_line(),
                    Some(_) => {
                        return Err(Fault::Line {
                            line: self.line,
                            what: AFTER_QUOTE,
                        });
                    }
                }
                value
            }
            Some('#') if has_blank => {
                self.skip_line();
                Vec::new()
            }
            _ => self.unquoted(),
        };
        Ok(Some((name, line, value)))
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.line += usize::from(next == Some('\n'));
        next
    }

    /// Whether there were any blanks.
    fn skip_blanks(&mut self) -> bool {
        let mut any = false;
        while self
            .rest
            .next_if(|c| c.is_whitespace() && *c != '\n')
            .is_some()
        {
            any = true;
        }
        any
    }

    fn skip_line(&mut self) {
        while self.rest.next_if(|c| *c != '\n').is_some() {}
    }

    fn word(&mut self) -> String {
        let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        std::iter::from_fn(|| self.rest.next_if(is_part)).collect()
    }

    /// Up to the end of the line, or to a `#` after a blank.
    fn unquoted(&mut self) -> Vec<Part> {
        let mut raw = String::new();
        while let Some(c) = self.rest.next_if(|c| *c != '\n') {
            if c == '#' && raw.ends_with(char::is_whitespace) {
                self.skip_line();
                break;
            }
            raw.push(c);
        }
        let mut text = raw.trim_end().chars().peekable();
        let mut parts = Parts::default();
        while let Some(c) = text.next() {
            match c {
                '$' => parts.dollar(&mut text),
                c => parts.text.push(c),
            }
        }
        parts.finish()
    }

    /// Up to the closing quote, which may be on a later line; `None` where there is none.
    fn quoted(&mut self, quote: char) -> Option<Vec<Part>> {
        let mut parts = Parts::default();
        loop {
            match self.next()? {
                c if c == quote => return Some(parts.finish()),
                // In single quotes only the quote itself can be escaped.
                '\\' if quote == '\'' => match self.rest.next_if_eq(&'\'') {
                    Some(quote) => parts.text.push(quote),
                    None => parts.text.push('\\'),
                },
                '\\' => match self.next()? {
                    'n' => parts.text.push('\n'),
                    'r' => parts.text.push('\r'),
                    't' => parts.text.push('\t'),
                    c @ ('"' | '\'' | '\\' | '$') => parts.text.push(c),
                    c => parts.text.extend(['\\', c]),
                },
                '$' if quote == '"' => parts.dollar(&mut self.rest),
                // A Windows line ending.
                '\r' if self.rest.peek() == Some(&'\n') => {}
                c => parts.text.push(c),
            }
        }
    }
}

/// The parts so far, and the text after them.
#[derive(Default)]
struct Parts {
    parts: Vec<Part>,
    text: String,
}

impl Parts {
    /// Parses what follows a `$`.
    fn dollar(&mut self, rest: &mut Peekable<Chars<'_>>) {
        let part = variable(rest).map_or(Part::Dollar, Part::Variable);
        let text = std::mem::take(&mut self.text);
        self.parts.extend([Part::Text(text), part]);
    }

    fn finish(mut self) -> Vec<Part> {
        self.parts.push(Part::Text(self.text));
        self.parts
    }
}

/// Takes the name in `{NAME}`; takes nothing if there is none.
fn variable(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut ahead = rest.clone();
    ahead.next_if_eq(&'{')?;
    let is_part = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let name: String = std::iter::from_fn(|| ahead.next_if(is_part)).collect();
    ahead.next_if_eq(&'}')?;
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    *rest = ahead;
    Some(name)
}

#[cfg(test)]
mod tests;
