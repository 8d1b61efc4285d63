// From a run's events to what is shown of it: a pure reducer. The same events give the same model, whether they come one by one,
// in batches or again after a reload, and each costs the same however many came before.

import { Cutter, Output, Pieces } from './text_buffers.js';

/** @typedef {{ seq?: number, ts?: string, type: string, [field: string]: any }} RunEvent */

/** What all items have. `rev` grows with each change, so that whoever shows an item can tell an old picture from a new one.
 * @typedef {{ key: number, seq: number, ts: string, rev: number, parent: ToolItem | null }} Common */
/** A section of a message. `fence` is the line that opens the block of code in whose middle the section begins.
 * @typedef {Common & { kind: 'text', text: Pieces, fence: string, isFirst: boolean, isOpen: boolean }} TextItem */
/** @typedef {Common & { kind: 'thinking', text: Pieces, until: string, isOpen: boolean, messageId: string }} ThinkingItem */
/** @typedef {Common & { kind: 'user', text: string, mode: string }} UserItem */
/** What the agent program says in the user's place or its own. @typedef {Common & { kind: 'said', role: string, text: string }} SaidItem */
/** @typedef {Common & { kind: 'tool', id: string, name: string, tool: string, title: string, input: any, output: Output,
 *   status: 'running' | 'ok' | 'error' | 'denied' | 'cut', result: string, durationMs: number | undefined,
 *   items: Item[], changes: ChangeItem[], request: PermissionItem | null, isPlan: boolean }} ToolItem */
/** @typedef {Common & { kind: 'change', path: string, change: string, diff: string | undefined }} ChangeItem */
/** @typedef {{ content: string, status: string }} PlanEntry */
/** @typedef {Common & { kind: 'plan', entries: PlanEntry[] }} PlanItem */
/** @typedef {{ decision: string, by: string, reason: string, ts: string }} Decision */
/** @typedef {Common & { kind: 'permission', id: string, tool: string, toolKind: string, input: any, options: string[],
 *   expiresAt: string | undefined, decision: Decision | null }} PermissionItem */
/** @typedef {{ text: string, options?: string[], multiple?: boolean }} Question */
/** @typedef {Common & { kind: 'question', id: string, questions: Question[], expiresAt: string | undefined,
 *   answer: { answers: string[][], by: string, ts: string } | null }} QuestionItem */
/** @typedef {Common & { kind: 'notice', level: string, code: string, message: string, data: any }} NoticeItem */
/** Lines that follow each other are one item. @typedef {Common & { kind: 'log' | 'raw', text: Output, lines: number }} LinesItem */
/** @typedef {Common & { kind: 'error', code: string, message: string, retryable: boolean }} ErrorItem */
/** @typedef {Common & { kind: 'started', started: RunEvent }} StartedItem */
/** @typedef {Common & { kind: 'done', done: RunEvent, isSaid: boolean }} DoneItem */
/** @typedef {TextItem | ThinkingItem | UserItem | SaidItem | ToolItem | ChangeItem | PlanItem | PermissionItem | QuestionItem
 *   | NoticeItem | LinesItem | ErrorItem | StartedItem | DoneItem} Item */

/** A message under way: its sections, and where it may be cut. `whole` is its length.
 * @typedef {{ sections: TextItem[], cutter: Cutter, whole: number, isOpen: boolean }} Message */

/** One run as its events tell it. */
export class RunModel {
  constructor() {
    /** Number of the last event. */
    this.seq = 0;
    /** The conversation, in order. @type {Item[]} */
    this.items = [];
    /** Where somebody may want to jump to: places in `items`. @type {number[]} */
    this.marks = [];
    /** Requests that nobody has answered, oldest first. @type {Map<string, PermissionItem | QuestionItem>} */
    this.open = new Map();
    /** @type {PlanItem | null} */
    this.plan = null;
    /** The last totals. @type {RunEvent | null} */
    this.usage = null;
    /** @type {RunEvent | null} */
    this.queued = null;
    /** @type {RunEvent | null} */
    this.started = null;
    /** @type {RunEvent | null} */
    this.done = null;
    /** How many events there are of each type. @type {Record<string, number>} */
    this.counts = Object.create(null);

    this.nextKey = 1;
    /** @type {Map<string, ToolItem>} */
    this.tools = new Map();
    /** Calls without a result, oldest first. @type {Set<ToolItem>} */
    this.running = new Set();
    /** Messages that are being written, by speaker and id. @type {Map<string, Message>} */
    this.messages = new Map();
    /** The text that the agent itself said last. */
    this.lastSaid = '';
  }

