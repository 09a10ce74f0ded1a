import { expect, test } from 'vitest';
import { fileToMatch } from '#testkit/seeds/file-to-match.ts';
import { compileMatch, type FileToMatch } from './compile-match.ts';
import { matchSchema } from './match-schema.ts';

function refuses(match: object, more: Partial<FileToMatch> = {}) {
  return compileMatch(matchSchema.parse({ path: '**', ...match }), true).refuses(fileToMatch('in/a.csv', 10, more));
}
const content = (type: string, firstLine: string | null = null) => ({ content: { type, firstLine } });
const at = (time: string, timeZone = 'UTC') => ({ arrivedAtMs: Date.parse(time), timeZone });

test.each([
  [{ source: ['sftp'] }, {}, undefined],
  [{ source: ['s3', 'http'] }, {}, 'source'],
  // Found without its event: its object says who wrote it.
  [{ source: ['sftp'] }, { source: 'reconciliation' }, undefined],
  [{ source: ['s3'] }, { source: 'reconciliation', uploadedBy: null }, undefined],
  [{ user: 'acme-*' }, {}, undefined],
  [{ user: ['other', 'acme-sftp'] }, {}, undefined],
  [{ user: 'other' }, {}, 'user'],
  [{ user: '*' }, { uploadedBy: null }, 'user'],
  [{ metadata: { kind: 'in{voice,voices}' } }, { metadata: { kind: 'invoice' } }, undefined],
  [{ metadata: { kind: 'invoice' } }, { metadata: { kind: 'order' } }, 'metadata'],
  [{ metadata: { kind: '**' } }, {}, 'metadata'],
  [{ metadata: { constructor: '**' } }, {}, 'metadata'],
  [{ tags: { kind: 'a' } }, {}, 'tags unread'],
  [{ tags: { kind: 'a' } }, { tags: { kind: 'a', more: 'b' } }, undefined],
  [{ tags: { kind: 'a' } }, { tags: {} }, 'tags'],
  [{ type: ['pdf'] }, {}, 'content unread'],
  [{ type: ['pdf', 'csv'] }, content('csv'), undefined],
  [{ type: ['pdf'] }, content('zip'), 'type'],
  [{ header: { pattern: 'HDR.*' } }, {}, 'content unread'],
  [{ header: { pattern: 'HDR.*' } }, content('txt', 'HDR20260304ACME'), undefined],
  [{ header: { pattern: 'HDR' } }, content('txt', 'HDR20260304ACME'), 'header'],
  [{ header: { pattern: '.*' } }, content('zip'), 'header'],
  [{ header: { columns: ['id', 'amount'] } }, content('csv', 'amount, "id",more'), undefined],
  [{ header: { columns: ['id', 'amount'] } }, content('csv', 'id;amount'), 'header'],
  [{ header: { columns: ['id', 'amount'], delimiter: ';' } }, content('csv', 'id;amount'), undefined],
  // What costs a read is asked last.
  [{ type: ['pdf'], user: 'other' }, {}, 'user'],
  [{ type: ['pdf'], tags: { kind: 'a' } }, {}, 'tags unread'],
])('%j, of a file with %j: %s', (match, more, refusal) => {
  expect(refuses(match, more)).toBe(refusal);
});

test.each([
  ['within the hours of the zone', { from: '22:00', to: '06:00' }, at('2026-03-04T20:00:00Z', 'Asia/Tokyo'), undefined],
  ['before them', { from: '22:00', to: '06:00' }, at('2026-03-04T21:59:59Z'), 'time'],
  [
    'after midnight, on the day on which they began',
    { days: ['fri'], from: '22:00', to: '06:00' },
    at('2026-03-07T05:00:00Z'),
    undefined,
  ],
  ['after midnight, on another day', { days: ['sat'], from: '22:00', to: '06:00' }, at('2026-03-07T05:00:00Z'), 'time'],
  [
    'in the hour that a day does not have',
    { from: '02:00', to: '03:00' },
    at('2026-03-29T01:30:00Z', 'Europe/Berlin'),
    'time',
  ],
])('a file that arrives %s', (_when, time, more, refusal) => {
  expect(refuses({ time: [time] }, more)).toBe(refusal);
});

test.each([
  [{ header: {} }, 'needs columns, or a pattern'],
  [{ header: { pattern: '(' } }, 'the pattern cannot be used'],
  [{ time: [{ from: '8:00', to: '09:00' }] }, 'must be a time of day'],
  [{ time: [{ from: '08:00', to: '08:00' }] }, 'begins when it ends'],
  [{ metadata: { Kind: 'a' } }, 'must be a name of metadata in lower case'],
  [{ type: ['.pdf!'] }, 'must be an extension such as csv'],
  [{ user: [] }, 'needs at least one glob'],
  [{ source: ['fax'] }, 'expected one of'],
])('%j is a fault of the definition', (match, message) => {
  expect(matchSchema.safeParse({ path: '**', ...match }).error?.message).toContain(message);
});
