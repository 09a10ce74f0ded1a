/** The portal's pages and the store that its files go to, at addresses that a browser reaches. */
import { claimPorts } from '#local/ports.ts';
import { type S3TestServer, startTestServer, TEST_CREDENTIAL } from '#testkit/servers/s3-server.ts';
import { askTestRun } from '#testkit/vitest/ask-test-run.ts';
import { startTestApi, type TestApi } from './start-test-api.ts';

export interface PortalBed {
  readonly api: TestApi;
  readonly s3: S3TestServer;
  /** Of the pages, without a path. */
  readonly address: string;
  /** A one-time sign-in link of `acme`. */
  makeLink(): Promise<string>;
  stop(): Promise<void>;
}

export async function startPortalBed(): Promise<PortalBed> {
  await askTestRun('pages');
  const ports = await claimPorts();
  const address = `http://127.0.0.1:${ports.base}`;
  const s3 = await startTestServer({ origins: [address] });
  s3.server.createBucket('test-landing');
  const api = await startTestApi({
    s3: { endpoint: s3.server.url, region: 'us-east-1', credentials: TEST_CREDENTIAL },
    uploadOrigins: [s3.server.url],
  });
  await api.app.listen({ host: '127.0.0.1', port: ports.base });
  return {
    api,
    s3,
    address,
    async makeLink() {
      const made = await api.app.inject({
        method: 'POST',
        url: '/api/v1/sign-in-links',
        headers: { 'x-api-key': api.keys.acme, host: new URL(address).host },
      });
      return made.json().url;
    },
    async stop() {
      await api.stop();
      await s3.stop();
      await ports.release();
    },
  };
}
