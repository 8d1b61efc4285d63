// A tool call as a card: what it is to do, what came of it.

import { duration } from '../../format.js';
import { html, useMemo } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { Plain, Terminal } from './code.js';
import { Change, Preview } from './diff.js';
import { pathOf } from './run_model.js';
import { Elapsed, useKept } from './item_state.js';
import { decisionWords } from './requests.js';
import { Row } from './conversation_item.js';
import { exactly, oneLine, visible } from './sanitize.js';

/** @typedef {import('./run_model.js').ToolItem} ToolItem */

/** Which icon stands for which kind of tool. @type {Record<string, string>} */
export const ICONS = {
  read: 'file', edit: 'edit', delete: 'trash', move: 'move', search: 'search', execute: 'terminal', think: 'brain', fetch: 'globe', other: 'tool',
};
/** How many of a sub-agent's steps are shown at first, and how many more with each step. */
const STEPS = 40;
/** Of a long result this many lines are enough for most. */
const CLIP_LINES = 10;
const CLIP_CHARS = 4_000;

/** @param {{ item: ToolItem, rev: number }} props */
export function Tool({ item, rev }) {
  const { status, changes, items, output } = item;
  const isBusy = status === 'running';
  const isTelling = changes.length > 0 || status === 'error' || (item.tool === 'execute' && output.length > 0) || (isBusy && output.length > 0);
  const [isOpen, setOpen] = useKept(item, 'open', /** @type {boolean | null} */ (null));
  const open = isOpen ?? (isTelling || items.length > 0);
  const title = item.title || item.name;
  // A command that does not fit into the title says more than its title.
  const hasMore = item.tool === 'execute' && (commandOf(item.input)?.length ?? 0) > 100;
  return html`<div class="box tool" data-status=${status} data-kind=${item.tool} data-open=${open}>
    <button type="button" class="tool-head" aria-expanded=${open} onClick=${() => setOpen(!open)}>
      <${Icon} name=${ICONS[item.tool] ?? 'tool'} />
      <span class="tool-title" data-code=${item.tool === 'execute'} title=${exactly(title.slice(0, 2_000))}>${exactly(oneLine(title, 240))}</span>
      ${items.length > 0 && html`<span class="faint">${t('run.steps', { count: items.length })}</span>`}
      <span class="tool-state"><${State} item=${item} rev=${rev} /></span>
      <${Icon} name="chevron" />
    </button>
    ${item.request && html`<${Decision} request=${item.request} rev=${rev} isOpen=${open} />`}
    ${open && html`<div class="tool-body">
      ${(isOpen || hasMore) && html`<${Input} item=${item} input=${item.input} tool=${item.tool} />`}
      ${changes.map((change) => html`<${Change} item=${change} key=${change.key} />`)}
      ${items.length > 0 && html`<${SubAgent} item=${item} rev=${rev} />`}
      ${!(changes.length && status === 'ok') && html`<${Result} item=${item} rev=${rev} />`}
    </div>`}
  </div>`;
}

/** @param {{ item: ToolItem, rev: number }} props */
function State({ item: { status, ts, durationMs } }) {
  const took = durationMs === undefined || durationMs < 100 ? '' : duration(durationMs);
  if (status === 'running') return html`<span class="spinner" role="img" aria-label=${t('run.tool.running')}></span><${Elapsed} since=${ts} />`;
  if (status === 'ok') return html`<span class="faint">${took}</span><${Icon} name="check" label=${t('run.tool.ok')} />`;
  return html`<span class="faint">${took}</span><span class="tool-word">${t(`run.tool.${status}`)}</span><${Icon} name=${status === 'cut' ? 'stop' : 'close'} />`;
}

/** Who allowed it. What a mode allowed is told only to those who open the card.
 * @param {{ request: import('./run_model.js').PermissionItem, rev: number, isOpen: boolean }} props */
function Decision({ request, isOpen }) {
  const { decision } = request;
  const isQuiet = decision?.by === 'policy' && decision.decision !== 'deny';
  if (isQuiet && !isOpen) return null;
  const level = !decision ? 'warning' : decision.decision === 'deny' ? 'error' : 'info';
  return html`<p class="tool-decision" data-level=${level}><${Icon} name="shield" /><span>${decisionWords(request)}</span></p>`;
}

