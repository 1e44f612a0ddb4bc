//! Faults of the database, and when they happen.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::NoTls;

use super::Tally;
use crate::postgres::{DURABLE, Server, programs};
use crate::program::run;
use crate::stories::random::Chance;
use crate::support::{Database, OwnDatabase, prepare};

/// How long after a fault operations that had begun before may still fail, on a busy machine.
const AFTER: Duration = Duration::from_secs(8);

/// The database, and the faults that can be caused.
pub(super) enum Target {
    Sqlite(OwnDatabase),
    /// A separate server, which no other test uses.
    Postgres {
        server: Server,
        url: String,
    },
}

impl Target {
    pub(super) async fn new(database: Database) -> Option<Self> {
        match database {
            Database::Sqlite => database.migrated().await.map(Self::Sqlite),
            Database::Postgres => {
                let programs = programs()?;
                let start = move || Server::start(&programs, &[], &DURABLE);
                let server = tokio::task::spawn_blocking(start).await.unwrap();
                let url = server.admin_url();
                prepare(&url).await;
                Some(Self::Postgres { server, url })
            }
        }
    }

    pub(super) fn url(&self) -> &str {
        match self {
            Self::Sqlite(own) => &own.url,
            Self::Postgres { url, .. } => url,
        }
    }
}

/// When there were faults, to decide whether one may have caused an error. Clones share the list.
#[derive(Clone, Default)]
pub(super) struct Disturbance(Arc<Mutex<Vec<Fault>>>);

/// When a fault began, and ended.
type Fault = (Instant, Option<Instant>);

impl Disturbance {
    fn begin(&self) {
        self.0.lock().unwrap().push((Instant::now(), None));
    }

    fn end(&self) {
        if let Some((_, end)) = self.0.lock().unwrap().last_mut() {
            *end = Some(Instant::now());
        }
    }

    /// Whether there has been a fault since this time.
    pub(super) fn was_there_since(&self, began: Instant) -> bool {
        let faults = self.0.lock().unwrap();
        let mut faults = faults.iter().rev();
        faults.any(|(_, end)| end.is_none_or(|end| end + AFTER > began))
    }
}

/// Causes one fault after another.
pub(super) async fn cause(
    target: Arc<Target>,
    mut chance: Chance,
    tally: Tally,
    disturbance: Disturbance,
    until: Instant,
) {
    while Instant::now() < until {
        sleep(Duration::from_millis(500 + chance.below(4_000))).await;
        match &*target {
            Target::Sqlite(own) => {
                if chance.below(3) == 0 {
                    disturbance.begin();
                    let lock = own.lock_writes().await;
                    sleep(Duration::from_millis(chance.below(3_000))).await;
                    drop(lock);
                    disturbance.end();
                    tally.add("fault", "the file was locked");
                } else {
                    command(own, &["backup", "copy.db", "--replace"], &tally).await;
                }
            }
            Target::Postgres { url, .. } => {
                disturbance.begin();
                if chance.below(6) == 0 {
                    let (target, pause) = (Arc::clone(&target), chance.below(2_000));
                    let restart = move || {
                        if let Target::Postgres { server, .. } = &*target {
                            server.stop_hard();
                            std::thread::sleep(Duration::from_millis(pause));
                            server.start_again();
                        }
                    };
                    tokio::task::spawn_blocking(restart).await.unwrap();
                    tally.add("fault", "PostgreSQL was stopped hard and started");
                } else if terminate(url).await.is_ok() {
                    tally.add("fault", "connections to PostgreSQL were killed");
                }
                disturbance.end();
                // The pause leaves times without any fault.
                sleep(AFTER + Duration::from_secs(2)).await;
            }
        }
    }
}

/// Kills some connections, but not this one.
async fn terminate(url: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let some = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < 0.5";
    client.batch_execute(some).await
}

/// Runs a command of the program beside the server.
async fn command(own: &OwnDatabase, arguments: &[&str], tally: &Tally) {
    let environment = [("DATABASE_URL", own.url.as_str()), ("LOG", "error")];
    let (code, _, error) = run(arguments, &environment).await;
    match code {
        0 => tally.add("backup", "made"),
        _ => tally.add("backup", format!("! {error}")),
    }
}
