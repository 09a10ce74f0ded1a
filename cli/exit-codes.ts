/** The codes that the process ends with; scripts depend on these. */
export const EXIT = {
  done: 0,
  /** The API refused: not found, not allowed, not in that state; or it failed. */
  refused: 1,
  usage: 2,
  /** Route files have faults; nothing was applied. */
  faultyFiles: 3,
  unreachable: 4,
  /** `status --watch`: the file ended as failed. */
  fileFailed: 5,
  /** `health`: something is wrong or needs attention. `diff`: applying would change something. `audit verify`, `retention certificates`: altered. */
  needsAttention: 6,
} as const;

export const EXIT_CODES_HELP = `
Exit codes:
  0  done
  1  refused by the API, or part of the work was; the code and a hint are on standard error
  2  the command line is wrong
  3  route files have faults: each is on standard error as file:line:column CODE message
  4  the API cannot be reached
  5  status --watch: the file failed
  6  health: something is wrong or needs attention; diff: apply would change something;
     audit verify, retention certificates: something was altered`;
