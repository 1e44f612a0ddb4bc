//! The events of a subscription, as transports receive them.

use std::any::Any;

use bytes::Bytes;
use futures_util::stream::BoxStream;

/// One result of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// A whole response, `{"data":…}`.
    pub body: Bytes,
    /// The cursor that resumes the subscription after this event.
    pub cursor: Option<String>,
}

/// The events of a subscription. They end with the subscription, and are dropped when the client no longer listens. The
/// next one is produced only when there is room for it.
pub struct Events {
    pub(super) stream: BoxStream<'static, Event>,
    position: Box<dyn Fn() -> Option<String> + Send + Sync>,
    /// A value that lives as long as the events.
    held: Option<Box<dyn Any + Send + Sync>>,
}

impl Events {
    /// `position` returns where a client that has received all events so far can resume, unless the client knows that
    /// position already.
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

    /// The same events, with a value that is dropped with them.
    pub(super) fn holding(mut self, value: Option<impl Send + Sync + 'static>) -> Self {
        self.held = value.map(|value| Box::new(value) as _);
        self
    }

    /// The position with which a client that has received nothing for a while can resume.
    pub(super) fn take_position(&self) -> Option<String> {
        (self.position)()
    }
}

impl From<BoxStream<'static, Event>> for Events {
    /// Events of a source whose only positions are the cursors of its events.
    fn from(stream: BoxStream<'static, Event>) -> Self {
        Self::new(stream, || None)
    }
}
