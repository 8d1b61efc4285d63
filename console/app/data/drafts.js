/**
 * Unsent texts, kept until they are sent: they survive navigation and a sign-in that expires. In memory only, because they may contain
 * secrets; each user has their own.
 */
import { user } from '../auth.js';

/** @type {Map<string, any>} */
const drafts = new Map();

/** @param {string} name */
const key = (name) => `${user.peek()?.username} ${name}`;

/** The draft of that name; undefined without one. @param {string} name @returns {any} */
export const readDraft = (name) => drafts.get(key(name));

/** Keeps a draft. @param {string} name @param {any} value undefined removes it */
export function writeDraft(name, value) {
  if (value === undefined) drafts.delete(key(name));
  else drafts.set(key(name), value);
}

/** Forgets all drafts, when their user signs out. */
export const clearDrafts = () => drafts.clear();
