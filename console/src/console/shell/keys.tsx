/** Keys of the whole console, which can be switched off; and the list of them. */
import { useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import { togglePause } from '../../api/live.ts';
import { Dialog } from '../../parts/dialog.tsx';
import { usePreference } from '../../parts/preference.ts';
import { VIEWS } from '../views.ts';
import { Palette } from './palette.tsx';

const CHORD_MS = 1_500;

export type Shown = 'help' | 'palette' | undefined;

interface KeysProps {
  readonly shown: Shown;
  readonly onShow: (shown: Shown) => void;
}

export function Keys({ shown, onShow: setShown }: KeysProps) {
  const navigate = useNavigate();
  const [isOn, setIsOn] = usePreference<'on' | 'off'>('keys', 'on');
  useEffect(() => {
    let chordUntil = 0;
    const hear = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        setShown('palette');
        return;
      }
      const isTyping = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
      if (isOn === 'off' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      if (document.querySelector('dialog[open], [popover]:popover-open') !== null) return;
      if (Date.now() < chordUntil) {
        chordUntil = 0;
        const view = VIEWS.find(({ key }) => key === event.key);
        if (view !== undefined) void navigate({ to: view.path as string });
      } else if (event.key === 'g') chordUntil = Date.now() + CHORD_MS;
      else if (event.key === '/') setShown('palette');
      else if (event.key === '?') setShown('help');
      else if (event.key === 'p') togglePause();
      else if (event.key === 'r') document.querySelector<HTMLElement>('[data-verb="retry"]')?.click();
      else if (event.key === 'j' || event.key === 'k')
        document.querySelector<HTMLElement>('[role="grid"] [data-index][tabindex="0"]')?.focus();
      else if (event.key === '.') document.querySelector<HTMLElement>('[data-new]')?.click();
      else return;
      event.preventDefault();
    };
    addEventListener('keydown', hear);
    return () => removeEventListener('keydown', hear);
  }, [isOn, navigate, setShown]);
  if (shown === 'palette') return <Palette onClose={() => setShown(undefined)} />;
  if (shown === undefined) return null;
  const keys: [string, string][] = [
    ['/ or Ctrl-K', 'search, and go to a view'],
    ...VIEWS.flatMap(({ key, nav }): [string, string][] => (key && nav ? [[`g ${key}`, nav]] : [])),
    ['j, k, arrows', 'next and previous row'],
    ['o, Enter', 'open the row'],
    ['x, Space', 'select the row'],
    ['[ and ]', 'previous and next file of the list'],
    ['r', 'retry'],
    ['.', 'show new rows'],
    ['p', 'pause live updates'],
    ['?', 'this list'],
  ];
  return (
    <Dialog title="Keys" onClose={() => setShown(undefined)}>
      <dl>
        {keys.map(([key, what]) => (
          <div key={key} style={{ display: 'contents' }}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label className="row">
        <input
          type="checkbox"
          checked={isOn === 'on'}
          onChange={(event) => setIsOn(event.target.checked ? 'on' : 'off')}
        />
        Single keys do something
      </label>
    </Dialog>
  );
}
