/** Everything about tenants, routes, partners and stores as they are defined. */
import type { ApiServer } from '../http/api-server.ts';
import { handleLists } from './handle-lists.ts';
import { handleRoutes } from './handle-routes.ts';
import { handleSimulate, type SimulateParts } from './handle-simulate.ts';
import { handleVersions } from './handle-versions.ts';
import { createPostedDefinitions } from './posted-definitions.ts';

export async function handleDefinitions(
  app: ApiServer,
  parts: SimulateParts & { readonly definitionsMs?: number | undefined },
): Promise<void> {
  const posted = createPostedDefinitions(app, parts.definitionsMs);
  await handleRoutes(app, parts, posted);
  handleLists(app, parts);
  await handleVersions(app, parts, posted);
  handleSimulate(app, parts, posted);
}
