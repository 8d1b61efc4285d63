//! Names of profiles.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Name of a profile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ProfileName(String);

/// The text is not a valid name of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid name of a profile; expected 1 to 64 characters of a-z A-Z 0-9 . _ -, starting with a letter or digit")]
pub struct BadProfileName;

impl ProfileName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProfileName {
    type Err = BadProfileName;

    fn from_str(text: &str) -> Result<Self, BadProfileName> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for ProfileName {
    type Error = BadProfileName;

    fn try_from(text: String) -> Result<Self, BadProfileName> {
        let starts_valid = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let all_valid = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        if starts_valid && all_valid && text.len() <= 64 { Ok(Self(text)) } else { Err(BadProfileName) }
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialSchema for ProfileName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")).examples(["review"]).into()
    }
}

impl ToSchema for ProfileName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_part_of_a_path_and_of_a_settings_file() {
        for good in ["review", "a", "Nightly.build_2-x", "9", &"x".repeat(64)] {
            assert_eq!(good.parse::<ProfileName>().map(|name| name.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", ".", "..", "-x", "a/b", "a b", "é", "a\0", &"x".repeat(65)] {
            assert_eq!(bad.parse::<ProfileName>(), Err(BadProfileName), "{bad}");
        }
    }
}
