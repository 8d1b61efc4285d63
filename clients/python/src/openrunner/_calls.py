"""API operations, generated from docs/openapi.json by generate_calls.py. Do not edit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any
from urllib.parse import quote

from . import models


class Calls(ABC):
    """One synchronous method per API operation."""

    @abstractmethod
    def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        idempotent: bool = False,
        idempotency_key: str | None = None,
    ) -> Any: ...

    def health(self) -> models.HealthResponse:
        """Returns the health of the server."""
        response: models.HealthResponse = self._call("GET", "/health")
        return response

    def agents_health(self) -> models.AgentReportPage:
        """Returns which agents are available and, with a token, how to install or log in to the others."""
        response: models.AgentReportPage = self._call("GET", "/health/agents")
        return response

    def login_options(self) -> models.LoginOptions:
        """Returns which default users may log in from where this request comes from."""
        response: models.LoginOptions = self._call("GET", "/api/auth/login")
        return response

    def login(self, body: models.LoginRequest) -> models.LoginResponse:
        """Logs in with user name and password, and returns a token."""
        response: models.LoginResponse = self._call("POST", "/api/auth/login", body=body)
        return response

    def logout(self) -> None:
        """Revokes the token of the request."""
        self._call("POST", "/api/auth/logout")

    def me(self) -> models.Me:
        """Returns the caller."""
        response: models.Me = self._call("GET", "/api/auth/me")
        return response

    def change_password(self, body: models.PasswordRequest) -> models.LoginResponse:
        """Changes the caller's password. This ends a default password and revokes all tokens of the user."""
        response: models.LoginResponse = self._call("POST", "/api/auth/password", body=body)
        return response

    def list_users(self, *, limit: int | None = None, cursor: models.UserName | None = None) -> models.AccountPage:
        """Lists the users by name. Admins only."""
        response: models.AccountPage = self._call("GET", "/api/users", query={"limit": limit, "cursor": cursor})
        return response

    def create_user(self, body: models.CreateUserRequest) -> models.Account:
        """Creates a user. Admins only."""
        response: models.Account = self._call("POST", "/api/users", body=body)
        return response

    def get_user(self, name: models.UserName) -> models.Account:
        """Returns a user. Admins only."""
        response: models.Account = self._call("GET", f"/api/users/{quote(name, safe='')}")
        return response

    def delete_user(self, name: models.UserName) -> None:
        """Removes a user. Admins only."""
        self._call("DELETE", f"/api/users/{quote(name, safe='')}")

    def change_user(self, name: models.UserName, body: models.ChangeUserRequest) -> models.Account:
        """Changes the role, the password, the budget or the quotas of a user. Admins only."""
        response: models.Account = self._call("PATCH", f"/api/users/{quote(name, safe='')}", body=body)
        return response

    def list_keys(
        self, *, owner: models.UserName | None = None, limit: int | None = None, cursor: models.KeyId | None = None
    ) -> models.ApiKeyPage:
        """Lists the caller's API keys, newest first; for admins, the keys of all users."""
        response: models.ApiKeyPage = self._call("GET", "/api/keys", query={"owner": owner, "limit": limit, "cursor": cursor})
        return response

    def create_key(self, body: models.CreateKeyRequest) -> models.CreateKeyResponse:
        """Creates an API key for the caller; for admins, for any user. Only this response contains the secret."""
        response: models.CreateKeyResponse = self._call("POST", "/api/keys", body=body)
        return response

    def delete_key(self, id: models.KeyId) -> None:
        """Revokes an API key of the caller; for admins, of any user."""
        self._call("DELETE", f"/api/keys/{quote(id, safe='')}")

    def list_audit(
        self,
        *,
        username: models.UserName | None = None,
        action: models.AuditAction | None = None,
        run_id: models.RunId | None = None,
        since: models.Timestamp | None = None,
        limit: int | None = None,
        cursor: int | None = None,
    ) -> models.AuditEntryPage:
        """Lists the audit log, newest first. Admins only."""
        response: models.AuditEntryPage = self._call(
            "GET",
            "/api/audit",
            query={"username": username, "action": action, "run_id": run_id, "since": since, "limit": limit, "cursor": cursor},
        )
        return response

    def list_usage(
        self,
        *,
        group_by: str | None = None,
        since: models.Day | None = None,
        until: models.Day | None = None,
        owner: models.UserName | None = None,
        agent_type: str | None = None,
        session_id: models.SessionId | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> models.UsagePage:
        """Returns the caller's usage; for admins, that of all users."""
        response: models.UsagePage = self._call(
            "GET",
            "/api/usage",
            query={
                "group_by": group_by,
                "since": since,
                "until": until,
                "owner": owner,
                "agent_type": agent_type,
                "session_id": session_id,
                "limit": limit,
                "cursor": cursor,
            },
        )
        return response

    def get_budget(self, *, owner: models.UserName | None = None) -> models.Budget:
        """Returns today's budget and its usage."""
        response: models.Budget = self._call("GET", "/api/usage/budget", query={"owner": owner})
        return response

    def list_settings(self) -> models.SettingPage:
        """Lists the effective settings and the origin of each. Admins only."""
        response: models.SettingPage = self._call("GET", "/api/settings")
        return response

    def list_agents(self) -> models.AgentSummaryPage:
        """Lists the agents and their capabilities."""
        response: models.AgentSummaryPage = self._call("GET", "/api/agents")
        return response

    def list_profiles(self) -> models.ProfileViewPage:
        """Lists the profiles that the caller may use, by name; for admins all."""
        response: models.ProfileViewPage = self._call("GET", "/api/profiles")
        return response

    def get_profile(self, profile: models.ProfileName) -> models.ProfileView:
        """Returns a profile."""
        response: models.ProfileView = self._call("GET", f"/api/profiles/{quote(profile, safe='')}")
        return response

    def set_profile(self, profile: models.ProfileName, body: models.Profile) -> models.ProfileView:
        """Creates a profile, or replaces the one of the same name. Admins only."""
        response: models.ProfileView = self._call("PUT", f"/api/profiles/{quote(profile, safe='')}", body=body)
        return response

    def delete_profile(self, profile: models.ProfileName) -> None:
        """Deletes a profile. Admins only."""
        self._call("DELETE", f"/api/profiles/{quote(profile, safe='')}")

    def list_runs(
        self,
        *,
        status: str | None = None,
        q: str | None = None,
        agent_type: str | None = None,
        session_id: models.SessionId | None = None,
        label: str | None = None,
        since: models.Timestamp | None = None,
        owner: models.UserName | None = None,
        limit: int | None = None,
        cursor: models.RunId | None = None,
    ) -> models.RunPage:
        """Lists the caller's runs, newest first; for admins, the runs of all users."""
        response: models.RunPage = self._call(
            "GET",
            "/api/runs",
            query={
                "status": status,
                "q": q,
                "agent_type": agent_type,
                "session_id": session_id,
                "label": label,
                "since": since,
                "owner": owner,
                "limit": limit,
                "cursor": cursor,
            },
        )
        return response

    def create_run(self, body: models.CreateRunRequest, *, idempotency_key: str | None = None) -> models.CreateRunResponse:
        """Creates a run. The run is durable before the response is sent."""
        response: models.CreateRunResponse = self._call("POST", "/api/runs", body=body, idempotent=True, idempotency_key=idempotency_key)
        return response

    def get_run(self, id: models.RunId, *, wait: int | None = None) -> models.Run:
        """Returns a run, optionally after its end."""
        response: models.Run = self._call("GET", f"/api/runs/{quote(id, safe='')}", query={"wait": wait})
        return response

    def delete_run(self, id: models.RunId) -> None:
        """Deletes an ended run with its events, and its session and fresh working directory with the last run of the session."""
        self._call("DELETE", f"/api/runs/{quote(id, safe='')}")

    def cancel_run(self, id: models.RunId) -> models.Run:
        """Cancels a run and kills its whole process tree."""
        response: models.Run = self._call("POST", f"/api/runs/{quote(id, safe='')}/cancel")
        return response

    def list_changes(
        self, id: models.RunId, *, turn: int | None = None, limit: int | None = None, cursor: int | None = None
    ) -> models.RunChanges:
        """Lists the files that a run has changed in its working directory."""
        response: models.RunChanges = self._call(
            "GET", f"/api/runs/{quote(id, safe='')}/changes", query={"turn": turn, "limit": limit, "cursor": cursor}
        )
        return response

    def list_files(
        self, id: models.RunId, *, path: str | None = None, turn: int | None = None, limit: int | None = None, cursor: str | None = None
    ) -> models.RunFilePage:
        """Lists a directory in the working directory of a run."""
        response: models.RunFilePage = self._call(
            "GET", f"/api/runs/{quote(id, safe='')}/files", query={"path": path, "turn": turn, "limit": limit, "cursor": cursor}
        )
        return response

    def revert_run(self, id: models.RunId, body: models.RevertRequest) -> models.RevertResponse:
        """Reverts the working directory of a run to an earlier state."""
        response: models.RevertResponse = self._call("POST", f"/api/runs/{quote(id, safe='')}/revert", body=body)
        return response

    def create_ticket(self, id: models.RunId) -> models.TicketResponse:
        """Creates a ticket for the event stream of a run, for browsers, whose `EventSource` cannot send headers."""
        response: models.TicketResponse = self._call("POST", f"/api/runs/{quote(id, safe='')}/ticket")
        return response

    def send_message(self, id: models.RunId, body: models.MessageRequest, *, idempotency_key: str | None = None) -> models.MessageResponse:
        """Sends a message to a live run."""
        response: models.MessageResponse = self._call(
            "POST", f"/api/runs/{quote(id, safe='')}/messages", body=body, idempotent=True, idempotency_key=idempotency_key
        )
        return response

    def list_requests(self, id: models.RunId) -> models.OpenRequestPage:
        """Lists the open permission requests and questions of a run, oldest first."""
        response: models.OpenRequestPage = self._call("GET", f"/api/runs/{quote(id, safe='')}/requests")
        return response

    def answer_request(self, id: models.RunId, request: str, body: models.AnswerRequest) -> models.AnswerResponse:
        """Answers a permission request or a question."""
        response: models.AnswerResponse = self._call(
            "POST", f"/api/runs/{quote(id, safe='')}/requests/{quote(request, safe='')}", body=body
        )
        return response

    def delete_file(self, id: models.UploadId) -> None:
        """Deletes an uploaded file."""
        self._call("DELETE", f"/api/files/{quote(id, safe='')}")

    def list_sessions(self, *, limit: int | None = None, cursor: models.SessionId | None = None) -> models.SessionPage:
        """Lists the caller's sessions, newest first; for admins, the sessions of all users."""
        response: models.SessionPage = self._call("GET", "/api/sessions", query={"limit": limit, "cursor": cursor})
        return response

    def get_session(self, id: models.SessionId) -> models.SessionWithRuns:
        """Returns a session with its runs."""
        response: models.SessionWithRuns = self._call("GET", f"/api/sessions/{quote(id, safe='')}")
        return response

    def list_session_changes(self, id: models.SessionId, *, limit: int | None = None, cursor: int | None = None) -> models.RunChanges:
        """Lists the files that all runs of a session together have changed in its working directory."""
        response: models.RunChanges = self._call(
            "GET", f"/api/sessions/{quote(id, safe='')}/changes", query={"limit": limit, "cursor": cursor}
        )
        return response

    def commit_session(self, id: models.SessionId, body: models.BranchRequest) -> models.BranchResponse:
        """Commits the work in a session's worktree on its branch in the repository."""
        response: models.BranchResponse = self._call("POST", f"/api/sessions/{quote(id, safe='')}/branch", body=body)
        return response

    def remove_workspace(self, id: models.SessionId, *, force: bool | None = None) -> None:
        """Removes the directory that was made for a session, and its worktree."""
        self._call("DELETE", f"/api/sessions/{quote(id, safe='')}/workspace", query={"force": force})

    def chat(self, body: models.ChatRequest) -> models.ChatResponse:
        """Runs a prompt, waits for the end, and returns the final text."""
        response: models.ChatResponse = self._call("POST", "/api/chat", body=body)
        return response

    def list_deliveries(
        self,
        *,
        run_id: models.RunId | None = None,
        status: models.DeliveryStatus | None = None,
        owner: models.UserName | None = None,
        limit: int | None = None,
        cursor: int | None = None,
    ) -> models.DeliveryPage:
        """Lists the webhook deliveries of the caller's runs, newest first; for admins, of all runs."""
        response: models.DeliveryPage = self._call(
            "GET", "/api/webhooks/deliveries", query={"run_id": run_id, "status": status, "owner": owner, "limit": limit, "cursor": cursor}
        )
        return response

    def retry_delivery(self, delivery: str) -> None:
        """Attempts a failed delivery again."""
        self._call("POST", f"/api/webhooks/deliveries/{quote(delivery, safe='')}/retry")


class AsyncCalls(ABC):
    """One asynchronous method per API operation."""

    @abstractmethod
    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        idempotent: bool = False,
        idempotency_key: str | None = None,
    ) -> Any: ...

    async def health(self) -> models.HealthResponse:
        """Returns the health of the server."""
        response: models.HealthResponse = await self._call("GET", "/health")
        return response

    async def agents_health(self) -> models.AgentReportPage:
        """Returns which agents are available and, with a token, how to install or log in to the others."""
        response: models.AgentReportPage = await self._call("GET", "/health/agents")
        return response

    async def login_options(self) -> models.LoginOptions:
        """Returns which default users may log in from where this request comes from."""
        response: models.LoginOptions = await self._call("GET", "/api/auth/login")
        return response

    async def login(self, body: models.LoginRequest) -> models.LoginResponse:
        """Logs in with user name and password, and returns a token."""
        response: models.LoginResponse = await self._call("POST", "/api/auth/login", body=body)
        return response

    async def logout(self) -> None:
        """Revokes the token of the request."""
        await self._call("POST", "/api/auth/logout")

    async def me(self) -> models.Me:
        """Returns the caller."""
        response: models.Me = await self._call("GET", "/api/auth/me")
        return response

    async def change_password(self, body: models.PasswordRequest) -> models.LoginResponse:
        """Changes the caller's password. This ends a default password and revokes all tokens of the user."""
        response: models.LoginResponse = await self._call("POST", "/api/auth/password", body=body)
        return response

    async def list_users(self, *, limit: int | None = None, cursor: models.UserName | None = None) -> models.AccountPage:
        """Lists the users by name. Admins only."""
        response: models.AccountPage = await self._call("GET", "/api/users", query={"limit": limit, "cursor": cursor})
        return response

    async def create_user(self, body: models.CreateUserRequest) -> models.Account:
        """Creates a user. Admins only."""
        response: models.Account = await self._call("POST", "/api/users", body=body)
        return response

    async def get_user(self, name: models.UserName) -> models.Account:
        """Returns a user. Admins only."""
        response: models.Account = await self._call("GET", f"/api/users/{quote(name, safe='')}")
        return response

    async def delete_user(self, name: models.UserName) -> None:
        """Removes a user. Admins only."""
        await self._call("DELETE", f"/api/users/{quote(name, safe='')}")

    async def change_user(self, name: models.UserName, body: models.ChangeUserRequest) -> models.Account:
        """Changes the role, the password, the budget or the quotas of a user. Admins only."""
        response: models.Account = await self._call("PATCH", f"/api/users/{quote(name, safe='')}", body=body)
        return response

    async def list_keys(
        self, *, owner: models.UserName | None = None, limit: int | None = None, cursor: models.KeyId | None = None
    ) -> models.ApiKeyPage:
        """Lists the caller's API keys, newest first; for admins, the keys of all users."""
        response: models.ApiKeyPage = await self._call("GET", "/api/keys", query={"owner": owner, "limit": limit, "cursor": cursor})
        return response

    async def create_key(self, body: models.CreateKeyRequest) -> models.CreateKeyResponse:
        """Creates an API key for the caller; for admins, for any user. Only this response contains the secret."""
        response: models.CreateKeyResponse = await self._call("POST", "/api/keys", body=body)
        return response

    async def delete_key(self, id: models.KeyId) -> None:
        """Revokes an API key of the caller; for admins, of any user."""
        await self._call("DELETE", f"/api/keys/{quote(id, safe='')}")

    async def list_audit(
        self,
        *,
        username: models.UserName | None = None,
        action: models.AuditAction | None = None,
        run_id: models.RunId | None = None,
        since: models.Timestamp | None = None,
        limit: int | None = None,
        cursor: int | None = None,
    ) -> models.AuditEntryPage:
        """Lists the audit log, newest first. Admins only."""
        response: models.AuditEntryPage = await self._call(
            "GET",
            "/api/audit",
            query={"username": username, "action": action, "run_id": run_id, "since": since, "limit": limit, "cursor": cursor},
        )
        return response

    async def list_usage(
        self,
        *,
        group_by: str | None = None,
        since: models.Day | None = None,
        until: models.Day | None = None,
        owner: models.UserName | None = None,
        agent_type: str | None = None,
        session_id: models.SessionId | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> models.UsagePage:
        """Returns the caller's usage; for admins, that of all users."""
        response: models.UsagePage = await self._call(
            "GET",
            "/api/usage",
            query={
                "group_by": group_by,
                "since": since,
                "until": until,
                "owner": owner,
                "agent_type": agent_type,
                "session_id": session_id,
                "limit": limit,
                "cursor": cursor,
            },
        )
        return response

    async def get_budget(self, *, owner: models.UserName | None = None) -> models.Budget:
        """Returns today's budget and its usage."""
        response: models.Budget = await self._call("GET", "/api/usage/budget", query={"owner": owner})
        return response

    async def list_settings(self) -> models.SettingPage:
        """Lists the effective settings and the origin of each. Admins only."""
        response: models.SettingPage = await self._call("GET", "/api/settings")
        return response

    async def list_agents(self) -> models.AgentSummaryPage:
        """Lists the agents and their capabilities."""
        response: models.AgentSummaryPage = await self._call("GET", "/api/agents")
        return response

    async def list_profiles(self) -> models.ProfileViewPage:
        """Lists the profiles that the caller may use, by name; for admins all."""
        response: models.ProfileViewPage = await self._call("GET", "/api/profiles")
        return response

    async def get_profile(self, profile: models.ProfileName) -> models.ProfileView:
        """Returns a profile."""
        response: models.ProfileView = await self._call("GET", f"/api/profiles/{quote(profile, safe='')}")
        return response

    async def set_profile(self, profile: models.ProfileName, body: models.Profile) -> models.ProfileView:
        """Creates a profile, or replaces the one of the same name. Admins only."""
        response: models.ProfileView = await self._call("PUT", f"/api/profiles/{quote(profile, safe='')}", body=body)
        return response

    async def delete_profile(self, profile: models.ProfileName) -> None:
        """Deletes a profile. Admins only."""
        await self._call("DELETE", f"/api/profiles/{quote(profile, safe='')}")

    async def list_runs(
        self,
        *,
        status: str | None = None,
        q: str | None = None,
        agent_type: str | None = None,
        session_id: models.SessionId | None = None,
        label: str | None = None,
        since: models.Timestamp | None = None,
        owner: models.UserName | None = None,
        limit: int | None = None,
        cursor: models.RunId | None = None,
    ) -> models.RunPage:
        """Lists the caller's runs, newest first; for admins, the runs of all users."""
        response: models.RunPage = await self._call(
            "GET",
            "/api/runs",
            query={
                "status": status,
                "q": q,
                "agent_type": agent_type,
                "session_id": session_id,
                "label": label,
                "since": since,
                "owner": owner,
                "limit": limit,
                "cursor": cursor,
            },
        )
        return response

    async def create_run(self, body: models.CreateRunRequest, *, idempotency_key: str | None = None) -> models.CreateRunResponse:
        """Creates a run. The run is durable before the response is sent."""
        response: models.CreateRunResponse = await self._call(
            "POST", "/api/runs", body=body, idempotent=True, idempotency_key=idempotency_key
        )
        return response

    async def get_run(self, id: models.RunId, *, wait: int | None = None) -> models.Run:
        """Returns a run, optionally after its end."""
        response: models.Run = await self._call("GET", f"/api/runs/{quote(id, safe='')}", query={"wait": wait})
        return response

    async def delete_run(self, id: models.RunId) -> None:
        """Deletes an ended run with its events, and its session and fresh working directory with the last run of the session."""
        await self._call("DELETE", f"/api/runs/{quote(id, safe='')}")

    async def cancel_run(self, id: models.RunId) -> models.Run:
        """Cancels a run and kills its whole process tree."""
        response: models.Run = await self._call("POST", f"/api/runs/{quote(id, safe='')}/cancel")
        return response

    async def list_changes(
        self, id: models.RunId, *, turn: int | None = None, limit: int | None = None, cursor: int | None = None
    ) -> models.RunChanges:
        """Lists the files that a run has changed in its working directory."""
        response: models.RunChanges = await self._call(
            "GET", f"/api/runs/{quote(id, safe='')}/changes", query={"turn": turn, "limit": limit, "cursor": cursor}
        )
        return response

    async def list_files(
        self, id: models.RunId, *, path: str | None = None, turn: int | None = None, limit: int | None = None, cursor: str | None = None
    ) -> models.RunFilePage:
        """Lists a directory in the working directory of a run."""
        response: models.RunFilePage = await self._call(
            "GET", f"/api/runs/{quote(id, safe='')}/files", query={"path": path, "turn": turn, "limit": limit, "cursor": cursor}
        )
        return response

    async def revert_run(self, id: models.RunId, body: models.RevertRequest) -> models.RevertResponse:
        """Reverts the working directory of a run to an earlier state."""
        response: models.RevertResponse = await self._call("POST", f"/api/runs/{quote(id, safe='')}/revert", body=body)
        return response

    async def create_ticket(self, id: models.RunId) -> models.TicketResponse:
        """Creates a ticket for the event stream of a run, for browsers, whose `EventSource` cannot send headers."""
        response: models.TicketResponse = await self._call("POST", f"/api/runs/{quote(id, safe='')}/ticket")
        return response

    async def send_message(
        self, id: models.RunId, body: models.MessageRequest, *, idempotency_key: str | None = None
    ) -> models.MessageResponse:
        """Sends a message to a live run."""
        response: models.MessageResponse = await self._call(
            "POST", f"/api/runs/{quote(id, safe='')}/messages", body=body, idempotent=True, idempotency_key=idempotency_key
        )
        return response

    async def list_requests(self, id: models.RunId) -> models.OpenRequestPage:
        """Lists the open permission requests and questions of a run, oldest first."""
        response: models.OpenRequestPage = await self._call("GET", f"/api/runs/{quote(id, safe='')}/requests")
        return response

    async def answer_request(self, id: models.RunId, request: str, body: models.AnswerRequest) -> models.AnswerResponse:
        """Answers a permission request or a question."""
        response: models.AnswerResponse = await self._call(
            "POST", f"/api/runs/{quote(id, safe='')}/requests/{quote(request, safe='')}", body=body
        )
        return response

    async def delete_file(self, id: models.UploadId) -> None:
        """Deletes an uploaded file."""
        await self._call("DELETE", f"/api/files/{quote(id, safe='')}")

    async def list_sessions(self, *, limit: int | None = None, cursor: models.SessionId | None = None) -> models.SessionPage:
        """Lists the caller's sessions, newest first; for admins, the sessions of all users."""
        response: models.SessionPage = await self._call("GET", "/api/sessions", query={"limit": limit, "cursor": cursor})
        return response

    async def get_session(self, id: models.SessionId) -> models.SessionWithRuns:
        """Returns a session with its runs."""
        response: models.SessionWithRuns = await self._call("GET", f"/api/sessions/{quote(id, safe='')}")
        return response

    async def list_session_changes(self, id: models.SessionId, *, limit: int | None = None, cursor: int | None = None) -> models.RunChanges:
        """Lists the files that all runs of a session together have changed in its working directory."""
        response: models.RunChanges = await self._call(
            "GET", f"/api/sessions/{quote(id, safe='')}/changes", query={"limit": limit, "cursor": cursor}
        )
        return response

    async def commit_session(self, id: models.SessionId, body: models.BranchRequest) -> models.BranchResponse:
        """Commits the work in a session's worktree on its branch in the repository."""
        response: models.BranchResponse = await self._call("POST", f"/api/sessions/{quote(id, safe='')}/branch", body=body)
        return response

    async def remove_workspace(self, id: models.SessionId, *, force: bool | None = None) -> None:
        """Removes the directory that was made for a session, and its worktree."""
        await self._call("DELETE", f"/api/sessions/{quote(id, safe='')}/workspace", query={"force": force})

    async def chat(self, body: models.ChatRequest) -> models.ChatResponse:
        """Runs a prompt, waits for the end, and returns the final text."""
        response: models.ChatResponse = await self._call("POST", "/api/chat", body=body)
        return response

    async def list_deliveries(
        self,
        *,
        run_id: models.RunId | None = None,
        status: models.DeliveryStatus | None = None,
        owner: models.UserName | None = None,
        limit: int | None = None,
        cursor: int | None = None,
    ) -> models.DeliveryPage:
        """Lists the webhook deliveries of the caller's runs, newest first; for admins, of all runs."""
        response: models.DeliveryPage = await self._call(
            "GET", "/api/webhooks/deliveries", query={"run_id": run_id, "status": status, "owner": owner, "limit": limit, "cursor": cursor}
        )
        return response

    async def retry_delivery(self, delivery: str) -> None:
        """Attempts a failed delivery again."""
        await self._call("POST", f"/api/webhooks/deliveries/{quote(delivery, safe='')}/retry")
