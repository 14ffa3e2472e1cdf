/** What crypto.subtle withholds: keys from code that patched everything, and work that would take too long. */
import { afterAll, expect, test } from 'vitest'
import { createKeyRing } from '../../sandbox/engine/crypto/key-ring.ts'
import { okpPublic } from '../../sandbox/engine/crypto/okp.ts'
import { createCryptoNative } from '../../sandbox/engine/native-crypto.ts'
import { createGuest } from './harness.ts'
import { createPair, seededBytes } from './subtle-support.ts'

const { guest } = createPair()
afterAll(() => guest.close())

/**
 * Patches every method, getter and setter that a value can pass through, before crypto.subtle is first touched, and
 * remembers what they see. The secret is 0x41 to 0x60; what holds 16 of those bytes in a row has leaked it.
 */
const SPY = `
  'use strict'
  const { apply, ownKeys, getOwnPropertyDescriptor, defineProperty } = Reflect
  const read = String.prototype.slice, codeAt = String.prototype.charCodeAt, index = String.prototype.indexOf
  const seen = { text: false, calls: 0 }
  const SECRET = 'PQRSTUVWXYZ', BASE64 = 'UFFSU1RVVldY'
  const look = (value, depth) => {
    if (typeof value === 'string') {
      if (apply(index, value, [SECRET]) !== -1 || apply(index, value, [BASE64]) !== -1) seen.text = true
    } else if (typeof value === 'object' && value !== null && depth > 0) {
      const keys = ownKeys(value)
      for (let at = 0; at < keys.length && at < 64; at++) {
        const descriptor = getOwnPropertyDescriptor(value, keys[at])
        if (descriptor) look(descriptor.value, depth - 1)
      }
      if (value[Symbol.toStringTag] === 'Uint8Array' && value[0] === 0x41 && value[1] === 0x42) seen.text = true
    }
  }
  let busy = false
  const spied = (fn) => function (...args) {
    if (busy) return apply(fn, this, args)
    busy = true
    seen.calls++
    try { look(this, 3); for (let at = 0; at < args.length; at++) look(args[at], 3) } finally { busy = false }
    return apply(fn, this, args)
  }
  const typed = Object.getPrototypeOf(Uint8Array.prototype)
  for (const target of [String.prototype, Array.prototype, Map.prototype, WeakMap.prototype, RegExp.prototype, typed,
    Function.prototype, Promise.prototype, ArrayBuffer.prototype, Object.prototype, Object, Array, Reflect, JSON, String,
    Object.getPrototypeOf([][Symbol.iterator]())]) {
    for (const key of ownKeys(target)) {
      const descriptor = getOwnPropertyDescriptor(target, key)
      if (key === 'constructor' || key === 'prototype' || key === '__proto__' || !descriptor.configurable) continue
      if (typeof descriptor.value === 'function') descriptor.value = spied(descriptor.value)
      else if (typeof descriptor.get === 'function' && key !== Symbol.toStringTag) descriptor.get = spied(descriptor.get)
      else continue
      defineProperty(target, key, descriptor)
    }
  }
  // Members that internal objects and dictionaries have, or lack.
  for (const key of ['material', 'data', 'name', 'length', 'hash', 'k', 'd', 'alg', 'use', 'ext', 'oth', 'key_ops', 'kty',
    'then', 'toJSON', 'encrypt', 'sign', 'importKey', 'exportKey', 'digest', 'create', 'usages', 'type']) {
    if (key in {}) continue
    defineProperty(Object.prototype, key, { __proto__: null, configurable: true, get() { busy || (busy = true, seen.calls++, look(this, 3), busy = false) },
      set(value) { busy || (busy = true, look(value, 3), look(this, 3), busy = false) } })
  }
  globalThis.seen = seen
`

