/** The guest's half of the `fetch` capability: the global `fetch` (Fetch Standard), carried out by the host's client. */
import type { CallResult } from '../kernel/calls.ts'
import type { CapabilityFactory } from '../kernel/capabilities.ts'

interface Answer {
  readonly status: number
  readonly statusText: string
  readonly url: string
  readonly redirected: boolean
  readonly headers: readonly string[]
}

export const create: CapabilityFactory =
  ({ web, createError }) =>
  (power) =>
    async function fetch(input: unknown, init?: unknown): Promise<object> {
      const { method, url, headers, redirect, body, signal } = web.readRequest(input, init)
      let answer: CallResult
      try {
        answer = await power.call('request', [{ method, url, headers, redirect }], body, signal)
      } catch (thrown) {
        // The standard knows no other failure of a request that was not aborted; `code` says which it was.
        const { name, message, code } = thrown as { name: string; message: string; code?: unknown }
        if (name !== 'Error' || typeof code !== 'string') throw thrown
        throw createError('TypeError', message, code)
      }
      return web.createResponse(answer.value as Answer, answer.body)
    }
