//! Random sequences of queries and mutations, executed on SQLite, on PostgreSQL, and by a simple model of the contract
//! that keeps its articles in a `Vec`. All three must give the same responses.
//!
//! `model/generate.rs` generates the sequences, `model/articles.rs` is the model. `MODEL_SEQUENCES` sets the number of
//! sequences; the default is 2,000 under CI and 300 elsewhere.

mod article;
mod articles;
mod connection;
mod generate;
mod inputs;
mod search;
mod step;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use serde_json::Value;

use self::articles::Model;
use self::step::Step;
use crate::in_process::InProcess;
use crate::support::Database;

/// The tests that share the sequences, so that they run in parallel.
const SHARES: u32 = 4;

#[rstest::rstest]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
fn responses_match_the_model(#[values(1, 2, 3, 4)] share: u32) {
    assert!(share <= SHARES);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let sides = runtime.block_on(Sides::start());
    let config = Config {
        cases: sequences().div_ceil(SHARES),
        max_shrink_iters: 1_000,
        failure_persistence: None,
        ..Config::default()
    };
    let sequence = prop::collection::vec(generate::step(), 1..16);
    let result = TestRunner::new(config).run(&sequence, |steps| {
        runtime
            .block_on(sides.agree_on(&steps))
            .map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, steps)) => panic!("{reason}\nafter the steps {steps:#?}"),
        Err(error) => panic!("{error}"),
    }
}

fn sequences() -> u32 {
    let default = if std::env::var_os("CI").is_some() {
        2_000
    } else {
        300
    };
    match std::env::var_os("MODEL_SEQUENCES") {
        Some(number) => number.to_str().unwrap().parse().unwrap(),
        None => default,
    }
}

/// The databases that are compared with the model, and with each other.
struct Sides(Vec<InProcess>);

impl Sides {
    async fn start() -> Self {
        let mut sides = Vec::new();
        for database in [Database::Sqlite, Database::Postgres] {
            sides.extend(InProcess::start(database).await);
        }
        Self(sides)
    }

    /// Executes the steps on an empty table; the first response that is not the same everywhere is an error.
    async fn agree_on(&self, steps: &[Step]) -> Result<(), String> {
        let Self(sides) = self;
        for side in sides {
            side.direct.run("DELETE FROM article").await;
        }
        let mut model = Model::new(self.ids_used());
        for step in steps {
            model.advance(step.micros);
            let (document, variables) = model.prepare(step);
            let expected = model.answer(step, &variables);
            let mut first: Option<Value> = None;
            for side in sides {
                side.at(model.micros());
                let answer = side.ask_with(&document, variables.clone()).await;
                let answer = step.without_order(answer);
                let step_text = || format!("{document}\nwith {variables}");
                let reduced = articles::reduced(answer.clone());
                if reduced != expected {
                    let side = side.store.describe();
                    return Err(format!(
                        "{side} differs from the model\n{}\n{reduced}\n{expected}",
                        step_text()
                    ));
                }
                match &first {
                    Some(first) if *first != answer => {
                        return Err(format!(
                            "the databases differ\n{}\n{first}\n{answer}",
                            step_text()
                        ));
                    }
                    _ => first = Some(answer),
                }
            }
        }
        Ok(())
    }

    /// Sets the clocks to the same time, even after a failure, and returns the number of ids that each has generated.
    fn ids_used(&self) -> u64 {
        let next = |side: &InProcess| side.clock.new_id().as_u64_pair().1 & 0x3fff_ffff_ffff_ffff;
        let used: Vec<u64> = self.0.iter().map(next).collect();
        let most = used.iter().copied().max().unwrap_or_default();
        for (side, used) in self.0.iter().zip(used) {
            for _ in used..most {
                side.clock.new_id();
            }
        }
        most
    }
}
