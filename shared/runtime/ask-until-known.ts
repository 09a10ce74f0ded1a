/**
 * An answer that stays true once it was given: asked for when it is first needed, shared by whoever needs it meanwhile, and asked for again
 * after a failure.
 */
export function askUntilKnown<Answer>(ask: () => Promise<Answer>): () => Promise<Answer> {
  let asked: Promise<Answer> | undefined;
  return () => {
    asked ??= ask().catch((error: unknown) => {
      asked = undefined;
      throw error;
    });
    return asked;
  };
}
