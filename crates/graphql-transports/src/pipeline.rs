//! The path of an operation from a transport to the engine, which is the same on every transport: it resolves named
//! documents, reuses cached preparations, checks permissions, and turns the result into an outcome.

mod run;

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use futures_util::future::BoxFuture;
use graphql_guard::OperationKind;
use graphql_guard::json::ObjectText;

pub use self::run::timeout;
use super::admission::{Admit, AdmitAll};
use super::engine::{EndedOperation, Engine, KeyedRequest, PreparedOperation};
use super::idempotency;
use super::limits::{LimitCallers, Unlimited};
use super::metrics::{OperationMetrics, UnderWay};
use super::operation::{Caller, Execute, GraphQLParams, InvalidParams, Outcome, Transport};
use super::persisted::PersistedOperations;
use super::rejection::Rejection;
use super::request_cache::RepeatedRequests;
use super::shutdown::Shutdown;

/// Executes the operations of every transport on an engine `E`, with admission `A` and limits `L`. Clones share
/// everything.
pub struct Pipeline<E, A = AdmitAll, L = Unlimited>
where
    A: Admit,
    E: Engine<A::Caller>,
{
    engine: E,
    admission: A,
    limits: L,
    persisted: PersistedOperations,
    repeated: Arc<RepeatedRequests<E::Operation>>,
    subscribe_timeout: Duration,
    shutdown: Shutdown,
    metrics: OperationMetrics,
}

/// The parts of a [`Pipeline`] besides engine, admission and limits.
#[derive(Clone)]
pub struct PipelineSettings {
    /// Documents that requests name instead of sending.
    pub persisted: PersistedOperations,
    /// The memory for repeated request bodies and their prepared operations, in bytes; 0 for none.
    pub request_cache_bytes: usize,
    /// The time limit for a subscription to begin.
    pub subscribe_timeout: Duration,
    /// What the server waits for when it stops.
    pub shutdown: Shutdown,
    /// Counts operations.
    pub metrics: OperationMetrics,
}

impl Default for PipelineSettings {
    /// Automatic persisted queries in 8 MiB, a request cache of 4 MiB, half a minute for a subscription to begin.
    fn default() -> Self {
        Self {
            persisted: PersistedOperations::automatic(8 << 20),
            request_cache_bytes: 4 << 20,
            subscribe_timeout: Duration::from_secs(30),
            shutdown: Shutdown::default(),
            metrics: OperationMetrics::default(),
        }
    }
}

impl<E, A, L> Clone for Pipeline<E, A, L>
where
    A: Admit,
    E: Engine<A::Caller>,
    L: Clone,
{
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            admission: self.admission.clone(),
            limits: self.limits.clone(),
            persisted: self.persisted.clone(),
            repeated: Arc::clone(&self.repeated),
            subscribe_timeout: self.subscribe_timeout,
            shutdown: self.shutdown.clone(),
            metrics: self.metrics.clone(),
        }
    }
}

impl<E: Engine<()>> Pipeline<E> {
    /// Executes the operations of any caller, with the default settings.
    pub fn new(engine: E) -> Self {
        Self::with(engine, AdmitAll, Unlimited, PipelineSettings::default())
    }
}

impl<E, A, L> Pipeline<E, A, L>
where
    A: Admit,
    E: Engine<A::Caller>,
    L: LimitCallers<A::Caller>,
{
    /// Executes operations on `engine`, subject to `admission` and `limits`.
    pub fn with(engine: E, admission: A, limits: L, settings: PipelineSettings) -> Self {
        Self {
            engine,
            admission,
            limits,
            persisted: settings.persisted,
            repeated: Arc::new(RepeatedRequests::new(settings.request_cache_bytes)),
            subscribe_timeout: settings.subscribe_timeout,
            shutdown: settings.shutdown,
            metrics: settings.metrics,
        }
    }
}

