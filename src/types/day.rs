//! Calendar days in UTC.

use std::fmt;
use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;

/// A calendar day in UTC, the unit of usage and budgets. Format: `2026-11-22`, which sorts chronologically.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = Date, example = "2026-11-22")]
pub struct Day(Date);

/// The text is not a valid day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid day; expected YYYY-MM-DD, such as 2026-11-22")]
pub struct BadDay;

impl Day {
    /// The day that contains `time`.
    pub fn from_timestamp(time: Timestamp) -> Self {
        let time = jiff::Timestamp::from_millisecond(time.as_millis()).unwrap_or_default();
        Self(time.to_zoned(TimeZone::UTC).date())
    }

    /// The start of the next day; for the last representable day, the latest timestamp.
    pub fn end(self) -> Timestamp {
        let next = self.0.checked_add(1.day()).ok().and_then(|next| next.to_zoned(TimeZone::UTC).ok());
        Timestamp::from_millis(next.map_or(i64::MAX, |next| next.timestamp().as_millisecond()))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Day {
    type Err = BadDay;

    fn from_str(text: &str) -> Result<Self, BadDay> {
        let day: Date = text.parse().map_err(|_error| BadDay)?;
        // Only the canonical form: jiff also accepts times, weeks and signs.
        if day.year() >= 0 && day.to_string() == text { Ok(Self(day)) } else { Err(BadDay) }
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_day_starts_and_ends_at_midnight_utc() {
        let day: Day = "2026-11-22".parse().unwrap();
        assert_eq!(Day::from_timestamp(at("2026-11-22T00:00:00.000Z")), day);
        assert_eq!(Day::from_timestamp(at("2026-11-22T23:59:59.999Z")), day);
        assert_eq!(Day::from_timestamp(at("2026-11-23T00:30:00+01:00")), day);
        assert_eq!(day.end(), at("2026-11-23T00:00:00Z"));
        assert_eq!(Day::from_timestamp(day.end()).to_string(), "2026-11-23");
    }

    #[test]
    fn a_day_has_one_format() {
        for invalid in
            ["", "2026-1-2", "20261122", "2026-11-22T00:00:00", "2026-02-30", "-002026-11-22", "2026-W47-7", " 2026-11-22", "today"]
        {
            assert_eq!(invalid.parse::<Day>(), Err(BadDay), "{invalid}");
        }
        assert!("9999-12-31".parse::<Day>().unwrap().end() >= at("9999-12-30T00:00:00Z"));
    }
}