test('a secret that was unwrapped is seen by no patched prototype, at no step', async () => {
  const hostile = createGuest({ randomBytes: seededBytes('spy') })
  try {
    // The secret arrives sealed, as a JWK: only the platform handles it in the clear.
    const { subtle } = crypto
    const raw = new Uint8Array(32).map((_, index) => 0x41 + index)
    const outer = await subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['wrapKey'])
    const inner = await subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])
    const gcm = { name: 'AES-GCM', iv: new Uint8Array(12) }
    const mac = Buffer.from(await subtle.sign('HMAC', inner, new Uint8Array(3)))
    for (const format of ['raw', 'jwk'] as const) {
      const sealed = [...new Uint8Array(await subtle.wrapKey(format, inner, outer, gcm))]
      hostile.evaluate(
        `globalThis.answer = undefined; globalThis.sealed = new Uint8Array(${JSON.stringify(sealed)})`,
      )
      if (format === 'raw') hostile.evaluate(`(() => { ${SPY} })()`)
      hostile.evaluate(`(async () => {
        const gcm = { __proto__: null, name: 'AES-GCM', iv: new Uint8Array(12) }
        const hmac = { __proto__: null, name: 'HMAC', hash: 'SHA-256' }
        const outer = await crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['unwrapKey'])
        const key = await crypto.subtle.unwrapKey('${format}', sealed, outer, gcm, hmac, false, ['sign'])
        const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, new Uint8Array(3)))
        globalThis.answer = mac[0] + ' ' + mac[1] + ' ' + key.extractable
      })().catch((error) => { globalThis.answer = 'failed: ' + error.name + ' ' + error.message })`)
      expect(hostile.evaluate('answer')).toBe(`${mac[0]} ${mac[1]} false`)
      expect(hostile.evaluate('seen.calls > 0 && !seen.text')).toBe(true)
    }
    // The spy is awake: it does see a secret that passes by.
    hostile.evaluate('"..PQRSTUVWXYZ".slice(1)')
    expect(hostile.evaluate('seen.text')).toBe(true)
  } finally {
    hostile.close()
  }
})

test('no prototype is handed a key: not by its fields when it is made, not by toJSON when it is wrapped', async () => {
  const hostile = createGuest({ randomBytes: seededBytes('traps') })
  try {
    hostile.evaluate(`
      globalThis.caught = []
      const { hasOwn } = Object
      const trap = (name) => Object.defineProperty(Object.prototype, name, { configurable: true, get() { if (name !== 'toJSON' || hasOwn(this, 'k')) caught.push(name); return undefined }, set() {} })
      for (const name of ['publicKey', 'privateKey', 'toJSON']) trap(name)
      const gcm = { __proto__: null, name: 'AES-GCM', length: 128 }
      ;(async () => {
        const key = await crypto.subtle.generateKey(gcm, true, ['wrapKey', 'encrypt'])
        caught.length = 0
        await crypto.subtle.generateKey(gcm, false, ['encrypt'])
        await crypto.subtle.wrapKey('jwk', key, key, { __proto__: null, name: 'AES-GCM', iv: new Uint8Array(12) })
        globalThis.answer = 'done ' + caught.join()
      })().catch((error) => { globalThis.answer = 'failed: ' + error.name + ' ' + error.message })`)
    expect(hostile.evaluate('answer')).toBe('done ')
  } finally {
    hostile.close()
  }
})

test('no key can be made by hand, and nothing else passes for one', async () => {
  expect(
    await guest.run(async () => {
      const { CryptoKey, SubtleCrypto } = globalThis as unknown as Record<
        string,
        new (...args: unknown[]) => object
      >
      const Key = CryptoKey as new (...args: unknown[]) => object
      const real = await crypto.subtle.importKey('raw', unhex('01'), { name: 'HMAC', hash: 'SHA-1' }, true, [
        'sign',
      ])
      const sign = (key: unknown): Promise<string> =>
        nameOf(() => crypto.subtle.sign('HMAC', key as typeof real, unhex('')))
      const make = (work: () => unknown): string => {
        try {
          work()
          return 'made'
        } catch (error) {
          return (error as Error).message
        }
      }
      const foreign = { sign: crypto.subtle.sign.bind({} as typeof crypto.subtle) }
      return [
        make(() => new Key()),
        make(() => new Key({}, { type: 'secret' })),
        make(() => new (class extends Key {})()),
        make(() => new (SubtleCrypto as new () => object)()),
        await sign(Object.create(Key.prototype)),
        await sign(Object.create(real)),
        await sign(new Proxy(real, {})),
        await sign({ ...real, type: 'secret', usages: ['sign'], algorithm: { name: 'HMAC' } }),
        await nameOf(() => foreign.sign('HMAC', real, unhex(''))),
        Object.getOwnPropertyNames(real).length + Object.getOwnPropertySymbols(real).length,
      ]
    }),
  ).toEqual([
    'Illegal constructor',
    'Illegal constructor',
    'Illegal constructor',
    'Illegal constructor',
    'TypeError',
    'TypeError',
    'TypeError',
    'TypeError',
    'TypeError',
    0,
  ])
})

