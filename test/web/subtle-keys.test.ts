/** Keys of crypto.subtle in and out of every format, wrapped and cloned; checked against Node's Web Crypto. */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import { createPair, type JsonWebKey, type KeyPair } from './subtle-support.ts'

const { guest, both } = createPair()
afterAll(() => guest.close())

const PAIRS: readonly [
  label: string,
  algorithm: { name: string; hash?: string; namedCurve?: string },
  half: [string[], string[]],
][] = [
  ['RSASSA-PKCS1-v1_5', { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-1' }, [['verify'], ['sign']]],
  ['RSA-PSS', { name: 'RSA-PSS', hash: 'SHA-512' }, [['verify'], ['sign']]],
  [
    'RSA-OAEP',
    { name: 'RSA-OAEP', hash: 'SHA-1' },
    [
      ['encrypt', 'wrapKey'],
      ['decrypt', 'unwrapKey'],
    ],
  ],
  ['RSA-OAEP-256', { name: 'RSA-OAEP', hash: 'SHA-256' }, [['encrypt'], ['decrypt']]],
  ['ECDSA P-256', { name: 'ECDSA', namedCurve: 'P-256' }, [['verify'], ['sign']]],
  ['ECDSA P-521', { name: 'ECDSA', namedCurve: 'P-521' }, [['verify'], ['sign']]],
  ['ECDH P-384', { name: 'ECDH', namedCurve: 'P-384' }, [[], ['deriveKey', 'deriveBits']]],
  ['Ed25519', { name: 'Ed25519' }, [['verify'], ['sign']]],
  ['X25519', { name: 'X25519' }, [[], ['deriveBits']]],
]

function derOf(algorithm: { name: string; namedCurve?: string }): { spki: string; pkcs8: string } {
  const made = algorithm.name.startsWith('RSA')
    ? generateKeyPairSync('rsa', { modulusLength: 1024, publicExponent: 3 })
    : algorithm.namedCurve !== undefined
      ? generateKeyPairSync('ec', { namedCurve: algorithm.namedCurve })
      : algorithm.name === 'Ed25519'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('x25519')
  return {
    spki: made.publicKey.export({ format: 'der', type: 'spki' }).toString('hex'),
    pkcs8: made.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('hex'),
  }
}

test.each(PAIRS)(
  '%s: both halves go in and out of each format as in Node',
  async (_, algorithm, [publicUsages, privateUsages]) => {
    const { vela, node } = await both(
      async (given, der, usages, secretUsages) => {
        type Usages = Parameters<typeof crypto.subtle.importKey>[4]
        const describe = (key: Awaited<ReturnType<typeof crypto.subtle.importKey>>): unknown => {
          const { publicExponent, ...rest } = key.algorithm as { publicExponent?: Uint8Array }
          return [key.type, key.extractable, key.usages, rest, publicExponent && hex(publicExponent)]
        }
        const found: unknown[] = []
        const publicKey = await crypto.subtle.importKey(
          'spki',
          unhex(der.spki),
          given,
          true,
          usages as Usages,
        )
        const privateKey = await crypto.subtle.importKey(
          'pkcs8',
          unhex(der.pkcs8),
          given,
          true,
          secretUsages as Usages,
        )
        found.push(describe(publicKey), describe(privateKey))
        found.push(hex(await crypto.subtle.exportKey('spki', publicKey)))
        found.push(hex(await crypto.subtle.exportKey('pkcs8', privateKey)))
        for (const [key, allowed] of [
          [publicKey, usages],
          [privateKey, secretUsages],
        ] as const) {
          const jwk = await crypto.subtle.exportKey('jwk', key)
          const back = await crypto.subtle.importKey('jwk', jwk, given, true, allowed as Usages)
          const again = await crypto.subtle.exportKey('jwk', back)
          found.push(jwk, describe(back), again)
        }
        if (!given.name.startsWith('RSA')) {
          const raw = await crypto.subtle.exportKey('raw', publicKey)
          const back = await crypto.subtle.importKey('raw', raw, given, true, usages as Usages)
          found.push(hex(raw), hex(await crypto.subtle.exportKey('spki', back)))
        }
        return found
      },
      algorithm,
      derOf(algorithm),
      publicUsages,
      privateUsages,
    )
    expect(vela).toEqual(node)
  },
)

test.each([
  ['HMAC', { name: 'HMAC', hash: 'SHA-384' }, 40, ['sign', 'verify']],
  ['AES-GCM', { name: 'AES-GCM' }, 32, ['decrypt', 'encrypt']],
  ['AES-KW', { name: 'AES-KW' }, 16, ['wrapKey']],
  ['AES-CTR', { name: 'AES-CTR' }, 24, ['encrypt', 'unwrapKey']],
] as const)(
  '%s: a secret goes in and out as bytes and as a JWK as in Node',
  async (_, algorithm, bytes, usages) => {
    const { vela, node } = await both(
      async (given, size, allowed) => {
        const raw = new Uint8Array(size).map((__, index) => 250 - index)
        const key = await crypto.subtle.importKey('raw', raw, given, true, [...allowed])
        const jwk = await crypto.subtle.exportKey('jwk', key)
        const back = await crypto.subtle.importKey('jwk', jwk, given, true, [...allowed])
        return [jwk, hex(await crypto.subtle.exportKey('raw', back)), key.algorithm, back.algorithm]
      },
      algorithm,
      bytes,
      usages,
    )
    expect(vela.slice(1)).toEqual(node.slice(1))
    const sorted = (jwk: JsonWebKey): unknown => ({ ...jwk, key_ops: jwk.key_ops?.toSorted() })
    expect(sorted(vela[0] as JsonWebKey)).toEqual(sorted(node[0] as JsonWebKey))
  },
)

test('the usages of a generated pair are shared out, and the public half can always be exported', async () => {
  const { vela, node } = await both(async () => {
    const found: unknown[] = []
    for (const algorithm of [
      { name: 'RSA-OAEP', hash: 'SHA-256', modulusLength: 1024, publicExponent: unhex('010001') },
      { name: 'ECDH', namedCurve: 'P-256' },
    ]) {
      const usages =
        algorithm.name === 'ECDH' ? (['deriveBits'] as const) : (['unwrapKey', 'encrypt'] as const)
      const pair = (await crypto.subtle.generateKey(algorithm, false, [...usages])) as KeyPair
      for (const key of [pair.publicKey, pair.privateKey]) found.push([key.type, key.extractable, key.usages])
    }
    return found
  })
  expect(vela).toEqual(node)
})

test('generated secrets have the length that was asked for', async () => {
  const { vela, node } = await both(async () => {
    const lengths: unknown[] = []
    for (const algorithm of [
      { name: 'AES-GCM', length: 192 },
      { name: 'HMAC', hash: 'SHA-1' },
      { name: 'HMAC', hash: 'SHA-512' },
      { name: 'HMAC', hash: 'SHA-512', length: 64 },
    ]) {
      const key = await crypto.subtle.generateKey(
        algorithm as { name: string; length: number },
        true,
        algorithm.name === 'HMAC' ? ['sign'] : ['encrypt'],
      )
      lengths.push([(await crypto.subtle.exportKey('raw', key)).byteLength, key.algorithm])
    }
    return lengths
  })
  expect(vela).toEqual(node)
})

test('a wrapped key is unwrapped by Node, and the other way round', async () => {
  const wrap = async (): Promise<string[]> => {
    const raw = new Uint8Array(32).fill(5)
    const wrapped: string[] = []
    const gcm = { name: 'AES-GCM', iv: new Uint8Array(12) }
    const secret = await crypto.subtle.importKey(
      'raw',
      unhex('000102030405060708090a0b0c0d0e0f'),
      'AES-CBC',
      true,
      ['encrypt'],
    )
    const pair = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
      'verify',
    ])) as KeyPair
    const kw = await crypto.subtle.importKey('raw', raw, 'AES-KW', false, ['wrapKey'])
    wrapped.push(hex(await crypto.subtle.wrapKey('raw', secret, kw, 'AES-KW')))
    const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['wrapKey'])
    wrapped.push(hex(await crypto.subtle.wrapKey('pkcs8', pair.privateKey, key, gcm)))
    wrapped.push(hex(await crypto.subtle.wrapKey('jwk', pair.privateKey, key, gcm)))
    wrapped.push(hex(await crypto.subtle.wrapKey('spki', pair.publicKey, key, gcm)))
    return wrapped
  }
  const unwrap = async (wrapped: string[]): Promise<unknown[]> => {
    const raw = new Uint8Array(32).fill(5)
    const gcm = { name: 'AES-GCM', iv: new Uint8Array(12) }
    const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' }
    const bytes = (index: number): Uint8Array<ArrayBuffer> => unhex(wrapped[index] as string)
    const kw = await crypto.subtle.importKey('raw', raw, 'AES-KW', false, ['unwrapKey'])
    const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['unwrapKey'])
    const secret = await crypto.subtle.unwrapKey('raw', bytes(0), kw, 'AES-KW', 'AES-CBC', true, ['decrypt'])
    const first = await crypto.subtle.unwrapKey('pkcs8', bytes(1), key, gcm, ecdsa, true, ['sign'])
    const second = await crypto.subtle.unwrapKey('jwk', bytes(2), key, gcm, ecdsa, false, ['sign'])
    const publicKey = await crypto.subtle.unwrapKey('spki', bytes(3), key, gcm, ecdsa, true, ['verify'])
    const how = { name: 'ECDSA', hash: 'SHA-256' }
    const signature = await crypto.subtle.sign(how, second, unhex('01'))
    return [
      hex(await crypto.subtle.exportKey('raw', secret)),
      (await crypto.subtle.exportKey('jwk', first)).crv,
      second.extractable,
      await crypto.subtle.verify(how, publicKey, signature, unhex('01')),
      await nameOf(() => crypto.subtle.unwrapKey('jwk', bytes(1), key, gcm, ecdsa, false, ['sign'])),
      await nameOf(() =>
        crypto.subtle.unwrapKey('raw', unhex('00'.repeat(24)), kw, 'AES-KW', 'AES-CBC', true, ['encrypt']),
      ),
    ]
  }
  const right = ['000102030405060708090a0b0c0d0e0f', 'P-256', false, true, 'DataError', 'OperationError']
  expect(await unwrap(await guest.run(wrap))).toEqual(right)
  expect(await guest.run(unwrap, await wrap())).toEqual(right)
})

