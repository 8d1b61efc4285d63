/** The agents and their capabilities, loaded once. */
import { request } from '../api.js';
import { signal } from '../html.js';
import { isLive } from './run_status.js';

/** Capabilities by `agent_type`; null until loaded. @type {import('../../vendor/vendor.js').Signal<Map<string, any> | null>} */
export const agentCapabilities = signal(null);

/** The agents that can be started, by `agent_type`. @type {import('../../vendor/vendor.js').Signal<string[]>} */
export const availableAgents = signal([]);

let isLoading = false;

export async function loadAgentCapabilities() {
  if (isLoading) return;
  isLoading = true;
  try {
    const [{ items }, health] = await Promise.all([request('GET', '/api/agents'), request('GET', '/health/agents')]);
    availableAgents.value = health.items.filter((/** @type {any} */ { available }) => available).map((/** @type {any} */ { agent_type: agentType }) => agentType);
    agentCapabilities.value = new Map(items.map((/** @type {any} */ agent) => [agent.agent_type, agent.capabilities]));
  } catch {
    // Without capabilities the composer offers what every agent supports. Try again next time.
    isLoading = false;
  }
}

/** Whether a run takes a message: while it is live, or afterwards as a continuation of its session. @param {string | undefined} agentType @param {string} status */
export function acceptsMessages(agentType, status) {
  const capabilities = agentCapabilities.value?.get(agentType ?? '') ?? {};
  return status !== 'stopping' && (isLive(status) ? capabilities.messages !== false : capabilities.resume !== false);
}
