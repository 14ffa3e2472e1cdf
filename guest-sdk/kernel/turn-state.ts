/** What the kernel keeps of one turn in flight (turns.ts). */
import type { Sender } from './body-sender.ts'
import type { Life } from '../di/kit.ts'
import type { Inbound } from './inbound.ts'
import type { Socket } from './sockets.ts'

export interface Turn {
  readonly id: number
  readonly requestId: string
  waits: number
  responded: boolean
  /** What is left to do when the last promise of waitUntil settles before the turn has. */
  whenIdle: (() => void) | undefined
  abort: { signal: object; abort(reason: unknown): void } | undefined
  canceled: { reason: unknown } | undefined
  /** What is done as its last thing (turn-end.ts); counts as one of `waits` while there is any. */
  ends: (() => Promise<void>)[] | undefined
  life: Life | undefined
  inbound: Inbound | undefined
  sender: Sender | undefined
  /** It has been upgraded; the turn settles when this ends. */
  socket: Socket | undefined
}

export function newTurn(id: number, requestId: string): Turn {
  return {
    id,
    requestId,
    waits: 0,
    responded: false,
    whenIdle: undefined,
    abort: undefined,
    canceled: undefined,
    ends: undefined,
    life: undefined,
    inbound: undefined,
    sender: undefined,
    socket: undefined,
  }
}
