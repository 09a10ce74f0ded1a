/**
 * Liquid for templates of tenants: conditions and the named filters, nothing that loops, reads files or sees more than it is given; bounded in
 * length and in what it allocates.
 */
import { Liquid } from 'liquidjs';

const TAGS: ReadonlySet<string> = new Set(['if', 'unless', 'case']);

export interface LiquidOptions {
  /** In characters. */
  readonly longestTemplate: number;
  /** Names, with spaces between them. */
  readonly filters: string;
  /** Around each value that is written. */
  readonly encode?: (value: string) => string;
  /** Of what one rendering allocates, in characters; 100,000 when absent. */
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
    ...(encode && { outputEscape: (value: unknown) => encode(String(value ?? '')) }),
  });
  const allowed = new Set(filters.split(' '));
  for (const tag of Object.keys(engine.tags)) if (!TAGS.has(tag)) delete engine.tags[tag];
  for (const name of Object.keys(engine.filters)) if (!allowed.has(name)) delete engine.filters[name];
  return engine;
}
