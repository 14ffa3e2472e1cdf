/** How actors of a guest begin, fail, are supervised, upgraded and leave. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startHost, type Host } from '../capabilities/support.ts'
import { describeEngines } from '../engines.ts'
import { deployActors, type Actors } from './guest-support.ts'

const SOURCE = `
class Base extends Actor {
  n = 0
  add() { return ++this.n }
  fail() { this.n++; throw new Error('failed') }
  run(body) { return new (async () => {}).constructor('storage', 'ctx', 'env', body).call(this, this.ctx.storage, this.ctx, this.env) }
  leave() { this.ctx.passivate() }
  async stored() { return [...await this.ctx.storage.list()] }
}
export class A extends Base {
  async onPassivate() { await this.ctx.storage.put('left', ((await this.ctx.storage.get('left')) ?? 0) + 1) }
}
export class Restarting extends Base {
  static options = { supervision: { strategy: 'restart', maxRestarts: 2, backoffMs: 1 } }
}
export class Stopping extends Base {
  static options = { supervision: { strategy: 'stop' } }
  async slowFail() { await new Promise((resolve) => setTimeout(resolve, 5)); throw new Error('slow') }
}
export class Child extends Base {
  static options = { supervision: { strategy: 'escalate', backoffMs: 0 } }
}
export class Parent extends Base {
  failures = []
  onChildFailure(child, error) {
    this.failures.push([child, error.message])
    return child.name.split(' ')[0]
  }
  async childAdd(name) { return await this.ctx.children.get(Child, name).add() }
  async childFail(name) {
    return await this.ctx.children.get('Child', name).fail().catch((error) => error.code)
  }
  async failAndAdd(name) {
    const child = this.ctx.children.get(Child, name)
    await child.fail().catch(() => undefined)
    return await child.add()
  }
  told() { return this.failures }
  list() { return this.ctx.children.list() }
}
export class Blocking extends Base {
  constructor(ctx, env) {
    super(ctx, env)
    void ctx.blockConcurrencyWhile(async () => {
      await new Promise((resolve) => setTimeout(resolve, 3))
      this.ready = (await ctx.storage.get('ready')) ?? 'fresh'
    })
  }
  isReady() { return this.ready }
}
export class Broken extends Actor {
  constructor(ctx, env) { super(ctx, env); throw new TypeError('cannot be made') }
  add() { return 1 }
}
export class Hanging extends Base {
  static options = { handleMs: 60, supervision: { maxRestarts: 2, backoffMs: 0 } }
  hang() {
    globalThis.old = { ctx: this.ctx, storage: this.ctx.storage }
    return new Promise((resolve) => { old.resolve = resolve })
  }
  async hangInside() {
    await this.ctx.storage.put('before', 1)
    await this.ctx.storage.transaction(async (txn) => { await txn.put('never', 1); await this.hang() })
  }
  block() { void this.ctx.blockConcurrencyWhile(() => this.hang()) }
}
export class Idle extends Base {
  static options = { idleMs: 1 }
}
`
const CLASSES = ['Restarting', 'Stopping', 'Child', 'Parent', 'Blocking', 'Broken', 'Hanging', 'Idle']

describeEngines('the life of actors', (engine) => {
  let host: Host
  let actors: Actors
  beforeAll(async () => {
    host = await startHost({ cells: { spares: 0 } })
    actors = await deployActors(host, 'acme/life', engine, SOURCE, CLASSES)
  })
  afterAll(() => host.runtime.stop())

  test('without supervision an actor that throws goes on as it is', async () => {
    await actors.ask('a', 'fail')
    expect(await actors.ask('a', 'add')).toEqual({ value: 2 })
  })

  test('a restart begins with a new instance, and too many of them stop the actor', async () => {
    const seen = await actors.run(`
      const r = env.Restarting.get('r')
      await r.add()
      await outcome(r.fail())
      const afterOne = await r.add()
      await outcome(r.fail())
      const afterTwo = await r.add()
      const last = outcome(r.fail())
      const waiting = outcome(r.add())
      return [afterOne, afterTwo, (await last).code, (await waiting).code, await r.add()]`)
    expect(seen).toEqual([1, 1, 'VELA_GUEST_THREW', 'VELA_ACTOR_STOPPED', 1])
  })

  test('what waits for an actor that is stopped is refused, and the next message makes it live again', async () => {
    const seen = await actors.run(`
      const s = env.Stopping.get('s')
      await s.add()
      const all = [s.slowFail(), s.add(), s.add()].map(outcome)
      const codes = (await Promise.all(all)).map(({ code }) => code)
      return [codes, await s.add()]`)
    expect(seen).toEqual([['VELA_GUEST_THREW', 'VELA_ACTOR_STOPPED', 'VELA_ACTOR_STOPPED'], 1])
  })

  test('an instance that was given up can write no more', async () => {
    const seen = await actors.run(`
      const s = env.Stopping.get('old')
      await s.run('globalThis.kept = ctx; globalThis.keptStorage = storage')
      await outcome(s.fail())
      await s.add()
      const put = await outcome(keptStorage.put('k', 1))
      let thrown
      try { kept.passivate() } catch (error) { thrown = error.code }
      return [put.code, thrown, await s.stored()]`)
    expect(seen).toEqual(['VELA_ACTOR_STOPPED', 'VELA_ACTOR_STOPPED', []])
  })

  test('a parent decides what becomes of a child that escalates', async () => {
    const seen = await actors.run(`
      const p = env.Parent.get('p')
      const result = []
      for (const directive of ['resume', 'restart', 'stop']) {
        await p.childAdd(directive)
        result.push([await p.childFail(directive), (await outcome(p.childAdd(directive))).value])
      }
      return [result, (await p.told()).map(([child, message]) => child.class + ' ' + child.name + ' ' + message), await p.list()]`)
    const code = 'VELA_GUEST_THREW'
    expect(seen).toEqual([
      [
        [code, 3],
        [code, 1],
        [code, 1],
      ],
      ['Child resume failed', 'Child restart failed', 'Child stop failed'],
      [
        { class: 'Child', name: 'resume' },
        { class: 'Child', name: 'restart' },
        { class: 'Child', name: 'stop' },
      ],
    ])
  })

  test('a parent may wait for a child whose failure it has yet to decide', async () => {
    expect(await actors.run(`return await env.Parent.get('waits').failAndAdd('resume alone')`)).toBe(2)
  })

  test('a child without a parent that escalates is stopped', async () => {
    const seen = await actors.run(`
      const c = env.Child.get('orphan')
      await c.add()
      await outcome(c.fail())
      return await c.add()`)
    expect(seen).toBe(1)
  })

  test('no message begins before blockConcurrencyWhile is done', async () => {
    expect(await actors.run(`return await env.Blocking.get('b').isReady()`)).toBe('fresh')
  })

  test('if what it blocks for fails, the instance is given up', async () => {
    const seen = await actors.run(`
      const a = env.A.get('block')
      await a.add()
      const failed = await outcome(a.run("await ctx.blockConcurrencyWhile(() => { throw new Error('no') })"))
      return [failed.message, await a.add()]`)
    expect(seen).toEqual(['no', 1])
  })

  test('who cannot be made says why to each who asks', async () => {
    for (let count = 0; count < 3; count++) {
      const outcome = await actors.run(`return await outcome(env.Broken.get('x').add())`)
      expect(outcome).toEqual({ name: 'TypeError', message: 'cannot be made', code: 'VELA_GUEST_THREW' })
    }
  })

  test('an actor that leaves runs onPassivate, and what that writes is durable', async () => {
    await actors.ask('p', 'add')
    await actors.ask('p', 'leave')
    expect(await actors.ask('p', 'add')).toEqual({ value: 1 })
    expect(await actors.ask('p', 'stored')).toEqual({ value: [['left', 1]] })
  })

  test('an idle actor leaves when its isolate is entered', async () => {
    const seen = await actors.run(`
      const i = env.Idle.get('i')
      await i.add()
      await later(20)
      return await i.add()`)
    expect(seen).toBe(1)
  })

  test('waitUntil keeps an actor here', async () => {
    const seen = await actors.run(`
      const i = env.Idle.get('waits')
      await i.run('ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 40)))')
      await i.add()
      await later(20)
      return await i.add()`)
    expect(seen).toBe(2)
  })

  test('a method that never settles is given up after handleMs, and a new instance handles what waits', async () => {
    const seen = await actors.run(`
      const h = env.Hanging.get('h')
      await h.add()
      const hung = outcome(h.hang())
      const waiting = outcome(h.add())
      const results = [(await hung).code, (await hung).message, (await waiting).value]
      const put = await outcome(old.storage.put('k', 1))
      let thrown
      try { old.ctx.passivate() } catch (error) { thrown = error.code }
      old.resolve('too late')
      await later()
      return [...results, put.code, thrown, await h.add(), await h.stored()]`)
    expect(seen).toEqual([
      'VELA_ACTOR_DEADLINE',
      'hang: not over after 60 ms (handleMs of its class), so the actor was given up',
      1,
      'VELA_ACTOR_STOPPED',
      'VELA_ACTOR_STOPPED',
      2,
      [],
    ])
  })

  test('what it wrote before stays, and the transaction it hangs in leaves no trace', async () => {
    const seen = await actors.run(`
      const h = env.Hanging.get('inside')
      const { code } = await outcome(h.hangInside())
      return [code, await h.stored()]`)
    expect(seen).toEqual(['VELA_ACTOR_DEADLINE', [['before', 1]]])
  })

  test('a method that nobody waits for any more holds the actor no longer than handleMs either', async () => {
    const asked = await actors.ask('unused', 'run', [
      `return await env.Hanging.ask('gone', 'hang', [], { deadlineMs: 1 }).catch(({ code }) => code)`,
    ])
    expect(asked).toEqual({ value: 'VELA_ACTOR_DEADLINE' })
    expect(await actors.run(`return await env.Hanging.get('gone').add()`)).toBe(1)
  })

  test('hanging counts as a failure: too often, and the actor is stopped', async () => {
    const seen = await actors.run(`
      const h = env.Hanging.get('often')
      const all = [h.hang(), h.hang(), h.hang(), h.add()].map(outcome)
      return [...(await Promise.all(all)).map(({ code }) => code), await h.add()]`)
    const late = 'VELA_ACTOR_DEADLINE'
    expect(seen).toEqual([late, late, late, 'VELA_ACTOR_STOPPED', 1])
  })

  test('what blockConcurrencyWhile waits for in vain holds the others no longer than handleMs', async () => {
    const seen = await actors.run(`
      const h = env.Hanging.get('blocks')
      await h.add()
      await h.block()
      return [(await outcome(h.add())).code, await h.add()]`)
    expect(seen).toEqual(['VELA_ACTOR_DEADLINE', 1])
  })

  test('actors that are each other’s parents are stopped together', async () => {
    const seen = await actors.run(`
      const [a, b] = [env.Stopping.get('left'), env.Stopping.get('right')]
      await a.run("await ctx.children.get('Stopping', 'right').add()")
      await b.run("await ctx.children.get('Stopping', 'left').add()")
      const failed = await outcome(a.fail())
      return [failed.code, await a.add(), await b.add()]`)
    expect(seen).toEqual(['VELA_GUEST_THREW', 1, 1])
  })
})
