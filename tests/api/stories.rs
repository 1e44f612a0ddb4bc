//! The guarantees of the change feed, tested from outside: servers are processes that are killed, subscribers use real
//! WebSockets and event streams, and other programs write to the database as well.
//!
//! The order of events is random. A story that fails prints its seed; set `STORY_SEED` to repeat it.
//!
//! Stories take real seconds or measure memory, so a busy machine can make them fail: `--skip stories::` leaves them
//! out.

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
