//! Numbers of things or bytes, for limits.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Number of things or bytes that a quota or limit allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "u64")]
#[schema(value_type = u64, minimum = 0, maximum = 1_000_000_000_000_000_u64)]
pub struct Amount(u64);

/// The number is too large for a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid amount; expected an integer from 0 to 10^15")]
pub struct BadAmount;

impl Amount {
    /// Maximum amount. Exactly representable by every JSON parser.
    const MAX: u64 = 1_000_000_000_000_000;

    /// This amount, at most 10^15.
    pub fn new(amount: u64) -> Self {
        Self(amount.min(Self::MAX))
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Amount {
    type Error = BadAmount;

    fn try_from(amount: u64) -> Result<Self, BadAmount> {
        if amount <= Self::MAX { Ok(Self(amount)) } else { Err(BadAmount) }
    }
}

impl FromStr for Amount {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        text.parse::<u64>().map_err(|_error| BadAmount)?.try_into()
    }
}
