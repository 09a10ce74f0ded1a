/** What goes wrong at a remote, as a stable code. What the server said is in no message: only the number of its reply is. */
import { LongshoreError } from '#shared/errors.ts';

/** What each failure means for whoever asked. */
const CODES = {
  unreachable: 'REMOTE_UNREACHABLE',
  'address-refused': 'REMOTE_ADDRESS_REFUSED',
  untrusted: 'REMOTE_UNTRUSTED',
  /** Tried once: a second try could lock the account. */
  'auth-failed': 'REMOTE_AUTH_FAILED',
  denied: 'REMOTE_DENIED',
  'path-gone': 'REMOTE_PATH_GONE',
  exists: 'REMOTE_EXISTS',
  'no-space': 'REMOTE_NO_SPACE',
  /** The server said no and did not say why. */
  refused: 'REMOTE_REFUSED',
  /** Too many connections, or it is closing. */
  busy: 'REMOTE_BUSY',
  stalled: 'REMOTE_STALLED',
  /** The connection ended in the middle: whether the last request was carried out is not known. */
  lost: 'REMOTE_LOST',
  protocol: 'REMOTE_PROTOCOL',
  'listing-unknown': 'REMOTE_LISTING_UNKNOWN',
  'tls-reuse': 'REMOTE_TLS_REUSE',
  'place-refused': 'REMOTE_PLACE_REFUSED',
  unknown: 'REMOTE_UNKNOWN',
} as const;

export type RemoteFault = keyof typeof CODES;
export type RemoteErrorCode = (typeof CODES)[RemoteFault];

/** A second try later may end otherwise. */
const MAY_PASS: ReadonlySet<RemoteFault> = new Set([
  'unreachable',
  'no-space',
  'refused',
  'busy',
  'stalled',
  'lost',
  'protocol',
]);
/** The connection is of no use any more. */
const ENDS_CONNECTION: ReadonlySet<RemoteFault> = new Set([
  'unreachable',
  'busy',
  'stalled',
  'lost',
  'protocol',
  'tls-reuse',
]);

export class RemoteError extends LongshoreError {
  readonly fault: RemoteFault;
  /** Of FTP, or the status of SFTP. */
  readonly reply: number | undefined;
  /** For so long the server wants not to be asked again. */
  readonly retryAfterMs: number;

  constructor(
    fault: RemoteFault,
    message: string,
    {
      reply,
      retryAfterMs = 0,
      ...options
    }: {
      readonly reply?: number;
      readonly retryAfterMs?: number | undefined;
      readonly hint?: string;
      readonly cause?: unknown;
    } = {},
  ) {
    super(CODES[fault], reply === undefined ? message : `${message} (reply ${reply})`, options);
    this.fault = fault;
    this.reply = reply;
    this.retryAfterMs = retryAfterMs;
  }

  get mayPass(): boolean {
    return MAY_PASS.has(this.fault);
  }

  /** Whether the request was carried out is not known. */
  get isOutcomeUnknown(): boolean {
    return this.fault === 'lost' || this.fault === 'stalled' || this.fault === 'protocol';
  }

  get endsConnection(): boolean {
    return ENDS_CONNECTION.has(this.fault);
  }
}

export function hasRemoteFault(error: unknown, ...faults: readonly RemoteFault[]): error is RemoteError {
  return error instanceof RemoteError && faults.includes(error.fault);
}

const SHOWN_CHARACTERS = 200;

/** Of what a server sent, for a person to look at: it moves no cursor and forges no line. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, SHOWN_CHARACTERS);
}
