use axum::body::to_bytes;

use super::*;

fn pages() -> impl Iterator<Item = &'static Page> {
    [Some(&embedded::PLAIN), embedded::GRAPHIQL.as_ref()]
        .into_iter()
        .flatten()
}

fn plain_script() -> &'static Asset {
    embedded::PLAIN
        .assets
        .iter()
        .find(|asset| asset.name == "plain.js")
        .unwrap()
}

/// The URLs that a browser loads: each `src` and `href` of the page.
fn fetched(html: &str) -> Vec<&str> {
    let values = |attribute| {
        html.split(attribute)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
    };
    values(" src=\"").chain(values(" href=\"")).collect()
}

/// Sends one request to the routes of a server on a loopback address, with these headers.
async fn get(path: &str, headers: &[(header::HeaderName, &str)]) -> reqwest::Response {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, routes()).await });
    let request = reqwest::Client::new().get(format!("http://{address}{path}"));
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(name, *value)
    });
    request.send().await.unwrap()
}

fn head(response: &reqwest::Response) -> String {
    let shown = [
        header::ETAG,
        header::CACHE_CONTROL,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::VARY,
        header::X_CONTENT_TYPE_OPTIONS,
    ];
    let value = |name| {
        response
            .headers()
            .get(name)
            .map_or("-", |value| value.to_str().unwrap())
    };
    let lines: Vec<_> = shown
        .iter()
        .map(|name| format!("{name}: {}", value(name)))
        .collect();
    format!("{}\n{}", response.status().as_u16(), lines.join("\n"))
        .replace(plain_script().hash, "HASH")
}

fn path_of(asset: &Asset) -> String {
    format!("/graphiql/{}/{}", asset.hash, asset.name)
}

#[tokio::test]
async fn the_page_is_revalidated_html_with_a_strict_policy() {
    let response = front_page("News", "All that is fit").response();
    assert_eq!(response.status(), StatusCode::OK);
    let (page, policy) = match &embedded::GRAPHIQL {
        Some(page) => (page, GRAPHIQL_POLICY),
        None => (&embedded::PLAIN, PLAIN_POLICY),
    };
    let headers = response.headers();
    assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
    assert_eq!(headers[header::CONTENT_SECURITY_POLICY], policy);
    assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
    assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(
        to_bytes(response.into_body(), usize::MAX).await.unwrap(),
        page.named("News", "All that is fit")
    );
}

#[test]
fn each_page_shows_the_name_and_the_description_as_text() {
    for page in pages() {
        let html = page.named("{DESCRIPTION}", "<b title=\"it's\">Q&A</b>");
        let description = "&lt;b title=&quot;it&#39;s&quot;&gt;Q&amp;A&lt;/b&gt;";
        for line in [
            "<title>&#123;DESCRIPTION&#125; · Graph".to_owned(),
            "<h1>&#123;DESCRIPTION&#125;</h1>".to_owned(),
            format!("<meta name=\"description\" content=\"{description}\">"),
            format!("<p>{description}</p>"),
        ] {
            assert!(html.contains(&line), "{line}");
        }
        assert!(!html.contains("{SERVICE_NAME}") && !html.contains("{DESCRIPTION}"));
    }
}

