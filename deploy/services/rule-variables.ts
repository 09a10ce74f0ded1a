/** What the control API is given about the rules for operators. */
import type { DeploySettings } from '../settings.ts';

export function ruleVariables({ rules }: Pick<DeploySettings, 'rules'>): Record<string, string> {
  const { approvalOver, reasonPattern } = rules ?? {};
  return {
    ...(approvalOver !== undefined && { LONGSHORE_ACTION_APPROVAL_OVER: String(approvalOver) }),
    ...(reasonPattern !== undefined && { LONGSHORE_REASON_PATTERN: reasonPattern }),
  };
}
