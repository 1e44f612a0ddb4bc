//! The promises of the change feed, told from outside: servers are processes that are killed, subscribers hold real
//! WebSockets and event streams, and other programs write to the database as well.
//!
//! What happens when is left to chance. A story that fails shows its seed; the variable `STORY_SEED` gives it again.
//!
//! These take real seconds or measure memory, which a busy machine may upset: `--skip stories::` leaves them out.

mod external_writer;
mod list_and_changes;
mod memory;
mod one_sequence;
mod random;
mod received;
mod servers;
mod slow_subscriber;
mod soak;
mod subscriber;
mod subscription;
mod writer;

use std::time::Duration;

/// Longer than any expected event takes, even on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(2);
