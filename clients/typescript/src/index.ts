/** Client for OpenRunner: start coding agents and follow their event streams without losing an event. */

export { type Api, unwrap } from "./api.js";
export { Client, type ClientOptions } from "./client.js";
export {
  ApiConnectionError,
  ApiError,
  AuthenticationError,
  type FieldError,
  LogTruncatedError,
  NotFoundError,
  OpenRunnerError,
  PermissionDeniedError,
  RateLimitError,
  StreamError,
} from "./errors.js";
export type { Retry } from "./retry.js";
export { type RunClient, RunFiles, RunHandle } from "./run.js";
export type { components, paths } from "./schema.js";
export type { Event, FollowOptions } from "./stream.js";
