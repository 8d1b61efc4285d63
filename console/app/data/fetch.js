/** Hooks that load data from the API. */
import { useCallback, useEffect, useRef, useState } from '../html.js';
import { request, withQuery } from '../api.js';

/**
 * Loads when the inputs change and when `reload` is called. Outdated responses are dropped.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load @param {unknown[]} inputs
 * @returns {{data: T | null, problem: unknown, reload: () => void}} `data` keeps its value during a reload
 */
export function useFetch(load, inputs) {
  const [round, setRound] = useState(0);
  const [state, setState] = useState(/** @type {{data: T | null, problem: unknown}} */ ({ data: null, problem: null }));
  useEffect(() => {
    const abort = new AbortController();
    load(abort.signal).then(
      (data) => abort.signal.aborted || setState({ data, problem: null }),
      (problem) => abort.signal.aborted || setState(({ data }) => ({ data, problem })),
    );
    return () => abort.abort();
  }, [...inputs, round]);
  return { ...state, reload: useCallback(() => setRound((number) => number + 1), []) };
}

/**
 * Loads all pages of a short list, such as users or keys.
 * @param {string} path @param {AbortSignal} signal @returns {Promise<any[]>} about 1,000 items at most
 */
export async function fetchAll(path, signal) {
  /** @type {any[]} */
  const items = [];
  let cursor = null;
  do {
    const page = await request('GET', withQuery(path, { limit: 200, cursor }), undefined, { signal });
    items.push(...page.items);
    cursor = page.next_cursor ?? null;
  } while (cursor !== null && items.length < 1000);
  return items;
}

/**
 * Loads a list page by page.
 * @param {string} path @param {Record<string, string | null | undefined>} query @param {number} [limit]
 * @returns {{items: any[] | null, problem: unknown, hasMore: boolean, loadMore: () => void, reload: () => void}}
 */
export function usePagination(path, query, limit = 100) {
  const inputs = [path, JSON.stringify(query)];
  const first = useFetch((signal) => request('GET', withQuery(path, { ...query, limit }), undefined, { signal }), inputs);
  const [state, setState] = useState(/** @type {{firstPage: any, items: any[], cursor: string | null, problem: unknown}} */ ({ firstPage: null, items: [], cursor: null, problem: null }));
  const isBusy = useRef(false);
  // Discard the pages that followed a previous first page.
  const rest = state.firstPage === first.data ? state : { firstPage: first.data, items: [], cursor: first.data?.next_cursor ?? null, problem: null };
  const loadMore = async () => {
    if (isBusy.current || rest.cursor === null) return;
    isBusy.current = true;
    try {
      const page = await request('GET', withQuery(path, { ...query, limit, cursor: rest.cursor }));
      setState({ firstPage: rest.firstPage, items: [...rest.items, ...page.items], cursor: page.next_cursor, problem: null });
    } catch (problem) {
      setState({ ...rest, problem });
    } finally {
      isBusy.current = false;
    }
  };
  const items = first.data === null ? null : [...first.data.items, ...rest.items];
  return { items, problem: first.problem ?? rest.problem, hasMore: rest.cursor !== null, loadMore, reload: first.reload };
}
