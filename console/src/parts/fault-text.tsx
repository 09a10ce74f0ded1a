/** Why something failed, in a cell: code and cause, then what was said; the whole of it when pointed at. */
import { PlainText } from './plain-text.tsx';

export interface Fault {
  readonly code: string | null;
  readonly cause: string | null;
  readonly message: string | null;
}

export function FaultText({ fault }: { readonly fault: Fault | null }) {
  if (fault === null) return null;
  return (
    <span title={fault.message ?? undefined}>
      <code>
        {fault.code} {fault.cause}
      </code>{' '}
      <PlainText>{fault.message}</PlainText>
    </span>
  );
}
