/**
 * For `bench -- flows`: the races of one service, in a process with its memory.
 *
 * Argument: JSON of `FlowsMeasurement`. Sends one message, `FlowsMeasured`.
 */
import { type FlowsMeasurement, measureFlows } from './flows.ts';

const measured = await measureFlows(JSON.parse(process.argv[2] ?? '') as FlowsMeasurement);
process.send?.(measured, () => process.disconnect());
