/** The address of a service that speaks an API of AWS. */
import { z } from 'zod';

export const endpointSchema = z.url({ protocol: /^https?$/ }).refine(
  (url) => {
    const { username, password, pathname, search, hash } = new URL(url);
    return pathname === '/' && [username, password, search, hash].every((part) => part === '');
  },
  { error: 'must have no user, path, query or fragment' },
);
