/** Times that update by themselves. */
import { dateTime, duration, now, relativeTime } from '../format.js';
import { html } from '../html.js';

/** A time as "5 min ago", with the exact time as a tooltip. @param {{time: string}} props */
export const RelativeTime = ({ time }) => html`<time datetime=${time} title=${dateTime(time)}>${relativeTime(time, now.value)}</time>`;

/** The time since a moment, in whole seconds. @param {{since: string}} props */
export function Elapsed({ since }) {
  const ms = Math.floor(Math.max(0, now.value - Date.parse(since)) / 1000) * 1000;
  return html`<span class="elapsed">${duration(ms)}</span>`;
}

/** The time until a moment. @param {{until: string}} props */
export function Countdown({ until }) {
  const ms = Math.ceil(Math.max(0, Date.parse(until) - now.value) / 1000) * 1000;
  return html`<span class="elapsed" data-soon=${ms <= 30_000}>${duration(ms)}</span>`;
}
