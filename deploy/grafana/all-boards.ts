/** The dashboards, in the order in which one looks at them. */
import type { Board } from './board.ts';
import { database } from './boards/database.ts';
import { filesAndSessions } from './boards/files-and-sessions.ts';
import { fleetOverview } from './boards/fleet-overview.ts';
import { frontDoor } from './boards/front-door.ts';
import { largeCopies } from './boards/large-copies.ts';
import { partners } from './boards/partners.ts';
import { queues } from './boards/queues.ts';
import { routesAndTenants } from './boards/routes-and-tenants.ts';
import { slos } from './boards/slos.ts';

export const ALL_BOARDS: readonly Board[] = [
  fleetOverview,
  frontDoor,
  queues,
  routesAndTenants,
  partners,
  largeCopies,
  database,
  slos,
  filesAndSessions,
];
