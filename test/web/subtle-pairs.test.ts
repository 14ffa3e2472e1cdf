/** Signatures, RSA-OAEP and key agreement of crypto.subtle: what a guest makes Node accepts, and the other way round. */
import { generateKeyPairSync, privateDecrypt } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import { createPair, type KeyPair } from './subtle-support.ts'

const { guest, both } = createPair()
afterAll(() => guest.close())

const RSA = { modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]) }
const SIGNERS: readonly [name: string, generate: object, sign: object][] = [
  ['RSASSA-PKCS1-v1_5', { ...RSA, name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, {}],
  ['RSA-PSS', { ...RSA, name: 'RSA-PSS', hash: 'SHA-256' }, { saltLength: 32 }],
  ['RSA-PSS without salt', { ...RSA, name: 'RSA-PSS', hash: 'SHA-384' }, { saltLength: 0 }],
  ['ECDSA P-256', { name: 'ECDSA', namedCurve: 'P-256' }, { hash: 'SHA-256' }],
  ['ECDSA P-256 SHA-512', { name: 'ECDSA', namedCurve: 'P-256' }, { hash: 'SHA-512' }],
  ['ECDSA P-384', { name: 'ECDSA', namedCurve: 'P-384' }, { hash: 'SHA-384' }],
  ['ECDSA P-521', { name: 'ECDSA', namedCurve: 'P-521' }, { hash: 'SHA-512' }],
  ['ECDSA P-521 SHA-1', { name: 'ECDSA', namedCurve: 'P-521' }, { hash: 'SHA-1' }],
  ['Ed25519', { name: 'Ed25519' }, {}],
]

interface Signed {
  readonly publicKey: string
  readonly privateKey: string
  readonly signature: string
}

/** Runs here and in the guest. Arrays of bytes come as JSON, so `publicExponent` is written out. */
async function generateAndSign(generate: object, params: object): Promise<Signed> {
  const algorithm = { ...generate } as { name: string; publicExponent?: Uint8Array }
  if (algorithm.publicExponent !== undefined) algorithm.publicExponent = new Uint8Array([1, 0, 1])
  const pair = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as KeyPair
  const signature = await crypto.subtle.sign(
    { name: algorithm.name, ...params },
    pair.privateKey,
    unhex('616263'),
  )
  return {
    publicKey: hex(await crypto.subtle.exportKey('spki', pair.publicKey)),
    privateKey: hex(await crypto.subtle.exportKey('pkcs8', pair.privateKey)),
    signature: hex(signature),
  }
}

/** Whether the signature is right, whether it is for other data, and whether a new one with the same key is. */
async function verifyAndSign(generate: object, params: object, signed: Signed): Promise<boolean[]> {
  const algorithm = { ...generate } as { name: string }
  const how = { ...params, name: algorithm.name }
  const publicKey = await crypto.subtle.importKey('spki', unhex(signed.publicKey), algorithm, true, [
    'verify',
  ])
  const privateKey = await crypto.subtle.importKey('pkcs8', unhex(signed.privateKey), algorithm, true, [
    'sign',
  ])
  const signature = unhex(signed.signature)
  const again = await crypto.subtle.sign(how, privateKey, unhex('616263'))
  return [
    await crypto.subtle.verify(how, publicKey, signature, unhex('616263')),
    await crypto.subtle.verify(how, publicKey, signature, unhex('616264')),
    await crypto.subtle.verify(how, publicKey, signature.subarray(1), unhex('616263')),
    await crypto.subtle.verify(how, publicKey, again, unhex('616263')),
  ]
}

test.each(SIGNERS)(
  '%s: Node accepts what a guest generates and signs, and the other way round',
  async (_, generate, params) => {
    const right = [true, false, false, true]
    const made = await guest.run(generateAndSign, generate, params)
    expect(await verifyAndSign(generate, params, made)).toEqual(right)
    expect(await guest.run(verifyAndSign, generate, params, made)).toEqual(right)
    const reference = await generateAndSign(generate, params)
    expect(await guest.run(verifyAndSign, generate, params, reference)).toEqual(right)
  },
)

test('a deterministic signature is the same as Node makes', async () => {
  for (const generate of [SIGNERS[0]?.[1], { name: 'Ed25519' }] as object[]) {
    const { privateKey } = await generateAndSign(generate, {})
    const { vela, node } = await both(
      async (algorithm, der) => {
        const key = await crypto.subtle.importKey('pkcs8', unhex(der), algorithm as { name: string }, false, [
          'sign',
        ])
        return hex(await crypto.subtle.sign(algorithm as { name: string }, key, unhex('616263')))
      },
      generate,
      privateKey,
    )
    expect(vela).toBe(node)
  }
})

test.each([1023, 1025, 2047])('an RSA modulus of %i bits works like any other', async (modulusLength) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength })
  const made = {
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).toString('hex'),
    privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('hex'),
  }
  const name = 'RSA-PSS'
  for (const saltLength of [0, 20, 94]) {
    const sign = async (der: string, salt: number): Promise<string> => {
      const key = await crypto.subtle.importKey(
        'pkcs8',
        unhex(der),
        { name: 'RSA-PSS', hash: 'SHA-1' },
        true,
        ['sign'],
      )
      return hex(await crypto.subtle.sign({ name: 'RSA-PSS', saltLength: salt }, key, unhex('616263')))
    }
    const signed = { ...made, signature: await guest.run(sign, made.privateKey, saltLength) }
    const how = [{ name, hash: 'SHA-1' }, { saltLength }, signed] as const
    expect(await guest.run(verifyAndSign, ...how)).toEqual([true, false, false, true])
    expect((await verifyAndSign(...how))[0]).toBe(true)
  }
  const seal = async (der: string): Promise<string> => {
    const key = await crypto.subtle.importKey('spki', unhex(der), { name: 'RSA-OAEP', hash: 'SHA-1' }, true, [
      'encrypt',
    ])
    return hex(await crypto.subtle.encrypt('RSA-OAEP', key, unhex('616263')))
  }
  const sealed = Buffer.from(await guest.run(seal, made.publicKey), 'hex')
  expect(privateDecrypt({ key: privateKey, oaepHash: 'sha1' }, sealed).toString()).toBe('abc')
})

