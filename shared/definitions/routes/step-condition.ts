/**
 * `when` of a step: a Liquid condition over the file and the results of earlier steps, e.g. `steps.validate.rows > 0`.
 *
 * A value that a step did not give is nil, and compares as false. A misspelt `file` field or step kind is a fault of the route.
 */
import { createLiquid } from '#shared/text/create-liquid.ts';

export interface ConditionFacts {
  readonly file: {
    readonly name: string;
    /** In the tenant's home. */
    readonly path: string;
    readonly size: number;
    /** Extension, lower case, without the dot; empty without one. */
    readonly type: string;
    readonly tenant: string;
  };
  /** Outputs of succeeded steps, by kind. */
  readonly steps: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export type StepCondition =
  | { readonly ok: true; readonly holds: (facts: ConditionFacts) => boolean }
  | { readonly ok: false; readonly message: string };

const LONGEST_CONDITION = 500;
const FILE_FIELDS: ReadonlySet<string> = new Set(['name', 'path', 'size', 'type', 'tenant']);
const HOLDS = 'y';

const engine = createLiquid({
  longestTemplate: LONGEST_CONDITION + 50,
  filters: 'downcase size first last split default',
  lenient: true,
});

/** @param kinds of steps that a route can have. */
export function compileCondition(source: string, kinds: ReadonlySet<string>): StepCondition {
  if (source.length > LONGEST_CONDITION)
    return { ok: false, message: `the condition is longer than ${LONGEST_CONDITION} characters` };
  if (/[{}%]/.test(source)) return { ok: false, message: 'a condition is written without {{ }} and {% %}' };
  try {
    const parsed = engine.parse(`{% if ${source} %}${HOLDS}{% endif %}`);
    for (const [name, field] of engine.globalVariableSegmentsSync(parsed)) {
      if (name === 'file' && typeof field === 'string' && FILE_FIELDS.has(field)) continue;
      if (name === 'steps' && typeof field === 'string' && kinds.has(field)) continue;
      return { ok: false, message: faultOf(String(name), field) };
    }
    return { ok: true, holds: (facts) => engine.renderSync(parsed, facts) === HOLDS };
  } catch (error) {
    const [firstLine = 'it cannot be parsed'] = String(error instanceof Error ? error.message : error).split('\n');
    return { ok: false, message: `the condition cannot be used: ${firstLine}` };
  }
}

function faultOf(name: string, field: unknown): string {
  if (name === 'file') return `file has no "${String(field)}"; it has ${[...FILE_FIELDS].join(', ')}`;
  if (name === 'steps') return `"${String(field)}" is not a kind of step`;
  return `"${name}" is unknown; a condition reads file and steps`;
}
