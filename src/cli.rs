//! The commands: `serve`, `migrate`, `feed`, `token`, `schema`.

mod token;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use self::token::TokenCommand;
use crate::clock::Clock;
use crate::config::{DatabaseSettings, LogSettings, ServerSettings};
use crate::store::{self, Migrate, MigrationStatus, Store};
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
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API (what happens without a command, too)
    Serve(ServeArgs),
    /// Apply or revert the migrations of the database, or show them
    Migrate(MigrateArgs),
    /// Look after the change feed
    #[command(subcommand)]
    Feed(FeedCommand),
    /// Make, list and check static tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Print the GraphQL schema
    Schema,
}

#[derive(Debug, Args)]
struct ServeArgs {
    #[command(flatten)]
    server: ServerSettings,

    #[command(flatten)]
    database: DatabaseSettings,

    /// Do not apply pending migrations at start
    #[arg(long, env = "NO_MIGRATE", default_value_t = false, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    no_migrate: bool,
}

#[derive(Debug, Subcommand)]
enum FeedCommand {
    /// Begin a new epoch, after the database was restored from a backup: clients' cursors from before expire
    NewEpoch {
        #[command(flatten)]
        database: DatabaseSettings,
    },
}

#[derive(Debug, Args)]
struct MigrateArgs {
    /// What to do
    #[arg(value_enum, default_value_t = MigrateAction::Up)]
    action: MigrateAction,

    #[command(flatten)]
    database: DatabaseSettings,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MigrateAction {
    /// Apply all that are pending
    Up,
    /// Revert the one that was applied last
    Down,
    /// Show which are applied and which are pending
    Status,
}

impl Cli {
    /// Reads `.env` where there is one, then the flags and the environment.
    pub fn read() -> Self {
        let dotenv = dotenvy::dotenv();
        let cli = Self::parse();
        if let Err(error) = dotenv
            && !error.not_found()
        {
            let _ = writeln!(std::io::stderr(), "broadsheet: .env was not read: {error}");
        }
        cli
    }

    /// Runs the command to its end.
    pub async fn run(self) -> ExitCode {
        let done = match telemetry::start(&self.log) {
            Err(error) => Err(format!("LOG is not understood: {error}").into()),
            Ok(()) => match self.command {
                None => serve(self.serve).await,
                Some(Command::Serve(arguments)) => serve(arguments).await,
                Some(Command::Migrate(arguments)) => migrate(arguments).await,
                Some(Command::Feed(FeedCommand::NewEpoch { database })) => {
                    new_epoch(&database).await
                }
                Some(Command::Token(command)) => token::run(command),
                Some(Command::Schema) => print(&api::sdl()),
            },
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "broadsheet: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

type Done = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn serve(arguments: ServeArgs) -> Done {
    let ServeArgs {
        server,
        database,
        no_migrate,
    } = arguments;
    Ok(server::serve(&server, &database, !no_migrate).await?)
}

async fn migrate(arguments: MigrateArgs) -> Done {
    let action = match arguments.action {
        MigrateAction::Up => Migrate::Up,
        MigrateAction::Down => Migrate::Down,
        MigrateAction::Status => Migrate::Status,
    };
    let status = store::migrate(&arguments.database, action).await?;
    let MigrationStatus {
        applied,
        pending,
        unknown,
    } = status;
    let mut lines = String::new();
    for version in applied {
        let state = match unknown.contains(&version) {
            true => "applied, unknown to this binary",
            false => "applied",
        };
        lines.extend([version.as_str(), " ", state, "\n"]);
    }
    for version in pending {
        lines.extend([version.as_str(), " pending\n"]);
    }
    print(&lines)
}

async fn new_epoch(database: &DatabaseSettings) -> Done {
    let store = Store::open(database, Clock::system(), false).await?;
    let begun = store.begin_feed_epoch().await;
    store.close().await;
    print(&format!("epoch {}\n", begun?.0))
}

/// Prints to standard output, which somebody may have closed.
fn print(text: &str) -> Done {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => Ok(done?),
    }
}
