//! Arbitrary values from clients do not increase the number of metrics.

use std::fmt::Write as _;

use rstest_reuse::apply;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::lines;
use crate::admission::Tokens;
use crate::support::{Database, TestApp, on_both_databases, start};

/// Requests that are pipelined on one connection, so that thousands take seconds.
const AT_ONCE: usize = 100;

/// A request with arbitrary values wherever a client can choose them, on a connection that stays open.
fn invented(number: usize) -> String {
    let head = format!(
        "Host: localhost\r\nX-Request-Id: id-{number}\r\nOrigin: https://origin-{number}.example\r\n\
         Traceparent: 00-{number:032x}-{number:016x}-01\r\nUser-Agent: agent-{number}\r\n"
    );
    let post = |more: &str, body: &str| {
        format!(
            "POST /graphql HTTP/1.1\r\n{head}{more}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let named = format!("{{\"query\":\"query Name{number} {{ __typename }}\"}}");
    match number % 8 {
        0 | 1 => post("", &named),
        2 => {
            let other = format!(
                "{{\"query\":\"query A {{ __typename }}\",\"operationName\":\"Name{number}\"}}"
            );
            post("", &other)
        }
        3 => {
            let key = format!("Idempotency-Key: key-{number}\r\n");
            let body = format!("{{\"query\":\"mutation Name{number} {{ field{number} }}\"}}");
            post(&key, &body)
        }
        4 => post(&format!("Authorization: Bearer token-{number}\r\n"), &named),
        // The segments of a JWT that names its own issuer and key.
        5 => {
            let jwt = "Authorization: Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ";
            post(&format!("{jwt}.{number:08}.{number:08}\r\n"), &named)
        }
        6 => format!("METHOD{number} /graphql HTTP/1.1\r\n{head}\r\n"),
        _ => format!("GET /path/{number}?{number} HTTP/1.1\r\n{head}\r\n"),
    }
}

/// Sends this number of requests, and waits for each response.
async fn send(app: &TestApp, from: usize, to: usize) {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let (mut rest, mut part) = (Vec::new(), vec![0; 16 * 1024]);
    for first in (from..to).step_by(AT_ONCE) {
        let mut requests = String::new();
        for number in first..first + AT_ONCE {
            write!(requests, "{}", invented(number)).unwrap();
        }
        stream.write_all(requests.as_bytes()).await.unwrap();
        let mut answered = 0;
        while answered < AT_ONCE {
            let count = stream.read(&mut part).await.unwrap();
            assert_ne!(count, 0, "the connection was closed");
            rest.extend_from_slice(&part[..count]);
            answered += heads(&mut rest);
        }
    }
}

/// The number of response heads in what was read so far. The last bytes are kept, because a head may begin in them.
fn heads(read: &mut Vec<u8>) -> usize {
    const BEGIN: &[u8] = b"HTTP/1.1 ";
    let count = read
        .windows(BEGIN.len())
        .filter(|window| *window == BEGIN)
        .count();
    let kept = read.len().saturating_sub(BEGIN.len() - 1);
    read.drain(..kept);
    count
}

/// The series on the page: its lines without values.
async fn series(app: &TestApp) -> Vec<String> {
    let mut series: Vec<_> = lines(app, "")
        .await
        .into_iter()
        .map(|line| match line.rsplit_once(' ') {
            Some((series, _)) if !line.starts_with('#') => series.to_owned(),
            _ => line,
        })
        .collect();
    series.sort();
    series
}

#[apply(on_both_databases)]
async fn arbitrary_values_do_not_create_series(database: Database) {
    let tokens = Tokens::new();
    let app = start!(database, &tokens.flag(), "--anonymous-writes=true");
    send(&app, 0, AT_ONCE).await;
    // The first request for metrics is counted, too.
    series(&app).await;
    let few = series(&app).await;
    send(&app, AT_ONCE, 4_000).await;
    assert_eq!(series(&app).await, few);
}
