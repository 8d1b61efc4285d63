/**
 * A run's conversation, built from its events by a pure reducer: the same events give the same model, one by one, in batches or after a
 * reload. Each event takes constant time.
 */
import { workDuration } from '../../data/run_time.js';
import { CappedText, SectionSplitter, TextBuffer } from './text_buffers.js';

/** @typedef {{ seq?: number, ts?: string, type: string, [field: string]: any }} RunEvent */

/** Fields of all items. `rev` increases with every change of the item or of an item below it.
 * @typedef {{ key: number, seq: number, ts: string, rev: number, parent: ToolItem | null }} Common */
/** A section of an assistant message. `fence` is the opening line of the code block in which the section starts.
 * @typedef {Common & { kind: 'text', text: TextBuffer, fence: string, isFirst: boolean, isOpen: boolean }} TextItem */
/** @typedef {Common & { kind: 'thinking', text: TextBuffer, until: string, isOpen: boolean, messageId: string }} ThinkingItem */
/** @typedef {Common & { kind: 'user', text: string, mode: string, attachments?: { name: string }[] }} UserItem */
/** A message with another role than assistant, written by the agent program. @typedef {Common & { kind: 'program_message', role: string, text: string }} ProgramMessageItem */
/** @typedef {Common & { kind: 'tool', id: string, tool: string, toolKind: string, title: string, input: any, output: CappedText,
 *   status: 'running' | 'ok' | 'error' | 'denied' | 'unfinished', result: string, durationMs: number | undefined,
 *   items: Item[], fileChanges: FileChangeItem[], request: PermissionItem | null, isPlan: boolean }} ToolItem */
/** @typedef {Common & { kind: 'file_change', path: string, change: string, diff: string | undefined }} FileChangeItem */
/** @typedef {{ content: string, status: string }} PlanEntry */
/** @typedef {Common & { kind: 'plan', entries: PlanEntry[] }} PlanItem */
/** @typedef {{ decision: string, by: string, reason: string, ts: string }} Decision */
/** @typedef {Common & { kind: 'permission', id: string, tool: string, toolKind: string, input: any, options: string[], choices: { id: string, name: string, decision: string }[],
 *   expiresAt: string | undefined, decision: Decision | null }} PermissionItem */
/** @typedef {{ name: string, description?: string, preview?: string }} QuestionOption */
/** @typedef {{ text: string, header?: string, options?: QuestionOption[], multiple?: boolean }} Question */
/** @typedef {Common & { kind: 'question', id: string, questions: Question[], expiresAt: string | undefined,
 *   answer: { answers: string[][], by: string, ts: string } | null }} QuestionItem */
/** A task in the background.
 * @typedef {Common & { kind: 'task', id: string, taskKind: string, title: string, message: string, status: 'running' | 'completed' | 'failed' | 'stopped' | 'unfinished' }} TaskItem */
/** @typedef {Common & { kind: 'notice', level: string, code: string, message: string, data: any }} NoticeItem */
/** Consecutive lines are one item. @typedef {Common & { kind: 'log' | 'raw', text: CappedText, lines: number }} LinesItem */
/** `isRepeated`: the agent's text says the same. @typedef {Common & { kind: 'agent_error', code: string, message: string, retryable: boolean, isRepeated: boolean }} AgentErrorItem */
/** What the run has changed so far. @typedef {Common & { kind: 'changes', files: number, insertions: number, deletions: number }} ChangesItem */
/** @typedef {Common & { kind: 'started', started: RunEvent }} StartedItem */
/** `isResultShown`, `isMessageShown`: the conversation has them already. `workMs`: see `LiveRun.workMs`.
 * @typedef {Common & { kind: 'done', done: RunEvent, isResultShown: boolean, isMessageShown: boolean, workMs: number | null }} DoneItem */
/** @typedef {TextItem | ThinkingItem | UserItem | ProgramMessageItem | ToolItem | FileChangeItem | PlanItem | PermissionItem | QuestionItem
 *   | TaskItem | NoticeItem | LinesItem | AgentErrorItem | ChangesItem | StartedItem | DoneItem} Item */

/** A message. `length` is in characters.
 * @typedef {{ sections: TextItem[], splitter: SectionSplitter, length: number }} Message */

