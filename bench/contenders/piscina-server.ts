/** Trusted code on piscina's threads, and nothing around it: the floor under worker pools. One thread, for one core. */
import { Piscina } from 'piscina'
import { serveCounts } from './counting-server.ts'

const pool = new Piscina({
  filename: new URL('../guests/workers.js', import.meta.url).href,
  minThreads: 1,
  maxThreads: 1,
})

serveCounts(run)

async function run(asked: URLSearchParams): Promise<number> {
  const inputs = Array.from({ length: Number(asked.get('count')) }, () => Number(asked.get('iterations')))
  const results: unknown[] = await Promise.all(inputs.map((input) => pool.run(input, { name: 'burn' })))
  return results.filter((result) => result === Number(asked.get('expected'))).length
}
