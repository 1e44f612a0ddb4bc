//! A server that has only the transports, on a free port, with limits short enough for tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{RawQuery, State, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use axum::routing::get;
use graphql_transports::operation::{Caller, GraphQLParams, Transport};
use graphql_transports::request_id::RequestId;
use graphql_transports::shutdown::Shutdown;
use graphql_transports::sse::{self, SseSettings};
use graphql_transports::websocket::{self, WebSocketSettings};
use tokio::net::TcpListener;

use crate::engine::Engine;

/// Longer than any expected event takes.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Engine,
    pub(crate) shutdown: Shutdown,
    websocket: Arc<WebSocketSettings>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut WebSocketSettings)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut settings = WebSocketSettings {
            close_timeout: Duration::from_secs(1),
            ..WebSocketSettings::default()
        };
        change(&mut settings);
        let server = Self {
            address: listener.local_addr().unwrap(),
            engine: Engine::default(),
            shutdown: Shutdown::default(),
            websocket: Arc::new(settings),
        };
        let router = Router::new()
            .route("/graphql", get(by_get).post(by_post))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        server
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}/graphql", self.address)
    }

    /// Waits until one of the engine's counters is `expected`.
    pub(crate) async fn until(&self, counter: &AtomicUsize, expected: usize) {
        let reached = async {
            while counter.load(Ordering::SeqCst) != expected {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(TIMEOUT, reached).await.unwrap();
    }
}

fn caller(headers: HeaderMap) -> Caller {
    let named = HeaderMap::from_iter([(
        HeaderName::from_static("x-request-id"),
        HeaderValue::from_static("request-7"),
    )]);
    Caller {
        last_event_id: sse::last_event_id(&headers),
        headers,
        request_id: RequestId::of(&named, uuid::Uuid::new_v4),
        ..Caller::default()
    }
}

async fn by_get(
    State(server): State<Server>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    if let Ok(upgrade) = upgrade {
        let settings = Arc::clone(&server.websocket);
        let Server {
            engine, shutdown, ..
        } = server;
        return websocket::upgrade(upgrade, engine, caller(headers), settings, &shutdown);
    }
    let params = GraphQLParams::from_url_query(&query.unwrap_or_default()).unwrap();
    events(server, Method::GET, headers, params).await
}

async fn by_post(State(server): State<Server>, headers: HeaderMap, body: Bytes) -> Response {
    let params = GraphQLParams::from_json(&body).unwrap();
    events(server, Method::POST, headers, params).await
}

async fn events(
    server: Server,
    method: Method,
    headers: HeaderMap,
    params: GraphQLParams,
) -> Response {
    let transport = if method == Method::GET {
        Transport::SseGet
    } else {
        Transport::SsePost
    };
    let settings = SseSettings {
        keep_alive: Duration::from_millis(50),
    };
    let caller = caller(headers);
    sse::respond(
        server.engine,
        params,
        &caller,
        transport,
        settings,
        server.shutdown.token().clone(),
    )
    .await
}

impl Server {
    /// Waits until the engine's endless streams have begun and no longer produce events, and returns how many they have
    /// produced.
    pub(crate) async fn standstill(&self) -> usize {
        let mut before = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = self.engine.produced.load(Ordering::SeqCst);
            if now > 0 && now == before {
                return now;
            }
            before = now;
        }
    }
}
