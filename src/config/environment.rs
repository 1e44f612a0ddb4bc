//! Sources of settings besides flags: environment variables, and with lower precedence the file `.env`. In both, an
//! empty value counts as not set, because Compose passes on unset variables as empty ones.

use std::path::PathBuf;

use clap::Command;
use clap::builder::Resettable;

use super::env_file::{EnvFile, EnvFileError};

/// The file that settings were taken from, and their names.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// The variables' names. A flag may override any of them.
    pub(crate) names: Vec<String>,
}

/// Adds the values of the environment and of `.env` to the arguments of a command and its subcommands.
///
/// Values of the file become defaults, because changing the environment of a process is not safe.
pub(crate) fn complete(command: Command) -> Result<(Command, Option<Source>), EnvFileError> {
    let file = EnvFile::read(variable)?;
    let mut source = file.as_ref().map(|file| Source {
        path: file.path().to_owned(),
        names: Vec::new(),
    });
    let mut failed = None;
    let command = each_argument(command, &mut |argument| {
        let Some(name) = argument.get_env() else {
            return argument;
        };
        if std::env::var_os(name).is_some_and(|value| !value.is_empty()) {
            return argument;
        }
        let name = name.to_string_lossy().into_owned();
        let argument = argument.env(Resettable::Reset);
        match file.as_ref().map(|file| file.get(&name)) {
            Some(Ok(Some(value))) => {
                let argument = argument.default_value(value.to_owned());
                if let Some(source) = &mut source
                    && !source.names.contains(&name)
                {
                    source.names.push(name);
                }
                argument
            }
            Some(Err(error)) => {
                failed = Some(error);
                argument
            }
            Some(Ok(None)) | None => argument,
        }
    });
    match failed {
        Some(error) => Err(error),
        None => Ok((command, source)),
    }
}

fn each_argument(command: Command, change: &mut impl FnMut(clap::Arg) -> clap::Arg) -> Command {
    let command = command.mut_args(&mut *change);
    let names: Vec<String> = command
        .get_subcommands()
        .map(|below| below.get_name().to_owned())
        .collect();
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |below| each_argument(below, change))
    })
}

/// Whether the user wants no colors (<https://no-color.org>).
pub(crate) fn forbids_colors() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// An environment variable with a value.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.into_string().ok()?;
    Some(value).filter(|value| !value.is_empty())
}
