/** Counts sockets and logins against the gateway's limits, so that one peer cannot take the door from the others. */
import type { GatewayLimits } from './limits.ts';
import type { SftpMetrics } from './metrics.ts';

export interface ConnectionLimits {
  /** Takes a place for a new socket; `undefined` when there is none. */
  admit(): AdmittedSocket | undefined;
}

export interface AdmittedSocket {
  readonly isLoggedIn: boolean;
  /** Turns the place into a session of this user; false when the user has too many. */
  logIn(username: string): boolean;
  /** Idempotent. */
  leave(): void;
}

export function createConnectionLimits(limits: GatewayLimits, metrics: SftpMetrics): ConnectionLimits {
  const sessionsOf = new Map<string, number>();
  let sockets = 0;
  let unauthenticated = 0;

  function report(): void {
    metrics.sockets.set(unauthenticated);
    metrics.sessions.set(sockets - unauthenticated);
  }

  return {
    admit() {
      const isFull = sockets >= limits.maxConnections;
      if (isFull || unauthenticated >= limits.maxUnauthenticated) {
        metrics.refusedConnections.inc({ reason: isFull ? 'connections' : 'unauthenticated' });
        return undefined;
      }
      sockets += 1;
      unauthenticated += 1;
      report();
      let user: string | undefined;
      let isGone = false;
      return {
        get isLoggedIn() {
          return user !== undefined;
        },
        logIn(username) {
          const sessions = sessionsOf.get(username) ?? 0;
          if (isGone || user !== undefined || sessions >= limits.maxSessionsPerUser) return false;
          user = username;
          sessionsOf.set(username, sessions + 1);
          unauthenticated -= 1;
          report();
          return true;
        },
        leave() {
          if (isGone) return;
          isGone = true;
          sockets -= 1;
          if (user === undefined) unauthenticated -= 1;
          else {
            const left = (sessionsOf.get(user) ?? 1) - 1;
            if (left === 0) sessionsOf.delete(user);
            else sessionsOf.set(user, left);
          }
          report();
        },
      };
    },
  };
}
