/** A notice as a ticket: the body that Jira, ServiceNow or a template of the tenant's asks for. Pure. */
import type { TicketDefinition } from '#shared/definitions/notify-schema.ts';
import { renderTicket } from '#shared/definitions/ticket-template.ts';
import { plainText } from './plain-text.ts';
import { linesOf, type NoticeDelivery, titleOf } from './write-messages.ts';

/** Jira takes 255 characters, ServiceNow 160. */
const LONGEST_TITLE = 160;

/** @throws Error for a template that cannot be rendered, which applying it has ruled out. */
export function writeTicketBody(delivery: NoticeDelivery, ticket: TicketDefinition): string {
  return renderTicket(ticket.template ?? templateOf(ticket), {
    id: delivery.id,
    tenant: delivery.tenantId,
    route: delivery.route,
    channel: delivery.channel,
    notice: delivery.notices[0]?.notice ?? '',
    title: titleWithFile(delivery),
    text: linesOf(delivery).join('\n'),
    file: plainText(delivery.notices[0]?.file?.name ?? '', LONGEST_TITLE),
    file_id: delivery.notices[0]?.file?.id ?? '',
    job: delivery.notices[0]?.event.jobId ?? '',
    review_url: delivery.notices[0]?.reviewUrl ?? '',
  });
}

function templateOf({ system, project, issueType }: TicketDefinition): unknown {
  if (system === 'servicenow')
    // https://docs.servicenow.com, Table API: POST /api/now/table/incident. The same correlation_id shows a repeat.
    return {
      short_description: '{{ title }}',
      description: '{{ text }}',
      correlation_id: '{{ id }}',
      correlation_display: 'Longshore',
    };
  // https://developer.atlassian.com/server/jira/platform/rest: POST /rest/api/2/issue.
  return {
    fields: {
      project: { key: project },
      issuetype: { name: issueType ?? 'Task' },
      summary: '{{ title }}',
      description: '{{ text }}\n\nLongshore notice {{ id }}',
      labels: ['longshore'],
    },
  };
}

function titleWithFile(delivery: NoticeDelivery): string {
  const [only, ...others] = delivery.notices;
  const name = others.length === 0 && only?.file ? ` ${plainText(only.file.name, LONGEST_TITLE)}` : '';
  return `${titleOf(delivery)}${name}`.slice(0, LONGEST_TITLE).toWellFormed();
}
