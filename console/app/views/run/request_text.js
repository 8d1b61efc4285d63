/** Permission requests and questions as texts. */
import { t } from '../../i18n.js';
import { sanitize, summarize } from './sanitize.js';

/** @typedef {import('./run_model.js').PermissionItem} PermissionItem */
/** @typedef {import('./run_model.js').QuestionItem} QuestionItem */

/** The decision on a permission request, who made it, and why. @param {PermissionItem} item */
export function decisionText({ decision }) {
  if (!decision) return t('run.permission.open');
  const text = `${t(`run.decision.${decision.decision}`)} · ${t(`run.by.${decision.by}`)}`;
  return decision.reason ? `${text} · ${sanitize(decision.reason)}` : text;
}

/** The answer to one question of an item. @param {QuestionItem} item @param {number} index */
export function answerText({ answer }, index) {
  if (!answer) return t('run.question.open');
  const answers = answer.answers[index] ?? [];
  return answers.length ? answers.map(sanitize).join(', ') : t('run.question.none');
}

/** A request in one line, for screen readers and the timeline. @param {PermissionItem | QuestionItem} item */
export function requestTitle(item) {
  if (item.kind === 'question') return summarize(item.questions[0]?.text ?? '', 160);
  const subject = item.input?.command ?? item.input?.cmd ?? item.input?.file_path ?? item.input?.path ?? '';
  return `${sanitize(item.tool)} ${summarize(Array.isArray(subject) ? subject.join(' ') : String(subject), 160)}`.trim();
}
