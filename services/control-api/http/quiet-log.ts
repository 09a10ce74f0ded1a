/** Log lines that strangers cause: one a second at most, with how many there were. */

const INTERVAL_MS = 1_000;

export function createQuietLog<Fields extends object>(
  log: (fields: Fields & { readonly times: number }) => void,
  now: () => number = () => performance.now(),
): (fields: Fields) => void {
  let times = 0;
  let loggedAt = Number.NEGATIVE_INFINITY;
  return (fields) => {
    times += 1;
    if (now() - loggedAt < INTERVAL_MS) return;
    log({ ...fields, times });
    times = 0;
    loggedAt = now();
  };
}
