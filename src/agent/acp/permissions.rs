//! Permission requests of the agent: each is announced once and comes to one end, by an answer, by the agent or with its turn.

use std::collections::HashMap;

use agent_client_protocol_schema::v1::PermissionOptionKind;
use serde_json::{Value, json};

use super::tools::Calls;
use super::wire::{PermissionOption, PermissionRequest, response};
use crate::agent::Output;
use crate::agent::common::{OpenRequests, Rejected};
use crate::types::{DecidedBy, Decision, StreamEvent};

/// The requests of one process.
#[derive(Debug, Default)]
pub(super) struct Permissions {
    open: OpenRequests<Asked>,
    /// How often each id of the agent's was used: one that comes again is told under another id, so that no two requests share one.
    uses: HashMap<String, u32>,
}

#[derive(Debug)]
struct Asked {
    /// The agent's own.
    id: Value,
    call: String,
    options: Vec<PermissionOption>,
}

impl Permissions {
    /// Announces a request of the agent.
    pub(super) fn ask(&mut self, id: Value, asked: PermissionRequest, calls: &mut Calls, out: &mut Output) {
        let asking = calls.ask(asked.tool_call, out);
        let key = self.key(&id);
        let offered = [Decision::AllowOnce, Decision::AllowAlways, Decision::Deny];
        let options = offered.into_iter().filter(|decision| choice(&asked.options, *decision).is_some() || *decision == Decision::Deny);
        let options = options.collect();
        let open = Asked { id, call: asking.id.clone(), options: asked.options };
        if let Err(Rejected { request, reason }) = self.open.insert(key.clone(), open) {
            out.event(reason.notice());
            return cancel(&request.id, &request.call, calls, out);
        }
        out.event(StreamEvent::PermissionRequest {
            id: key,
            tool_call_id: Some(asking.id),
            tool: asking.tool,
            kind: asking.kind,
            input: asking.input,
            options,
            expires_at: None,
        });
    }

    /// Refuses a request that comes outside of a turn, or after its interrupt: there is nobody to ask.
    pub(super) fn refuse(id: &Value, asked: PermissionRequest, calls: &mut Calls, out: &mut Output) {
        let asking = calls.ask(asked.tool_call, out);
        cancel(id, &asking.id, calls, out);
    }

    /// Carries an answer to the agent. The protocol has no place for a denial's words.
    pub(super) fn answer(&mut self, key: &str, decision: Decision, calls: &mut Calls, out: &mut Output) {
        let Some(asked) = self.open.remove(key) else { return };
        let chosen = choice(&asked.options, decision);
        let outcome = chosen.map_or_else(cancelled, |option| json!({ "outcome": { "outcome": "selected", "optionId": option.option_id } }));
        if decision == Decision::Deny || chosen.is_none() {
            calls.deny(&asked.call);
        }
        out.send_json(&response(&asked.id, &outcome));
    }

    /// The agent takes back the request with its id `id`. `false` if there is none that is open.
    pub(super) fn withdraw(&mut self, id: &Value, calls: &mut Calls, out: &mut Output) -> bool {
        let Some((key, asked)) = self.open.remove_where(|_, asked| asked.id == *id) else { return false };
        asked.close(key, "the agent took the request back", calls, out);
        true
    }

    /// Closes every request that is open: the agent is told that it was cancelled, the log why.
    pub(super) fn close_all(&mut self, reason: &str, calls: &mut Calls, out: &mut Output) {
        for (key, asked) in self.open.drain() {
            asked.close(key, reason, calls, out);
        }
    }

    fn key(&mut self, id: &Value) -> String {
        let id = id.to_string();
        let uses = self.uses.entry(id.clone()).or_default();
        *uses = uses.saturating_add(1);
        if *uses == 1 { id } else { format!("{id}#{uses}") }
    }
}

impl Asked {
    fn close(self, key: String, reason: &str, calls: &mut Calls, out: &mut Output) {
        cancel(&self.id, &self.call, calls, out);
        out.event(StreamEvent::PermissionResolved {
            id: key,
            decision: Decision::Deny,
            by: DecidedBy::Policy,
            reason: Some(reason.to_owned()),
        });
    }
}

/// Tells the agent that its request about `call` was cancelled.
fn cancel(id: &Value, call: &str, calls: &mut Calls, out: &mut Output) {
    calls.deny(call);
    out.send_json(&response(id, &cancelled()));
}

fn cancelled() -> Value {
    json!({ "outcome": { "outcome": "cancelled" } })
}

/// The agent's option for `decision`, by kind: the ids are every agent's own. Never one that allows more than was decided.
fn choice(options: &[PermissionOption], decision: Decision) -> Option<&PermissionOption> {
    use PermissionOptionKind as Kind;
    let wanted: &[Kind] = match decision {
        Decision::AllowOnce => &[Kind::AllowOnce],
        Decision::AllowAlways => &[Kind::AllowAlways],
        Decision::Deny => &[Kind::RejectOnce, Kind::RejectAlways],
    };
    wanted.iter().find_map(|kind| options.iter().find(|option| option.kind == Some(*kind)))
}
