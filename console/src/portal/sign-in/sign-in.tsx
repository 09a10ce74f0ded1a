/**
 * For whoever has no session: the way to the provider of the tenant, or a mail with a link, which leads here, where a button uses it. A tenant
 * gives its people an address with its id in it: `/portal/sign-in?tenant=acme`.
 */
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useEffect, useState } from 'react';
import { post } from '../../api/client.ts';
import { problemOf } from '../../api/problem.ts';
import { readWays, type SignInWays, toProvider } from '../../api/sign-in.ts';
import { Failed, Fetched } from '../../parts/conditions.tsx';
import { readPreference, savePreference } from '../../parts/preference.ts';
import { linkOf } from './sign-in-link.ts';

export default function SignIn({ onDone }: { readonly onDone: () => void }) {
  const [link] = useState(() => linkOf(location.hash));
  const [isLeft, setIsLeft] = useState(false);
  // Neither a reload nor the history has the token.
  useEffect(() => history.replaceState(null, '', location.pathname + location.search), []);
  return (
    <main id="main" className="stack">
      <h1>Sign in</h1>
      {link === undefined || isLeft ? (
        <Ways />
      ) : link.way === 'mail' ? (
        <UseMail token={link.token} onDone={onDone} onLeave={() => setIsLeft(true)} />
      ) : (
        <UseLink token={link.token} onDone={onDone} />
      )}
    </main>
  );
}

function Ways() {
  const ways = useQuery({ queryKey: ['ways'], queryFn: readWays });
  return (
    <Fetched query={ways}>
      {({ mail, tenant_oidc: hasProviders, link: hasLinks }: SignInWays) => (
        <>
          {hasProviders && <AskForTenant />}
          {mail && hasProviders && <h2>Or by mail</h2>}
          {mail && <AskForMail />}
          {hasLinks && (
            <p>
              On the machine that runs Longshore, print a link that signs you in once, with a key of the organisation:{' '}
              <code>npx longshore console --key-file KEY</code>
            </p>
          )}
          {!mail && !hasProviders && !hasLinks && (
            <p>Open the link that you were sent, or ask your contact for a new one.</p>
          )}
        </>
      )}
    </Fetched>
  );
}

const TENANT = 'tenant';

function AskForTenant() {
  const given = new URLSearchParams(location.search).get(TENANT);
  const [tenant, setTenant] = useState(given ?? readPreference(TENANT) ?? '');
  const { error, isActing, act } = useAct();

  async function leave(): Promise<void> {
    const id = tenant.trim();
    await toProvider({ tenant: id });
    savePreference(TENANT, id);
  }

  return (
    <form className="stack" onSubmit={(event) => act(event, leave)}>
      <label>
        Your organisation’s id{' '}
        <input
          autoCapitalize="none"
          autoComplete="organization"
          spellCheck={false}
          maxLength={63}
          required
          value={tenant}
          onChange={(event) => setTenant(event.target.value)}
        />
      </label>
      <p>
        <button type="submit" className="primary" disabled={isActing}>
          Sign in with your organisation
        </button>
      </p>
      {error !== undefined && <Failed error={error} />}
    </form>
  );
}

function AskForMail() {
  const [email, setEmail] = useState('');
  const [asked, setAsked] = useState<{ readonly code: string; readonly minutes: number }>();
  const { error, isActing, act } = useAct();

  if (asked !== undefined)
    return (
      <>
        <p role="status">
          If {email} may sign in here, a mail is on its way. Open its link within {asked.minutes} minutes.
        </p>
        <p>
          In this browser the link is enough. In another one it asks for this code: <strong>{asked.code}</strong>
        </p>
        <p>
          <button type="button" onClick={() => setAsked(undefined)}>
            Use another address
          </button>
        </p>
      </>
    );
  return (
    <form
      className="stack"
      onSubmit={(event) => act(event, async () => setAsked(await post('/auth/mail', { email: email.trim() })))}
    >
      <label>
        Your e-mail address{' '}
        <input
          type="email"
          autoComplete="email"
          maxLength={254}
          required
          value={email}
          onChange={(event) => setEmail(event.target.value)}
        />
      </label>
      <p>
        <button type="submit" className="primary" disabled={isActing}>
          Send me a link
        </button>
      </p>
      {error !== undefined && <Failed error={error} />}
    </form>
  );
}

interface UseMailProps {
  readonly token: string;
  readonly onDone: () => void;
  readonly onLeave: () => void;
}

/** A button, because programs that open the links of mails press none. */
function UseMail({ token, onDone, onLeave }: UseMailProps) {
  const [code, setCode] = useState('');
  const [needsCode, setNeedsCode] = useState(false);
  const { error, isActing, act } = useAct();

  async function confirm(): Promise<void> {
    try {
      await post('/auth/mail/confirm', { token, ...(needsCode && { code: code.trim() }) });
    } catch (caught) {
      const wasAsked = needsCode;
      if (problemOf(caught).code === 'MAIL_CODE_NEEDED') setNeedsCode(true);
      if (wasAsked || problemOf(caught).code !== 'MAIL_CODE_NEEDED') throw caught;
      return;
    }
    onDone();
  }

  return (
    <form className="stack" onSubmit={(event) => act(event, confirm)}>
      {needsCode ? (
        <label>
          Six digits that the browser shows in which you asked for the link{' '}
          <input
            inputMode="numeric"
            autoComplete="one-time-code"
            pattern="[0-9]{6}"
            maxLength={6}
            required
            value={code}
            onChange={(event) => setCode(event.target.value)}
          />
        </label>
      ) : (
        <p>You have opened the link of a mail.</p>
      )}
      <p className="row">
        <button type="submit" className="primary" disabled={isActing}>
          Sign in
        </button>
        <button type="button" onClick={onLeave}>
          Ask for a new link
        </button>
      </p>
      {error !== undefined && <Failed error={error} />}
    </form>
  );
}

function UseLink({ token, onDone }: { readonly token: string; readonly onDone: () => void }) {
  const [error, setError] = useState<unknown>();
  useEffect(() => void post('/auth/link', { token }).then(onDone, setError), [token, onDone]);
  return error === undefined ? <p role="status">Signing in…</p> : <Failed error={error} />;
}

function useAct() {
  const [error, setError] = useState<unknown>();
  const [isActing, setIsActing] = useState(false);
  function act(event: FormEvent, work: () => Promise<void>): void {
    event.preventDefault();
    setIsActing(true);
    setError(undefined);
    void work()
      .catch(setError)
      .finally(() => setIsActing(false));
  }
  return { error, isActing, act };
}
