//! Amounts of money.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A non-negative amount of US dollars, in whole microdollars. On the wire a number of dollars.
// Whole numbers make sums exact in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = f64, minimum = 0, maximum = 1_000_000)]
pub struct Money(u64);

/// The number is not a valid amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid amount of US dollars; expected a number from 0 to 1000000, such as 2.5")]
pub struct BadMoney;

impl Money {
    /// Microdollars per dollar.
    const MICROS: f64 = 1_000_000.0;

    /// Maximum amount in dollars.
    const MAX: f64 = 1_000_000.0;

    /// Converts a cost reported by an agent: rounds to microdollars, clamps to the valid range, and treats NaN as 0.
    pub fn from_reported(dollars: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the amount is between 0 and 10^12")]
        Self((dollars.clamp(0.0, Self::MAX) * Self::MICROS).round() as u64)
    }

    /// The amount of this many microdollars.
    pub fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The amount in microdollars.
    pub fn micros(self) -> u64 {
        self.0
    }

    /// The amount in dollars.
    pub fn dollars(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 9 billion dollars")]
        let micros = self.0 as f64;
        micros / Self::MICROS
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.dollars())
    }
}

impl TryFrom<f64> for Money {
    type Error = BadMoney;

    fn try_from(dollars: f64) -> Result<Self, BadMoney> {
        if (0.0..=Self::MAX).contains(&dollars) { Ok(Self::from_reported(dollars)) } else { Err(BadMoney) }
    }
}

impl FromStr for Money {
    type Err = BadMoney;

    fn from_str(text: &str) -> Result<Self, BadMoney> {
        text.parse::<f64>().map_err(|_error| BadMoney)?.try_into()
    }
}

impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.dollars())
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_money_are_exact() {
        let sum = Money::from_reported(0.1).micros() + Money::from_reported(0.2).micros();
        assert_eq!(serde_json::to_string(&Money::from_micros(sum)).unwrap(), "0.3");
    }

    #[test]
    fn any_reported_cost_becomes_a_valid_amount() {
        let micros = [f64::NAN, f64::INFINITY, -3.0, 1e300, 0.000_000_4].map(|dollars| Money::from_reported(dollars).micros());
        let max = 1_000_000_000_000;
        assert_eq!(micros, [0, max, 0, max, 0]);
    }

    #[test]
    fn parsing_rejects_invalid_amounts() {
        for invalid in ["-1", "NaN", "inf", "1e9", "", "$5"] {
            assert_eq!(invalid.parse::<Money>(), Err(BadMoney), "{invalid}");
        }
        assert_eq!("2.50".parse::<Money>().map(|money| money.to_string()), Ok("$2.5".to_owned()));
    }
}
