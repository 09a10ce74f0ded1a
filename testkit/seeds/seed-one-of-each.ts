/** One of everything that a tenant can have, each of a known id and with the tenant's mark in its texts: for tests of what others see of it. */
import { createHash, randomUUID, randomUUIDv7 } from 'node:crypto';
import { createApiKey } from '#shared/access/api-keys.ts';
import type { TestApi } from '../beds/start-test-api.ts';
import { createTestBrowser, signInByLink } from '../beds/test-browser.ts';
import { seedJobs } from './seed-jobs.ts';
import { seedRecords } from './seed-records.ts';

/** Ids and names by what the path calls them: `files`, `jobs`, `routes`. */
export type OneOfEach = Readonly<Record<string, string>>;

const DEFINITION_KINDS = [
  'partners',
  'stores',
  'databases',
  'calendars',
  'expectations',
  'senders',
  'remotes',
  'sources',
  'routes',
] as const;

/** `mark` is lower case letters; it begins every name. */
export async function seedOneOfEach(
  { app, sql, keys }: TestApi,
  tenant: 'acme' | 'globex',
  mark: string,
): Promise<OneOfEach> {
  const insert = async (table: string, row: Record<string, unknown>) => {
    await sql`INSERT INTO ${sql(table)} ${sql(row as Record<string, never>)}`;
  };
  const json = (value: unknown) => sql.json(value as never);
  const call = async (url: string, payload: object, key = keys.operator) => {
    const reply = await app.inject({ method: 'POST', url, headers: { 'x-api-key': key }, payload });
    if (reply.statusCode >= 300) throw new Error(`POST ${url} answered ${reply.statusCode}: ${reply.body}`);
    return reply.json();
  };

  await call('/api/v1/routes', { files: [{ name: 'all.yaml', text: definitionsOf(tenant, mark) }] });
  const { job } = await seedRecords(sql, {
    tenantId: tenant,
    records: 2,
    objects: [{ name: `${mark}.csv`, key: `${tenant}/inbound/${mark}.csv` }],
  });
  await sql`UPDATE jobs SET wait_reason = 'HELD' WHERE id = ${job.id}`;
  await sql`UPDATE records SET "values" = ${json({ word: mark })} WHERE job_id = ${job.id}`;
  const [failed] = await seedJobs(sql, { tenantId: tenant, objects: [{ name: `${mark}-2.csv` }] });
  if (failed === undefined) throw new Error('a job was expected');
  await sql`UPDATE jobs SET state = 'FAILED', error_code = 'CANCELLED', error_message = ${mark}, finished_at = now() WHERE id = ${failed.id}`;
  await sql`
    UPDATE files SET status = 'FAILED', error_code = 'CANCELLED', error_message = ${mark}, open_jobs = 0, failed_jobs = 1, finished_at = now(), content_hash = ${`${mark}-hash`}
    WHERE id = ${failed.fileId}`;
  const [route] = await sql<{ id: string }[]>`
    SELECT id FROM routes WHERE tenant_id = ${tenant} LIMIT 1`;
  if (route === undefined) throw new Error('a route was expected');

  const ids = {
    ...Object.fromEntries(
      ['effects', 'occurrences', 'batches', 'pulls', 'dead-letters', 'legal-holds', 'uploads'].map((name) => [
        name,
        randomUUIDv7() as string,
      ]),
    ),
    ...{ 'sftp-sessions': `${mark}-session`, 'sftp-users': `${mark}-user`, templates: `${mark}-template` },
    ...{ files: job.fileId, jobs: job.id, campaigns: job.id, suppressions: `${mark}@example.com`, tenants: tenant },
    ...Object.fromEntries(DEFINITION_KINDS.map((kind) => [kind, `${mark}-${kind.slice(0, -1)}`])),
    recipients: `${mark}@example.com`,
  } as Record<string, string>;
  const soon = new Date(Date.now() + 3_600_000);
  await insert('effects', {
    ...{
      id: ids.effects,
      job_id: failed.id,
      step_seq: 0,
      part: 0,
      tenant_id: tenant,
      key: `${mark}-key`,
      kind: 'push',
    },
    ...{ stage: 'UNKNOWN', facts: json({ path: `/${mark}` }), epoch: 1 },
  });
  await insert('expected_occurrences', {
    ...{
      id: ids.occurrences,
      tenant_id: tenant,
      expectation: ids.expectations,
      opens_at: new Date(),
      due_at: new Date(),
    },
    ...{ closes_at: soon, state: 'LATE', note: mark },
  });
  await insert('batches', {
    ...{
      id: ids.batches,
      tenant_id: tenant,
      route_id: route.id,
      key: mark,
      look_at: soon,
      expected: json([`${mark}.csv`]),
    },
  });
  await insert('pulls', {
    ...{
      id: ids.pulls,
      tenant_id: tenant,
      project: mark,
      pipeline: 'P',
      remote: ids.remotes,
      remote_path: `/in/${mark}`,
    },
    ...{ status: 'ERROR', transfer_stage: 'DOWNLOADING', attempts: 1, error_message: mark, completed_at: new Date() },
  });
  await insert('dead_letters', {
    ...{
      id: ids['dead-letters'],
      queue: 'partner-steps',
      message_id: mark,
      body: `{"${mark}":1}`,
      attributes: json({}),
    },
    ...{ receive_count: 3, reason: mark, tenant_id: tenant, state: 'PARKED' },
  });
  await insert('legal_holds', { id: ids['legal-holds'], tenant_id: tenant, reason: mark, placed_by: mark });
  await insert('deletion_certificates', {
    ...{ id: randomUUIDv7(), tenant_id: tenant, what: 'files', rule: `route ${mark}`, files: 1, jobs: 1, bytes: 1 },
    ...{ finished_from: new Date(), finished_to: new Date(), digest: mark, objects: 0, objects_left: 0 },
  });
  await insert('restores', {
    file_id: job.fileId,
    tenant_id: tenant,
    state: 'ASKED',
    days: 1,
    tier: 'x',
    reason: mark,
    actor: mark,
  });
  await insert('receipts', {
    tenant_id: tenant,
    seq: 1,
    file_id: job.fileId,
    job_id: job.id,
    step_seq: 1,
    jws: mark,
    hash: mark,
  });
  await insert('notices', {
    ...{
      event_id: randomUUIDv7(),
      tenant_id: tenant,
      route: '',
      channel: mark,
      notice: 'failed',
      body: json({ word: mark }),
    },
    ...{ state: 'PARKED', next_action_at: soon, error_message: mark },
  });
  await insert('uploads', {
    ...{
      id: ids.uploads,
      tenant_id: tenant,
      bucket: 'test-landing',
      key: `${tenant}/inbound/${mark}-up`,
      size_bytes: 10_000_000,
    },
    ...{
      source: 'portal',
      uploaded_by: mark,
      state: 'OPEN',
      part_bytes: 5_242_880,
      store_upload_id: mark,
      expires_at: soon,
    },
  });
  await insert('sftp_sessions', {
    ...{
      id: ids['sftp-sessions'],
      tenant_id: tenant,
      username: `${mark}-user`,
      first_at: new Date(),
      last_at: new Date(),
    },
    ...{ uploads: 1, failures: 1 },
  });
  await insert('sftp_actions', {
    ...{
      at: new Date(),
      event_id: mark,
      session_id: ids['sftp-sessions'],
      tenant_id: tenant,
      action: 'upload',
      path: `/${mark}`,
    },
  });
  await insert('suppressions', {
    ...{ tenant_id: tenant, topic: '*', address: ids.suppressions, reason: 'imported', origin: mark },
    address_hash: createHash('sha256')
      .update(ids.suppressions ?? '')
      .digest('hex'),
  });
  await insert('templates', {
    ...{
      tenant_id: tenant,
      id: ids.templates,
      version: 1,
      format: 'json',
      topic: 'newsletter',
      status: 'READY',
      key: mark,
    },
    ...{ subject: mark, html: mark, text: '', created_by: mark, expires_at: soon },
  });
  await insert('campaigns', {
    ...{ id: ids.campaigns, tenant_id: tenant, name: mark, route_id: randomUUIDv7(), route_version_id: randomUUIDv7() },
    ...{
      template_id: ids.templates,
      template_version: 1,
      sender: ids.senders,
      topic: 'newsletter',
      is_marketing: true,
    },
    ...{ file_ref: job.fileId, request_hash: 'x', created_by: mark, begun_at: new Date() },
  });
  const admin = await createApiKey(sql, {
    tenantId: tenant,
    label: `${mark}-key`,
    role: 'tenant-admin',
    actor: 'test',
  });
  ids.keys = admin.keyId;
  const person = await call(
    '/api/v1/people',
    { tenant, email: `${mark}@${tenant}.example`, name: mark, role: 'sender' },
    keys.operator,
  );
  ids.people = person.person_id;
  await signInByLink(createTestBrowser(app), app, admin.key);
  const [session] = await sql<{ id: string }[]>`
    SELECT s.id FROM sessions s JOIN people p ON p.id = s.person_id WHERE p.tenant_id = ${tenant} LIMIT 1`;
  ids.sessions = session?.id ?? randomUUID();
  const action = await call('/api/v1/actions', { verb: 'cancel', filter: { ids: [job.id] } }, admin.key);
  ids.actions = action.action_id;
  const path = `/api/v1/partners/${tenant}/${mark}-partner/pause`;
  const proposal = await call('/api/v1/proposals', { method: 'POST', path, reason: mark }, keys.operator);
  ids.proposals = proposal.proposal_id;
  await sql`
    INSERT INTO audit_events (type, tenant_id, file_id, actor, detail)
    VALUES ('file.failed', ${tenant}, ${job.fileId}, ${mark}, ${json({ word: mark })})`;
  return ids;
}