  /** What the run is doing, by the words of the API. */
  get status() {
    if (this.done) return String(this.done.status);
    if (this.open.size) return 'waiting';
    if (this.started) return 'running';
    return this.queued ? 'queued' : 'starting';
  }

  /** Takes in one event. An event of a type that is not known changes nothing but the count.
   * @param {RunEvent} event */
  apply(event) {
    if (event.seq !== undefined) this.seq = event.seq;
    this.counts[event.type] = (this.counts[event.type] ?? 0) + 1;
    const method = Object.hasOwn(APPLY, event.type) ? APPLY[event.type] : undefined;
    method?.(this, event);
  }

  /** Puts an item at the end of the conversation, or of what a sub-agent does.
   * @template {Item} T
   * @param {RunEvent} event
   * @param {Record<string, any>} fields the item's own
   * @returns {T} */
  push(event, fields) {
    const parent = this.parentOf(event);
    const item = /** @type {T} */ (/** @type {unknown} */ ({ ...this.common(event, parent), ...fields }));
    const items = parent?.items ?? this.items;
    this.endThinking(items.at(-1));
    items.push(item);
    this.touch(item);
    return item;
  }

  /** The same, for what the timeline shows if the agent itself does it.
   * @template {Item} T
   * @param {RunEvent} event
   * @param {Record<string, any>} fields the item's own
   * @returns {T} */
  pushMarked(event, fields) {
    /** @type {T} */
    const item = this.push(event, fields);
    if (!item.parent) this.marks.push(this.items.length - 1);
    return item;
  }

  /** @param {RunEvent} event @param {ToolItem | null} parent @returns {Common} */
  common(event, parent) {
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
    for (let at = /** @type {Item | null} */ (item); at; at = at.parent) at.rev += 1;
  }

  /** @param {RunEvent} event @returns {ToolItem | null} */
  parentOf(event) {
    return (event.parent_tool_call_id && this.tools.get(event.parent_tool_call_id)) || null;
  }

  /** The last item of whoever speaks in this event. @param {RunEvent} event @returns {Item | undefined} */
  lastOf(event) {
    return (this.parentOf(event)?.items ?? this.items).at(-1);
  }
}

/** What comes between two messages, so that tokens after it that do not say whose they are belong to the second. */
const ENDS_SPEECH = new Set(['tool', 'user', 'thinking', 'question']);

/** What each type of event does.
 * @type {Record<string, (model: RunModel, event: RunEvent) => void>} */
