/**
 * The ephemeral subscriptions of one tenant, and how an event finds them. A tenant has a trie of its own, so nothing that one tenant
 * subscribes to, and no wildcard, can ever meet another's event.
 */
import { createSubjectTrie, type SubjectTrie } from '../../guest-sdk/events/trie.ts'
import { VelaError } from '../core/errors.ts'
import { Budget, type Ledger } from './budget.ts'
import type { BusEvent } from './bus-event.ts'
import type { LocalSubscription } from './local-subscription.ts'

/** Whom an event goes to. */
interface Plan {
  readonly each: readonly LocalSubscription[]
  readonly groups: readonly GroupPlan[]
  /** Somebody takes its text. */
  readonly isEncoding: boolean
  /** Somebody refuses what there is no room for. */
  readonly mayReject: boolean
}

interface GroupPlan {
  readonly members: readonly LocalSubscription[]
  readonly group: Group
}

/** Lives as long as it has members, so that turns go on whatever subjects come. */
interface Group {
  size: number
  turn: number
}

export class TenantEvents {
  readonly budget: Budget
  readonly subscriptions: Set<LocalSubscription> = new Set()
  readonly #groups = new Map<string, Group>()
  readonly #trie: SubjectTrie<LocalSubscription, Plan>

  constructor(ledger: Ledger, maxCharacters: number) {
    this.budget = new Budget(ledger, maxCharacters)
    this.#trie = createSubjectTrie<LocalSubscription, Plan>({ plan: (items) => this.#plan(items) })
  }

  /** Returns what removes it. */
  add(subscription: LocalSubscription): () => void {
    const { group: name } = subscription.settings
    this.subscriptions.add(subscription)
    if (name !== null) {
      const group = this.#groups.get(name) ?? { size: 0, turn: 0 }
      group.size++
      this.#groups.set(name, group)
    }
    const remove = this.#trie.add(subscription.pattern, subscription)
    return () => {
      if (!this.subscriptions.delete(subscription)) return
      remove()
      if (name === null) return
      const group = this.#groups.get(name)
      if (group !== undefined && --group.size === 0) this.#groups.delete(name)
    }
  }

  /** `check`: the text that somebody will take. Throws what it throws, and VELA_EVENTS_OVERLOADED; nobody has got it then. */
  deliver(event: BusEvent, check: (event: BusEvent) => void): void {
    const { each, groups, isEncoding, mayReject } = this.#trie.match(event.subject)
    if (isEncoding) check(event)
    if (mayReject) return deliverOrReject([...each, ...groups.map((group) => choose(group, event))], event)
    for (const subscription of each) subscription.offer(event)
    for (const group of groups) choose(group, event).offer(event)
  }

  /** How many get an event of the subject. */
  reach(subject: string): number {
    const { each, groups } = this.#trie.match(subject)
    return each.length + groups.length
  }

  #plan(items: readonly LocalSubscription[]): Plan {
    const each: LocalSubscription[] = []
    const members = new Map<string, LocalSubscription[]>()
    for (const item of items) {
      const { group } = item.settings
      const list = group === null ? each : (members.get(group) ?? [])
      list.push(item)
      if (group !== null) members.set(group, list)
    }
    return {
      each,
      groups: [...members].map(([name, list]) => ({
        members: list,
        group: this.#groups.get(name) ?? { size: 0, turn: 0 },
      })),
      isEncoding: items.some((item) => item.isEncoding),
      mayReject: items.some(({ settings }) => settings.overflow === 'reject'),
    }
  }
}

/** In turn; who has no room is passed over, unless nobody has any. */
function choose({ members, group }: GroupPlan, event: BusEvent): LocalSubscription {
  const turn = group.turn++
  const first = members[turn % members.length] as LocalSubscription
  if (first.hasRoom(event)) return first
  for (let step = 1; step < members.length; step++) {
    const other = members[(turn + step) % members.length] as LocalSubscription
    if (other.hasRoom(event)) return other
  }
  return first
}

function deliverOrReject(targets: readonly LocalSubscription[], event: BusEvent): void {
  const full = targets.find((target) => target.settings.overflow === 'reject' && !target.hasRoom(event))
  if (full !== undefined) {
    full.refuse()
    throw new VelaError(
      'VELA_EVENTS_OVERLOADED',
      `A subscription to ${full.pattern} has as many events waiting as it may`,
    )
  }
  for (const target of targets) target.offer(event)
}
