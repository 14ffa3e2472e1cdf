/** What a call may ask of its turn, said to the guest as messages while the turn is in flight. */
import { TO_GUEST } from '../../guest-sdk/kernel/messages.ts'
import type { TurnLink } from './call.ts'
import type { GuestSockets } from './guest-sockets.ts'
import type { Turn } from './turn-table.ts'

export interface TurnLinkDeps {
  readonly sockets: GuestSockets
  readonly isOpen: (turn: Turn) => boolean
  readonly say: (message: string, body: string) => void
}

export const createTurnLink = ({ sockets, isOpen, say }: TurnLinkDeps, turn: Turn): TurnLink => ({
  sendBody: (part, last) => {
    if (isOpen(turn)) say(`[${TO_GUEST.data},${turn.id},${part.length},${last}]`, part)
  },
  grant: (bytes) => {
    if (isOpen(turn)) say(`[${TO_GUEST.credit},${turn.id},${bytes}]`, '')
  },
  cancel: (code) => {
    sockets.end(turn)
    if (isOpen(turn)) say(`[${TO_GUEST.cancel},${turn.id},${JSON.stringify(code)}]`, '')
  },
  endure: () => isOpen(turn) && sockets.endure(turn),
  openSocket: (onRoom) => (isOpen(turn) ? sockets.open(turn, onRoom) : undefined),
})
