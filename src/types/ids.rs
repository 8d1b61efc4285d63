//! Identifiers: newtypes that cannot be swapped for one another.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

/// Why a text is not an id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {article} id: expected `{prefix}` and 32 hexadecimal digits")]
pub struct IdError {
    article: &'static str,
    prefix: &'static str,
}

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $article:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh id. Ids made later sort later (`UUIDv7`), and 74 of their bits are random, so one cannot be guessed.
            #[expect(clippy::new_without_default, reason = "a fresh random id is no default")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Takes only the form that `Display` writes, so that one id has one spelling.
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    .filter(|hex| hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
                    .and_then(|hex| Uuid::try_parse(hex).ok())
                    .map(Self)
                    .ok_or(IdError { article: $article, prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(concat!("^", $prefix, "[0-9a-f]{32}$")));
                schema.examples([concat!($prefix, "0198a8f0c0de7000800000000000000a")]).into()
            }
        }

        impl ToSchema for $name {}
    };
}

prefixed_id! {
    /// One run: `run_` and 32 hexadecimal digits.
    RunId, "run_", "a run"
}

impl RunId {
    /// The number that its digits are.
    pub fn as_u128(self) -> u128 {
        self.0.as_u128()
    }
}

prefixed_id! {
    /// One conversation, which holds one or more runs: `ses_` and 32 hexadecimal digits.
    SessionId, "ses_", "a session"
}

prefixed_id! {
    /// One token of a login: `tok_` and 32 hexadecimal digits. It is no secret; the token's signature is what lets in.
    TokenId, "tok_", "a token"
}

prefixed_id! {
    /// One API key: `key_` and 32 hexadecimal digits. It is no secret; the key itself is another text.
    KeyId, "key_", "a key"
}

/// Place of an event in its run's log: from 1, without gaps, so "after `n`" is all that a reader needs to resume.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = u64, minimum = 1)]
pub struct Seq(NonZeroU64);

impl Seq {
    /// The number of a run's first event.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The event number `n`, or `None` for 0, which is the place before the first event.
    pub fn new(n: u64) -> Option<Self> {
        NonZeroU64::new(n).map(Self)
    }

    /// The plain number.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The number of the event that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Name of a user: 1 to 64 characters of `a-z A-Z 0-9 . _ @ -`, beginning with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$", example = "admin")]
pub struct UserName(String);

/// Why a text is not a user's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a user name: 1 to 64 of a-z A-Z 0-9 . _ @ -, the first a letter or digit")]
pub struct BadUserName;

impl UserName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = BadUserName;

    fn from_str(text: &str) -> Result<Self, BadUserName> {
        let first_is_plain = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        let all_allowed = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'@' | b'-'));
        if first_is_plain && all_allowed && text.len() <= 64 { Ok(Self(text.to_owned())) } else { Err(BadUserName) }
    }
}

impl<'de> Deserialize<'de> for UserName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_writes_and_nothing_else() {
        let id = RunId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in [
            "",
            "run_",
            "ses_0198a8f0c0de7000800000000000000a",
            "run_0198A8F0C0DE7000800000000000000A",
            "run_../../../../../../../../../../ab",
        ] {
            assert!(wrong.parse::<RunId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ids_made_later_sort_later() {
        let ids: Vec<_> = (0..100).map(|_| RunId::new()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn a_user_name_has_no_room_for_markup_or_paths() {
        assert!("admin".parse::<UserName>().is_ok());
        assert!("o.k-1@home".parse::<UserName>().is_ok());
        for wrong in ["", ".hidden", "-flag", "a b", "a/b", "a\nb", "ä", &"x".repeat(65)] {
            assert!(wrong.parse::<UserName>().is_err(), "{wrong}");
        }
    }
}
