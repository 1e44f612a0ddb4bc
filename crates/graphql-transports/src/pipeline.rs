//! An operation on its way from a transport to the engine, the same on every transport: what a name stands for, what was
//! prepared before, what may run where, and what becomes of the result.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use futures_util::future::BoxFuture;
use graphql_guard::OperationKind;
use graphql_guard::json::ObjectText;

use super::admission::{Admit, AdmitAll};
use super::engine::{
    EndedOperation, Engine, ExecutionResult, KeyedRequest, PreparedOperation, SubscribeError,
};
use super::error::{ErrorCode, ResponseError};
use super::idempotency;
use super::limits::{LimitCallers, Unlimited};
use super::metrics::{OperationMetrics, UnderWay};
use super::operation::{
    Caller, Execute, GraphQLParams, InvalidParams, Outcome, ResponseBody, Transport,
};
use super::persisted::PersistedOperations;
use super::rejection::Rejection;
use super::request_cache::RepeatedRequests;
use super::shutdown::Shutdown;

/// What runs the operations of every transport on an engine `E`, for callers that `A` admits and `L` has room for. Clones
/// share everything.
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

/// What a [`Pipeline`] has beside engine, admission and limits.
#[derive(Clone)]
pub struct PipelineSettings {
    /// Documents that requests name instead of sending.
    pub persisted: PersistedOperations,
    /// The memory for bodies of requests that come again, with what was prepared for them, in bytes; 0 for none.
    pub request_cache_bytes: usize,
    /// A subscription that has not begun after this long does not begin.
    pub subscribe_timeout: Duration,
    /// What is waited for when the server stops.
    pub shutdown: Shutdown,
    /// What counts operations.
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
    /// Runs whatever anybody sends, with the default settings.
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
    /// Runs on `engine` what `admission` admits and `limits` have room for.
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
        let notes = E::Notes::default();
        let prepared = self.prepare(&params, caller, transport, &notes);
        let asked = Asked {
            params: Some(&params),
            caller,
            transport,
        };
        self.carry_out(prepared, asked, under_way, &notes).await
    }

    async fn execute_json(
        &self,
        body: &[u8],
        caller: &Caller<A::Caller>,
        transport: Transport,
    ) -> Result<Outcome, InvalidParams> {
        let under_way = self.metrics.begin();
        let notes = E::Notes::default();
        let mut params = None;
        let prepared = match self.repeated.get(body) {
            // A query.
            Some(operation) => match self.check(caller, operation.kind()) {
                Ok(()) => Ok(Prepared::repeated(operation)),
                Err(rejection) => Err(rejection),
            },
            None => {
                let params = params.insert(GraphQLParams::from_json(body)?);
                let prepared = self.prepare(params, caller, transport, &notes);
                if let Ok(prepared) = &prepared
                    && prepared.is_self_contained
                {
                    self.repeated.offer(body, &prepared.operation);
                }
                prepared
            }
        };
        let asked = Asked {
            params: params.as_ref(),
            caller,
            transport,
        };
        Ok(self.carry_out(prepared, asked, under_way, &notes).await)
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

/// An operation that may run.
struct Prepared<O> {
    operation: Arc<O>,
    /// Whether it follows from what stands in the request alone: what names stand for, and what is trusted, may change.
    is_self_contained: bool,
    /// Whether an operator's manifest has its document.
    is_trusted: bool,
    /// What a mutation is to be carried out once under.
    once: Option<KeyedRequest>,
}

impl<O> Prepared<O> {
    /// A query whose request came before.
    fn repeated(operation: Arc<O>) -> Self {
        Self {
            operation,
            is_self_contained: true,
            is_trusted: false,
            once: None,
        }
    }
}

/// What is asked, by whom, and which way it came.
#[derive(Clone, Copy)]
struct Asked<'a, C> {
    /// `None` where the request came before.
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
    /// Executes what may run, and has it counted and observed.
    async fn carry_out(
        &self,
        prepared: Result<Prepared<E::Operation>, Rejection>,
        asked: Asked<'_, A::Caller>,
        mut under_way: UnderWay<'_>,
        notes: &E::Notes,
    ) -> Outcome {
        let Asked {
            params,
            caller,
            transport,
        } = asked;
        let (outcome, operation) = match prepared {
            Ok(prepared) => {
                let operation = prepared.operation;
                let name = operation.name().filter(|_| prepared.is_trusted);
                under_way.is_prepared(operation.kind(), name);
                let run = self.run(&operation, prepared.once, caller, transport, notes);
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
        self.engine.observe(&ended, notes);
        under_way.ends_with(&outcome, duration);
        outcome
    }

    /// Makes an operation ready that the caller may run. Until that is known, nothing is kept for others.
    fn prepare(
        &self,
        params: &GraphQLParams,
        caller: &Caller<A::Caller>,
        transport: Transport,
        notes: &E::Notes,
    ) -> Result<Prepared<E::Operation>, Rejection> {
        let resolved = self.persisted.resolve(params)?;
        let name = params.operation_name.as_deref();
        let operation = self
            .engine
            .prepare(&resolved.query, name, &params.variables, notes)
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

    /// Whether the caller may run an operation of this kind.
    fn check(&self, caller: &Caller<A::Caller>, kind: OperationKind) -> Result<(), Rejection> {
        let checked = self.admission.check(&caller.admitted, kind);
        checked.map_err(Into::into)
    }

    async fn run(
        &self,
        operation: &Arc<E::Operation>,
        once: Option<KeyedRequest>,
        caller: &Caller<A::Caller>,
        transport: Transport,
        notes: &E::Notes,
    ) -> Outcome {
        if transport.allows(operation.kind()) {
            match self.limits.charge(caller, operation.cost()) {
                Ok(Some(rate_limit)) => drop(caller.rate_limit.set(rate_limit)),
                Ok(None) => {}
                Err(error) => return Outcome::Rejected(error.into()),
            }
        }
        match operation.kind() {
            OperationKind::Query => {
                let result = self.engine.execute(operation, caller, notes);
                self.kept(outcome(result.await), caller, transport)
            }
            OperationKind::Mutation if !transport.allows_mutations() => {
                Outcome::Rejected(no_mutation_by_get())
            }
            OperationKind::Mutation => self.mutate(operation, once, caller, notes).await,
            OperationKind::Subscription if transport.allows_subscriptions() => {
                // Boxed, so that queries do not carry the size of this future.
                Box::pin(self.subscribe(operation, caller, transport)).await
            }
            OperationKind::Subscription => Outcome::Rejected(Rejection::bad_request(
                StatusCode::BAD_REQUEST,
                "a subscription needs a WebSocket or `Accept: text/event-stream`",
            )),
        }
    }

    /// One that has begun is finished, whoever hangs up; the engine has limits of its own.
    async fn mutate(
        &self,
        operation: &Arc<E::Operation>,
        once: Option<KeyedRequest>,
        caller: &Caller<A::Caller>,
        notes: &E::Notes,
    ) -> Outcome {
        let begun = match self.engine.begin_mutation(caller).await {
            Ok(begun) => begun,
            Err(errors) => return outcome(ExecutionResult::Unavailable(errors)),
        };
        let (engine, owned) = (self.engine.clone(), caller.clone());
        let (operation, notes) = (Arc::clone(operation), notes.clone());
        let mutation = async move {
            let _begun = begun;
            match once {
                Some(key) => {
                    let executed = engine.execute_once(&operation, &owned, key, &notes);
                    executed.await
                }
                None => engine.execute(&operation, &owned, &notes).await,
            }
        };
        let mutation = tracing::Instrument::in_current_span(mutation);
        match self.shutdown.spawn(mutation).await {
            Ok(result) => outcome(result),
            Err(error) => {
                tracing::error!(%error, "a mutation panicked");
                Outcome::Rejected(Rejection::internal(&caller.request_id))
            }
        }
    }

    /// A query's outcome, counted for its caller until it has been sent: clients that do not read keep it in memory.
    fn kept(&self, outcome: Outcome, caller: &Caller<A::Caller>, transport: Transport) -> Outcome {
        let Outcome::Single(ResponseBody {
            json,
            has_errors,
            codes,
        }) = outcome
        else {
            return outcome;
        };
        // A message or an event has a copy of it.
        let copies = match transport {
            Transport::HttpGet | Transport::HttpPost => 1,
            Transport::WebSocket | Transport::SseGet | Transport::SsePost => 2,
        };
        let count = copies * json.len();
        match self.limits.keep(json, count, caller) {
            Ok(json) => Outcome::Single(ResponseBody {
                json,
                has_errors,
                codes,
            }),
            Err(error) => Outcome::Rejected(error.into()),
        }
    }

    /// Begins a subscription. On a socket it waits for what is not available, as long as a subscription may take to begin:
    /// its client has no other way to learn that it should come back than to be closed.
    async fn subscribe(
        &self,
        operation: &E::Operation,
        caller: &Caller<A::Caller>,
        transport: Transport,
    ) -> Outcome {
        let (patience, stream) = match transport {
            // The socket is what counts.
            Transport::WebSocket => (self.subscribe_timeout, None),
            _ => match self.limits.open_stream(caller) {
                Ok(stream) => (Duration::ZERO, Some(stream)),
                Err(error) => return Outcome::Rejected(error.into()),
            },
        };
        let subscribed = self.engine.subscribe(operation, caller, patience);
        let subscribed = tokio::select! {
            subscribed = tokio::time::timeout(self.subscribe_timeout, subscribed) => subscribed,
            () = self.shutdown.token().cancelled() => return Outcome::NotBegun(stopping()),
        };
        match subscribed {
            // With the events goes what counts them.
            Ok(Ok(events)) => Outcome::Stream(events.holding(stream)),
            Ok(Err(SubscribeError::Invalid(errors))) => {
                Outcome::Rejected(Rejection::with_errors(StatusCode::BAD_REQUEST, errors))
            }
            Ok(Err(SubscribeError::Unavailable(errors))) => {
                Outcome::NotBegun(Rejection::unavailable(errors))
            }
            Err(_) => Outcome::NotBegun(Rejection::unavailable([timeout()])),
        }
    }
}

fn outcome(result: ExecutionResult) -> Outcome {
    let rejected = |status, errors| Outcome::Rejected(Rejection::with_errors(status, errors));
    match result {
        ExecutionResult::Response(body) => Outcome::Single(body),
        ExecutionResult::Replayed(body) => Outcome::Replayed(body),
        ExecutionResult::KeyReused(errors) => rejected(StatusCode::UNPROCESSABLE_ENTITY, errors),
        ExecutionResult::Invalid(errors) => rejected(StatusCode::BAD_REQUEST, errors),
        ExecutionResult::Unavailable(errors) => Outcome::Rejected(Rejection::unavailable(errors)),
        ExecutionResult::Internal(errors) => rejected(StatusCode::INTERNAL_SERVER_ERROR, errors),
    }
}

fn no_mutation_by_get() -> Rejection {
    let mut rejection = Rejection::bad_request(
        StatusCode::METHOD_NOT_ALLOWED,
        "a mutation cannot be sent by GET: send it by POST",
    );
    let post = HeaderValue::from_static("POST");
    rejection.headers.insert(header::ALLOW, post);
    rejection
}

/// The error of an operation that took too long. Nothing has changed, so it may be sent again.
pub fn timeout() -> ResponseError {
    ResponseError::new(
        ErrorCode::TIMEOUT,
        "the request took too long; try again later, or ask for less",
    )
}

/// The subscription may begin on another server, or on this one when it is back.
fn stopping() -> Rejection {
    Rejection::unavailable([ResponseError::new(
        ErrorCode::UNAVAILABLE,
        "the server is shutting down; try again later",
    )])
}
