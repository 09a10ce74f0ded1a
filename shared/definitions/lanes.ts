/** Lanes of priority, in the order in which they are served. */
export const LANES = ['platinum', 'standard', 'bronze'] as const;
export type Lane = (typeof LANES)[number];
