//! Requests for responses, and the parameters that agents do not support.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::super::super::ApiError;
use super::super::super::json_object::{Object, optional_object};
use super::super::message::{Message, Role};
use super::super::read_request::{FieldNames, ReadRequest, labels, requires_tool};
use super::super::run_options::RunOptions;
use super::super::unsupported::unsupported;
use super::id::ResponseId;
use super::input::{Anchor, Input};
use crate::types::{OnDisconnect, SessionId};

/// Names of the fields that a run names differently.
const FIELDS: FieldNames = FieldNames { messages: "input", schema: "text.format.schema" };

/// A request for a response.
///
/// Parameters that change the result and that agents do not support are rejected: a required tool call, log probabilities, stored
/// conversations and prompts. Preferences such as `temperature`, offered `tools` and unknown parameters are ignored.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"model": "demo", "input": "hello"}))]
pub(in crate::api) struct ResponseRequest {
    /// `agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`.
    pub(in crate::api) model: String,
    /// The task: a text, or the items of a conversation.
    input: Input,
    /// Text that is added to the agent's system prompt in this response.
    instructions: Option<String>,
    /// The response to continue, in its session. If the session has continued since, a new one begins with the conversation up to it.
    #[schema(value_type = Option<String>)]
    previous_response_id: Option<ResponseId>,
    /// Whether the response can be retrieved and continued. The run is stored in any case. Default: true.
    store: Option<bool>,
    /// Whether to return before the end of the run. Requires `store`.
    background: Option<bool>,
    /// Whether to stream the response.
    stream: Option<bool>,
    /// The format of the answer.
    #[schema(value_type = Option<TextOptions>)]
    text: Option<Object<TextOptions>>,
    /// Becomes the labels of the run.
    metadata: Option<BTreeMap<String, String>>,
    /// Becomes the label `user` of the run, if it has at most 256 bytes.
    user: Option<String>,
    /// `auto` or `none`: agents use their own tools, never those of the request. A required tool is rejected.
    #[schema(value_type = Option<String>)]
    tool_choice: Option<Value>,
    /// Options of the run; OpenAI's clients send it as an extra field of the body.
    #[serde(default, deserialize_with = "optional_object")]
    #[schema(value_type = Option<RunOptions>)]
    openrunner: RunOptions,
    // Not supported and therefore not described.
    #[schema(ignore)]
    conversation: Option<Value>,
    #[schema(ignore)]
    prompt: Option<Value>,
    #[schema(ignore)]
    top_logprobs: Option<Value>,
}

/// Options of the answer.
#[derive(Deserialize, ToSchema)]
#[schema(as = ResponseTextOptions)]
struct TextOptions {
    /// The format of the answer. Default: text.
    #[schema(value_type = Option<TextFormat>)]
    format: Option<Object<TextFormat>>,
}

/// A format of the answer. `name`, `description` and `strict` have no effect: the answer is always checked.
#[derive(Deserialize, ToSchema)]
#[schema(as = ResponseTextFormat)]
struct TextFormat {
    /// `text`, `json_object`, or `json_schema`. With the latter two the answer is JSON and nothing else, or the run fails with `bad_output`.
    r#type: String,
    /// The JSON Schema, at most 64 KiB, for `json_schema`. Default: any object.
    #[schema(value_type = Option<serde_json::Map<String, Value>>)]
    schema: Option<Value>,
}

impl TextFormat {
    /// The schema of the answer; `None` for text.
    fn into_schema(self) -> Result<Option<Value>, ApiError> {
        let any_object = || json!({"type": "object"});
        match self.r#type.as_str() {
            "text" => Ok(None),
            "json_object" => Ok(Some(any_object())),
            "json_schema" => Ok(Some(self.schema.unwrap_or_else(any_object))),
            _ => Err(unsupported("text.format.type", "use text, json_object or json_schema")),
        }
    }
}

/// What a request continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct Continued {
    /// The response that the request names.
    pub(in crate::api) previous: Option<ResponseId>,
    /// The output item of an earlier response in the input.
    pub(in crate::api) anchor: Option<Anchor>,
}

