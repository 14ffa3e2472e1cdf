/** The ground rules of a run: the load never shares the servers' core where there is another. */
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { describe, expect, it } from 'vitest'

const MACHINE = new URL('../../bench/machine.ts', import.meta.url).href
const canPin = spawnSync('taskset', ['--version'], { stdio: 'ignore' }).error === undefined

describe.runIf(canPin)('a pinned benchmark', () => {
  it('still knows that there is a second core, though it may use one alone', () => {
    const script = `const m = await import(${JSON.stringify(MACHINE)}); m.pinToLoadCore(); const os = await import('node:os'); console.log(JSON.stringify([m.describeMachine().loadCore, m.LOAD_CORE, os.availableParallelism()]))`
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    })
    const core = availableParallelism() > 1 ? 1 : 0
    expect(JSON.parse(stdout)).toEqual([core, core, 1])
  })
})
