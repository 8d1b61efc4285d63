//! Requests for completions, and the parameters that agents do not support.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::super::ApiError;
use super::super::json_object::{Object, optional_object};
use super::message::ChatMessage;
use super::read_request::{FieldNames, ReadRequest, labels, requires_tool};
use super::response_format::{ResponseFormat, SCHEMA_FIELD};
use super::run_options::RunOptions;
use super::unsupported::unsupported;
use crate::types::OnDisconnect;

/// Names of the fields that a run names differently.
const FIELDS: FieldNames = FieldNames { messages: "messages", schema: SCHEMA_FIELD };

/// A request for a completion.
///
/// Parameters that change the result and that agents do not support are rejected: a required tool call, several choices, log probabilities,
/// anything but text. Preferences such as `temperature`, offered `tools` and unknown parameters are ignored.
#[derive(Deserialize, ToSchema)]
#[schema(as = ChatCompletionRequest, example = json!({"model": "demo", "messages": [{"role": "user", "content": "hello"}]}))]
pub(in crate::api) struct CompletionRequest {
    /// `agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`.
    pub(in crate::api) model: String,
    /// The conversation. The last message should have the role `user`; otherwise the agent continues the conversation.
    #[schema(min_items = 1, value_type = Vec<ChatMessage>)]
    messages: Vec<Object<ChatMessage>>,
    /// Whether to stream the response.
    stream: Option<bool>,
    /// Options of the stream.
    #[schema(value_type = Option<StreamOptions>)]
    stream_options: Option<Object<StreamOptions>>,
    /// Becomes the label `user` of the run, if it has at most 256 bytes.
    user: Option<String>,
    /// Becomes the labels of the run.
    metadata: Option<BTreeMap<String, String>>,
    /// The format of the answer.
    #[schema(value_type = Option<ResponseFormat>)]
    response_format: Option<Object<ResponseFormat>>,
    /// `auto` or `none`: agents use their own tools, never those of the request. A required tool is rejected.
    #[schema(value_type = Option<String>)]
    tool_choice: Option<Value>,
    /// Options of the run; OpenAI's clients send it as an extra field of the body.
    #[serde(default, deserialize_with = "optional_object")]
    #[schema(value_type = Option<RunOptions>)]
    openrunner: RunOptions,
    // Not supported and therefore not described.
    #[schema(ignore)]
    n: Option<Value>,
    #[schema(ignore)]
    function_call: Option<Value>,
    #[schema(ignore)]
    logprobs: Option<Value>,
    #[schema(ignore)]
    top_logprobs: Option<Value>,
    #[schema(ignore)]
    modalities: Option<Value>,
    #[schema(ignore)]
    audio: Option<Value>,
    #[schema(ignore)]
    web_search_options: Option<Value>,
}

/// Options of a stream.
#[derive(Default, Deserialize, ToSchema)]
struct StreamOptions {
    /// Whether to send the usage at the end.
    include_usage: Option<bool>,
}

