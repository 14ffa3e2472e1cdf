/** `vela init --template hello`: the smallest service worth having. */
import type { Template } from './template.ts'

export const hello: Template = {
  hint: 'answers HTTP with a variable from the manifest',
  try: `curl 'http://127.0.0.1:8787/demo/{{name}}/?name=Ada'`,
  manifest: `{
  // What this service is and may do. Nothing is granted unless it is asked for here.
  "name": "{{name}}",
  "main": "src/index.ts",
  "vars": { "GREETING": "Hello" }
}
`,
  source: `import type { ExportedHandler } from '@vela/guest-sdk'

export default {
  /** Answers every HTTP request to this service. */
  fetch(request, env) {
    const name = new URL(request.url).searchParams.get('name') ?? 'world'
    console.log('greeting', name)
    return Response.json({ message: \`\${env.GREETING}, \${name}!\` })
  },
} satisfies ExportedHandler<Env>
`,
  test: `import { startService } from '@vela/guest-sdk/testing'
import { afterAll, expect, test } from 'vitest'

// The real sandbox; one for all tests of this file.
const service = await startService('.', { vars: { GREETING: 'Hi' } })
afterAll(() => service.stop())

test('greets by name', async () => {
  const response = await service.fetch('/?name=Ada')
  expect(await response.json()).toEqual({ message: 'Hi, Ada!' })
})

test('logs whom it greets', async () => {
  await service.fetch('/?name=Grace')
  await service.waitForLog('greeting Grace')
})
`,
}
