//! A pseudo-terminal on which a program can be started.

use std::fs::File;
use std::io::{Read as _, Write as _};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// The user's side of a pseudo-terminal; the program has the other side.
pub(crate) struct Terminal(File);

impl Terminal {
    /// Opens a pseudo-terminal; also returns the program's side.
    pub(crate) fn open() -> (Self, File) {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let program = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        (Self(controller.into()), program)
    }

    /// Reads the output until it contains this text.
    pub(crate) fn read_until(&mut self, text: &str) -> String {
        let mut shown = Vec::new();
        while !String::from_utf8_lossy(&shown).contains(text) {
            let mut part = [0; 1024];
            let count = self.0.read(&mut part).unwrap();
            shown.extend(&part[..count]);
        }
        String::from_utf8(shown).unwrap()
    }

    pub(crate) fn type_in(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }
}
