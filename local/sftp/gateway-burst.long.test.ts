/** A burst of uploads is slowed down to what the store takes: nothing is refused, nothing lost. */
import { afterEach, describe, expect, it } from 'vitest';
import { call, startTestGateway, type TestConnection, type TestGateway } from '#testkit/beds/sftp-gateway-bed.ts';

let test: TestGateway;
let connections: TestConnection[] = [];
afterEach(async () => {
  await Promise.all(connections.map(({ close }) => close()));
  await test.stop();
});

describe('a burst of uploads', () => {
  it('on a few connections, with more of them at once than a channel may have open, is stored whole', async () => {
    const limits = { maxUploads: 4, maxStoreRequests: 4, maxUnstoredBytes: 1_024 * 1_024 };
    test = await startTestGateway(limits);
    let underWay = 0;
    let mostUnderWay = 0;
    test.store.middlewareStack.add(
      (next) => async (args) => {
        mostUnderWay = Math.max(mostUnderWay, ++underWay);
        return next(args).finally(() => {
          underWay -= 1;
        });
      },
      { step: 'build', name: 'countUnderWay' },
    );
    connections = await Promise.all(Array.from({ length: 3 }, () => test.connect()));
    const uploads = connections.flatMap(({ sftp }, connection) =>
      Array.from({ length: 80 }, (_, file) =>
        call((done) => sftp.writeFile(`/burst/${connection}-${file}.csv`, `${connection}-${file}`, done)),
      ),
    );
    const outcomes = await Promise.allSettled(uploads);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual([]);
    const stored = await test.versions('acme/burst/');
    expect(new Set(stored.map(({ key }) => key)).size).toBe(240);
    expect(test.events()).toHaveLength(240);
    expect(mostUnderWay).toBe(limits.maxStoreRequests);
  });
});
