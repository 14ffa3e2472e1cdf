/** What crypto.subtle refuses, and with which error. Each case runs in Node's Web Crypto too, which must agree. */
import { afterAll, expect, test } from 'vitest'
import { createPair, type KeyPair } from './subtle-support.ts'

const { guest, both } = createPair()
afterAll(() => guest.close())

async function agree(work: () => Promise<string[]>): Promise<string[]> {
  const { vela, node } = await both(work)
  expect(vela).toEqual(node)
  expect(vela).not.toContain('fulfilled')
  return vela
}

/** 'a a b' as '2 a', '1 b'. */
function runsOf(names: string[]): string[] {
  const runs: { name: string; count: number }[] = []
  for (const name of names) {
    const last = runs.at(-1)
    if (last?.name === name) last.count++
    else runs.push({ name, count: 1 })
  }
  return runs.map(({ name, count }) => `${count} ${name}`)
}

test('algorithms that are unknown, lack an operation or a parameter', async () => {
  expect(
    runsOf(
      await agree(async () => {
        const { subtle } = crypto
        const data = new Uint8Array(16)
        const unchecked = subtle as unknown as Record<
          'digest' | 'generateKey' | 'encrypt' | 'importKey' | 'deriveBits',
          (...args: unknown[]) => Promise<unknown>
        >
        const aes = await subtle.importKey('raw', data, 'AES-CBC', true, ['encrypt'])
        return [
          await nameOf(() => subtle.digest('MD5', data)),
          await nameOf(() => subtle.digest('AES-GCM', data)),
          await nameOf(() => unchecked.digest({}, data)),
          await nameOf(() => unchecked.digest('SHA-1', 'text')),
          await nameOf(() => unchecked.digest('SHA-1', [1])),
          await nameOf(() => unchecked.generateKey({ name: 'AES-GCM' }, true, ['encrypt'])),
          await nameOf(() => unchecked.generateKey({ name: 'AES-GCM', length: 70_000 }, true, ['encrypt'])),
          await nameOf(() => unchecked.generateKey({ name: 'HMAC' }, true, ['sign'])),
          await nameOf(() => unchecked.generateKey({ name: 'HMAC', hash: 'SHA-7' }, true, ['sign'])),
          await nameOf(() => unchecked.generateKey({ name: 'HKDF' }, true, ['deriveBits'])),
          await nameOf(() => unchecked.generateKey({ name: 'ECDSA', namedCurve: 'P-1' }, true, ['sign'])),
          await nameOf(() => unchecked.encrypt({ name: 'AES-CBC' }, aes, data)),
          await nameOf(() => unchecked.encrypt({ name: 'AES-CBC', iv: 'x' }, aes, data)),
          await nameOf(() => unchecked.encrypt({ name: 'AES-CBC', iv: data }, {}, data)),
          await nameOf(() => unchecked.importKey('der', data, 'AES-CBC', true, ['encrypt'])),
          await nameOf(() => unchecked.importKey('raw', data, 'AES-CBC', true, ['fly'])),
          await nameOf(() => unchecked.importKey('raw', { k: 'x' }, 'AES-CBC', true, ['encrypt'])),
        ]
      }),
    ),
  ).toEqual(['2 NotSupportedError', '6 TypeError', '3 NotSupportedError', '6 TypeError'])
})

test('keys that are used for what they are not for', async () => {
  expect(
    await agree(async () => {
      const { subtle } = crypto
      const data = new Uint8Array(16)
      const cbc = { name: 'AES-CBC', iv: data }
      const encrypting = await subtle.importKey('raw', data, 'AES-CBC', false, ['encrypt'])
      const mac = await subtle.importKey('raw', data, { name: 'HMAC', hash: 'SHA-1' }, true, ['sign'])
      const ecdsa = (await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, [
        'sign',
        'verify',
      ])) as KeyPair
      const ecdh = (await subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, false, [
        'deriveBits',
      ])) as KeyPair
      const other = (await subtle.generateKey({ name: 'ECDH', namedCurve: 'P-384' }, false, [
        'deriveBits',
      ])) as KeyPair
      const how = { name: 'ECDSA', hash: 'SHA-256' }
      return [
        await nameOf(() => subtle.decrypt(cbc, encrypting, data)),
        await nameOf(() => subtle.encrypt(cbc, mac, data)),
        await nameOf(() => subtle.encrypt({ name: 'AES-GCM', iv: data }, encrypting, data)),
        await nameOf(() => subtle.sign('HMAC', ecdsa.privateKey, data)),
        await nameOf(() => subtle.verify('HMAC', mac, data, data)),
        await nameOf(() => subtle.exportKey('raw', encrypting)),
        await nameOf(() => subtle.exportKey('pkcs8', ecdsa.privateKey)),
        await nameOf(() => subtle.sign(how, ecdsa.publicKey, data)),
        await nameOf(() => subtle.verify(how, ecdsa.privateKey, data, data)),
        await nameOf(() =>
          subtle.deriveBits({ name: 'ECDH', public: ecdh.privateKey }, ecdh.privateKey, 256),
        ),
        await nameOf(() =>
          subtle.deriveBits({ name: 'ECDH', public: other.publicKey }, ecdh.privateKey, 256),
        ),
        await nameOf(() => subtle.wrapKey('raw', encrypting, mac, 'AES-KW')),
      ]
    }),
  ).toEqual(Array.from({ length: 12 }, () => 'InvalidAccessError'))
})

