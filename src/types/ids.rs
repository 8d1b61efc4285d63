//! Identifiers, as newtypes that cannot be confused with each other.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

/// The text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {kind} id; expected `{prefix}` and 32 lowercase hexadecimal digits")]
pub struct IdError {
    kind: &'static str,
    prefix: &'static str,
}

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Generates an id. Later ids sort after earlier ones (`UUIDv7`); 74 random bits make them unguessable.
            #[expect(clippy::new_without_default, reason = "a random id is not a default")]
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

            /// Accepts only the form that `Display` writes, so that an id has one spelling.
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    .filter(|hex| hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
                    .and_then(|hex| Uuid::try_parse(hex).ok())
                    .map(Self)
                    .ok_or(IdError { kind: $kind, prefix: $prefix })
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
    /// ID of a run: `run_` and 32 hexadecimal digits.
    RunId, "run_", "run"
}

impl RunId {
    /// The UUID as a number.
    pub fn as_u128(self) -> u128 {
        self.0.as_u128()
    }
}

prefixed_id! {
    /// ID of a session: `ses_` and 32 hexadecimal digits.
    SessionId, "ses_", "session"
}

prefixed_id! {
    /// ID of a user: `usr_` and 32 hexadecimal digits. Unlike the name, it is never used again once the user is removed.
    UserId, "usr_", "user"
}

prefixed_id! {
    /// ID of an auth token: `tok_` and 32 hexadecimal digits. Not a secret: the token's signature authenticates.
    TokenId, "tok_", "token"
}

prefixed_id! {
    /// ID of an API key: `key_` and 32 hexadecimal digits. Not a secret: it is not part of the key itself.
    KeyId, "key_", "key"
}

prefixed_id! {
    /// ID of an uploaded file: `file_` and 32 hexadecimal digits.
    UploadId, "file_", "file"
}

prefixed_id! {
    /// ID of a node, the server that drives a run: `node_` and 32 hexadecimal digits. It is kept in the store.
    NodeId, "node_", "node"
}

/// Sequence number of an event in its run's log. Starts at 1, without gaps, so "after `n`" is all a reader needs to resume.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = u64, minimum = 1)]
pub struct Seq(NonZeroU64);

impl Seq {
    /// The sequence number of a run's first event.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// Sequence number `n`; `None` for 0.
    pub fn new(n: u64) -> Option<Self> {
        NonZeroU64::new(n).map(Self)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The sequence number of the next event.
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

/// Name of a user: 1 to 64 characters of `a-z A-Z 0-9 . _ @ -`, starting with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$", example = "admin")]
pub struct UserName(String);

/// The text is not a valid username.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid username; expected 1 to 64 characters of a-z A-Z 0-9 . _ @ -, starting with a letter or digit")]
pub struct BadUserName;

impl UserName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Stands in for the name of a user that cannot be read.
impl From<UserId> for UserName {
    fn from(id: UserId) -> Self {
        Self(id.to_string())
    }
}

impl FromStr for UserName {
    type Err = BadUserName;

    fn from_str(text: &str) -> Result<Self, BadUserName> {
        let starts_valid = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        let all_valid = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'@' | b'-'));
        if starts_valid && all_valid && text.len() <= 64 { Ok(Self(text.to_owned())) } else { Err(BadUserName) }
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
    fn an_id_parses_only_its_own_format() {
        let id = RunId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        for invalid in [
            "",
            "run_",
            "ses_0198a8f0c0de7000800000000000000a",
            "run_0198A8F0C0DE7000800000000000000A",
            "run_../../../../../../../../../../ab",
        ] {
            assert!(invalid.parse::<RunId>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let ids: Vec<_> = (0..100).map(|_| RunId::new()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn a_username_cannot_contain_markup_or_paths() {
        assert!("admin".parse::<UserName>().is_ok());
        assert!("o.k-1@home".parse::<UserName>().is_ok());
        for invalid in ["", ".hidden", "-flag", "a b", "a/b", "a\nb", "ä", &"x".repeat(65)] {
            assert!(invalid.parse::<UserName>().is_err(), "{invalid}");
        }
    }
}
