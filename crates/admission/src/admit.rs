//! The trait through which the GraphQL transports use admission.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use graphql_guard::OperationKind;
use graphql_guard::json::ObjectText;
use graphql_transports::Admit;
use http::HeaderMap;
use serde_json::{Map, Value};

use super::{Admission, Caller, Credential, Identity, Rejection, Scope};

impl Admit for Admission {
    type Caller = Caller;
    type Error = Rejection;

    async fn admit(
        &self,
        headers: &HeaderMap,
        connection_init: Option<&ObjectText>,
    ) -> Result<Caller, Rejection> {
        let Some(init) = connection_init else {
            let credential = Credential::from_headers(headers);
            return self.admit_to_any(credential).await;
        };
        let init: Option<Map<String, Value>> = serde_json::from_str(init.as_str()).ok();
        let credential = match &init {
            Some(init) => Credential::from_connection_init(init, headers),
            None => Credential::Unusable,
        };
        self.admit_to_any(credential).await
    }

    fn check(&self, caller: &Caller, kind: OperationKind) -> Result<(), Rejection> {
        self.check(
            caller,
            match kind {
                OperationKind::Query | OperationKind::Subscription => Scope::Read,
                OperationKind::Mutation => Scope::Write,
            },
        )
    }

    fn ended(&self, caller: &Caller) -> Option<BoxFuture<'static, ()>> {
        if caller.is_anonymous() {
            return None;
        }
        let (admission, caller) = (self.clone(), caller.clone());
        Some(async move { admission.ended(&caller).await }.boxed())
    }

    fn identity<'c>(&self, caller: &'c Caller) -> [Option<&'c str>; 3] {
        match caller.identity() {
            Identity::Anonymous => [Some("anonymous"), None, Some("")],
            Identity::Token(name) => [Some("token"), None, Some(name)],
            Identity::Subject { issuer, subject } => {
                [Some("subject"), issuer.as_deref(), Some(subject)]
            }
        }
    }
}

impl From<Rejection> for graphql_transports::Rejection {
    fn from(rejection: Rejection) -> Self {
        Self {
            headers: rejection.headers(),
            ..Self::new(rejection.status(), rejection.code(), rejection.to_string())
        }
    }
}
