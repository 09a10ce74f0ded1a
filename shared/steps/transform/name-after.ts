/** The name that a file has after its transform. Pure. */
import { compileNameTemplate } from '#shared/definitions/name-template.ts';
import { canonicalKey } from '#shared/definitions/routes/canonical-key.ts';
import type { StepContext } from '../step-context.ts';
import { currentName, factsOfFile, type NamedObject } from '../step-keys.ts';
import type { TransformOptions } from './options.ts';
import { nameAfterPgp } from './pgp-operations.ts';

type Context = Pick<StepContext<TransformOptions>, 'options' | 'file'> & NamedObject;

/** In the zip that the operation at `index` makes. */
export function nameInZip(context: Context, index: number): ReturnType<typeof canonicalKey> {
  const { ops } = context.options;
  const before = nameAfter({ ...context, options: { ops: ops.slice(0, index) } });
  const template = ops[index]?.zip?.name;
  return template === undefined || !before.ok ? before : render(context, template, before.key);
}

/** Each operation on the bytes has its usual extension; `rename` says more. */
export function nameAfter(context: Context): ReturnType<typeof canonicalKey> {
  let name = currentName(context);
  for (const operation of context.options.ops) {
    const afterPgp = nameAfterPgp(operation, name);
    if (afterPgp !== undefined) name = afterPgp;
    else if (operation.gunzip !== undefined) name = name.replace(/(?<=.)\.gz(?:ip)?$/i, '');
    else if (operation.zip !== undefined) name = `${name}.zip`;
    else if (operation['csv-to-ndjson'] !== undefined) name = `${name.replace(/(?<=.)\.(?:csv|txt|tsv)$/i, '')}.ndjson`;
    else {
      const renamed = render(context, operation.rename ?? '', name);
      if (!renamed.ok) return renamed;
      name = renamed.key;
    }
  }
  return { ok: true, key: name };
}

function render(context: Context, source: string, name: string): ReturnType<typeof canonicalKey> {
  const template = compileNameTemplate(source);
  if (!template.ok) return template;
  const rendered = canonicalKey(template.render({ ...factsOfFile(context), name }));
  if (rendered.ok && rendered.key.includes('/'))
    return { ok: false, message: 'a name has no "/"; directories belong in the key of deliver' };
  return rendered;
}
