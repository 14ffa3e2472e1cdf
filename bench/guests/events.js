// Publishes `count` ephemeral events with 100 characters of data from a worker, which is this module in another cell, and counts
// here, by a handler, those that arrive with the right data.
import { WorkerEntrypoint } from '@vela/guest-sdk'

const FILLING = '-'.repeat(100)
const textOf = (index) => `${index}${FILLING}`.slice(0, 100)
const CHUNK = 500
const AT_ONCE = 2

let awaited

export function onText({ data }) {
  if (awaited === undefined) return
  if (data === textOf(awaited.next)) awaited.right++
  awaited.next++
  if (awaited.next === awaited.count) awaited.done()
}

export class Worker extends WorkerEntrypoint {
  async publish({ count }) {
    const { EVENTS } = this.env
    const out = []
    for (let at = 0; at < count; at += CHUNK) {
      const all = []
      for (let index = at; index < Math.min(at + CHUNK, count); index++)
        all.push(EVENTS.publish('bench.text', textOf(index)))
      out.push(Promise.all(all))
      if (out.length >= AT_ONCE) await out.shift()
    }
    await Promise.all(out)
  }
}

export default {
  async fetch(request, env) {
    const count = Number(new URL(request.url).searchParams.get('count'))
    const arrived = new Promise((done) => (awaited = { count, right: 0, next: 0, done }))
    await env.POOL.run('Worker.publish', { count })
    await arrived
    return Response.json({ right: awaited.right })
  },
}
