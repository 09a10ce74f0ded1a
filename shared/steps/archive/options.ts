/** `archive`: a copy of the file as it is at this step, in a storage class of the route's choice. */
import { z } from 'zod';
import type { StepOptionsKind } from '../step-options.ts';

/** By their names in the route. */
export const STORAGE_CLASS_OF_TIER = {
  standard: 'STANDARD',
  'standard-ia': 'STANDARD_IA',
  'intelligent-tiering': 'INTELLIGENT_TIERING',
  'glacier-ir': 'GLACIER_IR',
  glacier: 'GLACIER',
  'deep-archive': 'DEEP_ARCHIVE',
} as const;
type Tier = keyof typeof STORAGE_CLASS_OF_TIER;

const archiveOptionsSchema = z.strictObject({
  /** `glacier` and `deep-archive` have to be restored before they are read. */
  tier: z.enum(Object.keys(STORAGE_CLASS_OF_TIER) as [Tier, ...Tier[]]).default('standard'),
});
export type ArchiveOptions = z.infer<typeof archiveOptionsSchema>;

export const archiveOptions: StepOptionsKind<ArchiveOptions> = {
  kind: 'archive',
  schema: archiveOptionsSchema,
  classOf: (_options, isLarge) => (isLarge ? 'long' : 'short'),
  simulate: ({ tier }) => ({ would: `keep a copy of it in the archive, ${tier}` }),
};
