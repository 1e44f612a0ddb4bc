//! A contestant as a separate process with its own port, killed at the end.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

const START_TIMEOUT: Duration = Duration::from_mins(2);

/// A running server.
pub(crate) struct Process {
    child: Child,
    pub(crate) port: u16,
    log: PathBuf,
}

impl Process {
    /// Starts a server that listens on the port in `PORT`, without waiting for it. Its output goes to a file in
    /// `directory`, which is also its working directory.
    pub(crate) fn start(
        program: &Path,
        directory: &Path,
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = directory.join("contestant.log");
        let output = File::create(&log)?;
        let child = Command::new(program)
            // All clients are on this machine, and more than one caller may be.
            .env("MAX_CONNECTIONS_PER_ADDRESS", "0")
            .env("MAX_STREAMS_PER_CALLER", "0")
            .envs(variables.iter().copied())
            .env("PORT", port.to_string())
            .env("NO_COLOR", "1")
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} does not start", program.display()))?;
        Ok(Self { child, port, log })
    }

    /// Waits until it accepts connections.
    pub(crate) fn wait_until_ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if self.child.try_wait()?.is_some() || begin.elapsed() > START_TIMEOUT {
                bail!("the server did not start: {}", self.log());
            }
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The end of its output.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let last = lines.len().saturating_sub(2);
        lines.get(last..).unwrap_or_default().join("\n")
    }

    /// Stops it, and waits for its exit.
    pub(crate) fn stop(mut self) -> Result<()> {
        let id = self.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
