/** Files by minute as a chart, and by hour as a table for who cannot see it. */
import { useEffect, useRef } from 'react';
import UPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Overview } from '#shared/api/overview.ts';
import { countText } from '../../parts/time.tsx';
import styles from './now.module.css';

type Minutes = Overview['minutes'];

const HEIGHT_PX = 120;
const DAY_SECONDS = 86_400;

export function Throughput({ minutes }: { readonly minutes: Minutes }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (element === null || minutes.length === 0) return;
    const colour = (name: string) => getComputedStyle(element).getPropertyValue(name) || 'gray';
    const times = minutes.map(({ at }) => Date.parse(at) / 1_000);
    // The whole day, also when a single minute of it has files.
    const end = Math.ceil(Date.now() / 1_000);
    const chart = new UPlot(
      {
        width: element.clientWidth,
        height: HEIGHT_PX,
        legend: { show: false },
        scales: { x: { range: [end - DAY_SECONDS, end] }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
        axes: [
          { stroke: colour('--muted'), grid: { show: false }, values: (_, times) => times.map(hourText) },
          { stroke: colour('--muted'), size: 60, grid: { stroke: colour('--line'), width: 1 } },
        ],
        series: [
          {},
          { label: 'arrived', stroke: colour('--accent'), width: 1, fill: colour('--accent-soft') },
          { label: 'failed', stroke: colour('--bad'), width: 1 },
        ],
      },
      [times, minutes.map(({ arrived }) => arrived), minutes.map(({ failed }) => failed)],
      element,
    );
    const watch = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT_PX }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      chart.destroy();
    };
  }, [minutes]);
  if (minutes.length === 0) return <p className="muted">Nothing arrived.</p>;
  return (
    <>
      <div ref={place} className={styles.chart} aria-hidden="true" />
      <details>
        <summary>By hour, as a table</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">Hour, UTC</th>
              <th scope="col">Arrived</th>
              <th scope="col">Failed</th>
            </tr>
          </thead>
          <tbody>
            {sumByHour(minutes).map(({ hour, arrived, failed }) => (
              <tr key={hour}>
                <th scope="row">{hour.replace('T', ' ')}:00</th>
                <td>{countText(arrived)}</td>
                <td>{countText(failed)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </>
  );
}

/** Of the day, in UTC as the table. */
function hourText(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().slice(11, 16);
}

export function sumByHour(minutes: Minutes): { hour: string; arrived: number; failed: number }[] {
  const hours = new Map<string, { arrived: number; failed: number }>();
  for (const { at, arrived, failed } of minutes) {
    const hour = at.slice(0, 13);
    const sum = hours.get(hour) ?? { arrived: 0, failed: 0 };
    hours.set(hour, { arrived: sum.arrived + arrived, failed: sum.failed + failed });
  }
  return [...hours].map(([hour, sum]) => ({ hour, ...sum }));
}
