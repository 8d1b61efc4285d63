//! Permission requests of the agent. Each is emitted once and closed once: by an answer, by the agent, or with its turn.

use std::collections::HashMap;

use agent_client_protocol_schema::v1::PermissionOptionKind;
use serde_json::{Value, json};

use super::tools::ToolCalls;
use super::wire::{PermissionOption, PermissionRequest, response};
use crate::agent::Output;
use crate::agent::common::{OpenRequests, Rejected};
use crate::types::{DecidedBy, Decision, StreamEvent};

/// The permission requests of one process.
#[derive(Debug, Default)]
pub(super) struct Permissions {
    open: OpenRequests<OpenPermission>,
    /// How often the agent used each id. A reused id gets a suffix, so that no two requests share one.
    uses: HashMap<String, u32>,
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
    pub(super) fn open(&mut self, id: Value, request: PermissionRequest, calls: &mut ToolCalls, out: &mut Output) {
        let subject = calls.subject_of(request.tool_call, out);
        let key = self.key(&id);
        let offered = [Decision::AllowOnce, Decision::AllowAlways, Decision::Deny];
        let options =
            offered.into_iter().filter(|decision| option_for(&request.options, *decision).is_some() || *decision == Decision::Deny);
        let options = options.collect();
        let open = OpenPermission { id, call: subject.agent_id, options: request.options };
        if let Err(Rejected { request, reason }) = self.open.insert(key.clone(), open) {
            out.emit(reason.notice());
            return cancel(&request.id, &request.call, calls, out);
        }
        out.emit(StreamEvent::PermissionRequest {
            id: key,
            tool_call_id: Some(subject.id),
            tool: subject.tool,
            kind: subject.kind,
            input: subject.input,
            options,
            expires_at: None,
        });
    }

    /// Rejects a request that arrives outside of a turn or after its interrupt.
    pub(super) fn reject(id: &Value, request: PermissionRequest, calls: &mut ToolCalls, out: &mut Output) {
        let subject = calls.subject_of(request.tool_call, out);
        cancel(id, &subject.agent_id, calls, out);
    }

    /// Sends an answer to the agent. The protocol has no field for the message of a denial.
    pub(super) fn answer(&mut self, key: &str, decision: Decision, calls: &mut ToolCalls, out: &mut Output) {
        let Some(open) = self.open.remove(key) else { return };
        let option = option_for(&open.options, decision);
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

    fn key(&mut self, id: &Value) -> String {
        let id = id.to_string();
        let uses = self.uses.entry(id.clone()).or_default();
        *uses = uses.saturating_add(1);
        if *uses == 1 { id } else { format!("{id}#{uses}") }
    }
}

impl OpenPermission {
    fn close(self, key: String, reason: &str, calls: &mut ToolCalls, out: &mut Output) {
        cancel(&self.id, &self.call, calls, out);
        out.emit(StreamEvent::PermissionResolved {
            id: key,
            decision: Decision::Deny,
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

/// The agent's option for `decision`, by kind, since each agent defines its own ids. Never one that allows more than was decided.
fn option_for(options: &[PermissionOption], decision: Decision) -> Option<&PermissionOption> {
    use PermissionOptionKind as Kind;
    let kinds: &[Kind] = match decision {
        Decision::AllowOnce => &[Kind::AllowOnce],
        Decision::AllowAlways => &[Kind::AllowAlways],
        Decision::Deny => &[Kind::RejectOnce, Kind::RejectAlways],
    };
    kinds.iter().find_map(|kind| options.iter().find(|option| option.kind == Some(*kind)))
}