test('work beyond a bound is refused at once, with the bound in the message', async () => {
  const messages = await guest.run(async () => {
    const { subtle } = crypto
    const found: string[] = []
    const refused = async (work: () => Promise<unknown>): Promise<void> => {
      try {
        await work()
        found.push('done')
      } catch (error) {
        found.push(`${(error as Error).name}: ${(error as Error).message}`)
      }
    }
    const key = await subtle.importKey('raw', unhex('01'), 'PBKDF2', false, ['deriveBits'])
    const stretch = { name: 'PBKDF2', hash: 'SHA-256', salt: unhex(''), iterations: 750_001 }
    const rsa = { name: 'RSA-PSS', hash: 'SHA-1', publicExponent: unhex('010001') }
    await refused(() => subtle.deriveBits(stretch, key, 512))
    await refused(() => subtle.deriveBits({ ...stretch, iterations: 1 }, key, 4_294_967_288))
    await refused(() => subtle.generateKey({ ...rsa, modulusLength: 8192 }, true, ['sign']))
    await refused(() =>
      subtle.generateKey({ ...rsa, modulusLength: 2048, publicExponent: unhex('00') }, true, ['sign']),
    )
    await refused(() =>
      subtle.generateKey({ name: 'HMAC', hash: 'SHA-1', length: 4_294_967_295 }, true, ['sign']),
    )
    await refused(() => subtle.digest('SHA-256', new Uint8Array(32 * 1024 * 1024 + 1)))
    const info = new Uint8Array(2 ** 21)
    const secret = await subtle.importKey('raw', unhex('01'), 'HKDF', false, ['deriveBits'])
    const expand = { name: 'HKDF', hash: 'SHA-256', salt: unhex(''), info }
    await refused(() => subtle.deriveBits(expand, secret, 17 * 256))
    const n = 'f'.repeat(2000)
    const jwk = { kty: 'RSA', n, e: 'AQAB' }
    await refused(() => subtle.importKey('jwk', jwk, { name: 'RSA-PSS', hash: 'SHA-1' }, true, ['verify']))
    return found
  })
  expect(messages).toEqual([
    expect.stringMatching(/^NotSupportedError: .*1500000 iterations.*1500002/),
    expect.stringMatching(/^NotSupportedError: .*1500000 iterations/),
    expect.stringMatching(/^OperationError: .*512 to 4096/),
    expect.stringMatching(/^OperationError: .*publicExponent/),
    expect.stringMatching(/^OperationError: .*524288/),
    expect.stringMatching(/^OperationError: .*33554432/),
    expect.stringMatching(/^OperationError: HKDF.*33554432/),
    expect.stringMatching(/^NotSupportedError: .*8192/),
  ])
})

test('the cell answers whatever a broken-out guest asks, and says nothing of itself', () => {
  const native = createCryptoNative({
    randomBytes: seededBytes('cell'),
    flush: () => undefined,
    emit: () => undefined,
    log: () => true,
  })
  const junk = [
    '',
    'x',
    '0',
    '-1',
    '1e9',
    'NaN',
    'SHA-256',
    'RSA',
    'EC P-256',
    'AES-GCM 128',
    'jwk RSA',
    '\u{1f600}',
    'constructor',
  ]
  const operations = 'digest sign verify encrypt decrypt deriveBits generateKey importKey exportKey toString'
  const answers: string[] = []
  for (const operation of operations.split(' ')) {
    for (const words of [
      ...junk,
      'HMAC SHA-256',
      'ECDSA P-256 SHA-1',
      'PBKDF2 SHA-1 -1 -1',
      'HKDF SHA-1 1e99',
      'RSA NaN 3',
    ]) {
      for (const bytes of [[], ['a'], ['a', 'b', 'c', 'd'], [undefined, 7, {}, null]]) {
        answers.push(String(native(operation, words, ...bytes)))
      }
    }
  }
  answers.push(String(native(undefined, undefined)), String(native({}, {}, {})))
  for (const answer of answers)
    expect(answer).toMatch(/^(?:1|0(?:Data|Operation|NotSupported|InvalidAccess)Error\n)/)
  expect(
    answers.filter((answer) => /node|openssl|error:|\//i.test(answer) && answer.startsWith('0')),
  ).toEqual([])
})

test('the cell remembers the keys used lately, and only so many', () => {
  const ring = createKeyRing()
  const key = (seed: number): Buffer =>
    okpPublic('X25519', Buffer.alloc(32, seed)).export({ format: 'der', type: 'spki' })
  const first = ring.publicKey(key(1))
  for (let seed = 2; seed <= 32; seed++) ring.publicKey(key(seed))
  expect(ring.publicKey(key(1))).toBe(first)
  for (let seed = 40; seed < 72; seed++) ring.publicKey(key(seed))
  expect(ring.publicKey(key(1))).not.toBe(first)
  expect(() => ring.publicKey(Buffer.alloc(20_000))).toThrow('too large')
})
