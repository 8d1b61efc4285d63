/** Client of OpenRunner: start coding agents and follow what they do, without losing an event. */

export { Client, type ClientOptions, data } from "./client.js";
export { ApiError, BrokenStream, ConnectionLost, Forbidden, LogLost, NotFound, OpenRunnerError, Unauthorized } from "./errors.js";
export type { Event, FollowOptions } from "./follow.js";
export type { Retry } from "./retry.js";
export { RunHandle } from "./run.js";
export type { components, paths } from "./schema.js";
