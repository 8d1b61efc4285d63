//! Money, as it is counted and bounded.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An amount of US dollars, never negative, in whole millionths: so sums are exact, in whatever order they are made. On the wire a number
/// of dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = f64, minimum = 0, maximum = 1_000_000)]
pub struct Money(u64);

/// Why a number is no amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an amount of dollars: expected a number from 0 to 1000000, such as 2.5")]
pub struct BadMoney;

impl Money {
    /// Millionths of a dollar.
    const MICROS: f64 = 1_000_000.0;

    /// Most dollars that one amount can be set to: beyond what anybody lets a program spend in a day.
    const MOST: f64 = 1_000_000.0;

    /// So many dollars, or the nearest amount: what agents tell is not checked by anybody before.
    pub fn nearest(dollars: f64) -> Self {
        // What is no number becomes none.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the amount is between 0 and 10^12")]
        Self((dollars.clamp(0.0, Self::MOST) * Self::MICROS).round() as u64)
    }

    /// So many millionths of a dollar.
    pub fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The amount in millionths of a dollar.
    pub fn micros(self) -> u64 {
        self.0
    }

    /// The amount in dollars.
    pub fn dollars(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "exact up to nine thousand million dollars")]
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
        if (0.0..=Self::MOST).contains(&dollars) { Ok(Self::nearest(dollars)) } else { Err(BadMoney) }
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
        let sum = Money::nearest(0.1).micros() + Money::nearest(0.2).micros();
        assert_eq!(serde_json::to_string(&Money::from_micros(sum)).unwrap(), "0.3");
    }

    #[test]
    fn what_an_agent_tells_becomes_an_amount_whatever_it_is() {
        let nearest = [f64::NAN, f64::INFINITY, -3.0, 1e300, 0.000_000_4].map(|dollars| Money::nearest(dollars).micros());
        let most = 1_000_000_000_000;
        assert_eq!(nearest, [0, most, 0, most, 0]);
    }

    #[test]
    fn what_a_person_sets_must_be_an_amount() {
        for wrong in ["-1", "NaN", "inf", "1e9", "", "$5"] {
            assert_eq!(wrong.parse::<Money>(), Err(BadMoney), "{wrong}");
        }
        assert_eq!("2.50".parse::<Money>().map(|money| money.to_string()), Ok("$2.5".to_owned()));
    }
}
