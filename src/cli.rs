//! The commands. Each has its arguments and its function here, or in its own file.

mod backup;
mod effective;
mod feed;
mod migrate;
mod search;
mod shell;
mod token;
mod transfer;

use std::io::Write as _;
use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::backup::{BackupArgs, RestoreArgs};
use self::effective::EffectiveSetting;
use self::feed::FeedCommand;
use self::migrate::MigrateArgs;
use self::shell::{CompletionsArgs, ManArgs};
use self::token::TokenCommand;
use self::transfer::{ExportArgs, ImportArgs, SeedArgs};
use crate::clock::Clock;
use crate::config::environment::{self, Source};
use crate::config::{DatabaseSettings, DatabaseUrl, LogSettings, ServerSettings, SqliteLocation};
use crate::server::ServeError;
use crate::store::Store;
use crate::{api, server, telemetry};

/// A GraphQL API server for articles, on SQLite or PostgreSQL
#[derive(Debug, Parser)]
#[command(name = "broadsheet", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    serve: ServeArgs,

    #[command(flatten)]
    log: LogSettings,

    #[arg(skip)]
    source: Option<Source>,

    /// For `config` only.
    #[arg(skip)]
    effective: Vec<EffectiveSetting>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API (the default command)
    Serve(ServeArgs),
    /// Apply or revert the migrations of the database, or show them
    Migrate(MigrateArgs),
    /// Maintain the change feed
    #[command(subcommand)]
    Feed(FeedCommand),
    /// Check the database for problems: tables, feed, slugs, search
    Check {
        #[command(flatten)]
        database: DatabaseSettings,
    },
    /// Rebuild the search index in batches, while servers keep running
    Reindex {
        #[command(flatten)]
        database: DatabaseSettings,
    },
    /// Back up an SQLite database to a file and verify it, even while it is served
    Backup(BackupArgs),
    /// Restore an SQLite database from a backup
    Restore(RestoreArgs),
    /// Import articles from a file
    Import(ImportArgs),
    /// Export all articles, ordered by id, to a file
    Export(ExportArgs),
    /// Create articles for a demonstration
    Seed(SeedArgs),
    /// Create, list and check static tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Print the GraphQL schema
    Schema,
    /// Print the settings that a server would use, and the source of each
    Config(ServeArgs),
    /// Print a shell completion script
    Completions(CompletionsArgs),
    /// Print the manual page
    Man(ManArgs),
}

#[derive(Debug, Args)]
struct ServeArgs {
    #[command(flatten)]
    server: ServerSettings,

    #[command(flatten)]
    database: DatabaseSettings,

    /// Do not apply pending migrations at start
    #[arg(long, env = "NO_MIGRATE", default_value_t = false, value_parser = BoolishValueParser::new(), value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    no_migrate: bool,
}

impl Cli {
    /// Reads the flags, the environment, and `.env` in the current directory.
    ///
    /// # Errors
    /// The input is invalid, or help was requested: the message has been printed.
    pub fn read() -> Result<Self, ExitCode> {
        let arguments: Vec<_> = std::env::args_os().collect();
        // Help must show the built-in defaults whatever the file contains, even if it cannot be read.
        if let Err(help) = Self::command().try_get_matches_from(&arguments)
            && help.exit_code() == 0
        {
            return Err(exit(&help));
        }
        let (command, source) = environment::complete(Self::command()).map_err(|error| {
            let _ = writeln!(std::io::stderr(), "broadsheet: {error}");
            ExitCode::from(2)
        })?;
        let cli = command
            .try_get_matches_from(arguments)
            .and_then(|matches| {
                let cli = Self::from_arg_matches(&matches)?;
                let effective = Self::effective(&matches, source.as_ref());
                Ok(Self { effective, ..cli })
            })
            .and_then(|cli| match cli.check() {
                Ok(()) => Ok(cli),
                Err(why) => Err(Self::command().error(ErrorKind::ArgumentConflict, why)),
            });
        match cli {
            Ok(cli) => Ok(Self { source, ..cli }),
            Err(error) => {
                let code = exit(&error);
                if let Some(Source { path, names }) = source.filter(|it| !it.names.is_empty()) {
                    let (names, path) = (names.join(", "), path.display());
                    let _ = writeln!(std::io::stderr(), "\n{names}: from {path}");
                }
                Err(code)
            }
        }
    }