export class RunModel {
  constructor() {
    /** The sequence number of the last event. */
    this.seq = 0;
    /** The conversation. @type {Item[]} */
    this.items = [];
    /** Indexes in `items` of the entries in the timeline. @type {number[]} */
    this.timeline = [];
    /** Unanswered requests by id, oldest first. @type {Map<string, PermissionItem | QuestionItem>} */
    this.openRequests = new Map();
    /** @type {PlanItem | null} */
    this.plan = null;
    /** Whether the run waits for a limit of the model's provider to reset. */
    this.isWaitingForReset = false;
    /** The title that the agent gave the conversation. */
    this.title = '';
    /** The last `changes` event. @type {RunEvent | null} */
    this.changes = null;
    /** The number of turns. */
    this.turnCount = 1;
    /** The agent's slash commands. @type {{ name: string, description?: string, input_hint?: string }[]} */
    this.commands = [];
    /** The last `usage` event. @type {RunEvent | null} */
    this.usage = null;
    /** @type {RunEvent | null} */
    this.queued = null;
    /** @type {RunEvent | null} */
    this.started = null;
    /** @type {RunEvent | null} */
    this.done = null;

    this.nextKey = 1;
    /** @type {Map<string, ToolItem>} */
    this.tools = new Map();
    /** Tool calls without a result, oldest first. @type {Set<ToolItem>} */
    this.runningTools = new Set();
    /** Unfinished background tasks by id. @type {Map<string, TaskItem>} */
    this.tasks = new Map();
    /** Unfinished messages by agent and message id. @type {Map<string, Message>} */
    this.openMessages = new Map();
    /** The last message of the main agent. */
    this.lastMessage = '';
    /** @type {AgentErrorItem | null} */
    this.lastError = null;
  }

  /** The run's status. */
  get status() {
    if (this.done) return String(this.done.status);
    if (this.openRequests.size) return 'waiting';
    if (this.isWaitingForReset) return 'waiting';
    if (this.started) return 'running';
    return this.queued ? 'queued' : 'starting';
  }

  /** Applies one event. Unknown types are ignored. @param {RunEvent} event */
  apply(event) {
    if (event.seq !== undefined) this.seq = event.seq;
    const handler = Object.hasOwn(HANDLERS, event.type) ? HANDLERS[event.type] : undefined;
    handler?.(this, event);
  }

  /** Appends an item to the conversation, or to the sub-agent of the event.
   * @template {Item} T
   * @param {RunEvent} event
   * @param {Record<string, any>} fields the item's own fields
   * @returns {T} */
  push(event, fields) {
    const parent = this.parentOf(event);
    const item = /** @type {T} */ (/** @type {unknown} */ ({ ...this.commonFields(event, parent), ...fields }));
    const items = parent?.items ?? this.items;
    this.endThinking(items.at(-1));
    items.push(item);
    this.touch(item);
    return item;
  }

  /** Like `push`. If the item is the main agent's, it also appears in the timeline.
   * @template {Item} T
   * @param {RunEvent} event
   * @param {Record<string, any>} fields the item's own fields
   * @returns {T} */
  pushToTimeline(event, fields) {
    /** @type {T} */
    const item = this.push(event, fields);
    if (!item.parent) this.timeline.push(this.items.length - 1);
    return item;
  }

  /** @param {RunEvent} event @param {ToolItem | null} parent @returns {Common} */
  commonFields(event, parent) {
    return { key: this.nextKey++, seq: event.seq ?? this.seq, ts: event.ts ?? '', rev: 0, parent };
  }

  /** @param {Item | undefined} item */
  endThinking(item) {
    if (item?.kind !== 'thinking' || !item.isOpen) return;
    item.isOpen = false;
    this.touch(item);
  }

  /** @param {Item} item */
  touch(item) {
    for (let current = /** @type {Item | null} */ (item); current; current = current.parent) current.rev += 1;
  }

  /** @param {RunEvent} event @returns {ToolItem | null} */
  parentOf(event) {
    return (event.parent_tool_call_id && this.tools.get(event.parent_tool_call_id)) || null;
  }

  /** The last item of the event's agent. @param {RunEvent} event @returns {Item | undefined} */
  lastItem(event) {
    return (this.parentOf(event)?.items ?? this.items).at(-1);
  }
}

/** Items that separate two messages: tokens without a message id that follow one of these start a new message. */
const MESSAGE_SEPARATORS = new Set(['tool', 'user', 'thinking', 'question']);

/** The handler of each event type.
 * @type {Record<string, (model: RunModel, event: RunEvent) => void>} */
