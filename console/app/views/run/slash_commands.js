/** The agent's slash commands, offered while the first word of a message is typed. */
import { html } from '../../html.js';
import { t } from '../../i18n.js';
import { sanitizeLine } from './sanitize.js';

/** @typedef {{ name: string, description?: string, input_hint?: string }} Command */

/** At most this many are shown. */
const MAX_SHOWN = 8;

/** The commands that the text may mean; empty if it is not the beginning of one. @param {Command[]} commands @param {string} text @returns {Command[]} */
export function matchingCommands(commands, text) {
  const typed = /^\/(\S*)$/.exec(text)?.[1]?.toLowerCase();
  if (typed === undefined) return [];
  const starts = commands.filter(({ name }) => name.toLowerCase().startsWith(typed));
  const contains = commands.filter(({ name }) => !name.toLowerCase().startsWith(typed) && name.toLowerCase().includes(typed));
  return [...starts, ...contains].slice(0, MAX_SHOWN);
}

/** @param {{ id: string, commands: Command[], selected: number, onChoose: (command: Command) => void }} props */
export function CommandList({ id, commands, selected, onChoose }) {
  return html`<ul class="options" role="listbox" id=${id} aria-label=${t('run.commands')}>${commands.map((command, index) => html`
    <li key=${command.name} role="option" id=${`${id}-${index}`} aria-selected=${index === selected ? 'true' : 'false'}
      onPointerDown=${(/** @type {Event} */ event) => { event.preventDefault(); onChoose(command); }}>
      <span class="mono">/${sanitizeLine(command.name)}</span> ${command.input_hint && html`<span class="faint mono">${sanitizeLine(command.input_hint)}</span>`}
      <span class="option-hint">${sanitizeLine(command.description ?? '')}</span></li>`)}</ul>`;
}
