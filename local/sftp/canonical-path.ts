/**
 * Turns what a client sent as a path into the one form that is authorised and stored, or refuses it.
 *
 * 1. Done once, at the edge; everything behind sees only the canonical form: `/`, or `/name/name`, never `.` or `..`.
 * 2. One name is one key: names are stored in Unicode form NFC, so that a file put from macOS (which sends NFD) and one put
 *    from anywhere else are the same file.
 * 3. What could mean another path to somebody who reads it later (encoded separators, backslash, bidi marks, control
 *    characters, a leading `-`) is refused, not repaired.
 */
import { faultOfName, UNSAFE_IN_NAMES } from '#shared/definitions/routes/canonical-key.ts';
import { SFTP_STATUS, SftpFault } from './sftp-fault.ts';

/** POSIX NAME_MAX: a longer name could not be stored at most partners' ends. */
const MAX_NAME_BYTES = 255;
/** Longer than any key; keeps the work below bounded. */
const MAX_PATH_BYTES = 4_096;

/** `%2f`, `%5c`, a control character, and the same encoded over again. */
const ENCODED_SEPARATOR = /%(?:25)*(?:2f|5c|[01][0-9a-f]|7f)/i;
/** A name that decodes to `.` or `..`. */
const ENCODED_DOTS = /^(?:\.|%(?:25)*2e){1,2}$/i;

export type CanonicalPath = `/${string}`;

/**
 * With `endsAtRoot`, a path that leads above the root and no further is the root, as of `cd ..` there.
 * @throws SftpFault `NAME_REJECTED`.
 */
export function canonicalPath(raw: string, { endsAtRoot = false } = {}): CanonicalPath {
  if (Buffer.byteLength(raw) > MAX_PATH_BYTES) throw rejected(`a path has at most ${MAX_PATH_BYTES} bytes`);
  // ssh2 decodes with replacement characters, so this is the trace of bytes that are not UTF-8.
  if (raw.includes('\ufffd')) throw rejected('a name must be valid UTF-8');
  if (UNSAFE_IN_NAMES.test(raw))
    throw rejected(
      'a name must not contain control characters, line breaks or marks that change the direction of text',
    );
  if (raw.includes('\\')) throw rejected('a name must not contain a backslash');

  const names: string[] = [];
  let isAboveRoot = false;
  for (const name of raw.normalize('NFC').split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') names.push(acceptedName(name));
    else if (names.pop() === undefined) isAboveRoot = true;
  }
  if (isAboveRoot && !(endsAtRoot && names.length === 0)) throw rejected('`..` leads out of the root');
  return `/${names.join('/')}`;
}

function acceptedName(name: string): string {
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) throw rejected(`a name has at most ${MAX_NAME_BYTES} bytes`);
  const fault = faultOfName(name);
  if (fault !== undefined) throw rejected(`a name ${fault}`);
  if (ENCODED_SEPARATOR.test(name) || ENCODED_DOTS.test(name)) {
    throw rejected('a name must not contain an encoded separator, dots or control character');
  }
  return name;
}

/** Whether a name found in the store could have been sent by a client; others are not shown. */
export function isListable(name: string): boolean {
  try {
    return canonicalPath(`/${name}`) === `/${name}` && name !== '';
  } catch {
    return false;
  }
}

export function rejected(reason: string): SftpFault {
  return new SftpFault(SFTP_STATUS.failure, 'NAME_REJECTED', `${reason}.`);
}