impl<E, A, L> Execute for Pipeline<E, A, L>
where
    A: Admit,
    E: Engine<A::Caller>,
    L: LimitCallers<A::Caller>,
{
    type Admitted = A::Caller;
    type Limits = L;

    fn limits(&self) -> &L {
        &self.limits
    }

    async fn execute(
        &self,
        params: GraphQLParams,
        caller: &Caller<A::Caller>,
        transport: Transport,
    ) -> Outcome {
        let under_way = self.metrics.begin();
        let observation = E::Observation::default();
        let prepared = self.prepare(&params, caller, transport, &observation);
        let request = RequestParts {
            params: Some(&params),
            caller,
            transport,
        };
        self.execute_prepared(prepared, request, under_way, &observation)
            .await
    }

    async fn execute_json(
        &self,
        body: &[u8],
        caller: &Caller<A::Caller>,
        transport: Transport,
    ) -> Result<Outcome, InvalidParams> {
        let under_way = self.metrics.begin();
        let observation = E::Observation::default();
        let mut params = None;
        let prepared = if let Some(operation) = self.repeated.get(body) {
            self.metrics.is_known();
            // Only queries are cached.
            let checked = self.check(caller, operation.kind());
            checked.map(|()| Prepared::repeated(operation))
        } else {
            let params = params.insert(GraphQLParams::from_json(body)?);
            let prepared = self.prepare(params, caller, transport, &observation);
            if let Ok(prepared) = &prepared
                && prepared.is_self_contained
            {
                self.repeated.cache_repeated(body, &prepared.operation);
            }
            prepared
        };
        let request = RequestParts {
            params: params.as_ref(),
            caller,
            transport,
        };
        Ok(self
            .execute_prepared(prepared, request, under_way, &observation)
            .await)
    }

    async fn admit(
        &self,
        headers: &HeaderMap,
        connection_init: Option<&ObjectText>,
    ) -> Result<A::Caller, Rejection> {
        let admitted = self.admission.admit(headers, connection_init);
        admitted.await.map_err(Into::into)
    }

    fn ended(&self, caller: &Caller<A::Caller>) -> Option<BoxFuture<'static, ()>> {
        self.admission.ended(&caller.admitted)
    }
}

/// An operation that may be executed.
struct Prepared<O> {
    operation: Arc<O>,
    /// Whether it depends on the request alone, and not on named documents and trust, which may change.
    is_self_contained: bool,
    /// Whether an operator's manifest has its document.
    is_trusted: bool,
    /// The idempotency key of a mutation.
    once: Option<KeyedRequest>,
}

impl<O> Prepared<O> {
    /// A query whose request was cached.
    fn repeated(operation: Arc<O>) -> Self {
        Self {
            operation,
            is_self_contained: true,
            is_trusted: false,
            once: None,
        }
    }
}

/// The request, its caller and its transport.
#[derive(Clone, Copy)]
struct RequestParts<'a, C> {
    /// `None` where the request was cached.
    params: Option<&'a GraphQLParams>,
    caller: &'a Caller<C>,
    transport: Transport,
}

impl<E, A, L> Pipeline<E, A, L>
where
    A: Admit,
    E: Engine<A::Caller>,
    L: LimitCallers<A::Caller>,
{
    /// Executes an operation, and has it counted and observed.
    async fn execute_prepared(
        &self,
        prepared: Result<Prepared<E::Operation>, Rejection>,
        request: RequestParts<'_, A::Caller>,
        mut under_way: UnderWay<'_>,
        observation: &E::Observation,
    ) -> Outcome {
        let RequestParts {
            params,
            caller,
            transport,
        } = request;
        let (outcome, operation) = match prepared {
            Ok(prepared) => {
                let operation = prepared.operation;
                let name = operation.name().filter(|_| prepared.is_trusted);
                under_way.is_prepared(operation.kind(), name);
                let run = self.run(&operation, prepared.once, caller, transport, observation);
                (run.await, Some(operation))
            }
            Err(rejection) => (Outcome::Rejected(rejection), None),
        };
        let duration = under_way.took();
        let ended = EndedOperation {
            outcome: &outcome,
            operation: operation.as_deref(),
            params,
            caller,
            transport,
            began: under_way.began,
            prepared_after: under_way.prepared_after,
            duration,
        };
        self.engine.observe(&ended, observation);
        under_way.ends_with(&outcome, duration);
        outcome
    }

    /// Prepares an operation, if the caller may execute it. Nothing is cached before that is known.
    fn prepare(
        &self,
        params: &GraphQLParams,
        caller: &Caller<A::Caller>,
        transport: Transport,
        observation: &E::Observation,
    ) -> Result<Prepared<E::Operation>, Rejection> {
        let resolved = self.persisted.resolve(params)?;
        let name = params.operation_name.as_deref();
        let operation = self
            .engine
            .prepare(&resolved.query, name, &params.variables, observation)
            .map_err(|errors| Rejection::with_errors(StatusCode::BAD_REQUEST, errors))?;
        self.check(caller, operation.kind())?;
        let once = match operation.kind() {
            OperationKind::Mutation if E::EXECUTES_ONCE && transport.allows_mutations() => {
                let identity = self.admission.identity(&caller.admitted);
                let mutations = operation.root_fields();
                let headers = idempotency::headers(caller, transport);
                idempotency::keyed_request(params, &resolved.query, mutations, headers, identity)?
            }
            _ => None,
        };
        let is_self_contained = !resolved.is_trusted && !params.names_a_document();
        if let Some(registration) = resolved.register {
            self.persisted.register(registration);
        }
        Ok(Prepared {
            operation: Arc::new(operation),
            is_self_contained,
            is_trusted: resolved.is_trusted,
            once,
        })
    }

    /// Whether the caller may execute operations of this kind.
    fn check(&self, caller: &Caller<A::Caller>, kind: OperationKind) -> Result<(), Rejection> {
        let checked = self.admission.check(&caller.admitted, kind);
        checked.map_err(Into::into)
    }
}
