//! The requests of an MCP client.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, ErrorData, GetTaskParams, GetTaskResult, Implementation,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams,
    ReadResourceResponse, ServerCapabilities, ServerConfig, Tool, UpdateTaskParams,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};

use super::backend::{Backend, BackendError, Call};
use super::path::run_segment;
use super::wait::state;
use super::{input_requests, resources, tasks, tools};
use crate::types::encode_segment;

/// What a model reads about this server.
const INSTRUCTIONS: &str = "OpenRunner runs coding agents. Give an agent a task with `run_agent`, or with `start_run` to let several work at \
                            once, and wait for them with `wait_for_run`. Runs continue when this client disconnects. An agent that runs with \
                            `permission_mode` `ask` waits until `answer_request` is used.";

/// An MCP server whose tools are requests to the HTTP API. Cheap to clone; it keeps nothing between requests.
#[derive(Clone)]
pub struct McpServer {
    backend: Arc<dyn Backend>,
}

impl std::fmt::Debug for McpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("McpServer").finish_non_exhaustive()
    }
}

impl McpServer {
    /// A server whose requests are carried out by `backend`.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }
}

impl ServerHandler for McpServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_tasks().build();
        let implementation = Implementation::new("openrunner", env!("CARGO_PKG_VERSION")).with_title("OpenRunner");
        ServerConfig::new(capabilities).with_server_info(implementation).with_instructions(INSTRUCTIONS)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all().into_iter().find(|tool| tool.name == name)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all()))
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        tokio::select! {
            response = tools::call(&self.backend, &request.name, request.arguments, &context) => response,
            () = context.ct.cancelled() => Err(ErrorData::internal_error("the request was cancelled; a run that it started goes on", None)),
        }
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        resources::list(&*self.backend).await.map_err(|error| ErrorData::internal_error(error.to_string(), None))
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(resources::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(&*self.backend, &request.uri).await.map(Into::into)
    }

    async fn get_task(&self, request: GetTaskParams, _context: RequestContext<RoleServer>) -> Result<GetTaskResult, ErrorData> {
        let awaited = state(&*self.backend, &task_segment(&request.task_id)?, 0).await.map_err(refused)?;
        Ok(GetTaskResult::new(tasks::of_run(&awaited)))
    }

    async fn update_task(&self, request: UpdateTaskParams, _context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        let run = task_segment(&request.task_id)?;
        let open = input_requests::open(&*self.backend, &run).await.map_err(refused)?;
        for (id, response) in &request.input_responses {
            // An answer that came twice, or too late, is no fault of the client.
            let Some(asked) = open.iter().find(|asked| asked["id"] == id.as_str()) else { continue };
            let body =
                input_requests::answer(asked, response).map_err(|reason| ErrorData::invalid_params(format!("{id}: {reason}"), None))?;
            self.backend.json(Call::post(format!("/api/runs/{run}/requests/{}", encode_segment(id)), body)).await.map_err(refused)?;
        }
        Ok(())
    }

    async fn cancel_task(&self, request: CancelTaskParams, _context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        let path = format!("/api/runs/{}/cancel", task_segment(&request.task_id)?);
        self.backend.json(Call { method: "POST", path, body: None }).await.map_err(refused)?;
        Ok(())
    }
}

fn task_segment(id: &str) -> Result<String, ErrorData> {
    run_segment(id).map_err(|reason| ErrorData::invalid_params(reason, None))
}

fn refused(error: BackendError) -> ErrorData {
    match error {
        BackendError::Refused(reason) => ErrorData::invalid_params(reason, None),
        BackendError::Unavailable(reason) => ErrorData::internal_error(reason, None),
    }
}
