//! The program itself, run as a process of its own: [`Program`].

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A running server, killed when this value is dropped.
pub(crate) struct Program {
    process: Child,
    /// What it has logged until now.
    log: Arc<Mutex<String>>,
    lines: watch::Receiver<usize>,
    reader: JoinHandle<()>,
    address: String,
    /// Its current directory, where it finds no `.env`.
    _directory: TempDir,
}

impl Program {
    /// Starts a server and waits until it listens.
    pub(crate) async fn start(url: &str, flags: &[&str]) -> Self {
        let started = Self::try_start(url, flags).await;
        started.unwrap_or_else(|log| panic!("it never listened, but:\n{log}"))
    }

    /// The same where it may fail; the error is what it has logged.
    pub(crate) async fn try_start(url: &str, flags: &[&str]) -> Result<Self, String> {
        let mut program = Self::spawn(url, flags);
        let Some(line) = program.hear("listening on http://").await else {
            return Err(program.log());
        };
        let (_, address) = line.split_once("http://").unwrap();
        address
            .split_whitespace()
            .next()
            .unwrap()
            .clone_into(&mut program.address);
        Ok(program)
    }

    /// Starts a server that need not come to listen.
    pub(crate) fn spawn(url: &str, flags: &[&str]) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("broadsheet-test-")
            .tempdir()
            .unwrap();
        let mut process = command(&directory)
            .args(flags)
            .envs([("DATABASE_URL", url), ("PORT", "0")])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let (count, lines) = watch::channel(0);
        let reader = tokio::spawn({
            let log = Arc::clone(&log);
            async move {
                while let Some(line) = stderr.next_line().await.unwrap() {
                    let mut log = log.lock().unwrap();
                    log.push_str(&line);
                    log.push('\n');
                    drop(log);
                    count.send_modify(|count| *count += 1);
                }
            }
        });
        Self {
            process,
            log,
            lines,
            reader,
            address: String::new(),
            _directory: directory,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens, such as `127.0.0.1:1234`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Waits for a line of the log that contains `text`.
    ///
    /// # Panics
    ///
    /// Where the program ends without it.
    pub(crate) async fn logged(&mut self, text: &str) -> String {
        match self.hear(text).await {
            Some(line) => line,
            None => panic!("{text:?} was never logged, but:\n{}", self.log()),
        }
    }

    /// Waits for a line of the log that contains `text`, or for the end of the log.
    async fn hear(&mut self, text: &str) -> Option<String> {
        let mut has_ended = false;
        loop {
            self.lines.mark_unchanged();
            if let Some(line) = self.log().lines().find(|line| line.contains(text)) {
                return Some(line.to_owned());
            }
            if has_ended {
                return None;
            }
            has_ended = self.lines.changed().await.is_err();
        }
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// A line of `/proc/PID/status`, in bytes.
    pub(crate) fn memory(&self, name: &str) -> usize {
        let status = format!("/proc/{}/status", self.process.id().unwrap());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kibibytes = line.split_whitespace().nth(1).unwrap();
        kibibytes.parse::<usize>().unwrap() * 1_024
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().unwrap().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &id])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end; answers how it ended and all that it logged.
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        let status = self.process.wait().await.unwrap();
        (&mut self.reader).await.unwrap();
        (status, self.log())
    }
}

/// Runs the program to its end; answers its exit code, standard output and standard error.
pub(crate) async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    run_with_input(arguments, environment, "").await
}

/// The same for a program that reads its standard input.
pub(crate) async fn run_with_input(
    arguments: &[&str],
    environment: &[(&str, &str)],
    input: &str,
) -> (i32, String, String) {
    let directory = tempfile::Builder::new()
        .prefix("broadsheet-test-")
        .tempdir()
        .unwrap();
    let mut process = command(&directory)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    // Fails where the program has ended without reading it.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = process.wait_with_output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The program in a directory of its own, without the settings of whoever runs the tests.
fn command(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_broadsheet"));
    command
        .env_clear()
        .current_dir(directory.path())
        .stdin(Stdio::null());
    command
}