const APPLY = {
  run_queued(model, event) {
    model.queued = event;
  },

  run_started(model, event) {
    model.started = event;
    /** @type {StartedItem} */ (model.push(event, { kind: 'started', started: event }));
  },

  token(model, event) {
    if (!event.content) return;
    const key = speech(event, event.message_id);
    let message = model.messages.get(key);
    if (message && !event.message_id && ENDS_SPEECH.has(model.lastOf(event)?.kind ?? '')) {
      close(model, key, message);
      message = undefined;
    }
    if (!message) {
      message = { sections: [], cutter: new Cutter(), whole: 0, isOpen: true };
      model.messages.set(key, message);
    }
    write(model, event, message, event.content);
  },

  thinking(model, event) {
    if (!event.content) return;
    let item = model.lastOf(event);
    const messageId = event.message_id ?? '';
    if (item?.kind !== 'thinking' || item.messageId !== messageId) {
      item = /** @type {ThinkingItem} */ (model.push(event, { kind: 'thinking', text: new Pieces(), until: '', isOpen: true, messageId }));
    }
    item.text.append(event.content);
    item.until = event.ts ?? '';
    model.touch(item);
  },

  message(model, event) {
    if (event.role !== 'assistant') {
      model.pushMarked(event, { kind: 'said', role: event.role, text: event.content });
      return;
    }
    // Tokens that do not say whose they are belong to the message that comes next.
    const key = [speech(event, event.message_id), speech(event, undefined)].find((one) => model.messages.has(one));
    const message = key === undefined ? undefined : model.messages.get(key);
    if (key !== undefined) model.messages.delete(key);
    finish(model, event, message ?? { sections: [], cutter: new Cutter(), whole: 0, isOpen: true });
    if (!event.parent_tool_call_id) model.lastSaid = event.content;
  },

  user_message(model, event) {
    model.pushMarked(event, { kind: 'user', text: event.content, mode: event.mode });
  },

  tool_call(model, event) {
    const { id, name, kind: tool, title, input } = event;
    // Thinking aloud, plans for the most part, is nowhere to jump to.
    const push = tool === 'think' ? model.push : model.pushMarked;
    const item = /** @type {ToolItem} */ (push.call(model, event, {
      kind: 'tool', id, name, tool, title, input, output: new Output(), status: 'running', result: '', durationMs: undefined,
      items: [], changes: [], request: null, isPlan: false,
    }));
    model.tools.set(id, item);
    model.running.add(item);
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
    // What came as output before is not said again, unless it is something else.
    if (!item.output.length) item.output.append(event.content);
    else if (item.status !== 'ok') item.result = event.content;
    item.durationMs = event.duration_ms;
    model.running.delete(item);
    model.endThinking(item.items.at(-1));
    // Only a sub-agent has messages of its own.
    for (const [key, message] of item.items.length ? model.messages : []) {
      if (key.startsWith(`${event.id}\n`)) close(model, key, message);
    }
    model.touch(item);
  },

  file_change(model, event) {
    const tool = callThatChanged(model, event.path);
    const fields = { path: event.path, change: event.kind, diff: event.diff };
    if (!tool) {
      model.pushMarked(event, { kind: 'change', ...fields });
      return;
    }
    const item = /** @type {ChangeItem} */ ({ ...model.common(event, tool), kind: 'change', ...fields });
    tool.changes.push(item);
    model.touch(item);
  },

  plan(model, event) {
    // The call that writes the plan says nothing that the plan does not.
    for (const item of [...model.running, model.items.at(-1)]) {
      if (item?.kind !== 'tool' || item.tool !== 'think' || item.items.length) continue;
      item.isPlan = true;
      model.touch(item);
    }
    if (!model.plan) {
      model.plan = /** @type {PlanItem} */ (model.pushMarked(event, { kind: 'plan', entries: event.entries }));
      return;
    }
    model.plan.entries = event.entries;
    model.touch(model.plan);
  },

  permission_request(model, event) {
    const { id, tool, kind: toolKind, input, options, expires_at: expiresAt } = event;
    const fields = { kind: 'permission', id, tool, toolKind, input, options, expiresAt, decision: null };
    const call = model.tools.get(event.tool_call_id);
    /** @type {PermissionItem} */
    let item;
    if (call) {
      item = /** @type {any} */ ({ ...model.common(event, call), ...fields });
      call.request = item;
      model.touch(item);
    } else {
      item = model.pushMarked(event, fields);
    }
    model.open.set(id, item);
  },

  permission_resolved(model, event) {
    const item = model.open.get(event.id);
    if (item?.kind !== 'permission') return;
    model.open.delete(event.id);
    item.decision = { decision: event.decision, by: event.by, reason: event.reason ?? '', ts: event.ts ?? '' };
    model.touch(item);
  },

  question(model, event) {
    const { id, questions, expires_at: expiresAt } = event;
    const item = /** @type {QuestionItem} */ (model.pushMarked(event, { kind: 'question', id, questions, expiresAt, answer: null }));
    model.open.set(id, item);
  },

  question_resolved(model, event) {
    const item = model.open.get(event.id);
    if (item?.kind !== 'question') return;
    model.open.delete(event.id);
    item.answer = { answers: event.answers, by: event.by, ts: event.ts ?? '' };
    model.touch(item);
  },

  usage(model, event) {
    model.usage = event;
  },

  notice(model, event) {
    model.push(event, { kind: 'notice', level: event.level, code: event.code, message: event.message, data: event.data });
  },

  log: (model, event) => addLines(model, event, 'log', event.content),

  raw: (model, event) => addLines(model, event, 'raw', event.line),

  error(model, event) {
    model.pushMarked(event, { kind: 'error', code: event.code, message: event.message, retryable: event.retryable });
  },

  done(model, event) {
    model.done = event;
    if (event.usage) model.usage = event.usage;
    for (const [key, message] of model.messages) close(model, key, message);
    // Calls that the end has overtaken.
    for (const item of model.running) {
      item.status = 'cut';
      model.touch(item);
    }
    model.running.clear();
    const isSaid = !event.result || event.result.trim() === model.lastSaid.trim();
    model.pushMarked(event, { kind: 'done', done: event, isSaid });
  },
};

