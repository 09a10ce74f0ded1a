/** Bounds the bodies that are received at once: each holds some 20 MiB in memory. One tenant cannot take all of the room. */
import { LongshoreError } from '#shared/errors.ts';

const MOST_OF_A_TENANT = 8;
const MOST_IN_ALL = 16;

export interface BodyRoom {
  /** @throws LongshoreError `OVERLOADED` */
  run<Result>(tenantId: string, receive: () => Promise<Result>): Promise<Result>;
}

export function createBodyRoom(): BodyRoom {
  const ofTenant = new Map<string, number>();
  let inAll = 0;
  return {
    async run(tenantId, receive) {
      const own = ofTenant.get(tenantId) ?? 0;
      if (own >= MOST_OF_A_TENANT || inAll >= MOST_IN_ALL)
        throw new LongshoreError('OVERLOADED', 'Too many files are being received; send fewer side by side.');
      ofTenant.set(tenantId, own + 1);
      inAll += 1;
      try {
        return await receive();
      } finally {
        inAll -= 1;
        const left = (ofTenant.get(tenantId) ?? 1) - 1;
        if (left === 0) ofTenant.delete(tenantId);
        else ofTenant.set(tenantId, left);
      }
    },
  };
}
