//! Runs a target on mutated inputs, until one fails.

use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::mutation::mutate;
use super::target::Target;

/// The maximum number of inputs that are kept as starting points, besides the seeds.
const MAX_CORPUS: usize = 2_000;

/// When a run ends.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Inputs(u64),
    Time(Duration),
}

pub(crate) struct Fuzzer<'t> {
    target: &'t dyn Target,
    corpus: Vec<Vec<u8>>,
    kinds: HashSet<u64>,
    rng: Rng,
}

/// The result of a run.
pub(crate) struct Report {
    inputs: u64,
    kinds: usize,
    took: Duration,
    /// The input that failed, reduced, and why it failed.
    pub(crate) failure: Option<(Vec<u8>, String)>,
}

impl<'t> Fuzzer<'t> {
    pub(crate) fn new(target: &'t dyn Target, seed: u64) -> Self {
        Self {
            target,
            corpus: Vec::new(),
            kinds: HashSet::new(),
            rng: Rng::with_seed(seed),
        }
    }

    pub(crate) fn run(mut self, until: Until) -> Report {
        let began = Instant::now();
        let mut inputs = 0;
        let mut failure = None;
        for seed in self.target.seeds() {
            inputs += 1;
            failure = failure.or(self.attempt(seed));
        }
        let goes_on = |inputs: u64| match until {
            Until::Inputs(count) => inputs < count,
            // The clock is read once for several inputs.
            Until::Time(time) => !inputs.is_multiple_of(16) || began.elapsed() < time,
        };
        while failure.is_none() && goes_on(inputs) {
            let any = |rng: &mut Rng| rng.usize(..self.corpus.len());
            let (one, other) = (any(&mut self.rng), any(&mut self.rng));
            let (one, other) = (&self.corpus[one], &self.corpus[other]);
            let input = mutate(one, other, self.target.dictionary(), &mut self.rng);
            inputs += 1;
            failure = self.attempt(input);
        }
        Report {
            inputs,
            kinds: self.kinds.len(),
            took: began.elapsed(),
            failure: failure.map(|input| self.reduced(input)),
        }
    }

    /// The input, if it fails.
    fn attempt(&mut self, input: Vec<u8>) -> Option<Vec<u8>> {
        match outcome(self.target, &input) {
            Err(_) => Some(input),
            Ok(kind) => {
                if self.kinds.insert(kind) && self.corpus.len() < MAX_CORPUS {
                    self.corpus.push(input);
                }
                None
            }
        }
    }

    /// Removes from a failing input everything without which it still fails.
    fn reduced(&self, mut input: Vec<u8>) -> (Vec<u8>, String) {
        let mut size = input.len() / 2;
        while size > 0 {
            let mut at = 0;
            while at < input.len() {
                let mut shorter = input.clone();
                shorter.drain(at..(at + size).min(input.len()));
                match outcome(self.target, &shorter) {
                    Err(_) => input = shorter,
                    Ok(_) => at += size,
                }
            }
            size /= 2;
        }
        let reason = outcome(self.target, &input).err().unwrap_or_default();
        (input, reason)
    }
}

/// The kind of outcome that an input has.
fn outcome(target: &dyn Target, input: &[u8]) -> Result<u64, String> {
    catch_unwind(AssertUnwindSafe(|| target.check(input)))
        .unwrap_or_else(|_| Err("it panics".to_owned()))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            inputs,
            kinds,
            took,
            failure,
        } = self;
        let seconds = took.as_secs_f32();
        write!(
            f,
            "{inputs:>9} inputs in {seconds:.1} s, {kinds} kinds of outcome"
        )?;
        match failure {
            None => Ok(()),
            Some((input, reason)) => {
                write!(
                    f,
                    "\n  FAILED: {reason}\n  input: \"{}\"",
                    input.escape_ascii()
                )
            }
        }
    }
}
