//! What is measured: the flags, and the names of databases, workloads and contestants.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde::Serialize;

/// Compares Broadsheet with a hand-written REST server, a textbook GraphQL server, pgbench and bare HTTP
#[derive(Debug, Clone, Parser)]
#[command(name = "bench/run")]
pub(crate) struct Options {
    /// The parts to run
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Part::Requests, Part::Start, Part::CreateCost, Part::Feed])]
    pub(crate) parts: Vec<Part>,

    /// The databases
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Database::Postgres, Database::Sqlite])]
    pub(crate) databases: Vec<Database>,

    /// The workloads, in this order
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Workload::ALL)]
    pub(crate) workloads: Vec<Workload>,

    /// The contestants
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Contestant::ALL)]
    pub(crate) contestants: Vec<Contestant>,

    /// Connections, each of which sends its next request after the response
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256])]
    pub(crate) connections: Vec<usize>,

    /// Seconds of measurement per contestant and round
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,

    /// Seconds of load before the measurement
    #[arg(long, default_value_t = 1.0)]
    pub(crate) warm_up: f64,

    /// Rounds of all contestants; every second round is in reverse order, so that drift affects all of them equally
    #[arg(long, default_value_t = 2)]
    pub(crate) rounds: usize,

    /// Duration of each rate in the part overload
    #[arg(long, default_value_t = 30.0)]
    pub(crate) overload_seconds: f64,

    /// Connections of the part overload
    #[arg(long, default_value_t = 1024)]
    pub(crate) overload_connections: usize,

    /// Articles that are loaded
    #[arg(long, default_value_t = 100_000)]
    pub(crate) articles: u32,

    /// How all contestants reach PostgreSQL
    #[arg(long, value_enum, default_value_t = Socket::Unix)]
    pub(crate) socket: Socket,

    /// One round of two seconds at 64 connections
    #[arg(long, conflicts_with_all = ["connections", "seconds", "rounds"])]
    pub(crate) quick: bool,

    /// The directory for the tables, the charts and the JSON
    #[arg(long, default_value = "bench/results")]
    pub(crate) output: PathBuf,

    /// The program that is measured
    #[arg(long, default_value = "target/release/broadsheet")]
    pub(crate) broadsheet: PathBuf,

    /// An earlier build, measured with its own tables
    #[arg(long, value_name = "PATH")]
    pub(crate) before: Option<PathBuf>,
}

impl Options {
    /// With the values that `--quick` implies.
    pub(crate) fn resolved(mut self) -> Self {
        if self.quick {
            self.connections = vec![64];
            self.seconds = 2.0;
            self.rounds = 1;
            self.overload_seconds = 3.0;
        }
        self.contestants.retain(|&one| one != Contestant::Before);
        if self.before.is_some() {
            self.contestants.insert(0, Contestant::Before);
        }
        self
    }

    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }

    pub(crate) fn measure(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Drive all contestants with all workloads
    Requests,
    /// The time from start to the first response on SQLite
    Start,
    /// What each index, the search and the triggers cost a create
    CreateCost,
    /// Overload: requests at 0.5 to 10 times the capacity
    Overload,
    /// The cost of the change feed for writers, its delays, and the memory of subscribers
    Feed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Database {
    Postgres,
    Sqlite,
}

impl Database {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        }
    }

    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Workload {
    /// An article by a random slug
    Slug,
    /// The newest 20 with their texts
    Newest,
    /// 20 after a random cursor
    Page,
    /// Create an article
    Create,
    /// Of 100 requests, 90 by slug, 8 for the newest, and 2 creates
    Mix,
}

impl Workload {
    const ALL: [Self; 5] = [
        Self::Slug,
        Self::Newest,
        Self::Page,
        Self::Create,
        Self::Mix,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Slug => "article by random slug",
            Self::Newest => "newest 20 with text",
            Self::Page => "20 after a random cursor",
            Self::Create => "create",
            Self::Mix => "mix: 90 slug, 8 newest, 2 create",
        }
    }

    /// Whether it needs a fresh database.
    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Mix)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Contestant {
    /// Broadsheet with its default settings
    Broadsheet,
    /// The same, called with a static token
    Token,
    /// The same, called with a JWT
    Jwt,
    /// The earlier build that --before names
    Before,
    /// axum and prepared statements by hand: REST, no GraphQL
    Floor,
    /// async-graphql-axum and diesel-async as their documentation shows them
    Textbook,
    /// PostgreSQL's own load generator with the same statements
    Pgbench,
    /// axum returning the same bytes from memory
    Memory,
}

impl Contestant {
    /// The default contestants.
    const ALL: [Self; 5] = [
        Self::Broadsheet,
        Self::Floor,
        Self::Textbook,
        Self::Pgbench,
        Self::Memory,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Broadsheet => "Broadsheet",
            Self::Token => "with a token",
            Self::Jwt => "with a JWT",
            Self::Before => "before",
            Self::Floor => "floor (REST)",
            Self::Textbook => "textbook",
            Self::Pgbench => "pgbench",
            Self::Memory => "memory",
        }
    }

    /// Whether this contestant has the workload.
    pub(crate) fn takes_part(self, database: Database, workload: Workload) -> bool {
        match self {
            Self::Broadsheet
            | Self::Token
            | Self::Jwt
            | Self::Before
            | Self::Floor
            | Self::Textbook => true,
            Self::Pgbench => database == Database::Postgres,
            Self::Memory => !workload.writes(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Socket {
    /// The Unix socket
    Unix,
    /// TCP on 127.0.0.1
    Tcp,
}
