/** Every step kind's options. A new kind is a new folder, one line here and one in `registry.ts`. */
import { approveOptions } from './approve/options.ts';
import { archiveOptions } from './archive/options.ts';
import { callOptions } from './call/options.ts';
import { classifyOptions } from './classify/options.ts';
import { confirmOptions } from './confirm/options.ts';
import { convertOptions } from './convert/options.ts';
import { deliverOptions } from './deliver/options.ts';
import { enrichOptions } from './enrich/options.ts';
import { indexOptions } from './index/options.ts';
import { loadOptions } from './load/options.ts';
import { mailOptions } from './mail/options.ts';
import { parallelOptions } from './parallel/options.ts';
import { parseOptions } from './parse/options.ts';
import { postOptions } from './post/options.ts';
import { publishOptions } from './publish/options.ts';
import { pushOptions } from './push/options.ts';
import { receiptOptions } from './receipt/options.ts';
import { runOptions } from './run/options.ts';
import { scanOptions } from './scan/options.ts';
import { stageOptions } from './stage/options.ts';
import type { StepOptionsKind } from './step-options.ts';
import { transformOptions } from './transform/options.ts';
import { unpackOptions } from './unpack/options.ts';
import { validateOptions } from './validate/options.ts';

export const STEP_OPTIONS: readonly StepOptionsKind<unknown>[] = [
  validateOptions,
  scanOptions,
  classifyOptions,
  unpackOptions,
  convertOptions,
  enrichOptions,
  indexOptions,
  archiveOptions,
  approveOptions,
  stageOptions,
  transformOptions,
  parseOptions,
  callOptions,
  deliverOptions,
  loadOptions,
  postOptions,
  pushOptions,
  publishOptions,
  mailOptions,
  confirmOptions,
  receiptOptions,
  parallelOptions,
  runOptions,
];
