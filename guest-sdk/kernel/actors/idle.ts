/** An actor that has had nothing to do for a while leaves. Looked at when the time has come: messages that come meanwhile cost nothing. */
import type { Activation } from './activation.ts'
import { leave } from './leaving.ts'

/** What it returns says that there is nothing to do now. */
export function createIdleWatch(activation: Activation): () => void {
  const { actors, now } = activation.env.kit
  const { idleMs } = activation.options
  let isArmed = false
  const arm = (atMs: number): void => {
    isArmed = true
    actors.wakeAt(atMs, () => {
      isArmed = false
      if (activation.state !== 'up' || !activation.isQuiet) return
      const dueMs = activation.sockets.size > 0 ? now() + idleMs + 1 : activation.runner.endedMs + idleMs
      if (dueMs > now()) arm(dueMs)
      else leave(activation)
    })
  }
  return () => {
    if (!isArmed) arm(now() + idleMs)
  }
}
