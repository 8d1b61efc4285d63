//! Items of the webhook settings.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BadItem, HostName, Network};

/// Longest delay between two attempts: a day.
const MAX_DELAY_SECS: u32 = 86_400;

/// A destination that webhooks may reach although it is not on the public internet.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum WebhookDestination {
    /// Any address of this host name.
    Host(HostName),
    /// Any host in this network.
    Network(Network),
}

impl FromStr for WebhookDestination {
    type Err = BadItem;

    fn from_str(text: &str) -> Result<Self, BadItem> {
        // Networks first: an address is also a valid host name.
        let network = text.parse().map(Self::Network);
        network.or_else(|_| text.parse().map(Self::Host)).map_err(|_| {
            BadItem::new(
                text,
                "a host name without scheme, port or path, an address or a network, such as `hooks.internal` or `10.0.0.0/8`",
            )
        })
    }
}

impl TryFrom<String> for WebhookDestination {
    type Error = BadItem;

    fn try_from(text: String) -> Result<Self, BadItem> {
        text.parse()
    }
}

impl fmt::Display for WebhookDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name.as_str()),
            Self::Network(network) => write!(f, "{network}"),
        }
    }
}

/// An event type, or `*`. Whether the type exists is checked where events are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventType(pub String);

impl FromStr for EventType {
    type Err = BadItem;

    fn from_str(text: &str) -> Result<Self, BadItem> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Delay between two attempts, in seconds: 1 to 86400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct RetryDelay(u32);

impl RetryDelay {
    /// The delay.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl fmt::Display for RetryDelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<RetryDelay> for u32 {
    fn from(delay: RetryDelay) -> Self {
        delay.0
    }
}

impl TryFrom<u32> for RetryDelay {
    type Error = BadItem;

    fn try_from(seconds: u32) -> Result<Self, BadItem> {
        let is_valid = (1..=MAX_DELAY_SECS).contains(&seconds);
        is_valid.then_some(Self(seconds)).ok_or_else(|| BadItem::new(&seconds.to_string(), "a delay of 1 to 86400 seconds"))
    }
}

impl FromStr for RetryDelay {
    type Err = BadItem;

    fn from_str(text: &str) -> Result<Self, BadItem> {
        text.parse::<u32>().map_err(|_| BadItem::new(text, "a delay of 1 to 86400 seconds")).and_then(Self::try_from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_host_name_an_address_or_a_network() {
        assert!(matches!("hooks.internal".parse(), Ok(WebhookDestination::Host(_))));
        assert!(matches!("10.0.0.7".parse(), Ok(WebhookDestination::Network(_))));
        assert!(matches!("fd00::/8".parse(), Ok(WebhookDestination::Network(_))));
        for invalid in ["", "http://a", "a:80", "0.0.0.0/0", "10.0.0.1/8"] {
            assert!(invalid.parse::<WebhookDestination>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_delay_is_at_least_a_second_and_at_most_a_day() {
        assert_eq!("5".parse::<RetryDelay>().unwrap().duration(), Duration::from_secs(5));
        for invalid in ["0", "86401", "x", "-1", ""] {
            assert!(invalid.parse::<RetryDelay>().is_err(), "{invalid}");
        }
    }
}
