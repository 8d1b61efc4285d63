/**
 * Who is signed in. The token lies in the browser's storage, so that it outlives the tab, and all tabs sign in and out together.
 */
import { signal } from './html.js';
import { onRemembered, recall, remember } from './storage.js';

/** @typedef {{username: string, role: 'admin' | 'user'}} User */

/** The token in use, `null` when nobody is signed in. @type {import('../vendor/vendor.js').Signal<string | null>} */
export const token = signal(recall('token'));

/** Whose it is, as the server last said. @type {import('../vendor/vendor.js').Signal<User | null>} */
export const user = signal(recall('user'));

/** Why the last session ended, for the sign-in page: a key of the texts, or nothing. @type {import('../vendor/vendor.js').Signal<string | null>} */
export const endedBecause = signal(null);

/** Whether the one who is signed in may do what is for admins. */
export const isAdmin = () => user.value?.role === 'admin';

/** @param {string} newToken @param {User} newUser */
export function signedIn(newToken, newUser) {
  remember('user', newUser);
  remember('token', newToken);
  endedBecause.value = null;
  user.value = newUser;
  token.value = newToken;
}

/** Forgets the token here and in all other tabs. The server is told by whoever calls this. @param {string | null} [because] */
export function signedOut(because = null) {
  endedBecause.value = because;
  remember('token', null);
  remember('user', null);
  token.value = null;
  user.value = null;
}

onRemembered('token', (value) => {
  user.value = recall('user');
  token.value = value;
});
