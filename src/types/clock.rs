//! Wall-clock time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A wall-clock time. RFC 3339 in UTC with milliseconds, always 24 characters: `2026-11-22T13:05:00.123Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-22T13:05:00.123Z")]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The time `millis` milliseconds after the Unix epoch; times after the year 9999 are clamped to its end.
    pub fn from_millis(millis: i64) -> Self {
        Self(jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX))
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Parses an RFC 3339 time.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("must be a time in RFC 3339 format, such as 2026-11-22T13:05:00Z"))
    }
}

/// A source of the current time, passed in so that tests can control it.
pub trait Clock: Send + Sync {
    /// The current wall-clock time, which may jump backwards. Use a monotonic clock to measure durations.
    fn now(&self) -> Timestamp;
}

/// The system clock. Only this type reads it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "all other code gets the time from this clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }
}
