/** Routing by URL hash: links and the back button work without the server. */
import { signal } from './html.js';

/** @typedef {{path: string, parts: string[], query: URLSearchParams}} Route */

/** @returns {Route} */
function parseHash() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?', 2);
  const parts = path.split('/').filter((part) => part !== '').map(decode);
  return { path: `/${parts.join('/')}`, parts, query: new URLSearchParams(query ?? '') };
}

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The current route: `/runs/run_…` has the parts `runs` and `run_…`. @type {import('../vendor/vendor.js').Signal<Route>} */
export const route = signal(parseHash());

addEventListener('hashchange', () => {
  route.value = parseHash();
});

/** Goes to a route such as `/runs`. `replace` replaces the current history entry. @param {string} path @param {{replace?: boolean}} [options] */
export function navigate(path, { replace = false } = {}) {
  if (replace) {
    history.replaceState(null, '', `#${path}`);
    route.value = parseHash();
  } else {
    location.hash = path;
  }
}
