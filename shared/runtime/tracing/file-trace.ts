/**
 * The trace of a file, found from the file's id alone. Pure.
 *
 * 1. The trace id is the file's id, a UUIDv7, which has its 128 bits. So every process names the same trace: after a lost message, a wake-up
 *    by the clocks, a redrive from a DLQ or an operator's retry weeks later, with no column and no message attribute. Whoever knows the
 *    file knows its trace, and the other way round.
 * 2. Its low 62 bits are random, as W3C asks of a trace id, so sampling by ratio takes the same files in every service.
 * 3. The first span's id is the id's lower half. Work that no message tells the parent of hangs below that span.
 * 4. A parent from a message counts only in the file's own trace: a foreign or broken one is not a parent.
 */

export function traceIdOf(fileId: string): string {
  return fileId.replaceAll('-', '').toLowerCase();
}

export function firstSpanIdOf(fileId: string): string {
  return traceIdOf(fileId).slice(16);
}