impl ResponseRequest {
    /// Whether to stream the response.
    pub(in crate::api) fn is_stream(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// Whether to return before the end.
    pub(in crate::api) fn is_background(&self) -> bool {
        self.background.unwrap_or(false)
    }

    /// Whether the response can be retrieved.
    pub(in crate::api) fn is_stored(&self) -> bool {
        self.store.unwrap_or(true)
    }

    /// What to do if the client disconnects, if the request states it.
    pub(in crate::api) fn on_disconnect(&self) -> Option<OnDisconnect> {
        self.openrunner.on_disconnect
    }

    /// Size of the images and files as they are in the request, in bytes.
    pub(in crate::api) fn encoded_size(&self) -> usize {
        self.input.encoded_size()
    }

    /// Checks the request.
    ///
    /// # Errors
    /// If a parameter, an item or a part of a message is not supported.
    pub(in crate::api) fn read(self) -> Result<(ReadRequest, Continued), ApiError> {
        self.check_supported()?;
        let conversation = self.input.into_conversation()?;
        let format = self.text.and_then(|Object(text)| text.format);
        let output_schema = format.map(|Object(format)| format.into_schema()).transpose()?.flatten();
        let request = ReadRequest {
            messages: conversation.messages,
            output_schema,
            instructions: self.instructions.filter(|text| !text.trim().is_empty()),
            labels: labels(self.metadata, self.user),
            options: self.openrunner,
            fields: FIELDS,
        };
        Ok((request, Continued { previous: self.previous_response_id, anchor: conversation.anchor }))
    }

    /// Rejects parameters that would change the result.
    fn check_supported(&self) -> Result<(), ApiError> {
        const OWN_TOOLS: &str = "agents use their own tools and call none of the client's; use auto or none";
        let unsupported_parameters = [
            ("tool_choice", self.tool_choice.as_ref().is_some_and(requires_tool), OWN_TOOLS),
            ("conversation", self.conversation.is_some(), "use previous_response_id, or the header OpenRunner-Session"),
            ("prompt", self.prompt.is_some(), "this server stores no prompts; use input and instructions"),
            ("top_logprobs", self.top_logprobs.as_ref().is_some_and(|value| *value != json!(0)), "agents do not report them"),
            ("background", self.is_background() && !self.is_stored(), "a background response must be stored; omit store"),
        ];
        let used = unsupported_parameters.into_iter().find(|(_field, is_set, _why)| *is_set);
        used.map_or(Ok(()), |(field, _is_set, why)| Err(unsupported(field, why)))
    }
}

impl ReadRequest {
    /// Moves the instructions into the conversation, for agents that do not take them separately.
    pub(in crate::api) fn inline_instructions(&mut self) {
        let instructions = self.instructions.take();
        self.messages.splice(0..0, instructions.map(|text| Message { role: Role::System, text, files: Vec::new() }));
    }

    /// Drops the messages up to the anchor, which the agent remembers.
    pub(in crate::api) fn drop_until(&mut self, anchor: &Anchor) {
        drop(self.messages.drain(..anchor.messages.min(self.messages.len())));
    }

    /// Continues a session, unless the request names one.
    pub(in crate::api) fn continue_session(&mut self, session: SessionId) {
        self.options.session_id.get_or_insert(session);
    }

    /// Adds earlier turns, each with its prompt and answer, for an agent that does not remember them.
    pub(in crate::api) fn precede_with(&mut self, turns: Vec<(String, String)>) {
        let message = |role, text| Message { role, text, files: Vec::new() };
        let turns = turns.into_iter().flat_map(|(prompt, answer)| [message(Role::User, prompt), message(Role::Assistant, answer)]);
        self.messages.splice(0..0, turns);
    }
}

#[cfg(test)]
mod tests {
    use super::super::id::item_id;
    use super::*;
    use crate::api::openai::FileFields;
    use crate::run::NewRun;
    use crate::types::RunId;

