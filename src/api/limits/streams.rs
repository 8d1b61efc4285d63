//! Limits the open event streams of each user.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::{Stream, StreamExt as _};

use super::LimitExceeded;
use crate::types::UserName;

/// Counts the open streams of each user. A clone is another handle.
#[derive(Clone, Debug)]
pub(in crate::api) struct Streams {
    open: Arc<Mutex<HashMap<UserName, usize>>>,
    per_user: usize,
}

/// A permit for one stream, which is counted until the permit is dropped.
#[derive(Debug)]
pub(in crate::api) struct StreamPermit {
    streams: Streams,
    user: UserName,
}

impl Streams {
    pub(super) fn new(per_user: NonZeroUsize) -> Self {
        Self { open: Arc::default(), per_user: per_user.get() }
    }

    /// Counts another stream of `user`.
    ///
    /// # Errors
    /// [`LimitExceeded::Streams`] if the limit is reached.
    pub(in crate::api) fn open(&self, user: &UserName) -> Result<StreamPermit, LimitExceeded> {
        let mut open = self.lock();
        let count = open.get(user).copied().unwrap_or(0);
        if count >= self.per_user {
            return Err(LimitExceeded::Streams(self.per_user));
        }
        open.insert(user.clone(), count + 1);
        Ok(StreamPermit { streams: self.clone(), user: user.clone() })
    }

    /// The number of open streams of all users.
    pub(super) fn total(&self) -> usize {
        self.lock().values().sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserName, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamPermit {
    /// Attaches the permit to `stream`, so that it is released when the stream is dropped.
    pub(in crate::api) fn attach<S: Stream>(self, stream: S) -> impl Stream<Item = S::Item> {
        stream.map(move |item| {
            // Captured by the closure, and dropped with it.
            let _permit = &self;
            item
        })
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        match open.get_mut(&self.user) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&self.user)),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Rules: D8.

    use super::*;

    #[test]
    fn each_user_has_a_limit_and_a_closed_stream_frees_a_place() {
        let streams = Streams::new(NonZeroUsize::new(2).unwrap());
        let (ann, bob) = ("ann".parse().unwrap(), "bob".parse().unwrap());
        let (first, _second) = (streams.open(&ann).unwrap(), streams.open(&ann).unwrap());
        assert!(streams.open(&ann).is_err());
        drop(streams.open(&bob).unwrap());
        drop(first);
        assert!(streams.open(&ann).is_ok());
        assert_eq!(streams.lock().len(), 1, "users without streams are removed");
    }

    #[tokio::test]
    async fn a_stream_is_counted_until_it_is_dropped() {
        let streams = Streams::new(NonZeroUsize::MIN);
        let ann = "ann".parse().unwrap();
        let mut stream = Box::pin(streams.open(&ann).unwrap().attach(futures_util::stream::iter([1])));
        assert_eq!((stream.next().await, stream.next().await), (Some(1), None));
        assert!(streams.open(&ann).is_err());
        drop(stream);
        assert!(streams.open(&ann).is_ok());
    }
}
