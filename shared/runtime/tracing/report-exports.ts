/**
 * An exporter that says in the log when its collector takes no more spans, and when it does again: once each, however many requests fail.
 */
import { ExportResultCode } from '@opentelemetry/core';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import type { Logger } from '#shared/runtime/logger.ts';

/** A collector's own words can be long. */
const LONGEST_REASON = 200;

export function reportExports(exporter: SpanExporter, logger: Logger): SpanExporter {
  let lost = 0;
  return {
    export(spans: ReadableSpan[], done) {
      exporter.export(spans, (result) => {
        if (result.code !== ExportResultCode.SUCCESS) {
          if (lost === 0)
            logger.warn(
              { reason: result.error?.message.slice(0, LONGEST_REASON) },
              'traces not sent, their spans are dropped',
            );
          lost += spans.length;
        } else if (lost > 0) {
          logger.info({ lost }, 'traces sent again');
          lost = 0;
        }
        done(result);
      });
    },
    forceFlush: async () => await exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  };
}
