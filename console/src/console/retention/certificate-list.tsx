/** Certificates of deletion, the newest first: what was deleted, by whose rule, and the digest that proves which files. */
import prettyBytes from 'pretty-bytes';
import { useState } from 'react';
import type { Certificate } from '#services/control-api/retention/find-retention.ts';
import { Empty } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import type { Column } from '../../parts/grid/grid.tsx';
import { PagedGrid } from '../../parts/grid/paged-grid.tsx';
import { JsonView } from '../../parts/json-view.tsx';
import { countText, Time } from '../../parts/time.tsx';

interface CertificatePage {
  readonly certificates: readonly Certificate[];
  readonly next_cursor: string | null;
}

const COLUMNS: readonly Column<Certificate>[] = [
  {
    id: 'deleted',
    title: 'Deleted',
    width: '170px',
    cell: ({ deleted_at: at, customer_id: tenant }) => <Time at={at} tenant={tenant} />,
  },
  { id: 'tenant', title: 'Tenant', width: 'minmax(110px, 1fr)', cell: ({ customer_id: tenant }) => tenant },
  { id: 'rule', title: 'By', width: 'minmax(120px, 1fr)', cell: ({ rule }) => rule },
  {
    id: 'what',
    title: 'What',
    width: '130px',
    cell: ({ what }) => (what === 'objects' ? 'contents only' : 'files'),
  },
  { id: 'files', title: 'Files', width: '90px', isNumber: true, cell: ({ files }) => countText(files) },
  { id: 'bytes', title: 'Size', width: '100px', isNumber: true, cell: ({ bytes }) => prettyBytes(bytes) },
  {
    id: 'left',
    title: 'Store',
    width: 'minmax(140px, 1fr)',
    cell: ({ objects_left: left, completed_at: at }) =>
      at === null ? `● ${countText(left)} objects left` : '✓ all deleted',
  },
];

export function CertificateList({ tenant }: { readonly tenant: string | undefined }) {
  const [shown, setShown] = useState<Certificate>();
  return (
    <>
      <PagedGrid
        label="Deletion certificates"
        path="/api/v1/deletion-certificates"
        query={{ tenant }}
        rowsOf={({ certificates }: CertificatePage) => certificates}
        columns={COLUMNS}
        rowId={({ certificate_id: id }) => id}
        rowName={({ customer_id: owner, deleted_at: at }) => `${owner}, ${at}`}
        onOpen={setShown}
        empty={
          <Empty title="Nothing has been deleted yet.">
            <p>Files are deleted when their retention has passed and no legal hold keeps them.</p>
          </Empty>
        }
      />
      {shown !== undefined && (
        <Dialog
          title="Deletion certificate"
          isWide
          onClose={() => setShown(undefined)}
          actions={<CopyCommand words={['retention', 'certificates', '--tenant', shown.customer_id]} />}
        >
          <p>
            {countText(shown.files)} files of {shown.customer_id} that ended between{' '}
            <Time at={shown.finished_from} tenant={shown.customer_id} /> and{' '}
            <Time at={shown.finished_to} tenant={shown.customer_id} />. The digest is over their ids; the audit has this
            certificate in its chain.
          </p>
          <JsonView value={shown} />
        </Dialog>
      )}
    </>
  );
}