test('usages that a key cannot have, and keys without one', async () => {
  expect(
    await agree(async () => {
      const { subtle } = crypto
      const data = new Uint8Array(16)
      const rsa = { name: 'RSA-PSS', hash: 'SHA-1', modulusLength: 1024, publicExponent: unhex('010001') }
      const ec = { name: 'ECDH', namedCurve: 'P-256' }
      const pair = (await subtle.generateKey(ec, true, ['deriveBits'])) as KeyPair
      const spki = await subtle.exportKey('spki', pair.publicKey)
      return [
        await nameOf(() =>
          subtle.generateKey({ name: 'AES-KW', length: 128 }, true, ['encrypt' as 'wrapKey']),
        ),
        await nameOf(() => subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, [])),
        await nameOf(() => subtle.generateKey(rsa, true, [])),
        await nameOf(() => subtle.generateKey(rsa, true, ['verify'])),
        await nameOf(() => subtle.generateKey(rsa, true, ['encrypt', 'sign'])),
        await nameOf(() => subtle.importKey('raw', data, 'AES-GCM', true, ['sign'])),
        await nameOf(() => subtle.importKey('raw', data, 'AES-GCM', true, [])),
        await nameOf(() => subtle.importKey('raw', data, 'HKDF', true, ['deriveBits'])),
        await nameOf(() => subtle.importKey('raw', data, 'PBKDF2', false, ['sign'])),
        await nameOf(() => subtle.importKey('spki', spki, ec, true, ['deriveBits'])),
      ]
    }),
  ).toEqual(Array.from({ length: 10 }, () => 'SyntaxError'))
})

test('parameters that the operation cannot take', async () => {
  expect(
    await agree(async () => {
      const { subtle } = crypto
      const data = new Uint8Array(16)
      const key = async (name: string): Promise<Awaited<ReturnType<typeof subtle.importKey>>> =>
        await subtle.importKey(
          'raw',
          data,
          name,
          false,
          name.startsWith('AES') ? ['encrypt', 'decrypt'] : ['deriveBits'],
        )
      const [gcm, cbc, ctr, hkdf, pbkdf2] = [
        await key('AES-GCM'),
        await key('AES-CBC'),
        await key('AES-CTR'),
        await key('HKDF'),
        await key('PBKDF2'),
      ]
      const pair = (await subtle.generateKey('X25519', false, ['deriveBits'])) as KeyPair
      const zero = await subtle.importKey('raw', new Uint8Array(32), 'X25519', true, [])
      const stretch = { name: 'PBKDF2', hash: 'SHA-1', salt: data, iterations: 1 }
      return [
        await nameOf(() => subtle.generateKey({ name: 'AES-GCM', length: 100 }, true, ['encrypt'])),
        await nameOf(() => subtle.generateKey({ name: 'HMAC', hash: 'SHA-1', length: 0 }, true, ['sign'])),
        await nameOf(() => subtle.encrypt({ name: 'AES-GCM', iv: data, tagLength: 33 }, gcm, data)),
        await nameOf(() => subtle.decrypt({ name: 'AES-GCM', iv: data }, gcm, data.subarray(1))),
        await nameOf(() => subtle.decrypt({ name: 'AES-GCM', iv: data }, gcm, new Uint8Array(40))),
        await nameOf(() => subtle.encrypt({ name: 'AES-CBC', iv: data.subarray(1) }, cbc, data)),
        await nameOf(() => subtle.decrypt({ name: 'AES-CBC', iv: data }, cbc, data.subarray(1))),
        await nameOf(() => subtle.encrypt({ name: 'AES-CTR', counter: data, length: 0 }, ctr, data)),
        await nameOf(() => subtle.encrypt({ name: 'AES-CTR', counter: data, length: 129 }, ctr, data)),
        await nameOf(() =>
          subtle.encrypt({ name: 'AES-CTR', counter: data, length: 1 }, ctr, new Uint8Array(33)),
        ),
        await nameOf(() =>
          subtle.deriveBits({ name: 'HKDF', hash: 'SHA-1', salt: data, info: data }, hkdf, 20 * 255 * 8 + 8),
        ),
        await nameOf(() =>
          subtle.deriveBits({ name: 'HKDF', hash: 'SHA-1', salt: data, info: data }, hkdf, 9),
        ),
        await nameOf(() => subtle.deriveBits(stretch, pbkdf2, null as unknown as number)),
        await nameOf(() => subtle.deriveBits({ ...stretch, iterations: 0 }, pbkdf2, 8)),
        await nameOf(() =>
          subtle.deriveBits({ name: 'X25519', public: pair.publicKey }, pair.privateKey, 264),
        ),
        await nameOf(() => subtle.deriveBits({ name: 'X25519', public: zero }, pair.privateKey, 256)),
      ]
    }),
  ).toEqual(Array.from({ length: 16 }, () => 'OperationError'))
})

test('formats that an algorithm does not have', async () => {
  expect(
    await agree(async () => {
      const { subtle } = crypto
      const rsa = (await subtle.generateKey(
        { name: 'RSA-PSS', hash: 'SHA-1', modulusLength: 1024, publicExponent: unhex('010001') },
        true,
        ['sign', 'verify'],
      )) as KeyPair
      const hkdf = await subtle.importKey('raw', unhex('01'), 'HKDF', false, ['deriveBits'])
      return [
        await nameOf(() => subtle.exportKey('raw', rsa.publicKey)),
        await nameOf(() => subtle.exportKey('raw', hkdf)),
        await nameOf(() => subtle.importKey('spki', unhex('3000'), 'AES-GCM', true, ['encrypt'])),
        await nameOf(() =>
          subtle.importKey('raw', unhex('3000'), { name: 'RSA-PSS', hash: 'SHA-1' }, true, ['verify']),
        ),
      ]
    }),
  ).toEqual(Array.from({ length: 4 }, () => 'NotSupportedError'))
})
