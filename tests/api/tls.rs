//! Connections to a PostgreSQL server with a certificate made by the tests: what each `sslmode` accepts and rejects.

mod certificates;
mod sessions;

use std::sync::OnceLock;
use std::time::Duration;

use diesel::dsl::sql;
use diesel::sql_types::{Bool, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use postgres_connect::{ConnectDefaults, ConnectOptions, PgConnection};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::postgres::{Server, own_server, programs};

/// Which users may connect how (`pg_hba.conf`). `reader` has a password, which [`server`] sets.
const ACCESS: &str = "
local   all  all                      trust
hostssl all  only_encrypted  all      trust
hostnossl all  only_plain    all      trust
host    all  reader          all      scram-sha-256
host    all  postgres        all      trust
";

/// A server with the certificate `CERTIFICATE.crt`. The files of [`certificates`] are next to its data.
fn start(certificate: &str) -> Option<Server> {
    let mut files = certificates();
    files.push(("access.conf", ACCESS.to_owned()));
    let files: Vec<_> = files
        .iter()
        .map(|(name, content)| (*name, content.as_str()))
        .collect();
    let settings = [
        "ssl=on",
        "ssl_key_file=../server.key",
        &format!("ssl_cert_file=../{certificate}.crt"),
        "hba_file=../access.conf",
    ];
    Some(Server::start(&programs()?, &files, &settings))
}

/// Two authorities, and four certificates for one key.
fn certificates() -> Vec<(&'static str, String)> {
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let (ours, wrong) = (authority("ours"), authority("wrong"));
    let key = KeyPair::generate().unwrap();
    let params = |name: &str| CertificateParams::new(vec![name.to_owned()]).unwrap();
    let signed = |params: CertificateParams| params.signed_by(&key, &ours).unwrap().pem();

    let mut expired = params("localhost");
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    // As `openssl req -x509` creates it: a server certificate that is its own authority.
    let mut self_signed = params("localhost");
    self_signed.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    vec![
        ("ours.pem", ours.pem()),
        ("wrong.pem", wrong.pem()),
        ("server.key", key.serialize_pem()),
        ("localhost.crt", signed(params("localhost"))),
        ("elsewhere.crt", signed(params("elsewhere.example"))),
        ("expired.crt", signed(expired)),
        (
            "self_signed.crt",
            self_signed.self_signed(&key).unwrap().pem(),
        ),
    ]
}

/// The server of the tests that need only the certificate for `localhost`.
fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| start("localhost")).as_ref()
}

/// Creates the users of [`ACCESS`], once.
async fn server_with_users() -> Option<&'static Server> {
    static USERS: tokio::sync::Mutex<bool> = tokio::sync::Mutex::const_new(false);
    let server = server()?;
    let mut there = USERS.lock().await;
    if !*there {
        let mut connection = connect(&server.admin_url()).await.unwrap();
        connection
            .batch_execute(
                "CREATE ROLE reader LOGIN PASSWORD 's3cret';
                 CREATE ROLE only_encrypted LOGIN;
                 CREATE ROLE only_plain LOGIN",
            )
            .await
            .unwrap();
        *there = true;
    }
    Some(server)
}

async fn connect(url: &str) -> Result<PgConnection, String> {
    let defaults = ConnectDefaults {
        application_name: Some("the tests".to_owned()),
        statement_timeout: Some(Duration::from_secs(7)),
        connect_timeout: Some(Duration::from_secs(20)),
        ..ConnectDefaults::default()
    };
    ConnectOptions::parse(url, &defaults)
        .map_err(|error| error.to_string())?
        .connect()
        .await
        .map_err(|error| error.to_string())
}

/// Whether a connection with this URL is encrypted, according to the server.
async fn is_encrypted(url: &str) -> Result<bool, String> {
    let mut connection = connect(url).await?;
    let query = sql::<Bool>("(SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())");
    Ok(diesel::select(query)
        .get_result(&mut connection)
        .await
        .unwrap())
}

async fn setting(connection: &mut PgConnection, name: &str) -> String {
    diesel::select(sql::<Text>(&format!("current_setting('{name}')")))
        .get_result(connection)
        .await
        .unwrap()
}

const ENCRYPTED: Result<bool, &str> = Ok(true);
const PLAIN: Result<bool, &str> = Ok(false);

/// Checks the result for each host with each of these parameters, where $ is the directory of the certificates.
async fn check(server: &Server, cases: &[(&str, &str, Result<bool, &str>)]) {
    for (host, parameters, expected) in cases {
        let parameters = parameters.replace('$', &server.directory().to_string_lossy());
        let url = format!(
            "postgres://postgres@{host}:{}/postgres?{parameters}",
            server.port()
        );
        assert_outcome(&url, is_encrypted(&url).await, *expected);
    }
}

/// Compares the result for a URL; an error must contain the expected text.
fn assert_outcome(url: &str, actual: Result<bool, String>, expected: Result<bool, &str>) {
    match (actual, expected) {
        (Ok(actual), Ok(expected)) => assert_eq!(actual, expected, "{url}"),
        (Err(actual), Err(expected)) => assert!(actual.contains(expected), "{url}: {actual}"),
        (actual, expected) => panic!("{url}: {actual:?} instead of {expected:?}"),
    }
}

