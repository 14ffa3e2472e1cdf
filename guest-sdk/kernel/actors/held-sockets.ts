/**
 * The WebSockets that an actor holds (`ctx.acceptWebSocket`): their events become messages in its mailbox, and what it sends
 * waits for its writes. They outlive an instance that is replaced; they end when the actor leaves this isolate.
 */
import type { WebHooks } from '../web-contract.ts'
import { soon } from './intrinsics.ts'
import { isArray, subscribe } from '../primordials.ts'

/** As much of a WebSocket as is used here; everything in it is within the guest's reach. */
export interface SocketLike {
  accept(): void
  close(code: number, reason: string): void
  addEventListener(type: string, listener: (event: never) => void): void
  readonly readyState: number
}

export interface HeldSockets {
  readonly size: number
  accept(socket: unknown, tags: unknown): void
  list(tag: unknown): object[]
  tags(socket: unknown): string[]
  closeAll(why: 'stopped' | 'leaving'): void
}

export interface HeldSocketsDeps {
  readonly web: Pick<WebHooks, 'gateSocket'>
  /** See createSocketGate. */
  readonly gate: (run: () => void) => void
  /** An event, for the method of that name; false: the mailbox is full. */
  readonly post: (method: string, args: readonly unknown[]) => boolean
}

interface Held {
  readonly socket: SocketLike
  readonly tags: readonly string[]
  next: Held | undefined
}

const MOST_TAGS = 10
const MOST_TAG_CHARACTERS = 256
/** Codes of RFC 6455's registry. */
const INTERNAL_ERROR = 1011
const SERVICE_RESTART = 1012
const TRY_AGAIN_LATER = 1013

/** What an actor sends goes at once if all it wrote is durable, else behind its writes, in order; if they fail, never. */
export function createSocketGate(
  gate: () => Promise<void> | undefined,
  reportError: (thrown: unknown) => void,
): (run: () => void) => void {
  let waiting = 0
  return (run) => {
    const writes = gate()
    if (writes === undefined && waiting === 0) return run()
    waiting++
    const go = (): void => {
      waiting--
      try {
        run()
      } catch (thrown) {
        reportError(thrown)
      }
    }
    if (writes === undefined) soon(go)
    else subscribe(writes, go, () => void waiting--)
  }
}

export function createHeldSockets({ web, gate, post }: HeldSocketsDeps): HeldSockets {
  let first: Held | undefined
  let last: Held | undefined
  let size = 0

  const find = (socket: unknown): Held | undefined => {
    for (let held = first; held !== undefined; held = held.next) if (held.socket === socket) return held
    return undefined
  }
  const remove = (socket: SocketLike): void => {
    let before: Held | undefined
    for (let held = first; held !== undefined; before = held, held = held.next) {
      if (held.socket !== socket) continue
      if (before === undefined) first = held.next
      else before.next = held.next
      if (last === held) last = before
      size--
      return
    }
  }

  return {
    get size() {
      return size
    },
    accept(given, tags) {
      if (!web.gateSocket(given, gate)) throw new TypeError('ctx.acceptWebSocket: one end of a WebSocketPair')
      const socket = given as SocketLike
      if (find(socket) !== undefined) throw new TypeError('ctx.acceptWebSocket: it is accepted already')
      const list = readTags(tags)
      socket.addEventListener('message', ({ data }: { data: unknown }) => {
        if (post('webSocketMessage', [socket, data])) return
        socket.close(TRY_AGAIN_LATER, 'The actor has too much to do')
      })
      socket.addEventListener(
        'error',
        () => void post('webSocketError', [socket, new Error('The connection failed')]),
      )
      socket.addEventListener(
        'close',
        ({ code, reason, wasClean }: { code: number; reason: string; wasClean: boolean }) => {
          remove(socket)
          post('webSocketClose', [socket, code, reason, wasClean])
        },
      )
      const held = { socket, tags: list, next: undefined }
      if (last === undefined) first = held
      else last.next = held
      last = held
      size++
      socket.accept()
    },
    list(tag) {
      const found: object[] = []
      for (let held = first; held !== undefined; held = held.next) {
        if (held.socket.readyState === OPEN && (tag === undefined || has(held.tags, tag)))
          found[found.length] = held.socket
      }
      return found
    },
    tags: (socket) => {
      const held = find(socket)
      if (held === undefined) throw new TypeError('ctx.getTags: this actor has not accepted this WebSocket')
      const copy: string[] = []
      for (let index = 0; index < held.tags.length; index++) copy[index] = held.tags[index] as string
      return copy
    },
    closeAll(why) {
      const code = why === 'stopped' ? INTERNAL_ERROR : SERVICE_RESTART
      const reason = why === 'stopped' ? 'The actor was stopped' : 'service restart'
      for (let held = first; held !== undefined; held = held.next) {
        try {
          held.socket.close(code, reason)
        } catch {
          // The guest's own close; its connection ends with the turn.
        }
      }
      first = undefined
      last = undefined
      size = 0
    },
  }
}

const OPEN = 1

function readTags(given: unknown): string[] {
  if (given === undefined) return []
  if (!isArray(given) || given.length > MOST_TAGS)
    throw new TypeError(`ctx.acceptWebSocket: tags are a list of at most ${MOST_TAGS} texts`)
  const tags: string[] = []
  for (let index = 0; index < given.length; index++) {
    const tag: unknown = given[index]
    if (typeof tag !== 'string' || tag.length > MOST_TAG_CHARACTERS)
      throw new TypeError(`ctx.acceptWebSocket: a tag is a text of at most ${MOST_TAG_CHARACTERS} characters`)
    tags[index] = tag
  }
  return tags
}

function has(tags: readonly string[], tag: unknown): boolean {
  for (let index = 0; index < tags.length; index++) if (tags[index] === tag) return true
  return false
}
