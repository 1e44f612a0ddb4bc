//! What is logged from start to end: requests, slow operations, rejected callers.

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
    // Whether the operation was cached varies, and so does whether it waited for a connection.
    words.retain(|word| !["parse_ms=N", "validate_ms=N"].contains(&word.as_str()));
    words.join(" ")
}
