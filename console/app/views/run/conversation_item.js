/** One item of the conversation. */
import { agentName } from '../../agent_names.js';
import { compact, duration, money } from '../../format.js';
import { html } from '../../html.js';
import { hasText, t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { ChangeCounts, showChanges } from './change_counts.js';
import { CopyButton } from '../../ui/button.js';
import { PlainText, TerminalOutput } from './code.js';
import { FileChange } from './diff.js';
import { useItemState } from './item_state.js';
import { Markdown } from './markdown.js';
import { PlanList } from './plan.js';
import { messageText } from './run_model.js';
import { answerText, decisionText } from './request_text.js';
import { sanitize, summarize } from './sanitize.js';
import { ToolCard } from './tool_card.js';

/** @typedef {import('./run_model.js').Item} Item */

/** Items are mutable, so `rev` is passed down to every component: equal props would not be rendered again.
 * @param {{ item: Item, rev: number }} props */
export function ConversationItem({ item, rev }) {
  switch (item.kind) {
    case 'text': return html`<${AssistantText} item=${item} rev=${rev} />`;
    case 'thinking': return html`<${Thinking} item=${item} rev=${rev} />`;
    case 'user': return html`<${UserMessage} item=${item} rev=${rev} />`;
    case 'program_message': return html`<${Collapsible} item=${item} rev=${rev} icon="info" title=${t(`run.role.${item.role === 'user' ? 'user' : 'system'}`)}
      hint=${item.text} body=${() => html`<${PlainText} text=${item.text} />`} />`;
    case 'tool': return item.isPlan && item.status !== 'error' && !item.items.length ? null
      : html`<${ToolCard} item=${item} rev=${rev} renderItem=${renderChild} />`;
    case 'file_change': return html`<div class="box tool"><${FileChange} item=${item} rev=${rev} hasIcon=${true} /></div>`;
    case 'plan': return html`<div class="box plan-card"><h3>${t('run.plan')}</h3><${PlanList} entries=${item.entries} /></div>`;
    case 'permission': return html`<p class="line" data-level=${item.decision ? 'info' : 'warning'}><${Icon} name="shield" />
      <span><strong>${sanitize(item.tool)}</strong> ${decisionText(item)}</span></p>`;
    case 'question': return html`<${QuestionCard} item=${item} rev=${rev} />`;
    case 'task': return html`<p class="line task" data-level=${item.status === 'failed' ? 'error' : 'info'} data-status=${item.status}><${Icon} name=${item.taskKind === 'agent' ? 'brain' : 'terminal'} />
      <span><strong>${summarize(item.title, 120)}</strong> ${t(`run.task.${item.status}`)}${item.message ? html` <span class="faint">${summarize(item.message, 300)}</span>` : ''}</span></p>`;
    case 'notice': return html`<p class="line" data-level=${item.level} title=${sanitize(item.message)}><${Icon} name=${item.level === 'info' ? 'info' : 'warning'} />
      <span>${noticeText(item)}</span></p>`;
    case 'log': return html`<${Collapsible} item=${item} rev=${rev} icon="list" title=${t('run.stderr', { count: item.lines })} hint=${item.text.head.toString()}
      body=${() => html`<${TerminalOutput} text=${item.text.parts().head} tail=${item.text.parts().tail} omitted=${item.text.omitted} />`} />`;
    case 'raw': return html`<${Collapsible} item=${item} rev=${rev} icon="list" title=${t('run.raw_lines', { count: item.lines })} hint=${item.text.head.toString()}
      body=${() => html`<${PlainText} text=${item.text.parts().head} tail=${item.text.parts().tail} omitted=${item.text.omitted} />`} />`;
    case 'agent_error': return item.isRepeated ? null : html`<p class="line" data-level="error"><${Icon} name="warning" />
      <span>${sanitize(item.message)} <span class="faint">${sanitize(item.code)}${item.retryable ? ` · ${t('run.retryable')}` : ''}</span></span></p>`;
    case 'changes': return html`<p class="line changes-line"><${Icon} name="edit" /><span><${ChangeCounts} files=${item.files} insertions=${item.insertions} deletions=${item.deletions} />
      <button type="button" class="text-button" onClick=${showChanges}>${t('run.changes_open')}</button></span></p>`;
    case 'started': return html`<${Started} item=${item} rev=${rev} />`;
    case 'done': return html`<${Done} item=${item} rev=${rev} />`;
    default: return null;
  }
}

/** @param {Item} item */
const renderChild = (item) => html`<${ConversationItem} item=${item} rev=${item.rev} key=${item.key} />`;

/** The text for a notice's code, or its message if the code is unknown. @param {import('./run_model.js').NoticeItem} item */
function noticeText({ code, message }) {
  const key = `notice.${code}`;
  return hasText(key) ? t(key, { message: sanitize(message) }) : sanitize(message);
}

/** @param {{ item: import('./run_model.js').TextItem, rev: number }} props */
function AssistantText({ item }) {
  return html`<div class="assistant" data-first=${item.isFirst} data-open=${item.isOpen}>${item.isFirst && !item.isOpen && html`<span class="corner"><${CopyButton} text=${() => messageText(item)} label=${t('run.copy_message')} /></span>`}<${Markdown} text=${item.text.toString()} fence=${item.fence} /></div>`;
}

/** @param {{ item: import('./run_model.js').UserItem, rev: number }} props */
function UserMessage({ item }) {
  return html`<div class="user">
    ${item.mode && item.mode !== 'queue' && html`<span class="faint">${t(`run.mode.${item.mode}`)}</span>`}
    <div class="bubble"><span class="corner"><${CopyButton} text=${item.text} label=${t('run.copy_message')} /></span><${ExpandableText} item=${item} text=${item.text} />
      ${item.attachments?.length ? html`<ul class="attachments">${item.attachments.map(({ name }) => html`<li><${Icon} name="file" /><span>${sanitize(name)}</span></li>`)}</ul>` : null}</div>
  </div>`;
}

/** How much of a user's message is shown at first: prompts may contain whole files. */
const EXCERPT_CHARS = 1_200;
const EXCERPT_LINES = 14;

/** @param {{ item: object, text: string }} props */
function ExpandableText({ item, text }) {
  const [isExpanded, setExpanded] = useItemState(item, 'expanded', false);
  const excerpt = text.slice(0, EXCERPT_CHARS).split('\n').slice(0, EXCERPT_LINES).join('\n');
  if (excerpt.length === text.length) return html`<${PlainText} text=${text} />`;
  return html`<${PlainText} text=${isExpanded ? text : `${excerpt.trimEnd()} …`} />
    <button type="button" class="text-button" onClick=${() => setExpanded(!isExpanded)}>${t(isExpanded ? 'run.show_less' : 'run.show_all')}</button>`;
}

/** @param {{ item: import('./run_model.js').ThinkingItem, rev: number }} props */
function Thinking({ item }) {
  const text = item.text.toString();
  const took = Date.parse(item.until) - Date.parse(item.ts);
  const title = item.isOpen ? t('run.thinking') : took >= 1000 ? t('run.thought_for', { time: duration(took) }) : t('run.thought');
  return html`<${Collapsible} item=${item} icon="brain" title=${title} rev=${item.rev} isBusy=${item.isOpen} hint=${item.isOpen ? text.slice(-400).trimStart() : text}
    body=${() => html`<div class="thought"><${Markdown} text=${text.slice(0, 40_000)} /></div>`} />`;
}

/** A title with a one-line hint, and a body that is initially collapsed.
 * @param {{ item: Item, rev: number, icon: string, title: string, hint: string, body: () => any, isBusy?: boolean }} props */
function Collapsible({ item, icon, title, hint, body, isBusy = false }) {
  const [isOpen, setOpen] = useItemState(item, 'open', false);
  return html`<div class="collapsible" data-open=${isOpen} data-busy=${isBusy}>
    <button type="button" class="collapsible-head" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
      <${Icon} name=${icon} /><span class="collapsible-title">${title}</span>
      <span class="collapsible-hint">${isOpen ? '' : summarize(hint, 160)}</span><${Icon} name="chevron" />
    </button>
    ${isOpen && html`<div class="collapsible-body">${body()}</div>`}
  </div>`;
}

/** @param {{ item: import('./run_model.js').QuestionItem, rev: number }} props */
function QuestionCard({ item }) {
  return html`<div class="box question">
    ${item.questions.map((question, index) => html`<div class="question-part">
      <p><${Icon} name="question" /> <span>${question.header ? html`<strong>${sanitize(question.header)}</strong> ` : ''}${sanitize(question.text)}</span></p>
      <p class="question-answer">${answerText(item, index)}</p>
    </div>`)}
  </div>`;
}

/** @param {{ item: import('./run_model.js').StartedItem, rev: number }} props */
function Started({ item }) {
  const { agent_type: agentType, agent_version: version, model, working_dir: workingDir } = item.started;
  const facts = [`${agentName(agentType)} ${version ?? ''}`.trim(), model, workingDir].filter(Boolean).map((fact) => sanitize(String(fact)));
  return html`<p class="line faint started"><${Icon} name="play" /><span>${facts.join(' · ')}</span></p>`;
}

/** The icon for a final status: only success has a tick. @param {string} status */
export const endIcon = (status) => ({ completed: 'check', failed: 'close', timed_out: 'clock', interrupted: 'warning' })[status] ?? 'stop';

/** @param {{ item: import('./run_model.js').DoneItem, rev: number }} props */
function Done({ item: { done, isResultShown, isMessageShown, workMs } }) {
  const isSuccess = done.status === 'completed';
  const { usage } = done;
  const facts = [
    workMs !== null && duration(workMs),
    usage && t('run.output_tokens', { count: usage.output_tokens, value: compact(usage.output_tokens) }),
    usage?.cost_usd !== undefined && `${usage.cost_is_estimate ? '≈ ' : ''}${money(usage.cost_usd)}`,
    // An exit code of 0 says nothing about a failure.
    !isSuccess && done.exit_code && t('run.exit_code', { code: done.exit_code }),
    done.signal !== undefined && t('run.signal', { signal: done.signal }),
    done.out_of_memory && t('run.out_of_memory'),
  ].filter(Boolean);
  const cause = `cause.${done.cause}`;
  return html`<div class="done" data-status=${done.status}>
    ${!isResultShown && html`<div class="assistant" data-first="true"><${Markdown} text=${done.result.slice(0, 100_000)} /></div>`}
    <p class="done-line"><span class="done-status"><${Icon} name=${endIcon(done.status)} />
      ${t(`status.${done.status}`)}</span> <span class="faint">${facts.join(' · ')}</span>
      ${done.result && html`<${CopyButton} text=${done.result} label=${t('run.copy_answer')} withText=${true} />`}</p>
    ${!isSuccess && html`<p class="done-cause">${hasText(cause) ? t(cause) : sanitize(done.cause)}${done.message && !isMessageShown ? html` <span class="muted">${sanitize(done.message)}</span>` : ''}</p>`}
    ${!isSuccess && done.stderr_tail && html`<${TerminalOutput} text=${done.stderr_tail} />`}
  </div>`;
}
