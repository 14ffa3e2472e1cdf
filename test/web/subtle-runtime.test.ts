/** crypto.subtle in real cells: a library that users bring, a module that patches what it can, and an exact replay. */
import { readFileSync } from 'node:fs'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { replay } from '../../host/core/replay.ts'
import { startRuntime, type TestRuntime } from '../e2e/support.ts'
import { tempFolder } from '../replay/session.ts'

const JOSE = `
import * as jose from 'jose'

const text = new TextEncoder().encode('some text')
const claims = { sub: 'guest' }
async function signAndVerify(alg, privateKey, publicKey) {
  const token = await new jose.SignJWT(claims).setProtectedHeader({ alg }).setIssuedAt().setExpirationTime('2h').sign(privateKey)
  const { payload } = await jose.jwtVerify(token, publicKey)
  const [head, body, signature] = token.split('.')
  const forged = [head, jose.base64url.encode(JSON.stringify({ sub: 'root' })), signature].join('.')
  const refusal = await jose.jwtVerify(forged, publicKey).catch((error) => error.code)
  return [alg, payload.sub, refusal, token]
}
async function sealAndOpen(alg, enc, privateKey, publicKey) {
  const sealed = await new jose.CompactEncrypt(text).setProtectedHeader({ alg, enc }).encrypt(publicKey)
  const { plaintext } = await jose.compactDecrypt(sealed, privateKey)
  return [alg, enc, new TextDecoder().decode(plaintext), sealed]
}
export default {
  async fetch() {
    const secret = crypto.getRandomValues(new Uint8Array(32))
    const signed = [await signAndVerify('HS256', secret, secret)]
    for (const alg of ['ES256', 'ES512', 'Ed25519', 'RS256', 'PS384']) {
      const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true })
      const jwk = await jose.exportJWK(publicKey)
      signed.push(await signAndVerify(alg, privateKey, await jose.importJWK(jwk, alg)))
    }
    const sealed = [await sealAndOpen('dir', 'A256GCM', secret, secret)]
    sealed.push(await sealAndOpen('A256KW', 'A128CBC-HS256', secret, secret))
    for (const [alg, options] of [['RSA-OAEP-256'], ['ECDH-ES+A128KW', { crv: 'P-384' }], ['ECDH-ES', { crv: 'X25519' }]]) {
      const { publicKey, privateKey } = await jose.generateKeyPair(alg, options)
      sealed.push(await sealAndOpen(alg, 'A128GCM', privateKey, publicKey))
    }
    return Response.json({ signed, sealed })
  },
}`

/** Patched before the platform's half is loaded. The key's bytes are 'KEYKEYKEYKEYKEYK', and arrive sealed. */
const PATCHED = `
let leaked = 0
const iterate = Array.prototype[Symbol.iterator]
const look = (list) => { for (let at = 0; at < list.length; at++) if (typeof list[at] === 'string' && list[at].includes('KEYKEY')) leaked++ }
Array.prototype[Symbol.iterator] = function () { look(this); return Reflect.apply(iterate, this, []) }
const define = Object.defineProperty
Object.defineProperty = (target, key, descriptor) => {
  if (key === 'create') leaked++
  return define(target, key, descriptor)
}
export default {
  async fetch(request) {
    const iv = new Uint8Array(12)
    const outer = await crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['unwrapKey'])
    const hmac = { name: 'HMAC', hash: 'SHA-256' }
    const key = await crypto.subtle.unwrapKey('raw', await request.bytes(), outer, { name: 'AES-GCM', iv }, hmac, false, ['sign'])
    const mac = await crypto.subtle.sign('HMAC', key, new Uint8Array(1))
    const [awake] = ['KEYKEY']
    return Response.json({ leaked, bytes: Array.from(new Uint8Array(mac)) })
  },
}`

async function deployBundled(host: TestRuntime, name: string, contents: string): Promise<void> {
  const built = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
  })
  await host.deploy(name, built.outputFiles[0]?.text ?? '', { manifest: { limits: { cpuMs: 10_000 } } })
}

interface JoseAnswer {
  readonly signed: [alg: string, sub: string, refusal: string, token: string][]
  readonly sealed: [alg: string, enc: string, text: string, sealed: string][]
}

test('jose signs, verifies, seals and opens; patched code sees no key; and all of it replays exactly', async () => {
  using folder = tempFolder()
  {
    await using host = await startRuntime({ cells: { recordDir: folder.path, spares: 1 } })
    await deployBundled(host, 'jose', JOSE)
    const response = await host.get('/t/jose/')
    const { signed, sealed } = (await response.json()) as JoseAnswer
    expect(signed.map(([alg, sub, refusal]) => `${alg} ${sub} ${refusal}`)).toEqual(
      ['HS256', 'ES256', 'ES512', 'Ed25519', 'RS256', 'PS384'].map(
        (alg) => `${alg} guest ERR_JWS_SIGNATURE_VERIFICATION_FAILED`,
      ),
    )
    expect(sealed.map(([alg, , text]) => `${alg} ${text}`)).toEqual(
      ['dir', 'A256KW', 'RSA-OAEP-256', 'ECDH-ES+A128KW', 'ECDH-ES'].map((alg) => `${alg} some text`),
    )

    const { subtle } = crypto
    const raw = Buffer.from('KEYKEYKEYKEYKEYK')
    const hmac = await subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])
    const outer = await subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['wrapKey'])
    const body = await subtle.wrapKey('raw', hmac, outer, { name: 'AES-GCM', iv: new Uint8Array(12) })
    await host.deploy('patched', PATCHED)
    const patched = await host.get('/t/patched/', { method: 'POST', body })
    const bytes = [...new Uint8Array(await subtle.sign('HMAC', hmac, new Uint8Array(1)))]
    // 1: the spy's own array, which shows that it is awake.
    expect(await patched.json()).toEqual({ leaked: 1, bytes })
  }
  const cells = folder.recordings().filter((file) => readFileSync(file, 'latin1').includes('sealAndOpen'))
  expect(cells.length).toBeGreaterThan(0)
  for (const file of cells) expect(await replay(file)).toMatchObject({ matched: true, divergence: null })
})
