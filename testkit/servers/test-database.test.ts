import postgres from 'postgres';
import { expect, test } from 'vitest';
import { createTestDatabase } from './test-database.ts';

test('two test databases are migrated and know nothing of each other', async () => {
  const databases = await Promise.all([createTestDatabase(), createTestDatabase()]);
  const [first, second] = databases.map(({ url }) => postgres(url, { max: 1 }));
  try {
    await first!`CREATE TABLE only_here (id int)`;
    const tables = await second!`SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`;
    const names = tables.map((row) => row.table_name);
    expect(names).toContain('files');
    expect(names).not.toContain('only_here');
  } finally {
    await Promise.all([first!.end(), second!.end()]);
    await Promise.all(databases.map((database) => database.drop()));
  }
});
