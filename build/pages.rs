//! Fetches GraphiQL with `npm ci` and embeds it for `GET /graphql`; `BROADSHEET_UI=plain` or `CARGO_NET_OFFLINE=true`
//! turns that off.
//!
//! A plain page of our own is always embedded. GraphiQL's files come from `ui/node_modules` if `npm ci` was run there;
//! otherwise this script runs `npm ci` in `OUT_DIR`, without install scripts and with a time limit. None of these
//! files are committed. `BROADSHEET_UI=graphiql` makes the build fail if GraphiQL is not available.
//!
//! Decision: `docs/decisions/0004-graphiql.md`.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use flate2::{Compression, GzBuilder};

use super::{Result, programs};

const SWITCH: &str = "BROADSHEET_UI";
/// If it is `true`, cargo does not use the network.
const OFFLINE: &str = "CARGO_NET_OFFLINE";
const NPM_TIMEOUT: Duration = Duration::from_mins(2);

/// Our own files.
const SOURCES: [&str; 11] = [
    ".npmrc",
    "examples.js",
    "favicon.svg",
    "graphiql.css",
    "graphiql.html",
    "graphiql.js",
    "package-lock.json",
    "package.json",
    "plain.css",
    "plain.html",
    "plain.js",
];

/// The files of `GraphiQL`: the name under which each is served, and its path in `node_modules`.
const VENDORED: [(&str, &str); 6] = [
    ("graphiql.min.js", "graphiql/graphiql.min.js"),
    ("graphiql.min.css", "graphiql/graphiql.min.css"),
    ("graphiql-license.txt", "graphiql/LICENSE"),
    (
        "react.production.min.js",
        "react/umd/react.production.min.js",
    ),
    (
        "react-dom.production.min.js",
        "react-dom/umd/react-dom.production.min.js",
    ),
    ("react-license.txt", "react/LICENSE"),
];

