/**
 * The server's API. Addresses are relative to the page, so that everything works behind a proxy's prefix, and no other server is ever asked.
 */
import { signedOut, token } from './auth.js';

/** A refusal by the server, or the want of one: `status` 0 means that no answer came. */
export class ApiProblem extends Error {
  /** @param {{status: number, code: string, detail: string, field?: string | null, retryAfter?: number | null}} problem */
  constructor({ status, code, detail, field = null, retryAfter = null }) {
    super(detail);
    this.name = 'ApiProblem';
    /** HTTP status, 0 without an answer. */
    this.status = status;
    /** The stable name of what is wrong; `unreachable` without an answer. */
    this.code = code;
    /** A sentence for people. */
    this.detail = detail;
    /** The request's field that is at fault, such as `metadata.cwd`. */
    this.field = field;
    /** Seconds after which the same may be tried again. */
    this.retryAfter = retryAfter;
  }
}

/** The whole address of a path of the API, such as `/api/runs`. @param {string} path */
export const address = (path) => new URL(path.replace(/^\/+/, ''), document.baseURI).href;

/** Headers of a request by whoever is signed in. @param {Record<string, string>} [more] @returns {Record<string, string>} */
export function headers(more = {}) {
  return token.value === null ? { ...more } : { ...more, Authorization: `Bearer ${token.value}` };
}

/** What an answer that is no success says. @param {Response} response @returns {Promise<ApiProblem>} */
export async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  const retryAfter = Number(response.headers.get('Retry-After'));
  return new ApiProblem({
    status: response.status,
    code: typeof body.code === 'string' ? body.code : `http_${response.status}`,
    detail: typeof body.detail === 'string' ? body.detail : `${response.status} ${response.statusText}`,
    field: typeof body.field === 'string' ? body.field : null,
    retryAfter: Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null,
  });
}

/** What is done when the server does not know the token any more. @param {ApiProblem} problem @param {string | undefined} sent */
export function signOutIfRefused(problem, sent) {
  // A token that was exchanged while the request was under way is not the one that was refused.
  if (problem.status === 401 && sent !== undefined && sent === headers().Authorization) signedOut('signin.expired');
}

/**
 * Asks the API for something.
 * @param {string} method @param {string} path beginning with `/api` or `/health` @param {unknown} [body] sent as JSON
 * @param {{signal?: AbortSignal, more?: Record<string, string>}} [options]
 * @returns {Promise<any>} what the answer's JSON holds; `null` for an answer without a body
 * @throws {ApiProblem} also when no answer came; an aborted request throws the browser's `AbortError`
 */
export async function request(method, path, body = undefined, { signal, more } = {}) {
  const sent = headers({ Accept: 'application/json', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...more });
  let response;
  try {
    response = await fetch(address(path), {
      method, headers: sent, signal, cache: 'no-store', credentials: 'omit', ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiProblem({ status: 0, code: 'unreachable', detail: 'the server does not answer' });
  }
  if (!response.ok) {
    const problem = await problemOf(response);
    signOutIfRefused(problem, sent.Authorization);
    throw problem;
  }
  return response.status === 204 || response.status === 202 && response.headers.get('Content-Length') === '0' ? null : response.json();
}

/** A path with a query of those parameters that have a value. @param {string} path @param {Record<string, string | number | null | undefined>} query */
export function withQuery(path, query) {
  const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const text = new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString();
  return text === '' ? path : `${path}?${text}`;
}
