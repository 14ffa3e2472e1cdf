/** What the guest `fetch` does, by undici's own Agent in a bare Node process: the client below Vela's, and nothing else. */
import { Agent } from 'undici'
import { serveCounts } from './counting-server.ts'

// As many connections as there are requests in flight, each used again.
const agent = new Agent()

serveCounts(run)

async function run(asked: URLSearchParams): Promise<number> {
  const target = new URL(asked.get('target') ?? '')
  const expected = asked.get('expected')
  const count = Number(asked.get('count'))
  const lanes = Number(asked.get('lanes'))
  let next = 0
  let right = 0

  const lane = async (): Promise<void> => {
    while (next < count) {
      next++
      const path = target.pathname + target.search
      const { statusCode, body } = await agent.request({ origin: target.origin, path, method: 'GET' })
      if (statusCode === 200 && (await body.text()) === expected) right++
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return right
}
