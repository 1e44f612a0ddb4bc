//! A tiny HTTP server that gives every request the same response, and counts the requests.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

pub(in crate::jwt) struct Server {
    pub(in crate::jwt) address: SocketAddr,
    answer: Arc<Mutex<Option<Vec<u8>>>>,
    requests: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    /// Serves this response; without one, it never responds.
    pub(in crate::jwt) async fn start(answer: Option<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(answer));
        let requests = Arc::new(AtomicUsize::new(0));
        let (answers, count) = (Arc::clone(&answer), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answers, count) = (Arc::clone(&answers), Arc::clone(&count));
                tokio::spawn(async move {
                    count.fetch_add(1, Ordering::SeqCst);
                    let answer = answers.lock().unwrap().clone();
                    respond(stream, answer).await;
                });
            }
        });
        Self {
            address,
            answer,
            requests,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Serves 200 with this body.
    pub(in crate::jwt) async fn with(body: &str) -> Self {
        Self::start(Some(ok("", body))).await
    }

    pub(in crate::jwt) fn url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    /// Changes the response.
    pub(in crate::jwt) fn answer(&self, answer: Vec<u8>) {
        *self.answer.lock().unwrap() = Some(answer);
    }

    pub(in crate::jwt) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads the head of a request and responds to it.
pub(in crate::jwt) async fn respond(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Option<Vec<u8>>,
) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return String::new(),
        }
    }
    match answer {
        None => std::future::pending().await,
        // The client may close the connection before it has received everything.
        Some(answer) => drop(stream.write_all(&answer).await),
    }
    let _ = stream.shutdown().await;
    String::from_utf8(request).unwrap()
}

/// The bytes of a response. Each line of `headers` ends with a line break.
pub(in crate::jwt) fn ok(headers: &str, body: &str) -> Vec<u8> {
    response("200 OK", headers, body)
}

pub(in crate::jwt) fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}").into_bytes()
}
