//! The ids of responses and of their items, which contain the id of the run.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::types::{IdError, RunId};

const PREFIX: &str = "resp_";

/// The id of a response: `resp_` and the id of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) struct ResponseId(pub(in crate::api) RunId);

impl fmt::Display for ResponseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0)
    }
}

impl FromStr for ResponseId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix(PREFIX).unwrap_or_default().parse().map(Self)
    }
}

impl Serialize for ResponseId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ResponseId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|_bad: IdError| serde::de::Error::custom("must be the id of a response of this server: resp_run_…"))
    }
}

impl PartialSchema for ResponseId {
    fn schema() -> RefOr<Schema> {
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^resp_run_[0-9a-f]{32}$"));
        schema.examples(["resp_run_0198a8f0c0de7000800000000000000a"]).into()
    }
}

impl ToSchema for ResponseId {}

/// The id of an item of a response: `prefix`, the id of the run, and the position of the item.
pub(super) fn item_id(prefix: &str, run: RunId, index: usize) -> String {
    format!("{prefix}_{run}_{index}")
}

/// The run whose response has an output item with this id.
pub(super) fn run_of_item(id: &str) -> Option<RunId> {
    let rest = ["msg_", "rs_"].iter().find_map(|prefix| id.strip_prefix(prefix))?;
    let (run, index) = rest.rsplit_once('_')?;
    index.parse::<usize>().ok()?;
    run.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_run_and_has_one_spelling() {
        let run = RunId::new();
        let text = ResponseId(run).to_string();
        assert_eq!(text.parse::<ResponseId>().unwrap(), ResponseId(run));
        for other in ["", "resp_", "resp_1", &run.to_string(), &text.to_uppercase(), &format!("{text}0"), "resp_resp_1"] {
            assert!(other.parse::<ResponseId>().is_err(), "{other}");
        }
    }

    #[test]
    fn an_item_leads_to_its_run() {
        let run = RunId::new();
        assert_eq!(run_of_item(&item_id("msg", run, 3)), Some(run));
        assert_eq!(run_of_item(&item_id("rs", run, 0)), Some(run));
        for other in ["msg_1", "msg_67ccd2bf17f0819081ff3bb2cf6508e60bb6a6b452d3795b", &format!("msg_{run}"), &format!("fc_{run}_0")] {
            assert_eq!(run_of_item(other), None, "{other}");
        }
    }
}
