/** Files that the sender puts next to the job's file: a marker that says it is complete, a sidecar with its checksum. */
import { hashObject } from '#shared/files/copies/verify-copy.ts';
import type { StepContext } from '../step-context.ts';
import { failed } from '../step-failure.ts';
import type { StepOutcome } from '../step-outcome.ts';
import type { ValidateOptions } from './options.ts';

type Companion = NonNullable<ValidateOptions['marker']>;

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
/** `sha256sum` writes the hash first, then the name. */
const SIDECAR_READ_BYTES = 4_096;

export async function checkMarker(context: StepContext<ValidateOptions>): Promise<StepOutcome | undefined> {
  const { marker } = context.options;
  if (marker === undefined) return undefined;
  if ((await context.store.head(addressOf(context, marker), { signal: context.signal })) !== 'not-found')
    return undefined;
  return (
    waitFor(context, marker) ??
    failed(
      'VALIDATION_ERROR',
      'MARKER_MISSING',
      `No "${context.file.name}${marker.suffix}" came in time; send it and retry the job.`,
    )
  );
}

export async function checkSidecar(context: StepContext<ValidateOptions>): Promise<StepOutcome | undefined> {
  const { options, store, object, file, signal } = context;
  const sidecar = options.checksumSidecar;
  if (sidecar === undefined) return undefined;
  const address = addressOf(context, sidecar);
  const head = await store.head(address, { signal });
  const name = `${file.name}${sidecar.suffix}`;
  if (head === 'not-found') {
    const message = `No "${name}" came in time; send it and retry the job.`;
    return waitFor(context, sidecar) ?? failed('VALIDATION_ERROR', 'CHECKSUM_SIDECAR_MISSING', message);
  }
  const version = { ...address, versionId: head.versionId };
  const text = await store.readRange(version, { first: 0, last: SIDECAR_READ_BYTES - 1 }, { signal });
  // A leading backslash is how `sha256sum` marks an escaped name.
  const wanted = /^\ufeff?\s*\\?([0-9a-f]{64})(?:\s|$)/i.exec(text.toString('utf8'))?.[1]?.toLowerCase();
  if (wanted === undefined) {
    const message = `"${name}" does not begin with 64 hexadecimal digits; make it with sha256sum.`;
    return failed('VALIDATION_ERROR', 'CHECKSUM_SIDECAR_INVALID', message);
  }
  const actual = await hashObject(store, object, signal);
  if (actual === wanted) return undefined;
  const message = `The SHA-256 of the file is ${actual} and not the ${wanted} of "${name}"; send both again.`;
  return failed('VALIDATION_ERROR', 'CHECKSUM_MISMATCH', message);
}

function addressOf({ file, bucketNames }: StepContext<ValidateOptions>, { suffix }: Companion) {
  return { bucket: bucketNames.landing, key: `${file.key}${suffix}` };
}

/** Waits as long again as has passed, within bounds, until the time is over. */
function waitFor(
  { file, now }: StepContext<ValidateOptions>,
  { suffix, waitUpTo }: Companion,
): StepOutcome | undefined {
  const passedMs = now.getTime() - file.receivedAt.getTime();
  const leftMs = waitUpTo - passedMs;
  if (leftMs <= 0) return undefined;
  const afterMs = Math.min(leftMs, LONGEST_WAIT_MS, Math.max(FIRST_WAIT_MS, passedMs));
  return { type: 'wait', afterMs, reason: `"${file.name}${suffix}" is not there yet` };
}
