// One item of the conversation as a row.

import { compact, duration, money } from '../../format.js';
import { html } from '../../html.js';
import { has, t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { Plain, Terminal } from './code.js';
import { Change } from './diff.js';
import { Markdown } from './markdown.js';
import { useKept } from './item_state.js';
import { answerWords, decisionWords } from './requests.js';
import { Tool } from './tool_card.js';
import { oneLine, visible } from './sanitize.js';

/** @typedef {import('./run_model.js').Item} Item */

/** `rev` goes on to whatever draws the item: the item is one object that changes, and what is given the same is not drawn again.
 * @param {{ item: Item, rev: number }} props */
export function Row({ item, rev }) {
  switch (item.kind) {
    case 'text': return html`<${Text} item=${item} rev=${rev} />`;
    case 'thinking': return html`<${Thinking} item=${item} rev=${rev} />`;
    case 'user': return html`<${User} item=${item} rev=${rev} />`;
    case 'said': return html`<${Folded} item=${item} rev=${rev} icon="info" title=${t(`run.said.${item.role === 'user' ? 'user' : 'system'}`)}
      hint=${item.text} body=${() => html`<${Plain} text=${item.text} />`} />`;
    case 'tool': return item.isPlan && item.status !== 'error' && !item.items.length ? null : html`<${Tool} item=${item} rev=${rev} />`;
    case 'change': return html`<div class="box tool"><${Change} item=${item} rev=${rev} isAlone=${true} /></div>`;
    case 'plan': return html`<div class="box plan-card"><h3>${t('run.plan')}</h3><${PlanList} entries=${item.entries} /></div>`;
    case 'permission': return html`<p class="line" data-level=${item.decision ? 'info' : 'warning'}><${Icon} name="shield" />
      <span><strong>${visible(item.tool)}</strong> ${decisionWords(item)}</span></p>`;
    case 'question': return html`<${Asked} item=${item} rev=${rev} />`;
    case 'notice': return html`<p class="line" data-level=${item.level}><${Icon} name=${item.level === 'info' ? 'info' : 'warning'} />
      <span>${visible(item.message)}</span></p>`;
    case 'log': return html`<${Folded} item=${item} rev=${rev} icon="list" title=${t('run.stderr', { count: item.lines })} hint=${item.text.head.toString()}
      body=${() => html`<${Terminal} text=${item.text.parts().head} tail=${item.text.parts().tail} omitted=${item.text.omitted} />`} />`;
    case 'raw': return html`<${Folded} item=${item} rev=${rev} icon="list" title=${t('run.rawLines', { count: item.lines })} hint=${item.text.head.toString()}
      body=${() => html`<${Plain} text=${item.text.parts().head} tail=${item.text.parts().tail} omitted=${item.text.omitted} />`} />`;
    case 'error': return html`<p class="line" data-level="error"><${Icon} name="warning" />
      <span>${visible(item.message)} <span class="faint">${visible(item.code)}${item.retryable ? ` · ${t('run.retries')}` : ''}</span></span></p>`;
    case 'started': return html`<${Started} item=${item} rev=${rev} />`;
    case 'done': return html`<${Done} item=${item} rev=${rev} />`;
    default: return null;
  }
}

/** @param {{ item: import('./run_model.js').TextItem, rev: number }} props */
function Text({ item }) {
  return html`<div class="said" data-first=${item.isFirst} data-open=${item.isOpen}><${Markdown} text=${item.text.toString()} fence=${item.fence} /></div>`;
}

/** @param {{ item: import('./run_model.js').UserItem, rev: number }} props */
function User({ item }) {
  return html`<div class="user">
    ${item.mode && item.mode !== 'queue' && html`<span class="faint">${t(`run.mode.${item.mode}`)}</span>`}
    <div class="bubble"><${Long} item=${item} text=${item.text} /></div>
  </div>`;
}

/** How much of what a user wrote is shown at first, in characters and lines: prompts hold whole files at times. */
const BRIEF = 1_200;
const BRIEF_LINES = 14;

/** @param {{ item: object, text: string }} props */
function Long({ item, text }) {
  const [isWhole, setWhole] = useKept(item, 'whole', false);
  const brief = text.slice(0, BRIEF).split('\n').slice(0, BRIEF_LINES).join('\n');
  if (brief.length === text.length) return html`<${Plain} text=${text} />`;
  return html`<${Plain} text=${isWhole ? text : `${brief.trimEnd()} …`} />
    <button type="button" class="text-button" onClick=${() => setWhole(!isWhole)}>${t(isWhole ? 'run.less' : 'run.all')}</button>`;
}

/** @param {{ item: import('./run_model.js').ThinkingItem, rev: number }} props */
function Thinking({ item }) {
  const text = item.text.toString();
  const took = Date.parse(item.until) - Date.parse(item.ts);
  const title = item.isOpen ? t('run.thinking') : took >= 1000 ? t('run.thoughtFor', { time: duration(took) }) : t('run.thought');
  return html`<${Folded} item=${item} icon="brain" title=${title} rev=${item.rev} isBusy=${item.isOpen} hint=${item.isOpen ? text.slice(-400).trimStart() : text}
    body=${() => html`<div class="thought"><${Markdown} text=${text.slice(0, 40_000)} /></div>`} />`;
}

/** Something of which one line is enough for most.
 * @param {{ item: Item, rev: number, icon: string, title: string, hint: string, body: () => any, isBusy?: boolean }} props */
function Folded({ item, icon, title, hint, body, isBusy = false }) {
  const [isOpen, setOpen] = useKept(item, 'open', false);
  return html`<div class="folded" data-open=${isOpen} data-busy=${isBusy}>
    <button type="button" class="folded-head" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
      <${Icon} name=${icon} /><span class="folded-title">${title}</span>
      <span class="folded-hint">${isOpen ? '' : oneLine(hint, 160)}</span><${Icon} name="chevron" />
    </button>
    ${isOpen && html`<div class="folded-body">${body()}</div>`}
  </div>`;
}

/** A checklist. @param {{ entries: import('./run_model.js').PlanEntry[] }} props */
export function PlanList({ entries }) {
  return html`<ol class="plan">
    ${entries.map(({ content, status }) => html`<li data-status=${status}>
      <span class="check" role="img" aria-label=${t(`run.plan.${status}`)} data-checked=${status === 'completed'}></span><span>${visible(content)}</span>
    </li>`)}
  </ol>`;
}

/** @param {{ item: import('./run_model.js').QuestionItem, rev: number }} props */
function Asked({ item }) {
  return html`<div class="box asked">
    ${item.questions.map((question, index) => html`<div class="asked-one">
      <p><${Icon} name="question" /> <span>${visible(question.text)}</span></p>
      <p class="asked-answer">${answerWords(item, index)}</p>
    </div>`)}
  </div>`;
}

/** @param {{ item: import('./run_model.js').StartedItem, rev: number }} props */
function Started({ item }) {
  const { agent, agent_version: version, model, working_dir: folder } = item.started;
  const words = [`${agent} ${version ?? ''}`.trim(), model, folder].filter(Boolean).map((word) => visible(String(word)));
  return html`<p class="line faint started"><${Icon} name="play" /><span>${words.join(' · ')}</span></p>`;
}

/** @param {{ item: import('./run_model.js').DoneItem, rev: number }} props */
function Done({ item: { done, isSaid } }) {
  const isGood = done.status === 'completed';
  const { usage } = done;
  const facts = [
    duration(done.duration_ms),
    usage && t('run.tokensOut', { tokens: compact(usage.output_tokens) }),
    usage?.cost_usd !== undefined && `${usage.cost_is_estimate ? '≈ ' : ''}${money(usage.cost_usd)}`,
    !isGood && done.exit_code !== undefined && t('run.exitCode', { code: done.exit_code }),
    done.signal !== undefined && t('run.signal', { signal: done.signal }),
    done.out_of_memory && t('run.outOfMemory'),
  ].filter(Boolean);
  const cause = `cause.${done.cause}`;
  return html`<div class="done" data-status=${done.status}>
    ${!isSaid && html`<div class="said" data-first="true"><${Markdown} text=${done.result.slice(0, 100_000)} /></div>`}
    <p class="done-line"><span class="done-status"><${Icon} name=${isGood ? 'check' : done.status === 'failed' ? 'close' : 'stop'} />
      ${t(`state.${done.status}`)}</span> <span class="faint">${facts.join(' · ')}</span></p>
    ${!isGood && html`<p class="done-cause">${has(cause) ? t(cause) : visible(done.cause)}${done.message ? html` <span class="muted">${visible(done.message)}</span>` : ''}</p>`}
    ${!isGood && done.stderr_tail && html`<${Terminal} text=${done.stderr_tail} />`}
  </div>`;
}
