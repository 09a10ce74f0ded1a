import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, LookupFunction } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createAddressGuard } from './address-guard.ts';
import { createUndiciClient } from './create-undici-client.ts';

const closers: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

test.each([
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.31.255.255',
  '192.168.0.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:10.0.0.1',
  '::ffff:7f00:1',
  '0:0:0:0:0:ffff:a9fe:a9fe',
  '::ffff:0:127.0.0.1',
  '::127.0.0.1',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '2001::1',
  '2001:db8::1',
  'fe80::1',
  'fe80::1%eth0',
  'fd00:ec2::254',
  'ff02::1',
  'localhost',
  '',
  '127.1',
])('%s is refused', (address) => {
  expect(createAddressGuard({ allow: [] }).isAllowed(address)).toBe(false);
});

test.each(['1.1.1.1', '172.32.0.1', '100.128.0.1', '::ffff:1.1.1.1', '2606:4700::1111', '2a00:1450::1'])(
  '%s is public',
  (address) => {
    expect(createAddressGuard({ allow: [] }).isAllowed(address)).toBe(true);
  },
);

test('the allow-list names addresses and networks, and nothing beside them', () => {
  const guard = createAddressGuard({ allow: ['127.0.0.0/8', '::1', '10.0.0.5'] });
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '10.0.0.5']) {
    expect(guard.isAllowed(address)).toBe(true);
  }
  for (const address of ['10.0.0.6', '::2', '169.254.169.254']) expect(guard.isAllowed(address)).toBe(false);
  expect(() => createAddressGuard({ allow: ['metadata'] })).toThrow();
});

describe('a client with a guard', () => {
  async function serve() {
    const seen = { requests: 0 };
    const server = createServer((_request, response) => {
      seen.requests += 1;
      response.end('ok');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(
      () => server.close(),
      () => server.closeAllConnections(),
    );
    return { seen, port: (server.address() as AddressInfo).port };
  }

  function open(allow: string[], lookup?: LookupFunction) {
    const addressGuard = createAddressGuard({ allow, ...(lookup !== undefined && { lookup }) });
    const client = createUndiciClient({ timeoutMs: 60_000, maxBodyBytes: 100, addressGuard });
    closers.push(client.close);
    return client;
  }

  test('opens nothing to a refused address, however the URL spells it', async () => {
    const { seen, port } = await serve();
    const client = open([]);
    for (const host of [
      '127.0.0.1',
      'localhost',
      '2130706433',
      '0x7f.1',
      '0177.0.0.1',
      '[::ffff:127.0.0.1]',
      '[::1]',
      '0',
    ]) {
      const outcome = await client.send({ method: 'GET', url: new URL(`http://${host}:${port}/`) });
      expect(outcome).toMatchObject({ type: 'no-reply', cause: 'forbidden' });
    }
    expect(seen.requests).toBe(0);
    const allowed = open(['127.0.0.0/8']);
    expect(await allowed.send({ method: 'GET', url: new URL(`http://127.0.0.1:${port}/`) })).toMatchObject({
      status: 200,
    });
    expect(seen.requests).toBe(1);
  });

  test('is not led astray by a name that changes its answer, or has a second one', async () => {
    const { seen, port } = await serve();
    let asked = 0;
    // Allowed when looked at, refused when called: there is no second look-up to lie to.
    const rebinding: LookupFunction = (_name, _options, callback) => {
      asked += 1;
      callback(null, [{ address: asked === 1 ? '127.0.0.2' : '127.0.0.1', family: 4 }]);
    };
    const mixed: LookupFunction = (_name, _options, callback) =>
      callback(null, [
        { address: '93.184.216.34', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ]);
    const url = new URL(`http://partner.example:${port}/`);
    expect(await open(['127.0.0.2'], rebinding).send({ method: 'GET', url })).toMatchObject({ cause: 'unreachable' });
    expect(await open([], mixed).send({ method: 'GET', url })).toMatchObject({ cause: 'forbidden' });
    expect(asked).toBe(1);
    expect(seen.requests).toBe(0);
    const inside: LookupFunction = (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]);
    expect(await open(['127.0.0.1'], inside).send({ method: 'GET', url })).toMatchObject({ status: 200 });
  });
});
