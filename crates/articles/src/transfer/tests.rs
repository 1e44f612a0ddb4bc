use std::path::Path;

use super::*;

#[test]
fn the_extension_determines_the_format() {
    for (name, format, compression) in [
        ("-", Format::Ndjson, Compression::None),
        ("a", Format::Ndjson, Compression::None),
        ("a.ndjson", Format::Ndjson, Compression::None),
        ("a.CSV", Format::Csv, Compression::None),
        ("b/a.csv.gz", Format::Csv, Compression::Gzip),
        ("a.jsonl.zst", Format::Ndjson, Compression::Zstd),
        ("a.csv/b", Format::Ndjson, Compression::None),
    ] {
        assert_eq!(by_ending(Path::new(name)), (format, compression), "{name}");
    }
}
