/** What the host counts of actors: messages by how they ended, and those given up. Labels are words of the host's own. */
import type { Metric } from 'prom-client'
import { createWords } from './metrics-handles.ts'
import { counter, gauge } from './metrics-series.ts'

/** Every method is cheap and never throws. */
export interface ActorMetrics {
  /** A message that went through the host ended: 'ok', or its code. */
  message(kind: 'ask' | 'tell' | 'alarm' | 'depth' | 'fetch', outcome: string): void
  deadLetter(): void
}

export function createActorMetrics(
  register: (metric: Metric) => void,
  active: () => number | undefined,
): ActorMetrics {
  const kinds = {
    ask: createWords(),
    tell: createWords(),
    alarm: createWords(),
    depth: createWords(),
    fetch: createWords(),
  }
  let deadLetters = 0
  register(
    counter('vela_actor_messages_total', 'Messages to actors that the host carried, by outcome', () =>
      Object.entries(kinds).flatMap(([kind, words]) =>
        words
          .samples('outcome')()
          .map(({ labels, value }) => ({ labels: { kind, ...labels }, value })),
      ),
    ),
  )
  register(
    counter('vela_actor_dead_letters_total', 'Messages to actors that were given up', () => [
      { labels: {}, value: deadLetters },
    ]),
  )
  register(
    gauge('vela_actors_active', 'Actors that have an activation', () => {
      const value = active()
      return value === undefined ? [] : [{ labels: {}, value }]
    }),
  )
  return {
    message: (kind, outcome) => kinds[kind].add(outcome),
    deadLetter: () => {
      deadLetters += 1
    },
  }
}
