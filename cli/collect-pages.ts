/** Reads pages one after the other until there are enough entries, or no more. */

const PAGE_SIZE = 200;

export async function collectPages<Entry>(
  most: number,
  readPage: (page: { limit: number; cursor: string | undefined }) => Promise<{ entries: Entry[]; next: string | null }>,
): Promise<{ entries: Entry[]; hasMore: boolean }> {
  const collected: Entry[] = [];
  let cursor: string | undefined;
  for (;;) {
    const limit = Math.min(PAGE_SIZE, most - collected.length);
    const { entries, next } = await readPage({ limit, cursor });
    collected.push(...entries);
    if (next === null || entries.length === 0) return { entries: collected, hasMore: false };
    if (collected.length >= most) return { entries: collected, hasMore: true };
    cursor = next;
  }
}
