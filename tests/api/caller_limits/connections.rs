//! The limit on connections.

use rstest_reuse::apply;
use tokio::io::AsyncWriteExt as _;

use super::{HERE, THERE, ask, connect, exceeded, metric};
use crate::socket::Socket;
use crate::support::{Database, on_both_databases, start};

#[apply(on_both_databases)]
async fn a_connection_over_the_limit_of_its_address_is_closed(database: Database) {
    let app = start!(database, "--max-connections-per-address=3");
    let mut held = vec![connect(HERE, app.address).await];
    // A WebSocket counts as long as it is open.
    let socket = Socket::ready(&app.address.to_string()).await;
    held.push(connect(HERE, app.address).await);
    for stream in &mut held {
        assert_eq!(ask(stream).await, Some(200));
    }
    assert_eq!(ask(&mut connect(HERE, app.address).await).await, None);
    assert_eq!(ask(&mut connect(THERE, app.address).await).await, Some(200));
    assert_eq!(exceeded(&app, "connections_per_address").await, 1);
    drop(socket);
    // It is not closed immediately.
    while ask(&mut connect(HERE, app.address).await).await.is_none() {}
    drop(held);
    while ask(&mut connect(HERE, app.address).await).await.is_none() {}
}

#[apply(on_both_databases)]
async fn a_trusted_proxy_is_exempt_from_the_limit_per_address(database: Database) {
    let flags = [
        "--max-connections-per-address=1",
        "--trusted-proxies=127.0.0.1",
    ];
    let app = start!(database, flags[0], flags[1]);
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(connect(HERE, app.address).await);
    }
    for stream in &mut held {
        assert_eq!(ask(stream).await, Some(200));
    }
}

#[apply(on_both_databases)]
async fn beyond_the_total_no_connections_are_accepted_until_one_closes(database: Database) {
    let app = start!(database, "--max-connections=2");
    let (mut first, mut second) = (
        connect(HERE, app.address).await,
        connect(THERE, app.address).await,
    );
    assert_eq!(ask(&mut first).await, Some(200));
    assert_eq!(ask(&mut second).await, Some(200));
    // The system has accepted it, and the server has not.
    let mut third = connect(HERE, app.address).await;
    let waiting = tokio::spawn(async move { ask(&mut third).await });
    assert_eq!(ask(&mut second).await, Some(200));
    assert!(!waiting.is_finished());
    drop(first);
    assert_eq!(waiting.await.unwrap(), Some(200));
    drop(second);
    assert!(exceeded(&app, "connections").await > 0);
}

#[apply(on_both_databases)]
async fn measure_mode_counts_connections_and_closes_none(database: Database) {
    let app = start!(
        database,
        "--max-connections=2",
        "--max-connections-per-address=1",
        "--limits-mode=measure",
    );
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(connect(HERE, app.address).await);
    }
    for stream in &mut held {
        assert_eq!(ask(stream).await, Some(200));
    }
    assert_eq!(exceeded(&app, "connections_per_address").await, 3);
    assert!(exceeded(&app, "connections").await >= 2);
    assert!(metric(&app, "connections").await >= 4);
}

#[apply(on_both_databases)]
async fn a_thousand_slow_heads_do_not_affect_others(database: Database) {
    let app = start!(database);
    let mut slow = Vec::new();
    for _ in 0..1_000 {
        let mut stream = connect(HERE, app.address).await;
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        slow.push(stream);
    }
    let mut other = connect(THERE, app.address).await;
    assert_eq!(ask(&mut other).await, Some(200));
    assert!(metric(&app, "connections").await >= 1_000);
    // They take no more than the limit of their address.
    assert_eq!(ask(&mut connect(HERE, app.address).await).await, None);
}
