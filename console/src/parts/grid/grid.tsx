/**
 * A list of any length, after the ARIA pattern "grid": only the rows in sight are in the document.
 *
 * 1. One row is in the order of Tab; arrows, `j`, `k`, Page keys, Home and End move it, Enter or `o` opens it, `x` or Space selects it. A
 *    click opens a row that has no link.
 * 2. The next page is fetched before the end is in sight. The place of a row never moves on its own.
 * 3. A row is drawn again when something of it changes, and not when others come into sight: its columns count as the same when each is.
 * 4. As a plain table (a setting) it has all its rows and a button for more, for those whose tools need them.
 */
import {
  type KeyboardEvent,
  type MouseEvent,
  memo,
  type ReactNode,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
} from 'react';
import { usePreference } from '../preference.ts';
import styles from './grid.module.css';
import { lastPlace, rememberPlace } from './last-place.ts';
import { idsOf, type Rows } from './paged-rows.ts';
import { type RowsInSight, scrollTopFor, sightOf, useRowsInSight } from './use-rows-in-sight.ts';

export interface Column<Row> {
  readonly id: string;
  readonly title: string;
  /** Of CSS grid, such as `120px` or `minmax(120px, 2fr)`. */
  readonly width: string;
  readonly cell: (row: Row) => ReactNode;
  readonly isNumber?: boolean;
}

export interface Selection {
  readonly ids: ReadonlySet<string>;
  readonly onChange: (ids: ReadonlySet<string>) => void;
}

interface GridProps<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: Rows<Row>;
  readonly rowId: (row: Row) => string;
  /** What readers call a row, e.g. a file's name. */
  readonly rowName?: (row: Row) => string;
  readonly onOpen?: ((row: Row) => void) | undefined;
  readonly selection?: Selection | undefined;
  /** Rows whose change has just been seen. */
  readonly tinted?: ReadonlySet<string> | undefined;
  readonly hasMore?: boolean;
  readonly onMore?: () => void;
  readonly isFetching?: boolean;
}

/** Of `--row`; the head has one pixel more, its border. */
const ROW_PX = 34;
const HEIGHTS = { rowPx: ROW_PX, headPx: ROW_PX + 1 };
const OVERSCAN = 8;
/** Rows before the end at which the next page is fetched. */
const AHEAD = 30;
const PAGE_ROWS = 15;

