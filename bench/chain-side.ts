/** What `bench -- chain` drives: chains of three no-op steps, as one of the two sides runs them. */

export interface ChainSide {
  /** Makes everything that is there before the first step begins. */
  seed(chains: number): Promise<void>;
  start(chains: number): RunningChains;
  /** Of all rounds. */
  countEnded(): Promise<number>;
}

export interface RunningChains {
  readonly ended: Promise<void>;
  /** After what belongs to the last chains is stored too. */
  stop(): Promise<void>;
}

/** Resolves `ended` at the `total`th `count`. */
export function countdown(total: number): { readonly ended: Promise<void>; readonly count: () => void } {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let left = total;
  return {
    ended,
    count() {
      left -= 1;
      if (left === 0) resolve();
    },
  };
}