/** Who speaks, and in which message. @param {RunEvent} event @param {string | undefined} messageId */
function speech(event, messageId) {
  return `${event.parent_tool_call_id ?? ''}\n${messageId ?? ''}`;
}

/** Appends to a message. A new section begins only at the end of the conversation: nothing is ever put in between.
 * @param {RunModel} model
 * @param {RunEvent} event
 * @param {Message} message
 * @param {string} piece */
function write(model, event, message, piece) {
  let section = message.sections.at(-1) ?? addSection(model, event, message, '');
  let from = 0;
  for (const { at, fence } of message.cutter.feed(piece)) {
    if (model.lastOf(event) !== section) continue;
    section.text.append(piece.slice(from, at));
    section.isOpen = false;
    model.touch(section);
    section = addSection(model, event, message, fence);
    from = at;
  }
  section.text.append(from ? piece.slice(from) : piece);
  message.whole += piece.length;
  model.touch(section);
}

/** @param {RunModel} model @param {RunEvent} event @param {Message} message @param {string} fence */
function addSection(model, event, message, fence) {
  const isFirst = message.sections.length === 0;
  const fields = { kind: 'text', text: new Pieces(), fence, isFirst, isOpen: true };
  const section = /** @type {TextItem} */ (isFirst ? model.pushMarked(event, fields) : model.push(event, fields));
  message.sections.push(section);
  return section;
}

/** A finished message takes the place of its tokens, which mostly are the same.
 * @param {RunModel} model
 * @param {RunEvent} event
 * @param {Message} message */
function finish(model, event, message) {
  const { sections } = message;
  // An interrupted message that did not say its name may stand before it.
  const isSame = message.whole >= event.content.length && sections.map((section) => section.text.toString()).join('').endsWith(event.content);
  if (!isSame) {
    for (const section of sections) section.text = new Pieces();
    // What is left of the sections is written from the first one on, so that the message stays where it began.
    const [first] = sections;
    if (!first) write(model, event, message, event.content);
    else first.text.append(event.content);
  }
  for (const section of sections) {
    section.isOpen = false;
    model.touch(section);
  }
}

/** No more of this message will come. @param {RunModel} model @param {string} key @param {Message} message */
function close(model, key, message) {
  model.messages.delete(key);
  for (const section of message.sections.filter((one) => one.isOpen)) {
    section.isOpen = false;
    model.touch(section);
  }
}

/** The call that is under way and names this file; if it is the only one, whatever it names.
 * @param {RunModel} model
 * @param {string} path
 * @returns {ToolItem | undefined} */
function callThatChanged(model, path) {
  // There are as many calls under way as the agent makes at once: few.
  for (const item of model.running) {
    const named = pathOf(item.input);
    if (named && (path === named || path.endsWith(`/${named}`))) return item;
  }
  if (model.running.size !== 1) return undefined;
  const [only] = model.running;
  return only.items.length ? undefined : only;
}

/** The file that a tool's input names, whatever the agent calls that.
 * @param {any} input
 * @returns {string | undefined} */
export function pathOf(input) {
  if (typeof input !== 'object' || input === null) return undefined;
  const path = input.file_path ?? input.filePath ?? input.path ?? input.notebook_path;
  return typeof path === 'string' ? path : undefined;
}

/** @param {RunModel} model @param {RunEvent} event @param {'log' | 'raw'} kind @param {string} line */
function addLines(model, event, kind, line) {
  const last = model.lastOf(event);
  const item = last?.kind === kind ? last : /** @type {LinesItem} */ (model.push(event, { kind, text: new Output(), lines: 0 }));
  item.text.append(item.lines ? `\n${line}` : line);
  item.lines += 1;
  model.touch(item);
}
