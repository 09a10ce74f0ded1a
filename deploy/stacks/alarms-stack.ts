/**
 * What wakes a person, and the dashboard that is looked at then.
 *
 * 1. Every alarm has a reason, calls the topic of alarms, and names its entry in docs/operations/alerts/README.md.
 * 2. They are in their own stack: changing one touches no stack that holds data.
 * 3. Limits follow from what the services were measured to do, and from the constants of the code.
 */
import { readFileSync } from 'node:fs';
import { CfnRuleGroupsNamespace } from 'aws-cdk-lib/aws-aps';
import type * as cw from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { BUCKET_IDS, QUEUE_IDS } from '#shared/runtime/config/resource-names.ts';
import type { AlarmedParts, AlarmScope } from '../alarms/alarm-scope.ts';
import { createDashboard } from '../alarms/create-dashboard.ts';
import { raiseAlarm } from '../alarms/raise-alarm.ts';
import { watchBucket } from '../alarms/watch-bucket.ts';
import { watchDatabase } from '../alarms/watch-database.ts';
import { watchApis, watchLogins, watchSftp } from '../alarms/watch-doors.ts';
import { watchDeadLetters, watchEvents, watchEvidence, watchNotices } from '../alarms/watch-messages.ts';
import { watchPlatform } from '../alarms/watch-platform.ts';
import { watchQueue } from '../alarms/watch-queue.ts';
import { watchService, watchTasks } from '../alarms/watch-service.ts';
import { watchFiles, watchRemotes } from '../alarms/watch-work.ts';
import { SERVICES } from '../services/service-catalogue.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';

const RULES = new URL('../prometheus/rules.yaml', import.meta.url);

export class AlarmsStack extends FleetStack {
  constructor(scope: Construct, fleet: Fleet, parts: AlarmedParts) {
    super(scope, 'alarms', fleet);
    const alarms: cw.Alarm[] = [];
    const watched: AlarmScope = {
      stack: this,
      parts,
      raise: (options, suffix = '') => void alarms.push(raiseAlarm(this, parts.telemetry.topics, options, suffix)),
    };
    for (const queue of QUEUE_IDS) watchQueue(watched, queue);
    for (const { name } of SERVICES) watchService(watched, name);
    for (const [name, service] of Object.entries(parts.services.lanes)) watchTasks(watched, name, service);
    for (const bucket of BUCKET_IDS) watchBucket(watched, bucket);
    watchDeadLetters(watched);
    watchEvents(watched);
    watchNotices(watched);
    watchEvidence(watched);
    watchFiles(watched);
    watchRemotes(watched);
    watchDatabase(watched);
    watchPlatform(watched);
    watchApis(watched);
    if (parts.sftp !== undefined) watchSftp(watched, parts.sftp);
    watchLogins(watched, parts.logins);
    new CfnRuleGroupsNamespace(this, 'Rules', {
      name: 'longshore',
      workspace: parts.telemetry.workspace.attrArn,
      // The same rules that a Prometheus of one's own takes.
      data: readFileSync(RULES, 'utf8'),
    });
    createDashboard(watched, alarms);
  }
}