pub(crate) fn embed() -> Result<()> {
    println!("cargo::rerun-if-env-changed={SWITCH}");
    println!("cargo::rerun-if-env-changed={OFFLINE}");
    for name in SOURCES {
        println!("cargo::rerun-if-changed=ui/{name}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?).join("ui");
    fs::create_dir_all(&out)?;

    let switch = env::var_os(SWITCH).unwrap_or_default();
    let vendor = match switch.to_str() {
        Some("plain") => None,
        Some("graphiql") => Some(vendor(&out).map_err(|why| format!("no GraphiQL: {why}"))?),
        Some("") => vendor(&out)
            .inspect_err(|why| {
                println!(
                    "cargo::warning=GET /graphql serves the plain page, not GraphiQL: {why} \
                     ({SWITCH}=plain silences this, `touch ui/package.json` tries again)"
                );
                // Run again when npm is installed, or `npm ci` is run in `ui`.
                programs::watch();
                println!("cargo::rerun-if-changed=ui");
            })
            .ok(),
        _ => return Err(format!("{SWITCH} is `plain`, `graphiql` or not set").into()),
    };

    let mut code = String::new();
    let plain = ["favicon.svg", "plain.css", "examples.js", "plain.js"]
        .map(|name| (name, Path::new("ui").join(name)));
    writeln!(
        code,
        "pub(super) static PLAIN: Page = {};",
        page("plain.html", &plain, &out)?
    )?;
    let graphiql = match vendor {
        Some(vendor) => {
            let ours = ["favicon.svg", "graphiql.css", "examples.js", "graphiql.js"]
                .map(|name| (name, Path::new("ui").join(name)));
            let theirs = VENDORED.map(|(name, _)| (name, vendor.join(name)));
            let all: Vec<_> = ours.into_iter().chain(theirs).collect();
            format!("Some({})", page("graphiql.html", &all, &out)?)
        }
        None => "None".to_owned(),
    };
    writeln!(
        code,
        "pub(super) static GRAPHIQL: Option<Page> = {graphiql};"
    )?;
    fs::write(out.join("embedded.rs"), code)?;
    Ok(())
}

/// A Rust expression for a page, with each `{{name}}` replaced by the URL of the file with that name.
fn page(html_name: &str, files: &[(&str, PathBuf)], out: &Path) -> Result<String> {
    let mut html = fs::read_to_string(Path::new("ui").join(html_name))?;
    let mut assets = String::new();
    for (name, path) in files {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let hash = content_hash(&bytes);
        let compressed = File::create(out.join(format!("{name}.gz")))?;
        // Without a timestamp and a name, so that equal files produce equal binaries.
        let mut gzip = GzBuilder::new()
            .mtime(0)
            .write(compressed, Compression::best());
        gzip.write_all(&bytes)?;
        gzip.finish()?;

        html = html.replace(
            &format!("{{{{{name}}}}}"),
            &format!("graphiql/{hash}/{name}"),
        );
        write!(
            assets,
            "Asset {{ name: {name:?}, hash: {hash:?}, content_type: {:?}, \
             gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/ui/{name}.gz\")) }}, ",
            content_type(name)?,
        )?;
    }
    if html.contains("{{") {
        return Err(format!("ui/{html_name} names a file that is not embedded").into());
    }
    Ok(format!("Page {{ html: {html:?}, assets: &[{assets}] }}"))
}

fn content_type(name: &str) -> Result<&'static str> {
    match Path::new(name).extension().and_then(OsStr::to_str) {
        Some("js") => Ok("text/javascript; charset=utf-8"),
        Some("css") => Ok("text/css; charset=utf-8"),
        Some("svg") => Ok("image/svg+xml"),
        Some("txt") => Ok("text/plain; charset=utf-8"),
        _ => Err(format!("{name} has no known content type").into()),
    }
}

/// FNV-1a in 128 bits: the standard library's hasher may change between versions of Rust, and these inputs are trusted.
fn content_hash(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(
        0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128,
        |hash, byte| {
            (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        },
    );
    format!("{hash:032x}")
}

/// A directory that holds every file of [`VENDORED`] under the name it is served by.
fn vendor(out: &Path) -> Result<PathBuf> {
    let vendor = out.join("vendor");
    let installed = Path::new("ui/node_modules");
    if VENDORED
        .iter()
        .all(|(_, path)| installed.join(path).is_file())
    {
        for (_, path) in VENDORED {
            println!("cargo::rerun-if-changed=ui/node_modules/{path}");
        }
        collect(installed, &vendor)?;
        return Ok(vendor);
    }

    // The files of an earlier run are reused until the lock file changes.
    let lock = fs::read("ui/package-lock.json")?;
    let stamp = vendor.join("package-lock.json");
    if fs::read(&stamp).is_ok_and(|stamped| stamped == lock) {
        return Ok(vendor);
    }
    if env::var_os(OFFLINE).is_some_and(|value| value == "true") {
        return Err(format!("{OFFLINE} is set, so npm is not run").into());
    }
    let work = out.join("npm");
    remove(&work)?;
    fs::create_dir_all(&work)?;
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(Path::new("ui").join(name), work.join(name))?;
    }
    npm_ci(&work)?;
    collect(&work.join("node_modules"), &vendor)?;
    // Only six of about sixty megabytes of files are needed.
    remove(&work)?;
    fs::write(stamp, lock)?;
    Ok(vendor)
}

fn collect(node_modules: &Path, vendor: &Path) -> Result<()> {
    remove(vendor)?;
    fs::create_dir_all(vendor)?;
    for (name, path) in VENDORED {
        let bytes =
            fs::read(node_modules.join(path)).map_err(|error| format!("{path}: {error}"))?;
        fs::write(vendor.join(name), bytes)?;
    }
    Ok(())
}

fn npm_ci(directory: &Path) -> Result<()> {
    let log = directory.join("npm.log");
    let output = File::create(&log)?;
    let mut child = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "npm is not on the PATH".to_owned(),
            _ => format!("npm did not start: {error}"),
        })?;
    let began = Instant::now();
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(_) => {
                let output = fs::read_to_string(&log).unwrap_or_default();
                let first = output
                    .lines()
                    .find(|line| line.contains("error"))
                    .unwrap_or("it did not say why");
                return Err(format!("`npm ci` failed: {first}; see {}", log.display()).into());
            }
            None if began.elapsed() > NPM_TIMEOUT => {
                child.kill()?;
                child.wait()?;
                return Err(format!("`npm ci` took more than {} s", NPM_TIMEOUT.as_secs()).into());
            }
            None => sleep(Duration::from_millis(50)),
        }
    }
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