#[test]
fn no_policy_names_another_host_or_allows_inline_scripts() {
    for policy in [GRAPHIQL_POLICY, PLAIN_POLICY] {
        for directive in policy.to_str().unwrap().split("; ") {
            let mut words = directive.split(' ');
            let name = words.next().unwrap();
            for source in words {
                let inline =
                    name == "style-src" && source == "'unsafe-inline'" && policy == GRAPHIQL_POLICY;
                assert!(
                    ["'self'", "'none'", "data:"].contains(&source) || inline,
                    "{directive}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_page_fetches_only_files_of_this_server_and_they_are_there() {
    for page in pages() {
        let fetched = fetched(page.html);
        for asset in page.assets {
            assert!(
                fetched.contains(&&path_of(asset)[1..]),
                "{} is not on the page",
                asset.name
            );
        }
        for address in fetched
            .iter()
            .filter(|address| **address != "schema.graphql")
        {
            let response = get(&format!("/{address}"), &[]).await;
            assert_eq!(response.status(), 200, "{address}");
        }
    }
}

#[test]
fn no_page_holds_an_inline_script_style_or_handler() {
    for page in pages() {
        for script in page.html.split("<script").skip(1) {
            assert!(
                script.starts_with(" defer src=\"graphiql/") && script.contains("></script>"),
                "{script}"
            );
        }
        for forbidden in [
            "<style",
            " style=",
            " onclick",
            " onload",
            " onerror",
            "javascript:",
            "<base",
        ] {
            assert!(!page.html.contains(forbidden), "{forbidden}");
        }
    }
}

#[test]
fn no_style_sheet_fetches_anything_and_our_scripts_name_no_other_host() {
    for asset in pages().flat_map(|page| page.assets) {
        let text = String::from_utf8(asset.inflate().unwrap()).unwrap();
        if asset.content_type.starts_with("text/css") {
            assert!(!text.contains("@import"), "{}", asset.name);
            for target in text.split("url(").skip(1) {
                let target = target.trim_start_matches(['"', '\'']);
                let shown: String = target.chars().take(60).collect();
                assert!(
                    target.starts_with("data:") || target.starts_with('#'),
                    "{}: {shown}",
                    asset.name
                );
            }
        }
        if [
            "examples.js",
            "plain.js",
            "graphiql.js",
            "plain.css",
            "graphiql.css",
        ]
        .contains(&asset.name)
        {
            assert!(!text.contains("://"), "{}", asset.name);
        }
    }
}

#[tokio::test]
async fn a_client_that_accepts_gzip_gets_the_stored_file() {
    let asset = plain_script();
    let response = get(
        &path_of(asset),
        &[(header::ACCEPT_ENCODING, "br, gzip;q=0.8")],
    )
    .await;
    insta::assert_snapshot!(head(&response), @r#"
    200
    etag: "HASH-gzip"
    cache-control: public, max-age=31536000, immutable
    content-type: text/javascript; charset=utf-8
    content-encoding: gzip
    vary: accept-encoding
    x-content-type-options: nosniff
    "#);
    assert_eq!(response.bytes().await.unwrap(), asset.gzip);
}

#[tokio::test]
async fn a_client_without_gzip_gets_the_file_decompressed() {
    let asset = plain_script();
    let response = get(
        &path_of(asset),
        &[(header::ACCEPT_ENCODING, "gzip;q=0, br")],
    )
    .await;
    insta::assert_snapshot!(head(&response), @r#"
    200
    etag: "HASH"
    cache-control: public, max-age=31536000, immutable
    content-type: text/javascript; charset=utf-8
    content-encoding: -
    vary: accept-encoding
    x-content-type-options: nosniff
    "#);
    let source = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/ui/plain.js"));
    assert_eq!(response.text().await.unwrap(), source);
}

#[tokio::test]
async fn a_cached_file_is_not_sent_again() {
    let asset = plain_script();
    let (plain, gzip) = (
        format!("\"{}\"", asset.hash),
        format!("\"other\", W/\"{}-gzip\"", asset.hash),
    );
    for (encoding, tag) in [("identity", plain.as_str()), ("gzip", &gzip), ("gzip", "*")] {
        let response = get(
            &path_of(asset),
            &[
                (header::ACCEPT_ENCODING, encoding),
                (header::IF_NONE_MATCH, tag),
            ],
        )
        .await;
        assert_eq!(response.status(), 304, "{encoding} {tag}");
        assert!(response.headers().contains_key(header::ETAG));
        assert_eq!(response.bytes().await.unwrap(), "");
    }
    let response = get(
        &path_of(asset),
        &[
            (header::ACCEPT_ENCODING, "gzip"),
            (header::IF_NONE_MATCH, &plain),
        ],
    )
    .await;
    assert_eq!(
        response.status(),
        200,
        "the tag of the other encoding is another tag"
    );
}

#[tokio::test]
async fn a_file_of_another_build_is_not_found() {
    let response = get("/graphiql/00000000000000000000000000000000/plain.js", &[]).await;
    assert_eq!(response.status(), 404);
    assert!(!response.headers().contains_key(header::CACHE_CONTROL));
}

#[test]
fn gzip_is_used_if_accept_encoding_allows_it() {
    let accepts = |value: &'static str| {
        accepts_gzip(&HeaderMap::from_iter([(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static(value),
        )]))
    };
    for yes in [
        "gzip",
        "GZIP",
        "br, gzip",
        "gzip; q=0.1",
        "*",
        "x-gzip",
        "*;q=0, gzip",
    ] {
        assert!(accepts(yes), "{yes}");
    }
    for no in [
        "",
        "br",
        "identity",
        "gzip;q=0",
        "gzip;q=0.000, *",
        "*;q=0",
        "gzip;q=x",
        "agzip",
    ] {
        assert!(!accepts(no), "{no}");
    }
    assert!(!accepts_gzip(&HeaderMap::new()));
}
