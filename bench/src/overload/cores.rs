//! Keeps the load generator off the cores of what it measures: it works hardest where the server is to show what it
//! does under overload, and would otherwise take from it what it is to be measured with.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::usage;

/// The last core is the generator's, all others are the server's and PostgreSQL's. Until it is dropped.
pub(crate) struct Apart {
    cores: usize,
    postgres: Option<u32>,
}

impl Apart {
    /// `None` where there is one core, or no `taskset` (util-linux), so that all share what there is.
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
                // One that was there a moment ago may have ended.
                let _ = pin(process, &apart.of_server());
            }
        }
        Ok(Some(apart))
    }

    fn of_server(&self) -> String {
        format!("0-{}", self.cores - 2)
    }

    /// Starts a process on the server's cores: it counts the cores that it may use when it starts.
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

/// Restricts all threads of a process, and those that they begin, to these cores.
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
