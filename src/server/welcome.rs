//! What a server prints on a terminal when it has started: its URLs, the location of the articles, and the permissions
//! of callers.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;

use crate::admission::{Admission, Scope};
use crate::store::Store;

/// Prints it, if standard error is a terminal.
pub(super) fn print(scheme: &str, address: SocketAddr, admission: &Admission, store: &Store) {
    let mut terminal = std::io::stderr();
    if terminal.is_terminal() {
        let _ = terminal.write_all(text(scheme, address, admission, &store.describe()).as_bytes());
    }
}

fn text(scheme: &str, address: SocketAddr, admission: &Admission, database: &str) -> String {
    let port = address.port();
    let url = match address.ip().to_canonical() {
        ip if ip.is_loopback() || ip.is_unspecified() => format!("{scheme}://localhost:{port}"),
        _ => format!("{scheme}://{address}"),
    };
    let who = match address.ip().to_canonical().is_loopback() {
        true => "every program on this machine",
        false => "anyone who can reach this address",
    };
    let open = admission.anonymous();
    let open = match (open.allow(Scope::Read), open.allow(Scope::Write)) {
        (true, true) => format!("{who}, to read and write (docs/authentication.md)"),
        (true, false) => format!("{who}, to read; writing needs a token"),
        (false, true) => format!("{who}, to write; reading needs a token"),
        (false, false) => "nobody without a token".to_owned(),
    };
    let articles = match database {
        "sqlite::memory:" => "in memory, gone when the server stops".to_owned(),
        database => format!("in {database}"),
    };
    format!(
        "\n  GraphiQL  {url}/graphql\n  Articles  {articles}; none yet? Try: broadsheet seed 100\n  Open to   {open}\n  Ctrl-C stops the server.\n\n"
    )
}
