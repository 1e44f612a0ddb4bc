//! An open loop: requests that arrive at a fixed rate, independently of the responses to earlier ones.
//!
//! Each request takes an idle connection. If there is none, it is not sent, as with clients or a proxy that limit
//! their connections; it cannot be served then. Arrivals are checked every millisecond, and whenever a connection
//! becomes idle, so that at high rates none stays idle until the next millisecond. Everything runs in one thread,
//! because the generator shares the machine with the server.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::runtime;
use tokio::sync::Notify;
use tokio::task::LocalSet;

use crate::generator::Connection;
use crate::request::{Plan, Requests};

/// How often to check whether requests are due.
const TICK: Duration = Duration::from_millis(1);

/// The maximum time to wait for the last responses.
const LAST: Duration = Duration::from_secs(10);

/// How many requests arrive, and how they are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrivals {
    pub(crate) port: u16,
    pub(crate) connections: usize,
    pub(crate) per_second: f64,
    pub(crate) length: Duration,
}

/// The outcomes of the requests.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) sent: usize,
    /// For each served request: when it was due, since the beginning, and the latency from then.
    pub(crate) served: Vec<(Duration, Duration)>,
    /// For each request that got 503, when it was due.
    pub(crate) shed: Vec<Duration>,
}

impl Outcome {
    /// The latency that this number of a thousand requests does not exceed.
    pub(crate) fn quantile_ms(&mut self, thousandths: usize) -> f64 {
        self.served.sort_unstable_by_key(|(_, took)| *took);
        let place = (self.served.len() * thousandths).div_ceil(1000).max(1) - 1;
        self.served
            .get(place)
            .map_or(f64::NAN, |(_, took)| took.as_secs_f64() * 1e3)
    }

    /// The time, in seconds, after which all requests are served, with a p99 of at most this number of milliseconds.
    pub(crate) fn recovered(&self, bucket: Duration, p99_ms: f64) -> Option<f64> {
        let number = |at: Duration| (at.as_nanos() / bucket.as_nanos()) as usize;
        let last = self.served.iter().map(|(at, _)| number(*at)).max()?;
        let mut usual = vec![true; last + 1];
        for at in &self.shed {
            if let Some(usual) = usual.get_mut(number(*at)) {
                *usual = false;
            }
        }
        for (place, usual) in usual.iter_mut().enumerate() {
            let served = self.served.iter().filter(|(at, _)| number(*at) == place);
            let mut of_bucket = Self {
                served: served.copied().collect(),
                ..Self::default()
            };
            *usual = *usual && of_bucket.quantile_ms(990) <= p99_ms;
        }
        let unusual = usual.iter().rposition(|usual| !usual);
        let from = unusual.map_or(0, |place| place + 1);
        (from <= last).then(|| bucket.as_secs_f64() * u32::try_from(from).map_or(0.0, f64::from))
    }
}

/// A connection's next request: when it was due.
#[derive(Default)]
struct Line {
    next: Cell<Option<Instant>>,
    given: Notify,
}

struct Shared {
    idle: RefCell<Vec<usize>>,
    lines: Vec<Line>,
    outcome: RefCell<Outcome>,
    began: Instant,
    arrivals: Arrivals,
    /// When the next request is due, since the beginning.
    due: Cell<Duration>,
    is_over: Cell<bool>,
}

impl Shared {
    /// Gives due requests to idle connections, and returns whether more will arrive.
    fn give(&self) -> bool {
        let interval = Duration::from_secs_f64(1.0 / self.arrivals.per_second);
        let now = self.began.elapsed();
        let mut due = self.due.get();
        while due <= now && due < self.arrivals.length {
            if let Some(number) = self.idle.borrow_mut().pop()
                && let Some(line) = self.lines.get(number)
            {
                self.outcome.borrow_mut().sent += 1;
                line.next.set(Some(self.began + due));
                line.given.notify_one();
            }
            due += interval;
        }
        self.due.set(due);
        due < self.arrivals.length
    }
}

/// Sends the requests to a server.
///
/// # Errors
/// A connection failed, or a response was neither correct nor 503.
pub(crate) fn drive(plan: &Plan, arrivals: Arrivals) -> Result<Outcome> {
    let plan = plan.clone();
    let driver = std::thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        LocalSet::new().block_on(&runtime, drive_here(&plan, arrivals))
    });
    match driver.join() {
        Ok(outcome) => outcome,
        Err(_) => anyhow::bail!("the load generator panicked"),
    }
}

async fn drive_here(plan: &Plan, arrivals: Arrivals) -> Result<Outcome> {
    let mut connections = Vec::new();
    for _ in 0..arrivals.connections {
        connections.push(Connection::open(arrivals.port).await?);
    }
    let shared = Rc::new(Shared {
        idle: RefCell::new((0..arrivals.connections).collect()),
        lines: (0..arrivals.connections).map(|_| Line::default()).collect(),
        outcome: RefCell::default(),
        began: Instant::now(),
        arrivals,
        due: Cell::default(),
        is_over: Cell::new(false),
    });
    let tasks: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(number, connection)| {
            let requests = Requests::new(plan.clone(), number);
            let shared = Rc::clone(&shared);
            tokio::task::spawn_local(serve_line(shared, number, connection, requests))
        })
        .collect();
    while shared.give() {
        tokio::time::sleep(TICK).await;
    }
    shared.is_over.set(true);
    for line in &shared.lines {
        line.given.notify_one();
    }
    let last = async {
        for task in tasks {
            task.await??;
        }
        anyhow::Ok(())
    };
    let ended = tokio::time::timeout(LAST, last).await;
    ensure!(ended.is_ok(), "responses did not come");
    ended??;
    Ok(shared.outcome.take())
}

async fn serve_line(
    shared: Rc<Shared>,
    number: usize,
    mut connection: Connection,
    mut requests: Requests,
) -> Result<()> {
    let Some(line) = shared.lines.get(number) else {
        return Ok(());
    };
    let mut request = Vec::new();
    // Prepared before it is due, so that preparing it is not measured.
    let mut expected = requests.next(&mut request)?;
    loop {
        let Some(start) = line.next.take() else {
            if shared.is_over.get() {
                return Ok(());
            }
            line.given.notified().await;
            continue;
        };
        let (status, body) = connection.exchange_any(&request).await?;
        let at = start - shared.began;
        match status {
            503 => shared.outcome.borrow_mut().shed.push(at),
            200 => {
                expected.check(body)?;
                let served = (at, start.elapsed());
                shared.outcome.borrow_mut().served.push(served);
            }
            status => anyhow::bail!("{status}: {}", String::from_utf8_lossy(body)),
        }
        expected = requests.next(&mut request)?;
        shared.idle.borrow_mut().push(number);
        shared.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_means_all_requests_are_served_soon() {
        let ms = Duration::from_millis;
        let bucket = ms(500);
        let mut outcome = Outcome::default();
        for at in [100, 600, 1_100, 1_600] {
            outcome.served.push((ms(at), ms(2)));
        }
        assert_eq!(outcome.recovered(bucket, 10.0), Some(0.0));
        outcome.shed.push(ms(200));
        assert_eq!(outcome.recovered(bucket, 10.0), Some(0.5));
        outcome.served.push((ms(1_200), ms(20)));
        assert_eq!(outcome.recovered(bucket, 10.0), Some(1.5));
        outcome.shed.push(ms(1_900));
        assert_eq!(outcome.recovered(bucket, 10.0), None);
    }
}
