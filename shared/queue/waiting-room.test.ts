import { describe, expect, it } from 'vitest';
import { type Queued, WaitQueue } from '#shared/queue/waiting-room.ts';

interface Named extends Queued {
  readonly name: string;
}

function item(name: string, { groupId, tenant }: { groupId?: string; tenant?: string } = {}): Named {
  return { name, groupId, tenant };
}

/** Starts everything that may start now. */
function startAll(line: WaitQueue<Named>): string[] {
  const started: string[] = [];
  for (let next = line.next(); next !== undefined; next = line.next()) started.push(next.name);
  return started;
}

describe('a waiting line', () => {
  it('starts in order of arrival', () => {
    const line = new WaitQueue<Named>({ holdLimit: 0 });
    for (const name of ['a', 'b', 'c']) line.add(item(name));
    expect(startAll(line)).toEqual(['a', 'b', 'c']);
  });

  it('starts urgent ones first, each kind in order of arrival', () => {
    const line = new WaitQueue<Named>({ holdLimit: 0 });
    for (const name of ['a', 'b', 'U', 'c', 'V']) line.add({ ...item(name), isUrgent: name < 'a' });
    expect(startAll(line)).toEqual(['U', 'V', 'a', 'b', 'c']);
  });

  it('gives urgent ones alone when no slot is left for others', () => {
    const line = new WaitQueue<Named>({ holdLimit: 0 });
    for (const name of ['a', 'U', 'V']) line.add({ ...item(name, { groupId: 'g' }), isUrgent: name < 'a' });
    expect(line.next({ isUrgentOnly: true })?.name).toBe('U');
    expect(line.next({ isUrgentOnly: true })).toBeUndefined();
    line.endGroup('g');
    expect(line.next({ isUrgentOnly: true })?.name).toBe('V');
    line.endGroup('g');
    expect(line.next({ isUrgentOnly: true })).toBeUndefined();
    expect(line.next()?.name).toBe('a');
  });

  it('runs one of a group and lets other groups pass', () => {
    const line = new WaitQueue<Named>({ holdLimit: 0 });
    for (const name of ['a1', 'a2', 'b1', 'a3']) line.add(item(name, { groupId: name.slice(0, 1) }));
    expect(startAll(line)).toEqual(['a1', 'b1']);
    line.end(item('a1', { groupId: 'a' }));
    expect(startAll(line)).toEqual([]);
    line.endGroup('a');
    expect(startAll(line)).toEqual(['a2']);
  });

  it('takes out what waits of a group when its head failed', () => {
    const line = new WaitQueue<Named>({ holdLimit: 0 });
    for (const name of ['a1', 'a2', 'b1', 'a3']) line.add(item(name, { groupId: name.slice(0, 1) }));
    startAll(line);
    expect(line.remove('a').map(({ name }) => name)).toEqual(['a2', 'a3']);
    expect(line.remove()).toHaveLength(0);
  });

  it('holds a tenant at its limit while there is room to look for others', () => {
    const line = new WaitQueue<Named>({ tenantLimit: 1, holdLimit: 3 });
    for (const name of ['x1', 'x2', 'y1', 'x3']) line.add(item(name, { tenant: name.slice(0, 1) }));
    expect(startAll(line)).toEqual(['x1', 'y1']);
    line.end(item('x1', { tenant: 'x' }));
    expect(startAll(line)).toEqual(['x2']);
  });

  it('starts a tenant beyond its limit when nothing else can be held', () => {
    const line = new WaitQueue<Named>({ tenantLimit: 1, holdLimit: 2 });
    for (const name of ['x1', 'x2', 'x3', 'x4']) line.add(item(name, { tenant: 'x' }));
    expect(startAll(line)).toEqual(['x1', 'x2', 'x3']);
    expect(line.remove()).toHaveLength(1);
  });

  it('lets no message of a group overtake one that is held for its tenant', () => {
    const line = new WaitQueue<Named>({ tenantLimit: 1, holdLimit: 10 });
    line.add(item('x1', { tenant: 'x', groupId: 'g1' }));
    line.add(item('x2', { tenant: 'x', groupId: 'g2' }));
    line.add(item('y1', { tenant: 'y', groupId: 'g2' }));
    expect(startAll(line)).toEqual(['x1']);
  });
});