test.each(['SHA-1', 'SHA-256', 'SHA-384'])(
  'RSA-OAEP with %s: what one side encrypts the other decrypts',
  async (hash) => {
    const make = async (name: string): Promise<{ publicKey: string; privateKey: string }> => {
      const algorithm = { name: 'RSA-OAEP', hash: name, modulusLength: 1024, publicExponent: unhex('010001') }
      const pair = (await crypto.subtle.generateKey(algorithm, true, ['encrypt', 'decrypt'])) as KeyPair
      return {
        publicKey: hex(await crypto.subtle.exportKey('spki', pair.publicKey)),
        privateKey: hex(await crypto.subtle.exportKey('pkcs8', pair.privateKey)),
      }
    }
    const encrypt = async (name: string, der: string, label: string): Promise<string[]> => {
      const key = await crypto.subtle.importKey('spki', unhex(der), { name: 'RSA-OAEP', hash: name }, true, [
        'encrypt',
      ])
      const params = { name: 'RSA-OAEP', label: unhex(label) }
      return [
        hex(await crypto.subtle.encrypt(params, key, unhex('00616263'))),
        hex(await crypto.subtle.encrypt(params, key, unhex(''))),
      ]
    }
    const decrypt = async (name: string, der: string, label: string, sealed: string[]): Promise<string[]> => {
      const key = await crypto.subtle.importKey('pkcs8', unhex(der), { name: 'RSA-OAEP', hash: name }, true, [
        'decrypt',
      ])
      const params = { name: 'RSA-OAEP', label: unhex(label) }
      const other = { name: 'RSA-OAEP', label: unhex('ff') }
      return [
        hex(await crypto.subtle.decrypt(params, key, unhex(sealed[0] as string))),
        hex(await crypto.subtle.decrypt(params, key, unhex(sealed[1] as string))),
        await nameOf(() => crypto.subtle.decrypt(other, key, unhex(sealed[0] as string))),
      ]
    }
    for (const label of ['', '0102']) {
      const right = ['00616263', '', 'OperationError']
      const made = await guest.run(make, hash)
      const sealed = await guest.run(encrypt, hash, made.publicKey, label)
      expect(await decrypt(hash, made.privateKey, label, sealed)).toEqual(right)
      const reference = await encrypt(hash, made.publicKey, label)
      expect(await guest.run(decrypt, hash, made.privateKey, label, reference)).toEqual(right)
      expect(sealed).not.toEqual(reference)
    }
  },
)

test.each([
  ['ECDH', 'P-256', [256, 100, 7]],
  ['ECDH', 'P-384', [384]],
  ['ECDH', 'P-521', [528, 521]],
  ['X25519', '', [256, 128]],
])('%s %s agrees with Node on a secret', async (name, namedCurve, lengths) => {
  const make = async (algorithm: object): Promise<{ publicKey: string; privateKey: string }> => {
    const pair = (await crypto.subtle.generateKey(algorithm as { name: string }, true, [
      'deriveBits',
    ])) as KeyPair
    return {
      publicKey: hex(await crypto.subtle.exportKey('raw', pair.publicKey)),
      privateKey: hex(await crypto.subtle.exportKey('pkcs8', pair.privateKey)),
    }
  }
  const agree = async (
    algorithm: object,
    mine: string,
    theirs: string,
    bits: number[],
  ): Promise<string[]> => {
    const given = algorithm as { name: string }
    const key = await crypto.subtle.importKey('pkcs8', unhex(mine), given, true, ['deriveBits'])
    const peer = await crypto.subtle.importKey('raw', unhex(theirs), given, true, [])
    const secrets: string[] = [hex(await crypto.subtle.deriveBits({ ...given, public: peer }, key))]
    for (const length of bits) {
      secrets.push(hex(await crypto.subtle.deriveBits({ ...given, public: peer }, key, length)))
    }
    return secrets
  }
  const algorithm = namedCurve === '' ? { name } : { name, namedCurve }
  const [mine, theirs] = [await guest.run(make, algorithm), await make(algorithm)]
  const secrets = await guest.run(agree, algorithm, mine.privateKey, theirs.publicKey, lengths)
  expect(secrets).toEqual(await agree(algorithm, theirs.privateKey, mine.publicKey, lengths))
  expect(secrets[0]?.length).toBeGreaterThanOrEqual(64)
})
