//! The program: one command, to its end.

use std::process::ExitCode;

use broadsheet::cli::Cli;
use mimalloc::MiMalloc;

/// A request allocates many pieces of a few kilobytes, which the system's allocator is slow at.
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
            // Dropping it would wait for the threads on which SQLite works, however long a statement takes.
            std::mem::forget(runtime);
            status
        }
        Err(error) => {
            eprintln!("broadsheet: the runtime could not be started: {error}");
            ExitCode::FAILURE
        }
    }
}
