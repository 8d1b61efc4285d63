/** Client of the server's HTTP API. URLs are relative to the page, so the console works behind a path prefix. */
import { clearCredentials, token } from './auth.js';

/** One fault of a request, at a field such as `metadata.working_dir`. @typedef {{field: string, code: string, detail: string}} FieldError */

/** An error response of the server, or no response at all (`status` 0). */
export class ApiProblem extends Error {
  /** @param {{status: number, code: string, detail: string, errors?: FieldError[], retryAfter?: number | null}} problem */
  constructor({ status, code, detail, errors = [], retryAfter = null }) {
    super(detail);
    this.name = 'ApiProblem';
    /** HTTP status; 0 if there was no response. */
    this.status = status;
    /** The stable error code; `unreachable` if there was no response. */
    this.code = code;
    /** Description in English. */
    this.detail = detail;
    /** All invalid fields of the request. */
    this.errors = errors;
    /** Seconds from the `Retry-After` header. */
    this.retryAfter = retryAfter;
  }
}

/** The absolute URL of an API path such as `/api/runs`. @param {string} path */
export const apiUrl = (path) => new URL(path.replace(/^\/+/, ''), document.baseURI).href;

/** Request headers with the current token. @param {Record<string, string>} [more] @returns {Record<string, string>} */
export function authHeaders(more = {}) {
  return token.value === null ? { ...more } : { ...more, Authorization: `Bearer ${token.value}` };
}

/** Parses an error response. @param {Response} response @returns {Promise<ApiProblem>} */
export async function readProblem(response) {
  const body = await response.json().catch(() => ({}));
  const retryAfter = Number(response.headers.get('Retry-After'));
  return new ApiProblem({
    status: response.status,
    code: typeof body.code === 'string' ? body.code : `http_${response.status}`,
    detail: typeof body.detail === 'string' ? body.detail : `${response.status} ${response.statusText}`,
    errors: Array.isArray(body.errors) ? body.errors : [],
    retryAfter: Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null,
  });
}

/** Signs out if the server rejected the current token. @param {ApiProblem} problem @param {string | undefined} authorization the header that was sent */
export function signOutIfUnauthorized(problem, authorization) {
  // The token may have been replaced while the request was in flight.
  if (problem.status === 401 && authorization !== undefined && authorization === authHeaders().Authorization) clearCredentials('sign_in.expired');
}

/**
 * Sends a request.
 * @param {string} method @param {string} path starting with `/api` or `/health` @param {unknown} [body] sent as JSON
 * @param {{signal?: AbortSignal, headers?: Record<string, string>}} [options]
 * @returns {Promise<any>} the parsed JSON; `null` for an empty response
 * @throws {ApiProblem} also if there is no response; an aborted request throws the browser's `AbortError`
 */
export async function request(method, path, body = undefined, { signal, headers } = {}) {
  const sent = authHeaders({ Accept: 'application/json', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...headers });
  let response;
  try {
    response = await fetch(apiUrl(path), {
      method, headers: sent, signal, cache: 'no-store', credentials: 'omit', ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiProblem({ status: 0, code: 'unreachable', detail: 'the server is not responding' });
  }
  if (!response.ok) {
    const problem = await readProblem(response);
    signOutIfUnauthorized(problem, sent.Authorization);
    throw problem;
  }
  return response.status === 204 || response.status === 202 && response.headers.get('Content-Length') === '0' ? null : response.json();
}

/**
 * Sends a request whose response is not JSON.
 * @param {string} method @param {string} path @param {{signal?: AbortSignal, headers?: Record<string, string>, body?: BodyInit}} options
 * @returns {Promise<Response>} with a status of success, or 304 if the request was conditional
 * @throws {ApiProblem} as {@link request}
 */
export async function requestResponse(method, path, { signal, headers = {}, body }) {
  const sent = authHeaders(headers);
  let response;
  try {
    response = await fetch(apiUrl(path), { method, headers: sent, signal, body, cache: 'no-store', credentials: 'omit' });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiProblem({ status: 0, code: 'unreachable', detail: 'the server is not responding' });
  }
  if (response.ok || response.status === 304) return response;
  const problem = await readProblem(response);
  signOutIfUnauthorized(problem, sent.Authorization);
  throw problem;
}

/** Loads a text, such as a patch. @param {string} path @param {{signal?: AbortSignal}} [options] @returns {Promise<string>} @throws {ApiProblem} as {@link request} */
export const requestText = async (path, { signal } = {}) => (await requestResponse('GET', path, { signal })).text();

/** Appends query parameters, skipping empty ones. @param {string} path @param {Record<string, string | number | null | undefined>} query */
export function withQuery(path, query) {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
  return text === '' ? path : `${path}?${text}`;
}
