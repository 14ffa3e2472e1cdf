/** Requests to another process behind HTTP: each `/ask?count=&lanes=` makes so many, and counts the right ones. */
import { serveCounts } from '../contenders/counting-server.ts'

/** One request; true if the answer was right. */
export type Ask = () => Promise<boolean>

export const serve = (ask: Ask): void =>
  serveCounts((asked) => run(ask, Number(asked.get('count')), Number(asked.get('lanes'))))

async function run(ask: Ask, count: number, lanes: number): Promise<number> {
  let left = count
  let right = 0
  const lane = async (): Promise<void> => {
    while (left-- > 0) if (await ask()) right++
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return right
}

export const TEXT: string = 'x'.repeat(100)
