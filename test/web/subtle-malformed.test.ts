/** Keys that crypto.subtle refuses to import: malformed, of another kind, or not consistent with themselves. */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import { createPair, type JsonWebKey } from './subtle-support.ts'

const { guest, both } = createPair()
afterAll(() => guest.close())

const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const OTHER = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
const RSA = generateKeyPairSync('rsa', { modulusLength: 1024 })

test('keys that are malformed or of another kind', async () => {
  const jwk = EC.privateKey.export({ format: 'jwk' }) as JsonWebKey
  const spki = EC.publicKey.export({ format: 'der', type: 'spki' }).toString('hex')
  const rsa = RSA.publicKey.export({ format: 'der', type: 'spki' }).toString('hex')
  const { vela, node } = await both(
    async (ec, ecSpki, rsaSpki) => {
      const { subtle } = crypto
      const p256 = { name: 'ECDSA', namedCurve: 'P-256' }
      const p384 = { name: 'ECDSA', namedCurve: 'P-384' }
      const pss = { name: 'RSA-PSS', hash: 'SHA-256' }
      const hmac = { name: 'HMAC', hash: 'SHA-256' }
      const importJwk = (key: object, algorithm: object, usage: 'sign' | 'encrypt'): Promise<string> =>
        nameOf(() => subtle.importKey('jwk', key as JsonWebKey, algorithm as { name: string }, true, [usage]))
      const oct = { kty: 'oct', k: 'AAAAAAAAAAAAAAAAAAAAAA' }
      const aes = { name: 'AES-GCM' }
      return [
        await nameOf(() => subtle.importKey('raw', new Uint8Array(5), 'AES-GCM', true, ['encrypt'])),
        await nameOf(() => subtle.importKey('raw', new Uint8Array(0), hmac, true, ['sign'])),
        await nameOf(() =>
          subtle.importKey('raw', new Uint8Array(4), { ...hmac, length: 33 }, true, ['sign']),
        ),
        await nameOf(() => subtle.importKey('spki', unhex('3000'), p256, true, ['verify'])),
        await nameOf(() => subtle.importKey('spki', unhex(ecSpki), p384, true, ['verify'])),
        await nameOf(() => subtle.importKey('spki', unhex(rsaSpki), p256, true, ['verify'])),
        await nameOf(() => subtle.importKey('spki', unhex(ecSpki), pss, true, ['verify'])),
        await nameOf(() => subtle.importKey('pkcs8', unhex(ecSpki), p256, true, ['sign'])),
        await nameOf(() => subtle.importKey('raw', new Uint8Array(65), p256, true, ['verify'])),
        await nameOf(() => subtle.importKey('raw', unhex(`04${'11'.repeat(64)}`), p256, true, ['verify'])),
        await nameOf(() => subtle.importKey('raw', new Uint8Array(31), 'Ed25519', true, ['verify'])),
        await importJwk({ ...ec, kty: 'RSA' }, p256, 'sign'),
        await importJwk({ ...ec, crv: 'P-384' }, p256, 'sign'),
        await importJwk({ ...ec, x: 'AA' }, p256, 'sign'),
        await importJwk({ ...ec, alg: 'ES512' }, p256, 'sign'),
        await importJwk({ ...ec, use: 'enc' }, p256, 'sign'),
        await importJwk({ ...ec, ext: false }, p256, 'sign'),
        await importJwk({ ...ec, key_ops: ['verify'] }, p256, 'sign'),
        await importJwk({ ...ec, key_ops: ['sign', 'sign'] }, p256, 'sign'),
        await importJwk({ ...oct, kty: 'EC' }, aes, 'encrypt'),
        await importJwk({ kty: 'oct' }, aes, 'encrypt'),
        await importJwk({ ...oct, alg: 'A256GCM' }, aes, 'encrypt'),
        await importJwk({ ...oct, use: 'sig' }, aes, 'encrypt'),
        await importJwk({ ...oct, alg: 'HS512' }, hmac, 'sign'),
        await importJwk({ ...oct, ext: false }, hmac, 'sign'),
      ]
    },
    jwk,
    spki,
    rsa,
  )
  expect(vela).toEqual(Array.from({ length: 25 }, () => 'DataError'))
  expect(node).toEqual(vela)
})

