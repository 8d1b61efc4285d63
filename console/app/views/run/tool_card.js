/** A tool call as a card: its input, output, file changes and sub-agent. */
import { duration } from '../../format.js';
import { html } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { CopyButton } from '../../ui/button.js';
import { Elapsed } from '../../ui/time.js';
import { PlainText, TerminalOutput } from './code.js';
import { FileChange } from './diff.js';
import { useItemState } from './item_state.js';
import { decisionText } from './request_text.js';
import { sanitizeLine, summarize } from './sanitize.js';
import { ToolInput, commandOf } from './tool_input.js';

/** @typedef {import('./run_model.js').ToolItem} ToolItem */

/** Icons by tool kind. @type {Record<string, string>} */
export const TOOL_ICONS = {
  read: 'file', edit: 'edit', delete: 'trash', move: 'move', search: 'search', execute: 'terminal', think: 'brain', fetch: 'globe', other: 'tool',
};
/** How many of a sub-agent's steps are shown at first, and how many more per click. */
const STEPS = 40;
/** How much of a long result is shown at first. */
const CLIP_LINES = 10;
const CLIP_CHARS = 4_000;

/** `renderItem` renders the items of a sub-agent.
 * @param {{ item: ToolItem, rev: number, renderItem: (item: import('./run_model.js').Item) => any }} props */
export function ToolCard({ item, rev, renderItem }) {
  const { status, fileChanges, items, output } = item;
  const isRunning = status === 'running';
  const isOpenByDefault = fileChanges.length > 0 || status === 'error' || items.length > 0 || ((item.toolKind === 'execute' || isRunning) && output.length > 0);
  const [isToggled, setToggled] = useItemState(item, 'open', /** @type {boolean | null} */ (null));
  const isOpen = isToggled ?? isOpenByDefault;
  const title = item.title || item.tool;
  // The title shows only the start of a long command.
  const isLongCommand = item.toolKind === 'execute' && (commandOf(item.input)?.length ?? 0) > 100;
  return html`<div class="box tool" data-status=${status} data-kind=${item.toolKind} data-open=${isOpen}>
    <button type="button" class="tool-head" aria-expanded=${isOpen} onClick=${() => setToggled(!isOpen)}>
      <${Icon} name=${TOOL_ICONS[item.toolKind] ?? 'tool'} />
      <span class="tool-title" data-code=${item.toolKind === 'execute'} title=${sanitizeLine(title.slice(0, 2_000))}>${sanitizeLine(summarize(title, 240))}</span>
      ${items.length > 0 && html`<span class="faint">${t('run.steps', { count: items.length })}</span>`}
      <span class="tool-status"><${ToolStatus} item=${item} rev=${rev} /></span>
      <${Icon} name="chevron" />
    </button>
    ${item.request && html`<${Decision} request=${item.request} rev=${rev} isOpen=${isOpen} />`}
    ${isOpen && html`<div class="tool-body">
      ${(isToggled || isLongCommand) && html`<${ToolInput} item=${item} input=${item.input} toolKind=${item.toolKind} />`}
      ${fileChanges.map((change) => html`<${FileChange} item=${change} key=${change.key} />`)}
      ${items.length > 0 && html`<${SubAgent} item=${item} rev=${rev} renderItem=${renderItem} />`}
      ${!(fileChanges.length && status === 'ok') && html`<${Result} item=${item} rev=${rev} />`}
    </div>`}
  </div>`;
}

/** @param {{ item: ToolItem, rev: number }} props */
function ToolStatus({ item: { status, ts, durationMs } }) {
  const took = durationMs === undefined || durationMs < 100 ? '' : duration(durationMs);
  if (status === 'running') return html`<span class="spinner" role="img" aria-label=${t('run.tool.running')}></span><${Elapsed} since=${ts} />`;
  if (status === 'ok') return html`<span class="faint">${took}</span><${Icon} name="check" label=${t('run.tool.ok')} />`;
  return html`<span class="faint">${took}</span><span class="tool-word">${t(`run.tool.${status}`)}</span><${Icon} name=${status === 'unfinished' ? 'stop' : 'close'} />`;
}

/** The decision on the call's permission request. What the policy allowed is shown only in an open card.
 * @param {{ request: import('./run_model.js').PermissionItem, rev: number, isOpen: boolean }} props */
function Decision({ request, isOpen }) {
  const { decision } = request;
  const isRoutine = decision?.by === 'policy' && decision.decision !== 'deny';
  if (isRoutine && !isOpen) return null;
  const level = !decision ? 'warning' : decision.decision === 'deny' ? 'error' : 'info';
  return html`<p class="tool-decision" data-level=${level}><${Icon} name="shield" /><span>${decisionText(request)}</span></p>`;
}

/** @param {{ item: ToolItem, rev: number }} props */
function Result({ item }) {
  const [isExpanded, setExpanded] = useItemState(item, 'result', false);
  const { output, status, result } = item;
  if (!output.length && !result) return null;
  const { head, tail } = output.parts();
  const end = tail || head;
  const lines = end.length > CLIP_CHARS * 4 ? Infinity : end.trimEnd().split('\n').length;
  const isLong = lines > CLIP_LINES + 2 || end.length > CLIP_CHARS || output.omitted > 0;
  const isRunning = status === 'running';
  const Output = item.toolKind === 'execute' ? TerminalOutput : PlainText;
  return html`<div class="result"><span class="corner"><${CopyButton} text=${() => head + tail} label=${t('run.copy_output')} /></span>
    ${!isLong || isExpanded
      ? html`<${Output} text=${head} tail=${tail} omitted=${output.omitted} />`
      : html`<div class="clip" data-end=${isRunning}><${Output} text=${isRunning ? end.slice(-CLIP_CHARS) : head.slice(0, CLIP_CHARS)} /></div>`}
    ${isLong && html`<button type="button" class="text-button" onClick=${() => setExpanded(!isExpanded)}>
      ${isExpanded ? t('run.show_less') : Number.isFinite(lines) ? t('run.all_lines', { count: lines }) : t('run.show_all')}</button>`}
    ${result && result !== head && html`<p class="faint">${summarize(result, 2_000)}</p>`}
  </div>`;
}

/** @param {{ item: ToolItem, rev: number, renderItem: (item: import('./run_model.js').Item) => any }} props */
function SubAgent({ item, renderItem }) {
  const [shown, setShown] = useItemState(item, 'steps', STEPS);
  const { items } = item;
  const start = Math.max(0, items.length - shown);
  return html`<div class="sub-agent">
    ${start > 0 && html`<button type="button" class="text-button" onClick=${() => setShown(shown + STEPS)}>${t('run.earlier_steps', { count: start })}</button>`}
    ${items.slice(start).map(renderItem)}
  </div>`;
}
