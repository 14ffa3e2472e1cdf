/** A container behind HTTP: each `/resolve?count=` puts the graph together so many times, one after the other, and counts the right ones. */
import { serveCounts } from '../contenders/counting-server.ts'
import type { Request } from './ours.ts'

export const serve = (request: Request): void =>
  serveCounts(async (asked) => {
    const count = Number(asked.get('count'))
    let right = 0
    for (let done = 0; done < count; done++) if (await request()) right++
    return right
  })
