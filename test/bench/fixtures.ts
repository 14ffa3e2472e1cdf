/** A scenario and contenders without processes, for testing what drives them. */
import type { Contender, ContenderName, Metrics, Scenario } from '../../bench/contract.ts'

export function fakeScenario(overrides: Partial<Scenario> = {}): Scenario {
  return {
    name: 'fake',
    title: 'a scenario of the tests',
    contenders: ['vela', 'workerd'],
    primary: 'rate',
    goals: [{ metric: 'rate', peer: 'workerd', relation: 'at-least', bound: 3 }],
    start: {},
    freshEachRound: false,
    guests: () => [],
    prepare: () => Promise.resolve(),
    round: (): Promise<Metrics> => Promise.resolve({ rate: 1 }),
    ...overrides,
  }
}

/** Writes down what is done to it. */
export function fakeContender(name: ContenderName, journal: string[], startFailure?: string): Contender {
  return {
    name,
    start() {
      if (startFailure !== undefined) return Promise.reject(new Error(startFailure))
      journal.push(`start ${name}`)
      return Promise.resolve({
        name,
        url: () => 'http://127.0.0.1:1',
        pids: () => [],
        stop() {
          journal.push(`stop ${name}`)
          return Promise.resolve()
        },
      })
    },
  }
}
