/** All entries of an actor out of a store, which hands them over in pages. */
import type { ActorStore } from '../../concurrency/actors/store/store.ts'
import { MAX_LIST_LIMIT } from '../../concurrency/actors/types.ts'

export async function entriesOf(
  store: Pick<ActorStore, 'list'>,
  tenant: string,
  row: number,
): Promise<ReadonlyMap<string, string>> {
  const entries = new Map<string, string>()
  let start: string | null = null
  for (;;) {
    const range = { start, end: null, prefix: '', limit: MAX_LIST_LIMIT, reverse: false }
    const page = await store.list(tenant, row, range)
    for (const [key, value] of page.entries) entries.set(key, value)
    if (!page.more && page.entries.length < MAX_LIST_LIMIT) return entries
    // What comes right behind the last key.
    start = `${page.entries.at(-1)?.[0] ?? ''}\u0000`
  }
}
