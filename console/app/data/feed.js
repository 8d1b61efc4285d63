/**
 * Changes of the runs visible to the user, over one connection for all tabs: browsers allow six connections per server. The tab that holds a
 * Web Lock follows `/api/events` and broadcasts to the others. When it closes, another tab takes over and all tabs reload their lists.
 */
import { apiUrl, authHeaders } from '../api.js';
import { clearCredentials } from '../auth.js';
import { signal } from '../html.js';
import { follow } from '../sse.js';
import { sharedName } from '../storage.js';

/**
 * `reload`: changes may have been missed, so lists have to be loaded again; later changes are complete.
 * @typedef {{type: 'reload'} | {type: 'run', run: any} | {type: 'run_deleted', run_id: string}} Change
 * @typedef {import('../sse.js').StreamState['kind']} FeedState
 */

/** The state of the connection, in whichever tab it is. @type {import('../../vendor/vendor.js').Signal<FeedState>} */
export const feedState = signal('connecting');

/** @type {Set<(changes: Change[]) => void>} */
const listeners = new Set();

/** Subscribes to all changes, in order. @param {(changes: Change[]) => void} listener @returns {() => void} unsubscribes */
export function onChanges(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** @param {Change[]} changes */
const dispatch = (changes) => listeners.forEach((listener) => listener(changes));

/** Joins the tabs that share the feed. Call it while signed in. @returns {() => void} leaves */
export function startFeed() {
  const abort = new AbortController();
  const channel = new BroadcastChannel(sharedName('feed'));
  let isLeader = false;
  const setState = (/** @type {FeedState} */ state) => {
    feedState.value = state;
    channel.postMessage({ state });
  };
  channel.onmessage = ({ data }) => {
    if (data.requestsState && isLeader) channel.postMessage({ state: feedState.peek() });
    if (data.state) feedState.value = data.state;
    if (data.changes) dispatch(data.changes);
  };
  channel.postMessage({ requestsState: true });
  const lead = async () => {
    if (abort.signal.aborted) return;
    isLeader = true;
    await follow({
      url: apiUrl('/api/events'),
      headers: authHeaders,
      signal: abort.signal,
      onState: (state) => {
        setState(state.kind);
        if (state.kind === 'rejected' && state.status === 401) clearCredentials('sign_in.expired');
      },
      onEvents: (frames) => {
        const changes = frames.flatMap(({ data }) => toChanges(JSON.parse(data)));
        if (changes.length === 0) return;
        channel.postMessage({ changes });
        dispatch(changes);
      },
    });
  };
  // Locks need a secure context. Without them every tab has its own connection.
  const leading = navigator.locks ? navigator.locks.request(sharedName('feed'), { signal: abort.signal }, lead) : lead();
  leading.catch((error) => {
    if (error.name !== 'AbortError') throw error;
  });
  return () => {
    abort.abort();
    channel.close();
    feedState.value = 'connecting';
  };
}

/** @param {any} event @returns {Change[]} */
function toChanges(event) {
  switch (event.type) {
    case 'ready': return event.resumed ? [] : [{ type: 'reload' }];
    case 'reset': return [{ type: 'reload' }];
    case 'run': return [{ type: 'run', run: event.run }];
    case 'run_deleted': return [{ type: 'run_deleted', run_id: event.run_id }];
    default: return [];
  }
}
