/**
 * Templates for keys and names, e.g. `{{ tenant }}/{{ year }}/{{ stem | downcase }}.csv`, in a small, safe part of Liquid.
 *
 * 1. The same file gives the same text on every try: no clock, no randomness; dates are those of the file's arrival, in the zone that its
 *    tenant had then.
 * 2. A template reads nothing but the values below, includes no file, and is bounded in length, in what it allocates and in its result; there
 *    are not loops, so that bounds its time too. LiquidJS's own limit of time is wall-clock time: a stalled process would fail a good template.
 */
import { Drop, type Liquid } from 'liquidjs';
import { createLiquid } from '#shared/text/create-liquid.ts';

export interface TemplateFacts {
  readonly tenantId: string;
  /** The file's key, which begins with the tenant's id. */
  readonly key: string;
  /** The name as it is now; a transform may have changed it. */
  readonly name: string;
  readonly fileId: string;
  readonly jobId: string;
  readonly routeName: string;
  readonly receivedAt: Date;
  /** IANA name. */
  readonly timeZone: string;
  /** What the steps `enrich` before it found. */
  readonly facts?: Readonly<Record<string, unknown>> | undefined;
}

/** Values besides those of a file. */
export type TemplateValues = Readonly<Record<string, string>>;

export type NameTemplate =
  | { readonly ok: true; readonly render: (facts: TemplateFacts, more?: TemplateValues) => string }
  | { readonly ok: false; readonly message: string };

const LONGEST_TEMPLATE = 512;
/** A filter chain such as repeated `replace` would otherwise multiply without end. S3's longest key is 1,024 bytes. */
const LONGEST_VALUE = 4_096;
const FILTERS =
  'append capitalize default downcase first last lstrip prepend remove remove_first replace replace_first rstrip slice split strip truncate upcase';

const engine = createEngine();

/** Checks the template against made-up facts, so that an unknown value or filter is a fault of the route and not of a file. */
export function compileNameTemplate(source: string, sample: TemplateValues = {}): NameTemplate {
  if (source.length > LONGEST_TEMPLATE) {
    return { ok: false, message: `the template is longer than ${LONGEST_TEMPLATE} characters` };
  }
  try {
    // A block scalar of YAML ends in a line break, which belongs to no key.
    const parsed = engine.parse(source.trim());
    const render = (facts: TemplateFacts, more: TemplateValues = {}): string =>
      String(engine.renderSync(parsed, { ...templateValues(facts), ...more }));
    render(SAMPLE_FACTS, sample);
    return { ok: true, render };
  } catch (error) {
    const [firstLine = 'it cannot be parsed'] = String(error instanceof Error ? error.message : error).split('\n');
    return { ok: false, message: `the template cannot be used: ${firstLine}` };
  }
}

export const SAMPLE_FACTS: TemplateFacts = {
  tenantId: 'tenant',
  key: 'tenant/inbound/orders/sample.csv',
  name: 'sample.csv',
  fileId: '0198c0de-0000-7000-8000-000000000001',
  jobId: '0198c0de-0000-7000-8000-000000000002',
  routeName: 'route',
  receivedAt: new Date('2026-01-02T03:04:05Z'),
  timeZone: 'UTC',
  facts: new Proxy({}, { get: () => 'fact' }),
};

/** By name; one that was not found is empty, so that `default` gives another. */
class FoundFacts extends Drop {
  readonly #facts: Readonly<Record<string, unknown>>;

  constructor(facts: Readonly<Record<string, unknown>>) {
    super();
    this.#facts = facts;
  }

  override liquidMethodMissing(name: string): unknown {
    return this.#facts[name] ?? '';
  }
}

function templateValues(facts: TemplateFacts): Record<string, unknown> {
  const path = facts.key.startsWith(`${facts.tenantId}/`) ? facts.key.slice(facts.tenantId.length + 1) : facts.key;
  const at = localTime(facts.receivedAt, facts.timeZone);
  const dot = facts.name.lastIndexOf('.');
  return {
    tenant: facts.tenantId,
    route: facts.routeName,
    file: facts.fileId,
    job: facts.jobId,
    key: facts.key,
    path,
    directory: path.slice(0, Math.max(0, path.lastIndexOf('/'))),
    name: facts.name,
    stem: dot > 0 ? facts.name.slice(0, dot) : facts.name,
    extension: dot > 0 ? facts.name.slice(dot + 1) : '',
    date: `${at.year}-${at.month}-${at.day}`,
    facts: new FoundFacts(facts.facts ?? {}),
    ...at,
  };
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function localTime(instant: Date, timeZone: string) {
  let clock = clocks.get(timeZone);
  if (clock === undefined) {
    const two = '2-digit';
    clock = new Intl.DateTimeFormat('en-US', {
      ...{ timeZone, hourCycle: 'h23', calendar: 'gregory', numberingSystem: 'latn' },
      ...{ year: 'numeric', month: two, day: two, hour: two, minute: two, second: two },
    });
    clocks.set(timeZone, clock);
  }
  const parts = Object.fromEntries(clock.formatToParts(instant).map(({ type, value }) => [type, value]));
  const { year = '', month = '', day = '', hour = '', minute = '', second = '' } = parts;
  return { year: year.padStart(4, '0'), month, day, hour, minute, second };
}

function createEngine(): Liquid {
  const engine = createLiquid({ longestTemplate: LONGEST_TEMPLATE, filters: FILTERS });
  for (const [name, filter] of Object.entries(engine.filters))
    if (typeof filter === 'function') engine.registerFilter(name, bounded(filter));
  return engine;
}

function bounded<Filter extends (...args: never[]) => unknown>(filter: Filter): Filter {
  return function (this: unknown, ...args: never[]): unknown {
    const result = filter.apply(this, args);
    if (typeof result === 'string' && result.length > LONGEST_VALUE) throw new Error('the result is too long');
    return result;
  } as Filter;
}
