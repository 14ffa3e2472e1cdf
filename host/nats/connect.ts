/**
 * One attempt to connect, with the operator's credentials, and the checks without which Vela would fail later and less
 * plainly: the server's version and JetStream. What is wrong is told in words that say what to do. Secrets are read here,
 * given to the client, and appear in no message.
 */
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { checkServerIdentity } from 'node:tls'
import { JetStreamApiError, jetstreamManager } from '@nats-io/jetstream'
import {
  AuthorizationError,
  type Authenticator,
  connect,
  credsAuthenticator,
  type NatsConnection,
  type NodeConnectionOptions,
  UserAuthenticationExpiredError,
} from '@nats-io/transport-node'
import type { NatsConfig } from '../core/config-nats.ts'
import { VelaError } from '../core/errors.ts'
import type { NatsTimes } from './types.ts'

/** The oldest server whose JetStream has what is used here. */
const OLDEST: readonly [number, number] = [2, 9]

const MAX_CREDENTIALS_BYTES = 64 * 1024

/** Why a server cannot be used: `refused` will stay so until an operator changes something. */
export interface NatsProblem {
  readonly kind: 'unreachable' | 'refused'
  readonly message: string
}

export class NatsProblemError extends VelaError {
  readonly problem: NatsProblem
  constructor(problem: NatsProblem, cause?: unknown) {
    super('VELA_CLUSTER_UNAVAILABLE', problem.message, { cause })
    this.problem = problem
  }
}

/** Connects once. Rejects with a NatsProblemError. */
export async function dialNats(config: NatsConfig, times: NatsTimes, name: string): Promise<NatsConnection> {
  const options = await optionsOf(config, times, name)
  let connection: NatsConnection
  try {
    connection = await connect(options)
  } catch (error) {
    throw new NatsProblemError(explain(error, config), error)
  }
  try {
    await checkServer(connection, config, times)
    return connection
  } catch (error) {
    await connection.close()
    throw error instanceof NatsProblemError ? error : new NatsProblemError(explain(error, config), error)
  }
}

async function optionsOf(config: NatsConfig, times: NatsTimes, name: string): Promise<NodeConnectionOptions> {
  await checkTlsFiles(config.tls)
  return {
    name,
    servers: config.servers.map((server) => server.replace(/^(?:nats|tls):\/\//, '')),
    timeout: times.dialMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: times.retryMs,
    reconnectJitter: Math.min(100, times.retryMs),
    reconnectJitterTLS: Math.min(100, times.retryMs),
    pingInterval: times.pingMs,
    maxPingOut: 2,
    // Rotated credentials are refused for a while; a cluster that gives up then would need a restart by hand.
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
    ...(config.token === null ? {} : { token: config.token }),
    ...(config.user === null ? {} : { user: config.user, pass: config.password ?? '' }),
    ...(config.credentials === null ? {} : { authenticator: await readCredentials(config.credentials) }),
    ...tlsOf(config),
  }
}

function tlsOf(config: NatsConfig): Pick<NodeConnectionOptions, 'tls'> {
  // An object demands TLS; without one the client takes what the server wants.
  const isDemanded = config.tls !== null || config.servers.some((server) => server.startsWith('tls://'))
  if (!isDemanded) return {}
  const { ca, cert, key } = config.tls ?? { ca: null, cert: null, key: null }
  const tls = {
    ...(ca === null ? {} : { caFile: ca }),
    ...(cert === null ? {} : { certFile: cert }),
    ...(key === null ? {} : { keyFile: key }),
    // Handed on to node:tls by the client.
    checkServerIdentity: identityCheck(config.servers),
  }
  return { tls }
}

/** The client would take a file that is not there for a server that is not. It reads them itself, at every connect. */
async function checkTlsFiles(tls: NatsConfig['tls']): Promise<void> {
  for (const key of ['ca', 'cert', 'key'] as const) {
    const path = tls?.[key]
    if (path === null || path === undefined) continue
    const refuse = (reason: string, cause?: unknown): NatsProblemError =>
      new NatsProblemError(
        { kind: 'refused', message: `nats.tls.${key} (${path}) ${reason}; name a PEM file` },
        cause,
      )
    const text = await readFile(path, 'latin1').catch((error: NodeJS.ErrnoException) => {
      throw refuse(`cannot be read (${error.code ?? 'unknown reason'})`, error)
    })
    if (!text.includes(key === 'key' ? 'PRIVATE KEY-----' : '-----BEGIN CERTIFICATE-----'))
      throw refuse(`has no ${key === 'key' ? 'private key' : 'certificate'} in it`)
  }
}

/** The client gives no name for a server that is configured by its address, and Node would check for `localhost`. */
function identityCheck(servers: readonly string[]): typeof checkServerIdentity {
  const hosts = servers.map((server) => new URL(server).hostname.replaceAll(/[[\]]/g, ''))
  const addresses = hosts.filter((host) => isIP(host) !== 0)
  return (name, certificate) => {
    if (name !== 'localhost' || hosts.includes('localhost') || addresses.length === 0)
      return checkServerIdentity(name, certificate)
    const errors = addresses.map((address) => checkServerIdentity(address, certificate))
    return errors.includes(undefined) ? undefined : errors[0]
  }
}

async function readCredentials(path: string): Promise<Authenticator> {
  const refuse = (reason: string, cause?: unknown): NatsProblemError =>
    new NatsProblemError({ kind: 'refused', message: `nats.credentials (${path}) ${reason}` }, cause)
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
    throw refuse(`cannot be read (${code}); name the .creds file of a user of this NATS`, error)
  }
  const text = bytes.toString('latin1')
  const isWhole = text.includes('BEGIN NATS USER JWT') && text.includes('BEGIN USER NKEY SEED')
  if (bytes.length > MAX_CREDENTIALS_BYTES || !isWhole)
    throw refuse('is no credentials file: it should hold the JWT and the seed of a user')
  return credsAuthenticator(new Uint8Array(bytes))
}

async function checkServer(connection: NatsConnection, config: NatsConfig, times: NatsTimes): Promise<void> {
  const version = connection.info?.version ?? ''
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    const message = `nats-server is ${version || 'of an unknown version'}; Vela needs ${OLDEST.join('.')} or newer: upgrade it`
    throw new NatsProblemError({ kind: 'refused', message })
  }
  if (connection.info?.headers !== true) {
    const message = 'nats-server has headers switched off (no_header_support); switch them on'
    throw new NatsProblemError({ kind: 'refused', message })
  }
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: times.dialMs })
  const { domain } = await manager.getAccountInfo()
  // Streams of another domain may have servers that this one does not tell of.
  if (config.replicas > 1 && connection.info.cluster === undefined && domain === undefined) {
    const message = `nats.replicas is ${config.replicas}, and NATS is a single server; set it to 1, or connect to a NATS of ${config.replicas} servers`
    throw new NatsProblemError({ kind: 'refused', message })
  }
}

