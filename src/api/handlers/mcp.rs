//! The MCP server.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::Value;
use tower::ServiceExt;

use super::super::AppState;
use crate::auth::{ClientAccount, ClientOrigin};
use crate::mcp::{Backend, BackendError, ByteStream, Call, McpServer};

/// Makes the routes that the tools use. The route table, which also contains this route, provides it.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct InProcessRoutes(pub(in crate::api) fn(AppState) -> Router);

/// Serves one message of an MCP client.
///
/// The Streamable HTTP transport of the Model Context Protocol, without sessions: every request stands for itself, and a task is a run. The
/// tools are requests to this API, with the token of this request.
#[utoipa::path(post, path = "/mcp", operation_id = "mcp", tag = "mcp",
    request_body(content = Value, description = "A message of JSON-RPC 2.0."),
    extensions(("x-error-codes" = json!([]))),
    responses(
        (status = 200, description = "The answer, or a stream of notifications and the answer.", body = Value),
        (status = 202, description = "The notification was received.")))]
pub(in crate::api) async fn serve(
    State(app): State<AppState>,
    Extension(routes): Extension<InProcessRoutes>,
    request: Request,
) -> Response {
    let backend = Arc::new(InProcess::new((routes.0)(app), &request));
    // The guard around all routes checks hosts and origins, and the body has been read within the limits.
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false).disable_allowed_hosts();
    let server = move || Ok(McpServer::new(backend.clone()));
    StreamableHttpService::new(server, Arc::new(NeverSessionManager::default()), config)
        .handle(request)
        .await
        .map(Body::new)
        .into_response()
}

/// Requests to the routes of this server, as the caller of a request.
struct InProcess {
    routes: Router,
    /// Who calls, as the routes see it.
    authorization: Option<HeaderValue>,
    origin: Option<ClientOrigin>,
    account: Option<ClientAccount>,
}

impl InProcess {
    fn new(routes: Router, request: &Request) -> Self {
        let extensions: &Extensions = request.extensions();
        Self {
            routes,
            authorization: request.headers().get(header::AUTHORIZATION).cloned(),
            origin: extensions.get().copied(),
            account: extensions.get().cloned(),
        }
    }

    async fn send(&self, call: Call, accept: &'static str) -> Result<Response, BackendError> {
        let method = Method::from_bytes(call.method.as_bytes()).map_err(unavailable)?;
        let mut request = Request::builder().method(method).uri(&call.path).header(header::ACCEPT, accept);
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let body = match &call.body {
            None => Body::empty(),
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
        };
        let mut request = request.body(body).map_err(unavailable)?;
        if let Some(origin) = self.origin {
            request.extensions_mut().insert(origin);
        }
        if let Some(account) = &self.account {
            request.extensions_mut().insert(account.clone());
        }
        let Ok(response) = self.routes.clone().oneshot(request).await;
        if response.status().is_success() {
            return Ok(response);
        }
        let body = response.into_body().collect().await.map_err(unavailable)?.to_bytes();
        Err(BackendError::Refused(explain(&serde_json::from_slice(&body).unwrap_or_default())))
    }
}

#[async_trait]
impl Backend for InProcess {
    async fn json(&self, call: Call) -> Result<Value, BackendError> {
        let body = self.send(call, "application/json").await?.into_body().collect().await.map_err(unavailable)?.to_bytes();
        if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body).map_err(unavailable) }
    }

    async fn stream(&self, path: &str, accept: &'static str) -> Result<ByteStream, BackendError> {
        let call = Call { method: "GET", path: path.to_owned(), body: None };
        let body = self.send(call, accept).await?.into_body().into_data_stream();
        Ok(TryStreamExt::map_err(body, unavailable).boxed())
    }
}

/// The text of a problem document: what is wrong, and with which fields.
fn explain(problem: &Value) -> String {
    let faults = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let faults = faults.iter().map(|fault| match (fault["field"].as_str(), fault["detail"].as_str()) {
        (Some(field), Some(detail)) => format!("{field}: {detail}"),
        _ => fault.to_string(),
    });
    let faults: Vec<String> = faults.collect();
    let detail = problem["detail"].as_str().or_else(|| problem["title"].as_str()).unwrap_or("the request failed");
    if faults.is_empty() { detail.to_owned() } else { faults.join("; ") }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unavailable(error: impl ToString) -> BackendError {
    BackendError::Unavailable(error.to_string())
}
