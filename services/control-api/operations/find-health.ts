/**
 * The fleet at a glance: which services are connected and in which version, what is overdue, what waits for a person.
 *
 * 1. Read from the database and the queues alone, so that it serves on one machine and on AWS, and says most of it while the queues are down.
 * 2. A service is connected while one of its processes has a session at the database; its own `/readyz` says more.
 */
import { z } from 'zod';
import type { Sql } from '#shared/db/connect-database.ts';
import { countBlockedLines, countParkedLetters, readQueueRows } from '#shared/fleet/open-rows.ts';
import { noticeLag } from '#shared/notices/notice-transitions.ts';
import { ARRIVAL_QUEUES, QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';
import { VERSION } from '#shared/runtime/version.ts';
import { within } from '#shared/runtime/within.ts';
import { HELD } from '#shared/steps/step-outcome.ts';
import type { ApiParts } from '../http/api-server.ts';

export const healthSchema = z
  .object({
    is_healthy: z.boolean().describe('Whether `problems` is empty. Work that waits for an operator is not a problem.'),
    problems: z.array(z.string()),
    version: z.string().describe('Of the API that answers.'),
    services: z.array(
      z.object({
        service: z.string(),
        sessions: z.number().describe('At the database; 0 when the service is not connected.'),
        versions: z.array(z.string()),
      }),
    ),
    queues: z.array(
      z.object({
        queue: z.string(),
        messages: z.number().nullable().describe('Waiting, approximately; null while the queue does not answer.'),
        dead_letters: z.number().nullable(),
        oldest_due_seconds: z.number().nullable().describe('Of what is due and not done yet; null for `landing`.'),
      }),
    ),
    needs_person: z.object({
      held_jobs: z.number(),
      blocked_lines: z.number().describe('Ordered routes whose failed file holds back others.'),
      parked_dead_letters: z.number(),
      parked_notices: z.number(),
    }),
  })
  .meta({ id: 'Health' });
export type Health = z.infer<typeof healthSchema>;

/** Those that every fleet runs. */
const SERVICES = ['ingestor', 'router', 'partner-worker', 'large-file-worker', 'retry-sweeper', 'control-api'] as const;
/** Silent queues leave time for the rest of the answer. */
const QUEUES_ANSWER_MS = 5_000;
/** Longer, and nothing works on it. */
const OVERDUE_SECONDS = 120;

export async function findHealth({ sql, readDepths }: Pick<ApiParts, 'sql' | 'readDepths'>): Promise<Health> {
  const [services, queues, needsPerson] = await Promise.all([
    findServices(sql),
    findQueues({ sql, readDepths }),
    findWhatNeedsPerson(sql),
  ]);
  const problems = [
    ...services
      .filter(({ sessions }) => sessions === 0)
      .map(({ service }) => `The ${service} is not connected to the database.`),
    ...(new Set(services.flatMap(({ versions }) => versions)).size > 1 ? ['Services run in several versions.'] : []),
    ...queues.flatMap(({ queue, messages, oldest_due_seconds: age }) => [
      ...(messages === null ? [`The queue ${queue} does not answer.`] : []),
      ...(age !== null && age > OVERDUE_SECONDS ? [`Work of the queue ${queue} is overdue by ${age} s.`] : []),
    ]),
  ];
  return {
    is_healthy: problems.length === 0,
    problems,
    version: VERSION,
    services,
    queues,
    needs_person: needsPerson,
  };
}

/** By the `application_name` of sessions, e.g. `longshore-router/0.1.0`. */
async function findServices(sql: Sql): Promise<Health['services']> {
  const rows = await sql<{ service: string; version: string; sessions: number }[]>`
    SELECT regexp_replace(split_part(application_name, '/', 1), '^longshore-|-reads$', '', 'g') AS service,
      split_part(application_name, '/', 2) AS version, count(*)::int AS sessions
    FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^(longshore-|control-api)'
    GROUP BY 1, 2`;
  return SERVICES.map((service) => {
    const own = rows.filter((row) => row.service === service);
    return {
      service,
      sessions: own.reduce((sum, { sessions }) => sum + sessions, 0),
      versions: own.map(({ version }) => version).sort(),
    };
  });
}

async function findQueues({ sql, readDepths }: Pick<ApiParts, 'sql' | 'readDepths'>): Promise<Health['queues']> {
  const [rows, depths] = await Promise.all([
    readQueueRows(sql),
    within(
      readDepths(QUEUE_IDS).catch(() => []),
      QUEUES_ANSWER_MS,
      () => [],
    ),
  ]);
  return QUEUE_IDS.map((queue) => {
    const depth = depths.find((each) => each.queue === queue);
    const ages = rows.filter((row) => row.queue === queue).map(({ oldestDueSeconds }) => oldestDueSeconds);
    return {
      queue,
      messages: depth === undefined ? null : depth.main.visible,
      dead_letters: depth === undefined ? null : depth.dead.visible + depth.dead.inFlight,
      // What arrives has no row yet.
      oldest_due_seconds: ARRIVAL_QUEUES.has(queue) ? null : Math.round(Math.max(0, ...ages)),
    };
  });
}

async function findWhatNeedsPerson(sql: Sql): Promise<Health['needs_person']> {
  const [held, blockedLines, parkedLetters, notices] = await Promise.all([
    sql<{ held: number }[]>`
      SELECT count(*)::int AS held FROM jobs WHERE state = 'WAITING' AND wait_reason = ${HELD}`,
    countBlockedLines(sql),
    countParkedLetters(sql),
    noticeLag(sql),
  ]);
  return {
    held_jobs: held[0]?.held ?? 0,
    blocked_lines: blockedLines,
    parked_dead_letters: parkedLetters,
    parked_notices: notices.parked,
  };
}
