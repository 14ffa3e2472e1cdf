/** A server that publishes when it is asked: `count` events among `others` subscriptions, and says how many arrived rightly. */
import { serveCounts } from '../contenders/counting-server.ts'

export const serve = (run: (count: number, others: number) => Promise<number>): void =>
  serveCounts((asked) => run(Number(asked.get('count')), Number(asked.get('others'))))
