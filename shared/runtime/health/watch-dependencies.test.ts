import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '#shared/db/connect-database.ts';
import { createObjectStore } from '#shared/files/create-object-store.ts';
import { createS3Client } from '#shared/files/s3-client.ts';
import { readQueueDepth } from '#shared/queue/queue-depth.ts';
import { createSqsClient } from '#shared/queue/sqs-client.ts';
import { createTestDatabase, type TestDatabase } from '#testkit/servers/test-database.ts';
import { watchDependencies } from './watch-dependencies.ts';

let database: TestDatabase;
const closing: (() => Promise<unknown> | unknown)[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
});

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

afterAll(() => database.drop());

function connect(poolMax: number): Sql {
  const sql = connectDatabase(
    {
      DATABASE_URL: database.url,
      DATABASE_POOL_MAX: poolMax,
      DATABASE_PREPARE: true,
      DATABASE_STATEMENT_TIMEOUT_MS: 20_000,
    },
    'test',
  );
  closing.push(() => sql.end({ timeout: 1 }));
  return sql;
}

async function startServer(answer: Parameters<typeof createServer>[1]): Promise<string> {
  const server: Server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function watched(endpoint: string, requestTimeoutMs = 60_000) {
  const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' };
  const place = { endpoint, region: 'us-east-1', credentials };
  const sqs = createSqsClient({ ...place, requestTimeoutMs });
  const s3 = createS3Client({ ...place, LONGSHORE_S3_PATH_STYLE: true, requestTimeoutMs, maxAttempts: 2 });
  closing.push(
    () => sqs.destroy(),
    () => s3.destroy(),
  );
  const registry = new Registry();
  watchDependencies(registry, { sql: connect(1), sqs, s3: [s3] });
  const count = async (dependency: string, fault: string): Promise<number | undefined> => {
    const { values } = await registry.getSingleMetric('longshore_dependency_faults_total')!.get();
    return values.find(({ labels }) => labels.dependency === dependency && labels.fault === fault)?.value as number;
  };
  const askSqs = () => readQueueDepth({ client: sqs, queueUrl: `${endpoint}/1/work` });
  const askS3 = () => createObjectStore({ client: s3 }).head({ bucket: 'b', key: 'k' });
  return { count, askSqs, askS3 };
}

describe('requests', () => {
  test('that are throttled are counted, each try', async () => {
    const endpoint = await startServer((request, response) => {
      request.resume();
      const isSqs = request.headers['x-amz-target'] !== undefined;
      if (isSqs) {
        const type = 'com.amazonaws.sqs#RequestThrottled';
        response.writeHead(400, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify({ __type: type }));
      } else response.writeHead(503).end();
    });
    const { count, askSqs, askS3 } = watched(endpoint);
    expect(await count('sqs', 'throttled')).toBe(0);
    await expect(askSqs()).rejects.toThrow();
    await expect(askS3()).rejects.toThrow();
    expect(await count('sqs', 'throttled')).toBe(2);
    expect(await count('s3', 'throttled')).toBe(2);
    expect(await count('s3', 'timeout')).toBe(0);
  });

  test('that nobody answers are counted, each try', async () => {
    const { count, askSqs, askS3 } = watched(await startServer((request) => request.resume()), 200);
    await expect(askSqs()).rejects.toThrow();
    await expect(askS3()).rejects.toThrow();
    expect(await count('sqs', 'timeout')).toBe(2);
    expect(await count('s3', 'timeout')).toBe(2);
  });

  test('that are answered, or refused for what they ask, are none', async () => {
    const endpoint = await startServer((request, response) => {
      request.resume();
      response.writeHead(403).end();
    });
    const { count, askS3 } = watched(endpoint);
    await expect(askS3()).rejects.toThrow();
    expect(await count('s3', 'throttled')).toBe(0);
    expect(await count('s3', 'timeout')).toBe(0);
  });
});

describe('the database', () => {
  async function answerSeconds(sql: Sql): Promise<number> {
    const registry = new Registry();
    const sqs = createSqsClient({ region: 'us-east-1' });
    closing.push(() => sqs.destroy());
    watchDependencies(registry, { sql, sqs });
    const { values } = await registry.getSingleMetric('longshore_database_answer_seconds')!.get();
    return Number(values[0]?.value);
  }

  test('that answers shows how fast', async () => {
    const sql = connect(1);
    await sql`SELECT 1`;
    const askedAt = performance.now();
    const seconds = await answerSeconds(sql);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual((performance.now() - askedAt) / 1_000);
  });

  test('whose connections of this process are all taken shows the wait for one', async () => {
    const sql = connect(1);
    const taken = sql`SELECT pg_sleep(1.2)`.execute();
    const seconds = await answerSeconds(sql);
    await taken;
    expect(seconds).toBeGreaterThan(1);
  });

  test('that is away shows the bound', async () => {
    const sql = connect(1);
    await sql.end({ timeout: 1 });
    expect(await answerSeconds(sql)).toBe(3);
  });
});