test('structuredClone makes another key with the same powers', async () => {
  expect(
    await guest.run(async () => {
      const key = await crypto.subtle.importKey(
        'raw',
        unhex('0102'),
        { name: 'HMAC', hash: 'SHA-1' },
        false,
        ['sign'],
      )
      const { copy } = structuredClone({ copy: key })
      const [first, second] = [
        await crypto.subtle.sign('HMAC', key, unhex('')),
        await crypto.subtle.sign('HMAC', copy, unhex('')),
      ]
      return [copy === key, hex(first) === hex(second), copy.extractable, copy.usages]
    }),
  ).toEqual([false, true, false, ['sign']])
})

test('what a program does to `algorithm` and `usages` of a key changes nothing', async () => {
  expect(
    await guest.run(async () => {
      const key = await crypto.subtle.importKey(
        'raw',
        unhex('0102'),
        { name: 'HMAC', hash: 'SHA-1' },
        false,
        ['verify'],
      )
      ;(key.usages as string[]).push('sign')
      Object.assign(key.algorithm, { name: 'AES-GCM', hash: { name: 'SHA-512' } })
      return [
        await nameOf(() => crypto.subtle.sign('HMAC', key, unhex(''))),
        await nameOf(() => crypto.subtle.exportKey('raw', key)),
        key.usages === key.usages && key.algorithm === key.algorithm,
      ]
    }),
  ).toEqual(['InvalidAccessError', 'InvalidAccessError', true])
})
