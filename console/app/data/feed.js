/**
 * What changes among the runs that one may see, by one connection for all tabs: a browser has six connections for each server, and tabs are
 * many. The tab that holds a lock follows `/api/events` and tells the others; when it goes, the next one takes over and has everybody list anew.
 */
import { address, headers } from '../api.js';
import { signedOut } from '../auth.js';
import { signal } from '../html.js';
import { follow } from '../sse.js';
import { shared } from '../storage.js';

/**
 * `list`: what was seen may be old, so list the runs again; whatever changes from now on is told.
 * @typedef {{type: 'list'} | {type: 'run', run: any} | {type: 'run_deleted', run_id: string}} Change
 * @typedef {import('../sse.js').StreamState['kind']} FeedState
 */

/** Where the connection stands, whichever tab has it. @type {import('../../vendor/vendor.js').Signal<FeedState>} */
export const feedState = signal('connecting');

/** @type {Set<(changes: Change[]) => void>} */
const listeners = new Set();

/** Calls back with all changes, in order. @param {(changes: Change[]) => void} heard @returns {() => void} ends it */
export function onChanges(heard) {
  listeners.add(heard);
  return () => listeners.delete(heard);
}

/** @param {Change[]} changes */
const hear = (changes) => listeners.forEach((listener) => listener(changes));

/** Takes part in following, for as long as somebody is signed in. @returns {() => void} ends it */
export function startFeed() {
  const over = new AbortController();
  const channel = new BroadcastChannel(shared('feed'));
  let leads = false;
  const tellState = (/** @type {FeedState} */ state) => {
    feedState.value = state;
    channel.postMessage({ state });
  };
  channel.onmessage = ({ data }) => {
    if (data.asks && leads) channel.postMessage({ state: feedState.peek() });
    if (data.state) feedState.value = data.state;
    if (data.changes) hear(data.changes);
  };
  channel.postMessage({ asks: true });
  const lead = async () => {
    if (over.signal.aborted) return;
    leads = true;
    await follow({
      path: address('/api/events'),
      headers,
      signal: over.signal,
      onState: (state) => {
        tellState(state.kind);
        if (state.kind === 'refused' && state.status === 401) signedOut('signin.expired');
      },
      onEvents: (frames) => {
        const changes = frames.flatMap(({ data }) => changesOf(JSON.parse(data)));
        if (changes.length === 0) return;
        channel.postMessage({ changes });
        hear(changes);
      },
    });
  };
  // Over plain http from another machine there are no locks, and each tab follows for itself.
  const turn = navigator.locks ? navigator.locks.request(shared('feed'), { signal: over.signal }, lead) : lead();
  turn.catch((error) => {
    if (error.name !== 'AbortError') throw error;
  });
  return () => {
    over.abort();
    channel.close();
    feedState.value = 'connecting';
  };
}

/** @param {any} event @returns {Change[]} */
function changesOf(event) {
  switch (event.type) {
    case 'ready': return event.resumed ? [] : [{ type: 'list' }];
    case 'reset': return [{ type: 'list' }];
    case 'run': return [{ type: 'run', run: event.run }];
    case 'run_deleted': return [{ type: 'run_deleted', run_id: event.run_id }];
    default: return [];
  }
}
