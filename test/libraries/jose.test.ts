/** jose as npm has it, by the examples of the RFCs and against Node's own crypto, on both engines. */
import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto'
import { expect, test } from 'vitest'
import { createLibraryHost, createUpstream, type Service } from './harness.ts'

const CLAIMS = '{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}'
const BODY = 'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ'

/** RFC 7515, appendices A.1 and A.3. */
const HMAC = {
  key: {
    kty: 'oct',
    k: 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow',
  },
  token: `eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.${BODY}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk`,
}
const ECDSA = {
  key: {
    kty: 'EC',
    crv: 'P-256',
    x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
    y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
  },
  token: `eyJhbGciOiJFUzI1NiJ9.${BODY}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q`,
}
/** RFC 8037, appendix A. */
const EDWARDS = {
  key: {
    kty: 'OKP',
    crv: 'Ed25519',
    d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
    x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  },
  payload: 'Example of Ed25519 signing',
  token:
    'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.' +
    'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg',
  thumbprint: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
}
/** RFC 7516, appendix A.3. */
const WRAPPED = {
  key: { kty: 'oct', k: 'GawgguFyGrWKav7AX4VKUg' },
  token:
    'eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ.' +
    'AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.U0m_YmjN04DJvceFICbCVQ',
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const jwk = (key: KeyObject): JsonWebKey => key.export({ format: 'jwk' })

const served: string[] = []
const upstream = createUpstream((_request, response) => {
  served.push('jwks')
  response.setHeader('content-type', 'application/jwk-set+json')
  response.end(JSON.stringify({ keys: [{ ...jwk(rsa.publicKey), kid: 'first', use: 'sig', alg: 'RS256' }] }))
})
const host = createLibraryHost()

const token = (header: object, claims: object, key: KeyObject): string => {
  const text = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`
}

const asks =
  (service: Service) =>
  async (path: string, value: object = {}): Promise<Record<string, unknown> & string> =>
    (await (await service.post(path, value)).json()) as Record<string, unknown> & string

host.describe(
  'jose',
  (service) => {
    const ask = asks(service)

    test('verifies the signatures of the RFCs, and refuses them when a bit differs', async () => {
      for (const [alg, { key, token: signed }] of [
        ['HS256', HMAC],
        ['ES256', ECDSA],
      ] as const) {
        expect(await ask('/verify', { key, token: signed, header: { alg } })).toEqual({
          payload: CLAIMS,
          alg,
        })
        const forged = signed.replace('.eyJpc3MiOiJqb2Ui', '.eyJpc3MiOiJqb2Ur')
        expect(await ask('/verify', { key, token: forged, header: { alg } })).toMatchObject({
          code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
        })
      }
    })

    test('signs as RFC 8037 and Node do', async () => {
      const { key, payload, token: signed, thumbprint } = EDWARDS
      expect(await ask('/sign', { key, payload, header: { alg: 'EdDSA' } })).toBe(signed)
      expect(await ask('/thumbprint', { key })).toBe(thumbprint)

      const header = { alg: 'RS256' }
      const text = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${Buffer.from('é').toString('base64url')}`
      expect(await ask('/sign', { key: jwk(rsa.privateKey), payload: 'é', header })).toBe(
        `${text}.${sign('sha256', Buffer.from(text), rsa.privateKey).toString('base64url')}`,
      )
      const hmac = createHmac('sha256', Buffer.from(HMAC.key.k, 'base64url'))
      const [head, body, signature] = (
        await ask('/sign', { key: HMAC.key, payload: 'x', header: { alg: 'HS256' } })
      ).split('.')
      expect(signature).toBe(hmac.update(`${head}.${body}`).digest('base64url'))
    })

    test('decrypts the example of RFC 7516, and what it encrypts itself', async () => {
      const { key, token: encrypted } = WRAPPED
      const header = { alg: 'A128KW', enc: 'A128CBC-HS256' }
      const opened = { plaintext: 'Live long and prosper.', enc: 'A128CBC-HS256' }
      expect(await ask('/decrypt', { key, token: encrypted, header })).toEqual(opened)
      const broken = `${encrypted.slice(0, -4)}AAAA`
      expect(await ask('/decrypt', { key, token: broken, header })).toMatchObject({
        code: 'ERR_JWE_DECRYPTION_FAILED',
      })

      const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const secret = { kty: 'oct', k: Buffer.alloc(32, 7).toString('base64url') }
      for (const [alg, enc, seal, open] of [
        ['dir', 'A256GCM', secret, secret],
        ['A256GCMKW', 'A128GCM', secret, secret],
        ['RSA-OAEP-256', 'A256GCM', jwk(rsa.publicKey), jwk(rsa.privateKey)],
        ['ECDH-ES+A128KW', 'A256CBC-HS512', jwk(curve.publicKey), jwk(curve.privateKey)],
      ] as const) {
        const sealed = await ask('/encrypt', { key: seal, payload: `by ${alg}: é`, header: { alg, enc } })
        expect(sealed.split('.')).toHaveLength(5)
        expect(await ask('/decrypt', { key: open, token: sealed, header: { alg } })).toEqual({
          plaintext: `by ${alg}: é`,
          enc,
        })
      }
    })

    test('makes and checks tokens with claims and times', async () => {
      const { payload, late, other } = await ask('/jwt')
      expect([late, other]).toEqual(['ERR_JWT_EXPIRED', 'aud'])
      const { iat, exp, ...claims } = payload as Record<string, number>
      expect(claims).toEqual({
        'urn:example:claim': true,
        iss: 'urn:example:issuer',
        aud: 'urn:example:audience',
      })
      expect((exp ?? 0) - (iat ?? 0)).toBe(7200)
      expect(Math.abs((iat ?? 0) - Date.now() / 1000)).toBeLessThan(60)
    })

    test('generates keys that Node can use', async () => {
      const {
        jwk: key,
        spki,
        pkcs8,
      } = (await ask('/generate')) as unknown as {
        jwk: JsonWebKey
        spki: string
        pkcs8: string
      }
      const signature = sign('sha256', Buffer.from('x'), pkcs8)
      expect(verify('sha256', Buffer.from('x'), spki, signature)).toBe(true)
      expect(createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' })).toBe(
        `${spki}\n`,
      )
    })

    test('takes its keys from a JWKS on the network, once', async () => {
      const before = served.length
      const claims = { sub: 'ada' }
      const right = token({ alg: 'RS256', kid: 'first' }, claims, rsa.privateKey)
      expect(await ask('/jwks', { token: right })).toEqual({ payload: claims, kid: 'first' })
      expect(await ask('/jwks', { token: right })).toEqual({ payload: claims, kid: 'first' })
      expect(served.length - before).toBe(1)
      const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
      const forged = token({ alg: 'RS256', kid: 'first' }, claims, other.privateKey)
      expect(await ask('/jwks', { token: forged })).toMatchObject({
        code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
      })
      const strange = token({ alg: 'RS256', kid: 'second' }, claims, rsa.privateKey)
      expect(await ask('/jwks', { token: strange })).toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' })
    })
  },
  () => ({ ...upstream.asked(), vars: { JWKS: `${upstream.origin()}/jwks` } }),
)
