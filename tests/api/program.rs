//! The program as a separate process: [`Program`].

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long to wait for a line of the log or for the exit, so that a test fails instead of hanging.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A running server, killed when this value is dropped.
pub(crate) struct Program {
    process: Child,
    /// Its log so far.
    log: Arc<Mutex<String>>,
    lines: watch::Receiver<usize>,
    reader: JoinHandle<()>,
    address: String,
    /// Its current directory, which contains no `.env`, and which is also used for temporary files.
    directory: TempDir,
}

impl Program {
    /// Starts a server and waits until it listens.
    pub(crate) async fn start(url: &str, flags: &[&str]) -> Self {
        let started = Self::try_start(url, flags).await;
        started.unwrap_or_else(|log| panic!("it never listened, but:\n{log}"))
    }

    /// The same if it may fail; the error is its log.
    pub(crate) async fn try_start(url: &str, flags: &[&str]) -> Result<Self, String> {
        Self::spawn(url, flags).listening().await
    }

    /// Waits until it listens; the error is its log.
    async fn listening(mut self) -> Result<Self, String> {
        let line = timeout(TIMEOUT, self.next_line_with("listening on http")).await;
        let Some(line) =
            line.unwrap_or_else(|_| panic!("it neither listens nor exits:\n{}", self.log()))
        else {
            return Err(self.log());
        };
        let (_, address) = line.split_once("://").unwrap();
        // In the JSON format the address ends at a quotation mark.
        let address = address.split(['"', ' ']).next().unwrap();
        address.clone_into(&mut self.address);
        Ok(self)
    }

    /// Starts a server as a user other than root, to whom permissions do not apply.
    pub(crate) async fn start_unprivileged(url: &str, flags: &[&str]) -> Self {
        let directory = directory();
        let mut command = command(directory.path());
        if std::fs::metadata(directory.path()).unwrap().uid() == 0 {
            // Other users may have no access to the directory where root has built the program.
            let program = directory.path().join("broadsheet");
            std::fs::copy(PROGRAM, &program).unwrap();
            for path in [directory.path(), &program] {
                let open_to_all = std::fs::Permissions::from_mode(0o755);
                std::fs::set_permissions(path, open_to_all).unwrap();
            }
            command = command_of(&program, directory.path());
            // Any unprivileged id will do.
            command.uid(65_534).gid(65_534);
        }
        let started = Self::spawned(
            directory,
            command,
            flags,
            &[("DATABASE_URL", url), ("PORT", "0")],
        )
        .listening()
        .await;
        started.unwrap_or_else(|log| panic!("it never listened, but:\n{log}"))
    }

    /// Starts a server that may fail before it listens.
    pub(crate) fn spawn(url: &str, flags: &[&str]) -> Self {
        let environment = [("DATABASE_URL", url), ("PORT", "0")];
        Self::spawn_in(directory(), flags, &environment)
    }

    /// Starts a server with these variables in this current directory, and waits until it listens.
    pub(crate) async fn start_in(
        directory: TempDir,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let started = Self::spawn_in(directory, flags, environment)
            .listening()
            .await;
        started.unwrap_or_else(|log| panic!("it never listened, but:\n{log}"))
    }

    fn spawn_in(directory: TempDir, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let command = command(directory.path());
        Self::spawned(directory, command, flags, environment)
    }

