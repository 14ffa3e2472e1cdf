/** crypto.subtle computes what Node's Web Crypto computes: digests, HMAC, AES and derivation. */
import { afterAll, expect, test } from 'vitest'
import { createPair } from './subtle-support.ts'

const { guest, both } = createPair()
afterAll(() => guest.close())

test('it is loaded when it is first touched, and has the classes and tags of the standard', async () => {
  await guest.run(() => crypto.randomUUID())
  expect(guest.loaded).not.toContain('subtle')
  expect(
    await guest.run(async () => {
      const { subtle } = crypto
      const key = await subtle.generateKey({ name: 'AES-GCM', length: 128 }, false, ['encrypt'])
      return [
        `${String(subtle)} ${String(key)} ${subtle === crypto.subtle}`,
        subtle.constructor.name,
        (key as object).constructor.name,
        subtle instanceof (globalThis as unknown as { SubtleCrypto: new () => object }).SubtleCrypto,
        key instanceof (globalThis as unknown as { CryptoKey: new () => object }).CryptoKey,
      ]
    }),
  ).toEqual(['[object SubtleCrypto] [object CryptoKey] true', 'SubtleCrypto', 'CryptoKey', true, true])
  expect(guest.loaded.filter((name) => name === 'subtle')).toEqual(['subtle'])
})

test.each(['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512', 'sha-256'])('%s digests as in Node', async (name) => {
  const { vela, node } = await both(async (hash) => {
    const data = new Uint8Array(20_000).map((_, index) => index * 7)
    return [
      hex(await crypto.subtle.digest(hash, new Uint8Array(0))),
      hex(await crypto.subtle.digest({ name: hash }, data.subarray(3, 77))),
      hex(await crypto.subtle.digest(hash, new DataView(data.buffer, 1, 2))),
      hex(await crypto.subtle.digest(hash, data.buffer)),
    ]
  }, name)
  expect(vela).toEqual(node)
})

test('HMAC signs as in Node, with keys of any length, and verifies only what is right', async () => {
  const { vela, node } = await both(async () => {
    const found: unknown[] = []
    for (const hash of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512']) {
      for (const bytes of [1, 32, 200]) {
        const raw = new Uint8Array(bytes).fill(bytes)
        const key = await crypto.subtle.importKey('raw', raw, { name: 'HMAC', hash }, true, [
          'sign',
          'verify',
        ])
        const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, unhex('00ff80')))
        const right = await crypto.subtle.verify('HMAC', key, mac, unhex('00ff80'))
        const short = await crypto.subtle.verify('HMAC', key, mac.subarray(1), unhex('00ff80'))
        mac[0] = (mac[0] as number) ^ 1
        const wrong = await crypto.subtle.verify('HMAC', key, mac, unhex('00ff80'))
        found.push([hex(mac), right, short, wrong, key.algorithm, key.usages, key.type, key.extractable])
      }
    }
    return found
  })
  expect(vela).toEqual(node)
  expect(vela).toHaveLength(12)
})

test('AES encrypts as in Node and decrypts what it encrypted', async () => {
  const { vela, node } = await both(async () => {
    const found: unknown[] = []
    for (const bytes of [16, 24, 32]) {
      const raw = new Uint8Array(bytes).map((_, index) => index)
      const data = new Uint8Array(100).fill(9)
      const iv = new Uint8Array(16).fill(3)
      const algorithms = [
        { name: 'AES-CBC', iv },
        { name: 'AES-GCM', iv: iv.subarray(0, 12) },
        { name: 'aes-gcm', iv, additionalData: unhex('0102'), tagLength: 96 },
        { name: 'AES-CTR', counter: new Uint8Array(16).fill(255), length: 128 },
        { name: 'AES-CTR', counter: unhex('00000000000000000000000000fffffe'), length: 16 },
        { name: 'AES-CTR', counter: unhex('0102030405060708090a0b0c0d0e0fff'), length: 5 },
      ]
      for (const algorithm of algorithms) {
        const key = await crypto.subtle.importKey('raw', raw, algorithm.name, false, ['encrypt', 'decrypt'])
        const sealed = await crypto.subtle.encrypt(algorithm, key, data)
        const opened = await crypto.subtle.decrypt(algorithm, key, sealed)
        found.push([
          hex(sealed),
          hex(opened) === hex(data),
          hex(await crypto.subtle.encrypt(algorithm, key, data.subarray(0, 0))),
        ])
      }
    }
    return found
  })
  expect(vela).toEqual(node)
  expect(vela.flat().filter((value) => value === true)).toHaveLength(18)
})

test('HKDF and PBKDF2 derive as in Node', async () => {
  const { vela, node } = await both(async () => {
    const found: string[] = []
    for (const hash of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512']) {
      for (const salt of [unhex(''), unhex('0a0b')]) {
        const hkdf = await crypto.subtle.importKey('raw', unhex('0b0b0b'), 'HKDF', false, ['deriveBits'])
        const info = unhex('f0f1')
        found.push(hex(await crypto.subtle.deriveBits({ name: 'HKDF', hash, salt, info }, hkdf, 1048)))
        const password = await crypto.subtle.importKey('raw', unhex('7077'), 'PBKDF2', false, [
          'deriveBits',
          'deriveKey',
        ])
        const pbkdf2 = { name: 'PBKDF2', hash, salt, iterations: 7 }
        found.push(hex(await crypto.subtle.deriveBits(pbkdf2, password, 840)))
        const key = await crypto.subtle.deriveKey(pbkdf2, password, { name: 'AES-CBC', length: 256 }, true, [
          'encrypt',
        ])
        found.push(hex(await crypto.subtle.exportKey('raw', key)))
        const mac = await crypto.subtle.deriveKey(pbkdf2, password, { name: 'HMAC', hash: 'SHA-256' }, true, [
          'sign',
        ])
        found.push(hex(await crypto.subtle.exportKey('raw', mac)))
      }
    }
    return found
  })
  expect(vela).toEqual(node)
})

test('HKDF takes more `info` than node:crypto does', async () => {
  const bits = await guest.run(async () => {
    const key = await crypto.subtle.importKey('raw', unhex('0b0b0b'), 'HKDF', false, ['deriveBits'])
    const params = { name: 'HKDF', hash: 'SHA-256', salt: unhex(''), info: new Uint8Array(5000) }
    return hex(await crypto.subtle.deriveBits(params, key, 256))
  })
  expect(bits).toMatch(/^[0-9a-f]{64}$/)
})
