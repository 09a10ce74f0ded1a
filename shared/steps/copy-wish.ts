/** What a route says of how its files are copied. Pure. */
import { z } from 'zod';

/**
 * `auto`, the default: by the store itself, in parts when the file is large. `server-side`: the same, said outright. `streamed`: through the
 * worker, for stores that cannot copy from one bucket to the other, and where the receipt is to have the content's SHA-256.
 */
export const copyWishSchema = z.enum(['auto', 'server-side', 'streamed']);
export type CopyWish = z.infer<typeof copyWishSchema>;
