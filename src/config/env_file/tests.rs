//! The syntax of `.env`, line by line.

use super::*;

fn read(text: impl AsRef<[u8]>) -> Result<EnvFile, EnvFileError> {
    let environment = |name: &str| (name == "OUTSIDE").then(|| "from outside".to_owned());
    Ok(EnvFile {
        path: NAME.into(),
        values: parse(text.as_ref(), environment).map_err(|fault| EnvFileError { fault })?,
    })
}

/// The value of `A` in a file.
fn value(text: &str) -> Result<Option<String>, String> {
    let file = read(text).map_err(|error| error.to_string())?;
    let value = file.get("A").map_err(|error| error.to_string())?;
    Ok(value.map(str::to_owned))
}

#[test]
fn a_value_is_read_as_compose_reads_it() {
    for (text, expected) in [
        ("A=b", "b"),
        ("A = b ", "b"),
        ("A: b", "b"),
        ("export A=b", "b"),
        ("  export\tA=b", "b"),
        ("\u{feff}A=b", "b"),
        ("# x\r\n\r\nA=b\r\nB=c\r\n", "b"),
        ("A=A GraphQL API for articles", "A GraphQL API for articles"),
        ("A=b # comment", "b"),
        ("A=b# no comment", "b# no comment"),
        ("A=#b", "#b"),
        ("A=it's", "it's"),
        (r#"A=say "b""#, r#"say "b""#),
        (r"A=C:\new", r"C:\new"),
        ("A=b=c", "b=c"),
        ("A=https://a.example/?b=c#d", "https://a.example/?b=c#d"),
        ("A='b # c'", "b # c"),
        ("A='b' # comment", "b"),
        (r"A='p$ss \n ${B} $$'", r"p$ss \n ${B} $$"),
        (r"A='it\'s'", "it's"),
        ("A='b\r\nc'", "b\nc"),
        (r#"A="b # \"c\"\n\t\\" # d"#, "b # \"c\"\n\t\\"),
        (r#"A="C:\dir""#, r"C:\dir"),
        (r#"A="p\$ss""#, "p$ss"),
        ("A=\"b\nc\"", "b\nc"),
        ("A=b\nA=c", "c"),
        ("B=c\nA=x${B}y", "xcy"),
        ("B='$c'\nA=\"${B}\"", "$c"),
        ("OUTSIDE=in the file\nA=${OUTSIDE}", "from outside"),
    ] {
        assert_eq!(value(text), Ok(Some(expected.to_owned())), "{text:?}");
    }
    for text in [
        "",
        "# A=b",
        "A=",
        "A=''",
        "A=\"\"",
        "A= # comment",
        "B=c",
        "AA=b",
    ] {
        assert_eq!(value(text), Ok(None), "{text:?}");
    }
}

#[test]
fn an_invalid_line_is_reported_by_its_number() {
    for (text, line, what) in [
        ("A=b\n\n# x\nwhat is this\n", 4, NO_ASSIGNMENT),
        ("A", 1, NO_ASSIGNMENT),
        ("export", 1, NO_ASSIGNMENT),
        ("=s3cret", 1, NO_ASSIGNMENT),
        ("1A=b", 1, NO_ASSIGNMENT),
        ("A B=c", 1, NO_ASSIGNMENT),
        ("A\n=b", 1, NO_ASSIGNMENT),
        ("B=1\nA='s3cret\nC=2\n", 2, OPEN_QUOTE),
        ("A=\"s3cret\\\"", 1, OPEN_QUOTE),
        ("A='it's'", 1, AFTER_QUOTE),
        ("A='one\ntwo' three", 2, AFTER_QUOTE),
        ("B=1\nA=p$ss", 2, DOLLAR),
        ("A=pa$$word", 1, DOLLAR),
        ("A=s3cret$", 1, DOLLAR),
        ("A=\"a\nb$5\"", 1, DOLLAR),
        ("A=${B:-c}", 1, DOLLAR),
        ("A=${}", 1, DOLLAR),
        ("A=${B", 1, DOLLAR),
        ("A=${B}", 1, NOT_SET),
        ("A=${B}\nB=c", 1, NOT_SET),
        ("B=$c\nA=b\nA=x${B}", 1, DOLLAR),
        ("A=b\n\0", 2, NOT_UTF8),
    ] {
        let expected = format!(".env is invalid, in line {line}: {what}; nothing in it applies");
        assert_eq!(value(text), Err(expected), "{text:?}");
    }
    let latin1 = read(b"A=b\nB=caf\xe9\n").unwrap_err().to_string();
    assert!(
        latin1.contains("in line 2: expected text in UTF-8"),
        "{latin1}"
    );
}

#[test]
fn values_for_other_programs_may_contain_any_dollar() {
    assert_eq!(value("B=$c $$ ${d:-e}\nA=b"), Ok(Some("b".to_owned())));
}
