//! Pins the load generator and the measured processes to different cores: the load generator works hardest when the
//! server is overloaded, and would otherwise take processor time from it.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::usage;

/// Until it is dropped, the last core is the load generator's, and all others are the server's and PostgreSQL's.
pub(crate) struct Apart {
    cores: usize,
    postgres: Option<u32>,
}

impl Apart {
    /// `None` if there is only one core, or no `taskset` (util-linux): then all processes share the cores.
    pub(crate) fn begin(postgres: Option<u32>) -> Result<Option<Self>> {
        let cores = std::thread::available_parallelism()?.get();
        let has_taskset = Command::new("taskset")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if cores < 2 || has_taskset.is_err() {
            return Ok(None);
        }
        let apart = Self { cores, postgres };
        if let Some(postgres) = postgres {
            for process in usage::family(postgres)? {
                // A process may have ended in the meantime.
                let _ = pin(process, &apart.of_server());
            }
        }
        Ok(Some(apart))
    }

    fn of_server(&self) -> String {
        format!("0-{}", self.cores - 2)
    }

    /// Starts a process on the server's cores, because a server counts its available cores when it starts.
    pub(crate) fn start<T>(&self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        pin(std::process::id(), &self.of_server())?;
        let started = start();
        pin(std::process::id(), &(self.cores - 1).to_string())?;
        started
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let all = format!("0-{}", self.cores - 1);
        let family = self.postgres.map(usage::family);
        let family = family.and_then(Result::ok).unwrap_or_default();
        for process in family.into_iter().chain([std::process::id()]) {
            let _ = pin(process, &all);
        }
    }
}

/// Pins all present and future threads of a process to these cores.
fn pin(process: u32, cores: &str) -> Result<()> {
    let status = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", cores])
        .arg(process.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("taskset")?;
    ensure!(status.success(), "taskset --cpu-list {cores} {process}");
    Ok(())
}
