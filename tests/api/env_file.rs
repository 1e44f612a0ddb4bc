//! `.env`: where it is searched for, which values apply, and what is reported about it. Its syntax is tested next to
//! its parser.

use std::fs;

use crate::program::{Program, directory, run_in};
use crate::support::{Answer, assert_answer, client};

#[tokio::test]
async fn an_env_file_applies_and_the_log_says_which_one() {
    let directory = directory();
    let file = directory.path().join(".env");
    fs::write(
        &file,
        "\u{feff}# What other programs read does not matter\r\n\
         POSTGRES_PASSWORD=p$$word\r\n\
         NAME='of the file'\r\n\
         DESCRIPTION=A GraphQL API for articles # of ours\r\n\
         export DATABASE_URL = \"sqlite:${NAME}.db\"\r\n\
         CORS_ORIGINS=https://a.example, https://b.example\r\n\
         PORT=1\r\n\
         LOG=\r\n",
    )
    .unwrap();
    let (path, database) = (file.display(), directory.path().join("of the file.db"));
    let path = path.to_string();
    let program = Program::start_in(directory, &[], &[("PORT", "0"), ("LOG_FORMAT", "json")]).await;
    let log = program.log();
    let line: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&line["message"], &line["file"], &line["settings"]),
        (
            &"read .env".into(),
            &path.into(),
            &"DESCRIPTION, CORS_ORIGINS, DATABASE_URL".into()
        ),
        "{log}"
    );
    assert!(database.exists(), "{log}");
    for origin in ["https://a.example", "https://b.example"] {
        let request = client().get(program.url("/health/live"));
        let answer = Answer::to(request.header("origin", origin)).await;
        assert_eq!(answer.header("access-control-allow-origin"), origin);
    }
}

#[tokio::test]
async fn an_invalid_line_is_reported_by_its_number_and_no_value_applies() {
    for (text, line) in [
        ("PORT=0\nthis is no line s3cret\n", 2),
        ("PORT=0\n\nDATABASE_URL=postgres://u:s3cret$x@h/d\n", 3),
        ("DESCRIPTION='s3cret\nPORT=0\nDATABASE_URL=sqlite:a.db\n", 1),
        ("DESCRIPTION=\"a\" s3cret\n", 1),
    ] {
        let directory = directory();
        fs::write(directory.path().join(".env"), text).unwrap();
        let (code, _, error) = run_in(directory.path(), &[], &[]).await;
        assert_eq!(code, 2, "{text:?}: {error}");
        let begins = format!("broadsheet: .env is invalid, in line {line}: ");
        assert!(error.starts_with(&begins), "{text:?}: {error}");
        assert!(error.ends_with("nothing in it applies\n"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}

#[tokio::test]
async fn an_unreadable_env_file_is_an_error() {
    let directory = directory();
    fs::create_dir(directory.path().join(".env")).unwrap();
    let (code, _, error) = run_in(directory.path(), &["schema"], &[]).await;
    assert_eq!(code, 2);
    assert_answer!(error, @"broadsheet: .env cannot be read: Is a directory (os error 21); nothing in it applies");
    fs::remove_dir(directory.path().join(".env")).unwrap();

    let large = vec![b'#'; 1024 * 1024 + 1];
    fs::write(directory.path().join(".env"), large).unwrap();
    let (code, _, error) = run_in(directory.path(), &["schema"], &[]).await;
    assert_eq!(code, 2);
    assert_answer!(error, @"broadsheet: .env cannot be read: it has more than 1 MiB; nothing in it applies");
}

#[tokio::test]
async fn env_files_of_parent_directories_are_ignored() {
    let above = directory();
    fs::write(above.path().join(".env"), "DATABASE_URL=sqlite:another.db").unwrap();
    let below = tempfile::tempdir_in(&above).unwrap();
    let (code, _, error) = run_in(below.path(), &["migrate"], &[]).await;
    assert_eq!(code, 0, "{error}");
    assert!(below.path().join("broadsheet.db").exists());
    assert!(!below.path().join("another.db").exists());
}

#[tokio::test]
async fn an_invalid_value_is_reported_with_its_file() {
    let directory = directory();
    fs::write(directory.path().join(".env"), "PORT=http").unwrap();
    let (code, _, error) = run_in(directory.path(), &[], &[]).await;
    assert_eq!(code, 2);
    let shown = error.replace(&directory.path().display().to_string(), "DIRECTORY");
    assert_answer!(shown, @"
    error: invalid value 'http' for '--port <PORT>': invalid digit found in string

    For more information, try '--help'.

    PORT: from DIRECTORY/.env
    ");
}

#[tokio::test]
async fn help_shows_the_defaults_regardless_of_the_file() {
    let directory = directory();
    let (_, expected, _) = run_in(directory.path(), &["--help"], &[]).await;
    for text in ["DATABASE_URL=postgres://u:s3cret@h/d", "no line"] {
        fs::write(directory.path().join(".env"), text).unwrap();
        let (code, help, _) = run_in(directory.path(), &["--help"], &[]).await;
        assert_eq!((code, help), (0, expected.clone()));
    }
}
