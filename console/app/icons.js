/**
 * Icons on a 16-pixel grid with one stroke width. An icon never carries meaning alone: an icon-only button needs a label.
 */
import { html } from './html.js';

/** SVG path data. */
const PATHS = {
  runs: 'M3 4h10M3 8h10M3 12h6',
  plus: 'M8 3v10M3 8h10',
  sessions: 'M2.5 4.5a1.5 1.5 0 0 1 1.5-1.5h8a1.5 1.5 0 0 1 1.5 1.5v5a1.5 1.5 0 0 1-1.5 1.5H7l-3 2.5V11a1.5 1.5 0 0 1-1.5-1.5z',
  usage: 'M3 13V8.5M6.5 13V3M10 13V6.5M13.5 13v-3',
  users: 'M6 7.5a2.25 2.25 0 1 0 0-4.5 2.25 2.25 0 0 0 0 4.5zM1.75 13c0-2.2 1.9-3.5 4.25-3.5s4.25 1.3 4.25 3.5M10.5 3.2a2.25 2.25 0 0 1 0 4.1M12 9.8c1.4.5 2.25 1.6 2.25 3.2',
  key: 'M5.25 13a2.75 2.75 0 1 0 0-5.5 2.75 2.75 0 0 0 0 5.5zM7.2 8.3 13 2.5M10.5 5l2 2',
  audit: 'M4 2.5h8v11H4zM6.25 5.5h3.5M6.25 8h3.5M6.25 10.5h2',
  settings: 'M2.5 5h6M11.5 5h2M2.5 11h2M7.5 11h6M10 6.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM6 12.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3z',
  health: 'M1.75 8.5h3l1.75-4.5 3 8.5 1.75-4h3',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.25 10.25 13.5 13.5',
  more: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  close: 'M4 4l8 8M12 4l-8 8',
  check: 'M3 8.5l3.25 3.25L13 5',
  copy: 'M5.5 5.5h7v8h-7zM3.5 10.5v-8h7',
  trash: 'M2.75 4.5h10.5M6.25 4.5v-2h3.5v2M4.25 4.5l.6 9h6.3l.6-9',
  stop: 'M4 4h8v8H4z',
  user: 'M8 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM3 13.5c0-2.5 2.2-4 5-4s5 1.5 5 4',
  signout: 'M6.5 2.5h-4v11h4M6 8h7.5M10.5 5l3 3-3 3',
  sun: 'M8 10.75a2.75 2.75 0 1 0 0-5.5 2.75 2.75 0 0 0 0 5.5zM8 1.5v1.25M8 13.25v1.25M1.5 8h1.25M13.25 8h1.25M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9',
  language: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM2 8h12M8 2c2 1.7 2.75 3.7 2.75 6S10 12.3 8 14c-2-1.7-2.75-3.7-2.75-6S6 3.7 8 2z',
  bell: 'M4 11V7a4 4 0 0 1 8 0v4l1.25 1.5H2.75zM6.75 14h2.5',
  chevron: 'M6 3.5 10.5 8 6 12.5',
  chevronDown: 'M3.5 6 8 10.5 12.5 6',
  chevronUp: 'M3.5 10 8 5.5l4.5 4.5',
  external: 'M6.5 3.5h-3v9h9v-3M9 3h4v4M13 3 7.5 8.5',
  warning: 'M8 2.5 14.25 13H1.75zM8 6.5v3M8 11.25h.01',
  info: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.25V11M8 5h.01',
  directory: 'M2 12.5v-9h4l1.5 2H14v7z',
  clock: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.75V8l2.25 1.5',
  play: 'M5 3.25 12.5 8 5 12.75z',
  send: 'M8 13V3.5M4 7l4-4 4 4',
  download: 'M8 2.5v8M4.75 7.5 8 10.75 11.25 7.5M2.75 13.5h10.5',
  link: 'M6.75 9.25a2.75 2.75 0 0 0 3.9 0l2-2a2.75 2.75 0 0 0-3.9-3.9l-.6.6M9.25 6.75a2.75 2.75 0 0 0-3.9 0l-2 2a2.75 2.75 0 0 0 3.9 3.9l.6-.6',
  terminal: 'M2.5 4 6 8l-3.5 4M7.5 12h6',
  edit: 'M3 13l.6-2.9L10.9 2.8l2.3 2.3-7.3 7.3zM9.5 4.2l2.3 2.3',
  attach: 'M12.5 7.5 7.6 12.4a2.9 2.9 0 0 1-4.1-4.1l5.3-5.3a1.95 1.95 0 0 1 2.75 2.75L6.3 11a1 1 0 0 1-1.4-1.4l4.4-4.4',
  file: 'M4 2.5h5l3 3v8H4zM9 2.5v3h3',
  brain: 'M5.75 13v-1.75C3.9 10.6 2.75 9.2 2.75 7.25A4.75 4.75 0 0 1 7.5 2.5c2.7 0 4.6 1.8 4.75 4.25l1 2.25h-1.25v1.25a1 1 0 0 1-1 1H9.75V13',
  globe: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM2.25 6.5h11.5M2.25 9.5h11.5',
  move: 'M2.5 8h11M10 4.5 13.5 8 10 11.5',
  tool: 'M9.75 2.75a3.25 3.25 0 0 0-2.9 4.65L2.75 11.5l1.75 1.75 4.1-4.1a3.25 3.25 0 0 0 4.5-3.9l-2 2-1.75-.35-.35-1.75 2-2z',
  question: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6.25 6.25A1.75 1.75 0 1 1 8.9 7.75c-.6.4-.9.75-.9 1.5M8 11.25h.01',
  shield: 'M8 2l5 1.75v4c0 3-2.1 5.1-5 6.25-2.9-1.15-5-3.25-5-6.25v-4z',
  list: 'M2.75 4.5l1 1 1.75-2M2.75 10.5l1 1 1.75-2M8 4.75h5.5M8 10.75h5.5',
  arrowDown: 'M8 3v10M4 9l4 4 4-4',
  refresh: 'M13 8a5 5 0 1 1-1.5-3.6M13 2.5v2.75h-2.75',
  menu: 'M2.5 4.5h11M2.5 8h11M2.5 11.5h11',
  undo: 'M5.5 3 2 6.5 5.5 10M2.5 6.5h7a3.5 3.5 0 0 1 0 7H7',
  branch: 'M4.5 5.5v5M4.5 5.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM4.5 13.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11.5 6.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM11.5 6.5c0 2.8-2.6 3-7 4',
  back: 'M7 3.5 2.5 8 7 12.5M2.5 8h11',
};

/** @typedef {keyof typeof PATHS} IconName */

/** An icon, hidden from screen readers. @param {{name: IconName, size?: number}} props */
export function Icon({ name, size = 16 }) {
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.4"
    stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}

/** @param {{size?: number}} props */
export const Logo = ({ size = 20 }) => html`<svg class="logo" width=${size} height=${size} viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" /><path d="M11 9l11 7-11 7z" /></svg>`;
