/** Messages to actors within a guest: turn-taking, order, deadlines, the bounds of a mailbox, what crosses. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines } from '../engines.ts'
import { deployActors, type Actors } from './guest-support.ts'

const SOURCE = `
export class A extends Actor {
  log = []
  add(...items) { this.log.push(...items); return this.log.length }
  read() { return this.log }
  async slow(item, times = 2) {
    this.log.push('begin ' + item)
    for (let i = 0; i < times; i++) await new Promise((resolve) => setTimeout(resolve, 2))
    this.log.push('end ' + item)
    return item
  }
  async askSelf() { return await this.env.A.get(this.ctx.id.name).read() }
  async askOther(name, back) { return await this.env.A.get(name).askOther(back, name) }
  hang() { return new Promise(() => {}) }
  fail(message) { throw new RangeError(message) }
  echo(value) { return value }
  bad() { return { deep: [() => 1] } }
  mutate(value) { value.changed = true; return value }
  depth() { return this.ctx.mailbox.depth }
  who() { return [this.ctx.id, this.ctx.id.name] }
  _hidden() { return 1 }
  fetch(request) { return new Response(this.ctx.id.name + ' ' + request.method + ' ' + new URL(request.url).pathname) }
}
export class Bounded extends Actor {
  static options = { mailbox: { capacity: 2, overflow: 'drop-oldest' } }
  log = []
  async slow(item) { await new Promise((resolve) => setTimeout(resolve, 5)); this.log.push(item) }
  read() { return this.log }
}
export class Rejecting extends Actor {
  static options = { mailbox: { capacity: 2 } }
  async slow(item) { await new Promise((resolve) => setTimeout(resolve, 5)); return item }
}
export class Interleaved extends Actor {
  static options = { concurrency: 'interleaved' }
  log = []
  async slow(item) {
    this.log.push('begin ' + item)
    await new Promise((resolve) => setTimeout(resolve, 3))
    this.log.push('end ' + item)
    return this.log
  }
}
`

describeEngines('messages to actors', (engine) => {
  let host: Host
  let actors: Actors

  beforeAll(async () => {
    host = await startHost({ cells: { spares: 0 } })
    actors = await deployActors(host, 'acme/talk', engine, SOURCE, ['Bounded', 'Rejecting', 'Interleaved'])
  })
  afterAll(() => host.runtime.stop())

  test('an actor keeps what it remembers between messages, apart from those of other names', async () => {
    await actors.ask('keep', 'add', ['a'])
    expect(await actors.ask('keep', 'add', ['b', 'c'])).toEqual({ value: 3 })
    expect(await actors.ask('other', 'read')).toEqual({ value: [] })
    expect(await actors.ask('keep', 'who')).toEqual({ value: [{ class: 'A', name: 'keep' }, 'keep'] })
  })

  test('one message is handled at a time, to its end, in the order they were sent', async () => {
    const log = await actors.run(`
      const a = env.A.get('turns')
      await Promise.all(['x', 'y', 'z'].map((item) => a.slow(item)))
      return await a.read()`)
    expect(log).toEqual(['begin x', 'end x', 'begin y', 'end y', 'begin z', 'end z'])
  })

  test('an interleaved one begins the next while one waits', async () => {
    const log = await actors.run(`
      const a = env.Interleaved.get('i')
      return (await Promise.all([a.slow('x'), a.slow('y')]))[1]`)
    expect(log).toEqual(['begin x', 'begin y', 'end x', 'end y'])
  })

  test('hundreds of messages of one sender keep their order, whether they begin here or by the host', async () => {
    const log = await actors.run(`
      for (let i = 0; i < 500; i++) void env.A.tell('order', 'add', [i])
      return await env.A.get('order').read()`)
    expect(log).toEqual(Array.from({ length: 500 }, (_, index) => index))
  })

  test('higher priorities go first', async () => {
    const log = await actors.run(`
      await env.A.get('first').read()
      const all = [env.A.ask('first', 'slow', ['busy'])]
      await later()
      for (const priority of [-5, 0, 5]) all.push(env.A.ask('first', 'add', [priority], { priority }))
      await Promise.all(all)
      return await env.A.get('first').read()`)
    expect(log).toEqual(['begin busy', 'end busy', 5, 0, -5])
    expect(await actors.ask('first', 'read', [], { priority: 11 })).toMatchObject({ name: 'RangeError' })
  })

  test('an actor that asks itself gets no answer before its deadline, and goes on', async () => {
    const outcome = await actors.ask('selfish', 'askSelf', [], { deadlineMs: 100 })
    expect(outcome).toMatchObject({ code: 'VELA_ACTOR_DEADLINE' })
    expect(await actors.ask('selfish', 'add', [1])).toEqual({ value: 1 })
  })

  test('a cycle of asks ends by its deadline, and all of them go on', async () => {
    const outcome = await actors.ask('ring a', 'askOther', ['ring b', 'ring a'], { deadlineMs: 100 })
    expect(outcome).toMatchObject({ code: 'VELA_ACTOR_DEADLINE' })
    expect(await actors.ask('ring a', 'add', [1])).toEqual({ value: 1 })
    expect(await actors.ask('ring b', 'add', [1])).toEqual({ value: 1 })
  })

  test('a message whose deadline passes while it waits is never handled', async () => {
    const outcomes = await actors.run(`
      const slow = env.A.ask('late', 'slow', ['long', 100])
      const late = await outcome(env.A.ask('late', 'add', ['never'], { deadlineMs: 60 }))
      await slow
      return [late.code, await env.A.get('late').read()]`)
    expect(outcomes).toEqual(['VELA_ACTOR_DEADLINE', ['begin long', 'end long']])
  })

  test('what a method throws reaches who asked, with its name and message and no more', async () => {
    const outcome = await actors.ask('angry', 'fail', ['no tea'])
    expect(outcome).toEqual({ name: 'RangeError', message: 'no tea', code: 'VELA_GUEST_THREW' })
  })

  test('methods that are none, hidden or the runtime’s own are refused', async () => {
    for (const method of [
      'nope',
      '_hidden',
      'constructor',
      'fetch',
      'alarm',
      'toString',
      'log',
      'hasOwnProperty',
    ])
      expect([method, (await actors.ask('closed', method)).code]).toEqual([method, 'VELA_METHOD_NOT_FOUND'])
  })

  test('values that JSON lacks cross, also those that stay in the isolate, and are copies', async () => {
    for (const name of ['fresh', 'fresh']) {
      const outcome = await actors.run(`
        const sent = { at: new Date(7), set: new Set([1]), map: new Map([['k', 2n]]), bytes: new Uint8Array([1, 2]), none: undefined }
        const got = await env.A.get('${name}').echo(sent)
        const mine = { changed: false }
        const changed = await env.A.get('${name}').mutate(mine)
        return [got.at.getTime(), [...got.set], got.map.get('k') === 2n, [...got.bytes], 'none' in got, got !== sent, mine.changed, changed.changed]`)
      expect(outcome).toEqual([7, [1], true, [1, 2], true, true, false, true])
    }
  })

  test('what cannot be copied is refused with its place, both ways, and harms nobody', async () => {
    expect(await actors.ask('copy', 'bad')).toMatchObject({ code: 'VELA_VALUE_NOT_CLONEABLE' })
    const outcome = await actors.run(
      `return await outcome(env.A.ask('copy', 'echo', [{ items: [1, () => 1] }]))`,
    )
    expect(outcome).toMatchObject({ name: 'DataCloneError', code: 'VELA_VALUE_NOT_CLONEABLE' })
    expect((outcome as { message: string }).message).toContain('items[1]')
    expect(await actors.ask('copy', 'add', [1])).toEqual({ value: 1 })
  })

  test('a full mailbox refuses the next message, and says so at once', async () => {
    const outcomes = await actors.run(`
      const r = env.Rejecting
      await r.get('full').slow(0)
      const all = [1, 2, 3, 4].map((item) => outcome(r.ask('full', 'slow', [item])))
      const depth = await r.depth('full')
      return [depth, ...(await Promise.all(all)).map(({ value, code }) => value ?? code)]`)
    expect(outcomes).toEqual(
      [2, 1, 2, 'VELA_ACTOR_MAILBOX_FULL', 'VELA_ACTOR_MAILBOX_FULL'].map((item, index) =>
        index === 0 ? expect.any(Number) : item,
      ),
    )
  })

  test('drop-oldest rejects the ask that waited longest', async () => {
    const outcomes = await actors.run(`
      const b = env.Bounded
      await b.get('drop').slow(0)
      const first = outcome(b.ask('drop', 'slow', [1]))
      await later()
      const rest = [2, 3, 4].map((item) => outcome(b.ask('drop', 'slow', [item])))
      const codes = (await Promise.all([first, ...rest])).map(({ code }) => code ?? 'done')
      return [codes, await b.get('drop').read()]`)
    expect(outcomes).toEqual([
      ['done', 'VELA_ACTOR_MAILBOX_FULL', 'done', 'done'],
      [0, 1, 3, 4],
    ])
  })

  test('the depth of a mailbox is seen by the sender and by the actor', async () => {
    const outcome = await actors.run(`
      const a = env.A.get('deep')
      await a.read()
      const all = [a.slow('x', 5)]
      await later()
      all.push(a.read(), a.read(), a.depth())
      const seen = await env.A.depth('deep')
      const own = (await Promise.all(all))[3]
      return [seen, own, await env.A.depth('deep'), await env.A.depth('nobody')]`)
    expect(outcome).toEqual([3, 0, 0, 0])
  })

  test('fetch reaches the class’s own', async () => {
    const outcome = await actors.run(`
      const answer = await env.A.get('web').fetch('http://actor/path?q', { method: 'PUT', body: 'x' })
      return [answer.status, await answer.text(), await outcome(env.Bounded.get('x').fetch('http://actor/'))]`)
    expect(outcome).toMatchObject([200, 'web PUT /path', { code: 'VELA_METHOD_NOT_FOUND' }])
  })

  test('a tell is handled after its sender has answered', async () => {
    expect(await actors.tell('told', 'slow', ['x'])).toEqual({ value: null })
    await expect.poll(async () => (await actors.ask('told', 'read')).value).toEqual(['begin x', 'end x'])
  })

  test('an actor that tells itself for ever does not hold up others', async () => {
    await host.deploy(
      'acme/loop',
      `import { Actor, WorkerEntrypoint } from '@vela/guest-sdk'
       export class A extends Actor {
         n = 0
         spin() { this.n++; if (!this.over) void this.env.A.tell(this.ctx.id.name, 'spin') }
         stop() { this.over = true; return this.n }
       }
       export default class extends WorkerEntrypoint {
         async spin() { await this.env.A.tell('loop', 'spin') }
         halt() { return this.env.A.get('loop').stop() }
       }`,
      { engine, capabilities: { actors: { A: { class: 'A' } } }, limits: { cpuMs: 2000 } },
    )
    await host.invoke('acme/loop', 'spin')
    expect(await host.invoke('acme/loop', 'halt')).toBeGreaterThan(0)
  })
})