impl CompletionRequest {
    /// Whether to stream the response.
    pub(in crate::api) fn is_stream(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// Whether the stream ends with the usage.
    pub(in crate::api) fn includes_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|Object(options)| options.include_usage).unwrap_or(false)
    }

    /// What to do if the client disconnects, if the request states it.
    pub(in crate::api) fn on_disconnect(&self) -> Option<OnDisconnect> {
        self.openrunner.on_disconnect
    }

    /// Whether the answer is JSON and nothing else.
    pub(in crate::api) fn is_structured(&self) -> bool {
        self.response_format.as_ref().is_some_and(|Object(format)| format.is_structured())
    }

    /// Size of the images and files as they are in the request, in bytes.
    pub(in crate::api) fn encoded_size(&self) -> usize {
        self.messages.iter().map(|Object(message)| message.encoded_size()).sum()
    }

    /// Checks the request.
    ///
    /// # Errors
    /// If a parameter or a part of a message is not supported.
    pub(in crate::api) fn read(self) -> Result<ReadRequest, ApiError> {
        self.check_supported()?;
        let messages = self.messages.into_iter().zip(0..).map(|(Object(message), index)| message.into_message(index));
        let messages = messages.collect::<Result<Vec<_>, _>>()?;
        let output_schema = self.response_format.map(|Object(format)| format.into_schema()).transpose()?.flatten();
        let labels = labels(self.metadata, self.user);
        Ok(ReadRequest { messages, output_schema, instructions: None, labels, options: self.openrunner, fields: FIELDS })
    }

    /// Rejects parameters that would change the format of the result.
    fn check_supported(&self) -> Result<(), ApiError> {
        const TEXT: &str = "agents respond with text";
        const NOT_REPORTED: &str = "agents do not report them";
        const OWN_TOOLS: &str = "agents use their own tools and call none of the client's; use auto or none";
        // A parameter with its neutral value has no effect.
        let is_set = |value: Option<&Value>, neutral: Value| value.is_some_and(|value| *value != neutral);
        let unsupported_parameters = [
            ("n", is_set(self.n.as_ref(), json!(1)), "agents return one choice"),
            ("tool_choice", self.tool_choice.as_ref().is_some_and(requires_tool), OWN_TOOLS),
            ("function_call", self.function_call.as_ref().is_some_and(requires_tool), OWN_TOOLS),
            ("web_search_options", self.web_search_options.is_some(), "agents use their own tools"),
            ("logprobs", is_set(self.logprobs.as_ref(), json!(false)), NOT_REPORTED),
            ("top_logprobs", is_set(self.top_logprobs.as_ref(), json!(0)), NOT_REPORTED),
            ("modalities", is_set(self.modalities.as_ref(), json!(["text"])), TEXT),
            ("audio", self.audio.is_some(), TEXT),
        ];
        let used = unsupported_parameters.into_iter().find(|(_field, is_set, _why)| *is_set);
        used.map_or(Ok(()), |(field, _is_set, why)| Err(unsupported(field, why)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_request::FileFields;
    use super::*;
    use crate::api::FaultCode;
    use crate::run::NewRun;
    use crate::types::SessionId;

    /// The run that a request with these additional fields creates.
    fn run_of(more: &Value) -> Result<NewRun, ApiError> {
        let mut body = json!({"model": "demo", "messages": [{"role": "user", "content": "hello"}]});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let request = serde_json::from_value::<CompletionRequest>(body).unwrap().read()?;
        let session = request.session_id();
        request.into_new_run(session).map(|(new, _fields)| new)
    }

    fn rejected(more: &Value) -> (u16, String) {
        let error = run_of(more).unwrap_err();
        (error.status().as_u16(), error.field().unwrap_or_default().to_owned())
    }

    #[test]
    fn unsupported_parameters_are_rejected() {
        for (field, value) in [
            ("n", json!(2)),
            ("n", json!("many")),
            ("tool_choice", json!("required")),
            ("tool_choice", json!({"type": "function", "function": {"name": "f"}})),
            ("tool_choice", json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}})),
            ("function_call", json!({"name": "f"})),
            ("logprobs", json!(true)),
            ("top_logprobs", json!(5)),
            ("modalities", json!(["text", "audio"])),
            ("audio", json!({"voice": "alloy"})),
            ("web_search_options", json!({})),
        ] {
            assert_eq!(rejected(&json!({field: value})), (400, field.to_owned()));
        }
        assert_eq!(rejected(&json!({"response_format": {"type": "grammar"}})), (400, "response_format.type".to_owned()));
    }

    #[test]
    fn preferences_offered_tools_and_unknown_parameters_are_ignored() {
        let tool = json!({"type": "function", "function": {"name": "f", "parameters": {}}});
        let ignored = json!({
            "temperature": 0.2, "top_p": 1, "seed": 1, "stop": ["x"], "max_tokens": 10, "max_completion_tokens": 10, "presence_penalty": 1,
            "frequency_penalty": 1, "logit_bias": {}, "n": 1, "tools": [tool], "functions": [{"name": "f"}], "parallel_tool_calls": true,
            "logprobs": false, "top_logprobs": 0, "response_format": {"type": "text"}, "modalities": ["text"], "store": false, "top_k": 40,
        });
        assert_eq!(run_of(&ignored).unwrap(), run_of(&json!({})).unwrap());
        let allowed = json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [tool]}});
        for choice in [json!(null), json!("auto"), json!("none"), allowed] {
            assert_eq!(run_of(&json!({"tools": [tool], "tool_choice": choice})).unwrap(), run_of(&json!({})).unwrap());
        }
        assert_eq!(run_of(&json!({"function_call": "auto"})).unwrap(), run_of(&json!({})).unwrap());
    }

    #[test]
    fn a_history_with_tool_calls_is_part_of_the_prompt() {
        let call = json!({"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Bonn\"}"}});
        let messages = json!([
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "ok"},
            {"role": "user", "content": "and tomorrow?"},
        ]);
        assert_eq!(
            run_of(&json!({ "messages": messages })).unwrap().prompt,
            "<conversation>\n<user>\nweather?\n</user>\n\
             <assistant>\n<tool_call>\nweather {\"city\":\"Bonn\"}\n</tool_call>\n</assistant>\n<tool>\nsunny\n</tool>\n\
             <assistant>\nno\n<tool_call>\nf {}\n</tool_call>\n</assistant>\n<tool>\nok\n</tool>\n</conversation>\n\nand tomorrow?"
        );
    }

    #[test]
    fn a_response_format_is_the_schema_of_the_answer() {
        let schema = |format: Value| run_of(&json!({ "response_format": format })).unwrap().output_schema;
        let list = json!({"type": "array"});
        assert_eq!(schema(json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": list}})), Some(list));
        for any in [json!({"type": "json_object"}), json!({"type": "json_schema", "json_schema": {"name": "x"}})] {
            assert_eq!(schema(any), Some(json!({"type": "object"})));
        }
        assert_eq!(schema(json!({"type": "text"})), None);
    }

    #[test]
    fn images_and_files_of_all_messages_are_attached_under_unique_names() {
        let image =
            |data: &str| json!({"type": "image_url", "image_url": {"url": format!("data:image/jpg;base64,{data}"), "detail": "low"}});
        let file = json!({"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;charset=utf-8;base64,eA=="}});
        let text = |text: &str| json!({"type": "text", "text": text});
        let messages = json!([
            {"role": "user", "content": [text("what is"), text("this?"), image("eA=="), file]},
            {"role": "assistant", "content": "a cat"},
            {"role": "user", "content": [text("and this?"), image("eXk=")]},
        ]);
        let run = run_of(&json!({ "messages": messages })).unwrap();
        let attached: Vec<_> = run.attachments.iter().map(|new| (new.index, &new.attachment.info)).collect();
        let seen: Vec<_> = attached.iter().map(|(index, info)| (*index, info.name.as_str(), info.media_type.as_str(), info.size)).collect();
        assert_eq!(seen, [(0, "image-1", "image/jpeg", 1), (1, "2-a.txt", "text/plain", 1), (2, "image-3", "image/jpeg", 2)]);
        assert!(run.prompt.contains("what is\nthis?\n[attachment 1]\n[attachment 2]\n</user>") && run.prompt.ends_with("\n\nand this?"));
        let continued = json!({"messages": messages, "openrunner": {"session_id": SessionId::new()}});
        let continued = run_of(&continued).unwrap();
        assert_eq!((continued.attachments.len(), continued.prompt.as_str()), (1, "and this?"), "the agent remembers the others");
    }

    #[test]
    fn parts_that_are_incomplete_or_not_supported_are_rejected() {
        let part = |part: Value| rejected(&json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, part]}]}));
        let field = |name: &str| format!("messages[0].content[1].{name}");
        assert_eq!(part(json!({"type": "text"})), (422, field("text")));
        assert_eq!(part(json!({"type": "input_audio", "input_audio": {}})), (400, field("type")));
        assert_eq!(part(json!({"type": "image_url"})), (422, field("image_url")));
        assert_eq!(part(json!({"type": "file", "file": {"file_id": "file-1"}})), (422, field("file.file_data")));
        for url in ["https://example.com/cat.png", "data:", "data:image/png,x", "data:image/png;base64,?", "dat\u{e4}:"] {
            assert_eq!(part(json!({"type": "image_url", "image_url": {"url": url}})), (422, field("image_url.url")), "{url}");
        }
    }

    #[test]
    fn errors_of_images_name_their_part() {
        let parts = vec![("messages[0].content[1]".into(), "messages[0].content[1].image_url.url".into()); 2];
        let fields = FileFields { parts, names: FIELDS };
        for (of_run, expected) in [
            ("input.parts[1].type", "messages[0].content[1].type"),
            ("input.parts[1].media_type", "messages[0].content[1].image_url.url"),
            ("input.parts", "messages"),
            ("openrunner.output_schema", SCHEMA_FIELD),
            ("openrunner.timeout_secs", "openrunner.timeout_secs"),
        ] {
            let error = fields.rename(ApiError::invalid_field(of_run, FaultCode::Invalid, "is wrong"));
            assert_eq!(error.field(), Some(expected), "{of_run}");
        }
    }

    #[test]
    fn a_conversation_must_have_a_text_to_answer() {
        let user = json!({"role": "user", "content": "hello"});
        for messages in [json!([]), json!([user, {"role": "user", "content": null}]), json!([{"role": "system", "content": ""}])] {
            assert_eq!(rejected(&json!({ "messages": messages })), (422, "messages".to_owned()));
        }
    }

    #[test]
    fn metadata_and_user_become_labels_and_metadata_takes_precedence() {
        let labels = |more: &Value| run_of(more).unwrap().labels.into_iter().collect::<Vec<_>>();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(labels(&json!({"user": "ann", "metadata": {"team": "a"}})), [pair("team", "a"), pair("user", "ann")]);
        assert_eq!(labels(&json!({"user": "ann", "metadata": {"user": "bob"}})), [pair("user", "bob")]);
        assert_eq!(labels(&json!({"user": "x".repeat(257)})), []);
    }
}
