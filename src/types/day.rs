//! A day of the calendar, in UTC.

use std::fmt;
use std::str::FromStr;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;

/// A day in UTC, by which usage is counted and budgets begin anew. On the wire and in the store `2026-11-22`, so that days sort as texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = Date, example = "2026-11-22")]
pub struct Day(Date);

/// Why a text is not a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a day: expected year, month and day, such as 2026-11-22")]
pub struct BadDay;

impl Day {
    /// The day of that moment.
    pub fn of(moment: Timestamp) -> Self {
        let moment = jiff::Timestamp::from_millisecond(moment.as_millis()).unwrap_or_default();
        Self(moment.to_zoned(TimeZone::UTC).date())
    }

    /// The moment at which the next day begins; the last moment of time after its last day.
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
        // Only the form that it is written in: jiff takes times, weeks and signs as well.
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
    fn a_day_begins_and_ends_at_midnight_in_utc() {
        let day: Day = "2026-11-22".parse().unwrap();
        assert_eq!(Day::of(at("2026-11-22T00:00:00.000Z")), day);
        assert_eq!(Day::of(at("2026-11-22T23:59:59.999Z")), day);
        assert_eq!(Day::of(at("2026-11-23T00:30:00+01:00")), day);
        assert_eq!(day.end(), at("2026-11-23T00:00:00Z"));
        assert_eq!(Day::of(day.end()).to_string(), "2026-11-23");
    }

    #[test]
    fn a_day_has_one_form() {
        for wrong in
            ["", "2026-1-2", "20261122", "2026-11-22T00:00:00", "2026-02-30", "-002026-11-22", "2026-W47-7", " 2026-11-22", "today"]
        {
            assert_eq!(wrong.parse::<Day>(), Err(BadDay), "{wrong}");
        }
        assert!("9999-12-31".parse::<Day>().unwrap().end() >= at("9999-12-30T00:00:00Z"));
    }
}
