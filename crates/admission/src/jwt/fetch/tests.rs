use otlp_spans::{Sampler, Tracer, TracerSettings};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::jwt::tests::server::{Server, ok, respond, response};

fn parse(url: &str) -> Result<(String, u16, bool), UrlError> {
    let url: KeySetUrl = url.parse()?;
    Ok((url.host, url.port, url.tls.is_some()))
}

async fn fetch(answer: Vec<u8>) -> Result<(usize, Option<u64>), String> {
    let server = Server::start(Some(answer)).await;
    let url: KeySetUrl = server.url().parse().unwrap();
    let fetched = url.fetch(None).await.map_err(|error| error.to_string())?;
    Ok((fetched.body.len(), fetched.max_age.map(|age| age.as_secs())))
}

#[test]
fn a_url_is_https_or_http_on_loopback() {
    let of = |host: &str, port, is_https| Ok((host.to_owned(), port, is_https));
    assert_eq!(
        parse("https://a.example/jwks?x=1"),
        of("a.example", 443, true)
    );
    assert_eq!(parse("https://a.example:8443"), of("a.example", 8443, true));
    assert_eq!(parse("http://localhost/jwks"), of("localhost", 80, false));
    assert_eq!(
        parse("http://127.0.0.1:8080/"),
        of("127.0.0.1", 8080, false)
    );
    assert_eq!(parse("http://[::1]/"), of("::1", 80, false));
    for plain in [
        "http://a.example/jwks",
        "http://192.168.0.1/",
        "http://localhost.example/",
        "http://127.0.0.1.example/",
        "http://[2001:db8::1]/",
    ] {
        assert_eq!(parse(plain), Err(UrlError::NotEncrypted), "{plain}");
    }
    for wrong in [
        "",
        "jwks.json",
        "//a.example/jwks",
        "ftp://a.example/jwks",
        "https:///jwks",
        "https://user:secret@a.example/jwks",
        "http://127.0.0.1@a.example/jwks",
    ] {
        assert_eq!(parse(wrong), Err(UrlError::Form), "{wrong}");
    }
}

#[tokio::test]
async fn a_response_sets_its_freshness() {
    for (header, max_age) in [
        ("", None),
        ("cache-control: public, max-age=300\r\n", Some(300)),
        ("cache-control: Max-Age=\"300\"\r\n", Some(300)),
        (
            "cache-control: public\r\ncache-control: max-age=300\r\n",
            Some(300),
        ),
        ("cache-control: no-store\r\n", Some(0)),
        ("cache-control: max-age=soon\r\n", None),
        ("cache-control: max-age=-1\r\n", None),
    ] {
        assert_eq!(fetch(ok(header, "{}")).await, Ok((2, max_age)), "{header}");
    }
}

#[tokio::test]
async fn only_status_200_counts_and_redirects_are_not_followed() {
    let answer = |status, headers| fetch(response(status, headers, "{}"));
    insta::assert_snapshot!(answer("404 Not Found", "").await.unwrap_err(), @"the answer was 404 Not Found");
    let elsewhere = Server::with("{}").await;
    let location = format!("location: {}\r\n", elsewhere.url());
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let error = answer(status, &*location).await.unwrap_err();
        assert!(error.ends_with(&elsewhere.url()), "{error}");
    }
    assert_eq!(elsewhere.requests(), 0);
}

#[tokio::test]
async fn a_response_has_at_most_a_mebibyte() {
    let most = "a".repeat(MAX_BYTES);
    assert_eq!(fetch(ok("", &most)).await, Ok((MAX_BYTES, None)));
    assert!(fetch(ok("", &format!("{most}a"))).await.is_err());
    // Nor a response that does not declare its length.
    let endless = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{most}a");
    assert!(fetch(endless.into_bytes()).await.is_err());
    let broken_off = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}";
    assert!(fetch(broken_off.into()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_unresponsive_server_times_out() {
    let server = Server::start(None).await;
    let url: KeySetUrl = server.url().parse().unwrap();
    let error = url.fetch(None).await.unwrap_err();
    assert!(matches!(error, FetchError::Timeout), "{error}");
}

#[tokio::test]
async fn https_requires_a_trusted_certificate_for_the_host() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let _server = AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // Fails where the client does not trust our certificate.
            if let Ok(stream) = acceptor.accept(stream).await {
                respond(stream, Some(ok("", "{}"))).await;
            }
        }
    }));
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let url = |host: &str, tls: Option<TlsConnector>| KeySetUrl {
        uri: format!("https://{host}:{port}/jwks").parse().unwrap(),
        host: host.to_owned(),
        port,
        tls,
    };
    let trusted = trusting(roots).unwrap();
    let fetched = url("localhost", Some(trusted.clone()))
        .fetch(None)
        .await
        .unwrap();
    assert_eq!(fetched.body, "{}");
    assert!(url("127.0.0.1", Some(trusted)).fetch(None).await.is_err());
    assert!(
        url("localhost", Some(connector().unwrap()))
            .fetch(None)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn with_tracing_each_fetch_is_a_separate_trace() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut heads = Vec::new();
        for _ in 0..2 {
            let (stream, _) = listener.accept().await.unwrap();
            heads.push(respond(stream, Some(ok("", "{}"))).await);
        }
        heads
    });
    let tracer = Tracer::start(TracerSettings {
        // Nothing listens there, and fetches do not wait for it.
        endpoint: "http://127.0.0.1:9".to_owned(),
        headers: Vec::new(),
        service_name: String::new(),
        service_version: "",
        sampler: Sampler::new("always_on", 1.0).unwrap(),
    });
    let tracer = tracer.unwrap();
    let url: KeySetUrl = format!("http://{address}/jwks?key=secret").parse().unwrap();
    for _ in 0..2 {
        url.fetch_traced(Some(&tracer)).await.unwrap();
    }
    let heads = server.await.unwrap();
    let ids = heads.iter().map(|head| {
        let mut lines = head.lines();
        let sent = lines.find_map(|line| line.strip_prefix("traceparent: 00-"));
        let (trace, rest) = sent.unwrap().split_once('-').unwrap();
        assert!(trace.len() == 32 && rest.len() == 19 && rest.ends_with("-01"));
        trace
    });
    let ids: Vec<_> = ids.collect();
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn the_request_is_valid_http() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        respond(stream, Some(ok("", "{}"))).await
    });
    let url: KeySetUrl = format!("http://{address}/a/b?c=d").parse().unwrap();
    url.fetch(None).await.unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let expected = [
        "GET /a/b?c=d HTTP/1.1\r\n".to_owned(),
        format!("host: {address}\r\n"),
        "accept: application/jwk-set+json, application/json\r\n".to_owned(),
        format!("user-agent: broadsheet/{version}\r\n\r\n"),
    ];
    assert_eq!(server.await.unwrap(), expected.concat());
    assert_eq!(
        url.shown(),
        format!("{}:{}/a/b", address.ip(), address.port())
    );
}
