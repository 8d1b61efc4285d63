/** The thread of a session: the rows of all its runs. */
import { isLive } from '../../data/run_status.js';
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from '../../html.js';
import { agentName } from '../../agent_names.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { Spinner } from '../../ui/spinner.js';
import { queuePlace } from '../run_row.js';
import { ConversationItem } from './conversation_item.js';
import { RunDivider } from './run_divider.js';
import { revisionOf } from './run_rows.js';
import { Steps } from './steps.js';
import { VariableHeightList } from './variable_height_list.js';

/** @typedef {import('./variable_height_list.js').ListHandle} ListHandle */
/** @typedef {import('./live_run.js').LiveRun} LiveRun */
/** @typedef {import('./thread.js').Thread} Thread */

/** @param {{ thread: Thread, current: LiveRun, list: { current: ListHandle | null }, found: number | null }} props
 * `current` is the run that the address names, `found` a row that was searched for */
export function Conversation({ thread, current, list, found }) {
  const runs = thread.runs.value;
  const epoch = thread.epoch.value;
  const rows = thread.rows();
  const last = runs.at(-1) ?? current;
  const [isFollowing, setFollowing] = useState(true);
  const lastSeenCount = useRef(0);
  const rendered = useMemo(() => new WeakMap(), []);
  useReturnToRow(list, rows, epoch);
  // An address of an earlier run shows that run. One that was live when it was opened stays where the reader is.
  const isEarlier = current !== last && current.wasEnded === true;
  useEffect(() => {
    if (isEarlier) list.current?.jumpTo(thread.indexOf(current));
  }, [current, isEarlier, epoch]);
  const onFollowing = (/** @type {boolean} */ following) => {
    lastSeenCount.current = rows.count;
    setFollowing(following);
  };
  const row = (/** @type {number} */ index) => {
    const { run, row: shown } = rows.at(index);
    const content = shown.kind === 'item' ? shown.item : shown;
    const rev = shown.kind === 'run' ? `${runs.length > 1} ${run === current} ${index === 0 && thread.hiddenCount.value}` : revisionOf(shown);
    // An unchanged element is not rendered again.
    const cached = rendered.get(content);
    if (cached?.rev === rev) return cached.element;
    const element = html`<div class="row" data-kind=${shown.kind === 'item' ? shown.item.kind : shown.kind}>${
      shown.kind === 'item' ? html`<${ConversationItem} item=${shown.item} rev=${rev} />`
        : shown.kind === 'steps' ? html`<${Steps} row=${shown} rev=${rev} />`
          : html`${index === 0 && html`<${EarlierRuns} thread=${thread} />`}${runs.length > 1 && html`<${RunDivider} run=${run} isCurrent=${run === current} />`}`}</div>`;
    rendered.set(content, { rev, element });
    return element;
  };
  const newCount = rows.count - lastSeenCount.current;
  const isWorking = isLive(last.status) && last.model.started && !last.model.openRequests.size;
  return html`<div class="conversation">
    <${VariableHeightList} key=${epoch} count=${rows.count} estimate=${64} follows=${true} label=${t('run.conversation')} handle=${list} onFollowing=${onFollowing}
      keyOf=${(/** @type {number} */ index) => rows.at(index).row.key} row=${row} marked=${found} />
    ${!isFollowing && html`<button type="button" class="pill" onClick=${() => list.current?.jumpToEnd()}><${Icon} name="arrowDown" />
      ${newCount > 0 ? t('run.new_items', { count: newCount }) : t('run.jump_to_latest')}</button>`}
    <${Startup} run=${last} />
    <div class="working" data-on=${Boolean(isWorking)} aria-hidden="true"><span></span></div>
  </div>`;
}

/** After rows were added above, the list is new: returns to the row that was at its top. @param {{ current: ListHandle | null }} list
 * @param {import('./thread.js').ThreadRows} rows @param {number} epoch */
function useReturnToRow(list, rows, epoch) {
  const before = useRef({ rows, epoch });
  const place = useRef(/** @type {import('./run_rows.js').Row | null} */ (null));
  if (before.current.epoch !== epoch) {
    const position = list.current?.position();
    place.current = position && !position.isFollowing && position.index < before.current.rows.count ? before.current.rows.at(position.index).row : null;
  }
  before.current = { rows, epoch };
  useLayoutEffect(() => {
    if (place.current === null) return;
    for (let index = 0; index < rows.count; index++) {
      if (rows.at(index).row === place.current) return list.current?.jumpTo(index);
    }
  }, [epoch]);
}

/** @param {{ thread: Thread }} props */
function EarlierRuns({ thread }) {
  const count = thread.hiddenCount.value;
  return count > 0 ? html`<p class="earlier-runs"><button type="button" class="text-button" onClick=${() => thread.showMore()}>${t('run.earlier_runs', { count })}</button></p>` : null;
}

/** Why nothing has happened yet. @param {{ run: LiveRun }} props */
function Startup({ run }) {
  const record = run.record.value;
  if (run.model.started || !record || !isLive(run.status)) return null;
  const text = run.status === 'queued' ? t('run.queued', { place: queuePlace(record.queue_position ?? 0) }) : t('run.starting', { agent: agentName(record.agent_type) });
  return html`<p class="startup" role="status"><${Spinner} /> ${text}</p>`;
}
