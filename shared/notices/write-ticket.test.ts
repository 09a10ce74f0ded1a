import { describe, expect, test } from 'vitest';
import { channelSchema } from '#shared/definitions/notify-schema.ts';
import type { NoticeDelivery } from './write-messages.ts';
import { writeTicketBody } from './write-ticket.ts';

const NAME = 'a"},{"b\\":\n<x>@here{{ id }}.csv';
const delivery: NoticeDelivery = {
  id: 'e1',
  tenantId: 'acme',
  route: '',
  channel: 'desk',
  notices: [
    {
      notice: 'held',
      reviewUrl: 'https://longshore.example/review?link=a.b',
      event: { id: 'e1', type: 'job.held', time: '2026-01-02T03:04:05Z', actor: 'w', jobId: 'j1', data: {} },
      file: { id: 'f1', name: NAME, key: `acme/${NAME}`, sizeBytes: 5 },
      jobs: [],
    },
  ],
};

const parse = (ticket: object) =>
  channelSchema.safeParse({ name: 'desk', on: ['held'], ticket: { urlSecret: 'url', ...ticket } });
function bodyOf(ticket: object) {
  const parsed = parse(ticket);
  if (!parsed.success || parsed.data.ticket === undefined) throw new Error(JSON.stringify(parsed.error?.issues));
  return JSON.parse(writeTicketBody(delivery, parsed.data.ticket));
}

test('Jira gets an issue of the project', () => {
  const { fields } = bodyOf({ system: 'jira', project: 'OPS', issueType: 'Incident' });
  expect(fields).toMatchObject({ project: { key: 'OPS' }, issuetype: { name: 'Incident' }, labels: ['longshore'] });
  expect(fields.summary).toMatch(/^acme: held a"/);
  expect(fields.summary).not.toMatch(/\n/);
  expect(fields.description).toContain('https://longshore.example/review?link=a.b');
});

test('ServiceNow gets an incident that carries the id of the notice', () => {
  expect(bodyOf({ system: 'servicenow' })).toMatchObject({
    short_description: expect.stringMatching(/^acme: held/),
    correlation_id: 'e1',
    correlation_display: 'Longshore',
  });
});

test('a template of one’s own keeps its form, whatever a name holds', () => {
  const template = {
    title: '{{ file }}',
    nested: [{ of: '{{ tenant | upcase }}/{{ job }}', n: 3, is: true, none: null }],
    fix: 'x',
  };
  const body = bodyOf({ template });
  expect(body.nested).toEqual([{ of: 'ACME/j1', n: 3, is: true, none: null }]);
  expect(Object.keys(body)).toEqual(['title', 'nested', 'fix']);
  expect(body.title).toContain('{{ id }}');
});

describe('a definition is refused', () => {
  test.each([
    ['without a form', {}],
    ['with two forms', { system: 'servicenow', template: { a: 'b' } }],
    ['for Jira without a project', { system: 'jira' }],
    ['with a value that there is not', { template: { a: '{{ password }}' } }],
    ['with a template that does not end', { template: { a: '{{ id' } }],
    ['with a loop', { template: { a: '{% for i in (1..9) %}x{% endfor %}' } }],
    ['that is too deep', { template: { a: [[[[[[[[['x']]]]]]]]] } }],
  ])('%s', (_what, ticket) => {
    expect(parse(ticket).success).toBe(false);
  });
});
