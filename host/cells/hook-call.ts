/** A call of a guest's lifecycle hook: made by the host itself, outside the queue. */
import { BODY } from '../../guest-sdk/kernel/messages.ts'
import { VelaError } from '../core/errors.ts'
import type { Call } from './call.ts'

/** Resolves when the hook has ended; rejects with what it threw, or VELA_* if it cannot end. */
export async function callHook(
  target: { offer(call: Call): void },
  wake: () => void,
  handler: number,
  argument: string,
): Promise<void> {
  const { call, done } = createHookCall(handler, argument)
  target.offer(call)
  wake()
  await done
}

function createHookCall(handler: number, argument: string): { call: Call; done: Promise<void> } {
  let resolve: () => void = () => undefined
  let reject: (error: VelaError) => void = () => undefined
  const done = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  done.catch(() => undefined)
  const call: Call = {
    requestId: '',
    body: '',
    canceled: false,
    startedMs: performance.now(),
    attempts: 0,
    depth: 0,
    encode: (id) => `[0,${id},${handler},${JSON.stringify(argument)},0,0,${BODY.none},0,""]`,
    attach: () => undefined,
    head: () => undefined,
    data: () => undefined,
    end: () => undefined,
    wants: () => undefined,
    value: () => resolve(),
    threw: ({ name, message, stack }) =>
      reject(
        new VelaError(
          'VELA_DEPLOY_START_THREW',
          `${name}: ${message}`,
          stack === undefined ? {} : { details: { stack } },
        ),
      ),
    failed: (code, detail) => reject(new VelaError(code, detail)),
  }
  return { call, done }
}
