//! What callers without a token may do.

use std::net::IpAddr;

use super::caller::Scopes;
use super::settings::AdmissionSettings;

/// The server would be open to anyone who can reach it, although no setting asks for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not a loopback address, and it is not configured who may write: set TOKENS_FILE or JWT_JWKS, or configure \
     what callers without a token may do: ANONYMOUS_WRITES=false allows only reading, ANONYMOUS_WRITES=true also \
     writing"
)]
pub struct OpenToAll(IpAddr);

/// What callers without a token may do on `host`, where tokens or JWTs are configured or not.
///
/// | address | tokens or JWTs | `ANONYMOUS_WRITES` | they may write |
/// | --- | --- | --- | --- |
/// | any | any | set | as it is set |
/// | any | yes | not set | no |
/// | loopback | no | not set | yes, unless `ANONYMOUS_READS` is `false` |
/// | other | no | not set | the server does not start |
pub(super) fn scopes(
    settings: &AdmissionSettings,
    host: IpAddr,
    has_credentials: bool,
) -> Result<Scopes, OpenToAll> {
    let read = settings.anonymous_reads;
    let is_loopback = host.to_canonical().is_loopback();
    let write = match (settings.anonymous_writes, has_credentials, is_loopback) {
        (Some(write), _, _) => write,
        (None, true, _) => false,
        (None, false, true) => read,
        (None, false, false) => return Err(OpenToAll(host)),
    };
    Ok(Scopes {
        read,
        write,
        timing: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::settings;

    fn may(host: &str, has_credentials: bool, flags: &[&str]) -> Result<&'static str, OpenToAll> {
        let scopes = scopes(&settings(flags), host.parse().unwrap(), has_credentials)?;
        Ok(match (scopes.read, scopes.write) {
            (false, false) => "nothing",
            (true, false) => "read",
            (false, true) => "write",
            (true, true) => "read and write",
        })
    }

    #[test]
    fn a_loopback_address_is_open_by_default() {
        for host in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(may(host, false, &[]), Ok("read and write"), "{host}");
            assert_eq!(may(host, true, &[]), Ok("read"), "{host}");
            let no_reads = ["--anonymous-reads=false"];
            assert_eq!(may(host, false, &no_reads), Ok("nothing"), "{host}");
        }
    }

    #[test]
    fn other_addresses_require_configuration() {
        for host in ["0.0.0.0", "::", "192.168.0.1", "2001:db8::1"] {
            let rejected = Err(OpenToAll(host.parse().unwrap()));
            assert_eq!(may(host, false, &[]), rejected, "{host}");
            assert_eq!(may(host, false, &["--anonymous-reads=false"]), rejected);
            assert_eq!(may(host, true, &[]), Ok("read"), "{host}");
            let no_writes = ["--anonymous-writes=false"];
            assert_eq!(may(host, false, &no_writes), Ok("read"), "{host}");
        }
    }

    #[test]
    fn explicit_settings_apply_on_every_address() {
        for host in ["127.0.0.1", "0.0.0.0"] {
            for has_credentials in [false, true] {
                let may = |reads, writes| {
                    let flags = [
                        &*format!("--anonymous-reads={reads}"),
                        &*format!("--anonymous-writes={writes}"),
                    ];
                    may(host, has_credentials, &flags)
                };
                assert_eq!(may(true, true), Ok("read and write"));
                assert_eq!(may(true, false), Ok("read"));
                assert_eq!(may(false, true), Ok("write"));
                assert_eq!(may(false, false), Ok("nothing"));
            }
        }
    }
}
