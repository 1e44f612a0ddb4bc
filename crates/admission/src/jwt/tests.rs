//! JWTs, from the outside: what becomes of a token that an issuer or somebody else has signed.

mod attacks;
mod claims;
mod fetching;
mod forms;
mod keys;
mod refreshing;
pub(super) mod server;
mod settings;
mod signer;
