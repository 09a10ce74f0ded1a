/** Every step kind, ready to run. A new kind is a new folder, one line here and one in `options-registry.ts`. */
import { approveStep } from './approve/run.ts';
import { archiveStep } from './archive/run.ts';
import { callStep } from './call/run.ts';
import { classifyStep } from './classify/run.ts';
import { confirmStep } from './confirm/run.ts';
import { convertStep } from './convert/run.ts';
import { deliverStep } from './deliver/run.ts';
import { enrichStep } from './enrich/run.ts';
import { indexStep } from './index/run.ts';
import { loadStep } from './load/run.ts';
import { mailStep } from './mail/run.ts';
import { parallelStep } from './parallel/run.ts';
import { parseStep } from './parse/run.ts';
import { postStep } from './post/run.ts';
import { publishStep } from './publish/run.ts';
import { pushStep } from './push/run.ts';
import { receiptStep } from './receipt/run.ts';
import { runStep } from './run/run.ts';
import { scanStep } from './scan/run.ts';
import { stageStep } from './stage/run.ts';
import type { StepKind } from './step-context.ts';
import { transformStep } from './transform/run.ts';
import { unpackStep } from './unpack/run.ts';
import { validateStep } from './validate/run.ts';

const STEPS: readonly StepKind<unknown>[] = [
  validateStep,
  scanStep,
  classifyStep,
  unpackStep,
  convertStep,
  enrichStep,
  indexStep,
  archiveStep,
  approveStep,
  stageStep,
  transformStep,
  parseStep,
  callStep,
  deliverStep,
  loadStep,
  postStep,
  pushStep,
  publishStep,
  mailStep,
  confirmStep,
  receiptStep,
  parallelStep,
  runStep,
];

export const STEP_KINDS: ReadonlyMap<string, StepKind<unknown>> = new Map(STEPS.map((step) => [step.kind, step]));
