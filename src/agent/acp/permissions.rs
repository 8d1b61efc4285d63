//! Permission requests of the agent. Each is emitted once and closed once: by an answer, by the agent, or with its turn.

use agent_client_protocol_schema::v1::PermissionOptionKind;
use serde_json::{Value, json};

use super::request_keys::RequestKeys;
use super::tools::ToolCalls;
use super::wire::{PermissionOption, PermissionRequest, response};
use crate::agent::Output;
use crate::agent::common::{OpenRequests, Rejected};
use crate::types::{DecidedBy, Decision, PermissionChoice, StreamEvent};

/// The permission requests of one process.
#[derive(Debug, Default)]
pub(super) struct Permissions {
    open: OpenRequests<OpenPermission>,
}

#[derive(Debug)]
struct OpenPermission {
    /// The agent's id of the request.
    id: Value,
    call: String,
    options: Vec<PermissionOption>,
}

impl Permissions {
    /// Opens a request and emits it.
    pub(super) fn open(&mut self, id: Value, request: PermissionRequest, keys: &mut RequestKeys, calls: &mut ToolCalls, out: &mut Output) {
        let subject = calls.subject_of(request.tool_call, out);
        let key = keys.next(&id);
        let offered = [Decision::AllowOnce, Decision::AllowAlways, Decision::Deny];
        let options =
            offered.into_iter().filter(|decision| option_for(&request.options, *decision).is_some() || *decision == Decision::Deny);
        let options = options.collect();
        let choices = choices(&request.options);
        let open = OpenPermission { id, call: subject.key.clone(), options: request.options };
        if let Err(Rejected { request, reason }) = self.open.insert(key.clone(), open) {
            reason.report(out);
            return cancel(&request.id, &request.call, calls, out);
        }
        out.emit(StreamEvent::PermissionRequest {
            id: key,
            tool_call_id: Some(subject.key),
            tool: subject.tool,
            kind: subject.kind,
            input: subject.input,
            options,
            choices,
            expires_at: None,
        });
    }

    /// Whether no request is open.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Rejects a request that arrives outside of a turn or after its interrupt.
    pub(super) fn reject(id: &Value, request: PermissionRequest, calls: &mut ToolCalls, out: &mut Output) {
        let subject = calls.subject_of(request.tool_call, out);
        cancel(id, &subject.key, calls, out);
    }

    /// Sends an answer to the agent: the option `chosen`, or else the one for `decision`. The protocol has no field for the message of a
    /// denial.
    pub(super) fn answer(&mut self, key: &str, decision: Decision, chosen: Option<&str>, calls: &mut ToolCalls, out: &mut Output) {
        let Some(open) = self.open.remove(key) else { return };
        let option = match chosen {
            Some(chosen) => open.options.iter().find(|option| option.option_id == chosen && option.decision() == Some(decision)),
            None => option_for(&open.options, decision),
        };
        let outcome = option.map_or_else(cancelled, |option| json!({ "outcome": { "outcome": "selected", "optionId": option.option_id } }));
        if decision == Decision::Deny || option.is_none() {
            calls.deny(&open.call);
        }
        out.send_json(&response(&open.id, &outcome));
    }

    /// Closes the request that the agent withdraws. Returns `false` if none with its id is open.
    pub(super) fn withdraw(&mut self, id: &Value, calls: &mut ToolCalls, out: &mut Output) -> bool {
        let Some((key, open)) = self.open.remove_where(|_, open| open.id == *id) else { return false };
        open.close(key, "the agent withdrew the request", calls, out);
        true
    }

    /// Closes every open request: cancels it towards the agent, and emits the reason.
    pub(super) fn close_all(&mut self, reason: &str, calls: &mut ToolCalls, out: &mut Output) {
        for (key, open) in self.open.drain() {
            open.close(key, reason, calls, out);
        }
    }
}

impl OpenPermission {
    fn close(self, key: String, reason: &str, calls: &mut ToolCalls, out: &mut Output) {
        cancel(&self.id, &self.call, calls, out);
        out.emit(StreamEvent::PermissionResolved {
            id: key,
            decision: Decision::Deny,
            option_id: None,
            by: DecidedBy::Policy,
            reason: Some(reason.to_owned()),
        });
    }
}

/// Tells the agent that its request about `call` was cancelled.
fn cancel(id: &Value, call: &str, calls: &mut ToolCalls, out: &mut Output) {
    calls.deny(call);
    out.send_json(&response(id, &cancelled()));
}

fn cancelled() -> Value {
    json!({ "outcome": { "outcome": "cancelled" } })
}

/// The agent's option for `decision`, by kind, since each agent defines its own ids. Never one that allows more than was decided, and none
/// if several allow it: they differ in what happens then (an agent may use its request as a chooser), and only a user can tell which is
/// meant.
fn option_for(options: &[PermissionOption], decision: Decision) -> Option<&PermissionOption> {
    let mut matching = options.iter().filter(|option| option.decision() == Some(decision));
    let first = matching.next()?;
    match (decision, matching.next()) {
        (_, None) => Some(first),
        // Every one of them denies; the least lasting is chosen.
        (Decision::Deny, Some(_)) => options.iter().find(|option| option.kind == Some(PermissionOptionKind::RejectOnce)).or(Some(first)),
        (Decision::AllowOnce | Decision::AllowAlways, Some(_)) => None,
    }
}

/// The options of known kinds, for the request's event.
fn choices(options: &[PermissionOption]) -> Vec<PermissionChoice> {
    let choice = |option: &PermissionOption| {
        let name = option.name.clone().unwrap_or_else(|| option.option_id.clone());
        Some(PermissionChoice { id: option.option_id.clone(), name, decision: option.decision()? })
    };
    options.iter().filter_map(choice).collect()
}

impl PermissionOption {
    /// The decision that the option stands for. `None` for kinds of later protocol versions.
    fn decision(&self) -> Option<Decision> {
        match self.kind? {
            PermissionOptionKind::AllowOnce => Some(Decision::AllowOnce),
            PermissionOptionKind::AllowAlways => Some(Decision::AllowAlways),
            PermissionOptionKind::RejectOnce | PermissionOptionKind::RejectAlways => Some(Decision::Deny),
            _ => None,
        }
    }
}
