//! pgbench with the floor's statements, as prepared ones: PostgreSQL without any server in front of it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use broadsheet_bench::article::{self, FIRST_CREATED_AT, MINUTE, Random, SLUG_PREFIX};

use crate::options::{Options, Socket, Workload};
use crate::postgres::Server;

/// The fraction of transactions that are logged, from which the latencies are read.
const SAMPLED: f64 = 0.1;

/// The results of pgbench.
pub(crate) struct Run {
    pub(crate) requests: u64,
    /// Of the sampled transactions, in tenths of a microsecond.
    pub(crate) latencies: Vec<u32>,
}

/// Runs a workload on the database with this name.
pub(crate) fn run(
    server: &Server,
    database: &str,
    (options, workload, connections): (&Options, Workload, usize),
    directory: &Path,
    time: Duration,
) -> Result<Run> {
    let directory = directory.join("pgbench");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory)?;
    let seconds = time.as_secs_f64().ceil().max(1.0);
    let mut command = Command::new(server.programs.join("pgbench"));
    command
        .args(["--no-vacuum", "--protocol=prepared", "--log"])
        .arg(format!("--client={connections}"))
        .arg(format!("--jobs={}", connections.min(2)))
        .arg(format!("--time={seconds}"))
        .arg(format!("--sampling-rate={SAMPLED}"))
        .arg(format!("--port={}", server.port))
        .arg("--username=postgres")
        .current_dir(&directory);
    match options.socket {
        Socket::Unix => command.arg("--host").arg(&server.directory),
        Socket::Tcp => command.arg("--host=127.0.0.1"),
    };
    let text = article::text(&mut Random::new(u64::MAX));
    command.arg(format!("--define=text={text}"));
    let shares: &[(Workload, u32)] = match workload {
        Workload::Mix => &[
            (Workload::Slug, 90),
            (Workload::Newest, 8),
            (Workload::Create, 2),
        ],
        _ => &[(workload, 1)],
    };
    for (part, share) in shares {
        let path = directory.join(format!("{part:?}.sql"));
        fs::write(&path, script(*part, options.articles)?)?;
        command.arg(format!("--file={}@{share}", path.display()));
    }
    let output = command.arg(database).output().context("pgbench")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pgbench: {complained}");
    let processed = "number of transactions actually processed: ";
    let requests = printed
        .lines()
        .find_map(|line| line.strip_prefix(processed));
    let requests = requests.context("pgbench did not say how many transactions it made")?;
    Ok(Run {
        requests: requests.trim().parse()?,
        latencies: latencies(&directory)?,
    })
}

fn script(workload: Workload, articles: u32) -> Result<String> {
    let fields = "SELECT id, title, slug, text, created_at, updated_at FROM article";
    let newest = "ORDER BY created_at DESC, id DESC";
    let last = articles.saturating_sub(1);
    let mut script = String::new();
    match workload {
        Workload::Slug | Workload::Mix => {
            writeln!(script, "\\set number random(0, {last})")?;
            writeln!(
                script,
                "{fields} WHERE slug = '{SLUG_PREFIX}' || :number::text;"
            )?;
        }
        Workload::Newest => writeln!(script, "{fields} {newest} LIMIT 20;")?,
        Workload::Page => {
            let (seconds, step) = (FIRST_CREATED_AT / 1_000_000, MINUTE / 1_000_000);
            writeln!(
                script,
                "\\set second {seconds} + {step} * random(20, {last})"
            )?;
            // The smallest id: matches only articles before that time.
            let after =
                "(to_timestamp(:second + 0.123456), '00000000-0000-0000-0000-000000000000'::uuid)";
            let before = "(created_at, id) <";
            writeln!(script, "{fields} WHERE {before} {after} {newest} LIMIT 21;")?;
        }
        Workload::Create => {
            writeln!(script, "\\set number random(0, 1000000000000)")?;
            let columns = "(id, title, slug, text, created_at, updated_at, version)";
            let slug = "'remarkable-harbour-morning-' || :client_id::text || '-' || :number::text";
            writeln!(
                script,
                "INSERT INTO article {columns} VALUES (gen_random_uuid(), 'Remarkable harbour morning', {slug}, \
                 :text, now(), now(), 1);"
            )?;
        }
    }
    Ok(script)
}

/// Reads the third field of each line of pgbench's logs, in microseconds.
fn latencies(directory: &Path) -> Result<Vec<u32>> {
    let mut latencies = Vec::new();
    for entry in fs::read_dir(directory)?.flatten() {
        let name = entry.file_name();
        if !name.to_string_lossy().starts_with("pgbench_log.") {
            continue;
        }
        for line in fs::read_to_string(entry.path())?.lines() {
            let time = line.split(' ').nth(2).context("a short line in the log")?;
            let microseconds: u32 = time.parse()?;
            latencies.push(microseconds.saturating_mul(10));
        }
    }
    Ok(latencies)
}
