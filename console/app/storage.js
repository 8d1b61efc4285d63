/**
 * `localStorage`, with keys prefixed by the server's base path: two servers behind one host name do not share entries.
 * If the browser forbids storage, reads return null and writes are ignored.
 */

const PREFIX = `openrunner:${new URL('.', document.baseURI).pathname}:`;

/** Reads a JSON value; `null` if it is absent or invalid. @param {string} name @returns {any} */
export function readStorage(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name) ?? 'null');
  } catch {
    return null;
  }
}

/** Writes a JSON value; null removes it. @param {string} name @param {any} value */
export function writeStorage(name, value) {
  try {
    if (value === null || value === undefined) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Storage is full or forbidden. Nothing depends on it.
  }
}

/**
 * Calls `listener` when another tab changes the value.
 * @param {string} name @param {(value: any) => void} listener
 */
export function onStorageChange(name, listener) {
  addEventListener('storage', (event) => {
    // A null key means that everything was cleared.
    if (event.key === PREFIX + name || event.key === null) listener(readStorage(name));
  });
}

/** The name of a lock or channel shared by all tabs of this server. @param {string} name */
export const sharedName = (name) => PREFIX + name;
