//! A TCP proxy in front of the tests' PostgreSQL that can stop forwarding: [`Proxy`].

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::OwnDatabase;

/// Forwards connections, until they are frozen.
pub(crate) struct Proxy {
    /// The same database, through the proxy.
    pub(crate) database: OwnDatabase,
    frozen: Arc<watch::Sender<u32>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of a PostgreSQL database.
    pub(crate) async fn before(database: &OwnDatabase) -> Self {
        let target = database.url.parse::<tokio_postgres::Config>().unwrap();
        let [tokio_postgres::config::Host::Tcp(host)] = target.get_hosts() else {
            panic!("{} is not one host", database.url);
        };
        let target = (host.clone(), target.get_ports()[0]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let frozen = Arc::new(watch::Sender::new(0));
        let task = tokio::spawn({
            let frozen = Arc::clone(&frozen);
            async move {
                loop {
                    let (client, _) = listener.accept().await.unwrap();
                    tokio::spawn(forward(client, target.clone(), frozen.subscribe()));
                }
            }
        });
        let mut database = database.clone();
        let (_, name) = database.url.rsplit_once('/').unwrap();
        database.url = format!("postgres://postgres@127.0.0.1:{port}/{name}");
        Self {
            database,
            frozen,
            task,
        }
    }

    /// Stops forwarding on existing connections, and keeps them open; new ones work.
    pub(crate) fn freeze(&self) {
        self.frozen.send_modify(|count| *count += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(mut client: TcpStream, target: (String, u16), mut frozen: watch::Receiver<u32>) {
    let mut server = TcpStream::connect(target).await.unwrap();
    frozen.mark_unchanged();
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = frozen.changed() => std::future::pending().await,
    }
}
