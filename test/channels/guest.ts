/** A service that does with its ends of channels what a test asks, by HTTP: the path is a method, its arguments are in `args`. */
export const GUEST = `
import { channel, broadcast, select, timeout, env as shared } from '@vela/guest-sdk'
const outcome = (promise) => promise.then((value) => ({ value: value === undefined ? 'undefined' : value }),
  (error) => ({ name: error.name, message: error.message, code: error.code, cause: error.cause?.message ?? error.cause }))
let kept
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url)
    return Response.json((await this[pathname.slice(1)](JSON.parse(searchParams.get('args') ?? '[]'), env, ctx)) ?? null)
  },
  async send(values, env) { for (const value of values) await env.JOBS.send(value); return values.length },
  async count([from, to], env) { for (let i = from; i < to; i++) await env.JOBS.send(i); return to },
  async trySend(values, env) { const all = []; for (const value of values) all.push(await env.JOBS.trySend(value)); return all },
  async receive([count], env) { const all = []; for (let i = 0; i < count; i++) all.push(await env.JOBS.receive()); return all },
  async slowly([count], env) {
    const all = []
    for (let i = 0; i < count; i++) { all.push(await env.JOBS.receive()); await new Promise((r) => setTimeout(r, 1)) }
    return all
  },
  async loop(args, env) { const all = []; for await (const value of env.JOBS) all.push(value); return all },
  async outcome([method, ...args], env) { return await outcome(env.JOBS[method](...args)) },
  async fail([message], env) { await env.JOBS.close(new RangeError(message)) },
  async close([reason], env) { await env.JOBS.close(reason) },
  async awkward(args, env) {
    const map = new Map([['when', new Date(0)], ['what', new Set([1n, undefined])]])
    await env.JOBS.send(map); await env.JOBS.send(new Uint8Array([1, 2, 3])); await env.JOBS.send('\\n ü \\u2028 "')
    const bad = [() => 1, Symbol('x'), { deep: [1, { work() {} }] }, Promise.resolve()]
    return await Promise.all(bad.map((value) => outcome(env.JOBS.send(value))))
  },
  async describe(args, env) {
    const [map, bytes, text] = [await env.JOBS.receive(), await env.JOBS.receive(), await env.JOBS.receive()]
    return [map.get('when').toISOString(), [...map.get('what')].map(String), [...bytes], text]
  },
  async signal(args, env) {
    const stop = new AbortController()
    const waiting = outcome(env.JOBS.receive({ signal: stop.signal }))
    setTimeout(() => stop.abort(new Error('enough')), 5)
    return await waiting
  },
  async stopped(args, env) {
    const stop = new AbortController()
    const got = []
    const loop = outcome((async () => {
      for await (const value of env.JOBS.values(stop)) { got.push(value); if (value === 2) setTimeout(() => stop.abort(new Error('enough')), 5) }
    })())
    await env.JOBS.send(1); await env.JOBS.send(2)
    const { message } = await loop
    const late = await outcome(timeout(5, env.JOBS.receive()))
    await env.JOBS.send(3)
    return [got, message, late.code, await env.JOBS.receive()]
  },
  async choose(args, env) {
    const local = channel()
    const first = select({ local, jobs: env.JOBS })
    await env.JOBS.send('from afar')
    const second = await first
    const tick = new Promise((resolve) => setTimeout(resolve, 5, 'tick'))
    return [second, await select({ jobs: env.JOBS, tick })]
  },
  async big([size], env) { await env.JOBS.send('ä'.repeat(size)); await env.JOBS.send('end'); return 'sent' },
  async tooBig(args, env) { return await outcome(env.JOBS.send('x'.repeat(1_048_576))) },
  async sizes(args, env) { return [(await env.JOBS.receive()).length, await env.JOBS.receive()] },
  async carelessly(values, env) { for (const value of values) void env.JOBS.send(value).catch((error) => { kept = error.name }); return 'answered' },
  async later(values, env, ctx) { for (const value of values) ctx.waitUntil(env.JOBS.send(value)); return 'answered' },
  async abandon(args, env) { void env.JOBS.receive().catch((error) => { kept = error.name }); return 'answered' },
  async kept() { return kept },
  async listen([count], env) { const all = []; for await (const value of env.NEWS) { all.push(value); if (all.length === count) break } return all },
  async publish(values, env) { for (const value of values) await env.NEWS.send(value) },
  async local() {
    const jobs = channel({ capacity: 4 })
    const news = broadcast({ capacity: 4 })
    const all = async (source) => { const list = []; for await (const value of source) list.push(value); return list }
    const listening = Promise.all([all(news), all(news)])
    const working = all(jobs)
    for (let i = 0; i < 20; i++) { await jobs.send(i); await news.send(i) }
    jobs.close(); news.close()
    const late = await jobs.receive().catch((error) => [error.name, error.code, error.cause ?? null])
    return [(await working).length, (await listening).map((all) => all.length), late]
  },
  async hiddenName(args, env) { return JSON.stringify(env.JOBS) + Object.keys(env.JOBS).sort().join() + String(Object.isFrozen(env.JOBS)) },
}
`
