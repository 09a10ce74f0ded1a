/** What customer service sees: a large file is reported and waits, an operator releases or rejects it, and each outcome is reported too. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestFleet } from '#testkit/beds/start-test-fleet.ts';
import { runLongshore } from '#testkit/servers/run-longshore.ts';
import { type Receiver, startReceiver } from '#testkit/servers/start-receiver.ts';

const TENANT = 'told';
export const HELD_DEFINITIONS = `
kind: tenant
id: ${TENANT}
name: Told
notify:
  - name: portal
    on: [large-file, held, released, failed, completed]
    webhook: { urlSecret: portal-url, signingSecret: portal-key }
---
kind: route
tenant: ${TENANT}
name: watched
match: { path: "watched/**" }
hold: large
steps: [{ deliver: {} }]
---
kind: route
tenant: ${TENANT}
name: open
match: { path: "open/**" }
steps: [{ deliver: {} }]
notify:
  - name: desk
    on: [large-file]
    slack: { urlSecret: slack-url }
`;

/** What is larger than `largeBytes` is large. */
export function heldAndNotified(running: () => TestFleet, largeBytes: number): void {
  let fleet: TestFleet;
  let receiver: Receiver;

  beforeAll(async () => {
    receiver = await startReceiver();
    fleet = running();
    const secrets = join(fleet.home, 'keys', 'secrets', TENANT);
    await mkdir(secrets, { recursive: true, mode: 0o700 });
    const put = (name: string, value: string) => writeFile(join(secrets, name), value, { mode: 0o600 });
    await put('portal-url', `${receiver.url}/portal`);
    await put('portal-key', 'portal-signing-key');
    await put('slack-url', `${receiver.url}/slack`);
  });

  afterAll(() => receiver?.stop());

  interface PortalNotice {
    readonly notice: string;
    readonly file: { readonly name: string };
    readonly jobs: { readonly id: string; readonly route: string }[];
  }

  function portalNotices(name: string): PortalNotice[] {
    const bodies = receiver.received.filter(({ path }) => path === '/portal').map(({ body }) => JSON.parse(body));
    return bodies.flatMap(({ notices }) => notices as PortalNotice[]).filter(({ file }) => file.name === name);
  }

  /** Resolves to the held job. */
  async function holdFile(name: string): Promise<string> {
    await fleet.put(`${TENANT}/watched/${name}`, 'x'.repeat(largeBytes + 1));
    const held = () => portalNotices(name).find(({ notice }) => notice === 'held')?.jobs[0]?.id;
    return await fleet.waitUntil(`${name} is reported as held`, held, 60_000);
  }

  const untilNotified = (name: string, notices: readonly string[]) =>
    expect
      .poll(() =>
        portalNotices(name)
          .map(({ notice }) => notice)
          .sort(),
      )
      .toEqual([...notices].sort());

  test('a held file continues when an operator releases it, and each change is notified, signed', async () => {
    const job = await holdFile('release.csv');
    expect(await fleet.store.listVersions({ bucket: fleet.bucket('delivered'), prefix: `${TENANT}/` })).toMatchObject({
      items: [],
    });
    const released = await runLongshore(fleet.home, ['release', job, '--reason', 'it is theirs']);
    expect(released.code).toBe(0);
    await untilNotified('release.csv', ['large-file', 'held', 'released', 'completed']);
    for (const { headers, body, path } of receiver.received) {
      if (path !== '/portal') continue;
      const webhook = new Webhook(Buffer.from('portal-signing-key'), { format: 'raw' });
      expect(webhook.verify(body, headers as Record<string, string>)).toMatchObject({ channel: 'portal' });
    }
  }, 180_000);

  test('a rejected file fails with the reason, and is not delivered', async () => {
    const job = await holdFile('reject.csv');
    expect((await runLongshore(fleet.home, ['reject', job, '--reason', 'sent twice'])).code).toBe(0);
    await untilNotified('reject.csv', ['large-file', 'held', 'failed']);
    const file = await runLongshore(fleet.home, ['job', job]);
    expect(file.out).toMatch(/REJECTED.*sent twice/);
  }, 180_000);

  test('by default a large file is not held; a small one is not reported as large', async () => {
    await fleet.put(`${TENANT}/open/large.csv`, 'x'.repeat(largeBytes + 1));
    await fleet.put(`${TENANT}/open/small.csv`, 'x'.repeat(largeBytes));
    await untilNotified('large.csv', ['large-file', 'completed']);
    await untilNotified('small.csv', ['completed']);
    await expect.poll(() => receiver.received.filter(({ path }) => path === '/slack').length).toBe(1);
    expect(receiver.received.find(({ path }) => path === '/slack')?.body).toContain('large.csv (3 kB) is large');
  });
}
