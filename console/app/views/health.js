/** Health of the server and its agents. */
import { request } from '../api.js';
import { feedState } from '../data/feed.js';
import { useFetch } from '../data/fetch.js';
import { html, useEffect } from '../html.js';
import { agentName } from '../agent_names.js';
import { duration } from '../format.js';
import { t } from '../i18n.js';
import { Badge } from '../ui/badge.js';
import { PageHeader } from '../ui/page_header.js';
import { Problem } from '../ui/problem.js';
import { Spinner } from '../ui/spinner.js';
import { AgentAvailability, AgentHelp } from './agent_cards.js';

const REFRESH_INTERVAL_MS = 15_000;

export function HealthView() {
  const { data, problem, reload } = useFetch(async (signal) => {
    const [server, agents] = await Promise.all([request('GET', '/health', undefined, { signal }), request('GET', '/health/agents', undefined, { signal })]);
    return { server, agents: agents.items };
  }, []);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || reload(), REFRESH_INTERVAL_MS);
    return () => clearInterval(timer);
  }, []);
  return html`<div class="view view-scroll"><${PageHeader} title=${t('nav.health')} /><div class="column">
    <${Problem} problem=${problem} onRetry=${reload} />
    ${data === null ? !problem && html`<${Spinner} label=${t('loading')} />` : html`
      <dl class="totals">
        <div><dt>${t('health.server')}</dt><dd><${Badge} tone=${data.server.status === 'ok' ? 'ok' : 'err'}>${t(`health.${data.server.status}`)}<//></dd></div>
        <div><dt>${t('health.version')}</dt><dd>${data.server.version}</dd></div>
        <div><dt>${t('health.uptime')}</dt><dd>${duration(data.server.uptime * 1000)}</dd></div>
        <div><dt>${t('health.connection')}</dt><dd><${Badge} tone=${feedState.value === 'live' ? 'ok' : 'warn'}>${t(`connection.${feedState.value}`)}<//></dd></div>
      </dl>
      ${data.server.status !== 'ok' && html`<p class="problem" role="alert">${t('health.degraded_text')}</p>`}
      <h2>${t('health.agents')}</h2>
      <ul class="panel-list">${data.agents.map((/** @type {any} */ agent) => html`<li key=${agent.agent_type} class="panel">
        <div class="panel-head"><h3>${agentName(agent.agent_type)}</h3><span class="faint mono">${agent.version}</span><${AgentAvailability} agent=${agent} /></div>
        ${agent.path && html`<p class="hint mono">${agent.path}</p>`}
        <${AgentHelp} agent=${agent} /></li>`)}</ul>`}
  </div></div>`;
}
