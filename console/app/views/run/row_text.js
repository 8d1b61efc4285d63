/** The text of a row, for search. Pure. */

/** @typedef {import('./run_model.js').Item} Item */

/** @param {import('./run_rows.js').Row} row */
export function rowText(row) {
  if (row.kind === 'run') return '';
  return row.kind === 'item' ? itemText(row.item) : row.items.map(itemText).join('\n');
}

/** @param {Item} item @returns {string} */
function itemText(item) {
  switch (item.kind) {
    case 'text': case 'thinking': return item.text.toString();
    case 'user': case 'program_message': return item.text;
    case 'tool': return [item.title, item.tool, inputText(item.input), ...Object.values(item.output.parts()), item.result, ...item.fileChanges.map(itemText), ...item.items.map(itemText)].join('\n');
    case 'file_change': return `${item.path}\n${item.diff ?? ''}`;
    case 'plan': return item.entries.map(({ content }) => content).join('\n');
    case 'permission': return `${item.tool}\n${inputText(item.input)}`;
    case 'question': return item.questions.map(({ text }, index) => `${text}\n${item.answer?.answers[index]?.join('\n') ?? ''}`).join('\n');
    case 'task': return `${item.title}\n${item.message}`;
    case 'notice': case 'agent_error': return item.message;
    case 'log': case 'raw': return Object.values(item.text.parts()).join('\n');
    case 'done': return `${item.done.message ?? ''}\n${item.isResultShown ? '' : item.done.result ?? ''}`;
    default: return '';
  }
}

/** The texts in a tool's input, without JSON's escapes. @param {any} input @param {number} [depth] @returns {string} */
function inputText(input, depth = 0) {
  if (typeof input === 'string') return input;
  if (typeof input !== 'object' || input === null || depth > 6) return String(input ?? '');
  return Object.values(input).map((value) => inputText(value, depth + 1)).join('\n');
}
