/** `vela init --template cron`: work by the clock, whose result is kept and can be asked for. */
import type { Template } from './template.ts'

export const cron: Template = {
  hint: 'runs by the clock and keeps a report',
  try: `npx vela cron demo/{{name}} && curl http://127.0.0.1:8787/demo/{{name}}/`,
  manifest: `{
  // What this service is and may do. Nothing is granted unless it is asked for here.
  "name": "{{name}}",
  "main": "src/index.ts",
  // Minute, hour, day of the month, month, day of the week; UTC.
  "schedules": ["*/15 * * * *"],
  "capabilities": { "kv": { "REPORTS": {} } }
}
`,
  source: `import type { ExportedHandler } from '@vela/guest-sdk'

interface Report {
  readonly runs: number
  readonly latest: string
}

const read = (env: Env): Promise<Report | null> => env.REPORTS.get<Report>('report', 'json')

export default {
  /** Runs when the schedule is due; one run at a time. */
  async scheduled({ scheduledTime }, env) {
    const before = await read(env)
    const report: Report = { runs: (before?.runs ?? 0) + 1, latest: new Date(scheduledTime).toISOString() }
    await env.REPORTS.put('report', JSON.stringify(report))
    console.log('run', report.runs)
  },

  async fetch(_request, env) {
    return Response.json((await read(env)) ?? { runs: 0 })
  },
} satisfies ExportedHandler<Env>
`,
  test: `import { startService } from '@vela/guest-sdk/testing'
import { afterAll, expect, test } from 'vitest'

// The real sandbox; one for all tests of this file.
const service = await startService('.', { kvSeed: { REPORTS: { report: { runs: 41, latest: 'yesterday' } } } })
afterAll(() => service.stop())

test('counts its runs', async () => {
  await service.scheduled()
  await service.waitForLog('run 42')
  expect(await (await service.fetch()).json()).toMatchObject({ runs: 42 })
})
`,
}
