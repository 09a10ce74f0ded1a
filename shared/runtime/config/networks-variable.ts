/** Addresses and networks that outgoing calls may reach beside the public ones. */
import { z } from 'zod';
import { createAddressGuard } from '#shared/http/address-guard.ts';

export const networksVariable = z
  .string()
  .transform((text) => text.split(',').map((network) => network.trim()))
  .refine(
    (networks) => {
      try {
        createAddressGuard({ allow: networks });
        return true;
      } catch {
        return false;
      }
    },
    { error: 'must be addresses and networks with commas between, e.g. 10.1.0.0/16,::1' },
  );
