//! A private PostgreSQL server with default settings except for its size, removed at the end however this process ends.
//! If started by root, it runs as the user `postgres` or `nobody`.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio_postgres::{Client, NoTls};

use crate::options::Socket;

const START_TIMEOUT: Duration = Duration::from_mins(2);

/// `fsync` and `synchronous_commit` stay on. The buffers are large enough for all articles, as on a well-configured
/// server.
const SETTINGS: [&str; 6] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=..",
    "max_connections=300",
    "shared_buffers=1GB",
    "max_wal_size=4GB",
    "log_min_messages=log",
];

/// A running server that listens on 127.0.0.1 and on a Unix socket and trusts all users.
pub(crate) struct Server {
    pub(crate) directory: PathBuf,
    pub(crate) programs: PathBuf,
    pub(crate) port: u16,
    pub(crate) process: u32,
    supervisor: Child,
    // Open as long as the server runs.
    input: Option<ChildStdin>,
}

impl Server {
    /// Creates and starts a server; `None` if this machine has no PostgreSQL programs.
    pub(crate) fn start() -> Result<Option<Self>> {
        let Some(programs) = programs() else {
            return Ok(None);
        };
        let temporary = tempfile::Builder::new()
            .prefix("broadsheet-bench-")
            .tempdir()?;
        let directory = temporary.path().to_owned();
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut supervise = Command::new("/bin/sh");
        if fs::metadata(&directory)?.uid() == 0 {
            let (user, group) = unprivileged_user()?;
            chown(&directory, Some(user), Some(group))?;
            supervise.uid(user).gid(group);
        }
        let mut supervisor = supervise
            .args(["-c", include_str!("postgres/supervise.sh"), "supervise"])
            .args([&directory, &programs])
            .args(SETTINGS)
            .arg(format!("port={port}"))
            .current_dir(&directory)
            .env("LC_ALL", "C")
            // A Ctrl-C at the terminal goes to a whole process group; this one tidies up after it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // From now on the supervisor removes the directory.
        let _ = temporary.keep();
        let input = supervisor.stdin.take();
        let mut server = Self {
            directory,
            programs,
            port,
            process: 0,
            supervisor,
            input,
        };
        server.process = server.wait_until_ready()?;
        Ok(Some(server))
    }

    /// Waits for the word `ready`, which `postgres` writes for `pg_ctl` next to its process id.
    fn wait_until_ready(&self) -> Result<u32> {
        let begin = Instant::now();
        loop {
            let status = fs::read_to_string(self.directory.join("data/postmaster.pid"));
            if let Ok(status) = status
                && status.lines().any(|line| line.trim() == "ready")
            {
                let process = status.lines().next().context("postmaster.pid is empty")?;
                return Ok(process.parse()?);
            }
            if self.directory.join("ended").exists() || begin.elapsed() > START_TIMEOUT {
                let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                bail!("PostgreSQL did not start:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The URL of a database.
    pub(crate) fn url(&self, database: &str, socket: Socket) -> String {
        let port = self.port;
        match socket {
            Socket::Tcp => format!("postgres://postgres@127.0.0.1:{port}/{database}"),
            Socket::Unix => {
                let directory = self.directory.display();
                format!("postgres://postgres@/{database}?host={directory}&port={port}")
            }
        }
    }

    /// A connection to a database.
    pub(crate) async fn connect(&self, database: &str) -> Result<Client> {
        let url = self.url(database, Socket::Tcp);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Runs statements without results, one by one.
    pub(crate) async fn execute(&self, database: &str, statements: &[&str]) -> Result<()> {
        let client = self.connect(database).await?;
        for statement in statements {
            let done = client.batch_execute(statement).await;
            done.with_context(|| (*statement).to_owned())?;
        }
        Ok(())
    }

    /// Copies a database, which must not be in use, and loads the copy into the buffers.
    pub(crate) async fn copy(&self, template: &str, name: &str) -> Result<()> {
        let client = self.connect("postgres").await?;
        let version = client.query_one("SHOW server_version_num", &[]).await?;
        let version: u32 = version.get::<_, String>(0).parse()?;
        // Faster than the default of version 15, which writes every page to the log; the default of earlier versions.
        let strategy = match version {
            150_000.. => "STRATEGY file_copy",
            _ => "",
        };
        for statement in [
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("CREATE DATABASE {name} TEMPLATE {template} {strategy}"),
        ] {
            client.batch_execute(&statement).await?;
        }
        let read = "SELECT sum(length(text)) FROM article";
        self.execute(name, &[read, "CHECKPOINT"]).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        // The supervisor exits when everything is removed. An error means that it has already exited.
        let _ = self.supervisor.wait();
    }
}

/// The directory of `initdb`, `postgres` and `pgbench`: on the PATH, where `pg_config` says, or where Debian puts
/// them, the newest version first.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output()
        && let Ok(directory) = String::from_utf8(output.stdout)
    {
        candidates.push(directory.trim().into());
    }
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by(|one, other| other.cmp(one));
    candidates.extend(versions.into_iter().map(|(_, directory)| directory));
    candidates
        .into_iter()
        .find(|directory| directory.is_absolute() && has_programs(directory))
}

fn has_programs(directory: &Path) -> bool {
    ["initdb", "postgres", "pgbench"]
        .iter()
        .all(|program| directory.join(program).is_file())
}

/// The ids of the user and group that the server runs as instead of root.
fn unprivileged_user() -> Result<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd")?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| {
            users.lines().find_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                match fields[..] {
                    [user, _, user_id, group_id, ..] if user == *name => {
                        Some((user_id.parse().ok()?, group_id.parse().ok()?))
                    }
                    _ => None,
                }
            })
        })
        .context("root runs the benchmark, and there is no user `postgres` or `nobody`")
}
