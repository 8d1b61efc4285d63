/** The signed-in user and their token. Stored in `localStorage`, so a sign-in survives the tab and applies to all tabs. */
import { signal } from './html.js';
import { onStorageChange, readStorage, writeStorage } from './storage.js';

/** @typedef {{username: string, role: 'admin' | 'user'}} User */

/** The bearer token, `null` when signed out. @type {import('../vendor/vendor.js').Signal<string | null>} */
export const token = signal(readStorage('token'));

/** The token's user, as last reported by the server. @type {import('../vendor/vendor.js').Signal<User | null>} */
export const user = signal(readStorage('user'));

/** Why the user was signed out, as a text key, for the sign-in page. @type {import('../vendor/vendor.js').Signal<string | null>} */
export const signOutReason = signal(null);

export const isAdmin = () => user.value?.role === 'admin';

/** @param {string} newToken @param {User} newUser */
export function saveCredentials(newToken, newUser) {
  writeStorage('user', newUser);
  writeStorage('token', newToken);
  signOutReason.value = null;
  user.value = newUser;
  token.value = newToken;
}

/** Removes the token in all tabs. Does not revoke it on the server. @param {string | null} [reason] a text key */
export function clearCredentials(reason = null) {
  signOutReason.value = reason;
  writeStorage('token', null);
  writeStorage('user', null);
  token.value = null;
  user.value = null;
}

onStorageChange('token', (value) => {
  user.value = readStorage('user');
  token.value = value;
});
