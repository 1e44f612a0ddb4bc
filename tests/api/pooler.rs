//! A pooler in transaction mode between the server and PostgreSQL, like PgBouncer: [`Pooler`].

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use crate::program::run;
use crate::support::{Database, OwnDatabase, assert_answer};

/// A pooler that executes all transactions in one session, or in several.
struct Pooler {
    url: String,
}

impl Pooler {
    async fn before(database: &OwnDatabase, sessions: usize) -> Self {
        let target = database.url.parse::<tokio_postgres::Config>().unwrap();
        let [tokio_postgres::config::Host::Tcp(host)] = target.get_hosts() else {
            panic!("{} is not one host", database.url);
        };
        let (_, name) = database.url.rsplit_once('/').unwrap();
        let mut free = Vec::new();
        for _ in 0..sessions {
            let address = (host.clone(), target.get_ports()[0]);
            free.push(Arc::new(Mutex::new(session(address, name).await)));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            // The least recently used one is next.
            let transactions = Arc::new(std::sync::atomic::AtomicUsize::new(0));
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(client, free.clone(), Arc::clone(&transactions)));
            }
        });
        Self {
            url: format!("postgres://postgres@127.0.0.1:{port}/{name}"),
        }
    }
}

/// A session of PostgreSQL that is ready for a statement.
async fn session(address: (String, u16), database: &str) -> TcpStream {
    let mut server = TcpStream::connect(address).await.unwrap();
    let mut body = vec![0, 3, 0, 0];
    for text in ["user", "postgres", "database", database, ""] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    let length = u32::try_from(body.len() + 4).unwrap();
    server.write_all(&length.to_be_bytes()).await.unwrap();
    server.write_all(&body).await.unwrap();
    while read_message(&mut server).await.unwrap()[0] != b'Z' {}
    server
}

/// A client is accepted with any startup parameters.
async fn serve(
    mut client: TcpStream,
    sessions: Vec<Arc<Mutex<TcpStream>>>,
    transactions: Arc<std::sync::atomic::AtomicUsize>,
) -> Option<()> {
    let mut first = read_body(&mut client).await?;
    // A request for TLS.
    if first.starts_with(&[0x04, 0xd2, 0x16, 0x2f]) {
        client.write_all(b"N").await.ok()?;
        first = read_body(&mut client).await?;
    }
    assert_eq!(first[..4], [0, 3, 0, 0]);
    client
        .write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")
        .await
        .ok()?;
    loop {
        let mut message = read_message(&mut client).await?;
        // The client disconnects, and the session stays.
        if message[0] == b'X' {
            return None;
        }
        let next = transactions.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut server = sessions[next % sessions.len()].lock().await;
        // Waits until the transaction has ended.
        loop {
            server.write_all(&message).await.unwrap();
            if matches!(message[0], b'Q' | b'S') && forward_answer(&mut server, &mut client).await?
            {
                break;
            }
            message = read_message(&mut client).await?;
        }
    }
}

/// Forwards the server's messages; returns whether it is outside a transaction.
async fn forward_answer(server: &mut TcpStream, client: &mut TcpStream) -> Option<bool> {
    loop {
        let message = read_message(server).await?;
        client.write_all(&message).await.ok()?;
        if message[0] == b'Z' {
            return Some(message[5] == b'I');
        }
    }
}

async fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = vec![stream.read_u8().await.ok()?];
    let body = read_body(stream).await?;
    message.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend_from_slice(&body);
    Some(message)
}

async fn read_body(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u32().await.ok()?;
    let mut body = vec![0; usize::try_from(length).unwrap() - 4];
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}

#[rstest::rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn shared_sessions_are_rejected_at_startup(#[values(1, 2, 3)] sessions: usize) {
    let Some(database) = Database::Postgres.empty().await else {
        return;
    };
    let pooler = Pooler::before(&database, sessions).await;
    for arguments in [&[][..], &["--no-migrate"], &["migrate"]] {
        let (code, _, error) = run(arguments, &[("DATABASE_URL", &pooler.url)]).await;
        assert_eq!(code, 1, "{arguments:?}: {error}");
        assert_answer!(error.lines().last().unwrap(), @"broadsheet: one connection reaches several sessions of PostgreSQL, as behind PgBouncer in transaction mode, where LISTEN and prepared statements are lost: use its session mode, or the URL of PostgreSQL itself");
    }
    // Nothing stays behind in the sessions that other clients get.
    let (client, connection) = tokio_postgres::connect(&pooler.url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    for _ in 0..sessions {
        let left = client
            .simple_query(
                "SELECT bool_and(setting = reset_val),
                    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (
                        SELECT oid FROM pg_database WHERE datname = current_database())),
                    (SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_prepared_statements)
                FROM pg_settings WHERE name IN ('synchronous_commit', 'statement_timeout', 'lock_timeout')",
            )
            .await
            .unwrap();
        let row = left.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let row = row.unwrap();
        let columns: Vec<_> = (0..row.len())
            .map(|index| row.get(index).unwrap())
            .collect();
        assert_eq!(columns, ["t", "0", "0", "0"]);
    }
}
