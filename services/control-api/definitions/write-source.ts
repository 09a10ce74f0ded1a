/** A stored definition as YAML, where its own text was not kept: with the defaults filled in, durations in ms and sizes in bytes. */
import { loadYaml } from '#shared/text/load-yaml.ts';

/** As route files are written; the database keeps no order. */
const READING_ORDER: readonly unknown[] = [
  'kind',
  'tenant',
  'name',
  'description',
  'match',
  'runOnly',
  'ordered',
  'records',
  'steps',
];

export function writeSource(definition: unknown): string {
  const rank = (key: unknown) => (READING_ORDER.includes(key) ? READING_ORDER.indexOf(key) : READING_ORDER.length);
  return loadYaml().stringify(definition, {
    sortMapEntries: ({ key: a }, { key: b }) => {
      const [first, second] = [keyText(a), keyText(b)];
      return rank(first) - rank(second) || (first < second ? -1 : 1);
    },
  });
}

function keyText(key: unknown): string {
  return String(typeof key === 'object' && key !== null && 'value' in key ? key.value : key);
}
