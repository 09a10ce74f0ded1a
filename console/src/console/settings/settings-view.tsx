/** The rules of this instance: what is set, and where it is changed. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Setting } from '#shared/api/settings.ts';
import { get } from '../../api/client.ts';
import { Fetched } from '../../parts/conditions.tsx';
import { CopyCommand } from '../../parts/copy-command.tsx';
import { PlainText } from '../../parts/plain-text.tsx';

interface SettingsReply {
  readonly settings: readonly Setting[];
}

interface TenantsReply {
  readonly tenants: readonly { readonly tenant: string }[];
}

export default function SettingsView() {
  const settings = useQuery({
    queryKey: ['settings'],
    queryFn: ({ signal }) => get<SettingsReply>('/api/v1/settings', { signal }),
  });
  return (
    <>
      <div className="row">
        <h1>Settings</h1>
        <span className="grow" />
        <CopyCommand words={['settings', '--all']} />
      </div>
      <p>
        These are variables of the control API: they are changed where it is deployed, and count from its next start.
        Secrets are shown by their names. For how long files are kept is in{' '}
        <Link to={'/retention' as string}>Retention</Link>, who may sign in with which role in{' '}
        <Link to={'/people' as string}>People</Link>.
      </p>
      <Fetched query={settings}>
        {({ settings: found }) => (
          <>
            {[...new Set(found.map(({ group }) => group))].map((group) => (
              <Group key={group} group={group} settings={found.filter((setting) => setting.group === group)} />
            ))}
          </>
        )}
      </Fetched>
      <TenantRules />
    </>
  );
}

function Group({ group, settings }: { readonly group: string; readonly settings: readonly Setting[] }) {
  const title = `${group.charAt(0).toUpperCase()}${group.slice(1)}`;
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <table style={{ tableLayout: 'fixed', width: '100%', overflowWrap: 'anywhere' }}>
        <thead>
          <tr>
            <th scope="col" style={{ width: '60%' }}>
              Setting
            </th>
            <th scope="col">Value, and where it is from</th>
          </tr>
        </thead>
        <tbody>
          {settings.map(({ name, value, source, meaning }) => (
            <tr key={name}>
              <th scope="row">
                <code>{name}</code>
                <div className="muted" style={{ fontWeight: 'normal' }}>
                  {plainMeaning(meaning)}
                </div>
              </th>
              <td>
                {value === null ? <span className="muted">not set</span> : <PlainText>{value}</PlainText>}
                {value !== null && <div className="muted">{source}</div>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** The reference has it with links to pages of the docs. */
function plainMeaning(meaning: string): string {
  return meaning.replaceAll(/\[([^\]]+)\]\([^)]*\)/g, '$1').replaceAll('`', '');
}

/** What a tenant's document says; it is applied like a route. */
function TenantRules() {
  const tenants = useQuery({
    queryKey: ['tenants'],
    queryFn: ({ signal }) => get<TenantsReply>('/api/v1/tenants', { signal }),
  });
  return (
    <section aria-label="Of each tenant">
      <h2>Of each tenant</h2>
      <p>
        Sign-in of its people, notices and their reviews, retention, time zone and priority are in the tenant’s
        document, which <code>longshore apply</code> changes. Who applied which version is in the{' '}
        <Link to={'/audit' as string} search={{ type: 'tenant.applied' } as never}>
          audit
        </Link>
        .
      </p>
      <Fetched query={tenants}>
        {({ tenants: found }) => (
          <ul>
            {found.map(({ tenant }) => (
              <li key={tenant} className="row">
                <PlainText>{tenant}</PlainText> <CopyCommand words={['tenants', tenant]} />
              </li>
            ))}
          </ul>
        )}
      </Fetched>
    </section>
  );
}
