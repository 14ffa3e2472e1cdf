/** An actor that has had nothing to do for a while leaves. Looked at when the time has come: messages that come meanwhile cost nothing. */
import type { Activation } from './activation.ts'
import { leave } from './leaving.ts'

export interface IdleWatch {
  /** There is nothing to do now. */
  rest(): void
  /** The actor has gone: its timer must not hold it any longer. */
  close(): void
}

export function createIdleWatch(activation: Activation): IdleWatch {
  const { actors, now } = activation.env.kit
  const { idleMs } = activation.options
  let callOff: (() => void) | undefined
  const arm = (atMs: number): void => {
    callOff = actors.wakeAt(atMs, () => {
      callOff = undefined
      if (activation.state !== 'up' || !activation.isQuiet) return
      const dueMs = activation.sockets.size > 0 ? now() + idleMs + 1 : activation.runner.endedMs + idleMs
      if (dueMs > now()) arm(dueMs)
      else leave(activation)
    })
  }
  return {
    rest() {
      if (callOff === undefined) arm(now() + idleMs)
    },
    close: () => callOff?.(),
  }
}
