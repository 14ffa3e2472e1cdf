/** The capability: what a manifest may ask, and what a policy makes of it. */
import { afterAll, describe, expect, test } from 'vitest'
import { createKvKind } from '../../host/capabilities/kv.ts'
import { openKv } from '../../host/kv/store.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import { bytes, guestOf } from './support.ts'

const kv = await openKv({ dataDir: null })
afterAll(() => kv.close())
const kind = createKvKind(kv)

describe('a manifest', () => {
  test('asks for the service’s own namespace, or for bindings by name', () => {
    const own = { namespace: null, prefix: '', access: 'write', quotaMb: null }
    expect(kind.parse({})).toEqual([{ name: 'kv', options: own }])
    expect(kind.parse(true)).toEqual([{ name: 'kv', options: own }])
    expect(
      kind.parse({ A: {}, B: true, CARTS: { namespace: 'carts', prefix: 'eu/', access: 'read' } }),
    ).toEqual([
      { name: 'A', options: own },
      { name: 'B', options: own },
      { name: 'CARTS', options: { namespace: 'carts', prefix: 'eu/', access: 'read', quotaMb: null } },
    ])
  })

  test.each<[JsonValue, (string | number)[]]>([
    [false, []],
    [[], []],
    ['carts', []],
    [{ A: 'carts' }, ['A']],
    [{ A: { quotaMb: 1e6 } }, ['A']],
    [{ A: { tenant: 'globex' } }, ['A']],
    [{ A: { namespace: '../x' } }, ['A', 'namespace']],
    [{ A: { namespace: 7 } }, ['A', 'namespace']],
    [{ A: { prefix: 'p'.repeat(257) } }, ['A', 'prefix']],
    [{ A: { prefix: '\ud800' } }, ['A', 'prefix']],
    [{ A: { access: 'admin' } }, ['A', 'access']],
    [Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`A${index}`, {}])), []],
  ])('that asks %j is told where it is wrong', (asked, path) => {
    expect(() => kind.parse(asked)).toThrow(
      expect.objectContaining({ path, message: expect.stringMatching(/^must /) as string }),
    )
  })
})

describe('a policy', () => {
  const place = { tenant: 'acme', service: 'shop', version: 'v' }
  const narrow = (asked: JsonValue, policy: JsonValue): unknown =>
    kind.narrow(kind.parse(asked)[0]?.options ?? never(), policy, place)

  test('of namespaces grants those alone, by the name that is meant', () => {
    expect(narrow({}, { namespaces: ['shop'] })).toMatchObject({ namespace: null })
    expect(narrow({}, { namespaces: ['carts'] })).toEqual({
      refused: expect.stringContaining('namespace shop') as string,
    })
    expect(narrow({ A: { namespace: 'carts' } }, { namespaces: ['carts'] })).toMatchObject({
      namespace: 'carts',
    })
    expect(narrow({ A: { namespace: 'carts' } }, { namespaces: [] })).toEqual({
      refused: expect.stringContaining('carts') as string,
    })
  })

  test('that is not understood grants nothing', () => {
    for (const policy of [{ namespace: ['shop'] }, { quotaMb: '1' }, { quotaMb: -1 }, [], null, 'yes']) {
      expect([policy, kind.checkPolicy(policy)]).toEqual([
        policy,
        expect.stringContaining('quotaMb') as string,
      ])
      expect([policy, narrow({}, policy)]).toEqual([policy, { refused: expect.any(String) as string }])
    }
    expect(kind.checkPolicy({ quotaMb: 0.5, namespaces: [] })).toBeUndefined()
  })

  test('sets the quota, which is 64 MiB otherwise', async () => {
    const tenant = 'acme'
    const small = guestOf(kv, `${tenant}/shop`, {}, { quotaMb: 0.001 })
    await small.call('put', ['key'], bytes('x'.repeat(500)))
    const refusal = { code: 'VELA_KV_QUOTA_EXCEEDED' }
    await expect(small.call('put', ['other'], bytes('x'.repeat(500)))).rejects.toMatchObject(refusal)
    const usual = guestOf(kv, `${tenant}/shop`)
    for (let index = 0; index < 67; index++) await usual.call('put', [`k${index}`], Buffer.alloc(999_900))
    await expect(usual.call('put', ['more'], Buffer.alloc(999_900))).rejects.toMatchObject(refusal)
  })

  test('and what was asked read as a line for people', () => {
    expect(
      kind.describe(
        kind.parse({ A: { namespace: 'carts', prefix: 'eu/', access: 'read' } })[0]?.options ?? never(),
      ),
    ).toBe('read the namespace carts, keys that begin with "eu/"')
    expect(kind.describe(kind.parse({})[0]?.options ?? never())).toBe(
      'read and write the namespace of the service',
    )
  })
})

function never(): never {
  throw new Error('a manifest without a binding')
}
