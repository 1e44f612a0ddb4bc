//! A subscriber that disconnects at random and resumes by its cursor.

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::TIMEOUT;
use super::random::Chance;
use super::received::Change;
use super::servers::Addresses;
use super::subscription::{Lost, Subscription, Transport};

/// Receives all changes after `begin`, through many connections to random servers, until it reaches the cursor `end`,
/// once that is known.
pub(super) async fn receive_all(
    transport: Transport,
    servers: Addresses,
    begin: String,
    end: watch::Receiver<Option<String>>,
    mut chance: Chance,
) -> Vec<Change> {
    let mut received: Vec<Change> = Vec::new();
    loop {
        let last = received.last().map(|change| change.cursor.clone());
        let mut after = last.clone().unwrap_or_else(|| begin.clone());
        let is_at_end = |after: &String| end.borrow().as_ref() == Some(after);
        if is_at_end(&after) {
            return received;
        }
        let is_ending = end.borrow().is_some();
        if !is_ending && chance.below(4) == 0 {
            // Disconnected for so long that it falls behind the servers' windows.
            sleep(chance.millis(4_000)).await;
        }
        let address = servers.any(&mut chance);
        let how_many = 1 + chance.below(500);
        // Disconnects at a random moment, except at the end, when the rest is read.
        let wait = match is_ending {
            true => TIMEOUT,
            false => chance.millis(1_500),
        };
        let listening = async {
            let mut subscription =
                Subscription::open(transport, &address, &begin, last.as_deref()).await?;
            let mut count = 0;
            while (is_ending || count < how_many) && !is_at_end(&after) {
                let next = subscription.next().await?;
                after.clone_from(&next.cursor);
                received.push(next);
                count += 1;
                if chance.below(50) == 0 {
                    sleep(chance.millis(20)).await;
                }
            }
            Ok::<_, Lost>(())
        };
        if let Ok(Err(_lost)) = timeout(wait, listening).await {
            sleep(chance.millis(100)).await;
        }
    }
}