const HANDLERS = {
  run_queued(model, event) {
    model.queued = event;
  },

  run_started(model, event) {
    model.started = event;
    /** @type {StartedItem} */ (model.push(event, { kind: 'started', started: event }));
  },

  token(model, event) {
    if (!event.content) return;
    const key = messageKey(event, event.message_id);
    let message = model.openMessages.get(key);
    if (message && !event.message_id && MESSAGE_SEPARATORS.has(model.lastItem(event)?.kind ?? '')) {
      closeMessage(model, key, message);
      message = undefined;
    }
    if (!message) {
      message = newMessage();
      model.openMessages.set(key, message);
    }
    appendToMessage(model, event, message, event.content);
  },

  thinking(model, event) {
    if (!event.content) return;
    let item = model.lastItem(event);
    const messageId = event.message_id ?? '';
    if (item?.kind !== 'thinking' || item.messageId !== messageId) {
      item = /** @type {ThinkingItem} */ (model.push(event, { kind: 'thinking', text: new TextBuffer(), until: '', isOpen: true, messageId }));
    }
    item.text.append(event.content);
    item.until = event.ts ?? '';
    model.touch(item);
  },

  message(model, event) {
    if (event.role !== 'assistant') {
      model.pushToTimeline(event, { kind: 'program_message', role: event.role, text: event.content });
      return;
    }
    // Tokens without a message id belong to the next finished message.
    const key = [messageKey(event, event.message_id), messageKey(event, undefined)].find((candidate) => model.openMessages.has(candidate));
    const message = key === undefined ? undefined : model.openMessages.get(key);
    if (key !== undefined) model.openMessages.delete(key);
    finishMessage(model, event, message ?? newMessage());
    if (event.parent_tool_call_id) return;
    model.lastMessage = event.content;
    if (model.lastError && isSameText(model.lastError.message, event.content)) {
      model.lastError.isRepeated = true;
      model.touch(model.lastError);
    }
  },

  user_message(model, event) {
    // Other messages become a turn of their own.
    if (event.mode !== 'steer') model.turnCount += 1;
    model.pushToTimeline(event, { kind: 'user', text: event.content, mode: event.mode });
  },

  tool_call(model, event) {
    const { id, tool, kind: toolKind, title, input } = event;
    // Calls of kind `think` are mostly plan updates and stay out of the timeline.
    const push = toolKind === 'think' ? model.push : model.pushToTimeline;
    const item = /** @type {ToolItem} */ (push.call(model, event, {
      kind: 'tool', id, tool, toolKind, title, input, output: new CappedText(), status: 'running', result: '', durationMs: undefined,
      items: [], fileChanges: [], request: null, isPlan: false,
    }));
    model.tools.set(id, item);
    model.runningTools.add(item);
  },

  tool_output(model, event) {
    const item = model.tools.get(event.id);
    if (!item || !event.content) return;
    item.output.append(event.content);
    model.touch(item);
  },

  tool_result(model, event) {
    const item = model.tools.get(event.id);
    if (!item) return;
    item.status = event.status;
    // Streamed output is not repeated, unless the result is an error.
    if (!item.output.length) item.output.append(event.content);
    else if (item.status !== 'ok') item.result = event.content;
    item.durationMs = event.duration_ms;
    model.runningTools.delete(item);
    model.endThinking(item.items.at(-1));
    // Close the messages of the sub-agent.
    for (const [key, message] of item.items.length ? model.openMessages : []) {
      if (key.startsWith(`${event.id}\n`)) closeMessage(model, key, message);
    }
    model.touch(item);
  },

  file_change(model, event) {
    const tool = findChangingTool(model, event.path);
    const fields = { path: event.path, change: event.kind, diff: event.diff };
    if (!tool) {
      model.pushToTimeline(event, { kind: 'file_change', ...fields });
      return;
    }
    const item = /** @type {FileChangeItem} */ ({ ...model.commonFields(event, tool), kind: 'file_change', ...fields });
    tool.fileChanges.push(item);
    model.touch(item);
  },

  plan(model, event) {
    // Hide the tool call that wrote the plan.
    for (const item of [...model.runningTools, model.items.at(-1)]) {
      if (item?.kind !== 'tool' || item.toolKind !== 'think' || item.items.length) continue;
      item.isPlan = true;
      model.touch(item);
    }
    if (!model.plan) {
      model.plan = /** @type {PlanItem} */ (model.pushToTimeline(event, { kind: 'plan', entries: event.entries }));
      return;
    }
    model.plan.entries = event.entries;
    model.touch(model.plan);
  },

  permission_request(model, event) {
    const { id, tool, kind: toolKind, input, options, choices = [], expires_at: expiresAt } = event;
    const fields = { kind: 'permission', id, tool, toolKind, input, options, choices, expiresAt, decision: null };
    const call = model.tools.get(event.tool_call_id);
    /** @type {PermissionItem} */
    let item;
    if (call) {
      item = /** @type {any} */ ({ ...model.commonFields(event, call), ...fields });
      call.request = item;
      model.touch(item);
    } else {
      item = model.pushToTimeline(event, fields);
    }
    model.openRequests.set(id, item);
  },

  permission_resolved(model, event) {
    const item = model.openRequests.get(event.id);
    if (item?.kind !== 'permission') return;
    model.openRequests.delete(event.id);
    item.decision = { decision: event.decision, by: event.by, reason: event.reason ?? '', ts: event.ts ?? '' };
    model.touch(item);
  },

  question(model, event) {
    const { id, questions, expires_at: expiresAt } = event;
    const item = /** @type {QuestionItem} */ (model.pushToTimeline(event, { kind: 'question', id, questions, expiresAt, answer: null }));
    model.openRequests.set(id, item);
  },

  question_resolved(model, event) {
    const item = model.openRequests.get(event.id);
    if (item?.kind !== 'question') return;
    model.openRequests.delete(event.id);
    item.answer = { answers: event.answers, by: event.by, ts: event.ts ?? '' };
    model.touch(item);
  },

  task_started(model, event) {
    const { id, kind: taskKind, title } = event;
    const item = /** @type {TaskItem} */ (model.pushToTimeline(event, { kind: 'task', id, taskKind, title, message: '', status: 'running' }));
    model.tasks.set(id, item);
  },

  task_updated(model, event) {
    const item = model.tasks.get(event.id);
    if (!item) return;
    item.message = event.message;
    model.touch(item);
  },

  task_ended(model, event) {
    const item = model.tasks.get(event.id);
    if (!item) return;
    model.tasks.delete(event.id);
    item.status = event.status;
    item.message = event.message ?? '';
    model.touch(item);
  },

  changes(model, event) {
    model.changes = event;
    const { files, insertions, deletions } = event;
    model.pushToTimeline(event, { kind: 'changes', files, insertions, deletions });
  },

  session_updated(model, event) {
    model.title = event.title ?? model.title;
    model.commands = event.commands ?? model.commands;
  },

  usage(model, event) {
    model.usage = event;
  },

  notice(model, event) {
    if (event.code === 'waiting_for_reset') model.isWaitingForReset = true;
    if (event.code === 'resumed') model.isWaitingForReset = false;
    model.push(event, { kind: 'notice', level: event.level, code: event.code, message: event.message, data: event.data });
  },

  // Connections that worked are in the log only.
  network(model, event) {
    if (!event.reason) return;
    const host = event.port ? `${event.host}:${event.port}` : event.host;
    model.push(event, { kind: 'notice', level: 'warning', code: `network_${event.reason}`, message: host, data: event });
  },

  log: (model, event) => appendLine(model, event, 'log', event.content),

  raw: (model, event) => appendLine(model, event, 'raw', event.line),

  agent_error(model, event) {
    const isRepeated = isSameText(event.message, model.lastMessage) || (model.lastError !== null && isSameText(event.message, model.lastError.message));
    const push = isRepeated ? model.push : model.pushToTimeline;
    model.lastError = /** @type {AgentErrorItem} */ (push.call(model, event, { kind: 'agent_error', code: event.code, message: event.message, retryable: event.retryable, isRepeated }));
  },

  done(model, event) {
    model.done = event;
    if (event.usage) model.usage = event.usage;
    for (const [key, message] of model.openMessages) closeMessage(model, key, message);
    // Tool calls that never got a result.
    for (const item of model.runningTools) {
      item.status = 'unfinished';
      model.touch(item);
    }
    model.runningTools.clear();
    for (const item of model.tasks.values()) {
      item.status = 'unfinished';
      model.touch(item);
    }
    model.tasks.clear();
    const shown = [model.lastMessage, model.lastError?.message ?? ''];
    const isShown = (/** @type {string | undefined} */ text) => !text || shown.some((other) => isSameText(text, other));
    const isMessageShown = isShown(event.message);
    const isResultShown = isShown(event.result) || isSameText(event.result, event.message ?? '');
    const workMs = workDuration({ started_at: model.started?.ts, ended_at: event.ts });
    model.pushToTimeline(event, { kind: 'done', done: event, isResultShown, isMessageShown, workMs });
  },
};

