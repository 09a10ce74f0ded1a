import { describe, expect, it } from 'vitest';
import { LANDING_EVENTS } from '#shared/messages/landing-events.ts';
import { decodeMessage } from '#shared/queue/define-message.ts';
import {
  directoryChanged,
  downloadCompleted,
  downloadFailed,
  fileDeleted,
  renameCompleted,
  type TransferEvent,
  uploadCompleted,
  uploadFailed,
} from './transfer-event.ts';

const context = {
  server: { serverId: 's-0123456789abcdef0', region: 'us-east-1', account: '000000000000' },
  session: { sessionId: 'a1b2', username: 'acme-user', clientIp: '127.0.0.1' },
  startedAt: new Date('2026-01-01T00:00:00.100Z'),
  endedAt: new Date('2026-01-01T00:00:01.200Z'),
};
const object = { bucket: 'longshore-landing', key: 'acme/in/Grüße 50%.csv', bytes: 3 };

describe('a transfer event', () => {
  it.each<[string, TransferEvent, object]>([
    [
      'of a whole upload',
      uploadCompleted(context, { ...object, etag: 'e' }),
      { bytes: 3, etag: 'e', 'file-path': '/longshore-landing/acme/in/Grüße 50%.csv' },
    ],
    [
      'of an upload that was cut off',
      uploadFailed(context, { ...object, etag: 'e', failureCode: 'PARTIAL_UPLOAD' }),
      { bytes: 3, etag: 'e', 'file-path': '/longshore-landing/acme/in/Grüße 50%.csv' },
    ],
    [
      'of an upload that could not be stored',
      uploadFailed(context, { ...object, bytes: 0, failureCode: 'UNKNOWN_ERROR' }),
      { bytes: 0, 'file-path': '/longshore-landing/acme/in/Grüße 50%.csv' },
    ],
    [
      'of a rename',
      renameCompleted(context, { bucket: 'longshore-landing', fromKey: 'acme/a.tmp', toKey: 'acme/a.csv' }),
      { 'renamed-file-path': '/longshore-landing/acme/a.csv' },
    ],
    [
      'of a download',
      downloadCompleted(context, { bucket: 'longshore-outbound', key: 'acme/a.csv', bytes: 3 }),
      { bytes: 3, 'file-path': '/longshore-outbound/acme/a.csv', 'session-id': 'a1b2', 'client-ip': '127.0.0.1' },
    ],
    [
      'of a download of a file that is not there',
      downloadFailed(context, object),
      { 'failure-message': 'There is no such file.', 'file-path': '/longshore-landing/acme/in/Grüße 50%.csv' },
    ],
    ['of a deleted file', fileDeleted(context, object), { 'file-path': '/longshore-landing/acme/in/Grüße 50%.csv' }],
    [
      'of a new directory',
      directoryChanged(context, 'Create', { bucket: 'longshore-landing', key: 'acme/in' }),
      { 'directory-path': '/longshore-landing/acme/in' },
    ],
    [
      'of a removed directory',
      directoryChanged(context, 'Delete', { bucket: 'longshore-landing', key: 'acme/in' }),
      { 'directory-path': '/longshore-landing/acme/in' },
    ],
  ])('%s is what the landing queue reads', (_, event, detail) => {
    const decoded = decodeMessage(LANDING_EVENTS as never, JSON.stringify(event));
    expect(decoded).toMatchObject({ ok: true, message: { type: event['detail-type'], detail } });
  });

  it('says by code and sentence why an upload failed', () => {
    const { detail } = uploadFailed(context, { ...object, failureCode: 'PARTIAL_UPLOAD' });
    expect(detail).toMatchObject({
      'failure-code': 'PARTIAL_UPLOAD',
      'failure-message': 'File was partially uploaded.',
      'status-code': 'FAILED',
      'start-timestamp': '2026-01-01T00:00:00.100Z',
      'end-timestamp': '2026-01-01T00:00:01.200Z',
    });
  });
});