const DISABLED_FOR_ACCOUNT = 10_039

function explain(error: unknown, config: NatsConfig): NatsProblem {
  const where = config.servers.join(', ')
  const refused = (message: string): NatsProblem => ({ kind: 'refused', message })
  if (error instanceof UserAuthenticationExpiredError)
    return refused(`NATS (${where}): the credentials have expired; put new ones`)
  if (error instanceof AuthorizationError) {
    const used = credentialsIn(config)
    return refused(`NATS (${where}) refuses the credentials (${used}); correct them in the configuration`)
  }
  const api = error instanceof Error && error.cause instanceof JetStreamApiError ? error.cause : error
  if (api instanceof JetStreamApiError && api.code === DISABLED_FOR_ACCOUNT) {
    return refused(`NATS (${where}) has JetStream switched off for this account; enable it for the account`)
  }
  if (error instanceof Error && error.name === 'JetStreamNotEnabled') {
    return refused(
      `NATS (${where}) has JetStream switched off; start nats-server with -js or "jetstream {}" in its configuration`,
    )
  }
  const reason = error instanceof Error ? error.message : String(error)
  if (/certificate|self.signed|tls|ssl|wrong version number/i.test(reason)) {
    const advice = /self.signed|unable to (?:verify|get)/i.test(reason)
      ? 'set nats.tls.ca to the certificate of the authority that signed the server’s'
      : 'check nats.tls and that server and client both use it'
    return refused(`NATS (${where}): TLS failed (${reason.replace(/;.*/, '')}); ${advice}`)
  }
  // A server that wants a certificate hangs up after the handshake, which looks like any other loss.
  const hint =
    config.tls !== null && config.tls.cert === null
      ? ' If it asks for a certificate, set nats.tls.cert and nats.tls.key.'
      : ''
  const message = `NATS (${where}) cannot be reached (${reason}); is nats-server running?${hint}`
  return { kind: 'unreachable', message }
}

function credentialsIn(config: NatsConfig): string {
  if (config.credentials !== null) return 'nats.credentials'
  if (config.token !== null) return 'nats.token'
  return config.user === null ? 'none are configured' : 'nats.user and nats.password'
}
