/** The first mails of a campaign as they look. A mail is a stranger's page: nothing in it runs, and nothing is fetched. */
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { get } from '../../api/client.ts';
import { Fetched } from '../conditions.tsx';
import { PlainText } from '../plain-text.tsx';

interface Mail {
  readonly line: number;
  readonly subject: string;
}

/** @param path of the campaign in the API */
export function FirstMails({ path }: { readonly path: string }) {
  const [isOpen, setOpen] = useState(false);
  const preview = useQuery({
    queryKey: ['campaign-preview', path],
    queryFn: ({ signal }) => get<{ mails: Mail[] }>(`${path}/preview`, { signal }),
    enabled: isOpen,
    retry: false,
  });
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>The first mails</summary>
      {isOpen && (
        <Fetched query={preview}>
          {({ mails }) =>
            mails.map(({ line, subject }) => (
              <section key={line}>
                <h2>
                  Line {line}: <PlainText>{subject}</PlainText>
                </h2>
                <iframe
                  title={`Mail of line ${line}`}
                  sandbox=""
                  src={`${path}/preview/${line}`}
                  width="100%"
                  height="320"
                />
              </section>
            ))
          }
        </Fetched>
      )}
    </details>
  );
}
