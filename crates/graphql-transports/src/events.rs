//! The events of a subscription, as a transport gets them.

use std::any::Any;

use bytes::Bytes;
use futures_util::stream::BoxStream;

/// One result of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// A whole response, `{"data":…}`.
    pub body: Bytes,
    /// What resumes the subscription after this event.
    pub cursor: Option<String>,
}

/// The events of a subscription; they end when the subscription does, and are dropped when nobody listens any more. The
/// next one is asked for only when there is room for it.
pub struct Events {
    pub(super) stream: BoxStream<'static, Event>,
    position: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// What lives as long as the events.
    held: Option<Box<dyn Any + Send + Sync>>,
}

impl Events {
    /// `position` returns where a client resumes that has all events until now, unless it knows that already.
    pub fn new(
        stream: BoxStream<'static, Event>,
        position: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            stream,
            position: Box::new(position),
            held: None,
        }
    }

    /// The same events, which keep a value as long as they live.
    pub(super) fn holding(mut self, value: Option<impl Send + Sync + 'static>) -> Self {
        self.held = value.map(|value| Box::new(value) as _);
        self
    }

    /// What a client that has heard nothing for a while is to resume with.
    pub(super) fn take_position(&self) -> Option<String> {
        (self.position)()
    }
}

impl From<BoxStream<'static, Event>> for Events {
    /// Those of a source that knows no position but the cursors of its events.
    fn from(stream: BoxStream<'static, Event>) -> Self {
        Self::new(stream, || None)
    }
}
