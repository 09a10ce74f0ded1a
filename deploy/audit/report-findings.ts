/** What GuardDuty, Macie and Config find, to people. */
import { Match } from 'aws-cdk-lib/aws-events';
import { type EventNotice, field } from '../alarms/event-notices.ts';

/** Of GuardDuty's scale of 10. */
const MEDIUM = 4;
const RUNBOOK = 'aws.md#findings';

export const GUARD_DUTY_FINDINGS: EventNotice = {
  name: 'guardduty',
  pattern: {
    source: ['aws.guardduty'],
    detailType: ['GuardDuty Finding'],
    detail: { severity: Match.greaterThanOrEqual(MEDIUM) },
  },
  text: `GuardDuty, severity ${field('$.detail.severity')}, ${field('$.region')}: ${field('$.detail.title')}`,
  runbook: RUNBOOK,
};

export const MACIE_FINDINGS: EventNotice = {
  name: 'macie',
  pattern: {
    source: ['aws.macie'],
    detailType: ['Macie Finding'],
    detail: { severity: { description: ['Medium', 'High'] } },
  },
  text: `Macie, ${field('$.region')}: ${field('$.detail.title')}`,
  runbook: RUNBOOK,
};

/** Of the fleet's own rules: the account may have others. */
export const configFindings = (configRuleName: readonly string[]): EventNotice => ({
  name: 'config',
  pattern: {
    source: ['aws.config'],
    detailType: ['Config Rules Compliance Change'],
    detail: { configRuleName: [...configRuleName], newEvaluationResult: { complianceType: ['NON_COMPLIANT'] } },
  },
  text: `Config, ${field('$.region')}: ${field('$.detail.resourceId')} does not comply with ${field('$.detail.configRuleName')}`,
  runbook: RUNBOOK,
});
