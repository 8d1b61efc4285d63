/** Agents to choose from, each with how it is and what it lacks. */
import { html } from '../html.js';
import { agentName } from '../agent_names.js';
import { t } from '../i18n.js';
import { CopyButton } from '../ui/button.js';
import { Badge } from '../ui/misc.js';

/** @param {{agents: any[], chosen: string, onChoose: (name: string) => void, error: string | null}} props */
export function AgentCards({ agents, chosen, onChoose, error }) {
  const current = agents.find(({ name }) => name === chosen);
  return html`<fieldset class="cards"><legend>${t('new.agent')}</legend>
    <div class="card-row card-row-small">${agents.map((agent) => html`
      <label key=${agent.name} class="card ${agent.name === chosen ? 'card-chosen' : ''}">
        <input type="radio" name="agent" value=${agent.name} checked=${agent.name === chosen} onChange=${() => onChoose(agent.name)} />
        <span class="card-title">${agentName(agent.name)}</span>
        <span class="card-foot"><${AgentState} agent=${agent} />${agent.version && html`<span class="faint mono">${agent.version}</span>`}</span>
      </label>`)}</div>
    ${current && html`<${AgentHelp} agent=${current} />`}
    ${error && html`<p class="error" role="alert">${error}</p>`}
  </fieldset>`;
}

/** @param {{agent: any}} props */
export function AgentState({ agent }) {
  if (!agent.available) return html`<${Badge} tone="err">${t(agent.path ? 'agent.broken' : 'agent.missing')}<//>`;
  if (agent.authenticated === 'no') return html`<${Badge} tone="warn">${t('agent.no_login')}<//>`;
  return html`<${Badge} tone="ok">${t('agent.ready')}<//>`;
}

/** What is to be done before it can be used; nothing if nothing is. @param {{agent: any}} props */
export function AgentHelp({ agent }) {
  const command = !agent.available ? agent.install : agent.authenticated === 'no' ? agent.login : null;
  if (agent.available && !command) return null;
  return html`<div class="agent-help">
    ${agent.error && (agent.path || !command) && html`<p>${agent.error}</p>`}
    ${command && html`<p>${t(agent.available ? 'agent.login' : 'agent.install')}</p>
      <div class="command"><code>${command}</code><${CopyButton} text=${command} /></div>`}
  </div>`;
}
