//! Fuzzing on stable Rust: `cargo run -p fuzz -- --seconds 5` mutates inputs for each target, and checks the target's
//! invariants, including that it does not panic. `cargo run --profile fuzz -p fuzz -- --inputs 1000000 jwt` runs
//! longer.
//!
//! There is no instrumentation. A target classifies the outcome of each input, and the first inputs of each class join
//! the corpus (`fuzzer.rs`), so that mutations (`mutation.rs`) have many starting points. Each target is a file in
//! `targets/` with its seeds, its dictionary and its invariants. The same seed produces the same inputs.

mod fuzzer;
mod mutation;
mod reference;
mod target;
mod targets;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use fuzzer::{Fuzzer, Until};
use target::Target;

#[derive(Parser)]
struct Options {
    /// The targets [default: all]
    targets: Vec<String>,

    /// Duration of each target's run
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    seconds: u64,

    /// Number of inputs for each target, instead of a duration
    #[arg(long, value_name = "COUNT")]
    inputs: Option<u64>,

    /// Seed of the inputs
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::parse();
    let until = match options.inputs {
        Some(inputs) => Until::Inputs(inputs),
        None => Until::Time(Duration::from_secs(options.seconds)),
    };
    let all = targets::all()?;
    if let Some(unknown) = options
        .targets
        .iter()
        .find(|name| all.iter().all(|target| target.name() != **name))
    {
        let names: Vec<_> = all.iter().map(|target| target.name()).collect();
        return Err(format!("there is no target {unknown}, but {}", names.join(", ")).into());
    }
    let is_chosen = |target: &dyn Target| {
        options.targets.is_empty() || options.targets.iter().any(|name| name == target.name())
    };
    let mut has_failed = false;
    for target in all
        .iter()
        .map(AsRef::as_ref)
        .filter(|target| is_chosen(*target))
    {
        let report = Fuzzer::new(target, options.seed).run(until);
        println!("{:<11} {report}", target.name());
        has_failed |= report.failure.is_some();
    }
    Ok(match has_failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}
