/**
 * What an operator of NATS would make with its tools: an operator, two accounts (the server demands one for itself) and a user with a
 * `.creds` file, signed for real.
 */
import { createHash } from 'node:crypto'
import { nkeys } from '@nats-io/transport-node'

type KeyPair = ReturnType<typeof nkeys.createUser>

export interface Credentials {
  /** For nats-server's configuration. */
  readonly config: string
  /** The text of a `.creds` file. */
  readonly creds: string
}

export function makeCredentials(options: { readonly jetstream?: boolean } = {}): Credentials {
  const operator = nkeys.createOperator()
  const system = nkeys.createAccount()
  const account = nkeys.createAccount()
  const user = nkeys.createUser()
  const systemJwt = sign(operator, system, 'SYS', { type: 'account', limits: LIMITS })
  const storage =
    options.jetstream === false ? {} : { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }
  const accountJwt = sign(operator, account, 'VELA', { type: 'account', limits: { ...LIMITS, ...storage } })
  const operatorJwt = sign(operator, operator, 'OP', {
    type: 'operator',
    system_account: system.getPublicKey(),
  })
  const userJwt = sign(account, user, 'vela', { type: 'user', subs: -1, data: -1, payload: -1 })
  const seed = new TextDecoder().decode(user.getSeed())
  return {
    config: `operator: ${operatorJwt}
resolver: MEMORY
resolver_preload: { ${system.getPublicKey()}: ${systemJwt}, ${account.getPublicKey()}: ${accountJwt} }`,
    creds: `-----BEGIN NATS USER JWT-----
${userJwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`,
  }
}

const LIMITS = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
}

function sign(issuer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const claims = {
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    name,
    sub: subject.getPublicKey(),
    nats: { ...nats, version: 2 },
  }
  const jti = createHash('sha256').update(JSON.stringify(claims)).digest('hex')
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const body = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ ...claims, jti })}`
  return `${body}.${Buffer.from(issuer.sign(new TextEncoder().encode(body))).toString('base64url')}`
}
