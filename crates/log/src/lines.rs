//! Writes log lines to standard error: those of requests through a buffer, which a thread flushes.
//!
//! A server may handle tens of thousands of requests a second, and one write per line would take a considerable part of
//! a request's time. So these lines are buffered briefly. Any other line is written immediately, after the buffered
//! ones, so that the order is kept and important lines cannot be lost, not even at the end of the program.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// The target of the lines that are buffered.
pub const REQUESTS: &str = "broadsheet::requests";

/// How long lines are buffered.
const FLUSH_INTERVAL: Duration = Duration::from_millis(10);

/// The maximum bytes in the buffer. Further lines are dropped: the reader of the log is too slow, and no request waits
/// for it.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How often the log reports the number of dropped lines.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);

/// Writes what is buffered to standard error, and then this line, which may be empty.
///
/// # Errors
/// Standard error cannot be written to.
pub fn write_now(line: &[u8]) -> io::Result<()> {
    to_stderr().write_now(line)
}

fn to_stderr() -> &'static Arc<Lines<io::Stderr>> {
    static LINES: OnceLock<Arc<Lines<io::Stderr>>> = OnceLock::new();
    LINES.get_or_init(|| Arc::new(Lines::new(io::stderr())))
}

/// Buffers lines for `W`.
#[derive(Debug)]
struct Lines<W> {
    buffered: Mutex<Buffered>,
    /// Notified when the first line is buffered.
    not_empty: Condvar,
    /// Locked before the buffer is taken, so that lines are written in order.
    out: Mutex<Output<W>>,
    /// Whether a thread flushes the buffer.
    has_thread: OnceLock<bool>,
}

#[derive(Debug)]
struct Output<W> {
    to: W,
    /// The lines that are being written; afterwards an empty buffer for reuse.
    lines: Vec<u8>,
}

#[derive(Debug, Default)]
struct Buffered {
    lines: Vec<u8>,
    /// The number of dropped lines that was not reported yet.
    left_out: u64,
}

impl<W: Write + Send + 'static> Lines<W> {
    fn new(to: W) -> Self {
        Self {
            buffered: Mutex::default(),
            not_empty: Condvar::new(),
            out: Mutex::new(Output {
                to,
                lines: Vec::new(),
            }),
            has_thread: OnceLock::new(),
        }
    }

    /// Writes the buffered lines, and then this one.
    fn write_now(&self, line: &[u8]) -> io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let Output { to, lines } = &mut *out;
        std::mem::swap(&mut self.buffered().lines, lines);
        let written = to.write_all(lines);
        lines.clear();
        written?;
        to.write_all(line)?;
        to.flush()
    }

    fn buffer(self: &Arc<Self>, line: &[u8]) -> io::Result<()> {
        if !self.has_thread.get_or_init(|| self.start_thread()) {
            return self.write_now(line);
        }
        let mut buffered = self.buffered();
        if buffered.lines.len() + line.len() > MAX_BYTES {
            buffered.left_out += 1;
            return Ok(());
        }
        let is_first = buffered.lines.is_empty();
        buffered.lines.extend_from_slice(line);
        drop(buffered);
        if is_first {
            self.not_empty.notify_one();
        }
        Ok(())
    }

    fn buffered(&self) -> MutexGuard<'_, Buffered> {
        self.buffered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether it could be started.
    fn start_thread(self: &Arc<Self>) -> bool {
        let lines = Arc::clone(self);
        let thread = std::thread::Builder::new().name("log".to_owned());
        thread.spawn(move || lines.flush_periodically()).is_ok()
    }

    fn flush_periodically(&self) {
        let mut reported_at: Option<Instant> = None;
        loop {
            let buffered = self
                .not_empty
                .wait_while(self.buffered(), |buffered| buffered.lines.is_empty());
            drop(buffered);
            std::thread::sleep(FLUSH_INTERVAL);
            // An error cannot be reported anywhere.
            let _ = self.write_now(&[]);
            if reported_at.is_none_or(|at| at.elapsed() >= REPORT_INTERVAL) {
                let left_out = std::mem::take(&mut self.buffered().left_out);
                if left_out > 0 {
                    reported_at = Some(Instant::now());
                    tracing::warn!(
                        left_out,
                        "lines of requests were dropped from the log: it is read too slowly"
                    );
                }
            }
        }
    }
}

/// Writes a line immediately, or buffers it.
#[derive(Debug)]
pub struct Line<W: 'static> {
    lines: &'static Arc<Lines<W>>,
    may_buffer: bool,
}

impl<W: Write + Send + 'static> Write for Line<W> {
    /// Each call contains a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.may_buffer {
            true => self.lines.buffer(line)?,
            false => self.lines.write_now(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes to standard error.
#[derive(Debug, Clone, Copy)]
pub struct ToStderr;

impl<'a> MakeWriter<'a> for ToStderr {
    type Writer = Line<io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        Line {
            lines: to_stderr(),
            may_buffer: false,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        Line {
            lines: to_stderr(),
            may_buffer: metadata.target() == REQUESTS,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A slow reader: it accepts as many writes as it was allowed to.
    struct Reader {
        may_read: mpsc::Receiver<()>,
        read: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Reader {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            self.may_read.recv().map_err(io::Error::other)?;
            self.read.lock().unwrap().extend_from_slice(piece);
            Ok(piece.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn request_lines_are_buffered_and_other_lines_flush_them() {
        let lines = Arc::new(Lines::new(Vec::new()));
        let _ = lines.has_thread.set(true);
        for line in ["1\n", "2\n"] {
            lines.buffer(line.as_bytes()).unwrap();
        }
        assert!(lines.out.lock().unwrap().to.is_empty());
        lines.write_now(b"a warning\n").unwrap();
        lines.buffer(b"3\n").unwrap();
        lines.write_now(&[]).unwrap();
        assert_eq!(lines.out.lock().unwrap().to, b"1\n2\na warning\n3\n");
    }

    #[test]
    fn lines_beyond_the_buffer_are_dropped_and_counted_without_waiting() {
        let (allow, may_read) = mpsc::channel();
        let read = Arc::<Mutex<Vec<u8>>>::default();
        let reader = Reader {
            may_read,
            read: Arc::clone(&read),
        };
        let lines = Arc::new(Lines::new(reader));
        let line = [b'a'; 1024];
        let fit = MAX_BYTES / line.len();
        // The thread takes the buffered lines, and waits for the reader with them.
        lines.buffer(&line).unwrap();
        while !lines.buffered().lines.is_empty() {
            std::thread::yield_now();
        }
        for _ in 0..fit + 5 {
            lines.buffer(&line).unwrap();
        }
        assert_eq!(lines.buffered().left_out, 5);
        assert_eq!(lines.buffered().lines.len(), MAX_BYTES);
        for _ in 0..10 {
            allow.send(()).unwrap();
        }
        while lines.buffered().left_out > 0 {
            std::thread::yield_now();
        }
        lines.write_now(b"the last\n").unwrap();
        let read = read.lock().unwrap();
        assert_eq!(read.len(), (fit + 1) * line.len() + 9);
        assert!(read.ends_with(b"the last\n"));
    }
}
