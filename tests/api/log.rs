//! What the log says: of requests, of slow operations, of callers that were rejected, and from the start to the end.

mod callers;
mod format;
mod requests;
mod slow;
mod traces;

/// A line of text without its time, and with variable numbers replaced.
fn redacted(line: &str) -> String {
    let (_, line) = line.trim_start().split_once(' ').unwrap();
    let mut words: Vec<String> = line
        .split_whitespace()
        .map(|word| match word.split_once('=') {
            Some((name, _)) if name.ends_with("_ms") || name.ends_with("_seconds") => {
                format!("{name}=N")
            }
            _ => word.to_owned(),
        })
        .collect();
    // The state of the cache, and whether there was a wait for a connection, vary.
    words.retain(|word| !["parse_ms=N", "validate_ms=N"].contains(&word.as_str()));
    words.join(" ")
}
