//! Traces: what a collector receives about a run, and an unreachable collector affects nothing.
//!
//! Rules: W7.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::support::{Server, Setup, live};

/// A collector that keeps what it receives.
struct Collector {
    url: String,
    sent: mpsc::Receiver<(HeaderMap, Bytes)>,
}

impl Collector {
    async fn start() -> Self {
        let (keep, sent) = mpsc::channel(64);
        let take = async |State(keep): State<mpsc::Sender<(HeaderMap, Bytes)>>, headers: HeaderMap, body: Bytes| {
            keep.send((headers, body)).await.map_or(StatusCode::GONE, |()| StatusCode::OK)
        };
        let router = Router::new().route("/v1/traces", post(take)).with_state(keep);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
        Self { url, sent }
    }

    /// A server that exports its traces to this collector.
    fn setup(&self) -> Setup {
        Setup::new().env("OTEL_EXPORTER_OTLP_ENDPOINT", &self.url)
    }

    /// The headers and the body of the next request.
    async fn next(&mut self) -> (HeaderMap, Bytes) {
        self.sent.recv().await.expect("the collector lives as long as the test")
    }

    /// The spans of the next request, and their resource attributes.
    async fn spans(&mut self) -> (Vec<KeyValue>, Vec<Span>) {
        let (_headers, body) = self.next().await;
        spans(&body)
    }
}

fn spans(body: &[u8]) -> (Vec<KeyValue>, Vec<Span>) {
    let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
    let [of_resource] = &request.resource_spans[..] else { panic!("one resource: {request:?}") };
    let spans = of_resource.scope_spans.iter().flat_map(|scope| scope.spans.clone()).collect();
    (of_resource.resource.clone().expect("it is named").attributes, spans)
}

/// An attribute as text.
fn attribute(attributes: &[KeyValue], key: &str) -> String {
    match attributes.iter().find(|attribute| attribute.key == key).and_then(|attribute| attribute.value.clone()) {
        Some(AnyValue { value: Some(Any::StringValue(text)) }) => text,
        Some(AnyValue { value: Some(Any::IntValue(number)) }) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// The only span whose name starts with this.
fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name.starts_with(name)).collect();
    let [span] = found[..] else { panic!("not one {name}: {spans:?}") };
    span
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))
}

#[test]
fn a_run_is_a_span_with_its_tools_as_children_and_without_content() {
    live(async {
        let mut collector = Collector::start().await;
        let setup = collector.setup().env("OTEL_EXPORTER_OTLP_HEADERS", "x-collector-key=let-me-in-please");
        let server = setup.env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test").start().await;
        let user = server.client("user").await;
        let script = "# secretprompt\nsay secretanswer\npermission Bash {\"command\":\"echo secretinput\"}\nresult secretresult";
        let id = user.create(script, json!({ "agent_type": "claude_code", "model": "opus" })).await;
        let end = user.end_of(&id).await;
        let (headers, body) = collector.next().await;
        assert_eq!(
            (&headers["content-type"], &headers["x-collector-key"]),
            (&"application/x-protobuf".parse().unwrap(), &"let-me-in-please".parse().unwrap())
        );
        assert!(memchr::memmem::find(&body, b"secret").is_none(), "a word of the run is in its trace");
        assert!(!server.log().contains("let-me-in-please"));

        let (resource, spans) = spans(&body);
        assert_eq!(
            (attribute(&resource, "service.name").as_str(), attribute(&resource, "deployment.environment").as_str()),
            ("openrunner", "test")
        );
        let root = named(&spans, "invoke_agent claude_code");
        let digits = id.strip_prefix("run_").unwrap();
        assert_eq!((hex(&root.trace_id).as_str(), hex(&root.span_id).as_str()), (digits, &digits[16..]), "a trace is found by its run");
        assert!(root.parent_span_id.is_empty());
        for (key, value) in [
            ("gen_ai.operation.name", json!("invoke_agent")),
            ("gen_ai.agent.name", json!("claude_code")),
            ("gen_ai.request.model", json!("opus")),
            ("gen_ai.conversation.id", end["session_id"].clone()),
            ("openrunner.run.id", json!(id)),
            ("openrunner.outcome", json!("completed")),
            ("openrunner.cause", json!("ok")),
        ] {
            assert_eq!(attribute(&root.attributes, key), value.as_str().unwrap(), "{key}");
        }
        assert_eq!(attribute(&root.attributes, "gen_ai.usage.output_tokens"), end["usage"]["output_tokens"].to_string());
        let tool = named(&spans, "execute_tool Bash");
        assert_eq!((&tool.trace_id, &tool.parent_span_id), (&root.trace_id, &root.span_id));
        assert_eq!(
            (attribute(&tool.attributes, "openrunner.tool.kind").as_str(), attribute(&tool.attributes, "openrunner.tool.status").as_str()),
            ("execute", "ok")
        );
        assert!(root.start_time_unix_nano <= tool.start_time_unix_nano && tool.end_time_unix_nano <= root.end_time_unix_nano);
        assert_eq!(named(&spans, "openrunner.start").parent_span_id, root.span_id);
        assert_eq!(spans.len(), 3);
    });
}

