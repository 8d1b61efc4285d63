// The events themselves, as they came.

import { html } from '../../html.js';
import { number } from '../../format.js';
import { t } from '../../i18n.js';
import { Plain } from './code.js';
import { useKept } from './item_state.js';
import { visible } from './sanitize.js';
import { WindowList } from './variable_height_list.js';

/** Of a line that is not opened this much is shown, in characters. */
const LINE = 400;

/** @param {{ run: import('./live_run.js').LiveRun }} props */
export function RawView({ run }) {
  const from = run.forgotten;
  return html`<div class="raw">
    ${from > 0 && html`<p class="line faint">${t('run.raw.forgotten', { count: from })}</p>`}
    <${WindowList} count=${run.lines.length - from} estimate=${26} label=${t('run.raw')} follows=${!run.model.done}
      keyOf=${(/** @type {number} */ index) => index + from}
      row=${(/** @type {number} */ index) => html`<${RawLine} run=${run} index=${index + from} />`} />
  </div>`;
}

/** @param {{ run: import('./live_run.js').LiveRun, index: number }} props */
function RawLine({ run, index }) {
  const [isOpen, setOpen] = useKept(run.named(index), 'open', false);
  const line = run.lines[index] ?? '';
  const type = /"type":"(\w+)"/.exec(line.slice(0, 200))?.[1] ?? '';
  return html`<div class="raw-line">
    <button type="button" class="raw-head" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
      <span class="number">${number(index + 1)}</span><span class="raw-type">${type}</span><code>${visible(line.slice(0, LINE))}</code>
    </button>
    ${isOpen && html`<${Plain} text=${pretty(line)} language="json" />`}
  </div>`;
}

/** @param {string} line */
function pretty(line) {
  try {
    return JSON.stringify(JSON.parse(line), null, 2);
  } catch {
    return line;
  }
}
