/** Waits no longer than `timeoutMs` for what may never come: `late` then gives the answer, or throws. A late failure is ignored. */
export async function within<Value, Late>(
  promise: Promise<Value>,
  timeoutMs: number,
  late: () => Late,
): Promise<Value | Late> {
  const { promise: timedOut, resolve } = Promise.withResolvers<typeof OVER>();
  const timer = setTimeout(() => resolve(OVER), timeoutMs);
  try {
    const first = await Promise.race([promise, timedOut]);
    return first === OVER ? late() : (first as Value);
  } finally {
    clearTimeout(timer);
  }
}

const OVER = Symbol('the time is over');

/** Whether `done` resolved in time. */
export function endsWithin(done: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  return within(
    done.then(() => true),
    timeoutMs,
    () => false,
  );
}

/** Rejects with the signal's reason as soon as that aborts; the work continues for others, and its late failure is ignored. */
export function unlessAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
