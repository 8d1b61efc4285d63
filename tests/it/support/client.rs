//! A client of the API.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{Frames, described};

/// A client with a token.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status code.
    pub(crate) status: u16,
    /// Headers.
    pub(crate) headers: reqwest::header::HeaderMap,
    /// Body as text.
    pub(crate) text: String,
    /// Body as JSON; null if it is not JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// A header as text; empty if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Asserts that this is a problem document with this status and code, and returns the first field in `errors`.
    pub(crate) fn problem(&self, status: u16, code: &str) -> &str {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        for field in ["type", "title", "detail"] {
            assert!(self.body[field].as_str().is_some_and(|text| !text.is_empty()), "no {field}: {}", self.text);
        }
        self.body["errors"][0]["field"].as_str().unwrap_or_default()
    }
}

impl Client {
    pub(super) fn new(url: String, token: Option<String>) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { http, url, token }
    }

    /// The same client with a connection of its own for each request: one that was kept open may have been closed by the server meanwhile,
    /// which a request then meets as an error.
    pub(crate) fn without_pool(self) -> Self {
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
        Self { http, ..self }
    }

    /// The same client for another server.
    pub(crate) fn at(&self, url: String) -> Self {
        Self { url, ..self.clone() }
    }

    /// The same client with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Logs in.
    pub(crate) async fn login(&self, name: &str, password: &str) -> Self {
        let answer = self.post("/api/auth/login", &json!({ "username": name, "password": password })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Self { token: answer.body["token"].as_str().map(str::to_owned), ..self.clone() }
    }

    /// The token.
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().expect("it has logged in")
    }

    /// A request builder with the token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and reads the whole response, which must match the API description.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let request = request.build().expect("a request");
        let (method, path) = (request.method().to_string(), request.url().path().to_owned());
        let response = self.http.execute(request).await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("the whole body");
        let body = serde_json::from_str(&text).unwrap_or_default();
        let answer = Answer { status, headers, text, body };
        described::check(&method, &path, &answer);
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Posts with an idempotency key.
    pub(crate) async fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).header("idempotency-key", key).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Cancels a run.
    pub(crate) async fn cancel(&self, id: &str) -> Answer {
        self.send(self.request(Method::POST, &format!("/api/runs/{id}/cancel"))).await
    }

    /// Posts a run.
    pub(crate) async fn ask(&self, prompt: &str, metadata: Value) -> Answer {
        self.post("/api/runs", &json!({ "input": { "text": prompt }, "metadata": metadata })).await
    }

    /// Creates a run and returns its id.
    pub(crate) async fn create(&self, prompt: &str, metadata: Value) -> String {
        let answer = self.ask(prompt, metadata).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body["run_id"].as_str().expect("an id").to_owned()
    }

    /// Creates a run of the scripted agent and returns its id.
    pub(crate) async fn script(&self, script: &str) -> String {
        self.create(script, json!({ "agent_type": "claude_code" })).await
    }

    /// The run now.
    pub(crate) async fn run(&self, id: &str) -> Value {
        let answer = self.get(&format!("/api/runs/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body
    }

    /// The run after its end.
    pub(crate) async fn end_of(&self, id: &str) -> Value {
        let answer = self.get(&format!("/api/runs/{id}?wait=100")).await;
        assert!(answer.body["ended_at"].is_string(), "{}", answer.text);
        answer.body
    }

    /// Follows a run from its first event.
    pub(crate) async fn follow(&self, id: &str) -> Frames {
        self.follow_after(id, 0).await
    }

    /// Follows a run from the event after this one.
    pub(crate) async fn follow_after(&self, id: &str, after: u64) -> Frames {
        let response = self.request(Method::GET, &format!("/api/runs/{id}/events?after={after}")).send().await.expect("the server answers");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Frames::of(response)
    }

    /// The complete text of the scripted agent in an ended run.
    pub(crate) async fn said(&self, id: &str) -> Vec<String> {
        let frames = self.follow(id).await.rest().await;
        frames
            .iter()
            .filter(|frame| frame.event == "message")
            .filter_map(|frame| frame.data["content"].as_str().map(str::to_owned))
            .collect()
    }

    /// Runs these `report` instructions of the scripted agent and returns the reported values.
    pub(crate) async fn reports(&self, facts: &[&str], metadata: Value) -> Vec<Value> {
        let script: Vec<String> = facts.iter().map(|fact| format!("report {fact}")).collect();
        let mut metadata = metadata;
        metadata["agent_type"] = "claude_code".into();
        let id = self.create(&format!("{}\nresult reported", script.join("\n")), metadata).await;
        let end = self.end_of(&id).await;
        assert_eq!(end["status"], "completed", "{end}");
        self.said(&id).await.iter().map(|text| serde_json::from_str(text).expect("a report is JSON")).collect()
    }
}
