/** An example of each request body, by operation; the linter of `npm run check` holds them against the schemas. */

const [FILE, OTHER_FILE] = ['0198c0de-0000-7000-8000-000000000001', '0198c0de-0000-7000-8000-000000000002'];
const PUBLIC_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0V2Dq7Nn0P9f3x0o0f0w1l7m3nT2b8Yb2sC3pQmJkR';
const ROUTE = 'kind: route\ntenant: acme\nname: orders\nmatch: { path: "inbound/orders/**" }\nsteps:\n  - deliver:\n';
const REASON = 'INC-4711 the partner is back';

export const REQUEST_EXAMPLES: Readonly<Record<string, unknown>> = {
  postGraphql: { query: `{ getFileStatus(file_id: "${FILE}") { status processed_by } }` },
  postFiles: { path: 'inbound/orders', name: 'orders.csv', type: 'text/csv', contentBase64: 'aWQKMQo=' },
  postFilesPresignedUrl: { path: 'inbound/orders', name: 'orders.csv', size: 12_000_000, type: 'text/csv' },
  postUploads: { path: 'inbound/orders', name: 'orders.csv', size: 12_000_000, type: 'text/csv' },
  postUploadsByIdUrls: { parts: [{ part: 1 }, { part: 2 }] },
  postUploadsByIdComplete: { crc64nvme: 'AAAAAAAAAAA=' },
  postUploadLinks: {
    tenant: 'acme',
    path: 'inbound/orders',
    reason: 'CASE-88 the customer has no SFTP client',
    hours: 24,
  },
  postDownloads: { file_id: FILE, what: 'rejects', reason: 'CASE-88 the partner asks for them' },
  postPartnersByTenantByNamePause: { reason: 'INC-4711 it books twice', revision: 3 },
  postPartnersByTenantByNameResume: { reason: 'INC-4711 mended', revision: 4 },
  postPartnersByTenantByNameBreaker: { state: 'open', for: '2h', reason: 'INC-4712 they work on it' },
  postPartnersByTenantByNameTest: { operation: 'validate' },
  postEffectsByIdResolve: { as: 'done', reason: 'INC-4711 the partner confirmed the file' },
  postLegalHolds: { tenant: 'acme', route: 'invoices', reason: 'Case 4711' },
  postFilesByIdRestore: { reason: 'The auditor asked for it', tier: 'bulk' },
  postJobs: { file_id: FILE, route: 'orders', reason: REASON },
  postJobsByIdComment: { comment: 'The partner confirms that the amount is right.' },
  postJobsByIdRecordsRetry: { codes: ['VALIDATION_ERROR'], reason: REASON, rate_per_second: 50 },
  postOccurrencesByIdLink: { file_id: FILE, reason: 'The partner sent it under last week’s name.' },
  postActions: {
    verb: 'retry',
    filter: { code: 'VALIDATION_ERROR', since: '2026-01-31T08:00:00Z' },
    rate_per_second: 50,
  },
  postActionsByIdRun: { reason: REASON, rate_per_second: 50, canary: 10, stop_at_percent: 5 },
  postProposals: {
    method: 'POST',
    path: '/api/v1/partners/acme/rfi/pause',
    body: {},
    reason: 'INC-4711 it books twice',
  },
  postRoutesSimulate: { file: { tenant: 'acme', path: 'inbound/orders/week-49.csv', size_bytes: 1_200 } },
  postDeadLettersDiscard: { queue: 'work', reason: 'They are of a test.' },
  postDeadLettersRedrive: { queue: 'work', reason: 'The service reads them now.', rate_per_second: 10 },
  postDeadLettersByIdRedrive: { body: '{"type":"job.due","version":1}', reason: 'Its type was misspelled.' },
  postNoticesRetry: { tenant: 'acme', channel: 'desk', reason: 'The webhook is back.' },
  postTemplatesPresignedUrl: { name: 'spring', format: 'mjml', topic: 'news', size: 4_096 },
  postCampaigns: {
    name: 'Spring',
    template_id: 'spring',
    file_id: OTHER_FILE,
    sender: 'news',
    columns: { first_name: 'FirstName' },
    rate_per_second: 100,
  },
  postCampaignsByIdPause: { reason: 'The price in the text is wrong.' },
  postCampaignsByIdResume: { reason: 'The shop is back.' },
  postCampaignsByIdCancel: { reason: 'The offer has ended.' },
  postCampaignsByIdTest: { to: ['desk@example.com'], rows: 2 },
  postSuppressions: { topic: 'news', addresses: ['ann@example.com'] },
  postKeys: { tenant: 'acme', label: 'nightly upload', role: 'sender', expires_at: '2030-01-31T00:00:00Z' },
  postKeysByIdRotate: { overlap_hours: 24 },
  postPeople: { tenant: 'acme', email: 'ann@example.com', name: 'Ann Lee', role: 'tenant-viewer' },
  postPeopleByIdRole: { role: 'operator' },
  postSftpUsers: { tenant: 'acme', username: 'acme-orders', reason: 'CASE-88 a second sender' },
  postSftpUsersByUsernameKeys: { public_key: PUBLIC_KEY, label: 'build server', reason: 'CASE-88 a second sender' },
  postSftpUsersByUsernameKeysRevoke: {
    fingerprint: 'SHA256:uNiVztksCsDhcc0u9e8BrTLNJVJNWc7pKpQbZ0GB5Ds',
    reason: 'The laptop was lost.',
  },
  postPulls: { tenant: 'acme', project: 'ORDERS', remote: 'bank', remotePath: '/out/orders.csv' },
  postAuthOidc: { return_to: '/console/files' },
  postAuthMail: { email: 'ann@example.com' },
  postAuthMailConfirm: { token: 'token-of-the-link', code: '123456' },
  postAuthLink: { token: 'token-of-the-link' },
};

/** What takes YAML takes definitions; what takes a reason alone is said the same everywhere. */
export function exampleOf(operationId: string, body: Readonly<Record<string, unknown>>, takesYaml: boolean): unknown {
  if (operationId in REQUEST_EXAMPLES) return REQUEST_EXAMPLES[operationId];
  if (takesYaml) return ROUTE;
  const fields = Object.keys((body.properties as object | undefined) ?? {});
  return fields.length === 1 && fields[0] === 'reason' ? { reason: REASON } : undefined;
}