/** Whether two texts are the same to a reader. @param {string} one @param {string} other */
const isSameText = (one, other) => one.trim() !== '' && one.replace(/\s+/g, ' ').trim() === other.replace(/\s+/g, ' ').trim();

/** The message of each section. @type {WeakMap<TextItem, Message>} */
const messages = new WeakMap();

/** The whole text of the message that a section belongs to. @param {TextItem} item */
export const messageText = (item) => (messages.get(item)?.sections ?? [item]).map((section) => section.text.toString()).join('');

/** @returns {Message} */
const newMessage = () => ({ sections: [], splitter: new SectionSplitter(), length: 0 });

/** The key of a message in `openMessages`. @param {RunEvent} event @param {string | undefined} messageId */
function messageKey(event, messageId) {
  return `${event.parent_tool_call_id ?? ''}\n${messageId ?? ''}`;
}

/** Appends to a message. A new section starts only if the message is the last item: sections are never inserted between items.
 * @param {RunModel} model
 * @param {RunEvent} event
 * @param {Message} message
 * @param {string} piece */
function appendToMessage(model, event, message, piece) {
  let section = message.sections.at(-1) ?? addSection(model, event, message, '');
  let start = 0;
  for (const { index, fence } of message.splitter.feed(piece)) {
    if (model.lastItem(event) !== section) continue;
    section.text.append(piece.slice(start, index));
    section.isOpen = false;
    model.touch(section);
    section = addSection(model, event, message, fence);
    start = index;
  }
  section.text.append(start ? piece.slice(start) : piece);
  message.length += piece.length;
  model.touch(section);
}

