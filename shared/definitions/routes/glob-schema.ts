/** Globs in definitions: a fault in one is the author's. */
import { z } from 'zod';
import { compileGlob } from './match-glob.ts';

export const globSchema = z.string().superRefine((source, context) => {
  const glob = compileGlob(source);
  if (!glob.ok) context.addIssue({ code: 'custom', message: glob.message });
});

/** One glob or a list of them; always a list afterwards. */
export const globsSchema = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  z.array(globSchema).max(50),
);
