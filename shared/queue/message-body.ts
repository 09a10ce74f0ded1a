/** JSON as a message body that every SQS and SNS server takes. */

/** Amazon SQS takes only XML 1.0 characters, and not every compatible server takes those beyond the BMP: escaped, all pass. */
export function toMessageBody(value: object): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\ud800-\udfff\ufffe\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
