//! The items of the settings about webhooks.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BadItem, HostName, Network};

/// Longest wait between two attempts: a day.
const LONGEST: u32 = 86_400;

/// A place that webhooks may go to although it is not on the internet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum WebhookPlace {
    /// Whatever this name leads to.
    Host(HostName),
    /// These addresses, by whatever name.
    Network(Network),
}

impl FromStr for WebhookPlace {
    type Err = BadItem;

    fn from_str(text: &str) -> Result<Self, BadItem> {
        // An address would be a name, too.
        let network = text.parse().map(Self::Network);
        network.or_else(|_| text.parse().map(Self::Host)).map_err(|_| {
            BadItem::new(
                text,
                "a host name without scheme, port or path, an address or a network, such as `hooks.internal` or `10.0.0.0/8`",
            )
        })
    }
}

impl TryFrom<String> for WebhookPlace {
    type Error = BadItem;

    fn try_from(text: String) -> Result<Self, BadItem> {
        text.parse()
    }
}

impl fmt::Display for WebhookPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name.as_str()),
            Self::Network(network) => write!(f, "{network}"),
        }
    }
}

/// The type of an event, or `*`. Which there are is judged where they are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventType(pub String);

impl FromStr for EventType {
    type Err = BadItem;

    fn from_str(text: &str) -> Result<Self, BadItem> {
        Ok(Self(text.to_owned()))
    }
}

/// A wait between two attempts, in seconds: 1 to 86400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct RetryWait(u32);

impl RetryWait {
    /// The wait.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl From<RetryWait> for u32 {
    fn from(wait: RetryWait) -> Self {
        wait.0
    }
}

impl TryFrom<u32> for RetryWait {
    type Error = BadItem;

    fn try_from(seconds: u32) -> Result<Self, BadItem> {
        let fits = (1..=LONGEST).contains(&seconds);
        fits.then_some(Self(seconds)).ok_or_else(|| BadItem::new(&seconds.to_string(), "a wait of 1 to 86400 seconds"))
    }
}

impl FromStr for RetryWait {
    type Err = BadItem;

    fn from_str(text: &str) -> Result<Self, BadItem> {
        text.parse::<u32>().map_err(|_| BadItem::new(text, "a wait of 1 to 86400 seconds")).and_then(Self::try_from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_name_an_address_or_a_network() {
        assert!(matches!("hooks.internal".parse(), Ok(WebhookPlace::Host(_))));
        assert!(matches!("10.0.0.7".parse(), Ok(WebhookPlace::Network(_))));
        assert!(matches!("fd00::/8".parse(), Ok(WebhookPlace::Network(_))));
        for wrong in ["", "http://a", "a:80", "0.0.0.0/0", "10.0.0.1/8"] {
            assert!(wrong.parse::<WebhookPlace>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wait_is_neither_nothing_nor_more_than_a_day() {
        assert_eq!("5".parse::<RetryWait>().unwrap().duration(), Duration::from_secs(5));
        for wrong in ["0", "86401", "x", "-1", ""] {
            assert!(wrong.parse::<RetryWait>().is_err(), "{wrong}");
        }
    }
}
