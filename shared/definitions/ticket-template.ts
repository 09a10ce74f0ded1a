/**
 * The body of a ticket: JSON whose texts are templates, such as `{ short_description: "{{ title }}" }`. Pure.
 *
 * A value is put into a text before the text becomes JSON, so that nothing in a name ends it.
 */
import { createLiquid } from '#shared/text/create-liquid.ts';

export const TICKET_VALUES = [
  'id',
  'tenant',
  'route',
  'channel',
  'notice',
  'title',
  'text',
  'file',
  'file_id',
  'job',
  'review_url',
] as const;
export type TicketValues = Readonly<Record<(typeof TICKET_VALUES)[number], string>>;

const LONGEST_TEMPLATE = 4_000;
const DEEPEST = 8;
const MOST_TEXTS = 200;
const FILTERS = 'downcase upcase default truncate';

const engine = createLiquid({ longestTemplate: LONGEST_TEMPLATE, filters: FILTERS });
const SAMPLE = Object.fromEntries(TICKET_VALUES.map((name) => [name, name])) as TicketValues;

/** @throws Error that says what is wrong with the template. */
export function renderTicket(template: unknown, values: TicketValues): string {
  let texts = 0;
  const render = (value: unknown, depth: number): unknown => {
    if (depth > DEEPEST) throw new Error(`the template is nested over ${DEEPEST} levels`);
    if (typeof value === 'string') {
      texts += 1;
      if (texts > MOST_TEXTS) throw new Error(`the template has over ${MOST_TEXTS} texts`);
      return engine.parseAndRenderSync(value, values);
    }
    if (Array.isArray(value)) return value.map((each) => render(each, depth + 1));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, render(each, depth + 1)]));
  };
  return JSON.stringify(render(template, 0));
}

/** What is wrong with a template; undefined when it can be used. */
export function faultOfTicketTemplate(template: unknown): string | undefined {
  try {
    renderTicket(template, SAMPLE);
    return undefined;
  } catch (error) {
    const [line = ''] = String(error instanceof Error ? error.message : error).split('\n');
    return `${line.slice(0, 200)}; a template may use ${TICKET_VALUES.join(', ')}`;
  }
}
