// Actors by name, many of them: `/write` gives each of those named a state and lets it go, `/read` activates them and leaves them so.
import { DurableObject } from 'cloudflare:workers'

export class Visit extends DurableObject {
  static options = { idleMs: 3_600_000 }

  async write(text) {
    await this.ctx.storage.put('text', text)
    this.ctx.passivate()
    return text
  }

  read() {
    return this.ctx.storage.get('text')
  }
}

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url)
    const asked = (name) => Number(searchParams.get(name))
    const from = asked('from')
    const end = from + asked('count')
    let next = from
    let right = 0
    const lane = async () => {
      while (next < end) {
        const name = `visit-${next++}`
        const stub = env.VISITS.get(name)
        const text = await (pathname === '/write' ? stub.write(`state of ${name}`) : stub.read())
        if (text === `state of ${name}`) right++
      }
    }
    await Promise.all(Array.from({ length: asked('lanes') }, lane))
    return Response.json({ right })
  },
}
