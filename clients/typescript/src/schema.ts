// Types of requests, responses and events, generated from docs/openapi.json by openapi-typescript. Do not edit.

export interface paths {
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns the health of the server. */
        get: operations["health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/agents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns which agents are available and, with a token, how to install or log in to the others.
         * @description Without a token, only `agent_type` and `available` are returned. Agents are checked in the background, so the response is immediate.
         */
        get: operations["agents_health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns the server's metrics for Prometheus.
         * @description The format is the Prometheus text format 0.0.4, or OpenMetrics if the `Accept` header prefers it. Requests from the server's own machine
         *     need no token, unless they come through a proxy. All others need an admin's token or an API key with the scope `metrics`.
         */
        get: operations["metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns this description. */
        get: operations["openapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/events.schema.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns the JSON Schema of the events. */
        get: operations["events_schema"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/docs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns this description as a page. */
        get: operations["docs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/docs/{file}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns a file of the page. */
        get: operations["docs_file"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns the web console. */
        get: operations["console"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/console/{version}/{path}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns a file of the web console. */
        get: operations["console_file"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns which default users may log in from where this request comes from.
         * @description Default passwords work only on the server's own machine, without a proxy, and only for the account that runs the server and for root.
         */
        get: operations["login_options"];
        put?: never;
        /** Logs in with user name and password, and returns a token. */
        post: operations["login"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Revokes the token of the request.
         * @description Streams opened with it, or with a ticket obtained with it, end at once.
         */
        post: operations["logout"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns the caller. */
        get: operations["me"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/auth/password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Changes the caller's password. This ends a default password and revokes all tokens of the user.
         * @description API keys remain valid.
         */
        post: operations["change_password"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the users by name. Admins only. */
        get: operations["list_users"];
        put?: never;
        /** Creates a user. Admins only. */
        post: operations["create_user"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/users/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns a user. Admins only. */
        get: operations["get_user"];
        put?: never;
        post?: never;
        /**
         * Removes a user. Admins only.
         * @description Tokens and API keys are revoked and streams end at once. Runs continue. Only admins see them, under the name of the removed user; a new user
         *     with the name does not.
         */
        delete: operations["delete_user"];
        options?: never;
        head?: never;
        /** Changes the role, the password, the budget or the quotas of a user. Admins only. */
        patch: operations["change_user"];
        trace?: never;
    };
    "/api/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the caller's API keys, newest first; for admins, the keys of all users. */
        get: operations["list_keys"];
        put?: never;
        /** Creates an API key for the caller; for admins, for any user. Only this response contains the secret. */
        post: operations["create_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/keys/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Revokes an API key of the caller; for admins, of any user.
         * @description Requests with the key are rejected from now on. Streams opened with it end at once.
         */
        delete: operations["delete_key"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the audit log, newest first. Admins only. */
        get: operations["list_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns the caller's usage; for admins, that of all users.
         * @description Usage counts on the day on which the agent reported it, including that of live runs. It remains when a run is deleted.
         */
        get: operations["list_usage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/usage/budget": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns today's budget and its usage. */
        get: operations["get_budget"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/settings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lists the effective settings and the origin of each. Admins only.
         * @description The settings are those that the server started with. Secrets are not shown.
         */
        get: operations["list_settings"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/agents": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the agents and their capabilities. */
        get: operations["list_agents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/profiles": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the profiles that the caller may use, by name; for admins all. */
        get: operations["list_profiles"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/profiles/{profile}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns a profile. */
        get: operations["get_profile"];
        /**
         * Creates a profile, or replaces the one of the same name. Admins only.
         * @description Runs that exist keep what they have. The answer to a request for the profile can be sent back: an MCP server that is only named keeps its
         *     settings.
         */
        put: operations["set_profile"];
        post?: never;
        /**
         * Deletes a profile. Admins only.
         * @description Runs that exist keep what they have.
         */
        delete: operations["delete_profile"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the caller's runs, newest first; for admins, the runs of all users. */
        get: operations["list_runs"];
        put?: never;
        /** Creates a run. The run is durable before the response is sent. */
        post: operations["create_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns a run, optionally after its end. */
        get: operations["get_run"];
        put?: never;
        post?: never;
        /** Deletes an ended run with its events, and its session and fresh working directory with the last run of the session. */
        delete: operations["delete_run"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancels a run and kills its whole process tree.
         * @description Cancelling again, or after the end, has no effect and is not an error.
         */
        post: operations["cancel_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Streams the events of a run up to `done`.
         * @description The response is `text/event-stream`; for that type the schema below describes one frame, and for `application/x-ndjson` one line. An event is one
         *     frame of three lines and an empty line, each terminated by a single line feed:
         *
         *     ```text
         *     id: 12
         *     event: token
         *     data: {"seq":12,"ts":"2026-11-22T13:05:00.123Z","type":"token","content":"Hello"}
         *
         *     ```
         *
         *     `id` is the event's `seq` in decimal, `event` is its `type`, and `data` is the `Event` as one line of JSON. Numbers start at 1 and have no gaps,
         *     the last event is `done`, and the same request always returns the same bytes. After 15 seconds without an event the server sends a comment
         *     (`: keep-alive`) and an empty line, which clients ignore.
         *
         *     If `Last-Event-ID` or `after` is ahead of the log, or the events after it were trimmed, the stream starts with one frame that is not part of the
         *     log: an `event` and a `data` line with a `GapNotice`, without `id`. Its `data.next` is the number of the next event. Such a frame also takes the
         *     place of each part of the log that is damaged; a damaged `done` is restored from the record of the run.
         *
         *     When the reader loses access, the stream ends at once with a frame of the same form, an `AccessEndedNotice`: the token or key expired or was
         *     revoked, the password was changed, the user was removed, or the user's role no longer allows reading the run.
         *
         *     With `Accept: application/x-ndjson` the response consists of the `data` lines only; an empty line keeps the connection open. If there is nothing
         *     left to read, it is an empty 200 response instead of 204.
         *
         *     To resume after a lost connection, pass the number of the last received event.
         */
        get: operations["follow_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{id}/changes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lists the files that a run has changed in its working directory.
         * @description Of a live run as of now. The list of an ended run outlives the directory.
         */
        get: operations["list_changes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{id}/changes.patch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns what a run has changed as a patch that `git apply` takes. */
        get: operations["get_patch"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{id}/changes/{path}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns what a run has changed in one file, as a unified diff. */
        get: operations["get_file_changes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{id}/files": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists a directory in the working directory of a run. */
        get: operations["list_files"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{id}/files/{path}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns the content of a file in the working directory of a run.
         * @description An image or text is shown by browsers, everything else is downloaded.
         */
        get: operations["get_file"];
        /**
         * Writes a file in the working directory of a run.
         * @description The file is replaced as a whole, once its content is on disk. Missing directories are created.
         */
        put: operations["put_file"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{id}/archive": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns the working directory of a run, or the files that it has changed, as a tar.gz archive.
         * @description Links are stored as links. `.git`, pipes, sockets and devices are left out.
         */
        get: operations["get_archive"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{id}/revert": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Reverts the working directory of a run to an earlier state.
         * @description A snapshot is taken first, to which it can be reverted in turn. Refused while a run of the session has not ended. If it is interrupted,
         *     repeating it completes it.
         */
        post: operations["revert_run"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Streams changes to all runs that the caller may see.
         * @description For clients that show a list of runs. The response is `text/event-stream`; the schema below describes the `data` of an event, which is one line
         *     of JSON. With `Accept: application/x-ndjson` the response consists of these lines only.
         *
         *     ```text
         *     id: 7f3a9c0de1b2a495-12
         *     event: run
         *     data: {"cursor":"7f3a9c0de1b2a495-12","type":"run","run":{…}}
         *
         *     ```
         *
         *     The first event is `ready` or `reset`. All later changes are reported, so a client that lists the runs after this event misses nothing. A `run`
         *     event is sent when a run is created, changes its `status`, opens or closes a request, and ends. It contains a summary of the run as it is when the event is
         *     sent, so several changes may be combined in one event. `run_deleted` reports that a run was deleted.
         *
         *     To resume, pass the last `cursor`; `ready` then has `resumed: true`. If the cursor is too old, or from before a restart of the server, `reset` is
         *     sent instead, and also when a client falls too far behind: list the runs again. After 15 seconds without an event the server sends a comment
         *     (`: keep-alive`), or an empty line.
         */
        get: operations["follow_runs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{id}/ticket": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Creates a ticket for the event stream of a run, for browsers, whose `EventSource` cannot send headers.
         * @description It replaces a token in the query of this stream. A stream opened with it lasts as long as the token or key that the ticket was created with.
         */
        post: operations["create_ticket"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{id}/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sends a message to a live run. */
        post: operations["send_message"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{id}/requests": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the open permission requests and questions of a run, oldest first. */
        get: operations["list_requests"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/runs/{id}/requests/{request}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Answers a permission request or a question.
         * @description A permission request needs a `decision` or an `option_id`; a question needs `answers`, one entry for each of its questions. Of several answers the first is
         *     accepted.
         */
        post: operations["answer_request"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/files": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Uploads a file for prompts and messages of the caller.
         * @description It is kept for a day. Runs and messages that refer to it by `file_id` get a copy.
         */
        post: operations["upload_file"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/files/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Deletes an uploaded file.
         * @description Runs that use it keep their copies.
         */
        delete: operations["delete_file"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the caller's sessions, newest first; for admins, the sessions of all users. */
        get: operations["list_sessions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns a session with its runs. */
        get: operations["get_session"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/changes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lists the files that all runs of a session together have changed in its working directory.
         * @description With a live run as of now. Available as long as the snapshots are kept: a week after the last run in the directory.
         */
        get: operations["list_session_changes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/changes.patch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns what all runs of a session together have changed as a patch that `git apply` takes. */
        get: operations["get_session_patch"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/branch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Commits the work in a session's worktree on its branch in the repository.
         * @description The commit contains the files as they are now, without ignored ones. Commits that the agent made in the worktree are not part of the
         *     branch; their content is.
         */
        post: operations["commit_session"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sessions/{id}/workspace": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Removes the directory that was made for a session, and its worktree.
         * @description The branch stays if it has commits. The session cannot be continued in the directory any more.
         */
        delete: operations["remove_workspace"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/chat": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Runs a prompt, waits for the end, and returns the final text.
         * @description This is an ordinary run: its events can be read, and it continues if the client disconnects, unless requested otherwise. The response to a failed run is also 200;
         *     check `status` and `cause`.
         */
        post: operations["chat"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the available agents as models in OpenAI's format. */
        get: operations["list_models"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/models/{model}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns a model.
         * @description Only the agent knows its models, so every `agent/model` with an existing agent is accepted.
         */
        get: operations["get_model"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/chat/completions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Creates a chat completion in OpenAI's format.
         * @description This is an ordinary run, so its events can be read. If the client disconnects before the end of a stream, the run is cancelled, unless the
         *     request has `openrunner.on_disconnect: continue` or an `Idempotency-Key`. A run without a result is an error.
         */
        post: operations["create_chat_completion"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/responses": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Creates a response in OpenAI's format.
         * @description A response is an ordinary run, and its stream is the run's log, so it can be read again from any event, also after a restart of the server.
         *     A client that disconnects does not cancel it. With `background` the request returns before the end. Without, a run that fails is an error.
         */
        post: operations["create_response"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/responses/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Returns a response, or streams it from any event.
         * @description The response of every run can be retrieved, unless it was requested with `store: false`. `output` is empty until the end.
         */
        get: operations["get_response"];
        put?: never;
        post?: never;
        /** Deletes an ended response: its run with its events, and its session and fresh working directory with the last run of the session. */
        delete: operations["delete_response"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/responses/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Cancels a response and kills the whole process tree of its run.
         * @description Cancelling again, or after the end, has no effect and is not an error.
         */
        post: operations["cancel_response"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/responses/{id}/input_items": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns the input of a response: the prompt as the agent received it. */
        get: operations["list_response_input_items"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the webhook deliveries of the caller's runs, newest first; for admins, of all runs. */
        get: operations["list_deliveries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/deliveries/{delivery}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Attempts a failed delivery again.
         * @description The attempt is made at once, with the usual retries. After it the following events of the run are sent to the endpoint as well.
         */
        post: operations["retry_delivery"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/mcp": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Serves one message of an MCP client.
         * @description The Streamable HTTP transport of the Model Context Protocol, without sessions: every request stands for itself, and a task is a run. The
         *     tools are requests to this API, with the token of this request.
         */
        post: operations["mcp"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description The reader lost access, and the stream ends. The notice is not part of the log, so it has no number and no time. */
        AccessEndedNotice: {
            /**
             * @description Always `notice`.
             * @enum {string}
             */
            type: "notice";
            level: components["schemas"]["Level"];
            /**
             * @description Always `access_ended`.
             * @enum {string}
             */
            code: "access_ended";
            /** @description Explanation for people. */
            message: string;
            data: {
                /**
                 * @description `expired`: the token or key has expired. `revoked`: it is no longer valid, or the user was removed. `forbidden`: the user's role has changed.
                 * @enum {string}
                 */
                reason: "expired" | "revoked" | "forbidden";
            };
        };
        /** @description A user with account details. */
        Account: {
            /** @description User name. */
            username: components["schemas"]["UserName"];
            /** @description Id of the user. A user who is created under the name of a removed user has another one. */
            user_id: components["schemas"]["UserId"];
            /** @description Role of the user. */
            role: components["schemas"]["UserRole"];
            /** @description Whether the user still has the default password, which works only on the server's own machine. */
            default_password: boolean;
            /** @description The user's own budget; absent if the server's default applies. */
            budget?: components["schemas"]["OwnBudget"];
            /** @description The user's own quotas; absent if the server's defaults apply. */
            quotas?: components["schemas"]["OwnQuotas"];
        };
        /** @description One page of a list. */
        AccountPage: {
            /** @description The items. */
            items: components["schemas"]["Account"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /** @description A slash command of an agent. */
        AgentCommand: {
            /** @description Name of the command, without the slash. */
            name: string;
            /** @description Description of the command. Long ones are truncated. */
            description: string;
            /** @description What to write after the name, for people. Absent if the command takes no input. */
            input_hint?: string;
        };
        /**
         * @description An error reported by the agent that does not end the run.
         * @example {
         *       "seq": 21,
         *       "ts": "2026-11-22T13:05:11.000Z",
         *       "type": "agent_error",
         *       "code": "stream_disconnected",
         *       "message": "Reconnecting... 1/5",
         *       "retryable": true
         *     }
         */
        AgentErrorEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "agent_error";
            /** @description Machine-readable code, as reported by the agent. */
            code: string;
            /** @description Message, as reported by the agent. */
            message: string;
            /** @description Whether the agent retries by itself. */
            retryable: boolean;
        };
        /** @description The state of one agent. Without a token: only its name and whether it is available. */
        AgentReport: {
            /** @description The agent's registered name. */
            agent_type: string;
            /** @description Whether a run can be started with it. */
            available: boolean;
            /** @description The version that the program reports. */
            version?: string;
            /** @description Absolute path of the program. */
            path?: string;
            /** @description Whether a login or key is configured. Present with a token. */
            authenticated?: components["schemas"]["Authenticated"];
            /** @description What a client can do with it besides giving it a prompt. Present with a token. */
            capabilities?: components["schemas"]["Capabilities"];
            /**
             * @description Whether the installed program is one that was tested with this release of OpenRunner. One that is not may not keep to a permission
             *     mode. Present with a token.
             */
            tested?: boolean;
            /** @description The exact command that installs it. */
            install?: string;
            /** @description How to log in. */
            login?: string;
            /** @description Why it cannot be used. */
            error?: string;
        };
        /** @description One page of a list. */
        AgentReportPage: {
            /** @description The items. */
            items: components["schemas"]["AgentReport"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /** @description What a client can do with one agent, to choose between agents. */
        AgentSummary: {
            /** @description The agent's registered name. */
            agent_type: string;
            /** @description How it is driven: `stream-json`, `app-server`, `acp`, `text`, `jsonl`, `demo` or `in-process`. */
            protocol: string;
            /** @description What a client can do with it besides giving it a prompt. */
            capabilities: components["schemas"]["Capabilities"];
            /** @description Whether a run can be started with it. */
            available: boolean;
        };
        /** @description One page of a list. */
        AgentSummaryPage: {
            /** @description The items. */
            items: components["schemas"]["AgentSummary"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /** @description Usage and limit of one resource. */
        QuotaAllowance: {
            /**
             * Format: u-int64
             * @description Number of things or bytes that a quota or limit allows.
             */
            used: number;
            /**
             * Format: u-int64
             * @description Number of things or bytes that a quota or limit allows.
             */
            allowed?: number;
            /** @description Whether the limit was set for this user rather than taken from the server's settings. */
            is_own: boolean;
        };
        /** @description Usage and limit of one resource. */
        CostBudget: {
            /**
             * Format: double
             * @description A non-negative amount of US dollars, in whole microdollars. On the wire a number of dollars.
             */
            used: number;
            /**
             * Format: double
             * @description A non-negative amount of US dollars, in whole microdollars. On the wire a number of dollars.
             */
            allowed?: number;
            /** @description Whether the limit was set for this user rather than taken from the server's settings. */
            is_own: boolean;
        };
        /** @description Usage and limit of one resource. */
        TokenBudget: {
            /**
             * Format: u-int64
             * @description A number of tokens, as counted by budgets.
             */
            used: number;
            /**
             * Format: u-int64
             * @description A number of tokens, as counted by budgets.
             */
            allowed?: number;
            /** @description Whether the limit was set for this user rather than taken from the server's settings. */
            is_own: boolean;
        };
        /**
         * Format: u-int64
         * @description Number of things or bytes that a quota or limit allows.
         */
        Amount: number;
        /** @description A decision on a permission request, or the answers to a question. */
        AnswerRequest: {
            decision?: components["schemas"]["Decision"] | null;
            /** @description The `id` of one of the `choices` of a permission request. The decision is that of the option, so `decision` may be left out. */
            option_id?: string | null;
            /** @description Explanation for the agent, with a denial. */
            message?: string | null;
            /** @description The answers to each question. */
            answers?: components["schemas"]["OneOrMore"][] | null;
        };
        /** @description The accepted answer, as in the event that resolves the request. */
        AnswerResponse: {
            /** @description Id of the request. */
            id: string;
            /** @description Decision on a permission request. */
            decision?: components["schemas"]["Decision"];
            /** @description ID of the chosen option, if the answer named one. */
            option_id?: string;
            /** @description Answers to a question, one list for each of its questions. */
            answers?: string[][];
            /** @description Always `user`. */
            by: components["schemas"]["DecidedBy"];
        };
        /** @description An API key without its secret. */
        ApiKey: components["schemas"]["KeyDefaults"] & {
            /** @description Id, for revoking the key. */
            id: components["schemas"]["KeyId"];
            /** @description Name given by the owner. */
            name: string;
            /** @description Owner of the key. */
            owner: components["schemas"]["UserName"];
            /** @description Scopes of the key. */
            scopes: components["schemas"]["Scope"][];
            /** @description When the key was created. */
            created_at: components["schemas"]["Timestamp"];
            /** @description When the key expires; absent if it does not. */
            expires_at?: components["schemas"]["Timestamp"];
            /** @description When the key was last used, accurate to a minute; absent if never. */
            last_used_at?: components["schemas"]["Timestamp"];
        };
        /** @description One page of a list. */
        ApiKeyPage: {
            /** @description The items. */
            items: components["schemas"]["ApiKey"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /** @description The message of the agent. */
        AssistantMessage: {
            /** @description Always `assistant`. */
            role: string;
            /** @description The final text; empty if there is none. */
            content: string;
            /** @description Always null. */
            refusal: string | null;
        };
        /** @description An attachment without its content. */
        Attachment: {
            /** @description Kind of attachment. */
            type: components["schemas"]["AttachmentKind"];
            /** @description Its media type, such as `image/png`. */
            media_type: string;
            /** @description Its file name: one component of a path. */
            name: string;
            /**
             * Format: u-int64
             * @description Size of its content in bytes.
             */
            size: number;
        };
        /**
         * @description Kind of attachment.
         * @enum {string}
         */
        AttachmentKind: "image" | "file";
        /**
         * @description An action that was performed or attempted.
         * @enum {string}
         */
        AuditAction: "login" | "logout" | "password" | "user.create" | "user.change" | "user.delete" | "key.create" | "key.delete" | "profile.set" | "profile.delete" | "ticket" | "run.create" | "run.cancel" | "run.delete" | "run.message" | "run.answer" | "webhook.retry" | "run.write" | "run.revert" | "session.branch" | "workspace.remove" | "file.upload" | "file.delete";
        /** @description An action, successful or rejected. */
        AuditEntry: {
            /**
             * Format: u-int64
             * @description Number of the entry in the log.
             */
            id: number;
            /** @description When the action finished. */
            created_at: components["schemas"]["Timestamp"];
            /** @description The action. */
            action: components["schemas"]["AuditAction"];
            /** @description `ok`, or the error code. */
            outcome: string;
            username: components["schemas"]["UserName"] | null;
            /** @description Id of the user, which another user with the same name does not have. */
            user_id?: components["schemas"]["UserId"];
            /** @description Address of the client; null for the command line. */
            address: string | null;
            /** @description The API key that was used. */
            key_id?: components["schemas"]["KeyId"];
            /** @description The affected run. */
            run_id?: components["schemas"]["RunId"];
            /** @description Id of the affected user. */
            target_user_id?: components["schemas"]["UserId"];
            /** @description The affected user. */
            target_username?: components["schemas"]["UserName"];
            /** @description The affected API key. */
            target_key_id?: components["schemas"]["KeyId"];
            /** @description Details, such as a user's new role or a key's scopes. */
            detail?: string;
        };
        /** @description One page of a list. */
        AuditEntryPage: {
            /** @description The items. */
            items: components["schemas"]["AuditEntry"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /**
         * @description Whether a login or key is configured.
         * @enum {string}
         */
        Authenticated: "yes" | "no" | "unknown";
        /** @description A commit of a session's work. */
        BranchRequest: {
            /** @description The commit message. */
            message: string;
            author?: components["schemas"]["CommitAuthor"] | null;
            /** @description Push the branch of a clone to its repository. Default: false. */
            push?: boolean | null;
        };
        /** @description The branch of a session. */
        BranchResponse: {
            /** @description The directory of the git repository; of a clone, its URL. */
            repository: string;
            /** @description The branch. */
            branch: string;
            /** @description The commit that it is at. */
            commit: string;
            /** @description Whether that is a new commit; otherwise nothing had changed. */
            committed: boolean;
            /** @description Whether the branch was pushed. */
            pushed: boolean;
            /** @description Some of the new files that are not part of the commit. */
            skipped: components["schemas"]["Skipped"][];
            /** @description Number of new files and directories that are not part of the commit. */
            skipped_total: number;
        };
        /** @description A user's budget and usage today. */
        Budget: {
            /** @description The user whose budget this is. */
            owner: components["schemas"]["UserName"];
            /** @description Current day, in UTC. */
            day: components["schemas"]["Day"];
            /** @description When the day ends and usage starts from zero. */
            resets_at: components["schemas"]["Timestamp"];
            /** @description Budget in tokens. Counts uncached input, writes to the provider's cache, and output; reads from the cache do not count. */
            tokens: components["schemas"]["TokenBudget"];
            /** @description Budget in US dollars, as far as agents report their cost. */
            cost_usd: components["schemas"]["CostBudget"];
            /** @description Whether new runs and messages are rejected until the day ends. */
            is_used_up: boolean;
            /** @description Limits of each run. */
            per_run: components["schemas"]["RunAllowance"];
        };
        /** @description Changes to a budget: per day (UTC), and per run. Absent fields stay unchanged; null restores the server's default. */
        BudgetRequest: {
            tokens_per_day?: components["schemas"]["TokenLimit"] | null;
            cost_per_day_usd?: components["schemas"]["CostLimit"] | null;
            tokens_per_run?: components["schemas"]["TokenLimit"] | null;
            cost_per_run_usd?: components["schemas"]["CostLimit"] | null;
            turns_per_run?: components["schemas"]["QuotaLimit"] | null;
        };
        /** @description What a client can do with an agent besides giving it a prompt. */
        Capabilities: {
            /** @description Continue a conversation in a later run. */
            resume: boolean;
            /** @description Continue a conversation in another working directory. */
            move_session: boolean;
            /** @description Send a further message in the same run, once its turn has ended. */
            messages: boolean;
            /** @description Add a message to a running turn without interrupting it. */
            steer: boolean;
            /** @description Stop a turn without ending the process. */
            interrupt: boolean;
            /** @description Be asked for permission before it uses a tool. */
            permissions: boolean;
            /** @description Be asked a question. */
            questions: boolean;
            /** @description Choose its model. */
            models: boolean;
            /** @description Give it MCP servers. */
            mcp_servers: boolean;
            /** @description Add instructions to its system prompt. */
            instructions: boolean;
            /** @description Give it images. */
            images: boolean;
            /** @description Give it files. */
            files: boolean;
            /** @description What it reports about its usage, and so which spend limits a run may have. */
            usage: components["schemas"]["UsageReports"];
        };
        /**
         * @description Why a run ended.
         * @enum {string}
         */
        Cause: "ok" | "agent_error" | "not_logged_in" | "rate_limited" | "model_not_found" | "not_installed" | "bad_arguments" | "crashed" | "killed" | "timeout" | "startup_timeout" | "idle_timeout" | "cancelled" | "shutdown" | "node_lost" | "storage" | "protocol" | "budget_exceeded" | "spend_limit" | "bad_output" | "internal";
        /**
         * @description What has happened to a file.
         * @enum {string}
         */
        ChangeStatus: "added" | "modified" | "deleted" | "renamed" | "type_changed";
        /** @description Changes to a user. Absent fields stay unchanged. */
        ChangeUserRequest: {
            /** @description New password. It must differ from the user name. All tokens of the user are revoked. */
            password?: string | null;
            role?: components["schemas"]["UserRole"] | null;
            /** @description Changes to the budget. */
            budget?: components["schemas"]["BudgetRequest"];
            /** @description Changes to the quotas. */
            quotas?: components["schemas"]["QuotasRequest"];
        };
        /**
         * @description What the run has changed in its working directory so far, in total. Written after a turn and at the end of the run, if it differs from
         *     the one before. `GET /api/runs/{id}/changes` lists the files.
         * @example {
         *       "seq": 12,
         *       "ts": "2026-11-22T13:05:02.600Z",
         *       "type": "changes",
         *       "files": 2,
         *       "insertions": 14,
         *       "deletions": 3,
         *       "snapshot": "9daeafb9864cf43055ae93beb0afd6c7d144bfa4"
         *     }
         */
        ChangesEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "changes";
            /**
             * Format: u-int64
             * @description Number of files that were added, changed, renamed or deleted.
             */
            files: number;
            /**
             * Format: u-int64
             * @description Lines added to text files.
             */
            insertions: number;
            /**
             * Format: u-int64
             * @description Lines removed from text files.
             */
            deletions: number;
            /** @description ID of the snapshot of the directory. Equal contents have equal IDs. */
            snapshot: string;
        };
        /** @description The only choice. */
        ChatChoice: {
            /**
             * Format: u-int32
             * @description Always 0.
             */
            index: number;
            /** @description The message. */
            message: components["schemas"]["AssistantMessage"];
            /** @default null */
            logprobs: unknown;
            /** @description Always `stop`; incomplete runs are errors. */
            finish_reason: string;
        };
        /** @description A chat completion. */
        ChatCompletion: {
            /** @description `chatcmpl-` and the id of the run. */
            id: string;
            /** @description Always `chat.completion`. */
            object: string;
            /**
             * Format: int64
             * @description When the run was created, in seconds since 1970.
             */
            created: number;
            /** @description The requested model. */
            model: string;
            /** @description Always one choice. */
            choices: components["schemas"]["ChatChoice"][];
            /** @description Usage, if the agent reports it. */
            usage?: components["schemas"]["CompletionUsage"];
            /** @description The run of the completion. */
            openrunner: components["schemas"]["CompletionRun"];
        };
        /** @description A chunk of a streamed completion. */
        ChatCompletionChunk: {
            /** @description `chatcmpl-` and the id of the run: the same in all chunks. */
            id: string;
            /** @description Always `chat.completion.chunk`. */
            object: string;
            /**
             * Format: int64
             * @description When the run was created, in seconds since 1970.
             */
            created: number;
            /** @description The requested model. */
            model: string;
            /** @description One choice; none in the chunk with the usage. */
            choices: components["schemas"]["ChunkChoice"][];
            /** @description Usage, in the last chunk, if requested. */
            usage?: components["schemas"]["CompletionUsage"];
            /** @description The run, in the first chunk and in the one with the finish reason. */
            openrunner?: components["schemas"]["CompletionRun"];
        };
        /**
         * @description A request for a completion.
         *
         *     Parameters that change the result and that agents do not support are rejected: a required tool call, several choices, log probabilities,
         *     anything but text. Preferences such as `temperature`, offered `tools` and unknown parameters are ignored.
         * @example {
         *       "model": "demo",
         *       "messages": [
         *         {
         *           "role": "user",
         *           "content": "hello"
         *         }
         *       ]
         *     }
         */
        ChatCompletionRequest: {
            /** @description `agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`. */
            model: string;
            /** @description The conversation. The last message should have the role `user`; otherwise the agent continues the conversation. */
            messages: components["schemas"]["ChatMessage"][];
            /** @description Whether to stream the response. */
            stream?: boolean | null;
            stream_options?: components["schemas"]["StreamOptions"] | null;
            /** @description Becomes the label `user` of the run, if it has at most 256 bytes. */
            user?: string | null;
            /** @description Becomes the labels of the run. */
            metadata?: {
                [key: string]: string;
            } | null;
            response_format?: components["schemas"]["ResponseFormat"] | null;
            /** @description `auto` or `none`: agents use their own tools, never those of the request. A required tool is rejected. */
            tool_choice?: string | null;
            openrunner?: components["schemas"]["RunOptions"] | null;
        };
        /** @description The content of a message. */
        ChatContent: string | components["schemas"]["ContentPart"][];
        /** @description A file. */
        ChatFile: {
            /** @description File name without directories. */
            filename?: string | null;
            /** @description The file as a data URL: `data:application/pdf;base64,…`. */
            file_data?: string | null;
        };
        /** @description A called function. */
        ChatFunctionCall: {
            /** @description Its name. */
            name?: string | null;
            /** @description Its arguments as JSON. */
            arguments?: string | null;
        };
        /** @description An image. */
        ChatImage: {
            /** @description The image as a data URL: `data:image/png;base64,…`. The server fetches no other URLs. */
            url: string;
        };
        /** @description A message of the conversation. */
        ChatMessage: {
            /** @description Role of the author. */
            role: components["schemas"]["ChatRole"];
            content?: components["schemas"]["ChatContent"] | null;
            /** @description Tool calls of an earlier message of the assistant. Agents have none, so they come from the history of another model. */
            tool_calls?: components["schemas"]["ChatToolCall"][] | null;
            function_call?: components["schemas"]["ChatFunctionCall"] | null;
        };
        /** @description A prompt. */
        ChatRequest: {
            /**
             * @description The prompt.
             * @example hello
             */
            message: string;
            /**
             * @description `agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`. Default: the agent of the session, or `claude_code`.
             * @example demo
             */
            model?: string | null;
            session_id?: components["schemas"]["SessionId"] | null;
            profile?: components["schemas"]["ProfileName"] | null;
            on_disconnect?: components["schemas"]["OnDisconnect"] | null;
        };
        /** @description The result of the run. */
        ChatResponse: {
            /** @description The run. Its events can be read as usual. */
            run_id: components["schemas"]["RunId"];
            /** @description Its session. */
            session_id: components["schemas"]["SessionId"];
            /** @description The agent's final text; empty if there is none. */
            message: string;
            /** @description Status of the ended run. */
            status: components["schemas"]["RunStatus"];
            /** @description Cause of the status. */
            cause: components["schemas"]["Cause"];
            /** @description Explanation of a failure. */
            error?: string;
            /** @description Total usage of the run. */
            usage?: components["schemas"]["Usage"];
        };
        /**
         * @description Role of the author of a message.
         * @enum {string}
         */
        ChatRole: "system" | "developer" | "user" | "assistant" | "tool" | "function";
        /** @description A call of a tool. */
        ChatToolCall: {
            function?: components["schemas"]["ChatFunctionCall"] | null;
        };
        /** @description The only choice of a chunk. */
        ChunkChoice: {
            /**
             * Format: u-int32
             * @description Always 0.
             */
            index: number;
            /** @description The new content. */
            delta: components["schemas"]["ChunkDelta"];
            /** @default null */
            logprobs: unknown;
            /** @description `stop` in the last chunk, otherwise null. */
            finish_reason: string | null;
        };
        /** @description The new content of a chunk. */
        ChunkDelta: {
            /** @description `assistant`, in the first chunk. */
            role?: string;
            /** @description Text of the message. */
            content?: string;
            /** @description Thinking, under the name that other servers of this API use. */
            reasoning_content?: string;
        };
        /** @description The author of a commit. */
        CommitAuthor: {
            /** @description Name. */
            name: string;
            /** @description Email address. */
            email: string;
        };
        /** @description The run of a completion. */
        CompletionRun: {
            /** @description Id of the run. Its events can be read as usual. */
            run_id: components["schemas"]["RunId"];
            /** @description Session of the run. Pass it as `openrunner.session_id` to continue. */
            session_id: components["schemas"]["SessionId"];
            /** @description Status of the run. */
            status: components["schemas"]["RunStatus"];
        };
        /** @description Details of the output tokens. */
        CompletionTokens: {
            /**
             * Format: u-int64
             * @description Thinking tokens, if the agent reports them.
             */
            reasoning_tokens: number;
        };
        /** @description Usage. */
        CompletionUsage: {
            /**
             * Format: u-int64
             * @description Input tokens, cached or not.
             */
            prompt_tokens: number;
            /**
             * Format: u-int64
             * @description Output tokens, including thinking.
             */
            completion_tokens: number;
            /**
             * Format: u-int64
             * @description Sum of both.
             */
            total_tokens: number;
            /** @description Details of the input tokens. */
            prompt_tokens_details: components["schemas"]["PromptTokens"];
            /** @description Details of the output tokens. */
            completion_tokens_details: components["schemas"]["CompletionTokens"];
        };
        /** @description A part of a message. */
        ContentPart: {
            /** @description `text`, `image_url`, `file` or, in messages of the assistant, `refusal`. Audio is not supported. */
            type: string;
            /** @description The text of a `text` part. */
            text?: string | null;
            /** @description The text of a `refusal` part. */
            refusal?: string | null;
            image_url?: components["schemas"]["ChatImage"] | null;
            file?: components["schemas"]["ChatFile"] | null;
        };
        /** @description Use of a model's context window. */
        ContextUse: {
            /**
             * Format: u-int64
             * @description Number of tokens in the context.
             */
            used_tokens: number;
            /**
             * Format: u-int64
             * @description Size of the context window in tokens.
             */
            max_tokens: number;
        };
        /** @description A new API key. */
        CreateKeyRequest: {
            /** @description Name of the key. */
            name: string;
            /** @description Scopes of the key. */
            scopes: components["schemas"]["Scope"][];
            owner?: components["schemas"]["UserName"] | null;
            /**
             * Format: u-int64
             * @description Lifetime in seconds, at most ten years. Default: until the key is revoked.
             */
            expires_in?: number | null;
            default_profile?: components["schemas"]["ProfileName"] | null;
            /** @description Session of requests of the OpenAI-compatible API that name none, as in the header `OpenRunner-Session`: an id, a name, or `new`. */
            default_session?: string | null;
            /** @description Working directory of requests of the OpenAI-compatible API that name none: an absolute path without `..`. */
            default_directory?: string | null;
            on_disconnect?: components["schemas"]["OnDisconnect"] | null;
        };
        /** @description A created API key. Only this response contains its secret. */
        CreateKeyResponse: components["schemas"]["ApiKey"] & {
            /** @description The secret, to be sent as `Authorization: Bearer`. */
            key: string;
        };
        /**
         * @description A new run.
         * @example {
         *       "input": {
         *         "text": "create hello.py"
         *       },
         *       "metadata": {
         *         "agent_type": "demo"
         *       }
         *     }
         */
        CreateRunRequest: {
            /** @description The task for the agent. */
            input: components["schemas"]["RunInput"];
            metadata?: components["schemas"]["RunMetadata"] | null;
        };
        /** @description A created run. */
        CreateRunResponse: {
            /** @description Id of the run. */
            run_id: components["schemas"]["RunId"];
            /** @description Session of the run. */
            session_id: components["schemas"]["SessionId"];
            /** @description Always `queued`, the status at creation. */
            status: components["schemas"]["RunStatus"];
            /** @description Path of the event stream. */
            events_url: string;
        };
        /** @description A new user. */
        CreateUserRequest: {
            /** @description User name. */
            username: components["schemas"]["UserName"];
            /** @description Password. It must differ from the user name. */
            password: string;
            role?: components["schemas"]["UserRole"] | null;
        };
        /**
         * Format: date
         * @description A calendar day in UTC, the unit of usage and budgets. Format: `2026-11-22`, which sorts chronologically.
         * @example 2026-11-22
         */
        Day: string;
        /**
         * @description Who answered a request.
         * @enum {string}
         */
        DecidedBy: "policy" | "user" | "timeout";
        /**
         * @description Decision on a permission request.
         * @enum {string}
         */
        Decision: "allow_once" | "allow_always" | "deny";
        /** @description The delivery of one event to one endpoint. */
        Delivery: {
            /** @description The `webhook-id` that the receiver sees, the same for every attempt. */
            id: string;
            /** @description The run. */
            run_id: components["schemas"]["RunId"];
            /**
             * Format: u-int64
             * @description Number of the event.
             */
            seq: number;
            /** @description Type of the event. */
            event: string;
            /** @description Host and port of the endpoint. The rest of its URL may contain a secret and is not shown. */
            host: string;
            /** @description Status of the delivery. */
            status: components["schemas"]["DeliveryStatus"];
            /**
             * Format: u-int32
             * @description Number of attempts.
             */
            attempts: number;
            /**
             * Format: u-int16
             * @description HTTP status of the last response.
             */
            http_status?: number;
            /** @description Error of the last attempt. */
            error?: string;
            /** @description Time of the last attempt. */
            last_attempt_at: components["schemas"]["Timestamp"];
            /** @description Time of the next attempt. */
            next_attempt_at?: components["schemas"]["Timestamp"];
        };
        /** @description One page of a list. */
        DeliveryPage: {
            /** @description The items. */
            items: components["schemas"]["Delivery"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /**
         * @description Status of a webhook delivery.
         * @enum {string}
         */
        DeliveryStatus: "pending" | "delivered" | "failed";
        /** @description A delta of a text while it is being written. */
        Delta: {
            /** @description Text of the delta. */
            content: string;
            /** @description ID of the message that the delta belongs to. */
            message_id?: string;
            /** @description ID of the tool call whose sub-agent writes the text. */
            parent_tool_call_id?: string;
        };
        /**
         * @description The run ended. Exactly one per run, always the last event.
         * @example {
         *       "seq": 22,
         *       "ts": "2026-11-22T13:05:12.000Z",
         *       "type": "done",
         *       "status": "completed",
         *       "cause": "ok",
         *       "exit_code": 0,
         *       "result": "hello.py is there.",
         *       "usage": {
         *         "input_tokens": 200,
         *         "output_tokens": 84,
         *         "cache_read_tokens": 2000,
         *         "cache_write_tokens": 0,
         *         "reasoning_tokens": 0,
         *         "cost_usd": 0.0034,
         *         "cost_is_estimate": true
         *       },
         *       "duration_ms": 11999
         *     }
         */
        DoneEvent: components["schemas"]["RunDone"] & {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /** @enum {string} */
            type: "done";
        } & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "done";
        };
        /** @description One event of a run's log. Types and fields may be added; clients must ignore unknown ones. */
        Event: components["schemas"]["RunQueuedEvent"] | components["schemas"]["RunStartedEvent"] | components["schemas"]["TokenEvent"] | components["schemas"]["ThinkingEvent"] | components["schemas"]["MessageEvent"] | components["schemas"]["UserMessageEvent"] | components["schemas"]["ToolCallEvent"] | components["schemas"]["ToolOutputEvent"] | components["schemas"]["ToolResultEvent"] | components["schemas"]["FileChangeEvent"] | components["schemas"]["ChangesEvent"] | components["schemas"]["PlanEvent"] | components["schemas"]["TaskStartedEvent"] | components["schemas"]["TaskUpdatedEvent"] | components["schemas"]["TaskEndedEvent"] | components["schemas"]["SessionUpdatedEvent"] | components["schemas"]["PermissionRequestEvent"] | components["schemas"]["PermissionResolvedEvent"] | components["schemas"]["QuestionEvent"] | components["schemas"]["QuestionResolvedEvent"] | components["schemas"]["UsageEvent"] | components["schemas"]["NoticeEvent"] | components["schemas"]["LogEvent"] | components["schemas"]["RawEvent"] | components["schemas"]["NetworkEvent"] | components["schemas"]["AgentErrorEvent"] | components["schemas"]["DoneEvent"];
        /** @description One frame of the stream, as a parser of server-sent events returns it. */
        EventFrame: {
            /** @description The event's `seq`; absent for a `GapNotice` and an `AccessEndedNotice`, which are not part of the log. */
            id?: string;
            /** @description The event's `type`. */
            event: string;
            /** @description One line of JSON. */
            data: string;
        };
        /**
         * @description The kind of fault in a field.
         * @enum {string}
         */
        FaultCode: "required" | "unknown_field" | "invalid" | "out_of_range" | "too_long" | "too_many" | "conflict" | "not_found" | "not_allowed" | "not_supported";
        /** @description An event of the feed. */
        FeedChange: {
            /** @description Whether the feed resumed without loss after the given cursor. If false, list the runs now. */
            resumed: boolean;
            /** @enum {string} */
            type: "ready";
        } | {
            /** @description The run's current state, as a summary. */
            run: components["schemas"]["Run"];
            /** @enum {string} */
            type: "run";
        } | {
            /** @description Its id. */
            run_id: components["schemas"]["RunId"];
            /** @enum {string} */
            type: "run_deleted";
        } | {
            /** @enum {string} */
            type: "reset";
        };
        /** @description One event of the feed with the position after it. */
        FeedEvent: components["schemas"]["FeedChange"] & {
            /** @description Position after this event. Pass it as `Last-Event-ID` or `after` to resume the feed there. */
            cursor: string;
        };
        /** @description A fault in one field of a request. */
        FieldError: {
            /**
             * @description The field: a path in the body such as `metadata.labels.team`, or the name of a query parameter or header. `body` or `query` if the
             *     fault concerns the whole.
             */
            field: string;
            /** @description The kind of fault. */
            code: components["schemas"]["FaultCode"];
            /** @description Explanation for people. The wording may change. */
            detail: string;
        };
        /** @description A file that differs between two snapshots. */
        FileChange: {
            /** @description Path, relative to the working directory. Bytes that are not UTF-8 are replaced. */
            path: string;
            /** @description The earlier path of a renamed file. */
            old_path?: string;
            /** @description What has happened to it. */
            status: components["schemas"]["ChangeStatus"];
            /** @description Whether its content is not text. Lines are not counted then. */
            binary: boolean;
            /**
             * Format: u-int64
             * @description Lines added.
             */
            insertions: number;
            /**
             * Format: u-int64
             * @description Lines removed.
             */
            deletions: number;
        };
        /**
         * @description The agent changed a file.
         * @example {
         *       "seq": 9,
         *       "ts": "2026-11-22T13:05:02.410Z",
         *       "type": "file_change",
         *       "path": "/tmp/test/hello.py",
         *       "kind": "create",
         *       "diff": "--- /dev/null\n+++ b/hello.py\n@@ -0,0 +1 @@\n+print('hello')\n"
         *     }
         */
        FileChangeEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "file_change";
            /** @description Path of the file, as the agent reports it (usually absolute). */
            path: string;
            /** @description Kind of change. */
            kind: components["schemas"]["FileChangeKind"];
            /** @description Unified diff, if the agent reports one. */
            diff?: string;
        };
        /**
         * @description Kind of change to a file.
         * @enum {string}
         */
        FileChangeKind: "create" | "update" | "delete";
        /**
         * Format: binary
         * @description The bytes of a file.
         */
        FileContent: string;
        /**
         * @description The kind of a file.
         * @enum {string}
         */
        FileType: "file" | "directory" | "link" | "other";
        /** @description The requested number is ahead of the log, or the events after it were trimmed. The notice is not part of the log, so it has no number and no time. */
        GapNotice: {
            /**
             * @description Always `notice`.
             * @enum {string}
             */
            type: "notice";
            level: components["schemas"]["Level"];
            /**
             * @description Always `gap`.
             * @enum {string}
             */
            code: "gap";
            /** @description Explanation for people. */
            message: string;
            data: {
                /** @description Number of the last event that the reader has, according to its request. */
                after: number;
                /** @description Number of the next event. */
                next: number;
            };
        };
        /** @description The health of the server. */
        HealthResponse: {
            /** @description `degraded` while the server cannot write to disk or open files, otherwise `ok`. */
            status: string;
            /** @description Version of the server. */
            version: string;
            /**
             * Format: u-int64
             * @description Seconds since the server started.
             */
            uptime: number;
            /** @description Whether changes of working directories are recorded: git is installed, and `OPENRUNNER_CHANGES` is on. */
            records_changes: boolean;
        };
        /** @description An MCP server that the agent calls. */
        HttpServer: {
            /** @description Name of the server. */
            name: string;
            /** @description URL of the server. */
            url: string;
            /** @description Headers of each request. */
            headers?: {
                [key: string]: string;
            };
        };
        /**
         * @description How far the processes of a run are kept from everything else on the machine. A later level keeps them from more.
         * @enum {string}
         */
        IsolationLevel: "none" | "files" | "guard" | "sandbox";
        /** @description A schema of the answer. `name`, `description` and `strict` have no effect: the answer is always checked. */
        JsonSchemaFormat: {
            /** @description The JSON Schema, at most 64 KiB. Default: any object. */
            schema?: {
                [key: string]: unknown;
            } | null;
        };
        /** @description The defaults of an API key. */
        KeyDefaults: {
            /** @description Profile of the runs that name none; absent for that of the server. */
            default_profile?: components["schemas"]["ProfileName"];
            /** @description Session of requests of the OpenAI-compatible API that name none, as in the header `OpenRunner-Session`. */
            default_session?: string;
            /** @description Working directory of requests of the OpenAI-compatible API that name none. */
            default_directory?: string;
            /** @description What happens to a run whose client disconnects while it waits for the answer, unless the request states it. */
            on_disconnect?: components["schemas"]["OnDisconnect"];
        };
        /** @example key_0198a8f0c0de7000800000000000000a */
        KeyId: string;
        /**
         * @description Severity of a notice.
         * @enum {string}
         */
        Level: "info" | "warning" | "error";
        /** @description A limit: an amount, or unlimited. */
        QuotaLimit: number | components["schemas"]["Unlimited"];
        /** @description A limit: an amount, or unlimited. */
        CostLimit: number | components["schemas"]["Unlimited"];
        /** @description A limit: an amount, or unlimited. */
        TokenLimit: number | components["schemas"]["Unlimited"];
        /**
         * @description Mechanism that enforces a run's resource limits.
         * @enum {string}
         */
        LimitedBy: "cgroup" | "rlimit";
        /**
         * @description Diagnostic output of the agent.
         * @example {
         *       "seq": 18,
         *       "ts": "2026-11-22T13:05:10.200Z",
         *       "type": "log",
         *       "stream": "stderr",
         *       "content": "warning: no config file"
         *     }
         */
        LogEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "log";
            /** @description Stream that the output came from. */
            stream: components["schemas"]["LogStream"];
            /** @description One or more lines. */
            content: string;
        };
        /**
         * @description An output stream of a program.
         * @enum {string}
         */
        LogStream: "stderr";
        /** @description How to log in. */
        LoginOptions: {
            /**
             * @description Users whose password is still the documented default, equal to their name, if the sender of this request may log in with it. Empty
             *     for all other clients.
             */
            default_users: components["schemas"]["UserName"][];
        };
        /** @description Credentials. */
        LoginRequest: {
            /**
             * @description User name.
             * @example admin
             */
            username: string;
            /**
             * @description Password.
             * @example admin
             */
            password: string;
        };
        /** @description A token for the `Authorization` header of further requests. */
        LoginResponse: {
            /** @description The token. */
            token: string;
            /** @description Always `Bearer`. */
            token_type: string;
            /**
             * Format: int64
             * @description Lifetime of the token in seconds.
             */
            expires_in: number;
            /** @description The user. */
            user: components["schemas"]["User"];
        };
        /** @description An MCP server: a program that the agent starts (`command`), or a URL that it calls (`url`). */
        McpServer: components["schemas"]["StdioServer"] | components["schemas"]["HttpServer"];
        /** @description The caller, with their budget. */
        Me: {
            /** @description User name. */
            username: components["schemas"]["UserName"];
            /** @description Role of the user. */
            role: components["schemas"]["UserRole"];
            /** @description Today's budget. */
            budget: components["schemas"]["Budget"];
        };
        /**
         * @description A complete message. Its `token` events precede it.
         * @example {
         *       "seq": 5,
         *       "ts": "2026-11-22T13:05:01.400Z",
         *       "type": "message",
         *       "role": "assistant",
         *       "content": "I'll create hello.py.",
         *       "message_id": "msg_1"
         *     }
         */
        MessageEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "message";
            /** @description Author of the message. */
            role: components["schemas"]["Role"];
            /** @description Complete text of the message. */
            content: string;
            /** @description ID of the message; the same as in its `token` events. */
            message_id?: string;
            /** @description ID of the tool call whose sub-agent wrote the message. */
            parent_tool_call_id?: string;
        };
        /**
         * @description How a further message is delivered to a live run.
         * @enum {string}
         */
        MessageMode: "queue" | "steer" | "interrupt";
        /** @description A message to a live run. */
        MessageRequest: {
            /**
             * @description Text of the message. May be absent if `parts` contains text.
             * @example Add a test, too.
             */
            text?: string | null;
            /**
             * @description Further parts of the message, as in `input.parts` of a new run. All images and files of the message together have at most 5 MiB,
             *     and with uploaded files 20 MiB.
             */
            parts?: {
                [key: string]: unknown;
            }[] | null;
            /** @description How the message is delivered. */
            mode?: components["schemas"]["MessageMode"];
        };
        /** @description An accepted message. */
        MessageResponse: {
            /** @description The run. */
            run_id: components["schemas"]["RunId"];
            /** @description How the message is delivered. */
            mode: components["schemas"]["MessageMode"];
        };
        /** @description A model: an agent, or a model of an agent. */
        Model: {
            /**
             * @description Name of the model.
             * @example claude_code
             */
            id: string;
            /** @description Always `model`. */
            object: string;
            /**
             * Format: int64
             * @description Always 0.
             */
            created: number;
            /** @description Always `openrunner`. */
            owned_by: string;
        };
        /** @description The list of models. */
        ModelList: {
            /** @description Always `list`. */
            object: string;
            /** @description The models, by name. */
            data: components["schemas"]["Model"][];
        };
        /**
         * Format: double
         * @description A non-negative amount of US dollars, in whole microdollars. On the wire a number of dollars.
         */
        Money: number;
        /**
         * @description The agent used the network, at isolation level `sandbox`. Reported when a connection ends; repeated connections to the same host are
         *     reported together.
         * @example {
         *       "seq": 20,
         *       "ts": "2026-11-22T13:05:10.600Z",
         *       "type": "network",
         *       "host": "example.org",
         *       "port": 443,
         *       "allowed": false,
         *       "connections": 2,
         *       "bytes_sent": 0,
         *       "bytes_received": 0,
         *       "reason": "not_allowed"
         *     }
         */
        NetworkEvent: components["schemas"]["NetworkUse"] & {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /** @enum {string} */
            type: "network";
        } & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "network";
        };
        /**
         * @description Why a connection was refused or failed.
         * @enum {string}
         */
        NetworkReason: "not_allowed" | "private_address" | "bad_request" | "too_many_hosts" | "unresolved" | "unreachable";
        /** @description Connections of an agent to one host. */
        NetworkUse: {
            /** @description Host name or address, without brackets; `*` for a request that names none, and for hosts beyond the number that is listed per run. */
            host: string;
            /**
             * Format: u-int16
             * @description Port; 0 if `host` is `*`.
             */
            port: number;
            /** @description Whether the connections were allowed. */
            allowed: boolean;
            /**
             * Format: u-int64
             * @description Number of connections. For requests that the server forwards itself, such as those to the model with a key of the operator, number of
             *     requests.
             */
            connections: number;
            /**
             * Format: u-int64
             * @description Bytes from the agent to the host.
             */
            bytes_sent: number;
            /**
             * Format: u-int64
             * @description Bytes from the host to the agent.
             */
            bytes_received: number;
            /** @description Why the connections were refused or failed. */
            reason?: components["schemas"]["NetworkReason"];
        };
        /** @description A workspace to make. */
        NewWorkspace: {
            /** @description Kind of workspace. */
            kind: components["schemas"]["WorkspaceKind"];
            /**
             * @description The top directory of a git repository on the server; default: `working_dir`. For a clone, a URL such as
             *     `https://github.com/owner/repository`.
             */
            repository?: string | null;
            /**
             * @description The branch, tag or commit to begin with, such as `main`, `v1.0`, `origin/main` or 40 hexadecimal digits. Default: what is checked out
             *     in the repository, or the default branch of a remote one.
             */
            ref?: string | null;
        };
        /**
         * @description Code of a notice.
         * @enum {string}
         */
        NoticeCode: "retrying" | "rate_limited" | "truncated" | "invalid_utf8" | "leaked_pipe" | "exit_grace_expired" | "left_behind" | "resumed" | "undelivered" | "weak_guarantee" | "gap" | "session_changed" | "session_moved" | "bad_output" | "limit_reached" | "waiting_for_reset" | "spend_limit" | "access_ended" | "agent_warning" | "changes_incomplete" | "other";
        /**
         * @description A notice that does not end the run.
         * @example {
         *       "seq": 17,
         *       "ts": "2026-11-22T13:05:10.000Z",
         *       "type": "notice",
         *       "level": "warning",
         *       "code": "retrying",
         *       "message": "the model answered 529; asking again in 2 s",
         *       "data": {
         *         "attempt": 1,
         *         "max_attempts": 2,
         *         "delay_ms": 2000,
         *         "status": 529
         *       }
         *     }
         */
        NoticeEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "notice";
            /** @description Severity. */
            level: components["schemas"]["Level"];
            /** @description Code of the notice. */
            code: components["schemas"]["NoticeCode"];
            /** @description Human-readable description. */
            message: string;
            /** @description Details, depending on the code. */
            data?: unknown;
        };
        /**
         * @description What to do if the session already has a live run.
         * @enum {string}
         */
        OnBusy: "queue" | "reject" | "interrupt";
        /**
         * @description What to do with a run whose client disconnects before its end.
         * @enum {string}
         */
        OnDisconnect: "cancel" | "continue";
        /**
         * @description What a run does when its agent reaches a rate or usage limit of the model's provider.
         * @enum {string}
         */
        OnRateLimit: "fail" | "wait";
        /** @description The answers to one question. */
        OneOrMore: string | string[];
        /** @description An error under `/v1`, in OpenAI's format. */
        OpenAiError: {
            error: {
                /** @description Explanation for people. The wording may change. */
                message: string;
                /** @description `invalid_request_error`, `permission_error`, `rate_limit_error` or `server_error`. */
                type: string;
                /** @description The first faulty field. */
                param: string | null;
                /** @description Stable code for programs. */
                code: string;
            } & Record<string, never>;
        };
        /** @description A permission request or question that the agent is waiting on. */
        OpenRequest: components["schemas"]["RequestKind"] & {
            /** @description ID of the request, used to answer it. */
            id: string;
            /** @description When the request was opened. */
            created_at: components["schemas"]["Timestamp"];
            /** @description When the request expires: a permission request is then denied, a question gets empty answers. */
            expires_at: components["schemas"]["Timestamp"];
        };
        /** @description One page of a list. */
        OpenRequestPage: {
            /** @description The items. */
            items: components["schemas"]["OpenRequest"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /** @description Budget of a user: per UTC day, and per run. Limits that are not set default to the server's settings. */
        OwnBudget: {
            /** @description Maximum number of tokens. */
            tokens_per_day?: components["schemas"]["TokenLimit"];
            /** @description Maximum cost in US dollars, as far as agents report their cost. */
            cost_per_day_usd?: components["schemas"]["CostLimit"];
            /** @description Maximum number of tokens of one run. A run may ask for a lower one. */
            tokens_per_run?: components["schemas"]["TokenLimit"];
            /** @description Maximum cost of one run in US dollars. A run may ask for a lower one. */
            cost_per_run_usd?: components["schemas"]["CostLimit"];
            /** @description Maximum number of model calls of one run. A run may ask for a lower one. */
            turns_per_run?: components["schemas"]["QuotaLimit"];
        };
        /** @description The quotas that a user has instead of the server's defaults. Those that are absent default to the server's settings. */
        OwnQuotas: {
            /** @description Runs with their events, and the output of their agents, in bytes. */
            stored_bytes?: components["schemas"]["QuotaLimit"];
            /** @description Content of fresh working directories, in bytes. */
            workspace_bytes?: components["schemas"]["QuotaLimit"];
            /** @description Runs. */
            runs?: components["schemas"]["QuotaLimit"];
            /** @description Sessions. */
            sessions?: components["schemas"]["QuotaLimit"];
            /** @description API keys. */
            keys?: components["schemas"]["QuotaLimit"];
        };
        /** @description A password change. */
        PasswordRequest: {
            /** @description The current password; a token alone is not sufficient. */
            current_password: string;
            /** @description The new password. It must differ from the user name. */
            new_password: string;
        };
        /** @description An option of a permission request, as the agent offers it. */
        PermissionChoice: {
            /** @description ID of the option, used to choose it. */
            id: string;
            /** @description Name of the option, for people. */
            name: string;
            /** @description Decision that the option stands for. */
            decision: components["schemas"]["Decision"];
        };
        /**
         * @description How permission requests are decided.
         * @enum {string}
         */
        PermissionMode: "auto" | "ask" | "read_only";
        /**
         * @description The agent requests permission to use a tool.
         * @example {
         *       "seq": 12,
         *       "ts": "2026-11-22T13:05:03.000Z",
         *       "type": "permission_request",
         *       "id": "req_1",
         *       "tool_call_id": "toolu_2",
         *       "tool": "Bash",
         *       "kind": "execute",
         *       "input": {
         *         "command": "python3 hello.py"
         *       },
         *       "options": [
         *         "allow_once",
         *         "allow_always",
         *         "deny"
         *       ],
         *       "expires_at": "2026-11-22T13:15:03.000Z"
         *     }
         */
        PermissionRequestEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "permission_request";
            /** @description ID of the request, used to answer it. */
            id: string;
            /** @description ID of the tool call that needs permission. */
            tool_call_id?: string;
            /** @description Name of the tool, as the agent reports it. */
            tool: string;
            /** @description Kind of tool. */
            kind: components["schemas"]["ToolKind"];
            /** @description Complete input of the tool call, as it will run if allowed. */
            input: unknown;
            /** @description Decisions that the agent accepts. */
            options: components["schemas"]["Decision"][];
            /**
             * @description The agent's own options, if it names them. An answer may choose one of them by its `id`. Several with the same `decision` are
             *     different ways to continue; such a decision is not in `options`, because it would be ambiguous.
             */
            choices?: components["schemas"]["PermissionChoice"][];
            /** @description When the request is denied if it is not answered. Absent if a rule or the permission mode decides. */
            expires_at?: components["schemas"]["Timestamp"];
        };
        /**
         * @description A permission request was answered.
         * @example {
         *       "seq": 13,
         *       "ts": "2026-11-22T13:05:03.001Z",
         *       "type": "permission_resolved",
         *       "id": "req_1",
         *       "decision": "allow_once",
         *       "by": "policy",
         *       "reason": "permission_mode is auto"
         *     }
         */
        PermissionResolvedEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "permission_resolved";
            /** @description ID of the request. */
            id: string;
            /** @description The decision. */
            decision: components["schemas"]["Decision"];
            /** @description ID of the chosen option, if one of `choices` was chosen. */
            option_id?: string;
            /** @description Who decided. */
            by: components["schemas"]["DecidedBy"];
            /** @description Human-readable reason. */
            reason?: string;
        };
        /** @description A step of a plan. */
        PlanEntry: {
            /** @description Description of the step. */
            content: string;
            /** @description Progress of the step. */
            status: components["schemas"]["PlanStatus"];
        };
        /**
         * @description The agent's complete current plan.
         * @example {
         *       "seq": 11,
         *       "ts": "2026-11-22T13:05:02.500Z",
         *       "type": "plan",
         *       "entries": [
         *         {
         *           "content": "Create hello.py",
         *           "status": "completed"
         *         },
         *         {
         *           "content": "Run it",
         *           "status": "in_progress"
         *         }
         *       ]
         *     }
         */
        PlanEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "plan";
            /** @description Steps of the plan, in order. */
            entries: components["schemas"]["PlanEntry"][];
        };
        /**
         * @description Progress of a step of a plan.
         * @enum {string}
         */
        PlanStatus: "pending" | "in_progress" | "completed";
        /** @description An error as RFC 9457 defines it. */
        Problem: {
            /** @description Always `about:blank`; see `code`. */
            type: string;
            /** @description The name of the status. */
            title: string;
            /**
             * Format: u-int16
             * @description The HTTP status.
             */
            status: number;
            /** @description Explanation for people. The wording may change. */
            detail: string;
            /**
             * @description Stable code for programs.
             * @enum {string}
             */
            code: "malformed_json" | "body_missing" | "body_unreadable" | "bad_argument" | "unknown_model" | "unsupported_parameter" | "token_missing" | "token_invalid" | "token_expired" | "wrong_credentials" | "default_password" | "origin_not_allowed" | "cross_site" | "admin_only" | "scope_missing" | "own_password_needed" | "wrong_password" | "env_not_allowed" | "working_dir_not_allowed" | "isolation_required" | "not_found" | "model_not_found" | "method_not_allowed" | "body_timeout" | "run_active" | "delivery_not_failed" | "run_ended" | "already_answered" | "session_busy" | "working_dir_gone" | "no_workspace" | "no_worktree" | "uncommitted_work" | "push_failed" | "branch_changed" | "workspace_unusable" | "cancelled" | "changes_unavailable" | "wrong_file_type" | "file_inaccessible" | "run_read_only" | "user_exists" | "last_admin" | "profile_read_only" | "too_many_profiles" | "body_too_large" | "not_json" | "range_not_satisfiable" | "host_not_served" | "invalid_field" | "unknown_agent" | "unknown_profile" | "profile_conflict" | "bad_working_dir" | "bad_workspace" | "session_mismatch" | "cannot_resume" | "cannot_ask" | "isolation_unavailable" | "messages_not_supported" | "idempotency_key_reused" | "queue_full" | "quota_exceeded" | "budget_exceeded" | "too_many_messages" | "too_many_logins" | "too_many_requests" | "too_many_searches" | "too_many_streams" | "rate_limited" | "spend_limit" | "internal" | "agent_error" | "not_logged_in" | "not_installed" | "bad_arguments" | "crashed" | "killed" | "bad_output" | "protocol" | "node_lost" | "shutting_down" | "overloaded" | "search_timeout" | "timeout" | "startup_timeout" | "idle_timeout" | "storage_quota_exceeded" | "storage";
            /** @description All faults of the request, if fields are at fault. A body of the wrong shape is reported with its first fault. */
            errors?: components["schemas"]["FieldError"][];
        };
        /**
         * @description What a profile sets for its runs. What is absent is left to the request.
         *
         *     A request may set what the profile leaves open, and may narrow what it sets: a stricter mode, a lower limit, a higher isolation level.
         */
        Profile: {
            name?: components["schemas"]["ProfileName"] | null;
            source?: components["schemas"]["ProfileSource"] | null;
            updated_at?: components["schemas"]["Timestamp"] | null;
            /** @description Description for people. */
            description?: string | null;
            /** @description The agent. */
            agent_type?: string | null;
            /** @description The model. */
            model?: string | null;
            /** @description Text that is added to the agent's system prompt. That of the request follows it. */
            instructions?: string | null;
            permission_mode?: components["schemas"]["PermissionMode"] | null;
            /** @description Rules that precede those of the request. */
            permission_rules?: components["schemas"]["RuleSpec"][] | null;
            /** @description MCP servers for the agent, also in runs of users who are no admins. */
            mcp_servers?: components["schemas"]["ProfileMcpServer"][] | null;
            isolation?: components["schemas"]["IsolationLevel"] | null;
            /**
             * Format: u-int64
             * @description Time limit of the run in seconds. A request may choose a lower one.
             */
            timeout_secs?: number | null;
            /**
             * Format: u-int64
             * @description Time limit in seconds without output. A request may choose a lower one.
             */
            idle_timeout_secs?: number | null;
            max_cost_usd?: components["schemas"]["Money"] | null;
            max_tokens?: components["schemas"]["Tokens"] | null;
            max_turns?: components["schemas"]["Amount"] | null;
            /** @description The users who may use the profile, besides admins. Empty for all users. */
            users?: components["schemas"]["ProfileUser"][] | null;
        };
        /** @description An MCP server, or the name of one of the stored profile, which keeps its settings. */
        ProfileMcpServer: string | components["schemas"]["McpServer"];
        /** @example review */
        ProfileName: string;
        /**
         * @description Where a profile is defined.
         * @enum {string}
         */
        ProfileSource: "settings" | "api";
        /** @description Name of a user, or the id of one who was removed since the profile was stored */
        ProfileUser: string;
        /** @description A profile without the settings of its MCP servers, which may contain secrets. Absent fields are left to the request. */
        ProfileView: {
            /** @description Name of the profile. */
            name: components["schemas"]["ProfileName"];
            /** @description Where it is defined. */
            source: components["schemas"]["ProfileSource"];
            /** @description Description for people. */
            description?: string;
            /** @description The agent. */
            agent_type?: string;
            /** @description The model. */
            model?: string;
            /** @description Text that is added to the agent's system prompt, before that of the request. */
            instructions?: string;
            /** @description How permission requests are decided, unless the request chooses a stricter mode. */
            permission_mode?: components["schemas"]["PermissionMode"];
            /** @description Rules that precede those of the request. */
            permission_rules?: components["schemas"]["RuleSpec"][];
            /** @description Names of the MCP servers. */
            mcp_servers?: string[];
            /** @description The isolation level, unless the request chooses a higher one. */
            isolation?: components["schemas"]["IsolationLevel"];
            /**
             * Format: u-int64
             * @description Time limit of the run in seconds, unless the request chooses a lower one.
             */
            timeout_secs?: number;
            /**
             * Format: u-int64
             * @description Time limit in seconds without output, unless the request chooses a lower one.
             */
            idle_timeout_secs?: number;
            /** @description Maximum cost of a run in US dollars, unless the request chooses a lower limit. */
            max_cost_usd?: components["schemas"]["Money"];
            /** @description Maximum number of tokens of a run, unless the request chooses a lower limit. */
            max_tokens?: components["schemas"]["Tokens"];
            /** @description Maximum number of model calls of a run, unless the request chooses a lower limit. */
            max_turns?: components["schemas"]["Amount"];
            /**
             * @description The users who may use the profile, besides admins: their names, and the ids of those who were removed. Only for admins; absent for all
             *     users.
             */
            users?: components["schemas"]["ProfileUser"][];
            /** @description When it was last changed; absent for one of the settings file. */
            updated_at?: components["schemas"]["Timestamp"];
        };
        /** @description One page of a list. */
        ProfileViewPage: {
            /** @description The items. */
            items: components["schemas"]["ProfileView"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /**
         * @description Whether the agent's configuration in the working directory has an effect.
         * @enum {string}
         */
        ProjectConfig: "ignore" | "trust";
        /** @description Details of the input tokens. */
        PromptTokens: {
            /**
             * Format: u-int64
             * @description Input tokens read from the provider's cache.
             */
            cached_tokens: number;
        };
        /** @description A question to the user. */
        Question: {
            /** @description Text of the question. */
            text: string;
            /** @description Short label of the question. */
            header?: string;
            /** @description Suggested answers; empty for free text. */
            options: components["schemas"]["QuestionOption"][];
            /** @description Whether several answers are allowed. */
            multiple: boolean;
        };
        /**
         * @description The agent asks the user one or more questions.
         * @example {
         *       "seq": 14,
         *       "ts": "2026-11-22T13:05:04.000Z",
         *       "type": "question",
         *       "id": "req_2",
         *       "questions": [
         *         {
         *           "text": "Which colour?",
         *           "header": "Colour",
         *           "options": [
         *             {
         *               "name": "red",
         *               "description": "Seen from afar"
         *             },
         *             {
         *               "name": "blue"
         *             }
         *           ],
         *           "multiple": false
         *         }
         *       ]
         *     }
         */
        QuestionEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "question";
            /** @description ID of the request, used to answer it. */
            id: string;
            /** @description The questions. */
            questions: components["schemas"]["Question"][];
        };
        /** @description A suggested answer to a question. */
        QuestionOption: {
            /** @description Name of the option. Sent as the answer to choose it. */
            name: string;
            /** @description Meaning of the option. */
            description?: string;
            /** @description Text that shows the outcome of the option, such as a mockup or code. */
            preview?: string;
        };
        /**
         * @description Questions were answered.
         * @example {
         *       "seq": 15,
         *       "ts": "2026-11-22T13:05:09.000Z",
         *       "type": "question_resolved",
         *       "id": "req_2",
         *       "answers": [
         *         [
         *           "blue"
         *         ]
         *       ],
         *       "by": "user"
         *     }
         */
        QuestionResolvedEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "question_resolved";
            /** @description ID of the request. */
            id: string;
            /** @description One list of answers for each question. */
            answers: string[][];
            /** @description Who answered. */
            by: components["schemas"]["DecidedBy"];
        };
        /** @description What a user keeps on the server, and may keep. */
        Quotas: {
            /** @description The user whose quotas these are. */
            owner: components["schemas"]["UserName"];
            /** @description Runs with their events, and the output of their agents, in bytes. */
            stored_bytes: components["schemas"]["QuotaAllowance"];
            /** @description Content of fresh workspaces, in bytes, as measured within the last minutes. */
            workspace_bytes: components["schemas"]["QuotaAllowance"];
            /** @description Runs. */
            runs: components["schemas"]["QuotaAllowance"];
            /** @description Sessions. */
            sessions: components["schemas"]["QuotaAllowance"];
            /** @description API keys. */
            keys: components["schemas"]["QuotaAllowance"];
        };
        /** @description Changes to quotas. Absent fields stay unchanged; null restores the server's default. */
        QuotasRequest: {
            stored_bytes?: components["schemas"]["QuotaLimit"] | null;
            workspace_bytes?: components["schemas"]["QuotaLimit"] | null;
            runs?: components["schemas"]["QuotaLimit"] | null;
            sessions?: components["schemas"]["QuotaLimit"] | null;
            keys?: components["schemas"]["QuotaLimit"] | null;
        };
        /**
         * @description Output that the adapter does not recognize: a line, or the part of a line around messages that it does recognize.
         * @example {
         *       "seq": 19,
         *       "ts": "2026-11-22T13:05:10.300Z",
         *       "type": "raw",
         *       "line": "{\"type\":\"brand_new\",\"answer\":42}"
         *     }
         */
        RawEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "raw";
            /** @description The text without its newline. Invalid UTF-8 is replaced. */
            line: string;
        };
        /**
         * @description How often an agent reports a part of its usage.
         * @enum {string}
         */
        ReportInterval: "never" | "turn" | "call";
        /** @description The content of a request. */
        RequestKind: {
            /** @description ID of the tool call that needs permission. */
            tool_call_id?: string;
            /** @description Name of the tool, as the agent reports it. */
            tool: string;
            /** @description Kind of tool. */
            kind: components["schemas"]["ToolKind"];
            /** @description Complete input of the tool call, as it will run if allowed. */
            input: unknown;
            /** @description Decisions that the agent accepts. */
            options: components["schemas"]["Decision"][];
            /** @description The agent's own options, if it names them. An answer may choose one of them by its `id`, as `option_id`. */
            choices?: components["schemas"]["PermissionChoice"][];
            /** @enum {string} */
            type: "permission";
        } | {
            /** @description The questions. */
            questions: components["schemas"]["Question"][];
            /** @enum {string} */
            type: "question";
        };
        /** @description The format of the answer. */
        ResponseAnswerFormat: {
            /** @enum {string} */
            type: "text";
        } | {
            /** @description Always `output`. */
            name: string;
            /** @description The JSON Schema. */
            schema: {
                [key: string]: unknown;
            };
            /** @description Always true: the answer is always checked. */
            strict: boolean;
            /** @enum {string} */
            type: "json_schema";
        };
        /** @description A deleted response. */
        ResponseDeleted: {
            /** @description The response. */
            id: components["schemas"]["ResponseId"];
            /** @description Always `response`. */
            object: string;
            /** @description Always true. */
            deleted: boolean;
        };
        /** @description Why a response failed. */
        ResponseError: {
            /** @description `rate_limit_exceeded` for the limit of a provider, otherwise the cause of the run's end. */
            code: string;
            /** @description Explanation for people. */
            message: string;
        };
        /** @description The format of the answer. */
        ResponseFormat: {
            /** @description `text`, `json_object`, or `json_schema`. With the latter two the answer is JSON and nothing else, or the run fails with `bad_output`. */
            type: string;
            json_schema?: components["schemas"]["JsonSchemaFormat"] | null;
        };
        /** @example resp_run_0198a8f0c0de7000800000000000000a */
        ResponseId: string;
        /** @description The input: a text, or items. */
        ResponseInput: string | components["schemas"]["ResponseInputItem"][];
        /** @description A part of the input. */
        ResponseInputContent: {
            /** @description The text. */
            text: string;
            /** @enum {string} */
            type: "input_text";
        } | {
            /** @description Always `auto`. */
            detail: string;
            /** @enum {string} */
            type: "input_image";
        } | {
            /** @description File name. */
            filename: string;
            /** @enum {string} */
            type: "input_file";
        };
        /**
         * @description An item of the input.
         *
         *     Messages, calls of functions with their output, and references to output items of this server. Other items, such as reasoning and the calls
         *     of a model's built-in tools, are ignored.
         */
        ResponseInputItem: {
            /** @description `message` if absent, `function_call`, `function_call_output`, `custom_tool_call`, `custom_tool_call_output`, `item_reference`, … */
            type?: string | null;
            /** @description Id of the item. If it is an output item of this server, the session of its run is continued. */
            id?: string | null;
            role?: components["schemas"]["ChatRole"] | null;
            content?: components["schemas"]["ResponseInputMessageContent"] | null;
            /** @description Name of a called function. */
            name?: string | null;
            /** @description Arguments of a called function, as JSON. */
            arguments?: string | null;
            /** @description Input of a called custom tool. */
            input?: string | null;
            /** @description Output of a called function: a text, or parts. */
            output?: string | null;
        };
        /** @description The input items of a response, as a page. */
        ResponseInputItems: {
            /** @description Always `list`. */
            object: string;
            /** @description The items. */
            data: components["schemas"]["ResponseInputMessage"][];
            /** @description Id of the first item; null if the page is empty. */
            first_id: string | null;
            /** @description Id of the last item; null if the page is empty. */
            last_id: string | null;
            /** @description Always false. */
            has_more: boolean;
        };
        /** @description The prompt as the agent received it: one message, also if the request had several items. */
        ResponseInputMessage: {
            /** @description Id of the item. */
            id: string;
            /** @description Always `message`. */
            type: string;
            /** @description Always `completed`. */
            status: string;
            /** @description Always `user`. */
            role: string;
            /** @description The prompt, and the images and files without their content. */
            content: components["schemas"]["ResponseInputContent"][];
        };
        /** @description The content of a message. */
        ResponseInputMessageContent: string | components["schemas"]["ResponseInputPart"][];
        /** @description A part of a message. */
        ResponseInputPart: {
            /** @description `input_text`, `input_image`, `input_file`, or `output_text` and `refusal` in messages of the assistant. */
            type: string;
            /** @description The text of `input_text` and `output_text`. */
            text?: string | null;
            /** @description The text of a `refusal`. */
            refusal?: string | null;
            /** @description The image of an `input_image` as a data URL: `data:image/png;base64,…`. The server fetches no other URLs. */
            image_url?: string | null;
            /** @description File name of an `input_file`, without directories. */
            filename?: string | null;
            /** @description The file of an `input_file` as a data URL: `data:application/pdf;base64,…`. */
            file_data?: string | null;
        };
        /** @description Details of the input tokens. */
        ResponseInputTokens: {
            /**
             * Format: u-int64
             * @description Input tokens read from the provider's cache.
             */
            cached_tokens: number;
        };
        /**
         * @description Status of an item.
         * @enum {string}
         */
        ResponseItemStatus: "in_progress" | "completed" | "incomplete";
        /**
         * @description A response: a run in OpenAI's format.
         *
         *     The parameters of a model that agents do not have are present with the values that OpenAI's clients expect.
         */
        ResponseObject: {
            /** @description `resp_` and the id of the run. */
            id: components["schemas"]["ResponseId"];
            /** @description Always `response`. */
            object: string;
            /**
             * Format: int64
             * @description When the run was created, in seconds since 1970.
             */
            created_at: number;
            /**
             * Format: int64
             * @description When it completed, in seconds since 1970; null if it did not.
             */
            completed_at: number | null;
            /** @description Status of the response. */
            status: components["schemas"]["ResponseStatus"];
            /** @description Whether it was requested in the background. */
            background: boolean;
            error: components["schemas"]["ResponseError"] | null;
            /** @default null */
            incomplete_details: unknown;
            /** @description Text that was added to the agent's system prompt. */
            instructions: string | null;
            /** @default null */
            max_output_tokens: unknown;
            /** @default null */
            max_tool_calls: unknown;
            /** @description Agent and model: `agent` or `agent/model`. */
            model: string;
            /** @description What the agent wrote: reasoning and messages, in order. Empty until the response has ended. */
            output: components["schemas"]["ResponseOutputItem"][];
            /** @description Always true. */
            parallel_tool_calls: boolean;
            previous_response_id: components["schemas"]["ResponseId"] | null;
            /** @default null */
            prompt_cache_key: unknown;
            /** @description Options of reasoning, all null. */
            reasoning: components["schemas"]["ResponseReasoning"];
            /** @default null */
            safety_identifier: unknown;
            /** @description Always `default`. */
            service_tier: string;
            /** @description Whether the response can be retrieved and continued. */
            store: boolean;
            /**
             * Format: double
             * @description Always 1.
             */
            temperature: number;
            /** @description The format of the answer. */
            text: components["schemas"]["ResponseText"];
            /** @description Always `auto`: agents use their own tools. */
            tool_choice: string;
            /** @description Always empty: the tools of the request are ignored. */
            tools: {
                [key: string]: unknown;
            }[];
            /**
             * Format: u-int32
             * @description Always 0.
             */
            top_logprobs: number;
            /**
             * Format: double
             * @description Always 1.
             */
            top_p: number;
            /**
             * Format: double
             * @description Always 0.
             */
            presence_penalty: number;
            /**
             * Format: double
             * @description Always 0.
             */
            frequency_penalty: number;
            /** @description Always `disabled`. */
            truncation: string;
            usage: components["schemas"]["ResponseUsage"] | null;
            /** @default null */
            user: unknown;
            /** @description Labels of the run. */
            metadata: {
                [key: string]: string;
            };
            /** @description The run of the response. */
            openrunner: components["schemas"]["CompletionRun"];
        };
        /** @description An item of the output. */
        ResponseOutputItem: {
            /** @description Id of the item. */
            id: string;
            /** @description Status of the item. */
            status: components["schemas"]["ResponseItemStatus"];
            /** @description Always `assistant`. */
            role: string;
            /** @description The text, as one part. */
            content: components["schemas"]["ResponseOutputText"][];
            /** @enum {string} */
            type: "message";
        } | {
            /** @description Id of the item. */
            id: string;
            /** @description Status of the item. */
            status: components["schemas"]["ResponseItemStatus"];
            /** @description The text, as one part. */
            summary: components["schemas"]["ResponseSummaryText"][];
            /** @enum {string} */
            type: "reasoning";
        };
        /** @description The text of a message. */
        ResponseOutputText: {
            /** @description Always `output_text`. */
            type: string;
            /** @description The text. */
            text: string;
            /** @description Always empty. */
            annotations: {
                [key: string]: unknown;
            }[];
            /** @description Always empty. */
            logprobs: {
                [key: string]: unknown;
            }[];
        };
        /** @description Details of the output tokens. */
        ResponseOutputTokens: {
            /**
             * Format: u-int64
             * @description Thinking tokens, if the agent reports them.
             */
            reasoning_tokens: number;
        };
        /** @description Options of reasoning, which agents do not have. */
        ResponseReasoning: {
            /** @default null */
            effort: unknown;
            /** @default null */
            summary: unknown;
        };
        /**
         * @description A request for a response.
         *
         *     Parameters that change the result and that agents do not support are rejected: a required tool call, log probabilities, stored
         *     conversations and prompts. Preferences such as `temperature`, offered `tools` and unknown parameters are ignored.
         * @example {
         *       "model": "demo",
         *       "input": "hello"
         *     }
         */
        ResponseRequest: {
            /** @description `agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`. */
            model: string;
            /** @description The task: a text, or the items of a conversation. */
            input: components["schemas"]["ResponseInput"];
            /** @description Text that is added to the agent's system prompt in this response. */
            instructions?: string | null;
            /** @description The response to continue, in its session. If the session has continued since, a new one begins with the conversation up to it. */
            previous_response_id?: string | null;
            /** @description Whether the response can be retrieved and continued. The run is stored in any case. Default: true. */
            store?: boolean | null;
            /** @description Whether to return before the end of the run. Requires `store`. */
            background?: boolean | null;
            /** @description Whether to stream the response. */
            stream?: boolean | null;
            text?: components["schemas"]["ResponseTextOptions"] | null;
            /** @description Becomes the labels of the run. */
            metadata?: {
                [key: string]: string;
            } | null;
            /** @description Becomes the label `user` of the run, if it has at most 256 bytes. */
            user?: string | null;
            /** @description `auto` or `none`: agents use their own tools, never those of the request. A required tool is rejected. */
            tool_choice?: string | null;
            openrunner?: components["schemas"]["RunOptions"] | null;
        };
        /**
         * @description Status of a response.
         * @enum {string}
         */
        ResponseStatus: "queued" | "in_progress" | "completed" | "failed" | "cancelled";
        /** @description The text of reasoning. */
        ResponseSummaryText: {
            /** @description Always `summary_text`. */
            type: string;
            /** @description The text. */
            text: string;
        };
        /** @description The format of the answer. */
        ResponseText: {
            /** @description The format. */
            format: components["schemas"]["ResponseAnswerFormat"];
        };
        /** @description A format of the answer. `name`, `description` and `strict` have no effect: the answer is always checked. */
        ResponseTextFormat: {
            /** @description `text`, `json_object`, or `json_schema`. With the latter two the answer is JSON and nothing else, or the run fails with `bad_output`. */
            type: string;
            /** @description The JSON Schema, at most 64 KiB, for `json_schema`. Default: any object. */
            schema?: {
                [key: string]: unknown;
            } | null;
        };
        /** @description Options of the answer. */
        ResponseTextOptions: {
            format?: components["schemas"]["ResponseTextFormat"] | null;
        };
        /** @description Usage of a response. */
        ResponseUsage: {
            /**
             * Format: u-int64
             * @description Input tokens, cached or not.
             */
            input_tokens: number;
            /** @description Details of the input tokens. */
            input_tokens_details: components["schemas"]["ResponseInputTokens"];
            /**
             * Format: u-int64
             * @description Output tokens, including thinking.
             */
            output_tokens: number;
            /** @description Details of the output tokens. */
            output_tokens_details: components["schemas"]["ResponseOutputTokens"];
            /**
             * Format: u-int64
             * @description Sum of both.
             */
            total_tokens: number;
        };
        /** @description The state to which a working directory is reverted: after a turn, or that of a snapshot. */
        RevertRequest: {
            /** @description The turn after which the directory was in the wanted state, counted from 1; 0 stands for the start of the run. */
            turn?: number | null;
            /** @description Instead of `turn`: a snapshot of the run, or the `undo` of an earlier revert in the same session. */
            snapshot?: string | null;
            /** @description Only these files, and those in these directories; at most 100. Default: all. */
            paths?: string[] | null;
        };
        /** @description What a revert has done. */
        RevertResponse: {
            /** @description The run. */
            run_id: components["schemas"]["RunId"];
            /** @description ID of the snapshot after the revert. */
            snapshot: string;
            /** @description ID of the snapshot from right before. Reverting to it undoes the revert. */
            undo: string;
            /** @description Number of files that were written or removed. */
            files: number;
            /** @description Some of the files that differ from the wanted state and were left as they are. */
            untouched: components["schemas"]["UntouchedFile"][];
            /** @description Number of files that were left as they are. */
            untouched_total: number;
        };
        /**
         * @description Author of a message.
         * @enum {string}
         */
        Role: "assistant" | "user" | "system";
        /** @description A permission rule. An absent field matches everything; all fields must match. */
        RuleSpec: {
            /** @description Glob pattern for the name of the tool, as the agent reports it: `Bash`, `mcp__*`. */
            tool?: string | null;
            kind?: components["schemas"]["ToolKind"] | null;
            /** @description Glob pattern for the files in the request, relative to the working directory or absolute: `src/**`. */
            path?: string | null;
            /** @description First words of the command: `git status`. */
            command?: string | null;
            /** @description Decision of the rule. */
            decision: components["schemas"]["RuleVerdict"];
        };
        /**
         * @description Decision of a permission rule.
         * @enum {string}
         */
        RuleVerdict: "allow" | "ask" | "deny";
        /** @description A run: its specification, status and outcome. */
        Run: components["schemas"]["SpendLimits"] & components["schemas"]["RunEnd"] & {
            /** @description ID of the run. */
            run_id: components["schemas"]["RunId"];
            /** @description Session that the run belongs to. */
            session_id: components["schemas"]["SessionId"];
            /** @description Current status. */
            status: components["schemas"]["RunStatus"];
            /**
             * Format: u-int64
             * @description Number of runs ahead in the queue; only while the run is queued.
             */
            queue_position?: number;
            /** @description Cause of the end; only after the run has ended. */
            cause?: components["schemas"]["Cause"];
            /** @description Username of the owner. */
            owner: components["schemas"]["UserName"];
            /** @description Name of the agent. */
            agent_type: string;
            /** @description Requested model. */
            model?: string;
            /** @description The prompt; in a summary its first 2,000 characters. */
            prompt: string;
            /** @description The images and files that were given to the agent with the prompt, without their content. */
            attachments?: components["schemas"]["Attachment"][];
            /** @description JSON Schema of the answer; absent in summaries. */
            output_schema?: Record<string, never>;
            /** @description Text that was added to the agent's system prompt; absent in summaries. */
            instructions?: string;
            /** @description First non-empty line of the prompt, at most 120 characters. */
            title: string;
            /** @description Working directory. */
            working_dir: string;
            /** @description What the working directory is, if it is more than a directory. */
            workspace?: components["schemas"]["Workspace"];
            /** @description Profile that the run was created with. Its values at that time are in the other fields. */
            profile?: components["schemas"]["ProfileName"];
            /** @description How permission requests are decided. */
            permission_mode: components["schemas"]["PermissionMode"];
            /** @description Permission rules of the run, which precede the mode. */
            permission_rules?: components["schemas"]["RuleSpec"][];
            /** @description Names of the additional environment variables. The values are not stored. */
            env?: string[];
            /** @description Names of the MCP servers. */
            mcp_servers?: string[];
            /** @description Additional command-line arguments of the agent. */
            extra_args: string[];
            /** @description Fields and arguments of the request that extended the agent's permissions. */
            widened: string[];
            /**
             * Format: u-int64
             * @description Time limit of the run, in seconds.
             */
            timeout_secs: number;
            /**
             * Format: u-int64
             * @description Time limit without output, in seconds.
             */
            idle_timeout_secs?: number;
            /** @description What the run does at a rate or usage limit of the model's provider. */
            on_rate_limit: components["schemas"]["OnRateLimit"];
            /**
             * Format: u-int64
             * @description How long the run may wait for such a limit to reset, in seconds; only with `on_rate_limit` `wait`.
             */
            max_wait_secs?: number;
            /** @description Until when the run waits for a limit to reset; only while it does. */
            waits_until?: components["schemas"]["Timestamp"];
            /** @description Requested isolation level; absent for the server's default. */
            isolation?: components["schemas"]["IsolationLevel"];
            /** @description Hosts that the agent may reach besides its model; only at isolation level `sandbox`. */
            egress?: string[];
            /** @description Whether the agent's configuration in the working directory has an effect. */
            project_config: components["schemas"]["ProjectConfig"];
            /** @description Labels for filtering. */
            labels: {
                [key: string]: string;
            };
            /** @description When the run was created. */
            created_at: components["schemas"]["Timestamp"];
            /** @description When the agent was ready. */
            started_at?: components["schemas"]["Timestamp"];
            /** @description When the run ended. */
            ended_at?: components["schemas"]["Timestamp"];
            /**
             * Format: u-int64
             * @description Sequence number of the last event.
             */
            last_seq: number;
            /**
             * @description Whether this is a summary, as in lists and in the stream of changes: long texts are truncated or absent. `GET /api/runs/{id}` returns
             *     them.
             */
            summary?: boolean;
        };
        /** @description Limits of each run of a user. Absent if unlimited. */
        RunAllowance: {
            /** @description Maximum of `max_tokens`. */
            tokens?: components["schemas"]["Tokens"];
            /** @description Maximum of `max_cost_usd`. */
            cost_usd?: components["schemas"]["Money"];
            /** @description Maximum of `max_turns`. */
            turns?: components["schemas"]["Amount"];
        };
        /** @description What a run, or one of its turns, has changed in its working directory. */
        RunChanges: {
            /** @description A page of the changed files, in the order of their paths. At most 10,000 files are listed. */
            items: components["schemas"]["FileChange"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
            /** @description Number of changed files. */
            files: number;
            /**
             * Format: u-int64
             * @description Lines added to text files.
             */
            insertions: number;
            /**
             * Format: u-int64
             * @description Lines removed from text files.
             */
            deletions: number;
            /** @description ID of the snapshot before the changes. */
            from: string;
            /** @description ID of the snapshot after them; of a live run as it is now. */
            snapshot: string;
            /** @description Some of the files and directories whose changes are not recorded. */
            skipped: components["schemas"]["Skipped"][];
            /** @description Number of files and directories whose changes are not recorded. */
            skipped_total: number;
        };
        /** @description Ended runs by status. */
        RunCounts: {
            /**
             * Format: u-int64
             * @description Completed runs.
             */
            completed: number;
            /**
             * Format: u-int64
             * @description Failed runs.
             */
            failed: number;
            /**
             * Format: u-int64
             * @description Cancelled runs.
             */
            cancelled: number;
            /**
             * Format: u-int64
             * @description Runs that exceeded a time limit.
             */
            timed_out: number;
            /**
             * Format: u-int64
             * @description Interrupted runs.
             */
            interrupted: number;
        };
        /** @description Outcome of a run. */
        RunDone: {
            /** @description Final status. */
            status: components["schemas"]["RunStatus"];
            /** @description Cause of the end. */
            cause: components["schemas"]["Cause"];
            /** @description Human-readable description of the failure. */
            message?: string;
            /**
             * Format: int32
             * @description Exit code of the agent program, if it exited.
             */
            exit_code?: number;
            /**
             * Format: int32
             * @description Number of the signal that killed the agent program.
             */
            signal?: number;
            /** @description Whether the kernel killed a process of the run because it ran out of memory. */
            out_of_memory?: boolean;
            /** @description Final text of the agent. */
            result?: string;
            /** @description The agent's answer as a value that matches `output_schema`, if the run has one and succeeded. */
            output?: unknown;
            /** @description Total usage of the run. */
            usage?: components["schemas"]["Usage"];
            /**
             * Format: u-int64
             * @description Time from creation to end, in milliseconds.
             */
            duration_ms: number;
            /** @description Last part of the agent's standard error, if the run failed. */
            stderr_tail?: string;
        };
        /** @description Fields of the `done` event; only after the run has ended. */
        RunEnd: {
            /** @description Human-readable description of the failure. */
            message?: string;
            /**
             * Format: int32
             * @description Exit code of the agent program, if it exited.
             */
            exit_code?: number;
            /**
             * Format: int32
             * @description Number of the signal that killed the agent program.
             */
            signal?: number;
            /** @description Whether the kernel killed a process of the run because it ran out of memory. */
            out_of_memory?: boolean;
            /** @description Final text of the agent; in a summary its first 400 characters. */
            result?: string;
            /** @description The agent's answer as a value that matches `output_schema`; absent in summaries. */
            output?: unknown;
            /** @description Total usage of the run. */
            usage?: components["schemas"]["Usage"];
            /**
             * Format: u-int64
             * @description Time from creation to end, in milliseconds.
             */
            duration_ms?: number;
            /** @description Last part of the agent's standard error, if the run failed; absent in summaries. */
            stderr_tail?: string;
        };
        /** @description A file or directory in the working directory of a run. */
        RunFile: {
            /** @description Its path, relative to the working directory. Bytes that are not UTF-8 are replaced. */
            path: string;
            /** @description Its kind. */
            type: components["schemas"]["FileType"];
            /**
             * Format: u-int64
             * @description Size of a file in bytes; of a link, the length of its target.
             */
            size?: number;
            /** @description When its content was changed. Absent for an earlier state. */
            modified_at?: components["schemas"]["Timestamp"];
            /** @description Whether its owner may execute it. */
            executable: boolean;
        };
        /** @description One page of a directory, in the order of names. */
        RunFilePage: {
            /** @description The files and directories. `.git` is left out. */
            items: components["schemas"]["RunFile"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /** @example run_0198a8f0c0de7000800000000000000a */
        RunId: string;
        /** @description The task for the agent. */
        RunInput: {
            /** @description The prompt. May be absent if `parts` contains text. */
            text?: string | null;
            /**
             * @description Further parts of the input. The prompt is `text` and the texts of the parts, with blank lines between them; images and files follow it
             *     in this order. All images and files together have at most 5 MiB, and with uploaded files 20 MiB.
             */
            parts?: {
                [key: string]: unknown;
            }[] | null;
        };
        /** @description The isolation of a run. */
        RunIsolation: {
            /** @description The level in force. */
            level: components["schemas"]["IsolationLevel"];
            /** @description Why no higher level is in force, if one exists. */
            reason?: string;
            /** @description The account that the processes run under, if it is not that of the server. */
            account?: string;
        };
        /** @description Resource limits of a run's processes, as far as they are enforced. */
        RunLimits: {
            /** @description Mechanism that enforces the limits. */
            by: components["schemas"]["LimitedBy"];
            /**
             * Format: u-int64
             * @description Memory limit, in bytes.
             */
            memory_bytes?: number;
            /**
             * Format: u-int64
             * @description Maximum number of concurrent processes and threads.
             */
            processes?: number;
            /**
             * Format: u-int64
             * @description Relative share of CPU time under contention, from 1 to 10000; the system default is 100.
             */
            cpu_weight?: number;
        };
        /** @description Options of a run. Every field may be absent or null, which means its default. */
        RunMetadata: {
            /** @description The agent, one of `GET /api/agents`. Default: the agent of the session, or `claude_code`. */
            agent_type?: string | null;
            /** @description JSON Schema of the answer, at most 64 KiB. The run's `output` is then the answer as a value that matches it. */
            output_schema?: Record<string, never> | null;
            /** @description Text that is added to the agent's system prompt in this run, at most 64 KiB. */
            instructions?: string | null;
            /**
             * @description Working directory: an absolute path without `..`. Default: the directory of the session, or a fresh one. Some agents can continue a
             *     session in another directory.
             */
            working_dir?: string | null;
            /** @description Alias of `working_dir`. */
            cwd?: string | null;
            workspace?: components["schemas"]["NewWorkspace"] | null;
            /**
             * Format: u-int64
             * @description Time limit in seconds. Default: 300. Time spent waiting for answers does not count.
             */
            timeout_secs?: number | null;
            /**
             * Format: u-int64
             * @description Time limit in seconds without any output of the agent.
             */
            idle_timeout_secs?: number | null;
            on_rate_limit?: components["schemas"]["OnRateLimit"] | null;
            /**
             * Format: u-int64
             * @description How long the run may wait for such a limit to reset, in seconds, with `on_rate_limit` `wait`. Default and maximum: the server's
             *     setting.
             */
            max_wait_secs?: number | null;
            max_cost_usd?: components["schemas"]["Money"] | null;
            max_tokens?: components["schemas"]["Tokens"] | null;
            max_turns?: components["schemas"]["Amount"] | null;
            /** @description The model, as the agent names it. */
            model?: string | null;
            /** @description Additional command-line arguments for the agent. */
            extra_args?: string[] | null;
            session_id?: components["schemas"]["SessionId"] | null;
            on_busy?: components["schemas"]["OnBusy"] | null;
            profile?: components["schemas"]["ProfileName"] | null;
            permission_mode?: components["schemas"]["PermissionMode"] | null;
            /** @description Rules that take precedence over the mode. */
            permission_rules?: components["schemas"]["RuleSpec"][] | null;
            isolation?: components["schemas"]["IsolationLevel"] | null;
            /**
             * @description Hosts that the agent may reach at isolation level `sandbox`, besides its model, as `host:port`. Default: the git remotes of the working
             *     directory, as far as the operator allows them.
             */
            egress?: string[] | null;
            project_config?: components["schemas"]["ProjectConfig"] | null;
            /** @description Environment variables for the agent. Their values are never shown or stored. */
            env?: {
                [key: string]: string;
            } | null;
            /** @description MCP servers for the agent; admins only. */
            mcp_servers?: components["schemas"]["McpServer"][] | null;
            /** @description Labels for filtering, at most 32. */
            labels?: {
                [key: string]: string;
            } | null;
            webhook?: components["schemas"]["Webhook"] | null;
        };
        /** @description Options of the run. Every field may be absent or null, which means its default. */
        RunOptions: {
            session_id?: components["schemas"]["SessionId"] | null;
            on_busy?: components["schemas"]["OnBusy"] | null;
            /** @description Working directory: an absolute path without `..`. Default: the directory of the session, or a fresh one. */
            working_dir?: string | null;
            permission_mode?: components["schemas"]["PermissionMode"] | null;
            isolation?: components["schemas"]["IsolationLevel"] | null;
            project_config?: components["schemas"]["ProjectConfig"] | null;
            /**
             * Format: u-int64
             * @description Time limit in seconds. Default: 300. Time spent waiting for answers does not count.
             */
            timeout_secs?: number | null;
            /**
             * Format: u-int64
             * @description Time limit in seconds without any output of the agent.
             */
            idle_timeout_secs?: number | null;
            on_disconnect?: components["schemas"]["OnDisconnect"] | null;
        };
        /** @description One page of a list. */
        RunPage: {
            /** @description The items. */
            items: components["schemas"]["Run"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /**
         * @description The run was created and waits for a slot.
         * @example {
         *       "seq": 1,
         *       "ts": "2026-11-22T13:05:00.001Z",
         *       "type": "run_queued",
         *       "position": 2
         *     }
         */
        RunQueuedEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run_queued";
            /**
             * Format: u-int64
             * @description Number of runs ahead in the queue; 0 if the run starts immediately.
             */
            position: number;
        };
        /** @description Facts about the agent, known when it is ready. */
        RunStarted: {
            /** @description Registered name of the agent. */
            agent_type: string;
            /** @description Version that the agent program reports. */
            agent_version?: string;
            /** @description Model that the agent uses. */
            model?: string;
            /** @description Session that the run belongs to. */
            session_id: components["schemas"]["SessionId"];
            /** @description Working directory. */
            working_dir: string;
            /** @description How permission requests are decided. */
            permission_mode: components["schemas"]["PermissionMode"];
            /** @description Resource limits of the agent's processes, if any are enforced. */
            limits?: components["schemas"]["RunLimits"];
            /** @description Isolation of the agent's processes. Absent for an agent that is part of the server. */
            isolation?: components["schemas"]["RunIsolation"];
            /** @description Whether the agent's configuration in the working directory has an effect. Absent for an agent that is part of the server. */
            project_config?: components["schemas"]["ProjectConfig"];
        };
        /**
         * @description The agent is ready.
         * @example {
         *       "seq": 2,
         *       "ts": "2026-11-22T13:05:00.412Z",
         *       "type": "run_started",
         *       "agent_type": "claude_code",
         *       "agent_version": "2.1.330",
         *       "model": "sonnet",
         *       "session_id": "ses_0198a8f0c0de7000800000000000000a",
         *       "working_dir": "/tmp/test",
         *       "permission_mode": "auto"
         *     }
         */
        RunStartedEvent: components["schemas"]["RunStarted"] & {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /** @enum {string} */
            type: "run_started";
        } & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "run_started";
        };
        /**
         * @description Status of a run.
         * @enum {string}
         */
        RunStatus: "queued" | "starting" | "running" | "waiting" | "stopping" | "completed" | "failed" | "cancelled" | "timed_out" | "interrupted";
        /**
         * @description Scope of an API key. No scope includes another.
         * @enum {string}
         */
        Scope: "runs:read" | "runs:write" | "admin" | "metrics";
        /**
         * Format: u-int64
         * @description Sequence number of an event in its run's log. Starts at 1, without gaps, so "after `n`" is all a reader needs to resume.
         */
        Seq: number;
        /** @description A session: a conversation of one or more runs. */
        Session: {
            /** @description ID of the session. */
            session_id: components["schemas"]["SessionId"];
            /** @description Username of the owner. */
            owner: components["schemas"]["UserName"];
            /** @description Name of the agent. */
            agent_type: string;
            /** @description Working directory. */
            working_dir: string;
            /** @description The agent's own ID of the conversation, once reported. The agent program can resume the conversation with it. */
            agent_session?: string;
            /** @description Title that the agent gave the conversation. */
            title?: string;
            /** @description When the first run was created. */
            created_at: components["schemas"]["Timestamp"];
        };
        /** @example ses_0198a8f0c0de7000800000000000000a */
        SessionId: string;
        /** @description One page of a list. */
        SessionPage: {
            /** @description The items. */
            items: components["schemas"]["Session"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /** @description New facts about the agent's conversation. An absent field is unchanged. */
        SessionUpdate: {
            /** @description Title of the conversation, in one line. Empty if it has none any more. */
            title?: string;
            /** @description ID of the agent's session mode. */
            mode?: string;
            /** @description Model that the agent uses from here on. */
            model?: string;
            /** @description The agent's slash commands, all of them. A prompt that starts with a slash and the name of one runs it. */
            commands?: components["schemas"]["AgentCommand"][];
            /** @description How full the model's context window is. */
            context?: components["schemas"]["ContextUse"];
        };
        /**
         * @description The agent reported new facts about its conversation: title, session mode, model, slash commands or context size.
         * @example {
         *       "seq": 25,
         *       "ts": "2026-11-22T13:05:11.950Z",
         *       "type": "session_updated",
         *       "title": "Fix the build",
         *       "mode": "ask",
         *       "commands": [
         *         {
         *           "name": "review",
         *           "description": "Reviews the changes",
         *           "input_hint": "what to review"
         *         }
         *       ],
         *       "context": {
         *         "used_tokens": 1242,
         *         "max_tokens": 200000
         *       }
         *     }
         */
        SessionUpdatedEvent: components["schemas"]["SessionUpdate"] & {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /** @enum {string} */
            type: "session_updated";
        } & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "session_updated";
        };
        /** @description A session with its runs. */
        SessionWithRuns: components["schemas"]["Session"] & {
            /** @description Summaries of the newest 200 runs, newest first. */
            runs: components["schemas"]["Run"][];
        };
        /** @description One setting in effect. */
        Setting: {
            /** @description Name in the settings file. */
            name: string;
            /** @description Value; null if there is none, `***` for a secret. */
            value: unknown;
            /** @description Source of the value. */
            origin: components["schemas"]["SettingOrigin"];
            /** @description Environment variable; absent for a setting that only the file can hold. */
            variable?: string;
        };
        /** @description Source of a setting's value. */
        SettingOrigin: "flag" | "environment" | {
            /** @description The settings file, by its path. */
            file: string;
        } | "default";
        /** @description One page of a list. */
        SettingPage: {
            /** @description The items. */
            items: components["schemas"]["Setting"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /**
         * @description Why a file or directory is not part of a snapshot.
         * @enum {string}
         */
        SkipReason: "too_large" | "too_many_entries" | "path_too_long" | "unreadable";
        /** @description A file or directory that is not part of a snapshot. */
        Skipped: {
            /** @description Path, relative to the working directory. Bytes that are not UTF-8 are replaced. */
            path: string;
            /** @description Why it was skipped. */
            reason: components["schemas"]["SkipReason"];
        };
        /** @description The spend limits of one run. They cover everything that the agent reports, including its sub-agents. */
        SpendLimits: {
            /** @description Maximum cost in US dollars. */
            max_cost_usd?: components["schemas"]["Money"];
            /** @description Maximum number of tokens, as budgets count them: without reads from the provider's cache. */
            max_tokens?: components["schemas"]["Tokens"];
            /** @description Maximum number of model calls. */
            max_turns?: components["schemas"]["Amount"];
        };
        /** @description An MCP server that the agent starts. */
        StdioServer: {
            /** @description Name of the server. */
            name: string;
            /** @description The program. */
            command: string;
            /** @description Arguments of the program. */
            args?: string[];
            /** @description Additional environment variables. */
            env?: {
                [key: string]: string;
            };
        };
        /** @description Options of a stream. */
        StreamOptions: {
            /** @description Whether to send the usage at the end. */
            include_usage?: boolean | null;
        };
        /**
         * @description A task in the background ended.
         * @example {
         *       "seq": 24,
         *       "ts": "2026-11-22T13:05:11.900Z",
         *       "type": "task_ended",
         *       "id": "task_1",
         *       "status": "completed",
         *       "message": "exit code 0"
         *     }
         */
        TaskEndedEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "task_ended";
            /** @description ID of the task. */
            id: string;
            /** @description How the task ended. */
            status: components["schemas"]["TaskStatus"];
            /** @description Outcome of the task, as the agent reports it. */
            message?: string;
        };
        /**
         * @description Kind of a task in the background.
         * @enum {string}
         */
        TaskKind: "agent" | "command" | "other";
        /**
         * @description A task started in the background: a sub-agent or a command that the agent does not wait for.
         * @example {
         *       "seq": 22,
         *       "ts": "2026-11-22T13:05:11.100Z",
         *       "type": "task_started",
         *       "id": "task_1",
         *       "kind": "command",
         *       "title": "Build the documentation",
         *       "tool_call_id": "toolu_2"
         *     }
         */
        TaskStartedEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "task_started";
            /** @description ID of the task. */
            id: string;
            /** @description Kind of task. */
            kind: components["schemas"]["TaskKind"];
            /** @description Human-readable summary in one line. */
            title: string;
            /** @description ID of the tool call that started the task. */
            tool_call_id?: string;
        };
        /**
         * @description How a task in the background ended.
         * @enum {string}
         */
        TaskStatus: "completed" | "failed" | "stopped";
        /**
         * @description A task in the background made progress.
         * @example {
         *       "seq": 23,
         *       "ts": "2026-11-22T13:05:11.400Z",
         *       "type": "task_updated",
         *       "id": "task_1",
         *       "message": "Running cargo doc"
         *     }
         */
        TaskUpdatedEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "task_updated";
            /** @description ID of the task. */
            id: string;
            /** @description Current activity of the task. */
            message: string;
        };
        /**
         * @description A delta of the assistant's thinking.
         * @example {
         *       "seq": 4,
         *       "ts": "2026-11-22T13:05:01.030Z",
         *       "type": "thinking",
         *       "content": "A small file will do.",
         *       "message_id": "msg_1"
         *     }
         */
        ThinkingEvent: components["schemas"]["Delta"] & {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /** @enum {string} */
            type: "thinking";
        } & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "thinking";
        };
        /** @description A ticket. */
        TicketResponse: {
            /** @description The ticket, for `access_token` of this run's event stream only. */
            ticket: string;
            /**
             * Format: int64
             * @description Seconds within which a stream can be opened with it.
             */
            expires_in: number;
            /** @description Path of the event stream, including the ticket. */
            events_url: string;
        };
        /**
         * Format: date-time
         * @description A wall-clock time. RFC 3339 in UTC with milliseconds, always 24 characters: `2026-11-22T13:05:00.123Z`.
         * @example 2026-11-22T13:05:00.123Z
         */
        Timestamp: string;
        /**
         * @description A delta of the assistant's text.
         * @example {
         *       "seq": 3,
         *       "ts": "2026-11-22T13:05:01.020Z",
         *       "type": "token",
         *       "content": "I'll create ",
         *       "message_id": "msg_1"
         *     }
         */
        TokenEvent: components["schemas"]["Delta"] & {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /** @enum {string} */
            type: "token";
        } & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "token";
        };
        /**
         * Format: u-int64
         * @description A number of tokens, as counted by budgets.
         */
        Tokens: number;
        /** @description A tool call. */
        ToolCall: {
            /** @description ID of the call, referenced by results and permission requests. */
            id: string;
            /** @description Name of the tool, as the agent reports it. */
            tool: string;
            /** @description Kind of tool. */
            kind: components["schemas"]["ToolKind"];
            /** @description Human-readable summary in one line. */
            title: string;
            /** @description Input of the tool. */
            input: unknown;
            /** @description ID of the tool call whose sub-agent makes this call. */
            parent_tool_call_id?: string;
        };
        /**
         * @description The agent called a tool. The input is complete.
         * @example {
         *       "seq": 7,
         *       "ts": "2026-11-22T13:05:02.100Z",
         *       "type": "tool_call",
         *       "id": "toolu_1",
         *       "tool": "Write",
         *       "kind": "edit",
         *       "title": "Write hello.py",
         *       "input": {
         *         "file_path": "/tmp/test/hello.py",
         *         "content": "print('hello')\n"
         *       }
         *     }
         */
        ToolCallEvent: components["schemas"]["ToolCall"] & {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /** @enum {string} */
            type: "tool_call";
        } & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool_call";
        };
        /**
         * @description Kind of tool, as defined by ACP.
         * @enum {string}
         */
        ToolKind: "read" | "edit" | "delete" | "move" | "search" | "execute" | "think" | "fetch" | "other";
        /**
         * @description A delta of a running tool's output.
         * @example {
         *       "seq": 8,
         *       "ts": "2026-11-22T13:05:02.300Z",
         *       "type": "tool_output",
         *       "id": "toolu_2",
         *       "content": "running 3 tests\n"
         *     }
         */
        ToolOutputEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool_output";
            /** @description ID of the tool call. */
            id: string;
            /** @description The delta. */
            content: string;
        };
        /**
         * @description A tool call ended.
         * @example {
         *       "seq": 10,
         *       "ts": "2026-11-22T13:05:02.411Z",
         *       "type": "tool_result",
         *       "id": "toolu_1",
         *       "status": "ok",
         *       "content": "File created.",
         *       "duration_ms": 311
         *     }
         */
        ToolResultEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "tool_result";
            /** @description ID of the tool call. */
            id: string;
            /** @description Status of the tool call. */
            status: components["schemas"]["ToolStatus"];
            /** @description Output of the tool, as text. */
            content: string;
            /**
             * Format: u-int64
             * @description Duration in milliseconds, as reported by the agent or measured from the `tool_call` event.
             */
            duration_ms?: number;
        };
        /**
         * @description Status of an ended tool call.
         * @enum {string}
         */
        ToolStatus: "ok" | "error" | "denied";
        /**
         * @description The string `unlimited`.
         * @enum {string}
         */
        Unlimited: "unlimited";
        /**
         * @description Why a file was left as it is.
         * @enum {string}
         */
        Untouched: "not_recorded" | "denied";
        /** @description A file that was left as it is. */
        UntouchedFile: {
            /** @description Its path, relative to the working directory. Bytes that are not UTF-8 are replaced. */
            path: string;
            /** @description Why. */
            reason: components["schemas"]["Untouched"];
        };
        /** @example file_0198a8f0c0de7000800000000000000a */
        UploadId: string;
        /** @description An uploaded file. */
        UploadedFile: {
            /** @description ID of the file, for `file_id` in parts of prompts and messages. */
            file_id: components["schemas"]["UploadId"];
            /** @description Its name. */
            name: string;
            /** @description What its content is. */
            type: components["schemas"]["AttachmentKind"];
            /** @description Its media type, according to its content. */
            media_type: string;
            /**
             * Format: u-int64
             * @description Its size in bytes.
             */
            size: number;
            /** @description When it is removed. */
            expires_at: components["schemas"]["Timestamp"];
        };
        /** @description Usage of the model, in tokens and US dollars. */
        Usage: {
            /**
             * Format: u-int64
             * @description Uncached input tokens.
             */
            input_tokens: number;
            /**
             * Format: u-int64
             * @description Output tokens, including thinking.
             */
            output_tokens: number;
            /**
             * Format: u-int64
             * @description Tokens read from the provider's cache.
             */
            cache_read_tokens: number;
            /**
             * Format: u-int64
             * @description Tokens written to the provider's cache.
             */
            cache_write_tokens: number;
            /**
             * Format: u-int64
             * @description Part of `output_tokens` used for thinking, if the agent reports it.
             */
            reasoning_tokens: number;
            /**
             * Format: double
             * @description Cost in US dollars, if the agent reports it or the price is known.
             */
            cost_usd?: number;
            /** @description Whether the cost is computed from list prices rather than billed. */
            cost_is_estimate: boolean;
            /**
             * Format: u-int64
             * @description Number of model calls, including those of sub-agents, if the agent reports them one by one.
             */
            model_calls?: number;
            /** @description Whether the tokens are those of a part of the model calls only, because the agent reports no others. Absent if not. */
            tokens_are_partial?: boolean;
        };
        /**
         * @description Total usage of the run so far. Each event replaces the previous one.
         * @example {
         *       "seq": 16,
         *       "ts": "2026-11-22T13:05:09.100Z",
         *       "type": "usage",
         *       "input_tokens": 200,
         *       "output_tokens": 84,
         *       "cache_read_tokens": 2000,
         *       "cache_write_tokens": 0,
         *       "reasoning_tokens": 0,
         *       "cost_usd": 0.0034,
         *       "cost_is_estimate": true
         *     }
         */
        UsageEvent: components["schemas"]["Usage"] & {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /** @enum {string} */
            type: "usage";
        } & {
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "usage";
        };
        /**
         * @description How usage is grouped.
         * @enum {string}
         */
        UsageGroup: "day" | "owner" | "agent_type" | "model" | "session" | "run";
        /** @description Usage of one group. */
        UsageItem: components["schemas"]["UsageKey"] & components["schemas"]["UsageTotals"];
        /** @description One page of a list. */
        UsageItemPage: {
            /** @description The items. */
            items: components["schemas"]["UsageItem"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /** @description The group of a usage item: exactly the field that `group_by` selects. */
        UsageKey: {
            /** @description The day (UTC). */
            day?: components["schemas"]["Day"];
            /** @description The owner of the runs. */
            owner?: components["schemas"]["UserName"];
            /** @description The agent. */
            agent_type?: string;
            /** @description The model reported by the agent, or the requested one; empty if neither is known. */
            model?: string;
            /** @description The session. */
            session_id?: components["schemas"]["SessionId"];
            /** @description The run. */
            run_id?: components["schemas"]["RunId"];
        };
        /** @description A page of usage, and the totals of all pages. */
        UsagePage: components["schemas"]["UsageItemPage"] & {
            /** @description What `items` are grouped by. */
            group_by: components["schemas"]["UsageGroup"];
            /** @description Totals of all matching usage, not only this page. */
            total: components["schemas"]["UsageTotals"];
            /** @description What the caller keeps and may keep; with `owner`, that user. */
            quotas: components["schemas"]["Quotas"];
        };
        /** @description What an agent reports about its usage. */
        UsageReports: {
            /** @description Its cost (`max_cost_usd`). */
            cost: components["schemas"]["ReportInterval"];
            /** @description Its tokens (`max_tokens`). */
            tokens: components["schemas"]["ReportInterval"];
            /** @description The number of its model calls (`max_turns`). */
            turns: components["schemas"]["ReportInterval"];
            /** @description Whether its sub-agents are included. */
            sub_agents: boolean;
            /** @description Whether its cost is also known in runs that continue a session. */
            continued_cost: boolean;
        };
        /** @description Totals. */
        UsageTotals: {
            /**
             * Format: u-int64
             * @description Ended runs. A live run is not counted, but its usage is.
             */
            runs: number;
            /** @description Ended runs by status. */
            by_status: components["schemas"]["RunCounts"];
            /**
             * Format: u-int64
             * @description Tokens that count towards a budget: `input_tokens`, `cache_write_tokens` and `output_tokens`.
             */
            tokens: number;
            /**
             * Format: u-int64
             * @description Input tokens that were not read from a cache.
             */
            input_tokens: number;
            /**
             * Format: u-int64
             * @description Output tokens, including thinking.
             */
            output_tokens: number;
            /**
             * Format: u-int64
             * @description Input tokens read from the provider's cache.
             */
            cache_read_tokens: number;
            /**
             * Format: u-int64
             * @description Tokens written to the provider's cache.
             */
            cache_write_tokens: number;
            /**
             * Format: u-int64
             * @description Thinking tokens among `output_tokens`, if the agent reports them.
             */
            reasoning_tokens: number;
            /** @description US dollars as reported by agents; absent if none was reported. */
            cost_usd?: components["schemas"]["Money"];
            /** @description Whether part of the cost is computed from list prices. */
            cost_is_estimate: boolean;
            /**
             * Format: u-int64
             * @description Ended runs that reported tokens but no cost; `cost_usd` does not include them.
             */
            runs_without_cost: number;
        };
        /** @description A user. */
        User: {
            /** @description User name. */
            username: components["schemas"]["UserName"];
            /** @description Role of the user. */
            role: components["schemas"]["UserRole"];
        };
        /** @example usr_0198a8f0c0de7000800000000000000a */
        UserId: string;
        /**
         * @description A further message from the user to a live run.
         * @example {
         *       "seq": 6,
         *       "ts": "2026-11-22T13:05:02.000Z",
         *       "type": "user_message",
         *       "content": "Add a test, too.",
         *       "mode": "queue"
         *     }
         */
        UserMessageEvent: {
            seq: components["schemas"]["Seq"];
            ts: components["schemas"]["Timestamp"];
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            type: "user_message";
            /** @description Text of the message. */
            content: string;
            /** @description How the message is delivered. */
            mode: components["schemas"]["MessageMode"];
            /** @description Its images and files. */
            attachments?: components["schemas"]["Attachment"][];
        };
        /**
         * @description Name of a user: 1 to 64 characters of `a-z A-Z 0-9 . _ @ -`, starting with a letter or digit.
         * @example admin
         */
        UserName: string;
        /**
         * @description Role of a user.
         * @enum {string}
         */
        UserRole: "admin" | "user";
        /** @description A webhook. */
        Webhook: string | components["schemas"]["WebhookObject"];
        /** @description A webhook with options. */
        WebhookObject: {
            /** @description The URL: http or https, not in a private network unless the operator allows it. */
            url: string;
            /**
             * @description Event types; `*` selects all that can be sent. Default: `run_started`, `needs_input` (requests that wait for a
             *     person) and `done`.
             */
            events?: string[] | null;
            /** @description Signing secret: `whsec_` followed by Base64. Default: the server's secret. */
            secret?: string | null;
        };
        /** @description The workspace of a session that is more than a directory. */
        Workspace: {
            /** @description Kind of workspace. */
            kind: components["schemas"]["WorkspaceKind"];
            /** @description The directory of the git repository; of a clone, its URL. */
            repository: string;
            /** @description The directory of its branches and objects; null for a clone. */
            git_dir: string | null;
            /** @description The branch, tag or commit that the workspace began with, as requested. */
            ref: string;
            /** @description The commit that this was; null for a clone, which begins with what the branch is at when the first run starts. */
            base: string | null;
            /** @description Branch of the workspace in the repository. */
            branch: string;
        };
        /**
         * @description Kind of workspace.
         * @enum {string}
         */
        WorkspaceKind: "worktree" | "clone";
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The server is running. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HealthResponse"];
                };
            };
        };
    };
    agents_health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All agents, by name. `next_cursor` is always null. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AgentReportPage"];
                };
            };
        };
    };
    metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The metrics. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                    "application/openmetrics-text": string;
                };
            };
        };
    };
    openapi: {
        parameters: {
            query?: never;
            header?: {
                /** @description `ETag` of the cached response. If it is still current, the response is 304 without a body. */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description An OpenAPI 3.1 document. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
        };
    };
    events_schema: {
        parameters: {
            query?: never;
            header?: {
                /** @description `ETag` of the cached response. If it is still current, the response is 304 without a body. */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A JSON Schema, 2020-12. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/schema+json": Record<string, never>;
                };
            };
        };
    };
    docs: {
        parameters: {
            query?: never;
            header?: {
                /** @description `ETag` of the cached response. If it is still current, the response is 304 without a body. */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The page. It loads nothing from other servers. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
        };
    };
    docs_file: {
        parameters: {
            query?: never;
            header?: {
                /** @description `ETag` of the cached response. If it is still current, the response is 304 without a body. */
                "If-None-Match"?: string;
            };
            path: {
                /**
                 * @description Name of the file.
                 * @example start.js
                 */
                file: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/css": string;
                    "text/javascript": string;
                };
            };
        };
    };
    console: {
        parameters: {
            query?: never;
            header?: {
                /** @description `ETag` of the cached response. If it is still current, the response is 304 without a body. */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The page. It loads nothing from other servers. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
        };
    };
    console_file: {
        parameters: {
            query?: never;
            header?: {
                /** @description `ETag` of the cached response. If it is still current, the response is 304 without a body. */
                "If-None-Match"?: string;
            };
            path: {
                /** @description Version of the console, as in the page. */
                version: string;
                /**
                 * @description Path of the file.
                 * @example app.css
                 */
                path: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/css": string;
                    "text/javascript": string;
                    "text/plain": string;
                };
            };
        };
    };
    login_options: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The default users. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LoginOptions"];
                };
            };
        };
    };
    login: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["LoginRequest"];
            };
        };
        responses: {
            /** @description The token. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LoginResponse"];
                };
            };
        };
    };
    logout: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The token was revoked. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    me: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Me"];
                };
            };
        };
    };
    change_password: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PasswordRequest"];
            };
        };
        responses: {
            /** @description The password was changed. The response contains a new token. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LoginResponse"];
                };
            };
        };
    };
    list_users: {
        parameters: {
            query?: {
                /** @description Maximum number of items. */
                limit?: number;
                /** @description Cursor of the page: the `next_cursor` of the previous one. */
                cursor?: components["schemas"]["UserName"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of users. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AccountPage"];
                };
            };
        };
    };
    create_user: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateUserRequest"];
            };
        };
        responses: {
            /** @description The user was created. */
            201: {
                headers: {
                    /** @description Path of the user. */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Account"];
                };
            };
        };
    };
    get_user: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the user. */
                name: components["schemas"]["UserName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Account"];
                };
            };
        };
    };
    delete_user: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the user. */
                name: components["schemas"]["UserName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user was removed. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    change_user: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the user. */
                name: components["schemas"]["UserName"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChangeUserRequest"];
            };
        };
        responses: {
            /** @description The changed user. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Account"];
                };
            };
        };
    };
    list_keys: {
        parameters: {
            query?: {
                /** @description Filter by owner; admins only. */
                owner?: components["schemas"]["UserName"];
                /** @description Maximum number of items. */
                limit?: number;
                /** @description Cursor of the page: the `next_cursor` of the previous one. */
                cursor?: components["schemas"]["KeyId"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of API keys. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApiKeyPage"];
                };
            };
        };
    };
    create_key: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateKeyRequest"];
            };
        };
        responses: {
            /** @description The key was created. */
            201: {
                headers: {
                    /** @description Path of the key. */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreateKeyResponse"];
                };
            };
        };
    };
    delete_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Id of the API key. */
                id: components["schemas"]["KeyId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The key was revoked. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_audit: {
        parameters: {
            query?: {
                /** @description Filter by user. */
                username?: components["schemas"]["UserName"];
                /** @description Filter by action. */
                action?: components["schemas"]["AuditAction"];
                /** @description Filter by affected run. */
                run_id?: components["schemas"]["RunId"];
                /** @description Only entries at or after this time. */
                since?: components["schemas"]["Timestamp"];
                /** @description Maximum number of items. */
                limit?: number;
                /** @description Cursor of the page: the `next_cursor` of the previous one. */
                cursor?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of the audit log. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditEntryPage"];
                };
            };
        };
    };
    list_usage: {
        parameters: {
            query?: {
                /** @description What to group by. Default: `day`. Days, sessions and runs are listed newest first, everything else by name. */
                group_by?: "day" | "owner" | "agent_type" | "model" | "session" | "run";
                /** @description Only this day (UTC) and later ones. */
                since?: components["schemas"]["Day"];
                /** @description Only this day (UTC) and earlier ones. */
                until?: components["schemas"]["Day"];
                /** @description Filter by owner; admins only. Other users always see their own usage. */
                owner?: components["schemas"]["UserName"];
                /** @description Filter by agent. */
                agent_type?: string;
                /** @description Filter by session. */
                session_id?: components["schemas"]["SessionId"];
                /** @description Maximum number of items. */
                limit?: number;
                /** @description Cursor of the page: the `next_cursor` of the previous one. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of usage. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsagePage"];
                };
            };
        };
    };
    get_budget: {
        parameters: {
            query?: {
                /** @description User whose budget to return; admins only. Default: the caller. */
                owner?: components["schemas"]["UserName"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The budget. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Budget"];
                };
            };
        };
    };
    list_settings: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All settings. `next_cursor` is always null. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SettingPage"];
                };
            };
        };
    };
    list_agents: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All agents, by name. `next_cursor` is always null. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AgentSummaryPage"];
                };
            };
        };
    };
    list_profiles: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The profiles, by name. `next_cursor` is always null. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProfileViewPage"];
                };
            };
        };
    };
    get_profile: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the profile. */
                profile: components["schemas"]["ProfileName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The profile. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProfileView"];
                };
            };
        };
    };
    set_profile: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the profile. */
                profile: components["schemas"]["ProfileName"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Profile"];
            };
        };
        responses: {
            /** @description The profile was replaced. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProfileView"];
                };
            };
            /** @description The profile was created. */
            201: {
                headers: {
                    /** @description Path of the profile. */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProfileView"];
                };
            };
        };
    };
    delete_profile: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the profile. */
                profile: components["schemas"]["ProfileName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The profile was deleted. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_runs: {
        parameters: {
            query?: {
                /** @description Filter by status; several are separated by commas. */
                status?: components["schemas"]["RunStatus"][];
                /**
                 * @description Search text: words that all must occur in the prompt, the answer, a label or the working directory, or the start of an ID. Text in
                 *     double quotes is searched for as a whole.
                 */
                q?: string;
                /** @description Filter by agent. */
                agent_type?: string;
                /** @description Filter by session. */
                session_id?: components["schemas"]["SessionId"];
                /** @description Filter by label, as `name=value`. */
                label?: string;
                /** @description Only runs created at or after this time. */
                since?: components["schemas"]["Timestamp"];
                /** @description Filter by owner; admins only. */
                owner?: components["schemas"]["UserName"];
                /** @description Maximum number of items. */
                limit?: number;
                /** @description Cursor of the page: the `next_cursor` of the previous one. */
                cursor?: components["schemas"]["RunId"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of runs. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunPage"];
                };
            };
        };
    };
    create_run: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body returns the same response and creates nothing. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CreateRunRequest"];
            };
        };
        responses: {
            /** @description The run was created. */
            201: {
                headers: {
                    /** @description Path of the run. */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CreateRunResponse"];
                };
            };
        };
    };
    get_run: {
        parameters: {
            query?: {
                /** @description Wait until the run has ended, at most this many seconds. */
                wait?: number;
            };
            header?: never;
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The run. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Run"];
                };
            };
        };
    };
    delete_run: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The run was deleted. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    cancel_run: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The run. It has ended once `done` is in its log. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Run"];
                };
            };
        };
    };
    follow_events: {
        parameters: {
            query?: {
                /** @description Start after the event with this number. Default: 0, the beginning. `Last-Event-ID` takes precedence. */
                after?: number;
                /** @description A ticket for this stream, or a token, for a browser's `EventSource`, which cannot send headers. */
                access_token?: string;
            };
            header?: {
                /** @description Start after the event with this `id`. */
                "Last-Event-ID"?: number;
            };
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream. It ends after `done`, or when the reader loses access. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["EventFrame"];
                    "application/x-ndjson": components["schemas"]["Event"];
                };
            };
            /** @description The run has ended and there is nothing left to read. An `EventSource` does not reconnect. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_changes: {
        parameters: {
            query?: {
                /** @description Only the changes of this turn, counted from 1. Default: those of the whole run. */
                turn?: number;
                /** @description Maximum number of items. */
                limit?: number;
                /** @description Cursor of the page: the `next_cursor` of the previous one. */
                cursor?: number;
            };
            header?: never;
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of the changed files, and totals. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunChanges"];
                };
            };
        };
    };
    get_patch: {
        parameters: {
            query?: {
                /** @description Only the changes of this turn, counted from 1. Default: those of the whole run. */
                turn?: number;
            };
            header?: never;
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The patch. Binary files are included. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/x-diff": string;
                };
            };
        };
    };
    get_file_changes: {
        parameters: {
            query?: {
                /** @description Only the changes of this turn, counted from 1. Default: those of the whole run. */
                turn?: number;
            };
            header?: never;
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
                /** @description Path of the file as in the list of changes. Slashes need no encoding. */
                path: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The diff. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/x-diff": string;
                };
            };
        };
    };
    list_files: {
        parameters: {
            query?: {
                /** @description The directory, relative to the working directory. Default: the working directory itself. */
                path?: string;
                /** @description As it was after this turn, counted from 1; 0 stands for the start of the run. Default: as it is now. */
                turn?: number;
                /** @description Maximum number of items. */
                limit?: number;
                /** @description Cursor of the page: the `next_cursor` of the previous one. */
                cursor?: string;
            };
            header?: never;
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of the directory. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunFilePage"];
                };
            };
        };
    };
    get_file: {
        parameters: {
            query?: {
                /** @description As it was after this turn, counted from 1; 0 stands for the start of the run. Default: as it is now. */
                turn?: number;
            };
            header?: {
                /** @description `ETag` of the cached response. If it is still current, the response is 304 without a body. */
                "If-None-Match"?: string;
                /** @description One range of bytes: `bytes=0-1023`. Several at once are answered with the whole. */
                Range?: string;
            };
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
                /** @description Path of the file, relative to the working directory. Slashes need no encoding. */
                path: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The content. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": components["schemas"]["FileContent"];
                    "text/plain": string;
                    "image/*": components["schemas"]["FileContent"];
                };
            };
            /** @description The requested range of the content. */
            206: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": components["schemas"]["FileContent"];
                    "text/plain": string;
                    "image/*": components["schemas"]["FileContent"];
                };
            };
        };
    };
    put_file: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
                /** @description Path of the file, relative to the working directory. Slashes need no encoding. */
                path: string;
            };
            cookie?: never;
        };
        /** @description The content, at most 20 MiB. Any content type. */
        requestBody: {
            content: {
                "application/octet-stream": components["schemas"]["FileContent"];
            };
        };
        responses: {
            /** @description The file was replaced. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunFile"];
                };
            };
            /** @description The file was created. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunFile"];
                };
            };
        };
    };
    get_archive: {
        parameters: {
            query?: {
                /** @description Only the files that the run has changed, as they are now. */
                changed?: boolean;
                /** @description Only this directory, relative to the working directory. Not together with `changed`. */
                path?: string;
            };
            header?: never;
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The archive. It ends early if the directory contains more than 500,000 files or 8 GiB. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/gzip": components["schemas"]["FileContent"];
                };
            };
        };
    };
    revert_run: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RevertRequest"];
            };
        };
        responses: {
            /** @description The directory is in the wanted state, except for `untouched`. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RevertResponse"];
                };
            };
        };
    };
    follow_runs: {
        parameters: {
            query?: {
                /** @description Start after this cursor. Default: now. `Last-Event-ID` takes precedence. */
                after?: string;
            };
            header?: {
                /** @description Start after the event with this `id`. */
                "Last-Event-ID"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream. It ends when the server shuts down, or when the reader loses access. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["FeedEvent"];
                    "application/x-ndjson": components["schemas"]["FeedEvent"];
                };
            };
        };
    };
    create_ticket: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The ticket. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TicketResponse"];
                };
            };
        };
    };
    send_message: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body returns the same response and creates nothing. */
                "Idempotency-Key"?: string;
            };
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MessageRequest"];
            };
        };
        responses: {
            /** @description The message is stored in the run's log. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MessageResponse"];
                };
            };
        };
    };
    list_requests: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The open requests. `next_cursor` is always null. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OpenRequestPage"];
                };
            };
        };
    };
    answer_request: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The run. */
                id: components["schemas"]["RunId"];
                /** @description `id` of the request, as in the list and in the event. */
                request: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["AnswerRequest"];
            };
        };
        responses: {
            /** @description The answer is stored and is passed on to the agent. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AnswerResponse"];
                };
            };
        };
    };
    upload_file: {
        parameters: {
            query: {
                /** @description File name without directories, for the agent. */
                name: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description The content, at most 20 MiB. Any content type. */
        requestBody: {
            content: {
                "application/octet-stream": components["schemas"]["FileContent"];
            };
        };
        responses: {
            /** @description The file was stored. */
            201: {
                headers: {
                    /** @description Path of the file, for `DELETE`. */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadedFile"];
                };
            };
        };
    };
    delete_file: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The uploaded file. */
                id: components["schemas"]["UploadId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file was deleted. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    list_sessions: {
        parameters: {
            query?: {
                /** @description Maximum number of items. */
                limit?: number;
                /** @description Cursor of the page: the `next_cursor` of the previous one. */
                cursor?: components["schemas"]["SessionId"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of sessions. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionPage"];
                };
            };
        };
    };
    get_session: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session. */
                id: components["schemas"]["SessionId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionWithRuns"];
                };
            };
        };
    };
    list_session_changes: {
        parameters: {
            query?: {
                /** @description Maximum number of items. */
                limit?: number;
                /** @description Cursor of the page: the `next_cursor` of the previous one. */
                cursor?: number;
            };
            header?: never;
            path: {
                /** @description The session. */
                id: components["schemas"]["SessionId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of the changed files, and totals. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RunChanges"];
                };
            };
        };
    };
    get_session_patch: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session. */
                id: components["schemas"]["SessionId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The patch. Binary files are included. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/x-diff": string;
                };
            };
        };
    };
    commit_session: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The session. */
                id: components["schemas"]["SessionId"];
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BranchRequest"];
            };
        };
        responses: {
            /** @description The branch. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BranchResponse"];
                };
            };
        };
    };
    remove_workspace: {
        parameters: {
            query?: {
                /** @description Also remove work that is not committed. */
                force?: boolean;
            };
            header?: never;
            path: {
                /** @description The session. */
                id: components["schemas"]["SessionId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The workspace was removed. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    chat: {
        parameters: {
            query?: never;
            header?: {
                /** @description Profile to use, as in the body; for clients whose body has a fixed form. */
                "OpenRunner-Profile"?: components["schemas"]["ProfileName"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChatRequest"];
            };
        };
        responses: {
            /** @description The run has ended. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChatResponse"];
                };
            };
        };
    };
    list_models: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The available agents. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ModelList"];
                };
            };
        };
    };
    get_model: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Name of the model. Its slashes need no encoding. */
                model: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The model. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Model"];
                };
            };
        };
    };
    create_chat_completion: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body returns the same response and creates nothing. */
                "Idempotency-Key"?: string;
                /**
                 * @description The session to continue: its id, or any name of the chat, which finds the session that was created with the same name. `new` for a new
                 *     session. Default: the session in which the last answer of the history was given.
                 */
                "OpenRunner-Session"?: string;
                /** @description Working directory, as `openrunner.working_dir`. */
                "OpenRunner-Directory"?: string;
                /** @description Profile to use, one of `GET /api/profiles`. */
                "OpenRunner-Profile"?: components["schemas"]["ProfileName"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChatCompletionRequest"];
            };
        };
        responses: {
            /** @description The completion; with `stream` as server-sent events, each with one chunk as its data, and `[DONE]` at the end. A failure during the stream is an event with an `error`. */
            200: {
                headers: {
                    /** @description The run of the completion. */
                    "x-openrunner-run-id"?: string;
                    /** @description Its session. */
                    "x-openrunner-session-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChatCompletion"];
                    "text/event-stream": components["schemas"]["ChatCompletionChunk"];
                };
            };
        };
    };
    create_response: {
        parameters: {
            query?: never;
            header?: {
                /** @description A repeated request with the same key and body returns the same response and creates nothing. */
                "Idempotency-Key"?: string;
                /**
                 * @description The session to continue: its id, or any name of the chat, which finds the session that was created with the same name. `new` for a new
                 *     session. Default: the session in which the last answer of the history was given.
                 */
                "OpenRunner-Session"?: string;
                /** @description Working directory, as `openrunner.working_dir`. */
                "OpenRunner-Directory"?: string;
                /** @description Profile to use, one of `GET /api/profiles`. */
                "OpenRunner-Profile"?: components["schemas"]["ProfileName"];
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ResponseRequest"];
            };
        };
        responses: {
            /** @description The response; with `stream` as server-sent events that end with `response.completed` or `response.failed`, and `[DONE]`. Each event has a `sequence_number`, after which it can be resumed. */
            200: {
                headers: {
                    /** @description The run of the response. */
                    "x-openrunner-run-id"?: string;
                    /** @description Its session. */
                    "x-openrunner-session-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ResponseObject"];
                    "text/event-stream": string;
                };
            };
        };
    };
    get_response: {
        parameters: {
            query?: {
                /** @description Whether to stream the response, from its beginning. */
                stream?: boolean;
                /** @description With `stream`: start after the event with this `sequence_number`. */
                starting_after?: number;
            };
            header?: never;
            path: {
                /** @description Id of the response. */
                id: components["schemas"]["ResponseId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The response; with `stream` as server-sent events. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ResponseObject"];
                    "text/event-stream": string;
                };
            };
        };
    };
    delete_response: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Id of the response. */
                id: components["schemas"]["ResponseId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The response was deleted. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ResponseDeleted"];
                };
            };
        };
    };
    cancel_response: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Id of the response. */
                id: components["schemas"]["ResponseId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The response, after its end unless that takes longer than 30 seconds. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ResponseObject"];
                };
            };
        };
    };
    list_response_input_items: {
        parameters: {
            query?: {
                /** @description Only items after the one with this id. */
                after?: string;
            };
            header?: never;
            path: {
                /** @description Id of the response. */
                id: components["schemas"]["ResponseId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The only page of items. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ResponseInputItems"];
                };
            };
        };
    };
    list_deliveries: {
        parameters: {
            query?: {
                /** @description Filter by run. */
                run_id?: components["schemas"]["RunId"];
                /** @description Filter by status. */
                status?: components["schemas"]["DeliveryStatus"];
                /** @description Filter by owner of the run; admins only. */
                owner?: components["schemas"]["UserName"];
                /** @description Maximum number of items. */
                limit?: number;
                /** @description Cursor of the page: the `next_cursor` of the previous one. */
                cursor?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of deliveries. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeliveryPage"];
                };
            };
        };
    };
    retry_delivery: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description `id` of the delivery. */
                delivery: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The delivery is pending. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    mcp: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description A message of JSON-RPC 2.0. */
        requestBody: {
            content: {
                "application/json": unknown;
            };
        };
        responses: {
            /** @description The answer, or a stream of notifications and the answer. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": unknown;
                };
            };
            /** @description The notification was received. */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
}
