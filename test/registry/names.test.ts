import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkName } from '../../host/registry/names.ts'
import { contentOf, open, withCode } from './support.ts'

const HOSTILE: readonly unknown[] = [
  '',
  '.',
  '..',
  '../etc',
  'a/b',
  'a\\b',
  'a.b',
  'a b',
  'a\0',
  'a\n',
  '\na',
  'a\r\nx: y',
  '-a',
  'a-',
  'A',
  'é',
  'ａ',
  'а',
  'a\u0301',
  'a\u200d',
  'xn--80ak6aa92e',
  'ab--cd',
  '__proto__',
  'constructor',
  'prototype',
  '_vela',
  '*',
  '>',
  '$JS',
  '%2e%2e',
  "' OR 1=1 --",
  'a'.repeat(64),
  'a'.repeat(1_000_000),
  undefined,
  null,
  7,
  {},
  ['acme'],
  { toString: () => 'acme' },
]

describe('names', () => {
  it.each(['a', '0', 'shop', 'shop-2', 'a--b', 'a-'.repeat(31) + 'a'])('allow %s', (name) => {
    expect(checkName('tenant', name)).toBe(name)
    expect(checkName('service', name)).toBe(name)
  })

  it('refuse what would mean something in a path, a host, a subject, a log or a map', () => {
    for (const name of HOSTILE) {
      for (const kind of ['tenant', 'service'] as const) {
        expect(() => checkName(kind, name)).toThrow(
          expect.objectContaining({ code: 'VELA_DEPLOY_INVALID_NAME' }),
        )
      }
    }
  })

  it('of secrets are those of environment variables', () => {
    for (const name of ['A', '_', 'a1', 'API_KEY', 'x'.repeat(128)])
      expect(checkName('secret', name)).toBe(name)
    for (const name of [
      '1A',
      'A-B',
      'A.B',
      'A\n',
      'Ä',
      'x'.repeat(129),
      '__proto__',
      'constructor',
      'prototype',
      '',
    ]) {
      expect(() => checkName('secret', name)).toThrow(
        expect.objectContaining({ code: 'VELA_DEPLOY_INVALID_NAME' }),
      )
    }
  })

  it('that are refused are told with what is allowed, short and on one line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (name) => {
        try {
          expect(checkName('tenant', name)).toMatch(/^[a-z0-9-]{1,63}$/)
        } catch (error) {
          expect(error).toEqual(withCode('VELA_DEPLOY_INVALID_NAME', /allowed are 1 to 63/))
          expect(String(error).length).toBeLessThan(800)
          expect(String(error)).not.toContain('\n')
        }
      }),
    )
  })

  it('are checked by every method of the registry', async () => {
    const registry = await open()
    const bad = '../acme'
    const { deployment, bundle } = contentOf('acme', 'shop', 'one')
    const calls = [
      registry.createTenant(bad),
      registry.getTenant(bad),
      registry.deleteTenant(bad, true),
      registry.activate({ ...deployment, tenant: bad }, bundle),
      registry.activate({ ...deployment, service: bad }, bundle),
      registry.rollback(bad, 'shop'),
      registry.rollback('acme', bad),
      registry.deleteService(bad, 'shop'),
      registry.deleteService('acme', bad),
      registry.listServices(bad),
      registry.listVersions('acme', bad),
      registry.getDeployment('acme', bad, '000000000000'),
      registry.getBundle(bad, 'shop', '000000000000'),
      registry.putSecret('acme', bad, 'KEY', ''),
      registry.putSecret('acme', 'shop', bad, ''),
      registry.listSecrets('acme', bad),
      registry.deleteSecret('acme', 'shop', bad),
      registry.readSecrets(bad, 'shop'),
      registry.createToken(bad, ['read']),
      registry.listTokens(bad),
    ]
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'VELA_DEPLOY_INVALID_NAME' } })
    }
  })
})
