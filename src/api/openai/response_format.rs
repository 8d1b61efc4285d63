//! The format of the answer, as a JSON Schema for the run.

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::super::ApiError;
use super::super::json_object::Object;
use super::unsupported::unsupported;

/// The format of the answer.
#[derive(Deserialize, ToSchema)]
pub(super) struct ResponseFormat {
    /// `text`, `json_object`, or `json_schema`. With the latter two the answer is JSON and nothing else, or the run fails with `bad_output`.
    r#type: String,
    /// The schema, for `json_schema`.
    #[schema(value_type = Option<JsonSchemaFormat>)]
    json_schema: Option<Object<JsonSchemaFormat>>,
}

/// A schema of the answer. `name`, `description` and `strict` have no effect: the answer is always checked.
#[derive(Deserialize, ToSchema)]
struct JsonSchemaFormat {
    /// The JSON Schema, at most 64 KiB. Default: any object.
    #[schema(value_type = Option<serde_json::Map<String, Value>>)]
    schema: Option<Value>,
}

/// The field that contains the schema.
pub(in crate::api) const SCHEMA_FIELD: &str = "response_format.json_schema.schema";

impl ResponseFormat {
    /// Whether the answer is JSON.
    pub(super) fn is_structured(&self) -> bool {
        self.r#type != "text"
    }

    /// The schema of the answer; `None` for text.
    ///
    /// # Errors
    /// If the type is unknown.
    pub(super) fn into_schema(self) -> Result<Option<Value>, ApiError> {
        let any_object = || json!({"type": "object"});
        match self.r#type.as_str() {
            "text" => Ok(None),
            "json_object" => Ok(Some(any_object())),
            "json_schema" => Ok(Some(self.json_schema.and_then(|Object(format)| format.schema).unwrap_or_else(any_object))),
            _ => Err(unsupported("response_format.type", "use text, json_object or json_schema")),
        }
    }
}
