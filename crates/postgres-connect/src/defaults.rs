//! Defaults for what a URL does not set.

use std::time::Duration;

use crate::tls::RootCertificates;
use crate::url::Parts;

/// Defaults for what a connection's URL does not set.
///
/// Session settings are sent as `options` in the first message, which costs no round trip, and override those of the
/// role and the database. `PgBouncer` rejects `options` unless its `ignore_startup_parameters` lists it; without any
/// setting none are sent.
#[derive(Clone, Debug, Default)]
pub struct ConnectDefaults {
    /// The name that `pg_stat_activity` shows.
    pub application_name: Option<String>,
    /// The longest that one statement may take; zero for no limit.
    pub statement_timeout: Option<Duration>,
    /// The longest that a statement may wait for one lock; zero for no limit.
    pub lock_timeout: Option<Duration>,
    /// How long a transaction may stay idle before the server ends the session; zero for no limit.
    pub idle_in_transaction_session_timeout: Option<Duration>,
    /// Settings of the session that the program relies on, and their values.
    pub settings: &'static [(&'static str, &'static str)],
    /// The longest that opening one socket may take; see [`ConnectOptions::connect`](crate::ConnectOptions::connect).
    pub connect_timeout: Option<Duration>,
    /// How long a connection may be silent before the first keepalive; two hours where it is `None`.
    pub keepalives_idle: Option<Duration>,
    /// The time between two keepalives that are not answered.
    pub keepalives_interval: Option<Duration>,
    /// How many keepalives may go unanswered before the connection counts as lost.
    pub keepalives_retries: Option<u32>,
    /// How long what was sent may go unacknowledged before the connection counts as lost.
    pub tcp_user_timeout: Option<Duration>,
    /// The certificate authorities to verify with, as `sslrootcert` in the URL.
    pub root_certificates: Option<RootCertificates>,
}

/// Applies the defaults to the parts of a URL.
pub(crate) fn add(parts: &mut Parts, defaults: &ConnectDefaults) {
    let is_given: Vec<bool> = [
        "application_name",
        "connect_timeout",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_retries",
        "tcp_user_timeout",
    ]
    .map(|name| parts.names(name))
    .to_vec();
    let config = &mut parts.config;
    if let (false, Some(name)) = (is_given[0], &defaults.application_name) {
        config.application_name(name);
    }
    if let (false, Some(timeout)) = (is_given[1], defaults.connect_timeout) {
        config.connect_timeout(timeout);
    }
    if let (false, Some(idle)) = (is_given[2], defaults.keepalives_idle) {
        config.keepalives_idle(idle);
    }
    if let (false, Some(interval)) = (is_given[3], defaults.keepalives_interval) {
        config.keepalives_interval(interval);
    }
    if let (false, Some(retries)) = (is_given[4], defaults.keepalives_retries) {
        config.keepalives_retries(retries);
    }
    if let (false, Some(timeout)) = (is_given[5], defaults.tcp_user_timeout) {
        config.tcp_user_timeout(timeout);
    }
    let options = options(defaults, config.get_options());
    if !options.is_empty() {
        config.options(options.join(" "));
    }
}

/// The command-line options with which PostgreSQL starts a session. Those of the URL come last, so that they take
/// precedence.
fn options(defaults: &ConnectDefaults, of_url: Option<&str>) -> Vec<String> {
    let timeouts = [
        ("statement_timeout", defaults.statement_timeout),
        ("lock_timeout", defaults.lock_timeout),
        (
            "idle_in_transaction_session_timeout",
            defaults.idle_in_transaction_session_timeout,
        ),
    ];
    let timeouts = timeouts
        .into_iter()
        .filter_map(|(name, timeout)| Some(format!("-c {name}={}", milliseconds(timeout?))));
    // A blank that does not end the option has a backslash before it.
    let settings = defaults.settings.iter();
    let settings = settings.map(|(name, value)| format!("-c {name}={}", value.replace(' ', "\\ ")));
    let of_url = of_url.map(str::to_owned);
    timeouts.chain(settings).chain(of_url).collect()
}

/// In PostgreSQL's format: an `i32`, where 0 means no limit.
fn milliseconds(timeout: Duration) -> i32 {
    let whole = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    whole.max(i32::from(!timeout.is_zero()))
}
