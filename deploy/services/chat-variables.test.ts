/** Chats, from the settings to the control API, through its own schema. */
import { expect, test } from 'vitest';
import { readConfig, variables } from '#services/control-api/config.ts';
import { chatVariables } from './chat-variables.ts';

const DEPLOYED = { DATABASE_URL: 'postgres://user@database.invalid:5432/longshore', AWS_REGION: 'eu-central-1' };
const slack = { signingSecret: 'chat/slack', botToken: 'chat/bot', workspaces: { T012AB3CD: 'acme', T045EF6GH: '*' } };

test('every variable of chats is given, and is one that the control API reads', () => {
  const given = chatVariables({ chat: { slack, teams: { desk: '*' } } });
  const all = Object.keys(variables.shape).filter((name) => /^LONGSHORE_(?:SLACK|TEAMS)_/.test(name));
  expect(Object.keys(given).sort()).toEqual(all.sort());
  const config = readConfig({ ...DEPLOYED, ...given });
  expect([...config.LONGSHORE_SLACK_WORKSPACES]).toEqual([
    ['T012AB3CD', 'acme'],
    ['T045EF6GH', null],
  ]);
  expect([...config.LONGSHORE_TEAMS_WEBHOOKS]).toEqual([['desk', null]]);
});

test('nothing is given where the settings name no chat, and a tenant that cannot be one is a fault', () => {
  expect(chatVariables({ chat: undefined })).toEqual({});
  const given = chatVariables({ chat: { slack: { ...slack, workspaces: { T012AB3CD: 'Ac me' } }, teams: {} } });
  expect(() => readConfig({ ...DEPLOYED, ...given })).toThrow(/LONGSHORE_SLACK_WORKSPACES/);
});
