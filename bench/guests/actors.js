// Actors: `/ask` asks them for a sum, `/increment` makes them read, add to and write a durable number, with `lanes` asks in flight
// over `actors` of them; it says how many answers were right. workerd's Durable Objects have the same class.
import { DurableObject } from 'cloudflare:workers'

export class Counter extends DurableObject {
  add(number) {
    return number + 1
  }

  async increment() {
    const number = ((await this.ctx.storage.get('number')) ?? 0) + 1
    await this.ctx.storage.put('number', number)
    return number
  }

  async value() {
    return (await this.ctx.storage.get('number')) ?? 0
  }
}

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url)
    const asked = (name) => Number(searchParams.get(name))
    const stubs = Array.from({ length: asked('actors') }, (_, index) =>
      env.COUNTERS.get(env.COUNTERS.idFromName(`counter-${index}`)),
    )
    if (pathname === '/total') {
      const values = await Promise.all(stubs.map((stub) => stub.value()))
      return Response.json({ total: values.reduce((sum, value) => sum + value, 0) })
    }
    const count = asked('count')
    let next = 0
    let right = 0
    const lane = async (_, index) => {
      const stub = stubs[index % stubs.length]
      let last = 0
      while (next < count) {
        const number = next++
        if (pathname === '/ask') {
          if ((await stub.add(number)) === number + 1) right++
        } else {
          const value = await stub.increment()
          // Others increment it too: it grows, and no two see the same.
          if (value > last) right++
          last = value
        }
      }
    }
    await Promise.all(Array.from({ length: asked('lanes') }, lane))
    return Response.json({ right })
  },
}