function definitionsOf(tenant: string, mark: string): string {
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDW9aDcZfrLrqQxCwhDwp0XvwLjUpzLVsUTQpPyP0Vx1';
  return [
    `kind: tenant\nid: ${tenant}\nname: ${mark} inc\nsftpUsers:\n  - { username: ${mark}-user, publicKey: ${key} }`,
    `kind: partner\ntenant: ${tenant}\nname: ${mark}-partner\nbaseUrl: https://${mark}.example
operations:
  check: { method: POST, path: /check, idempotent: true, judge: [{ when: { status: 200 }, is: success }] }`,
    `kind: store\ntenant: ${tenant}\nname: ${mark}-store\nendpoint: https://${mark}.example\ncredentials: s3\nbuckets: [inbox]`,
    `kind: database\ntenant: ${tenant}\nname: ${mark}-database\nhost: ${mark}.example\ndatabase: d\nuser: u\npassword: p\ntables: [t]`,
    `kind: calendar\ntenant: ${tenant}\nname: ${mark}-calendar\ntimeZone: UTC`,
    `kind: expectation\ntenant: ${tenant}\nname: ${mark}-expectation\nmatch: in/*.csv
due: { cron: "0 5 * * *", opensBefore: 1h, grace: 1h }`,
    `kind: sender\ntenant: ${tenant}\nname: ${mark}-sender\nfrom: "N <news@${mark}.example>"\ntransport: ses
topics: [{ name: newsletter, class: marketing }]`,
    `kind: remote\ntenant: ${tenant}\nname: ${mark}-remote\ntype: sftp\nhost: ${mark}.example\nuser: u\npassword: p
hostKeys: ["SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]\npaths: [/in/]`,
    `kind: source\ntenant: ${tenant}\nname: ${mark}-source\nremote: ${mark}-remote\ndirectory: /in/\nproject: P\nready: { stable: 5s }`,
    `kind: route\ntenant: ${tenant}\nname: ${mark}-route\nmatch: { path: "**" }
records: { format: csv, columns: [{ name: word }] }
steps: [{ parse: {} }, { call: { partner: ${mark}-partner, operation: check, code: VA } }]`,
  ].join('\n---\n');
}