test('where Node is not as the specification says, the specification counts', async () => {
  const spki = EC.publicKey.export({ format: 'der', type: 'spki' }).toString('hex')
  const names = await guest.run(async (der) => {
    const { subtle } = crypto
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
    const key = await subtle.importKey('spki', unhex(der), algorithm, true, ['verify'])
    const bytes = new Uint8Array(16) as JsonWebKey
    return [
      await nameOf(() => subtle.importKey('jwk', bytes, 'AES-CBC', true, ['encrypt'])),
      await nameOf(() => subtle.exportKey('pkcs8', key)),
      await nameOf(() => subtle.importKey('spki', unhex(`${der}00`), algorithm, true, ['verify'])),
    ]
  }, spki)
  expect(names).toEqual(['TypeError', 'InvalidAccessError', 'DataError'])
})

test('a private key whose public half belongs to another is refused', async () => {
  const ec = { ...EC.privateKey.export({ format: 'jwk' }), x: OTHER.x, y: OTHER.y } as JsonWebKey
  const rsa = RSA.privateKey.export({ format: 'jwk' }) as JsonWebKey
  const { n } = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  const okp = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as JsonWebKey
  const { x } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
  const pkcs8 = EC.privateKey.export({ format: 'der', type: 'pkcs8' })
  // The last byte of the public point, which PKCS #8 of this kind ends with.
  pkcs8.writeUInt8(pkcs8.readUInt8(pkcs8.length - 1) ^ 1, pkcs8.length - 1)
  const names = await guest.run(
    async (keys, der) => {
      const algorithms = [
        { name: 'ECDSA', namedCurve: 'P-256' },
        { name: 'RSA-PSS', hash: 'SHA-1' },
        { name: 'Ed25519' },
      ]
      const found: string[] = []
      for (const [index, tampered] of keys.flat().entries()) {
        const algorithm = algorithms[Math.min(index, 2)] as { name: string }
        const given = index > 0 && index < 4 ? (algorithms[1] as { name: string }) : algorithm
        found.push(await nameOf(() => crypto.subtle.importKey('jwk', tampered, given, true, ['sign'])))
      }
      const ecdsa = algorithms[0] as { name: string }
      found.push(await nameOf(() => crypto.subtle.importKey('pkcs8', unhex(der), ecdsa, true, ['sign'])))
      return found
    },
    [
      [ec],
      [
        { ...rsa, n: n as string },
        { ...rsa, dp: rsa.dq as string },
        { ...rsa, d: 'AQAB' },
      ],
      [{ ...okp, x: x as string }],
    ],
    pkcs8.toString('hex'),
  )
  expect(names).toEqual(Array.from({ length: 6 }, () => 'DataError'))
})

test('a value that hides another field in it is no base64url', async () => {
  const jwk = EC.publicKey.export({ format: 'jwk' }) as JsonWebKey
  const name = await guest.run(async (key) => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
    const hidden = { kty: 'EC', crv: 'P-256', x: `${key.x} y ${key.y}` }
    const wide = {
      ...key,
      x: String.fromCharCode(0x100 + (key.x as string).charCodeAt(0)) + (key.x as string).slice(1),
    }
    return [
      await nameOf(() => crypto.subtle.importKey('jwk', key, algorithm, true, ['verify'])),
      await nameOf(() => crypto.subtle.importKey('jwk', hidden, algorithm, true, ['verify'])),
      await nameOf(() => crypto.subtle.importKey('jwk', wide, algorithm, true, ['verify'])),
    ]
  }, jwk)
  expect(name).toEqual(['fulfilled', 'DataError', 'DataError'])
})
