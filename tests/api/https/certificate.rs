//! The files of the certificate: what is rejected at startup, and how changes are handled while a server runs.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::Request;
use rstest_reuse::apply;

use super::site::{HTTP_1_1, HTTP_2, Site};
use crate::program::{Program, run};
use crate::support::{Database, assert_answer, on_both_databases};

/// Longer than a server takes to notice changed files, even on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Whether the certificate that clients trust is the one that new connections get.
async fn is_served(site: &Site, program: &Program) -> bool {
    let address = program.address().parse().unwrap();
    site.connect("127.0.0.1", address, HTTP_2).await.is_ok()
}

async fn until_served(site: &Site, program: &Program) {
    let began = Instant::now();
    while !is_served(site, program).await {
        assert!(began.elapsed() < TIMEOUT, "{}", program.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn failed_reloads(site: &Site, program: &Program) -> String {
    let address = program.address().parse().unwrap();
    let mut client = site.client(address, HTTP_1_1).await;
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let metrics = client.ask("localhost", request).await.body;
    let name = "broadsheet_tls_failed_reloads_total ";
    let value = metrics.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap().to_owned()
}

#[apply(on_both_databases)]
async fn a_new_certificate_is_used_and_an_invalid_one_is_not(database: Database) {
    let Some(database) = database.migrated().await else {
        return;
    };
    let mut site = Site::new();
    let flags = site.flags();
    let flags = flags.each_ref().map(String::as_str);
    let mut program = Program::start(&database.url, &flags).await;
    assert!(program.log().contains("listening on https://"));
    assert!(is_served(&site, &program).await);
    // Noticed without a signal.
    site.renew();
    until_served(&site, &program).await;
    assert_eq!(failed_reloads(&site, &program).await, "0");

    // With a signal it is noticed immediately.
    site.renew();
    program.signal("HUP");
    until_served(&site, &program).await;

    std::fs::write(site.certificate_path(), "no certificate").unwrap();
    program.signal("HUP");
    program
        .logged("the previous TLS certificate stays in force")
        .await;
    assert!(is_served(&site, &program).await);
    assert_ne!(failed_reloads(&site, &program).await, "0");
    site.renew();
    until_served(&site, &program).await;
}

/// The error of a server that does not start with these flags.
async fn startup_error(site: &Site, flags: &[String]) -> String {
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let (code, _, error) = run(&flags, &[("DATABASE_URL", "sqlite::memory:")]).await;
    assert_ne!(code, 0, "{error}");
    let directory = site.key_path().parent().unwrap().display().to_string();
    let output = error.replace(&directory, "DIR");
    // Without the first log line, which says that the program is starting.
    let lines = output.lines().filter(|line| !line.contains(" INFO "));
    lines.fold(String::new(), |output, line| output + line + "\n")
}

#[tokio::test]
async fn unusable_files_prevent_startup() {
    let site = Site::new();
    let [certificate, key] = site.flags();
    let both = [certificate.clone(), key.clone()];
    let mut output = String::new();

    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(site.key_path(), open).unwrap();
    output += &startup_error(&site, &both).await;

    let other = Site::new();
    let closed = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(site.key_path(), closed).unwrap();
    std::fs::copy(other.key_path(), site.key_path()).unwrap();
    output += &startup_error(&site, &both).await;

    for (path, content) in [
        (site.key_path(), ""),
        (site.certificate_path(), ""),
        (
            site.certificate_path(),
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ),
    ] {
        std::fs::write(path, content).unwrap();
        output += &startup_error(&site, &both).await;
    }
    std::fs::remove_file(site.certificate_path()).unwrap();
    output += &startup_error(&site, &both).await;
    assert_answer!(output, @r#"
    broadsheet: DIR/site.key: its mode is 644, so that others may read or change it: chmod 640, or stricter
    broadsheet: DIR/site.key is not the key of DIR/site.crt
    broadsheet: DIR/site.key has no private key in PEM form: no items found
    broadsheet: DIR/site.crt has no certificate in PEM form: no items found
    broadsheet: DIR/site.crt has no certificate in PEM form: base64 decode error: InvalidCharacter(33)
    broadsheet: DIR/site.crt: it cannot be read: No such file or directory (os error 2)
    "#);

    for one in [certificate, key] {
        let error = startup_error(&site, &[one]).await;
        assert!(
            error.contains("required arguments were not provided"),
            "{error}"
        );
    }
}
