//! The log line at startup that says what callers may do, and how to restrict that.

use std::net::SocketAddr;

use crate::admission::{Admission, Scope};

/// Logs it. Anonymous writing from other machines is logged as a warning.
pub(super) fn log(admission: &Admission, address: SocketAddr) {
    let tokens = admission.token_uses().len();
    let issuers = admission.status().len();
    let is_local = address.ip().to_canonical().is_loopback();
    let who = match is_local {
        true => "anyone on this machine".to_owned(),
        false => format!("anyone who can reach {address}"),
    };
    let open = admission.anonymous();
    let may_read = open.allow(Scope::Read);
    let may_write = open.allow(Scope::Write);
    let how = match admission.has_credentials() {
        true => "",
        false => ", and TOKENS_FILE or JWT_JWKS configures who may",
    };
    match (may_read, may_write) {
        (false, false) => {
            tracing::info!(tokens, issuers, "nobody may read or write without a token");
        }
        (true, false) => tracing::info!(
            tokens,
            issuers,
            "{who} may read without a token: ANONYMOUS_READS=false disables that{how}"
        ),
        (may_read, true) => {
            let what = if may_read { "read and write" } else { "write" };
            let message = format!(
                "{who} may {what} without a token: ANONYMOUS_WRITES=false disables writing{how}"
            );
            if is_local {
                tracing::info!(tokens, issuers, "{message}");
            } else {
                tracing::warn!(tokens, issuers, "{message}");
            }
        }
    }
}
