//! Decisions at build time: which pages for browsers are embedded, and which tests can run on this machine.

mod pages;
mod postgres;
mod programs;

use std::error::Error;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    postgres::detect();
    pages::embed()
}