/** What a tool is given, readably by its kind, and else as it is. `isExact` is for those who are to allow it.
 * @param {{ item: object, input: any, tool: string, isExact?: boolean }} props */
export function Input({ item, input, tool, isExact = false }) {
  const json = useMemo(() => JSON.stringify(input, null, 2) ?? '', [input]);
  const path = pathOf(input);
  const field = (/** @type {string[]} */ names) => names.map((name) => input?.[name]).find((value) => typeof value === 'string');
  const command = tool === 'execute' ? commandOf(input) : undefined;
  const [before, after] = [field(['old_string', 'oldString', 'old_text']), field(['new_string', 'newString', 'new_text', 'content'])];
  const query = field(['pattern', 'query', 'url']);
  let shown;
  if (command !== undefined) shown = html`<div class="to-run"><${Plain} text=${command} language="bash" /></div>`;
  else if (path !== undefined && after !== undefined) shown = html`<p class="path">${exactly(path)}</p><${Preview} item=${item} before=${before ?? ''} after=${after} path=${path} />`;
  else if (path !== undefined) shown = html`<p class="path">${exactly(path)}</p>`;
  else if (query !== undefined) shown = html`<p class="path">${exactly(query)}</p>`;
  const isWhole = shown && Object.keys(input).length <= 1;
  const [isOpen, setOpen] = useKept(item, 'input', false);
  if (!shown) return json && json !== '{}' && json !== 'null' ? html`<${Plain} text=${json} language="json" />` : null;
  return html`<div class="input">${shown}
    ${isExact && !isWhole && html`<button type="button" class="text-button" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${t('run.wholeInput')}</button>
      ${isOpen && html`<${Plain} text=${json} language="json" />`}`}
  </div>`;
}

/** @param {any} input @returns {string | undefined} */
function commandOf(input) {
  const command = input?.command ?? input?.cmd;
  if (typeof command === 'string') return command;
  if (!Array.isArray(command) || command.some((word) => typeof word !== 'string')) return undefined;
  return command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}

/** @param {{ item: ToolItem, rev: number }} props */
function Result({ item }) {
  const [isWhole, setWhole] = useKept(item, 'whole', false);
  const { output, status, result } = item;
  if (!output.length && !result) return null;
  const { head, tail } = output.parts();
  const all = tail || head;
  const lines = all.length > CLIP_CHARS * 4 ? Infinity : all.trimEnd().split('\n').length;
  const isLong = lines > CLIP_LINES + 2 || all.length > CLIP_CHARS || output.omitted > 0;
  const isBusy = status === 'running';
  const Show = item.tool === 'execute' ? Terminal : Plain;
  return html`<div class="result">
    ${!isLong || isWhole
      ? html`<${Show} text=${head} tail=${tail} omitted=${output.omitted} />`
      : html`<div class="clip" data-end=${isBusy}><${Show} text=${isBusy ? all.slice(-CLIP_CHARS) : head.slice(0, CLIP_CHARS)} /></div>`}
    ${isLong && html`<button type="button" class="text-button" onClick=${() => setWhole(!isWhole)}>
      ${isWhole ? t('run.less') : Number.isFinite(lines) ? t('run.allLines', { count: lines }) : t('run.all')}</button>`}
    ${result && result !== head && html`<p class="faint">${oneLine(visible(result), 2_000)}</p>`}
  </div>`;
}

/** @param {{ item: ToolItem, rev: number }} props */
function SubAgent({ item }) {
  const [shown, setShown] = useKept(item, 'steps', STEPS);
  const { items } = item;
  const from = Math.max(0, items.length - shown);
  return html`<div class="sub-agent">
    ${from > 0 && html`<button type="button" class="text-button" onClick=${() => setShown(shown + STEPS)}>${t('run.earlierSteps', { count: from })}</button>`}
    ${items.slice(from).map((child) => html`<${Row} item=${child} rev=${child.rev} key=${child.key} />`)}
  </div>`;
}
