import * as jose from 'jose'

interface Env {
  readonly JWKS: string
}

interface Asked {
  readonly token: string
  readonly key: jose.JWK
  readonly payload: string
  readonly header: jose.CompactJWSHeaderParameters
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

let remote: ReturnType<typeof jose.createRemoteJWKSet> | undefined

async function answer(request: Request, env: Env): Promise<unknown> {
  const asked = (await request.json()) as Asked
  switch (new URL(request.url).pathname) {
    case '/verify': {
      const { payload, protectedHeader } = await jose.compactVerify(
        asked.token,
        await jose.importJWK(asked.key, asked.header.alg),
      )
      return { payload: text(payload), alg: protectedHeader.alg }
    }
    case '/sign':
      return await new jose.CompactSign(new TextEncoder().encode(asked.payload))
        .setProtectedHeader(asked.header)
        .sign(await jose.importJWK(asked.key, asked.header.alg))
    case '/decrypt': {
      const { plaintext, protectedHeader } = await jose.compactDecrypt(
        asked.token,
        await jose.importJWK(asked.key, asked.header.alg),
      )
      return { plaintext: text(plaintext), enc: protectedHeader.enc }
    }
    case '/encrypt':
      return await new jose.CompactEncrypt(new TextEncoder().encode(asked.payload))
        .setProtectedHeader(asked.header as jose.CompactJWEHeaderParameters)
        .encrypt(await jose.importJWK(asked.key, asked.header.alg))
    case '/thumbprint':
      return await jose.calculateJwkThumbprint(asked.key)
    case '/jwt': {
      const secret = new TextEncoder().encode(
        'cc7e0d44fd473002f1c42167459001140ec6389b7353f8088f4d9a95f2f596f2',
      )
      const token = await new jose.SignJWT({ 'urn:example:claim': true })
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuedAt()
        .setIssuer('urn:example:issuer')
        .setAudience('urn:example:audience')
        .setExpirationTime('2h')
        .sign(secret)
      const { payload } = await jose.jwtVerify(token, secret, {
        issuer: 'urn:example:issuer',
        audience: 'urn:example:audience',
      })
      const late = await jose
        .jwtVerify(token, secret, { currentDate: new Date(Date.now() + 3 * 3600_000) })
        .catch((error: unknown) => error)
      const other = await jose
        .jwtVerify(token, secret, { audience: 'another' })
        .catch((error: unknown) => error)
      return {
        payload,
        late: late instanceof jose.errors.JWTExpired && late.code,
        other: other instanceof jose.errors.JWTClaimValidationFailed && other.claim,
      }
    }
    case '/jwks': {
      remote ??= jose.createRemoteJWKSet(new URL(env.JWKS), { cooldownDuration: 0 })
      const { payload, protectedHeader } = await jose.jwtVerify(asked.token, remote)
      return { payload, kid: protectedHeader.kid }
    }
    case '/generate': {
      const { privateKey, publicKey } = await jose.generateKeyPair('ES256', { extractable: true })
      return {
        jwk: await jose.exportJWK(publicKey),
        spki: await jose.exportSPKI(publicKey),
        pkcs8: await jose.exportPKCS8(privateKey),
      }
    }
    default:
      throw new Error('no such example')
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      return Response.json(await answer(request, env))
    } catch (error) {
      const { name, code, message } = error as jose.errors.JOSEError
      return Response.json({ name, code, message }, { status: 400 })
    }
  },
}