    fn effective(matches: &ArgMatches, source: Option<&Source>) -> Vec<EffectiveSetting> {
        let Some((name @ "config", matches)) = matches.subcommand() else {
            return Vec::new();
        };
        // A fresh command: the one above has lost the variable of each value that came from the file.
        let mut command = Self::command();
        command.build();
        let command = command.find_subcommand(name);
        command.map_or_else(Vec::new, |command| {
            effective::settings(command, matches, source)
        })
    }

    /// Checks that the settings do not contradict each other.
    fn check(&self) -> Result<(), String> {
        match &self.command {
            None => self.serve.check(),
            Some(Command::Serve(serve) | Command::Config(serve)) => serve.check(),
            Some(_) => Ok(()),
        }
    }

    /// Runs the command to completion.
    pub async fn run(self) -> ExitCode {
        let log = self.log.clone();
        let done = match telemetry::start(&self.log) {
            Ok(()) => self.execute().await,
            Err(error) => Err(format!("LOG is invalid: {error}").into()),
        };
        telemetry::flush();
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                telemetry::log_exit(&*error, &log);
                match error.downcast_ref() {
                    Some(ServeError::Unfinished) => ExitCode::from(UNFINISHED),
                    _ => ExitCode::FAILURE,
                }
            }
        }
    }

    async fn execute(self) -> Done {
        if let Some(Source { path, names }) = self.source {
            let (file, settings) = (path.display(), names.join(", "));
            tracing::info!(%file, settings, "read .env");
        }
        match self.command {
            None => serve(self.serve).await,
            Some(Command::Serve(arguments)) => serve(arguments).await,
            Some(Command::Migrate(arguments)) => migrate::migrate(arguments).await,
            Some(Command::Feed(command)) => feed::run(command).await,
            Some(Command::Check { database }) => search::check(&database).await,
            Some(Command::Reindex { database }) => search::reindex(&database).await,
            Some(Command::Backup(arguments)) => backup::backup(arguments).await,
            Some(Command::Restore(arguments)) => backup::restore(arguments).await,
            Some(Command::Import(arguments)) => transfer::import(arguments).await,
            Some(Command::Export(arguments)) => transfer::export(arguments).await,
            Some(Command::Seed(arguments)) => transfer::seed(arguments).await,
            Some(Command::Token(command)) => token::run(command),
            Some(Command::Schema) => print(api::sdl()),
            Some(Command::Config(arguments)) => {
                server::check(&arguments.server)?;
                effective::show(&self.effective)
            }
            Some(Command::Completions(arguments)) => {
                shell::completions(&arguments, Self::command())
            }
            Some(Command::Man(arguments)) => shell::man(&arguments, Self::command()),
        }
    }
}

impl ServeArgs {
    fn check(&self) -> Result<(), String> {
        self.database.check()
    }
}

/// Prints clap's message; returns the exit code.
fn exit(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The exit status of a server that had not finished within `STOP_TIMEOUT`.
const UNFINISHED: u8 = 3;

type Done = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn serve(arguments: ServeArgs) -> Done {
    let ServeArgs {
        server,
        database,
        no_migrate,
    } = arguments;
    Ok(server::serve(&server, &database, !no_migrate).await?)
}

type Opened = Result<Store, Box<dyn std::error::Error + Send + Sync>>;

/// The store of an existing database; `reason` is the message for a sandbox.
async fn open_existing(database: &DatabaseSettings, reason: &str) -> Opened {
    if database.force_roll_back {
        return Err(reason.into());
    }
    if let DatabaseUrl::Sqlite(SqliteLocation::File(path)) = &database.url
        && !path.exists()
    {
        return Err(format!("there is no database at {}", path.display()).into());
    }
    Ok(Store::open(database, Clock::system(), false).await?)
}

/// Prints to standard output, which may have been closed.
fn print(text: &str) -> Done {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}
