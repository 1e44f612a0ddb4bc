//! The program: runs one command.

use std::process::ExitCode;

use broadsheet::cli::Cli;
use mimalloc::MiMalloc;

/// A request allocates many pieces of a few kilobytes, for which the system's allocator is slow.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let status = runtime.block_on(cli.run());
            // Dropping the runtime would wait for SQLite's threads, however long their statements take.
            std::mem::forget(runtime);
            status
        }
        Err(error) => {
            eprintln!("broadsheet: the runtime could not be started: {error}");
            ExitCode::FAILURE
        }
    }
}
