/** The variables of signing in. */
import { z } from 'zod';
import { booleanVariable } from '#shared/runtime/config/load-config.ts';

const originVariable = z
  .url({ protocol: /^https?$/ })
  .refine((text) => URL.canParse(text) && new URL(text).origin === text.replace(/\/$/, ''), {
    error: 'must be an origin, such as https://longshore.example',
  })
  .transform((text) => new URL(text).origin);

export const signInVariables = {
  LONGSHORE_CONSOLE_LINKS: booleanVariable
    .default(false)
    .describe(
      'Set `true` to let `longshore console` make one-time sign-in links. They work from the same machine only; `npm start` sets it.',
    ),
  LONGSHORE_CONSOLE_ORIGIN: originVariable
    .optional()
    .describe('Origin under which people reach the console, such as `https://longshore.example`.'),
  LONGSHORE_PORTAL_ORIGIN: originVariable
    .optional()
    .describe('Origin under which tenants reach the portal. May be that of the console.'),
};

export interface SignInSettings {
  /** Whether one-time links of keys are given and taken. */
  readonly hasLinks: boolean;
  readonly consoleOrigin: string | undefined;
  readonly portalOrigin: string | undefined;
}

export function signInSettingsOf(config: {
  readonly LONGSHORE_CONSOLE_LINKS: boolean;
  readonly LONGSHORE_CONSOLE_ORIGIN?: string | undefined;
  readonly LONGSHORE_PORTAL_ORIGIN?: string | undefined;
}): SignInSettings {
  return {
    hasLinks: config.LONGSHORE_CONSOLE_LINKS,
    consoleOrigin: config.LONGSHORE_CONSOLE_ORIGIN,
    portalOrigin: config.LONGSHORE_PORTAL_ORIGIN,
  };
}

export function pageOriginsOf({ consoleOrigin, portalOrigin }: SignInSettings): string[] {
  return [consoleOrigin, portalOrigin].filter((origin) => origin !== undefined);
}
