//! `broadsheet config`: the settings that a server would use, and the source of each.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::{Done, print};
use crate::config::environment::Source;

/// A setting as a line of `.env`.
#[derive(Debug)]
pub(super) struct EffectiveSetting {
    variable: String,
    /// `None` where it is not set and has no default.
    value: Option<String>,
    source: String,
}

/// All settings of a command. `command` is the definition, `matches` the parsed arguments, and `source` the file that
/// values were taken from.
pub(super) fn settings(
    command: &Command,
    matches: &ArgMatches,
    source: Option<&Source>,
) -> Vec<EffectiveSetting> {
    let settings = command.get_arguments().filter_map(|argument| {
        let variable = argument.get_env()?.to_str()?.to_owned();
        let id = argument.get_id().as_str();
        let values = matches.try_get_raw(id).ok().flatten();
        let value = values.map(|values| {
            let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
            values.join(",")
        });
        let value = value.filter(|value| !value.is_empty());
        let is_of_file = || source.is_some_and(|source| source.names.contains(&variable));
        let source = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => {
                format!("--{}", argument.get_long().unwrap_or_default())
            }
            Some(ValueSource::EnvVariable) => "environment".to_owned(),
            Some(ValueSource::DefaultValue) if is_of_file() => ".env".to_owned(),
            Some(_) if value.is_some() => "default".to_owned(),
            _ => "not set".to_owned(),
        };
        // The address of a key set may have a secret, too.
        let may_be_secret =
            |value: &str| argument.is_hide_env_values_set() || value.contains("://");
        let value = value.map(|value| match may_be_secret(&value) {
            true => without_secrets(&value),
            false => value,
        });
        Some(EffectiveSetting {
            variable,
            value,
            source,
        })
    });
    settings.collect()
}

/// Prints settings as lines of `.env`; those that are not set are commented out.
pub(super) fn show(settings: &[EffectiveSetting]) -> Done {
    let line = |setting: &EffectiveSetting| {
        let (sign, value) = match &setting.value {
            Some(value) => ("", quoted(value)),
            None => ("#", String::new()),
        };
        format!("{sign}{}={value}", setting.variable)
    };
    let width = settings
        .iter()
        .map(|setting| line(setting).chars().count())
        .max();
    let width = width.unwrap_or_default().min(48);
    let lines = settings.iter().map(|setting| {
        let source = &setting.source;
        format!("{:width$}  # {source}\n", line(setting))
    });
    print(&lines.collect::<String>())
}

/// Quotes a value for `.env`.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| !c.is_control() && !"'\"$#\\".contains(c);
    match value.chars().all(is_plain) && value.trim() == value {
        true => value.to_owned(),
        false => format!("'{}'", value.replace('\'', "\\'")),
    }
}

const HIDDEN: &str = "…";

/// A URL without its passwords, and of others than databases without the values of parameters; other secrets are hidden
/// completely.
fn without_secrets(value: &str) -> String {
    if value.starts_with("sqlite:") {
        return value.to_owned();
    }
    let Some((scheme, rest)) = value.split_once("://") else {
        return HIDDEN.to_owned();
    };
    let (address, parameters) = match rest.split_once('?') {
        Some((address, parameters)) => (address, Some(parameters)),
        None => (rest, None),
    };
    let address = match address.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:{HIDDEN}@{host}"),
            None => format!("{user}@{host}"),
        },
        None => address.to_owned(),
    };
    let is_database = scheme.starts_with("postgres");
    let parameters = parameters.map(|parameters| {
        let shown = parameters
            .split('&')
            .map(|parameter| match parameter.split_once('=') {
                Some((name, _))
                    if !is_database || name.to_ascii_lowercase().contains("password") =>
                {
                    format!("{name}={HIDDEN}")
                }
                None if !is_database => HIDDEN.to_owned(),
                _ => parameter.to_owned(),
            });
        format!("?{}", shown.collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{address}{}", parameters.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (url, shown) in [
            ("sqlite:a:b@c.db", "sqlite:a:b@c.db"),
            ("postgres://h/d", "postgres://h/d"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("postgres://u:p@h:1/d?a=b", "postgres://u:…@h:1/d?a=b"),
            ("postgres://u:p:q@r@h/d", "postgres://u:…@h/d"),
            (
                "postgres://h/d?password=p&a=b",
                "postgres://h/d?password=…&a=b",
            ),
            (
                "https://u:p@h/keys?token=p&a",
                "https://u:…@h/keys?token=…&…",
            ),
            (
                "https://a.example,https://b.example",
                "https://a.example,https://b.example",
            ),
            ("a secret", "…"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[test]
    fn values_are_quoted_where_the_file_would_read_them_otherwise() {
        for (value, shown) in [
            ("a b, c=d", "a b, c=d"),
            (" a", "' a'"),
            ("a #b", "'a #b'"),
            ("$a", "'$a'"),
            ("it's", "'it\\'s'"),
        ] {
            assert_eq!(quoted(value), shown);
        }
    }
}