    fn request(more: &Value) -> ResponseRequest {
        let mut body = json!({"model": "demo", "input": "hello"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        serde_json::from_value(body).unwrap()
    }

    fn run_of(more: &Value) -> Result<(NewRun, FileFields), ApiError> {
        request(more).read()?.0.into_new_run(None)
    }

    fn rejected(more: &Value) -> (u16, String) {
        let error = run_of(more).unwrap_err();
        (error.status().as_u16(), error.field().unwrap_or_default().to_owned())
    }

    fn prompt(input: &Value) -> String {
        run_of(&json!({ "input": input })).unwrap().0.prompt
    }

    #[test]
    fn unsupported_parameters_are_rejected() {
        for (field, value) in [
            ("tool_choice", json!("required")),
            ("tool_choice", json!({"type": "function", "name": "f"})),
            ("tool_choice", json!({"type": "allowed_tools", "mode": "required", "tools": []})),
            ("conversation", json!("conv_1")),
            ("prompt", json!({"id": "pmpt_1"})),
            ("top_logprobs", json!(5)),
        ] {
            assert_eq!(rejected(&json!({ field: value })), (400, field.to_owned()), "{value}");
        }
        assert_eq!(rejected(&json!({"background": true, "store": false})), (400, "background".to_owned()));
        assert_eq!(rejected(&json!({"text": {"format": {"type": "grammar"}}})), (400, "text.format.type".to_owned()));
    }

    #[test]
    fn preferences_offered_tools_and_unknown_parameters_are_ignored() {
        let tool = json!({"type": "function", "name": "f", "parameters": {}});
        let ignored = json!({
            "temperature": 0.2, "top_p": 1, "max_output_tokens": 10, "max_tool_calls": 1, "tools": [tool, {"type": "web_search"}],
            "parallel_tool_calls": true, "reasoning": {"effort": "high"}, "include": ["reasoning.encrypted_content"], "truncation": "auto",
            "service_tier": "flex", "top_logprobs": 0, "text": {"verbosity": "low"}, "stream_options": {"include_obfuscation": false},
        });
        let plain = run_of(&json!({})).unwrap().0;
        assert_eq!(run_of(&ignored).unwrap().0, plain);
        let allowed = json!({"type": "allowed_tools", "mode": "auto", "tools": [tool]});
        for choice in [json!(null), json!("auto"), json!("none"), allowed] {
            assert_eq!(run_of(&json!({"tools": [tool], "tool_choice": choice})).unwrap().0, plain);
        }
    }

    #[test]
    fn items_become_a_prompt_with_the_history_of_the_conversation() {
        assert_eq!(prompt(&json!("  -hello\n")), "  -hello\n");
        assert_eq!(prompt(&json!([{"role": "user", "content": "hello"}])), "hello");
        let items = json!([
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "be brief"}]},
            {"role": "user", "content": "weather?"},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{\"city\":\"Bonn\"}"},
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "sunny"}]},
            {"type": "custom_tool_call", "call_id": "d", "name": "f", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "d", "output": {"a": 1}},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "Sun.", "annotations": []}]},
            {"role": "user", "content": "and tomorrow?"},
        ]);
        assert_eq!(
            prompt(&items),
            "<instructions>\nbe brief\n</instructions>\n\n<conversation>\n<user>\nweather?\n</user>\n\
             <assistant>\n<tool_call>\nweather {\"city\":\"Bonn\"}\n</tool_call>\n</assistant>\n<tool>\nsunny\n</tool>\n\
             <assistant>\n<tool_call>\nf x\n</tool_call>\n</assistant>\n<tool>\n{\"a\":1}\n</tool>\n\
             <assistant>\nSun.\n</assistant>\n</conversation>\n\nand tomorrow?"
        );
    }

    #[test]
    fn incomplete_items_and_unsupported_parts_are_rejected_by_field() {
        let user = |part: Value| json!([{"role": "user", "content": [{"type": "input_text", "text": "a"}, part]}]);
        for (input, status, field) in [
            (json!([]), 422, "input"),
            (json!([{"role": "user"}]), 422, "input[0].content"),
            (json!([{"content": "x"}]), 422, "input[0].role"),
            (json!([{"type": "item_reference", "id": "msg_1"}]), 422, "input[0].id"),
            (user(json!({"type": "input_audio"})), 400, "input[0].content[1].type"),
            (user(json!({"type": "input_image", "file_id": "file_1"})), 422, "input[0].content[1].image_url"),
            (user(json!({"type": "input_image", "image_url": "https://example.com/a.png"})), 422, "input[0].content[1].image_url"),
            (user(json!({"type": "input_file", "file_url": "https://example.com/a"})), 422, "input[0].content[1].file_data"),
        ] {
            assert_eq!(rejected(&json!({ "input": input })), (status, field.to_owned()), "{input}");
        }
    }

    #[test]
    fn images_and_files_are_attached_and_their_errors_name_the_part() {
        let parts = json!([
            {"type": "input_text", "text": "what is this?"},
            {"type": "input_image", "image_url": "data:image/png;base64,eA==", "detail": "auto"},
            {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,eA=="},
        ]);
        let body = json!({ "input": [{"role": "user", "content": parts}] });
        assert_eq!(request(&body).encoded_size(), "data:image/png;base64,eA==".len() + "data:text/plain;base64,eA==".len());
        let (run, fields) = run_of(&body).unwrap();
        let names: Vec<_> = run.attachments.iter().map(|new| new.attachment.info.name.as_str()).collect();
        assert_eq!(names, ["image-1", "2-a.txt"]);
        let renamed = |field: &str| fields.rename(ApiError::invalid_field(field, crate::api::FaultCode::Invalid, "is wrong"));
        for (of_run, expected) in [
            ("input.parts[1].media_type", "input[0].content[2].file_data"),
            ("input.parts", "input"),
            ("openrunner.output_schema", "text.format.schema"),
            ("openrunner.instructions", "instructions"),
            ("openrunner.labels.a", "metadata.a"),
            ("openrunner.timeout_secs", "openrunner.timeout_secs"),
        ] {
            assert_eq!(renamed(of_run).field(), Some(expected));
        }
    }

    #[test]
    fn the_format_of_the_text_is_the_schema_of_the_answer() {
        let schema = |format: Value| run_of(&json!({"text": {"format": format}})).unwrap().0.output_schema;
        let list = json!({"type": "array"});
        assert_eq!(schema(json!({"type": "json_schema", "name": "x", "strict": true, "schema": list})), Some(list));
        assert_eq!(schema(json!({"type": "json_object"})), Some(json!({"type": "object"})));
        assert_eq!(schema(json!({"type": "text"})), None);
    }

    #[test]
    fn the_last_output_item_of_this_server_is_what_the_request_continues() {
        let (one, two) = (RunId::new(), RunId::new());
        let items = json!([
            {"role": "user", "content": "a"},
            {"type": "message", "id": item_id("msg", one, 0), "role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
            {"type": "item_reference", "id": item_id("msg", two, 1)},
            {"role": "user", "content": "d"},
        ]);
        let (mut read, continued) = request(&json!({ "input": items })).read().unwrap();
        let anchor = continued.anchor.unwrap();
        assert_eq!((anchor.run, anchor.reference.as_deref()), (two, Some("input[3].id")));
        read.drop_until(&anchor);
        assert_eq!(read.into_new_run(Some(SessionId::new())).unwrap().0.prompt, "d");
    }

    #[test]
    fn earlier_turns_and_instructions_precede_the_input() {
        let (mut read, _continued) = request(&json!({"instructions": "be brief"})).read().unwrap();
        read.precede_with(vec![("one".into(), "1".into())]);
        read.inline_instructions();
        let expected = "<instructions>\nbe brief\n</instructions>\n\n<conversation>\n<user>\none\n</user>\n\
            <assistant>\n1\n</assistant>\n</conversation>\n\nhello";
        assert_eq!(read.into_new_run(None).unwrap().0.prompt, expected);
    }
}
