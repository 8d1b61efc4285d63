/** The run's events as JSON. */
import { html } from '../../html.js';
import { number } from '../../format.js';
import { t } from '../../i18n.js';
import { PlainText } from './code.js';
import { useItemState } from './item_state.js';
import { sanitize } from './sanitize.js';
import { VariableHeightList } from './variable_height_list.js';

/** How much of a collapsed event is shown, in characters. */
const MAX_PREVIEW = 400;

/** @param {{ run: import('./live_run.js').LiveRun }} props */
export function RawEvents({ run }) {
  const start = run.droppedCount;
  return html`<div class="raw">
    ${start > 0 && html`<p class="line faint">${t('run.dropped_events', { count: start })}</p>`}
    <${VariableHeightList} count=${run.lines.length - start} estimate=${26} label=${t('run.raw_events')} follows=${!run.model.done}
      keyOf=${(/** @type {number} */ index) => index + start}
      row=${(/** @type {number} */ index) => html`<${RawEvent} run=${run} index=${index + start} />`} />
  </div>`;
}

/** @param {{ run: import('./live_run.js').LiveRun, index: number }} props */
function RawEvent({ run, index }) {
  const [isOpen, setOpen] = useItemState(run.lineKey(index), 'open', false);
  const line = run.lines[index] ?? '';
  const type = /"type":"(\w+)"/.exec(line.slice(0, 200))?.[1] ?? '';
  return html`<div class="raw-line">
    <button type="button" class="raw-head" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
      <span class="number">${number(index + 1)}</span><span class="raw-type">${type}</span><code>${sanitize(line.slice(0, MAX_PREVIEW))}</code>
    </button>
    ${isOpen && html`<${PlainText} text=${formatJson(line)} language="json" />`}
  </div>`;
}

/** @param {string} line */
function formatJson(line) {
  try {
    return JSON.stringify(JSON.parse(line), null, 2);
  } catch {
    return line;
  }
}
