/** The guest's half of the `fetch` capability: the global `fetch` (Fetch Standard), carried out by the host's client. */
import type { CapabilityFactory } from '../kernel/capabilities.ts'

interface Answer {
  readonly status: number
  readonly statusText: string
  readonly url: string
  readonly redirected: boolean
  readonly headers: readonly string[]
}

export const create: CapabilityFactory =
  ({ web }) =>
  (power) =>
    async function fetch(input: unknown, init?: unknown): Promise<object> {
      const { method, url, headers, redirect, body, signal } = web.readRequest(input, init)
      const answer = await power.call('request', [{ method, url, headers, redirect }], body, signal)
      return web.createResponse(answer.value as Answer, answer.body)
    }
