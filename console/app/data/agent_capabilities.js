/** Capabilities of the agents, loaded once. */
import { request } from '../api.js';
import { signal } from '../html.js';

/** Capabilities by `agent_type`; null until loaded. @type {import('../../vendor/vendor.js').Signal<Map<string, any> | null>} */
export const agentCapabilities = signal(null);

let isLoading = false;

export async function loadAgentCapabilities() {
  if (isLoading) return;
  isLoading = true;
  try {
    const { items } = await request('GET', '/api/agents');
    agentCapabilities.value = new Map(items.map((/** @type {any} */ agent) => [agent.agent_type, agent.capabilities]));
  } catch {
    // Without capabilities the composer offers what every agent supports. Try again next time.
    isLoading = false;
  }
}