export function Grid<Row>(props: GridProps<Row>) {
  const { label, rows, rowId, selection, hasMore = false, onMore, isFetching = false } = props;
  const columns = useSameColumns(props.columns);
  const [look] = usePreference<'grid' | 'table'>('lists', 'grid');
  const isTable = look === 'table';
  const scroller = useRef<HTMLDivElement>(null);
  const [focused, setFocused] = useState(lastPlace);
  const current = Math.min(focused, Math.max(0, rows.length - 1));
  const inSight = useRowsInSight({ scroller, ...HEIGHTS, enabled: !isTable });
  const shown = isTable ? allOf(rows.length) : drawn(inSight, rows.length, current);
  const lastShown = shown.at(-1) ?? 0;
  useEffect(() => {
    if (!isTable && hasMore && !isFetching && lastShown > 0 && lastShown >= rows.length - AHEAD) onMore?.();
  }, [isTable, hasMore, isFetching, lastShown, rows.length, onMore]);

  const first = useRef(current);
  useLayoutEffect(() => {
    const list = scroller.current;
    if (list !== null) list.scrollTop = scrollTopFor(first.current, { ...sightOf(list), ...HEIGHTS });
  }, []);

  // A row that has the focus keeps it when rows come before it, and is the one in the order of Tab.
  useEffect(() => {
    const { activeElement } = document;
    if (activeElement instanceof HTMLElement && scroller.current?.contains(activeElement) === true) {
      const { index } = activeElement.dataset;
      if (index !== undefined) setFocused(Number(index));
    }
  }, [rows]);

  /** The row that gets the focus with the next frame: keys come faster. */
  const goingTo = useRef<number>(undefined);
  function focusRow(index: number): void {
    const to = Math.max(0, Math.min(rows.length - 1, index));
    setFocused(to);
    const list = scroller.current;
    if (!isTable && list !== null) {
      list.scrollTop = scrollTopFor(to, { ...sightOf(list), ...HEIGHTS });
    }
    goingTo.current = to;
    requestAnimationFrame(() => {
      if (goingTo.current !== to) return;
      goingTo.current = undefined;
      scroller.current?.querySelector<HTMLElement>(`[data-index="${to}"]`)?.focus({ preventScroll: !isTable });
    });
  }

  /** Of a row that has yet to get the focus: Back leads to it all the same, and the page that opens keeps its own focus. */
  function openRow(index: number, row: Row): void {
    goingTo.current = undefined;
    rememberPlace(index);
    props.onOpen?.(row);
  }

  function toggle(id: string): void {
    if (selection === undefined) return;
    const ids = new Set(selection.ids);
    if (!ids.delete(id)) ids.add(id);
    selection.onChange(ids);
  }

  function onKeyDown(event: KeyboardEvent): void {
    const pressedOn = event.target instanceof HTMLElement ? event.target.dataset.index : undefined;
    const isOnRow = pressedOn !== undefined;
    // Where the row is now: rows that came before it have moved it, and it kept the focus.
    const at = goingTo.current ?? (isOnRow ? Number(pressedOn) : current);
    const row = rows.at(at);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = {
      ArrowDown: at + 1,
      j: at + 1,
      ArrowUp: at - 1,
      k: at - 1,
      PageDown: at + PAGE_ROWS,
      PageUp: at - PAGE_ROWS,
      Home: 0,
      End: rows.length - 1,
    }[event.key];
    if (to !== undefined) focusRow(to);
    else if (isOnRow && row !== undefined && (event.key === 'Enter' || event.key === 'o')) openRow(at, row);
    else if (isOnRow && row !== undefined && (event.key === 'x' || event.key === ' ')) toggle(rowId(row));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  const widths = [...(selection ? ['34px'] : []), ...columns.map(({ width }) => width)];
  // As wide as all columns at their least, whatever is in them.
  const leastWidth = widths.reduce((sum, width) => sum + Number(/\d+/.exec(width)?.[0] ?? 0), 12);
  const template = widths.join(' ');
  const isAllSelected =
    selection !== undefined &&
    rows.length > 0 &&
    selection.ids.size >= rows.length &&
    idsOf(rows, rowId).every((id) => selection.ids.has(id));

  const focus = (index: number) => {
    setFocused(index);
    rememberPlace(index);
  };
  const verbs = useRef<Verbs<Row>>({ focus, toggle, open: props.onOpen });
  verbs.current = { focus, toggle, open: props.onOpen };

  const rowAt = (index: number) => {
    const row = rows.at(index);
    if (row === undefined) return null;
    const id = rowId(row);
    return (
      <GridRow
        key={id}
        {...{ row, id, index, columns, template, leastWidth, verbs }}
        start={isTable ? undefined : index * ROW_PX}
        name={props.rowName?.(row) ?? id}
        isCurrent={index === current}
        isSelected={selection?.ids.has(id)}
        isTinted={props.tinted?.has(id) === true}
        mayOpen={props.onOpen !== undefined}
      />
    );
  };

  return (
    <div className={styles.frame}>
      <div
        ref={scroller}
        role="grid"
        aria-label={label}
        aria-rowcount={hasMore ? -1 : rows.length + 1}
        aria-multiselectable={selection !== undefined}
        aria-busy={isFetching}
        className={isTable ? styles.whole : styles.scroller}
        tabIndex={rows.length === 0 ? 0 : -1}
        onKeyDown={onKeyDown}
      >
        <div role="rowgroup" className={styles.head}>
          <div
            role="row"
            aria-rowindex={1}
            className={styles.row}
            style={{ gridTemplateColumns: template, minWidth: leastWidth }}
          >
            {selection !== undefined && (
              <div role="columnheader" className={styles.cell}>
                <input
                  type="checkbox"
                  aria-label="Select all that are loaded"
                  checked={isAllSelected}
                  onChange={() => selection.onChange(new Set(isAllSelected ? [] : idsOf(rows, rowId)))}
                />
              </div>
            )}
            {columns.map((column) => (
              <div
                key={column.id}
                role="columnheader"
                className={`${styles.cell} ${column.isNumber ? styles.number : ''}`}
              >
                {column.title}
              </div>
            ))}
          </div>
        </div>
        <div
          role="rowgroup"
          className={styles.body}
          style={isTable ? undefined : { height: `${rows.length * ROW_PX}px` }}
        >
          {shown.map(rowAt)}
        </div>
      </div>
      {isTable && hasMore && (
        <button type="button" disabled={isFetching} onClick={() => onMore?.()}>
          More
        </button>
      )}
    </div>
  );
}

const allOf = (count: number) => Array.from({ length: count }, (_, index) => index);

/** Those in sight, some around them, and the one that has the focus. */
function drawn({ first, last }: RowsInSight, count: number, current: number): number[] {
  const from = Math.max(0, Math.min(first, count - 1) - OVERSCAN);
  const to = Math.min(count - 1, last + OVERSCAN);
  const range = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
  if (current >= count || (current >= from && current <= to)) return range;
  return current < from ? [current, ...range] : [...range, current];
}

interface Verbs<Row> {
  readonly focus: (index: number) => void;
  readonly toggle: (id: string) => void;
  readonly open: ((row: Row) => void) | undefined;
}

interface GridRowProps<Row> {
  readonly row: Row;
  readonly id: string;
  readonly name: string;
  readonly index: number;
  /** In a list of which only a part is in the document. */
  readonly start: number | undefined;
  readonly columns: readonly Column<Row>[];
  readonly template: string;
  readonly leastWidth: number;
  readonly isCurrent: boolean;
  /** Undefined: rows are not selected. */
  readonly isSelected: boolean | undefined;
  readonly isTinted: boolean;
  readonly mayOpen: boolean;
  /** As they are when something is pressed. */
  readonly verbs: RefObject<Verbs<Row>>;
}

const hasLink = (row: Element) => row.querySelector('a, button') !== null;

/** A row without a link opens at a click, also on a touch screen; in one that has one, the link does. */
function isToOpen({ currentTarget, target, detail, ctrlKey, metaKey, shiftKey, altKey }: MouseEvent<HTMLElement>) {
  if (detail > 1 || ctrlKey || metaKey || shiftKey || altKey || hasLink(currentTarget)) return false;
  const isOnControl = (target as Element).closest('[role=gridcell]')?.querySelector('input, summary') !== null;
  return !isOnControl && getSelection()?.isCollapsed !== false;
}

const GridRow = memo(function GridRow<Row>(props: GridRowProps<Row>) {
  const { row, id, name, index, start, columns, template, leastWidth, isCurrent, isSelected, isTinted, verbs } = props;
  const open = () => verbs.current.open?.(row);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keys of all rows are the grid's.
    <div
      role="row"
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      data-index={index}
      data-id={id}
      data-opens={props.mayOpen || undefined}
      tabIndex={isCurrent ? 0 : -1}
      className={`${styles.row} ${isTinted ? styles.tinted : ''}`}
      style={{
        gridTemplateColumns: template,
        minWidth: leastWidth,
        ...(start !== undefined && { position: 'absolute', transform: `translateY(${start}px)` }),
      }}
      onFocus={() => verbs.current.focus(index)}
      onClick={(event) => isToOpen(event) && open()}
      onDoubleClick={({ currentTarget }) => hasLink(currentTarget) && open()}
    >
      {isSelected !== undefined && (
        <div role="gridcell" className={styles.cell}>
          <input
            type="checkbox"
            tabIndex={-1}
            aria-label={`Select ${name}`}
            checked={isSelected}
            onChange={() => verbs.current.toggle(id)}
          />
        </div>
      )}
      {columns.map((column) => (
        <div
          key={column.id}
          role="gridcell"
          className={`${styles.cell} ${column.isNumber ? styles.number : ''}`}
          data-column={column.id}
        >
          {column.cell(row)}
        </div>
      ))}
    </div>
  );
}) as <Row>(props: GridRowProps<Row>) => ReactNode;

/** The list before, where each column of it is the same. */
function useSameColumns<Row>(columns: readonly Column<Row>[]): readonly Column<Row>[] {
  const kept = useRef(columns);
  const isSame = kept.current.length === columns.length && columns.every((column, at) => column === kept.current[at]);
  if (!isSame) kept.current = columns;
  return kept.current;
}
