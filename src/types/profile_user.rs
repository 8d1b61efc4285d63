//! The users of a profile.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{UserId, UserName, UserRef};

/// A user who may use a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ProfileUser {
    /// The user with this id, and no other.
    Id(UserId),
    /// The user who has this name at present.
    Name(UserName),
}

/// The text is neither the id nor the name of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the name of a user, or an id of the form usr_ and 32 digits")]
pub struct BadProfileUser;

impl ProfileUser {
    /// Whether it stands for `user`.
    pub fn is(&self, user: &UserRef) -> bool {
        match self {
            Self::Id(id) => *id == user.id,
            Self::Name(name) => *name == user.name,
        }
    }
}

impl TryFrom<String> for ProfileUser {
    type Error = BadProfileUser;

    fn try_from(text: String) -> Result<Self, BadProfileUser> {
        let id = text.parse().map(Self::Id);
        id.or_else(|_not_an_id| text.parse().map(Self::Name)).map_err(|_not_a_name| BadProfileUser)
    }
}

impl fmt::Display for ProfileUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl From<ProfileUser> for String {
    fn from(user: ProfileUser) -> Self {
        user.to_string()
    }
}

impl PartialSchema for ProfileUser {
    fn schema() -> RefOr<Schema> {
        let description = "Name of a user, or the id of one who was removed since the profile was stored";
        ObjectBuilder::new().schema_type(Type::String).description(Some(description)).into()
    }
}

impl ToSchema for ProfileUser {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stands_for_one_user_and_a_name_for_its_present_owner() {
        let (ann, other) = (UserRef::named("ann"), UserRef { id: UserId::new(), name: "ann".parse().unwrap() });
        let user = |text: &str| ProfileUser::try_from(text.to_owned());
        assert!(user("ann").unwrap().is(&ann) && user("ann").unwrap().is(&other) && !user("bob").unwrap().is(&ann));
        let by_id = user(&ann.id.to_string()).unwrap();
        assert!(by_id.is(&ann) && !by_id.is(&other));
        assert_eq!(serde_json::to_value(&by_id).unwrap(), ann.id.to_string());
        assert_eq!(user("a b"), Err(BadProfileUser));
    }
}
