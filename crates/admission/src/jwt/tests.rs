//! JWTs from the outside: the outcome for tokens that an issuer or an attacker has signed.

mod attacks;
mod claims;
mod fetching;
mod forms;
mod keys;
mod refreshing;
pub(super) mod server;
mod settings;
mod signer;
