import { describe, expect, it } from 'vitest';
import { createConnectionLimits, type PeerSocket } from './connection-limits.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { createSftpMetrics } from './metrics.ts';

function startLimits(random = 0.5) {
  const open = new Set<PeerSocket>();
  const limits = createConnectionLimits(
    { ...DEFAULT_LIMITS, maxUnauthenticated: 10, maxConnections: 20 },
    createSftpMetrics(),
    () => random,
  );
  return {
    open,
    connect(remoteAddress: string, bytesRead = 0) {
      const socket: PeerSocket = {
        remoteAddress,
        bytesRead,
        destroy() {
          open.delete(socket);
          return socket as never;
        },
      };
      const place = limits.admit(socket);
      if (place !== undefined) open.add(socket);
      return { socket, place };
    },
  };
}

const from = (open: ReadonlySet<PeerSocket>, address: string): number =>
  [...open].filter(({ remoteAddress }) => remoteAddress === address).length;

describe('sockets that have not logged in', () => {
  it('of one address get half of the places, however many come', () => {
    const { open, connect } = startLimits();
    for (let count = 0; count < 60; count += 1) connect('192.0.2.1');
    expect(from(open, '192.0.2.1')).toBe(5);
    const { place, socket } = connect('198.51.100.7');
    expect(place?.logIn('acme-user')).toBe(true);
    for (let count = 0; count < 60; count += 1) connect('192.0.2.1');
    expect(open).toContain(socket);
  });

  it('of one address displace each other, the silent ones first', () => {
    const { open, connect } = startLimits(0);
    const halfway = connect('192.0.2.1', 1_500);
    for (let count = 0; count < 60; count += 1) connect('192.0.2.1', count % 2 === 0 ? 0 : 20);
    expect(open).toContain(halfway.socket);
    expect(halfway.place?.logIn('acme-user')).toBe(true);
  });

  it('of many addresses displace one of the address that has the most', () => {
    const { open, connect } = startLimits();
    for (let count = 0; count < 4; count += 1) connect('192.0.2.1');
    for (let count = 0; count < 6; count += 1) connect(`198.51.100.${count}`);
    const { place } = connect('203.0.113.1');
    expect(place).toBeDefined();
    expect(from(open, '192.0.2.1')).toBe(3);
    expect(open.size).toBe(10);
  });

  it('of one IPv6 network are one address', () => {
    const { open, connect } = startLimits();
    for (let count = 0; count < 60; count += 1) connect(`2001:db8:1:2:a:b:c:${count}`);
    expect(open.size).toBe(5);
  });
});
