// Types of requests, responses and events, generated from docs/openapi.json by openapi-typescript. Do not edit.

export interface paths {
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells whether the server is well. */
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
         * Returns which agents are available, and how to install or log in to the others.
         * @description Agents are checked in the background, so the response is immediate.
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
        /** Gives this description. */
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
        /** Gives the JSON Schema of the events. */
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
        /** Shows this description to a person. */
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
        /** Gives a file of that page. */
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
        /** Shows the console. */
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
        /** Gives a file of the console. */
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
        get?: never;
        put?: never;
        /** Gives a token for a name and a password. */
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
         * Ends the token that the request came with.
         * @description Streams that were begun with it, or with a ticket got with it, end within 15 seconds.
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
        /** Tells whose token this is. */
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
         * Sets a password of one's own, which ends a default login and all tokens of the user.
         * @description API keys stay good.
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
        /** Lists the users by name; for admins. */
        get: operations["list_users"];
        put?: never;
        /** Makes a user; for admins. */
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
        /** Gives one user; for admins. */
        get: operations["get_user"];
        put?: never;
        post?: never;
        /**
         * Removes a user; for admins.
         * @description Tokens and keys end at once, streams within 15 seconds. Runs stay, go on, and belong to the name as before.
         */
        delete: operations["delete_user"];
        options?: never;
        head?: never;
        /** Gives a user another role, another password, another budget, or several of them; for admins. */
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
        /** Lists your API keys, newest first; an admin's list has everyone's. */
        get: operations["list_keys"];
        put?: never;
        /** Makes an API key for yourself. This answer alone shows it. */
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
         * Revokes an API key of your own, as an admin anybody's.
         * @description The next request with it is refused, and streams that were begun with it end within 15 seconds.
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
        /** Lists who did what, newest first; for admins. */
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
         * Tells what was used: one's own, an admin everyone's.
         * @description It is counted on the day on which the agent told it, while the run goes on, too; and it stays when the run is deleted.
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
        /** Tells what may be used today, and what was. */
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
    "/api/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists your runs, newest first; an admin's list has everyone's. */
        get: operations["list_runs"];
        put?: never;
        /** Starts a run. By the time of the answer it is on disk. */
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
        /** Gives a run as it stands, or at its end. */
        get: operations["get_run"];
        put?: never;
        post?: never;
        /** Removes an ended run with its events, and the fresh folder if one was made for it. */
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
         * Ends a run with all its processes.
         * @description Cancelling twice, or after the end, changes nothing and is no error.
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
         * Follows the events of a run, from the first or after a given one up to `done`.
         * @description The answer is `text/event-stream`; its schema below is that of one frame, as that of `application/x-ndjson` is that of one line. Each event is one frame of three lines and an empty one, every line ended by a single line feed:
         *
         *     ```text
         *     id: 12
         *     event: token
         *     data: {"seq":12,"ts":"2026-11-22T13:05:00.123Z","type":"token","content":"Hello"}
         *
         *     ```
         *
         *     `id` is the event's `seq` in decimal digits, `event` is its `type`, and `data` is one line of JSON, an `Event`, never broken over several
         *     lines. Numbers run from 1 without gaps, the last event is `done`, and the same request always gives the same bytes. After 15 seconds without
         *     an event comes a comment, `: keep-alive` and an empty line, which means nothing.
         *
         *     If `Last-Event-ID` or `after` names a number that the log has not reached, or one after which events were cut for want of room, one frame comes
         *     before the others that is no event of the log: an `event` and a `data` line with a `GapNotice`, and no `id`. Its `data.next` is the number of the
         *     event that comes next.
         *
         *     With `Accept: application/x-ndjson` the same `data` objects come one a line, without the lines around them; an empty line keeps the
         *     connection open. An exhausted log is then an empty 200 and not a 204.
         *
         *     A reader that loses its connection asks again with the number of the last event that it has seen, and misses nothing.
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
    "/api/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Follows the changes of all runs that you may see.
         * @description For whoever shows a list of runs. The answer is `text/event-stream`, each event one frame of three lines and an empty one; the schema below is that
         *     of its `data`, one line of JSON. With `Accept: application/x-ndjson` the same lines come alone.
         *
         *     ```text
         *     id: 7f3a9c0de1b2a495-12
         *     event: run
         *     data: {"cursor":"7f3a9c0de1b2a495-12","type":"run","run":{…}}
         *
         *     ```
         *
         *     The first event is `ready`, or `reset`. Whatever changes after it is told, so a client that lists the runs when it has come misses nothing. A
         *     `run` is told when it is created, changes its `status`, opens or closes a request, and ends; it comes as it stands at that moment, so several
         *     changes may come as one. `run_deleted` tells that a run is gone.
         *
         *     A reader that comes again with the last `cursor` goes on there, and `ready` says `resumed`. If that is too long ago, or from before a restart of
         *     the server, `reset` comes in its place, as it does when a reader falls too far behind: list the runs again. After 15 seconds without an event
         *     comes a comment, `: keep-alive`, or an empty line.
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
         * Gives a ticket for the stream of a run, for browsers, which can send no header with it.
         * @description It stands for a token in the address of this one stream. What was begun with it goes on as long as what it was asked for with is good.
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
        /** Sends a further message to a run that has not ended. */
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
        /** Lists what the run's agent has asked and nobody has answered: permissions and questions, oldest first. */
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
         * Answers what a run's agent has asked.
         * @description A permission takes a `decision`; a question takes `answers`, one entry for each of its questions. Of several who answer, one is taken.
         */
        post: operations["answer_request"];
        delete?: never;
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
        /** Lists your conversations, newest first; an admin's list has everyone's. */
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
        /** Gives one conversation with its runs. */
        get: operations["get_session"];
        put?: never;
        post?: never;
        delete?: never;
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
         * Asks an agent, waits for its end and gives the final text.
         * @description The run is an ordinary one, so its events can be read as well, and it goes on if the client leaves. A run that failed is answered
         *     with 200, too: look at `status` and `cause`.
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
        /** Lists the agents that can be used, as models of OpenAI's API. */
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
         * Tells whether a name can be asked for.
         * @description Which models an agent has is known to the agent only, so any `agent/model` is answered for an agent that is there.
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
         * Asks an agent in the form of OpenAI's API.
         * @description The run is an ordinary one, so its events can be read as well. If the client leaves before the end, the run is cancelled, unless
         *     `openrunner.on_disconnect` or an `Idempotency-Key` says otherwise. A run that comes to no answer is a refusal.
         */
        post: operations["create_chat_completion"];
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
        /** Lists what became of the events of your runs that were sent to webhooks, newest first; an admin's list has everyone's. */
        get: operations["list_deliveries"];
        put?: never;
        post?: never;
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
        /** @description A user, as admins see them. */
        Account: {
            /** @description The name. */
            username: components["schemas"]["UserName"];
            /** @description What the user may do. */
            role: components["schemas"]["UserRole"];
            /** @description Whether the password is still the documented default, which works from this machine only. */
            default_password: boolean;
            /** @description What the user may use in a day, as far as that was set for this one; absent if nothing was. */
            budget?: components["schemas"]["OwnBudget"];
        };
        /** @description One page of a list. */
        AccountPage: {
            /** @description The items. */
            items: components["schemas"]["Account"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /**
         * @description An error reported by the agent that does not end the run.
         * @example {
         *       "seq": 20,
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
        /** @description The state of one agent, for people and dashboards. */
        AgentReport: {
            /** @description The agent's registered name. */
            agent_type: string;
            /** @description Whether a run can be started with it. */
            available: boolean;
            /** @description The version that the program reports. */
            version?: string;
            /** @description Absolute path of the program. */
            path?: string;
            /** @description Whether a login or key is configured. */
            authenticated: components["schemas"]["Authenticated"];
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
        /** @description A decision on a permission, or the answers to a question: one of the two. */
        AnswerRequest: {
            decision?: components["schemas"]["Decision"] | null;
            /** @description What the agent is told with a denial. */
            message?: string | null;
            /** @description For each question its answers. */
            answers?: components["schemas"]["OneOrMore"][] | null;
        };
        /** @description The answer as it was taken: what the resolving event tells, too. */
        AnswerResponse: {
            /** @description The request. */
            id: string;
            /** @description The decision on a permission. */
            decision?: components["schemas"]["Decision"];
            /** @description The answers to a question, one list for each of its questions. */
            answers?: string[][];
            /** @description Always `user`. */
            by: components["schemas"]["DecidedBy"];
        };
        /** @description A key as its owner and admins see it: without the key itself. */
        ApiKey: {
            /** @description By which it is revoked. */
            id: components["schemas"]["KeyId"];
            /** @description What its owner calls it. */
            name: string;
            /** @description Whose it is. */
            owner: components["schemas"]["UserName"];
            /** @description What it may be used for. */
            scopes: components["schemas"]["Scope"][];
            /** @description When it was made. */
            created_at: components["schemas"]["Timestamp"];
            /** @description When it ends by itself; absent if it does not. */
            expires_at?: components["schemas"]["Timestamp"];
            /** @description About when it was last used, to the minute; absent if it never was. */
            last_used_at?: components["schemas"]["Timestamp"];
        };
        /** @description One page of a list. */
        ApiKeyPage: {
            /** @description The items. */
            items: components["schemas"]["ApiKey"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /** @description What the agent has come to. */
        AssistantMessage: {
            /** @description Always `assistant`. */
            role: string;
            /** @description Its final text; empty if it came to none. */
            content: string;
            /** @description Always null. */
            refusal: string | null;
        };
        /**
         * @description An action that was performed or attempted.
         * @enum {string}
         */
        AuditAction: "login" | "logout" | "password" | "user.create" | "user.change" | "user.delete" | "key.create" | "key.delete" | "ticket" | "run.create" | "run.cancel" | "run.delete" | "run.message" | "run.answer";
        /** @description One thing that was done, or refused. */
        AuditEntry: {
            /**
             * Format: u-int64
             * @description Its number in the log.
             */
            id: number;
            /** @description When the action finished. */
            created_at: components["schemas"]["Timestamp"];
            /** @description What was done. */
            action: components["schemas"]["AuditAction"];
            /** @description `ok`, or the code of the refusal. */
            outcome: string;
            username: components["schemas"]["UserName"] | null;
            /** @description The address that the request came from; null for the command line. */
            address: string | null;
            /** @description The API key that it was done with. */
            key_id?: components["schemas"]["KeyId"];
            /** @description The run that it was done to. */
            run_id?: components["schemas"]["RunId"];
            /** @description The user whom it was done to. */
            target_username?: components["schemas"]["UserName"];
            /** @description The API key that it was done to. */
            target_key_id?: components["schemas"]["KeyId"];
            /** @description What exactly: a user's new role, a key's scopes. */
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
        };
        /** @description What the user may use in a day (UTC). What is absent stays as it is; null is as the server's settings have it. */
        BudgetRequest: {
            tokens_per_day?: components["schemas"]["TokenLimit"] | null;
            cost_per_day_usd?: components["schemas"]["CostLimit"] | null;
        };
        /** @description What a client can do with an agent besides giving it a prompt. */
        Capabilities: {
            /** @description Continue a conversation in a later run. */
            resume: boolean;
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
        };
        /**
         * @description Why a run ended.
         * @enum {string}
         */
        Cause: "ok" | "agent_error" | "not_logged_in" | "rate_limited" | "model_not_found" | "not_installed" | "bad_arguments" | "crashed" | "killed" | "timeout" | "startup_timeout" | "idle_timeout" | "cancelled" | "shutdown" | "node_lost" | "storage" | "protocol" | "budget_exceeded";
        /** @description What is to become of a user. What is absent stays as it is. */
        ChangeUserRequest: {
            /** @description A new password, which is not the name. It ends all tokens of the user. */
            password?: string | null;
            role?: components["schemas"]["UserRole"] | null;
            /** @description A new budget. */
            budget?: components["schemas"]["BudgetRequest"];
        };
        /** @description The one answer. */
        ChatChoice: {
            /**
             * Format: u-int32
             * @description Always 0.
             */
            index: number;
            /** @description What the agent has come to. */
            message: components["schemas"]["AssistantMessage"];
            /** @default null */
            logprobs: unknown;
            /** @description Always `stop`: an answer that was cut is no answer here but a refusal. */
            finish_reason: string;
        };
        /** @description A finished answer. */
        ChatCompletion: {
            /** @description `chatcmpl-` and the id of the run. */
            id: string;
            /** @description Always `chat.completion`. */
            object: string;
            /**
             * Format: int64
             * @description When the run was made, in seconds since 1970.
             */
            created: number;
            /** @description The model, as it was asked for. */
            model: string;
            /** @description Always one. */
            choices: components["schemas"]["ChatChoice"][];
            /** @description What the model has used, where the agent tells it. */
            usage?: components["schemas"]["CompletionUsage"];
            /** @description The run behind it. */
            openrunner: components["schemas"]["CompletionRun"];
        };
        /** @description A piece of a streamed answer. */
        ChatCompletionChunk: {
            /** @description `chatcmpl-` and the id of the run: the same in all chunks. */
            id: string;
            /** @description Always `chat.completion.chunk`. */
            object: string;
            /**
             * Format: int64
             * @description When the run was made, in seconds since 1970.
             */
            created: number;
            /** @description The model, as it was asked for. */
            model: string;
            /** @description One, but none in the chunk that tells the totals. */
            choices: components["schemas"]["ChunkChoice"][];
            /** @description The totals, in the last chunk, if they were asked for. */
            usage?: components["schemas"]["CompletionUsage"];
            /** @description The run behind it: in the first chunk and in the one that tells the end. */
            openrunner?: components["schemas"]["CompletionRun"];
        };
        /**
         * @description A request for a completion.
         *
         *     A promise that an agent cannot keep is refused: tools, several choices, log probabilities, a form of the answer, anything but text. A
         *     preference is passed over, such as `temperature`, and so is whatever is not known here.
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
            /** @description The conversation; the last message is the user's. */
            messages: components["schemas"]["ChatMessage"][];
            /** @description Whether the answer comes as a stream. */
            stream?: boolean | null;
            stream_options?: components["schemas"]["StreamOptions"] | null;
            /** @description Becomes the run's label `user`, if it is at most 256 bytes long. */
            user?: string | null;
            /** @description Becomes the run's labels. */
            metadata?: {
                [key: string]: string;
            } | null;
            openrunner?: components["schemas"]["RunOptions"] | null;
        };
        /** @description What is said. */
        ChatContent: string | components["schemas"]["ContentPart"][];
        /** @description One message of a conversation. */
        ChatMessage: {
            /** @description Who speaks. */
            role: components["schemas"]["ChatRole"];
            content?: components["schemas"]["ChatContent"] | null;
        };
        /** @description One prompt. */
        ChatRequest: {
            /**
             * @description The prompt.
             * @example hello
             */
            message: string;
            /**
             * @description `agent` or `agent/model`: `claude`, `codex`, `demo`, `claude/opus`. Absent, it is the session's agent, else `claude_code`.
             * @example demo
             */
            model?: string | null;
            session_id?: components["schemas"]["SessionId"] | null;
        };
        /** @description How the run ended. */
        ChatResponse: {
            /** @description The run, whose events can be read. */
            run_id: components["schemas"]["RunId"];
            /** @description Its conversation. */
            session_id: components["schemas"]["SessionId"];
            /** @description The agent's final text; empty if it came to none. */
            message: string;
            /** @description How the run ended. */
            status: components["schemas"]["RunStatus"];
            /** @description Why it ended so. */
            cause: components["schemas"]["Cause"];
            /** @description What went wrong. */
            error?: string;
            /** @description Totals of the run. */
            usage?: components["schemas"]["Usage"];
        };
        /**
         * @description Who speaks.
         * @enum {string}
         */
        ChatRole: "system" | "developer" | "user" | "assistant";
        /** @description A piece of the one answer. */
        ChunkChoice: {
            /**
             * Format: u-int32
             * @description Always 0.
             */
            index: number;
            /** @description What is new. */
            delta: components["schemas"]["ChunkDelta"];
            /** @default null */
            logprobs: unknown;
            /** @description `stop` in the last piece. */
            finish_reason: string | null;
        };
        /** @description What is new. */
        ChunkDelta: {
            /** @description `assistant`, in the first piece. */
            role?: string;
            /** @description Text of the agent. */
            content?: string;
            /** @description Thinking of the agent, by the name that other servers of this API have given it. */
            reasoning_content?: string;
        };
        /** @description The run behind a completion. */
        CompletionRun: {
            /** @description The run, whose events can be read. */
            run_id: components["schemas"]["RunId"];
            /** @description Its conversation: give it as `openrunner.session_id` to go on. */
            session_id: components["schemas"]["SessionId"];
            /** @description Where it stands. */
            status: components["schemas"]["RunStatus"];
        };
        /** @description More on the tokens that the model has written. */
        CompletionTokens: {
            /**
             * Format: u-int64
             * @description Those that were thinking, where the agent tells them apart.
             */
            reasoning_tokens: number;
        };
        /** @description What the model has used. */
        CompletionUsage: {
            /**
             * Format: u-int64
             * @description Tokens that it has read, from a cache or not.
             */
            prompt_tokens: number;
            /**
             * Format: u-int64
             * @description Tokens that it has written, thinking included.
             */
            completion_tokens: number;
            /**
             * Format: u-int64
             * @description Both together.
             */
            total_tokens: number;
            /** @description More on those that it has read. */
            prompt_tokens_details: components["schemas"]["PromptTokens"];
            /** @description More on those that it has written. */
            completion_tokens_details: components["schemas"]["CompletionTokens"];
        };
        /** @description A part of a message. */
        ContentPart: {
            /** @description `text`; images, sounds and files are refused. */
            type: string;
            /** @description The text. */
            text?: string | null;
        };
        /** @description A key to be made. */
        CreateKeyRequest: {
            /** @description What to call it. */
            name: string;
            /** @description What it may be used for. */
            scopes: components["schemas"]["Scope"][];
            /**
             * Format: u-int64
             * @description Seconds until it ends, at most ten years; without it the key lives until it is revoked.
             */
            expires_in?: number | null;
        };
        /** @description A new key: the only answer that shows it. */
        CreateKeyResponse: components["schemas"]["ApiKey"] & {
            /** @description The key, to be sent as `Authorization: Bearer`. */
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
            /** @description What the agent is to do. */
            input: components["schemas"]["RunInput"];
            metadata?: components["schemas"]["RunMetadata"] | null;
        };
        /** @description What was made. */
        CreateRunResponse: {
            /** @description The run. */
            run_id: components["schemas"]["RunId"];
            /** @description Its conversation. */
            session_id: components["schemas"]["SessionId"];
            /** @description Always `queued`: what it was when it was made. */
            status: components["schemas"]["RunStatus"];
            /** @description Where its events are. */
            events_url: string;
        };
        /** @description A user to be made. */
        CreateUserRequest: {
            /** @description The name. */
            username: components["schemas"]["UserName"];
            /** @description The password, which is not the name. */
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
         *       "seq": 21,
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
        /** @description One event of a run's log. Types and fields may be added; skip those that you do not know. */
        Event: components["schemas"]["RunQueuedEvent"] | components["schemas"]["RunStartedEvent"] | components["schemas"]["TokenEvent"] | components["schemas"]["ThinkingEvent"] | components["schemas"]["MessageEvent"] | components["schemas"]["UserMessageEvent"] | components["schemas"]["ToolCallEvent"] | components["schemas"]["ToolOutputEvent"] | components["schemas"]["ToolResultEvent"] | components["schemas"]["FileChangeEvent"] | components["schemas"]["PlanEvent"] | components["schemas"]["PermissionRequestEvent"] | components["schemas"]["PermissionResolvedEvent"] | components["schemas"]["QuestionEvent"] | components["schemas"]["QuestionResolvedEvent"] | components["schemas"]["UsageEvent"] | components["schemas"]["NoticeEvent"] | components["schemas"]["LogEvent"] | components["schemas"]["RawEvent"] | components["schemas"]["AgentErrorEvent"] | components["schemas"]["DoneEvent"];
        /** @description One frame of the stream, as a parser of server-sent events gives it. */
        EventFrame: {
            /** @description The event's `seq`; absent of a `GapNotice`, which is no event of the log. */
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
            /** @description The run's current state. */
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
        /** @description The log has not reached the number that was asked for, or the events after it were cut. No event of the log, so it has no number and no time. */
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
            /** @description The same for a person. */
            message: string;
            data: {
                /** @description The number of the last event that the reader has, or says that it has. */
                after: number;
                /** @description The number of the event that comes next. */
                next: number;
            };
        };
        /** @description How the server is. */
        HealthResponse: {
            /** @description `degraded` while nothing can be written to disk, otherwise `ok`. */
            status: string;
            /** @description The server's version. */
            version: string;
            /**
             * Format: u-int64
             * @description Seconds since the start.
             */
            uptime: number;
        };
        /** @description An address that the agent calls. */
        HttpServer: {
            /** @description The name by which the agent knows it. */
            name: string;
            /** @description Its address. */
            url: string;
            /** @description Headers of each call. */
            headers?: {
                [key: string]: string;
            };
        };
        /** @example key_0198a8f0c0de7000800000000000000a */
        KeyId: string;
        /**
         * @description Severity of a notice.
         * @enum {string}
         */
        Level: "info" | "warning" | "error";
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
        /** @description A name and its password. */
        LoginRequest: {
            /**
             * @description The user's name.
             * @example admin
             */
            username: string;
            /**
             * @description The user's password.
             * @example admin
             */
            password: string;
        };
        /** @description A token, for the `Authorization` header of later requests. */
        LoginResponse: {
            /** @description The token. */
            token: string;
            /** @description Always `Bearer`. */
            token_type: string;
            /**
             * Format: int64
             * @description For how long the token is good, in seconds.
             */
            expires_in: number;
            /** @description Whose it is. */
            user: components["schemas"]["User"];
        };
        /** @description A program that the agent starts (`command`), or an address that it calls (`url`). */
        McpServer: components["schemas"]["StdioServer"] | components["schemas"]["HttpServer"];
        /** @description Who one is, and what one may use. */
        Me: {
            /** @description The name. */
            username: components["schemas"]["UserName"];
            /** @description What the user may do. */
            role: components["schemas"]["UserRole"];
            /** @description What the user may use today, and has used. */
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
        /** @description A further message. */
        MessageRequest: {
            /**
             * @description Its text.
             * @example Add a test, too.
             */
            text: string;
            /** @description How it is delivered. */
            mode?: components["schemas"]["MessageMode"];
        };
        /** @description What was taken. */
        MessageResponse: {
            /** @description The run that gets the message. */
            run_id: components["schemas"]["RunId"];
            /** @description How it is delivered. */
            mode: components["schemas"]["MessageMode"];
        };
        /** @description Something that can be asked for: an agent, or a model of one. */
        Model: {
            /**
             * @description Its name, as `model` takes it.
             * @example claude_code
             */
            id: string;
            /** @description Always `model`. */
            object: string;
            /**
             * Format: int64
             * @description Always 0: nobody knows since when there has been an agent.
             */
            created: number;
            /** @description Always `openrunner`. */
            owned_by: string;
        };
        /** @description What can be asked for. */
        ModelList: {
            /** @description Always `list`. */
            object: string;
            /** @description By name. */
            data: components["schemas"]["Model"][];
        };
        /**
         * Format: double
         * @description A non-negative amount of US dollars, in whole microdollars. On the wire a number of dollars.
         */
        Money: number;
        /**
         * @description Code of a notice.
         * @enum {string}
         */
        NoticeCode: "retrying" | "rate_limited" | "truncated" | "invalid_utf8" | "leaked_pipe" | "exit_grace_expired" | "left_behind" | "resumed" | "undelivered" | "weak_guarantee" | "gap" | "agent_warning" | "other";
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
         * @description What becomes of a run whose client leaves.
         * @enum {string}
         */
        OnDisconnect: "cancel" | "continue";
        /** @description The answers to one of the questions. */
        OneOrMore: string | string[];
        /** @description A refusal under `/v1`, in OpenAI's form. */
        OpenAiError: {
            error: {
                /** @description The same for a person. Its words may change. */
                message: string;
                /** @description `invalid_request_error`, `permission_error`, `rate_limit_error` or `server_error`. */
                type: string;
                /** @description The one field that is at fault. */
                param: string | null;
                /** @description Which refusal it is, for programs. */
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
        /** @description Daily budget of a user, per UTC day. Limits that are not set default to the server's settings. */
        OwnBudget: {
            /** @description Maximum number of tokens. */
            tokens_per_day?: components["schemas"]["TokenLimit"];
            /** @description Maximum cost in US dollars, as far as agents report their cost. */
            cost_per_day_usd?: components["schemas"]["CostLimit"];
        };
        /** @description A new password for oneself. */
        PasswordRequest: {
            /** @description The present one: a token that was left lying about does not suffice. */
            current_password: string;
            /** @description The new one, which is not the name. */
            new_password: string;
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
             * @description Which refusal it is, for programs.
             * @enum {string}
             */
            code: "malformed_json" | "body_missing" | "body_unreadable" | "bad_argument" | "unknown_model" | "unsupported_parameter" | "token_missing" | "token_invalid" | "token_expired" | "wrong_credentials" | "default_password" | "origin_not_allowed" | "cross_site" | "admin_only" | "scope_missing" | "own_password_needed" | "wrong_password" | "env_not_allowed" | "working_dir_not_allowed" | "not_found" | "model_not_found" | "method_not_allowed" | "body_timeout" | "run_active" | "run_ended" | "already_answered" | "session_busy" | "cancelled" | "user_exists" | "last_admin" | "body_too_large" | "not_json" | "host_not_served" | "invalid_field" | "unknown_agent" | "bad_working_dir" | "session_mismatch" | "cannot_resume" | "cannot_ask" | "messages_not_supported" | "idempotency_key_reused" | "queue_full" | "budget_exceeded" | "too_many_messages" | "too_many_logins" | "too_many_requests" | "too_many_streams" | "rate_limited" | "internal" | "agent_error" | "not_logged_in" | "not_installed" | "bad_arguments" | "crashed" | "killed" | "protocol" | "node_lost" | "shutting_down" | "overloaded" | "timeout" | "startup_timeout" | "idle_timeout" | "storage";
            /** @description All faults of the request, if fields are at fault. A body of the wrong shape is reported with its first fault. */
            errors?: components["schemas"]["FieldError"][];
        };
        /** @description More on the tokens that the model has read. */
        PromptTokens: {
            /**
             * Format: u-int64
             * @description Those that came from the provider's cache.
             */
            cached_tokens: number;
        };
        /** @description A question to the user. */
        Question: {
            /** @description Text of the question. */
            text: string;
            /** @description Suggested answers; empty for free text. */
            options: string[];
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
         *           "options": [
         *             "red",
         *             "blue"
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
        /**
         * @description A line of output that the adapter does not recognize.
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
            /** @description The line without its newline. Invalid UTF-8 is replaced. */
            line: string;
        };
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
            /** @enum {string} */
            type: "permission";
        } | {
            /** @description The questions. */
            questions: components["schemas"]["Question"][];
            /** @enum {string} */
            type: "question";
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
        Run: components["schemas"]["RunEnd"] & {
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
            /** @description The prompt. */
            prompt: string;
            /** @description First non-empty line of the prompt, at most 120 characters. */
            title: string;
            /** @description Working directory. */
            working_dir: string;
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
        };
        /** @description Ended runs by how they ended. */
        RunCounts: {
            /**
             * Format: u-int64
             * @description Ended well.
             */
            completed: number;
            /**
             * Format: u-int64
             * @description Ended badly.
             */
            failed: number;
            /**
             * Format: u-int64
             * @description Were cancelled.
             */
            cancelled: number;
            /**
             * Format: u-int64
             * @description Ran out of time.
             */
            timed_out: number;
            /**
             * Format: u-int64
             * @description Their server went away.
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
            /** @description Final text of the agent. */
            result?: string;
            /** @description Total usage of the run. */
            usage?: components["schemas"]["Usage"];
            /**
             * Format: u-int64
             * @description Time from creation to end, in milliseconds.
             */
            duration_ms?: number;
            /** @description Last part of the agent's standard error, if the run failed. */
            stderr_tail?: string;
        };
        /** @example run_0198a8f0c0de7000800000000000000a */
        RunId: string;
        /** @description What the agent is to do. */
        RunInput: {
            /** @description The prompt. */
            text: string;
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
        /** @description Every field may be absent or null, which means its default. */
        RunMetadata: {
            /** @description Which agent: one of `GET /api/agents`. By default the session's, else `claude_code`. */
            agent_type?: string | null;
            /** @description Where it works: an absolute path without `..`. By default the session's folder, else a fresh one. */
            working_dir?: string | null;
            /** @description Another name of `working_dir`. */
            cwd?: string | null;
            /**
             * Format: u-int64
             * @description The run ends after that many seconds of the agent's work.
             * @default 300
             */
            timeout_secs?: number | null;
            /**
             * Format: u-int64
             * @description The run ends after that many seconds without a word from the agent.
             */
            idle_timeout_secs?: number | null;
            /** @description The model, in the agent's own words. */
            model?: string | null;
            /** @description Further command-line elements for the agent's program. */
            extra_args?: string[] | null;
            session_id?: components["schemas"]["SessionId"] | null;
            on_busy?: components["schemas"]["OnBusy"] | null;
            permission_mode?: components["schemas"]["PermissionMode"] | null;
            /** @description Rules that count before the mode. */
            permission_rules?: components["schemas"]["RuleSpec"][] | null;
            /** @description Variables for the agent's environment. */
            env?: {
                [key: string]: string;
            } | null;
            /** @description MCP servers for the agent; for admins. */
            mcp_servers?: components["schemas"]["McpServer"][] | null;
            /** @description Your own marks, at most 32, by which runs can be listed. */
            labels?: {
                [key: string]: string;
            } | null;
            webhook?: components["schemas"]["Webhook"] | null;
        };
        /** @description What only runs have. Every field may be absent or null, which means its default. */
        RunOptions: {
            session_id?: components["schemas"]["SessionId"] | null;
            on_busy?: components["schemas"]["OnBusy"] | null;
            /** @description Where the agent works: an absolute path without `..`. By default the session's folder, else a fresh one. */
            working_dir?: string | null;
            permission_mode?: components["schemas"]["PermissionMode"] | null;
            /**
             * Format: u-int64
             * @description The run ends after that many seconds of the agent's work.
             * @default 300
             */
            timeout_secs?: number | null;
            /**
             * Format: u-int64
             * @description The run ends after that many seconds without a word from the agent.
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
        /** @description A conversation with its runs. */
        SessionWithRuns: components["schemas"]["Session"] & {
            /** @description Its newest 200, newest first. */
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
        /** @description A program that the agent starts. */
        StdioServer: {
            /** @description The name by which the agent knows it. */
            name: string;
            /** @description The program. */
            command: string;
            /** @description Its arguments. */
            args?: string[];
            /** @description Its further environment. */
            env?: {
                [key: string]: string;
            };
        };
        /** @description What a stream tells besides. */
        StreamOptions: {
            /** @description Whether the totals come at its end. */
            include_usage?: boolean | null;
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
            /** @description What stands for a token in the address of this run's stream, and nowhere else. */
            ticket: string;
            /**
             * Format: int64
             * @description For how many seconds a stream can be begun with it.
             */
            expires_in: number;
            /** @description The address of the stream, with the ticket in it. */
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
        /** @description What one of a group has used. */
        UsageItem: components["schemas"]["UsageKey"] & components["schemas"]["UsageTotals"];
        /** @description One page of a list. */
        UsageItemPage: {
            /** @description The items. */
            items: components["schemas"]["UsageItem"][];
            /** @description The `cursor` of the next page; null on the last page. */
            next_cursor: string | null;
        };
        /** @description What one day, user, agent, model, conversation or run has used: it has the one of these fields that was grouped by. */
        UsageKey: {
            /** @description The day, in UTC. */
            day?: components["schemas"]["Day"];
            /** @description The owner of the runs. */
            owner?: components["schemas"]["UserName"];
            /** @description The agent. */
            agent_type?: string;
            /** @description The model that the agent named, or that was asked for; empty where neither is known. */
            model?: string;
            /** @description The conversation. */
            session_id?: components["schemas"]["SessionId"];
            /** @description The run. */
            run_id?: components["schemas"]["RunId"];
        };
        /** @description A page of what was used, and the sum of all pages. */
        UsagePage: components["schemas"]["UsageItemPage"] & {
            /** @description By what `items` are added up. */
            group_by: components["schemas"]["UsageGroup"];
            /** @description The sum of all that was asked for, on whatever page. */
            total: components["schemas"]["UsageTotals"];
        };
        /** @description How much was used. */
        UsageTotals: {
            /**
             * Format: u-int64
             * @description Runs that ended. One that goes on is not counted yet, but what it has used is.
             */
            runs: number;
            /** @description Of these, how many ended so. */
            by_status: components["schemas"]["RunCounts"];
            /**
             * Format: u-int64
             * @description Tokens that count against a budget: `input_tokens`, `cache_write_tokens` and `output_tokens`.
             */
            tokens: number;
            /**
             * Format: u-int64
             * @description Tokens read by the model that no cache held.
             */
            input_tokens: number;
            /**
             * Format: u-int64
             * @description Tokens written by the model, thinking included.
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
             * @description Those of `output_tokens` that were thinking, where the agent tells them apart.
             */
            reasoning_tokens: number;
            /** @description US dollars, as far as agents told; absent if none did. */
            cost_usd?: components["schemas"]["Money"];
            /** @description Whether some of that is computed from list prices, not billed. */
            cost_is_estimate: boolean;
            /**
             * Format: u-int64
             * @description Runs that ended and told tokens but no cost, which `cost_usd` therefore lacks.
             */
            runs_without_cost: number;
        };
        /** @description A user. */
        User: {
            /** @description The name. */
            username: components["schemas"]["UserName"];
            /** @description What the user may do. */
            role: components["schemas"]["UserRole"];
        };
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
        /** @description Where events are sent. */
        Webhook: string | components["schemas"]["WebhookObject"];
        /** @description Where events are sent, which, and how they are signed. */
        WebhookObject: {
            /** @description The address: http or https, of no network of somebody's own. */
            url: string;
            /** @description Types of events; `*` is all that can be sent. By default `run_started`, `permission_request`, `question` and `done`. */
            events?: string[] | null;
            /** @description What is signed with, as `whsec_` and Base64. By default the server's own. */
            secret?: string | null;
        };
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
            /** @description The server answers. */
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
                /** @description The `ETag` of what the client has; if it is still the same, the answer is 304 without a body. */
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
                /** @description The `ETag` of what the client has; if it is still the same, the answer is 304 without a body. */
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
                /** @description The `ETag` of what the client has; if it is still the same, the answer is 304 without a body. */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page, which needs nothing from elsewhere. */
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
                /** @description The `ETag` of what the client has; if it is still the same, the answer is 304 without a body. */
                "If-None-Match"?: string;
            };
            path: {
                /**
                 * @description Its name.
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
                /** @description The `ETag` of what the client has; if it is still the same, the answer is 304 without a body. */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page, which needs nothing from elsewhere. */
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
                /** @description The `ETag` of what the client has; if it is still the same, the answer is 304 without a body. */
                "If-None-Match"?: string;
            };
            path: {
                /** @description The console's version, as the page names it. */
                version: string;
                /**
                 * @description The file's path.
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
            /** @description Nothing is let in by it any more. */
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
            /** @description The password is another one. The token is a fresh one. */
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
                /** @description Most items of the page. */
                limit?: number;
                /** @description Where the page begins: the `next_cursor` of the one before. */
                cursor?: components["schemas"]["UserName"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of them. */
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
                /** @description The user's name. */
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
                /** @description The user's name. */
                name: components["schemas"]["UserName"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user is gone. */
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
                /** @description The user's name. */
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
            /** @description The user as it then is. */
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
                /** @description Only this user's; for admins. */
                owner?: components["schemas"]["UserName"];
                /** @description Most items of the page. */
                limit?: number;
                /** @description Where the page begins: the `next_cursor` of the one before. */
                cursor?: components["schemas"]["KeyId"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of them. */
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
                /** @description The key's id. */
                id: components["schemas"]["KeyId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The key is worth nothing any more. */
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
                /** @description Only what this user did. */
                username?: components["schemas"]["UserName"];
                /** @description Only this action. */
                action?: components["schemas"]["AuditAction"];
                /** @description Only what was done to this run. */
                run_id?: components["schemas"]["RunId"];
                /** @description Only what was done at this time or later. */
                since?: components["schemas"]["Timestamp"];
                /** @description Most items of the page. */
                limit?: number;
                /** @description Where the page begins: the `next_cursor` of the one before. */
                cursor?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of the log. */
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
                /** @description By what it is added up. */
                group_by?: ("day" | "owner" | "agent_type" | "model" | "session" | "run") & Record<string, never>;
                /** @description Only that of this day (UTC) or later. */
                since?: components["schemas"]["Day"];
                /** @description Only that of this day (UTC) or earlier. */
                until?: components["schemas"]["Day"];
                /** @description Only this user's; for admins, others always get their own. */
                owner?: components["schemas"]["UserName"];
                /** @description Only that of this agent. */
                agent_type?: string;
                /** @description Only that of this conversation. */
                session_id?: components["schemas"]["SessionId"];
                /** @description Most items of the page. */
                limit?: number;
                /** @description Where the page begins: the `next_cursor` of the one before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of it. */
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
                /** @description This user's instead of one's own; for admins. */
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
    list_runs: {
        parameters: {
            query?: {
                /** @description Only runs that are so: one status, or several with commas between them. */
                status?: components["schemas"]["RunStatus"][];
                /** @description Only those with this in the beginning of the prompt or in a label, or whose id begins so. */
                q?: string;
                /** @description Only this agent's. */
                agent_type?: string;
                /** @description Only this conversation's. */
                session_id?: components["schemas"]["SessionId"];
                /** @description Only with this label, as `name=value`. */
                label?: string;
                /** @description Only those created at this time or later. */
                since?: components["schemas"]["Timestamp"];
                /** @description Only this user's; for admins. */
                owner?: components["schemas"]["UserName"];
                /** @description Most items of the page. */
                limit?: number;
                /** @description Where the page begins: the `next_cursor` of the one before. */
                cursor?: components["schemas"]["RunId"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of them. */
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
                /** @description The same key with the same body gets the same answer, and nothing is made twice. */
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
            /** @description The run is made. */
            201: {
                headers: {
                    /** @description Where the run is. */
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
                /** @description Answer when the run has ended, or after that many seconds, whichever is first. */
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
            /** @description It is gone. */
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
            /** @description The run as it then stands; its end is told by `done`. */
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
                /** @description Go on after the event of this number; 0, or nothing, is the beginning. `Last-Event-ID` counts before it. */
                after?: number;
                /** @description A ticket for this stream, or a token, for a browser's `EventSource`, which cannot send headers. */
                access_token?: string;
            };
            header?: {
                /** @description Go on after the event of this number, as its `id` told. */
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
            /** @description The stream. It ends after `done`, or when its reader has lost the right to it. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["EventFrame"];
                    "application/x-ndjson": components["schemas"]["Event"];
                };
            };
            /** @description The run has ended and every event was seen: an `EventSource` does not come again. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    follow_runs: {
        parameters: {
            query?: {
                /** @description Go on after this place; without it, from now on. `Last-Event-ID` counts before it. */
                after?: string;
            };
            header?: {
                /** @description Go on after this place, as an event's `id` told. */
                "Last-Event-ID"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream. It ends when the server goes away, or when its reader has lost the right to it. */
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
                /** @description The same key with the same body gets the same answer, and nothing is made twice. */
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
            /** @description The message is in the run's log. */
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
            /** @description What is open. `next_cursor` is always null: the list is whole. */
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
                /** @description What the agent has asked: its `id` in the listing and in the event. */
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
            /** @description The answer is on disk, and on its way to the agent. */
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
    list_sessions: {
        parameters: {
            query?: {
                /** @description Most items of the page. */
                limit?: number;
                /** @description Where the page begins: the `next_cursor` of the one before. */
                cursor?: components["schemas"]["SessionId"];
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of them. */
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
                /** @description The conversation. */
                id: components["schemas"]["SessionId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The conversation. */
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
    chat: {
        parameters: {
            query?: never;
            header?: never;
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
            /** @description Every agent that a run can be started of. */
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
                /** @description Its name, in which a `/` is written as `%2F`. */
                model: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It can. */
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
                /** @description The same key with the same body gets the same answer, and nothing is made twice. */
                "Idempotency-Key"?: string;
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
            /** @description The answer: whole, or with `stream` piece by piece, each piece the data of a server-sent event, the last of them `[DONE]`. A failure in the middle of a stream is an event with an `error`. */
            200: {
                headers: {
                    /** @description The run behind the answer. */
                    "x-openrunner-run-id"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ChatCompletion"];
                    "text/event-stream": components["schemas"]["ChatCompletionChunk"];
                };
            };
        };
    };
    list_deliveries: {
        parameters: {
            query?: {
                /** @description Only of this run. */
                run_id?: components["schemas"]["RunId"];
                /** @description Only those that stand there. */
                status?: components["schemas"]["DeliveryStatus"];
                /** @description Only of this user's runs; for admins. */
                owner?: components["schemas"]["UserName"];
                /** @description Most items of the page. */
                limit?: number;
                /** @description Where the page begins: the `next_cursor` of the one before. */
                cursor?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of them. */
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
}
