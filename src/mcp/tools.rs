//! The tools: their descriptions, and the requests that each of them makes.

use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, CreateTaskResult, ErrorData, JsonObject, Tool, ToolAnnotations};
use rmcp::schemars::JsonSchema;
use rmcp::service::RequestContext;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::arguments::{
    AnswerArguments, ChangesArguments, EventsArguments, ListRunsArguments, ListSessionsArguments, MessageArguments, NoArguments,
    RunArguments, StartArguments, WaitArguments,
};
use super::backend::{Backend, BackendError, Call};
use super::path::{run_segment, uri_of_run};
use super::wait::{Progress, state, wait};
use super::{events, resources, summary, tasks};
use crate::types::encode_segment;

/// For how long `run_agent` and `wait_for_run` wait unless they are told otherwise: less than the minute after which most clients give up.
const WAIT: Duration = Duration::from_secs(50);
/// For how long `wait_for_run` waits at most.
const MAX_WAIT: Duration = Duration::from_mins(10);
/// Number of events in a result, unless requested otherwise, and at most.
const EVENTS: usize = 100;
const MAX_EVENTS: usize = 500;
/// Maximum number of bytes of events, and of a patch, in a result.
const MAX_BYTES: usize = 200_000;
/// Number of items of a list in a result, unless requested otherwise, and at most.
const ITEMS: usize = 20;
const MAX_ITEMS: usize = 100;

/// Why a tool has no result.
enum Failure {
    /// The caller can read why, and do something else.
    Tool(String),
    /// The request is not one of this server.
    Protocol(ErrorData),
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self::Tool(error.to_string())
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Tool(reason)
    }
}

/// What a tool does to the world, as hints for clients.
#[derive(Clone, Copy)]
enum Effect {
    /// It only reads.
    Reads,
    /// It starts or continues work.
    Acts,
    /// It ends work.
    Ends,
}

/// All tools.
pub(super) fn all() -> Vec<Tool> {
    vec![
        tool::<StartArguments>(
            "run_agent",
            "Gives a coding agent a task and waits for its result. If it takes longer than 50 seconds, the run goes on: the result says so, and \
             `wait_for_run` waits on. If the agent asks for a permission or an answer, the result has the request: use `answer_request`.",
            Effect::Acts,
        ),
        tool::<StartArguments>(
            "start_run",
            "Gives a coding agent a task and returns at once, for example to let several work at the same time.",
            Effect::Acts,
        ),
        tool::<WaitArguments>("wait_for_run", "Waits until a run has ended or asks for an answer, and returns it.", Effect::Reads),
        tool::<RunArguments>(
            "get_run",
            "Returns the present state of a run, with its answer if it has ended and its open requests.",
            Effect::Reads,
        ),
        tool::<EventsArguments>(
            "read_events",
            "Returns what happened in a run so far: messages, tool calls, requests and notices, in order.",
            Effect::Reads,
        ),
        tool::<MessageArguments>(
            "send_message",
            "Sends a message to a live run. To continue after its end, start a run with its `session_id`.",
            Effect::Acts,
        ),
        tool::<RunArguments>("list_requests", "Returns the permission requests and questions that a run waits on.", Effect::Reads),
        tool::<AnswerArguments>("answer_request", "Answers a permission request or a question of a run.", Effect::Acts),
        tool::<RunArguments>("cancel_run", "Cancels a run and ends all its processes.", Effect::Ends),
        tool::<ListRunsArguments>("list_runs", "Lists runs, newest first.", Effect::Reads),
        tool::<ChangesArguments>(
            "get_changes",
            "Returns which files a run has changed in its directory, and the patch if it is requested.",
            Effect::Reads,
        ),
        tool::<ListSessionsArguments>("list_sessions", "Lists the sessions that a run can continue, newest first.", Effect::Reads),
        tool::<NoArguments>("list_agents", "Lists the agents of this server, and whether they are installed and logged in.", Effect::Reads),
    ]
}

