/**
 * Counts sockets and logins against the gateway's limits, so that one peer cannot take the door from the others.
 *
 * 1. Sockets that have not logged in are bounded, over all and for each address. When their places are taken, a newcomer displaces one:
 *    of its own address when that has its share, else of the address that has the most.
 * 2. The one displaced has sent the least, at random among equals, as in OpenSSH's MaxStartups: a client in the middle of its login
 *    has sent more than one that only holds a place.
 */
import type { Socket } from 'node:net';
import type { GatewayLimits } from './limits.ts';
import type { SftpMetrics } from './metrics.ts';

export interface ConnectionLimits {
  /** Takes a place for a new socket; `undefined` when there is none. */
  admit(socket: PeerSocket): AdmittedSocket | undefined;
}

export type PeerSocket = Pick<Socket, 'remoteAddress' | 'bytesRead' | 'destroy'>;

export interface AdmittedSocket {
  readonly isLoggedIn: boolean;
  /** Turns the place into a session of this user; false when the user has too many. */
  logIn(username: string): boolean;
  /** Idempotent. */
  leave(): void;
}

interface Stranger {
  readonly socket: PeerSocket;
  readonly address: string;
  leave(): void;
}

export function createConnectionLimits(
  limits: GatewayLimits,
  metrics: SftpMetrics,
  random: () => number = Math.random,
): ConnectionLimits {
  const sessionsOf = new Map<string, number>();
  const strangers = new Set<Stranger>();
  const maxOfAddress = Math.ceil(limits.maxUnauthenticated / 2);
  let sockets = 0;

  function report(): void {
    metrics.sockets.set(strangers.size);
    metrics.sessions.set(sockets - strangers.size);
  }

  function makeRoomFor(address: string): void {
    const ofAddress = Map.groupBy(strangers, (stranger) => stranger.address);
    const own = ofAddress.get(address) ?? [];
    const largest = [...ofAddress.values()].reduce((most, some) => (some.length > most.length ? some : most), own);
    if (own.length >= maxOfAddress) displaceOne(own);
    else if (strangers.size >= limits.maxUnauthenticated) displaceOne(largest);
  }

  function displaceOne(candidates: readonly Stranger[]): void {
    const leastBytes = Math.min(...candidates.map(({ socket }) => socket.bytesRead));
    const idlest = candidates.filter(({ socket }) => socket.bytesRead === leastBytes);
    const displaced = idlest[Math.floor(random() * idlest.length)]!;
    metrics.refusedConnections.inc({ reason: 'unauthenticated' });
    displaced.leave();
    displaced.socket.destroy();
  }

  return {
    admit(socket) {
      const address = networkOf(socket.remoteAddress ?? '');
      makeRoomFor(address);
      if (sockets >= limits.maxConnections) {
        metrics.refusedConnections.inc({ reason: 'connections' });
        return undefined;
      }
      let user: string | undefined;
      let isGone = false;
      const stranger: Stranger = { socket, address, leave };
      sockets += 1;
      strangers.add(stranger);
      report();

      function leave(): void {
        if (isGone) return;
        isGone = true;
        sockets -= 1;
        strangers.delete(stranger);
        if (user !== undefined) {
          const left = (sessionsOf.get(user) ?? 1) - 1;
          if (left === 0) sessionsOf.delete(user);
          else sessionsOf.set(user, left);
        }
        report();
      }

      return {
        get isLoggedIn() {
          return user !== undefined;
        },
        logIn(username) {
          const sessions = sessionsOf.get(username) ?? 0;
          if (isGone || user !== undefined || sessions >= limits.maxSessionsPerUser) return false;
          user = username;
          sessionsOf.set(username, sessions + 1);
          strangers.delete(stranger);
          report();
          return true;
        },
        leave,
      };
    },
  };
}

/** Whoever has one IPv6 address has its whole /64. */
function networkOf(address: string): string {
  const isMapped = address.startsWith('::ffff:') && address.includes('.');
  return address.includes(':') && !isMapped ? address.split(':').slice(0, 4).join(':') : address;
}
