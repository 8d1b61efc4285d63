/** A run, or all loaded runs of a thread, as Markdown. Pure. */
import { agentName } from '../../agent_names.js';
import { messageText } from './run_model.js';
import { commandOf } from './tool_input.js';

/** @typedef {import('./run_model.js').Item} Item */

/** Tool outputs are cut at this length, in characters. */
const MAX_OUTPUT = 4_000;

/** @param {string} title @param {{ prompt: string, agentType: string, createdAt: string, items: Item[] }[]} runs oldest first */
export function toMarkdown(title, runs) {
  const parts = runs.flatMap(({ prompt, agentType, createdAt, items }) => [`## ${agentName(agentType)} · ${createdAt}`, quote(prompt), ...items.flatMap((item) => itemText(item, 0))]);
  return `${[`# ${title.replace(/\s+/g, ' ').trim() || 'OpenRunner'}`, ...parts].filter(Boolean).join('\n\n')}\n`;
}

/** @param {string} text */
const quote = (text) => text.split('\n').map((line) => `> ${line}`.trimEnd()).join('\n');

/** A code block whose fence is longer than any in the text. @param {string} text @param {string} [language] */
function fenced(text, language = '') {
  const longest = Math.max(2, ...[...text.matchAll(/`{3,}/g)].map(([fence]) => fence.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text.replace(/\n$/, '')}\n${fence}`;
}

/** @param {Item} item @param {number} depth of sub-agents @returns {string[]} */
function itemText(item, depth) {
  switch (item.kind) {
    case 'text': return item.isFirst ? [messageText(item).trim()] : [];
    case 'user': return [quote(item.text)];
    case 'tool': return [...toolText(item), ...(depth < 8 ? item.items.flatMap((child) => itemText(child, depth + 1)) : [])];
    case 'file_change': return [`*${item.change}* \`${item.path}\``, ...(item.diff ? [fenced(item.diff, 'diff')] : [])];
    case 'plan': return [item.entries.map(({ content, status }) => `- [${status === 'completed' ? 'x' : ' '}] ${content}`).join('\n')];
    case 'question': return item.questions.map(({ text }, index) => `**${text}** ${item.answer?.answers[index]?.join(', ') ?? ''}`.trim());
    case 'agent_error': return item.isRepeated ? [] : [`**${item.message}**`];
    case 'done': return [...(item.isResultShown || !item.done.result ? [] : [item.done.result]), `*${item.done.status}${item.done.message && !item.isMessageShown ? `: ${item.done.message}` : ''}*`];
    default: return [];
  }
}

/** @param {import('./run_model.js').ToolItem} item @returns {string[]} */
function toolText(item) {
  if (item.isPlan) return [];
  const command = item.toolKind === 'execute' ? commandOf(item.input) : undefined;
  const { head, tail } = item.output.parts();
  const output = (head + tail).slice(0, MAX_OUTPUT);
  return [
    `**${(item.title || item.tool).replace(/\s+/g, ' ').slice(0, 200)}**${item.status === 'ok' ? '' : ` (${item.status})`}`,
    ...(command === undefined ? [] : [fenced(command, 'sh')]),
    ...item.fileChanges.flatMap((change) => (change.diff ? [`\`${change.path}\``, fenced(change.diff, 'diff')] : [`\`${change.path}\``])),
    ...(output.trim() && item.fileChanges.length === 0 ? [fenced(output)] : []),
  ];
}
