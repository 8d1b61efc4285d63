//! Permission requests of the agent: each is announced once and comes to one end, by an answer, by the agent or with its turn.

use std::collections::HashMap;

use agent_client_protocol_schema::v1::PermissionOptionKind;
use serde_json::{Value, json};

use super::tools::Calls;
use super::wire::{PermissionOption, PermissionRequest, response};
use crate::agent::Output;
use crate::types::{DecidedBy, Decision, StreamEvent};

/// The requests of one process.
#[derive(Debug, Default)]
pub(super) struct Permissions {
    /// Those without an end, in the order of their asking.
    open: Vec<Asked>,
    /// How often each id of the agent's was used: one that comes again is told under another id, so that no two requests share one.
    uses: HashMap<String, u32>,
}

#[derive(Debug)]
struct Asked {
    /// The id that we announced.
    key: String,
    /// The agent's own.
    id: Value,
    call: String,
    options: Vec<PermissionOption>,
}

impl Permissions {
    /// Announces a request of the agent.
    pub(super) fn ask(&mut self, id: Value, asked: PermissionRequest, calls: &mut Calls, out: &mut Output) {
        let asking = calls.ask(asked.tool_call, out);
        let offered = [Decision::AllowOnce, Decision::AllowAlways, Decision::Deny];
        let options = offered.into_iter().filter(|decision| choice(&asked.options, *decision).is_some() || *decision == Decision::Deny);
        let key = self.key(&id);
        out.event(StreamEvent::PermissionRequest {
            id: key.clone(),
            tool_call_id: Some(asking.id.clone()),
            tool: asking.tool,
            kind: asking.kind,
            input: asking.input,
            options: options.collect(),
            expires_at: None,
        });
        self.open.push(Asked { key, id, call: asking.id, options: asked.options });
    }

    /// Refuses a request that comes outside of a turn, or after its interrupt: there is nobody to ask.
    pub(super) fn refuse(id: &Value, asked: PermissionRequest, calls: &mut Calls, out: &mut Output) {
        let asking = calls.ask(asked.tool_call, out);
        calls.deny(&asking.id);
        out.send_json(&response(id, &cancelled()));
    }

    /// Carries an answer to the agent. The protocol has no place for a denial's words.
    pub(super) fn answer(&mut self, key: &str, decision: Decision, calls: &mut Calls, out: &mut Output) {
        let Some(at) = self.open.iter().position(|asked| asked.key == key) else { return };
        let asked = self.open.remove(at);
        let chosen = choice(&asked.options, decision);
        let outcome = chosen.map_or_else(cancelled, |option| json!({ "outcome": { "outcome": "selected", "optionId": option.option_id } }));
        if decision == Decision::Deny || chosen.is_none() {
            calls.deny(&asked.call);
        }
        out.send_json(&response(&asked.id, &outcome));
    }

    /// The agent takes back the request with its id `id`. `false` if there is none that is open.
    pub(super) fn withdraw(&mut self, id: &Value, calls: &mut Calls, out: &mut Output) -> bool {
        let Some(at) = self.open.iter().position(|asked| asked.id == *id) else { return false };
        let asked = self.open.remove(at);
        asked.close("the agent took the request back", calls, out);
        true
    }

    /// Closes every request that is open: the agent is told that it was cancelled, the log why.
    pub(super) fn close_all(&mut self, reason: &str, calls: &mut Calls, out: &mut Output) {
        for asked in std::mem::take(&mut self.open) {
            asked.close(reason, calls, out);
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
    fn close(self, reason: &str, calls: &mut Calls, out: &mut Output) {
        calls.deny(&self.call);
        out.send_json(&response(&self.id, &cancelled()));
        out.event(StreamEvent::PermissionResolved {
            id: self.key,
            decision: Decision::Deny,
            by: DecidedBy::Policy,
            reason: Some(reason.to_owned()),
        });
    }
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