/** @param {RunModel} model @param {RunEvent} event @param {Message} message @param {string} fence */
function addSection(model, event, message, fence) {
  const isFirst = message.sections.length === 0;
  const fields = { kind: 'text', text: new TextBuffer(), fence, isFirst, isOpen: true };
  const section = /** @type {TextItem} */ (isFirst ? model.pushToTimeline(event, fields) : model.push(event, fields));
  message.sections.push(section);
  messages.set(section, message);
  return section;
}

/** Replaces the tokens of a message by its final text, which is usually the same.
 * @param {RunModel} model
 * @param {RunEvent} event
 * @param {Message} message */
function finishMessage(model, event, message) {
  const { sections } = message;
  // An interrupted message without an id may precede it in the same sections.
  const isSame = message.length >= event.content.length && sections.map((section) => section.text.toString()).join('').endsWith(event.content);
  if (!isSame) {
    for (const section of sections) section.text = new TextBuffer();
    // The first section gets the whole text, so the message stays where it started.
    const [first] = sections;
    if (!first) appendToMessage(model, event, message, event.content);
    else first.text.append(event.content);
  }
  for (const section of sections) {
    section.isOpen = false;
    model.touch(section);
  }
}

/** Ends a message without a final text. @param {RunModel} model @param {string} key @param {Message} message */
function closeMessage(model, key, message) {
  model.openMessages.delete(key);
  for (const section of message.sections.filter(({ isOpen }) => isOpen)) {
    section.isOpen = false;
    model.touch(section);
  }
}

/** The running tool call whose input names the file, or the only running call.
 * @param {RunModel} model
 * @param {string} path
 * @returns {ToolItem | undefined} */
function findChangingTool(model, path) {
  // Few calls run at once.
  for (const item of model.runningTools) {
    const inputPath = pathOf(item.input);
    if (inputPath && (path === inputPath || path.endsWith(`/${inputPath}`))) return item;
  }
  if (model.runningTools.size !== 1) return undefined;
  const [only] = model.runningTools;
  return only.items.length ? undefined : only;
}

/** The file path in a tool's input; agents use different names for it.
 * @param {any} input
 * @returns {string | undefined} */
export function pathOf(input) {
  if (typeof input !== 'object' || input === null) return undefined;
  const path = input.file_path ?? input.filePath ?? input.path ?? input.notebook_path;
  return typeof path === 'string' ? path : undefined;
}

/** @param {RunModel} model @param {RunEvent} event @param {'log' | 'raw'} kind @param {string} line */
function appendLine(model, event, kind, line) {
  const last = model.lastItem(event);
  const item = last?.kind === kind ? last : /** @type {LinesItem} */ (model.push(event, { kind, text: new CappedText(), lines: 0 }));
  item.text.append(item.lines ? `\n${line}` : line);
  item.lines += 1;
  model.touch(item);
}
