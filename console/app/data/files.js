/** Files in the working directory of a run. */
import { request, requestResponse, withQuery } from '../api.js';

/** How much of a file is loaded to be shown, in bytes. Larger files cannot be edited. */
export const MAX_SHOWN = 1024 * 1024;
/** Larger images are not shown, in bytes. */
const MAX_IMAGE = 8 * 1024 * 1024;
/** The API's maximum page size. */
const PAGE_SIZE = 200;

/** @typedef {{ path: string, type: 'file' | 'directory' | 'link' | 'other', size?: number, modified_at?: string, executable: boolean }} Entry */
/**
 * `isCut`: the file is longer than `text`. `newline` is that of the file if it can be edited, else null.
 * @typedef {{ kind: 'text', text: string, isCut: boolean, newline: '\n' | '\r\n' | null, etag: string } | { kind: 'image', url: string } | { kind: 'binary' }} Content
 */

/** @param {string} runId @param {string} path */
const urlOf = (runId, path) => `/api/runs/${encodeURIComponent(runId)}/files/${path.split('/').map(encodeURIComponent).join('/')}`;

/** The directories that lead to a path, with their names; the working directory is not one of them. @param {string} path */
export function crumbsOf(path) {
  const names = path === '' ? [] : path.split('/');
  return names.map((name, index) => ({ name, path: names.slice(0, index + 1).join('/') }));
}

/** The last part of a path. @param {string} path */
export const nameOf = (path) => path.slice(path.lastIndexOf('/') + 1);

/** The first `limit` entries of a directory. @param {string} runId @param {string} path @param {number} limit @param {AbortSignal} signal */
export async function listDirectory(runId, path, limit, signal) {
  /** @type {Entry[]} */
  const items = [];
  let cursor = null;
  do {
    const page = await request('GET', withQuery(`/api/runs/${encodeURIComponent(runId)}/files`, { path, limit: PAGE_SIZE, cursor }), undefined, { signal });
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null && items.length < limit);
  return { items, hasMore: cursor !== null };
}

/**
 * Reads bytes as text. `newline` is null if a text field would change them: they are not UTF-8, or have several kinds of line ends.
 * @param {Uint8Array} bytes @param {boolean} isCut @returns {{ text: string, newline: '\n' | '\r\n' | null }}
 */
export function decodeText(bytes, isCut) {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { text, newline: null };
  }
  const [all, windows, returns] = [/\n/g, /\r\n/g, /\r/g].map((pattern) => text.match(pattern)?.length ?? 0);
  if (isCut || returns !== windows || (windows > 0 && windows !== all)) return { text, newline: null };
  return { text, newline: windows > 0 ? '\r\n' : '\n' };
}

/** The content of a text field with the line ends of the file. @param {string} text @param {'\n' | '\r\n'} newline */
export const encodeText = (text, newline) => text.replace(/\r\n?/g, '\n').replaceAll('\n', newline);

/** Loads a file to be shown. @param {string} runId @param {Entry} entry @param {AbortSignal} signal @returns {Promise<Content>} */
export async function loadContent(runId, entry, signal) {
  // An empty file has no range. The size may be out of date.
  const response = await requestResponse('GET', urlOf(runId, entry.path), { signal, headers: entry.size === 0 ? {} : { Range: `bytes=0-${MAX_SHOWN - 1}` } });
  const size = Number(/\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '')?.[1] ?? 0);
  const isCut = size > MAX_SHOWN;
  const type = response.headers.get('Content-Type') ?? '';
  if (type.startsWith('image/')) {
    if (size > MAX_IMAGE) return { kind: 'binary' };
    const whole = isCut ? await requestResponse('GET', urlOf(runId, entry.path), { signal }) : response;
    return { kind: 'image', url: await dataUrl(await whole.blob()) };
  }
  if (!type.startsWith('text/')) return { kind: 'binary' };
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { kind: 'text', ...decodeText(bytes, isCut), isCut, etag: response.headers.get('ETag') ?? '' };
}

/** The page's content security policy allows images as data only. @param {Blob} blob @returns {Promise<string>} */
function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => resolve(String(reader.result)));
    reader.addEventListener('error', () => reject(reader.error));
    reader.readAsDataURL(blob);
  });
}

/** @param {string} runId @param {string} path @returns {Promise<Blob>} */
export const downloadFile = async (runId, path) => (await requestResponse('GET', urlOf(runId, path), {})).blob();

/** Whether the file has another content than the one with this `ETag`, or is gone. @param {string} runId @param {string} path @param {string} etag */
export async function hasChanged(runId, path, etag) {
  const response = await requestResponse('GET', urlOf(runId, path), { headers: { 'If-None-Match': etag } });
  await response.body?.cancel();
  return response.status !== 304;
}

/** Replaces a file. @param {string} runId @param {string} path @param {string} text */
export const writeFile = (runId, path, text) => requestResponse('PUT', urlOf(runId, path), { body: text, headers: { 'Content-Type': 'text/plain; charset=utf-8' } });
