//! Time and ids: [`Timestamp`], and the [`Clock`] that all times and ids come from.
//!
//! Nothing else in Broadsheet asks the operating system for the time or generates an id, so that a test that sets the
//! clock controls both.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::{DateTime, Datelike, Timelike, Utc};
use uuid::Uuid;

/// A timestamp in UTC, exact to the microsecond, between the years 1 and 9999.
///
/// Displayed as RFC 3339 with six digits and `Z`: `2026-01-31T09:30:00.123456Z`. A [`stored`](Self::stored) value of
/// another program beyond these years keeps its order among the others, and is displayed as the nearest timestamp
/// within.
// The maximum values of both databases do not fit into 64 bits of microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i128);

impl Timestamp {
    /// `0001-01-01T00:00:00.000000Z`
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// `9999-12-31T23:59:59.999999Z`
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// The timestamp of a number of microseconds since 1970; `None` outside the years 1 to 9999.
    pub fn from_micros(micros: i64) -> Option<Self> {
        let instant = Self::stored(micros.into());
        instant.is_within_bounds().then_some(instant)
    }

    /// A timestamp from a database, in microseconds since 1970, of any year.
    pub fn stored(micros: i128) -> Self {
        Self(micros)
    }

    /// Whether it lies in the years 1 to 9999.
    pub fn is_within_bounds(self) -> bool {
        (Self::MIN..=Self::MAX).contains(&self)
    }

    /// Microseconds since 1970, of the timestamp that is displayed.
    pub fn as_micros(self) -> i64 {
        i64::try_from(self.clamp(Self::MIN, Self::MAX).0).unwrap_or_default()
    }

    /// Microseconds since 1970, even beyond what can be displayed.
    pub fn stored_micros(self) -> i128 {
        self.0
    }

    /// The text of [`Display`](fmt::Display), 27 bytes of ASCII, made without the formatting machinery, because a page
    /// of articles contains dozens.
    pub fn to_rfc3339(self) -> [u8; 27] {
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let instant = DateTime::from_timestamp_micros(self.as_micros()).unwrap_or_default();
        let mut put = |end: usize, width: usize, mut value: u32| {
            for byte in text[end - width..end].iter_mut().rev() {
                *byte = b'0' + u8::try_from(value % 10).unwrap_or_default();
                value /= 10;
            }
        };
        put(4, 4, instant.year().unsigned_abs());
        put(7, 2, instant.month());
        put(10, 2, instant.day());
        put(13, 2, instant.hour());
        put(16, 2, instant.minute());
        put(19, 2, instant.second());
        put(26, 6, instant.nanosecond() / 1_000);
        text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_rfc3339()))
    }
}

/// Why a text is not a [`Timestamp`]; the message says what is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    #[error("expected an RFC 3339 instant such as 2026-01-31T09:30:00.123456Z")]
    Format,
    #[error("expected an instant between the years 1 and 9999 (UTC)")]
    Range,
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Parses RFC 3339 with any offset. Digits below a microsecond are cut off.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let instant = DateTime::parse_from_rfc3339(text).map_err(|_| TimestampError::Format)?;
        Self::from_micros(instant.timestamp_micros()).ok_or(TimestampError::Range)
    }
}

/// The source of times and ids.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<Fixed>>);

/// A clock for tests: it is paused until it is set, and its ids are sequential.
#[derive(Debug)]
struct Fixed {
    micros: AtomicI64,
    ids: AtomicU64,
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that is paused at `now` until [`set`](Self::set) moves it, and that counts its ids from one.
    pub fn fixed(now: Timestamp) -> Self {
        Self(Some(Arc::new(Fixed {
            micros: AtomicI64::new(now.as_micros()),
            ids: AtomicU64::new(0),
        })))
    }

    /// Moves a fixed clock; no effect on the machine's clock.
    pub fn set(&self, now: Timestamp) {
        if let Some(fixed) = &self.0 {
            fixed.micros.store(now.as_micros(), Ordering::SeqCst);
        }
    }

    /// The current time.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Timestamp(Utc::now().timestamp_micros().into()),
            Some(fixed) => Timestamp(fixed.micros.load(Ordering::SeqCst).into()),
        }
    }

    /// A new UUID of version 7 (RFC 9562): the ids of one process are ascending.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn new_id(&self) -> Uuid {
        match &self.0 {
            None => Uuid::now_v7(),
            Some(fixed) => {
                let count = fixed.ids.fetch_add(1, Ordering::SeqCst) + 1;
                let millis = fixed.micros.load(Ordering::SeqCst).div_euclid(1_000);
                let mut random = [0; 10];
                random[2..].copy_from_slice(&count.to_be_bytes());
                uuid::Builder::from_unix_timestamp_millis(millis.unsigned_abs(), &random)
                    .into_uuid()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, TimestampError> {
        text.parse()
            .map(|timestamp: Timestamp| timestamp.to_string())
    }

    #[test]
    fn instants_are_written_in_utc_with_six_digits() {
        assert_eq!(
            shown("2026-01-31T09:30:00+02:00").as_deref(),
            Ok("2026-01-31T07:30:00.000000Z")
        );
        assert_eq!(Timestamp::MIN.to_string(), "0001-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn instants_are_truncated_to_microseconds() {
        assert_eq!(
            shown("1969-12-31T23:59:59.9999999Z").as_deref(),
            Ok("1969-12-31T23:59:59.999999Z")
        );
    }

    #[test]
    fn a_stored_instant_out_of_range_is_clamped_and_keeps_its_order() {
        let far = [i128::MIN, i128::from(i64::MIN), -62_135_596_800_000_001];
        for micros in far {
            let instant = Timestamp::stored(micros);
            assert_eq!(instant.to_string(), "0001-01-01T00:00:00.000000Z");
            assert!(instant < Timestamp::MIN && instant.stored_micros() == micros);
        }
        for micros in [253_402_300_800_000_000, i128::from(i64::MAX), i128::MAX] {
            let instant = Timestamp::stored(micros);
            assert_eq!(instant.to_string(), "9999-12-31T23:59:59.999999Z");
            assert!(instant > Timestamp::MAX && instant.stored_micros() == micros);
        }
    }

    #[test]
    fn years_outside_1_to_9999_are_rejected() {
        assert_eq!(shown("0000-12-31T23:59:59Z"), Err(TimestampError::Range));
        assert_eq!(
            shown("0001-01-01T00:00:00+00:01"),
            Err(TimestampError::Range)
        );
        assert_eq!(
            shown("9999-12-31T23:59:59-00:01"),
            Err(TimestampError::Range)
        );
        assert_eq!(shown("+10000-01-01T00:00:00Z"), Err(TimestampError::Format));
        assert_eq!(shown("yesterday"), Err(TimestampError::Format));
    }

    #[test]
    fn ids_of_one_process_ascend() {
        let clock = Clock::system();
        let ids: Vec<_> = (0..1_000).map(|_| clock.new_id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }
}
