//! Requests of and messages to a live run.

use serde_json::{Value, json};

use super::{Answer, Client, Frame};

impl Client {
    /// Creates a run of the scripted agent in `ask` mode and returns its id.
    pub(crate) async fn asking(&self, script: &str) -> String {
        self.script_with(script, json!({ "permission_mode": "ask" })).await
    }

    /// Creates a run of the scripted agent with this metadata and returns its id.
    pub(crate) async fn script_with(&self, script: &str, mut metadata: Value) -> String {
        metadata["agent_type"] = "claude_code".into();
        self.create(script, metadata).await
    }

    /// The open requests of a run.
    pub(crate) async fn requests(&self, run: &str) -> Vec<Value> {
        let answer = self.get(&format!("/api/runs/{run}/requests")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body["items"].as_array().expect("a listing").clone()
    }

    /// Answers a request of a run.
    pub(crate) async fn answer(&self, run: &str, request: &str, body: Value) -> Answer {
        self.post(&format!("/api/runs/{run}/requests/{request}"), &body).await
    }

    /// Decides on a request of a run, which must succeed.
    pub(crate) async fn decide(&self, run: &str, request: &str, decision: &str) {
        let answer = self.answer(run, request, json!({ "decision": decision })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    /// Sends a message to a run.
    pub(crate) async fn say(&self, run: &str, mode: &str, text: &str) -> Answer {
        self.post(&format!("/api/runs/{run}/messages"), &json!({ "text": text, "mode": mode })).await
    }
}

/// The data of all events of this type.
pub(crate) fn of<'a>(frames: &'a [Frame], name: &str) -> Vec<&'a Value> {
    frames.iter().filter(|frame| frame.event == name).map(|frame| &frame.data).collect()
}

/// The data of the notice with this code, if there is one.
pub(crate) fn notice<'a>(frames: &'a [Frame], code: &str) -> Option<&'a Value> {
    of(frames, "notice").into_iter().find(|notice| notice["code"] == code)
}
