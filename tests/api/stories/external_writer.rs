//! An external writer: it does not maintain versions, and sometimes rolls back.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::random::Chance;
use super::received::Written;
use crate::support::{Database, OwnDatabase};

/// The next transaction of the external writer, and the changes that subscribers must receive for it.
struct Step {
    /// The parts of a transaction, with pauses between them.
    statements: Vec<String>,
    written: Written,
}

/// Generates the external writer's transactions.
struct Program {
    database: Database,
    /// The prefix of all texts that it writes.
    name: String,
    chance: Chance,
    count: usize,
    /// The articles that it has created and not deleted: number and id.
    own: Vec<(usize, Uuid)>,
}

impl Program {
    fn new(database: Database, name: &str, mut chance: Chance) -> Self {
        Self {
            database,
            name: name.to_owned(),
            chance: chance.another(),
            count: 0,
            own: Vec::new(),
        }
    }

    fn next(&mut self) -> Step {
        self.count += 1;
        let (name, number) = (&self.name, self.count);
        let [one, two] = [
            format!("{name} {number} one"),
            format!("{name} {number} two"),
        ];
        let id = Uuid::from_u64_pair(self.chance.seed(), self.chance.seed());
        let insert = format!(
            "INSERT INTO article (id, title, slug, text) VALUES ({}, 'F', '{name}-{number}', '{one}')",
            self.literal(id)
        );
        let set =
            |text: &str, which: &str| format!("UPDATE article SET text = '{text}' WHERE {which}");
        let update_own = set(&two, &format!("slug = '{name}-{number}'"));
        let mut written = Written::default();
        let begin = match self.database {
            // With a plain BEGIN the triggers of the search index would read before they write, and SQLite does not let a
            // transaction that has read wait for the write lock.
            Database::Sqlite => "BEGIN IMMEDIATE",
            Database::Postgres => "BEGIN",
        };
        let transaction = |end: &str| {
            [begin, &insert, &update_own, end]
                .map(str::to_owned)
                .to_vec()
        };
        // At most ten of its own articles exist.
        let choices = if self.own.len() < 10 { 7 } else { 5 };
        let statements = match self.chance.below(choices) {
            0 => {
                written.rejected.extend([one, two]);
                transaction("ROLLBACK")
            }
            1 if !self.own.is_empty() => {
                written.texts.push(two);
                let (other, _) = self.chance.of(&self.own);
                vec![format!(
                    "INSERT INTO article (id, title, slug, text) VALUES ({}, 'F', '{name}-{other}', '{one}')
                     ON CONFLICT (slug) DO UPDATE SET text = '{name} {number} two'",
                    self.literal(id)
                )]
            }
            2 if !self.own.is_empty() => {
                let (other, id) = self.own.swap_remove(self.chance.index(self.own.len()));
                written.deleted.push(id.to_string());
                vec![format!("DELETE FROM article WHERE slug = '{name}-{other}'")]
            }
            // An article of any writer, which may have been deleted.
            3 | 4 => vec![set(
                &one,
                "id = (SELECT id FROM article ORDER BY random() LIMIT 1)",
            )],
            5 => {
                written.texts.extend([one, two]);
                self.own.push((number, id));
                transaction("COMMIT")
            }
            _ => {
                written.texts.push(one);
                self.own.push((number, id));
                vec![insert]
            }
        };
        Step {
            statements,
            written,
        }
    }

    fn literal(&self, id: Uuid) -> String {
        match self.database {
            Database::Sqlite => format!("x'{}'", id.simple()),
            Database::Postgres => format!("'{id}'"),
        }
    }

    /// The length of its pauses.
    fn pause(&mut self) -> Duration {
        self.chance.millis(30)
    }
}

/// Writes as `psql` does.
pub(super) async fn write_to_postgres(
    database: OwnDatabase,
    until: Instant,
    mut chance: Chance,
) -> Written {
    let (client, connection) = tokio_postgres::connect(&database.url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut program = Program::new(Database::Postgres, "psql", chance.another());
    let mut written = Written::default();
    while Instant::now() < until {
        let step = program.next();
        for statement in &step.statements {
            client.batch_execute(statement).await.unwrap();
            sleep(program.pause()).await;
        }
        written.extend(step.written);
    }
    written
}

/// Writes to an SQLite file in a separate process, which is killed from time to time.
///
/// The process is the test binary again, which runs only `test`, which calls [`write_to_file`].
pub(super) async fn write_to_sqlite(
    test: &str,
    database: OwnDatabase,
    until: Instant,
    mut chance: Chance,
) -> Written {
    let mut written = Written::default();
    while Instant::now() < until {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env(ROLE, chance.seed().to_string())
            .env(FILE, database.url.strip_prefix("sqlite:").unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let reports = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(line) = line.strip_prefix("written ") {
                    let report: Vec<Vec<String>> = serde_json::from_str(line).unwrap();
                    let [texts, deleted, rejected] = report.try_into().unwrap();
                    written.extend(Written {
                        texts,
                        deleted,
                        rejected,
                    });
                }
            }
        };
        tokio::pin!(reports);
        let time = (Duration::from_secs(2) + chance.millis(3_000)).min(until - Instant::now());
        tokio::select! {
            () = &mut reports => panic!("the other program has ended by itself"),
            () = sleep(time) => process.start_kill().unwrap(),
        }
        // Reads what the process printed before it was killed.
        reports.await;
        process.wait().await.unwrap();
    }
    assert!(
        !written.texts.is_empty(),
        "the other program has written nothing"
    );
    written
}

const ROLE: &str = "BROADSHEET_TEST_FOREIGN_WRITER";
const FILE: &str = "BROADSHEET_TEST_FOREIGN_FILE";

/// The separate process of [`write_to_sqlite`]: writes until it is killed, and prints what it has written.
pub(super) fn write_to_file() {
    let Some(seed) = std::env::var_os(ROLE) else {
        return;
    };
    let seed: u64 = seed.to_str().unwrap().parse().unwrap();
    let file = std::env::var_os(FILE).unwrap();
    let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    connection
        .batch_execute("PRAGMA busy_timeout = 60000")
        .unwrap();
    let mut program = Program::new(
        Database::Sqlite,
        &format!("sqlite3-{seed:x}"),
        Chance::of_seed(seed),
    );
    loop {
        let Step {
            statements,
            written,
        } = program.next();
        for statement in &statements {
            connection.batch_execute(statement).unwrap();
            std::thread::sleep(program.pause());
        }
        let report = serde_json::json!([written.texts, written.deleted, written.rejected]);
        // Written directly, because the test harness captures `println!`.
        let line = format!("\nwritten {report}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}
