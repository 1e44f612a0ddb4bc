//! A backup with changed bytes is rejected, wherever they are.

use super::Place;
use crate::support::{Database, assert_answer};

/// Tries to restore these bytes, and returns the error.
async fn restore_error(place: &Place, bytes: &[u8]) -> String {
    std::fs::write(place.path("damaged"), bytes).unwrap();
    let (code, out, error) = place.run("new.db", &["restore", "damaged"]).await;
    assert_eq!((code, out.as_str()), (1, ""), "{error}");
    assert!(!place.path("new.db").exists());
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_bit_anywhere_is_detected() {
    let place = Place::filled().await;
    assert_eq!(place.run("articles.db", &["backup", "whole"]).await.0, 0);
    let whole = std::fs::read(place.path("whole")).unwrap();
    let text = whole.windows(9).position(|it| it == b"All about").unwrap();
    // The header, a text, the middle of some pages, and the checksum line at the end.
    let mut places = vec![
        0,
        16,
        17,
        18,
        24,
        28,
        31,
        40,
        96,
        text,
        whole.len() - 1,
        whole.len() - 93,
        whole.len() - 30,
    ];
    places.extend((100..whole.len()).step_by(whole.len() / 8));
    for byte in places {
        let mut bytes = whole.clone();
        bytes[byte] ^= 1;
        let error = restore_error(&place, &bytes).await;
        assert!(
            error.starts_with("broadsheet: damaged is damaged: "),
            "{byte}: {error}"
        );
    }
    let names = place.names();
    assert_eq!(names, ["articles.db", "damaged", "whole"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_or_extended_backup_is_detected() {
    let place = Place::filled().await;
    assert_eq!(place.run("articles.db", &["backup", "whole"]).await.0, 0);
    let whole = std::fs::read(place.path("whole")).unwrap();
    assert_answer!(restore_error(&place, &whole[..whole.len() / 2]).await, @"broadsheet: damaged is damaged: it is truncated");
    assert_answer!(restore_error(&place, &whole[..50]).await, @"broadsheet: damaged is damaged: it is truncated");
    assert_answer!(restore_error(&place, &whole[..20]).await, @"broadsheet: damaged is damaged: it is not an SQLite database");
    assert_answer!(restore_error(&place, b"").await, @"broadsheet: damaged is damaged: it is not an SQLite database");
    assert_answer!(restore_error(&place, &whole[..whole.len() - 1]).await, @"broadsheet: damaged is damaged: its last page is not followed by the line that ends a backup");
    let longer = [&whole, &b"\n"[..]].concat();
    assert_answer!(restore_error(&place, &longer).await, @"broadsheet: damaged is damaged: its last page is not followed by the line that ends a backup");
    let mut other = whole.clone();
    let text = whole.windows(9).position(|it| it == b"All about").unwrap();
    other[text] = b'B';
    assert_answer!(restore_error(&place, &other).await, @"broadsheet: damaged is damaged: its SHA-256 is not that of the original backup");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_another_program_is_not_restored() {
    let place = Place::new();
    let other = Database::Sqlite.empty().await.unwrap();
    other
        .execute("CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT)")
        .await;
    let bytes = std::fs::read(other.url.strip_prefix("sqlite:").unwrap()).unwrap();
    assert_answer!(restore_error(&place, &bytes).await, @"broadsheet: damaged is not a Broadsheet database");
}
