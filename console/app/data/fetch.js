/** What a view needs of the server before it can show something. */
import { useCallback, useEffect, useRef, useState } from '../html.js';
import { request, withQuery } from '../api.js';

/**
 * Loads when the inputs change, and again when `reload` is called. An answer that comes too late is dropped.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load @param {unknown[]} inputs
 * @returns {{data: T | null, problem: unknown, reload: () => void}} while it loads again, `data` is what there was
 */
export function useLoad(load, inputs) {
  const [round, setRound] = useState(0);
  const [state, setState] = useState(/** @type {{data: T | null, problem: unknown}} */ ({ data: null, problem: null }));
  useEffect(() => {
    const over = new AbortController();
    load(over.signal).then(
      (data) => over.signal.aborted || setState({ data, problem: null }),
      (problem) => over.signal.aborted || setState(({ data }) => ({ data, problem })),
    );
    return () => over.abort();
  }, [...inputs, round]);
  return { ...state, reload: useCallback(() => setRound((number) => number + 1), []) };
}

/**
 * The whole of a list that is short by nature, such as users or keys.
 * @param {string} path @param {AbortSignal} signal @returns {Promise<any[]>} at most 1,000
 */
export async function all(path, signal) {
  /** @type {any[]} */
  const found = [];
  let cursor = null;
  do {
    const page = await request('GET', withQuery(path, { limit: 200, cursor }), undefined, { signal });
    found.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null && found.length < 1000);
  return found;
}

/**
 * A list that is read page by page.
 * @param {string} path @param {Record<string, string | null | undefined>} query @param {number} [limit]
 * @returns {{items: any[] | null, problem: unknown, hasMore: boolean, more: () => void, reload: () => void}}
 */
export function usePages(path, query, limit = 100) {
  const inputs = [path, JSON.stringify(query)];
  const first = useLoad((signal) => request('GET', withQuery(path, { ...query, limit }), undefined, { signal }), inputs);
  const [rest, setRest] = useState(/** @type {{of: any, items: any[], cursor: string | null, problem: unknown}} */ ({ of: null, items: [], cursor: null, problem: null }));
  const busy = useRef(false);
  // Pages of another first page are not a continuation of this one.
  const next = rest.of === first.data ? rest : { of: first.data, items: [], cursor: first.data?.next_cursor ?? null, problem: null };
  const more = async () => {
    if (busy.current || next.cursor === null) return;
    busy.current = true;
    try {
      const page = await request('GET', withQuery(path, { ...query, limit, cursor: next.cursor }));
      setRest({ of: next.of, items: [...next.items, ...page.items], cursor: page.next_cursor, problem: null });
    } catch (problem) {
      setRest({ ...next, problem });
    } finally {
      busy.current = false;
    }
  };
  const items = first.data === null ? null : [...first.data.items, ...next.items];
  return { items, problem: first.problem ?? next.problem, hasMore: next.cursor !== null, more, reload: first.reload };
}