    fn spawned(
        directory: TempDir,
        mut command: Command,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut process = command
            .args(flags)
            .envs(environment.iter().copied())
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
            directory,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its address, such as `127.0.0.1:1234`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Its current directory, which is also the one for its temporary files.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Waits for a line of the log that contains `text`.
    ///
    /// # Panics
    ///
    /// If the program exits without it, or does not log it within [`TIMEOUT`].
    pub(crate) async fn logged(&mut self, text: &str) -> String {
        match timeout(TIMEOUT, self.next_line_with(text)).await {
            Ok(Some(line)) => line,
            Ok(None) | Err(_) => panic!("{text:?} was never logged, but:\n{}", self.log()),
        }
    }

    /// Waits for a line of the log that contains `text`, or for the end of the log.
    async fn next_line_with(&mut self, text: &str) -> Option<String> {
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

    /// The number of its open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        let directory = format!("/proc/{}/fd", self.process.id().unwrap());
        std::fs::read_dir(directory).unwrap().count()
    }

    /// Its processor time so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = format!("/proc/{}/stat", self.process.id().unwrap());
        let stat = std::fs::read_to_string(stat).unwrap();
        // Fields 14 and 15, in hundredths of a second; the second one is a name, which may have spaces.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks = ticks.map(|ticks| ticks.parse::<u64>().unwrap());
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    /// The number of connected clients.
    pub(crate) fn connections(&self) -> usize {
        const ESTABLISHED: &str = "01";
        const CLOSE_WAIT: &str = "08";
        let table = format!("/proc/{}/net/tcp", self.process.id().unwrap());
        let table = std::fs::read_to_string(table).unwrap();
        let (_, port) = self.address.rsplit_once(':').unwrap();
        let port = format!(":{:04X}", port.parse::<u16>().unwrap());
        let is_ours = |line: &&str| {
            let mut words = line.split_whitespace().skip(1);
            let (local, _, state) = (words.next(), words.next(), words.next());
            local.is_some_and(|local| local.ends_with(&port))
                && matches!(state, Some(ESTABLISHED | CLOSE_WAIT))
        };
        table.lines().filter(is_ours).count()
    }

    /// Sends a signal, such as `TERM`, without the program `kill`, which may be missing.
    pub(crate) fn signal(&self, name: &str) {
        let signal = match name {
            "TERM" => Signal::TERM,
            "INT" => Signal::INT,
            "HUP" => Signal::HUP,
            "KILL" => Signal::KILL,
            "STOP" => Signal::STOP,
            "CONT" => Signal::CONT,
            _ => panic!("no test has needed {name} until now"),
        };
        let id = i32::try_from(self.process.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Waits for the program to exit; returns its exit status and its log.
    ///
    /// # Panics
    ///
    /// If it does not exit within [`TIMEOUT`].
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        let ended = timeout(TIMEOUT, async {
            let status = self.process.wait().await.unwrap();
            (&mut self.reader).await.unwrap();
            status
        });
        let status = ended.await;
        let status = status.unwrap_or_else(|_| panic!("it does not exit:\n{}", self.log()));
        (status, self.log())
    }
}

/// Runs the program to its end; returns its exit code, standard output and standard error.
pub(crate) async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    run_in(directory().path(), arguments, environment).await
}

/// The same in this current directory.
pub(crate) async fn run_in(
    directory: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (i32, String, String) {
    run_with_input_in(directory, arguments, environment, "").await
}

/// The same for a program that reads its standard input.
pub(crate) async fn run_with_input(
    arguments: &[&str],
    environment: &[(&str, &str)],
    input: &str,
) -> (i32, String, String) {
    run_with_input_in(directory().path(), arguments, environment, input).await
}

async fn run_with_input_in(
    directory: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
    input: &str,
) -> (i32, String, String) {
    let mut process = command(directory)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    // Fails if the program has exited without reading it.
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

/// An empty directory, gone when this value is dropped.
pub(crate) fn directory() -> TempDir {
    tempfile::Builder::new()
        .prefix("broadsheet-test-")
        .tempdir()
        .unwrap()
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_broadsheet");

/// The program, or the build that `BROADSHEET_PROGRAM` names, in this directory and without the settings of whoever
/// runs the tests.
pub(crate) fn command(directory: &Path) -> Command {
    match std::env::var_os("BROADSHEET_PROGRAM") {
        Some(program) => command_of(Path::new(&program), directory),
        None => command_of(Path::new(PROGRAM), directory),
    }
}

fn command_of(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("TMPDIR", directory)
        .current_dir(directory)
        .stdin(Stdio::null());
    command
}
