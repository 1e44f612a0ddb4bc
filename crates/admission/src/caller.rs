//! Who sends a request: [`Caller`], and what they may do: [`Scopes`].

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::digest::Digest;
use super::rejection::Rejection;
use broadsheet_articles::clock::Timestamp;

/// What a request needs, and what a credential can grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Queries, subscriptions, the REST list.
    Read,
    /// Mutations.
    Write,
    /// To receive a `Server-Timing` header with the duration of each part of a request.
    Timing,
}

impl Scope {
    /// All of them.
    const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Timing];

    /// Its name in tokens: `articles:read`, `articles:write` or `server:timing`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "articles:read",
            Self::Write => "articles:write",
            Self::Timing => "server:timing",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A scope with an unknown name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is articles:read, articles:write or server:timing")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.name() == name)
            .ok_or(UnknownScope)
    }
}

/// What a caller may do.
///
/// In a token `articles:write` includes reading; the code that collects scopes decides that. The permissions of
/// anonymous callers are set one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    /// Whether the caller may read.
    pub read: bool,
    /// Whether the caller may write.
    pub write: bool,
    /// Whether the caller receives `Server-Timing`.
    pub timing: bool,
}

impl Scopes {
    /// Whether these scopes include the one that a request needs.
    pub fn allow(self, required: Scope) -> bool {
        match required {
            Scope::Read => self.read,
            Scope::Write => self.write,
            Scope::Timing => self.timing,
        }
    }

    /// The scopes one by one.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .into_iter()
            .filter(move |scope| self.allow(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes
            .into_iter()
            .fold(Self::default(), |scopes, scope| match scope {
                Scope::Read => Self {
                    read: true,
                    ..scopes
                },
                Scope::Write => Self {
                    read: true,
                    write: true,
                    ..scopes
                },
                Scope::Timing => Self {
                    timing: true,
                    ..scopes
                },
            })
    }
}

impl fmt::Display for Scopes {
    /// The names, separated by commas.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::name).collect();
        f.write_str(&names.join(","))
    }
}

/// What distinguishes callers, where each has limits of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A caller without a token, distinguished by address, if at all.
    Anonymous,
    /// The name of a static token.
    Token(String),
    /// The `sub` of a JWT, which is unique only within its issuer.
    Subject {
        issuer: Option<Arc<str>>,
        subject: String,
    },
}

/// The sender of a request, and what it may do. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(Arc<Grant>);

#[derive(Debug, PartialEq, Eq)]
struct Grant {
    identity: Identity,
    scopes: Scopes,
    until: Option<Timestamp>,
    proof: Proof,
}

/// What the caller was admitted with, so that it can be checked again when tokens or keys have changed.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Proof {
    Nothing,
    Token(Digest),
    Jwt(Box<str>),
}

impl fmt::Debug for Proof {
    /// Leaves out the JWT, which is a secret until it expires.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Token(_) => "Token(…)",
            Self::Jwt(_) => "Jwt(…)",
        })
    }
}

impl Default for Caller {
    /// A caller that may do nothing, until admission knows who it is.
    fn default() -> Self {
        Self::anonymous(Scopes::default())
    }
}

impl Caller {
    pub(super) fn new(
        identity: Identity,
        scopes: Scopes,
        until: Option<Timestamp>,
        proof: Proof,
    ) -> Self {
        Self(Arc::new(Grant {
            identity,
            scopes,
            until,
            proof,
        }))
    }

    /// A caller without a token.
    pub(super) fn anonymous(scopes: Scopes) -> Self {
        Self::new(Identity::Anonymous, scopes, None, Proof::Nothing)
    }

    /// The name for the log: that of a static token, or the `sub` of a JWT. Never a secret.
    pub fn name(&self) -> &str {
        match &self.0.identity {
            Identity::Anonymous => "anonymous",
            Identity::Token(name) => name,
            Identity::Subject { subject, .. } => subject,
        }
    }

    /// What distinguishes it from other callers.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// What it may do.
    pub fn scopes(&self) -> Scopes {
        self.0.scopes
    }

    /// When its credential expires, if it does.
    pub fn until(&self) -> Option<Timestamp> {
        self.0.until
    }

    /// Whether it sent no token.
    pub fn is_anonymous(&self) -> bool {
        self.0.identity == Identity::Anonymous
    }

    /// Whether its credential has expired.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.0.until.is_some_and(|until| now >= until)
    }

    pub(super) fn proof(&self) -> &Proof {
        &self.0.proof
    }

    /// Whether it may do what the scope allows. Transports call [`Admission::check`](super::Admission::check), which
    /// also counts.
    ///
    /// # Errors
    /// It may not: a caller with a token lacks the scope, one without a token needs one.
    pub(super) fn may(&self, required: Scope) -> Result<(), Rejection> {
        match (self.0.scopes.allow(required), &self.0.identity) {
            (true, _) => Ok(()),
            (false, Identity::Anonymous) => Err(Rejection::TokenNeeded(required)),
            (false, _) => Err(Rejection::InsufficientScope(required)),
        }
    }
}
