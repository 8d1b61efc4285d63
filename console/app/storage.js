/**
 * What this browser remembers, under the address that the server has here: two servers behind one name do not share it.
 * Where the browser forbids storage, everything works and nothing is remembered.
 */

const PREFIX = `openrunner:${new URL('.', document.baseURI).pathname}:`;

/** Reads what was remembered as JSON; `null` if there is nothing or it cannot be read. @param {string} name @returns {any} */
export function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name) ?? 'null');
  } catch {
    return null;
  }
}

/** Remembers a value, or forgets it where it is null. @param {string} name @param {any} value */
export function remember(name, value) {
  try {
    if (value === null || value === undefined) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Full or forbidden: it is only a convenience.
  }
}

/**
 * Calls back when another tab has changed what is remembered under `name`.
 * @param {string} name @param {(value: any) => void} heard
 */
export function onRemembered(name, heard) {
  addEventListener('storage', (event) => {
    // A key of null means that everything was cleared.
    if (event.key === PREFIX + name || event.key === null) heard(recall(name));
  });
}

/** The name of something that all tabs of this server share, such as a lock or a channel. @param {string} name */
export const shared = (name) => PREFIX + name;
