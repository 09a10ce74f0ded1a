import { Counter, type Registry } from 'prom-client';

export function countChatRequests(registry: Registry) {
  return new Counter({
    name: 'longshore_chat_requests_total',
    help: 'Requests of Slack and Teams, by how they were answered.',
    labelNames: ['chat', 'outcome'] as const,
    registers: [registry],
  });
}
