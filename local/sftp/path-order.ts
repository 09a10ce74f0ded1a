/**
 * The order of requests about one path, for clients that do not wait for replies: `sshfs` sends the LSTAT of a new file together
 * with its OPEN. Such a request begins after those sent before it about the same path have ended; others run side by side.
 */
export interface PathOrder {
  /** Runs `work` after what was sent before about any of the paths. */
  inTurn<T>(paths: readonly string[], work: () => Promise<T>): Promise<T>;
  /** For what must not wait, such as a CLOSE, whose handle an OPEN of the same path may be waiting for: later requests wait for it. */
  atOnce<T>(path: string, work: () => Promise<T>): Promise<T>;
}

export function createPathOrder(): PathOrder {
  const underWay = new Map<string, Promise<unknown>>();

  function follow(paths: readonly string[], turn: Promise<unknown>): void {
    for (const path of paths) {
      const ended = Promise.allSettled([underWay.get(path), turn]).then(() => {
        if (underWay.get(path) === ended) underWay.delete(path);
      });
      underWay.set(path, ended);
    }
  }

  return {
    inTurn(paths, work) {
      const before = paths.flatMap((path) => underWay.get(path) ?? []);
      const turn = before.length === 0 ? work() : Promise.all(before).then(work);
      follow(paths, turn);
      return turn;
    },
    atOnce(path, work) {
      const turn = work();
      follow([path], turn);
      return turn;
    },
  };
}