fn tool<A: JsonSchema + std::any::Any>(name: &'static str, description: &'static str, effect: Effect) -> Tool {
    let schema = rmcp::handler::server::common::schema_for_type::<A>();
    let is_read = matches!(effect, Effect::Reads);
    let hints = ToolAnnotations::new().read_only(is_read).destructive(matches!(effect, Effect::Ends)).open_world(!is_read);
    Tool::new(name, description, schema).with_annotations(hints)
}

/// Calls a tool.
///
/// # Errors
/// If there is no such tool. What fails in a tool is a result that says so.
pub(super) async fn call(
    backend: &Arc<dyn Backend>,
    name: &str,
    arguments: Option<JsonObject>,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    match dispatch(&**backend, name, arguments.unwrap_or_default(), context).await {
        Ok(response) => Ok(response),
        Err(Failure::Tool(reason)) => Ok(CallToolResult::error(vec![ContentBlock::text(reason)]).into()),
        Err(Failure::Protocol(error)) => Err(error),
    }
}

async fn dispatch(
    backend: &dyn Backend,
    name: &str,
    arguments: JsonObject,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, Failure> {
    let result = match name {
        "run_agent" => return run_agent(backend, parse(arguments)?, context).await,
        "start_run" => {
            let run = create(backend, parse(arguments)?).await?;
            CallToolResult::structured(summary::of_run(&run, &[]))
        }
        "wait_for_run" => {
            let WaitArguments { run_id, wait_secs } = parse(arguments)?;
            let limit = wait_secs.map_or(WAIT, Duration::from_secs).min(MAX_WAIT);
            tasks::result(&wait(backend, &run_segment(&run_id)?, limit, Progress::of(context)).await?)
        }
        "get_run" => {
            let RunArguments { run_id } = parse(arguments)?;
            let awaited = state(backend, &run_segment(&run_id)?, 0).await?;
            CallToolResult::structured(summary::of_run(&awaited.run, &awaited.requests))
        }
        "read_events" => read_events(backend, parse(arguments)?).await?,
        "send_message" => {
            let MessageArguments { run_id, text, mode } = parse(arguments)?;
            let mut body = json!({ "text": text });
            if let Some(mode) = mode {
                body["mode"] = mode.name().into();
            }
            CallToolResult::structured(backend.json(Call::post(format!("/api/runs/{}/messages", run_segment(&run_id)?), body)).await?)
        }
        "list_requests" => {
            let RunArguments { run_id } = parse(arguments)?;
            CallToolResult::structured(backend.json(Call::get(format!("/api/runs/{}/requests", run_segment(&run_id)?))).await?)
        }
        "answer_request" => {
            let arguments: AnswerArguments = parse(arguments)?;
            let path = format!("/api/runs/{}/requests/{}", run_segment(&arguments.run_id)?, encode_segment(&arguments.request_id));
            CallToolResult::structured(backend.json(Call::post(path, arguments.to_body())).await?)
        }
        "cancel_run" => {
            let RunArguments { run_id } = parse(arguments)?;
            let call = Call { method: "POST", path: format!("/api/runs/{}/cancel", run_segment(&run_id)?), body: None };
            CallToolResult::structured(summary::of_list(&backend.json(call).await?))
        }
        "list_runs" => list_runs(backend, parse(arguments)?).await?,
        "get_changes" => get_changes(backend, parse(arguments)?).await?,
        "list_sessions" => {
            let ListSessionsArguments { limit, cursor } = parse(arguments)?;
            let query = query([("limit", Some(items(limit))), ("cursor", cursor)]);
            CallToolResult::structured(backend.json(Call::get(format!("/api/sessions{query}"))).await?)
        }
        "list_agents" => {
            let NoArguments {} = parse(arguments)?;
            CallToolResult::structured(backend.json(Call::get("/api/agents")).await?)
        }
        unknown => return Err(Failure::Protocol(ErrorData::invalid_params(format!("there is no tool `{unknown}`"), None))),
    };
    Ok(result.into())
}

async fn run_agent(
    backend: &dyn Backend,
    arguments: StartArguments,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, Failure> {
    let run = create(backend, arguments).await?;
    if context.client_capabilities().is_some_and(|capabilities| capabilities.supports_tasks()) {
        return Ok(CreateTaskResult::new(tasks::created(&run)).into());
    }
    Ok(tasks::result(&wait(backend, &summary::id(&run), WAIT, Progress::of(context)).await?).into())
}

/// Creates a run, and returns it.
async fn create(backend: &dyn Backend, arguments: StartArguments) -> Result<Value, Failure> {
    let created = backend.json(Call::post("/api/runs", arguments.into_body())).await?;
    Ok(backend.json(Call::get(format!("/api/runs/{}", run_segment(&summary::id(&created))?))).await?)
}

async fn read_events(backend: &dyn Backend, arguments: EventsArguments) -> Result<CallToolResult, Failure> {
    let (run, after) = (run_segment(&arguments.run_id)?, arguments.after.unwrap_or(0));
    let state = backend.json(Call::get(format!("/api/runs/{run}"))).await?;
    let tip = state["last_seq"].as_u64().unwrap_or_default();
    let limit = arguments.limit.unwrap_or(EVENTS).min(MAX_EVENTS);
    let read = events::read(backend, &run, after, tip, limit, MAX_BYTES).await?;
    Ok(CallToolResult::structured(json!({
        "run_id": arguments.run_id,
        "status": state["status"],
        "events": read.items,
        "next_after": read.last,
        "last_seq": tip,
    })))
}

async fn list_runs(backend: &dyn Backend, arguments: ListRunsArguments) -> Result<CallToolResult, Failure> {
    let ListRunsArguments { status, session_id, search, limit, cursor } = arguments;
    let query = query([("status", status), ("session_id", session_id), ("q", search), ("limit", Some(items(limit))), ("cursor", cursor)]);
    let page = backend.json(Call::get(format!("/api/runs{query}"))).await?;
    let runs: Vec<Value> = page["items"].as_array().into_iter().flatten().map(summary::of_list).collect();
    Ok(CallToolResult::structured(json!({ "items": runs, "next_cursor": page["next_cursor"] })))
}

async fn get_changes(backend: &dyn Backend, arguments: ChangesArguments) -> Result<CallToolResult, Failure> {
    let run = run_segment(&arguments.run_id)?;
    let query = query([("turn", arguments.turn.map(|turn| turn.to_string())), ("limit", Some(MAX_ITEMS.to_string()))]);
    let mut changes = backend.json(Call::get(format!("/api/runs/{run}/changes{query}"))).await?;
    if arguments.patch {
        let patch = resources::patch(backend, &run, arguments.turn).await?;
        let end = patch.floor_char_boundary(MAX_BYTES);
        changes["patch"] = patch[..end].into();
        if end < patch.len() {
            changes["patch_is_cut"] = format!("all of it is in the resource {}/changes.patch", uri_of_run(&run)).into();
        }
    }
    Ok(CallToolResult::structured(changes))
}

fn parse<A: DeserializeOwned>(arguments: JsonObject) -> Result<A, Failure> {
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        let (path, reason) = (error.path().to_string(), error.inner());
        Failure::Tool(if path == "." { reason.to_string() } else { format!("{path}: {reason}") })
    })
}

fn items(limit: Option<usize>) -> String {
    limit.unwrap_or(ITEMS).clamp(1, MAX_ITEMS).to_string()
}

/// The query with those parameters that have a value.
fn query<const N: usize>(parameters: [(&str, Option<String>); N]) -> String {
    let pairs: Vec<String> =
        parameters.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", encode_segment(&value?)))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}
