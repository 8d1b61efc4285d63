//! How many event streams a user has open.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::{Stream, StreamExt as _};

use super::TooMany;
use crate::types::UserName;

/// Counts the open streams of each user.
#[derive(Clone, Debug)]
pub(in crate::api) struct Streams {
    open: Arc<Mutex<HashMap<UserName, usize>>>,
    per_user: usize,
}

/// One open stream, until dropped.
#[derive(Debug)]
pub(in crate::api) struct OpenStream {
    streams: Streams,
    user: UserName,
}

impl Streams {
    pub(super) fn new(per_user: NonZeroUsize) -> Self {
        Self { open: Arc::default(), per_user: per_user.get() }
    }

    /// Counts one more.
    ///
    /// # Errors
    /// [`TooMany`] if the user has as many open as may be.
    pub(in crate::api) fn open(&self, user: &UserName) -> Result<OpenStream, TooMany> {
        let mut open = self.counts();
        let count = open.get(user).copied().unwrap_or(0);
        if count >= self.per_user {
            return Err(TooMany::Streams(self.per_user));
        }
        open.insert(user.clone(), count + 1);
        Ok(OpenStream { streams: self.clone(), user: user.clone() })
    }

    /// How many are open, of all users together.
    pub(super) fn in_all(&self) -> usize {
        self.counts().values().sum()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<UserName, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenStream {
    /// `stream`, which is counted until it is dropped.
    pub(in crate::api) fn around<S: Stream>(self, stream: S) -> impl Stream<Item = S::Item> {
        stream.map(move |item| {
            // What is drawn into the function goes when the stream does.
            let _counted = &self;
            item
        })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.streams.counts();
        match open.get_mut(&self.user) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&self.user)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d8_each_user_has_so_many_streams_and_one_that_ends_makes_room() {
        let streams = Streams::new(NonZeroUsize::new(2).unwrap());
        let (ann, bob) = ("ann".parse().unwrap(), "bob".parse().unwrap());
        let (first, _second) = (streams.open(&ann).unwrap(), streams.open(&ann).unwrap());
        assert!(streams.open(&ann).is_err());
        drop(streams.open(&bob).unwrap());
        drop(first);
        assert!(streams.open(&ann).is_ok());
        assert_eq!(streams.counts().len(), 1, "nobody is kept who has none");
    }

    #[tokio::test]
    async fn d8_a_stream_is_counted_for_as_long_as_it_is_there() {
        let streams = Streams::new(NonZeroUsize::MIN);
        let ann = "ann".parse().unwrap();
        let mut read = Box::pin(streams.open(&ann).unwrap().around(futures_util::stream::iter([1])));
        assert_eq!((read.next().await, read.next().await), (Some(1), None));
        assert!(streams.open(&ann).is_err());
        drop(read);
        assert!(streams.open(&ann).is_ok());
    }
}
