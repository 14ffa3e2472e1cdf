import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openStore } from '../../host/registry/store/client.ts'
import type { StoreClient } from '../../host/registry/store/client.ts'
import type { notesReads, notesWrites } from './fixtures/notes.ts'
import { makeDataDir } from '../data-dir.ts'
import { open, run, withCode } from './support.ts'

type Notes = typeof notesReads & typeof notesWrites

async function openNotes(dataDir: string | null, schema = '1'): Promise<StoreClient<Notes>> {
  const entry = new URL(`./fixtures/notes-${schema}.ts`, import.meta.url)
  const store = await openStore<Notes>({ dataDir, maxStoreBytes: null, entry, log: () => undefined })
  onTestFinished(() => store.close().catch(() => undefined))
  return store
}

describe('the store thread', () => {
  it('undoes all of a write that fails half-way, and nothing of its neighbours', async () => {
    const store = await openNotes(null)
    const outcomes = await Promise.allSettled([
      store.call('add', 'one'),
      store.call('addThenRefuse', 'refused'),
      store.call('add', 'two'),
      store.call('addThenBreak', 'broken'),
      store.call('add', 'three'),
    ])
    expect(outcomes.map((outcome) => outcome.status === 'fulfilled')).toEqual([
      true,
      false,
      true,
      false,
      true,
    ])
    expect(outcomes[1]).toMatchObject({
      reason: { code: 'VELA_AUTH_FORBIDDEN', details: { note: 'refused' } },
    })
    expect(outcomes[3]).toMatchObject({ reason: { code: 'VELA_STORE_FAILED' } })
    expect(await store.call('all')).toEqual(['one', 'two', 'three'])
    await expect(store.call('addThenBreak', 'alone')).rejects.toEqual(withCode('VELA_STORE_FAILED', /a bug/))
    await expect(store.call('addThenRefuse', 'alone')).rejects.toEqual(withCode('VELA_AUTH_FORBIDDEN'))
    expect(await store.call('all')).toHaveLength(3)
  })

  it('undoes a write that was refused in the transaction that keeps its neighbours', async () => {
    const store = await openNotes(null)
    const calls = [store.call('add', 'one'), store.call('addThenRefuse', 'refused'), store.call('add', 'two')]
    await expect(Promise.allSettled(calls)).resolves.toMatchObject([
      {},
      { reason: { code: 'VELA_AUTH_FORBIDDEN' } },
      {},
    ])
    expect(await store.call('all')).toEqual(['one', 'two'])
  })

  it('sees its own writes in the order they were asked', async () => {
    const store = await openNotes(null)
    const [, before, , after] = await Promise.all([
      store.call('add', 'one'),
      store.call('all'),
      store.call('add', 'two'),
      store.call('all'),
    ])
    expect([before, after]).toEqual([['one'], ['one', 'two']])
  })

  it('fails every call that waits, and every later one, when it dies', async () => {
    const store = await openNotes(null)
    const calls = [store.call('add', 'one'), store.call('die'), store.call('add', 'two')]
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'VELA_STORE_FAILED' } })
    }
    await expect(store.call('all')).rejects.toEqual(withCode('VELA_STORE_FAILED', /thread ended/))
    await store.close()
  })

  it('fails only the call whose value cannot cross to it', async () => {
    const store = await openNotes(null)
    const outcomes = await Promise.allSettled([
      store.call('add', 'one'),
      store.call('add', () => 'a function'),
      store.call('add', 'two'),
    ])
    expect(outcomes.map((outcome) => outcome.status === 'fulfilled')).toEqual([true, false, true])
    expect(await store.call('all')).toEqual(['one', 'two'])
  })

  it('refuses what would make the queue endless, and serves what was in it', async () => {
    const store = await openNotes(null)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20_000 }, (_, index) => store.call('add', index)),
    )
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(refused).toHaveLength(20_000 - 16_384)
    expect(refused[0]?.reason).toEqual(withCode('VELA_STORE_FAILED', /calls waiting/))
    expect(await store.call('all')).toHaveLength(16_384)
  })

  it('ends with its process, which it does not keep alive', async () => {
    const dataDir = await makeDataDir()
    const child = run('forgetful.ts', dataDir)
    const exited = once(child.process, 'exit')
    expect(await child.line()).toBe('done')
    expect(await exited).toEqual([0, null])
    expect(await (await open({ dataDir })).listTenants()).toHaveLength(1)
  })
})

describe('a store of an older schema', () => {
  it('is brought forward once, with what it holds', async () => {
    const dataDir = await makeDataDir()
    const old = await openNotes(dataDir, '1')
    await old.call('add', 'note')
    await old.close()
    for (let start = 0; start < 2; start += 1) {
      const store = await openNotes(dataDir, '2')
      expect(await store.call('all')).toEqual(['moved note'])
      await store.close()
    }
    await expect(openNotes(dataDir, '1')).rejects.toEqual(
      withCode('VELA_STORE_DAMAGED', /version 2 and this Vela knows 1/),
    )
  })

  it('is as it was when bringing it forward fails', async () => {
    const dataDir = await makeDataDir()
    const old = await openNotes(dataDir, '1')
    await old.call('add', 'note')
    await old.close()
    await expect(openNotes(dataDir, 'broken')).rejects.toEqual(withCode('VELA_STORE_FAILED', /nowhere/))
    const again = await openNotes(dataDir, '1')
    expect(await again.call('all')).toEqual(['note'])
  })
})
