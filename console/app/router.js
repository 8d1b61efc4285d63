/**
 * Which view is shown. The address's hash says it, so that a link leads there, the browser's back works, and the server is not asked.
 */
import { signal } from './html.js';

/** @typedef {{path: string, parts: string[], query: URLSearchParams}} Route */

/** @returns {Route} */
function current() {
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

/** The route in force: `/runs/run_…` has the parts `runs` and `run_…`. @type {import('../vendor/vendor.js').Signal<Route>} */
export const route = signal(current());

addEventListener('hashchange', () => {
  route.value = current();
});

/** Goes to a route such as `/runs`. With `replace` the present one is not kept in the history. @param {string} path @param {{replace?: boolean}} [options] */
export function navigate(path, { replace = false } = {}) {
  if (replace) {
    history.replaceState(null, '', `#${path}`);
    route.value = current();
  } else {
    location.hash = path;
  }
}
