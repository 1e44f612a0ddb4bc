//! A temporary PostgreSQL server, removed when this value is dropped or the process ends.
//!
//! A small shell script (`supervise.sh`) runs it and watches a pipe that only this process holds, so that even `kill
//! -9` leaves neither a server nor its files. `postgres` refuses to run as root: then the server runs as the user
//! `postgres` or `nobody`.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long `initdb` and the start may take on a busy machine.
const START_TIMEOUT: Duration = Duration::from_mins(2);

/// Fast rather than durable, with enough connections for the pools of many concurrent tests.
const SETTINGS: [&str; 11] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=..",
    "max_connections=300",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
    "shared_buffers=64MB",
    "log_min_messages=log",
];

/// For a test that kills the server: acknowledged writes are on disk.
pub(crate) const DURABLE: [&str; 3] = ["fsync=on", "synchronous_commit=on", "full_page_writes=on"];

/// A running server that listens on 127.0.0.1 and on a Unix socket and trusts all users.
pub(crate) struct Server {
    directory: PathBuf,
    port: u16,
    supervisor: Child,
    // Open while the server runs.
    input: Option<ChildStdin>,
}

impl Server {
    /// Creates and starts a server with additional `settings` (`name=value`). The `files` (name and content) are
    /// stored next to its data directory, readable only by it: `ssl_key_file=../NAME` finds one.
    ///
    /// # Panics
    ///
    /// If the server does not start; the message contains its log.
    pub(crate) fn start(programs: &Path, files: &[(&str, &str)], settings: &[&str]) -> Self {
        // Another process may take the free port before it is used.
        let mut attempts = 3;
        loop {
            attempts -= 1;
            match Self::try_start(programs, files, settings) {
                Ok(server) => return server,
                Err(log) if attempts > 0 && log.contains("Address already in use") => {}
                Err(log) => panic!("the tests' PostgreSQL did not start:\n{log}"),
            }
        }
    }

    fn try_start(
        programs: &Path,
        files: &[(&str, &str)],
        settings: &[&str],
    ) -> Result<Self, String> {
        let temporary = tempfile::Builder::new()
            .prefix("broadsheet-test-")
            .tempdir()
            .unwrap();
        let directory = temporary.path().to_owned();
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();

        let mut supervise = Command::new("/bin/sh");
        let owner = (fs::metadata(&directory).unwrap().uid() == 0).then(unprivileged_user);
        for (name, content) in files {
            let path = directory.join(name);
            fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .and_then(|mut file| file.write_all(content.as_bytes()))
                .unwrap();
            if let Some((user, group)) = owner {
                chown(path, Some(user), Some(group)).unwrap();
            }
        }
        if let Some((user, group)) = owner {
            chown(&directory, Some(user), Some(group)).unwrap();
            supervise.uid(user).gid(group);
        }
        let mut supervisor = supervise
            .args(["-c", include_str!("supervise.sh"), "supervise"])
            .args([&directory, programs])
            .args(SETTINGS)
            .arg(format!("port={port}"))
            .args(settings)
            .current_dir(&directory)
            .env("LC_ALL", "C")
            // A Ctrl-C in the terminal reaches a whole process group; the server must outlive the tests.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From now on the supervisor removes the directory.
        let _ = temporary.keep();
        let input = supervisor.stdin.take();
        let server = Self {
            directory,
            port,
            supervisor,
            input,
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Waits for the word `ready`, which `postgres` writes for `pg_ctl`; otherwise returns the log.
    fn wait_until_ready(&self) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            let status = fs::read_to_string(self.directory.join("data/postmaster.pid"));
            if status.is_ok_and(|status| status.lines().any(|line| line.trim() == "ready")) {
                return Ok(());
            }
            if self.directory.join("ended").exists() || begin.elapsed() > START_TIMEOUT {
                let log = fs::read_to_string(self.directory.join("log"));
                return Err(log.unwrap_or_else(|error| format!("and left no log: {error}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the server like a power cut: its clients lose their connections, and nothing more is written to the disk.
    pub(crate) fn stop_hard(&self) {
        let pid_file = self.directory.join("data/postmaster.pid");
        let status = fs::read_to_string(&pid_file).unwrap();
        let process = status.lines().next().unwrap().parse().unwrap();
        fs::write(self.directory.join("stop"), "").unwrap();
        kill_process(Pid::from_raw(process).unwrap(), Signal::QUIT).unwrap();
        let begin = Instant::now();
        while !self.directory.join("stopped").exists() {
            assert!(begin.elapsed() < START_TIMEOUT, "PostgreSQL did not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = fs::remove_file(pid_file);
    }

    /// Starts it again, and waits until it accepts connections.
    pub(crate) fn start_again(&self) {
        fs::remove_file(self.directory.join("stopped")).unwrap();
        self.wait_until_ready().unwrap();
    }

    /// The URL of the superuser's connection.
    pub(crate) fn admin_url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The port on 127.0.0.1, which is also in the name of the socket.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The directory that contains the Unix socket, `data` and `log`.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        // The supervisor exits when everything is removed. An error means that it has already exited.
        let _ = self.supervisor.wait();
    }
}

/// The directory of `initdb` and `postgres`, if `build/postgres.rs` has found one.
pub(crate) fn programs() -> Option<PathBuf> {
    option_env!("BROADSHEET_TEST_POSTGRES").map(PathBuf::from)
}

/// The ids of the user and group that run the server if the tests run as root.
fn unprivileged_user() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
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
        .expect("root runs the tests, and there is no user `postgres` or `nobody` for the server")
}

#[test]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
fn a_killed_test_process_leaves_no_server_and_no_files() {
    const ROLE: &str = "BROADSHEET_TEST_TO_BE_KILLED";
    let programs = programs().expect("a machine with the programs of PostgreSQL");
    if std::env::var_os(ROLE).is_some() {
        let server = Server::start(&programs, &[], &[]);
        let directory = server.directory().display();
        let line = format!("\nserver {} {directory}\n", server.port());
        std::io::stdout().write_all(line.as_bytes()).unwrap();
        std::thread::sleep(START_TIMEOUT);
        return;
    }

    let mut process = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "postgres::server::a_killed_test_process_leaves_no_server_and_no_files",
        ])
        .env(ROLE, "yes")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(process.stdout.take().unwrap());
    let line = std::io::BufRead::lines(output)
        .map(Result::unwrap)
        .find(|line| line.starts_with("server "))
        .expect("the process that is to be killed has started a server");
    let [_, port, directory] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
        panic!("{line}");
    };
    let is_there = || std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok();
    assert!(is_there() && Path::new(directory).exists());

    process.kill().unwrap();
    process.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while is_there() || Path::new(directory).exists() {
        assert!(Instant::now() < deadline, "{directory} is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}
