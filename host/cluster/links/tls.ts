/**
 * Links between machines: TLS with a key for each link rather than certificates, which somebody would have to hand out. Both sides know the
 * key, so each proves itself by it; it is used once, and the exchange of keys keeps what was said from who learns it later.
 * Threat: who can reach the port and is no node gets no further than the handshake, which is bounded in time and number.
 */
import { constants } from 'node:crypto'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer, type SecureVersion, type Server, type TLSSocket } from 'node:tls'
import { HANDSHAKE_MS, MOST_CONNECTIONS, type LinkAcceptor } from './acceptor.ts'
import type { LinkOffer } from './types.ts'

/** No tickets: one would open a connection without the key, and who learns the key of tickets could read what was said. */
export const TLS: {
  readonly ciphers: string
  readonly minVersion: SecureVersion
  readonly maxVersion: SecureVersion
  readonly secureOptions: number
} = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
  secureOptions: constants.SSL_OP_NO_TICKET,
}

export interface TlsEndpoint {
  readonly port: number
  close(): void
}

/** Rejects with the system's error where it cannot listen. */
export async function listenByTls(
  { host, port }: { readonly host: string; readonly port: number },
  acceptor: LinkAcceptor,
  onFailure: (error: Error) => void,
): Promise<TlsEndpoint> {
  const names = new WeakMap<TLSSocket, string>()
  const server: Server = createServer({
    ...TLS,
    handshakeTimeout: HANDSHAKE_MS,
    pskCallback(socket, id) {
      names.set(socket, id)
      return acceptor.keyOf(id)
    },
  })
  // Who says nothing keeps no process up.
  server.on('connection', (socket: Socket) => socket.unref())
  server.on('secureConnection', (socket) => {
    socket.on('error', () => socket.destroy())
    acceptor.accepted(names.get(socket) ?? '', socket)
  })
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  server.maxConnections = MOST_CONNECTIONS
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(port, host, resolve)
  await promise
  server.on('error', onFailure)
  server.unref()
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() }
}

/** Calls `opened` once the other side has proved itself too. */
export function dialTls(
  { id, key }: LinkOffer,
  { host, port }: NonNullable<LinkOffer['tls']>,
  opened: () => void,
): Socket {
  const socket = connect({
    ...TLS,
    host,
    port,
    pskCallback: () => ({ psk: Buffer.from(key, 'hex'), identity: id }),
    // The key is the proof; there is no certificate.
    checkServerIdentity: () => undefined,
  })
  socket.once('secureConnect', opened)
  return socket
}
