/** What ends a child that has used its processor time or memory; SIGKILL is the kernel's, or an operator's. */
export const SPENT_SIGNAL = 'SIGVTALRM';
