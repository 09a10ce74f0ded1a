/**
 * Liquid for templates of tenants: conditions and the named filters, nothing that loops, reads files or sees more than it is given; bounded in
 * length, in what it allocates, and in what it searches.
 */
import { type Context, defaultOperators, Liquid } from 'liquidjs';

const TAGS: ReadonlySet<string> = new Set(['if', 'unless', 'case']);
/** In characters. A search can take the product of both lengths: minutes where a value is sought in another. */
const LONGEST_SOUGHT = 250;

export interface LiquidOptions {
  /** In characters. */
  readonly longestTemplate: number;
  /** Names, with spaces between them. */
  readonly filters: string;
  /** Around each value that is written. */
  readonly encode?: (value: string) => string;
  /** Of what one rendering allocates and searches, in characters; 100,000 when absent. */
  readonly memory?: number;
  /** Values that are not there are nil, in place of a fault. */
  readonly lenient?: boolean;
}

export function createLiquid({
  longestTemplate,
  filters,
  encode,
  memory = 100_000,
  lenient = false,
}: LiquidOptions): Liquid {
  const engine = new Liquid({
    strictVariables: !lenient,
    strictFilters: true,
    ownPropertyOnly: true,
    parseLimit: longestTemplate,
    memoryLimit: memory,
    templates: {},
    operators: { ...defaultOperators, contains },
    ...(encode && { outputEscape: (value: unknown) => encode(String(value ?? '')) }),
  });
  const allowed = new Set(filters.split(' '));
  for (const tag of Object.keys(engine.tags)) if (!TAGS.has(tag)) delete engine.tags[tag];
  for (const name of Object.keys(engine.filters)) if (!allowed.has(name)) delete engine.filters[name];
  const replace = engine.filters.replace;
  if (typeof replace === 'function')
    engine.registerFilter('replace', function (value, sought, replacement) {
      assertShort('replace', sought);
      return replace.call(this, value, sought, replacement);
    });
  return engine;
}

/** As Liquid's own, of which many may be in one tag: nothing else looks at the time between them. */
function contains(value: unknown, sought: unknown, context: Context): boolean {
  if (Array.isArray(value)) return value.includes(sought);
  if (typeof value !== 'string') return false;
  assertShort('contains', sought);
  context.memoryLimit.use(value.length);
  return value.includes(String(sought));
}

function assertShort(name: string, sought: unknown): void {
  if (String(sought).length > LONGEST_SOUGHT)
    throw new Error(`${name} looks for more than ${LONGEST_SOUGHT} characters`);
}