const WRONG_AUTHORITY: Result<bool, &str> = Err("invalid peer certificate: UnknownIssuer");
const WRONG_NAME: Result<bool, &str> = Err("certificate not valid for name \"127.0.0.1\"");

#[tokio::test]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
async fn each_sslmode_accepts_and_rejects_as_libpq_does() {
    let Some(server) = server() else { return };
    check(
        server,
        &[
            ("localhost", "", ENCRYPTED),
            ("localhost", "sslmode=disable", PLAIN),
            ("localhost", "sslmode=allow", ENCRYPTED),
            ("localhost", "sslmode=prefer", ENCRYPTED),
            (
                "localhost",
                "sslmode=prefer&sslrootcert=$/wrong.pem",
                ENCRYPTED,
            ),
            ("localhost", "sslmode=require", ENCRYPTED),
            ("127.0.0.1", "sslmode=require", ENCRYPTED),
            (
                "localhost",
                "sslmode=require&sslrootcert=$/ours.pem",
                ENCRYPTED,
            ),
            (
                "127.0.0.1",
                "sslmode=require&sslrootcert=$/ours.pem",
                ENCRYPTED,
            ),
            (
                "localhost",
                "sslmode=require&sslrootcert=$/wrong.pem",
                WRONG_AUTHORITY,
            ),
            (
                "localhost",
                "sslmode=verify-ca&sslrootcert=$/ours.pem",
                ENCRYPTED,
            ),
            (
                "127.0.0.1",
                "sslmode=verify-ca&sslrootcert=$/ours.pem",
                ENCRYPTED,
            ),
            (
                "localhost",
                "sslmode=verify-ca&sslrootcert=$/wrong.pem",
                WRONG_AUTHORITY,
            ),
            (
                "localhost",
                "sslmode=verify-full&sslrootcert=$/ours.pem",
                ENCRYPTED,
            ),
            (
                "127.0.0.1",
                "sslmode=verify-full&sslrootcert=$/ours.pem",
                WRONG_NAME,
            ),
            (
                "localhost",
                "sslmode=verify-full&sslrootcert=$/wrong.pem",
                WRONG_AUTHORITY,
            ),
            (
                "127.0.0.1",
                "sslmode=verify-full&sslrootcert=$/wrong.pem",
                WRONG_AUTHORITY,
            ),
            // The address is where to connect, the host is the expected name.
            (
                "localhost",
                "sslmode=verify-full&sslrootcert=$/ours.pem&hostaddr=127.0.0.1",
                ENCRYPTED,
            ),
        ],
    )
    .await;
}

#[tokio::test]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
async fn a_server_without_tls_is_accepted_only_by_modes_that_allow_it() {
    let Some(server) = own_server() else { return };
    let rejected = Err("server does not support TLS");
    check(
        server,
        &[
            ("localhost", "", PLAIN),
            ("localhost", "sslmode=disable", PLAIN),
            ("localhost", "sslmode=prefer", PLAIN),
            ("localhost", "sslmode=require", rejected),
            ("localhost", "sslmode=verify-full", rejected),
        ],
    )
    .await;
}

#[tokio::test]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
async fn a_unix_socket_is_never_encrypted_whatever_the_mode() {
    let Some(server) = server() else { return };
    let directory = server.directory().display();
    for mode in ["disable", "prefer", "require", "verify-full"] {
        let url = format!(
            "postgres://postgres@/postgres?host={directory}&port={}&sslmode={mode}",
            server.port()
        );
        assert_eq!(is_encrypted(&url).await, Ok(false), "{url}");
    }
}

#[tokio::test]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
async fn prefer_falls_back_to_plain_if_the_server_requires_it() {
    let Some(server) = server_with_users().await else {
        return;
    };
    let port = server.port();
    let rejected = Err("no pg_hba.conf entry");
    for (user, mode, expected) in [
        ("only_plain", "prefer", PLAIN),
        ("only_plain", "require", rejected),
        ("only_encrypted", "prefer", ENCRYPTED),
        ("only_encrypted", "disable", rejected),
    ] {
        let url = format!("postgres://{user}@localhost:{port}/postgres?sslmode={mode}");
        assert_outcome(&url, is_encrypted(&url).await, expected);
    }
}

#[tokio::test]
#[cfg_attr(
    no_postgres_programs,
    ignore = "there are no programs of PostgreSQL to start a server of its own"
)]
async fn prefer_falls_back_to_plain_if_the_handshake_fails() {
    let Some(server) = server() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let garbled = tokio::spawn(async move {
        // The server agrees to TLS and then sends something else, then closes the connection, and then behaves
        // normally.
        for answer in ["S and no handshake", "S"] {
            let (mut client, _) = listener.accept().await.unwrap();
            client.write_all(answer.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            let _ = client.read_to_end(&mut Vec::new()).await;

            let (mut client, _) = listener.accept().await.unwrap();
            let mut upstream = TcpStream::connect(("127.0.0.1", server.port()))
                .await
                .unwrap();
            tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
            });
        }
    });
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=prefer");
    assert_outcome(&url, is_encrypted(&url).await, PLAIN);
    assert_outcome(&url, is_encrypted(&url).await, PLAIN);
    garbled.await.unwrap();
}
