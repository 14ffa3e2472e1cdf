// Sends `count` messages of 100 characters through a channel and receives them in order: within the isolate, or from here to a
// worker, which is this module in another cell. `pauseMs` makes the receiver wait after each hundred.
import { channel, sleep, WorkerEntrypoint } from '@vela/guest-sdk'

const FILLING = '-'.repeat(100)
const messageOf = (index) => `${index}${FILLING}`.slice(0, 100)

async function send(to, count) {
  for (let index = 0; index < count; index++) await to.send(messageOf(index))
}

async function receiveAll(from, count, pauseMs) {
  let right = 0
  for (let index = 0; index < count; index++) {
    if ((await from.receive()) === messageOf(index)) right++
    if (pauseMs > 0 && index % 100 === 0) await sleep(pauseMs)
  }
  return right
}

export class Worker extends WorkerEntrypoint {
  receive({ count, pauseMs }) {
    return receiveAll(this.env.MESSAGES, count, pauseMs)
  }
}

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url)
    const count = Number(searchParams.get('count'))
    const pauseMs = Number(searchParams.get('pauseMs'))
    if (pathname === '/isolate') {
      const within = channel({ capacity: 1000 })
      const [right] = await Promise.all([receiveAll(within, count, pauseMs), send(within, count)])
      return Response.json({ right })
    }
    const [right] = await Promise.all([
      env.POOL.run('Worker.receive', { count, pauseMs }),
      send(env.MESSAGES, count),
    ])
    return Response.json({ right })
  },
}
