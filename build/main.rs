//! What is decided while building: the pages that a browser gets, and which of the tests can run on this machine.

mod pages;
mod postgres;
mod programs;

use std::error::Error;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    postgres::look();
    pages::embed()
}
