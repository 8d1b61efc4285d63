//! The permission requests and questions that a program is waiting on.

use serde_json::json;

use crate::agent::Output;
use crate::types::bounds::MAX_OPEN_REQUESTS;
use crate::types::{Level, NoticeCode, StreamEvent};

/// The open requests of one process, in the order in which they arrived.
///
/// A request is added once and removed once: when it is answered, withdrawn by the program, or closed with its turn. `T` is what the
/// adapter needs to answer it.
#[derive(Debug)]
pub(in crate::agent) struct OpenRequests<T> {
    entries: Vec<(String, T)>,
    overflowed: bool,
}

/// A request that was not added. The adapter must reject it towards the program, which waits forever otherwise.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::agent) struct Rejected<T> {
    /// The request.
    pub(in crate::agent) request: T,
    /// Why it was not added.
    pub(in crate::agent) reason: RejectReason,
}

/// Why a request was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::agent) enum RejectReason {
    /// A request with this id is open. The answer to one would be taken for the answer to both.
    #[error("a request with this id is already open")]
    Duplicate,
    /// The maximum number of requests are open.
    #[error("{MAX_OPEN_REQUESTS} requests are open, the maximum")]
    Overflow {
        /// Whether this is the first such rejection.
        first: bool,
    },
}

impl RejectReason {
    /// Emits a notice about a request that was denied for this reason; about the maximum only once.
    pub(in crate::agent) fn report(self, out: &mut Output) {
        let message = format!("a request of the agent was denied: {self}");
        let (code, data) = match self {
            Self::Duplicate => (NoticeCode::AgentWarning, None),
            Self::Overflow { first: true } => {
                (NoticeCode::LimitReached, Some(json!({ "limit": "open_requests", "max": MAX_OPEN_REQUESTS })))
            }
            Self::Overflow { first: false } => return,
        };
        out.emit(StreamEvent::Notice { level: Level::Warning, code, message, data });
    }
}

impl<T> Default for OpenRequests<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), overflowed: false }
    }
}

impl<T> OpenRequests<T> {
    /// Adds a request.
    ///
    /// # Errors
    /// [`Rejected`] with the request if one with this id is open, or if too many are.
    pub(in crate::agent) fn insert(&mut self, id: String, request: T) -> Result<(), Rejected<T>> {
        let reason = if self.get(&id).is_some() {
            RejectReason::Duplicate
        } else if self.entries.len() >= MAX_OPEN_REQUESTS {
            RejectReason::Overflow { first: !std::mem::replace(&mut self.overflowed, true) }
        } else {
            self.entries.push((id, request));
            return Ok(());
        };
        Err(Rejected { request, reason })
    }

    /// Whether no request is open.
    pub(in crate::agent) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The open request `id`.
    pub(in crate::agent) fn get(&self, id: &str) -> Option<&T> {
        self.entries.iter().find(|(open, _)| open == id).map(|(_, request)| request)
    }

    /// Removes the open request `id`.
    pub(in crate::agent) fn remove(&mut self, id: &str) -> Option<T> {
        self.remove_where(|open, _| open == id).map(|(_, request)| request)
    }

    /// Removes the first open request for which `matches` holds.
    pub(in crate::agent) fn remove_where(&mut self, matches: impl Fn(&str, &T) -> bool) -> Option<(String, T)> {
        let at = self.entries.iter().position(|(id, request)| matches(id, request))?;
        Some(self.entries.remove(at))
    }

    /// Removes all open requests, in the order in which they arrived.
    pub(in crate::agent) fn drain(&mut self) -> impl Iterator<Item = (String, T)> + use<T> {
        std::mem::take(&mut self.entries).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_added_once_and_removed_once() {
        let mut open = OpenRequests::default();
        assert_eq!(open.insert("a".to_owned(), 1), Ok(()));
        assert_eq!(open.insert("a".to_owned(), 2), Err(Rejected { request: 2, reason: RejectReason::Duplicate }));
        assert_eq!((open.remove("a"), open.remove("a")), (Some(1), None));
        assert_eq!(open.insert("a".to_owned(), 3), Ok(()));
    }

    #[test]
    fn requests_beyond_the_maximum_are_rejected_until_one_is_closed() {
        let mut open = OpenRequests::default();
        for number in 0..MAX_OPEN_REQUESTS {
            open.insert(number.to_string(), number).unwrap();
        }
        for first in [true, false] {
            assert_eq!(open.insert("one more".to_owned(), 0), Err(Rejected { request: 0, reason: RejectReason::Overflow { first } }));
        }
        assert_eq!(open.insert("0".to_owned(), 0), Err(Rejected { request: 0, reason: RejectReason::Duplicate }));
        open.remove("7");
        assert_eq!(open.insert("one more".to_owned(), 0), Ok(()));
        assert_eq!(open.drain().count(), MAX_OPEN_REQUESTS);
        assert_eq!(open.drain().count(), 0);
    }

    #[test]
    fn requests_are_drained_in_the_order_of_their_arrival() {
        let mut open = OpenRequests::default();
        for id in ["b", "a", "c"] {
            open.insert(id.to_owned(), ()).unwrap();
        }
        assert_eq!(open.remove_where(|id, ()| id > "a").map(|(id, ())| id), Some("b".to_owned()));
        assert_eq!(open.drain().map(|(id, ())| id).collect::<Vec<_>>(), ["a", "c"]);
    }
}
