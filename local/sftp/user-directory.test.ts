import { describe, expect, it } from 'vitest';
import type { SftpLogin } from '#shared/access/sftp-users.ts';
import { createUserDirectory } from './user-directory.ts';

const ROW: SftpLogin = {
  tenantId: 'acme',
  publicKeys: ['ssh-ed25519 A', 'ssh-ed25519 B'],
  homePrefix: 'acme/',
  routeGlobs: [],
};

describe('the user directory', () => {
  it('asks the database once for logins that come together, and again after a few seconds', async () => {
    let queries = 0;
    let now = 0;
    const queryUser = async () => {
      queries += 1;
      return ROW;
    };
    const findUser = createUserDirectory({ queryUser, now: () => now });
    await Promise.all([findUser('acme-user'), findUser('acme-user')]);
    expect(await findUser('acme-user')).toEqual({
      tenantId: 'acme',
      publicKeys: ['ssh-ed25519 A', 'ssh-ed25519 B'],
      homePrefix: 'acme/',
      directories: [],
    });
    expect(queries).toBe(1);
    now = 10_000;
    await findUser('acme-user');
    expect(queries).toBe(2);
  });

  it('knows the directories that the routes name', async () => {
    const globs = ['inbound/orders/**/*.csv', ['raw/*', 'inbound/contracts/a.pdf'], '*.xml', '{a,b}/c', '**'];
    const findUser = createUserDirectory({ queryUser: async () => ({ ...ROW, routeGlobs: globs }) });
    expect((await findUser('acme-user'))?.directories).toEqual(['inbound/orders', 'raw', 'inbound/contracts']);
  });

  it('remembers no failure', async () => {
    let isDown = true;
    const findUser = createUserDirectory({
      queryUser: async () => {
        if (isDown) throw new Error('down');
        return ROW;
      },
    });
    await expect(findUser('acme-user')).rejects.toThrow('down');
    isDown = false;
    expect(await findUser('acme-user')).toMatchObject({ tenantId: 'acme' });
  });

  it('remembers a bounded number of names', async () => {
    let queries = 0;
    const findUser = createUserDirectory({
      queryUser: async () => {
        queries += 1;
        return undefined;
      },
      now: () => 0,
    });
    for (let name = 0; name < 1_500; name += 1) expect(await findUser(`name-${name}`)).toBeUndefined();
    await findUser('name-1499');
    expect(queries).toBe(1_500);
    await findUser('name-0');
    expect(queries).toBe(1_501);
  });
});
