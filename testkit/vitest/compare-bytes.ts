/** Bytes are compared as bytes: element by element, as other arrays are, nine megabytes take more than a second of CPU. */
import { expect } from 'vitest';

expect.addEqualityTesters([
  (one: unknown, other: unknown) => (Buffer.isBuffer(one) && Buffer.isBuffer(other) ? one.equals(other) : undefined),
]);
