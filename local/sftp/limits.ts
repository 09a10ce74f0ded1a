/** Every bound of the gateway in one place, each with what breaks without it. */
export interface GatewayLimits {
  /** Sockets at once, logged in or not: each costs some 100 KB. */
  readonly maxConnections: number;
  /**
   * Sockets that have not logged in, of which one address gets at most half: ssh2 keeps silent ones for ever, and they cost an
   * attacker nothing. Beyond, a newcomer takes the place of one that has sent the least.
   */
  readonly maxUnauthenticated: number;
  readonly loginTimeoutMs: number;
  /** Refused attempts on one connection; a key agent offers one key after the other, OpenSSH's server allows 6. */
  readonly maxAuthAttempts: number;
  readonly maxSessionsPerUser: number;
  /** A connection without a request for so long is ended. */
  readonly idleTimeoutMs: number;
  /** How often an open session asks whether its user may still be there; it ends within this and a few seconds. */
  readonly accessCheckMs: number;
  /** SFTP channels of one connection. */
  readonly maxChannels: number;
  /** Open files and directories of one channel; beyond, a request to open waits. */
  readonly maxHandles: number;
  /** Uploads of one channel, until they are stored: each may hold two parts in memory. Beyond, a request to open waits. */
  readonly maxUploads: number;
  /** A request to open is refused when none of the open files was used for so long; their client keeps them permanently. */
  readonly openWaitMs: number;
  /** Requests to the object store at once, over all connections. */
  readonly maxStoreRequests: number;
  /** Requests of one channel without a reply; beyond, the client floods and is cut off. */
  readonly maxPendingRequests: number;
  /** Bytes of one channel received and not yet taken over; beyond, its socket is not read. */
  readonly maxUnstoredBytes: number;
}

export const DEFAULT_LIMITS: GatewayLimits = {
  maxConnections: 200,
  maxUnauthenticated: 100,
  loginTimeoutMs: 20_000,
  maxAuthAttempts: 6,
  maxSessionsPerUser: 50,
  idleTimeoutMs: 600_000,
  accessCheckMs: 15_000,
  maxChannels: 4,
  maxHandles: 64,
  maxUploads: 8,
  openWaitMs: 30_000,
  maxStoreRequests: 32,
  maxPendingRequests: 4_096,
  maxUnstoredBytes: 4 * 1_024 * 1_024,
};
