//! `broadsheet completions` and `broadsheet man`: files that a package installs besides the program.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::{Done, print};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write a page for each command to this directory, instead of printing the main page
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

pub(super) fn completions(arguments: &CompletionsArgs, mut command: Command) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "broadsheet", &mut script);
    print(&String::from_utf8_lossy(&script))
}

pub(super) fn man(arguments: &ManArgs, command: Command) -> Done {
    if let Some(directory) = &arguments.directory {
        return Ok(clap_mangen::generate_to(command, directory)?);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    print(&String::from_utf8_lossy(&page))
}