#[test]
fn a_run_joins_the_trace_of_its_caller_and_follows_its_sampling() {
    live(async {
        let mut collector = Collector::start().await;
        let server = collector.setup().start().await;
        let user = server.client("user").await;
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let ask = async |flags: &str| {
            let body = json!({ "input": { "text": "error broken" }, "metadata": { "agent_type": "claude_code" } });
            let request = user.request(reqwest::Method::POST, "/api/runs").header("traceparent", format!("00-{trace}-{span}-{flags}"));
            let made = user.send(request.json(&body)).await;
            let id = made.body["run_id"].as_str().unwrap().to_owned();
            user.end_of(&id).await;
            id
        };
        ask("00").await;
        let id = ask("01").await;
        let (_resource, spans) = collector.spans().await;
        let root = named(&spans, "invoke_agent");
        assert_eq!(attribute(&root.attributes, "openrunner.run.id"), id, "the run before it is left out");
        assert_eq!((hex(&root.trace_id).as_str(), hex(&root.parent_span_id).as_str()), (trace, span));
        assert_eq!((attribute(&root.attributes, "error.type").as_str(), root.status.clone().unwrap().code), ("agent_error", 2));
    });
}

#[test]
fn a_run_that_outlives_its_server_has_one_complete_trace() {
    live(async {
        let mut collector = Collector::start().await;
        let server = collector.setup().start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = user.script(&format!("permission Bash\nsay up\nwait {}\nresult done", go.display())).await;
        user.follow(&id).await.until_text("up").await;
        let server = server.killed_and_started_again().await;
        std::fs::write(&go, "").unwrap();
        let end = user.at(server.url()).end_of(&id).await;
        let (_resource, spans) = collector.spans().await;
        let root = named(&spans, "invoke_agent");
        assert_eq!(hex(&root.trace_id), id.strip_prefix("run_").unwrap());
        assert_eq!(named(&spans, "execute_tool Bash").parent_span_id, root.span_id, "from before the kill");
        let millis = (root.end_time_unix_nano - root.start_time_unix_nano) / 1_000_000;
        assert!(millis.abs_diff(end["duration_ms"].as_u64().unwrap()) <= 2_000, "{millis} {end}");
    });
}

#[test]
fn pending_spans_are_exported_before_shutdown() {
    live(async {
        let mut collector = Collector::start().await;
        let mut server = collector.setup().start().await;
        let user = server.client("user").await;
        let id = user.script("say up\nwait-for-interrupt").await;
        user.follow(&id).await.until_text("up").await;
        server.signal(Signal::INT);
        assert_eq!(server.ended().await, 0);
        let (_resource, spans) = collector.spans().await;
        assert_eq!(attribute(&named(&spans, "invoke_agent").attributes, "openrunner.cause"), "shutdown");
    });
}

#[test]
fn an_unreachable_collector_is_logged_once_and_blocks_nothing() {
    live(async {
        // A port on which nothing listens.
        let closed_port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let setup = Setup::new().env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{closed_port}")).env("OTEL_EXPORTER_OTLP_TIMEOUT", 50);
        let mut server = setup.start().await;
        let user = server.client("user").await;
        for _ in 0..3 {
            let id = user.script("result done").await;
            assert_eq!(user.end_of(&id).await["status"], "completed");
        }
        server.logs("could not export traces").await;
        server.signal(Signal::INT);
        assert_eq!(server.ended().await, 0);
        assert_eq!(server.log().matches("could not export traces").count(), 1);
    });
}

#[test]
fn without_a_collector_tracing_is_off() {
    live(async {
        let server = Server::start().await;
        assert!(!server.log().contains("traces"));
        let off = Setup::new().env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9").env("OTEL_SDK_DISABLED", "true").start().await;
        assert!(!off.log().contains("traces"));
    });
}

#[test]
fn json_log_lines_name_the_run_and_contain_no_content() {
    live(async {
        let setup = Setup::new().env("OPENRUNNER_LOG_FORMAT", "json").env("OPENRUNNER_LOG", "debug");
        let server = setup.env("ANTHROPIC_API_KEY", "sk-secret-of-the-server").start().await;
        let admin = server.client("admin").await;
        let metadata =
            json!({ "agent_type": "claude_code", "env": { "MY_VALUE": "secret-of-the-run" }, "labels": { "a": "secret-label" } });
        let id = admin.create("# secret-prompt\nsay secret-answer\nstderr secret-stderr\nresult secret-result", metadata).await;
        admin.end_of(&id).await;
        server.logs("run ended").await;
        let log = server.log();
        assert!(!log.contains("secret") && !log.contains(admin.token()), "{log}");
        let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
        let of_run: Vec<_> = lines.iter().filter(|line| line["run.id"] == json!(id)).filter_map(|line| line["message"].as_str()).collect();
        assert!(of_run.contains(&"run created") && of_run.contains(&"run ended"), "{of_run:?}");
    });
}
