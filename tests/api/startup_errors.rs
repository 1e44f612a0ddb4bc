//! Problems with the database at startup: permanent ones are reported immediately, temporary ones are waited for.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::postgres::{Server, admin_url, execute, programs};
use crate::program::{Program, run};
use crate::support::{Database, assert_answer};

/// The error for a database that the program does not wait for.
async fn startup_error(url: &str) -> String {
    let began = Instant::now();
    let (code, _, error) = run(&[], &[("DATABASE_URL", url)]).await;
    assert_eq!(code, 1, "{error}");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}: {error}",
        began.elapsed()
    );
    assert!(!error.contains("waiting for the database"), "{error}");
    error.lines().last().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_wrong_password_user_or_database_is_reported_immediately() {
    if admin_url().is_none() {
        return;
    }
    let Some(programs) = programs() else { return };
    let access = [(
        "access.conf",
        "host all reader all scram-sha-256\nhost all postgres all trust\n",
    )];
    let server = tokio::task::block_in_place(|| {
        Server::start(&programs, &access, &["hba_file=../access.conf"])
    });
    execute(
        &server.admin_url(),
        "CREATE ROLE reader LOGIN PASSWORD 's3cret'",
    )
    .await;
    let port = server.port();
    let connect_error = async |user: &str, database: &str, parameters: &str| {
        let url = format!("postgres://{user}@127.0.0.1:{port}/{database}{parameters}");
        startup_error(&url).await.replace(&port.to_string(), "PORT")
    };
    assert_answer!(connect_error("reader:wr0ng", "postgres", "").await, @r#"broadsheet: cannot connect to the database: cannot connect to postgres://reader@127.0.0.1:PORT/postgres: db error: FATAL: password authentication failed for user "reader""#);
    assert_answer!(connect_error("reader", "postgres", "").await, @"broadsheet: cannot connect to the database: cannot connect to postgres://reader@127.0.0.1:PORT/postgres: invalid configuration: password missing");
    assert_answer!(connect_error("postgres", "nowhere", "").await, @r#"broadsheet: cannot connect to the database: cannot connect to postgres://postgres@127.0.0.1:PORT/nowhere: db error: FATAL: database "nowhere" does not exist"#);
    assert_answer!(connect_error("stranger", "postgres", "").await, @r#"broadsheet: cannot connect to the database: cannot connect to postgres://stranger@127.0.0.1:PORT/postgres: db error: FATAL: no pg_hba.conf entry for host "127.0.0.1", user "stranger", database "postgres", no encryption"#);
    assert_answer!(connect_error("postgres", "postgres", "?sslmode=verify-full").await, @"broadsheet: cannot connect to the database: cannot connect to postgres://postgres@127.0.0.1:PORT/postgres: error performing TLS handshake: server does not support TLS");
    assert_answer!(connect_error("postgres", "postgres", "?options=-c%20no_such_setting%3D1").await, @r#"broadsheet: cannot connect to the database: cannot connect to postgres://postgres@127.0.0.1:PORT/postgres: db error: FATAL: unrecognized configuration parameter "no_such_setting""#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_missing_privilege_is_named() {
    let Some(database) = Database::Postgres.empty().await else {
        return;
    };
    let (address, name) = database.url.rsplit_once('/').unwrap();
    let (_, host) = address.rsplit_once('@').unwrap();
    let role = format!("may-nothing in {name}");
    database
        .execute(&format!("CREATE ROLE \"{role}\" LOGIN"))
        .await;
    let user = role.replace(' ', "%20");
    let url = format!("postgres://{user}@{host}/{name}");
    let error_text = startup_error(&url).await.replace(name, "NAME");
    assert_answer!(error_text, @r#"broadsheet: the user "may-nothing in NAME" may not create tables in the schema public, as the migrations do: have a superuser or the owner of the database execute GRANT USAGE, CREATE ON SCHEMA public TO "may-nothing in NAME""#);
    let (code, _, error) = run(&["migrate"], &[("DATABASE_URL", &url)]).await;
    assert_eq!(code, 1);
    assert!(
        error.contains("GRANT USAGE, CREATE ON SCHEMA public"),
        "{error}"
    );

    database
        .execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        .await;
    let error_text = startup_error(&url).await.replace(name, "NAME");
    assert_answer!(error_text, @r#"broadsheet: the user "may-nothing in NAME" may use no schema of the search_path "$user", public, where the migrations would create tables: have a superuser or the owner of the database create one, or execute GRANT USAGE, CREATE ON SCHEMA public TO "may-nothing in NAME""#);

    // The message says how to solve the problem.
    database
        .execute(&format!(
            "GRANT USAGE, CREATE ON SCHEMA public TO \"{role}\""
        ))
        .await;
    Program::start(&url, &[]).await;
    database
        .execute(&format!(
            "DROP OWNED BY \"{role}\" CASCADE; DROP ROLE \"{role}\""
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(no_postgres, ignore = "there is no PostgreSQL")]
async fn a_server_that_is_starting_or_full_is_waited_for() {
    let Some(database) = Database::Postgres.migrated().await else {
        return;
    };
    let target = database.url.parse::<tokio_postgres::Config>().unwrap();
    let [tokio_postgres::config::Host::Tcp(host)] = target.get_hosts() else {
        return;
    };
    let target = (host.clone(), target.get_ports()[0]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // A proxy that rejects the first connections, as PostgreSQL does while it starts.
    tokio::spawn(async move {
        for sqlstate in ["57P03", "53300", "57P01"] {
            let (client, _) = listener.accept().await.unwrap();
            turn_away(client, sqlstate).await;
        }
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let target = target.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let (_, name) = database.url.rsplit_once('/').unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=disable");
    let mut program = Program::spawn(&url, &[]);
    program.logged("listening on http://").await;
    let waited = program.log().matches("waiting for the database").count();
    assert_eq!(waited, 3, "{}", program.log());
}

/// Answers the first message with an error in another language.
async fn turn_away(mut client: TcpStream, sqlstate: &str) {
    let length = client.read_u32().await.unwrap();
    let mut message = vec![0; usize::try_from(length).unwrap() - 4];
    client.read_exact(&mut message).await.unwrap();
    let fields = format!("SFATAL\0VFATAL\0C{sqlstate}\0Mbitte warten\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap();
    client.write_u8(b'E').await.unwrap();
    client.write_u32(length).await.unwrap();
    client.write_all(fields.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    // Waits until the other side has read it.
    let _ = client.read_u8().await;
}
