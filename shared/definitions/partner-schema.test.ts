import { describe, expect, test } from 'vitest';
import { compileJson, compilePath, compileText } from '#shared/partners/request-template.ts';
import { examplePartner } from '#testkit/beds/partner-bed.ts';
import { partnerDocumentSchema } from './partner-schema.ts';

test('a definition parses to itself, with its defaults', () => {
  const partner = examplePartner({ timeout: '2s', maxReply: '64KB' });
  expect(partner).toMatchObject({
    timeout: 2_000,
    maxReply: 64_000,
    auth: { type: 'none' },
    limits: { concurrency: 20 },
  });
  expect(partnerDocumentSchema.parse(structuredClone(partner))).toEqual(partner);
});

describe('a definition is refused when', () => {
  const operation = { method: 'POST', path: '/x', idempotent: true };
  test.each([
    ['it has a key that nobody knows', { colour: 'red' }, /colour/],
    ['its address is no http', { baseUrl: 'file:///etc/passwd' }, /baseUrl/],
    ['its address holds a password', { baseUrl: 'https://u:p@partner.example' }, /no user/],
    ['a secret is written instead of named', { auth: { type: 'static', secret: 'a secret, with blanks' } }, /secret/],
    ['a secret leaves the store', { auth: { type: 'static', secret: '../../etc/shadow' } }, /secret/],
    ['a secret is hidden', { auth: { type: 'static', secret: 'acme/.key' } }, /secret/],
    ['a secret has an empty part', { auth: { type: 'static', secret: 'acme//key' } }, /secret/],
    ['a key has no certificate', { tls: { key: 'k' } }, /together/],
    ['there is no operation', { operations: {} }, /operation/],
    ['repeating is not spoken of', { operations: { a: { method: 'GET', path: '/' } } }, /idempotent/],
    ['a GET has a body', { operations: { a: { ...operation, method: 'GET', body: {} } } }, /GET/],
    ['a template does not parse', { operations: { a: { ...operation, body: { x: '{{ record.' } } } }, /template/],
    [
      'a template includes a file',
      { operations: { a: { ...operation, path: "/{% include '/etc/passwd' %}" } } },
      /template/,
    ],
    ['a filter is not offered', { operations: { a: { ...operation, path: '/{{ record.a | raw }}' } } }, /template/],
    ['a header is none', { operations: { a: { ...operation, headers: { 'a b': 'x' } } } }, /header/],
    [
      'only a success would be final',
      { operations: { a: { ...operation, judge: [{ when: {}, is: 'success', final: true }] } } },
      /final/,
    ],
    ['a path reaches for more', { operations: { a: { ...operation, output: { x: 'a..b' } } } }, /path/],
  ])('%s', (_name, changes, message) => {
    expect(() => examplePartner(changes)).toThrow(message);
  });
});

describe('a template', () => {
  const values = {
    record: { key: 'a/b?c', amount: 12.5, nothing: null, evil: '..', text: '","admin":true,"x":"', list: [1] },
    replies: { validate: { reference: 'V-1' } },
    meta: { line: 7 },
  };

  test('keeps the type of a value that stands alone, and its text elsewhere', () => {
    const template = {
      a: '{{ record.amount }}',
      b: 'x{{ record.amount }}',
      c: ['{{ meta.line }}', 1, null],
      d: '{{record.nothing}}',
    };
    expect(compileJson(template)(values)).toEqual({ a: 12.5, b: 'x12.5', c: [7, 1, null], d: null });
  });

  test('lets no value become structure', () => {
    const body = JSON.stringify(compileJson({ name: '{{ record.text }}', both: '<{{ record.text }}>' })(values));
    expect(JSON.parse(body)).toEqual({ name: values.record.text, both: `<${values.record.text}>` });
  });

  test('encodes values in a path, and refuses one that would leave it', () => {
    expect(compilePath('/m/{{ record.key }}/{{ replies.validate.reference }}')(values)).toBe('/m/a%2Fb%3Fc/V-1');
    expect(() => compilePath('/m/{{ record.evil }}/x')(values)).toThrow(/out of the path/);
  });

  test('tells what is missing without telling values', () => {
    expect(() => compileJson('{{ record.none }}')(values)).toThrow(/record\.none/);
    expect(() => compileJson('{{ record.list }}')(values)).toThrow(/record\.list/);
    expect(() => compileText('x{{ record.none }}')(values)).toThrow(/none/);
    expect(() => compileJson('{{ record.constructor }}')(values)).toThrow(/no value/);
    expect(() => compileText('x{{ record.__proto__.x }}')(values)).toThrow();
  });

  test('is bounded', () => {
    expect(() => compileText('x'.repeat(3_000))).toThrow(/longer/);
    const long = { ...values, record: { a: 'x'.repeat(20_000) } };
    expect(() => compileText('{{ record.a }}!')(long)).toThrow();
  });
});
