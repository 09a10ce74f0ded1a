/**
 * Questions about the fleet, ready to be asked: the table over the bucket `evidence` with its queries in Athena, and queries of the logs.
 *
 * 1. Nothing is read unless somebody asks; a question that would read more than `MOST_SCANNED_BYTES` is refused.
 * 2. Results are kept in the same bucket, under `results/`, encrypted with the fleet's key.
 */
import * as athena from 'aws-cdk-lib/aws-athena';
import * as glue from 'aws-cdk-lib/aws-glue';
import { CfnQueryDefinition } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { EVIDENCE_COLUMNS, EVIDENCE_PARTITIONS } from '#shared/evidence/evidence-columns.ts';
import { JSON_SERDE, locationIn, readQueries, SERDE_PROPERTIES, tableProperties } from '../evidence/events-table.ts';
import { LOG_QUERIES } from '../evidence/log-queries.ts';
import { deployedName, deployedServices } from '../services/service-catalogue.ts';
import { type Fleet, FleetStack } from './fleet-stack.ts';
import type { NetworkStack } from './network-stack.ts';
import type { StorageStack } from './storage-stack.ts';

/** Of one question; all lines of a month at 1,000,000 files a day are about 25 GB. */
const MOST_SCANNED_BYTES = 100_000_000_000;

export class EvidenceStack extends FleetStack {
  constructor(scope: Construct, fleet: Fleet, { network, storage }: { network: NetworkStack; storage: StorageStack }) {
    super(scope, 'evidence', fleet);
    const { prefix } = fleet;
    const bucket = storage.buckets.evidence.bucketName;
    // Athena takes no dashes in names that are not quoted.
    const database = `${prefix.replaceAll('-', '_')}_evidence`;
    const catalog = new glue.CfnDatabase(this, 'Database', {
      catalogId: this.account,
      databaseInput: { name: database, description: `Evidence of the fleet ${prefix}` },
    });
    const table = new glue.CfnTable(this, 'Events', {
      catalogId: this.account,
      databaseName: database,
      tableInput: {
        name: 'events',
        description: 'The lines of the audit, sealed: docs/guides/evidence.md',
        tableType: 'EXTERNAL_TABLE',
        parameters: { EXTERNAL: 'TRUE', ...tableProperties(bucket) },
        partitionKeys: EVIDENCE_PARTITIONS.map((name) => ({ name, type: 'string' })),
        storageDescriptor: {
          columns: EVIDENCE_COLUMNS.map(({ name, type, meaning }) => ({ name, type, comment: meaning })),
          location: locationIn(bucket),
          inputFormat: 'org.apache.hadoop.mapred.TextInputFormat',
          outputFormat: 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat',
          serdeInfo: { serializationLibrary: JSON_SERDE, parameters: SERDE_PROPERTIES },
        },
      },
    });
    table.addResourceDependency(catalog);
    const workGroup = new athena.CfnWorkGroup(this, 'WorkGroup', {
      name: `${prefix}-evidence`,
      description: `Questions about the fleet ${prefix}`,
      recursiveDeleteOption: true,
      workGroupConfiguration: {
        enforceWorkGroupConfiguration: true,
        publishCloudWatchMetricsEnabled: true,
        bytesScannedCutoffPerQuery: MOST_SCANNED_BYTES,
        engineVersion: { selectedEngineVersion: 'Athena engine version 3' },
        resultConfiguration: {
          outputLocation: `s3://${bucket}/results/`,
          encryptionConfiguration: { encryptionOption: 'SSE_KMS', kmsKey: network.key.keyArn },
        },
      },
    });
    for (const { name, description, text } of readQueries()) {
      const query = new athena.CfnNamedQuery(this, name, {
        name,
        description,
        database,
        queryString: text,
        workGroup: workGroup.name,
      });
      query.addResourceDependency(workGroup);
      query.addResourceDependency(table);
    }
    for (const { name, group, query } of LOG_QUERIES) {
      new CfnQueryDefinition(this, `Log ${name}`, {
        name: `${prefix}/${name}`,
        logGroupNames: (group === 'services'
          ? deployedServices(fleet.settings.ownLanes).map(deployedName)
          : [group]
        ).map((each) => `/longshore/${prefix}/${each}`),
        queryString: query,
      });
    }
  }
}
